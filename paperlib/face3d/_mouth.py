"""Keeps the mouth right from person to person: lips that meet at zero expression, and teeth that stay behind them.

MakeHuman's identity targets move the two lips apart for some people and leave the teeth where they were. Both are undone here by a
linear rule on the vertices, so the identity samples stay a linear function of what was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.face3d import _makehuman as mh
from paperlib.face3d._topology import CODE, Head

REACH = 0.035  # how far from the seam the correction is felt, model units


@dataclass(frozen=True)
class Seam:
    """Facing lip vertices `upper` and `lower` (P,), and `spread` (V, P): each pair's share in moving a vertex, signed, sum <= 1/2."""

    upper: np.ndarray
    lower: np.ndarray
    spread: np.ndarray
    inside: np.ndarray  # (V,) bool: teeth and tongue
    front: np.ndarray  # vertices of the upper front teeth


def find_seam(head: Head, mean: np.ndarray, jaw: np.ndarray) -> Seam:
    """Pairs of lip vertices of `mean` (V, 3) that touch; `jaw` (V, 3) is the jaw's opening, which tells lower lip from upper."""
    from scipy.spatial import cKDTree

    lips = np.flatnonzero(head.part == CODE["lips"])
    drop = np.linalg.norm(jaw, axis=1)
    is_lower = drop > 0.5 * drop[lips].max()
    upper, lower = lips[~is_lower[lips]], lips[is_lower[lips]]
    distance, match = cKDTree(mean[lower]).query(mean[upper])
    _, back = cKDTree(mean[upper]).query(mean[lower])
    mutual = (back[match] == np.arange(len(upper))) & (distance < 0.035)
    upper, lower = upper[mutual], lower[match[mutual]]
    middle = 0.5 * (mean[upper] + mean[lower])

    near = np.isin(head.part, [CODE["lips"], CODE["mouth_interior"], CODE["skin"]])[:, None]
    squared = ((mean[:, None] - middle[None]) ** 2).sum(2)
    kernel = np.exp(-squared / (2 * REACH**2)) * near
    share = kernel / np.maximum(kernel.sum(1, keepdims=True), 1e-9) * kernel.max(1, keepdims=True)
    sign = np.where(is_lower, 1.0, -1.0)
    inside = np.isin(head.part, [CODE["teeth"], CODE["tongue"]])
    first = head.operator.indices[head.operator.indptr[:-1]]
    row = (head.part == CODE["teeth"]) & (first >= mh.GROUPS["upper_teeth"].start) & (np.abs(mean[:, 0]) < 0.1)
    return Seam(upper, lower, 0.5 * sign[:, None] * share, inside, np.flatnonzero(row))


def close_lips(seam: Seam, moved: np.ndarray, rounds: int = 3) -> np.ndarray:
    """Displacements (..., V, 3) from the mean with the lips' relative motion taken out and teeth and tongue carried along with them."""
    moved = moved.copy()
    for _ in range(rounds):
        gap = moved[..., seam.upper, :] - moved[..., seam.lower, :]
        moved += np.einsum("vp,...pc->...vc", seam.spread, gap)
    follow = 0.5 * (moved[..., seam.upper, :] + moved[..., seam.lower, :]).mean(-2, keepdims=True)
    follow = follow - moved[..., seam.front, :].mean(-2, keepdims=True)
    moved[..., seam.inside, :] += follow
    return moved
