"""Stage 1's losses, equations (11), (12) and (13).

The paper prints sums over the frames. Here the default divides both by the number of frames (`reduction="mean"`), which
leaves their balance in (13) as printed and makes the value independent of a clip's length; `reduction="sum"` is the print.
"""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib.errors import check_shape

LAMBDA_SHAPE = 0.5  # (13), given in the paper


def _over_frames(per_frame: Tensor, lengths: Tensor | None, reduction: str) -> Tensor:
    """Reduce (B, T): frames at or after a clip's length do not count; "sum" is summed over frames, averaged over clips."""
    if lengths is not None:
        check_shape("lengths", lengths, (per_frame.shape[0],))
        frames = torch.arange(per_frame.shape[1], device=per_frame.device)
        valid = frames[None] < lengths[:, None].to(per_frame.device)
        per_frame = torch.where(valid, per_frame, torch.zeros_like(per_frame))
        count = valid.sum()
    else:
        count = per_frame.numel()
    if reduction == "sum":
        return per_frame.sum() / per_frame.shape[0]
    if reduction == "mean":
        return per_frame.sum() / count
    raise ValueError(f"reduction {reduction!r}: choose mean or sum")


def expression_loss(pred: Tensor, target: Tensor, lengths: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """L_exp of eq. (11): the L1 norm of beta_t - beta*_t, over the frames; scalar.

    pred, target (B, T, 64), in standard deviations of the expression basis; lengths (B,) frames that count in each clip.
    """
    check_shape("pred", pred, (None, None, None))
    check_shape("target", target, tuple(pred.shape))
    return _over_frames((pred - target).abs().sum(-1), lengths, reduction)


def shape_loss(lmk_pred: Tensor, lmk: Tensor, lengths: Tensor | None = None, reduction: str = "mean", width: float = 1.0) -> Tensor:
    """L_shape of eq. (12): the L1 norm of l_t - l*_t over the 2 x 68 coordinates, over the frames; scalar.

    lmk_pred, lmk (B, T, N, 2) projected landmarks. The unit is not given in the paper; here it is the image width:
    pass landmarks in that unit, or in pixels with `width` the width in pixels.
    """
    check_shape("lmk_pred", lmk_pred, (None, None, None, 2))
    check_shape("lmk", lmk, tuple(lmk_pred.shape))
    return _over_frames((lmk_pred - lmk).abs().sum((-2, -1)) / width, lengths, reduction)


def total_expression_loss(l_exp: Tensor, l_shape: Tensor, lambda_shape: float = LAMBDA_SHAPE) -> Tensor:
    """Eq. (13): L = L_exp + lambda_shape L_shape; scalars in and out."""
    return l_exp + lambda_shape * l_shape
