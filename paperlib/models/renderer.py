"""The renderer of section 3.3: SFM -> warp -> TMN -> RBFIN, equations (14)-(18)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from paperlib.config import RendererConfig
from paperlib.models.flow import SFM, warp
from paperlib.models.inpainting import RBFIN
from paperlib.models.texture import TMN
from paperlib.models.unet import compose

STAGES = ("warm", "joint")


class RendererOutput(NamedTuple):
    """What one pass gives; images (B, 3, H, W), attentions (B, 1, H, W), flow (B, 2, H, W) px. None: not computed in this set-up."""

    flow: Tensor
    warp: Tensor
    c_e: Tensor | None
    a_e: Tensor | None
    i_e: Tensor
    c_i: Tensor | None
    a_i: Tensor | None
    i_i: Tensor | None


class Renderer(nn.Module):
    """SFM, TMN and RBFIN in one pass, with one reference.

    Ablation switches: `use_tmn=False` (table 4; I_e is then I_warp and nothing is fused), `use_msaf=False` (table 4),
    `msaf_scale` "learnable" or a fixed number (table 5); the scales of table 6 are `cfg.msaf_scales`.
    """

    def __init__(self, cfg: RendererConfig, use_tmn: bool = True, use_msaf: bool = True, msaf_scale: str | float = "learnable"):
        super().__init__()
        self.cfg = cfg
        self.sfm = SFM(cfg)
        self.tmn = TMN(cfg) if use_tmn else None
        self.rbfin = RBFIN(cfg, use_msaf=use_msaf and use_tmn, msaf_scale=msaf_scale)

    def forward(self, i3d: Tensor, ref: Tensor, crop: Tensor | None = None, stage: str = "joint") -> RendererOutput:
        """I_3D, reference I_r and I_crop, (B, 3, size, size) in [0, 1].

        `stage` "warm" runs SFM and TMN only (the first stage of training; `crop` is not read and c_i, a_i, i_i are None).
        """
        if stage not in STAGES:
            raise ValueError(f"stage: expected one of {STAGES}, got {stage!r}")
        flow = self.sfm(i3d, ref)  # eq. (14)
        i_warp = warp(ref, flow)
        c_e = a_e = f_tex = None
        i_e = i_warp
        if self.tmn is not None:
            c_e, a_e, f_tex = self.tmn(i_warp, i3d)  # eq. (15)
            i_e = compose(a_e, c_e, i_warp)  # eq. (16)
        if stage == "warm":
            return RendererOutput(flow, i_warp, c_e, a_e, i_e, None, None, None)
        if crop is None:
            raise ValueError('crop: the "joint" stage needs I_crop')
        c_i, a_i = self.rbfin(i_warp, i3d, crop, f_tex)  # eq. (17)
        return RendererOutput(flow, i_warp, c_e, a_e, i_e, c_i, a_i, compose(a_i, c_i, crop))  # eq. (18)
