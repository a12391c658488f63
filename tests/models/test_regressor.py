import numpy as np
import pytest
import torch

from paperlib.config import PROFILES, RegressorConfig
from paperlib.face3d.coefficients import TEX
from paperlib.face3d.detector import GENERIC, Detector
from paperlib.models.regressor import FaceRegressor
from paperlib.training import checkpoints
from paperlib.training.loop import History


def test_starts_at_the_mean_face_and_leaves_texture_alone():
    net = FaceRegressor(RegressorConfig(size=32, width=4, hidden=8)).eval()
    out = net(torch.rand(3, 3, 32, 32))
    assert out.shape == (3, 257) and out.abs().max() < 0.2
    assert (out[:, TEX] == 0).all() and (out != 0).sum() == 3 * 177
    with pytest.raises(ValueError, match="divisible"):
        FaceRegressor(RegressorConfig(size=40))
    with pytest.raises(ValueError, match="picture"):
        net(torch.rand(1, 3, 48, 48))


def test_every_coefficient_it_says_gets_a_gradient():
    net = FaceRegressor(RegressorConfig(size=32, width=4, hidden=8))
    net(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert (net.out.bias.grad != 0).all() and all(p.grad is not None for p in net.parameters())


def test_the_shipped_size_is_below_a_megabyte_in_half_precision():
    net = FaceRegressor(PROFILES["classroom"].regressor)
    assert 2 * sum(v.numel() for v in net.state_dict().values()) < 1_000_000


def test_measurements_travel_in_its_file(tmp_path):
    profile = PROFILES["smoke"]
    net = checkpoints.build("regressor", profile)
    assert np.isinf(net.error_sd()).all()
    np.testing.assert_allclose(net.detector().noise, GENERIC.noise, rtol=1e-6)
    assert (net.detector_share() == 1).all() and (net.detector("fused").mean == 0).all()
    rng = np.random.default_rng(0)
    net.set_detector(Detector(rng.normal(0, 0.02, (68, 3)), rng.uniform(0.01, 0.02, 68), rng.uniform(0.5, 1, 68)))
    net.set_detector(net.detector().louder(2), "fused")
    net.share[30] = 0.25
    net.error[:144] = 0.5
    checkpoints.save("regressor_smoke", "regressor", net, profile, History(), tmp_path)
    again, card = checkpoints.load("regressor_smoke", tmp_path)
    assert card["kind"] == "regressor" and card["config"]["size"] == profile.regressor.size
    np.testing.assert_allclose(again.detector().mean, net.detector().mean, atol=2e-5)
    np.testing.assert_allclose(again.detector("fused").noise, 2 * again.detector().noise, rtol=2e-3)
    assert again.detector_share()[30] == 0.25
    assert (again.error_sd()[:144] == 0.5).all() and np.isinf(again.error_sd()[144:]).all()
