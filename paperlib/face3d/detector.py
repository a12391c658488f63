"""How a landmark detector's 68 points lie around the mesh's own, measured where the truth is known.

A detector trained on photographs means slightly other places than the model's 68 vertices, the same way for everybody (mean), a
little differently for each face (person_sd), and it errs from frame to frame (noise). The three are measured by running the
detector on rendered speakers of the training split, `calibrate`; without a measurement, GENERIC assumes no mean and round numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from paperlib.errors import check_shape
from paperlib.face3d import camera
from paperlib.face3d.coefficients import ANGLES, EXP, ID, TRANS
from paperlib.face3d.landmarks import INNER, JAW, MIRROR, MOUTH, N_LANDMARKS

TURN = np.deg2rad(25)  # beyond this yaw the visible contour has left the jaw's vertices
CHIN = range(6, 11)  # the part of the jaw line that says how far the jaw is open
MIN_NOISE = 0.4  # pixels at side 224: no detector's point is trusted further than that
MIN_PERSON_SD = 0.003  # 0.3 mm


@dataclass(frozen=True)
class Detector:
    """mean (68, 3): detector minus vertex in the head's own axes, units of 10 cm. person_sd (68,): of that from face to face, in
    the same units, for each axis. noise (68,): standard deviation per axis within a clip, pixels of a 224 picture.

    A detector moves neighbouring points together: 68 of them teach a fit as much as independent ones with more noise would. How much
    more is found by trying (`training.landmark_trust`); `louder` is this detector with so much."""

    mean: np.ndarray
    person_sd: np.ndarray
    noise: np.ndarray

    def __post_init__(self) -> None:
        check_shape("mean", self.mean, (N_LANDMARKS, 3))
        check_shape("person_sd", self.person_sd, (N_LANDMARKS,))
        check_shape("noise", self.noise, (N_LANDMARKS,))

    def louder(self, factor: float) -> Detector:
        """The same detector with `factor` times the noise."""
        return replace(self, noise=factor * self.noise)

    def weights(self, angles: np.ndarray) -> np.ndarray:
        """Trust in each landmark (T, 68) given angles (T, 3): 1 for a standard deviation of one pixel.

        Detectors put jaw points on the visible contour, which slides over the skin as the head turns: their weight falls with |yaw|.
        """
        weights = np.tile(1 / self.noise**2, (len(angles), 1))
        turned = np.exp(-((angles[:, 1:2] / TURN) ** 2))
        floor = np.full(len(JAW), 0.08)
        floor[list(CHIN)] = 0.2
        weights[:, list(JAW)] *= floor + (1 - floor) * turned
        return weights


def _generic() -> Detector:
    """1.5, 3 and 0.8 mm between detector and mesh (face, jaw, lips); one pixel of noise, two on the contour, less on the inner lips.

    In Deng et al.'s landmark loss the inner lips count twentyfold; threefold here.
    """
    person, noise = np.full(N_LANDMARKS, 0.015), np.ones(N_LANDMARKS)
    person[list(JAW)], person[list(MOUTH)] = 0.03, 0.008
    noise[list(JAW)], noise[list(CHIN)], noise[list(INNER)] = 2.0, 2**0.5, 3**-0.5
    return Detector(np.zeros((N_LANDMARKS, 3)), person, noise)


GENERIC = _generic()


def offsets(model, coeffs: torch.Tensor, detected: np.ndarray, size: int) -> np.ndarray:
    """Detector minus vertex in the head's own axes, (T, 68, 3) units of 10 cm, given the truth: coeffs (T, 257), detected (T, 68, 2) px.

    Along the line of sight nothing is seen: that part is zero. NaN where nothing was detected.
    """
    world = _vertices(model, coeffs)
    moved = camera.unproject(torch.as_tensor(detected, dtype=world.dtype), camera.depth(world), size) - world
    return (moved @ camera.rotation(coeffs[:, ANGLES].to(world)).transpose(1, 2)).double().numpy()


def expected(model, coeffs: torch.Tensor, detector: Detector, size: int) -> np.ndarray:
    """Where `detector` usually puts its points on faces of coefficients (T, 257): (T, 68, 2) pixels."""
    return camera.project(_vertices(model, coeffs, torch.from_numpy(detector.mean)), size).double().numpy()


def _vertices(model, coeffs: torch.Tensor, moved: torch.Tensor | float = 0.0) -> torch.Tensor:
    """The 68 vertices in the world, (T, 68, 3), each `moved` (68, 3) in the head's own axes first."""
    pick, rows = model.landmark_index, coeffs.to(model.mean_shape)
    by_id, by_exp = (torch.einsum("nck,bk->bnc", basis[pick], rows[:, s]) for basis, s in ((model.id_basis, ID), (model.exp_basis, EXP)))
    shape = model.mean_shape[pick] + by_id + by_exp + torch.as_tensor(moved).to(rows)
    return camera.pose(shape, rows[:, ANGLES], rows[:, TRANS])


def calibrate(model, coeffs: torch.Tensor, detected: np.ndarray, speakers: np.ndarray, size: int) -> Detector:
    """Measure a detector on frames with known truth.

    Args:
        coeffs: (N, 257) true. detected: (N, 68, 2) pixels of `size` pictures, NaN rows where nothing was found. speakers: (N,) whose
            frame it is; at least four speakers with two frames each.

    Returns:
        Detector, left and right made alike. Medians and median deviations are used: a lost frame does not count.
    """
    seen = np.isfinite(detected).all((1, 2))
    found, who = offsets(model, coeffs[torch.from_numpy(seen)], detected[seen], size), np.asarray(speakers)[seen]
    names = [s for s in np.unique(who) if (who == s).sum() >= 2]
    if len(names) < 4:
        raise ValueError(f"calibrate: {len(names)} speakers have two or more frames with a face; at least 4 are needed")
    flipped = found[:, list(MIRROR)] * np.array([-1.0, 1.0, 1.0])
    person = np.stack([np.median(side[who == s], 0) for side in (found, flipped) for s in names])  # (2 P, 68, 3)
    rest = np.concatenate([side[who == s] - np.median(side[who == s], 0) for side in (found, flipped) for s in names])
    mean = np.median(person, 0)
    pixels = camera.FOCAL / camera.DISTANCE
    spread = np.maximum(_deviation(person - mean), MIN_PERSON_SD)
    return Detector(mean, spread, np.maximum(_deviation(rest) * pixels, MIN_NOISE))


def _deviation(values: np.ndarray) -> np.ndarray:
    """Robust standard deviation per axis of (N, 68, 3) over x and y, (68,)."""
    return 1.4826 * np.median(np.abs(values[..., :2]), 0).mean(-1)
