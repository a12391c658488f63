import json

import numpy as np
import pytest
import torch

from paperlib.corpus.dataset import Clip
from paperlib.corpus.synthetic import ClipId
from paperlib.evaluation import fitting
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, TRANS
from paperlib.face3d.face_renderer import landmarks2d, render
from paperlib.face3d.morphable_model import default_model
from paperlib.results import provenance, read_results, write_results


def made_clip(speaker, n=6):
    """A short rendered clip with its truth, at 224 x 224."""
    g = torch.Generator().manual_seed(speaker)
    coeffs = torch.zeros(n, N_COEFF)
    coeffs[:, ID] = torch.randn(80, generator=g) * 0.5
    coeffs[:, ANGLES] = torch.randn(n, 3, generator=g) * 0.03
    coeffs[:, 227 + 2 : 254 : 9] = 0.15
    model = default_model()
    frames = (render(model, coeffs, 224, background=(0.5, 0.5, 0.5)).image.movedim(1, -1).numpy() * 255).astype(np.uint8)
    lmk = landmarks2d(model, coeffs, 224).numpy()
    who = ClipId("test", speaker, 0, 0)
    return Clip(who, frames, np.zeros(1, np.float32), coeffs.numpy(), lmk, lmk, [], "", "", "en")


def test_errors_are_zero_at_the_truth_and_separate_what_they_name():
    model, clip = default_model(), made_clip(1)
    truth = torch.from_numpy(clip.coeffs)
    assert all(v < 1e-3 for v in fitting.errors(model, truth, truth).values())
    turned = truth.clone()
    turned[:, ANGLES.start + 1] += np.deg2rad(3)
    got = fitting.errors(model, turned, truth)
    assert abs(got["rotation_deg"] - 3) < 0.05 and got["exp_px"] == 0 and got["lmk_px"] > 0.5
    other = truth.clone()
    other[:, ID] += 1
    assert fitting.errors(model, other, truth)["exp_px"] == 0  # identity is removed
    mouth = truth.clone()
    mouth[:, EXP] += model.actions_to_exp({"jawOpen": 0.5})
    assert fitting.errors(model, mouth, truth)["exp_px"] > 0.2
    moved = truth.clone()
    moved[:, TRANS.start] += 0.1
    assert fitting.errors(model, moved, truth, size=96)["lmk_px"] == pytest.approx(fitting.errors(model, moved, truth)["lmk_px"], rel=1e-3)


def test_scores_become_rows_with_intervals(tmp_path):
    model = default_model()
    clips = [made_clip(s) for s in (10_001, 10_002)]
    plain = {"landmarks": lambda lmk, frames: fitting.fitting.fit_landmarks(model, lmk, frames.shape[1])}
    scores = fitting.score_rendered(model, clips, plain)
    exact = [s for s in scores if s["row"] == "true_landmarks"]
    assert len(scores) == 6 and all(s["lmk_px"] < 0.5 and s["rotation_deg"] < 2 for s in exact)
    rows = fitting.summarise_rendered(scores, "rule")
    path = write_results("fitting", rows, provenance("test", "smoke", 0, "made", 0.0), tmp_path)
    back, _ = read_results("fitting", tmp_path)
    assert {r.row for r in back} == {"detector_alone", "landmarks", "true_landmarks"} and json.loads(path.read_text())
    one = next(r for r in back if r.row == "landmarks" and r.metric == "rotation_deg")
    assert one.n == 2 and one.low <= one.value <= one.high and "dlib" in one.data
    best = next(r for r in back if r.row == "true_landmarks" and r.metric == "lmk_px")
    assert "true landmarks" in best.data and best.value < one.value + 5


def test_real_rows_count_clips_and_missed_frames():
    scores = [
        {"row": "landmarks", "clip": n, "missed": 1, "reprojection": v, "reprojection_inner": v / 2} for n, v in (("a", 0.02), ("b", 0.04))
    ]
    rows = fitting.summarise_real(scores, "GRID")
    assert [r.metric for r in rows] == ["reprojection", "reprojection_inner"] and rows[0].n == 2
    assert rows[0].value == pytest.approx(0.03) and "2 frames without a face" in rows[0].protocol and "GRID, 2 real clips" in rows[0].data


def test_absent_sets_are_left_out(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.mp4").touch()
    monkeypatch.setattr(fitting, "REAL", {"one": (tmp_path / "here", ("*.mp4",)), "two": (tmp_path / "gone", ("*.mp4",))})
    assert list(fitting.real_clips()) == ["one"]


@pytest.mark.assets
def test_a_real_clip_is_reprojected_closely():
    files = fitting.real_clips().get("GRID")
    if not files:
        pytest.skip("the real clips are not beside the checkout")
    model = default_model()
    plain = {"landmarks": lambda lmk, frames: fitting.fitting.fit_landmarks(model, lmk, frames.shape[1])}
    (score,) = fitting.score_real(model, files[0], plain, max_frames=8)
    assert score["missed"] == 0 and score["reprojection"] < 0.03
