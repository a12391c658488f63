"""The leak test passes pictures made from sound, and catches pictures made from the speaker."""

import numpy as np
import pytest
import torch

from paperlib import paper
from paperlib.evaluation import image_leak
from paperlib.training.teacher import MOUTH_BOX

SIDE, FRAMES = 32, 60


def pictures(opening):
    """(T, 3, 32, 32) uint8 whose mouth darkens as it opens."""
    top, bottom, left, right = (round(SIDE * share) for share in MOUTH_BOX)
    out = torch.full((len(opening), 3, SIDE, SIDE), 200.0)
    out[:, :, top:bottom, left:right] -= torch.as_tensor(10 * opening, dtype=torch.float32)[:, None, None, None]
    return out.round().clamp(0, 255).to(torch.uint8)


def two_takes(clips=12, seed=0):
    """Openings of two takes: what the sound decides is shared, the rest is each take's own."""
    g = np.random.default_rng(seed)
    shared = [5 + g.normal(size=FRAMES) for _ in range(clips)]
    return shared, *([s + 0.7 * g.normal(size=FRAMES) for s in shared] for _ in range(2))


def test_pictures_of_the_sound_fit_both_takes_and_pictures_of_the_speaker_one():
    shared, own, other = two_takes()
    found = {
        kind: image_leak.leaks([pictures(y) for y in shown], own, other) for kind, shown in (("teacher", shared), ("true_frames", own))
    }
    assert found["teacher"]["r"].mean() == pytest.approx(1 / np.sqrt(1.49), abs=0.05)  # by hand: what a clip shares with its sound
    assert found["true_frames"]["r"].min() > 0.95
    rows = {(r.row, r.metric): r for r in image_leak.rows(found, np.arange(12) // 2, "made clips")}
    clean, leak = (rows[kind, "own_minus_other"] for kind in ("teacher", "true_frames"))
    assert clean.low < 0 < clean.high and leak.low > 0.2
    assert all(paper.row_id(r.table, r.row) and r.n == 6 for r in rows.values())


def test_pictures_that_never_change_know_nothing():
    _, own, other = two_takes(4)
    found = image_leak.leaks([pictures(np.zeros(FRAMES)) for _ in own], own, other)
    assert all(np.abs(r).max() < 1e-9 for r in found.values())


def test_only_the_mouth_is_read():
    opening = np.linspace(0, 5, FRAMES)
    inside, outside = pictures(opening), pictures(np.zeros(FRAMES))
    outside[:, :, :8] = torch.arange(FRAMES)[:, None, None, None].to(torch.uint8)
    assert image_leak.mouth_pixels(inside).shape == (FRAMES, 48)
    assert np.ptp(image_leak.mouth_pixels(inside), axis=0).min() > 0.1 and np.ptp(image_leak.mouth_pixels(outside), axis=0).max() == 0
