"""Figure 8 by the numbers: the frames that come out worst, at most one a clip, with the reason that stands out among what was measured.

Rule, fixed before the runs: frames are ranked by the error inside the painted region of the system as used (predicted expressions). A
frame's reasons are the covariates that lie above EXTREME of all frames of all clips, the most extreme first; where none does, nothing that
we measure explains the frame, and the figure says so. A reason is a coincidence in time, not a cause.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from paperlib.artifacts import atomic_write
from paperlib.results import Row, write_results

SHOWN = 6
EXTREME = 0.9
LIGHTER = 4  # a picture of errors is so many times lighter than they are: white at 64 grey levels
TABLE = "figure8"
PICTURES = "figure8_frames.npz"
REASONS = {
    "speed": "the head moves fast",
    "yaw": "the head is turned away",
    "turn": "the reference shows another pose",
    "lip_speed": "the lips move fast",
    "opening": "the mouth is wide open",
    "opening_gap": "the mouth was told wrongly",
}
WANTED = ("truth", "predicted", "true", "warp", "reference")


def percentiles(values: np.ndarray) -> np.ndarray:
    """Share of the values that each value exceeds, 0 to 1, ties in the middle.

    >>> percentiles(np.array([5.0, 1.0, 3.0])).round(2).tolist()
    [0.83, 0.17, 0.5]
    """
    from scipy.stats import rankdata

    return (rankdata(values) - 0.5) / len(values)


def error_picture(pred: np.ndarray, truth: np.ndarray, lighter: int = LIGHTER) -> np.ndarray:
    """How far pictures (..., H, W, 3) uint8 are from the truth, mean over colours, `lighter` times: grey uint8 of the same shape.

    >>> error_picture(np.full((1, 1, 3), 10, np.uint8), np.full((1, 1, 3), 13, np.uint8)).tolist(), 255 // LIGHTER
    ([[[12, 12, 12]]], 63)
    """
    error = np.abs(pred.astype(int) - truth.astype(int)).mean(-1, keepdims=True)
    return np.clip(error * lighter, 0, 255).astype(np.uint8).repeat(3, -1)


def error_name(lines: list[dict]) -> str:
    """The column that frames are ranked by."""
    return "error_predicted" if "error_predicted" in lines[0] else "error_true"


def worst_frames(lines: list[dict], shown: int = SHOWN) -> list[dict]:
    """The worst frame of each clip, the worst clips first: its line with `reasons`, {key of REASONS: share of frames below}."""
    known = [name for name in REASONS if name in lines[0]]
    share = {name: percentiles(np.array([line[name] for line in lines])) for name in known}
    worst: dict[str, int] = {}
    name = error_name(lines)
    for i, line in enumerate(lines):
        if line["clip"] not in worst or line[name] > lines[worst[line["clip"]]][name]:
            worst[line["clip"]] = i
    picked = sorted(worst.values(), key=lambda i: -lines[i][name])[:shown]
    out = []
    for i in picked:
        top = sorted(((float(share[k][i]), k) for k in known), reverse=True)
        out.append(lines[i] | {"reasons": {k: round(v, 3) for v, k in top if v >= EXTREME}})
    return out


def caption(line: dict) -> str:
    """`id10001/scene01/00000 frame 6, error 9.3 grey levels: the lips move fast (98% of frames below)`; at most two reasons."""
    found = [f"{REASONS[k]} ({v:.0%} of frames below)" for k, v in list(line["reasons"].items())[:2]]
    why = ", ".join(found) or "nothing measured stands out"
    return f"{line['clip']} frame {line['frame']}, error {line[error_name([line])]:.1f} grey levels: {why}"


@dataclass
class Gallery:
    """Keeps the pictures of each clip's worst frame while the clips go by."""

    kept: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def see(self, dub, pictures: dict[tuple[str, str], torch.Tensor], lines: list[dict]) -> None:
        """Look at one clip: `dub` a `renderer_run.CrossDub`, its `pictures` by (row, beta) and its frames' `lines`."""
        from paperlib.evaluation.renderer_scores import to_uint8

        (line,) = worst_frames(lines, 1)
        t, beta = line["frame"], error_name(lines).removeprefix("error_")
        shown = {
            "truth": dub.truth,
            "predicted": pictures["full", beta],
            "true": pictures["full", "true"],
            "warp": pictures["warp_only", beta],
        }
        self.kept[line["clip"]] = {k: to_uint8(v[t : t + 1])[0] for k, v in shown.items()} | {
            "reference": dub.source.frames[line["reference"]]
        }

    def write(self, lines: list[dict], header: dict, common: dict, folder: Path) -> list[Path]:
        """figure8.json (a row a failure; its covariates and reason in `protocol`) and figure8_frames.npz (pictures uint8 (K, H, W, 3))."""
        worst = worst_frames(lines)
        beta = error_name(lines).removeprefix("error_")
        place = common | {"unit": "grey levels", "beta": beta, "track": "cross-dub", "region": "crop", "n": 1}
        rows = [
            Row(TABLE, f"failure_{k}", "error", line[error_name(lines)], protocol=caption(line), **place) for k, line in enumerate(worst, 1)
        ]
        buffer = io.BytesIO()
        pictures = {name: np.stack([self.kept[line["clip"]][name] for line in worst]) for name in WANTED}
        np.savez_compressed(buffer, captions=np.array([caption(line) for line in worst]), **pictures)
        atomic_write(folder / PICTURES, buffer.getvalue())
        return [write_results(TABLE, rows, header, folder), folder / PICTURES]
