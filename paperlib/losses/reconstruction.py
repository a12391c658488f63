"""Pixel and structural losses, equations (23) and (24)."""

from __future__ import annotations

from torch import Tensor

from paperlib.errors import check_shape
from paperlib.metrics.image import ssim_mean


def rec_loss(pred: Tensor, target: Tensor) -> Tensor:
    """L_rec^i of eq. (23) as a mean: mean |I_t - I_i| over all pixels and channels of (B, 3, H, W); scalar.

    The paper prints a sum here and a mean for I_e, a factor of 36,864 at 192 x 192; both are means here.
    """
    check_shape("target", target, tuple(pred.shape))
    return (pred - target).abs().mean()


def rec_loss_printed(pred: Tensor, target: Tensor) -> Tensor:
    """||I_t - I_i||_1 of eq. (23) as printed: the sum over pixels and channels, averaged over the batch; for the comparison only."""
    check_shape("target", target, tuple(pred.shape))
    return (pred - target).abs().sum() / pred.shape[0]


def rec_loss_region(pred: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """L_rec^e of eq. (23): mean |I_t - I_e| over the region Omega_c, given by mask (B, 1, H, W) in [0, 1]; scalar.

    Omega_c is not defined in the paper; callers pass the crop region. An empty region costs 0.
    """
    check_shape("target", target, tuple(pred.shape))
    check_shape("mask", mask, (pred.shape[0], 1, *pred.shape[2:]))
    weights = mask.to(pred.dtype)
    return ((pred - target).abs() * weights).sum() / (pred.shape[1] * weights.sum()).clamp(min=1.0)


def ssim_loss(pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """L_SSIM of eq. (24), 1 - SSIM averaged over the batch; scalar, 0 for equal images. With `mask`, over that region."""
    return 1 - ssim_mean(pred, target, mask).mean()
