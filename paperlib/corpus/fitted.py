"""One real clip brought into the embedded corpus's form: crops as mp4, and beside it the .npz that the loaders read.

What is truth there is fitted here: `coeffs` (T, 257) from landmarks and colours, one identity, texture and light for the clip. The
.npz also holds `lmk` (T, 68, 2) as detected (where nothing was detected, as fitted), `lmk_neutral` (T, 68, 2) of a neutral mouth in
the pose of nose and eye corners (`face3d.head_pose`), `found` (T,) bool, `wave` (T * 640,) 16 kHz and `meta` (JSON). It is written
last: a clip with an .npz is whole.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from paperlib.artifacts import atomic_write
from paperlib.config import FPS
from paperlib.errors import InputError, check_shape

COLOUR_FRAMES = 8  # from which skin and light are fitted
SAMPLES = 16_000 // FPS  # of the wave in a frame
LOWER_FACE = [*range(3, 14), *range(48, 68)]  # landmarks that a hand before the mouth makes guesses


def store_clip(
    path: Path, crops: Iterable[np.ndarray], lmk: np.ndarray, wave: np.ndarray, size: int, meta: dict, covered: np.ndarray | None = None
) -> dict:
    """Fit the clip and write `path` (.mp4) and its .npz; returns the numbers for the clip list.

    crops: (size, size, 3) uint8, one for each row of lmk, consumed one by one. lmk: (T, 68, 2) crop pixels, NaN rows where no face was
    found. wave: 16 kHz, cut or padded to T frames. covered: (T,) bool, mouth hidden. Raises InputError when the fit is impossible.
    """
    from paperlib.face3d import fitting
    from paperlib.face3d.coefficients import SH, TEX
    from paperlib.face3d.face_renderer import landmarks2d
    from paperlib.face3d.head_pose import neutral_head
    from paperlib.face3d.morphable_model import default_model
    from paperlib.media.video import write_video

    check_shape("lmk", lmk, (None, 68, 2))
    model, seen = default_model(), lmk.astype(np.float32, copy=True)
    covered = np.zeros(len(lmk), bool) if covered is None else covered
    seen[np.flatnonzero(covered)[:, None], LOWER_FACE] = np.nan
    coeffs = fitting.fit_landmarks(model, seen, size)
    found = np.isfinite(lmk[:, 0, 0])
    good = np.flatnonzero(found & ~covered)
    if not len(good):
        good = np.flatnonzero(found)
    index = good[np.unique(np.linspace(0, len(good) - 1, COLOUR_FRAMES).round().astype(int))]
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[int, np.ndarray] = {}
    n = len(lmk)
    sound = np.pad(wave[: n * SAMPLES], (0, max(0, n * SAMPLES - len(wave)))).astype(np.float32)
    try:
        # As the embedded corpus is stored: 4:4:4 keeps the colour of small lips.
        write_video(path, _keep(crops, set(index.tolist()), kept, n), FPS, sound, crf=10, pixel_format="yuv444p")
        painted = fitting.fit_appearance(model, coeffs[index], np.stack([kept[i] for i in index]))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    coeffs[:, TEX], coeffs[:, SH] = painted[0, TEX], painted[0, SH]
    with torch.no_grad():
        drawn = landmarks2d(model, coeffs, size).numpy()
        neutral = landmarks2d(model, neutral_head(model, coeffs, seen, size), size).numpy()
    arrays = {"coeffs": coeffs.numpy(), "lmk": np.where(np.isfinite(seen), seen, drawn), "lmk_neutral": neutral, "found": found}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays, wave=sound, meta=np.array(json.dumps(meta, ensure_ascii=False)))
    atomic_write(path.with_suffix(".npz"), buffer.getvalue())
    return {
        "frames": n,
        "missed": int((~found).sum()),
        "covered": int(covered.sum()),
        "reprojection_percent": f"{reprojection(drawn, seen):.2f}",
    }


def reprojection(drawn: np.ndarray, seen: np.ndarray) -> float:
    """Median distance of fitted landmarks (T, 68, 2) from detected ones (NaN left out), percent of the eyes' outer distance."""
    eyes = np.linalg.norm(drawn[:, 36] - drawn[:, 45], axis=1)[:, None]
    return float(100 * np.nanmedian(np.linalg.norm(drawn - seen, axis=-1) / eyes))


def _keep(crops: Iterable[np.ndarray], wanted: set[int], kept: dict[int, np.ndarray], n: int) -> Iterator[np.ndarray]:
    """Pass n crops on, keeping those that are wanted."""
    count = 0
    for i, crop in enumerate(crops):
        if i in wanted:
            kept[i] = crop
        count += 1
        yield crop
    if count != n:
        raise InputError(f"{count} frames came from a file that gave {n} before; copy it again")


def cut(frame: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """The part (left, top, right, bottom) of a frame, resized to (size, size, 3) whatever its sides, as the peers' scripts do."""
    import cv2

    left, top, right, bottom = box
    part = frame[max(0, top) : bottom, max(0, left) : right]
    shrinks = min(part.shape[:2]) >= size
    return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def to_cut(lmk: np.ndarray, box: tuple[int, int, int, int], shape: tuple, size: int) -> np.ndarray:
    """Frame landmarks (..., 2) in the pixels of `cut`. shape: of the frame, where the box is clipped."""
    left, top, right, bottom = max(0, box[0]), max(0, box[1]), min(shape[1], box[2]), min(shape[0], box[3])
    return ((lmk - [left, top]) * [size / (right - left), size / (bottom - top)]).astype(np.float32)
