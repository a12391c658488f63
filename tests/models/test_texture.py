"""TMN: shapes, ranges, its start, and what its decoder is conditioned on."""

import dataclasses

import pytest
import torch

from paperlib.config import PROFILES
from paperlib.models.blocks import SPADE
from paperlib.models.texture import TMN, compose, tmn_widths

CFG = PROFILES["smoke"].renderer


def test_shapes_ranges_and_start():
    torch.manual_seed(0)
    net, i_warp, i3d = TMN(CFG), torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    colour, attention, f_tex = net(i_warp, i3d)
    assert colour.shape == (2, 3, 64, 64) and attention.shape == (2, 1, 64, 64)
    assert colour.min() > 0 and colour.max() < 1
    widths = tmn_widths(CFG)
    assert f_tex["high"].shape == (2, widths[0], 64, 64) and f_tex["low"].shape == (2, widths[2], 16, 16)
    assert (colour - i_warp).abs().mean() < 0.1  # C_e starts near I_warp
    assert 0.15 < attention.mean() < 0.45  # A_e starts low


def test_compose_mixes_and_keeps_the_ends():
    colour, base = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(compose(torch.ones(1, 1, 4, 4), colour, base), colour)
    torch.testing.assert_close(compose(torch.zeros(1, 1, 4, 4), colour, base), base)
    a = torch.rand(1, 1, 4, 4)
    torch.testing.assert_close(compose(a, colour, base), a * colour + (1 - a) * base)


def test_decoder_has_spade_layers_and_every_parameter_learns():
    net = TMN(CFG)
    assert sum(isinstance(m, SPADE) for m in net.decoder.modules()) == 2  # 1/4 and 1/2; full size is plain
    colour, attention, f_tex = net(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    (colour.square().sum() + attention.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="i3d: expected shape"):
        TMN(CFG)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 32, 32))


def test_depth_spade_and_stem_follow_the_settings():
    cfg = dataclasses.replace(
        CFG, tmn_levels=4, tmn_encoder_convs=2, tmn_spade_full=True, narrow_first=False, stem_kernel=7, tmn_max_channels=20, tmn_convs=2
    )
    net = TMN(cfg)
    assert tmn_widths(cfg) == [4, 8, 16, 20, 20]
    assert [len(d) for d in net.encoder.down] == [3] * 4 and net.encoder.stem[0].kernel_size == (7, 7)
    assert sum(isinstance(m, SPADE) for m in net.decoder.modules()) == 4
    assert all(level.narrow is None for level in net.decoder.levels)
    assert [level.conv.in_channels for level in net.decoder.levels] == [8 + 4, 16 + 8, 20 + 16, 20 + 20]
    colour, attention, f_tex = net(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    assert colour.shape == (1, 3, 64, 64) and f_tex["low"].shape == (1, 16, 16, 16)
    (colour.square().sum() + attention.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    with pytest.raises(ValueError, match="tmn_levels"):
        TMN(dataclasses.replace(CFG, tmn_levels=1))
