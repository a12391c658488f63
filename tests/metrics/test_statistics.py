import numpy as np
import pytest
from scipy import stats

from paperlib.metrics import statistics as st


def test_mean_interval_and_counts():
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(30), 3)
    values = rng.normal(size=90) + 5
    ci = st.cluster_bootstrap(values, speakers)
    assert ci.value == pytest.approx(values.mean())
    assert (ci.n, ci.clusters, ci.failed) == (90, 30, 0)
    sample = np.array([values[speakers == s].mean() for s in range(30)])
    assert ci.se == pytest.approx(sample.std(ddof=1) / 30**0.5, rel=0.1)
    assert ci.high - ci.low == pytest.approx(2 * 1.96 * ci.se, rel=0.1)
    assert ci.detectable == pytest.approx(2.8 * ci.se)
    again = st.cluster_bootstrap(values, speakers)
    assert (again.low, again.high) == (ci.low, ci.high)


def test_clips_of_one_speaker_do_not_count_as_independent():
    rng = np.random.default_rng(1)
    speaker_effect = np.repeat(rng.normal(size=10), 20)
    values = speaker_effect + 0.01 * rng.normal(size=200)
    honest = st.cluster_bootstrap(values, np.repeat(np.arange(10), 20))
    naive = st.cluster_bootstrap(values, np.arange(200))
    assert honest.se > 3 * naive.se


def test_coverage_of_the_95_percent_interval():
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = np.repeat(rng.normal(size=25), 2) + rng.normal(size=50)
        ci = st.cluster_bootstrap(values, np.repeat(np.arange(25), 2), n_boot=400)
        hits += ci.low <= 0 <= ci.high
    assert 0.88 <= hits / 200 <= 0.99


def test_general_statistic_agrees_with_the_quick_mean():
    rng = np.random.default_rng(2)
    values, speakers = rng.normal(size=24), np.repeat(list("abcdef"), 4)
    quick, slow = st.cluster_bootstrap(values, speakers), st.cluster_bootstrap(values, speakers, statistic=np.mean)
    assert (slow.value, slow.low, slow.high) == pytest.approx((quick.value, quick.low, quick.high))
    assert st.cluster_bootstrap(values, speakers, statistic=np.median).value == np.median(values)


def test_failures_and_single_speakers_are_said():
    ci = st.cluster_bootstrap([1.0, np.nan, np.inf, 3.0], ["a", "a", "b", "b"])
    assert (ci.value, ci.n, ci.failed) == (2.0, 2, 2)
    one = st.cluster_bootstrap([1.0, 2.0], ["a", "a"])
    assert one.value == 1.5 and np.isnan(one.low) and "one speaker" in one.note
    none = st.cluster_bootstrap([np.nan], ["a"])
    assert np.isnan(none.value) and none.note
    with pytest.raises(ValueError, match="equally long"):
        st.cluster_bootstrap([1.0], ["a", "b"])


def test_pairing_removes_what_clips_share():
    rng = np.random.default_rng(3)
    clip = 10 * rng.normal(size=40)
    ours, other = clip + 0.3 + 0.1 * rng.normal(size=40), clip + 0.1 * rng.normal(size=40)
    ours[5], other[6] = np.nan, np.inf
    diff = st.paired_difference(ours, other, np.repeat(np.arange(10), 4))
    assert diff.value == pytest.approx(0.3, abs=0.1) and diff.failed == 2
    assert diff.low > 0 and diff.p < 0.01
    assert st.verdict(diff) == "better" and st.verdict(diff, better="lower") == "worse"
    both = st.paired_difference([np.inf, 1.0, 2.0], [np.inf, 0.0, 1.0], [0, 1, 2])
    assert both.n == 2 and both.failed == 1


