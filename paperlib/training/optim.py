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
            ready: dict[int, list[torch.Tensor]] = {}  # parameters by how many steps they have had: some start in a later stage
            for p in group["params"]:
                if p.grad is not None:
                    ready.setdefault(self._state(p)["step"], []).append(p)
            for done, params in ready.items():
                self._update(params, done + 1, group)
        return loss

    def _state(self, p: torch.Tensor) -> dict:
        """State of one parameter, made at its first step."""
        if p.grad.is_sparse:
            raise RuntimeError("Ranger has no sparse gradients")
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(p)
            state["exp_avg_sq"] = torch.zeros_like(p)
            state["slow"] = p.detach().clone()
        return state

    def _update(self, params: list[torch.Tensor], step: int, group: dict) -> None:
        """Step number `step` of parameters that are equally old, one call for all of them."""
        beta1, beta2 = group["betas"]
        states = [self.state[p] for p in params]
        mean, square, slow = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "slow"))
        gradients = [p.grad for p in params]
        if group["centralise"]:
            gradients = [g - g.mean(dim=tuple(range(1, g.dim())), keepdim=True) if g.dim() > 1 else g for g in gradients]
        for state in states:
            state["step"] = step
        torch._foreach_lerp_(mean, gradients, 1 - beta1)
        torch._foreach_mul_(square, beta2)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - beta2)
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        factor, rectified = radam_scale(step, beta1, beta2)
        if rectified:
            below = torch._foreach_sqrt(square)
            torch._foreach_add_(below, group["eps"])
            torch._foreach_addcdiv_(params, mean, below, -group["lr"] * factor)
        else:
            torch._foreach_add_(params, mean, alpha=-group["lr"] * factor)
        if step % group["k"] == 0:
            torch._foreach_lerp_(slow, params, group["alpha"])
            torch._foreach_copy_(params, slow)


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
