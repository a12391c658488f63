"""Coefficients of a clip from what detectors give: landmarks -> identity, expression, pose; pixels -> skin texture and light.

The paper takes its 257 coefficients from the network of Deng et al. 2019, whose weights are not free to ship. This is the
classical answer, coarse to fine: a first guess (`initial`), shape and motion from landmarks over the whole clip
(`fitting_landmarks`), then skin and light from pixels (`fitting_appearance`). This module is the door to all three.
"""

from __future__ import annotations

import numpy as np
import torch

from paperlib.face3d.detector import GENERIC, Detector
from paperlib.face3d.fitting_appearance import fit_appearance
from paperlib.face3d.fitting_landmarks import fit_landmarks
from paperlib.face3d.fusing import fuse
from paperlib.face3d.initial import Belief, from_pictures, initial_pose

__all__ = [
    "GENERIC", "Belief", "Detector", "fit_appearance", "fit_clip", "fit_landmarks", "fit_shape", "from_pictures", "fuse", "initial_pose",
]  # fmt: skip


def fit_shape(model, lmk: np.ndarray, crops: np.ndarray, regressor=None, evidence: bool = False, **options) -> torch.Tensor:
    """Identity, expression and pose of a clip: `fit_landmarks` with what a trained network knows.

    Args:
        lmk: (T, 68, 2) pixels of the crops, NaN where no face was found. crops: (T, S, S, 3) uint8, the face where the camera
            expects it (`media.cropping.aligned_boxes`). regressor: a trained `models.regressor.FaceRegressor` that starts the fit;
            None starts from the mean face.
        evidence: for pictures like those the regressor was trained on: let its estimate count, by its error on validation speakers,
            and join its landmarks with the detector's as measured there. On photographs neither error is known.
        options: passed to `fit_landmarks`.

    Returns:
        (T, 257) float32 with texture and light 0. Raises InputError when no frame has landmarks.
    """
    size = crops.shape[1]
    if regressor is None:
        if evidence:
            raise ValueError("evidence: needs a regressor")
        return fit_landmarks(model, lmk, size, **options)
    proposed = from_pictures(regressor, crops)
    if evidence:
        lmk = fuse(model, proposed, lmk, size, regressor.detector(), regressor.detector_share())
        options = {"belief": Belief(proposed, regressor.error_sd()), "detector": regressor.detector("fused"), **options}
    return fit_landmarks(model, lmk, size, **{"start": proposed, **options})


def fit_clip(model, lmk: np.ndarray, crops: np.ndarray, regressor=None, evidence: bool = False, **options) -> torch.Tensor:
    """All coefficients of a clip (T, 257): `fit_shape`, then skin and light from the pixels.

    Arguments and errors as there; InputError too when no skin is visible.
    """
    coeffs = fit_shape(model, lmk, crops, regressor, evidence, **options)
    painted = np.flatnonzero(np.isfinite(lmk).all((1, 2)))
    some = fit_appearance(model, coeffs[torch.from_numpy(painted)], crops[painted])
    out = coeffs.clone()
    out[:, 144:224], out[:, 227:254] = some[0, 144:224], some[0, 227:254]
    return out
