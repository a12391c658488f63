"""Lips that meet: the pairs of vertices that face each other along the seam, a mean face whose lips touch, and a `mouthClose` that shuts.

MakeHuman's base mesh leaves about a millimetre between the lips, and its `mouthClose` does not quite undo `jawOpen`. Both are mended here
with displacements that fade within a few millimetres of the seam.
"""

from __future__ import annotations

import numpy as np

from paperlib.face3d._topology import CODE, Head

OVERLAP = 0.007  # how far the closed lips are pushed into each other, model units; no line of sight is left between them
FADE = 0.022  # how far from the seam that is felt
INNER = 0.195  # half of the width that is sealed; beyond it the lips run into one another
FACING = 0.04  # lip vertices closer than this on the mean face each other


def pairs(head: Head, mean: np.ndarray, jaw: np.ndarray) -> np.ndarray:
    """(P, 2) upper and lower vertices that face each other on `mean` (V, 3); `jaw` (V, 3) is the jaw's opening, which tells them apart."""
    from scipy.spatial import cKDTree

    lips = np.flatnonzero(head.part == CODE["lips"])
    drop = np.linalg.norm(jaw, axis=1)
    lower = drop[lips] > 0.5 * drop[lips].max()
    upper, lower = lips[~lower], lips[lower]
    distance, match = cKDTree(mean[lower]).query(mean[upper])
    _, back = cKDTree(mean[upper]).query(mean[lower])
    mutual = (back[match] == np.arange(len(upper))) & (distance < FACING)
    return np.stack([upper[mutual], lower[match[mutual]]], 1)


def side(head: Head, jaw: np.ndarray) -> np.ndarray:
    """(V,): 1 on the lower lip, -1 on the upper, falling to 0 towards the corners, where the jaw moves both by half its way."""
    drop = np.linalg.norm(jaw, axis=1)
    top = drop[head.part == CODE["lips"]].max()
    return np.clip((drop / top - 0.5) / 0.12, -1.0, 1.0)


def shares(head: Head, mean: np.ndarray, jaw: np.ndarray, seam: np.ndarray) -> np.ndarray:
    """(V, P): by how much each vertex follows each pair's closing: +1/2 at the lower lip, -1/2 at the upper, fading over `FADE`."""
    middle = mean[seam].mean(1)
    skin = np.isin(head.part, [CODE["lips"], CODE["mouth_interior"], CODE["skin"]])[:, None]
    kernel = np.exp(-((mean[:, None] - middle[None]) ** 2).sum(2) / (2 * FADE**2)) * skin
    share = kernel / np.maximum(kernel.sum(1, keepdims=True), 1e-9) * kernel.max(1, keepdims=True)
    return 0.5 * side(head, jaw)[:, None] * share


def closing(share: np.ndarray, seam: np.ndarray, gap: np.ndarray, rounds: int = 6) -> np.ndarray:
    """Displacement (V, 3) that changes upper minus lower of each pair by -`gap` (P, 3), approached in `rounds` steps."""
    moved = np.zeros((len(share), 3))
    for _ in range(rounds):
        left = gap + moved[seam[:, 0]] - moved[seam[:, 1]]
        moved += share @ left
    return moved


def seal(share: np.ndarray, seam: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Displacement (V, 3) after which the upper lip of the pairs between the corners lies `OVERLAP` below the lower."""
    seam, share = seam[np.abs(mean[seam[:, 0], 0]) < INNER], share[:, np.abs(mean[seam[:, 0], 0]) < INNER]
    gap = mean[seam[:, 0]] - mean[seam[:, 1]]
    gap[:, 0] = 0.0
    gap[:, 1] += OVERLAP
    gap[:, 2] = np.clip(gap[:, 2], -0.5 * OVERLAP, 0.5 * OVERLAP)
    return closing(share, seam, gap)


def shut(share: np.ndarray, seam: np.ndarray, actions: np.ndarray, names: list[str]) -> np.ndarray:
    """The actions (A, V, 3) with `mouthClose` completed, so that with `jawOpen` at equal weight the pairs of the seam stay together."""
    actions = actions.copy()
    jaw, close = names.index("jawOpen"), names.index("mouthClose")
    both = actions[jaw] + actions[close]
    actions[close] += closing(share, seam, both[seam[:, 0]] - both[seam[:, 1]])
    return actions
