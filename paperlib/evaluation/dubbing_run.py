"""Dub and score every task with every system, a cell of a sweep for each system: stopped, it goes on with the systems that are missing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from paperlib.artifacts import atomic_write, code_hash
from paperlib.config import Profile, TablesConfig, config_hash
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.preparing import How
from paperlib.corpus.synthetic import ClipId, pair_of
from paperlib.errors import InputError
from paperlib.evaluation.dubbing_frames import PICTURED, keep, read_kept, shown_frames, write_kept
from paperlib.evaluation.dubbing_instruments import instruments, labels
from paperlib.evaluation.dubbing_measures import MEASURES, measure
from paperlib.evaluation.dubbing_systems import CONTESTS, MINIS, OFFICIAL, OURS, Entry, Paint, entries, open_system, taken
from paperlib.evaluation.dubbing_tasks import CROSS, SELF, Plan, Store
from paperlib.evaluation.renderer_scores import to_uint8
from paperlib.evaluation.shelf import Shelf
from paperlib.training.sweep import Cell, Done, Sweep

SETS = ("still heads", "strong head motion")  # of table 1, of table 2


def table_corpus(profile: Profile) -> Corpus:
    """The profile's corpus with the tables' test people and both scenes of each."""
    people = max(profile.tables.speakers, profile.corpus.test_speakers)
    return Corpus(replace(profile.corpus, test_speakers=people, test_scenes=2))


def pairs(corpus: Corpus, speakers: int) -> list[tuple[ClipId, ClipId]]:
    """(A, B) of every scene of the first `speakers` test people: take 0 is dubbed, take 1 is heard and wanted. Scene by scene."""
    first = [c for c in corpus.clips("test") if c.take == 0]
    people = sorted({c.speaker for c in first})[:speakers]
    chosen = [c for c in sorted(first, key=lambda c: (c.scene, c.speaker)) if c.speaker in people]
    return [(c, pair_of(c)) for c in chosen]


def plans(chosen: Sequence[tuple[ClipId, ClipId]]) -> list[Plan]:
    """Cross-dubs of A with B, and B with its own speech; the third clip is the next person's B in the same scene, or, where there is one
    person alone, that person's in another scene. InputError for a single pair: nobody else speaks."""
    out: dict[str, list[Plan]] = {CROSS: [], SELF: []}
    for a, b in chosen:
        own = [other for _, other in chosen if other.scene == b.scene]
        circle = own if len(own) > 1 else [other for _, other in chosen]
        if len(circle) < 2:
            raise InputError(f"{b.name}: is the only test clip with a twin; the wrong-speech row needs another")
        third = circle[(circle.index(b) + 1) % len(circle)].name
        out[CROSS].append(Plan(CROSS, a.name, b.name, third))
        out[SELF].append(Plan(SELF, b.name, b.name, third))
    return [*out[CROSS], *out[SELF]]


@dataclass(frozen=True)
class Score:
    """`work` of the sweep: one system on all tasks of its kinds. shown: names of tasks whose frames the figures show; open: (row, shelf)
    -> the system, where it is none of `open_system`'s."""

    store: Store
    plans: tuple[Plan, ...]
    shelf: Shelf
    cfg: TablesConfig
    shown: tuple[str, ...] = ()
    open: Callable[[str, Shelf], Paint] | None = None

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """{"scores": [{row, kind, set, clip, speaker and every measure}]}; a few frames of every dub of another
        clip's speech stay in the folder (`dubbing_frames.read_kept`)."""
        paint, tools, kept, scores = (self.open or open_system)(cell.name, self.shelf), instruments(self.shelf), {}, []
        for plan in self.plans:
            if plan.kind not in cell.options["kinds"]:
                continue
            task = self.store.task(plan)
            made = paint(task)
            found = {k: (round(v, 6) if np.isfinite(v) else None) for k, v in measure(made, task, tools, self.cfg).items()}
            place = {"row": cell.name, "kind": plan.kind, "set": task.speech.part, "clip": task.name, "speaker": task.source.speaker}
            scores.append(place | found)
            if plan.kind in PICTURED:
                kept[task.name] = keep(to_uint8(made), task)
        if kept:
            write_kept(folder, kept)
        return {"scores": scores}


def chosen_rows(method: str, rows: Sequence[Entry]) -> list[Entry]:
    """The entries that a --method asks for: all, ours, one of the five by the paper's short name, sanity, or a row's id."""
    systems = (OURS, *MINIS, OFFICIAL)
    names = {"all": [e.row for e in rows], "ours": [OURS], "sanity": [e.row for e in rows if e.row not in systems]}
    names |= {name: [f"{name}_mini"] for name in CONTESTS} | {e.row: [e.row] for e in rows}
    if method not in names:
        raise InputError(f"--method {method}: choose all, ours, {', '.join(CONTESTS)}, sanity, or a row's id")
    return [e for e in rows if e.row in names[method]]


