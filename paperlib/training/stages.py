"""Training of stage 2 in the paper's three stages: SFM and TMN alone, then everything jointly with eps 0.1, then 0.2 (32)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from paperlib.config import RendererConfig
from paperlib.corpus.banks import RenderBatch, RenderItem, collate, reference_index, render_batch
from paperlib.losses import adversarial, objective, reconstruction
from paperlib.losses.correspondence import correspondence_loss
from paperlib.losses.perceptual import perceptual_loss, style_loss
from paperlib.models.renderer import Renderer, RendererOutput
from paperlib.training.expression import flat_then_cosine
from paperlib.training.loop import History, fit
from paperlib.training.optim import Ranger


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
    return Phase("joint", 0.1 if step < cfg.steps_warm + cfg.steps_joint1 else 0.2)


def total_steps(cfg: RendererConfig) -> int:
    """Steps of all three phases."""
    return cfg.steps_warm + cfg.steps_joint1 + cfg.steps_joint2


def roi(images: torch.Tensor, boxes: torch.Tensor, size: int) -> torch.Tensor:
    """(B, 3, size, size) bilinear crops of images (B, 3, H, W) by boxes (B, 4) x0 y0 x1 y1 px; differentiable in the images."""
    h, w = images.shape[-2:]
    steps = (torch.arange(size, dtype=images.dtype, device=images.device) + 0.5) / size
    x = (boxes[:, None, 0] + (boxes[:, None, 2] - boxes[:, None, 0]) * steps) / w * 2 - 1
    y = (boxes[:, None, 1] + (boxes[:, None, 3] - boxes[:, None, 1]) * steps) / h * 2 - 1
    grid = torch.stack([x[:, None, :].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], -1)
    return F.grid_sample(images, grid, align_corners=False, padding_mode="border")


class Terms:
    """The terms of (30) and (31) for one batch, with the networks they need (VGG features, the flow network) held here."""

    def __init__(self, cfg: RendererConfig, features: nn.Module | None, flow_fn: Callable | None, use_corr: bool = True) -> None:
        self.cfg, self.features, self.flow_fn, self.use_corr = cfg, features, flow_fn, use_corr

    def _features(self, images: torch.Tensor, boxes: torch.Tensor) -> list[torch.Tensor]:
        return self.features(roi(images, boxes, self.cfg.vgg_size) if self.cfg.vgg_size else images)

    def compute(self, out: RendererOutput, batch: RenderBatch, critic: nn.Module | None, joint: bool) -> tuple[dict, dict]:
        """(terms of I_e, terms of I_i): names as in `losses.objective`; terms of I_i are empty in the warm phase."""
        target_feats = None
        if self.features is not None:
            with torch.no_grad():
                target_feats = self._features(batch.target, batch.mouth)
        e = {
            "rec": reconstruction.rec_loss_region(out.i_e, batch.target, batch.mask),
            "ssim": reconstruction.ssim_loss(out.i_e, batch.target),
        }
        i: dict[str, torch.Tensor] = {}
        if joint:
            i = {"rec": reconstruction.rec_loss(out.i_i, batch.target), "ssim": reconstruction.ssim_loss(out.i_i, batch.target)}
        if target_feats is not None:
            e["p"] = perceptual_loss(self._features(out.i_e, batch.mouth), target_feats)
            if joint:
                feats = self._features(out.i_i, batch.mouth)
                i["p"], i["style"] = perceptual_loss(feats, target_feats), style_loss(feats, target_feats)
        if critic is not None:
            e["wgan"] = adversarial.generator_loss(critic(out.i_e))
            if joint:
                i["wgan"] = adversarial.generator_loss(critic(out.i_i))
        if self.use_corr and self.flow_fn is not None:
            e["corr"] = correspondence_loss(out.warp, batch.target, self.flow_fn, form=self.cfg.corr_form)
        return e, i


def train_renderer(
    net: Renderer,
    critic: nn.Module | None,
    terms: Terms,
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
        phase = schedule(cfg, i) if staged else Phase("joint", 0.2)
        joint = phase.stage == "joint"
        for group in optimiser.param_groups:
            group["lr"] = cfg.lr * flat_then_cosine(i / n)
        batch = render_batch(train, cfg.batch, generator)
        out = net(batch.i3d, batch.ref, batch.crop, phase.stage)
        log: dict[str, float] = {"eps": phase.eps}
        if critic is not None and i % cfg.critic_every == 0:
            fakes = [out.i_e.detach()] + ([out.i_i.detach()] if joint else [])
            loss_d = adversarial.critic_loss(critic, batch.target, fakes, cfg.lambda_gp, generator)
            critic_optimiser.zero_grad()
            loss_d.backward()
            critic_optimiser.step()
            log["critic"] = loss_d.item()
        if critic is not None:
            critic.requires_grad_(False)
        e, inner = terms.compute(out, batch, critic, joint)
        loss = total(cfg, e, inner, phase)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        if critic is not None:
            critic.requires_grad_(True)
        log |= {"loss": loss.item()} | {f"e_{k}": v.item() for k, v in e.items()} | {f"i_{k}": v.item() for k, v in inner.items()}
        return log | {f"scale_{k}": v for k, v in net.rbfin.scales().items()}

    def validate() -> Mapping[str, float]:
        return {"val": validation_error(net, held_out)}

    state = {"net": net, "optimiser": optimiser}
    if critic is not None:
        state |= {"critic": critic, "critic_optimiser": critic_optimiser}
    return fit(step, n, state=state, validate=validate, **loop)


def total(cfg: RendererConfig, e: dict, i: dict, phase: Phase) -> torch.Tensor:
    """(32): eps L^i + (1 - eps) L^e; in the warm phase L^e alone."""
    weights = {"rec": 1.0, "ssim": cfg.l_ssim, "p": cfg.l_p, "style": cfg.l_style, "wgan": cfg.l_wgan, "corr": cfg.l_corr}
    loss_e = objective.total_intermediate(e, weights)
    return loss_e if phase.stage == "warm" else objective.total(objective.total_inpainted(i, weights), loss_e, phase.eps)


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
