"""Everything that one rasterisation knows about a frame: picture, mask, normals, depth and, against a reference, the true flow.

`face_renderer.render` draws the picture; the layers read the same triangle index and weights, so that they agree with it pixel by
pixel and the target is rasterised once. Frames are spread over threads, as there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from paperlib.errors import check_shape
from paperlib.face3d import camera, rasterizer
from paperlib.face3d import face_renderer as fr


class Layers(NamedTuple):
    """Float32 tensors (B, ., H, W) of B frames; flow and valid are None without a reference."""

    image: torch.Tensor  # (B, 3, H, W) RGB in [0, 1]
    mask: torch.Tensor  # (B, 1, H, W) 1 where the mesh is drawn
    normal: torch.Tensor  # (B, 3, H, W) smooth unit normals in world axes (x right, y up, z towards the viewer), 0 where nothing is drawn
    depth: torch.Tensor  # (B, 1, H, W) z' in units of 10 cm, 0 where nothing is drawn
    flow: torch.Tensor | None  # (B, 2, H, W) backward flow to the reference in pixels (x, y), 0 where nothing is drawn
    valid: torch.Tensor | None  # (B, H, W) bool: drawn here, and seen in the reference (see `face_renderer.true_flow`)


@torch.no_grad()
def render_layers(
    model, coeffs: torch.Tensor, size: int, reference: torch.Tensor | None = None, threads: int | None = None, **options
) -> Layers:
    """Draw B frames with their layers.

    Args:
        coeffs: (B, 257) or (257,).
        reference: (257,) one for all frames, rasterised once, or (B, 257); None leaves out the flow.
        options: `triangles`, `albedo`, `background`, `specular` of `face_renderer.render`. Flow and its visibility are about what is drawn.

    Returns:
        Layers. Raises ValueError on shapes that do not fit.
    """
    if options.get("supersample", 1) != 1:
        raise ValueError("supersample: layers belong to one triangle per pixel; draw the picture alone with face_renderer.render")
    out = fr.render(model, coeffs, size, threads=threads, **options)
    drawn, every = fr._pick_triangles(model, options.get("triangles")), model.triangles.cpu().numpy()
    index, bary = out.index.numpy(), out.bary.numpy()
    world = camera.unproject(out.verts_screen[..., :2], out.verts_screen[..., 2], size).numpy()
    normals = rasterizer.vertex_normals_batch(world, every, threads)
    stacked = np.concatenate([normals, out.verts_screen[..., 2:].numpy()], -1)
    spread = torch.from_numpy(np.moveaxis(rasterizer.interpolate_batch(stacked, index, bary, drawn, threads), 3, 1))
    unit = torch.nn.functional.normalize(spread[:, :3], dim=1)
    flow = valid = None
    if reference is not None:
        flow, valid = _flow(model, reference, index, bary, drawn, size, threads)
    return Layers(out.image, out.mask, unit, spread[:, 3:], flow, valid)


def _flow(model, reference: torch.Tensor, index: np.ndarray, bary: np.ndarray, drawn: np.ndarray, size: int, threads: int | None):
    """Flow and its validity from the frames' own index and weights and one rasterisation of the reference."""
    rows = fr._rows(reference).detach().float()
    if len(rows) not in (1, len(index)):
        check_shape("reference", rows, (len(index), fr.N_COEFF))
    world = fr.posed_verts(model, rows)
    points = camera.screen(world, size).numpy()
    ref_index, ref_bary = rasterizer.rasterize_batch(points, drawn, size, size, threads=threads)
    depth = rasterizer.interpolate_batch(points[..., 2:], ref_index, ref_bary, drawn, threads)[..., 0]
    depth[ref_index < 0] = -np.inf  # nothing there: cannot make a point visible

    def for_each(value: np.ndarray) -> np.ndarray:
        return np.broadcast_to(value, (len(index), *value.shape[1:]))

    landed = rasterizer.interpolate_batch(for_each(world.numpy()), index, bary, drawn, threads)
    landed = camera.screen(torch.from_numpy(landed), size).numpy()
    covered = index >= 0
    centres = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), -1)
    flow = np.where(covered[..., None], landed[..., :2] - centres, 0).astype(np.float32)
    valid = covered & (landed[..., :2] >= 0).all(-1) & (landed[..., :2] <= size).all(-1)
    valid &= fr._front_facing(for_each(points), index, drawn) & fr._nearest(landed, for_each(depth))
    return torch.from_numpy(np.moveaxis(flow, 3, 1)), torch.from_numpy(valid)
