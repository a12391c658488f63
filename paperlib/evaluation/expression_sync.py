"""Table 3's Sync for stage 1, which draws nothing: predicted faces drawn by `face3d`, their mouths scored by our judge.

The paper scores the finished video with SyncNet; its units are not ours. Here nothing but the expression differs between two rows:
identity, skin, pose and light are the clip's own, before a grey wall.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from paperlib import paths
from paperlib.config import Profile
from paperlib.corpus.banks import SpeechItem
from paperlib.evaluation.sync import MAX_LAG

SIZE = 96  # side of the drawn faces, the corpus's: what the judge has learned on
PART = 64  # frames drawn at once


def confidence(table: np.ndarray, most: int = MAX_LAG) -> float:
    """Mean cosine at lag 0 less the median over lags of +-`most` frames of the same mean, of a table of cosines (N, N): SyncNet's
    confidence in the judge's unit. 0 for a mouth that goes with no moment more than with another; nan for N <= most.

    >>> round(confidence(np.eye(30)), 2)
    1.0
    """
    if len(table) <= most:
        return float("nan")
    means = [np.diagonal(table, lag).mean() for lag in range(-most, most + 1)]
    return float(means[most] - np.median(means))


@dataclass(frozen=True)
class RenderedJudge:
    """A hook of `expression_scores.Score`. folder: of the judge's checkpoint (None: the shipped one); name: of the checkpoint."""

    name: str = "judge_classroom"
    folder: Path | None = None

    @staticmethod
    def of(profile: Profile) -> RenderedJudge | None:
        """The newly trained judge of the profile if there is one, else the shipped one; None where there is neither."""
        name = f"judge_{profile.name}"
        for folder in (paths.build_dir(profile.name) / "checkpoints", paths.CHECKPOINTS):
            if (folder / f"{name}.json").exists():
                return RenderedJudge(name, folder)
        return None

    @property
    def key(self) -> str:
        """Which judge it is and how it is asked."""
        return f"{_judge(self.name, self.folder)[1]} {SIZE} {MAX_LAG}"

    def __call__(self, coeffs: torch.Tensor, item: SpeechItem) -> dict[str, float]:
        """{"sync": `confidence`} of coefficients (T, 257) with the clip's sound; {} for second takes, as good as the first."""
        from paperlib.training.judge import MouthItem, cosines

        if getattr(item.id, "take", 0):
            return {}
        net, _ = _judge(self.name, self.folder)
        return {"sync": confidence(cosines(net, MouthItem(drawn_mouths(coeffs, net.size), item.mfcc)))}


@lru_cache(maxsize=2)
def _judge(name: str, folder: Path | None):
    from paperlib.training import checkpoints

    net, card = checkpoints.load(name, folder)
    return net, card["sha256"][:16]


@torch.no_grad()
def drawn_mouths(coeffs: torch.Tensor, size: int) -> torch.Tensor:
    """(T, size, size) uint8 grey mouths of coefficients (T, 257), drawn at SIZE before a grey wall, boxes from the pose alone."""
    from paperlib.face3d.coefficients import with_exp
    from paperlib.face3d.face_renderer import landmarks2d, render
    from paperlib.face3d.morphable_model import default_model
    from paperlib.training.judge import grey_mouths

    model, wall = default_model(), np.full((SIZE, SIZE, 3), 0.5, np.float32)
    frames = [render(model, part, SIZE, background=wall, threads=1).image.movedim(1, -1) for part in coeffs.split(PART)]
    still = landmarks2d(model, with_exp(coeffs, torch.zeros(len(coeffs), 64)), SIZE).numpy()
    return grey_mouths((torch.cat(frames).clamp(0, 1).numpy() * 255 + 0.5).astype(np.uint8), still, size)
