"""WGAN-GP, equations (25) and (26); Gulrajani et al. 2017.

As printed, (26) has two generated images and one real one: E[D(I_t)] - E[D(I_i)] - E[D(I_e)]. Adding a constant c to D adds
c - 2c = -c, so the objective has no maximum. Here the real image counts once per generated image: 2 E[D(I_t)].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from paperlib.errors import check_shape

LAMBDA_GP = 10.0  # WGAN-GP's own; not given in the paper


def generator_loss(d_fake: Tensor) -> Tensor:
    """L_wgan of eq. (25): -E[D(I)]; d_fake any shape, scalar out."""
    return -d_fake.mean()


def critic_objective(d_real: Tensor, d_fakes: Sequence[Tensor]) -> Tensor:
    """What D maximises, without the penalty: n E[D(I_t)] - sum of E[D(I_g)] over the n generated images; scalar."""
    return sum(d_real.mean() - d_fake.mean() for d_fake in d_fakes)


def critic_objective_printed(d_real: Tensor, d_inpainted: Tensor, d_intermediate: Tensor) -> Tensor:
    """Eq. (26) as printed, without the penalty: E[D(I_t)] - E[D(I_i)] - E[D(I_e)]. Unbounded; for the demonstration only."""
    return d_real.mean() - d_inpainted.mean() - d_intermediate.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """E (||grad D(xhat)||_2 - 1)^2 of eq. (26), xhat = eps I_t + (1 - eps) I_g, one uniform eps per image; scalar.

    real, fake (B, 3, H, W). A critic that answers a map is averaged per image first. Needs a critic without BatchNorm,
    which would tie the images of a batch together. Gradients reach the critic's parameters, not the images.
    """
    check_shape("fake", fake, tuple(real.shape))
    shape = (real.shape[0],) + (1,) * (real.dim() - 1)
    draw_on = generator.device if generator is not None else real.device
    eps = torch.rand(shape, generator=generator, dtype=real.dtype, device=draw_on).to(real.device)
    mixed = (eps * real.detach() + (1 - eps) * fake.detach()).requires_grad_(True)
    scores = critic(mixed).reshape(len(mixed), -1).mean(1)
    (gradient,) = torch.autograd.grad(scores.sum(), mixed, create_graph=True)
    squares = gradient.flatten(1).square().sum(1)
    # d sqrt(s) is infinite at s = 0, where a dead critic would turn the parameters into nan
    norms = torch.where(squares > 0, squares.clamp(min=1e-24).sqrt(), torch.zeros_like(squares))
    return (norms - 1).square().mean()


def critic_loss(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fakes: Sequence[Tensor],
    lambda_gp: float = LAMBDA_GP,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The critic's loss: minus (26) in its bounded form; scalar.

    real (B, 3, H, W); `fakes` is [I_e] in the warm stage and both generated images afterwards. The penalty is averaged
    over the generated images. The images are detached: only the critic learns.
    """
    scores = critic(torch.cat([real.detach(), *(fake.detach() for fake in fakes)])).reshape(len(real) * (1 + len(fakes)), -1).mean(1)
    d_real, *d_fakes = scores.chunk(1 + len(fakes))
    penalty = sum(gradient_penalty(critic, real, fake, generator) for fake in fakes) / len(fakes)
    return lambda_gp * penalty - critic_objective(d_real, d_fakes)
