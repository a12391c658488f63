"""The training step of stage 2 against a plain version of itself: the same losses, written the way they are printed.

The plain step is the named reference and is used nowhere else: every picture goes through VGG and the critic in a call of its own, the
gradient penalty differentiates a backward pass, each of the two flows of (27) computes its own features and gathers patches to correlate
them, the optimiser walks from tensor to tensor. Both start from the same weights and draw the same batches; they take turns, so that
other programs disturb both alike, and processor time is counted, which does not grow while others run.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from paperlib.config import Profile, RendererConfig
from paperlib.corpus.banks import RenderBatch
from paperlib.losses.adversarial import critic_objective
from paperlib.losses.objective import LossWeights, inpainting_objective, intermediate_objective, total_objective
from paperlib.models import corrflow
from paperlib.models.flow import warp
from paperlib.training.optim import Ranger, radam_scale
from paperlib.training.phases import Phase
from paperlib.training.step import CLIP, Judges, channels_last, critic_move, generator_move, objectives, paint

JOINT = Phase("joint", 0.2)


class PlainRanger(torch.optim.Optimizer):
    """Ranger, tensor by tensor: gradient centralisation, RAdam, LookAhead with k 6 and alpha 0.5."""

    def __init__(self, params, lr: float):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:
        """One step."""
        for p in self.param_groups[0]["params"]:
            if p.grad is None:
                continue
            s = self.state[p]
            if not s:
                s.update(step=0, m=torch.zeros_like(p), v=torch.zeros_like(p), slow=p.detach().clone())
            s["step"] += 1
            g = p.grad - p.grad.mean(dim=tuple(range(1, p.dim())), keepdim=True) if p.dim() > 1 else p.grad
            s["m"] = 0.95 * s["m"] + 0.05 * g
            s["v"] = 0.999 * s["v"] + 0.001 * g * g
            factor, rectified = radam_scale(s["step"], 0.95, 0.999)
            p -= self.param_groups[0]["lr"] * factor * (s["m"] / (s["v"].sqrt() + 1e-5) if rectified else s["m"])
            if s["step"] % 6 == 0:
                s["slow"] = (s["slow"] + p) / 2
                p.copy_(s["slow"])


def plain_correlation(a: Tensor, b: Tensor, radius: int = corrflow.RADIUS) -> Tensor:
    """`corrflow.local_correlation` by gathering every patch of b."""
    near = F.unfold(b, 2 * radius + 1, padding=radius).view(*b.shape[:2], -1, *b.shape[2:])
    return torch.einsum("bchw,bcnhw->bnhw", a, near) / a.shape[1]


def plain_flow(net: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """The flow network's forward pass, coarse to fine, for one pair and one direction."""

    def flow_fn(a: Tensor, b: Tensor) -> Tensor:
        from_a, from_b = net.features(a), net.features(b)
        flow = a.new_zeros(len(a), 2, *from_a[-1].shape[2:])
        for level, update in ((2, net.update[1]), (1, net.update[0])):
            if level == 1:
                flow = 2 * F.interpolate(flow, scale_factor=2, mode="bilinear", align_corners=False)
            fa, fb = (F.normalize(x[level], dim=1) * x[level].shape[1] ** 0.5 for x in (from_a, from_b))
            flow = flow + update(torch.cat([plain_correlation(fa, warp(fb, flow)), fa, flow], dim=1))
        return 4 * F.interpolate(flow, scale_factor=4, mode="bilinear", align_corners=False)

    return flow_fn


def plain_penalty(critic: nn.Module, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """The penalty of (26) by differentiating the backward pass."""
    eps = torch.rand((len(real), 1, 1, 1), generator=generator, dtype=real.dtype)
    mixed = (eps * real + (1 - eps) * fake).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def plain_step(
    net: nn.Module, critic: nn.Module, judges: Judges, optimiser: torch.optim.Optimizer, critic_optimiser: torch.optim.Optimizer,
    cfg: RendererConfig, batch: RenderBatch, generator: torch.Generator, phase: Phase = JOINT,
) -> float:  # fmt: skip
    """The critic's move and the generator's, as the equations stand; the generator's loss. `judges.flow_fn`: see `plain_flow`."""
    out, joint = net(batch.i3d, batch.ref, batch.crop, phase.stage), phase.stage == "joint"
    fakes = [x.detach() for x in ((out.i_e, out.i_i) if joint else (out.i_e,))]
    penalty = sum(plain_penalty(critic, batch.target, fake, generator) for fake in fakes) / len(fakes)
    loss_d = cfg.lambda_gp * penalty - critic_objective(critic(batch.target), [critic(fake) for fake in fakes])
    critic_optimiser.zero_grad()
    loss_d.backward()
    critic_optimiser.step()
    critic.requires_grad_(False)
    weights = LossWeights.of(cfg)
    with torch.no_grad():
        wanted = judges.see(batch.target, batch.mouth, cfg.vgg_size)
    seen = judges.see(out.i_e, batch.mouth, cfg.vgg_size)
    loss, _ = intermediate_objective(
        out.i_e, batch.target, batch.mask, weights, out.warp, judges.flow_fn, cfg.corr_form, batch.ref, critic(out.i_e), seen, wanted
    )
    if joint:
        seen = judges.see(out.i_i, batch.mouth, cfg.vgg_size)
        loss = total_objective(inpainting_objective(out.i_i, batch.target, weights, critic(out.i_i), seen, wanted)[0], loss, phase.eps)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), CLIP)
    optimiser.step()
    critic.requires_grad_(True)
    return loss.item()


