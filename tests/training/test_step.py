"""The training step of stage 2 against the plain one of the benchmark, and its breakdown."""

import copy
import dataclasses

import pytest
import torch

from benchmarks.bench_step import Contest, PlainRanger, Products, plain_penalty
from paperlib import weights
from paperlib.corpus.banks import render_batch
from paperlib.losses.adversarial import gradient_penalty
from paperlib.losses.perceptual import VGGFeatures
from paperlib.training.breakdown import format_breakdown, step_breakdown
from paperlib.training.optim import Ranger
from paperlib.training.phases import Phase
from paperlib.training.step import Judges, channels_last, objectives, paint

needs_vgg16 = pytest.mark.skipif(not weights.available("vgg16"), reason="VGG-16 absent: python -m paperlib.weights fetch vgg16")


def draw_from(small):
    return lambda generator: render_batch(small.train, small.cfg.batch, generator)


def contest(small, phase, judges=None):
    return Contest(small.net(), small.critic(), judges or small.judges, small.cfg, draw_from(small), phase)


@pytest.mark.parametrize("phase", [Phase("warm", 0.0), Phase("joint", 0.2)])
def test_eight_steps_end_where_eight_plain_steps_end(small_renderer, phase):
    """In double precision, where rounding cannot hide or make a difference."""

    def draw(generator):
        return type(batch)(**{k: v.double() for k, v in vars(draw_from(small_renderer)(generator)).items()})

    batch = draw_from(small_renderer)(torch.Generator())
    judges = Judges(None, copy.deepcopy(small_renderer.judges.flow_fn).double())
    pair = Contest(small_renderer.net().double(), small_renderer.critic().double(), judges, small_renderer.cfg, draw, phase)
    start = torch.nn.utils.parameters_to_vector(small_renderer.net().parameters())
    for _ in range(8):
        assert pair.ours() == pytest.approx(pair.plain(), rel=1e-9)
    moved = torch.nn.utils.parameters_to_vector([p.contiguous() for p in pair.nets[0][0].parameters()]) - start
    assert pair.difference() * start.norm() < 1e-6 * moved.norm()  # apart by a millionth of the way they went
    for a, b in zip(*(critic.parameters() for _, critic in pair.nets), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


@needs_vgg16
def test_features_of_both_pictures_in_one_call_change_nothing(small_renderer):
    judges = Judges(VGGFeatures(("relu1_1",)), small_renderer.judges.flow_fn).ready(torch.device("cpu"))
    pair = contest(small_renderer, Phase("joint", 0.2), judges)
    for _ in range(2):
        assert pair.ours() == pytest.approx(pair.plain(), rel=2e-4)


def test_plain_ranger_is_ranger():
    torch.manual_seed(0)
    start = [torch.randn(4, 3), torch.randn(5), torch.randn(2, 3, 3, 3)]
    ours, plain = ([x.clone().requires_grad_() for x in start] for _ in range(2))
    a, b = Ranger(ours, 0.01), PlainRanger(plain, 0.01)
    late = ours[1], plain[1]
    for i in range(20):
        for params, optimiser in ((ours, a), (plain, b)):
            for p in params:
                p.grad = None if p is late[0] and i < 3 or p is late[1] and i < 3 else (p.detach() ** 3 + 0.1 * i)
            optimiser.step()
    assert a.state[ours[1]]["step"] == 17  # a parameter that joined later counts its own steps
    for x, y in zip(ours, plain, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


def test_penalty_equals_the_second_derivative_on_a_real_critic(small_renderer):
    critic = small_renderer.critic().double()
    real, fake = (torch.rand(3, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    found = []
    for penalty in (plain_penalty, gradient_penalty):
        value = penalty(critic, real, fake, torch.Generator().manual_seed(5))
        found.append((value.item(), torch.autograd.grad(value, [p for n, p in critic.named_parameters() if n.endswith("weight")])))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-14)


def test_channels_last_keeps_names_and_numbers(small_renderer):
    net = small_renderer.net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    channels_last(net, None)
    assert list(net.state_dict()) == list(before)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_half_precision_networks_give_a_near_loss_and_float32_gradients(small_renderer):
    net, critic = small_renderer.net(), small_renderer.critic()
    batch = draw_from(small_renderer)(torch.Generator().manual_seed(3))
    found = []
    for low in (False, True):

        def autocast(low=low):
            return torch.autocast("cpu", torch.bfloat16, enabled=low)

        out = paint(net, batch, "joint", autocast)
        assert out.warp.dtype == out.i_i.dtype == torch.float32
        loss, terms = objectives(small_renderer.cfg, small_renderer.judges, out, batch, critic, Phase("joint", 0.2), autocast)
        net.zero_grad()
        loss.backward()
        assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in net.parameters())
        found.append((loss.item(), net.tmn.head.conv.weight.grad.clone()))
    assert found[1][0] == pytest.approx(found[0][0], rel=0.02)
    assert torch.cosine_similarity(found[0][1].flatten(), found[1][1].flatten(), 0) > 0.95


def test_breakdown_names_every_part_once_and_its_step_is_the_trained_one(small_renderer):
    net, critic, cfg = small_renderer.net(), small_renderer.critic(), small_renderer.cfg
    ticks = iter(range(10_000))
    parts = step_breakdown(net, critic, small_renderer.judges, cfg, draw_from(small_renderer), repeats=1, clock=lambda: float(next(ticks)))
    names = [p.name for p in parts]
    assert len(set(names)) == len(names) and names[0] == "data" and names[-1] == "step" and "L_corr (27)" in names
    assert all(p.milliseconds == 1000 for p in parts[:-1])  # one tick of this clock each
    assert sum(p.share for p in parts[:-1]) == pytest.approx(1) and parts[-1].milliseconds == 1000 * (len(parts) - 1)
    assert format_breakdown(parts).splitlines()[-1].endswith("100%")
    pair = contest(small_renderer, Phase("joint", 0.2))
    pair.ours()
    pair.ours()
    # with the warm-up the breakdown, too, has done two joint steps on the same draws, and changed the weights in place
    for a, b in zip(net.parameters(), pair.nets[1][0].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_products_of_a_convolution_forward_and_backward_by_hand():
    conv, x = torch.nn.Conv2d(3, 5, 3, padding=1), torch.rand(2, 3, 8, 8, requires_grad=True)
    with Products() as forward:
        y = conv(x)
    assert forward.count == 2 * 8 * 8 * 5 * 3 * 9
    with Products() as backward:
        y.sum().backward()
    assert backward.count == 2 * forward.count  # once for the weights, once for the picture


def test_a_term_without_its_judge_is_left_out(small_renderer):
    out = paint(small_renderer.net(), draw_from(small_renderer)(torch.Generator().manual_seed(0)), "warm")
    batch = draw_from(small_renderer)(torch.Generator().manual_seed(0))
    _, terms = objectives(small_renderer.cfg, Judges(None, None), out, batch, None, Phase("warm", 0.0))
    assert set(terms) == {"e_rec", "e_ssim", "loss"} and not any(v.requires_grad for v in terms.values())
    assert dataclasses.is_dataclass(batch)
