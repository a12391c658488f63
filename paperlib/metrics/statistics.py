"""Intervals, paired differences, correlations and verdicts. The rules are fixed here, before any run.

Clips of one speaker resemble each other, so the speaker is resampled and its clips come along (cluster bootstrap); frames of one clip
resemble each other, so blocks of consecutive frames are resampled. Percentile intervals, 95%, fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

N_BOOT = 2000
LEVEL = 0.95
FRAME_BLOCK = 25  # frames: one second, longer than a syllable, so that blocks are nearly independent
POWER = 1.96 + 0.84  # standard errors that a difference needs to be found at the 5% level four times in five


@dataclass(frozen=True)
class Interval:
    """An estimate with its bootstrap interval.

    `n` values (clips or frames) that counted, in `clusters` speakers (or clips); `failed` values that were nan; `p` two-sided
    bootstrap p-value of "the value is 0" (nan where that is not a question); `note` says why something is nan.
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int
    failed: int = 0
    se: float = float("nan")
    p: float = float("nan")
    note: str = ""

    @property
    def detectable(self) -> float:
        """Smallest difference this design finds at the 5% level with 80% power: 2.8 bootstrap standard errors."""
        return POWER * self.se


def _interval(value: float, replicates: np.ndarray, n: int, clusters: int, failed: int, note: str = "", null: bool = False) -> Interval:
    good = replicates[np.isfinite(replicates)]
    if len(good) < 2:
        return Interval(value, float("nan"), float("nan"), n, clusters, failed, note=note or "no bootstrap replicate is finite")
    low, high = np.quantile(good, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    p = float("nan")
    if null:
        tail = min((good <= 0).sum(), (good >= 0).sum())
        p = min(1.0, 2 * (int(tail) + 1) / (len(good) + 1))
    return Interval(value, float(low), float(high), n, clusters, failed, float(good.std(ddof=1)), p, note)


def _clean(values, clusters) -> tuple[np.ndarray, np.ndarray, int]:
    values, clusters = np.asarray(values, float), np.asarray(clusters)
    if values.ndim != 1 or clusters.shape != values.shape:
        raise ValueError(f"values {values.shape} and clusters {clusters.shape}: expected two equally long lists")
    good = np.isfinite(values)
    return values[good], clusters[good], int((~good).sum())


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence,
    statistic: Callable[[np.ndarray], float] | None = None,
    n_boot: int = N_BOOT,
    seed: int = 0,
    null: bool = False,
) -> Interval:
    """Mean of `values` (N,), one per clip, with an interval from resampling `clusters` (N,), the speakers, with their clips.

    `statistic` replaces the mean. Values that are nan or infinite are left out and counted in `failed`. With one speaker there
    is no interval (nan), and the note says so. `null=True` adds the p-value of "the value is 0".
    """
    values, clusters, failed = _clean(values, clusters)
    names, index = np.unique(clusters, return_inverse=True)
    count = len(names)
    nan = float("nan")
    if not len(values):
        return Interval(nan, nan, nan, 0, 0, failed, note="no finite value")
    value = float(values.mean() if statistic is None else statistic(values))
    if count < 2:
        return Interval(value, nan, nan, len(values), count, failed, note="one speaker: no interval over speakers")
    draws = np.random.default_rng(seed).integers(0, count, (n_boot, count))
    if statistic is None:
        sums, sizes = np.bincount(index, values, count), np.bincount(index, minlength=count)
        replicates = sums[draws].sum(1) / sizes[draws].sum(1)
    else:
        members = [values[index == c] for c in range(count)]
        replicates = np.array([statistic(np.concatenate([members[c] for c in draw])) for draw in draws])
    return _interval(value, replicates, len(values), count, failed, null=null)


def paired_difference(ours: Sequence[float], other: Sequence[float], clusters: Sequence, n_boot: int = N_BOOT, seed: int = 0) -> Interval:
    """Mean of ours - other over the same clips (N,), interval and p-value by resampling speakers; see `cluster_bootstrap`.

    A clip on which either fails (nan, or infinite) is left out and counted.
    """
    ours, other = np.asarray(ours, float), np.asarray(other, float)
    if ours.shape != other.shape:
        raise ValueError(f"paired values differ in number: {ours.shape} and {other.shape}")
    with np.errstate(invalid="ignore"):
        return cluster_bootstrap(ours - other, clusters, n_boot=n_boot, seed=seed, null=True)


def verdict(difference: Interval, better: str = "higher", margin: float = 1e-6) -> str:
    """What a paired difference ours - other allows to say: "better", "worse", "tie" or "no verdict".

    "tie" when the interval reaches into [-margin, margin] (by default only what rounding makes of nothing); "no verdict" when there is
    no interval. `better` says which direction of the metric is good: "higher" or "lower".
    """
    if better not in ("higher", "lower"):
        raise ValueError(f"better {better!r}: choose higher or lower")
    if not (np.isfinite(difference.low) and np.isfinite(difference.high)):
        return "no verdict"
    if difference.low <= margin and difference.high >= -margin:
        return "tie"
    return "better" if (difference.low > margin) == (better == "higher") else "worse"


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down adjusted p-values of a family of tests, in the order given; nan stays nan and does not count.

    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("p-values lie between 0 and 1")
    adjusted = np.full(p.shape, np.nan)
    order = [i for i in np.argsort(p) if np.isfinite(p[i])]
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p[i]))
        adjusted[i] = running
    return adjusted


