"""Training of stage 2 in the paper's three stages: SFM and TMN alone, then everything jointly with eps 0.1, then 0.2 (32)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from paperlib.config import RendererConfig
from paperlib.corpus.banks import RenderBatch, RenderItem, collate, reference_index, render_batch
from paperlib.losses.adversarial import critic_loss
from paperlib.losses.objective import EPS, LossWeights, inpainting_objective, intermediate_objective, total_objective
from paperlib.losses.perceptual import crop_resize
from paperlib.models.renderer import Renderer, RendererOutput
from paperlib.training.loop import History, fit
from paperlib.training.optim import Ranger, flat_cosine


@dataclass(frozen=True)
class Phase:
    """One stage of the schedule: its name for `Renderer.forward` and eps of (32); eps 0 is the intermediate loss alone."""

    stage: str
    eps: float


def schedule(cfg: RendererConfig, step: int) -> Phase:
    """Which phase `step` belongs to; the switches are settings, the paper says only "when stable" and "later".

    >>> cfg = RendererConfig(steps_warm=2, steps_joint1=2, steps_joint2=2)
    >>> [schedule(cfg, i).eps for i in range(6)]
    [0.0, 0.0, 0.1, 0.1, 0.2, 0.2]
    """
    if step < cfg.steps_warm:
        return Phase("warm", 0.0)
    return Phase("joint", EPS["joint1"] if step < cfg.steps_warm + cfg.steps_joint1 else EPS["joint2"])


def total_steps(cfg: RendererConfig) -> int:
    """Steps of all three phases."""
    return cfg.steps_warm + cfg.steps_joint1 + cfg.steps_joint2


@dataclass
class Judges:
    """What the losses need beside the networks in training: VGG features and the flow network of (27), frozen; None drops their terms."""

    features: nn.Module | None
    flow_fn: Callable | None

    def see(self, images: torch.Tensor, boxes: torch.Tensor, size: int) -> dict | None:
        """VGG features of the mouth crops (of whole images where size is 0)."""
        if self.features is None:
            return None
        return self.features(crop_resize(images, boxes, size) if size else images)


def objectives(
    cfg: RendererConfig, judges: Judges, out: RendererOutput, batch: RenderBatch, critic: nn.Module | None, phase: Phase
) -> tuple[torch.Tensor, dict[str, float]]:
    """(32) of one batch and its terms for the log: `e_*` of (31), `i_*` of (30); in the warm phase (31) alone, without I_e (30) alone."""
    weights = LossWeights.of(cfg)
    with torch.no_grad():
        wanted = judges.see(batch.target, batch.mouth, cfg.vgg_size)
    loss, log = None, {}
    if out.i_e is not None:
        loss, e = intermediate_objective(
            out.i_e, batch.target, batch.mask, weights, out.warp, judges.flow_fn, cfg.corr_form, batch.ref,
            critic(out.i_e) if critic is not None else None, judges.see(out.i_e, batch.mouth, cfg.vgg_size), wanted,
        )  # fmt: skip
        log = {f"e_{k}": v.item() for k, v in e.items()}
    if phase.stage == "joint":
        loss_i, i = inpainting_objective(
            out.i_i, batch.target, weights, critic(out.i_i) if critic is not None else None,
            judges.see(out.i_i, batch.mouth, cfg.vgg_size), wanted,
        )  # fmt: skip
        log |= {f"i_{k}": v.item() for k, v in i.items()}
        loss = loss_i if loss is None else total_objective(loss_i, loss, phase.eps)
    return loss, log | {"loss": loss.item()}


def train_renderer(
    net: Renderer,
    critic: nn.Module | None,
    judges: Judges,
    train: list[RenderItem],
    val: list[RenderItem],
    cfg: RendererConfig,
    seed: int,
    staged: bool = True,
    **loop,
) -> History:
    """Train by (32). `staged=False` is table 4's "w/o staged training": jointly with eps 0.2 from the first step.

    Validation: mean absolute error of I_i inside Omega_c on fixed pairs of unseen speakers. loop: see `loop.fit`.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = Ranger(net.parameters(), cfg.lr)
    critic_optimiser = torch.optim.Adam(critic.parameters(), cfg.lr, betas=(0.5, 0.9)) if critic is not None else None
    n = total_steps(cfg)
    held_out = validation_pairs(val)

    def step(i: int) -> Mapping[str, float]:
        net.train()
        phase = schedule(cfg, i) if staged else Phase("joint", EPS["joint2"])
        for group in optimiser.param_groups:
            group["lr"] = cfg.lr * flat_cosine(i, n)
        batch = render_batch(train, cfg.batch, generator)
        out = net(batch.i3d, batch.ref, batch.crop, phase.stage)
        log: dict[str, float] = {"eps": phase.eps}
        if critic is not None and i % cfg.critic_every == 0:
            fakes = [made.detach() for made in (out.i_e, out.i_i) if made is not None]
            loss_d = critic_loss(critic, batch.target, fakes, cfg.lambda_gp, generator)
            critic_optimiser.zero_grad()
            loss_d.backward()
            critic_optimiser.step()
            log["critic"] = loss_d.item()
        if critic is not None:
            critic.requires_grad_(False)
        loss, terms = objectives(cfg, judges, out, batch, critic, phase)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        if critic is not None:
            critic.requires_grad_(True)
        return log | terms | {f"scale_{k}": v for k, v in net.rbfin.scales().items()}

    def validate() -> Mapping[str, float]:
        return {"val": validation_error(net, held_out)}

    state = {"net": net, "optimiser": optimiser}
    if critic is not None:
        state |= {"critic": critic, "critic_optimiser": critic_optimiser}
    return fit(step, n, state=state, validate=validate, **loop)


def validation_pairs(bank: list[RenderItem], per_clip: int = 6) -> RenderBatch:
    """Fixed (target, reference) pairs, evenly spaced through each clip."""
    generator = torch.Generator().manual_seed(11)
    rows = []
    for item in bank:
        for t in torch.linspace(0, len(item.frames) - 1, per_clip).long().tolist():
            rows.append((item, t, reference_index(t, len(item.frames), generator)))
    return collate(rows)


@torch.no_grad()
def validation_error(net: Renderer, batch: RenderBatch) -> float:
    """Mean absolute error of I_i inside Omega_c."""
    net.eval()
    out = net(batch.i3d, batch.ref, batch.crop, "joint")
    return float(((out.i_i - batch.target).abs() * batch.mask).sum() / (3 * batch.mask.sum()))
