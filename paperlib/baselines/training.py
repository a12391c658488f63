"""One training for all baselines: the same batches, optimiser, number of steps and choice of the best state by validation speakers."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from paperlib.baselines.interface import Baseline, Given, Item, draw, dub, given
from paperlib.training.loop import History, fit
from paperlib.training.optim import flat_cosine
from paperlib.training.sweep import Draws

LOOK_FRAMES = 25  # of each validation clip that are painted at a look


def validation_error(net: Baseline, tasks: list[Given]) -> float:
    """Mean absolute error inside Omega_c of validation clips dubbed with their own speech: what chooses the state that is kept."""
    wrong = area = 0.0
    for task in tasks:
        error = (dub(net, task) - task.frames).abs() * task.masks
        wrong, area = wrong + float(error.sum()), area + 3 * float(task.masks.sum())
    return wrong / area


def shortened(own: Item) -> Item:
    """The first LOOK_FRAMES frames of a clip."""
    return Item(**{name: value[:LOOK_FRAMES] for name, value in vars(own).items()})


def train_baseline(net: Baseline, train: list[Item], val: list[Item], steps: int, batch: int, lr: float, seed: int, **loop) -> History:
    """Adam on `net.loss`, flat then cosine; a stopped training goes on with the draws it would have made. loop: see `loop.fit`."""
    draws = Draws(seed)
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr, betas=(0.5, 0.999))
    tasks = [given(short, short) for short in map(shortened, val)]

    def step(i: int) -> Mapping[str, float]:
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = lr * flat_cosine(i, steps, flat=0.5)
        loss, parts = net.loss(draw(train, batch, draws.generator), draws.generator, i / steps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        return {"loss": loss.item(), **parts}

    def validate() -> Mapping[str, float]:
        return {"val": validation_error(net, tasks)}

    return fit(step, steps, state={"net": net, "optimiser": optimiser, "draws": draws}, validate=validate, **loop)
