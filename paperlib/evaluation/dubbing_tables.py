"""Tables 1 and 2 from the clip scores of every system: means, intervals over speakers, ours less each, and the printed rows apart.

Rules, fixed before any run. Table 1 is the set of still heads, table 2 that of strong head motion; `track` tells cross-dubs, which have
pixel truth, from self-reconstruction. A value is the mean over clips, its interval resamples speakers. "Ours better than X" needs an
interval of the paired differences that leaves out 0 and Holm's p below 0.05: over the paper's six columns times the baselines that are
there, in each table and track; any other measure is a family of its own. All else is a tie. A row that beats the ground truth is flagged.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paperlib import config, paths
from paperlib.corpus.preparing import How
from paperlib.evaluation import dubbing_agreement, dubbing_pages, dubbing_run, dubbing_worst
from paperlib.evaluation.dubbing_instruments import labels
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_run import SETS
from paperlib.evaluation.dubbing_scores import Group, group_of
from paperlib.evaluation.dubbing_systems import MINIS, OFFICIAL, OURS, Entry, entries
from paperlib.evaluation.dubbing_tasks import CROSS, SELF, Store
from paperlib.evaluation.dubbing_words import PAPER
from paperlib.evaluation.shelf import Shelf
from paperlib.metrics import identity, image
from paperlib.metrics.statistics import Interval, holm, paired_difference, verdict
from paperlib.paper import PAIRED, published_rows
from paperlib.results import Row, interval_fields, provenance, write_results

TABLES = dict(zip(("table1", "table2"), SETS, strict=True))
PICTURES = dict(zip(SETS, ("figure4_frames.npz", "figure5_frames.npz"), strict=True))
COMPARED = (*MINIS, OFFICIAL, "frozen_mouth", "reference_pasted")  # what ours is paired with
ALPHA = 0.05
FLAG = "FLAG: beats the ground truth"


def beats(value: float, truth: float, better: str, margin: float = 1e-6) -> bool:
    """Whether `value` is better than the ground truth's own: a sign that the measure, not the system, is at fault.

    >>> beats(0.9, 0.8, "higher"), beats(0.9, 0.8, "lower"), beats(0.9, float("nan"), "higher"), beats(0.9, 0.8, "")
    (True, False, False, False)
    """
    return bool(value > truth + margin) if better == "higher" else bool(value < truth - margin) if better == "lower" else False


def place(key: str, entry: Entry, common: Mapping) -> dict:
    """Fields of a row that measure and system decide."""
    m = MEASURES[key]
    return {"unit": m.unit, "region": m.region, "beta": entry.beta, "contest": entry.contest, **common}


def value_rows(table: str, group: Group, entry: Entry, common: Mapping, truth: Mapping[str, float]) -> list[Row]:
    """A row for each measure of one system; truth: measure -> the ground truth's mean, for the flags."""
    out = []
    for key in group.measures(entry.row):
        ci, m = group.interval(entry.row, key), MEASURES[key]
        if not np.isfinite(ci.value):
            continue  # the truth's PSNR against itself
        control = entry.row.startswith("truth")
        flag = FLAG if not control and beats(ci.value, truth.get(key, float("nan")), m.better) else ""
        out.append(Row(table, entry.row, m.metric, ci.value, protocol=flag, **place(key, entry, common), **interval_fields(ci)))
    return out


def missing_rows(table: str, entry: Entry, common: Mapping, measures: Sequence[str] = PAPER) -> list[Row]:
    """The paper's columns of a system that is not there: no value, and why."""
    return [Row(table, entry.row, MEASURES[k].metric, None, protocol=entry.missing, **place(k, entry, common)) for k in measures]


def families(compared: Sequence[str], measures: Iterable[str]) -> list[list[tuple[str, str]]]:
    """Holm's families of (baseline, measure): the paper's columns together, every other measure apart."""
    minis, rest = [c for c in compared if c in MINIS], [m for m in measures if m not in PAPER]
    return [[(c, m) for c in minis for m in PAPER], *([(c, m) for c in minis] for m in rest)]


