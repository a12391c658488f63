"""Paired rows of minis beside themselves: signs, verdicts after Holm, and who is at a plateau, from scores whose answer is known."""

import numpy as np
import pytest

from paperlib import config, paths
from paperlib.baselines import validity
from paperlib.errors import InputError
from paperlib.evaluation import baseline_validity as made
from paperlib.evaluation.dubbing_run import SETS
from paperlib.evaluation.dubbing_scores import group_of
from paperlib.evaluation.dubbing_systems import OURS, Entry
from paperlib.evaluation.dubbing_tasks import CROSS
from paperlib.paper import row_id
from paperlib.training.sweep import Cell, Done

DRAW = np.random.default_rng(0)
CLIPS = [f"clip{k}" for k in range(12)]


def score(row, **means):
    """Twelve clips of twelve people, a little noise around each mean."""
    return [
        {"row": row, "kind": CROSS, "set": "s", "clip": c, "speaker": c, **{k: v + 0.01 * DRAW.normal() for k, v in means.items()}}
        for c in CLIPS
    ]


def done(system, form, val, tmp_path, number=1):
    cell = Cell(f"{system}_{form}", options={"system": system, "form": form, "steps": 3600, "round": number})
    return Done(cell, {"val": val, "file": "x"}, 1.0, tmp_path)


@pytest.fixture
def rows(tmp_path):
    scores = score("wav2lip_mini", sync_mouth=0.5, opening_r=0.4, psnr_crop=30.0, lmd_mouth=1.0)
    scores += score("wav2lip_mini_without", sync_mouth=0.2, opening_r=0.4, psnr_crop=30.5, lmd_mouth=2.0)
    scores += score("wav2lip_mini_longer", sync_mouth=0.5, opening_r=0.4, psnr_crop=32.0, lmd_mouth=1.0)
    finished = [done("wav2lip", "without", 0.04, tmp_path)]
    finished += [done("wav2lip", "longer", val, tmp_path, number) for number, val in ((1, 0.045), (2, 0.046))]
    return made.rows_of(group_of(scores, CROSS), finished, {"wav2lip": {"best_value": 0.05}}, "some clips", "rule")


def one(rows, row, metric):
    found = [r for r in rows if (r.row, r.metric) == (row, metric)]
    assert len(found) == 1
    return found[0]


def test_the_better_one_comes_first_and_its_own_measures_are_corrected(rows):
    sync = one(rows, "wav2lip_mini_less_without", "sync")
    assert (
        sync.value == pytest.approx(0.3, abs=0.02) and "the first is: better (Holm p" in sync.protocol and "of 2, its own" in sync.protocol
    )
    assert "the first is: tie (Holm p" in one(rows, "wav2lip_mini_less_without", "opening_r").protocol
    psnr = one(rows, "wav2lip_mini_less_without", "psnr")
    assert psnr.value == pytest.approx(-0.5, abs=0.05) and "the first is: worse (p " in psnr.protocol
    assert "the first is: better" in one(rows, "wav2lip_mini_less_without", "lmd").protocol, "a lower distance is better"
    gain = one(rows, "wav2lip_mini_longer_less", "psnr")
    assert gain.value == pytest.approx(2.0, abs=0.05) and "better" in gain.protocol


def test_plateaus_are_told_by_validation(rows):
    longer = one(rows, "wav2lip_mini_longer", "val")
    assert longer.protocol == "validation after 3600, 7200, 10800 steps: 0.05000, 0.04500, 0.04600; at its plateau"
    assert longer.value == 0.045, "of several rounds the one that validates best"
    assert made.curve([0.05, 0.045], 10).endswith("0.04500; not yet at its plateau")
    assert "plateau" not in one(rows, "wav2lip_mini_without", "val").protocol
    assert validity.at_plateau(0.05, 0.0491) and not validity.at_plateau(0.05, 0.0489)


def test_the_second_track_pairs_ours_with_the_longer_ones_by_set():
    rng, scores = np.random.default_rng(1), []
    for part in SETS:
        for row, value in ((OURS, 30.0), ("ip_lap_mini", 20.0), ("ip_lap_mini_longer", 31.0 if part == SETS[0] else 29.0)):
            for k in range(12):
                found = {"psnr_crop": value + 0.1 * rng.normal(), "skill_mouth": 0.5}
                scores.append({"row": row, "kind": CROSS, "set": part, "clip": f"{part} {k}", "speaker": str(k), **found})
    known = [Entry(OURS, "dubbing", "predicted", (CROSS,), ""), Entry("ip_lap_mini", "dubbing", "predicted", (CROSS,), "")]
    still, strong = made.second_track(scores, known, "rule")
    assert {still.row, strong.row} == {"full_minus_ip_lap_mini_longer"} and {still.metric, strong.metric} == {"psnr"}
    assert still.value == pytest.approx(-1, abs=0.1) and "ours is: worse (Holm" in still.protocol and SETS[0] in still.data
    assert strong.value == pytest.approx(1, abs=0.1) and "ours is: better (Holm" in strong.protocol and SETS[1] in strong.data
    assert made.second_track([s for s in scores if not s["row"].endswith("longer")], known, "rule") == []


def test_every_row_has_a_known_id_and_its_data(rows):
    assert {row_id(made.TABLE, r.row) for r in rows} == {r.row for r in rows}
    assert all(r.data for r in rows) and {r.contest for r in rows} == {"dubbing"}
    with pytest.raises(ValueError):
        row_id(made.TABLE, "wav2lip_mini")


def test_without_a_trained_form_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setattr(validity, "sweep", lambda profile, progress=True: type("S", (), {"done": lambda self: []})())
    with pytest.raises(InputError, match="train baselines --validity"):
        made.evaluate(config.load_profile("smoke"))
