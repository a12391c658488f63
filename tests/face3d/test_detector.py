import numpy as np
import pytest
import torch
from toy import toy_coeffs, toy_model

from paperlib.face3d import camera, detector
from paperlib.face3d import face_renderer as fr
from paperlib.face3d.landmarks import MIRROR


@pytest.fixture(scope="module")
def model():
    return toy_model()


def test_offsets_are_what_was_added_seen_from_the_head(model):
    coeffs = toy_coeffs(4, 1, angle=0.4)
    lmk = fr.landmarks2d(model, coeffs, 224).double()
    assert np.abs(detector.offsets(model, coeffs.double(), lmk.numpy(), 224)).max() < 1e-3
    # a step sideways in the picture is a step along the camera's x, turned back into the head
    found = detector.offsets(model, coeffs, (lmk + torch.tensor([2.0, 0.0])).numpy(), 224)
    world = torch.from_numpy(found) @ camera.rotation(coeffs[:, 224:227]).double()
    assert world[..., 1:].abs().max() < 1e-3
    depth = 1015 * world[..., 0] / 2
    assert ((depth - 10).abs() < 2).all()  # two pixels at 1015 pixels per unit of x / z'


def test_calibration_finds_bias_person_and_noise(model):
    rng = np.random.default_rng(0)
    n, frames = 24, 12
    coeffs = torch.cat([toy_coeffs(1, s, angle=0.0).repeat(frames, 1) for s in range(n)])
    coeffs[:, 224:227] = 0
    bias = np.zeros((68, 2))
    bias[30], bias[36], bias[45] = [0, 3], [2, 1], [-2, 1]  # left and right alike, as people are
    person = rng.normal(0, 1.5, (n, 68, 2)).repeat(frames, 0)
    lmk = fr.landmarks2d(model, coeffs, 224).double().numpy() + bias + person + rng.normal(0, 0.8, (n * frames, 68, 2))
    lmk[5] = np.nan  # a missed frame
    got = detector.calibrate(model, coeffs, lmk, np.arange(n).repeat(frames), 224)
    pixels = camera.FOCAL / camera.DISTANCE
    assert np.abs(got.mean[30] * pixels - [0, -3, 0]).max() < 1 and np.abs(got.mean[36] * pixels - [2, -1, 0]).max() < 1
    np.testing.assert_allclose(got.mean[list(MIRROR)] * [-1, 1, 1], got.mean, atol=1e-9)
    assert abs(np.median(got.person_sd) * pixels - 1.5) < 0.25 and abs(np.median(got.noise) - 0.8) < 0.15
    np.testing.assert_allclose(got.louder(3).noise, 3 * got.noise)
    seen = detector.expected(model, coeffs, got, 224) - fr.landmarks2d(model, coeffs, 224).double().numpy()
    assert np.abs(seen[0, [30, 36, 45]] - bias[[30, 36, 45]]).max() < 1
    with pytest.raises(ValueError, match="at least 4"):
        detector.calibrate(model, coeffs[:24], lmk[:24], np.arange(2).repeat(frames), 224)


def test_weights_are_inverse_variances():
    given = detector.Detector(np.zeros((68, 3)), np.ones(68), np.full(68, 2.0))
    assert (given.weights(np.zeros((3, 3)))[:, 17:] == 0.25).all() and given.weights(np.zeros((3, 3)))[0, 0] == 0.25
    with pytest.raises(ValueError, match="noise"):
        detector.Detector(np.zeros((68, 3)), np.ones(68), np.ones(67))