def judged(difference: Interval, better: str, p: float) -> str:
    """better, worse, tie or no verdict for ours less another, after Holm; p: adjusted (nan: there is no test)."""
    said = verdict(difference, better) if better else "no verdict"
    return "tie" if said in ("better", "worse") and not p < ALPHA else said


def paired_rows(table: str, group: Group, rows: Mapping[str, Entry], common: Mapping) -> list[Row]:
    """Ours less each of COMPARED that is there, for every measure both have."""
    if OURS not in group.rows:
        return []
    compared, found = [c for c in COMPARED if c in group.rows], {}
    for other in compared:
        for key in group.measures(other):
            if key in group.measures(OURS):
                found[other, key] = paired_difference(group.values(OURS, key), group.values(other, key), group.speakers)
    adjusted, count = {}, {}
    for family in families(compared, MEASURES):
        tested = [f for f in family if f in found and MEASURES[f[1]].better and np.isfinite(found[f].p)]
        adjusted |= dict(zip(tested, holm([found[f].p for f in tested]), strict=True))
        count |= dict.fromkeys(tested, len(tested))
    out = []
    for (other, key), ci in found.items():
        if not np.isfinite(ci.value):
            continue
        p, m = adjusted.get((other, key), ci.p), MEASURES[key]
        how = f"Holm p {p:.3g} of {count[other, key]}" if (other, key) in count else f"p {p:.3g}, a control"
        said = f"paired; ours is: {judged(ci, m.better, p)} ({how}); smallest detectable {ci.detectable:.3g}"
        fields = place(key, rows[OURS], common) | interval_fields(ci) | {"contest": rows[other].contest}
        out.append(Row(table, PAIRED + other, m.metric, ci.value, protocol=said, **fields))
    return out


@dataclass(frozen=True)
class Facts:
    """Of one test set: cosines of different people's faces (mean, highest, pairs) by region, and shares of the picture by region."""

    impostors: dict[str, tuple[float, float, int]]
    shares: dict[str, float]


def facts(store: Store, names: Sequence[str]) -> Facts:
    """Facts of the true clips `names`, one or more of each person."""
    import torch

    from paperlib.evaluation.renderer import box_mask
    from paperlib.media.cropping import mouth_box

    people: dict[str, list[np.ndarray]] = {}
    shares: dict[str, list[float]] = {"crop": [], "mouth": []}
    for name in names:
        clip = store.read(name)
        people.setdefault(clip.speaker, []).append(clip.faces)
        lips = clip.masks * box_mask(torch.from_numpy(mouth_box(clip.lmk_neutral)), clip.size)
        for region, mask in (("crop", clip.masks), ("mouth", lips)):
            shares[region].append(float(image.mask_share(mask).mean()))
    faces = {r: [np.concatenate([f[k] for f in own]) for own in people.values()] for k, r in enumerate(("frame", "crop"))}
    impostors = {r: identity.impostor_csim(f) for r, f in faces.items() if len(f) > 1}
    return Facts(impostors, {r: round(float(np.mean(v)), 4) for r, v in shares.items()})


def impostor_rows(table: str, known: Facts, common: Mapping) -> list[Row]:
    """CSIM of different people's true faces: what any CSIM must be held against."""
    return [
        Row(table, "truth", "csim_impostor", mean, beta="none", region=region, n=pairs,
            protocol=f"different people's true faces; highest {highest:.4f}; n counts pairs", **common)
        for region, (mean, highest, pairs) in known.impostors.items()
    ]  # fmt: skip


