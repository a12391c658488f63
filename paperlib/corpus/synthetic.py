"""The embedded corpus: sentence -> speech with phoneme times -> expression coefficients -> frames, with the truth kept.

`plan` says which clips a CorpusConfig has; `make_clip` makes one of them from its name alone, so that any clip can be made
at any time, in any order, by any worker, and comes out the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from paperlib.config import FPS, MOTIONS, CorpusConfig
from paperlib.corpus import articulation, scenery, sentences, speech, world
from paperlib.errors import InputError
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.face_renderer import landmarks2d, render
from paperlib.face3d.morphable_model import default_model
from paperlib.media.audio import SAMPLE_RATE, loudness, set_level
from paperlib.seeding import rng

SPLITS = ("train", "val", "test")
FIRST_SPEAKER = (0, 5_000, 10_000)  # fixed per split: a smaller corpus has the same test people, and nobody changes sides
STILL, STRONG = 0.12, 1.0  # head motion of the two test sets
PHANTOM = 2  # take of a test scene that is never rendered: its speech leads the nods, so that they tell nothing of either twin
SUPERSAMPLE = 2
SPECULAR = 0.06


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
    language: str


class Spoken(NamedTuple):
    """Speech of a clip: `said` with its phonemes (none for recorded speech), the sentence, the voice's name, the language."""

    said: speech.Speech
    text: str
    voice: str
    language: str


def iter_plan(cfg: CorpusConfig) -> Iterator[ClipId]:
    """The clips of `plan` one by one."""
    for split, first, count in zip(SPLITS, FIRST_SPEAKER, (cfg.train_speakers, cfg.val_speakers, cfg.test_speakers), strict=True):
        for speaker in range(first, first + count):
            if split == "test":
                yield from (ClipId(split, speaker, scene, take) for scene in range(cfg.test_scenes) for take in range(2))
            else:
                yield from (ClipId(split, speaker, scene, 0) for scene in range(cfg.clips_per_speaker))


def plan(cfg: CorpusConfig) -> list[ClipId]:
    """Every clip of the corpus. Speakers are numbered through the splits, so no speaker is in two of them."""
    return list(iter_plan(cfg))


def pair_of(clip: ClipId) -> ClipId | None:
    """The counterfactual twin of a test clip: everything equal except the speech. None outside the test split."""
    return ClipId(clip.split, clip.speaker, clip.scene, 1 - clip.take) if clip.split == "test" else None


@lru_cache(maxsize=64)
def clip_speech(cfg: CorpusConfig, clip: ClipId) -> Spoken:
    """What a clip says, before it is cut at `cfg.seconds`. InputError for a motion source that is none of MOTIONS."""
    if cfg.motion not in MOTIONS:
        raise InputError(f"unknown motion source {cfg.motion!r}; choose one of: {', '.join(MOTIONS)}")
    if cfg.motion == "real":
        take = _recorded(clip)
        return Spoken(speech.Speech(take.wave, [], take.sentence, take.name), take.sentence, f"grid {take.name}", "en")
    return _synthesized(cfg, clip)


def _recorded(clip: ClipId):
    from paperlib.corpus import real_motion

    return real_motion.take(real_motion.FOLDER, clip.split, clip.speaker, clip.scene, clip.take)


def _synthesized(cfg: CorpusConfig, clip: ClipId) -> Spoken:
    who = world.draw_speaker(cfg.seed, clip.speaker)
    texts = sentences.sentences(clip.split, who.language)
    order = rng(cfg.seed, "sentences", clip.split, who.language).permutation(len(texts))
    takes = PHANTOM + 1 if clip.split == "test" else 1
    text = texts[order[(clip.speaker * 7 + clip.scene * takes + clip.take) % len(texts)]]
    voices = speech.voices(who.accent)
    voice = voices[who.voice % len(voices)]
    said = speech.synthesize(text, voice=voice, rate=who.rate, pitch=who.pitch)
    return Spoken(speech.with_silence(said, before=0.2, after=0.2), text, voice, who.language)  # clips begin and end at rest


def clip_length(cfg: CorpusConfig, clip: ClipId) -> int:
    """Frames of a clip; twins have the shorter one's length, so that they can be compared frame by frame."""
    lengths = [int(len(clip_speech(cfg, c).said.wave) / SAMPLE_RATE * FPS) for c in (clip, pair_of(clip)) if c is not None]
    return min(*lengths, int(cfg.seconds * FPS)) if len(lengths) > 1 else min(lengths[0], int(cfg.seconds * FPS))


