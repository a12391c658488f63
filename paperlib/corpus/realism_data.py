"""Clips for the realism audit: recorded GRID speakers, and the rules speaking GRID's own sentences or the embedded corpus's.

On GRID's sound a rule hears exactly what the recorded speaker said: words are timed by GRID's alignments, the phones inside a word take
espeak-ng's proportions. So everything but the mouth is equal, and the comparison is fair; espeak-ng's speech has other loudness and other
sentences, and is audited beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from paperlib import paths
from paperlib.config import FPS
from paperlib.corpus import articulation, realism, rule2, sentences, speech, world
from paperlib.corpus.speech import PAUSE, Phoneme
from paperlib.errors import InputError
from paperlib.face3d.morphable_model import default_model
from paperlib.seeding import rng

RULES = {"rule": articulation.articulate, "rule2": rule2.articulate}
UNITS = 25_000.0  # GRID's alignments: 1000 units a frame
CACHE = paths.CACHE / "grid_landmarks"


def grid_files(folder: Path) -> list[Path]:
    """GRID clips under `folder`, one of each content: byte-equal copies are dropped; InputError when there is none."""
    import hashlib

    seen: dict[str, Path] = {}
    for path in sorted(Path(folder).rglob("*.mpg"), key=lambda p: (not p.with_suffix(".align").exists(), str(p))):
        seen.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    if not seen:
        raise InputError(f"{folder}: no GRID clips (*.mpg) there; get a speaker from zenodo.org/records/3625687 and unpack it")
    return list(seen.values())


def landmark_file(path: Path, cache: Path = CACHE) -> Path:
    """Where `grid_landmarks` keeps the landmarks of a clip."""
    from paperlib.artifacts import file_hash

    return cache / f"{path.parent.name}_{path.stem}_{file_hash(path)[:12]}.npz"


def grid_landmarks(path: Path, cache: Path = CACHE) -> tuple[np.ndarray, np.ndarray]:
    """(lmk (T, 68, 2), wave) of a clip by dlib, kept in `cache`: about 2 s a clip the first time."""
    store = landmark_file(path, cache)
    if store.exists():
        with np.load(store, allow_pickle=False) as data:
            return data["lmk"], data["wave"]
    from paperlib.media.detection import detect
    from paperlib.media.video import read_video

    video = read_video(path)
    if video.wave is None:
        raise InputError(f"{path}: has no sound; the audit needs clips with speech")
    lmk = detect(video.frames, "dlib").lmk
    cache.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(store, lmk=lmk, wave=video.wave)
    return lmk, video.wave


def read_alignment(path: Path) -> list[tuple[str, float, float]]:
    """(word, start, end) in seconds of a GRID .align file; InputError when it is not one."""
    try:
        rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
        return [(word, int(start) / UNITS, int(end) / UNITS) for start, end, word in rows]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a GRID alignment ({error}); expected lines 'start end word'") from None


@lru_cache(maxsize=256)
def word_phones(word: str) -> tuple[tuple[str, float, int], ...]:
    """((symbol, share of the word's length, stress), ...) of a word as espeak-ng's British voice says it alone."""
    said = [p for p in speech.synthesize(word, voice="en").phonemes if p.symbol != PAUSE]
    length = sum(p.end - p.start for p in said)
    return tuple((p.symbol, (p.end - p.start) / length, p.stress) for p in said)


def aligned_phonemes(words: Sequence[tuple[str, float, float]]) -> list[Phoneme]:
    """Phonemes on the recording's clock; "sil" and "sp" are pauses."""
    out = []
    for word, start, end in words:
        if word in ("sil", "sp"):
            out.append(Phoneme(PAUSE, start, end))
            continue
        at = start
        for symbol, share, stress in word_phones(word):
            out.append(Phoneme(symbol, at, at + share * (end - start), stress))
            at += share * (end - start)
    return out


@lru_cache(maxsize=1)
def _landmark_basis() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    model = default_model()
    pick = model.landmark_index
    return tuple(b[pick].numpy().astype(np.float64) for b in (model.mean_shape, model.id_basis, model.exp_basis))


def opening_of(actions: np.ndarray, id_coeff: np.ndarray) -> np.ndarray:
    """Relative lip opening (T,) of action weights (T, A) on a head seen from the front without perspective."""
    mean, identity, expression = _landmark_basis()
    exp = default_model().actions_to_exp(torch.from_numpy(actions)).numpy()
    lmk = mean + identity @ id_coeff.astype(np.float64) + np.einsum("nck,tk->tnc", expression, exp)
    return realism.relative_opening(lmk[..., :2])


def rule_opening(
    name: str,
    number: int,
    phonemes: Sequence[Phoneme],
    wave: np.ndarray,
    n_frames: int,
    seed: int = 0,
    tuning: articulation.Tuning = articulation.TUNING,
    take: int = 0,
) -> np.ndarray:
    """Relative opening (T,) of rule `name` saying `phonemes` (sound: wave), by synthetic speaker `number`; `take` draws other noise."""
    style = articulation.draw_style(rng(seed, "style", number), tuning)
    actions = RULES[name](phonemes, n_frames, wave, style, rng(seed, "audit", number, take), default_model().action_names, tuning)
    return opening_of(actions, world.draw_speaker(seed, number).id_coeff)


def embedded_speech(number: int, seed: int = 0, seconds: float = 4.0) -> tuple[speech.Speech, int]:
    """(speech, frames) of the embedded corpus's kind: sentence, voice and rate of synthetic speaker `number`."""
    who, texts, voices = world.draw_speaker(seed, number), sentences.sentences("train"), speech.voices("en")
    said = speech.synthesize(texts[(7 * number) % len(texts)], voice=voices[who.voice % len(voices)], rate=who.rate, pitch=who.pitch)
    said = speech.with_silence(said, 0.2, 0.2)
    return said, min(int(said.seconds * FPS), int(seconds * FPS))
