"""The 257 coefficients of one face in one frame, and where each group sits (PAPER section 3.1)."""

from __future__ import annotations

from typing import NamedTuple

import torch

from paperlib.errors import check_shape

ID = slice(0, 80)  # alpha, identity, in standard deviations
EXP = slice(80, 144)  # beta, expression, in standard deviations
TEX = slice(144, 224)  # delta, texture, in standard deviations
ANGLES = slice(224, 227)  # pose: rotation about x, y, z, radians
SH = slice(227, 254)  # gamma, illumination: 27 numbers, reshaped (3 colours, 9 functions)
TRANS = slice(254, 257)  # pose: translation, model units (10 cm)
N_COEFF = 257


class Coefficients(NamedTuple):
    """Views of the groups: (..., 80), (..., 64), (..., 80), (..., 3), (..., 27), (..., 3)."""

    id_coeff: torch.Tensor
    exp_coeff: torch.Tensor
    tex_coeff: torch.Tensor
    angles: torch.Tensor
    sh_coeff: torch.Tensor
    trans: torch.Tensor


_SLICES = (ID, EXP, TEX, ANGLES, SH, TRANS)


def _check(coeffs: torch.Tensor) -> None:
    if coeffs.ndim < 1 or coeffs.shape[-1] != N_COEFF:
        raise ValueError(f"coeffs: expected shape (..., {N_COEFF}), got {tuple(coeffs.shape)}")


def split(coeffs: torch.Tensor) -> Coefficients:
    """Groups of `coeffs` (..., 257) as views. ValueError for another length. Works for numpy arrays too.

    >>> split(torch.zeros(5, 257)).exp_coeff.shape
    torch.Size([5, 64])
    """
    _check(coeffs)
    return Coefficients(*(coeffs[..., s] for s in _SLICES))


def join(id_coeff, exp_coeff, tex_coeff, angles, sh_coeff, trans) -> torch.Tensor:
    """The inverse of `split`: groups with equal (or broadcastable) leading shapes -> (..., 257)."""
    parts = (id_coeff, exp_coeff, tex_coeff, angles, sh_coeff, trans)
    for name, part, where in zip(Coefficients._fields, parts, _SLICES, strict=True):
        check_shape(name, part[..., :].reshape(-1, part.shape[-1]), (None, where.stop - where.start))
    lead = torch.broadcast_shapes(*(p.shape[:-1] for p in parts))
    return torch.cat([p.expand(*lead, p.shape[-1]) for p in parts], dim=-1)


def with_exp(coeffs: torch.Tensor, exp: torch.Tensor | float) -> torch.Tensor:
    """A copy of `coeffs` (..., 257) whose expression is `exp` (..., 64), or a number (0: the neutral face)."""
    _check(coeffs)
    out = coeffs.clone()
    out[..., EXP] = exp
    return out
