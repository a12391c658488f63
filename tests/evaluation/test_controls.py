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


def test_frozen_mouth_moves_with_the_head_alone():
    """A picture that shifts by whole pixels with the head: carrying frame 0 along reproduces it exactly inside the mask."""
    g = np.random.default_rng(1)
    base = g.uniform(size=(48, 48, 3)).astype(np.float32)
    frames = np.stack([np.roll(base, s, axis=1) for s in (0, 3)])
    lmk = g.uniform(10, 38, (68, 2))
    lmk = np.stack([lmk, lmk + [3, 0]])
    masks = np.zeros((2, 1, 48, 48), np.float32)
    masks[:, :, 20:40, 12:36] = 1
    frozen = controls.frozen_mouth(frames, lmk, masks)
    assert np.allclose(frozen, frames, atol=1e-3)


def test_frozen_mouth_ignores_the_mouth():
    frames = np.zeros((2, 32, 32, 3), np.float32)
    frames[1, 16:24, 12:20] = 1  # the mouth of frame 1 opens; the head stands still
    lmk = np.tile(np.random.default_rng(2).uniform(4, 28, (68, 2)), (2, 1, 1))
    masks = np.zeros((2, 1, 32, 32), np.float32)
    masks[:, :, 12:28, 8:24] = 1
    assert np.allclose(controls.frozen_mouth(frames, lmk, masks)[1], 0, atol=1e-5)
