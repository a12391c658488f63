"""C of equation (27): a small coarse-to-fine optical-flow network, trained on the corpus's true flow.

The paper uses "a pre-trained optical-flow network" without naming it ([32] uses RAFT-things, whose weights are not shipped here).
Ours follows PWC-Net (Sun et al. 2018): shared features, a local correlation volume, warping, one flow update per size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.errors import check_shape
from paperlib.models.blocks import LEAK
from paperlib.models.flow import warp

RADIUS = 3  # the correlation sees +-3 pixels of its level: +-24 px of the frame at the coarsest level
LEVELS = 3  # features at 1/2, 1/4, 1/8
FINEST = 1  # the last flow update is at 1/4, as SFM's: an update at 1/2 costs three times the rest


def local_correlation(a: Tensor, b: Tensor, radius: int = RADIUS) -> Tensor:
    """Mean product of a(p) and b(p + d) for every |dx|, |dy| <= radius; b is zero outside its frame.

    (B, C, H, W) twice -> (B, (2r+1)^2, H, W), ordered dy from -r to r, dx fastest. Each row of a meets each shifted row of b in
    one matrix product, of which the diagonals are kept: four times the needed products, and far quicker than gathering patches.
    """
    batch, channels, height, width = a.shape
    side = 2 * radius + 1
    rows_a = a.permute(0, 2, 3, 1).contiguous()  # (B, H, W, C)
    rows_b = F.pad(b, [radius] * 4).permute(0, 2, 1, 3).contiguous()  # (B, H + 2r, C, W + 2r)
    out = []
    for dy in range(side):
        product = rows_a @ rows_b[:, dy : dy + height]  # (B, H, W, W + 2r)
        *outer, row, column = product.stride()
        out.append(product.as_strided((batch, height, width, side), (*outer, row + column, column)))  # entries (x, x + dx)
    return torch.stack(out, dim=1).permute(0, 1, 4, 2, 3).flatten(1, 2) / channels


def _conv(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1), nn.LeakyReLU(LEAK, inplace=True))


def _check_pair(a: Tensor, b: Tensor) -> None:
    check_shape("a", a, (None, 3, None, None))
    check_shape("b", b, tuple(a.shape))
    if a.shape[2] % 2**LEVELS or a.shape[3] % 2**LEVELS:
        raise ValueError(f"a: sides must be divisible by {2**LEVELS}, got {tuple(a.shape[2:])}")


class FlowNet(nn.Module):
    """Coarse-to-fine flow between two frames; `width` is the first layer's channels. Starts at zero flow."""

    def __init__(self, width: int = 12):
        super().__init__()
        widths = [width, 2 * width, 3 * width]
        self.down = nn.ModuleList(nn.Sequential(_conv(a, b, 2), _conv(b, b)) for a, b in zip([3, *widths[:-1]], widths, strict=True))
        window = (2 * RADIUS + 1) ** 2
        self.update = nn.ModuleList(
            nn.Sequential(_conv(window + w + 2, 3 * width), _conv(3 * width, 2 * width), nn.Conv2d(2 * width, 2, 3, 1, 1))
            for w in widths[FINEST:]
        )
        for block in self.update:
            nn.init.normal_(block[-1].weight, std=1e-3)
            nn.init.zeros_(block[-1].bias)

    def features(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> features at 1/2, 1/4, 1/8."""
        x, out = image * 2 - 1, []
        for down in self.down:
            x = down(x)
            out.append(x)
        return out

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two frames (B, 3, H, W) in [0, 1], sides divisible by 8 -> backward flow (B, 2, H, W) px: warp(b, flow) is like a."""
        _check_pair(a, b)
        return self._between(self.features(a), self.features(b))

    def both_ways(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """(flow from a to b, flow from b to a) for the price of one set of features; as two calls of `forward`."""
        _check_pair(a, b)
        features = self.features(torch.cat([a, b]))
        there, back = self._between(features, [x.roll(len(a), 0) for x in features]).chunk(2)
        return there, back

    def _between(self, from_a: list[Tensor], from_b: list[Tensor]) -> Tensor:
        coarse = from_a[-1]
        flow = coarse.new_zeros(coarse.shape[0], 2, *coarse.shape[2:])  # in pixels of its own level
        for level in reversed(range(FINEST, LEVELS)):
            if level < LEVELS - 1:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            fa = F.normalize(from_a[level], dim=1) * from_a[level].shape[1] ** 0.5
            fb = F.normalize(from_b[level], dim=1) * from_b[level].shape[1] ** 0.5
            cost = local_correlation(fa, warp(fb, flow))
            flow = flow + self.update[level - FINEST](torch.cat([cost, fa, flow], dim=1))
        scale = 2 ** (FINEST + 1)
        return scale * F.interpolate(flow, scale_factor=scale, mode="bilinear", align_corners=False)
