"""The embedded corpus: sentence -> speech with phoneme times -> expression coefficients -> frames, with the truth kept.

`plan` says which clips a CorpusConfig has; `make_clip` makes one of them from its name alone, so that any clip can be made
at any time, in any order, by any worker, and comes out the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from paperlib.config import FPS, CorpusConfig
from paperlib.corpus import articulation, sentences, speech, world
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.face_renderer import landmarks2d, render
from paperlib.face3d.morphable_model import default_model
from paperlib.media.audio import SAMPLE_RATE
from paperlib.seeding import rng

SPLITS = ("train", "val", "test")
FIRST_SPEAKER = (0, 5_000, 10_000)  # fixed per split: a smaller corpus has the same test people, and nobody changes sides
STILL, STRONG = 0.12, 1.0  # head motion of the two test sets


@dataclass(frozen=True)
class ClipId:
    """Name of one clip. Clips of one scene differ in speech and in nothing else; `take` counts the speeches."""

    split: str
    speaker: int
    scene: int
    take: int

    @property
    def name(self) -> str:
        """VoxCeleb's layout: speaker / video / clip."""
        return f"id{self.speaker:05d}/scene{self.scene:02d}/{self.take:05d}"

    @property
    def test_set(self) -> str:
        """Which of the two test sets a test clip belongs to."""
        return "still heads" if self.scene % 2 == 0 else "strong head motion"


@dataclass
class RawClip:
    """A clip before it is stored. frames: uint8 (T, H, W, 3); wave: 16 kHz; coeffs (T, 257); lmk, lmk_neutral (T, 68, 2) px."""

    frames: np.ndarray
    wave: np.ndarray
    coeffs: np.ndarray
    lmk: np.ndarray
    lmk_neutral: np.ndarray
    phonemes: list
    sentence: str
    voice: str


def plan(cfg: CorpusConfig) -> list[ClipId]:
    """Every clip of the corpus. Speakers are numbered through the splits, so no speaker is in two of them."""
    clips: list[ClipId] = []
    for split, first, count in zip(SPLITS, FIRST_SPEAKER, (cfg.train_speakers, cfg.val_speakers, cfg.test_speakers), strict=True):
        for speaker in range(first, first + count):
            if split == "test":
                clips += [ClipId(split, speaker, scene, take) for scene in range(cfg.test_scenes) for take in range(2)]
            else:
                clips += [ClipId(split, speaker, scene, 0) for scene in range(cfg.clips_per_speaker)]
    return clips


def pair_of(clip: ClipId) -> ClipId | None:
    """The counterfactual twin of a test clip: everything equal except the speech. None outside the test split."""
    return ClipId(clip.split, clip.speaker, clip.scene, 1 - clip.take) if clip.split == "test" else None


@lru_cache(maxsize=64)
def clip_speech(cfg: CorpusConfig, clip: ClipId) -> tuple[speech.Speech, str, str]:
    """Speech of a clip with the sentence and the voice's name; cut at `cfg.seconds`."""
    who = world.draw_speaker(cfg.seed, clip.speaker)
    texts = sentences.sentences(clip.split)
    order = rng(cfg.seed, "sentences", clip.split).permutation(len(texts))
    text = texts[order[(clip.speaker * 7 + clip.scene * 2 + clip.take) % len(texts)]]
    voices = speech.voices("en")
    voice = voices[who.voice % len(voices)]
    said = speech.synthesize(text, voice=voice, rate=who.rate, pitch=who.pitch)
    return speech.with_silence(said, before=0.2, after=0.2), text, voice  # clips begin and end at rest


def clip_length(cfg: CorpusConfig, clip: ClipId) -> int:
    """Frames of a clip; twins have the shorter one's length, so that they can be compared frame by frame."""
    lengths = [int(len(clip_speech(cfg, c)[0].wave) / SAMPLE_RATE * FPS) for c in (clip, pair_of(clip)) if c is not None]
    return min(*lengths, int(cfg.seconds * FPS)) if len(lengths) > 1 else min(lengths[0], int(cfg.seconds * FPS))


def expressions(cfg: CorpusConfig, clip: ClipId, n_frames: int, said: speech.Speech, variant: int = 0) -> np.ndarray:
    """(T, 64) expression coefficients: the rule's articulation of `said` in the speaker's style, with the scene's own noise.

    variant: another draw of everything that is not speech or style (a second take of the same sentence, for the noise ceiling).
    """
    model = default_model()
    style = articulation.draw_style(rng(cfg.seed, "style", clip.speaker))
    scene = rng(cfg.seed, "face", clip.speaker, clip.scene, *([variant] if variant else []))
    wave = fit_length(said.wave, n_frames)
    actions = articulation.articulate(said.phonemes, n_frames, wave, style, scene, model.action_names)
    return (actions @ model.action_coeff.numpy()).astype(np.float32)


def fit_length(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """`wave` cut or zero-padded to exactly n_frames video frames."""
    n = n_frames * SAMPLE_RATE // FPS
    return np.pad(wave[:n], (0, max(0, n - len(wave)))).astype(np.float32)


def clip_coefficients(cfg: CorpusConfig, clip: ClipId) -> tuple[np.ndarray, np.ndarray, list, str, str]:
    """(coeffs (T, 257), wave, phonemes, sentence, voice) of a clip, without rendering it."""
    said, text, voice = clip_speech(cfg, clip)
    n = clip_length(cfg, clip)
    who = world.draw_speaker(cfg.seed, clip.speaker)
    exp = expressions(cfg, clip, n, said)
    motion = _motion(cfg, clip)
    pose = world.head_pose(cfg.seed, clip.speaker, clip.scene, n, motion)
    coeffs = world.assemble(who, exp, pose, world.draw_light(cfg.seed, clip.speaker, clip.scene))
    phonemes = [(p.symbol, p.start, p.end) for p in said.phonemes if p.start < n / FPS]
    return coeffs, fit_length(said.wave, n), phonemes, text, voice


def _motion(cfg: CorpusConfig, clip: ClipId) -> float:
    if clip.split == "test":
        return STILL if clip.test_set == "still heads" else STRONG
    return float(rng(cfg.seed, "motion", clip.speaker, clip.scene).uniform(STILL, STRONG))


def make_clip(cfg: CorpusConfig, clip: ClipId) -> RawClip:
    """Make one clip: about 5 ms a frame at 96 x 96 on one core."""
    model = default_model()
    coeffs, wave, phonemes, text, voice = clip_coefficients(cfg, clip)
    who = world.draw_speaker(cfg.seed, clip.speaker)
    mean = model.mean_shape.numpy()
    with torch.no_grad():
        albedo = model.texture(torch.from_numpy(who.tex_coeff)[None])[0].clamp(0, 1).numpy() * world.skin_detail(who, mean)
        background = world.draw_background(cfg.seed, clip.speaker, clip.scene, cfg.size)
        c = torch.from_numpy(coeffs)
        out = render(
            model, c, cfg.size, albedo=torch.from_numpy(np.clip(albedo, 0, 1)), background=background, specular=0.06, supersample=2
        )
        lmk = landmarks2d(model, c, cfg.size).numpy()
        lmk_neutral = landmarks2d(model, with_exp(c, torch.zeros(len(c), 64)), cfg.size).numpy()
    frames = world.camera_noise(cfg.seed, clip.speaker, clip.scene, out.image.permute(0, 2, 3, 1).numpy())
    return RawClip((frames * 255 + 0.5).astype(np.uint8), wave, coeffs, lmk, lmk_neutral, phonemes, text, voice)
