"""Diffusion of Diff2Lip-mini without any network: adding noise, the closed forms of Gaussians, and DDIM.

Ho, Jain and Abbeel 2020 (the chain and its posterior), Song, Meng and Ermon 2021 (DDIM), Salimans and Ho 2022 (v).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from paperlib.errors import check_shape


class Schedule:
    """The diffusion's arithmetic. x0 and the noise are of any shape (B, ...), t is (B,) int64 in 0 ... T - 1, and

        x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise,    abar_t = product of 1 - beta_s over s = 0 ... t.

    >>> s = Schedule(torch.tensor([0.5, 0.5]))
    >>> s.abar.tolist()
    [0.5, 0.25]
    """

    def __init__(self, betas: Tensor):
        check_shape("betas", betas, (None,))
        if not ((betas > 0) & (betas < 1)).all():
            raise ValueError("betas: every one must lie between 0 and 1")
        self.betas = betas.double()
        self.abar = torch.cumprod(1 - self.betas, 0)  # float64: 1000 factors near one

    def __len__(self) -> int:
        return len(self.betas)

    @classmethod
    def linear(cls, steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
        """Ho et al. 2020. Other numbers of steps take the betas as they are: give larger ones for fewer."""
        return cls(torch.linspace(first, last, steps, dtype=torch.float64))

    def _roots(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(abar_t) and sqrt(1 - abar_t), each (B, 1, ..., 1); t = -1 is the clean frame."""
        abar = torch.where(t < 0, 1.0, self.abar.to(t.device)[t.clamp(min=0)])
        shape = (-1, *(1,) * (like.dim() - 1))
        return abar.sqrt().to(like.dtype).view(shape), (1 - abar).sqrt().to(like.dtype).view(shape)

    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t of x0 and a standard normal noise of its shape."""
        signal, spread = self._roots(t, x0)
        return signal * x0 + spread * noise

    def v(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """What the network learns to tell from x_t."""
        signal, spread = self._roots(t, x0)
        return signal * noise - spread * x0

    def from_v(self, x_t: Tensor, t: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """(x0, noise) that x_t and v stand for. An error e of v is one of -sqrt(1 - abar) e in x0 and of sqrt(abar) e in the noise."""
        signal, spread = self._roots(t, x_t)
        return signal * x_t - spread * v, spread * x_t + signal * v

    def gaussian(self, x_t: Tensor, t: Tensor, mean: Tensor, std: float) -> tuple[Tensor, Tensor]:
        """Mean (B, ...) and standard deviation (B, 1, ..., 1) of v given x_t alone, were x0 normal about `mean` (B, ...) with `std`."""
        signal, spread = self._roots(t, x_t)
        total = std**2 * signal.square() + spread.square()  # variance of x_t
        x0 = mean + std**2 * signal / total * (x_t - signal * mean)
        return (signal * x_t - x0) / spread, std / total.sqrt()

    def posterior(self, x0: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, ...) and variance (B, 1, ..., 1) of x_{t-1} given x_t and x0 (Ho et al. 2020, eq. 7); for t = 0: x0 and 0."""
        before = torch.where(t > 0, self.abar[(t - 1).clamp(min=0)], 1.0)
        beta, abar = self.betas[t], self.abar[t]
        shape = (-1, *(1,) * (x0.dim() - 1))
        of_x0 = (before.sqrt() * beta / (1 - abar)).to(x0.dtype).view(shape)
        of_xt = ((1 - beta).sqrt() * (1 - before) / (1 - abar)).to(x0.dtype).view(shape)
        return of_x0 * x0 + of_xt * x_t, (beta * (1 - before) / (1 - abar)).to(x0.dtype).view(shape)

    def times(self, steps: int) -> list[int]:
        """`steps` times, evenly apart, largest first, the very last one among them: there x_t is all noise, as sampling starts.

        >>> Schedule.linear(1000).times(4)
        [999, 749, 499, 249]
        """
        if not 1 <= steps <= len(self):
            raise ValueError(f"steps: 1 to {len(self)}, got {steps}")
        return [round(len(self) * (1 - i / steps)) - 1 for i in range(steps)]

    def ddim(
        self,
        tell_v: Callable[[Tensor, Tensor], Tensor],
        noise: Tensor,
        steps: int,
        eta: float = 0.0,
        generator: torch.Generator | None = None,
        clip: bool = True,
    ) -> Tensor:
        """A sample (B, ...) from `noise` of that shape by DDIM. tell_v(x_t, t (B,)) -> v; clip: every guess of x0 is kept in [-1, 1].

        eta 0: the noise decides everything. eta 1: the fresh noise of an ancestral sampler, drawn from `generator`.
        """
        x, times = noise, self.times(steps)
        for now, then in zip(times, [*times[1:], -1], strict=True):
            t, before = (torch.full((len(x),), k, dtype=torch.long) for k in (now, then))
            x0, told = self.from_v(x, t, tell_v(x, t))
            signal, spread = self._roots(t, x)
            if clip:
                x0 = x0.clamp(-1, 1)
                told = (x - signal * x0) / spread  # the noise that goes with the frame that was kept
            next_signal, next_spread = self._roots(before, x)
            sigma = eta * (next_spread / spread) * (1 - (signal / next_signal).square()).clamp(min=0).sqrt()
            x = next_signal * x0 + (next_spread.square() - sigma.square()).clamp(min=0).sqrt() * told
            if eta > 0 and then >= 0:
                x = x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
        return x


def time_features(t: Tensor, width: int, period: float = 10000.0) -> Tensor:
    """(B,) steps -> (B, width) cosines and sines of geometric frequencies (Vaswani et al. 2017)."""
    frequency = period ** (-torch.arange(width // 2, device=t.device) / (width // 2))
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], 1)
