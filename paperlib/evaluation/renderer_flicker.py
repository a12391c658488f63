"""Temporal flicker, which the paper does not measure: what changes from frame to frame though nothing that was told to move explains it.

Each frame is compared with the one before it, carried along by the *true* flow of the motion that the frames claim to show (the
coefficients that they were drawn from). What is left is light, noise, resampling and flicker. The truth's own remainder is subtracted: 0 is
as steady as the camera, above 0 it flickers, below 0 it is steadier than the camera (no sensor noise, or blur). A wrong but steady mouth
does not count here, nor does a late one: that is what the other measures are for.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import torch

from paperlib.models.flow import warp

GREY = 255
NOISE = 2.0  # grey levels (standard deviation) that the control `truth_noisy` adds anew to every frame


def motion_flow(coeffs: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(flow (T-1, 2, H, W) px from frame t to t-1, valid (T-1, 1, H, W) float) of the motion in coefficients (T, 257)."""
    from paperlib.face3d.face_renderer import true_flow
    from paperlib.face3d.morphable_model import default_model

    flow, valid = true_flow(default_model(), coeffs[1:], coeffs[:-1], size)
    return flow, valid[:, None].float()


def unexplained_change(frames: torch.Tensor, flow: torch.Tensor, valid: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    """(T-1,) grey levels: mean |frame_t - warp(frame_{t-1})| over valid pixels of the mask; nan where there are none.

    frames (T, 3, H, W) in [0, 1]; flow (T-1, 2, H, W) and valid (T-1, 1, H, W) from `motion_flow`; mask (T, 1, H, W).
    """
    left = (frames[1:] - warp(frames[:-1], flow)).abs().mean(1, keepdim=True)
    weight = valid * mask[1:]
    total = weight.flatten(1).sum(1)
    mean = (left * weight).flatten(1).sum(1) / total.clamp_min(1e-9)
    return torch.where(total > 0, mean * GREY, torch.nan).double().numpy()


def clip_flicker(
    pictures: Mapping[Hashable, torch.Tensor],
    shows: Mapping[Hashable, str],
    motions: Mapping[str, torch.Tensor],
    truth: Hashable,
    mask: torch.Tensor,
) -> dict[Hashable, float]:
    """Grey levels by which each system's unexplained change exceeds the truth's own.

    pictures: system -> (T, 3, H, W); shows: system -> name of the motion in its pictures; motions: name -> coefficients (T, 257); truth:
    the system that is the truth; mask (T, 1, H, W). A flow is drawn once for each motion.
    """
    flows = {name: motion_flow(motions[name], mask.shape[-1]) for name in set(shows.values())}
    left = {k: float(np.nanmean(unexplained_change(v, *flows[shows[k]], mask))) for k, v in pictures.items()}
    return {k: v - left[truth] for k, v in left.items()}


def noisy(truth: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """The truth with fresh noise of NOISE grey levels in every frame: a control that must come out above 0."""
    generator = torch.Generator().manual_seed(seed)
    return truth + torch.randn(truth.shape, generator=generator) * (NOISE / GREY)


def delayed(rows: torch.Tensor) -> torch.Tensor:
    """Every row one frame late, the first one twice: pictures or coefficients."""
    return torch.cat([rows[:1], rows[:-1]])
