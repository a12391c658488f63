"""Controls of stage 1: ridge on a chosen feature, and the second take that bounds what speech can explain."""

import numpy as np
import pytest
import torch

from paperlib import paper, paths
from paperlib.config import load_profile
from paperlib.corpus.banks import SpeechItem, speech_item
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation import expression
from paperlib.evaluation.controls import Ridge, frame_index, frame_loudness, stack_context
from paperlib.evaluation.expression import opening_mm, other_take
from paperlib.evaluation.expression_inputs import WRONG_ROWS
from paperlib.results import select
from paperlib.training import checkpoints
from paperlib.training.loop import History


def item(seed, frames=60):
    """A clip whose 64 coefficients are a linear function of the loudness around each frame."""
    g = np.random.default_rng(seed)
    wave = (np.repeat(g.uniform(0.05, 0.5, frames), 640) * g.normal(size=640 * frames) * 0.3).astype(np.float32)
    blank = SpeechItem(None, torch.zeros(frames, 13, 28), torch.zeros(frames, 80, 16), torch.zeros(frames, 257), wave)
    x = stack_context(frame_loudness(blank))
    weights = np.random.default_rng(7).normal(size=(x.shape[1], 64))
    blank.coeffs[:, 80:144] = torch.from_numpy(x @ weights).float()
    return blank


def test_ridge_on_loudness_finds_a_linear_function_of_it():
    train, val, test = [item(0), item(1), item(2)], [item(3)], item(4)
    fitted = Ridge(train, val, penalties=(1e-3, 1e3), features=frame_loudness)
    assert fitted.penalty == 1e-3
    assert (fitted.predict(test) - test.exp).abs().max() < 0.02
    assert np.abs(Ridge(train, val).predict(test) - test.exp).mean() > 0.2  # silent MFCC know nothing of it


@pytest.fixture(scope="module")
def corpus():
    return Corpus(load_profile("smoke").corpus)


def test_the_other_take_says_the_same_differently(corpus):
    clip = corpus.clips("test")[0]
    first = speech_item(corpus, clip)
    second = other_take(corpus, first)
    assert second.shape == first.exp.shape and not torch.equal(second, first.exp)
    assert torch.equal(second, other_take(corpus, first))
    r = np.corrcoef(opening_mm(first.exp), opening_mm(second))[0, 1]
    assert 0.6 < r < 0.999


def test_the_clock_alone_is_the_same_for_whatever_is_said():
    a, b = item(0), item(1)
    assert np.array_equal(frame_index(a), frame_index(b)) and frame_index(a).shape == (60, 14)
    assert np.linalg.matrix_rank(frame_index(a)) == 14


def test_a_shipped_network_is_scored_beside_every_control(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    torch.manual_seed(0)
    for kind in ("teacher", "expression"):
        profile = load_profile("smoke")
        checkpoints.save(
            f"{kind}_smoke", kind, checkpoints.build(kind, profile), profile, History(), tmp_path, note="untrained, for a test"
        )
    rows = expression.predictors(corpus, "expression_smoke")
    assert {"full", "mean_expression", "ridge_mfcc", "loudness", "frame_index", "truth", "other_take", *WRONG_ROWS} <= set(rows)
    clips = corpus.clips("test")
    scores = expression.score(corpus, clips, {r: rows[r] for r in ("full", "truth", "swapped_speech", "silent_speech", "shifted_p2")})
    found = expression.summarise(scores, "two clips", "rule")
    assert all(paper.row_id(r.table, r.row) for r in found)
    assert select(found, row="truth", metric="aed_mouth")[0].value == 0
    full, shifted = (rows[r](speech_item(corpus, clips[0])) for r in ("full", "shifted_p2"))
    assert not torch.allclose(full, shifted)
    assert (full[5:-5] - shifted[7:-3]).abs().mean() < (full[5:-5] - shifted[5:-5]).abs().mean()
