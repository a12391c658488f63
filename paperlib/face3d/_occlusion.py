"""How much of the sky each vertex sees: ambient occlusion of the neutral face, baked into the albedo when the model is built.

Spherical-harmonic light (`illumination`) knows only a normal, so eye sockets, nostrils, the line between the lips and the throat would
be as bright as the cheeks. Albedos of scanned faces hold this shade too, as BFM's does.
"""

from __future__ import annotations

import numpy as np

from paperlib.face3d.rasterizer import rasterize_batch

DIRECTIONS = 144
SIDE = 320  # pixels of each depth picture
BIAS = 0.02  # 2 mm: how far behind the nearest surface a vertex still counts as seen
TINT = np.array([0.80, 1.0, 1.08])  # light that skin throws into its own folds is red


def sky_directions(count: int) -> np.ndarray:
    """Unit vectors (count, 3) evenly over the sphere (golden-angle spiral)."""
    k = np.arange(count) + 0.5
    height, turn = 1 - 2 * k / count, np.pi * (3 - np.sqrt(5)) * k
    across = np.sqrt(1 - height**2)
    return np.c_[across * np.cos(turn), height, across * np.sin(turn)]


def sky_visibility(points: np.ndarray, triangles: np.ndarray, normals: np.ndarray, count: int = DIRECTIONS) -> np.ndarray:
    """Cosine-weighted share (V,) in [0, 1] of the hemisphere around each normal that no triangle hides.

    points (V, 3) in units of 10 cm, normals (V, 3) unit. Each direction draws a near-orthographic depth picture; a vertex sees the
    sky there when nothing is nearer than BIAS before it.
    """
    seen, total = np.zeros(len(points)), np.zeros(len(points))
    centre = 0.5 * (points.min(0) + points.max(0))
    reach = 1.02 * np.linalg.norm(points - centre, axis=1).max()
    for towards in sky_directions(count):
        side = np.cross(towards, [0.0, 1.0, 0.0] if abs(towards[1]) < 0.9 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        frame = np.stack([side, np.cross(side, towards), towards], 1)
        local = (points - centre) @ frame
        screen = np.c_[(local[:, :2] / reach + 1) * (SIDE / 2), 1000.0 - local[:, 2]]  # so far away that depth is linear in the picture
        index, bary = rasterize_batch(screen[None].astype(np.float32), triangles, SIDE, SIDE)
        depth = np.where(index[0] >= 0, (screen[triangles[index[0]], 2] * bary[0]).sum(-1), np.inf)
        column, row = (np.clip(screen[:, k].astype(int), 0, SIDE - 1) for k in (0, 1))
        slope = np.maximum(normals @ towards, 0)
        seen += slope * (screen[:, 2] <= depth[row, column] + BIAS + 0.02 * (1 - slope))
        total += slope
    return seen / np.maximum(total, 1e-9)


def smooth(values: np.ndarray, triangles: np.ndarray, rounds: int = 1) -> np.ndarray:
    """Mean of each value (V,) with the mean of its neighbours on the mesh, `rounds` times."""
    edges = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1), axis=0)
    degree = np.bincount(edges.ravel(), minlength=len(values))
    for _ in range(rounds):
        around = np.bincount(edges[:, 0], values[edges[:, 1]], len(values)) + np.bincount(edges[:, 1], values[edges[:, 0]], len(values))
        values = np.where(degree > 0, 0.5 * values + 0.5 * around / np.maximum(degree, 1), values)
    return values


def shade_of(visibility: np.ndarray, strength: float) -> np.ndarray:
    """Factor (V, 3) on an albedo: visibility ** (strength * TINT), one where the whole sky is seen."""
    return np.clip(visibility, 0.03, 1)[:, None] ** (strength * TINT)
