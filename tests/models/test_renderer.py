"""The whole renderer: stages, ablation switches, equations (16) and (18), sizes of every profile, and the cost promised for a CPU."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from paperlib.config import PROFILES
from paperlib.models.critic import Critic
from paperlib.models.flow import warp
from paperlib.models.renderer import Renderer

CFG = PROFILES["smoke"].renderer


def images(n=2, size=64, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.rand(n, 3, size, size, generator=g) for _ in range(3)]


def test_joint_stage_follows_the_equations():
    torch.manual_seed(0)
    net, (i3d, ref, crop) = Renderer(CFG).eval(), images()
    out = net(i3d, ref, crop)
    torch.testing.assert_close(out.warp, warp(ref, out.flow))
    torch.testing.assert_close(out.i_e, out.a_e * out.c_e + (1 - out.a_e) * out.warp)
    torch.testing.assert_close(out.i_i, out.a_i * out.c_i + (1 - out.a_i) * crop)
    assert 0 <= out.i_i.min() and out.i_i.max() <= 1


def test_warm_stage_leaves_the_inpainter_alone():
    net, (i3d, ref, _) = Renderer(CFG), images()
    out = net(i3d, ref, stage="warm")
    assert out.i_i is None and out.c_i is None and out.a_i is None
    out.i_e.square().sum().backward()
    assert all(p.grad is None for p in net.rbfin.parameters())
    assert all(p.grad is not None for p in net.sfm.parameters())
    with pytest.raises(ValueError, match="I_crop"):
        net(i3d, ref)
    with pytest.raises(ValueError, match="stage"):
        net(i3d, ref, stage="cold")


def test_gradients_of_the_inpainted_image_reach_flow_and_texture():
    net, x = Renderer(CFG), images()
    net(*x).i_i.square().sum().backward()
    for part in (net.sfm, net.tmn.encoder, net.tmn.decoder, net.rbfin):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_ablation_switches():
    x = images()
    bare = Renderer(CFG, use_tmn=False)
    out = bare(*x)
    assert out.c_e is None and out.a_e is None and torch.equal(out.i_e, out.warp)
    assert bare.rbfin.scales() == {} and out.i_i.shape == (2, 3, 64, 64)
    assert Renderer(CFG, use_msaf=False).rbfin.scales() == {}
    for s in (0.0, 1.0):
        assert Renderer(CFG, msaf_scale=s).rbfin.scales() == {"low": s, "high": s}


def test_a_few_steps_lower_the_error_in_the_hole():
    torch.manual_seed(0)
    net = Renderer(CFG)
    target = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), size=(64, 64), mode="bilinear")
    crop = target.clone()
    crop[:, :, 24:56, 16:48] = 0
    ref = target.roll(2, -1)
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    losses = []
    for _ in range(25):
        loss = (net(target, ref, crop).i_i - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_every_profile_constructs_and_classroom_stays_affordable():
    for name in ("smoke", "classroom", "paper"):
        Renderer(PROFILES[name].renderer)
    cfg = PROFILES["classroom"].renderer
    net = Renderer(cfg).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(*images(1, cfg.size))
    assert 0.2e9 < counter.get_total_flops() / 2 < 0.6e9  # multiply-accumulates a frame


def test_same_seed_same_network():
    x = images()
    outs = []
    for _ in range(2):
        torch.manual_seed(5)
        outs.append(Renderer(CFG)(*x).i_i)
    assert torch.equal(*outs)


@pytest.mark.parametrize("size", [64, 96])
def test_critic_scores_images_one_by_one(size):
    torch.manual_seed(0)
    critic, x = Critic(8), torch.rand(3, 3, size, size)
    scores = critic(x)
    assert scores.shape == (3,)
    torch.testing.assert_close(critic(x[1:2])[0], scores[1])  # no batch statistics
    assert not any(isinstance(m, torch.nn.modules.batchnorm._NormBase) for m in critic.modules())
    grad = torch.autograd.grad(critic(x.requires_grad_()).sum(), x, create_graph=True)[0]
    grad.square().sum().backward()  # the gradient penalty needs a second derivative
    assert critic.body[0].weight.grad.abs().sum() > 0


def test_msaf_scales_of_table_6_change_the_network():
    sizes = {}
    for scales in (("low",), ("high",), ("low", "high")):
        net = Renderer(dataclasses.replace(CFG, msaf_scales=scales))
        sizes[scales] = sum(p.numel() for p in net.rbfin.msaf.parameters())
    assert sizes["low", "high"] == sizes["low",] + sizes["high",]
