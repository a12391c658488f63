"""Convolutional encoders: VGG-M style ones of equation (4), and the mel encoder that the semantic teacher and SyncNet share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib.errors import check_shape

VGG_M_SIZE = 96  # from this image side on, classic VGG-M without padding; smaller images keep more of their few pixels


def _conv(c_in: int, c_out: int, kernel: int | tuple[int, int], stride: int = 1, padding: int = 0) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")  # no norm layers follow: the start must keep the signal's size
    nn.init.zeros_(conv.bias)
    return [conv, nn.ReLU(inplace=True)]


def _out(size: int, kernel: int, stride: int, padding: int, ceil: bool = False) -> int:
    covered = size + 2 * padding - kernel
    out = (-(-covered // stride) if ceil else covered // stride) + 1
    return out - 1 if ceil and (out - 1) * stride >= size + padding else out  # no window may begin in the padding of the far side


class AudioCNN(nn.Module):
    """CNN_audio of (4): (N, 1, 13, 28) -> F_a (N, d_a). SyncNet's audio branch (five convolutions) without BatchNorm.

    Table 7's expression row fits such a branch beside VGG-M; without batch statistics no frame, padded or not, can touch another.
    `early_pool` moves both poolings one and three convolutions forward: about five times fewer operations, for a CPU.
    """

    def __init__(self, channels: tuple[int, ...], d_a: int, rows: int = 13, columns: int = 28, early_pool: bool = False):
        super().__init__()
        wide, square = nn.MaxPool2d(3, (1, 2)), nn.MaxPool2d(3, 2)
        after = {1: wide, 2: square} if early_pool else {2: wide, 5: square}
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(zip((1, *channels[:-1]), channels, strict=True), start=1):
            layers += _conv(a, b, 3, padding=1)
            if i in after:
                layers.append(after[i])
        self.body = nn.Sequential(*layers)
        height, width = (_out(_out(n, 3, stride, 0), 3, 2, 0) for n, stride in ((rows, 1), (columns, 2)))
        self.out = nn.Linear(channels[-1] * height * width, d_a)

    def forward(self, mfcc: Tensor) -> Tensor:
        """(N, 1, 13, 28) of order one -> (N, d_a)."""
        return self.out(self.body(mfcc).flatten(1))


class VisualCNN(nn.Module):
    """CNN_visual of (4): (N, 3, S, S) in [0, 1] -> F_v (N, d_v). VGG-M (Chatfield et al. 2014) with biases and no BatchNorm.

    From a side of VGG_M_SIZE on, with its strides; `padding` of its first convolution, and `ceil`: pooling that rounds sizes up.
    Pictures enter less their mean picture, as VGG-M's did, and over a spread: 1/2 and 1 until `standardise` has seen some.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: tuple[int, ...], d_v: int, size: int, padding: int = 0, ceil: bool = False):
        super().__init__()
        c1, c2, c3, c4, c5 = channels
        classic = size >= VGG_M_SIZE
        first, second, pool = ((7, 2, padding), (5, 2, 1), (3, 2, 0)) if classic else ((7, 2, 3), (5, 1, 2), (3, 2, 1))

        def pooling() -> nn.Module:
            return nn.MaxPool2d(*pool, ceil_mode=ceil)

        self.body = nn.Sequential(
            *_conv(3, c1, *first), pooling(), *_conv(c1, c2, *second), pooling(),
            *_conv(c2, c3, 3, padding=1), *_conv(c3, c4, 3, padding=1), *_conv(c4, c5, 3, padding=1), pooling(),
        )  # fmt: skip
        side = size
        for layer in (first, pool, second, pool, pool):
            side = _out(side, *layer, ceil=ceil and layer is pool)
        if side < 1:
            raise ValueError(f"size: {size} is too small for this encoder")
        self.out = nn.Linear(c5 * side * side, d_v)
        self.register_buffer("mean", torch.full((3, size, size), 0.5))
        self.register_buffer("spread", torch.ones(()))

    @property
    def standardised(self) -> bool:
        """Whether `standardise` has been called, by this network or the one it was loaded from."""
        return bool(self.spread != 1)

    @torch.no_grad()
    def standardise(self, images: Tensor) -> None:
        """Take the mean picture and the spread from images (N, 3, S, S) in [0, 1]: the standard deviation about that picture.

        A talking face is still but for its mouth; less the mean picture and over so small a spread, the mouth is what enters.
        """
        check_shape("images", images, (None, *self.mean.shape))
        self.mean.copy_(images.mean(0))
        self.spread.copy_((images - self.mean).square().mean().sqrt().clamp(min=1e-3))  # still pictures stay small numbers

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] -> (N, d_v)."""
        return self.out(self.body((image - self.mean) / self.spread).flatten(1))


def conv_bn(
    c_in: int, c_out: int, kernel: int = 3, stride: int | tuple[int, int] = 1, padding: int = 1, bias: bool = False
) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU: Wav2Lip's basic block. Its own convolutions have a `bias`, which the BatchNorm behind makes idle."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=bias), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class MelEncoder(nn.Module):
    """Mel window (B, 1, 80, 16) -> (B, out, 1, 1): the strides of Wav2Lip's audio encoder, channels width x 2, 4, 8, 8."""

    def __init__(self, width: int, out: int):
        super().__init__()
        w = width
        self.body = nn.Sequential(
            conv_bn(1, 2 * w), conv_bn(2 * w, 4 * w, stride=(3, 1)), conv_bn(4 * w, 4 * w), conv_bn(4 * w, 8 * w, stride=3),
            conv_bn(8 * w, 8 * w, stride=(3, 2)), conv_bn(8 * w, out, padding=0),
        )  # fmt: skip

    def forward(self, mel: Tensor) -> Tensor:
        """80 x 16 -> 27 x 16 -> 9 x 6 -> 3 x 3 -> 1 x 1. mel in [-4, 4]."""
        return self.body(mel / 4)
