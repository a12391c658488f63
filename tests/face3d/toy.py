"""A toy head with the morphable model's attributes: an ellipsoid grid with smooth random bases and a mouth that opens."""

from __future__ import annotations

from types import SimpleNamespace

import torch

ROWS, COLUMNS = 40, 60


def _smooth_basis(directions: torch.Tensor, n: int, scale: float, generator: torch.Generator) -> torch.Tensor:
    """(V, 3, n) low-frequency random fields on the sphere, each column's root mean square being `scale` / sqrt(k + 1)."""
    columns = []
    for k in range(n):
        waves = torch.randn(3, 3, generator=generator) * 2.5
        phases = torch.rand(3, generator=generator) * 6.283
        field = torch.sin(directions @ waves + phases)
        columns.append(field / field.square().mean().sqrt() * scale / (k + 1) ** 0.5)
    return torch.stack(columns, -1)


def toy_model(seed: int = 0) -> SimpleNamespace:
    """2,400 vertices, 4,602 triangles; radii 0.75 x 0.95 x 0.75 units; 68 landmarks spread over the front like iBUG-68."""
    g = torch.Generator().manual_seed(seed)
    theta = torch.linspace(0.02, torch.pi - 0.02, ROWS)[:, None].expand(ROWS, COLUMNS)  # from the crown down
    phi = (torch.arange(COLUMNS) * (2 * torch.pi / COLUMNS))[None].expand(ROWS, COLUMNS)  # from the nose to the viewer's right
    d = torch.stack((theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos()), -1).reshape(-1, 3)
    nose = torch.exp(-((d[:, 0] ** 2 + d[:, 1] ** 2) / 0.02)) * (d[:, 2] > 0)
    mean = d * torch.tensor([0.75, 0.95, 0.75])
    mean[:, 2] += 0.25 * nose
    r, c = torch.meshgrid(torch.arange(ROWS - 1), torch.arange(COLUMNS), indexing="ij")
    p00, p01 = r * COLUMNS + c, r * COLUMNS + (c + 1) % COLUMNS
    p10, p11 = p00 + COLUMNS, p01 + COLUMNS
    triangles = torch.stack((torch.stack((p00, p10, p11), -1), torch.stack((p00, p11, p01), -1)), 2).reshape(-1, 3)
    exp_basis = _smooth_basis(d, 64, 0.01, g)
    lower = torch.sigmoid((-0.35 - d[:, 1]) * 30) * (d[:, 2] > 0)  # expression 0 drops everything below the lips' line
    exp_basis[:, :, 0] = 0
    exp_basis[:, 1, 0] = -0.05 * lower
    model = SimpleNamespace(
        mean_shape=mean,
        id_basis=_smooth_basis(d, 80, 0.03, g),
        exp_basis=exp_basis,
        mean_tex=(torch.tensor([0.75, 0.55, 0.45]) + 0.08 * torch.sin(d * 9)).clamp(0, 1),
        tex_basis=_smooth_basis(d, 80, 0.03, g),
        triangles=triangles,
        landmark_index=_nearest(mean, _landmark_positions()),
        reconstruction_triangles=mean[triangles].mean(1)[:, 2] > 0,
    )
    model.shape = lambda i, e: model.mean_shape + torch.einsum("vck,bk->bvc", model.id_basis, i) + torch.einsum("vck,bk->bvc", exp_basis, e)
    model.texture = lambda t: model.mean_tex + torch.einsum("vck,bk->bvc", model.tex_basis, t)
    model.landmarks = lambda verts: verts[:, model.landmark_index]
    model.part = torch.zeros(len(mean), dtype=torch.int64)
    model.triangle_part = torch.zeros(len(triangles), dtype=torch.int64)
    return model


def _nearest(mean: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """Front vertices nearest to 68 points (x, y)."""
    behind = (mean[:, 2] < 0.05)[None] * 10.0
    return ((xy[:, None] - mean[None, :, :2]).norm(dim=-1) + behind).argmin(1)


def _landmark_positions() -> torch.Tensor:
    """(68, 2) x, y of a schematic iBUG-68 face on the ellipsoid: jaw, brows, nose, eyes, outer and inner lips."""

    def arc(n, rx, ry, cx, cy, start, stop):
        a = torch.deg2rad(torch.linspace(start, stop, n))
        return torch.stack((cx + rx * a.cos(), cy + ry * a.sin()), -1)

    jaw = arc(17, 0.66, 0.75, 0, 0, 180, 360)
    brows = torch.cat((arc(5, 0.18, 0.1, -0.3, 0.4, 170, 10), arc(5, 0.18, 0.1, 0.3, 0.4, 170, 10)))
    bridge = torch.stack((torch.zeros(4), torch.linspace(0.28, 0.02, 4)), -1)
    base = arc(5, 0.14, 0.06, 0, -0.1, 180, 360)
    eyes = torch.cat([arc(7, 0.13, 0.08, x, 0.25, 180, -180)[:6] for x in (-0.28, 0.28)])
    outer, inner = arc(13, 0.26, 0.16, 0, -0.4, 180, -180)[:12], arc(9, 0.16, 0.07, 0, -0.4, 180, -180)[:8]
    return torch.cat((jaw, brows, bridge, base, eyes, outer, inner))


def toy_coeffs(n: int, seed: int = 0, angle: float = 0.25) -> torch.Tensor:
    """(n, 257) random coefficients: one identity, texture and light, own expression and pose in every row."""
    g = torch.Generator().manual_seed(seed)
    coeffs = torch.zeros(n, 257)
    coeffs[:, :80] = torch.randn(80, generator=g) * 0.7
    coeffs[:, 80:144] = torch.randn(n, 64, generator=g) * 0.7
    coeffs[:, 144:224] = torch.randn(80, generator=g) * 0.7
    coeffs[:, 224:227] = (torch.rand(n, 3, generator=g) * 2 - 1) * angle
    coeffs[:, 227:254] = torch.randn(27, generator=g) * 0.05
    coeffs[:, 254:257] = torch.randn(n, 3, generator=g) * 0.1
    return coeffs
