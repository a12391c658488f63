"""The semantic teacher: a Wav2Lip-style generator (Prajwal et al. 2020) that turns speech and a fixed face into the images V of (3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib.config import TeacherConfig
from paperlib.errors import check_shape
from paperlib.models.encoders import MelEncoder, conv_bn


def _deconv(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """relu(x + BatchNorm(conv(x))), Wav2Lip's residual block."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return torch.relu(x + self.conv(x))


def halvings(size: int) -> int:
    """How often `size` halves before its last 2 or 3 pixels are joined to one.

    >>> halvings(32), halvings(48), halvings(96)
    (4, 4, 5)
    """
    n = 0
    while size % 2 == 0 and size > 3:
        size, n = size // 2, n + 1
    if size > 3:
        raise ValueError("size: the teacher needs a side of 2 or 3 times a power of two, as 32, 48 or 96")
    return n


class SemanticTeacher(nn.Module):
    """Wav2Lip's generator, its widths set by `cfg.width` (Wav2Lip: 16).

    Face and speech each become one vector; a decoder with skips to the face encoder paints the speaking face: from nothing, as
    Wav2Lip's does, or with `cfg.from_reference` as a change of the reference, which starts at no change.
    """

    def __init__(self, cfg: TeacherConfig):
        super().__init__()
        self.size = cfg.size
        n = halvings(cfg.size)
        bottom = cfg.size // 2**n
        width = [cfg.width * 2 ** min(i, 3) for i in range(n + 1)]
        code = width[-1]
        self.stem = conv_bn(6, width[0], 7, 1, 3)
        self.down = nn.ModuleList(nn.Sequential(conv_bn(a, b, 3, 2), Residual(b)) for a, b in zip(width[:-1], width[1:], strict=True))
        self.to_code = conv_bn(width[-1], code, bottom, 1, 0)
        self.speech = MelEncoder(cfg.width, code)
        self.from_code = nn.Sequential(
            nn.ConvTranspose2d(2 * code, width[-1], bottom, bias=False), nn.BatchNorm2d(width[-1]), nn.ReLU(inplace=True)
        )
        self.up = nn.ModuleList(nn.Sequential(_deconv(2 * width[i], width[i - 1]), Residual(width[i - 1])) for i in range(n, 0, -1))
        self.head = nn.Sequential(conv_bn(2 * width[0], width[0]), nn.Conv2d(width[0], 3, 1))
        self.from_reference = cfg.from_reference
        if cfg.from_reference:
            nn.init.normal_(self.head[-1].weight, std=1e-2)
            nn.init.zeros_(self.head[-1].bias)

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """mel (B, 1, 80, 16) in [-4, 4]; face (B, 6, S, S) in [0, 1]: lower half masked, then the reference -> (B, 3, S, S) in [0, 1]."""
        check_shape("mel", mel, (None, 1, 80, 16))
        check_shape("face", face, (mel.shape[0], 6, self.size, self.size))
        skips = [self.stem(face)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.from_code(torch.cat([self.speech(mel), self.to_code(skips[-1])], dim=1))
        for up in self.up:
            x = up(torch.cat([x, skips.pop()], dim=1))
        painted = self.head(torch.cat([x, skips.pop()], dim=1))
        if self.from_reference:
            painted = painted + torch.logit(face[:, 3:], eps=0.02)
        return torch.sigmoid(painted)
