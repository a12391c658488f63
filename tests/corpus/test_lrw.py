"""LRW by ATVGnet's rules, on embedded clips laid out as LRW is."""

import csv
import json

import numpy as np
import pytest

from paperlib.corpus import export, lrw
from paperlib.errors import InputError
from paperlib.media.video import read_video


def test_the_square_is_eight_tenths_of_the_boxs_height_and_starts_inside():
    assert lrw.atvg_box((70, 60, 101, 101)) == (40, 30, 200, 190)  # centre 120, 110; half side int(80.8)
    assert lrw.atvg_box((10, 5, 100, 100)) == (0, 0, 160, 160)


def test_the_word_lies_in_the_middle():
    ((word, start, end),) = lrw.word_times("TRADE", 0.5)
    assert word == "trade" and (start + end) / 2 == pytest.approx(0.58) and end - start == pytest.approx(0.5)


def test_word_clips_are_prepared_or_listed(rendered, tmp_path):
    folder, out = tmp_path / "lrw", tmp_path / "out"
    clip = rendered["train"]
    back = np.concatenate([np.arange(len(clip)), np.arange(len(clip) - 2, -1, -1), np.arange(len(clip))])[:29]
    long = type(clip)(**{**vars(clip), "frames": clip.frames[back], "wave": np.tile(clip.wave, 4)[: 29 * 640]})
    blank = type(clip)(**{**vars(long), "frames": np.full_like(long.frames, 90)})
    named = {"ABOUT/train/ABOUT_00001": long, "ABOUT/val/ABOUT_00002": clip, "TRADE/test/TRADE_00001": blank}
    export.export_lrw(list(named.items()), folder)
    card = lrw.prepare(folder, out, lrw.Settings(size=96), backend="serial", progress=False)
    assert card["clips"] == 1 and card["rejected"] == {"no_face": 1, "too_short": 1}
    with open(out / "clips.csv", newline="") as f:
        row = next(csv.DictReader(f))
    assert row["clip"] == "ABOUT/train/ABOUT_00001" and row["split"] == "train" and row["frames"] == "29"
    assert float(row["reprojection_percent"]) < 4
    assert read_video(out / "ABOUT/train/ABOUT_00001.mp4").frames.shape == (29, 96, 96, 3)
    with np.load(out / "ABOUT/train/ABOUT_00001.npz") as stored:
        assert json.loads(str(stored["meta"]))["words"] == [["about", 0.38, 0.78]] and stored["coeffs"].shape == (29, 257)


def test_bad_folders_are_one_line(tmp_path):
    with pytest.raises(InputError, match="unpack LRW"):
        lrw.prepare(tmp_path, tmp_path / "out")
    (tmp_path / "x.txt").write_text("no length here")
    with pytest.raises(InputError, match="no line `Duration"):
        lrw.read_duration(tmp_path / "x.txt")
