"""Where the time of a training step of stage 2 goes: data, generator, critic, each loss, optimiser."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.config import RendererConfig
from paperlib.corpus.banks import RenderBatch
from paperlib.losses.adversarial import generator_loss
from paperlib.losses.correspondence import correspondence_loss
from paperlib.losses.perceptual import perceptual_loss, style_loss
from paperlib.losses.reconstruction import rec_loss, rec_loss_region, ssim_loss
from paperlib.training.optim import Ranger
from paperlib.training.step import CLIP, Judges, critic_move, paint

EPS = 0.2  # of (32), the last stage's


@dataclass(frozen=True)
class Part:
    """One row of the table: milliseconds of a step, and their share of it."""

    name: str
    milliseconds: float
    share: float


def split_step(
    net: nn.Module,
    critic: nn.Module,
    judges: Judges,
    optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    cfg: RendererConfig,
    batch: Callable[[], RenderBatch],
    generator: torch.Generator,
    timed: Callable[[str, Callable[[], object]], object],
) -> None:
    """One joint step with every part by itself: each loss goes back to the painted pictures, their gradients then to the networks.

    The step is the trained one (the gradients add up to those of (32)); only its order differs. timed(name, fn) calls fn.
    """
    data = timed("data", batch)
    out = timed("generator, forward", lambda: paint(net, data, "joint"))
    timed("critic's step (26)", lambda: critic_move(critic, optimisers[1], out, data, cfg.lambda_gp, generator))
    critic.requires_grad_(False)
    i_e, i_i, warp = (x.detach().requires_grad_() for x in (out.i_e, out.i_i, out.warp))
    e, i = 1 - EPS, EPS

    def loss(name: str, value: Callable[[], Tensor]) -> None:
        timed(name, lambda: value().backward())

    loss("L_rec (23)", lambda: e * rec_loss_region(i_e, data.target, data.mask) + i * rec_loss(i_i, data.target))
    loss("L_SSIM (24)", lambda: cfg.l_ssim * (e * ssim_loss(i_e, data.target) + i * ssim_loss(i_i, data.target)))
    loss("L_wgan (25)", lambda: _adversarial(critic, i_e, i_i, cfg.l_wgan))
    if judges.flow_fn is not None:
        loss("L_corr (27)", lambda: e * cfg.l_corr * correspondence_loss(warp, data.target, judges.flow_fn, cfg.corr_form, data.ref))
    if judges.features is not None:
        loss("L_p, L_style (28) (29)", lambda: _perceptual(judges, cfg, data, i_e, i_i))
    painted = [(x, g) for x, g in zip((out.i_e, out.i_i, out.warp), (i_e.grad, i_i.grad, warp.grad), strict=True) if g is not None]
    optimisers[0].zero_grad()
    timed("generator, backward", lambda: torch.autograd.backward(*zip(*painted, strict=True)))
    timed("optimiser", lambda: (nn.utils.clip_grad_norm_(net.parameters(), CLIP), optimisers[0].step()))
    critic.requires_grad_(True)


def _adversarial(critic: nn.Module, i_e: Tensor, i_i: Tensor, weight: float) -> Tensor:
    d_e, d_i = critic(torch.cat([i_e, i_i])).chunk(2)
    return weight * ((1 - EPS) * generator_loss(d_e) + EPS * generator_loss(d_i))


def _perceptual(judges: Judges, cfg: RendererConfig, data: RenderBatch, i_e: Tensor, i_i: Tensor) -> Tensor:
    with torch.no_grad():
        wanted = judges.see(data.target, data.mouth, cfg.vgg_size)
    seen = judges.see(torch.cat([i_e, i_i]), data.mouth.repeat(2, 1), cfg.vgg_size)
    e, i = ({k: v[rows] for k, v in seen.items()} for rows in (slice(None, len(i_e)), slice(len(i_e), None)))
    of_i = cfg.l_p * perceptual_loss(i, wanted) + cfg.l_style * style_loss(i, wanted)
    return (1 - EPS) * cfg.l_p * perceptual_loss(e, wanted) + EPS * of_i


def step_breakdown(
    net: nn.Module,
    critic: nn.Module,
    judges: Judges,
    cfg: RendererConfig,
    draw: Callable[[torch.Generator], RenderBatch],
    repeats: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> list[Part]:
    """Median milliseconds of every part over `repeats` joint steps, after one that is not counted; the step's total is the last row.

    Trains `net` and `critic` by these steps. clock: processor time of all threads by default, because it does not count other
    programs; on a GPU pass `time.perf_counter` (the device is waited for before each reading).
    """
    optimisers = Ranger(net.parameters(), cfg.lr), torch.optim.Adam(critic.parameters(), cfg.lr, betas=(0.5, 0.9))
    generator = torch.Generator().manual_seed(0)
    spent: dict[str, list[float]] = {}
    on_gpu = next(net.parameters()).is_cuda

    def now() -> float:
        if on_gpu:
            torch.cuda.synchronize()
        return clock()

    for repeat in range(repeats + 1):

        def timed(name: str, fn: Callable[[], object], counts: bool = repeat > 0) -> object:
            start = now()
            value = fn()
            if counts:
                spent.setdefault(name, []).append(now() - start)
            return value

        split_step(net.train(), critic, judges, optimisers, cfg, lambda: draw(generator), generator, timed)
    medians = {name: 1e3 * statistics.median(times) for name, times in spent.items()}
    total = sum(medians.values())
    return [Part(name, ms, ms / total) for name, ms in medians.items()] + [Part("step", total, 1.0)]


def format_breakdown(parts: list[Part]) -> str:
    """The table as text.

    >>> print(format_breakdown([Part("data", 1.0, 0.25), Part("step", 4.0, 1.0)]))
    data                         1.0 ms   25%
    step                         4.0 ms  100%
    """
    return "\n".join(f"{p.name:<24}{p.milliseconds:>8.1f} ms {100 * p.share:>4.0f}%" for p in parts)
