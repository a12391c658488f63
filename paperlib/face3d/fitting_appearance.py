"""Skin texture and light of a clip from its pixels, once its geometry is fitted."""

from __future__ import annotations

import numpy as np
import torch

from paperlib.errors import InputError, check_shape
from paperlib.face3d import camera, illumination, rasterizer
from paperlib.face3d.coefficients import N_COEFF, SH, TEX
from paperlib.face3d.face_renderer import OCCLUSION_TOLERANCE, posed_verts

REACH = 3.0  # colours wrong by more than this many noise units fade out


@torch.no_grad()
def fit_appearance(
    model, coeffs: torch.Tensor, frames: np.ndarray, n_frames: int = 8, steps: int = 10, noise: float = 0.05, max_samples: int = 6_000
) -> torch.Tensor:
    """Skin texture and light of a clip, given its geometry: Gauss-Newton on the colours of visible skin vertices.

    Args:
        coeffs: (T, 257) with identity, expression and pose of these frames. frames: uint8 (T, S, S, 3) RGB, the pictures
            the coefficients were fitted in. n_frames: how many frames, evenly spread, to take colours from.
        noise: expected error of a colour (of [0, 1]); neighbouring errors are alike, so all samples together count as 400.

    Returns:
        coeffs with one texture and one light in every row. Raises InputError when no skin is visible.
    """
    check_shape("coeffs", coeffs, (None, N_COEFF))
    check_shape("frames", frames, (len(coeffs), None, None, 3))
    if frames.shape[1] != frames.shape[2]:
        raise ValueError(f"frames: the crop must be square, got {frames.shape[1:3]}")
    chosen = np.unique(np.linspace(0, len(frames) - 1, n_frames).round().astype(int))
    vertex, color, normal = _visible_skin(model, coeffs[chosen], frames[chosen])
    if len(vertex) < 100:
        raise InputError("fewer than 100 visible skin points in the frames: the face lies outside the picture or the fit has failed")
    keep = np.random.default_rng(0).permutation(len(vertex))[:max_samples]  # a fixed, even subset
    vertex, color, basis = vertex[keep], color[keep], illumination.sh_basis(normal[keep])
    tex_mean, tex_basis = model.mean_tex[vertex].double(), model.tex_basis[vertex].double()
    tex, light = torch.zeros(80, dtype=torch.float64), torch.zeros(3, 9, dtype=torch.float64)
    prior = torch.block_diag(_light_prior(), torch.eye(80, dtype=torch.float64))
    ambient = illumination.BAND0 * illumination.AMBIENT
    for _ in range(steps):
        albedo = (tex_mean + tex_basis @ tex).clamp_min(0.02)
        irradiance = ambient + basis @ light.T  # (N, 3)
        error = (color - albedo * irradiance) / noise
        trust = 400 / len(vertex) / (1 + (error.norm(dim=-1) / REACH) ** 2)  # Cauchy: shadows, beard, hair and hands fade out
        jacobian = torch.zeros(len(vertex), 3, 107, dtype=torch.float64)
        for c in range(3):
            jacobian[:, c, 9 * c : 9 * c + 9] = albedo[:, c : c + 1] * basis
        jacobian[..., 27:] = irradiance[..., None] * tex_basis
        rows = (jacobian / noise * trust.sqrt()[:, None, None]).reshape(-1, 107)
        right = rows.T @ (error * trust.sqrt()[:, None]).reshape(-1) - prior @ torch.cat([light.reshape(-1), tex])
        change = torch.linalg.solve(rows.T @ rows + prior, right)
        light, tex = light + change[:27].reshape(3, 9), tex + change[27:]
    out = coeffs.clone()
    out[:, SH], out[:, TEX] = light.reshape(-1).to(out.dtype), tex.to(out.dtype)
    return out


def _light_prior() -> torch.Tensor:
    """(27, 27) precision: the channels' mean within 0.4 of soft white, each within 0.06 of that mean: light is nearly grey."""
    mean = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    channels = mean / 0.4**2 + (torch.eye(3, dtype=torch.float64) - mean) / 0.06**2
    return torch.kron(channels, torch.eye(9, dtype=torch.float64))


def _visible_skin(model, coeffs: torch.Tensor, frames: np.ndarray) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Vertex numbers (N,), their colours (N, 3) in [0, 1] and posed normals (N, 3), float64, over all given frames."""
    size, faces = frames.shape[1], model.triangles.numpy()
    world = posed_verts(model, coeffs)
    normals = illumination.vertex_normals(world, model.triangles)
    points = camera.screen(world, size).numpy()
    index, bary = rasterizer.rasterize_batch(points, faces, size, size)
    depth = rasterizer.interpolate_batch(points[..., 2:], index, bary, faces)[..., 0]
    skin = np.zeros(world.shape[1], bool)
    skin[np.unique(faces[np.asarray(model.reconstruction_triangles)])] = True
    vertex, color, normal = [], [], []
    for t in range(len(frames)):
        xy = points[t, :, :2]
        inside = ((xy >= 0.5) & (xy <= size - 0.5)).all(1)
        column, row = np.floor(np.where(inside[:, None], xy, 0)).astype(int).T
        front = points[t, :, 2] <= depth[t, row, column] + OCCLUSION_TOLERANCE
        ok = np.flatnonzero(skin & inside & front & (normals[t, :, 2].numpy() > 0.25))
        grid = torch.from_numpy(xy[ok])[None, None] * 2 / size - 1
        picture = torch.from_numpy(frames[t]).permute(2, 0, 1)[None].float() / 255
        sampled = torch.nn.functional.grid_sample(picture, grid, align_corners=False, padding_mode="border")[0, :, 0].T
        vertex.append(ok)
        color.append(sampled.double())
        normal.append(normals[t, ok].double())
    return np.concatenate(vertex), torch.cat(color), torch.cat(normal)
