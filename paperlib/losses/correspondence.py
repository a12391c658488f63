"""The correspondence loss (27) in three forms, behind one setting.

- "cwl": the loss of the paper's reference [32] (Geng et al. 2022): each picture is aligned to the other by optical flow before
  the pixel loss, both ways, summed; it forgives errors of position.
- "printed": ||C(I_t) - C(I_warp)||_2 with C(I) the flow from a third picture, the anchor (here the reference I_r), to I.
- "flow_magnitude": the length of the flow between the two pictures; it measures errors of position, which is what the text
  of the paper says the loss is for.

`flow_fn(a, b)` gives the backward flow from a to b, (B, 2, H, W) in pixels (x, y): a(p) ~ b(p + flow(p)). This module knows no network.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.errors import check_shape

FORMS = ("cwl", "printed", "flow_magnitude")
FLOW_SHRINK = 0.1  # Geng et al. scale the flow by 1 - eps, eps = 0.1, so that the aligned loss still pulls towards the right place
FlowFn = Callable[[Tensor, Tensor], Tensor]


def warp_by(image: Tensor, flow: Tensor) -> Tensor:
    """Sample `image` (B, C, H, W) at p + flow(p), flow (B, 2, H, W) in pixels; bilinear, reflected at the border."""
    batch, _, height, width = image.shape
    check_shape("flow", flow, (batch, 2, height, width))
    xs = torch.arange(width, dtype=flow.dtype, device=flow.device) + 0.5
    ys = torch.arange(height, dtype=flow.dtype, device=flow.device) + 0.5
    x = (xs[None, None, :] + flow[:, 0]) * (2 / width) - 1
    y = (ys[None, :, None] + flow[:, 1]) * (2 / height) - 1
    return F.grid_sample(image, torch.stack([x, y], -1).to(image.dtype), mode="bilinear", padding_mode="reflection", align_corners=False)


def correspondence_wise(pred: Tensor, target: Tensor, flow_fn: FlowFn, shrink: float = FLOW_SHRINK) -> Tensor:
    """Geng et al. 2022: mean |warp(pred -> target) - target| + mean |warp(target -> pred) - pred|; scalar.

    The flows are constants: no gradient reaches `flow_fn`. A `flow_fn` with a method `both_ways(a, b)` is asked once for both.
    """
    both = getattr(flow_fn, "both_ways", lambda a, b: (flow_fn(a, b), flow_fn(b, a)))
    with torch.no_grad():
        to_pred, to_target = (flow.detach() * (1 - shrink) for flow in both(target, pred))
    return (warp_by(pred, to_pred) - target).abs().mean() + (warp_by(target, to_target) - pred).abs().mean()


def flow_difference(pred: Tensor, target: Tensor, flow_fn: FlowFn, anchor: Tensor) -> Tensor:
    """Eq. (27) as printed: root mean square over pixels of flow(target, anchor) - flow(pred, anchor), in pixels; scalar.

    The paper does not say what C takes besides one picture; the anchor is the reference I_r. The norm is divided by the
    square root of the pixel count, so that it does not depend on the size. Gradients pass through `flow_fn` to `pred`.
    """
    with torch.no_grad():
        wanted = flow_fn(target, anchor)
    return _rms(flow_fn(pred, anchor) - wanted.detach())


def flow_magnitude(pred: Tensor, target: Tensor, flow_fn: FlowFn) -> Tensor:
    """Root mean square length of the flow from target to pred, in pixels; scalar. Gradients pass through `flow_fn` to `pred`."""
    return _rms(flow_fn(target, pred))


def _rms(flow: Tensor) -> Tensor:
    """Per image sqrt(mean over pixels of |flow|^2), averaged; smooth at 0 (1e-6 px)."""
    return (flow.square().sum(1).flatten(1).mean(1) + 1e-12).sqrt().mean() - 1e-6


def correspondence_loss(
    pred: Tensor, target: Tensor, flow_fn: FlowFn, form: str = "cwl", anchor: Tensor | None = None, shrink: float = FLOW_SHRINK
) -> Tensor:
    """L_corr of eq. (27) between I_warp (`pred`) and I_t (`target`), both (B, 3, H, W) in [0, 1]; scalar.

    `form` is one of FORMS; "printed" needs `anchor` (B, 3, H, W). `flow_fn` must have frozen parameters.
    """
    check_shape("target", target, tuple(pred.shape))
    if form == "cwl":
        return correspondence_wise(pred, target, flow_fn, shrink)
    if form == "flow_magnitude":
        return flow_magnitude(pred, target, flow_fn)
    if form == "printed":
        if anchor is None:
            raise ValueError("the printed form of (27) needs an anchor picture: pass the reference I_r")
        return flow_difference(pred, target, flow_fn, anchor)
    raise ValueError(f"correspondence form {form!r}: choose one of {', '.join(FORMS)}")
