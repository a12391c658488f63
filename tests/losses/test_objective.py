import pytest
import torch

from paperlib.config import RendererConfig
from paperlib.losses.objective import EPS, LossWeights, inpainting_objective, intermediate_objective, total_objective, weighted_sum

WEIGHTS = LossWeights(l_ssim=2.0, l_p=3.0, l_style=5.0, l_wgan=7.0, l_corr=11.0)


def _pair(size=16):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, size, size, generator=generator), torch.rand(2, 3, size, size, generator=generator)


def _feats(seed):
    return {"relu1_1": torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(seed))}


def test_30_has_its_five_terms_with_their_weights():
    pred, target = _pair()
    loss, terms = inpainting_objective(pred, target, WEIGHTS, torch.tensor([1.0, 3.0]), _feats(1), _feats(2))
    assert set(terms) == {"rec", "ssim", "p", "style", "wgan"}
    expected = terms["rec"] + 2 * terms["ssim"] + 3 * terms["p"] + 5 * terms["style"] + 7 * terms["wgan"]
    assert loss.item() == pytest.approx(expected.item())
    assert terms["wgan"].item() == -2


def test_31_has_the_correspondence_term_and_no_style():
    pred, target = _pair()
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., 8:, :] = 1
    seen = []

    def flow_fn(a, b):
        seen.append((a, b))
        return torch.zeros(2, 2, 16, 16)

    warp = 1 - pred
    loss, terms = intermediate_objective(
        pred, target, mask, WEIGHTS, warp=warp, flow_fn=flow_fn, d_fake=torch.zeros(2), feats_pred=_feats(1), feats_target=_feats(2)
    )
    assert set(terms) == {"rec", "ssim", "p", "wgan", "corr"}
    assert loss.item() == pytest.approx((terms["rec"] + 2 * terms["ssim"] + 3 * terms["p"] + 11 * terms["corr"]).item())
    assert terms["corr"].item() == pytest.approx(2 * (warp - target).abs().mean().item())  # of I_warp, not of I_e
    assert terms["rec"].item() == pytest.approx((pred - target).abs()[..., 8:, :].mean().item())  # over Omega_c


def test_terms_left_out_are_off():
    pred, target = _pair()
    loss, terms = inpainting_objective(pred, target, WEIGHTS)
    assert set(terms) == {"rec", "ssim"}
    assert loss.item() == pytest.approx((terms["rec"] + 2 * terms["ssim"]).item())
    with pytest.raises(ValueError, match="warp"):
        intermediate_objective(pred, target, torch.ones(2, 1, 16, 16), WEIGHTS, flow_fn=lambda a, b: a)
    with pytest.raises(ValueError, match="rec is required"):
        weighted_sum({"ssim": torch.zeros(())}, WEIGHTS)
    with pytest.raises(ValueError, match="known"):
        weighted_sum({"rec": torch.zeros(()), "gan": torch.zeros(())}, WEIGHTS)


def test_32_mixes_by_eps_and_the_warm_stage_is_31_alone():
    l_i, l_e = torch.tensor(10.0), torch.tensor(2.0)
    assert EPS == {"warm": 0.0, "joint1": 0.1, "joint2": 0.2}
    assert [total_objective(l_i, l_e, eps).item() for eps in EPS.values()] == pytest.approx([2.0, 2.8, 3.6])
    with pytest.raises(ValueError, match="eps"):
        total_objective(l_i, l_e, 1.2)


def test_weights_come_from_the_configuration_in_the_right_order():
    cfg = RendererConfig(l_ssim=1.0, l_p=2.0, l_style=3.0, l_wgan=4.0, l_corr=5.0)
    assert LossWeights.of(cfg) == LossWeights(1.0, 2.0, 3.0, 4.0, 5.0)
