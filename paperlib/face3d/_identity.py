"""Random adults as sums of MakeHuman's targets: who is drawn, and how much of what.

MakeHuman's average adult has a wider and shorter face than people have. `MEAN` moves the average so that, between the outer corners of
the eyes as the unit, the proportions of its 68 landmarks come near those that dlib finds on twelve frontal speakers of the GRID corpus
(jaw at mouth height 1.33, at the chin 0.80, nasion to chin 1.42, lips to chin 0.42; MakeHuman alone 1.46, 0.94, 1.27, 0.32).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.face3d import _makehuman as mh
from paperlib.seeding import rng

RACES, SEXES, AGES, LEVELS = ("african", "asian", "caucasian"), ("female", "male"), ("young", "old"), ("min", "average", "max")
LOCAL_FOLDERS = ("mouth", "nose", "eyebrows", "cheek", "head", "eyes", "forehead", "chin", "ears", "neck", "asym")
OPPOSITES = (("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"), ("compress", "uncompress"))
SKIPPED = ("pointed", "breast", "trunk", "double")  # ears of elves, what lies below the neck, rolls of the throat that fold
# Standard deviations of local changes (1: the full MakeHuman slider); all draws are cut at 2.5 deviations.
SPREAD = {
    "mouth": 0.22, "nose": 0.24, "eyebrows": 0.24, "cheek": 0.24, "head": 0.18, "eyes": 0.18, "forehead": 0.14, "chin": 0.19,
    "ears": 0.12, "neck": 0.06, "asym": 0.06,
}  # fmt: skip
SIDE_SPREAD = 0.045  # how much left and right differ
# What everyone gets: see the top of this file. Sides share a value.
MEAN = {
    "chin-height-incr": 0.35, "chin-width-incr": -0.40, "head-scale-horiz-incr": -0.25, "eye-scale-incr": 0.40,
    "mouth-scale-vert-incr": -0.35, "nose-nostrils-width-incr": 0.30, "nose-scale-vert-incr": 0.30,
}  # fmt: skip
# Outlines of the head, of which a person has one: probability (the rest has none of them); strength is uniform in OUTLINE_STRENGTH.
OUTLINES = {
    "oval": 0.16, "invertedtriangular": 0.26, "diamond": 0.22, "rectangular": 0.08, "square": 0.05, "round": 0.06, "triangular": 0.03,
}  # fmt: skip
OUTLINE_STRENGTH = (0.3, 0.85)
# What a unit of weight (0: average, 1: MakeHuman's heaviest body) does to the head; the body's own targets stop at the neck.
WEIGHT = {"head-fat-incr": 0.40, "cheek-volume-incr": 0.45, "measure-neck-circ-incr": 0.55}
WEIGHT_SPREAD = 0.40
HAIR_SPREAD, WOMEN_SIDES = 0.40, 0.45  # shares of the mean volume of the hair


@dataclass(frozen=True)
class Parts:
    """What sampling needs: `fields` (P, V, 3), one for each of `names`, and the local changes as (folder, negative or None, positive)."""

    names: list[str]
    fields: np.ndarray
    local: list[tuple[str, str | None, str]]


def average_adult() -> np.ndarray:
    """Base displacements (19158, 3) of the mean of the six young sex and origin groups at average weight and muscle."""
    total = sum(mh.target("macrodetails", f"{r}-{s}-young") for r in RACES for s in SEXES) / 6
    return total + sum(mh.target("macrodetails", f"universal-{s}-young-averagemuscle-averageweight") for s in SEXES) / 2


def load_parts(operator) -> Parts:
    """Every target that identity sampling uses, moved onto the head by `operator` (V, 19158)."""
    names = [f"{r}-{s}-{a}" for r in RACES for s in SEXES for a in AGES]
    names += [f"universal-{s}-{a}-averagemuscle-{w}weight" for s in SEXES for a in AGES for w in LEVELS]
    fields = [operator @ mh.target("macrodetails", n) for n in names]
    local = []
    for folder in LOCAL_FOLDERS:
        found = mh.target_names(folder)
        taken = set()
        for name in found:
            stem, _, end = name.rpartition("-")
            skip = any(word in name for word in SKIPPED) or "trans" in name and folder in ("head", "neck")
            if name in taken or skip:
                continue
            pair = next((p for p in OPPOSITES if end in p and all(f"{stem}-{q}" in found for q in p)), None)
            if folder == "asym" and end in ("l", "r"):
                pair = ("l", "r")
            both = [f"{stem}-{q}" for q in pair] if pair else [None, name]
            taken.update(n for n in both if n)
            local.append((folder, *both))
            names += [n for n in both if n]
            fields += [operator @ mh.target(folder, n) for n in both if n]
    return Parts(names, np.stack(fields), local)


def draw(parts: Parts, generator: np.random.Generator) -> np.ndarray:
    """Weights (P,) of the fields for one random adult.

    Sex: Beta(0.35, 0.35), mostly near the ends, its range widened to -0.15..1.15 (0: MakeHuman's female, 1: male). Age: from MakeHuman's
    "young" (25) towards "old" (90), share Beta(0.9, 2.1). Origins: Dirichlet(0.45, 0.45, 0.45). Weight: normal about -0.1, deviation
    `WEIGHT_SPREAD`, in -1..1. One outline of the head (`OUTLINES`). Local changes: normal about `MEAN`, deviation `SPREAD`, the same on
    both sides but for `SIDE_SPREAD`.
    """
    sex = dict(zip(SEXES, _pair(_sex(generator)), strict=True))
    age = dict(zip(AGES, _pair(generator.beta(0.9, 2.1)), strict=True))
    race = dict(zip(RACES, generator.dirichlet([0.45] * 3), strict=True))
    heavy = float(np.clip(_normal(generator, WEIGHT_SPREAD) - 0.1, -1.0, 1.0))
    weight = dict(zip(LEVELS, (max(-heavy, 0.0), 1 - abs(heavy), max(heavy, 0.0)), strict=True))
    outline = generator.choice([*OUTLINES, "none"], p=[*OUTLINES.values(), 1 - sum(OUTLINES.values())])
    strength = generator.uniform(*OUTLINE_STRENGTH)
    out = dict.fromkeys(parts.names, 0.0)
    for name in parts.names:
        first, *rest = name.split("-")
        if first == "universal":
            out[name] = sex[rest[0]] * age[rest[1]] * weight[rest[3].removesuffix("weight")]
        elif first in RACES:
            out[name] = race[first] * sex[rest[0]] * age[rest[1]]
    shared: dict[str, float] = {}
    for folder, negative, positive in parts.local:
        value, stem = _normal(generator, SPREAD[folder]), positive
        if positive.startswith(("l-", "r-")):
            stem = positive[2:]
            value = shared.setdefault(stem, value) + _normal(generator, SIDE_SPREAD)
        value += MEAN.get(stem, 0.0) + heavy * WEIGHT.get(stem, 0.0)
        if folder == "head" and negative is None:
            value = strength if positive == f"head-{outline}" else 0.0
        elif negative is None:
            value = abs(value) * 0.6  # one-ended changes: shapes of chin and ear
        out[positive if value >= 0 else negative] = abs(value)
    return np.array([out[name] for name in parts.names])


def sexes(count: int, seed: int) -> np.ndarray:
    """(count,) about 0 (woman) to 1 (man): the first thing that `displacements` draws, for the same people."""
    return np.array([_sex(rng(seed, "identity", i)) for i in range(count)])


def displacements(parts: Parts, hair: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count, V, 3): `count` random adults; `hair` (K, V, 3) are the mean volumes of its regions, the last that of the sides.

    Each region's share varies normally, deviation `HAIR_SPREAD`; the sides are fuller on women (`WOMEN_SIDES`).
    """
    generators = [rng(seed, "identity", i) for i in range(count)]
    weights = np.stack([draw(parts, g) for g in generators])
    volume = np.array([[_normal(g, HAIR_SPREAD) for _ in hair] for g in generators])
    volume[:, -1] += WOMEN_SIDES * (1 - 2 * sexes(count, seed).clip(0, 1))
    moved = weights @ parts.fields.reshape(len(parts.names), -1) + volume @ hair.reshape(len(hair), -1)
    return moved.reshape(count, *hair.shape[1:])


def _sex(generator) -> float:
    return 1.3 * float(generator.beta(0.35, 0.35)) - 0.15


def _pair(high: float) -> tuple[float, float]:
    return 1 - high, high


def _normal(generator, deviation: float) -> float:
    return float(np.clip(generator.normal(), -2.5, 2.5)) * deviation
