"""Sync: what the SyncNet-style numbers say, with their short-clip bias, and a judge that uses no network.

LSE-C ("Sync") has a floor that depends on the clip's length: features without any information already score above 0, because the
released arithmetic averages in zero padding. So a score is reported with its masked variant and that floor, not at all where a clip is
too short, and beside `opening_judge`, which compares the lip opening itself with the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.errors import check_shape
from paperlib.metrics.statistics import Interval, correlation

VSHIFT = 15  # lags of -15 ... 15 windows, as the command-line tools
FRAMES_PER_WINDOW = 5


@dataclass(frozen=True)
class SyncReport:
    """Scores of one clip, nan where it is too short for them; `floor` is the LSE-C that the zero padding gives to no information.

    `lse_c_masked` is free of the padding but not of luck: the smallest of many means of few distances is small by chance, so beside
    it belongs that of the same lips with somebody else's speech.
    """

    lse_d: float
    lse_c: float
    offset: float
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
    never ranks alone. The offset is in frames. A clip of `vshift` windows or fewer has no score: at the outermost lags the
    released arithmetic (`models.syncnet.sync_scores`, here from one table of distances) compares its lips with nothing but zeros.
    """
    table, padding = _distances(lip_emb, audio_emb)
    n, lags = len(table), np.arange(-vshift, vshift + 1)
    norm = float(lip_emb.detach().double().norm(dim=1).mean())
    unrelated = float((table.sum() - np.trace(table)) / (n * (n - 1)))
    scores = (float("nan"),) * 6
    if n > vshift:
        sums = np.array([np.trace(table, lag) for lag in lags])
        left_out = np.array([padding[n - lag :].sum() if lag > 0 else padding[:-lag].sum() for lag in lags])
        scores = *_scores((sums + left_out) / n), *_scores(sums / (n - np.abs(lags)))
    return SyncReport(*scores, no_information_confidence(n, norm, unrelated, vshift), n, norm, unrelated)


def _distances(lip_emb, audio_emb) -> tuple[np.ndarray, np.ndarray]:
    """Distances (T, T) of lip windows, rows, from speech windows, columns, and (T,) from zeros.

    1e-6 is added to each difference, as torch's pairwise_distance does in the released code.
    """
    check_shape("lip_emb", lip_emb, (None, None))
    check_shape("audio_emb", audio_emb, tuple(lip_emb.shape))
    if len(lip_emb) < 2:
        raise ValueError(f"lip_emb: {len(lip_emb)} windows are too few")
    lip, speech = (x.detach().cpu().double().numpy() for x in (lip_emb, audio_emb))
    lip = lip + 1e-6
    own = (lip**2).sum(1)
    squares = own[:, None] + (speech**2).sum(1) - 2 * (lip @ speech.T)
    return np.sqrt(squares.clip(0)), np.sqrt(own)


def _scores(means: np.ndarray) -> tuple[float, float, float]:
    """(LSE-D, LSE-C, offset) of the mean distance at each lag, the most negative first."""
    best = int(means.argmin())
    return float(means[best]), float(np.median(means) - means[best]), float(len(means) // 2 - best)


def official_sync(frames, wave, net=None, vshift: int = VSHIFT) -> SyncReport:
    """`sync` by the official SyncNet, for those who have its weights: the number that published tables call Sync or LSE-C.

    frames (n, H, W, 3) uint8 RGB face crops at 25 fps, wave (N,) float at 16 kHz; see `models.syncnet_official` for what the network is
    fed. net: from `syncnet_official.load`; None loads the user's file, InputError says how to get it.
    """
    from paperlib.models import syncnet_official

    return sync(*syncnet_official.features(net or syncnet_official.load(), frames, wave), vshift=vshift)


def no_information_confidence(windows: int, norm: float, unrelated: float, vshift: int = VSHIFT) -> float:
    """LSE-C that lip and speech features which know nothing of each other get from zero padding alone.

    At lag l a share |l|/T of the T windows is compared with zeros (distance `norm`) and the rest with unrelated speech (distance
    `unrelated`): mdist(l) = unrelated (1 - |l|/T) + norm |l|/T. The floor is the median minus the minimum over the lags.
    """
    share = np.minimum(np.abs(np.arange(-vshift, vshift + 1)) / windows, 1.0)
    mdist = unrelated * (1 - share) + norm * share
    return float(np.median(mdist) - mdist.min())


def unrelated_features(windows: int, norm: float, common: float, dims: int, generator) -> tuple:
    """Lip and speech features (T, dims) that know nothing of each other: length `norm`, any two of them at cosine `common` on average."""
    import torch
    from torch.nn.functional import normalize

    def draw(rows: int):
        return normalize(torch.randn(rows, dims, generator=generator), dim=1)

    shared = draw(1)
    lip, speech = (norm * (common**0.5 * shared + (1 - common) ** 0.5 * draw(windows)) for _ in range(2))
    return lip, speech


def padding_artefact(
    windows=(17, 24, 35, 45, 59, 95, 145, 245), norm: float = 7.0, common: float = 0.0, repeats: int = 12, dims: int = 1024, seed: int = 0
) -> list[dict]:
    """The confidence of features without information against a clip's length: a row for every number of windows T.

    `measured` is the mean classic LSE-C over `repeats` draws of `unrelated_features`, `sd` its spread, `closed_form` what
    `no_information_confidence` says, `masked` the mean masked LSE-C (nan where T <= 15: no masked value), `edge` the share of draws whose
    offset is within two frames of the end of the lags, `in_sync` the share within one frame of 0. `seconds` is the clip, T + 5 frames;
    T = 24 is an LRW clip.

    norm: length of a feature; 7 and common = 0 put every two features 7 sqrt 2 apart, farther than the zeros of the padding are: the
    offset flies to an end of the lags. common > 0.5 puts them nearer than the zeros: perfect sync, without any information.
    """
    import torch

    from paperlib.models.syncnet import sync_scores

    generator = torch.Generator().manual_seed(seed)
    rows = []
    for t in windows:
        draws = [unrelated_features(t, norm, common, dims, generator) for _ in range(repeats)]
        reports = [sync_scores(*draw) for draw in draws]
        classic = np.array([r.lse_c for r in reports])
        rows.append({
            "windows": t, "seconds": (t + FRAMES_PER_WINDOW) / 25, "measured": float(classic.mean()), "sd": float(classic.std(ddof=1)),
            "closed_form": no_information_confidence(t, norm, norm * (2 - 2 * common) ** 0.5),
            "masked": float(np.mean([sync(*draw).lse_c_masked for draw in draws])),
            "edge": float(np.mean([abs(r.offset) >= VSHIFT - 2 for r in reports])),
            "in_sync": float(np.mean([abs(r.offset) <= 1 for r in reports])),
        })  # fmt: skip
    return rows


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
