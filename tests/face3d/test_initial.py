import numpy as np
import pytest
import torch
from toy import toy_coeffs, toy_model

from paperlib.config import RegressorConfig
from paperlib.face3d import face_renderer as fr
from paperlib.face3d import initial
from paperlib.face3d.coefficients import ANGLES, TEX, TRANS
from paperlib.metrics.coefficients import rotation_between
from paperlib.models.regressor import FaceRegressor


@pytest.fixture(scope="module")
def model():
    return toy_model()


def moving_head(model, n=20):
    """Landmarks (n, 68, 2) of a toy head that turns, and its coefficients."""
    coeffs = toy_coeffs(1, 4).repeat(n, 1)
    coeffs[:, 225] = torch.linspace(-0.3, 0.3, n)
    return fr.landmarks2d(model, coeffs, 224).double().numpy(), coeffs


def test_initial_pose_is_near_from_any_side(model):
    coeffs = torch.zeros(9, 257)
    coeffs[:, ANGLES] = torch.tensor([[x, y, z] for x in (-0.5, 0.1, 0.5) for y, z in ((-1.0, 0.3), (0.0, 0.0), (1.2, -2.0))])
    coeffs[:, TRANS] = torch.tensor([0.3, -0.2, 1.5])
    points = model.mean_shape[model.landmark_index].double().numpy()
    pose = initial.initial_pose(points, fr.landmarks2d(model, coeffs, 192).double().numpy(), 192)
    assert rotation_between(torch.from_numpy(pose[:, :3]), coeffs[:, ANGLES]).max() < 6
    assert np.abs(pose[:, 3:] - coeffs[:, TRANS].numpy()).max() < 0.2


def test_wrong_detections_are_not_believed_and_right_ones_are(model):
    points = model.mean_shape[model.landmark_index].double().numpy()
    lmk, _ = moving_head(model)
    noisy = lmk + np.random.default_rng(0).normal(0, 1.5, lmk.shape)
    assert initial.trusted_frames(points, noisy).all()
    spoilt = noisy.copy()
    spoilt[6:8] += [70, -40]  # another face for two frames
    spoilt[13] = spoilt[13][np.random.default_rng(1).permutation(68)]  # no face's shape, in the right place
    assert np.flatnonzero(~initial.trusted_frames(points, spoilt)).tolist() == [6, 7, 13]


def test_a_head_that_moves_away_and_stays_is_believed(model):
    points = model.mean_shape[model.landmark_index].double().numpy()
    lmk, _ = moving_head(model)
    lmk[10:] += [60, 0]
    assert initial.trusted_frames(points, lmk).all()
    assert initial.trusted_frames(points, lmk[:3]).all()  # too short to judge


def test_pictures_of_any_side_reach_the_network():
    net = FaceRegressor(RegressorConfig(size=32, width=4, hidden=8))
    smooth = np.linspace(0, 255, 64)[None, :, None, None] * np.ones((3, 1, 64, 3))
    with torch.no_grad():
        net.out.weight.normal_(generator=torch.Generator().manual_seed(0))
    large, small = (initial.from_pictures(net, crops.astype(np.uint8), batch=2) for crops in (smooth, smooth[:, ::2, ::2] + 2))
    assert large.shape == (3, 257) and (large[:, TEX] == 0).all() and large.abs().max() > 0.1
    torch.testing.assert_close(large, small, atol=0.05 * float(large.abs().max()), rtol=0)
    with pytest.raises(ValueError, match="square"):
        initial.from_pictures(net, np.zeros((2, 32, 30, 3), np.uint8))
