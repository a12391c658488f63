import numpy as np
import pytest
import torch
from toy import toy_coeffs, toy_model

from paperlib.face3d import face_renderer as fr
from paperlib.face3d import fusing
from paperlib.face3d.detector import Detector, expected


@pytest.fixture(scope="module")
def model():
    return toy_model()


def test_shares_are_inverse_variances_left_and_right_alike():
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(0, 2, (4000, 68, 2)), rng.normal(0, 1, (4000, 68, 2))
    wide[7] = 1e4  # a lost frame
    np.testing.assert_allclose(fusing.shares(wide, narrow), 0.2, atol=0.02)
    wide[:, 36], wide[:, 45] = 0.5, 0.5  # outer corners of the two eyes
    wide[:, 45] = 1.5
    share = fusing.shares(wide, narrow)
    assert share[36] == share[45] and abs(share[36] - 0.4549 * 2 / (0.4549 * 2 + 0.25 + 2.25)) < 0.02  # medians of |normal|: 0.6745


def test_the_joined_landmarks_are_nearer_than_either(model):
    rng = np.random.default_rng(1)
    coeffs = toy_coeffs(1, 2, angle=0.2).repeat(60, 1)
    truth = fr.landmarks2d(model, coeffs, 224).double().numpy()
    habit = Detector(np.tile([0.02, 0.01, 0.0], (68, 1)), np.full(68, 0.01), np.ones(68))
    lmk = expected(model, coeffs, habit, 224) + rng.normal(0, 1.5, truth.shape)
    said = coeffs.clone()
    said[:, 254:256] += torch.from_numpy(rng.normal(0, 0.015, (60, 2))).float()  # 1.5 px, alike for the 68
    joined = fusing.fuse(model, said, lmk, 224, habit, np.full(68, 0.5))

    def error(points):
        return np.sqrt(((points - truth) ** 2).mean())

    own = error(fr.landmarks2d(model, said, 224).double().numpy())
    assert abs(error(joined) / own - 0.5**0.5) < 0.1 and error(joined) < 0.8 * error(lmk)
    np.testing.assert_allclose(fusing.fuse(model, coeffs, expected(model, coeffs, habit, 224), 224, habit, np.ones(68)), truth, atol=1e-3)


def test_missing_and_impossible_frames_stay_missing(model):
    coeffs = toy_coeffs(1, 3).repeat(15, 1)
    lmk = fr.landmarks2d(model, coeffs, 224).double().numpy()
    lmk[3] = np.nan
    lmk[8] += [80.0, -30.0]  # somebody else
    lmk[10, :5] = np.nan
    plain = Detector(np.zeros((68, 3)), np.full(68, 0.01), np.ones(68))
    joined = fusing.fuse(model, coeffs, lmk, 224, plain, np.full(68, 0.5))
    assert np.isnan(joined[[3, 8]]).all() and np.isnan(joined[10, :5]).all() and np.isfinite(joined[10, 5:]).all()
    assert np.isfinite(joined[[0, 1, 2, 4, 5, 6, 7, 9, 11, 12, 13, 14]]).all()
    with pytest.raises(ValueError, match="share"):
        fusing.fuse(model, coeffs, lmk, 224, plain, np.ones(67))
