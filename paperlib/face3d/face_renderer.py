"""Pictures, landmarks and flow from face coefficients: model (1)(2) -> pose -> light -> camera -> rasteriser.

`render` is the bulk path (numba, CPU, a few milliseconds a frame), `render_pytorch3d` the differentiable one. A `model` is a
`MorphableModel` or anything with its buffers. Coefficients are (B, 257) float32 in the layout of `coefficients.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from paperlib.errors import check_shape
from paperlib.face3d import appearance, camera, illumination, rasterizer
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, SH, TEX, TRANS

CHUNK = 32  # frames rendered at once: bounds memory, keeps the matrix products large
BACK_SHADE = 0.25  # factor on the inside of the head, seen through the mouth
OCCLUSION_TOLERANCE = 0.02  # 2 mm: how far behind the reference's nearest surface a point still counts as visible


class RenderOutput(NamedTuple):
    """What `render` returns. index and bary are None when supersampling: a pixel then mixes several triangles."""

    image: torch.Tensor  # (B, 3, H, W) RGB in [0, 1]
    mask: torch.Tensor  # (B, 1, H, W) share of the pixel covered by the mesh
    index: torch.Tensor | None  # (B, H, W) int32 row of the drawn triangles, -1 for none
    bary: torch.Tensor | None  # (B, H, W, 3) perspective-correct weights of its corners
    verts_screen: torch.Tensor  # (B, V, 3) u, v in pixels and depth z'


def _rows(coeffs: torch.Tensor) -> torch.Tensor:
    rows = coeffs[None] if coeffs.ndim == 1 else coeffs
    check_shape("coeffs", rows, (None, N_COEFF))
    return rows


def posed_verts(model, coeffs: torch.Tensor) -> torch.Tensor:
    """Eq. (1) and the pose: coefficients (B, 257) -> world points (B, V, 3) in units of 10 cm. Differentiable."""
    rows = _rows(coeffs)
    return camera.pose(model.shape(rows[:, ID], rows[:, EXP]), rows[:, ANGLES], rows[:, TRANS])


def landmarks2d(model, coeffs: torch.Tensor, size: int) -> torch.Tensor:
    """The differentiable projection of eq. (12): coefficients (B, 257) -> 68 landmarks (B, 68, 2) in pixels of a `size` picture.

    Only the 68 vertices are computed, so it is cheap enough for a training loop.
    """
    rows = _rows(coeffs)
    picked = model.landmark_index
    shape = (
        model.mean_shape[picked]
        + torch.einsum("nck,bk->bnc", model.id_basis[picked], rows[:, ID])
        + torch.einsum("nck,bk->bnc", model.exp_basis[picked], rows[:, EXP])
    )
    return camera.project(camera.pose(shape, rows[:, ANGLES], rows[:, TRANS]), size)


def _pick_triangles(model, triangles: torch.Tensor | np.ndarray | None) -> np.ndarray:
    """(F, 3) int64 from None (all), a boolean choice (F,) or explicit indices (F, 3)."""
    every = model.triangles.cpu().numpy()
    if triangles is None:
        return every
    chosen = triangles.cpu().numpy() if isinstance(triangles, torch.Tensor) else np.asarray(triangles)
    if chosen.dtype == bool:
        check_shape("triangles", chosen, (len(every),))
        return every[chosen]
    check_shape("triangles", chosen, (None, 3))
    return chosen


def _backdrop(background, n: int, size: int) -> np.ndarray:
    """(n, 3, size, size) float32 view of: None (black), a colour (3,), a tensor ([B,] 3, H, W) or an array ([B,] H, W, 3)."""
    if background is None:
        picture = np.zeros((1, 3, 1, 1), np.float32)
    elif isinstance(background, torch.Tensor) and background.ndim > 1:
        picture = background.detach().to(torch.float32).numpy().reshape(-1, *background.shape[-3:])
    else:
        array = np.asarray(background, np.float32)
        picture = array.reshape(1, 3, 1, 1) if array.ndim == 1 else np.moveaxis(array.reshape(-1, *array.shape[-3:]), 3, 1)
    if len(picture) not in (1, n) or picture.shape[1:] not in ((3, size, size), (3, 1, 1)):
        raise ValueError(f"background: expected a colour or a {size} x {size} RGB picture for 1 or {n} frames, got {picture.shape}")
    return np.broadcast_to(picture, (n, 3, size, size))


def _highlights(model, normals: torch.Tensor, sh_coeff: torch.Tensor, specular: float | torch.Tensor) -> torch.Tensor:
    """Blinn-Phong highlights (B, V, 1) of the main light: gloss * strength * max(n . h, 0)^exponent, exponents of `appearance.GLOSS`."""
    towards, strength = illumination.main_light(sh_coeff)
    half = torch.nn.functional.normalize(towards + torch.tensor([0.0, 0.0, 1.0]), dim=-1)
    relative, exponent = appearance.gloss(model.part)
    lobe = (normals @ half[:, :, None]).clamp_min(0) ** exponent[:, None]
    given = torch.as_tensor(specular, dtype=torch.float32)
    gloss = given.reshape(1, -1, 1) if given.numel() > 1 else given * relative[None, :, None]
    return gloss * strength[:, None, None] * lobe


@torch.no_grad()
def render(
    model,
    coeffs: torch.Tensor,
    size: int,
    triangles: torch.Tensor | None = None,
    albedo: torch.Tensor | None = None,
    background: torch.Tensor | np.ndarray | None = None,
    specular: float | torch.Tensor = 0.0,
    supersample: int = 1,
    threads: int | None = None,
) -> RenderOutput:
    """Draw faces on the CPU.

    Args:
        coeffs: (B, 257) or (257,).
        size: side of the picture in pixels.
        triangles: what to draw: None for the whole head, a boolean choice (F,) or indices (F', 3). Normals always come from the whole mesh.
        albedo: (V, 3) or (B, V, 3) RGB in [0, 1] in place of the model's texture, eq. (2).
        background: None (black), a colour (3,), a tensor (3, H, W) or (B, 3, H, W), or an array (H, W, 3) or (B, H, W, 3).
        specular: strength of the highlight of the main light: one number, that of skin, which wet and hard parts exceed as in
            `appearance.GLOSS`; or one per vertex (V,), taken as given.
        supersample: samples per pixel and axis; 2 smooths edges and costs about twice the time.
        threads: frames in parallel; by default torch's number of threads.

    Returns:
        RenderOutput. Raises ValueError on shapes that do not fit.
    """
    rows = _rows(coeffs).detach().to(torch.float32)
    drawn = _pick_triangles(model, triangles)
    behind = _backdrop(background, len(rows), size)
    if albedo is None:
        same = bool((rows[:, TEX] == rows[:1, TEX]).all())
        albedo = model.texture(rows[:1, TEX] if same else rows[:, TEX])
    albedo = torch.as_tensor(albedo, dtype=torch.float32).reshape(-1, len(model.mean_shape), 3).clamp(0, 1)
    albedo = albedo.expand(len(rows), -1, -1)
    parts = []
    for start in range(0, len(rows), CHUNK):
        pick = slice(start, start + CHUNK)
        world = posed_verts(model, rows[pick])
        normals = torch.from_numpy(rasterizer.vertex_normals_batch(world.numpy(), model.triangles.numpy(), threads))
        colors = illumination.shade(albedo[pick], normals, rows[pick, SH])
        if torch.as_tensor(specular).any():
            colors = colors + _highlights(model, normals, rows[pick, SH], specular)
        colors = colors * appearance.mouth_light(model, rows[pick, EXP])
        points = camera.screen(world, size)
        fine = points.clone()
        fine[..., :2] *= supersample
        index, bary = rasterizer.rasterize_batch(fine.numpy(), drawn, size * supersample, size * supersample, threads=threads)
        image, mask = rasterizer.compose_batch(colors.numpy(), fine.numpy(), index, bary, drawn, behind[pick], BACK_SHADE, threads)
        keep = (index, bary) if supersample == 1 else (None, None)
        parts.append((image, mask, *keep, points.numpy()))
    joined = [None if column[0] is None else torch.from_numpy(np.concatenate(column)) for column in zip(*parts, strict=True)]
    return RenderOutput(*joined)


def render_i3d(model, coeffs: torch.Tensor, size: int, supersample: int = 1) -> torch.Tensor:
    """I_3D of eq. (14): the textured, lit face region (no eyes, teeth, tongue, hair) on black, (B, 257) -> (B, 3, size, size)."""
    return render(model, coeffs, size, triangles=model.reconstruction_triangles, supersample=supersample).image


def render_pytorch3d(
    model, coeffs: torch.Tensor, size: int, triangles: torch.Tensor | None = None, background: float = 0.0, softness: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Differentiable picture through PyTorch3D's rasteriser, on the device of `coeffs`; the shading is `illumination.shade`.

    Args:
        coeffs: (B, 257); gradients flow to all of them. triangles: as in `render`. background: grey level behind the face.
        softness: sigma of a soft silhouette in normalised device units (1e-4 is usual); 0 gives hard coverage, whose mask
            carries no gradient.

    Returns:
        image (B, 3, H, W) and mask (B, 1, H, W). Hard coverage repeats `render`: on three random faces of the shipped model at
        96 x 96 the masks are equal and no value differs by more than 1e-5.
    """
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
    from pytorch3d.structures import Meshes

    rows = _rows(coeffs)
    drawn = torch.as_tensor(_pick_triangles(model, triangles), device=rows.device)
    world = posed_verts(model, rows)
    colors = illumination.shade(model.texture(rows[:, TEX]).clamp(0, 1), illumination.vertex_normals(world, model.triangles), rows[:, SH])
    colors = (colors * appearance.mouth_light(model, rows[:, EXP])).clamp(0, 1)
    settings = RasterizationSettings(
        image_size=size,
        blur_radius=float(np.log(1e4 - 1) * softness),
        faces_per_pixel=8 if softness else 1,
        perspective_correct=True,
        clip_barycentric_coords=bool(softness),
        cull_backfaces=False,
    )
    mesh = Meshes(camera.to_pytorch3d(world), drawn.expand(len(rows), -1, -1))
    fragments = MeshRasterizer(camera.pytorch3d_camera(size, rows.device), settings)(mesh)
    index, bary = fragments.pix_to_face[..., 0], fragments.bary_coords[..., 0, :]  # index counts through the batch
    hit = index >= 0
    n_verts = world.shape[1]
    frame = torch.arange(len(rows), device=rows.device)[:, None, None] * n_verts
    corners = drawn[index.clamp_min(0) % len(drawn)] + frame[..., None]
    inside = (colors.reshape(-1, 3)[corners] * bary[..., None]).sum(-2)
    screen = camera.project(world, size).reshape(-1, 2)[corners].detach()
    ab, ac = screen[..., 1, :] - screen[..., 0, :], screen[..., 2, :] - screen[..., 0, :]
    behind = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0] > 0
    inside = inside * torch.where(behind, BACK_SHADE, 1.0)[..., None]
    if softness:
        inside_each = torch.sigmoid(-fragments.dists / softness) * (fragments.pix_to_face >= 0)
        mask = 1 - (1 - inside_each).prod(-1)
    else:
        mask = hit.to(inside.dtype)
    image = torch.where(hit[..., None], inside, 0.0) * mask[..., None] + background * (1 - mask[..., None])
    return image.permute(0, 3, 1, 2), mask[:, None]


