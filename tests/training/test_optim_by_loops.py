"""Ranger against a second implementation from the papers, one number at a time in plain Python floats, compared after every step.

The variant: gradient centralisation of every weight with two or more axes (Yong et al. 2020, "GC" before the moments); RAdam (Liu et al.
2020, algorithm 2) with the second moment trusted from rho_t > 5 (the paper: 4; its authors' code and lessw2020's Ranger: 5) and eps added
to the root of the uncorrected second moment; decoupled weight decay; LookAhead (Zhang et al. 2019) whose slow weights start at the initial
ones and whose fast weights return to them every k steps, with RAdam's moments kept.
"""

import itertools
import math

import pytest
import torch

from paperlib.training.optim import Ranger

SHAPES = {"matrix": (3, 4), "bias": (5,), "kernel": (2, 2, 1, 3)}


class Weight:
    """One weight tensor as a dictionary of floats, with its own optimiser state."""

    def __init__(self, shape, values):
        self.shape = shape
        self.index = list(itertools.product(*(range(n) for n in shape)))
        self.value = dict(zip(self.index, values, strict=True))
        self.first = dict.fromkeys(self.index, 0.0)
        self.second = dict.fromkeys(self.index, 0.0)
        self.slow = dict(self.value)
        self.step = 0

    def update(self, gradient, lr, beta1, beta2, eps, decay, alpha, k, centralise):
        """gradient: dictionary like `value`."""
        self.step += 1
        t = self.step
        if centralise and len(self.shape) > 1:
            means = {}
            for row in range(self.shape[0]):
                row_values = [gradient[i] for i in self.index if i[0] == row]
                means[row] = sum(row_values) / len(row_values)
            gradient = {i: gradient[i] - means[i[0]] for i in self.index}
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        for i in self.index:
            g = gradient[i]
            self.first[i] = beta1 * self.first[i] + (1 - beta1) * g
            self.second[i] = beta2 * self.second[i] + (1 - beta2) * g * g
            corrected = self.first[i] / (1 - beta1**t)
            self.value[i] -= lr * decay * self.value[i]
            if rho > 5:
                r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
                adaptive = math.sqrt(1 - beta2**t) / (math.sqrt(self.second[i]) + eps)
                self.value[i] -= lr * corrected * r * adaptive
            else:
                self.value[i] -= lr * corrected
        if t % k == 0:
            for i in self.index:
                self.slow[i] += alpha * (self.value[i] - self.slow[i])
                self.value[i] = self.slow[i]


def slope(x, i, step):
    """Of a bumpy bowl that moves from step to step: a gradient that depends on where the weight is."""
    return 2 * (x - 0.3 * sum(i)) + math.cos(5 * x + step) + 0.1 * step * math.sin(7 * (1 + sum(i)))


@pytest.mark.parametrize(
    "setting",
    [
        {},  # the defaults: what this project trains with
        {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.05, "alpha": 0.8, "k": 3},
        {"betas": (0.5, 0.9), "centralise": False, "k": 1, "alpha": 0.25},
    ],
)
def test_ranger_equals_the_papers_one_number_at_a_time(setting):
    full = {"lr": 0.03, "betas": (0.95, 0.999), "eps": 1e-5, "weight_decay": 0.0, "alpha": 0.5, "k": 6, "centralise": True} | setting
    g = torch.Generator().manual_seed(4)
    tensors = {name: torch.randn(shape, generator=g, dtype=torch.float64).requires_grad_() for name, shape in SHAPES.items()}
    mine = {name: Weight(SHAPES[name], p.detach().flatten().tolist()) for name, p in tensors.items()}
    optimiser = Ranger(tensors.values(), lr=0.03, **setting)
    rectified = set()
    for step in range(1, 27):  # four LookAhead steps at k = 6
        for name, p in tensors.items():
            gradient = {i: slope(x, i, step) for i, x in mine[name].value.items()}
            values = [slope(x, i, step) for i, x in zip(mine[name].index, p.detach().flatten().tolist(), strict=True)]
            p.grad = torch.tensor(values, dtype=torch.float64).reshape(p.shape)
            (beta1, beta2) = full["betas"]
            mine[name].update(
                gradient, full["lr"], beta1, beta2, full["eps"], full["weight_decay"], full["alpha"], full["k"], full["centralise"]
            )
        optimiser.step()
        rho_inf = 2 / (1 - beta2) - 1
        rectified.add(rho_inf - 2 * step * beta2**step / (1 - beta2**step) > 5)
        for name, p in tensors.items():
            want = torch.tensor(list(mine[name].value.values()), dtype=torch.float64).reshape(p.shape)
            torch.testing.assert_close(p.detach(), want, rtol=1e-9, atol=1e-11, msg=f"{name}, step {step}")
    assert rectified == {False, True}  # both of RAdam's branches were taken


def test_defaults_are_the_public_implementations():
    group = Ranger([torch.zeros(2, requires_grad=True)]).param_groups[0]
    assert (group["betas"], group["eps"], group["alpha"], group["k"], group["centralise"]) == ((0.95, 0.999), 1e-5, 0.5, 6, True)
