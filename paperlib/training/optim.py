"""Ranger: RAdam (Liu et al. 2020) + LookAhead (Zhang et al. 2019) + gradient centralisation (Yong et al. 2020).

The paper trains with it and gives the learning rates only. The other defaults are those of the public implementation
(lessw2020): k = 6, alpha = 0.5, betas (0.95, 0.999), eps 1e-5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch


class Ranger(torch.optim.Optimizer):
    """Every step is an RAdam step; every `k` steps the slow weights move `alpha` of the way to the fast ones, which follow.

    With `alpha=1` and `centralise=False` this is torch.optim.RAdam. Gradient centralisation subtracts, from the gradient of
    every weight with two or more axes, its mean over all axes but the first. Weight decay is decoupled.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        weight_decay: float = 0.0,
        alpha: float = 0.5,
        k: int = 6,
        centralise: bool = True,
    ):
        if lr < 0 or eps <= 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Ranger: lr {lr}, eps {eps}, betas {betas} out of range")
        if not 0 < alpha <= 1 or k < 1:
            raise ValueError(f"Ranger: LookAhead needs 0 < alpha <= 1 and k >= 1, got alpha {alpha}, k {k}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "alpha": alpha, "k": k, "centralise": centralise}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], torch.Tensor] | None = None):
        """One step; returns the closure's loss if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group)
        return loss

    def _update(self, p: torch.Tensor, group: dict) -> None:
        if p.grad.is_sparse:
            raise RuntimeError("Ranger has no sparse gradients")
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(p)
            state["exp_avg_sq"] = torch.zeros_like(p)
            state["slow"] = p.detach().clone()
        beta1, beta2 = group["betas"]
        gradient = p.grad
        if group["centralise"] and gradient.dim() > 1:
            gradient = gradient - gradient.mean(dim=tuple(range(1, gradient.dim())), keepdim=True)
        state["step"] += 1
        state["exp_avg"].lerp_(gradient, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        if group["weight_decay"]:
            p.mul_(1 - group["lr"] * group["weight_decay"])
        factor, rectified = radam_scale(state["step"], beta1, beta2)
        if rectified:
            p.addcdiv_(state["exp_avg"], state["exp_avg_sq"].sqrt().add_(group["eps"]), value=-group["lr"] * factor)
        else:
            p.add_(state["exp_avg"], alpha=-group["lr"] * factor)
        if state["step"] % group["k"] == 0:
            state["slow"].lerp_(p, group["alpha"])
            p.copy_(state["slow"])


def radam_scale(step: int, beta1: float, beta2: float) -> tuple[float, bool]:
    """RAdam's factor of step `step` >= 1, and whether the second moment may be trusted yet (rho_t > 5, Liu et al. 2020)."""
    decay = beta2**step
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * step * decay / (1 - decay)
    factor = 1 / (1 - beta1**step)
    if rho <= 5:
        return factor, False
    variance = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
    return factor * math.sqrt(variance) * math.sqrt(1 - decay), True


def flat_cosine(step: int, steps: int, flat: float = 0.75, floor: float = 0.0) -> float:
    """Multiplier of the learning rate that Ranger's author recommends: 1 for the first `flat` share, then half a cosine to `floor`.

    >>> flat_cosine(0, 100), flat_cosine(74, 100), round(flat_cosine(100, 100), 6)
    (1.0, 1.0, 0.0)
    """
    start = flat * steps
    if step <= start or steps <= start:
        return 1.0
    progress = min(1.0, (step - start) / (steps - start))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
