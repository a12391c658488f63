"""WGAN-GP, equations (25) and (26); Gulrajani et al. 2017.

As printed, (26) has two generated images and one real one: E[D(I_t)] - E[D(I_i)] - E[D(I_e)]. Adding a constant c to D adds
c - 2c = -c, so the objective has no maximum. Here the real image counts once per generated image: 2 E[D(I_t)].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

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

    The usual way to these gradients differentiates the backward pass once more, and a convolution's weights then cost a
    convolution with kernels as large as the picture. A shorter one: with g = grad_x D and P the penalty, the chain rule gives
    dP/dtheta = d<v, g>/dtheta, where v = dP/dg = 2 (|g| - 1) g / (B |g|) is held fixed, and <v, g> is the slope of D along v,
    which a forward pass with dual numbers gives (a critic with `scored` and `along` does it with fewer convolutions). So: backward to
    the images, forward along v, backward. The same numbers.
    """
    check_shape("fake", fake, tuple(real.shape))
    shape = (real.shape[0],) + (1,) * (real.dim() - 1)
    draw_on = generator.device if generator is not None else real.device
    eps = torch.rand(shape, generator=generator, dtype=real.dtype, device=draw_on).to(real.device)
    mixed = eps * real.detach() + (1 - eps) * fake.detach()
    with torch.enable_grad():
        at = mixed.clone().requires_grad_(True)
        scores, slopes = critic.scored(at) if hasattr(critic, "scored") else (_scores(critic, at), None)
        (gradient,) = torch.autograd.grad(scores.sum(), at)
    norms = gradient.flatten(1).norm(dim=1).view(shape)
    value = (norms - 1).square().mean()
    # |g| has no slope at 0, where a dead critic would turn the parameters into nan
    v = torch.where(norms > 0, 2 * (norms - 1) / norms.clamp(min=1e-12) / len(real), torch.zeros_like(norms)) * gradient
    if slopes is not None:
        along = critic.along(v, slopes).sum()
    else:
        with forward_ad.dual_level():
            along = forward_ad.unpack_dual(_scores(critic, forward_ad.make_dual(mixed, v))).tangent.sum()
    return value + (along - along.detach())


def _scores(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """(B,) one score an image."""
    return critic(images).reshape(len(images), -1).mean(1)


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
    d_real, *d_fakes = _scores(critic, torch.cat([real.detach(), *(fake.detach() for fake in fakes)])).chunk(1 + len(fakes))
    objective = critic_objective(d_real, d_fakes)
    if not lambda_gp:
        return -objective
    penalty = gradient_penalty(critic, torch.cat([real] * len(fakes)), torch.cat(list(fakes)), generator)
    return lambda_gp * penalty - objective
