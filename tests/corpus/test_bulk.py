"""Bulk preparation: sizes, kill and resume, other settings in the same folder."""

import dataclasses
import json
import os

import pytest

from paperlib.config import load_profile
from paperlib.corpus import bulk, resumption, synthetic
from paperlib.corpus.dataset import Corpus
from paperlib.errors import InputError

SMOKE = load_profile("smoke").corpus
TINY = dataclasses.replace(SMOKE, size=32, seconds=0.4, train_speakers=1, val_speakers=1, test_speakers=1)
OPTIONS = ["--profile", "smoke", "--size", "32"]


def test_speakers_and_minutes():
    cfg = bulk.sized(SMOKE, speakers=10)
    assert (cfg.train_speakers, cfg.val_speakers, cfg.test_speakers) == (7, 1, 2)
    assert bulk.sized(SMOKE) == SMOKE
    with pytest.raises(InputError, match="3 to 5000"):
        bulk.sized(SMOKE, speakers=2)
    with pytest.raises(InputError, match="above 0"):
        bulk.sized(SMOKE, minutes=0)


def test_minutes_are_kept_to(monkeypatch):
    monkeypatch.setattr(bulk, "SAMPLE", 12)
    cfg = bulk.sized(dataclasses.replace(SMOKE, seconds=4.0), speakers=4, minutes=1.2)
    seconds = sum(synthetic.clip_length(cfg, c) for c in synthetic.iter_plan(cfg)) / 25
    assert 50 < seconds < 95


def test_other_settings_are_refused(tmp_path):
    bulk.claim(Corpus(TINY, tmp_path))
    bulk.claim(Corpus(dataclasses.replace(TINY, train_speakers=5), tmp_path))  # more people: the same look
    with pytest.raises(InputError, match=r"made with another size.*choose another --out"):
        bulk.claim(Corpus(dataclasses.replace(TINY, size=64), tmp_path))
    (tmp_path / bulk.CARD).write_text(json.dumps({"key": "0", "look": Corpus(TINY, tmp_path).look}))
    with pytest.raises(InputError, match="made by other code or with another face model; choose"):
        bulk.claim(Corpus(TINY, tmp_path))


def test_sweep_takes_what_the_dead_left_and_nothing_else(tmp_path):
    dead, mine, clip = 2**22 + 1, os.getpid(), tmp_path / "00000.mp4"
    left = [tmp_path / f".00000.{dead}.part.mp4.part", tmp_path / f".00000.npz.{dead}.part"]
    kept = [tmp_path / f".00000.{mine}.part.mp4", clip]
    for path in left + kept:
        path.write_bytes(b"x")
    assert bulk.sweep(tmp_path) == 2
    assert not any(p.exists() for p in left) and all(p.exists() for p in kept)


def test_bad_options_are_one_line(capsys):
    from paperlib import cli

    for options, said in ((["--size", "33"], "even number"), (["--workers", "0"], "1 or more"), (["--motion", "x"], "invalid choice")):
        assert cli.main(["prepare", "synthetic", "--profile", "smoke", *options]) == 2
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "undisturbed"
    said = resumption.run(folder, OPTIONS, 1)  # one worker: the same bytes whatever their number
    assert "8 of 8 clips made now" in said and "times real time" in said
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_resumed_is_equal_to_the_last_byte(tmp_path, reference, workers):
    found = resumption.prove(tmp_path, OPTIONS, workers, kills=2, total=8, reference=reference)
    assert found["kills"] == 2 and found["redone"] == 0
    assert found["different"] == [] and found["files"] == 17
