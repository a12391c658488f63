"""SFM, the flow network of equation (14), and the spatial transformer that applies its flow.

The complexity row of table 7 fits FlowNetS (Dosovitskiy et al. 2015) with BatchNorm and 6 input channels at 192 x 192 as published, so
SFM is that network; the paper itself does not name one, and other widths and depths fit the row too (`config.PAPER_TWIN`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.config import RendererConfig
from paperlib.errors import check_shape

FLOW_UNIT = 1 / 8  # one unit of output is an eighth of the image side: with FlowNetS' own 1/20 short trainings move half as far
_MULTIPLE = (1, 2, 4, 8, 8, 16)  # channels of FlowNetS' six strided layers, in units of the first
_KERNEL = (7, 5, 5, 3, 3, 3)
_EXTRA = (0, 0, 1, 1, 1, 1)  # plain 3x3 convolutions after each of them
_UP_MULTIPLE = (1, 2, 4, 8)  # channels of the transposed convolutions that arrive at a quarter of the size, an eighth, ...


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """(1, 2, H, W) x and y of the pixel centres, at integers + 0.5."""
    y = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    x = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))[None]


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """STN of eq. (14): sample `image` (B, C, H, W) at pixel centre + `flow` (B, 2, H, W) px, bilinear, border repeated.

    The flow is backward: out(p) = image(p + flow(p)).

    >>> image = torch.arange(4.0).view(1, 1, 1, 4)
    >>> warp(image, torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4)).flatten().tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    batch, _, height, width = image.shape
    check_shape("flow", flow, (batch, 2, height, width))
    flow = flow.to(image.dtype)  # positions need float32's digits, even where the network ran in bfloat16
    where = pixel_grid(height, width, flow) + flow
    side = torch.tensor([width, height], device=flow.device, dtype=flow.dtype).view(1, 2, 1, 1)
    grid = (2 * where / side - 1).permute(0, 2, 3, 1)
    found = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
    last = image.is_contiguous(memory_format=torch.channels_last) and not image.is_contiguous()
    return found.contiguous(memory_format=torch.channels_last) if last else found  # in the layout of the image


def flow_levels(size: int) -> int:
    """How many times SFM halves an image of `size`: at most 6 as FlowNetS, as long as the halves stay whole and at least 2 wide.

    >>> flow_levels(192), flow_levels(96), flow_levels(64), flow_levels(224)
    (6, 5, 5, 5)
    """
    levels = 0
    while levels < 6 and size % 2 == 0 and size >= 4:
        size //= 2
        levels += 1
    if levels < 3:
        raise ValueError(f"size: SFM needs a side that halves at least three times, got one that halves {levels} times")
    return levels


class FlowPlan(NamedTuple):
    """Layers of SFM: channels, sides and plain followers of the strided ones; channels of the transposed ones, quarter first."""

    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    extra: tuple[int, ...]
    up: tuple[int, ...]


def flow_plan(cfg: RendererConfig) -> FlowPlan:
    """FlowNetS from `cfg.sfm_base`, as deep as the size allows; any of the cfg's sfm_channels, _kernels, _extra, _up takes its place.

    Raises ValueError when they differ in length, or the halvings do not fit the size.

    >>> flow_plan(RendererConfig(size=192, sfm_base=64)).channels
    (64, 128, 256, 512, 512, 1024)
    """
    levels = len(cfg.sfm_channels) or flow_levels(cfg.size)
    if not 3 <= levels <= len(_MULTIPLE) or cfg.size % 2**levels:
        raise ValueError(f"sfm_channels: 3 to {len(_MULTIPLE)} halvings that divide the size {cfg.size}, got {levels}")
    base = cfg.sfm_base
    plan = FlowPlan(
        cfg.sfm_channels or tuple(base * m for m in _MULTIPLE[:levels]),
        cfg.sfm_kernels or _KERNEL[:levels],
        cfg.sfm_extra or _EXTRA[:levels],
        cfg.sfm_up or tuple(base * m for m in _UP_MULTIPLE[: levels - 2]),
    )
    if [len(part) for part in plan] != [levels, levels, levels, levels - 2]:
        raise ValueError(f"sfm: {levels} halvings need {levels} kernels, {levels} extra and {levels - 2} up, got {plan}")
    return plan


def _conv(c_in: int, c_out: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(c_out), nn.LeakyReLU(0.1, inplace=True)
    )


class SFM(nn.Module):
    """Semantic-guided flow modelling, eq. (14): omega = SFM(I_3D, I_r), FlowNetS whose depth follows the image size.

    Flow is predicted at a quarter of the size and enlarged four times. The last layer starts near zero, so that the first
    warp is the identity.
    """

    def __init__(self, cfg: RendererConfig):
        super().__init__()
        self.size = cfg.size
        plan = flow_plan(cfg)
        levels, width = len(plan.channels), plan.channels
        self.down = nn.ModuleList()
        c_in = 6
        for c_out, kernel, extra in zip(width, plan.kernels, plan.extra, strict=True):
            self.down.append(nn.Sequential(_conv(c_in, c_out, kernel, 2), *(_conv(c_out, c_out, 3, 1) for _ in range(extra))))
            c_in = c_out
        self.predict = nn.ModuleList([nn.Conv2d(c_in, 2, 3, 1, 1, bias=False)])
        self.up, self.up_flow = nn.ModuleList(), nn.ModuleList()
        for level in range(levels - 1, 1, -1):  # levels - 1 ... 2: sizes up to a quarter
            c_up = plan.up[level - 2]
            self.up.append(nn.Sequential(nn.ConvTranspose2d(c_in, c_up, 4, 2, 1, bias=False), nn.LeakyReLU(0.1, inplace=True)))
            self.up_flow.append(nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=False))
            c_in = c_up + width[level - 1] + 2
            self.predict.append(nn.Conv2d(c_in, 2, 3, 1, 1, bias=False))
        for head in self.predict:
            with torch.no_grad():
                head.weight.mul_(0.03)

    def forward(self, i3d: Tensor, ref: Tensor) -> Tensor:
        """I_3D and the reference I_r, both (B, 3, size, size) in [0, 1] -> backward flow (B, 2, size, size) in pixels."""
        check_shape("i3d", i3d, (None, 3, self.size, self.size))
        check_shape("ref", ref, (i3d.shape[0], 3, self.size, self.size))
        x = torch.cat([i3d, ref], dim=1) - 0.5
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        flow = self.predict[0](x)
        for up, up_flow, predict, skip in zip(self.up, self.up_flow, self.predict[1:], skips[-2:0:-1], strict=True):
            x = torch.cat([skip, up(x), up_flow(flow)], dim=1)
            flow = predict(x)
        return F.interpolate(flow.contiguous(), scale_factor=4, mode="bilinear", align_corners=False) * (FLOW_UNIT * self.size)