class Contest:
    """Two trainings from the same weights on the same draws: `plain()` and `ours()` each do one step of theirs."""

    def __init__(
        self, net: nn.Module, critic: nn.Module, judges: Judges, cfg: RendererConfig, draw: Callable, phase: Phase = JOINT,
        autocast: Callable = nullcontext,
    ):  # fmt: skip
        self.nets = [(copy.deepcopy(net).train(), copy.deepcopy(critic)) for _ in range(2)]
        self.cfg, self.draw, self.phase, self.autocast = cfg, draw, phase, autocast
        self.judges = Judges(judges.features, plain_flow(judges.flow_fn)), copy.deepcopy(judges).ready(torch.device("cpu"))
        channels_last(*self.nets[1])
        self.generators = [torch.Generator().manual_seed(0) for _ in range(2)]
        self.optimisers = [
            (kind(n.parameters(), cfg.lr), torch.optim.Adam(c.parameters(), cfg.lr, betas=(0.5, 0.9)))
            for kind, (n, c) in zip((PlainRanger, Ranger), self.nets, strict=True)
        ]

    def plain(self) -> float:
        """A plain step; its loss."""
        batch = self.draw(self.generators[0])
        batch = type(batch)(**{name: tensor.contiguous() for name, tensor in vars(batch).items()})  # channels first, as the weights
        return plain_step(*self.nets[0], self.judges[0], *self.optimisers[0], self.cfg, batch, self.generators[0], self.phase)

    def ours(self) -> float:
        """A step as `train_renderer` does it; its loss."""
        (net, critic), (first, second) = self.nets[1], self.optimisers[1]
        batch = self.draw(self.generators[1])
        out = paint(net, batch, self.phase.stage, self.autocast)
        critic_move(critic, second, out, batch, self.cfg.lambda_gp, self.generators[1])
        critic.requires_grad_(False)
        loss, _ = objectives(self.cfg, self.judges[1], out, batch, critic, self.phase, self.autocast)
        generator_move(net, first, loss)
        critic.requires_grad_(True)
        return loss.item()

    def difference(self) -> float:
        """How far the two generators are apart, relative to the weights: |a - b| / |a| over all parameters."""
        a, b = (nn.utils.parameters_to_vector([p.detach().contiguous() for p in n.parameters()]) for n, _ in self.nets)
        return float((a - b).norm() / a.norm())


def turns(fns: tuple[Callable[[], object], ...], repeats: int) -> list[float]:
    """Median processor seconds of each function, called in turns after one warm-up of each."""
    spent: list[list[float]] = [[] for _ in fns]
    for turn in range(repeats + 1):
        for fn, times in zip(fns, spent, strict=True):
            start = time.process_time()
            fn()
            if turn:
                times.append(time.process_time() - start)
    return [statistics.median(times) for times in spent]


class Products(TorchDispatchMode):
    """Context that counts the multiply-accumulates of every convolution and matrix product inside, backward passes included."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Call, and count by torch's own table."""
        out = func(*args, **(kwargs or {}))
        rule = flop_registry.get(func._overloadpacket)
        if rule is not None:
            self.count += rule(*args, **(kwargs or {}), out_val=out) // 2
        return out


def fastest_convolution(repeats: int = 9) -> float:
    """Multiply-accumulates per processor second of a convolution that suits the processor: 128 to 128 channels, 3 x 3, 48 x 48."""
    conv = nn.Conv2d(128, 128, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    x = torch.rand(4, 128, 48, 48).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), Products() as products:
        conv(x)
    with torch.no_grad():
        (spent,) = turns((lambda: conv(x),), repeats)
    return products.count / spent


def run(profile: Profile, judges: Judges, draw: Callable[[torch.Generator], RenderBatch], repeats: int = 7) -> dict:
    """Steps per processor second of both, how far their weights are apart after the contest's steps, ours part by part (printed).

    `bound` is the ratio there would be if our step's products ran as fast as `fastest_convolution` and all else took no time;
    `bf16_mixed` the ratio with the networks in bfloat16 (device.precision), which is not the same arithmetic.
    """
    from benchmarks.__main__ import entry
    from paperlib.training import checkpoints
    from paperlib.training.breakdown import format_breakdown, step_breakdown

    torch.manual_seed(profile.seed)
    net, critic = checkpoints.build("renderer", profile), checkpoints.build("critic", profile)
    contest = Contest(net, critic, judges, profile.renderer, draw)
    half = Contest(net, critic, judges, profile.renderer, draw, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    plain, ours, halved = turns((contest.plain, contest.ours, half.ours), repeats)
    apart = contest.difference()
    with Products() as products:
        contest.ours()
    least = products.count / fastest_convolution()
    parts = step_breakdown(*contest.nets[1], judges, profile.renderer, draw, repeats)
    print(format_breakdown(parts))
    return entry(
        1 / ours, 1 / plain, "steps / processor s", f"the same step written plainly, {torch.get_num_threads()} threads",
        steps=repeats + 1, weights_apart=apart, gmac=products.count / 1e9, bound=plain / least, bf16_mixed=plain / halved,
        milliseconds={part.name: round(part.milliseconds, 2) for part in parts},
    )  # fmt: skip
