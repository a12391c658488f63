"""Two opinions on where a landmark lies, the detector's and a network's, joined by how wrong each was where the truth is known.

The detector looks closely but was made for other faces; the network saw the whole picture of faces like this one, but small. Their
errors come from different places, so the weighted mean is nearer to the truth than either. What comes out is one more detector: its
own habits are measured by `detector.calibrate` as any other's.
"""

from __future__ import annotations

import numpy as np
import torch

from paperlib.errors import check_shape
from paperlib.face3d.coefficients import N_COEFF
from paperlib.face3d.detector import Detector, expected
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.initial import trusted_frames
from paperlib.face3d.landmarks import MIRROR, N_LANDMARKS


@torch.no_grad()
def fuse(model, coeffs: torch.Tensor, lmk: np.ndarray, size: int, detector: Detector, share: np.ndarray) -> np.ndarray:
    """Landmarks (T, 68, 2) px: `share` of the detector's, with its usual offsets undone, and the rest of the network's.

    Args:
        coeffs: (T, 257) what the network says. lmk: (T, 68, 2) px of a `size` picture as detected, NaN where nothing was.
        share: (68,) of the detector, in [0, 1].

    Returns:
        NaN where lmk is NaN, and in frames whose landmarks no face has (`initial.trusted_frames`).
    """
    given = np.asarray(lmk, np.float64)
    check_shape("lmk", given, (len(coeffs), N_LANDMARKS, 2))
    check_shape("coeffs", coeffs, (None, N_COEFF))
    check_shape("share", share, (N_LANDMARKS,))
    own = landmarks2d(model, coeffs, size).double().numpy()
    undone = given - (expected(model, coeffs, detector, size) - own)
    whole = np.flatnonzero(np.isfinite(given).all((1, 2)))
    points = model.mean_shape[model.landmark_index].double().numpy()
    undone[whole[~trusted_frames(points, given[whole])]] = np.nan
    return own + share[:, None] * (undone - own)


def shares(detected_error: np.ndarray, network_error: np.ndarray) -> np.ndarray:
    """(68,) share of the detector that makes the mean's error least: inverse variances, from errors (N, 68, 2) px of each about the truth.

    Medians are used, so that a lost frame does not count; left and right are made alike.
    """
    spread = [np.nanmedian(np.abs(e), axis=0).mean(-1) ** 2 for e in (detected_error, network_error)]
    spread = [s + s[list(MIRROR)] for s in spread]
    return spread[1] / (spread[0] + spread[1])
