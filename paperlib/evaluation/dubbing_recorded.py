"""All systems on recorded people (PROTOCOL: GRID cross-sentence): clip i with the speech of clip j, which has no picture to compare with.

The recording of j exists, though: it says how that mouth opened, and what shape it had when the pose is taken out. A dub should follow
it and not the recording that was dubbed; frozen mouth, unchanged source and wrong speech stand beside it. Self-reconstruction has pixels,
and flatters. People with LEAST clips or more have intervals over their clips; everybody else is listed clip by clip, without.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from paperlib import config, paths
from paperlib.config import FPS
from paperlib.corpus.prepared import PreparedCorpus, PreparedId
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation import dubbing_agreement, dubbing_pages, dubbing_run
from paperlib.evaluation.dubbing_instruments import labels
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_scores import Group, group_of
from paperlib.evaluation.dubbing_systems import MINIS, OURS, Entry, entries
from paperlib.evaluation.dubbing_tables import COMPARED, missing_rows, place
from paperlib.evaluation.dubbing_tasks import SELF, SENTENCE, Plan, fill
from paperlib.evaluation.dubbing_words import PAPER
from paperlib.evaluation.shelf import Shelf
from paperlib.metrics.statistics import cluster_bootstrap, paired_difference, verdict
from paperlib.paper import PAIRED
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training.sweep import Sweep

MOST = 12  # clips of one person, the first by a hash of their names
LEAST = 5  # clips of one person that an interval needs
SHORTEST = FPS  # frames; shorter clips hold neither a reference a second away nor the judge's lags
ABSENT = {SENTENCE: ("opening_r", "sync_mouth"), SELF: PAPER}  # measures of the rows of a system that is not there
SHOWN_SELF = (*PAPER, "skill_mouth", "opening_r")  # of a clip with its own words
LISTED = (OURS, *MINIS, "frozen_mouth", "source_unchanged")
LISTED_MEASURES = {SENTENCE: ("opening_r", "opening_r_source", "sync_mouth"), SELF: ("skill_crop",)}  # clips.csv holds every one


def chosen_clips(corpus: PreparedCorpus, most: int = MOST) -> dict[str, list[PreparedId]]:
    """Speaker -> at most `most` clips by the hash of their names, whatever split they are in: no network here has met any of them."""
    people: dict[str, list[PreparedId]] = {}
    for clip in sorted((c for s in ("train", "val", "test") for c in corpus.clips(s)), key=lambda c: c.name):
        people.setdefault(clip.speaker, []).append(clip)
    by_hash = {who: sorted(own, key=lambda c: hashlib.sha256(c.name.encode()).hexdigest())[:most] for who, own in people.items()}
    if sum(map(len, by_hash.values())) < 3:
        raise InputError(f"{corpus.root}: holds fewer than three clips; a dub needs one, its speech another, wrong speech a third")
    return dict(sorted(by_hash.items(), key=lambda kv: (-len(kv[1]), kv[0])))


def plans(people: Mapping[str, Sequence[PreparedId]]) -> list[Plan]:
    """Each clip with the speech of the same person's next one, in a circle; people with one clip take the next such person's. Then each
    with its own. The third clip is the next person's first."""
    lone = [own[0] for own in people.values() if len(own) == 1]
    order = list(people.values())
    out: dict[str, list[Plan]] = {SENTENCE: [], SELF: []}
    for k, own in enumerate(order):
        circle = own if len(own) > 1 else lone
        for clip in own:
            other = circle[(circle.index(clip) + 1) % len(circle)]
            other = other if other != clip else order[(k + 1) % len(order)][0]
            third = next(c for c in (order[(k + 1) % len(order)][0], *(c for o in order for c in o)) if c not in (clip, other))
            out[SENTENCE].append(Plan(SENTENCE, clip.name, other.name, third.name))
            out[SELF].append(Plan(SELF, clip.name, clip.name, third.name))
    return [*out[SENTENCE], *out[SELF]]


def open_recorded(
    data: Path, profile: config.Profile, shelf: Shelf, folder: Path, how: How, clips: int | None = None, root: Path | None = None
) -> tuple[Sweep, PreparedCorpus]:
    """The sweep over a prepared folder, its clips known and nothing dubbed yet; all are cut to one length.

    clips: of one person, at most (default MOST). InputError for a folder that is not prepared or has too few clips of SHORTEST frames.
    """
    corpus = PreparedCorpus(data, profile.size)
    people = chosen_clips(corpus, clips or MOST)
    length = {c: len(corpus.speech(c)[0]) for own in people.values() for c in own}
    people = {who: [c for c in own if length[c] >= SHORTEST] for who, own in people.items()}
    people = {who: own for who, own in people.items() if own}
    kept = [c for own in people.values() for c in own]
    if len(kept) < 3:
        raise InputError(f"{data}: fewer than three clips of {SHORTEST} frames or more; prepare longer ones")
    cfg = dataclasses.replace(profile.tables, frames=min(profile.tables.frames, *(length[c] for c in kept)))
    store = fill(corpus, kept, cfg, shelf, how, root)
    made = plans(people)
    shown = tuple(f"{p.source} with {p.speech}" for p in made if p.kind == SENTENCE)[: cfg.shown]
    return dubbing_run.sweep(folder, dubbing_run.Score(store, tuple(made), shelf, cfg, shown), entries(shelf), profile), corpus


