"""What surrounds the mouth in the embedded corpus: who speaks, how head and eyes move, the light; `scenery` has the rest.

Everything is drawn from named seeds (`seeding.rng`), so that two clips which share a scene and differ in speech are equal in all
of it (PROTOCOL rule 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.config import FPS
from paperlib.corpus.scenery import camera_noise, draw_background
from paperlib.corpus.speech import VARIANTS
from paperlib.face3d.coefficients import N_COEFF
from paperlib.face3d.morphable_model import default_model
from paperlib.seeding import rng

__all__ = ["Speaker", "assemble", "camera_noise", "draw_background", "draw_light", "draw_speaker", "gaze", "head_pose", "skin_detail"]

# Voices by speaker number: six of ten speak English in three accents, two Mandarin. Every split has them from its first people on.
ACCENTS = ("en-us", "en", "en-us", "cmn", "en-us", "en-gb-scotland", "de", "en-us", "es", "cmn")
SEX_SHARE = (0.75, 1.3)  # how typical of their sex people are; 1 is the average man or woman
MAX_COEFF = 2.2  # standard deviations; beyond it faces stop being plausible


@dataclass(frozen=True)
class Speaker:
    """One person: shape, skin, voice. `detail` is skin outside the model's 80 directions, so that I_3D never equals the frame."""

    index: int
    id_coeff: np.ndarray  # (80,) standard deviations
    tex_coeff: np.ndarray  # (80,)
    detail_seed: int
    voice: int  # index into the accent's voices
    rate: int  # words per minute
    pitch: int  # 0..99, espeak-ng's scale

    @property
    def accent(self) -> str:
        """espeak-ng's name of the accent, one of ACCENTS."""
        return ACCENTS[self.index % len(ACCENTS)]

    @property
    def language(self) -> str:
        """Language of the sentences: en, cmn, de or es."""
        return self.accent.split("-")[0]


def draw_speaker(seed: int, index: int) -> Speaker:
    """Speaker `index` of the corpus with seed `seed`."""
    g = rng(seed, "speaker", index)
    drawn = g.normal(0, 0.8, 80), g.normal(0, 0.9, 80)
    detail, voice, rate, pitch = int(g.integers(2**31)), int(g.integers(1000)), int(g.integers(125, 216)), int(g.integers(25, 76))
    sex = 0.5 if is_man(voice) else -0.5
    shape, skin = (
        np.clip(_towards(z, sex * g.uniform(*SEX_SHARE), axis), -MAX_COEFF, MAX_COEFF).astype(np.float32)
        for z, axis in zip(drawn, default_model().sex_axes.numpy(), strict=True)
    )
    return Speaker(index, shape, skin, detail, voice, rate, pitch)


def is_man(voice: int) -> bool:
    """Whether the voice of this number is one of espeak-ng's men: face and voice go together."""
    return VARIANTS[voice % len(VARIANTS)].startswith("m")


def _towards(z: np.ndarray, share: float, axis: np.ndarray) -> np.ndarray:
    """Coefficients `z` (80,) whose component along `axis` (80,) is replaced by `share` of it."""
    return z + (share - z @ axis / max(axis @ axis, 1e-9)) * axis


def skin_detail(speaker: Speaker, verts: np.ndarray, strength: float = 0.035) -> np.ndarray:
    """Multiplicative skin detail (V, 1) around 1: smooth blotches, outside the span of the texture basis.

    verts: (V, 3) mean shape, model units (10 cm).
    """
    g = np.random.default_rng(speaker.detail_seed)
    waves = g.normal(0, 12.0, (24, 3)).astype(np.float32)  # a random Fourier series: wavelengths about 20 to 50 mm
    phase = g.uniform(0, 2 * np.pi, 24)
    blotches = np.cos(verts @ waves.T + phase).mean(1) * np.sqrt(24)
    return (1 + strength * 0.6 * blotches)[:, None].astype(np.float32)


