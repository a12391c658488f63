"""The head mesh as linear functions of MakeHuman's base vertices: which triangles stay, where they are split, the eyeballs, the parts.

Every vertex of the head is a fixed weighted sum of base vertices (`Head.operator`), so any target, being a displacement of the base
mesh, gives the head's displacement by one sparse product. Lengths in model units (decimetres).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from paperlib.face3d import _makehuman as mh
from paperlib.face3d.morphable_model import PARTS

CODE = {name: i for i, name in enumerate(PARTS)}

# Rings of the procedural eyeball: angle from the gaze axis in degrees. Pairs close together keep pupil and iris edges sharp; the others
# are close enough for a catchlight of a few degrees.
EYE_RINGS = (0.0, 4.5, 9.0, 11.0, 15.0, 20.0, 24.5, 27.5, 32.0, 38.0, 48.0, 62.0, 80.0, 98.0)
EYE_SECTORS = 24
PUPIL_RING, IRIS_RING = 2, 6  # last ring of each
LASH_CUT = 0.5  # share of MakeHuman's lashes, long enough for a doll, that is taken away
LASH_ROOT = 0.0085  # the lashes' edge closer to the lid than this is their root, model units


@dataclass(frozen=True)
class Head:
    """operator (V, 19158); offset (V, 3) added once to the mean; triangles (F, 3); part (V,); triangle_part (F,);
    reconstruction (F,) bool; maps: per-vertex soft maps (V,) the skin painter uses; eye_ring (V,) ring number or -1."""

    operator: sparse.csr_matrix
    offset: np.ndarray
    triangles: np.ndarray
    part: np.ndarray
    triangle_part: np.ndarray
    reconstruction: np.ndarray
    maps: dict[str, np.ndarray]
    eye_ring: np.ndarray


def smoothstep(x: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """0 below lo, 1 above hi, cubic between."""
    t = np.clip((x - lo) / (hi - lo), 0, 1)
    return t * t * (3 - 2 * t)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (V, 3)."""
    corner = vertices[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, triangles[:, k], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def brow_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Strength of the brow at frontal position (x, y), origin 0.30 below the eyes' centre: an arch, thick inside, thin outside."""
    s = (np.abs(x) - 0.10) / 0.42  # 0 at the inner end, 1 at the outer
    centre = 0.445 + 0.075 * np.sin(np.clip(s, 0, 1.15) * 2.2) - 0.015 * s
    half = 0.034 * (1 - 0.55 * np.clip(s, 0, 1))
    across = 1 - smoothstep(np.abs(y - centre), half * 0.6, half * 1.5)
    return across * smoothstep(s, -0.08, 0.10) * (1 - smoothstep(s, 0.92, 1.12))


def hairline(z: np.ndarray) -> np.ndarray:
    """Height of the hair's lower edge as a function of depth z: forehead, temple, sideburn, round the ear, nape."""
    # nape, nape, behind the ear, over the ear (2), sideburn, temple (2), forehead (2)
    depth = (-0.60, 0.05, 0.26, 0.36, 0.60, 0.70, 0.80, 0.98, 1.15, 1.45)
    return np.interp(z, depth, (-0.55, -0.45, -0.15, 0.30, 0.36, 0.16, 0.50, 0.80, 0.96, 1.02))


def build_head(base: mh.BaseMesh, average: np.ndarray, origin: np.ndarray) -> Head:
    """Assemble the head on the `average` adult base vertices (19158, 3); `origin` (3,) is 0.30 below the eyes' centre, z = 0 of base."""
    place = average - origin
    quads, kind = _select_quads(base, average)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    kind = np.concatenate([kind, kind])
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    operator = sparse.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), shape=(len(used), mh.N_BASE))

    for margin in (0.055, 0.035):  # brows are narrower than the mesh there and differ in place from person to person: split it twice
        centre = (operator @ place)[triangles].mean(1)
        near = np.max([brow_map(centre[:, 0], centre[:, 1] + d) for d in np.linspace(-margin, margin, 5)], axis=0)
        marked = (near > 0.02) & (kind == "head") & (centre[:, 2] > 0.9)
        operator, triangles, kind = _split(operator, triangles, kind, marked)

    centre = (operator @ place)[triangles].mean(1)  # the hair's edge over forehead and temples is told by colour: split once
    edge = np.abs(centre[:, 1] - hairline(centre[:, 2])) < 0.11
    operator, triangles, kind = _split(operator, triangles, kind, edge & (kind == "head") & (centre[:, 2] > 0.55))

    operator = _trim_lashes(operator, triangles, kind, place)
    ring = np.full(operator.shape[0], -1)
    for side in ("left_eye", "right_eye"):
        rows, faces, numbers = _eyeball(average, mh.GROUPS[side])
        faces = faces + operator.shape[0]
        operator = sparse.vstack([operator, rows]).tocsr()
        triangles, kind = np.concatenate([triangles, faces]), np.concatenate([kind, np.full(len(faces), "eye", dtype=kind.dtype)])
        ring = np.concatenate([ring, numbers])
    return _label(base, operator, triangles, kind, ring, place)


