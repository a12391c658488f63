"""Where a fit starts: which frames to believe, and a first pose (from landmarks alone) or first coefficients (from a network).

A network that has seen rendered faces gives pose, expression, identity and light of each picture at once; the fit needs fewer steps
from there, and where its errors are known they can count as evidence beside the landmarks (`Belief`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from paperlib.errors import check_shape
from paperlib.face3d import camera
from paperlib.face3d.coefficients import N_COEFF

JUMP = 0.35  # a frame whose landmarks jump by more than this many face radii there and back is a wrong detection
JUMP_FRAMES = 5  # frames of the running median that it is compared with
MISFIT = 3.0  # ... as is one whose shape misfits a turned mean face this many times as badly as usual in the clip
MISFIT_MIN = 0.12  # and by at least this share of the face's radius


class Belief(NamedTuple):
    """Coefficients that another source proposes, and how wrong they usually are: mean (T, 257); sd (257,), inf where it knows nothing."""

    mean: torch.Tensor
    sd: np.ndarray


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


def trusted_frames(points: np.ndarray, lmk: np.ndarray) -> np.ndarray:
    """Which frames' landmarks can be right, (T,) bool: not those in which the detector jumped elsewhere or found no face's shape.

    Args:
        points: (68, 3) the mean face's landmarks. lmk: (T, 68, 2) pixels, finite.

    A jump: the landmarks lie farther than JUMP face radii from their running median over JUMP_FRAMES frames, so a detection that
    leaves and stays away is not one. No face: the best affine picture of the mean face misses them by MISFIT times the clip's median
    and by MISFIT_MIN radii. Ordinary noise and large expressions touch neither. Both need five frames.
    """
    ok = np.ones(len(lmk), bool)
    if len(lmk) < JUMP_FRAMES:
        return ok
    from scipy.ndimage import median_filter

    centre = lmk.mean(1)
    radius = np.median(np.linalg.norm(lmk - centre[:, None], axis=-1).mean(1))
    steady = median_filter(lmk, (JUMP_FRAMES, 1, 1), mode="nearest")
    ok &= np.median(np.linalg.norm(lmk - steady, axis=-1), 1) <= JUMP * radius
    rows = np.concatenate([points, np.ones((len(points), 1))], 1)
    rest = lmk - rows @ (np.linalg.pinv(rows) @ lmk)
    misfit = np.linalg.norm(rest, axis=-1).mean(1)
    return ok & (misfit <= np.maximum(MISFIT * np.median(misfit), MISFIT_MIN * radius))


@torch.no_grad()
def from_pictures(net, crops: np.ndarray, batch: int = 64) -> torch.Tensor:
    """First coefficients (T, 257) of square crops (T, S, S, 3) uint8 in which the face is where the camera expects it.

    net: a `models.regressor.FaceRegressor`. Crops of another side are resampled to the network's. Texture is left at 0.
    """
    check_shape("crops", crops, (None, None, None, 3))
    if crops.shape[1] != crops.shape[2]:
        raise ValueError(f"crops: must be square, got {crops.shape[1:3]}")
    net.eval()
    out = torch.zeros(len(crops), N_COEFF)
    for start in range(0, len(crops), batch):
        pictures = torch.from_numpy(np.ascontiguousarray(crops[start : start + batch])).movedim(-1, 1).float() / 255
        if pictures.shape[-1] != net.size:
            pictures = torch.nn.functional.interpolate(
                pictures, size=(net.size, net.size), mode="bilinear", align_corners=False, antialias=True
            )
        out[start : start + batch] = net(pictures)
    return out
