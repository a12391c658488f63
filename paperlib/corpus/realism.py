"""Realism audit: does a moved mouth keep company with its speech as recorded people's mouths do? Pure functions of lip openings and sound.

PROTOCOL, rule 1: how well loudness, the place in the clip, and a ridge regression on +-5 frames of MFCC tell the lip opening (the last also
when it hears another sentence), how opening and its velocity are distributed, and how loudness leads or lags. All correlations are means
over clips of the correlation within a clip, so who speaks and how wide does not count in them. Opening: mean of the three inner lip pairs
over the distance of the outer eye corners (IOD), less the clip's own 5th percentile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paperlib.config import FPS
from paperlib.errors import check_shape
from paperlib.face3d.landmarks import interocular, lip_opening
from paperlib.media.audio import loudness, mfcc, set_level

CONTEXT = 5  # frames of MFCC on either side
LAGS = np.arange(-10, 11)  # frames; > 0: the mouth follows the sound
FOLDS, PENALTY = 5, 300.0  # of the ridge; features have variance 1
FLOOR_DB = -35.0  # loudness below the clip's peak counts as this: room noise is no louder than digital silence
MOVING = 2  # frames over which velocity is taken, a central difference


@dataclass(frozen=True)
class Track:
    """One clip as the audit sees it. opening (T,) in IOD, loud (T,) dB from the clip's peak, feature (T, 143)."""

    name: str
    opening: np.ndarray
    loud: np.ndarray
    feature: np.ndarray

    def __len__(self) -> int:
        return len(self.opening)


@dataclass(frozen=True)
class Audit:
    """Statistics of a set of clips. `scalars`: name -> (mean over clips, standard error); `opening`, `velocity`: pooled samples."""

    scalars: dict[str, tuple[float, float]]
    opening: np.ndarray
    velocity: np.ndarray  # absolute, IOD per second
    lag: np.ndarray  # (21,) correlation of loudness(t) with opening(t + lag)
    clips: int


def relative_opening(lmk: np.ndarray) -> np.ndarray:
    """(T,) lip opening over the clip's median distance of the outer eye corners, less its own 5th percentile; lmk (T, 68, 2|3).

    Missed frames (NaN) are interpolated; ValueError when more than half of the clip is missing.
    """
    opening = np.asarray(lip_opening(lmk), float) / np.nanmedian(interocular(lmk))
    seen = np.isfinite(opening)
    if seen.mean() < 0.5:
        raise ValueError(f"relative_opening: only {seen.sum()} of {len(seen)} frames have landmarks")
    frames = np.arange(len(opening))
    opening = np.interp(frames, frames[seen], opening[seen])
    return opening - np.percentile(opening, 5)


def track(name: str, opening: np.ndarray, wave: np.ndarray) -> Track:
    """Opening (T,) with what its sound says at each frame; wave (N,) 16 kHz."""
    check_shape("opening", opening, (None,))
    n = len(opening)
    level = loudness(set_level(wave), n)
    return Track(name, np.asarray(opening, float), np.maximum(level - level.max(), FLOOR_DB), context(frame_mfcc(wave, n)))


