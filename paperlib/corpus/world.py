"""What surrounds the mouth in the embedded corpus: who speaks, how the head moves, the light, the background, the camera.

Everything is drawn from named seeds (`seeding.rng`), so that two clips which share a scene and differ in speech are equal in all
of it (PROTOCOL rule 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.config import FPS
from paperlib.face3d.coefficients import N_COEFF
from paperlib.seeding import rng

MAX_COEFF = 2.2  # standard deviations; beyond it faces stop being plausible


@dataclass(frozen=True)
class Speaker:
    """One person: shape, skin, voice. `detail` is skin outside the model's 80 directions, so that I_3D never equals the frame."""

    index: int
    id_coeff: np.ndarray  # (80,) standard deviations
    tex_coeff: np.ndarray  # (80,)
    detail_seed: int
    voice: int  # index into the speech voices
    rate: int  # words per minute
    pitch: int  # 0..99, espeak-ng's scale


def draw_speaker(seed: int, index: int) -> Speaker:
    """Speaker `index` of the corpus with seed `seed`."""
    g = rng(seed, "speaker", index)
    id_coeff = np.clip(g.normal(0, 0.8, 80), -MAX_COEFF, MAX_COEFF).astype(np.float32)
    tex_coeff = np.clip(g.normal(0, 0.9, 80), -MAX_COEFF, MAX_COEFF).astype(np.float32)
    return Speaker(
        index, id_coeff, tex_coeff, int(g.integers(2**31)), int(g.integers(1000)), int(g.integers(135, 200)), int(g.integers(30, 70))
    )


def skin_detail(speaker: Speaker, verts: np.ndarray, strength: float = 0.035) -> np.ndarray:
    """Multiplicative skin detail (V, 1) around 1: smooth blotches and a few moles, outside the span of the texture basis.

    verts: (V, 3) mean shape, model units (10 cm).
    """
    g = np.random.default_rng(speaker.detail_seed)
    waves = g.normal(0, 12.0, (24, 3)).astype(np.float32)  # a random Fourier series: wavelengths about 5 to 20 mm
    phase = g.uniform(0, 2 * np.pi, 24)
    blotches = np.cos(verts @ waves.T + phase).mean(1) * np.sqrt(24)
    detail = 1 + strength * 0.6 * blotches
    for _ in range(int(g.integers(0, 6))):
        centre = verts[g.integers(len(verts))]
        distance = np.linalg.norm(verts - centre, axis=1)
        detail *= 1 - 0.45 * np.exp(-((distance / 0.03) ** 2))
    return detail[:, None].astype(np.float32)


def _smooth_walk(g: np.random.Generator, n: int, seconds: float, scale: np.ndarray) -> np.ndarray:
    """(n, len(scale)) smooth random motion with correlation time `seconds` and standard deviation `scale`."""
    pad = int(4 * seconds * FPS)
    kernel = np.exp(-0.5 * (np.arange(-pad, pad + 1) / (seconds * FPS)) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    noise = g.normal(size=(n + 2 * pad, len(scale)))
    return np.stack([np.convolve(noise[:, i], kernel, "valid") for i in range(len(scale))], 1) * scale


def head_pose(seed: int, speaker: int, scene: int, n_frames: int, motion: float) -> np.ndarray:
    """(T, 6) angles [rad] and translation [model units]; `motion` 0 = still, 1 = strong.

    The walk is drawn at a fixed length and cut, so that a shorter clip of the same scene moves equally.
    """
    g = rng(seed, "pose", speaker, scene)
    length = max(n_frames, 20 * FPS)
    start = g.normal(0, [0.05, 0.12, 0.03, 0.03, 0.03, 0.10])
    slow = _smooth_walk(g, length, 0.8, np.array([0.07, 0.17, 0.05, 0.04, 0.03, 0.12]))
    fast = _smooth_walk(g, length, 0.22, np.array([0.018, 0.022, 0.012, 0.008, 0.008, 0.02]))
    pose = start + motion * slow + (0.25 + 0.75 * motion) * fast
    limit = np.array([0.35, 0.55, 0.25, 0.15, 0.15, 0.6])
    return (limit * np.tanh(pose / limit))[:n_frames].astype(np.float32)


def draw_light(seed: int, speaker: int, scene: int) -> np.ndarray:
    """(27,) SH coefficients, layout (3 colours, 9 bands): ambient, one soft key light, a tint."""
    g = rng(seed, "light", speaker, scene)
    yaw, pitch = g.normal(0, 0.7), g.normal(0.35, 0.35)
    x, y, z = np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)
    key = g.uniform(0.10, 0.26)
    gamma = np.zeros((3, 9), np.float32)
    gamma[:, 0] = g.uniform(-0.08, 0.18)
    gamma[:, 1:4] = key * np.array([-y, z, -x])
    gamma[:, 4:] = g.normal(0, 0.02, 5)
    tint = 1 + g.normal(0, 0.04, (3, 1)) * np.array([[1.0], [0.2], [-1.0]])
    dc = 0.8 + gamma[:, :1]
    gamma *= tint
    gamma[:, :1] = dc * tint - 0.8
    return gamma.reshape(27)


def draw_background(seed: int, speaker: int, scene: int, size: int) -> np.ndarray:
    """(size, size, 3) float32 picture in [0, 1]: a wall with a gradient and a few blurred shapes."""
    import cv2

    g = rng(seed, "background", speaker, scene)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    base, tilt = g.uniform(0.25, 0.75) + g.normal(0, 0.07, 3), g.uniform(-0.15, 0.15, (2, 1)) + g.normal(0, 0.04, (2, 3))
    image = base + (x[..., None] - 0.5) * tilt[0] + (y[..., None] - 0.5) * tilt[1]
    for _ in range(int(g.integers(2, 7))):
        colour = np.clip(g.uniform(0.1, 0.9) + g.normal(0, 0.12, 3), 0, 1)
        x0, y0, w, h = g.uniform(-0.1, 1, 2).tolist() + g.uniform(0.08, 0.5, 2).tolist()
        inside = ((x > x0) & (x < x0 + w) & (y > y0) & (y < y0 + h))[..., None]
        image = np.where(inside, 0.55 * image + 0.45 * colour, image)
    return np.clip(cv2.GaussianBlur(image.astype(np.float32), (0, 0), size / 60), 0, 1)


def camera_noise(seed: int, speaker: int, scene: int, frames: np.ndarray, sigma: float = 0.008) -> np.ndarray:
    """Frames (T, H, W, 3) in [0, 1] with sensor noise of standard deviation `sigma`, equal for clips of one scene."""
    g = rng(seed, "noise", speaker, scene)
    tile = g.normal(0, sigma, (16, *frames.shape[1:])).astype(np.float32)
    order = g.integers(0, 16, max(len(frames), 1000))[: len(frames)]
    return np.clip(frames + tile[order], 0, 1)


def assemble(speaker: Speaker, exp: np.ndarray, pose: np.ndarray, light: np.ndarray) -> np.ndarray:
    """(T, 257) coefficients from one speaker, (T, 64) expressions, (T, 6) poses and one (27,) light."""
    n = len(exp)
    coeffs = np.zeros((n, N_COEFF), np.float32)
    coeffs[:, 0:80] = speaker.id_coeff
    coeffs[:, 80:144] = exp
    coeffs[:, 144:224] = speaker.tex_coeff
    coeffs[:, 224:227] = pose[:, :3]
    coeffs[:, 227:254] = light
    coeffs[:, 254:257] = pose[:, 3:]
    return coeffs
