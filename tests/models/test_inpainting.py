"""RBFIN: shapes, the fusion's switches, and that the texture features arrive."""

import dataclasses

import pytest
import torch

from paperlib.config import PROFILES
from paperlib.models.inpainting import RBFIN
from paperlib.models.texture import tmn_widths

CFG = PROFILES["smoke"].renderer
IMAGES = [torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(i)) for i in range(3)]


def textures(seed=0):
    g, w = torch.Generator().manual_seed(seed), tmn_widths(CFG)
    return {"high": torch.randn(2, w[0], 64, 64, generator=g), "low": torch.randn(2, w[2], 16, 16, generator=g)}


def build(scales=("low", "high"), **kw):
    torch.manual_seed(0)
    return RBFIN(dataclasses.replace(CFG, msaf_scales=scales), **kw)


def test_shapes_ranges_and_start():
    colour, attention = build()(*IMAGES, textures())
    assert colour.shape == (2, 3, 64, 64) and attention.shape == (2, 1, 64, 64)
    assert 0 < colour.min() and colour.max() < 1
    assert (colour - IMAGES[0]).abs().mean() < 0.1  # C_i starts near I_warp


def test_attention_starts_in_the_hole():
    crop = torch.full((2, 3, 64, 64), 0.6)
    crop[:, :, 32:, 16:48] = 0
    attention = build()(IMAGES[0], IMAGES[1], crop, textures())[1]
    assert attention[:, :, 33:, 17:47].mean() > 0.9 and attention[:, :, :30].mean() < 0.2


@pytest.mark.parametrize("scales", [("low",), ("high",), ("low", "high")])
def test_only_the_chosen_scales_are_read(scales):
    net, a = build(scales), textures()
    out = net(*IMAGES, a)[0]
    for name in ("low", "high"):
        b = a | {name: textures(1)[name]}
        assert torch.equal(net(*IMAGES, b)[0], out) == (name not in scales)
    assert set(net.scales()) == set(scales)


def test_scale_zero_equals_no_fusion():
    off, none = build(msaf_scale=0.0), build(use_msaf=False)
    none.load_state_dict({k: v for k, v in off.state_dict().items() if not k.startswith("msaf.")})
    torch.testing.assert_close(off(*IMAGES, textures())[0], none(*IMAGES, None)[0])
    assert none.scales() == {} and off.scales() == {"low": 0.0, "high": 0.0}


def test_scales_report_the_learnable_start_and_every_parameter_learns():
    net = build()
    assert all(v == pytest.approx(CFG.msaf_init) for v in net.scales().values())
    colour, attention = net(*IMAGES, textures())
    (colour.square().sum() + attention.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="msaf_scales"):
        build(("middle",))
    with pytest.raises(ValueError, match="f_tex"):
        build()(*IMAGES, None)
    with pytest.raises(ValueError, match="i_crop: expected shape"):
        build()(IMAGES[0], IMAGES[1], torch.rand(1, 3, 64, 64), textures())


@pytest.mark.parametrize(("finest", "layers"), [(0, 4), (1, 3), (2, 2), (4, 0)])
def test_spade_sits_from_the_chosen_level_down(finest, layers):
    net = RBFIN(dataclasses.replace(CFG, rbfin_spade_from=finest, rbfin_encoder_convs=0))
    assert [level.spade is not None for level in net.decoder.levels] == [level >= finest for level in range(4)]
    assert sum(level.norm is None for level in net.decoder.levels) == layers
    assert net(*IMAGES, textures())[0].shape == (2, 3, 64, 64)