def test_verdicts():
    def interval(low, high):
        return st.Interval((low + high) / 2, low, high, 10, 5)

    assert st.verdict(interval(-0.1, 0.4)) == "tie"
    assert st.verdict(interval(0.1, 0.4)) == "better"
    assert st.verdict(interval(-0.4, -0.1)) == "worse"
    assert st.verdict(interval(-0.4, -0.1), better="lower") == "better"
    assert st.verdict(interval(0.1, 0.4), margin=0.2) == "tie"
    assert st.verdict(interval(0.3, 0.4), margin=0.2) == "better"
    assert st.verdict(interval(float("nan"), float("nan"))) == "no verdict"
    with pytest.raises(ValueError):
        st.verdict(interval(0, 1), better="bigger")


def test_holm_against_its_definition_and_scipy():
    p = [0.01, 0.04, 0.03, 0.005]
    assert st.holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert st.holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    with_nan = st.holm([0.01, np.nan, 0.04])
    assert with_nan[[0, 2]].tolist() == pytest.approx([0.02, 0.04]) and np.isnan(with_nan[1])
    with pytest.raises(ValueError):
        st.holm([1.2])


def test_correlations_equal_scipys():
    rng = np.random.default_rng(4)
    x = rng.normal(size=60)
    y = np.round(0.5 * x + rng.normal(size=60), 1)  # with ties
    assert st.pearson(x, y).value == pytest.approx(stats.pearsonr(x, y)[0])
    assert st.spearman(x, y).value == pytest.approx(stats.spearmanr(x, y)[0])
    groups = np.repeat([1, 0, 2], 20)
    assert st.pearson(x, y, groups=groups).value == pytest.approx(stats.pearsonr(x, y)[0])
    independent = st.pearson(x, y, block=1)
    theory = stats.pearsonr(x, y).confidence_interval()
    assert independent.low == pytest.approx(theory.low, abs=0.08) and independent.high == pytest.approx(theory.high, abs=0.08)


def test_constant_series_have_no_correlation_and_say_so():
    moving = np.sin(np.arange(50.0))
    for frozen in (np.zeros(50), np.full(50, 0.1 + 0.2)):
        for r in (st.pearson(frozen, moving), st.spearman(moving, frozen)):
            assert np.isnan(r.value) and np.isnan(r.low) and "constant" in r.note
    assert st.pearson([1.0, 2.0], [1.0, 2.0]).note == "fewer than three pairs"


def test_missed_frames_are_left_out_pair_by_pair():
    x = np.arange(40.0)
    y = x.copy()
    x[3], y[7] = np.nan, np.nan
    r = st.pearson(x, y)
    assert r.value == pytest.approx(1.0) and (r.n, r.failed) == (38, 2)


def test_blocks_are_consecutive_and_stay_within_their_clip():
    index = st.block_indices([10, 4], block=5, n_boot=50, seed=0)
    assert index.shape == (50, 14)
    assert index[:, :10].max() <= 9 and index[:, 10:].min() >= 10
    steps = np.diff(index[:, :5], axis=1) % 10
    assert (steps == 1).all()


def test_autocorrelated_frames_widen_the_interval():
    rng = np.random.default_rng(5)
    smooth = np.convolve(rng.normal(size=1020), np.ones(21) / 21, "valid")
    other = np.convolve(rng.normal(size=1020), np.ones(21) / 21, "valid")
    blocks, naive = st.pearson(smooth, other), st.pearson(smooth, other, block=1)
    assert blocks.se > 2 * naive.se
    mean_blocks, mean_naive = st.block_bootstrap(smooth), st.block_bootstrap(smooth, block=1)
    assert mean_blocks.se > 2 * mean_naive.se and mean_blocks.value == pytest.approx(smooth.mean())
    gaps = smooth.copy()
    gaps[:5] = np.nan
    assert st.block_bootstrap(gaps, groups=np.repeat([0, 1], 500)).failed == 5


def test_bad_input_raises():
    with pytest.raises(ValueError, match="choose pearson"):
        st.correlation([1, 2, 3], [1, 2, 3], "kendall")
    with pytest.raises(ValueError, match="equally long"):
        st.pearson([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="groups"):
        st.pearson([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], groups=[0, 1])
