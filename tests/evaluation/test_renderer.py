"""Scores of a cross-dub say what they should of pictures whose answer is known."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.config import load_profile
from paperlib.corpus.banks import to_float
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation import renderer


@pytest.fixture(scope="module")
def twins():
    """A counterfactual pair of one test speaker at 96 px."""
    corpus = Corpus(dataclasses.replace(load_profile("classroom").corpus, seconds=2.0))
    clip = corpus.clips("test")[0]
    return corpus.load(clip), corpus.load(pair_of(clip))


def test_opening_is_read_from_the_frames(twins):
    """B's own frames open as B does; A's as A does, and neither as the other."""
    source, target = twins
    of_b = renderer.opening_r(to_float(torch.from_numpy(target.frames)), target, source)
    of_a = renderer.opening_r(to_float(torch.from_numpy(source.frames)), target, source)
    assert of_b["opening_r"] > 0.6 and of_a["opening_r_source"] > 0.6
    assert of_b["opening_r"] > of_b["opening_r_source"] + 0.2
    assert of_a["opening_r_source"] > of_a["opening_r"] + 0.2


def test_scores_of_truth_frozen_mouth_and_noise(twins):
    source, target = twins
    truth = to_float(torch.from_numpy(target.frames))
    frozen = to_float(torch.from_numpy(source.frames))
    half = 0.5 * (truth + frozen)

    def distance(a, b, net=None):
        return (a - b).abs().mean((1, 2, 3))

    out = {("frozen_mouth", "none"): frozen, ("full", "true"): half, ("truth", "none"): truth}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderer.image, "lpips", distance)
        rows = renderer.score_pair(out, target, source, None)
    value = {(r["row"], r["metric"], r["region"]): r["value"] for r in rows}
    assert value["truth", "skill", "mouth"] == 1 and value["truth", "ssim", "mouth"] == pytest.approx(1, abs=1e-4)
    assert value["frozen_mouth", "skill", "mouth"] == 0
    # Half way between frozen mouth and truth the error is half as large everywhere, so the squared error a quarter.
    assert value["full", "skill", "mouth"] == pytest.approx(0.75, abs=1e-3)
    assert value["full", "psnr", "mouth"] == pytest.approx(value["frozen_mouth", "psnr", "mouth"] + 20 * np.log10(2), abs=0.05)


def test_rows_are_means_over_speakers_with_paired_differences():
    scores = [
        {"row": row, "beta": beta, "metric": "skill", "region": "mouth", "speaker": s, "value": v + 0.1 * s}
        for row, beta, v in (("full", "true", 0.5), ("full", "predicted", 0.4), ("frozen_mouth", "none", 0.0))
        for s in range(4)
    ]
    rows = {(r.row, r.beta): r for r in renderer.summarise(scores, "d", "cross-dub", "rule")}
    assert rows["full", "true"].value == pytest.approx(0.65) and rows["full", "true"].n == 4
    paired = rows["full_minus_frozen_mouth", "predicted"]
    assert paired.value == pytest.approx(0.4) and paired.low == pytest.approx(0.4) and paired.high == pytest.approx(0.4)


def test_a_box_covers_the_pixels_whose_centres_it_holds():
    mask = renderer.box_mask(torch.tensor([[1.0, 0.6, 3.0, 2.5]]), 4)
    assert mask[0, 0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
