"""Measures of stage 1: known answers for known differences."""

import numpy as np
import pytest
import torch

from paperlib.corpus.banks import SpeechItem
from paperlib.corpus.synthetic import ClipId
from paperlib.evaluation.expression_measures import UNITS, best_lag, explained, lip_error_mm, measures, mouth_mse, opening_mm
from paperlib.face3d.landmarks import lip_opening
from paperlib.face3d.morphable_model import default_model


def clip(frames=60, seed=0):
    g = torch.Generator().manual_seed(seed)
    coeffs = torch.zeros(frames, 257)
    jaw = 0.25 + 0.2 * torch.sin(torch.arange(frames) / 4.0)
    coeffs[:, 80:144] = jaw[:, None] * default_model().actions_to_exp({"jawOpen": 1.0}) + 0.01 * torch.randn(frames, 64, generator=g)
    return SpeechItem(ClipId("test", 1, 0, 0), torch.zeros(frames, 13, 28), torch.zeros(frames, 80, 16), coeffs, np.zeros(frames * 640))


def test_the_truth_has_no_error_and_no_lag():
    item = clip()
    found = measures(item.exp, item)
    assert set(found) == set(UNITS)
    assert found["opening_r"] == pytest.approx(1) and found["lag"] == 0 and found["on_time"] == 1
    assert all(found[k] == pytest.approx(0, abs=1e-5) for k in UNITS if k not in ("opening_r", "on_time"))


def test_brows_are_no_mouth_and_a_jaw_is():
    item, model = clip(), default_model()
    brows, jaw = (item.exp + 0.5 * model.actions_to_exp({name: 1.0}) for name in ("browInnerUp", "jawOpen"))
    up, open_ = measures(brows, item), measures(jaw, item)
    assert up["aed"] > 0.01 and up["aed_mouth"] < 0.15 * up["aed"]
    assert open_["aed_mouth"] > 0.5 * open_["aed"] and open_["aed_centred"] == pytest.approx(0, abs=1e-5)
    assert open_["lmd"] > 10 * up["lmd"] and open_["opening_r"] > 0.99


def test_opening_and_lip_error_are_those_of_the_whole_model():
    item, model = clip(5), default_model()
    verts = model.shape(torch.zeros(5, 80), item.exp)
    assert np.allclose(opening_mm(item.exp), 100 * lip_opening(model.landmarks(verts)).numpy(), atol=1e-3)
    moved = item.exp + 0.3 * torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    both = [model.shape(torch.zeros(5, 80), e) for e in (moved, item.exp)]
    apart = 100 * (both[0] - both[1])
    assert lip_error_mm(moved, item.exp) == pytest.approx(float(apart[:, model.part == 1].norm(dim=-1).mean()), rel=1e-4)
    squared = model.landmarks(apart)[:, 48:68].square().sum(-1).mean()
    assert mouth_mse(moved, item.exp) == pytest.approx(float(squared), rel=1e-4)


def test_lag_has_a_sign_and_a_still_mouth_has_none():
    x = np.random.default_rng(0).normal(size=80).cumsum()
    for lag in (-5, -2, 0, 3, 5):
        assert best_lag(np.roll(x, lag)[10:-10], x[10:-10]) == lag
    assert np.isnan(best_lag(np.ones(80), x))
    found = measures(torch.zeros(60, 64), clip())
    assert np.isnan(found["opening_r"]) and np.isnan(found["lag"]) and np.isnan(found["on_time"])


def test_a_predictor_that_knows_all_but_the_noise_explains_all_that_can_be():
    g = np.random.default_rng(0)
    signal, noise, again = g.normal(size=200_000), g.normal(size=200_000) * 0.5, g.normal(size=200_000) * 0.5
    truth, take = signal + noise, signal + again
    own, limit = explained(np.mean((signal - truth) ** 2), np.mean(truth**2), np.mean((take - truth) ** 2))
    assert own == pytest.approx(limit, abs=5e-3) and limit == pytest.approx(0.8, abs=5e-3)
