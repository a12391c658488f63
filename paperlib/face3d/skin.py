"""Procedural skin: random plausible albedo per vertex, whose mean and principal components become the texture model (2).

MakeHuman's photographs of skin are not in the `anny` package, so colour is painted by rule. Skin tone follows a two-pigment model:
reflectance = exp(-(a0 + m melanin + h haemoglobin)), as in Cotton and Claridge (1996) but with coefficients set by eye on display RGB.
All colours are display RGB in [0, 1], as BFM's.
"""

from __future__ import annotations

import numpy as np

from paperlib.face3d._topology import CODE, EYE_RINGS, IRIS_RING, PUPIL_RING, Head, smoothstep
from paperlib.seeding import rng

BASE = np.array([0.09, 0.26, 0.37])  # -log reflectance of the palest skin
MELANIN = np.array([0.85, 1.08, 1.22])
BLOOD = np.array([0.03, 0.27, 0.20])
EYE_WHITE = np.array([0.86, 0.85, 0.83])
IRISES = np.array([[0.20, 0.12, 0.07], [0.30, 0.19, 0.10], [0.33, 0.34, 0.22], [0.32, 0.43, 0.52], [0.42, 0.50, 0.53]])
HAIRS = np.array([[0.05, 0.04, 0.04], [0.12, 0.08, 0.06], [0.24, 0.15, 0.09], [0.52, 0.38, 0.22], [0.45, 0.20, 0.09], [0.50, 0.49, 0.48]])
TOOTH, TONGUE, CAVE = np.array([0.86, 0.83, 0.75]), np.array([0.52, 0.22, 0.22]), np.array([0.13, 0.04, 0.04])
N_WAVES = 72  # smooth random colour waves over the face, half of them for blood, half for pigment


def skin_tone(melanin: float, blood: float) -> np.ndarray:
    """RGB (3,) of skin; melanin 0 (pale) to 1 (dark), blood 0 to 1."""
    return np.exp(-(BASE + melanin * MELANIN + blood * BLOOD))


def face_maps(head: Head, points: np.ndarray) -> dict[str, np.ndarray]:
    """Soft maps (V,) on the average face (origin 0.30 below the eyes): cheeks, nose, stubble, eye_shade, freckles, fold."""
    x, y, z = points.T
    ax = np.abs(x)

    def blob(cx, cy, sx, sy):
        return np.exp(-0.5 * (((ax - cx) / sx) ** 2 + ((y - cy) / sy) ** 2)) * (z > 0.8)

    near_mouth = smoothstep(-y, 0.14, 0.26) * smoothstep(z, 0.45, 0.85) * (y > -1.05)
    cheek_line = 1 - smoothstep(y - (-0.42 + 0.45 * np.clip(ax - 0.18, 0, 1)), 0.0, 0.16)
    stubble = near_mouth * np.maximum(cheek_line, blob(0.0, -0.22, 0.20, 0.09)) * (1 - head.maps["lips"])
    lattice = np.sin(57.0 * x + 3.1 * np.sin(29.0 * y)) * np.sin(61.0 * y + 2.3 * np.sin(33.0 * x))
    return {
        "cheeks": blob(0.38, -0.06, 0.15, 0.13),
        "nose": blob(0.0, -0.03, 0.10, 0.09),
        "stubble": stubble,
        "eye_shade": blob(0.31, 0.24, 0.14, 0.075),
        "freckles": smoothstep(lattice, 0.35, 0.8) * (blob(0.30, 0.03, 0.22, 0.13) + blob(0.0, 0.02, 0.12, 0.10)).clip(0, 1),
        "forehead": blob(0.0, 0.72, 0.40, 0.16),
    }


