"""Identity, expression and pose of a clip from its landmarks: one Gauss-Newton problem over all frames.

Maximum a posteriori: unit Gaussian priors on identity and expression, identity shared by the clip, expression a first-order
autoregressive process over the frames. A detector's landmarks are not exactly our mesh's vertices, and that error is the same in
every frame, so the clip also shares one unknown offset per landmark, about the mean offset measured for the detector: without it
many frames would seem to prove an extreme identity. For the same reason a clip teaches identity no more than INDEPENDENT frames
would. The normal matrix is block tridiagonal with a border, so a clip takes about a second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from paperlib.errors import InputError, check_shape
from paperlib.face3d import camera
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, TRANS
from paperlib.face3d.detector import GENERIC, Detector
from paperlib.face3d.fitting_chain import INDEPENDENT, Prior, chain_prior, solve_chain
from paperlib.face3d.initial import Belief, initial_pose, trusted_frames
from paperlib.face3d.landmarks import JAW

MIN_POINTS = 12  # a frame with fewer finite landmarks counts as missed
HUBER = 3.0  # residuals beyond this many noise units count linearly: a wrong landmark does not bend the face
POSE_STEPS = 3  # from the mean face, the pose alone first
STILL = 1e-4  # a step that improves the cost by less than this share is the last


class _Points(NamedTuple):
    """The 68 rows of the model: mean (68, 3), exp (68, 3, 64), float64, and shared (68, 3, 284): what the clip's frames share.

    shared holds the identity basis and one column per landmark and axis, that landmark's offset by one standard deviation.
    """

    mean: np.ndarray
    exp: np.ndarray
    shared: np.ndarray


class _Shared(NamedTuple):
    """Gaussian prior of what the frames share, (284,) each."""

    mean: np.ndarray
    precision: np.ndarray


def _landmark_rows(model, offset: float = 1.0, detector: Detector = GENERIC) -> _Points:
    pick = model.landmark_index
    mean, exp, identity = (b[pick].detach().cpu().double().numpy() for b in (model.mean_shape, model.exp_basis, model.id_basis))
    offsets = offset * np.diag(detector.person_sd.repeat(3)).reshape(68, 3, 204)
    return _Points(mean + offset * detector.mean, exp, np.concatenate([identity, offsets], -1))


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


def fit_landmarks(
    model,
    lmk: np.ndarray | torch.Tensor,
    size: int,
    steps: int = 10,
    shared_identity: bool = True,
    smooth: float = 0.85,
    noise: float = 1.0,
    offset: float = 1.0,
    detector: Detector = GENERIC,
    start: torch.Tensor | None = None,
    belief: Belief | None = None,
) -> torch.Tensor:
    """Identity, expression and pose of a clip from its landmarks.

    Args:
        lmk: (T, 68, 2) pixels of a `size` picture, pixel centres at + 0.5. NaN points are left out; frames with fewer than 12
            finite points, and frames of a clip that `trusted_frames` refuses, are interpolated between their neighbours.
        size: side of the picture in pixels.
        steps: most Gauss-Newton steps; fewer are taken when the fit stands still.
        shared_identity: one identity for the clip (default), or one for each frame.
        smooth: correlation of neighbouring frames' expression, in [0, 1); 0 fits every frame alone, as of pictures without order.
        noise: factor on the detector's noise, against which priors of one standard deviation are weighed.
        offset: factor on the detector's offsets from the mesh's landmarks; 0 when the landmarks are the mesh's own.
        detector: whose landmarks these are; measured with `detector.calibrate`, or GENERIC.
        start: (T, 257) first coefficients, `initial.from_pictures`; without them pose comes from the landmarks and the rest is 0.
        belief: coefficients that pictures propose, with their errors: then priors are about them and not about 0.

    Returns:
        (T, 257) float32 with texture and light 0. Raises InputError when no frame has landmarks.
    """
    given = np.asarray(lmk, np.float64)
    check_shape("lmk", given, (None, 68, 2))
    finite = np.isfinite(given).all(-1)
    seen = np.flatnonzero(finite.sum(1) >= MIN_POINTS)
    if not len(seen):
        raise InputError("no face landmarks in any frame: choose a clip (or a crop) in which the face can be found")
    points = _landmark_rows(model, offset, detector)
    if smooth > 0:  # the frames are a clip
        whole = seen[finite[seen].all(1)]
        seen = np.setdiff1d(seen, whole[~trusted_frames(points.mean, given[whole])])
    target = np.where(finite[seen][..., None], given[seen], 0.0)
    prior, about = _priors(points, target, finite[seen], seen, smooth, size, belief, shared_identity)
    shared = np.repeat(about.mean, 1 if shared_identity else len(seen), 0)
    frames, pose_steps = np.zeros((len(seen), 70)), POSE_STEPS
    frames[:, 64:] = _pose(points, target, finite[seen], size)
    if start is not None:
        check_shape("start", start, (len(given), N_COEFF))
        known = start[torch.from_numpy(seen)].double().numpy()
        frames[:, :64], shared[:, :80], pose_steps = known[:, EXP], known[:, ID].mean(0) if shared_identity else known[:, ID], 1
    sigma, last = noise * size / camera.IMAGE, np.inf
    for step in range(steps):
        pose_only = step < pose_steps
        cost, shared_change, frames_change = _gauss_newton(
            points, shared, frames, target, finite[seen], prior, about, sigma, size, pose_only, detector
        )
        if step > pose_steps and abs(last - cost) < STILL * cost:
            break
        last, shared, frames = cost, shared + shared_change, frames + frames_change
    return _fill(seen, len(given), shared[:, :80], frames)


def _pose(points: _Points, target: np.ndarray, finite: np.ndarray, size: int) -> np.ndarray:
    return initial_pose(points.mean, target, size, finite * np.where(np.arange(68) < len(JAW), 0.1, 1.0))


def _priors(points, target, finite, seen, smooth, size, belief: Belief | None, shared_identity: bool) -> tuple[Prior, _Shared]:
    """What is believed before the landmarks: of the frames' unknowns, and of what they share (mean (1 or T, 284), precision (284,))."""
    depth = _pose(points, target, finite, size)[:, 5]
    m = points.shared.shape[2]
    if belief is None:
        return chain_prior(np.diff(seen), smooth, depth), _Shared(np.zeros((1, m)), np.ones(m))
    check_shape("belief.sd", belief.sd, (N_COEFF,))
    mean = belief.mean[torch.from_numpy(seen)].double().numpy()
    precision = np.maximum(belief.sd.astype(np.float64) ** -2.0, 1.0)  # never looser than the model's own
    known = np.isfinite(belief.sd)
    mean = np.where(known, mean, 0.0)
    about = np.zeros((1 if shared_identity else len(seen), m))
    about[:, :80] = mean[:, ID].mean(0) if shared_identity else mean[:, ID]
    tight = np.concatenate([precision[ID], np.ones(m - 80)])
    prior = chain_prior(np.diff(seen), smooth, depth, mean[:, EXP], precision[EXP])
    if known[ANGLES].all():  # errors of neighbouring frames are alike: each frame counts as an autoregressive process lets it
        alone = belief.sd[ANGLES] ** -2.0 * (1 - smooth) / (1 + smooth)
        prior.diagonal[:, 64:67] += alone
        prior.linear[:, 64:67] += alone * mean[:, ANGLES]
    return prior, _Shared(about, tight)


