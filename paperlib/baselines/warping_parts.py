"""What several systems share: a code of speech, windows of successive frames, modulation by a code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.baselines.interface import SPAN
from paperlib.errors import check_shape
from paperlib.models.blocks import InstanceNorm

_STRIDES = (1, (3, 1), 3, (3, 2))  # of Wav2Lip's audio encoder, which IP_LAP and SadTalker took over: 80 x 16, 27 x 16, 9 x 6, 3 x 3


class MelCode(nn.Module):
    """A window of mel spectrogram -> a vector, by the strides of Wav2Lip's audio encoder, one convolution a scale.

    No norm layers: loudness passes, and no window touches another (the published ones have BatchNorm and batches of a hundred).
    """

    def __init__(self, width: int, out: int):
        super().__init__()
        channels = (1, width, 2 * width, 4 * width, 4 * width)
        convs = [nn.Conv2d(a, b, 3, s, 1) for a, b, s in zip(channels[:-1], channels[1:], _STRIDES, strict=True)]
        convs.append(nn.Conv2d(channels[-1], out, 3))
        for conv in convs:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
        self.body = nn.ModuleList(convs)

    def forward(self, mel: Tensor) -> Tensor:
        """(..., 80, 16) in [-4, 4] -> (..., out)."""
        check_shape("mel", mel, (*mel.shape[:-2], 80, 16))
        x = mel.reshape(-1, 1, 80, 16) / 4
        for conv in self.body[:-1]:
            x = F.relu(conv(x))
        return self.body[-1](x).reshape(*mel.shape[:-2], -1)


class AdaIN(nn.Module):
    """Adaptive instance norm (Huang and Belongie 2017): norm(x) * (1 + gamma(code)) + beta(code). Starts as the plain norm."""

    def __init__(self, channels: int, code: int):
        super().__init__()
        self.norm, self.modulate = InstanceNorm(channels), nn.Linear(code, 2 * channels)
        nn.init.normal_(self.modulate.weight, std=0.02)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """x (B, C, H, W), code (B, code) -> (B, C, H, W)."""
        gamma, beta = self.modulate(code)[..., None, None].chunk(2, dim=1)
        return torch.addcmul(beta, self.norm(x), 1 + gamma)


def windows(n: int) -> Tensor:
    """(n, SPAN) frame numbers around each of n frames; the ends repeat.

    >>> windows(4).tolist()
    [[0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [1, 2, 3, 3, 3]]
    """
    around = torch.arange(SPAN) - SPAN // 2
    return (torch.arange(n)[:, None] + around).clamp(0, n - 1)


def enlarge(x: Tensor, factor: int = 2) -> Tensor:
    """(B, C, H, W) -> (B, C, factor H, factor W), bilinear: values at a place stay there, sums over channels or batches stay sums."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