def frame_mfcc(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """(T, 13) MFCC, mean of the four 10 ms columns of each frame; the last column stays beyond the sound's end."""
    columns = mfcc(wave).T
    index = np.minimum(np.arange(4 * n_frames), len(columns) - 1)
    return columns[index].reshape(n_frames, 4, -1).mean(1)


def context(features: np.ndarray, width: int = CONTEXT) -> np.ndarray:
    """(T, C) -> (T, (2 width + 1) C): each frame with its neighbours, edges repeated."""
    frames = np.arange(len(features))[:, None] + np.arange(-width, width + 1)
    return features[np.clip(frames, 0, len(features) - 1)].reshape(len(features), -1)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson r of two (T,) series; NaN when one of them stands still."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 1e-12 else float("nan")


def ridge_predictions(clips: Sequence[Track], penalty: float = PENALTY) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Openings told by a ridge on speech, for clips it was not fitted to: (own speech, another clip's speech), each a list of (T,)."""
    if len(clips) < 2 * FOLDS:
        raise ValueError(f"ridge_predictions: {len(clips)} clips, needs {2 * FOLDS}")
    own, other = [np.empty(0)] * len(clips), [np.empty(0)] * len(clips)
    for fold in range(FOLDS):
        held = list(range(fold, len(clips), FOLDS))
        seen = [c for i, c in enumerate(clips) if i % FOLDS != fold]
        x = np.concatenate([c.feature for c in seen])
        y = np.concatenate([c.opening - c.opening.mean() for c in seen])
        mean, scale = x.mean(0), x.std(0) + 1e-6
        z = (x - mean) / scale
        weights = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ y)
        for k, i in enumerate(held):
            own[i] = (clips[i].feature - mean) / scale @ weights
            other[i] = (clips[held[(k + 1) % len(held)]].feature - mean) / scale @ weights
    return own, other


def index_predictions(clips: Sequence[Track]) -> list[np.ndarray]:
    """The mean opening of the other clips at the same frame, for every clip, as long as other clips last."""
    total = np.zeros(max(map(len, clips)))
    count = np.zeros(len(total))
    for clip in clips:
        total[: len(clip)] += clip.opening
        count[: len(clip)] += 1
    out = []
    for clip in clips:
        others = count[: len(clip)] - 1
        known = int(np.argmax(others < 1)) if (others < 1).any() else len(clip)
        out.append((total[:known] - clip.opening[:known]) / others[:known])
    return out


def lag_curve(clip: Track) -> np.ndarray:
    """(21,) correlation of loudness at t with opening at t + lag, for LAGS."""
    n = len(clip)
    return np.array([correlation(clip.loud[max(0, -k) : n - max(0, k)], clip.opening[max(0, k) : n - max(0, -k)]) for k in LAGS])


def velocity(opening: np.ndarray) -> np.ndarray:
    """(T - 2,) absolute velocity in units per second, from central differences."""
    return np.abs(opening[MOVING:] - opening[:-MOVING]) * FPS / MOVING


def audit(clips: Sequence[Track]) -> Audit:
    """The statistics of PROTOCOL rule 1 for one source of motion; at least ten clips."""
    own, other = ridge_predictions(clips)
    index = index_predictions(clips)

    def within(predictions: Sequence[np.ndarray]) -> tuple[float, float]:
        r = []
        for clip, guess in zip(clips, predictions, strict=True):
            n = min(len(clip), len(guess))
            r.append(correlation(clip.opening[:n], guess[:n]))
        return _mean(r)

    scalars = {
        "r_loudness": within([c.loud for c in clips]), "r_ridge": within(own), "r_ridge_other": within(other), "r_index": within(index),
        "opening_sd": _mean([c.opening.std() for c in clips]), "opening_p95": _mean([np.percentile(c.opening, 95) for c in clips]),
        "speed_mean": _mean([velocity(c.opening).mean() for c in clips]),
    }  # fmt: skip
    opening, speed = (np.concatenate([f(c.opening) for c in clips]) for f in (np.asarray, velocity))
    return Audit(scalars, opening, speed, np.nanmean([lag_curve(c) for c in clips], 0), len(clips))


def distances(one: Audit, people: Audit) -> dict[str, float]:
    """How far `one` is from `people`: absolute differences of correlations, distributions' Wasserstein-1 distances over the people's
    standard deviation, root mean square difference of the lag curves; `total` is the mean of these seven."""
    out = {k: abs(one.scalars[k][0] - people.scalars[k][0]) for k in ("r_loudness", "r_ridge", "r_ridge_other", "r_index")}
    out["opening"] = wasserstein(one.opening, people.opening) / people.opening.std()
    out["velocity"] = wasserstein(one.velocity, people.velocity) / people.velocity.std()
    out["lag"] = float(np.sqrt(np.mean((one.lag - people.lag) ** 2)))
    out["total"] = float(np.mean(list(out.values())))
    return out


def wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """Wasserstein-1 distance of two samples: mean distance of their quantiles (200 of them)."""
    q = (np.arange(200) + 0.5) / 200
    return float(np.abs(np.quantile(a, q) - np.quantile(b, q)).mean())


def detector_noise(clips: Sequence[Track]) -> float:
    """Standard deviation (IOD) of white noise in measured openings, from second differences where the mouth is at rest and all is quiet.

    A linear motion drops out of second differences; white noise of standard deviation s has s sqrt(6) there. Median over clips.
    """
    found = []
    for clip in clips:
        second = clip.opening[2:] - 2 * clip.opening[1:-1] + clip.opening[:-2]
        still = (clip.loud[1:-1] < -25.0) & (clip.opening[1:-1] < np.percentile(clip.opening, 40))
        if still.sum() >= 8:
            found.append(1.4826 * np.median(np.abs(second[still])) / np.sqrt(6.0))
    if not found:
        raise ValueError("detector_noise: no clip has eight quiet frames")
    return float(np.median(found))


def with_noise(opening: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """Opening (T,) as an equally noisy detector would report it; the floor is the clip's own 5th percentile again."""
    seen = np.abs(opening + sd * rng.standard_normal(len(opening)))
    return seen - np.percentile(seen, 5)


def noise_ceiling(takes: np.ndarray) -> float:
    """Explainable share of the variance in takes (K, T) or (K, T, C) of one sentence: what is equal in all takes, without bias by K.

    1 - (variance between takes around their mean, K/(K-1)) / (variance of a take over time), means over T and C. A predictor that hears
    the speech and knows the speaker cannot explain more of a new take than this.
    """
    takes = np.asarray(takes, float)
    if takes.ndim < 2 or len(takes) < 2:
        raise ValueError(f"noise_ceiling: expected (K >= 2, T, ...), got shape {takes.shape}")
    noise = takes.var(0, ddof=1).mean()
    total = takes.var(1).mean()
    return float(1.0 - noise / total) if total > 0 else float("nan")


def explained(prediction: np.ndarray, take: np.ndarray, ceiling: float) -> float:
    """Explained / explainable variance: (1 - MSE / variance of the take) / ceiling, both centred over time; shapes (T,) or (T, C)."""
    error = (prediction - prediction.mean(0)) - (take - take.mean(0))
    return float((1.0 - (error**2).mean() / take.var(0).mean()) / ceiling)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    finite = np.asarray([v for v in values if np.isfinite(v)])
    if not len(finite):
        return float("nan"), float("nan")
    return float(finite.mean()), float(finite.std(ddof=1) / np.sqrt(len(finite))) if len(finite) > 1 else float("nan")
