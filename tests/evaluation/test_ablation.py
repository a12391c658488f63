"""Removals at test time change what they name, leave the trained network alone, and agree with the untouched equations."""

import pytest
import torch

from paperlib import paper
from paperlib.config import load_profile
from paperlib.evaluation import ablation
from paperlib.models.expression import ExpressionNet
from paperlib.models.renderer import Renderer

CFG = load_profile("smoke").renderer


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    built = Renderer(CFG).eval()
    for module in built.rbfin.msaf.values():
        module.scale.data.fill_(0.3)
    return built


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 1, 3, CFG.size, CFG.size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_scales_are_set_in_a_copy(net, images):
    whole = net(*images).i_i
    off, low = ablation.with_scales(net, 0.0, 0.0), ablation.with_scales(net, high=0.0)
    assert off.rbfin.scales() == {"low": 0.0, "high": 0.0}
    assert low.rbfin.scales() == {"low": pytest.approx(0.3), "high": 0.0} == ablation.RENDERERS["msaf_low_only"](net).rbfin.scales()
    assert torch.equal(net(*images).i_i, whole)
    assert not torch.equal(off(*images).i_i, whole) and not torch.equal(low(*images).i_i, off(*images).i_i)


@torch.no_grad()
def test_scale_zero_is_a_network_without_msaf(net, images):
    """(22) with s = 0: the same weights without any fusion give the same picture."""
    without = Renderer(CFG, use_msaf=False).eval()
    kept = {k: v for k, v in net.state_dict().items() if not k.startswith("rbfin.msaf")}
    without.load_state_dict(kept)
    assert torch.equal(without(*images).i_i, ablation.with_scales(net, 0.0, 0.0)(*images).i_i)


@torch.no_grad()
def test_flow_off_leaves_the_reference(net, images):
    out = ablation.without_flow(net)(*images)
    torch.testing.assert_close(out.warp, images[1], atol=1e-5, rtol=0)
    assert net(*images).flow.abs().max() > 0


@torch.no_grad()
def test_uniform_attention_weighs_all_frames_alike():
    profile = load_profile("smoke")
    size = profile.teacher.size
    net = ExpressionNet(profile.expression, size).eval()
    mfcc, semantic = torch.randn(1, 9, 13, 28), torch.rand(1, 9, 3, size, size)
    k = profile.expression.k
    attention = ablation.with_uniform_attention(net)(mfcc, semantic).attention
    torch.testing.assert_close(attention[0, k], torch.full((2 * k + 1,), 1 / (2 * k + 1)))
    assert net.attend.w_q.weight.abs().max() > 0
    other = ablation.with_uniform_attention(net)(torch.randn(1, 9, 13, 28), semantic).exp
    assert torch.equal(other, ablation.with_uniform_attention(net)(mfcc, semantic).exp)  # speech reaches nothing any more


def test_rows_are_known():
    for row in (*ablation.RENDERERS, "uniform_attention", "still_semantic_images"):
        assert paper.row_id(ablation.TABLE, row) and paper.row_id(ablation.TABLE, f"full_minus_{row}")
