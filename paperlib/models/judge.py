"""The judge of sync: says whether lips and speech belong together, and trains nothing (PROTOCOL rule 8).

Nothing in it is the expert's (`models.syncnet`): grey pictures of the mouth alone and not coloured lower faces, three-dimensional
convolutions over seven frames and not five frames stacked as channels, MFCC and not mel, group and not batch normalisation.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.config import JudgeConfig
from paperlib.errors import check_shape

SPAN = 7  # frames in a window: 280 ms, as long as the 28 columns of its MFCC window
MFCC = (13, 28)  # rows and columns of media.audio.mfcc_windows


def _block(c_in: int, c_out: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> nn.Sequential:
    conv = nn.Conv3d(c_in, c_out, kernel, stride, tuple(k // 2 for k in kernel), bias=False)
    return nn.Sequential(conv, nn.GroupNorm(4, c_out), nn.LeakyReLU(0.1, inplace=True))


class Judge(nn.Module):
    """Mouth windows and MFCC windows -> unit vectors; their dot product, in [-1, 1], is the score."""

    def __init__(self, cfg: JudgeConfig):
        super().__init__()
        if cfg.size % 16 or cfg.width % 4:
            raise ValueError(f"size and width: must be divisible by 16 and by 4, got {cfg.size} and {cfg.width}")
        self.size = cfg.size
        w = cfg.width
        self.mouth = nn.Sequential(
            _block(1, w, (3, 5, 5), (1, 2, 2)), _block(w, 2 * w, (3, 3, 3), (1, 2, 2)),
            _block(2 * w, 4 * w, (3, 3, 3), (2, 2, 2)), _block(4 * w, 4 * w, (3, 3, 3), (2, 2, 2)),
        )  # fmt: skip
        self.mouth_out = nn.Linear(4 * w * 2 * (cfg.size // 16) ** 2, cfg.embed)
        self.sound = nn.Sequential(
            nn.Conv1d(MFCC[0], 6 * w, 5, padding=2), nn.ReLU(inplace=True), nn.Conv1d(6 * w, 8 * w, 5, 2, 2), nn.ReLU(inplace=True),
            nn.Conv1d(8 * w, 12 * w, 3, 2, 1), nn.ReLU(inplace=True),
        )  # fmt: skip
        e = cfg.embed
        self.sound_out = nn.Sequential(nn.Dropout(0.2), nn.Linear(12 * w * 7, 2 * e), nn.ReLU(), nn.Linear(2 * e, e))

    def embed_mouth(self, mouth: Tensor) -> Tensor:
        """(B, 7, S, S) grey in [0, 1], oldest first -> (B, embed) of length 1. Each window's own mean brightness is taken out."""
        check_shape("mouth", mouth, (None, SPAN, self.size, self.size))
        x = (mouth - mouth.mean((1, 2, 3), keepdim=True)) * 4
        return F.normalize(self.mouth_out(self.mouth(x[:, None]).flatten(1)), dim=1)

    def embed_sound(self, mfcc: Tensor) -> Tensor:
        """(B, 13, 28) of order one, the window of the middle frame -> (B, embed) of length 1."""
        check_shape("mfcc", mfcc, (None, *MFCC))
        return F.normalize(self.sound_out(self.sound(mfcc).flatten(1)), dim=1)

    def forward(self, mouth: Tensor, mfcc: Tensor) -> tuple[Tensor, Tensor]:
        """(mouth embedding, sound embedding), each (B, embed)."""
        return self.embed_mouth(mouth), self.embed_sound(mfcc)


def judge_score(mouth_emb: Tensor, sound_emb: Tensor) -> Tensor:
    """(B,) dot products of the unit vectors, in [-1, 1]; what counts as in sync stands in the checkpoint's card.

    >>> import torch
    >>> print(f"{judge_score(torch.tensor([[0.6, 0.8]]), torch.tensor([[0.8, 0.6]])).item():.2f}")
    0.96
    """
    return (mouth_emb * sound_emb).sum(-1)
