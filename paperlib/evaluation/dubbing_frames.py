"""Frames that are kept of every dub while it is scored: two that the two clips choose, and the one in which the dub is worst."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paperlib.artifacts import atomic_write
from paperlib.corpus.pairs import relative_opening
from paperlib.evaluation.dubbing_tasks import CROSS, SENTENCE, Task

APART = 10  # frames between the two that are kept of a clip
FRAMES = "frames.npz"
PICTURED = (CROSS, SENTENCE)  # kinds of task of which frames are kept: in the third the mouth was seen


def errors(a: np.ndarray, b: np.ndarray, task: Task) -> np.ndarray:
    """(T,) squared error of frames a and b (T, H, W, 3) uint8, mean over colours, summed over Omega_c; unit: squared grey levels."""
    off = np.subtract(a, b, dtype=np.float32)
    squares = np.einsum("thwc,thwc->thw", off, off)  # whole numbers below 2^24: exact
    return (squares * task.source.masks[:, 0].numpy()).sum((1, 2), dtype=float) / 3


def shown_frames(task: Task) -> list[int]:
    """The frame in which B's mouth is furthest from A's, and the furthest of those APART from it. Without a truth: where B's mouth is open
    widest, and where it is most shut of those APART from that. No network has a say in it."""
    if task.truth is None:
        opening = np.nan_to_num(relative_opening(task.speech.lmk))
        first = int(opening.argmax())
        far = np.abs(np.arange(len(opening)) - first) >= APART
        return [first] if not far.any() else sorted([first, int(np.where(far, opening, np.inf).argmin())])
    by_frame = errors(task.source.frames, task.speech.frames, task)
    first = int(by_frame.argmax())
    far = np.abs(np.arange(len(by_frame)) - first) >= APART
    return [first] if not far.any() else sorted([first, int(np.where(far, by_frame, -1.0).argmax())])


@dataclass(frozen=True)
class Kept:
    """Of one dub: numbers of frames, their pictures uint8 (K, H, W, 3), and which of them is the worst; None where there is no truth."""

    at: tuple[int, ...]
    frames: np.ndarray
    worst: int | None

    def frame(self, t: int) -> np.ndarray | None:
        """Picture (H, W, 3) of frame t; None where it was not kept."""
        return self.frames[self.at.index(t)] if t in self.at else None


def keep(frames: np.ndarray, task: Task) -> Kept:
    """What is kept of a dub of the task, frames uint8 (T, H, W, 3): shown_frames, and where there is a truth the frame that is furthest
    from it inside Omega_c."""
    worst = None if task.truth is None else int(errors(frames, task.truth.frames, task).argmax())
    at = sorted({*shown_frames(task), *([] if worst is None else [worst])})
    return Kept(tuple(at), frames[at], worst)


def write_kept(folder: Path, kept: Mapping[str, Kept]) -> Path:
    """Put them, by the names of their tasks, into frames.npz of a system's folder, in one piece."""
    arrays = {}
    for name, own in kept.items():
        arrays |= {f"at/{name}": np.array(own.at), f"frames/{name}": own.frames, f"worst/{name}": -1 if own.worst is None else own.worst}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    atomic_write(folder / FRAMES, buffer.getvalue())
    return folder / FRAMES


def read_kept(folder: Path) -> dict[str, Kept]:
    """Name of a task -> what `write_kept` wrote; {} where there is nothing."""
    if not (folder / FRAMES).exists():
        return {}
    with np.load(folder / FRAMES, allow_pickle=False) as kept:
        names = [key.removeprefix("at/") for key in kept.files if key.startswith("at/")]
        worst = {name: int(kept[f"worst/{name}"]) for name in names}
        return {
            name: Kept(tuple(map(int, kept[f"at/{name}"])), kept[f"frames/{name}"], None if worst[name] < 0 else worst[name])
            for name in names
        }
