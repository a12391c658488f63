"""Coefficients of a clip from what detectors give: landmarks -> identity, expression, pose; pixels -> skin texture and light.

The paper takes its 257 coefficients from the network of Deng et al. 2019, whose weights are not free to ship. This is the
classical answer: maximum a posteriori under the model's own Gaussian prior, identity shared by the clip, expression and
pose per frame and tied to the frame before by a random walk. The whole clip is one Gauss-Newton problem whose normal matrix
is block tridiagonal with a border, so a clip takes seconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from paperlib.errors import InputError, check_shape
from paperlib.face3d import camera, illumination, rasterizer
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, SH, TEX, TRANS
from paperlib.face3d.face_renderer import OCCLUSION_TOLERANCE, posed_verts

MIN_POINTS = 12  # a frame with fewer finite landmarks counts as missed
PRIOR_SD = np.concatenate([np.ones(64), np.full(3, 1.0), np.full(3, 4.0)])  # expression [std units], angles [rad], trans [10 cm]
WALK_SD = np.concatenate([np.full(64, 0.5), np.full(3, 0.05), np.full(3, 0.05)])  # change per frame at smooth = 1
HUBER = 3.0  # residuals beyond this many noise units count linearly: a wrong landmark does not bend the face
JAW, INNER_LIPS = np.arange(17), np.arange(60, 68)


class _Points(NamedTuple):
    """The 68 rows of the model: mean (68, 3), id (68, 3, 80), exp (68, 3, 64), all float64."""

    mean: np.ndarray
    id: np.ndarray
    exp: np.ndarray


def _landmark_rows(model) -> _Points:
    pick = model.landmark_index
    return _Points(*(b[pick].detach().cpu().double().numpy() for b in (model.mean_shape, model.id_basis, model.exp_basis)))


def initial_pose(points: np.ndarray, lmk: np.ndarray, size: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Pose from orthography and scaling (POS, DeMenthon & Davis 1995): no start value, no local minimum.

    Args:
        points: (N, 3) model points in units of 10 cm. lmk: (T, N, 2) pixels, finite. weights: (T, N), 0 leaves a point out.

    Returns:
        (T, 6) angles [rad] and trans [10 cm].
    """
    rays = (lmk - size / 2) / camera.focal(size) * np.array([1.0, -1.0])  # x / z', y / z'
    rows = np.concatenate([points, np.ones((len(points), 1))], 1)
    root = np.ones(lmk.shape[:2]) if weights is None else np.sqrt(weights)
    poses, centre = np.empty((len(lmk), 6)), points.mean(0)
    for t, (ray, w) in enumerate(zip(rays, root, strict=True)):
        affine = np.linalg.lstsq(rows * w[:, None], ray * w[:, None], rcond=None)[0].T  # (2, 4)
        lengths = np.linalg.norm(affine[:, :3], axis=1)
        r1, r2 = affine[0, :3] / lengths[0], affine[1, :3] / lengths[1]
        u, _, vt = np.linalg.svd(np.stack([r1, r2, np.cross(r1, r2)]))
        r = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt  # nearest rotation, acting on columns: Rz Ry Rx
        z = 1 / lengths.mean()  # depth of the points' centre, which lies before the model's origin
        poses[t, :3] = np.arctan2(r[2, 1], r[2, 2]), np.arcsin(np.clip(-r[2, 0], -1, 1)), np.arctan2(r[1, 0], r[0, 0])
        poses[t, 3:] = affine[0, 3] * z, affine[1, 3] * z, camera.DISTANCE - z - r[2] @ centre
    return poses


