"""Can lips and speech that belong together be told from lips and speech of two moments? Accuracy over windows of a given length.

An encoder sees a few frames. A longer window of W frames is judged by the mean of the similarities of all the encoder's windows inside
it, the sound moved as a whole: what Chung & Zisserman (2016) average their distances for. In sync: picture and sound of one moment. Off
sync: the sound of the same clip at least APART frames away. Every such pair of a clip counts, so nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paperlib.errors import check_shape

APART = 3  # frames, 120 ms
WINDOWS = (5, 7, 9, 15, 25)  # frames: one look of the expert, one of the judge, and on to a second


def similarity(lip: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Cosines (T, T) of lip embeddings (T, D), rows, and sound embeddings (T, D), columns; 0 where an embedding is zero."""
    check_shape("lip", lip, (None, None))
    check_shape("sound", sound, tuple(lip.shape))
    a, b = (np.asarray(x, float) / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (lip, sound))
    return a @ b.T


def window_scores(cosines: np.ndarray, looks: int) -> tuple[np.ndarray, np.ndarray]:
    """(in sync (N,), off sync (N, N) with nan where the two moments are less than APART apart) of windows of `looks` successive looks.

    cosines: (T, T) of `similarity`; N = T - looks + 1. ValueError when the clip is too short to hold one off-sync window.
    """
    n = len(cosines) - looks + 1
    if looks < 1 or n <= APART:
        raise ValueError(f"window_scores: {len(cosines)} looks hold no off-sync window of {looks} looks")
    mean = sum(cosines[k : k + n, k : k + n] for k in range(looks)) / looks
    at = np.arange(n)
    return np.diag(mean).copy(), np.where(np.abs(at[:, None] - at) >= APART, mean, np.nan)


def accuracy(true: np.ndarray, false: np.ndarray, threshold: float) -> float:
    """Mean of the share of `true` scores at or above `threshold` and of the share of `false` scores (nan left out) below it: chance 0.5."""
    below = false[np.isfinite(false)] < threshold
    return float(((true >= threshold).mean() + below.mean()) / 2)


def choice(true: np.ndarray, false: np.ndarray) -> float:
    """Share of (window, other sound) pairs in which the right sound scores higher; ties count half. true (N,), false (N, N)."""
    won = np.where(np.isfinite(false), (true[:, None] > false) + 0.5 * (true[:, None] == false), np.nan)
    return float(np.nanmean(won))


def best_threshold(clips: Sequence[tuple[np.ndarray, np.ndarray]], most: int = 400) -> float:
    """The threshold with the highest mean `accuracy` over clips, among `most` quantiles of all their scores: fixed on validation clips."""
    every = np.concatenate([np.concatenate([t, f[np.isfinite(f)]]) for t, f in clips])
    candidates = np.unique(np.quantile(every, np.linspace(0, 1, most)))
    total = np.zeros(len(candidates))
    for true, false in clips:
        true, false = np.sort(true), np.sort(false[np.isfinite(false)])
        kept = 1 - np.searchsorted(true, candidates, "left") / len(true)
        total += kept + np.searchsorted(false, candidates, "left") / len(false)
    return float(candidates[total.argmax()])