def table_rows(table: str, scores: Sequence[dict], rows: Sequence[Entry], known: Facts, motion: str) -> list[Row]:
    """All measured rows of a table, both tracks, then the paper's own, which share no body with them (kind "published")."""
    part, by_row, out = TABLES[table], {e.row: e for e in rows}, []
    truth: dict[str, float] = {}
    for kind in (CROSS, SELF):
        group = group_of(scores, kind, part)
        common = {"data": f"embedded test speakers, {part}, {len(group.clips)} clips", "motion": motion, "track": kind}
        if "truth" in group.rows:  # twins: the same clips are the truth of both tracks
            truth = {key: float(np.nanmean(v)) for key in group.measures("truth") if np.isfinite(v := group.values("truth", key)).any()}
        for entry in rows:
            if entry.missing and kind in entry.kinds:
                out += missing_rows(table, entry, common) if entry.row in (OURS, *MINIS) else []
            elif entry.row in group.rows:
                out += value_rows(table, group, entry, common, truth)
        out += paired_rows(table, group, by_row, common)
        out += impostor_rows(table, known, common) if kind == CROSS else []
    return out + [r for r in published_rows() if r.table == table]


def evaluate(
    profile: config.Profile,
    method: str = "all",
    folder: Path | None = None,
    clips: int | None = None,
    how: How | None = None,
    shelf: Shelf | None = None,
    root: Path | None = None,
) -> list[Path]:
    """Score what `method` asks for and write table1.json, table2.json, judge_agreement.json, the frames of figures 4 and 5 and of the worst
    dubs (worst_frames.npz).

    method: see `dubbing_run.chosen_rows`; systems scored before stay in the tables, others are named in the header as not scored.
    folder: default build/<profile>/results. clips: at most so many people's clips in each set. shelf: where checkpoints lie (default: the
    shipped ones, then build's); root: of the store of known clips. Clip scores go to build/<profile>/tables/clips.csv,
    with pictures to clips.html.
    """
    start, shelf = time.perf_counter(), shelf or Shelf(profile.name)
    folder, work = folder or paths.build_dir(profile.name) / "results", paths.build_dir(profile.name) / "tables"
    rows = entries(shelf)
    wanted, how = dubbing_run.chosen_rows(method, rows), (how or How()).check()
    made = dubbing_run.open_run(profile, shelf, work / "systems", how, clips, root)
    done = dubbing_run.run(made, wanted, how)
    scores = dubbing_run.all_scores(done)
    written = [dubbing_run.write_clips(scores, work / "clips.csv")]
    cfg, corpus, there = profile.tables, dubbing_run.table_corpus(profile), {d.cell.name for d in done}
    header = provenance(
        "paperlib evaluate --method all", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints={e.row: e.missing or e.key for e in rows if e.row in (OURS, *MINIS)}, instruments=labels(shelf),
        measures={k: m.words for k, m in MEASURES.items()}, clips=len({s["clip"] for s in scores if s["kind"] == CROSS}),
        every=dubbing_run.looks(cfg), size=profile.size,
        system_seconds={d.cell.name: d.seconds for d in done}, not_scored=[e.row for e in rows if not e.missing and e.row not in there],
    )  # fmt: skip
    for table, part in TABLES.items():
        names = sorted({s["clip"].split(" with ")[1] for s in scores if s["set"] == part and s["kind"] == CROSS})
        if names:
            known = facts(made.work.store, names)
            measured = table_rows(table, scores, rows, known, corpus.cfg.motion)
            written.append(write_results(table, measured, header | {"region_shares": known.shares}, folder))
    group = group_of(scores, CROSS)
    about = {"data": f"embedded test speakers, both sets, {len(group.clips)} cross-dubs", "motion": corpus.cfg.motion, "track": CROSS}
    if len(group.rows) > 1:
        written.append(write_results(dubbing_agreement.TABLE, dubbing_agreement.rows_of(group, about), header, folder))
    written += dubbing_run.keep_frames(made, done, folder, PICTURES)
    written += dubbing_worst.keep_worst(made, done, scores, folder, how)
    return [*written, dubbing_pages.write_page(made, done, scores, rows, header, work / "clips.html")]
