"""TMN, the texture modulation network of equations (15) and (16)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib.config import RendererConfig
from paperlib.errors import check_shape
from paperlib.models.blocks import image_pyramid
from paperlib.models.unet import ColourAttention, Decoder, Encoder, compose, level_widths

__all__ = ["SCALES", "TMN", "compose", "tmn_widths"]

SCALES = {"high": 0, "low": 2}  # table 6: the names of F_tex's scales -> decoder level (full size, a quarter)


def tmn_widths(cfg: RendererConfig) -> list[int]:
    """Channels of TMN's levels, full size first; F_tex "high" has the first, "low" the third."""
    if cfg.tmn_levels < max(SCALES.values()):
        raise ValueError(f"tmn_levels: F_tex is read at a quarter of the size, so at least {max(SCALES.values())}, got {cfg.tmn_levels}")
    return level_widths(cfg.tmn_base, cfg.full_res_divisor, cfg.tmn_levels, cfg.tmn_max_channels or cfg.max_channels)


class TMN(nn.Module):
    """Texture modulation, eq. (15): (C_e, A_e, F_tex) = TMN(I_warp, I_3D). Its decoder has SPADE layers conditioned on I_3D."""

    def __init__(self, cfg: RendererConfig):
        super().__init__()
        widths = tmn_widths(cfg)
        self.encoder = Encoder(6, widths, cfg.tmn_blocks, cfg.tmn_encoder_convs, cfg.stem_kernel)
        self.decoder = Decoder(widths, cfg.spade_hidden, 0 if cfg.tmn_spade_full else 1, cfg.tmn_convs, cfg.narrow_first)
        self.head = ColourAttention(widths[0], 6, copy=0, attention_bias=-1.0)  # A_e starts at 0.27

    def forward(self, i_warp: Tensor, i3d: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """I_warp and I_3D (B, 3, H, W) in [0, 1], H and W divisible by 2**tmn_levels -> C_e (B, 3, H, W), A_e (B, 1, H, W) and
        F_tex {"low": (B, C, H/4, W/4), "high": (B, C, H, W)}, the decoder's features at two scales."""
        check_shape("i_warp", i_warp, (None, 3, None, None))
        check_shape("i3d", i3d, tuple(i_warp.shape))
        raw = torch.cat([i_warp, i3d], dim=1)
        features = self.decoder(self.encoder(raw - 0.5), image_pyramid(i3d, len(self.decoder.levels)))
        colour, attention = self.head(features[0], raw)
        return colour, attention, {name: features[level] for name, level in SCALES.items()}
