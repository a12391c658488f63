"""Motion source `real`: mouths of recorded GRID speakers on synthetic heads, with their own audio: real articulation, known truth.

Reads the folder that `paperlib prepare grid` writes: anywhere under it one `<clip>.npz` per clip with coeffs (T, 257) fitted to the
video, lmk (T, 68, 2), wave (16 kHz) and meta (JSON: speaker, split, sentence). The corpus is Cooke, Barker, Cunningham and Shao, "An
audio-visual corpus for speech perception and automatic speech recognition", J. Acoust. Soc. Am. 120, 2006.

Retargeting, per recorded speaker: the closed mouth of the pauses is subtracted (who it is and how the detector sees the lips at rest),
directions of the expression basis that move the upper face are projected out (brows and lids of a scene come from `articulation`, so that
counterfactual pairs differ in the mouth alone), and the amplitude is divided by the speaker's own and multiplied by the synthetic
speaker's style. What a camera does not see, the tongue behind the teeth, is not there.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paperlib import paths
from paperlib.config import FPS
from paperlib.corpus.articulation import Style, blink_actions, expression_actions, pack
from paperlib.errors import InputError
from paperlib.face3d.coefficients import EXP
from paperlib.face3d.landmarks import INNER_PAIRS, MOUTH
from paperlib.media.audio import SAMPLE_RATE, loudness, set_level

FOLDER = paths.CACHE / "grid"  # where `paperlib prepare grid` writes unless --out says otherwise
HOW = "get GRID (zenodo.org/records/3625687, about 0.4 GB of video a speaker), then run: paperlib prepare grid --folder DIR"
KEYS = ("coeffs", "lmk", "wave", "meta")
MM = 100.0  # a model unit in millimetres
WIDEST_MM = 12.0  # 95th percentile of the lip gap in speech to which every recorded speaker is brought, at style amplitude 1
GAIN_LIMITS = (0.5, 2.0)  # of the speaker normalisation
SCALE_CLIPS = 100  # from which a speaker's rest and amplitude are measured
MOUTH_SHARE = 0.5  # a direction is the mouth's when more than this share of its squared motion lies below the nose


class Entry(NamedTuple):
    """One prepared clip by name: its .npz, whose it is, and the split ("" where the corpus has none)."""

    path: Path
    speaker: str
    split: str


@dataclass(frozen=True)
class Recorded:
    """One prepared clip. coeffs (T, 257), lmk (T, 68, 2) px of its own crop, wave (N,) 16 kHz."""

    name: str
    speaker: str
    split: str
    sentence: str
    coeffs: np.ndarray
    lmk: np.ndarray
    wave: np.ndarray


@dataclass(frozen=True)
class RealTake:
    """Articulation and its own audio: exp (T, 64) mouth only, zero at rest, amplitude of the speaker taken out; wave (T * 640,)."""

    name: str
    speaker: str
    sentence: str
    exp: np.ndarray
    wave: np.ndarray


def read_clip(path: Path) -> Recorded:
    """One npz of the prepared folder; InputError when a key is missing or the lengths disagree."""
    try:
        with np.load(path, allow_pickle=False) as data:
            missing = [k for k in KEYS if k not in data]
            if missing:
                raise InputError(f"{path}: lacks {', '.join(missing)}; make it again with `paperlib prepare grid`")
            coeffs, lmk, wave, meta = (data[k] for k in KEYS)
            meta = json.loads(str(meta))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a prepared clip ({error}); make it again with `paperlib prepare grid`") from None
    if coeffs.ndim != 2 or coeffs.shape[1] != 257 or lmk.shape != (len(coeffs), 68, 2) or not np.isfinite(coeffs).all():
        raise InputError(f"{path}: coeffs {coeffs.shape} and lmk {lmk.shape} are not (T, 257) and (T, 68, 2); run `paperlib prepare grid`")
    speaker = str(meta.get("speaker", path.parent.name))
    return Recorded(
        path.stem, speaker, str(meta.get("split", "")), str(meta.get("sentence", "")), coeffs, lmk, np.asarray(wave, np.float32)
    )


@lru_cache(maxsize=4)
def recordings(folder: Path = FOLDER) -> tuple[Entry, ...]:
    """Every prepared clip under `folder`, by name, unread; InputError with the way to get them when there is none."""
    files = sorted(Path(folder).rglob("*.npz"))
    if not files:
        raise InputError(f"{folder}: no prepared GRID clips, which motion `real` needs; {HOW}")
    listed = _listed(Path(folder))
    if listed is None:
        return tuple(Entry(f, c.speaker, c.split) for f, c in ((f, read_clip(f)) for f in files))
    return tuple(Entry(f, *listed[f]) for f in files if f in listed)


def _listed(folder: Path) -> dict[Path, tuple[str, str]] | None:
    """Speaker and split of each clip of clips.csv, which preparing writes when it is through; None where there is no such list."""
    if not (folder / "clips.csv").is_file():
        return None
    with open(folder / "clips.csv", newline="") as rows:
        return {folder / f"{row['clip']}.npz": (row["speaker"], row["split"]) for row in csv.DictReader(rows)}


def fingerprint(folder: Path = FOLDER) -> str:
    """Twelve hex digits over the names and sizes of the prepared clips: other recordings make another corpus."""
    lines = [f"{f.relative_to(folder).as_posix()} {f.stat().st_size}" for f in sorted(Path(folder).rglob("*.npz"))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def take(folder: Path, split: str, speaker: int, scene: int, number: int) -> RealTake:
    """The recorded clip that drives synthetic clip (speaker, scene, take): takes of one scene are one recorded person's sentences.

    Recorded speakers keep their split: the people who drive test clips drive no training clip. InputError when the folder has no clip
    of that split, or its speaker too few sentences for two takes.
    """
    people: dict[str, list[Entry]] = {}
    for entry in recordings(folder):
        if entry.split in ("", split):
            people.setdefault(entry.speaker, []).append(entry)
    people = {name: clips for name, clips in people.items() if len(clips) >= 2}
    if not people:
        raise InputError(f"{folder}: no GRID speaker of split {split!r} with two clips or more; prepare more speakers ({HOW})")
    name = sorted(people)[speaker % len(people)]
    clips = people[name]
    clip = read_clip(clips[(speaker // len(people) * 7 + scene * 2 + number) % len(clips)].path)
    rest, gain = speaker_scale(folder, name)
    exp = retarget(clip.coeffs[:, EXP], rest, gain)
    n = len(exp) * SAMPLE_RATE // FPS
    wave = np.pad(clip.wave[:n], (0, max(0, n - len(clip.wave))))
    return RealTake(clip.name, name, clip.sentence, exp, wave)


@lru_cache(maxsize=256)
def speaker_scale(folder: Path, speaker: str) -> tuple[np.ndarray, float]:
    """(rest (64,), gain) of a recorded speaker: the closed mouth's expression, and WIDEST_MM over the own widest gap.

    From SCALE_CLIPS clips, evenly spread over the speaker's, or from all where there are fewer.
    """
    own = [entry.path for entry in recordings(folder) if entry.speaker == speaker]
    some = np.unique(np.linspace(0, len(own) - 1, min(SCALE_CLIPS, len(own))).round().astype(int))
    read = ((clip.coeffs[:, EXP], quiet_frames(clip.wave, len(clip.coeffs))) for clip in (read_clip(own[i]) for i in some))
    exp, quiet = (np.concatenate(parts) for parts in zip(*read, strict=True))
    rest = rest_expression(exp, quiet)
    widest = np.percentile(lip_gap(retarget(exp, rest, 1.0)), 95)
    return rest, float(np.clip(WIDEST_MM / max(widest, 1e-3), *GAIN_LIMITS))


def quiet_frames(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """(T,) bool: frames 25 dB or more below the clip's loudest."""
    level = loudness(set_level(wave), n_frames)
    return level < level.max() - 25.0