def expressions(cfg: CorpusConfig, clip: ClipId, n_frames: int, said: speech.Speech, variant: int = 0) -> np.ndarray:
    """(T, 64) expression coefficients: `cfg.motion`'s articulation of `said` in the speaker's style, with the scene's noise and gaze.

    variant: another draw of everything that is not speech or style (a second take of the same sentence, for the noise ceiling).
    """
    model = default_model()
    style = articulation.draw_style(rng(cfg.seed, "style", clip.speaker))
    scene = rng(cfg.seed, "face", clip.speaker, clip.scene, *([variant] if variant else []))
    if cfg.motion == "real":
        from paperlib.corpus import real_motion

        exp = real_motion.expressions(_recorded(clip), n_frames, style, scene)
    elif cfg.motion in MOTIONS:
        from paperlib.corpus import rule2

        rule = articulation if cfg.motion == "rule" else rule2
        wave = fit_length(said.wave, n_frames)
        exp = rule.articulate(said.phonemes, n_frames, wave, style, scene, model.action_names) @ model.action_coeff.numpy()
    else:
        raise InputError(f"unknown motion source {cfg.motion!r}; choose one of: {', '.join(MOTIONS)}")
    look = world.gaze_actions(world.gaze(cfg.seed, clip.speaker, clip.scene, n_frames))
    return (exp + articulation.pack(look, n_frames, model.action_names) @ model.action_coeff.numpy()).astype(np.float32)


def fit_length(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """`wave` cut or zero-padded to exactly n_frames video frames."""
    n = n_frames * SAMPLE_RATE // FPS
    return np.pad(wave[:n], (0, max(0, n - len(wave)))).astype(np.float32)


def speech_energy(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """(T,) loudness in [0, 1]: 40 dB below the clip's loudest frame is 0; silence throughout is 0."""
    level = loudness(set_level(wave), n_frames)
    return np.clip((level - level.max()) / 40 + 1, 0, 1) * (level.max() > -60)


def clip_coefficients(cfg: CorpusConfig, clip: ClipId) -> tuple[np.ndarray, np.ndarray, list, str, str]:
    """(coeffs (T, 257), wave, phonemes, sentence, voice) of a clip, without rendering it."""
    spoken = clip_speech(cfg, clip)
    n = clip_length(cfg, clip)
    who = world.draw_speaker(cfg.seed, clip.speaker)
    exp = expressions(cfg, clip, n, spoken.said)
    wave = fit_length(spoken.said.wave, n)
    led = wave if clip.split != "test" else fit_length(_synthesized(cfg, ClipId("test", clip.speaker, clip.scene, PHANTOM)).said.wave, n)
    pose = world.head_pose(cfg.seed, clip.speaker, clip.scene, n, head_motion(cfg, clip), speech_energy(led, n))
    coeffs = world.assemble(who, exp, pose, world.draw_light(cfg.seed, clip.speaker, clip.scene))
    phonemes = [(p.symbol, p.start, p.end) for p in spoken.said.phonemes if p.start < n / FPS]
    return coeffs, wave, phonemes, spoken.text, spoken.voice


def head_motion(cfg: CorpusConfig, clip: ClipId) -> float:
    """How much the head moves: STILL or STRONG in the two test sets, anything between in the other splits."""
    if clip.split == "test":
        return STILL if clip.test_set == "still heads" else STRONG
    return float(rng(cfg.seed, "motion", clip.speaker, clip.scene).uniform(STILL, STRONG))


def draw_frames(cfg: CorpusConfig, clip: ClipId, coeffs: np.ndarray) -> np.ndarray:
    """uint8 frames (T, H, W, 3) of coefficients (T, 257) in the clip's scene, as the sensor gives them: before compression."""
    model, who = default_model(), world.draw_speaker(cfg.seed, clip.speaker)
    with torch.no_grad():
        skin = model.texture(torch.from_numpy(who.tex_coeff)[None])[0].clamp(0, 1).numpy()
        albedo = torch.from_numpy(np.clip(skin * world.skin_detail(who, model.mean_shape.numpy()), 0, 1))
        background = world.draw_background(cfg.seed, clip.speaker, clip.scene, cfg.size)
        look = {"albedo": albedo, "background": background, "specular": SPECULAR, "supersample": SUPERSAMPLE}
        image = render(model, torch.from_numpy(coeffs), cfg.size, **look).image
    frames = world.camera_noise(cfg.seed, clip.speaker, clip.scene, image.permute(0, 2, 3, 1).numpy())
    return (frames * 255 + 0.5).astype(np.uint8)


def make_clip(cfg: CorpusConfig, clip: ClipId) -> RawClip:
    """Make one clip, whatever else has been made or not: the same bytes each time."""
    coeffs, wave, phonemes, text, voice = clip_coefficients(cfg, clip)
    with torch.no_grad():
        c = torch.from_numpy(coeffs)
        lmk = landmarks2d(default_model(), c, cfg.size).numpy()
        lmk_neutral = landmarks2d(default_model(), with_exp(c, torch.zeros(len(c), 64)), cfg.size).numpy()
    frames = scenery.compress(cfg.seed, clip.speaker, clip.scene, draw_frames(cfg, clip, coeffs))
    return RawClip(frames, wave, coeffs, lmk, lmk_neutral, phonemes, text, voice, clip_speech(cfg, clip).language)
