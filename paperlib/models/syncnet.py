"""A small SyncNet and the arithmetic of its scores (LSE-D, LSE-C, offset).

The network is Wav2Lip's sync expert in small; the arithmetic is the released SyncNet's (Chung & Zisserman 2016), zero padding
included, beside a masked variant that averages only where there is speech.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.config import SyncConfig
from paperlib.errors import check_shape
from paperlib.models.encoders import MelEncoder, conv_bn

SPAN = 5  # frames in a lip window


class SyncNet(nn.Module):
    """Lip windows and mel windows -> embeddings, compared by cosine (training) or distance (scores)."""

    def __init__(self, cfg: SyncConfig):
        super().__init__()
        if cfg.size % 16:
            raise ValueError(f"size: must be divisible by 16, got {cfg.size}")
        self.size = cfg.size
        w = cfg.width
        self.lips = nn.Sequential(
            conv_bn(3 * SPAN, 2 * w, 5, (1, 2), 2), conv_bn(2 * w, 4 * w, stride=2), conv_bn(4 * w, 4 * w),
            conv_bn(4 * w, 8 * w, stride=2), conv_bn(8 * w, 8 * w, stride=2),
        )  # fmt: skip
        self.lip_out = nn.Linear(8 * w * (cfg.size // 16) ** 2, cfg.embed)
        self.mel = MelEncoder(w, 8 * w)
        self.mel_out = nn.Linear(8 * w, cfg.embed)

    def embed_lips(self, lips: Tensor) -> Tensor:
        """(B, 15, S/2, S) in [0, 1]: five RGB lower halves, oldest first -> (B, embed), at least 0, not normalised.

        Each window's own mean brightness is taken out: skin, light and exposure say nothing of speech.
        """
        check_shape("lips", lips, (None, 3 * SPAN, self.size // 2, self.size))
        return torch.relu(self.lip_out(self.lips((lips - lips.mean((1, 2, 3), keepdim=True)) * 4).flatten(1)))

    def embed_mel(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, 16) in [-4, 4], the window of the middle frame -> (B, embed), at least 0, not normalised."""
        check_shape("mel", mel, (None, 1, 80, 16))
        return torch.relu(self.mel_out(self.mel(mel).flatten(1)))

    def forward(self, lips: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """(lip embedding, mel embedding), each (B, embed)."""
        return self.embed_lips(lips), self.embed_mel(mel)


def sync_probability(lip_emb: Tensor, audio_emb: Tensor) -> Tensor:
    """(B,) chance that lips and speech belong together: Wav2Lip's reading of the cosine, which the embeddings' ReLU keeps in [0, 1]."""
    return F.cosine_similarity(lip_emb, audio_emb).clamp(1e-6, 1 - 1e-6)


def sync_loss(lip_emb: Tensor, audio_emb: Tensor, in_sync: Tensor) -> Tensor:
    """Binary cross-entropy of `sync_probability` against in_sync (B,) in {0, 1} (Wav2Lip's expert loss). Scalar.

    >>> round(sync_loss(torch.tensor([[1.0, 3.0**0.5]]), torch.tensor([[1.0, 0.0]]), torch.tensor([1.0])).item(), 4)
    0.6931
    """
    return F.binary_cross_entropy(sync_probability(lip_emb, audio_emb), in_sync)


def sync_contrastive_loss(lip_emb: Tensor, audio_emb: Tensor, scale: float = 10.0) -> Tensor:
    """Which of M moments of the same clip does this window belong to? Both ways, averaged; chance is log M. Scalar.

    lip_emb, audio_emb: (K, M, D), row m of both from one moment, the M moments of a clip different. Ours, for training the expert
    (InfoNCE, van den Oord et al. 2018): on the embedded corpus `sync_loss` alone stays at 0.70 for hundreds of steps, a known trouble of
    Wav2Lip's expert, where this one falls from the first. The teacher is still trained against `sync_loss`.

    >>> x = torch.eye(4)[None]
    >>> round(sync_contrastive_loss(x, x, scale=0.0).item(), 4), round(sync_contrastive_loss(x, x, scale=50.0).item(), 4)
    (1.3863, 0.0)
    """
    check_shape("lip_emb", lip_emb, (None, None, None))
    check_shape("audio_emb", audio_emb, tuple(lip_emb.shape))
    logits = scale * F.normalize(lip_emb, dim=-1) @ F.normalize(audio_emb, dim=-1).transpose(1, 2)
    clips, moments = logits.shape[:2]
    right = torch.arange(moments, device=logits.device).repeat(clips)
    return (F.cross_entropy(logits.flatten(0, 1), right) + F.cross_entropy(logits.transpose(1, 2).flatten(0, 1), right)) / 2


class SyncScores(NamedTuple):
    """LSE-D, LSE-C (the "Sync" of the tables) and offset in frames, with what explains their bias on short clips."""

    lse_d: float
    lse_c: float
    offset: int
    mean_distance: Tensor  # (2 vshift + 1,) per lag, -vshift first
    windows: int  # T
    lip_norm: float  # r: mean length of a lip feature, its distance from the zero padding
    unrelated: float  # d: mean distance of lip and speech features of different moments


def sync_scores(lip_emb: Tensor, audio_emb: Tensor, vshift: int = 15, masked: bool = False) -> SyncScores:
    """Scores of one clip from its window features (T, D) each, compared at lags of -vshift ... vshift windows.

    Classic (`masked=False`): speech is zero-padded at both ends and the padding is averaged in, as in the released code.
    Masked: only windows with real speech are averaged; needs T > vshift. LSE-D = min, LSE-C = median - min over the lags,
    offset = vshift - argmin. On a short clip the classic form gives confidence to features that carry no information.
    """
    check_shape("lip_emb", lip_emb, (None, None))
    check_shape("audio_emb", audio_emb, tuple(lip_emb.shape))
    n = len(lip_emb)
    if n < 2 or (masked and n <= vshift):
        raise ValueError(f"lip_emb: {n} windows are too few for lags of {vshift}" + (" without padding" if masked else ""))
    lip, speech = lip_emb.detach().float(), audio_emb.detach().float()
    padded = F.pad(speech, (0, 0, vshift, vshift))
    mean = []
    for lag in range(-vshift, vshift + 1):
        distance = F.pairwise_distance(lip, padded[lag + vshift : lag + vshift + n])  # L2, eps 1e-6, as the released code
        if masked:
            distance = distance[max(0, -lag) : n - max(0, lag)]
        mean.append(distance.mean())
    mdist = torch.stack(mean)
    best = int(mdist.argmin())
    all_pairs = torch.cdist(lip, speech)
    unrelated = all_pairs[~torch.eye(n, dtype=torch.bool)].mean()
    return SyncScores(
        float(mdist[best]), float(mdist.median() - mdist[best]), vshift - best, mdist, n, float(lip.norm(dim=1).mean()), float(unrelated)
    )
