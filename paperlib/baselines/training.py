"""One training for all baselines: the same batches, optimiser, number of steps and choice of the best state by validation speakers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from paperlib.baselines.interface import REFERENCES, Baseline, Given, Item, draw, dub, given
from paperlib.config import FPS
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


def look(own: Item) -> Given:
    """Dubbing a clip with its own speech, in LOOK_FRAMES frames: its first ones and, where it is long enough, its last REFERENCES.

    Each part is the other's references, at least a second away: among the first frames alone there would be none.
    """
    n = len(own.frames)
    near = LOOK_FRAMES - REFERENCES
    if n < near + FPS + REFERENCES:
        short = Item(**{name: value[:LOOK_FRAMES] for name, value in vars(own).items()})
        return given(short, short)
    short = Item(**{name: torch.cat([value[:near], value[-REFERENCES:]]) for name, value in vars(own).items()})
    index = torch.arange(near, LOOK_FRAMES).repeat(LOOK_FRAMES, 1)
    index[near:] = torch.arange(REFERENCES)
    return replace(given(short, short), ref_index=index)


def train_baseline(net: Baseline, train: list[Item], val: list[Item], steps: int, batch: int, lr: float, seed: int, **loop) -> History:
    """Adam on `net.loss`, flat then cosine; a stopped training goes on with the draws it would have made. loop: see `loop.fit`.

    Of the states looked at, from `net.settled` of the training on, the one with the lowest `validation_error` is kept.
    """
    draws, done = Draws(seed), 0
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr, betas=(0.5, 0.999))
    tasks = [look(own) for own in val]

    def step(i: int) -> Mapping[str, float]:
        nonlocal done
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = lr * flat_cosine(i, steps, flat=0.5)
        loss, parts = net.loss(draw(train, batch, draws.generator), draws.generator, i / steps)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimiser.step()
        done = i + 1
        return {"loss": loss.item(), **parts}

    def validate() -> Mapping[str, float]:
        val = validation_error(net, tasks)
        # an error is at most 1: any settled state is better than all others
        return {"val": val, **({"choice": val + (done <= net.settled * steps)} if net.settled else {})}

    state, chosen_by = {"net": net, "optimiser": optimiser, "draws": draws}, "choice" if net.settled else "val"
    return fit(step, steps, state=state, validate=validate, select_by=chosen_by, **loop)