@torch.no_grad()
def true_flow(model, coeffs_target: torch.Tensor, coeffs_ref: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact backward flow between two renderings of the model: where each surface point of the target lies in the reference.

    Args:
        coeffs_target, coeffs_ref: (257,) each, or (B, 257) each. size: side of the picture in pixels.

    Returns:
        flow (2, H, W) or (B, 2, H, W): reference position minus target position, (x, y) in pixels, 0 where nothing is drawn;
        valid (H, W) or (B, H, W) bool: drawn in the target, and in the reference inside the picture, facing the camera and
        not behind another surface by more than OCCLUSION_TOLERANCE.
    """
    target, ref = _rows(coeffs_target), _rows(coeffs_ref)
    check_shape("coeffs_ref", ref, tuple(target.shape))
    faces = model.triangles.numpy()
    seen, other = (camera.screen(posed_verts(model, rows.float()), size).numpy() for rows in (target, ref))
    other_world = posed_verts(model, ref.float()).numpy()
    index, bary = rasterizer.rasterize_batch(seen, faces, size, size)
    landed = camera.screen(torch.from_numpy(rasterizer.interpolate_batch(other_world, index, bary, faces)), size).numpy()
    ref_index, ref_bary = rasterizer.rasterize_batch(other, faces, size, size)
    ref_depth = rasterizer.interpolate_batch(other[..., 2:], ref_index, ref_bary, faces)[..., 0]
    ref_depth[ref_index < 0] = -np.inf  # nothing there: cannot make a point visible
    centres = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), -1)
    covered = index >= 0
    flow = np.where(covered[..., None], landed[..., :2] - centres, 0).astype(np.float32)
    valid = covered & (landed[..., :2] >= 0).all(-1) & (landed[..., :2] <= size).all(-1)
    valid &= _front_facing(other, index, faces) & _nearest(landed, ref_depth)
    flow, valid = torch.from_numpy(np.moveaxis(flow, 3, 1)), torch.from_numpy(valid)
    return (flow[0], valid[0]) if coeffs_target.ndim == 1 else (flow, valid)


def _front_facing(points: np.ndarray, index: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(B, H, W) bool: the triangle of each pixel faces the camera at screen points (B, V, 3)."""
    a, b, c = (points[:, faces[:, k], :2] for k in range(3))
    front = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0] < 0
    return front[np.arange(len(index))[:, None, None], np.maximum(index, 0)]


def _nearest(landed: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(B, H, W) bool: no deeper than the deepest of the four pixel centres around, plus the tolerance."""
    size = depth.shape[-1]
    corner = np.clip(np.floor(np.nan_to_num(landed[..., :2]) - 0.5), -1, size).astype(int)
    frame = np.arange(len(depth))[:, None, None]
    around = [
        depth[frame, np.clip(corner[..., 1] + dy, 0, size - 1), np.clip(corner[..., 0] + dx, 0, size - 1)] for dx in (0, 1) for dy in (0, 1)
    ]
    return landed[..., 2] <= np.max(around, 0) + OCCLUSION_TOLERANCE
