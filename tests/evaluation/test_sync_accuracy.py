"""`evaluate sync`: lags by hand, what is measured of a clip, rows, and what is said when something is missing."""

import json

import numpy as np
import pytest
import torch

from paperlib import config, paths
from paperlib.corpus.banks import SpeechItem
from paperlib.errors import InputError
from paperlib.evaluation import sync
from paperlib.results import read_results


@pytest.mark.parametrize("late", [-4, 0, 3])
def test_best_lag_counts_frames_by_which_lips_are_late(late):
    sound = np.random.default_rng(0).normal(size=(40, 8))
    lip = np.roll(sound, late, axis=0)  # lip[t] shows what was heard at t - late
    table = sync.sync_windows.similarity(lip, sound)
    assert sync.best_lag(table) == late


def test_measure_of_a_perfect_clip_and_of_one_too_short():
    scorer = sync.Scorer(lambda clip: clip, 5, {5: 0.5, 25: 0.5})
    got = sync.measure(scorer, np.eye(60))
    assert got == {"accuracy_5": 1.0, "choice_5": 1.0, "accuracy_25": 1.0, "choice_25": 1.0, "lag_within_1": 1.0}
    assert set(sync.measure(scorer, np.eye(12))) == {"accuracy_5", "choice_5"}


def test_an_off_clip_is_called_off():
    scorer = sync.Scorer(lambda clip: clip, 5, {5: 0.5})
    got = sync.measure(scorer, np.roll(np.eye(60), 4, axis=0))
    assert got["accuracy_5"] < 0.5 and got["lag_within_1"] == 0.0


def test_opening_measure_sees_a_late_mouth():
    exp = torch.zeros(60, 64)
    exp[:, 0] = torch.from_numpy(np.random.default_rng(1).normal(size=60)).float()
    item = SpeechItem(None, None, None, torch.zeros(60, 257), None)
    item.coeffs[:, 80:144] = exp
    same = sync.opening_measure(exp, item)
    late = sync.opening_measure(exp.roll(4, 0), item)
    assert same["opening_r"] == pytest.approx(1) and same["lag_within_1"] == 1.0
    assert late["lag_within_1"] == 0.0 and late["opening_r"] < 0.6


def test_rows_name_metric_window_and_data():
    scores = [
        {"row": "judge", "accuracy_25": 0.9 + 0.02 * k, "choice_25": 1.0, "lag_within_1": 1.0, "speaker": k // 2} for k in range(4)
    ] + [{"row": "full", "opening_r": 0.7, "lag_within_1": 1.0, "speaker": k} for k in range(2)]
    rows = sync.summarise(scores, "embedded test speakers, rule", "rule")
    found = {(r.row, r.metric): r for r in rows}
    assert set(found) == {
        ("judge", "accuracy_25"), ("judge", "choice_25"), ("judge", "lag_within_1"), ("full", "opening_r"), ("full", "lag_within_1"),
    }  # fmt: skip
    share = found["judge", "accuracy_25"]
    assert share.value == pytest.approx(0.93) and share.n == 2 and share.low < share.value < share.high
    assert "windows of 25 frames" in share.protocol and "4 clips" in share.data and share.table == "controls_sync"
    assert found["full", "opening_r"].beta == "predicted"
    assert "windows of" not in found["full", "lag_within_1"].protocol


def test_a_card_without_thresholds_is_refused(monkeypatch):
    monkeypatch.setattr(sync.checkpoints, "load", lambda name, folder=None: (None, {"name": name, "kind": "sync"}))
    with pytest.raises(InputError, match="paperlib train sync"):
        sync.scorers()


def test_sets_that_need_grid_are_left_out_with_the_reason(monkeypatch, tmp_path):
    from paperlib.corpus import real_motion

    monkeypatch.setattr(paths, "CACHE", tmp_path)
    monkeypatch.setattr(real_motion, "FOLDER", tmp_path / "grid")
    found, absent = sync.sets_here(3)
    assert [v[2] for v in found.values()] == ["rule", "rule2"] and all(len(v[1]) == 3 for v in found.values())
    assert all(c.take == 0 and c.split == "test" for _, chosen, _ in found.values() for c in chosen)
    assert set(absent) == {"real", "GRID"} and "prepare grid" in absent["real"] and "prepare grid" in absent["GRID"]


def test_evaluate_writes_a_valid_file(monkeypatch, tmp_path):
    class Toy:
        key, cfg = "toy", config.load_profile("smoke").corpus

        def load(self, name):
            return np.eye(40) + 0.1 * np.random.default_rng(name.speaker).normal(size=(40, 40))

    class Name:
        def __init__(self, speaker):
            self.speaker = speaker

    exp = torch.randn(40, 64)
    item = SpeechItem(None, None, None, torch.zeros(40, 257), None)
    item.coeffs[:, 80:144] = exp
    monkeypatch.setattr(sync, "scorers", lambda: {"judge": sync.Scorer(lambda clip: clip, 7, {25: 0.5})})
    monkeypatch.setattr(sync, "_stage_1", lambda: (None, "no stage 1 here"))
    monkeypatch.setattr(sync, "speech_item", lambda corpus, name: item)
    monkeypatch.setattr(sync, "sets_here", lambda clips: ({"embedded toys": (Toy(), [Name(1), Name(2)], "rule")}, {"real": "no GRID"}))
    path = sync.evaluate(config.load_profile("smoke"), tmp_path)
    rows, header = read_results("controls_sync", tmp_path)
    assert path.name == "controls_sync.json" and header["absent"] == {"real": "no GRID", "stage 1": "no stage 1 here"}
    assert {(r.row, r.metric) for r in rows} == {("judge", m) for m in ("accuracy_25", "choice_25", "lag_within_1")}
    assert json.loads(path.read_text())["rows"][0]["value"] == 1.0
