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


def expression_net(residual_audio):
    profile = load_profile("smoke", expression__residual_audio=residual_audio)
    torch.manual_seed(0)
    return ExpressionNet(profile.expression, profile.teacher.size).eval(), torch.rand(1, 9, 3, profile.teacher.size, profile.teacher.size)


@torch.no_grad()
@pytest.mark.parametrize("residual_audio", [False, True])
def test_uniform_attention_weighs_all_frames_alike(residual_audio):
    net, semantic = expression_net(residual_audio)
    k, uniform = net.cfg.k, ablation.with_uniform_attention(net)
    first, second = (uniform(torch.randn(1, 9, 13, 28), semantic) for _ in range(2))
    torch.testing.assert_close(first.attention[0, k], torch.full((2 * k + 1,), 1 / (2 * k + 1)))
    assert net.attend.w_q.weight.abs().max() > 0
    assert torch.equal(first.exp, second.exp) is not residual_audio  # as printed, speech reaches nothing any more


@torch.no_grad()
def test_without_the_audio_path_the_network_is_the_printed_one():
    net, semantic = expression_net(True)
    printed, _ = expression_net(False)
    printed.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("audio_skip")})
    mfcc = torch.randn(1, 9, 13, 28)
    assert torch.equal(ablation.without_audio_path(net)(mfcc, semantic).exp, printed(mfcc, semantic).exp)
    assert not torch.equal(net(mfcc, semantic).exp, printed(mfcc, semantic).exp)
    with pytest.raises(ValueError, match="no audio path"):
        ablation.without_audio_path(printed)


def test_rows_are_known():
    for row in (*ablation.RENDERERS, "uniform_attention", "audio_path_off", "still_semantic_images"):
        assert paper.row_id(ablation.TABLE, row) and paper.row_id(ablation.TABLE, f"full_minus_{row}")
