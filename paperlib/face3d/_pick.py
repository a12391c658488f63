"""Chooses the 68 landmark vertices on the mean face, left and right mirrored, by where iBUG's points lie on a frontal face."""

from __future__ import annotations

import numpy as np

from paperlib.face3d._topology import CODE, Head, vertex_normals
from paperlib.face3d.landmarks import MIRROR

# Frontal positions (x, y) for the person's left side, model units, origin 0.30 below the eyes' centre.
_LEFT = {
    22: (0.118, 0.462), 23: (0.195, 0.510), 24: (0.325, 0.545), 25: (0.430, 0.530), 26: (0.530, 0.470),
    27: (0.0, 0.305), 28: (0.0, 0.180), 29: (0.0, 0.066), 33: (0.0, -0.175), 34: (0.062, -0.155), 35: (0.115, -0.140),
    42: (0.180, 0.268), 43: (0.250, 0.318), 44: (0.325, 0.330), 45: (0.418, 0.290), 46: (0.360, 0.256), 47: (0.258, 0.252),
}  # fmt: skip
# Where 8 to 16 lie along the outline from the chin to the ear, in eighths of it: dlib puts those at the jaw's angle lower than evenly.
_JAW_STEPS = (0.0, 1.0, 1.97, 2.77, 3.78, 4.80, 5.92, 6.95, 8.0)
_JAW_TOP = 0.34  # height of landmarks 0 and 16, a little above the eyes'


def mirror_map(points: np.ndarray) -> np.ndarray:
    """For each vertex (V, 3), the vertex nearest to its mirror image."""
    from scipy.spatial import cKDTree

    return cKDTree(points).query(points * [-1, 1, 1])[1]


def pick(head: Head, points: np.ndarray, opened: np.ndarray) -> np.ndarray:
    """Vertex numbers (68,) on the mean `points` (V, 3); `opened` is the same face with the jaw dropped (it shows the inner lips)."""
    skin = np.isin(head.part, [CODE[n] for n in ("skin", "lips", "brow")]) & (head.maps["ears"] < 0.05)
    normal = vertex_normals(points, head.triangles)
    front = skin & (normal[:, 2] > 0.05) & (points[:, 2] > 0.9)
    index = np.full(68, -1)
    for k, xy in _LEFT.items():
        index[k] = _nearest(points, front, xy)
    ridge = front & (np.abs(points[:, 0]) < 1e-3) & (points[:, 1] > -0.15) & (points[:, 1] < 0.12)
    index[30] = np.flatnonzero(ridge)[(points[ridge, 2] + 0.3 * points[ridge, 1]).argmax()]  # dlib's tip lies above the foremost point
    _mouth(head, points, opened, front, index)
    _jaw(head, points, normal, skin, index)
    mirror = mirror_map(points)
    for k in range(68):
        if index[k] < 0:
            index[k] = mirror[index[MIRROR[k]]]
    if len(set(index.tolist())) != 68:
        raise AssertionError(f"two landmarks fell on one vertex: {index.tolist()}")
    return index


def _nearest(points, allowed, xy) -> int:
    distance = np.where(allowed, ((points[:, :2] - xy) ** 2).sum(1), np.inf)
    return int(distance.argmin())


