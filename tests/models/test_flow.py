"""SFM is FlowNetS; the warp follows the project's flow convention."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.config import PROFILES, RendererConfig
from paperlib.models.corrflow import FlowNet, local_correlation
from paperlib.models.flow import SFM, flow_levels, warp

FLOWNETS_MILLIONS = 38.68  # FlowNetS with BatchNorm, and table 7's SFM row


def small(size=64, **kw):
    return dataclasses.replace(PROFILES["smoke"].renderer, size=size, **kw)


def test_warp_identity_shift_and_half_pixel():
    torch.manual_seed(0)
    image = torch.rand(2, 3, 6, 8)
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 6, 8)), image)
    right = torch.zeros(2, 2, 6, 8)
    right[:, 0] = 2  # backward flow: the output pixel reads two pixels to its right
    torch.testing.assert_close(warp(image, right)[..., :-2], image[..., 2:])
    down = torch.zeros(2, 2, 6, 8)
    down[:, 1] = 0.5
    torch.testing.assert_close(warp(image, down)[:, :, :-1], (image[:, :, :-1] + image[:, :, 1:]) / 2)


def test_warp_equals_a_loop_with_repeated_border():
    rng = np.random.default_rng(0)
    image, flow = rng.random((1, 1, 5, 6)), rng.normal(0, 3, (1, 2, 5, 6))
    want = np.zeros((5, 6))
    for y in range(5):
        for x in range(6):
            sx = min(max(x + flow[0, 0, y, x], 0), 5)
            sy = min(max(y + flow[0, 1, y, x], 0), 4)
            x0, y0 = min(int(sx), 4), min(int(sy), 3)
            ax, ay, p = sx - x0, sy - y0, image[0, 0]
            want[y, x] = (1 - ay) * ((1 - ax) * p[y0, x0] + ax * p[y0, x0 + 1]) + ay * ((1 - ax) * p[y0 + 1, x0] + ax * p[y0 + 1, x0 + 1])
    np.testing.assert_allclose(warp(torch.from_numpy(image), torch.from_numpy(flow))[0, 0].numpy(), want, atol=1e-12)


def test_warp_gradient_in_flow():
    torch.manual_seed(1)
    image = torch.rand(1, 2, 5, 5, dtype=torch.double, requires_grad=True)
    flow = (torch.rand(1, 2, 5, 5, dtype=torch.double) * 0.6 + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(warp, (image, flow))


def test_parameters_are_those_of_flownets():
    net = SFM(RendererConfig(size=192, sfm_base=64))
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    assert millions == pytest.approx(FLOWNETS_MILLIONS, rel=0.0005)
    assert millions == pytest.approx(38.680336, abs=1e-6)


@pytest.mark.parametrize("size", [64, 96, 224])
def test_levels_follow_the_size_and_the_first_warp_is_the_identity(size):
    torch.manual_seed(0)
    net = SFM(small(size)).eval()
    assert len(net.down) == flow_levels(size) == 5
    i3d, ref = torch.rand(2, 3, size, size), torch.rand(2, 3, size, size)
    flow = net(i3d, ref)
    assert flow.shape == (2, 2, size, size)
    assert flow.abs().max() < 0.1  # pixels
    assert (warp(ref, flow) - ref).abs().mean() < 0.01


def test_sfm_uses_both_inputs_and_learns():
    torch.manual_seed(0)
    net, i3d, ref = SFM(small()), torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    flow = net.eval()(i3d, ref)
    assert not torch.equal(net(i3d.flip(0), ref), flow) and not torch.equal(net(i3d, ref.flip(0)), flow)
    net.train()(i3d, ref).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="halves at least three times"):
        SFM(small(50))
    with pytest.raises(ValueError, match="ref: expected shape"):
        SFM(small())(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 32, 32))


def test_local_correlation_equals_a_loop():
    rng = np.random.default_rng(2)
    a, b = rng.random((1, 3, 4, 5)), rng.random((1, 3, 4, 5))
    got = local_correlation(torch.from_numpy(a), torch.from_numpy(b), 1)[0].numpy()
    for n, (dy, dx) in enumerate((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
        for y in range(4):
            for x in range(5):
                inside = 0 <= y + dy < 4 and 0 <= x + dx < 5
                want = (a[0, :, y, x] * b[0, :, y + dy, x + dx]).mean() if inside else 0.0
                assert got[n, y, x] == pytest.approx(want)


def test_flownet_starts_at_zero_and_learns_a_shift():
    torch.manual_seed(0)
    net = FlowNet(6)
    base = torch.nn.functional.interpolate(torch.rand(4, 3, 10, 10), size=(48, 48), mode="bicubic").clamp(0, 1)
    assert net(base, base).abs().max() < 0.5
    flow = torch.zeros(4, 2, 48, 48)
    flow[:, 0], flow[:, 1] = 3.0, -2.0
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(60):
        loss = (net(warp(base, flow), base) - flow).norm(dim=1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.8  # of 3.6 px
    with pytest.raises(ValueError, match="divisible by 8"):
        net(torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 20))


def test_other_depths_and_widths_take_flownets_place():
    cfg = RendererConfig(size=96, sfm_channels=(4, 6, 8, 10), sfm_kernels=(3, 3, 5, 3), sfm_extra=(0, 1, 0, 2), sfm_up=(3, 5))
    net = SFM(cfg).eval()
    assert [len(block) for block in net.down] == [1, 2, 1, 3]
    assert [up[0].out_channels for up in net.up] == [5, 3]  # an eighth of the size first
    assert net(torch.rand(1, 3, 96, 96), torch.rand(1, 3, 96, 96)).shape == (1, 2, 96, 96)
    assert [m.kernel_size for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.stride == (2, 2)] == [
        (3, 3),
        (3, 3),
        (5, 5),
        (3, 3),
    ]


def test_a_plan_that_does_not_fit_is_refused():
    base = {"size": 96, "sfm_channels": (4, 6, 8, 10), "sfm_kernels": (3,) * 4, "sfm_extra": (0,) * 4, "sfm_up": (3, 5)}
    for wrong in ({"sfm_up": (3,)}, {"sfm_kernels": (3, 3)}, {"sfm_extra": (0,) * 5}):
        with pytest.raises(ValueError, match="4 halvings need"):
            SFM(RendererConfig(**base | wrong))
    with pytest.raises(ValueError, match="divide the size"):
        SFM(RendererConfig(size=96, sfm_channels=(4,) * 6, sfm_kernels=(3,) * 6, sfm_extra=(0,) * 6, sfm_up=(3,) * 4))