def sweep(folder: Path, score: Score, rows: Iterable[Entry], profile: Profile) -> Sweep:
    """Cells of the systems that are there and take part in a task; nothing runs yet."""
    from paperlib.evaluation import (
        controls,
        dubbing_controls,
        dubbing_frames,
        dubbing_instruments,
        dubbing_measures,
        dubbing_systems,
        dubbing_tasks,
        renderer_bank,
        renderer_run,
    )
    from paperlib.evaluation import expression_sync as rendered
    from paperlib.evaluation import sync as lags
    from paperlib.metrics import geometry, identity, image, sync_windows
    from paperlib.models import renderer

    modules = (controls, dubbing_controls, dubbing_instruments, dubbing_measures, dubbing_systems, dubbing_tasks, rendered, renderer_bank,
               renderer_run, lags, geometry, identity, image, sync_windows, renderer, Score, dubbing_frames)  # fmt: skip
    kinds = {p.kind for p in score.plans}
    cells = [
        Cell(e.row, options={"key": e.key, "kinds": own}, profile=profile.name) for e in rows if not e.missing and (own := taken(e, kinds))
    ]
    asked = config_hash(*(asdict(p) for p in score.plans), score.cfg, labels(score.shelf))
    return Sweep(folder, score, cells, ("tables",), (score.store.folder.name, asked, code_hash(modules)))


def run(made: Sweep, wanted: Sequence[Entry], how: How) -> list[Done]:
    """Score the wanted systems' cells that are not done; returns every finished cell, wanted or not."""
    names = {e.row for e in wanted}
    replace(made, cells=[c for c in made.cells if c.name in names]).run(how)
    return made.done()


def looks(cfg: TablesConfig) -> dict[str, int]:
    """How much of a clip is looked at, for the header of a results file."""
    return {"image": cfg.image_every, "lips": cfg.lips_every, "identity frames": cfg.identity_frames, "longest": cfg.frames}


def all_scores(done: Iterable[Done]) -> list[dict]:
    """The scores of finished cells, one after the other."""
    return [s for d in done for s in d.result["scores"]]


def write_clips(scores: Sequence[dict], path: Path) -> Path:
    """A CSV with a line for each row and clip and a column for each measure; empty where there is no value."""
    text = io.StringIO()
    names = ["row", "kind", "set", "clip", "speaker", *(m for m in MEASURES if any(m in s for s in scores))]
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in s.items()} for s in scores)
    atomic_write(path, text.getvalue().encode())
    return path


def open_run(profile: Profile, shelf: Shelf, folder: Path, how: How, speakers: int | None = None, root: Path | None = None) -> Sweep:
    """The sweep of tables 1 and 2, clips known (rendered where they must be) and nothing dubbed yet.

    folder: where cells are kept; speakers: at most so many test people (default: the profile's); root: of the store of known clips.
    """
    from paperlib.evaluation.dubbing_tasks import fill

    corpus, cfg = table_corpus(profile), profile.tables
    chosen = pairs(corpus, speakers or cfg.speakers)
    store = fill(corpus, [c for pair in chosen for c in pair], cfg, shelf, how, root)
    made = plans(chosen)
    first = {s: [p for p, (a, _) in zip(made, chosen, strict=False) if a.test_set == s][: cfg.shown] for s in SETS}
    shown = tuple(f"{p.source} with {p.speech}" for s in SETS for p in first[s])
    return sweep(folder, Score(store, tuple(made), shelf, cfg, shown), entries(shelf), profile)


def keep_frames(made: Sweep, done: Sequence[Done], folder: Path, files: Mapping[str, str], kind: str = CROSS) -> list[Path]:
    """For each test set -> file name: of its shown tasks the source, the wanted speech's own clip (`truth`) and every system's frames,
    uint8 (K, H, W, 3), and `names` (K,)."""
    written, score = [], made.work
    known = {f"{p.source} with {p.speech}": p for p in score.plans if p.kind == kind}
    kept = {d.cell.name: own for d in done if (own := read_kept(d.folder))}
    for part, file in files.items():
        tasks = [score.store.task(known[name]) for name in score.shown]
        tasks = [t for t in tasks if t.speech.part == part]
        if not tasks or not kept:
            continue
        at = [shown_frames(t) for t in tasks]
        columns = {
            row: np.stack([own[t.name].frame(i) for t, frames in zip(tasks, at, strict=True) for i in frames]) for row, own in kept.items()
        }
        columns["source"] = np.concatenate([t.source.frames[f] for t, f in zip(tasks, at, strict=True)])
        columns["truth"] = np.concatenate([t.speech.frames[f] for t, f in zip(tasks, at, strict=True)])
        names = [f"{t.source.name} frame {i}" for t, frames in zip(tasks, at, strict=True) for i in frames]
        buffer = io.BytesIO()
        np.savez_compressed(buffer, names=np.array(names), **columns)
        atomic_write(folder / file, buffer.getvalue())
        written.append(folder / file)
    return written