def rest_expression(exp: np.ndarray, quiet: np.ndarray) -> np.ndarray:
    """(64,) median expression of the quarter of the quiet frames (or of all, when few are quiet) whose lips are nearest."""
    pool = exp[quiet] if quiet.sum() >= 8 else exp
    gap = lip_gap(pool)
    return np.median(pool[gap <= np.percentile(gap, 25)], axis=0)


def retarget(exp: np.ndarray, rest: np.ndarray, gain: float) -> np.ndarray:
    """(T, 64) fitted expressions -> mouth motion from a closed, neutral mouth, times `gain`; lips never pass through each other."""
    return part_lips(gain * (exp - rest) @ _model_parts().mouth.T).astype(np.float32)


def part_lips(exp: np.ndarray) -> np.ndarray:
    """Expressions (T, 64) with every negative lip gap undone by opening the lips, the other way round of `mouthClose`."""
    parts = _model_parts()
    missing = np.maximum(0.0, -lip_gap(exp))
    return exp + missing[:, None] * parts.opener / (MM * parts.gap @ parts.opener)


def lip_gap(exp: np.ndarray) -> np.ndarray:
    """Signed lip gap (T,) in millimetres beyond the neutral face's, mean of the inner pairs on the mean head; linear in exp (T, 64)."""
    return MM * np.asarray(exp) @ _model_parts().gap


def expressions(clip: RealTake, n_frames: int, style: Style, rng: np.random.Generator) -> np.ndarray:
    """(n_frames, 64): the take in the synthetic speaker's amplitude, with that scene's own brows, lids and smile drift.

    `rng` as for `articulation.articulate`: equal generators give equal upper faces whatever is said. Beyond the take's end its last frame
    stays.
    """
    from paperlib.face3d.morphable_model import default_model

    model = default_model()
    _, _, free, blink = rng.spawn(4)
    actions = expression_actions(n_frames, style, free)
    actions.update(blink_actions(n_frames, style, blink))
    exp = clip.exp[np.minimum(np.arange(n_frames), len(clip.exp) - 1)]
    mouth = part_lips(style.amplitude * style.jaw * exp)
    return (mouth + pack(actions, n_frames, model.action_names) @ model.action_coeff.numpy()).astype(np.float32)


@dataclass(frozen=True)
class _Parts:
    mouth: np.ndarray  # (64, 64) projection onto directions that move the mouth
    gap: np.ndarray  # (64,) vertical lip gap in model units by expression
    opener: np.ndarray  # (64,) expression that parts the lips without the jaw


@lru_cache(maxsize=1)
def _model_parts() -> _Parts:
    from paperlib.face3d.morphable_model import default_model
    from paperlib.metrics.geometry import mouth_projection

    model = default_model()
    basis, pick = model.exp_basis.numpy().astype(np.float64), model.landmark_index.numpy()
    mean = model.mean_shape.numpy()
    nose, lips = mean[pick[33]], mean[pick[list(MOUTH)]]
    lower = (mean[:, 1] < nose[1]) & (mean[:, 1] > lips[:, 1].min() - 0.8)
    gap = np.mean([basis[pick[a], 1] - basis[pick[b], 1] for a, b in INNER_PAIRS], 0)
    opener = -model.actions_to_exp({"mouthClose": 1.0}).numpy()[0].astype(np.float64)
    return _Parts(mouth_projection(basis, np.flatnonzero(lower), MOUTH_SHARE), gap, opener)
