"""Measures of a dubbed clip on pictures and curves whose answer is known."""

import dataclasses

import numpy as np
import pytest
import torch
from made_dubs import CFG, FRAMES

from paperlib.evaluation import dubbing_controls as controls
from paperlib.evaluation import dubbing_measures as measures
from paperlib.evaluation.dubbing_instruments import every, instruments
from paperlib.face3d.landmarks import MOUTH
from paperlib.metrics import image


@pytest.fixture(scope="module")
def scores(shelf, cross):
    """Measures of the truth, of the frozen mouth and of the source."""
    tools = instruments(shelf)
    return {
        row: measures.measure(controls.CONTROLS[row](cross), cross, tools, CFG) for row in ("truth", "frozen_mouth", "source_unchanged")
    }


def test_every_measure_is_described_once():
    places = [(m.metric, m.region) for m in measures.MEASURES.values()]
    assert len(set(places)) == len(places) and all(m.words and m.better in ("higher", "lower", "") for m in measures.MEASURES.values())


def test_the_truth_is_perfect_where_it_is_the_yardstick(scores):
    truth = scores["truth"]
    assert all(np.isnan(truth[f"psnr_{r}"]) for r in ("frame", "crop", "mouth"))  # infinite: no value
    assert truth["ssim_crop"] == pytest.approx(1) and truth["lpips_mouth"] == truth["lmd_mouth"] == truth["aed_mouth"] == 0
    assert truth["csim_frame"] == pytest.approx(1) and truth["csim_crop"] == pytest.approx(1) and truth["skill_mouth"] == 1
    assert truth["aed_known"] > 0  # the reader's own error


def test_the_frozen_mouth_has_no_skill(scores):
    frozen = scores["frozen_mouth"]
    assert frozen["skill_crop"] == pytest.approx(0, abs=1e-6) and frozen["skill_mouth"] == pytest.approx(0, abs=1e-6)
    assert frozen["psnr_mouth"] < frozen["psnr_crop"] < frozen["psnr_frame"]
    assert frozen["lmd_mouth"] > 0 and set(frozen) == set(measures.MEASURES) - {"shape_mouth", "shape_source", "official_mouth"}


def test_regions_are_those_of_the_metrics(cross):
    at = every(FRAMES, CFG.image_every)
    pred, want = controls.source_unchanged(cross)[at], controls.truth(cross)[at]
    found, mask = measures.by_pictures(controls.source_unchanged(cross), cross, at), cross.source.masks[at]
    assert found["psnr_crop"] == pytest.approx(float(image.psnr(pred, want, mask).mean()))
    assert found["lpips_frame"] == pytest.approx(float(image.lpips(pred, want).mean()), rel=1e-4)
    assert found["ssim_frame"] == pytest.approx(float(image.ssim(pred, want).mean()))


def test_openings_found_at_some_frames_are_held_against_all():
    truth = np.sin(np.arange(60.0) / 2) + np.sin(np.arange(60.0) / 5)
    at = every(60, 3)
    for lag in (-4, 0, 7):
        late = np.array([truth[np.clip(t - lag, 0, 59)] for t in at])
        assert measures.best_lag(late, at, truth) == lag
        assert measures.opening_r(late, at, truth, lag) == pytest.approx(1)
    assert np.isnan(measures.opening_r(np.ones(20), at, truth)) and np.isnan(measures.best_lag(np.ones(20), at, truth))
    assert np.isnan(measures.opening_r(truth[at], at, truth, 45))  # too few frames have a partner
    gaps = truth[at].copy()
    gaps[3] = np.nan
    assert measures.opening_r(gaps, at, truth) == pytest.approx(1)


def test_lips_of_the_wanted_clip_are_in_time_and_those_of_the_source_are_not(cross):
    at = every(FRAMES, CFG.lips_every)
    wanted, before = (measures.by_lips(clip.lmk[at], cross, at) for clip in (cross.speech, cross.source))
    assert wanted["opening_r"] == pytest.approx(1) and wanted["lag"] == wanted["late"] == 0
    assert before["opening_r_source"] == pytest.approx(1) and before["opening_r"] < 0.9
    assert wanted["loudness_r"] > 0.5  # this voice is loud where its mouth opens
    assert wanted["lmd_mouth"] == pytest.approx(
        np.linalg.norm((cross.speech.lmk[at] - cross.speech.points)[:, list(MOUTH)], axis=-1).mean()
    )


def test_a_mouth_without_its_pose_does_not_know_the_camera(cross):
    points, posed = cross.speech.points, cross.speech.lmk_neutral[every(FRAMES, CFG.lips_every)]
    turn = 1.3 * np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    a, b = measures.unposed(points, posed), measures.unposed(points @ turn + [9, -4], posed @ turn + [9, -4])
    assert a.shape == (len(points), 20, 2)
    np.testing.assert_allclose(a, b, atol=1e-6)
    wide = np.linalg.norm(a[:, 0] - a[:, 6], axis=-1).mean()  # mouth corners, in eye distances
    assert 0.3 < wide < 0.8


def test_without_a_truth_recordings_are_the_yardstick(shelf, sentence):
    tools = instruments(shelf)
    found = measures.measure(controls.source_unchanged(sentence), sentence, tools, CFG)
    assert not {"psnr_crop", "lmd_mouth", "aed_mouth"} & set(found)
    assert found["shape_source"] < found["shape_mouth"] and found["shape_source"] == pytest.approx(0)  # the source's own mouth
    assert found["csim_frame"] == pytest.approx(1)  # the same person as before


def test_the_official_syncnet_is_asked_where_it_is(shelf, sentence, monkeypatch):
    from paperlib.metrics import sync

    seen, net = [], torch.nn.Identity()
    report = dataclasses.make_dataclass("Report", ["lse_c_masked"])
    monkeypatch.setattr(sync, "official_sync", lambda frames, wave, own: seen.append((frames.shape, len(wave), own)) or report(3.5))
    tools = dataclasses.replace(instruments(shelf), official=net)
    found = measures.measure(controls.source_unchanged(sentence), sentence, tools, CFG)
    assert found["official_mouth"] == 3.5 and seen == [((FRAMES, 224, 224, 3), FRAMES * 640, net)]


def test_the_judge_hears_the_wanted_speech(shelf, cross):
    tools = instruments(shelf)
    frames, near = cross.speech.frames, cross.speech.lmk_neutral
    own, other = (tools.judged(frames, near, clip.mfcc) for clip in (cross.speech, cross.third))
    assert own != other and np.isfinite(own.confidence) and -10 <= own.lag <= 10
    assert tools.expert_says(frames, near, cross.speech.mel) != own
    short = tools.judged(frames[:20], near[:20], cross.speech.mfcc[:20])
    assert np.isnan(short.lag)  # too short for the lags
    assert torch.is_tensor(tools.judge.embed_sound(torch.from_numpy(cross.speech.mfcc)))
