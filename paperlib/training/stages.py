"""Training of stage 2 in the paper's three stages: SFM and TMN alone, then everything jointly with eps 0.1, then 0.2 (32)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from paperlib.config import DeviceConfig, RendererConfig
from paperlib.corpus.banks import RenderBatch, RenderItem, collate, draw_rows, reference_index
from paperlib.models.renderer import Renderer
from paperlib.training import device as devices
from paperlib.training.loop import History, fit
from paperlib.training.optim import Ranger
from paperlib.training.phases import Clock, Phase, schedule, total_steps
from paperlib.training.samples import sample_strip, save_strip
from paperlib.training.step import Judges, channels_last, critic_move, generator_move, objectives, paint

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Judges", "Phase", "objectives", "schedule", "total_steps", "train_renderer", "validation_error", "validation_pairs"]

LOOK = 32  # validation pictures painted at once


class Draws:
    """The random generator of batches and penalties, as something that is saved and restored."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def state_dict(self) -> dict[str, Tensor]:
        """Its state."""
        return {"state": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """As it was saved."""
        self.generator.set_state(state["state"])


def train_renderer(
    net: Renderer,
    critic: nn.Module | None,
    judges: Judges,
    train: list[RenderItem],
    val: list[RenderItem],
    cfg: RendererConfig,
    seed: int,
    staged: bool = True,
    fabric: Fabric | None = None,
    **loop,
) -> History:
    """Train by (32). `staged=False` is table 4's "w/o staged training": jointly with eps 0.2 from the first step.

    Validation: mean absolute error inside Omega_c on fixed pairs of unseen speakers, of I_i ("val", which chooses the state kept) and
    of I_e ("val_e"). fabric: where to run (default: this processor, float32). loop: see `loop.fit`; with `folder`, sample pictures go
    to `<folder>/samples`. A stopped run goes on as if it had not been stopped. `net` comes back on the processor.
    """
    fabric = fabric or devices.launch(DeviceConfig(accelerator="cpu"))
    draws, clock = Draws(seed), Clock(cfg, staged)
    for module in (net, critic):
        if module is not None:
            module.to(fabric.device)
    channels_last(net, critic)
    judges = judges.ready(fabric.device)
    devices.share_state(fabric, *(m for m in (net, critic) if m is not None))
    share = partial(devices.average_gradients, fabric)
    optimiser = Ranger(net.parameters(), cfg.lr)
    critic_optimiser = torch.optim.Adam(critic.parameters(), cfg.lr, betas=(0.5, 0.9)) if critic is not None else None
    held_out = devices.move(validation_pairs(val), fabric.device)

    def step(i: int) -> Mapping[str, float | Tensor]:
        net.train()
        phase = clock.phase()
        for group in optimiser.param_groups:
            group["lr"] = cfg.lr * clock.rate()
        rows = draw_rows(train, cfg.batch * fabric.world_size, draws.generator)[fabric.global_rank :: fabric.world_size]
        batch = devices.move(collate(rows), fabric.device)
        out = paint(net, batch, phase.stage, fabric.autocast)
        log: dict[str, float | Tensor] = {"eps": phase.eps}
        if critic is not None:
            if i % cfg.critic_every == 0:
                due = (i // cfg.critic_every) % cfg.penalty_every == 0
                penalty = cfg.lambda_gp * cfg.penalty_every if due else 0.0
                log["critic"] = critic_move(critic, critic_optimiser, out, batch, penalty, draws.generator, share)
            critic.requires_grad_(False)
        loss, terms = objectives(cfg, judges, out, batch, critic, phase, fabric.autocast)
        generator_move(net, optimiser, loss, share)
        if critic is not None:
            critic.requires_grad_(True)
        clock.tick()
        return log | terms | {f"scale_{name}": module.scale.detach().clone() for name, module in net.rbfin.msaf.items()}

    def validate() -> Mapping[str, float]:
        devices.share_state(fabric, net)
        found = fabric.broadcast(validation_errors(net, held_out))
        clock.hear(found["val_e" if clock.phase().stage == "warm" else "val"])
        return found

    def show(done: int) -> None:
        looks = done // loop.get("validate_every", 200)
        if fabric.is_global_zero and folder and cfg.sample_every and (looks % cfg.sample_every == 0 or clock.finished()):
            save_strip(folder, done, sample_strip(net, held_out))

    folder: Path | None = loop.get("folder")
    state = {"net": net, "optimiser": optimiser, "draws": draws, "clock": clock}
    if critic is not None:
        state |= {"critic": critic, "critic_optimiser": critic_optimiser}
    if not fabric.is_global_zero:
        loop["progress"] = False
    history = fit(
        step, clock.steps, state=state, validate=validate, stop=clock.finished, after_validation=show, writes=fabric.is_global_zero, **loop
    )
    net.cpu()
    return history


def validation_pairs(bank: list[RenderItem], per_clip: int = 6) -> RenderBatch:
    """Fixed (target, reference) pairs, evenly spaced through each clip."""
    generator = torch.Generator().manual_seed(11)
    rows = []
    for item in bank:
        for t in torch.linspace(0, len(item.frames) - 1, per_clip).long().tolist():
            rows.append((item, t, reference_index(t, len(item.frames), generator)))
    return collate(rows)


@torch.no_grad()
def validation_errors(net: Renderer, batch: RenderBatch) -> dict[str, float]:
    """Mean absolute error inside Omega_c of I_i ("val") and, where it is painted, of I_e ("val_e"); LOOK pictures at a time."""
    net.eval()
    wrong = {"val": 0.0, "val_e": 0.0}
    parts = (x.split(LOOK) for x in (batch.i3d, batch.ref, batch.crop, batch.target, batch.mask))
    for i3d, ref, crop, target, mask in zip(*parts, strict=True):
        out = net(i3d, ref, crop, "joint")
        for name, painted in (("val", out.i_i), ("val_e", out.i_e)):
            if painted is None:
                wrong.pop(name, None)
            else:
                wrong[name] += ((painted - target).abs() * mask).sum(dtype=torch.float64)
    return {name: float(value / (3 * batch.mask.sum(dtype=torch.float64))) for name, value in wrong.items()}


def validation_error(net: Renderer, batch: RenderBatch) -> float:
    """Mean absolute error of I_i inside Omega_c."""
    return validation_errors(net, batch)["val"]