def _rotations(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R (T, 3, 3) as in `camera.rotation` and its derivatives (T, 3, 3, 3) by the three angles."""
    factors, slopes = [], []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        turn = np.zeros((len(angles), 3, 3))
        slope = np.zeros_like(turn)
        c, s = np.cos(angles[:, k]), np.sin(angles[:, k])
        turn[:, k, k] = 1.0
        turn[:, i, i], turn[:, j, j], turn[:, i, j], turn[:, j, i] = c, c, -s, s
        slope[:, i, i], slope[:, j, j], slope[:, i, j], slope[:, j, i] = -s, -s, -c, c
        factors.append(turn)
        slopes.append(slope)
    (x, y, z), (dx, dy, dz) = factors, slopes
    derivatives = np.stack([z @ y @ dx, z @ dy @ x, dz @ y @ x], 1)
    return np.swapaxes(z @ y @ x, 1, 2), np.swapaxes(derivatives, 2, 3)


def _linearize(model: _Points, id_coeff: np.ndarray, frames: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Projection (T, 68, 2) and its Jacobians by the frame's 70 unknowns (T, 68, 2, 70) and by identity (T, 68, 2, 80).

    id_coeff: (80,) or (T, 80). frames: (T, 70) expression, angles, trans.
    """
    r, dr = _rotations(frames[:, 64:67])
    shape = model.mean + np.einsum("nck,...k->...nc", model.id, id_coeff) + np.einsum("nck,tk->tnc", model.exp, frames[:, :64])
    world = shape @ r + frames[:, None, 67:]
    f, z = camera.focal(size), camera.DISTANCE - world[..., 2]
    x, y = world[..., 0] / z, world[..., 1] / z
    by_world = np.zeros((*z.shape, 2, 3))
    by_world[..., 0, 0], by_world[..., 0, 2] = f / z, f * x / z
    by_world[..., 1, 1], by_world[..., 1, 2] = -f / z, -f * y / z
    by_shape = by_world @ np.swapaxes(r, 1, 2)[:, None]
    by_exp = np.matmul(by_shape, model.exp)
    by_angles = by_world @ np.moveaxis(shape[:, None] @ dr, 1, 3)
    by_frame = np.concatenate([by_exp, by_angles, by_world], -1)
    return np.stack([size / 2 + f * x, size / 2 - f * y], -1), by_frame, np.matmul(by_shape, model.id)


def _solve_chain(blocks: np.ndarray, links: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve the block-tridiagonal system with diagonal blocks (T, n, n) and off-diagonal blocks -diag(links[t]) between t and t + 1.

    links: (T - 1, n). right: (T, n, m). Returns (T, n, m). Block Thomas algorithm: linear in T.
    """
    inverse, carried = np.empty_like(blocks), right.copy()
    block = blocks[0]
    for t in range(len(blocks)):
        inverse[t] = np.linalg.inv(block)
        if t + 1 < len(blocks):
            d = links[t][:, None]
            carried[t + 1] += d * (inverse[t] @ carried[t])
            block = blocks[t + 1] - d * inverse[t] * d.T
    out = np.empty_like(right)
    out[-1] = inverse[-1] @ carried[-1]
    for t in range(len(blocks) - 2, -1, -1):
        out[t] = inverse[t] @ (carried[t] + links[t][:, None] * out[t + 1])
    return out


def landmark_weights(angles: np.ndarray) -> np.ndarray:
    """Trust in each landmark (T, 68) given angles (T, 3).

    Detectors put jaw points on the visible contour, which slides over the skin as the head turns, so 0-16 count a quarter and
    less with |yaw| (the chin, 6-10, keeps half: it alone says how far the jaw is open). Inner lips count threefold; in Deng et
    al.'s landmark loss they count twentyfold.
    """
    weights = np.ones((len(angles), 68))
    turned = np.exp(-((angles[:, 1:2] / np.deg2rad(25)) ** 2))
    weights[:, JAW] = 0.02 + 0.23 * turned
    weights[:, 6:11] = 0.1 + 0.4 * turned
    weights[:, INNER_LIPS] = 3.0
    return weights


def fit_landmarks(
    model,
    lmk: np.ndarray | torch.Tensor,
    size: int,
    steps: int = 10,
    shared_identity: bool = True,
    smooth: float = 1.0,
    noise: float = 0.7,
) -> torch.Tensor:
    """Identity, expression and pose of a clip from its landmarks.

    Args:
        lmk: (T, 68, 2) pixels of a `size` picture, pixel centres at + 0.5. NaN points are left out; frames with fewer than 12
            finite points are interpolated between their neighbours.
        size: side of the picture in pixels.
        steps: most Gauss-Newton steps; fewer are taken when the fit stands still.
        shared_identity: one identity for the clip (default), or one for each frame.
        smooth: strength of the random walk between frames; 0 fits every frame alone.
        noise: expected landmark error in pixels at side 224, against which priors of one standard deviation are weighed.

    Returns:
        (T, 257) float32 with texture and light 0. Raises InputError when no frame has landmarks.
    """
    given = np.asarray(lmk, np.float64)
    check_shape("lmk", given, (None, 68, 2))
    finite = np.isfinite(given).all(-1)
    seen = np.flatnonzero(finite.sum(1) >= MIN_POINTS)
    if not len(seen):
        raise InputError("no face landmarks in any frame: choose a clip (or a crop) in which the face can be found")
    points, target = _landmark_rows(model), np.where(finite[seen][..., None], given[seen], 0.0)
    start = finite[seen] * np.where(np.arange(68) < 17, 0.1, 1.0)
    frames = np.zeros((len(seen), 70))
    frames[:, 64:] = initial_pose(points.mean, target, size, start)
    id_coeff = np.zeros((1 if shared_identity else len(seen), 80))
    links = smooth / WALK_SD**2 / np.diff(seen)[:, None]  # a gap of g frames may walk g times the variance
    sigma = noise * size / camera.IMAGE
    last = np.inf
    for step in range(steps):
        pose_only = step < 3  # from the mean face first
        change, cost = _gauss_newton(points, id_coeff, frames, target, finite[seen], links, sigma, size, pose_only)
        if not pose_only and step > 3 and abs(last - cost) < 1e-4 * cost:
            break
        last = cost
        frames += change[1]
        id_coeff += change[0]
    return _fill(seen, len(given), id_coeff, frames)


def _gauss_newton(points, id_coeff, frames, target, finite, links, sigma, size, pose_only):
    """One step: ((change of id_coeff, change of frames), cost at the current point)."""
    n, shared = len(frames), len(id_coeff) == 1 and len(frames) > 1
    seen, by_frame, by_id = _linearize(points, id_coeff, frames, size)
    error = (target - seen) / sigma
    reach = np.linalg.norm(error, axis=-1)
    robust = np.minimum(1.0, HUBER / np.maximum(reach, 1e-9)) if not pose_only else 1.0
    trust = landmark_weights(frames[:, 64:67]) * finite * robust
    walk = np.diff(frames, axis=0)
    cost = (trust * reach**2).sum() + ((frames / PRIOR_SD) ** 2).sum() + (id_coeff**2).sum() + (links * walk**2).sum()
    scale = np.sqrt(trust).repeat(2, 1)[..., None] / sigma
    j, k, e = by_frame.reshape(n, 136, 70) * scale, by_id.reshape(n, 136, 80) * scale, error.reshape(n, 136, 1) * scale * sigma
    prior, pull = np.tile(1 / PRIOR_SD**2, (n, 1)), -frames / PRIOR_SD**2
    pull[1:] -= links * walk
    pull[:-1] += links * walk
    prior[1:] += links
    prior[:-1] += links
    if pose_only:
        j, prior, pull, links = j[..., 64:], prior[:, 64:], pull[:, 64:], links[:, 64:]
    elif not shared:  # identity joins the frame's own unknowns
        j, prior, pull = np.concatenate([j, k], -1), np.pad(prior, ((0, 0), (0, 80)), constant_values=1.0), np.append(pull, -id_coeff, 1)
        links = np.pad(links, ((0, 0), (0, 80)))
    jt = np.swapaxes(j, 1, 2)
    blocks = jt @ j + prior[:, :, None] * np.eye(prior.shape[1])
    right = (jt @ e)[..., 0] + pull
    if pose_only or not shared:
        found = _solve_chain(blocks, links, right[..., None])[..., 0]
        if pose_only:
            return (0.0, np.pad(found, ((0, 0), (64, 0)))), cost
        return (found[:, 70:], found[:, :70]), cost
    cross = jt @ k
    solved = _solve_chain(blocks, links, np.concatenate([right[..., None], cross], -1))
    flat = cross.reshape(-1, 80)
    schur = np.einsum("tmi,tmj->ij", k, k, optimize=True) + np.eye(80) - flat.T @ solved[..., 1:].reshape(-1, 80)
    rest = np.einsum("tmi,tm->i", k, e[..., 0]) - id_coeff[0] - flat.T @ solved[..., 0].reshape(-1)
    id_change = np.linalg.solve(schur, rest)
    return (id_change[None], solved[..., 0] - solved[..., 1:] @ id_change), cost


def _fill(seen: np.ndarray, total: int, id_coeff: np.ndarray, frames: np.ndarray) -> torch.Tensor:
    """(total, 257) with missed frames interpolated linearly, the ends held."""
    known = np.zeros((len(seen), N_COEFF))
    known[:, ID], known[:, EXP], known[:, ANGLES], known[:, TRANS] = id_coeff, frames[:, :64], frames[:, 64:67], frames[:, 67:]
    times = np.arange(total)
    full = np.stack([np.interp(times, seen, column) for column in known.T], 1)
    return torch.from_numpy(full.astype(np.float32))


@torch.no_grad()
def fit_appearance(
    model, coeffs: torch.Tensor, frames: np.ndarray, n_frames: int = 8, steps: int = 8, noise: float = 0.04, max_samples: int = 12_000
) -> torch.Tensor:
    """Skin texture and light of a clip, given its geometry: Gauss-Newton on the colours of visible skin vertices.

    Args:
        coeffs: (T, 257) with identity, expression and pose of these frames. frames: uint8 (T, S, S, 3) RGB, the pictures
            the coefficients were fitted in. n_frames: how many frames, evenly spread, to take colours from.
        noise: expected error of a colour (of [0, 1]); neighbouring errors are alike, so 12,000 samples count as 600.

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
        trust = (HUBER / error.norm(dim=-1).clamp_min(HUBER)) * (600 / len(vertex))  # shadows, hair and hands count linearly
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
