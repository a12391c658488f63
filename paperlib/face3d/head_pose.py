"""The head's pose from points that no mouth moves: where masks and neutral landmarks of real clips come from (PROTOCOL rule 3).

A fit to all 68 landmarks lets jaw and lips pull at the pose a little, and a mask posed by it then tells the mouth: on 90 GRID clips
of one speaker its outline predicted what the frame's place in the clip does not, at r = 0.48. From nose and eye corners alone it is
0.25, and what remains is mostly the head itself, which nods as people speak. With known truth none of this is needed.
"""

from __future__ import annotations

import numpy as np
import torch

from paperlib.errors import check_shape
from paperlib.face3d.coefficients import ANGLES, EXP, TRANS

HEAD_POINTS = (*range(27, 36), 36, 39, 42, 45)  # nose and eye corners of the 68: neither lips, jaw, lids nor brows
SIGMA = 2.0  # frames; smooths the noise of thirteen points and leaves nine tenths of a nod of one a second


@torch.no_grad()
def neutral_head(model, coeffs: torch.Tensor, lmk: np.ndarray, size: int, sigma: float = SIGMA) -> torch.Tensor:
    """Coefficients (T, 257) of the clip with expression 0 and the pose that nose and eye corners alone give.

    coeffs: (T, 257) as fitted to all landmarks; identity, skin and light are kept, and so is the clip's median place of each point,
    because a detector's points are not quite the mesh's. lmk: (T, 68, 2) pixels of a `size` picture, NaN where nothing was found;
    frames without these points are interpolated. Only HEAD_POINTS of lmk change the result from frame to frame.
    """
    from scipy.ndimage import gaussian_filter1d

    from paperlib.face3d.face_renderer import landmarks2d
    from paperlib.face3d.fitting_landmarks import fit_landmarks

    check_shape("lmk", lmk, (len(coeffs), 68, 2))
    still = coeffs.clone()
    still[:, EXP] = 0
    index = list(HEAD_POINTS)
    apart = lmk[:, index] - landmarks2d(model, still, size).numpy()[:, index]
    seen = np.full_like(lmk, np.nan)
    seen[:, index] = lmk[:, index] - np.nanmedian(apart, 0)
    posed = fit_landmarks(model, seen, size, steps=1, start=still, offset=0.0)
    for part in (ANGLES, TRANS):
        smooth = gaussian_filter1d(posed[:, part].numpy(), sigma, axis=0, mode="nearest") if sigma else posed[:, part].numpy()
        still[:, part] = torch.from_numpy(smooth)
    return still