def _mouth(head, points, opened, front, index) -> None:
    """Outer lips: the rim of the lip mask. Inner lips: the rim of the opening when the jaw drops, matched by place along the lip."""
    lips = (head.part == CODE["lips"]) & (points[:, 0] > -1e-3)
    normal = vertex_normals(opened, head.triangles)
    left = front & (points[:, 0] > -1e-3)
    rim = left & (head.maps["lips"] > 0.25) & (head.maps["lips"] < 0.75)
    corner_y = points[np.flatnonzero(lips)[points[lips, 0].argmax()], 1]
    for k, sign in ((51, 1), (57, -1)):
        line = np.flatnonzero(front & (np.abs(points[:, 0]) < 1e-3) & (sign * (points[:, 1] - corner_y) > 0.03) & (points[:, 1] < -0.2))
        index[k] = line[np.abs(head.maps["lips"][line] - 0.5).argmin()]
    for k, x in ((52, 0.055), (53, 0.140)):
        index[k] = _along(points, rim & (points[:, 1] > corner_y + 0.01), x, up=True)
    for k, x in ((56, 0.070), (55, 0.140)):
        index[k] = _along(points, rim & (points[:, 1] < corner_y - 0.01), x, up=False)
    corner = left & (head.maps["lips"] > 0.2) & (np.abs(points[:, 1] - corner_y) < 0.03)
    index[54] = np.flatnonzero(corner)[points[corner, 0].argmax()]
    seen = (normal[:, 2] > -0.3) & lips
    middle = 0.5 * (opened[index[51], 1] + opened[index[57], 1])
    for upper, lower, x in ((62, 66, 0.0), (63, 65, 0.060)):
        index[upper] = _rim_of_opening(opened, seen & (opened[:, 1] > middle), x)
        facing = np.linalg.norm(points - points[index[upper]], axis=1)
        index[lower] = np.where(seen & (opened[:, 1] < middle), facing, np.inf).argmin()
    inner = lips & (points[:, 0] > 0.12) & (np.abs(opened[:, 1] - opened[index[54], 1]) < 0.06)
    off = np.abs(points[inner, 0] - (points[index[54], 0] - 0.05)) + np.abs(points[inner, 1] - corner_y)
    index[64] = np.flatnonzero(inner)[off.argmin()]


def _along(points, rim, x, up) -> int:
    """The rim vertex at |x| nearest to x, the outermost of those about equally near."""
    candidates = np.flatnonzero(rim)
    score = np.abs(points[candidates, 0] - x) - (0.5 if up else -0.5) * points[candidates, 1]
    return int(candidates[score.argmin()])


def _rim_of_opening(opened, allowed, x) -> int:
    candidates = np.flatnonzero(allowed)
    near = candidates[np.abs(opened[candidates, 0] - x) < np.sort(np.abs(opened[candidates, 0] - x))[0] + 0.016]
    return int(near[opened[near, 1].argmin()])


def _jaw(head, points, normal, skin, index) -> None:
    """The frontal outline of the face from the ear to the chin, sampled at `_JAW_STEPS`; person's left half."""
    skin = skin | ((head.part == CODE["hair"]) & (points[:, 2] > 0.6))  # sideburns
    # Under the jaw the surface turns away from the viewer: ask for a facing normal there.
    steep = np.where(points[:, 1] < -0.35, np.interp(points[:, 0], (0.30, 0.50), (0.30, 0.0)), -0.10)
    neck = points[:, 2] < 1.25 - 1.35 * points[:, 0].clip(0, 0.5)
    face = np.flatnonzero(skin & (points[:, 0] > -1e-3) & (normal[:, 2] > steep) & ~neck & (points[:, 1] < _JAW_TOP + 0.06))
    centre = np.array([0.0, _JAW_TOP])
    away = points[face, :2] - centre
    angle = np.arctan2(away[:, 0], -away[:, 1])  # 0: straight down, pi/2: towards the ear
    radius = np.linalg.norm(away, axis=1)
    bins = np.linspace(0, np.pi / 2, 181)
    outline = np.array([radius[np.abs(angle - b) < 0.09].max() for b in bins])
    curve = centre + outline[:, None] * np.c_[np.sin(bins), -np.cos(bins)]
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))]
    for k in range(9):  # 8 is the chin, 16 beside the ear
        s = length[-1] * _JAW_STEPS[k] / 8
        spot = np.array([np.interp(s, length, curve[:, 0]), np.interp(s, length, curve[:, 1])])
        allowed = np.zeros(len(points), dtype=bool)
        allowed[face] = (np.abs(points[face, 0]) < 1e-3) if k == 0 else (points[face, 0] > 0.02)
        index[8 + k] = _nearest(points, allowed, spot)
