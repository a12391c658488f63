"""How far fitted coefficients are from true ones: landmarks, the expression's own landmarks, and the head's rotation.

The expression's own landmarks are those of the fitted and the true expression on the mean face looking straight ahead: identity and
pose are removed.
"""

from __future__ import annotations

import torch

from paperlib.face3d import camera
from paperlib.face3d.coefficients import ANGLES, EXP, N_COEFF, with_exp
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.landmarks import MOUTH

SIZE = 224  # side of the picture whose pixels are counted


def rotation_between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Angle (T,) in degrees between the head rotations of two angle triples (T, 3)."""
    turn = camera.rotation(a.double()).transpose(1, 2) @ camera.rotation(b.double())
    return torch.rad2deg(torch.arccos(((turn.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1)))


def errors(model, fitted: torch.Tensor, truth: torch.Tensor, size: int = SIZE) -> dict[str, float]:
    """One clip's medians: fitted and true coefficients (T, 257) -> lmk_px, mouth_px, exp_px, rotation_deg."""
    scale = SIZE / size
    apart = scale * (landmarks2d(model, fitted, size) - landmarks2d(model, truth, size)).norm(dim=-1)
    blank = torch.zeros(len(truth), N_COEFF)
    own = [landmarks2d(model, with_exp(blank, c[:, EXP]), SIZE) for c in (fitted, truth)]
    return {
        "lmk_px": float(apart.median()),
        "mouth_px": float(apart[:, list(MOUTH)].median()),
        "exp_px": float((own[0] - own[1]).norm(dim=-1).median()),
        "rotation_deg": float(rotation_between(fitted[:, ANGLES], truth[:, ANGLES]).median()),
    }
