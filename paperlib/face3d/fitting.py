"""Coefficients of a clip from what detectors give: landmarks -> identity, expression, pose; pixels -> skin texture and light.

The paper takes its 257 coefficients from the network of Deng et al. 2019, whose weights are not free to ship. This is the
classical answer, maximum a posteriori: unit Gaussian priors on identity and expression, identity shared by the clip,
expression a first-order autoregressive process over the frames. Landmark detectors do not mean exactly our mesh's vertices, and
that error is the same in every frame, so the clip also shares one unknown offset per landmark: without it many frames would
seem to prove an extreme identity. For the same reason a clip teaches identity no more than INDEPENDENT frames would. The whole
clip is one Gauss-Newton problem whose normal matrix is block tridiagonal with a border, so a clip takes seconds.
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
POSE_SD = np.array([1.0, 1.0, 1.0, 4.0, 4.0])  # wide priors: angles [rad], sideways and upward trans [10 cm]
HEAD_SIZE_SD = 0.1  # a picture cannot tell a small head from a distant one: the mean head's size decides, to about 1 per cent
# (a looser prior lets landmark noise win: near and small, the same expressions move the picture more; seen on known truth)
POSE_WALK_SD = 0.1  # change of each of them from frame to frame when smoothing: up to a fast turn of the head
OFFSET_SD, JAW_OFFSET_SD, LIPS_OFFSET_SD = 0.015, 0.03, 0.008  # 1.5, 3, 0.8 mm: between a detector's and the mesh's landmarks
INDEPENDENT = 15.0  # detector errors are alike in neighbouring frames: a clip teaches what its frames share as much as this many
HUBER = 3.0  # residuals beyond this many noise units count linearly: a wrong landmark does not bend the face
JAW, LIPS, INNER_LIPS = np.arange(17), np.arange(48, 68), np.arange(60, 68)


class _Points(NamedTuple):
    """The 68 rows of the model: mean (68, 3), exp (68, 3, 64), float64, and shared (68, 3, 284): what the clip's frames share.

    shared holds the identity basis and one column per landmark and axis, that landmark's offset by one standard deviation.
    """

    mean: np.ndarray
    exp: np.ndarray
    shared: np.ndarray


def _landmark_rows(model, offset: float = 1.0) -> _Points:
    pick = model.landmark_index
    mean, exp, identity = (b[pick].detach().cpu().double().numpy() for b in (model.mean_shape, model.exp_basis, model.id_basis))
    size = np.full(68, OFFSET_SD)
    size[JAW], size[LIPS] = JAW_OFFSET_SD, LIPS_OFFSET_SD
    offsets = offset * np.diag(size.repeat(3)).reshape(68, 3, 204)
    return _Points(mean, exp, np.concatenate([identity, offsets], -1))


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


def _linearize(model: _Points, shared: np.ndarray, frames: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Projection (T, 68, 2) and its Jacobians by the frame's 70 unknowns (T, 68, 2, 70) and the shared ones (T, 68, 2, 284).

    shared: (1, 284) or (T, 284). frames: (T, 70) expression, angles, trans.
    """
    r, dr = _rotations(frames[:, 64:67])
    shape = model.mean + np.einsum("nck,tk->tnc", model.shared, shared) + np.einsum("nck,tk->tnc", model.exp, frames[:, :64])
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
    return np.stack([size / 2 + f * x, size / 2 - f * y], -1), by_frame, np.matmul(by_shape, model.shared)


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
    smooth: float = 0.85,
    noise: float = 1.0,
    offset: float = 1.0,
) -> torch.Tensor:
    """Identity, expression and pose of a clip from its landmarks.

    Args:
        lmk: (T, 68, 2) pixels of a `size` picture, pixel centres at + 0.5. NaN points are left out; frames with fewer than 12
            finite points are interpolated between their neighbours.
        size: side of the picture in pixels.
        steps: most Gauss-Newton steps; fewer are taken when the fit stands still.
        shared_identity: one identity for the clip (default), or one for each frame.
        smooth: correlation of neighbouring frames' expression, in [0, 1); 0 fits every frame alone.
        noise: expected landmark error in pixels at side 224, against which priors of one standard deviation are weighed.
        offset: how far the detector's landmarks may lie from the mesh's own, as a factor on 1.5 mm (3 mm on the jaw, 0.8 mm on
            the lips); 0 when they are the mesh's own, as in the embedded corpus.

    Returns:
        (T, 257) float32 with texture and light 0. Raises InputError when no frame has landmarks.
    """
    given = np.asarray(lmk, np.float64)
    check_shape("lmk", given, (None, 68, 2))
    finite = np.isfinite(given).all(-1)
    seen = np.flatnonzero(finite.sum(1) >= MIN_POINTS)
    if not len(seen):
        raise InputError("no face landmarks in any frame: choose a clip (or a crop) in which the face can be found")
    points, target = _landmark_rows(model, offset), np.where(finite[seen][..., None], given[seen], 0.0)
    start = finite[seen] * np.where(np.arange(68) < 17, 0.1, 1.0)
    frames = np.zeros((len(seen), 70))
    frames[:, 64:] = initial_pose(points.mean, target, size, start)
    shared = np.zeros((1 if shared_identity else len(seen), points.shared.shape[2]))
    prior = _chain_prior(np.diff(seen), smooth, frames[:, 69])
    sigma, last = noise * size / camera.IMAGE, np.inf
    for step in range(steps):
        pose_only = step < 3  # from the mean face first
        cost, shared_change, frames_change = _gauss_newton(points, shared, frames, target, finite[seen], prior, sigma, size, pose_only)
        if not pose_only and step > 3 and abs(last - cost) < 1e-4 * cost:
            break
        last, shared, frames = cost, shared + shared_change, frames + frames_change
    return _fill(seen, len(given), shared[:, :80], frames)


