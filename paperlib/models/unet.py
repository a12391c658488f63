"""The encoder and the SPADE decoder that TMN and RBFIN share ("Unet generator"); widths and depths are not given in the paper."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from paperlib.models.blocks import LEAK, SPADE, ConvBlock, InstanceNorm, ResBlock, up2


def level_widths(base: int, divisor: int, levels: int, cap: int) -> list[int]:
    """Channels at full size, 1/2, 1/4, ...: doubling from base // divisor, capped.

    >>> level_widths(16, 2, 3, 128)
    [8, 16, 32, 64]
    """
    return [min((base // divisor) * 2**i, cap) for i in range(levels + 1)]


class Encoder(nn.Module):
    """Stem at full size, then a strided and `convs` plain convolutions per level, then residual blocks at the bottom."""

    def __init__(self, c_in: int, widths: list[int], blocks: int, convs: int = 1, stem_kernel: int = 3):
        super().__init__()
        self.stem = ConvBlock(c_in, widths[0], stem_kernel, norm=False)
        self.down = nn.ModuleList(
            nn.Sequential(ConvBlock(a, b, stride=2), *(ConvBlock(b, b) for _ in range(convs)))
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.bottom = nn.ModuleList(ResBlock(widths[-1]) for _ in range(blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, c_in, H, W) -> features at H, H/2, H/4, ...; the last has passed the residual blocks."""
        features = [self.stem(x)]
        for down in self.down:
            features.append(down(features[-1]))
        for block in self.bottom:
            features[-1] = block(features[-1])
        return features


class DecoderLevel(nn.Module):
    """Narrow, enlarge, join the encoder's feature of this size, convolve, SPADE (or plain instance norm), LeakyReLU; `convs` - 1 more.

    Without `narrow_first` the 3x3 convolution reads all c_in channels: wider, and a layer fewer.
    """

    def __init__(self, c_in: int, c_out: int, spade_hidden: int, convs: int = 1, narrow_first: bool = True):
        super().__init__()
        self.narrow = nn.Conv2d(c_in, c_out, 1) if narrow_first else None
        self.conv = nn.Conv2d((c_out if narrow_first else c_in) + c_out, c_out, 3, 1, 1, bias=False)
        self.spade = SPADE(c_out, spade_hidden) if spade_hidden else None
        self.norm = None if spade_hidden else InstanceNorm(c_out)
        self.act = nn.LeakyReLU(LEAK, inplace=True)
        self.more = nn.ModuleList(ConvBlock(c_out, c_out) for _ in range(convs - 1))

    def forward(self, x: Tensor, skip: Tensor, condition: Tensor) -> Tensor:
        """x (B, c_in, h, w), skip (B, c_out, 2h, 2w), condition (B, 3, 2h, 2w) -> (B, c_out, 2h, 2w)."""
        x = up2(x if self.narrow is None else self.narrow(x))
        x = self.conv(torch.cat([x, skip], dim=1))
        x = self.act(self.spade(x, condition) if self.spade is not None else self.norm(x))
        for block in self.more:
            x = block(x)
        return x


class Decoder(nn.Module):
    """Levels from the bottom to full size; SPADE conditioned on I_3D from level `spade_from` down ("some decoder layers"; 0: all)."""

    def __init__(self, widths: list[int], spade_hidden: int, spade_from: int = 1, convs: int = 1, narrow_first: bool = True):
        super().__init__()
        self.levels = nn.ModuleList(
            DecoderLevel(widths[level + 1], widths[level], spade_hidden if level >= spade_from else 0, convs, narrow_first)
            for level in range(len(widths) - 1)
        )

    def forward(self, features: list[Tensor], i3d: list[Tensor], fuse: Callable[[int, Tensor], Tensor] | None = None) -> list[Tensor]:
        """Encoder features and the pyramid of I_3D -> decoder features, index = level (0: full size).

        `fuse(level, feature)` may replace a level's feature before the next level reads it (MSAF in RBFIN).
        """
        x = features[-1]
        out: list[Tensor] = []
        for level in reversed(range(len(self.levels))):
            x = self.levels[level](x, features[level], i3d[level])
            if fuse is not None:
                x = fuse(level, x)
            out.append(x)
        return out[::-1]


class ColourAttention(nn.Module):
    """The output layer: colour C (3 channels) and attention A (1), both sigmoid, from full-size features and the raw input images.

    Reading the raw images keeps the detail that narrow features lose. It starts near C = I_warp (`copy` is where I_warp's three
    channels begin among the raw inputs) and A = sigmoid(`attention_bias`), or, given where the cropped image's channels begin (`hole`),
    near 1 where that image is black and 0.12 where it is mid-grey. The start is a choice; the paper does not give one.
    """

    def __init__(self, features: int, raw: int, copy: int, attention_bias: float, hole: int | None = None):
        super().__init__()
        self.conv = nn.Conv2d(features + raw, 4, 3, 1, 1)
        with torch.no_grad():
            self.conv.weight.mul_(0.1)
            self.conv.bias.copy_(torch.tensor([-2.0, -2.0, -2.0, attention_bias]))
            for colour in range(3):  # sigmoid(4 x - 2) has slope 1 at x = 0.5
                self.conv.weight[colour, features + copy + colour, 1, 1] = 4.0
            if hole is not None:  # logit 4 - 12 x mean of the cropped image
                self.conv.bias[3] = 4.0
                self.conv.weight[3, features + hole : features + hole + 3, 1, 1] = -4.0

    def forward(self, feature: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """feature (B, C, H, W), raw (B, raw, H, W) in [0, 1] -> C (B, 3, H, W), A (B, 1, H, W)."""
        out = torch.sigmoid(self.conv(torch.cat([feature, raw], dim=1)))
        return out[:, :3], out[:, 3:]


def compose(attention: Tensor, colour: Tensor, base: Tensor) -> Tensor:
    """Eq. (16) and (18): A * C + (1 - A) * base.

    >>> compose(torch.tensor(0.25), torch.tensor(1.0), torch.tensor(0.5)).item()
    0.625
    """
    return base + attention * (colour - base)
