"""What the training loops draw from."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.config import load_profile
from paperlib.corpus import banks
from paperlib.corpus.dataset import Corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    cfg = dataclasses.replace(load_profile("smoke").corpus, seconds=1.6)
    return Corpus(cfg, tmp_path_factory.mktemp("corpus"))


def test_reference_is_a_second_away_where_the_clip_allows():
    g = torch.Generator().manual_seed(0)
    for t in range(80):
        assert abs(banks.reference_index(t, 80, g) - t) >= 25
    assert banks.reference_index(3, 20, g) == 19 and banks.reference_index(15, 20, g) == 0


def test_speech_item_matches_the_clip(corpus):
    clip = corpus.clips("val")[0]
    item, stored = banks.speech_item(corpus, clip), corpus.load(clip)
    n = len(stored)
    assert item.mfcc.shape == (n, 13, 28) and item.mel.shape == (n, 80, 16) and item.exp.shape == (n, 64)
    assert np.array_equal(item.coeffs.numpy(), stored.coeffs) and np.array_equal(item.wave, stored.wave)


def test_face_boxes_follow_the_head_and_not_the_lips(corpus):
    lmk = corpus.load(corpus.clips("val")[0]).lmk_neutral
    box = banks.face_boxes(lmk)
    side = box[:, 2] - box[:, 0]
    assert np.allclose(side, box[:, 3] - box[:, 1], rtol=1e-5)
    assert (box[:, :2] < lmk.min(1)).all() and (box[:, 2:] > lmk.max(1)).all()
    assert np.allclose(banks.face_boxes(lmk + 5.0), box + 5.0, atol=1e-4)


def test_render_batch_hides_the_target_mouth(corpus):
    bank = banks.render_bank(corpus, "val")
    batch = banks.render_batch(bank, 3, torch.Generator().manual_seed(1))
    size = corpus.cfg.size
    assert batch.target.shape == batch.ref.shape == batch.i3d.shape == (3, 3, size, size) and batch.mask.shape == (3, 1, size, size)
    inside = batch.mask.bool().expand_as(batch.crop)
    assert (batch.crop[inside] == 0).all() and torch.equal(batch.crop[~inside], batch.target[~inside])
    assert 0.05 < batch.mask.mean() < 0.4
    # I_3D is no copy of the target: no mouth interior, hair, background or skin detail
    assert (batch.i3d - batch.target).abs()[inside].mean() > 0.01
