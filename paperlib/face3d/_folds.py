"""Keeps identity from folding the skin: displacements are smoothed where the mesh is fine, just enough that no triangle turns over.

At the inner corner of the eye, the rim of the nostril and the edge of the lips MakeHuman's triangles are a fraction of a millimetre
wide, and its targets, drawn by hand one at a time, slide such triangles over each other when several are added. The remedy is linear:
a displacement d is replaced by x with (M + K) x = M d, one implicit step of heat flow over the mean surface (M: areas, K: cotangent
stiffness times the squared smoothing length r(v)^2), so parts smaller than r move together and the rest of the face is untouched.
`ease` finds r: it grows only where people drawn from the basis would fold.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

START, LARGEST = 0.01, 0.18  # smoothing length where folding is first seen, and its limit; model units
GROWTH, REACH = 1.9, 0.03  # factor on the length a round, and how far around a folding triangle it is raised
STRETCH, TILT = 0.22, 0.32  # largest deviations allowed: a triangle turns over beyond 4.5 of them
SHORT = 0.006  # edges below this make slivers
COARSE = 0.10  # triangles larger than the square of this do not fold


class Smoother:
    """Heat flow on the mean surface `points` (V, 3), `triangles` (F, 3); `joined` (P, 2) are pairs of vertices that move as one.

    Vertices outside `triangles` keep their displacement.
    """

    def __init__(self, points: np.ndarray, triangles: np.ndarray, joined: np.ndarray) -> None:
        n = len(points)
        corner = points[triangles]
        area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1) / 2
        mass = np.bincount(triangles.ravel(), np.repeat(area / 3, 3), n)
        self.mass = np.where(mass > 0, mass, 1.0)
        rows, columns, weights = [], [], []
        for k in range(3):
            a, b = corner[:, (k + 1) % 3] - corner[:, k], corner[:, (k + 2) % 3] - corner[:, k]
            cotangent = (a * b).sum(1) / np.maximum(2 * area, 1e-12)
            rows.append(triangles[:, (k + 1) % 3])
            columns.append(triangles[:, (k + 2) % 3])
            weights.append(0.5 * np.clip(cotangent, 0.0, 50.0))  # no negative weights: the result is a mean of its neighbours
        self.edges = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
        name = np.arange(n)
        for a, b in joined:  # chains of pairs become one
            name[name == name[b]] = name[a]
        _, name = np.unique(name, return_inverse=True)
        self.merge = sparse.csr_matrix((np.ones(n), (np.arange(n), name)))

    def __call__(self, fields: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Fields (V, C) smoothed over `length` (V,) model units."""
        i, j, w = self.edges
        w = w * 0.5 * (length[i] ** 2 + length[j] ** 2)
        n = len(length)
        off = sparse.csr_matrix((w, (i, j)), shape=(n, n))
        off.eliminate_zeros()
        off = off + off.T
        stiffness = sparse.diags(np.asarray(off.sum(1)).ravel()) - off
        system = self.merge.T @ (sparse.diags(self.mass) + stiffness) @ self.merge
        return self.merge @ splu(system.tocsc()).solve(self.merge.T @ (self.mass[:, None] * fields))


def slivers(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Edges (P, 2) shorter than `SHORT`, whose ends are to move as one."""
    edges = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    return edges[np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) < SHORT]


def bending(points: np.ndarray, basis: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """To first order, how a standard normal draw from `basis` (V, 3, K) deforms the triangles of `points` (V, 3).

    Returns (stretch, tilt), each (F,): the deviation of the relative change of length along the worst direction in the plane, and that
    of the normal's tilt (rad). A triangle turns over when the first reaches -1 or the second a right angle.
    """
    corner = points[triangles].astype(basis.dtype)
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    normal = np.cross(e1, e2)
    along = e1 / np.linalg.norm(e1, axis=1, keepdims=True)
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    frame = np.stack([along, np.cross(unit, along), unit], 1)  # (F, 3 axes, 3)
    flat = np.stack([(frame[:, :2] * e[:, None]).sum(2) for e in (e1, e2)], 2)  # the edges in the plane, (F, 2, 2)
    inverse = np.linalg.inv(flat)
    d1, d2 = (np.matmul(frame, basis[triangles[:, k]] - basis[triangles[:, 0]]) for k in (1, 2))  # (F, 3, K)
    gradient = np.stack([d1 * inverse[:, 0, j, None, None] + d2 * inverse[:, 1, j, None, None] for j in (0, 1)], 2)  # (F, 3, 2, K)
    stretch = np.zeros(len(triangles), basis.dtype)
    for angle in np.pi / 8 * np.arange(8):
        c, s = np.cos(angle), np.sin(angle)
        change = c * c * gradient[:, 0, 0] + s * s * gradient[:, 1, 1] + c * s * (gradient[:, 0, 1] + gradient[:, 1, 0])
        stretch = np.maximum(stretch, np.sqrt((change**2).sum(1)))
    a, b, c = (np.einsum("fk,fk->f", gradient[:, 2, i], gradient[:, 2, j]) for i, j in ((0, 0), (1, 1), (0, 1)))
    return stretch, np.sqrt(0.5 * (a + b) + np.sqrt(0.25 * (a - b) ** 2 + c**2))


def ease(smoother: Smoother, mean, basis, triangles, poses, length, rounds: int = 11) -> tuple[np.ndarray, np.ndarray, int]:
    """Basis (V, 3, K) smoothed until `STRETCH` and `TILT` hold, the lengths (V,), and how many triangles still break them.

    `poses`, displacements (V, 3) of expressions, in which they shall hold as well. Triangles larger than `COARSE` are left alone.
    """
    corner = mean[triangles]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1) / 2
    triangles, centre = triangles[area < COARSE**2], corner[area < COARSE**2].mean(1)
    eased, left = basis, 0
    for _ in range(rounds):
        eased = smoother(basis.reshape(len(mean), -1), length).reshape(basis.shape)
        bad = np.zeros(len(triangles), dtype=bool)
        for pose in poses:
            stretch, tilt = bending(mean + pose, eased.astype(np.float32), triangles)
            bad |= (stretch > STRETCH) | (tilt > TILT)
        left = int(bad.sum())
        if left == 0 or (length[triangles[bad]] >= LARGEST).all():
            break
        nearest = cKDTree(centre[bad]).query(mean)[0]
        rise = np.where(nearest < 3 * REACH, np.exp(-(nearest**2) / (2 * REACH**2)), 0.0)
        length = np.maximum(length, np.clip(np.maximum(length, START) * GROWTH, None, LARGEST) * rise)
    return eased, length, left
