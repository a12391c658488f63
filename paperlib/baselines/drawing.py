"""Line drawings of landmarks, from which two systems paint: each says which points are joined, and in which channel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from paperlib.errors import check_shape
from paperlib.face3d.landmarks import INNER, JAW, LEFT_BROW, LEFT_EYE, N_LANDMARKS, NOSE_BASE, NOSE_BRIDGE, OUTER, RIGHT_BROW, RIGHT_EYE

FRACTION = 4  # bits behind the point: places are rounded to 1/16 pixel
# (points in order, closed)
LINES = {
    "jaw": (JAW, False), "right_brow": (RIGHT_BROW, False), "left_brow": (LEFT_BROW, False), "bridge": (NOSE_BRIDGE, False),
    "nose": (NOSE_BASE, False), "right_eye": (RIGHT_EYE, True), "left_eye": (LEFT_EYE, True), "outer": (OUTER, True),
    "inner": (INNER, True),
}  # fmt: skip
UPPER = ("right_brow", "left_brow", "bridge", "nose", "right_eye", "left_eye")


def draw_landmarks(lmk: Tensor, size: int, channels: Sequence[Sequence[str]]) -> Tensor:
    """Antialiased lines (..., C, size, size) in [0, 1] through landmarks (..., 68, 2) px. No gradient.

    channels: for each of the C channels, the names of its LINES.
    """
    import cv2

    check_shape("lmk", lmk, (*lmk.shape[:-2], N_LANDMARKS, 2))
    points = np.round((lmk.detach().reshape(-1, N_LANDMARKS, 2).cpu().numpy() - 0.5) * 2**FRACTION).astype(np.int32)  # OpenCV's centres
    drawn = np.zeros((len(points), len(channels), size, size), np.uint8)
    for own, picture in zip(points, drawn, strict=True):
        for channel, names in zip(picture, channels, strict=True):
            for line, closed in map(LINES.__getitem__, names):
                cv2.polylines(channel, [own[list(line)]], closed, 255, 1, cv2.LINE_AA, FRACTION)
    return torch.from_numpy(drawn).to(lmk.device).float().div(255).reshape(*lmk.shape[:-2], len(channels), size, size)
