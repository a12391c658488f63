"""The controls are what they say: a ridge that recovers a linear rule, a mouth that only the head moves."""

import numpy as np
import torch

from paperlib.corpus.banks import SpeechItem
from paperlib.corpus.synthetic import ClipId
from paperlib.evaluation import controls


def item(seed, weights):
    g = np.random.default_rng(seed)
    mfcc = torch.from_numpy(g.normal(size=(60, 13, 28))).float()
    it = SpeechItem(ClipId("train", seed, 0, 0), mfcc, torch.zeros(60, 80, 16), torch.zeros(60, 257), np.zeros(1))
    coeffs = torch.zeros(60, 257)
    coeffs[:, 80:144] = torch.from_numpy(controls.stack_context(controls.frame_mfcc(it)) @ weights).float()
    it.coeffs = coeffs
    return it


def test_ridge_recovers_a_linear_rule():
    weights = np.random.default_rng(0).normal(size=(13 * 11 + 1, 64)) * 0.1
    train, val = [item(i, weights) for i in range(8)], [item(20, weights)]
    ridge = controls.Ridge(train, val)
    error = (ridge.predict(val[0]) - val[0].exp).abs().mean() / val[0].exp.abs().mean()
    assert error < 0.05 and ridge.penalty == 1.0


def test_frozen_mouth_is_frame_0_where_nothing_moves_but_the_mouth():
    """A still head: the frozen mouth of every frame is frame 0 inside the mask, and the frame itself outside."""
    coeffs = np.zeros((3, 257), np.float32)
    coeffs[1:, 80:144] = np.random.default_rng(0).normal(size=(2, 64))
    frames = np.random.default_rng(1).uniform(size=(3, 48, 48, 3)).astype(np.float32)
    masks = np.zeros((3, 1, 48, 48), np.float32)
    masks[:, :, 26:36, 18:30] = 1
    frozen = controls.frozen_mouth(frames, coeffs, masks)
    assert np.allclose(frozen[:, 26:36, 18:30], frames[0, 26:36, 18:30], atol=1e-3)
    masks[:] = 0
    assert np.array_equal(controls.frozen_mouth(frames, coeffs, masks), frames)


def test_frozen_mouth_follows_the_head():
    """A drawn head that turns with a fixed expression: carrying frame 0 along redraws it far better than leaving it in place."""
    from paperlib.face3d.face_renderer import render
    from paperlib.face3d.morphable_model import default_model

    coeffs = np.zeros((2, 257), np.float32)
    coeffs[1, 224:227] = [0.05, 0.25, 0.05]
    frames = render(default_model(), torch.from_numpy(coeffs), 96, supersample=2).image.movedim(1, -1).numpy()
    masks = np.zeros((2, 1, 96, 96), np.float32)
    masks[:, :, 48:70, 34:62] = 1
    frozen = controls.frozen_mouth(frames, coeffs, masks)
    error = np.abs(frozen[1] - frames[1])[48:70, 34:62].mean()
    in_place = np.abs(frames[0] - frames[1])[48:70, 34:62].mean()
    assert error < 0.35 * in_place
