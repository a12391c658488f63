"""Landmarks of the face that an annotation points at, frame by frame: a box says where to look, the detector what is there.

In each frame the HOG detector sees a window in which the annotated box has its usual size; among what it finds there, the detection that
overlaps the annotation most is the face, as in first-order-model's VoxCeleb script (whose detector is S3FD; dlib's finds fewer profiles).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from paperlib.media import detection

FOREHEAD = 0.25  # of the landmarks' height: 68 points end at the brows, a detector's box holds the forehead


def landmarks_near(frames: Iterable[np.ndarray], boxes: np.ndarray) -> np.ndarray:
    """(T,68,2) float32 pixels, NaN rows where nothing is found; T is the number of frames that came, at most len(boxes).

    frames: (H,W,3) uint8 RGB, consumed one by one; boxes (T,4): left, top, width, height in pixels of the frames.
    """
    points = [_one(frame, box) for frame, box in zip(frames, boxes)]
    return np.asarray(points, np.float32).reshape(-1, 68, 2)


def _one(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    left, top, width, height = (float(v) for v in box)
    nothing = np.full((68, 2), np.nan)
    if not (width > 0 and height > 0):
        return nothing
    scale = detection.WINDOW_BOX / max(width, height)
    shift = detection.WINDOW / 2 - scale * np.array([left + width / 2, top + height / 2])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    window = detection._warp(frame, matrix)
    detector, _ = detection._dlib()
    found, scores, _ = detector.run(window, 0, detection.TRACK_THRESHOLD)
    best = max(zip(found, scores), key=lambda pair: (detection._overlap(pair[0]), pair[1]), default=None)
    if best is None or detection._overlap(best[0]) == 0:
        return nothing
    return detection._predict(window, matrix, best[0])


def detector_boxes(lmk: np.ndarray) -> np.ndarray:
    """(T,4) left, top, right, bottom of landmarks (T,68,2), stretched up to the forehead; rows of 0 where there is no face.

    Zeros, because that is what first-order-model's script stores for a frame without a face; negative edges become 0, as there.
    """
    low, high = lmk.min(1), lmk.max(1)
    low = low - (high - low) * [0, FOREHEAD]
    return np.maximum(np.nan_to_num(np.concatenate([low, high], 1), nan=0.0), 0).astype(np.float64)
