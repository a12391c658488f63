"""Sync of drawn predictions: the confidence by hand, what the judge is shown, and that truth beats another sentence's truth."""

import numpy as np
import pytest
import torch

from paperlib import paths
from paperlib.config import load_profile
from paperlib.corpus import banks
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation import expression_sync
from paperlib.face3d.coefficients import with_exp


@pytest.fixture(scope="module")
def items():
    corpus = Corpus(load_profile("classroom").corpus)
    return [banks.speech_item(corpus, c) for c in corpus.clips("test")[:4]]


def test_confidence_by_hand():
    table = np.zeros((30, 30))
    assert expression_sync.confidence(table) == 0
    table[np.arange(28), np.arange(28) + 2] = 1.0  # two frames late: lag 0 is worse than nothing said of it, the median stays 0
    assert expression_sync.confidence(table) == pytest.approx(0)
    table += np.diag(np.full(30, 0.5))
    assert expression_sync.confidence(table) == pytest.approx(0.5)
    assert np.isnan(expression_sync.confidence(np.zeros((5, 5))))


def test_the_drawn_mouth_follows_the_expression_and_its_box_does_not(items):
    coeffs = items[0].coeffs[:20]
    own = expression_sync.drawn_mouths(coeffs, 32)
    still = expression_sync.drawn_mouths(with_exp(coeffs, torch.zeros(20, 64)), 32)
    assert own.shape == (20, 32, 32) and own.dtype == torch.uint8
    assert (own.float() - still.float()).abs().mean() > 1
    assert own.float().std() > 5


@pytest.mark.skipif(not (paths.CHECKPOINTS / "judge_classroom.json").exists(), reason="no judge is shipped")
def test_truth_is_in_sync_and_another_sentence_is_not(items):
    hook = expression_sync.RenderedJudge()
    firsts = [i for i in items if i.id.take == 0]
    own = [hook(i.coeffs, i)["sync"] for i in firsts]
    other = [i.coeffs[np.arange(len(i.coeffs))[::-1].copy()] for i in firsts]  # the same mouth backwards
    wrong = [hook(c, i)["sync"] for c, i in zip(other, firsts, strict=True)]
    assert np.mean(own) > 0.05 + np.mean(wrong)
    assert hook(items[1].coeffs, items[1]) == {} if items[1].id.take else True
    assert hook.key == expression_sync.RenderedJudge().key
