"""Each variant of tables 4 to 6: what it removes is gone, and the full method is the network as it always was."""

import json
import struct

import pytest
import torch

from paperlib import paths
from paperlib.config import from_dict, load_profile, to_dict
from paperlib.evaluation.renderer_variants import STUDY_TABLES, VARIANTS, budget, rows_of, variant_of
from paperlib.models.flow import SFM, warp
from paperlib.models.inpainting import RBFIN
from paperlib.models.renderer import Renderer
from paperlib.models.texture import TMN
from paperlib.models.unet import compose
from paperlib.paper import TABLES


def images(n=2, size=64, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.rand(n, 3, size, size, generator=g) for _ in range(3)]


def build(name, seed=0):
    torch.manual_seed(seed)
    return Renderer(load_profile("smoke", **VARIANTS[name].overrides).renderer).eval()


def parts(net):
    return {k.split(".")[0] for k, _ in net.named_parameters()}


def shake(module):
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.rand_like(p))


def test_nine_networks_stand_for_twelve_rows():
    rows = [row for v in VARIANTS.values() for row in v.rows]
    assert len(VARIANTS) == 9 and len(rows) == len(set(rows)) == 12
    assert set(rows) == {(t, r) for t in STUDY_TABLES for r in TABLES[t].rows}
    assert rows_of("table5") == {"sigma_0": "no_msaf", "sigma_1": "sigma_1", "sigma_learned": "full"}
    assert variant_of("table6", "all") == "full"


def test_full_is_the_network_of_the_profile_exactly():
    assert not VARIANTS["full"].overrides and VARIANTS["full"].staged
    cfg, (i3d, ref, crop) = load_profile("smoke").renderer, images()
    torch.manual_seed(0)
    sfm, tmn, rbfin = SFM(cfg).eval(), TMN(cfg).eval(), RBFIN(cfg).eval()
    with torch.no_grad():
        i_warp = warp(ref, sfm(i3d, ref))
        c_e, a_e, f_tex = tmn(i_warp, i3d)
        c_i, a_i = rbfin(i_warp, i3d, crop, f_tex)
        out = build("full")(i3d, ref, crop)
    assert torch.equal(out.i_e, compose(a_e, c_e, i_warp)) and torch.equal(out.i_i, compose(a_i, c_i, crop))


def test_classroom_state_dict_is_that_of_the_shipped_checkpoint():
    with open(paths.CHECKPOINTS / "renderer_classroom.safetensors", "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
    header.pop("__metadata__", None)
    state = Renderer(load_profile("classroom").renderer).state_dict()
    assert {k: tuple(v["shape"]) for k, v in header.items()} == {k: tuple(v.shape) for k, v in state.items()}


def test_cards_older_than_the_switches_and_cards_with_them_rebuild_the_network():
    cfg = load_profile("smoke", **VARIANTS["base"].overrides).renderer
    assert from_dict(type(cfg), json.loads(json.dumps(to_dict(cfg)))) == cfg
    old = {k: v for k, v in to_dict(load_profile("smoke").renderer).items() if not k.startswith("use_") and k != "msaf_scale"}
    assert from_dict(type(cfg), old) == load_profile("smoke").renderer


@torch.no_grad()
def test_base_has_the_inpainter_alone_and_sees_the_reference_as_filmed():
    net, (i3d, ref, crop) = build("base"), images()
    assert parts(net) == {"rbfin"} and not net.rbfin.msaf and not VARIANTS["base"].staged
    out = net(i3d, ref, crop)
    assert out.i_e is None and out.c_e is None and torch.equal(out.warp, ref) and not out.flow.any()
    colour, attention = net.rbfin(ref, i3d, crop, None)
    assert torch.equal(out.i_i, compose(attention, colour, crop))
    with pytest.raises(ValueError, match="nothing for the"):
        net(i3d, ref, stage="warm")


@torch.no_grad()
def test_without_tmn_the_flow_is_all_that_carries_the_reference():
    net, x = build("no_tmn"), images()
    out = net(*x)
    assert parts(net) == {"sfm", "rbfin"} and not net.rbfin.msaf
    assert torch.equal(out.i_e, out.warp) and out.flow.abs().max() > 0


@torch.no_grad()
def test_without_msaf_the_result_does_not_depend_on_tmn():
    net, full, x = build("no_msaf"), build("full"), images()
    assert parts(net) == {"sfm", "tmn", "rbfin"} and not [k for k, _ in net.named_parameters() if "msaf" in k]
    before, before_full = net(*x), full(*x)
    shake(net.tmn), shake(full.tmn)
    after = net(*x)
    assert torch.equal(before.i_i, after.i_i) and not torch.equal(before.i_e, after.i_e)
    assert not torch.equal(before_full.i_i, full(*x).i_i)


@torch.no_grad()
def test_scale_zero_is_the_network_without_msaf():
    zero, without, x = Renderer(load_profile("smoke").renderer, msaf_scale=0.0).eval(), build("no_msaf"), images()
    without.load_state_dict({k: v for k, v in zero.state_dict().items() if not k.startswith("rbfin.msaf")})
    assert torch.equal(zero(*x).i_i, without(*x).i_i)


def test_scale_one_is_fixed():
    net = build("sigma_1")
    assert net.rbfin.scales() == {"low": 1.0, "high": 1.0}
    assert not [k for k, _ in net.named_parameters() if k.endswith(".scale")] and "rbfin.msaf.low.scale" in net.state_dict()


@torch.no_grad()
@pytest.mark.parametrize("name", ["low", "high"])
def test_one_scale_alone_fuses_there_alone(name):
    net, (i3d, ref, crop) = build(name), images()
    other = {"low": "high", "high": "low"}[name]
    assert set(net.rbfin.msaf) == {name} and not [k for k in net.state_dict() if f"msaf.{other}" in k]
    i_warp = warp(ref, net.sfm(i3d, ref))
    f_tex = net.tmn(i_warp, i3d)[2]
    changed = {k: f_tex | {k: torch.zeros_like(f_tex[k])} for k in f_tex}
    colour = net.rbfin(i_warp, i3d, crop, f_tex)[0]
    assert torch.equal(net.rbfin(i_warp, i3d, crop, changed[other])[0], colour)
    assert not torch.equal(net.rbfin(i_warp, i3d, crop, changed[name])[0], colour)


def test_variants_of_training_alone_are_the_full_network():
    full = build("full").state_dict()
    for name in ("no_corr", "no_staging"):
        assert all(torch.equal(v, full[k]) for k, v in build(name).state_dict().items())
    assert load_profile("smoke", **VARIANTS["no_corr"].overrides).renderer.l_corr == 0
    assert not VARIANTS["no_staging"].staged and not VARIANTS["no_staging"].overrides


def test_every_variant_has_the_same_number_of_steps():
    profile = load_profile("classroom")
    for name, v in VARIANTS.items():
        cfg = load_profile("classroom", **(budget(profile, 1000) | v.overrides)).renderer
        assert cfg.steps_warm + cfg.steps_joint1 + cfg.steps_joint2 == 1000, name
        assert cfg.batch == profile.renderer.batch and cfg.lr == profile.renderer.lr
