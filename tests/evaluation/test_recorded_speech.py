"""Recorded speech without pictures: r while somebody speaks, the control, the choice of files, rows, picture, bad input."""

import numpy as np
import pytest
import torch

from paperlib.errors import InputError
from paperlib.evaluation import recorded_speech as rs


def heard(name, seed, n=60):
    draw = np.random.default_rng(seed)
    loudness = -30 + 10 * draw.uniform(-1, 1, n)
    return rs.Heard(name, 5 + 0.3 * loudness + 0.5 * draw.standard_normal(n), 0.2 * torch.randn(n, 64), loudness)


def test_pauses_do_not_count():
    opening, loudness = np.r_[np.zeros(40), np.arange(20.0)], np.r_[np.full(40, -80.0), -np.arange(20.0)]
    assert rs.envelope_r(opening, loudness, loudness > rs.SPOKEN_DB) == pytest.approx(-1)
    assert rs.envelope_r(opening, loudness, np.ones(60, bool)) > 0.5  # silence alone would make it look good
    assert np.isnan(rs.envelope_r(opening, loudness, np.arange(60) < 10))
    assert np.isnan(rs.envelope_r(np.ones(60), loudness, np.ones(60, bool)))


def test_own_speech_beats_the_next_file():
    scored = rs.scores([heard("a", 0), heard("b", 1), heard("c", 3)])
    assert [s["clip"] for s in scored] == ["a", "b", "c"]
    assert all(s["full"] > 0.9 > s["swapped_speech"] for s in scored)
    own, swapped = rs.rows_of("Latin", scored)
    assert own.row == "full" and swapped.row == "swapped_speech" and own.data == "Latin, 3 recordings" and own.low <= own.value <= own.high


def test_silence_gives_no_number():
    mute = rs.Heard("m", np.ones(60), torch.zeros(60, 64), np.full(60, -80.0))
    assert all(r.value is None for r in rs.rows_of("none", rs.scores([mute, mute])))


def test_files_are_chosen_by_hash_the_same_every_time(tmp_path):
    for i in range(9):
        (tmp_path / f"{i}.wav").touch()
    picked = rs.chosen(f"{tmp_path}/*.wav", 4)
    every = rs.chosen(f"{tmp_path}/*.wav", 9)
    assert picked == every[:4] and every != sorted(every) and len(set(every)) == 9
    with pytest.raises(InputError, match="no such files"):
        rs.chosen(f"{tmp_path}/*.ogg", 4)


def test_results_and_picture_do_not_overwrite_each_other(tmp_path):
    path = rs.figure({"Latin": heard("a", 0), "Greek": heard("b", 1)}, tmp_path, "command")
    assert path.name == f"{rs.PICTURE}.png" and rs.PICTURE != rs.TABLE


def test_bad_input_is_one_line_and_exit_code_2(capsys):
    assert rs.main(["Latin=/nowhere/*.wav"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
