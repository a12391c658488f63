"""One training step of stage 2: the critic's move and the generator's, equations (23)-(32).

What a profile of the step led to (each is tested against the plain step of `benchmarks/bench_step.py`; `make bench` prints the
ratio): both painted pictures go through VGG and the critic in one call; the gradient penalty needs no second derivative
(`losses.adversarial`); both flows of (27) share their features and correlate by matrix products (`models.corrflow`); networks keep
their channels last, the layout in which the processor's convolutions neither copy nor reorder; the optimiser moves all tensors in one
call; and nothing is read back from the device before a row is logged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.config import RendererConfig
from paperlib.corpus.banks import RenderBatch
from paperlib.losses.adversarial import critic_loss
from paperlib.losses.objective import LossWeights, inpainting_objective, intermediate_objective, total_objective
from paperlib.losses.perceptual import crop_resize
from paperlib.models.renderer import Renderer, RendererOutput
from paperlib.training.phases import Phase

CLIP = 5.0  # largest norm of the generator's gradient
Autocast = Callable[[], AbstractContextManager]  # a context in which networks run, for lower precision


@dataclass
class Judges:
    """What the losses need beside the networks in training: VGG features and the flow network of (27), frozen; None drops their terms."""

    features: nn.Module | None
    flow_fn: Callable | None

    def see(self, images: Tensor, boxes: Tensor, size: int) -> dict[str, Tensor] | None:
        """VGG features of the mouth crops (of whole images where size is 0)."""
        if self.features is None:
            return None
        return self.features(crop_resize(images, boxes, size) if size else images)

    def ready(self, device: torch.device) -> Judges:
        """Both on `device`, with channels last."""

        def placed(judge):
            return judge.to(device, memory_format=torch.channels_last) if isinstance(judge, nn.Module) else judge

        return Judges(placed(self.features), placed(self.flow_fn))


def channels_last(*modules: nn.Module | None) -> None:
    """Store convolution weights with channels last, in place: same numbers, same names, same state dicts."""
    for module in modules:
        if module is not None:
            module.to(memory_format=torch.channels_last)


def paint(net: Renderer, batch: RenderBatch, stage: str, autocast: Autocast = nullcontext) -> RendererOutput:
    """The generator's pass; its pictures in float32 where it ran in less."""
    with autocast():
        out = net(batch.i3d, batch.ref, batch.crop, stage)
    return RendererOutput(*(None if x is None else _whole(x) for x in out))


def objectives(
    cfg: RendererConfig,
    judges: Judges,
    out: RendererOutput,
    batch: RenderBatch,
    critic: nn.Module | None,
    phase: Phase,
    autocast: Autocast = nullcontext,
) -> tuple[Tensor, dict[str, Tensor]]:
    """(32) of one batch and its terms for the log, detached: `e_*` of (31), `i_*` of (30).

    In the warm phase (31) alone; (30) alone where the network paints no I_e (table 4's base).
    """
    weights, n = LossWeights.of(cfg), len(batch.target)
    painted = {name: x for name, x in (("e", out.i_e), ("i", out.i_i)) if x is not None}
    pictures = torch.cat(list(painted.values()))
    with autocast():
        with torch.no_grad():
            wanted = _in_float(judges.see(batch.target, batch.mouth, cfg.vgg_size))
        seen = _in_float(judges.see(pictures, batch.mouth.repeat(len(painted), 1), cfg.vgg_size))
        scores = _whole(critic(pictures)) if critic is not None else None

    def judged(name: str) -> tuple[Tensor | None, dict[str, Tensor] | None]:
        """Scores and features of one of the painted pictures."""
        start = n * list(painted).index(name)
        rows = slice(start, start + n)
        return (None if scores is None else scores[rows]), (None if seen is None else {k: v[rows] for k, v in seen.items()})

    losses, log = {}, {}
    if "e" in painted:
        losses["e"], terms = intermediate_objective(
            out.i_e, batch.target, batch.mask, weights, out.warp, judges.flow_fn, cfg.corr_form, batch.ref, *judged("e"), wanted
        )
        log |= {f"e_{k}": v.detach() for k, v in terms.items()}
    if "i" in painted:
        losses["i"], terms = inpainting_objective(out.i_i, batch.target, weights, *judged("i"), wanted)
        log |= {f"i_{k}": v.detach() for k, v in terms.items()}
    loss = total_objective(losses["i"], losses["e"], phase.eps) if len(losses) == 2 else next(iter(losses.values()))
    return loss, log | {"loss": loss.detach()}


def critic_move(
    critic: nn.Module, optimiser: torch.optim.Optimizer, out: RendererOutput, batch: RenderBatch, lambda_gp: float,
    generator: torch.Generator, share: Callable[[nn.Module], None] = lambda module: None,
) -> Tensor:  # fmt: skip
    """One step of D by (26), in float32; its loss, detached. share: makes the gradients those of all devices."""
    fakes = [x.detach() for x in (out.i_e, out.i_i) if x is not None]
    loss = critic_loss(critic, batch.target, fakes, lambda_gp, generator)
    optimiser.zero_grad()
    loss.backward()
    share(critic)
    optimiser.step()
    return loss.detach()


def generator_move(
    net: Renderer, optimiser: torch.optim.Optimizer, loss: Tensor, share: Callable[[nn.Module], None] = lambda module: None
) -> None:
    """One step of the generator along the gradient of `loss`, clipped to the norm CLIP."""
    optimiser.zero_grad()
    loss.backward()
    share(net)
    torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
    optimiser.step()


def _whole(x: Tensor) -> Tensor:
    """float32 from the 16-bit formats; the rest as it is."""
    return x.float() if x.element_size() < 4 else x


def _in_float(features: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
    return None if features is None else {k: _whole(v) for k, v in features.items()}
