"""RBFIN, the reference-based face inpainting network of equations (17) and (18), with MSAF (19)-(22) in its decoder."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from paperlib.config import RendererConfig
from paperlib.errors import check_shape
from paperlib.models.blocks import MSAF, image_pyramid
from paperlib.models.texture import SCALES, tmn_widths
from paperlib.models.unet import ColourAttention, Decoder, Encoder, level_widths


class RBFIN(nn.Module):
    """Reference-based face inpainting, eq. (17): (C_i, A_i) = RBFIN(I_warp, I_3D, I_crop, F_tex).

    MSAF fuses F_tex at the scales of `cfg.msaf_scales` ("low": a quarter of the size, "high": full size; table 6), with the s of
    `cfg.msaf_scale` ("learnable", or the fixed number of table 5). Without `cfg.use_msaf` or `cfg.use_tmn` no fusion is built and F_tex
    is ignored (table 4). `switches` replaces fields of `cfg` by name.
    """

    def __init__(self, cfg: RendererConfig, **switches):
        super().__init__()
        cfg = dataclasses.replace(cfg, **switches)
        unknown = set(cfg.msaf_scales) - set(SCALES)
        if unknown:
            raise ValueError(f"msaf_scales: expected names out of {sorted(SCALES)}, got {sorted(unknown)}")
        widths = level_widths(cfg.rbfin_base, cfg.full_res_divisor, cfg.rbfin_levels, cfg.max_channels)
        tex = tmn_widths(cfg)
        self.encoder = Encoder(9, widths, cfg.rbfin_blocks, cfg.rbfin_encoder_convs, cfg.stem_kernel)
        self.decoder = Decoder(widths, cfg.spade_hidden, cfg.rbfin_spade_from, cfg.rbfin_convs, cfg.narrow_first)
        self.msaf = nn.ModuleDict(
            {name: MSAF(widths[SCALES[name]], tex[SCALES[name]], cfg.ftex_proj, cfg.msaf_init, cfg.msaf_scale) for name in cfg.msaf_scales}
            if cfg.use_msaf and cfg.use_tmn
            else {}
        )
        self.head = ColourAttention(widths[0], 9, copy=0, attention_bias=0.0, hole=6)  # A_i starts near 1 in the hole

    def scales(self) -> dict[str, float]:
        """s of (22) at each fused scale, {"low": ..., "high": ...}; empty without MSAF."""
        return {name: module.scale.item() for name, module in self.msaf.items()}

    def forward(self, i_warp: Tensor, i3d: Tensor, i_crop: Tensor, f_tex: dict[str, Tensor] | None) -> tuple[Tensor, Tensor]:
        """I_warp, I_3D, I_crop (B, 3, H, W) in [0, 1], sides divisible by 2**rbfin_levels; F_tex as TMN returns it, or None without MSAF
        -> C_i (B, 3, H, W), A_i (B, 1, H, W)."""
        check_shape("i_warp", i_warp, (None, 3, None, None))
        check_shape("i3d", i3d, tuple(i_warp.shape))
        check_shape("i_crop", i_crop, tuple(i_warp.shape))
        if self.msaf and f_tex is None:
            raise ValueError("f_tex: this network fuses TMN's features, so they are required")
        raw = torch.cat([i_warp, i3d, i_crop], dim=1)
        at_level = {SCALES[name]: name for name in self.msaf}

        def fuse(level: int, feature: Tensor) -> Tensor:
            name = at_level.get(level)
            return feature if name is None else self.msaf[name](feature, f_tex[name])

        features = self.decoder(self.encoder(raw - 0.5), image_pyramid(i3d, len(self.decoder.levels)), fuse)
        return self.head(features[0], raw)
