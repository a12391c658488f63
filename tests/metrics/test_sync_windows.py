"""Accuracy over windows: hand-made tables, a loop version, thresholds."""

import numpy as np
import pytest

from paperlib.metrics import sync_windows as sw


def random_table(seed, n=14):
    return np.random.default_rng(seed).normal(size=(n, n))


def test_similarity_is_the_cosine_and_zero_for_a_zero_embedding():
    lip, sound = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[4.0, 3.0], [1.0, 0.0]])
    np.testing.assert_allclose(sw.similarity(lip, sound), [[0.96, 0.6], [0.0, 0.0]])
    with pytest.raises(ValueError, match="sound"):
        sw.similarity(lip, sound[:1])


@pytest.mark.parametrize("looks", [1, 3, 9])
def test_window_scores_equal_a_loop(looks):
    table = random_table(0)
    true, false = sw.window_scores(table, looks)
    n = len(table) - looks + 1
    assert true.shape == (n,) and false.shape == (n, n)
    for t in range(n):
        for s in range(n):
            want = np.mean([table[t + k, s + k] for k in range(looks)])
            if t == s:
                assert true[t] == pytest.approx(want)
            if abs(t - s) < sw.APART:
                assert np.isnan(false[t, s])
            else:
                assert false[t, s] == pytest.approx(want)


def test_a_clip_without_an_off_sync_window_is_refused():
    sw.window_scores(np.eye(8), 5)
    with pytest.raises(ValueError, match="no off-sync window"):
        sw.window_scores(np.eye(7), 5)


def test_accuracy_and_choice_by_hand():
    nan = np.nan
    true = np.array([0.9, 0.2])
    false = np.array([[nan, 0.1], [0.3, nan]])
    assert sw.accuracy(true, false, 0.25) == pytest.approx((0.5 + 0.5) / 2)
    assert sw.accuracy(true, false, 0.5) == pytest.approx((0.5 + 1.0) / 2)
    assert sw.choice(true, false) == pytest.approx(0.5)  # 0.9 > 0.1, 0.2 < 0.3
    assert sw.choice(np.array([0.9, 0.3]), false) == pytest.approx(0.75)  # a tie counts half


def test_perfect_and_empty_tables_give_one_and_chance():
    perfect = [sw.window_scores(np.eye(20) + 0.01 * random_table(k, 20), 1) for k in range(3)]
    threshold = sw.best_threshold(perfect)
    assert np.mean([sw.accuracy(*c, threshold) for c in perfect]) > 0.98  # a quantile: it need not fall between the two kinds
    assert all(sw.choice(*c) == 1.0 and sw.accuracy(*c, 0.5) == 1.0 for c in perfect)
    empty = [sw.window_scores(random_table(k, 60), 1) for k in range(8)]
    fixed = sw.best_threshold(empty[:4])
    assert np.mean([sw.accuracy(*c, fixed) for c in empty[4:]]) == pytest.approx(0.5, abs=0.07)
    assert np.mean([sw.choice(*c) for c in empty]) == pytest.approx(0.5, abs=0.05)


def test_best_threshold_is_the_best_of_all_thresholds():
    clips = [sw.window_scores(random_table(k, 12) + 1.5 * np.eye(12), 1) for k in range(4)]
    found = sw.best_threshold(clips, most=2000)
    scores = np.concatenate([np.concatenate([t, f[np.isfinite(f)]]) for t, f in clips])

    def mean(v):
        return np.mean([sw.accuracy(t, f, v) for t, f in clips])

    assert mean(found) == pytest.approx(max(mean(v) for v in scores), abs=2e-3)


def test_longer_windows_tell_noisy_looks_apart_better():
    rng = np.random.default_rng(5)
    tables = [np.eye(70) + rng.normal(size=(70, 70)) for _ in range(4)]
    got = [np.mean([sw.choice(*sw.window_scores(t, looks)) for t in tables]) for looks in (1, 5, 21)]
    assert got[0] < got[1] < got[2] and got[2] > 0.98
