"""The audit against made clips whose answers are known, and GRID's files against their own format."""

import numpy as np
import pytest

from paperlib.corpus import realism
from paperlib.corpus.realism import LAGS, Track, audit, distances, lag_curve, noise_ceiling, ridge_predictions, wasserstein

RNG = np.random.default_rng(0)


def _smooth(n, rng, width=4):
    kernel = np.hanning(2 * width + 1)
    return np.convolve(rng.standard_normal(n + 2 * width), kernel / np.sqrt((kernel**2).sum()), "valid")


def _clips(count=12, n=75, delay=0, noise=0.0, scale=0.05, seed=0):
    """Loudness is smooth noise; opening follows it `delay` frames later; three features hold the loudness, another series, and noise."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(count):
        sound = _smooth(n + 20, rng)
        loud = sound[10 : 10 + n]
        opening = scale * (sound[10 - delay : 10 - delay + n] + noise * rng.standard_normal(n))
        feature = realism.context(np.stack([loud, _smooth(n, rng), rng.standard_normal(n)], 1))
        out.append(Track(f"c{k}", opening - np.percentile(opening, 5), 10 * loud, feature))
    return out


def test_relative_opening_is_in_eye_distances_and_ignores_the_pose_in_the_picture():
    lmk = RNG.normal(size=(20, 68, 2)) * 0.01
    lmk[:, 36], lmk[:, 45] = (0.0, 0.0), (100.0, 0.0)
    height = np.concatenate([np.zeros(5), np.linspace(0, 20, 15)])
    for k, (up, down) in enumerate(((61, 67), (62, 66), (63, 65))):
        lmk[:, up] = (40 + 10 * k, 60)
        lmk[:, down] = np.stack([np.full(20, 40.0 + 10 * k), 60 + height], 1)
    got = realism.relative_opening(lmk)
    assert got == pytest.approx(height / 100 - np.percentile(height / 100, 5), abs=1e-9)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert realism.relative_opening(3.0 * lmk @ turn + 50.0) == pytest.approx(got, abs=1e-9)
    lmk[7] = np.nan
    assert realism.relative_opening(lmk)[7] == pytest.approx((got[6] + got[8]) / 2, abs=1e-3)
    lmk[:12] = np.nan
    with pytest.raises(ValueError, match="only 8 of 20"):
        realism.relative_opening(lmk)


def test_a_mouth_that_obeys_loudness_is_found_out():
    found = audit(_clips())
    assert found.clips == 12 and found.scalars["r_loudness"][0] > 0.999
    assert found.scalars["r_ridge"][0] > 0.95 and abs(found.scalars["r_ridge_other"][0]) < 0.3 and abs(found.scalars["r_index"][0]) < 0.3
    loose = audit(_clips(noise=1.0)).scalars
    assert loose["r_loudness"][0] == pytest.approx(np.sqrt(0.5), abs=0.08) and loose["r_ridge"][0] < 0.75


def test_a_late_mouth_has_its_peak_at_the_delay():
    curve = np.mean([lag_curve(c) for c in _clips(delay=3)], 0)
    assert LAGS[np.argmax(curve)] == 3 and curve.max() > 0.999


def test_a_ridge_never_sees_the_clip_it_tells():
    rng = np.random.default_rng(1)
    clips = [Track(str(k), rng.standard_normal(60), np.zeros(60), rng.standard_normal((60, 33))) for k in range(15)]
    own, other = ridge_predictions(clips)
    r = [realism.correlation(c.opening, p) for c, p in zip(clips, own)]
    assert abs(np.mean(r)) < 0.1 and all(len(p) == 60 for p in other)
    with pytest.raises(ValueError, match="needs 10"):
        ridge_predictions(clips[:9])


def test_the_place_in_the_clip_is_told_by_the_other_clips():
    clips = _clips()
    same = [Track(c.name, np.sin(np.arange(len(c)) / 9) + 0.01 * c.opening, c.loud, c.feature) for c in clips]
    assert audit(same).scalars["r_index"][0] > 0.99
    longer = [*same, Track("long", np.zeros(120), np.zeros(120), np.zeros((120, same[0].feature.shape[1])))]
    assert len(realism.index_predictions(longer)[-1]) == 75  # nobody else is that long


def test_distances_are_zero_to_oneself_and_grow_with_the_difference():
    people = audit(_clips())
    assert distances(people, people)["total"] == 0.0
    near, far = (distances(audit(_clips(scale=s, seed=1)), people) for s in (0.055, 0.1))
    assert far["opening"] > 3 * near["opening"] and far["velocity"] > near["velocity"] and far["total"] > near["total"]
    late = distances(audit(_clips(delay=4)), people)
    assert late["lag"] > 0.3 and late["r_loudness"] > 0.3 and late["r_ridge"] < 0.1  # the ridge sees five frames around


def test_wasserstein_of_a_shift_is_the_shift():
    sample = RNG.normal(size=5000)
    assert wasserstein(sample, sample + 0.3) == pytest.approx(0.3, abs=1e-9)
    assert wasserstein(sample, 2 * sample) == pytest.approx(np.abs(sample).mean(), rel=0.05)


def test_noise_of_a_detector_is_measured_where_the_mouth_rests():
    rng = np.random.default_rng(2)
    clips = []
    for k in range(10):
        still = np.concatenate([np.zeros(60), 0.1 * np.sin(np.arange(60) / 5) ** 2])
        noisy = still + 0.004 * rng.standard_normal(120)
        clips.append(Track(str(k), noisy, np.where(np.arange(120) < 60, -30.0, 0.0), np.zeros((120, 11))))
    assert realism.detector_noise(clips) == pytest.approx(0.004, rel=0.3)


def test_noise_ceiling_is_the_shared_share_of_the_variance():
    rng = np.random.default_rng(3)
    speech = rng.standard_normal((1, 4000))
    takes = speech + 0.5 * rng.standard_normal((6, 4000))
    ceiling = noise_ceiling(takes)
    assert ceiling == pytest.approx(1 / 1.25, abs=0.02)
    assert realism.explained(speech[0], takes[0], ceiling) == pytest.approx(1.0, abs=0.03)
    assert realism.explained(np.zeros(4000), takes[0], ceiling) == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="K >= 2"):
        noise_ceiling(takes[:1])
