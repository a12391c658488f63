"""Spherical-harmonic light on a Lambertian surface, section 3.1: C(n_i, t_i, gamma) = t_i * sum_b gamma_b Phi_b(n_i).

Three bands, so nine basis functions, times RGB: 27 coefficients. Constants and signs are Deng et al. 2019's (`compute_color`):
the basis already holds the Lambertian factors pi, 2 pi/3, pi/4 in their normalisation, and 0.8 is added to each
channel's constant term, so that gamma = 0 is a soft white light that shows the albedo at 0.8 * 0.886 = 71 per cent.
"""

from __future__ import annotations

import math

import torch

from paperlib.errors import check_shape

AMBIENT = 0.8  # added to each channel's first coefficient
_A0, _A1, _A2 = math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8)
_C0, _C1, _C2 = 1 / math.sqrt(4 * math.pi), math.sqrt(3) / math.sqrt(4 * math.pi), 3 * math.sqrt(5) / math.sqrt(12 * math.pi)
BAND0, BAND1, BAND2 = _A0 * _C0, _A1 * _C1, _A2 * _C2  # 0.886227, 1.772454, 2.427033


def sh_basis(normals: torch.Tensor) -> torch.Tensor:
    """The nine functions Phi_b at unit normals: (..., 3) in world axes -> (..., 9). Differentiable.

    >>> sh_basis(torch.tensor([0.0, 0.0, 1.0])).round(decimals=4) + 0.0
    tensor([0.8862, 0.0000, 1.7725, 0.0000, 0.0000, 0.0000, 1.4012, 0.0000, 0.0000])
    """
    x, y, z = normals.unbind(-1)
    half = 0.5 * BAND2
    return torch.stack(
        (
            torch.full_like(x, BAND0),
            -BAND1 * y,
            BAND1 * z,
            -BAND1 * x,
            BAND2 * x * y,
            -BAND2 * y * z,
            half / math.sqrt(3) * (3 * z * z - 1),
            -BAND2 * x * z,
            half * (x * x - y * y),
        ),
        -1,
    )


def light_matrix(sh_coeff: torch.Tensor) -> torch.Tensor:
    """Coefficients (B, 27), channel after channel -> (B, 9, 3) with the ambient 0.8 on the constant term of each channel."""
    check_shape("sh_coeff", sh_coeff, (None, 27))
    ambient = torch.zeros(9, 1, dtype=sh_coeff.dtype, device=sh_coeff.device)
    ambient[0] = AMBIENT
    return sh_coeff.reshape(-1, 3, 9).transpose(1, 2) + ambient


def shade(albedo: torch.Tensor, normals: torch.Tensor, sh_coeff: torch.Tensor) -> torch.Tensor:
    """Colour of every vertex: albedo times irradiance.

    Args:
        albedo: (B, V, 3) RGB reflectance in [0, 1].
        normals: (B, V, 3) unit normals in world axes (after the pose: the light stays with the camera).
        sh_coeff: (B, 27) light; 0 is a soft white.

    Returns:
        (B, V, 3) RGB, not clamped. Differentiable. Source: Deng et al. 2019, the unnumbered irradiance equation of section 3.1.
    """
    check_shape("albedo", albedo, (None, None, 3))
    check_shape("normals", normals, (None, None, 3))
    return albedo * (sh_basis(normals) @ light_matrix(sh_coeff))


def vertex_normals(verts: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    """Smooth unit normals: the area-weighted mean of the triangles around a vertex.

    Args:
        verts: (B, V, 3).
        triangles: (F, 3) int64, counter-clockwise seen from outside.

    Returns:
        (B, V, 3) unit length, pointing outwards; zero at a vertex without area. Differentiable.
    """
    check_shape("verts", verts, (None, None, 3))
    check_shape("triangles", triangles, (None, 3))
    a, b, c = (verts[:, triangles[:, i]] for i in range(3))
    face = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(verts)
    for i in range(3):
        total = total.index_add(1, triangles[:, i], face)
    return torch.nn.functional.normalize(total, dim=-1, eps=1e-12)


def main_light(sh_coeff: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The dominant direction of the light: unit vectors (B, 3) towards it, from the linear band, and its strength (B,).

    The strength is the linear band's irradiance at its peak over the constant band's, averaged over RGB; without a linear
    band the direction is the viewer's.
    """
    linear = light_matrix(sh_coeff)
    constant, band = linear[:, 0].mean(-1), linear[:, 1:4].mean(-1)
    direction = torch.stack((-band[:, 2], -band[:, 0], band[:, 1]), -1)
    size = direction.norm(dim=-1)
    viewer = torch.tensor([0.0, 0.0, 1.0], dtype=sh_coeff.dtype, device=sh_coeff.device).expand_as(direction)
    unit = torch.where(size[:, None] > 1e-6, direction / size.clamp_min(1e-12)[:, None], viewer)
    return unit, size * BAND1 / (constant * BAND0).clamp_min(1e-6)


def solve_light(
    colors: torch.Tensor, albedo: torch.Tensor, normals: torch.Tensor, ridge: float = 1e-3, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Light that explains observed colours, by regularised least squares, the inverse of `shade`.

    Args:
        colors: (N, 3) observed RGB. albedo: (N, 3) reflectance there. normals: (N, 3) unit normals there.
        ridge: weight of the prior gamma = 0, per observation.
        weights: (N,) trust in each observation, all one by default.

    Returns:
        (27,) sh_coeff in the layout of `light_matrix`. Raises ValueError on shapes that do not agree.
    """
    check_shape("colors", colors, (None, 3))
    check_shape("albedo", albedo, (len(colors), 3))
    check_shape("normals", normals, (len(colors), 3))
    basis = sh_basis(normals)
    trust = torch.ones_like(colors[:, 0]) if weights is None else weights
    eye = torch.eye(9, dtype=colors.dtype, device=colors.device) * ridge * trust.sum()
    channels = []
    for c in range(3):
        rows = basis * albedo[:, c : c + 1]
        rest = colors[:, c] - rows[:, 0] * AMBIENT
        weighted = rows * trust[:, None]
        channels.append(torch.linalg.solve(rows.T @ weighted + eye, weighted.T @ rest))
    return torch.cat(channels)
