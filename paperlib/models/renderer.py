"""The renderer of section 3.3: SFM -> warp -> TMN -> RBFIN, equations (14)-(18)."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor, nn

from paperlib.config import RendererConfig
from paperlib.models.flow import SFM, warp
from paperlib.models.inpainting import RBFIN
from paperlib.models.texture import TMN
from paperlib.models.unet import compose

STAGES = ("warm", "joint")


class RendererOutput(NamedTuple):
    """What one pass gives; images (B, 3, H, W), attentions (B, 1, H, W), flow (B, 2, H, W) px. None: not computed in this set-up.

    `i_e` is None where neither SFM nor TMN is there: nothing is painted before RBFIN, and (31) has nothing to train.
    """

    flow: Tensor
    warp: Tensor
    c_e: Tensor | None
    a_e: Tensor | None
    i_e: Tensor | None
    c_i: Tensor | None
    a_i: Tensor | None
    i_i: Tensor | None


class Renderer(nn.Module):
    """SFM, TMN and RBFIN in one pass, with one reference.

    What tables 4 to 6 remove are settings of `cfg`: `use_sfm` (without it the flow is 0 and I_warp is I_r), `use_tmn` (I_e is then
    I_warp and nothing is fused), `use_msaf`, `msaf_scale`, `msaf_scales`. `switches` replaces fields of `cfg` by name.
    """

    def __init__(self, cfg: RendererConfig, **switches):
        super().__init__()
        self.cfg = cfg = dataclasses.replace(cfg, **switches)
        self.sfm = SFM(cfg) if cfg.use_sfm else None
        self.tmn = TMN(cfg) if cfg.use_tmn else None
        self.rbfin = RBFIN(cfg)

    def forward(self, i3d: Tensor, ref: Tensor, crop: Tensor | None = None, stage: str = "joint") -> RendererOutput:
        """I_3D, reference I_r and I_crop, (B, 3, size, size) in [0, 1].

        `stage` "warm" runs SFM and TMN only (the first stage of training; `crop` is not read and c_i, a_i, i_i are None).
        """
        if stage not in STAGES:
            raise ValueError(f"stage: expected one of {STAGES}, got {stage!r}")
        if self.sfm is not None:
            flow = self.sfm(i3d, ref)  # eq. (14)
            i_e = i_warp = warp(ref, flow)
        else:
            flow, i_warp, i_e = torch.zeros_like(ref[:, :2]), ref, None
        c_e = a_e = f_tex = None
        if self.tmn is not None:
            c_e, a_e, f_tex = self.tmn(i_warp, i3d)  # eq. (15)
            i_e = compose(a_e, c_e, i_warp)  # eq. (16)
        if stage == "warm":
            if i_e is None:
                raise ValueError('stage: without SFM and TMN there is nothing for the "warm" stage to do')
            return RendererOutput(flow, i_warp, c_e, a_e, i_e, None, None, None)
        if crop is None:
            raise ValueError('crop: the "joint" stage needs I_crop')
        c_i, a_i = self.rbfin(i_warp, i3d, crop, f_tex)  # eq. (17)
        return RendererOutput(flow, i_warp, c_e, a_e, i_e, c_i, a_i, compose(a_i, c_i, crop))  # eq. (18)
