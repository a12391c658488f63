import numpy as np
import pytest
import torch

from paperlib.metrics.sync import no_information_confidence, opening_judge, padding_artefact, sync, unrelated_features
from paperlib.models.syncnet import sync_scores


def _features(n, dim=256, seed=0, norm=7.0):
    x = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))
    return norm * x / x.norm(dim=1, keepdim=True)


def test_matching_features_are_in_sync_and_shifted_ones_are_found():
    lips = _features(80)
    report = sync(lips, lips)
    assert report.offset == 0 and report.offset_masked == 0
    assert report.lse_d == pytest.approx(0, abs=1e-3)
    assert report.lse_c > 5 > report.floor
    late = sync(_features(83)[:-3], _features(83)[3:])
    assert abs(late.offset) == abs(late.offset_masked) == 3


@pytest.mark.parametrize(("windows", "vshift"), [(16, 15), (40, 15), (12, 4)])
def test_one_table_gives_the_released_arithmetic_and_its_masked_variant(windows, vshift):
    lip = _features(windows, 64, 1)
    speech = lip.roll(2, 0) + _features(windows, 64, 2, 5.0)
    report, classic, masked = sync(lip, speech, vshift), *(sync_scores(lip, speech, vshift, masked) for masked in (False, True))
    assert (report.lse_d, report.lse_c, report.offset) == pytest.approx(classic[:3], abs=1e-5)
    assert (report.lse_d_masked, report.lse_c_masked, report.offset_masked) == pytest.approx(masked[:3], abs=1e-5)
    assert (report.windows, report.lip_norm, report.unrelated) == pytest.approx(classic[4:], abs=1e-4)
    with pytest.raises(ValueError, match="audio_emb: expected shape"):
        sync(lip, speech[:5])
    with pytest.raises(ValueError, match="1 windows are too few"):
        sync(lip[:1], speech[:1])


@pytest.mark.parametrize(("windows", "expected"), [(24, 0.85), (59, 0.34), (95, 0.21)])
def test_floor_matches_unrelated_features_and_shrinks_with_length(windows, expected):
    """Independent features of norm 7: LSE-C comes from the padding alone, at a lag of +-15 (PEERS: .85, .34, .21)."""
    assert no_information_confidence(windows, 7.0, 7.0 * 2**0.5) == pytest.approx(expected, abs=0.02)
    report = sync(_features(windows, 1024, 1), _features(windows, 1024, 2))
    assert abs(report.offset) == 15
    assert report.lse_c == pytest.approx(report.floor, abs=0.06)
    assert report.lse_c_masked < 0.5 * report.lse_c


@pytest.mark.parametrize("windows", [10, 12, 15])
def test_the_short_clip_trap_is_real_and_closed(windows):
    """The released arithmetic has a Sync and an offset for features that know nothing of each other; ours has none."""
    lip, speech = _features(windows, 1024, 1), _features(windows, 1024, 2)
    wrong = sync_scores(lip, speech)
    assert wrong.lse_c > 0.5 and abs(wrong.offset) >= 9
    with pytest.raises(ValueError, match=f"{windows} windows are too few"):
        sync_scores(lip, speech, masked=True)
    report = sync(lip, speech)
    assert np.isnan([report.lse_d, report.lse_c, report.offset, report.lse_d_masked, report.lse_c_masked, report.offset_masked]).all()
    assert report.windows == windows and report.floor == pytest.approx(wrong.lse_c, abs=0.15)
    assert np.isfinite(sync(_features(16), _features(16, seed=3)).lse_c_masked)


def _opening(n=150):
    return np.abs(np.sin(np.arange(n) * 0.55) + 0.4 * np.sin(np.arange(n) * 0.21))


def test_opening_judge_finds_delay_and_sign():
    truth = _opening()
    late = opening_judge(np.concatenate([np.full(4, truth[0]), truth[:-4]]), truth)
    assert late.lag == 4 and late.r_at_lag == pytest.approx(1.0, abs=1e-6) and late.r.value < 0.9
    early = opening_judge(np.concatenate([truth[2:], truth[-2:]]), truth)
    assert early.lag == -2
    exact = opening_judge(truth * 3 + 1, truth)
    assert exact.lag == 0 and exact.r.value == pytest.approx(1.0)


def test_opening_judge_says_when_nothing_moves_and_skips_missed_frames():
    truth = _opening()
    frozen = opening_judge(np.ones(150), truth)
    assert np.isnan(frozen.r.value) and "constant" in frozen.r.note and frozen.lag == 0
    gaps = truth.copy()
    gaps[10:20] = np.nan
    judged = opening_judge(gaps, truth)
    assert judged.r.value == pytest.approx(1.0) and judged.r.failed == 10 and judged.lag == 0


@pytest.mark.parametrize("common", [0.0, 0.7])
def test_padding_artefact_measured_on_random_features_agrees_with_the_closed_form(common):
    """Confidence without information falls as 1/T; the closed form has no term for noise, which adds a little on long clips."""
    rows = padding_artefact((12, 24, 59, 145), common=common, repeats=6)
    assert [row["windows"] for row in rows] == [12, 24, 59, 145] and rows[1]["seconds"] == 1.16  # 29 frames
    for row in rows:
        assert row["measured"] == pytest.approx(row["closed_form"], rel=0.04, abs=0.03)
        assert row["sd"] < 0.06
        assert (row["edge"], row["in_sync"]) == ((1.0, 0.0) if common < 0.5 else (0.0, pytest.approx(1.0, abs=0.35)))
    assert np.isnan(rows[0]["masked"]) and all(row["masked"] < 0.35 * row["measured"] for row in rows[1:3])
    assert rows[1]["measured"] == pytest.approx(0.52 if common else 0.86, abs=0.03)  # T = 24, an LRW clip
    product = [row["windows"] * row["closed_form"] for row in rows[2:]]
    assert product[0] == pytest.approx(product[1], rel=1e-6)  # beyond 15 windows of padding the artefact is exactly proportional to 1/T


def test_unrelated_features_have_the_stated_length_and_distance():
    lip, speech = unrelated_features(200, 7.0, 0.7, 1024, torch.Generator().manual_seed(0))
    assert lip.norm(dim=1).mean().item() == pytest.approx(7, abs=0.05)
    assert torch.cdist(lip, speech).mean().item() == pytest.approx(7 * 0.6**0.5, abs=0.05)
