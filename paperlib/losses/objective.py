"""The renderer's objectives, equations (30), (31) and (32), and the schedule of eps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from paperlib.losses.adversarial import generator_loss
from paperlib.losses.correspondence import FlowFn, correspondence_loss
from paperlib.losses.perceptual import perceptual_loss, style_loss
from paperlib.losses.reconstruction import rec_loss, rec_loss_region, ssim_loss

EPS = {"warm": 0.0, "joint1": 0.1, "joint2": 0.2}  # share of (30) in (32); warm: only SFM and TMN, so only (31)
TERMS = ("ssim", "p", "style", "wgan", "corr")  # beside rec, whose weight is 1


@dataclass(frozen=True)
class LossWeights:
    """The lambdas of (30) and (31), none of which the paper gives."""

    l_ssim: float
    l_p: float
    l_style: float
    l_wgan: float
    l_corr: float

    @classmethod
    def of(cls, cfg) -> LossWeights:
        """The weights held by a RendererConfig (or anything with these five fields)."""
        return cls(*(getattr(cfg, f"l_{name}") for name in TERMS))


def weighted_sum(terms: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    """rec + l_SSIM ssim + l_p p + l_style style + l_wgan wgan + l_corr corr over the terms present; `rec` is required."""
    unknown = set(terms) - {"rec", *TERMS}
    if unknown or "rec" not in terms:
        raise ValueError(f"loss terms: rec is required and {', '.join(TERMS)} are known; got {', '.join(terms) or 'none'}")
    total = terms["rec"]
    for name in TERMS:
        if name in terms:
            total = total + getattr(weights, f"l_{name}") * terms[name]
    return total


def inpainting_objective(
    pred: Tensor,
    target: Tensor,
    weights: LossWeights,
    d_fake: Tensor | None = None,
    feats_pred: Mapping[str, Tensor] | None = None,
    feats_target: Mapping[str, Tensor] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_total^i of eq. (30) for I_i (`pred`) against I_t, (B, 3, H, W); returns (scalar, terms before weighting).

    `d_fake` the critic's scores of I_i, `feats_*` VGG features; leaving one out drops its terms (an ablation, or no critic yet).
    """
    terms = {"rec": rec_loss(pred, target), "ssim": ssim_loss(pred, target)}
    if feats_pred is not None:
        terms["p"] = perceptual_loss(feats_pred, feats_target)
        terms["style"] = style_loss(feats_pred, feats_target)
    if d_fake is not None:
        terms["wgan"] = generator_loss(d_fake)
    return weighted_sum(terms, weights), terms


def intermediate_objective(
    pred: Tensor,
    target: Tensor,
    mask: Tensor,
    weights: LossWeights,
    warp: Tensor | None = None,
    flow_fn: FlowFn | None = None,
    corr_form: str = "cwl",
    anchor: Tensor | None = None,
    d_fake: Tensor | None = None,
    feats_pred: Mapping[str, Tensor] | None = None,
    feats_target: Mapping[str, Tensor] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_total^e of eq. (31) for I_e (`pred`) against I_t; returns (scalar, terms before weighting).

    mask (B, 1, H, W) is Omega_c, the crop region; `warp` (I_warp) with `flow_fn` adds L_corr in the form `corr_form`, whose
    printed form needs `anchor` (I_r).
    """
    terms = {"rec": rec_loss_region(pred, target, mask), "ssim": ssim_loss(pred, target)}
    if feats_pred is not None:
        terms["p"] = perceptual_loss(feats_pred, feats_target)
    if d_fake is not None:
        terms["wgan"] = generator_loss(d_fake)
    if flow_fn is not None:
        if warp is None:
            raise ValueError("L_corr compares I_warp with I_t: pass `warp`")
        terms["corr"] = correspondence_loss(warp, target, flow_fn, corr_form, anchor)
    return weighted_sum(terms, weights), terms


def total_objective(l_inpainting: Tensor, l_intermediate: Tensor, eps: float) -> Tensor:
    """L_total of eq. (32): eps L_total^i + (1 - eps) L_total^e; the paper trains with eps = 0.1, then 0.2 (EPS)."""
    if not 0 <= eps <= 1:
        raise ValueError(f"eps {eps}: expected a share between 0 and 1")
    return eps * l_inpainting + (1 - eps) * l_intermediate