def sample_skins(head: Head, points: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Albedo (count, V, 3) of random people on the average face `points` (V, 3); deterministic in `seed`."""
    maps = {**head.maps, **face_maps(head, points)}
    basis = _waves(points, rng(seed, "skin", "waves"))
    streaks = _streaks(points)
    return np.stack([_one(head, points, maps, basis, streaks, rng(seed, "skin", i)) for i in range(count)])


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
    """One person. Melanin Beta(1.0, 1.6); dark skin makes dark hair and eyes likelier; stubble for about half."""
    half = N_WAVES // 2
    melanin = generator.beta(1.0, 1.6)
    blood = generator.uniform(0.05, 0.55)
    blood_map = blood + 0.35 * generator.uniform(0, 1) * maps["cheeks"] + 0.30 * generator.uniform(0, 1) * maps["nose"]
    blood_map = blood_map + generator.normal(0, 0.012, half) @ waves[:half]
    pigment = melanin + generator.normal(0, 0.005, half) @ waves[half:] - 0.05 * maps["forehead"] * generator.normal(0, 1)
    pigment = pigment + generator.uniform(0.0, 0.20) * maps["eye_shade"]
    pigment = pigment + (0.09 * generator.uniform(0, 1) if generator.random() < 0.4 and melanin < 0.55 else 0.0) * maps["freckles"]
    skin = np.exp(-(BASE + pigment[:, None] * MELANIN + np.clip(blood_map, 0, 2)[:, None] * BLOOD))

    rank = np.clip(generator.normal(2.6 * (1 - melanin) ** 1.6, 0.55), 0, 3.3)  # black, dark brown, brown, blond
    hair = _mix(HAIRS[:4], rank)
    grey = generator.beta(0.5, 2.0)
    hair = hair * (1 - grey) + HAIRS[5] * grey
    if generator.random() < 0.08 and melanin < 0.4:
        hair = HAIRS[4] * generator.uniform(0.7, 1.1)
    albedo = skin
    albedo = _over(albedo, 0.5 * hair + 0.2 * skin, maps["stubble"] * max(0.0, generator.normal(0.0, 0.28)))
    brow_colour = hair * 0.75
    albedo = _over(albedo, brow_colour, maps["brow"] * generator.uniform(0.55, 0.95))
    tone = skin_tone(melanin, blood)
    lip_red, lip_dark = generator.uniform(0.25, 1.0), generator.uniform(0.0, 0.22)
    lip = tone * np.exp(-(lip_dark + lip_red * np.array([0.10, 0.62, 0.45])))
    albedo = _over(albedo, lip, maps["lips"] * 0.92)
    strands = hair * (1 + 0.22 * streaks[:, None])
    albedo = _over(albedo, strands, maps["hair"])
    return _insides(head, points, albedo, hair, tone, melanin, generator)


def _insides(head, points, albedo, hair, tone, melanin, generator) -> np.ndarray:
    part, ring = head.part, head.eye_ring
    albedo = albedo.copy()
    iris = _mix(IRISES, np.clip(generator.normal(3.4 * (1 - melanin) ** 1.5, 0.8), 0, 4)) * generator.uniform(0.85, 1.15)
    white = EYE_WHITE * generator.uniform(0.92, 1.03) * np.exp(-melanin * np.array([0.04, 0.07, 0.10]))
    by_ring = {i: white * (1 - 0.10 * smoothstep(np.array(EYE_RINGS[i]), 30, 70)) for i in range(IRIS_RING + 1, len(EYE_RINGS))}
    for i in range(IRIS_RING + 1):
        by_ring[i] = np.array([0.02, 0.02, 0.02]) if i <= PUPIL_RING else iris * (0.62 if i == IRIS_RING else 1.0)
    for i, colour in by_ring.items():
        albedo[ring == i] = colour
    eye = ring >= 0
    middle = points[eye, 1].mean()
    albedo[eye] *= (1 - 0.35 * smoothstep(points[eye, 1] - middle, -0.01, 0.07))[:, None]  # the upper lid's shade
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
    albedo[part == CODE["lash"]] = 0.45 * hair
    return np.clip(albedo, 0.01, 1.0)


def _mix(table: np.ndarray, position: float) -> np.ndarray:
    i = int(min(np.floor(position), len(table) - 2))
    return table[i] + (table[i + 1] - table[i]) * (position - i)


def _over(below: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    a = np.clip(alpha, 0, 1)[:, None]
    return below * (1 - a) + colour * a


__all__ = ["sample_skins", "skin_tone", "face_maps"]