def _smooth_walk(g: np.random.Generator, n: int, seconds: float, scale: np.ndarray) -> np.ndarray:
    """(n, len(scale)) smooth random motion with correlation time `seconds` and standard deviation `scale`."""
    pad = int(4 * seconds * FPS)
    kernel = np.exp(-0.5 * (np.arange(-pad, pad + 1) / (seconds * FPS)) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    noise = g.normal(size=(n + 2 * pad, len(scale)))
    return np.stack([np.convolve(noise[:, i], kernel, "valid") for i in range(len(scale))], 1) * scale


def head_pose(seed: int, speaker: int, scene: int, n_frames: int, motion: float, energy: np.ndarray | None = None) -> np.ndarray:
    """(T, 6) angles [rad] and translation [model units]; `motion` 0 = still, 1 = strong.

    energy: (T,) in [0, 1], loudness of some speech: the head nods and tilts with its beats a little, in the speaker's own measure.
    The walk is drawn at a fixed length and cut, so that a shorter clip of the same scene moves equally.
    """
    g = rng(seed, "pose", speaker, scene)
    length = max(n_frames, 20 * FPS)
    start = g.normal(0, [0.05, 0.12, 0.03, 0.03, 0.03, 0.10])
    slow = _smooth_walk(g, length, 0.8, np.array([0.09, 0.26, 0.08, 0.05, 0.04, 0.14]))
    fast = _smooth_walk(g, length, 0.22, np.array([0.018, 0.022, 0.012, 0.008, 0.008, 0.02]))
    pose = (start + motion * slow + (0.25 + 0.75 * motion) * fast)[:n_frames]
    if energy is not None:
        habit = rng(seed, "nods", speaker)
        lag, depth, tilt = habit.uniform(0.0, 0.12), habit.uniform(0.01, 0.07), habit.normal(0, 0.015)
        pose[:, 0] += (0.2 + 0.8 * motion) * depth * beats(energy, lag)
        pose[:, 2] += (0.2 + 0.8 * motion) * tilt * beats(energy, lag)
    limit = np.array([0.4, 0.75, 0.3, 0.15, 0.15, 0.6])
    return (limit * np.tanh(pose / limit)).astype(np.float32)


def beats(energy: np.ndarray, lag: float) -> np.ndarray:
    """(T,) the slow rise and fall of loudness (T,): band of about 0.5 to 3 Hz, `lag` seconds late; a head cannot follow more."""
    kernel = np.exp(-0.5 * (np.arange(-2 * FPS, 2 * FPS + 1)[:, None] / (np.array([0.08, 0.45]) * FPS)) ** 2)
    kernel /= kernel.sum(0)
    late = np.interp(np.arange(len(energy)) - lag * FPS, np.arange(len(energy)), energy)
    padded = np.pad(late, 2 * FPS, mode="edge")
    return np.convolve(padded, kernel[:, 0], "valid") - np.convolve(padded, kernel[:, 1], "valid")


def gaze(seed: int, speaker: int, scene: int, n_frames: int) -> np.ndarray:
    """(T, 2) where the eyes look: right and up, in [-1, 1] of the eyes' range: fixations of half a second to three, quick jumps between.

    Mostly at the camera; drawn at a fixed length and cut, and equal for all clips of a scene.
    """
    g = rng(seed, "gaze", speaker, scene)
    target = np.zeros((max(n_frames, 20 * FPS), 2))
    at, wander = 0, g.uniform(0.05, 0.35)
    while at < len(target):
        end = at + int(FPS * g.uniform(0.5, 3.0))
        target[at:end] = 0.0 if g.random() < 0.45 else g.normal(0, wander, 2) * (1.0, 0.6)
        at = end
    jump = np.array([0.35, 0.45, 0.2])  # a saccade takes 40 to 80 ms: two frames
    padded = np.pad(target, ((2, 0), (0, 0)), mode="edge")
    return np.clip(sum(w * padded[2 - k : len(padded) - k] for k, w in enumerate(jump)), -1, 1)[:n_frames].astype(np.float32)


def gaze_actions(look: np.ndarray) -> dict[str, np.ndarray]:
    """Face actions (name -> (T,)) that turn both eyes to `look` (T, 2), lids along."""
    right, up = look.T
    return {
        "eyeLookInLeft": np.maximum(right, 0), "eyeLookOutRight": np.maximum(right, 0),
        "eyeLookOutLeft": np.maximum(-right, 0), "eyeLookInRight": np.maximum(-right, 0),
        "eyeLookUpLeft": np.maximum(up, 0), "eyeLookUpRight": np.maximum(up, 0),
        "eyeLookDownLeft": np.maximum(-up, 0), "eyeLookDownRight": np.maximum(-up, 0),
    }  # fmt: skip


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
