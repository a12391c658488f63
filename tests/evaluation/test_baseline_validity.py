"""Paired rows of minis beside themselves: signs, verdicts after Holm, and who is at a plateau, from scores whose answer is known."""

import numpy as np
import pytest

from paperlib import config, paths
from paperlib.baselines import validity
from paperlib.errors import InputError
from paperlib.evaluation import baseline_validity as made
from paperlib.evaluation.dubbing_scores import group_of
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


def done(system, form, val, tmp_path):
    cell = Cell(f"{system}_{form}", options={"system": system, "form": form, "steps": 3600})
    return Done(cell, {"val": val, "file": "x"}, 1.0, tmp_path)


@pytest.fixture
def rows(tmp_path):
    scores = score("wav2lip_mini", sync_mouth=0.5, opening_r=0.4, psnr_crop=30.0, lmd_mouth=1.0)
    scores += score("wav2lip_mini_without", sync_mouth=0.2, opening_r=0.4, psnr_crop=30.5, lmd_mouth=2.0)
    scores += score("wav2lip_mini_longer", sync_mouth=0.5, opening_r=0.4, psnr_crop=32.0, lmd_mouth=1.0)
    finished = [done("wav2lip", "without", 0.04, tmp_path), done("wav2lip", "longer", 0.045, tmp_path)]
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
    assert "not yet at its plateau" in one(rows, "wav2lip_mini_longer", "val").protocol
    assert "after 7200 steps; 0.05000 before" in one(rows, "wav2lip_mini_longer", "val").protocol
    assert "plateau" not in one(rows, "wav2lip_mini_without", "val").protocol
    assert validity.at_plateau(0.05, 0.0491) and not validity.at_plateau(0.05, 0.0489)


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
