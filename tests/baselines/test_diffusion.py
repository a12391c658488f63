"""The diffusion's arithmetic against closed forms: chains, Bayes' rule, and Gaussians whose best denoiser is known."""

import math

import numpy as np
import pytest
import torch

from paperlib.baselines.diffusion import Schedule, time_features

LINEAR = Schedule.linear()


def test_the_schedule_falls_from_picture_to_noise():
    beta, abar = LINEAR.betas, LINEAR.abar
    assert len(LINEAR) == 1000 and beta[0] == 1e-4 and beta[-1] == 0.02 and (beta.diff() > 0).all()
    assert (abar.diff() < 0).all() and abar[0] == 1 - 1e-4 and 0 < abar[-1] < 1e-4
    snr = abar / (1 - abar)
    assert (snr.diff() < 0).all()
    assert abar[-1] == pytest.approx(math.exp(sum(math.log1p(-b) for b in np.linspace(1e-4, 0.02, 1000))), rel=1e-9)


@pytest.mark.parametrize("betas", [[0.1, 0.0], [0.1, 1.0], [-0.1]])
def test_a_schedule_that_is_none(betas):
    with pytest.raises(ValueError, match="betas"):
        Schedule(torch.tensor(betas))


def test_q_sample_is_the_chain_of_single_steps():
    """Mean and variance of x_t by following x_s = sqrt(1 - beta_s) x_{s-1} + sqrt(beta_s) noise through all s."""
    t = torch.tensor([0, 10, 500, 999])
    x0, one = torch.full((4, 1), 0.7, dtype=torch.float64), torch.ones(4, 1, dtype=torch.float64)
    mean = LINEAR.q_sample(x0, t, 0 * one)
    std = LINEAR.q_sample(0 * x0, t, one)
    m, v, wanted = 0.7, 0.0, {}
    for s, beta in enumerate(LINEAR.betas.tolist()):
        m, v = math.sqrt(1 - beta) * m, (1 - beta) * v + beta
        wanted[s] = (m, v)
    for row, k in enumerate(t.tolist()):
        assert (mean[row].item(), std[row].item() ** 2) == pytest.approx(wanted[k], rel=1e-9)


def test_q_sample_by_drawing():
    g, n = torch.Generator().manual_seed(0), 200_000
    x = LINEAR.q_sample(torch.full((n,), -0.4), torch.full((n,), 300), torch.randn(n, generator=g))
    assert x.mean().item() == pytest.approx(-0.4 * LINEAR.abar[300].sqrt().item(), abs=5 / math.sqrt(n))
    assert x.var().item() == pytest.approx(1 - LINEAR.abar[300].item(), rel=5 * math.sqrt(2 / n))


def test_v_and_back():
    g = torch.Generator().manual_seed(0)
    x0, noise, wrong = torch.randn(3, 5, 2, 2, generator=g, dtype=torch.float64)[:, None]
    t = torch.tensor([400])
    x_t = LINEAR.q_sample(x0, t, noise)
    v = LINEAR.v(x0, t, noise)
    back, told = LINEAR.from_v(x_t, t, v)
    torch.testing.assert_close(back, x0)
    torch.testing.assert_close(told, noise)
    off, off_noise = LINEAR.from_v(x_t, t, v + wrong)  # the paper's two losses, weighted equally, are the error of v
    torch.testing.assert_close((off - x0).square() + (off_noise - noise).square(), wrong.square())


def test_the_posterior_is_bayes_rule():
    """q(x_{t-1} | x_t, x0): the product of two Gaussians, by their precisions."""
    s, x0, x_t = Schedule(torch.tensor([0.1, 0.3, 0.2], dtype=torch.float64)), 0.6, -0.2
    t = torch.tensor([0, 1, 2])
    mean, var = s.posterior(torch.full((3,), x0, dtype=torch.float64), torch.full((3,), x_t, dtype=torch.float64), t)
    assert (mean[0].item(), var[0].item()) == (pytest.approx(x0), 0.0)
    for k in (1, 2):
        prior_mean, prior_var = math.sqrt(s.abar[k - 1]) * x0, 1 - s.abar[k - 1].item()
        a, b = math.sqrt(1 - s.betas[k]), s.betas[k].item()
        precision = 1 / prior_var + a * a / b
        assert var[k].item() == pytest.approx(1 / precision)
        assert mean[k].item() == pytest.approx((prior_mean / prior_var + a * x_t / b) / precision)


def exact_x0(abar, x_t, mean, std):
    """E[x0 | x_t] for x0 ~ N(mean, std^2): linear regression on the joint Gaussian."""
    root = math.sqrt(abar)
    return mean + root * std**2 / (abar * std**2 + 1 - abar) * (x_t - root * mean)


