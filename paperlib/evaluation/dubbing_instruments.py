"""Networks that look at the frames of a dub, and at those of the truth in just the same way: expression, judge of sync, and the expert.

None of them is told what it should find: expressions are read off single frames by the network that starts a fit, and both networks of
sync see pictures and sound alone. Landmarks and identities have no network of ours: `media.detection.landmarks_at`, `metrics.identity`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from paperlib.corpus.banks import FaceItem, face_boxes
from paperlib.evaluation.expression_sync import confidence
from paperlib.evaluation.shelf import Shelf
from paperlib.evaluation.sync import MAX_LAG, best_lag
from paperlib.face3d.coefficients import EXP
from paperlib.face3d.initial import from_pictures
from paperlib.media.cropping import crop_frames
from paperlib.training import judge as judging
from paperlib.training import sync
from paperlib.weights import available

KINDS = ("judge", "sync", "regressor")
OFFICIAL, OFFICIAL_SIZE = "syncnet_v2", 224  # weights of the official SyncNet, side of its pictures


def every(n: int, step: int) -> np.ndarray:
    """Frames of a clip of n that are looked at: each in the middle of `step`, so that frame 0, where a frozen mouth is exact, is none.

    >>> every(9, 3).tolist()
    [1, 4, 7]
    """
    return np.arange(min(step // 2, n - 1), n, step)


def spaced(n: int, count: int) -> np.ndarray:
    """`count` frames inside a clip of n, evenly apart.

    >>> spaced(9, 1).tolist(), spaced(9, 3).tolist()
    ([4], [2, 4, 6])
    """
    return np.unique(np.linspace(0, n - 1, count + 2).round().astype(int)[1:-1])


@dataclass(frozen=True)
class Sync:
    """What one network says of lips and speech: `confidence` as `expression_sync` defines it, `lag` frames by which the lips are late."""

    confidence: float
    lag: float


@dataclass(frozen=True)
class Instruments:
    """Networks that score and train nothing here (the expert, `sync`, trains others: it is reported to be compared with the judge)."""

    judge: nn.Module
    expert: nn.Module
    regressor: nn.Module
    official: nn.Module | None = None  # the official SyncNet, for those who have its weights

    def expressions(self, frames: np.ndarray) -> np.ndarray:
        """(T, 64) expression coefficients read off uint8 frames (T, S, S, 3) one by one."""
        return from_pictures(self.regressor, frames)[:, EXP].numpy()

    def judged(self, frames: np.ndarray, near: np.ndarray, mfcc: np.ndarray) -> Sync:
        """The judge's word on all frames (T, H, W, 3) of a clip with the sound mfcc (T, 13, 28)."""
        mouths = judging.grey_mouths(frames, near, self.judge.size)
        return _said(judging.cosines(self.judge, judging.MouthItem(mouths, torch.from_numpy(mfcc).float())))

    def expert_says(self, frames: np.ndarray, near: np.ndarray, mel: np.ndarray) -> Sync:
        """The word of the expert that trained others, with the sound mel (T, 80, 16): never a score."""
        faces = torch.from_numpy(crop_frames(frames, face_boxes(near), self.expert.size))
        return _said(sync.cosines(self.expert, FaceItem(None, faces, torch.from_numpy(mel).float())))

    def official_says(self, frames: np.ndarray, near: np.ndarray, wave: np.ndarray) -> float:
        """LSE-C of the official SyncNet, its masked variant (`metrics.sync`), on face crops of all frames; nan for a short clip."""
        from paperlib.metrics.sync import official_sync

        return float(official_sync(crop_frames(frames, face_boxes(near), OFFICIAL_SIZE), wave, self.official).lse_c_masked)


def _said(table: np.ndarray) -> Sync:
    """nan for a clip that is too short for the lags."""
    lag = float(best_lag(table)) if len(table) > 2 * MAX_LAG else float("nan")
    return Sync(confidence(table), lag)


def labels(shelf: Shelf) -> dict[str, str]:
    """Kind -> which network: the profile's own, else the classroom's; `official` where the user has it."""
    own = {kind: shelf.or_classroom(kind).label(kind) for kind in KINDS}
    return own | ({"official": OFFICIAL} if available(OFFICIAL) else {})


@lru_cache(maxsize=2)
def instruments(shelf: Shelf) -> Instruments:
    """Loaded once in a process. InputError for a checkpoint that is nowhere."""
    from paperlib.models import syncnet_official

    official = syncnet_official.load() if available(OFFICIAL) else None
    return Instruments(*(shelf.or_classroom(kind).load(kind) for kind in KINDS), official)