def block_indices(lengths: Sequence[int], block: int, n_boot: int, seed: int) -> np.ndarray:
    """(n_boot, sum of lengths) frame indices: each clip is refilled with circular blocks of `block` frames of that same clip."""
    generator = np.random.default_rng(seed)
    parts, offset = [], 0
    for length in lengths:
        size = min(block, length)
        starts = generator.integers(0, length, (n_boot, -(-length // size)))
        frames = (starts[:, :, None] + np.arange(size)) % length
        parts.append(offset + frames.reshape(n_boot, -1)[:, :length])
        offset += length
    return np.concatenate(parts, 1)


def _by_group(groups, n: int) -> tuple[np.ndarray, list[int]]:
    """Order that puts frames of a clip together (kept in time), and the clips' lengths."""
    if groups is None:
        return np.arange(n), [n]
    groups = np.asarray(groups)
    if groups.shape != (n,):
        raise ValueError(f"groups {groups.shape}: expected one per frame, ({n},)")
    _, index = np.unique(groups, return_inverse=True)
    return np.argsort(index, kind="stable"), np.bincount(index).tolist()


def block_bootstrap(values: Sequence[float], groups=None, block: int = FRAME_BLOCK, n_boot: int = N_BOOT, seed: int = 0) -> Interval:
    """Mean of frame values (N,) with an interval from resampling blocks of frames within each clip (`groups` (N,), clip of each frame).

    It speaks about these clips only, not about other speakers. nan frames are left out and counted.
    """
    values = np.asarray(values, float)
    order, _ = _by_group(groups, len(values))
    good = order[np.isfinite(values[order])]
    if not len(good):
        return Interval(float("nan"), float("nan"), float("nan"), 0, 0, len(values), note="no finite value")
    _, lengths = _by_group(None if groups is None else np.asarray(groups)[good], len(good))
    x = values[good]
    replicates = x[block_indices(lengths, block, n_boot, seed)].mean(1)
    return _interval(float(x.mean()), replicates, len(x), len(lengths), len(values) - len(x))


def correlation(
    x: Sequence[float],
    y: Sequence[float],
    kind: str = "pearson",
    groups=None,
    block: int = FRAME_BLOCK,
    n_boot: int = N_BOOT,
    seed: int = 0,
) -> Interval:
    """Pearson's or Spearman's correlation of two series (N,) with an interval; `n` counts pairs.

    Consecutive values are taken for frames of one clip, or of the clips given by `groups` (N,), and resampled in blocks of
    `block` frames; `block=1` for independent pairs (clips, say). Pairs with a nan are left out and counted. A constant
    series (a mouth that never moves) has no correlation: the value is nan, with a note.
    """
    if kind not in ("pearson", "spearman"):
        raise ValueError(f"correlation kind {kind!r}: choose pearson or spearman")
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x {x.shape} and y {y.shape}: expected two equally long series")
    order, _ = _by_group(groups, len(x))
    good = order[np.isfinite(x[order]) & np.isfinite(y[order])]
    failed, (x, y) = len(x) - len(good), (x[good], y[good])
    nan = float("nan")
    if len(x) < 3:
        return Interval(nan, nan, nan, len(x), 0, failed, note="fewer than three pairs")
    _, lengths = _by_group(None if groups is None else np.asarray(groups)[good], len(good))
    constant = [name for name, v in (("x", x), ("y", y)) if v.std() <= 1e-12 * max(1.0, np.abs(v).max())]
    if constant:
        return Interval(nan, nan, nan, len(x), len(lengths), failed, note=f"{' and '.join(constant)} constant: no correlation")
    index = block_indices(lengths, block, n_boot, seed)
    value = float(_correlate(x[None], y[None], kind)[0])
    return _interval(value, _correlate(x[index], y[index], kind), len(x), len(lengths), failed, null=True)


def _correlate(x: np.ndarray, y: np.ndarray, kind: str) -> np.ndarray:
    """Row-wise correlation of (R, N) arrays; nan where a row is constant."""
    if kind == "spearman":
        from scipy.stats import rankdata

        x, y = rankdata(x, axis=1), rankdata(y, axis=1)
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    scale = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale > 0, (x * y).sum(1) / scale, np.nan)


def pearson(x: Sequence[float], y: Sequence[float], **options) -> Interval:
    """Pearson's r with interval; options as `correlation`."""
    return correlation(x, y, "pearson", **options)


def spearman(x: Sequence[float], y: Sequence[float], **options) -> Interval:
    """Spearman's rho with interval; options as `correlation`."""
    return correlation(x, y, "spearman", **options)
