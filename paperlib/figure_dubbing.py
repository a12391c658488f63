"""Figures 4 and 5, frames x systems on the two test sets, the same of recorded people, and the worst dubs: drawn from saved frames only.

python -m paperlib.figure_dubbing [NAME ...] [--results DIR] [--folder DIR]
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paperlib.errors import InputError
from paperlib.evaluation.dubbing_worst import PICTURES
from paperlib.evaluation.renderer_failures import LIGHTER, error_picture
from paperlib.figure_renderer import mouths, picture_grid, saved_frames
from paperlib.figures import command_line, save_figure, stamp
from paperlib.paper import MINI_ROWS, SYSTEM_LABELS
from paperlib.results import read_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMAND = "python -m paperlib.figure_dubbing"
COLUMNS = {  # key of the saved frames -> heading, left to right; minis that are not there are left out
    "source": "source A", "truth": "speech B", "ours_mini": "ours",
    **{row: f"{SYSTEM_LABELS[row.removesuffix('_mini')]}\n-mini" for row in MINI_ROWS if row != "ours_mini"},
    "frozen_mouth": "frozen\nmouth",
}  # fmt: skip
NEEDED = ("source", "truth", "ours_mini")
WORST = {"source": "source A", "truth": "truth B", "ours_mini": "ours", "best_mini": "best mini", "frozen_mouth": "frozen\nmouth"}
CELL = 0.9  # inches: a frame of 96 px is drawn a little larger than it is
WORST_CELL = 0.85  # inches: lower faces are enlarged half as much again
LINE = 17  # letters of the line at the foot that a column holds
WORST_LINE = 16  # the same of the worst dubs, whose columns are narrower


def systems_grid(frames: Mapping[str, np.ndarray], captions: Sequence[str] | None = None) -> Figure:
    """A row for each saved frame, a column for each system that has one; frames: key -> uint8 (K, H, W, 3) and `names` (K,)."""
    missing = [key for key in NEEDED if key not in frames]
    if missing:
        raise InputError(f"the saved frames lack {', '.join(missing)}; score them with `paperlib evaluate --method all`")
    shown = {key: heading for key, heading in COLUMNS.items() if key in frames}
    captions = [str(name) for name in frames["names"]] if captions is None else captions
    return picture_grid([frames[key] for key in shown], list(shown.values()), captions, CELL)


def worst_grid(frames: Mapping[str, np.ndarray]) -> Figure:
    """A row for each of the worst dubs, lower faces; the last column is the error of ours. frames: of `dubbing_worst.keep_worst`."""
    columns = {heading: mouths(frames[key]) for key, heading in WORST.items() if key in frames}
    columns[f"error of\nours x {LIGHTER}"] = mouths(error_picture(frames["ours_mini"], frames["truth"]))
    return picture_grid(list(columns.values()), list(columns), [str(text) for text in frames["captions"]], WORST_CELL)


def _draw_worst(results: Path, folder: Path) -> Path:
    frames, (_, header) = saved_frames(PICTURES, results, "evaluate --method all"), read_results("table1", results)
    fig = worst_grid(frames)
    said = f"Embedded test speakers: {frames['said']}; ours in its worst frame, lower faces enlarged"
    stamp(fig, textwrap.fill(said, WORST_LINE * (len(fig.axes) // len(frames["captions"]))))
    shown = ", ".join(heading.replace("\n", " ") for key, heading in WORST.items() if key in frames)
    alt = f"Lower faces of the worst dubs of ours, a row each; columns: {shown}, error of ours. "
    inputs = [results / PICTURES, results / "table1.json"]
    alt += ". ".join(str(text) for text in frames["captions"]) + "."
    return save_figure(fig, "worst_dubs", folder, command=COMMAND, inputs=inputs, alt=alt, colours=0, quality=76, corpus=header["corpus"])


def _draw(name: str, file: str, table: str, options: str, said: str):
    def make(results: Path, folder: Path) -> Path:
        path, frames = results / file, saved_frames(file, results, f"evaluate --method all{options}")
        rows, header = read_results(table, results)
        fig = systems_grid(frames)
        data = next(r.data for r in rows if r.kind == "measured" and r.track != "self").split(",")[0]
        stamp(fig, textwrap.fill(f"{data}, first clips, native pixels; {said}", LINE * (len(fig.axes) // len(frames["names"]))))
        shown = ", ".join(heading.replace("\n", " ") for key, heading in COLUMNS.items() if key in frames)
        inputs = [path, results / f"{table}.json"]
        alt = f"Frames of dubbed clips, a row each; columns: {shown}."
        return save_figure(fig, name, folder, command=COMMAND, inputs=inputs, alt=alt, colours=0, corpus=header["corpus"])

    return make


TWINS = "A with the speech of B, which is what A should look like; frames chosen by A and B alone"
OTHERS = "A with the speech of B, another recording in another pose; B's mouth open widest, and shut"
DRAWN = {
    "figure4": _draw("figure4", "figure4_frames.npz", "table1", "", TWINS),
    "figure5": _draw("figure5", "figure5_frames.npz", "table2", "", TWINS),
    "worst_dubs": _draw_worst,
    "dub_grid": _draw("dub_grid", "dub_grid_frames.npz", "controls_dub_grid", " --data FOLDER", OTHERS),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry: draw the named figures (default: all); 2 when a results file is missing."""
    return command_line(argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0]), DRAWN, argv)


if __name__ == "__main__":
    raise SystemExit(main())