@pytest.mark.parametrize("k", [1, 50, 500, 999])
def test_one_step_with_the_best_denoiser_is_the_gaussians_posterior_mean(k):
    """E[x_{t-1} | x_t] of the chain, by regression of x_{t-1} on x_t, where x0 ~ N(0.3, 0.5^2)."""
    mean, std, x_t = 0.3, 0.5, torch.linspace(-2, 2, 5, dtype=torch.float64)
    abar, before = LINEAR.abar[k].item(), LINEAR.abar[k - 1].item()
    t = torch.full((5,), k)
    one_step, _ = LINEAR.posterior(exact_x0(abar, x_t, mean, std), x_t, t)
    var_before = before * std**2 + 1 - before
    cov = math.sqrt(1 - LINEAR.betas[k]) * var_before
    wanted = math.sqrt(before) * mean + cov / (abar * std**2 + 1 - abar) * (x_t - math.sqrt(abar) * mean)
    torch.testing.assert_close(one_step, wanted)


@pytest.mark.parametrize("k", [20, 400, 999])
def test_the_gaussian_about_the_reference(k):
    """What the network adds to: mean and spread of v given x_t, against those of x0."""
    mean, std, x_t = 0.3, 0.5, torch.linspace(-2, 2, 5, dtype=torch.float64)
    abar, t = LINEAR.abar[k].item(), torch.full((5,), k)
    v, scale = LINEAR.gaussian(x_t, t, torch.full_like(x_t, mean), std)
    torch.testing.assert_close(LINEAR.from_v(x_t, t, v)[0], exact_x0(abar, x_t, mean, std))
    var_x0 = 1 / (1 / std**2 + abar / (1 - abar))
    torch.testing.assert_close(scale.square(), torch.full((5,), var_x0 / (1 - abar), dtype=torch.float64))


def test_the_loss_is_least_at_the_posterior_mean():
    """A line fitted to v by the system's two squared losses tells, of a Gaussian, what Bayes says."""
    g, n, k = torch.Generator().manual_seed(0), 200_000, 300
    t = torch.full((n,), k)
    x0, noise = 0.3 + 0.5 * torch.randn(n, generator=g).double(), torch.randn(n, generator=g).double()
    x_t = LINEAR.q_sample(x0, t, noise)
    line = np.polyfit(x_t.numpy(), LINEAR.v(x0, t, noise).numpy(), 1)
    at = torch.linspace(-1, 1, 5, dtype=torch.float64)
    told, _ = LINEAR.from_v(at, t[:5], torch.from_numpy(np.polyval(line, at.numpy())))
    torch.testing.assert_close(told, exact_x0(LINEAR.abar[k].item(), at, 0.3, 0.5), atol=0.01, rtol=0)


def gaussian_sampler(mean, std, steps, eta, n=20_000, seed=0):
    g = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, generator=g, dtype=torch.float64)

    def tell_v(x, t):
        abar = LINEAR.abar[int(t[0])].item()
        return (math.sqrt(abar) * x - exact_x0(abar, x, mean, std)) / math.sqrt(1 - abar)

    return noise, LINEAR.ddim(tell_v, noise, steps, eta, g, clip=False)


@pytest.mark.parametrize(("steps", "eta", "close"), [(250, 0.0, 0.02), (1000, 1.0, 0.02)])
def test_ddim_with_the_exact_denoiser_samples_the_gaussian(steps, eta, close):
    _, x = gaussian_sampler(0.3, 0.5, steps, eta)
    assert x.mean().item() == pytest.approx(0.3, abs=close)
    assert x.std().item() == pytest.approx(0.5, abs=close)


def test_ddim_without_fresh_noise_is_a_function_of_the_first_noise():
    noise, x = gaussian_sampler(0.3, 0.5, 1000, 0.0, n=50)
    torch.testing.assert_close(x, 0.3 + 0.5 * noise, atol=0.02, rtol=0)  # order kept: the flow of one Gaussian into another
    assert torch.equal(x, gaussian_sampler(0.3, 0.5, 1000, 0.0, n=50)[1])
    assert not torch.equal(gaussian_sampler(0.3, 0.5, 100, 1.0, n=50, seed=1)[1], gaussian_sampler(0.3, 0.5, 100, 1.0, n=50)[1])


def test_one_step_of_ddim_is_the_guess_at_all_noise():
    noise, x = gaussian_sampler(0.3, 0.5, 1, 0.0, n=50)
    torch.testing.assert_close(x, exact_x0(LINEAR.abar[-1].item(), noise, 0.3, 0.5))


def test_ddim_keeps_its_guesses_in_range():
    x = LINEAR.ddim(lambda x, t: torch.full_like(x, -9.0), torch.zeros(4), 5)
    assert x.abs().max() <= 1
    assert LINEAR.ddim(lambda x, t: torch.full_like(x, -9.0), torch.zeros(4), 5, clip=False).abs().max() > 1


@pytest.mark.parametrize("steps", [1, 3, 8, 25, 999, 1000])
def test_times(steps):
    times = LINEAR.times(steps)
    assert len(times) == steps and times[0] == 999 and times[-1] >= 0
    assert all(a > b for a, b in zip(times[:-1], times[1:], strict=True))


@pytest.mark.parametrize("steps", [0, 1001])
def test_times_that_cannot_be(steps):
    with pytest.raises(ValueError, match="steps"):
        LINEAR.times(steps)


def test_time_features_tell_steps_apart():
    f = time_features(torch.arange(0, 1000, 10), 16)
    assert f.shape == (100, 16) and f.abs().max() <= 1
    assert torch.pdist(f).min() > 0.05