def _select_quads(base: mh.BaseMesh, average: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    corners = base.vertices[base.quads]
    body = (base.quad_group == "body") & (corners[:, :, 1].min(1) > 5.0) & (np.abs(corners[:, :, 0]).max(1) < 1.55)
    eye_centre = average[mh.GROUPS["left_eye"]].mean(0)
    deep = (base.label == "eye_cavity") & (average[base.quads][:, :, 2].max(1) < eye_centre[2] + 0.04)
    kind = base.label.astype("U12").copy()
    kind[body & (kind == "other")] = "body"
    body &= ~deep
    extra = np.zeros(len(base.quads), dtype=bool)
    for group, name in (("helper-tongue", "tongue"), ("helper-upper-teeth", "teeth"), ("helper-lower-teeth", "teeth")):
        extra |= base.quad_group == group
        kind[base.quad_group == group] = name
    for side in ("l", "r"):  # of the two rows of lashes only the upper
        rows = [base.quad_group == f"helper-{side}-eyelashes-{i}" for i in (1, 2)]
        upper = max(rows, key=lambda r: average[base.quads[r]][:, :, 1].mean())
        extra |= upper
        kind[upper] = "lash"
    keep = body | extra
    return base.quads[keep], kind[keep]


def _split(operator, triangles, kind, marked):
    """Split marked triangles in four; neighbours with one or two split edges in two or three, so that no crack opens."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1, 3)
    cut = np.zeros(len(unique), dtype=bool)
    cut[inverse[marked].ravel()] = True
    number = np.full(len(unique), -1)
    number[cut] = operator.shape[0] + np.arange(cut.sum())
    middle = (operator[unique[cut, 0]] + operator[unique[cut, 1]]) * 0.5
    operator = sparse.vstack([operator, middle]).tocsr()
    out, out_kind = [], []
    for (a, b, c), (ab, bc, ca), k in zip(triangles, number[inverse], kind):
        have = (ab >= 0, bc >= 0, ca >= 0)
        if not any(have):
            new = [(a, b, c)]
        elif all(have):
            new = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        else:
            while not (ab >= 0 and (ca < 0)):  # rotate until the first edge is split and the last is not
                a, b, c, ab, bc, ca = b, c, a, bc, ca, ab
            new = [(a, ab, c), (ab, b, c)] if bc < 0 else [(a, ab, c), (ab, b, bc), (ab, bc, c)]
        out += new
        out_kind += [k] * len(new)
    return operator, np.array(out), np.array(out_kind)


def _trim_lashes(operator, triangles, kind, place):
    """The operator with each vertex of the lashes moved by `LASH_CUT` of the way towards their root, along the lash."""
    from scipy.sparse.csgraph import dijkstra
    from scipy.spatial import cKDTree

    points, strip = operator @ place, triangles[kind == "lash"]
    edges, times = np.unique(np.sort(strip[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0, return_counts=True)
    lid = np.unique(triangles[np.isin(kind, ("head", "eye_cavity"))])
    border = np.unique(edges[times == 1])
    roots = border[cKDTree(points[lid]).query(points[border])[0] < LASH_ROOT]
    length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    graph = sparse.csr_matrix((length, tuple(edges.T)), shape=(len(points), len(points)))
    source = dijkstra(graph, directed=False, indices=roots, min_only=True, return_predecessors=True)[2]
    lash = np.unique(strip)
    operator = operator.tolil()
    operator[lash] = (1 - LASH_CUT) * operator[lash] + LASH_CUT * operator[source[lash]]
    return operator.tocsr()


def _eyeball(average: np.ndarray, group: slice):
    """A spherical cap around the gaze axis whose vertices are affine functions of the helper eyeball's 72 vertices."""
    helper = average[group]
    low, high = helper.min(0), helper.max(0)
    radius = 0.5 * (high[0] - low[0])
    centre = np.array([*(0.5 * (low + high))[:2], low[2] + radius])
    points, rings = [centre + [0, 0, radius]], [0]
    turn = 2 * np.pi * np.arange(EYE_SECTORS) / EYE_SECTORS
    for i, degrees in enumerate(EYE_RINGS[1:], 1):
        a = np.deg2rad(degrees)
        points += [centre + radius * np.array([np.sin(a) * np.cos(t), np.sin(a) * np.sin(t), np.cos(a)]) for t in turn]
        rings += [i] * EYE_SECTORS
    faces, n = [], EYE_SECTORS
    for j in range(n):
        k = (j + 1) % n
        faces.append((0, 1 + j, 1 + k))
        for i in range(len(EYE_RINGS) - 2):
            p, q = 1 + i * n, 1 + (i + 1) * n
            faces += [(p + j, q + j, q + k), (p + j, q + k, p + k)]
    homogeneous = np.c_[helper, np.ones(len(helper))]
    weights = np.c_[np.array(points), np.ones(len(points))] @ np.linalg.pinv(homogeneous)  # (cap, 72), exact for affine motion
    rows = sparse.lil_matrix((len(points), mh.N_BASE))
    rows[:, group] = weights
    return rows.tocsr(), np.array(faces), np.array(rings)


def _label(base, operator, triangles, kind, ring, place) -> Head:
    points = operator @ place
    n = len(points)
    masks = {name: np.asarray(operator @ m).ravel() for name, m in base.masks.items()}
    by_kind = {k: np.isin(np.arange(n), triangles[kind == k]) for k in np.unique(kind)}
    x, y, z = points.T
    ear = masks["ears"] > 0.15
    scalp = (by_kind["head"] | by_kind["body"]) & ~ear
    height = np.where(scalp, y - hairline(z), -1.0)
    height = np.where((z < 0.3) & (y < -0.45), -1.0, height)

    part = np.full(n, CODE["skin"])
    part[by_kind["body"]] = CODE["neck"]
    part[scalp & (height > 0)] = CODE["hair"]
    face = (part == CODE["skin"]) & (z > 0.9)
    brow = np.where(face, brow_map(x, y), 0.0)
    part[brow > 0.5] = CODE["brow"]
    lips = np.where(by_kind["head"] | by_kind["mouth_cavity"], masks["lips"], 0.0)
    part[(lips > 0.5) & by_kind["head"]] = CODE["lips"]
    for side in (-1, 1):  # the mask stops short of the corners
        corner = points[np.where(part == CODE["lips"], side * x, -9).argmax()]
        lips = np.maximum(lips, np.exp(-((points - corner) ** 2).sum(1) / (2 * 0.016**2)) * (by_kind["head"] | by_kind["mouth_cavity"]))
    part[by_kind["mouth_cavity"] & ~by_kind["head"]] = CODE["mouth_interior"]
    part[by_kind["eye_cavity"] & ~by_kind["head"]] = CODE["skin"]
    for name in ("teeth", "tongue", "lash", "eye"):
        part[by_kind[name]] = CODE[name]
    part[(ring >= 0) & (ring <= IRIS_RING)] = CODE["iris"]

    triangle_part = np.array([CODE.get(k, CODE["skin"]) for k in kind])
    triangle_part[kind == "body"] = CODE["neck"]
    triangle_part[kind == "mouth_cavity"] = CODE["mouth_interior"]
    skin = kind == "head"
    for name in ("brow", "lips", "hair"):
        hit = (part[triangles] == CODE[name]).sum(1) >= 2
        triangle_part[(skin | (kind == "body") if name == "hair" else skin) & hit] = CODE[name]
    triangle_part[(kind == "eye") & (ring[triangles].max(1) <= IRIS_RING)] = CODE["iris"]

    reconstruction = (
        skin & (triangle_part != CODE["hair"]) & (points[triangles][:, :, 2].min(1) > 0.62) & (masks["ears"][triangles].max(1) < 0.15)
    )
    normal = vertex_normals(points, triangles)
    offset = _offsets(points, normal, part, height, masks)
    maps = {**masks, "lips": lips, "brow": brow, "hair": smoothstep(height, -0.02, 0.05) * scalp, "hair_height": height}
    return Head(operator, offset, triangles, part, triangle_part, reconstruction, maps, ring)


def _offsets(points, normal, part, height, masks) -> np.ndarray:
    """What MakeHuman leaves to clothes and rigs: hair volume over the scalp, and teeth and tongue at rest inside the mouth."""
    offset = np.zeros_like(points)
    x, y, z = points.T
    volume = 0.11 * smoothstep(height, 0.0, 0.22) * (1 - 0.5 * masks["ears"])
    hair = part == CODE["hair"]
    offset[hair] = volume[hair, None] * normal[hair]
    tongue = part == CODE["tongue"]
    offset[tongue, 1] = -0.30 * (y[tongue] - y[tongue].min()) - 0.015
    offset[tongue, 2] = -0.05
    cave = part == CODE["mouth_interior"]
    free = (1 - masks["lips"][cave].clip(0, 1)) * smoothstep(1.0 - masks["lips"][cave], 0.2, 0.9)
    seam = y[(part == CODE["lips"]) & (np.abs(x) < 0.02)].mean()
    offset[cave, 0] = -0.06 * free * x[cave]  # away from the skin of cheeks and upper lip
    offset[cave, 1] = -0.25 * free * (y[cave] - seam).clip(0)
    offset[cave, 2] = -0.03 * free
    offset[part == CODE["lash"], 2] = 0.012
    return offset


def settle_mouth(head: Head, mean: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Small displacement (V, 3) that sets teeth and tongue to the lips: both rows behind them, the upper edge just below their line."""
    out = np.zeros_like(mean)
    seam = mean[landmarks[[62, 66]]].mean(0)
    first = head.operator.indices[head.operator.indptr[:-1]]  # the base vertex each head vertex comes from
    for name in ("upper_teeth", "lower_teeth"):
        row = (head.part == CODE["teeth"]) & (first >= mh.GROUPS[name].start) & (first < mh.GROUPS[name].stop)
        upper = name == "upper_teeth"
        edge = mean[row, 1].min() if upper else mean[row, 1].max()
        out[row, 0] = -0.15 * mean[row, 0]
        out[row, 1] = -0.45 * (mean[row, 1] - edge)  # rows without roots: tall ones would pierce a receding chin
        out[row, 1] += seam[1] - (0.026 if upper else 0.010) - edge  # an overbite: the upper edge shows under the lip when the jaw drops
        out[row, 2] = min(0.0, seam[2] - (0.045 if upper else 0.057) - mean[row, 2].max())  # the lower close behind the upper
    tongue = head.part == CODE["tongue"]
    out[tongue, 2] = min(0.0, seam[2] - 0.13 - mean[tongue, 2].max())
    out[tongue, 1] = min(0.0, seam[1] - 0.03 - mean[tongue, 1].max())
    front = (mean[tongue, 2] - mean[tongue, 2].min()) / np.ptp(mean[tongue, 2])
    out[tongue, 1] += 0.055 * front**2  # the tip lies behind the upper teeth
    return out
