import numpy as np
import pytest
import torch
from toy import toy_coeffs, toy_model

from paperlib.face3d.coefficients import ANGLES, EXP, ID, SH, TEX, TRANS
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.head_pose import HEAD_POINTS, neutral_head
from paperlib.face3d.morphable_model import default_model
from paperlib.metrics.coefficients import rotation_between


def talking_head(model, frames=40):
    """Coefficients (T, 257) of one person who nods and talks, and the landmarks in a 192 picture."""
    t = torch.arange(frames) / 25
    coeffs = toy_coeffs(1, 3).repeat(frames, 1)
    coeffs[:, EXP] = model.actions_to_exp({"jawOpen": 0.4}) * torch.sin(9 * t).clamp_min(0)[:, None]
    coeffs[:, ANGLES] = torch.stack([0.12 * torch.sin(3 * t), 0.2 * torch.sin(2 * t), 0.05 * t], 1)
    coeffs[:, TRANS] = torch.stack([0.05 * t, 0.02 * torch.sin(3 * t), torch.zeros(frames)], 1)
    return coeffs, landmarks2d(model, coeffs, 192).numpy()


@pytest.fixture(scope="module")
def model():
    return default_model()


def test_pose_of_a_talking_head_is_found_without_its_mouth(model):
    coeffs, lmk = talking_head(model)
    found = neutral_head(model, coeffs, lmk, 192, sigma=0.0)
    assert rotation_between(found[:, ANGLES], coeffs[:, ANGLES]).max() < 1.0
    assert (found[:, EXP] == 0).all()
    for kept in (ID, TEX, SH):
        assert torch.equal(found[:, kept], coeffs[:, kept])
    still = coeffs.clone()
    still[:, EXP] = 0
    assert np.abs(landmarks2d(model, found, 192).numpy() - landmarks2d(model, still, 192).numpy()).max() < 1.0


def test_mouth_jaw_and_brows_change_nothing(model):
    coeffs, lmk = talking_head(model, 20)
    other = lmk + np.random.default_rng(0).normal(0, 6, lmk.shape).astype(np.float32)
    other[:, list(HEAD_POINTS)] = lmk[:, list(HEAD_POINTS)]
    assert torch.equal(neutral_head(model, coeffs, lmk, 192), neutral_head(model, coeffs, other, 192))


def test_missed_frames_lie_between_their_neighbours(model):
    coeffs, lmk = talking_head(model, 20)
    holes = lmk.copy()
    holes[8:11] = np.nan
    found = neutral_head(model, coeffs, holes, 192, sigma=0.0)
    assert torch.isfinite(found).all()
    between = found[7, ANGLES] + (found[11, ANGLES] - found[7, ANGLES]) / 2
    torch.testing.assert_close(found[9, ANGLES], between)


def test_smoothing_and_shapes():
    model = toy_model()
    coeffs = toy_coeffs(6, 0)
    lmk = landmarks2d(model, coeffs, 96).numpy()
    with pytest.raises(ValueError, match="lmk"):
        neutral_head(model, coeffs, lmk[:4], 96)
    default = default_model()
    coeffs, lmk = talking_head(default, 30)
    noisy = lmk + np.random.default_rng(1).normal(0, 1, lmk.shape).astype(np.float32)
    rough, smooth = (neutral_head(default, coeffs, noisy, 192, sigma)[:, ANGLES].diff(dim=0).square().mean() for sigma in (0.0, 2.0))
    assert smooth < 0.3 * rough
