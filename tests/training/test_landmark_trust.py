"""The share of the detector and its noise factor are chosen on validation speakers, by the errors of fits."""

import numpy as np
import pytest
import torch

from paperlib import config
from paperlib.face3d import fitting
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, TRANS
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.morphable_model import default_model
from paperlib.models.regressor import FaceRegressor
from paperlib.training import landmark_trust as trust


def made(speaker: int, noise: float, frames: int = 5) -> trust.Seen:
    """A clip without pictures: its frames hold its speaker's number, which is all the made network needs."""
    g = torch.Generator().manual_seed(speaker)
    coeffs = torch.zeros(frames, N_COEFF)
    coeffs[:, ID] = torch.randn(80, generator=g) * 0.7
    coeffs[:, EXP] = torch.randn(frames, 64, generator=g) * 0.5
    coeffs[:, ANGLES] = torch.randn(frames, 3, generator=g) * 0.08
    coeffs[:, TRANS] = torch.randn(frames, 3, generator=g) * 0.05
    lmk = landmarks2d(default_model(), coeffs, 224).numpy() + np.random.default_rng(speaker).normal(0, noise, (frames, 68, 2))
    return trust.Seen(speaker, np.full((frames, 224, 224, 3), speaker, np.uint8), coeffs, lmk)


@pytest.fixture
def net(monkeypatch):
    """A network that errs by a tenth of a standard deviation in shape and by four pixels sideways, the same way in all frames of a clip."""
    made_net = FaceRegressor(config.load_profile("smoke").regressor)
    made_net.error.fill_(torch.inf)
    made_net.error[:144] = 0.1

    def said(network, frames):
        speaker = int(frames[0, 0, 0, 0])
        g = torch.Generator().manual_seed(1000 + speaker)
        out = made(speaker, 0.0, len(frames)).coeffs
        out[:, :144] += 0.1 * torch.randn(144, generator=g)
        out[:, TRANS.start : TRANS.start + 2] += 0.04 * torch.randn(2, generator=g)
        return out

    monkeypatch.setattr(fitting, "from_pictures", said)
    monkeypatch.setattr(trust, "FACTORS", (1.0, 4.0))
    return made_net


@pytest.mark.parametrize(("noise", "more"), [(0.5, True), (12.0, False)])
def test_the_better_source_gets_the_larger_share(net, noise, more):
    model = default_model()
    card = trust.measure(net, model, [made(s, noise) for s in range(4)], [made(s, noise) for s in range(100, 108)])
    measured = trust.measured_share(net, model, [made(s, noise) for s in range(100, 108, 2)], net.detector())
    assert (measured.mean() > 0.5) == more
    assert set(card["score"]) == {"detected", "fused"} and card["speakers_measuring"] == card["speakers_choosing"] == 4
    chosen = card["chosen"]
    best = card["score"][chosen["landmarks"]][f"x{chosen['noise_factor']:g}"]
    assert best == min(v for of in card["score"].values() for v in of.values())
    if chosen["landmarks"] == "detected":
        assert (net.detector_share() == 1).all()
    else:
        np.testing.assert_allclose(net.detector_share(), measured, rtol=0.2)
    if not more:  # a wild detector beside a good network: joining must win
        assert chosen["landmarks"] == "fused"
    assert np.median(net.detector().noise) >= 0.6 * noise * chosen["noise_factor_detector"]


def test_too_few_speakers_are_refused(net):
    with pytest.raises(ValueError, match="at least 8"):
        trust.measure(net, default_model(), [made(0, 1.0)], [made(s, 1.0) for s in range(100, 103)])
