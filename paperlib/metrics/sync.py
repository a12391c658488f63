"""Sync: what the SyncNet-style numbers say, with their short-clip bias, and a judge that uses no network.

LSE-C ("Sync") has a floor that depends on the clip's length: features without any information already score above 0, because the
released arithmetic averages in zero padding. So a score is reported with its masked variant and that floor, and beside
`opening_judge`, which compares the lip opening itself with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.metrics.statistics import Interval, correlation

VSHIFT = 15  # lags of -15 ... 15 windows, as the command-line tools
FRAMES_PER_WINDOW = 5


@dataclass(frozen=True)
class SyncReport:
    """Scores of one clip. `*_masked` are nan where the clip is too short for them; `floor` is LSE-C without any information."""

    lse_d: float
    lse_c: float
    offset: int
    lse_d_masked: float
    lse_c_masked: float
    offset_masked: float
    floor: float
    windows: int
    lip_norm: float
    unrelated: float


def sync(lip_emb, audio_emb, vshift: int = VSHIFT) -> SyncReport:
    """Classic and masked LSE-D, LSE-C and offset of one clip's window features, tensors (T, D), from `models.syncnet`.

    Lower LSE-D and higher LSE-C are taken for better; systems trained against such a network can beat real video, so this
    never ranks alone. The offset is in frames.
    """
    from paperlib.models.syncnet import sync_scores

    classic = sync_scores(lip_emb, audio_emb, vshift=vshift, masked=False)
    nan = float("nan")
    masked = (nan, nan, nan)
    if len(lip_emb) > vshift:
        scores = sync_scores(lip_emb, audio_emb, vshift=vshift, masked=True)
        masked = (scores.lse_d, scores.lse_c, float(scores.offset))
    floor = no_information_confidence(classic.windows, classic.lip_norm, classic.unrelated, vshift)
    return SyncReport(classic.lse_d, classic.lse_c, classic.offset, *masked, floor, classic.windows, classic.lip_norm, classic.unrelated)


def no_information_confidence(windows: int, norm: float, unrelated: float, vshift: int = VSHIFT) -> float:
    """LSE-C that lip and speech features which know nothing of each other get from zero padding alone.

    At lag l a share |l|/T of the T windows is compared with zeros (distance `norm`) and the rest with unrelated speech (distance
    `unrelated`): mdist(l) = unrelated (1 - |l|/T) + norm |l|/T. The floor is the median minus the minimum over the lags.
    """
    share = np.minimum(np.abs(np.arange(-vshift, vshift + 1)) / windows, 1.0)
    mdist = unrelated * (1 - share) + norm * share
    return float(np.median(mdist) - mdist.min())


@dataclass(frozen=True)
class OpeningJudge:
    """`r` Pearson's r of two lip-opening curves at lag 0 with its interval; `lag` frames by which the first is late, `r_at_lag` there."""

    r: Interval
    lag: int
    r_at_lag: float


def opening_judge(opening, truth, max_lag: int = 10) -> OpeningJudge:
    """Judge of sync without a network: lip opening (T,) of the result against the true one, at 25 frames a second.

    A positive lag means the result moves late. nan frames are left out pair by pair; a constant curve (a frozen mouth) has
    r = nan with a note, and lag 0.
    """
    x, y = np.asarray(opening, float), np.asarray(truth, float)
    at_zero = correlation(x, y)
    if not np.isfinite(at_zero.value):
        return OpeningJudge(at_zero, 0, float("nan"))
    best_lag, best = 0, at_zero.value
    for lag in sorted(range(-max_lag, max_lag + 1), key=abs):
        a, b = (x[lag:], y[: len(y) - lag]) if lag >= 0 else (x[:lag], y[-lag:])
        good = np.isfinite(a) & np.isfinite(b)
        a, b = a[good], b[good]
        if len(a) < max(3, len(x) // 2) or a.std() == 0 or b.std() == 0:
            continue
        r = float(np.corrcoef(a, b)[0, 1])
        if r > best + 1e-12:
            best_lag, best = lag, r
    return OpeningJudge(at_zero, best_lag, best)
