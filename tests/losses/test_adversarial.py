import pytest
import torch
from torch import nn

from paperlib.losses.adversarial import critic_loss, critic_objective, critic_objective_printed, generator_loss, gradient_penalty


class Linear(nn.Module):
    """D(x) = <w, x> + c: its gradient is w everywhere, so the penalty is exactly (|w| - 1)^2."""

    def __init__(self, norm, size=4):
        super().__init__()
        w = torch.arange(1.0, 3 * size * size + 1, dtype=torch.float64)
        self.w = nn.Parameter(norm * w / w.norm())
        self.c = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x):
        return x.flatten(1) @ self.w[:, None] + self.c


def _images(seed, n=3, size=4):
    return torch.rand(n, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_penalty_is_exact_on_a_linear_critic_and_so_is_its_gradient(norm):
    critic = Linear(norm)
    penalty = gradient_penalty(critic, _images(0), _images(1))
    assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-12)
    penalty.backward()
    torch.testing.assert_close(critic.w.grad, 2 * (norm - 1) * critic.w.detach() / norm, rtol=1e-9, atol=1e-12)


def test_penalty_of_a_dead_critic_is_one_with_finite_gradients():
    critic = Linear(1.0)
    with torch.no_grad():
        critic.w.zero_()
    penalty = gradient_penalty(critic, _images(0), _images(1))
    penalty.backward()
    assert penalty.item() == 1 and torch.isfinite(critic.w.grad).all()


def test_penalty_averages_a_map_critic_per_image_and_is_repeatable():
    conv = nn.Conv2d(3, 1, 1, bias=False).double()
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([3.0, 0.0, 4.0]).view(1, 3, 1, 1))
    value = gradient_penalty(conv, _images(0), _images(1))  # mean over 16 positions: |grad| = 5 / 16 * sqrt(16)
    assert value.item() == pytest.approx((5 / 4 - 1) ** 2)
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    a, b = (gradient_penalty(mlp, _images(0), _images(1), torch.Generator().manual_seed(5)) for _ in range(2))
    assert a.item() == b.item()


def test_penalty_and_its_gradient_equal_those_of_a_backward_pass_differentiated_once_more():
    """The definition, with autograd's second derivative, on a smooth critic whose slope differs from picture to picture."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        critic = nn.Sequential(nn.Conv2d(3, 5, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(5, 4), nn.Softplus(), nn.Linear(4, 1)).double()
        with torch.no_grad():
            for p in critic.parameters():
                p.mul_(3)
    real, fake = _images(0), _images(1)
    ours = gradient_penalty(critic, real, fake, torch.Generator().manual_seed(5))
    eps = torch.rand((3, 1, 1, 1), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    mixed = (eps * real + (1 - eps) * fake).requires_grad_()
    slope = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)[0].flatten(1).norm(dim=1)
    wanted = ((slope - 1) ** 2).mean()
    assert ours.item() == pytest.approx(wanted.item(), rel=1e-12) and slope.std() > 0.01
    params = [p for p in critic.parameters() if p is not critic[-1].bias]  # the last bias has no part in any slope
    for a, b in zip(torch.autograd.grad(ours, params), torch.autograd.grad(wanted, params), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_a_critic_that_knows_its_slopes_gives_the_penalty_of_one_that_does_not():
    from paperlib.models.critic import Critic

    with torch.random.fork_rng():
        torch.manual_seed(0)
        critic = Critic(4, 3).double()
    real, fake = (torch.rand(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    scores, slopes = critic.scored(real)
    torch.testing.assert_close(scores, critic(real))
    step = 1e-7 * (fake - real)
    torch.testing.assert_close(critic.along(step, slopes), critic(real + step) - critic(real), rtol=1e-5, atol=1e-12)
    weights = [p for name, p in critic.named_parameters() if name.endswith("weight")]
    found = []
    for asked in (critic, lambda x: critic(x)):  # the second has no `scored`
        value = gradient_penalty(asked, real, fake, torch.Generator().manual_seed(5))
        found.append([value.detach(), *torch.autograd.grad(value, weights)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-14)


def test_the_loss_of_two_generated_images_has_the_mean_of_their_penalties():
    critic = nn.Sequential(nn.Flatten(), nn.Linear(48, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    real, fakes = _images(0), [_images(1), _images(2)]
    generator = torch.Generator().manual_seed(5)
    penalties = [gradient_penalty(critic, real, fake, generator) for fake in fakes]
    rest = critic_loss(critic, real, fakes, 0.0)
    whole = critic_loss(critic, real, fakes, 10.0, torch.Generator().manual_seed(5))
    assert whole.item() == pytest.approx((rest + 10 * sum(penalties) / 2).item(), rel=1e-12)


def test_the_printed_objective_has_no_maximum_and_ours_does_not_move_under_a_constant():
    real, inpainted, intermediate = (torch.randn(8, generator=torch.Generator().manual_seed(i)) for i in range(3))
    for c in (1.0, -50.0, 1e4):
        printed = critic_objective_printed(real, inpainted, intermediate)
        shift = critic_objective_printed(real + c, inpainted + c, intermediate + c) - printed
        assert shift.item() == pytest.approx(-c, rel=1e-3)
        ours = critic_objective(real + c, [inpainted + c, intermediate + c])
        assert ours.item() == pytest.approx(critic_objective(real, [inpainted, intermediate]).item(), abs=abs(c) * 1e-5)


def test_training_by_the_print_runs_away_where_ours_settles():
    def train(printed):
        critic = Linear(1.0)
        optimiser = torch.optim.SGD(critic.parameters(), lr=0.05)
        real, fake_i, fake_e = _images(0), _images(1), _images(2)
        for _ in range(100):
            optimiser.zero_grad()
            if printed:
                objective = critic_objective_printed(critic(real), critic(fake_i), critic(fake_e))
                loss = 10 * gradient_penalty(critic, real, fake_i) - objective
            else:
                loss = critic_loss(critic, real, [fake_i, fake_e])
            loss.backward()
            optimiser.step()
        return critic.c.item()

    assert train(printed=False) == pytest.approx(0, abs=1e-9)
    assert train(printed=True) == pytest.approx(-0.05 * 100)  # the constant drops by the learning rate every step, for ever


def test_critic_loss_by_hand_and_images_get_no_gradient():
    critic = Linear(2.0)
    real, fakes = _images(0), [_images(1).requires_grad_(), _images(2).requires_grad_()]
    loss = critic_loss(critic, real, fakes, lambda_gp=10.0)
    expected = -(2 * critic(real).mean() - critic(fakes[0]).mean() - critic(fakes[1]).mean()) + 10 * (2 - 1) ** 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    loss.backward()
    assert fakes[0].grad is None and critic.w.grad is not None
    warm = critic_loss(critic, real, fakes[:1], lambda_gp=0.0)
    assert warm.item() == pytest.approx((critic(fakes[0]).mean() - critic(real).mean()).item(), rel=1e-9)


def test_generator_loss_is_minus_the_mean_score():
    assert generator_loss(torch.tensor([1.0, 3.0])).item() == -2


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="fake"):
        gradient_penalty(Linear(1.0), _images(0), _images(1, n=2))