def _gauss_newton(points, shared, frames, target, finite, prior, about, sigma, size, pose_only, detector):
    """One step: the cost at the current point, the change of shared and the change of frames."""
    n, m = len(frames), shared.shape[1]
    seen, by_frame, by_shared = _linearize(points, shared, frames, size)
    error = (target - seen) / sigma
    weights = detector.weights(frames[:, 64:67])
    reach = np.linalg.norm(error, axis=-1) * np.sqrt(weights)  # in units of that landmark's noise
    robust = np.minimum(1.0, HUBER / np.maximum(reach, 1e-9)) if not pose_only else 1.0
    trust = weights * finite * robust
    scale = np.sqrt(trust).repeat(2, 1)[..., None]
    j, k = by_frame.reshape(n, 136, 70) * scale / sigma, by_shared.reshape(n, 136, m) * scale / sigma
    e = error.reshape(n, 136, 1) * scale
    held = about.precision * (max(1.0, n / INDEPENDENT) if len(shared) == 1 else 1.0)
    pull, away = prior.pull(frames), shared - about.mean
    cost = (e**2).sum() - (frames * (pull + prior.linear)).sum() + (held * away**2).sum()
    diagonal, links = prior.diagonal, prior.links
    if pose_only:
        j, diagonal, pull, links = j[..., 64:], diagonal[:, 64:], pull[:, 64:], links[:, 64:]
    elif len(shared) > 1:  # each frame has its own: they join its unknowns
        j, pull = np.concatenate([j, k], -1), np.append(pull, -held * away, 1)
        diagonal = np.append(diagonal, np.broadcast_to(held, (n, m)), 1)
        links = np.pad(links, ((0, 0), (0, m)))
    jt = np.swapaxes(j, 1, 2)
    blocks = jt @ j + diagonal[:, :, None] * np.eye(diagonal.shape[1])
    right = (jt @ e)[..., 0] + pull
    if pose_only:
        return cost, 0.0, np.pad(solve_chain(blocks, links, right[..., None])[..., 0], ((0, 0), (64, 0)))
    if len(shared) > 1:
        found = solve_chain(blocks, links, right[..., None])[..., 0]
        return cost, found[:, 70:], found[:, :70]
    cross = jt @ k
    solved = solve_chain(blocks, links, np.concatenate([right[..., None], cross], -1))
    k, cross = k.reshape(-1, m), cross.reshape(-1, m)
    schur = k.T @ k + np.diag(held) - cross.T @ solved[..., 1:].reshape(-1, m)
    rest = k.T @ e.reshape(-1) - held * away[0] - cross.T @ solved[..., 0].reshape(-1)
    change = np.linalg.solve(schur, rest)
    return cost, change[None], solved[..., 0] - solved[..., 1:] @ change


def _fill(seen: np.ndarray, total: int, id_coeff: np.ndarray, frames: np.ndarray) -> torch.Tensor:
    """(total, 257) with missed frames interpolated linearly, the ends held."""
    known = np.zeros((len(seen), N_COEFF))
    known[:, ID], known[:, EXP], known[:, ANGLES], known[:, TRANS] = id_coeff, frames[:, :64], frames[:, 64:67], frames[:, 67:]
    times = np.arange(total)
    full = np.stack([np.interp(times, seen, column) for column in known.T], 1)
    return torch.from_numpy(full.astype(np.float32))