def interval_rows(table: str, group: Group, rows: Iterable[Entry], common: Mapping) -> list[Row]:
    """Means over one person's clips with intervals over them, and ours less each of COMPARED. With its own words: in SHOWN_SELF alone."""
    out, by_row = [], {e.row: e for e in rows}
    clips = np.array(group.clips)
    kept = SHOWN_SELF if common["track"] == SELF else tuple(MEASURES)
    for row in group.rows:
        for key in (k for k in group.measures(row) if k in kept):
            ci = cluster_bootstrap(group.values(row, key), clips)
            if np.isfinite(ci.value):
                where = place(key, by_row[row], common) | interval_fields(ci)
                out.append(Row(table, row, MEASURES[key].metric, ci.value, protocol="one person: clips resampled, n counts them", **where))
    for other in (c for c in (*COMPARED, "source_unchanged") if c in group.rows and OURS in group.rows):
        for key in (k for k in group.measures(other) if k in kept):
            ci, m = paired_difference(group.values(OURS, key), group.values(other, key), clips), MEASURES[key]
            if np.isfinite(ci.value):
                said = verdict(ci, m.better) if m.better else "no verdict"
                where = place(key, by_row[OURS], common) | interval_fields(ci) | {"contest": by_row[other].contest}
                words = f"paired; ours is: {said}; clips of one person resampled, so of this person alone"
                out.append(Row(table, PAIRED + other, m.metric, ci.value, protocol=words, **where))
    return out


def agreement_rows(group: Group, common: Mapping) -> list[Row]:
    """Whether the judges of sync agree on one person's clips: their taus, and ours against every other row."""
    alone = dataclasses.replace(group, speakers=np.array(group.clips))  # clips are resampled, as in the intervals above
    every = dubbing_agreement.rows_of(alone, common)
    return [r for r in every if r.metric == "kendall_tau" or OURS in r.row.split(">")]


def listed_rows(table: str, scores: Sequence[dict], rows: Iterable[Entry], common: Mapping, corpus: str) -> list[Row]:
    """Every clip of people with few clips by itself: LISTED rows, LISTED_MEASURES."""
    by_row, out = {e.row: e for e in rows}, []
    for s in scores:
        for key in LISTED_MEASURES[s["kind"]] if s["row"] in LISTED else ():
            if s.get(key) is not None:
                where = place(key, by_row[s["row"]], common) | {"data": f"{corpus}, {s['clip']}", "n": 1}
                out.append(Row(table, s["row"], MEASURES[key].metric, s[key], protocol="one clip, no interval", **where))
    return out


def recorded_rows(table: str, scores: Sequence[dict], rows: Sequence[Entry], corpus: str) -> list[Row]:
    """All rows of a prepared corpus: who has LEAST clips with intervals, everybody else clip by clip; missing systems once a track."""
    out: list[Row] = []
    for kind in (SENTENCE, SELF):
        mine = [s for s in scores if s["kind"] == kind]
        counts = Counter({s["clip"]: s["speaker"] for s in mine}.values())
        common = {"motion": "real", "track": kind}
        for e in rows:
            if e.missing and e.row in (OURS, *MINIS):
                out += missing_rows(table, e, common | {"data": corpus}, ABSENT[kind])
        for who, n in counts.most_common():
            own = [s for s in mine if s["speaker"] == who]
            if n >= LEAST:
                about = common | {"data": f"{corpus}, {who}, {n} clips"}
                out += interval_rows(table, group_of(own, kind), rows, about)
                out += agreement_rows(group_of(own, kind), about) if kind == SENTENCE else []
            else:
                out += listed_rows(table, own, rows, common, corpus)
    return out


def evaluate(
    data: Path,
    profile: config.Profile,
    method: str = "all",
    folder: Path | None = None,
    clips: int | None = None,
    how: How | None = None,
    shelf: Shelf | None = None,
    root: Path | None = None,
) -> list[Path]:
    """Dub and score the prepared folder `data`; write controls_dub_<corpus>.json, the frames of its figure, and in build the scores
    of every clip (clips_<corpus>.csv) and a page of them with pictures (clips_<corpus>.html).

    clips: of one person, at most; the other arguments are those of `dubbing_tables.evaluate`.
    """
    start, shelf = time.perf_counter(), shelf or Shelf(profile.name)
    folder, work = folder or paths.build_dir(profile.name) / "results", paths.build_dir(profile.name) / "tables_recorded"
    rows = entries(shelf)
    wanted, how = dubbing_run.chosen_rows(method, rows), (how or How()).check()
    made, corpus = open_recorded(Path(data), profile, shelf, work / "systems", how, clips, root)
    name = corpus.card["corpus"]
    done = dubbing_run.run(made, wanted, how)
    scores = dubbing_run.all_scores(done)
    written = [dubbing_run.write_clips(scores, work / f"clips_{name}.csv")]
    asked = [p for p in made.work.plans if p.kind == SENTENCE]
    header = provenance(
        "paperlib evaluate --method all --data FOLDER", profile.name, profile.seed, corpus.key, time.perf_counter() - start,
        checkpoints={e.row: e.missing or e.key for e in rows if e.row in (OURS, *MINIS)}, instruments=labels(shelf),
        measures={k: m.words for k, m in MEASURES.items()}, size=profile.size, frames=made.work.cfg.frames,
        every=dubbing_run.looks(made.work.cfg),
        system_seconds={d.cell.name: d.seconds for d in done}, clips=[[p.source, p.speech] for p in asked],
    )  # fmt: skip
    written.append(write_results(f"controls_dub_{name}", recorded_rows(f"controls_dub_{name}", scores, rows, name), header, folder))
    written += dubbing_run.keep_frames(made, done, folder, {"recorded people": f"dub_{name}_frames.npz"}, SENTENCE)
    return [*written, dubbing_pages.write_page(made, done, scores, rows, header, work / f"clips_{name}.html", SENTENCE)]
