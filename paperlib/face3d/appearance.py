"""What a face's parts do with light beyond one Lambertian albedo: how glossy each is, and how dark it is between nearly closed lips.

Both are per vertex and cheap: a table by part, and one number a frame from the lips' opening.
"""

from __future__ import annotations

import torch

from paperlib.face3d.landmarks import INNER_PAIRS
from paperlib.face3d.morphable_model import PARTS

# part: (strength of the highlight relative to skin, Blinn-Phong exponent), chosen by eye
GLOSS = {
    "skin": (1.0, 18.0), "lips": (2.2, 34.0), "eye": (5.0, 260.0), "iris": (26.0, 260.0), "teeth": (3.0, 30.0), "tongue": (2.5, 30.0),
    "mouth_interior": (0.3, 18.0), "brow": (0.5, 18.0), "lash": (0.0, 18.0), "hair": (1.1, 14.0), "neck": (0.7, 14.0),
}  # fmt: skip
INSIDE = ("teeth", "tongue", "mouth_interior")
OPEN_FROM, OPEN_TO = 0.002, 0.07  # parting of the lips, units of 10 cm, between which the mouth fills with light
DARKEST = 0.10  # share of light left inside a closed mouth


def gloss(part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Highlight strength (V,) relative to skin's and exponent (V,) of vertices with part codes (V,)."""
    table = torch.tensor([GLOSS[name] for name in PARTS], device=part.device)
    return table[part, 0], table[part, 1]


def lips_parted(model, exp_coeff: torch.Tensor) -> torch.Tensor:
    """How far the expression (B, 64) parts the inner lips, mean of the three facing pairs: (B,) units of 10 cm, negative: pressed.

    Only the expression counts, so that every person's neutral mouth is closed. Differentiable.
    """
    upper, lower = (model.landmark_index[[pair[k] for pair in INNER_PAIRS]] for k in (0, 1))
    apart = (model.exp_basis[upper, 1] - model.exp_basis[lower, 1]).mean(0)
    return exp_coeff @ apart.to(exp_coeff.dtype)


def mouth_light(model, exp_coeff: torch.Tensor) -> torch.Tensor:
    """Factor (B, V, 1) on the light: 1 everywhere but inside the mouth, there DARKEST (lips closed) to 1 (lips well apart)."""
    t = ((lips_parted(model, exp_coeff) - OPEN_FROM) / (OPEN_TO - OPEN_FROM)).clamp(0, 1)
    share = DARKEST + (1 - DARKEST) * t * (2 - t)
    codes = torch.tensor([PARTS.index(name) for name in INSIDE], device=model.part.device)
    inside = torch.isin(model.part, codes)
    return torch.where(inside[None, :, None], share[:, None, None], torch.ones_like(share[:, None, None]))
