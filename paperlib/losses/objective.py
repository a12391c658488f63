"""The renderer's objectives, equations (30), (31) and (32). None of their lambdas is given in the paper (see config)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

INPAINTED_TERMS = ("rec", "ssim", "p", "style", "wgan")  # of (30)
INTERMEDIATE_TERMS = ("rec", "ssim", "p", "wgan", "corr")  # of (31)


def _weighted(terms: Mapping[str, Tensor], weights: Mapping[str, float], allowed: tuple[str, ...], equation: str) -> Tensor:
    unknown = [name for name in terms if name not in allowed]
    if unknown or "rec" not in terms:
        raise ValueError(f"{equation} has the terms {', '.join(allowed)} and needs rec; got {', '.join(terms) or 'none'}")
    total = terms["rec"]
    for name in allowed[1:]:
        if name in terms:
            total = total + weights[name] * terms[name]
    return total


def total_inpainted(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """L_total^i of eq. (30): rec + l_ssim ssim + l_p p + l_style style + l_wgan wgan; scalar.

    A term that is left out is off (an ablation, or no critic yet); a term that (30) does not have is an error. The weight
    of `rec` is 1, as printed.
    """
    return _weighted(terms, weights, INPAINTED_TERMS, "(30)")


def total_intermediate(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """L_total^e of eq. (31): rec + l_ssim ssim + l_p p + l_wgan wgan + l_corr corr; as `total_inpainted`."""
    return _weighted(terms, weights, INTERMEDIATE_TERMS, "(31)")


def total(l_inpainted: Tensor, l_intermediate: Tensor, eps: float) -> Tensor:
    """L_total of eq. (32): eps L_total^i + (1 - eps) L_total^e; the paper trains with eps = 0.1, then 0.2."""
    if not 0 <= eps <= 1:
        raise ValueError(f"eps {eps}: expected a share between 0 and 1")
    return eps * l_inpainted + (1 - eps) * l_intermediate
