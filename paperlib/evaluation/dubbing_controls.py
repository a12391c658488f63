"""Sanity rows of tables 1 and 2 (PROTOCOL rule 7): what costs nothing, and what cannot be beaten. Each makes a task's frames.

Every function: Task -> (T, 3, H, W) in [0, 1]. Outside Omega_c all but the first three are the source's own frames.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from paperlib.config import FPS
from paperlib.corpus.banks import to_float
from paperlib.evaluation.dubbing_tasks import Task

SMALLER = 2  # the truth is brought to 1 / SMALLER of its side and back


def pictures(frames: np.ndarray) -> Tensor:
    """uint8 (T, H, W, 3) -> (T, 3, H, W) in [0, 1]."""
    return to_float(torch.from_numpy(frames))


def composed(task: Task, inside: Tensor) -> Tensor:
    """The source's frames with `inside` (T, 3, H, W) in Omega_c."""
    mask = task.source.masks
    return pictures(task.source.frames) * (1 - mask) + inside * mask


def truth(task: Task) -> Tensor:
    """What is wanted: no system can do better, and a metric that says so is not to be trusted."""
    return pictures(task.truth.frames)


def truth_reencoded(task: Task) -> Tensor:
    """The truth through the writer of `paperlib dub`, with its settings: what the file format alone costs."""
    from paperlib.media.video import read_video, write_video

    with tempfile.TemporaryDirectory() as folder:
        write_video(path := Path(folder) / "truth.mp4", task.truth.frames, FPS)
        return pictures(read_video(path).frames[:, : task.truth.size, : task.truth.size])


def truth_resized(task: Task) -> Tensor:
    """The truth at half its side and back. Every system here paints at the frame's own side, so this is a fineness that none lacks."""
    import cv2

    size = task.truth.size
    small = [cv2.resize(f, (size // SMALLER, size // SMALLER), interpolation=cv2.INTER_AREA) for f in task.truth.frames]
    return pictures(np.stack([cv2.resize(f, (size, size), interpolation=cv2.INTER_LINEAR) for f in small]))


def previous_frame(task: Task) -> Tensor:
    """The truth one frame late."""
    frames = pictures(task.truth.frames)
    return composed(task, torch.cat([frames[:1], frames[:-1]]))


def source_unchanged(task: Task) -> Tensor:
    """Nothing is dubbed."""
    return pictures(task.source.frames)


def frozen_mouth(task: Task) -> Tensor:
    """The source with its first frame's mouth throughout (`controls.frozen_mouth`)."""
    return pictures(task.source.frozen)


def reference_pasted(task: Task) -> Tensor:
    """Omega_c of a reference frame, at least a second away, put where it was: a mouth of another moment and another pose."""
    own = pictures(task.source.frames)
    return composed(task, own[task.given.ref_index[:, 0]])


CONTROLS: dict[str, Callable[[Task], Tensor]] = {
    "truth": truth, "truth_reencoded": truth_reencoded, "truth_resized": truth_resized, "previous_frame": previous_frame,
    "source_unchanged": source_unchanged, "frozen_mouth": frozen_mouth, "reference_pasted": reference_pasted,
}  # fmt: skip
NEED_TRUTH = ("truth", "truth_reencoded", "truth_resized", "previous_frame")
IN_SELF = ("frozen_mouth", "reference_pasted")
