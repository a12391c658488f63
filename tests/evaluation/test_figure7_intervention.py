"""The error that is set is the error that is there, and r behaves as the notebook says: strong for large errors, gone without one."""

import numpy as np
import pytest

from paperlib import paper
from paperlib.config import load_profile
from paperlib.corpus import synthetic
from paperlib.evaluation import figure7_intervention as intervention
from paperlib.evaluation.renderer_flicker import NOISE
from paperlib.face3d.coefficients import EXP
from paperlib.media.cropping import mouth_mask


def test_mouths_are_mixed_and_nothing_else():
    own, other = np.random.default_rng(0).normal(size=(2, 5, 257)).astype(np.float32)
    half = intervention.mixed_mouths(own, other, 0.5)
    np.testing.assert_allclose(half[:, EXP], (own[:, EXP] + other[:, EXP]) / 2, atol=1e-6)
    half[:, EXP] = own[:, EXP]
    assert np.array_equal(half, own)
    np.testing.assert_allclose(intervention.mixed_mouths(own, other, 1.0)[:, EXP], other[:, EXP], atol=1e-6)


@pytest.fixture(scope="module")
def measured():
    cfg = load_profile("classroom", corpus__seconds=2.0).corpus
    clip = next(c for c in synthetic.plan(cfg) if c.split == "test" and c.take == 0)
    own, twin = (synthetic.clip_coefficients(cfg, c)[0][:24] for c in (clip, synthetic.pair_of(clip)))
    near = synthetic.make_clip(cfg, clip).lmk_neutral[: len(own)]
    frames = intervention.dubs(cfg, clip, own, twin, mouth_mask(near, cfg.size))
    return frames, intervention.measures(frames, near)


def test_every_row_gets_the_same_fresh_noise_and_the_truth_none(measured):
    frames, found = measured
    corner = {row: pictures[:, :8, :8].astype(int) for row, pictures in frames.items()}  # background: no mouth reaches it
    assert all(np.array_equal(corner[row], corner["truth_noisy"]) for row in intervention.ROWS)
    assert (corner["truth_noisy"] - corner["truth"]).std() == pytest.approx(NOISE, rel=0.25)
    assert found["truth_noisy"]["ssim"] > max(found[row]["ssim"] for row in intervention.ROWS if row != "truth_noisy")


def test_errors_grow_with_the_share(measured):
    frames, found = measured
    assert set(found) == set(intervention.ROWS) and "truth" in frames
    assert all(f.dtype == np.uint8 and f.shape == frames["truth"].shape for f in frames.values())
    assert found["small_error"]["lmd"] < found["large_error"]["lmd"] and found["small_error"]["ssim"] > found["large_error"]["ssim"]
    assert found["large_error"]["pearson"] < -0.7 and abs(found["truth_noisy"]["pearson"]) < 0.6


def test_identical_curves_have_no_r_and_rows_say_so(measured):
    frames, found = measured
    constant = intervention.measures({"truth": frames["truth"], "small_error": frames["truth"]}, np.tile(_near(), (24, 1, 1)))
    assert np.isnan(constant["small_error"]["pearson"]) and constant["small_error"]["lmd"] == 0
    rows = intervention.rows_of({"still heads": {1: found, 2: found}}, "rule")
    assert all(paper.row_id(r.table, r.row) for r in rows) and len(rows) == len(intervention.ROWS) * len(intervention.UNITS)
    r = next(r for r in rows if (r.row, r.metric) == ("large_error", "pearson"))
    assert r.value == pytest.approx(found["large_error"]["pearson"]) and r.n == 2 and "still heads, 2 clips" in r.data


def _near():
    cfg = load_profile("classroom", corpus__seconds=2.0).corpus
    clip = next(c for c in synthetic.plan(cfg) if c.split == "test" and c.take == 0)
    return synthetic.make_clip(cfg, clip).lmk_neutral[0]
