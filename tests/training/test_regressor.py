"""The network that starts a fit: its crops keep the truth true, its training falls, its measurements are what they say."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib import config
from paperlib.face3d.coefficients import ANGLES, ID, N_COEFF, SH, TEX, TRANS
from paperlib.face3d.face_renderer import landmarks2d, render
from paperlib.face3d.morphable_model import default_model
from paperlib.models.regressor import FaceRegressor
from paperlib.training import regressor

SMOKE = config.load_profile("smoke")


@pytest.fixture(scope="module")
def faces():
    """Twelve rendered faces of four people at 64 x 64."""
    g = torch.Generator().manual_seed(0)
    coeffs = torch.zeros(12, N_COEFF)
    coeffs[:, :144] = torch.randn(12, 144, generator=g) * 0.7
    coeffs[:, ID] = coeffs[::3, ID].repeat_interleave(3, 0)
    coeffs[:, ANGLES] = torch.randn(12, 3, generator=g) * 0.1
    coeffs[:, TRANS] = torch.randn(12, 3, generator=g) * 0.05
    coeffs[:, SH.start + 2] = 0.15
    frames = (render(default_model(), coeffs, 64, background=(0.4, 0.4, 0.5)).image.movedim(1, -1) * 255).to(torch.uint8)
    return regressor.Pictures(frames, coeffs, np.arange(12) // 3)


def test_a_crop_of_the_picture_is_the_picture_of_the_new_coefficients(faces):
    model, size = default_model(), 64
    shift, zoom = torch.tensor([[0.05, -0.03]]).expand(12, 2), torch.full((12,), 1.08)
    again = landmarks2d(model, regressor.recrop(faces.coeffs, shift, zoom), size)
    side = size * 1.08
    corner = size / 2 + size * shift - side / 2  # of the crop in the old picture
    expected = (landmarks2d(model, faces.coeffs, size) - corner[:, None]) * (size / side)
    assert (again - expected).norm(dim=-1).max() < 0.5  # perspective inside the head changes a little with its distance
    unmoved = regressor.recrop(faces.coeffs, torch.zeros(12, 2), torch.ones(12))
    torch.testing.assert_close(unmoved, faces.coeffs)


def test_batches_are_cropped_as_their_coefficients_say(faces, monkeypatch):
    for name in ("GAIN", "OFFSET", "NOISE"):
        monkeypatch.setattr(regressor, name, 0.0)
    images, coeffs = regressor.batch_of(faces, 64, 8, torch.Generator().manual_seed(3))
    drawn = render(default_model(), coeffs, 64, background=(0.4, 0.4, 0.5)).image
    mirrored = render(default_model(), faces.coeffs[:8], 64, background=(0.4, 0.4, 0.5)).image
    assert (images - drawn).abs().mean() < 0.02 < (images - mirrored).abs().mean()


def test_loss_is_zero_at_the_truth_and_counts_landmarks_in_pixels(faces):
    parts = regressor.losses(default_model(), faces.coeffs, faces.coeffs)
    assert float(regressor.total(parts)) < 1e-3
    moved = faces.coeffs.clone()
    moved[:, TRANS.start] += 0.1  # 1 cm: 10 pixels
    assert abs(float(regressor.losses(default_model(), moved, faces.coeffs)["lmk_px"]) - 10.1) < 1


def test_training_falls_and_is_measured(faces):
    torch.manual_seed(0)
    cfg = dataclasses.replace(SMOKE.regressor, steps=60, batch=12, lr=4e-3)
    net = FaceRegressor(cfg)
    history = regressor.train_regressor(net, default_model(), faces, faces, cfg, seed=0, progress=False, log_every=5, validate_every=30)
    _, loss = history.curve("loss")
    assert loss[-1] < 0.85 * loss[0]
    error = regressor.measure_errors(net, faces)
    assert torch.isinf(error[TEX]).all() and torch.isfinite(error[:144]).all() and float(net.error_sd()[0]) == float(error[0])
    with torch.no_grad():
        blank = FaceRegressor(cfg)
        blank.out.weight.zero_()
        assert torch.allclose(regressor.measure_errors(blank, faces)[ID], faces.coeffs[:, ID].square().mean(0).sqrt(), atol=1e-5)


def test_corpora_differ_in_nothing_but_size_and_number():
    many, large = regressor.corpora(SMOKE.corpus, SMOKE.regressor)
    assert len(many.clips("train")) == SMOKE.regressor.speakers and large.cfg.size == 224
    assert {c.speaker for c in large.clips("train")} <= {c.speaker for c in many.clips("train")}
    assert not {c.speaker for c in many.clips("train")} & {c.speaker for c in many.clips("val")}
