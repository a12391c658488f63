"""The dubs of ours that come out worst: which they are, by a rule fixed before the runs, and their frames for a figure.

Rule: a dub with a truth is ranked by its skill at the lips, one without by how much more its opening follows the wanted speech than the
recording that was dubbed. Its frame is the one that is furthest from the truth inside Omega_c. The best mini is the one with the best value
of the same measure on the same clip.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paperlib.artifacts import atomic_write
from paperlib.corpus.preparing import How
from paperlib.evaluation.dubbing_frames import Kept, read_kept, write_kept
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_run import SETS, Score
from paperlib.evaluation.dubbing_systems import MINIS, OURS, open_system
from paperlib.evaluation.dubbing_tasks import CROSS, SENTENCE, Plan
from paperlib.evaluation.dubbing_words import name, number, place
from paperlib.evaluation.renderer_scores import to_uint8
from paperlib.training.sweep import Cell, Done, Sweep

RANKED_BY = {CROSS: "skill_mouth", SENTENCE: "leak_index"}
EACH = 2  # of each test set
PICTURES = "worst_frames.npz"


def goodness(score: dict, measure: str) -> float:
    """The measure of a score, larger is better; nan where it has no value."""
    value = score.get(measure)
    return float("nan") if value is None else float(value) * (-1 if MEASURES[measure].better == "lower" else 1)


def worst_first(scores: Sequence[dict], kind: str = CROSS, part: str | None = None, row: str = OURS) -> list[dict]:
    """A row's scores of one kind of task, of one test set or (None) of all, the worst first by RANKED_BY; equals in the order of their
    names, and last those without a value."""
    measure = RANKED_BY[kind]
    own = [s for s in scores if s["row"] == row and s["kind"] == kind and part in (None, s["set"])]
    worth = {s["clip"]: goodness(s, measure) for s in own}
    return sorted(own, key=lambda s: (np.isnan(worth[s["clip"]]), np.nan_to_num(worth[s["clip"]]), s["clip"]))


def best_mini(scores: Sequence[dict], clip: str, kind: str = CROSS) -> dict | None:
    """The score of the mini that is best on a clip by RANKED_BY, of equals the first of the tables; None where none has a value."""
    measure = RANKED_BY[kind]
    own = [s for row in MINIS for s in scores if (s["row"], s["kind"], s["clip"]) == (row, kind, clip)]
    own = [s for s in own if not np.isnan(goodness(s, measure))]
    return max(own, key=lambda s: goodness(s, measure)) if own else None


def read_scores(path: Path) -> list[dict]:
    """The scores that `dubbing_run.write_clips` wrote: numbers again, None where there is no value. [] without the file."""
    if not path.exists():
        return []
    with path.open(newline="") as f:
        return [{k: (float(v) if v else None) if k in MEASURES else v for k, v in line.items()} for line in csv.DictReader(f)]


def caption(ours: dict, frame: int, mini: dict | None) -> str:
    """`still heads, id10003, frame 33: skill 0.120; IP_LAP-mini 0.450`."""
    measure = RANKED_BY[ours["kind"]]
    said = f"{ours['set']}, {ours['clip'].split('/')[0]}, frame {frame}: {MEASURES[measure].metric} {number(ours[measure], measure)}"
    return said + (f"; {name(mini['row'])} {number(mini[measure], measure)}" if mini else "")


@dataclass(frozen=True)
class Again:
    """`work` of a sweep: of some dubs one frame each that was not kept. The cell's option `frames`: a task's name -> the frame's number."""

    score: Score

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """Paint the whole dub as it was when it was scored, and keep that frame in the folder."""
        paint, plans, kept = open_system(cell.name, self.score.shelf), crossed(self.score), {}
        for clip, t in cell.options["frames"].items():
            kept[clip] = Kept((t,), to_uint8(paint(self.score.store.task(plans[clip]))[[t]]), None)
        write_kept(folder, kept)
        return {}


def crossed(score: Score) -> dict[str, Plan]:
    """The cross-dubs of a run by the names of their tasks."""
    return {f"{p.source} with {p.speech}": p for p in score.plans if p.kind == CROSS}


def frames_of_minis(
    made: Sweep, done: Sequence[Done], wanted: Mapping[str, Mapping[str, int]], how: How
) -> dict[tuple[str, str], np.ndarray]:
    """(mini, clip) -> picture (H, W, 3); wanted: mini -> clip -> number of the frame. What was not kept is painted again, once: it stays
    in `again` beside the cells."""
    kept = {d.cell.name: read_kept(d.folder) for d in done if d.cell.name in wanted}
    options = {d.cell.name: d.cell.options for d in done}
    gone = {row: {clip: t for clip, t in own.items() if t not in kept[row][clip].at} for row, own in wanted.items()}
    cells = [Cell(row, options={**options[row], "frames": own}, profile=made.cells[0].profile) for row, own in gone.items() if own]
    again = replace(made, folder=Path(made.folder) / "again", work=Again(made.work), cells=cells).run(replace(how, progress=False))
    found = {(d.cell.name, clip): own for d in again for clip, own in read_kept(d.folder).items()}
    return {(row, clip): found.get((row, clip), kept[row][clip]).frame(t) for row, own in wanted.items() for clip, t in own.items()}


def keep_worst(made: Sweep, done: Sequence[Done], scores: Sequence[dict], folder: Path, how: How, each: int = EACH) -> list[Path]:
    """worst_frames.npz: of the `each` worst cross-dubs of ours of each test set the source, the truth, ours, the best mini and the frozen
    mouth, uint8 (K, H, W, 3) in the frame in which ours is worst, `captions` (K,) and `said`, how they were chosen. [] where ours is not
    scored; without `best_mini` where no mini is."""
    chosen = [s for part in SETS for s in worst_first(scores, part=part)[:each] if not np.isnan(goodness(s, RANKED_BY[CROSS]))]
    if not chosen:
        return []
    ours = next(read_kept(d.folder) for d in done if d.cell.name == OURS)
    at = {s["clip"]: ours[s["clip"]].worst for s in chosen}
    best = {clip: mini for clip in at if (mini := best_mini(scores, clip))}
    wanted = {m["row"]: {clip: at[clip] for clip, other in best.items() if other["row"] == m["row"]} for m in best.values()}
    painted = frames_of_minis(made, done, wanted, how)
    columns: dict[str, list[np.ndarray]] = {key: [] for key in ("source", "truth", OURS, "best_mini", "frozen_mouth")}
    for clip, t in at.items():
        task = made.work.store.task(crossed(made.work)[clip])
        for key, frames in (("source", task.source.frames), ("truth", task.truth.frames), ("frozen_mouth", task.source.frozen)):
            columns[key].append(frames[t])
        columns[OURS].append(ours[clip].frame(t))
        if clip in best:
            columns["best_mini"].append(painted[best[clip]["row"], clip])
    arrays = {key: np.stack(frames) for key, frames in columns.items() if len(frames) == len(chosen)}
    captions = [caption(s, at[s["clip"]], best.get(s["clip"])) for s in chosen]
    measure = MEASURES[RANKED_BY[CROSS]]
    count, lowest = len(worst_first(scores)), f"the lowest {measure.metric} at the {place(measure.metric, measure.region)}"
    said = f"of {count} cross-dubs the {each} of each test set in which ours has {lowest}"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, captions=np.array(captions), said=np.array(said), **arrays)
    atomic_write(folder / PICTURES, buffer.getvalue())
    return [folder / PICTURES]