def _chain_prior(gaps: np.ndarray, smooth: float, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaussian prior of the frames' unknowns x over time, exp(-(x'Qx - 2 x'b) / 2).

    Expression is autoregressive with unit variance: a steady expression is cheap, any single frame keeps the prior N(0, 1), and
    frames g apart correlate by smooth^g. Pose has wide priors and a random walk; the clip as a whole, not each frame, is held
    near the depths (T,) at which the mean head would have the size seen.

    Returns:
        Q's diagonal (T, 70), its links (T - 1, 70), the negated off-diagonal, and b (T, 70).
    """
    rho = smooth ** gaps[:, None].astype(np.float64)
    slack = 1 / (1 - rho**2)
    diagonal, links, linear = np.ones((len(depth), 70)), np.zeros((len(gaps), 70)), np.zeros((len(depth), 70))
    links[:, :64] = rho * slack
    diagonal[1:, :64] += rho**2 * slack
    diagonal[:-1, :64] += rho**2 * slack
    diagonal[:, 64:69], diagonal[:, 69] = POSE_SD**-2.0, HEAD_SIZE_SD**-2.0 / min(len(depth), INDEPENDENT)
    linear[:, 69] = diagonal[:, 69] * depth
    if smooth > 0:
        links[:, 64:] = POSE_WALK_SD**-2.0 / gaps[:, None]
        diagonal[1:, 64:] += links[:, 64:]
        diagonal[:-1, 64:] += links[:, 64:]
    return diagonal, links, linear


def _gauss_newton(points, shared, frames, target, finite, prior, sigma, size, pose_only):
    """One step: the cost at the current point, the change of shared and the change of frames."""
    n, m = len(frames), shared.shape[1]
    seen, by_frame, by_shared = _linearize(points, shared, frames, size)
    error = (target - seen) / sigma
    reach = np.linalg.norm(error, axis=-1)
    robust = np.minimum(1.0, HUBER / np.maximum(reach, 1e-9)) if not pose_only else 1.0
    trust = landmark_weights(frames[:, 64:67]) * finite * robust
    scale = np.sqrt(trust).repeat(2, 1)[..., None]
    j, k = by_frame.reshape(n, 136, 70) * scale / sigma, by_shared.reshape(n, 136, m) * scale / sigma
    e = error.reshape(n, 136, 1) * scale
    diagonal, links, linear = prior
    held = max(1.0, n / INDEPENDENT) if len(shared) == 1 else 1.0
    pull = linear - diagonal * frames
    pull[1:] += links * frames[:-1]
    pull[:-1] += links * frames[1:]
    cost = (trust * reach**2).sum() - (frames * (pull + linear)).sum() + held * (shared**2).sum()
    if pose_only:
        j, diagonal, pull, links = j[..., 64:], diagonal[:, 64:], pull[:, 64:], links[:, 64:]
    elif len(shared) > 1:  # each frame has its own: they join its unknowns
        j, diagonal, pull = np.concatenate([j, k], -1), np.pad(diagonal, ((0, 0), (0, m)), constant_values=1.0), np.append(pull, -shared, 1)
        links = np.pad(links, ((0, 0), (0, m)))
    jt = np.swapaxes(j, 1, 2)
    blocks = jt @ j + diagonal[:, :, None] * np.eye(diagonal.shape[1])
    right = (jt @ e)[..., 0] + pull
    if pose_only:
        return cost, 0.0, np.pad(_solve_chain(blocks, links, right[..., None])[..., 0], ((0, 0), (64, 0)))
    if len(shared) > 1:
        found = _solve_chain(blocks, links, right[..., None])[..., 0]
        return cost, found[:, 70:], found[:, :70]
    cross = jt @ k
    solved = _solve_chain(blocks, links, np.concatenate([right[..., None], cross], -1))
    k, cross = k.reshape(-1, m), cross.reshape(-1, m)
    schur = k.T @ k + held * np.eye(m) - cross.T @ solved[..., 1:].reshape(-1, m)
    rest = k.T @ e.reshape(-1) - held * shared[0] - cross.T @ solved[..., 0].reshape(-1)
    change = np.linalg.solve(schur, rest)
    return cost, change[None], solved[..., 0] - solved[..., 1:] @ change


def _fill(seen: np.ndarray, total: int, id_coeff: np.ndarray, frames: np.ndarray) -> torch.Tensor:
    """(total, 257) with missed frames interpolated linearly, the ends held."""
    known = np.zeros((len(seen), N_COEFF))
    known[:, ID], known[:, EXP], known[:, ANGLES], known[:, TRANS] = id_coeff, frames[:, :64], frames[:, 64:67], frames[:, 67:]
    times = np.arange(total)
    full = np.stack([np.interp(times, seen, column) for column in known.T], 1)
    return torch.from_numpy(full.astype(np.float32))


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
        trust = 400 / len(vertex) / (1 + (error.norm(dim=-1) / HUBER) ** 2)  # Cauchy: shadows, beard, hair and hands fade out
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
