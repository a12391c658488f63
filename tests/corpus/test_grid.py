"""GRID: names, word times, splits, copies; one shortened real clip through the whole way."""

import csv
import json
import re

import numpy as np
import pytest

from paperlib import paths
from paperlib.corpus import grid
from paperlib.errors import InputError


def test_codes_are_sentences():
    assert grid.sentence("lrwp9a") == "lay red with p nine again"
    assert grid.sentence("sbwe5n") == "set blue with e five now"
    assert grid.sentence("swiz3n") == "set white in z three now"
    assert grid.sentence("bbaw2n") is None  # w is the one letter GRID leaves out
    assert grid.sentence("hello") is None


def test_word_times_are_seconds_without_silence(tmp_path):
    path = tmp_path / "bbaf2n.align"
    path.write_text("0 23750 sil\n23750 29500 bin\n29500 34000 blue\n53000 74500 sil\n")
    assert grid.read_align(path) == [("bin", 0.95, 1.18), ("blue", 1.18, 1.36)]
    path.write_text("0 x sil\n")
    with pytest.raises(InputError, match="line 1 is not"):
        grid.read_align(path)


def test_names_keep_speakers_apart_and_one_person_together(tmp_path):
    numbered, unknown = tmp_path / "s7" / "video" / "bbaf2n.mpg", tmp_path / "others" / "brbk7n.mpg"
    assert grid.clip_name(numbered) == "s7/bbaf2n/00000" and grid.clip_name(unknown) == "x_brbk7n/brbk7n/00000"
    assert grid.clip_speaker("pwij3p") == grid.clip_speaker("id2_vcd_swwp2s") == "x_id2_vcd_swwp2s"
    settings = grid.Settings()
    assert [grid.split_of(s, settings) for s in ("s1", "s5", "s3", "x_brbk7n")] == ["test", "val", "train", "train"]


def test_alignments_are_found_where_the_archives_put_them(tmp_path):
    clip = tmp_path / "s1" / "bbaf2n.mpg"
    clip.parent.mkdir()
    assert grid.find_align(clip) is None
    for place in ("align/s1", "s1/align", "s1"):
        path = tmp_path / place / "bbaf2n.align"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        assert grid.find_align(clip) == path


def test_bad_folders_are_one_line(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        grid.prepare(tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError, match=r"no \.mpg files"):
        grid.prepare(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="share s1"):
        grid.prepare(tmp_path, tmp_path / "out", grid.Settings(val=("s1",)))


@pytest.mark.assets
def test_a_real_clip_with_its_copy(tmp_path):
    """20 frames of a real sentence, and the same file under unknown speakers: one clip, one duplicate, words at their times."""
    from paperlib.media import video

    assets = paths.ROOT.parent / "shared/assets/grid"
    if not assets.is_dir():
        pytest.skip(f"{assets} is absent")
    folder, out = tmp_path / "grid", tmp_path / "out"
    (folder / "s1").mkdir(parents=True)
    (folder / "others").mkdir()
    clip = video.read_video(assets / "s1/bbaf2n.mpg", 20)
    video.write_video(folder / "s1/bbaf2n.mp4", clip.frames, 25, clip.wave[: 20 * 640], crf=10)
    (folder / "others/bbaf2n.mp4").write_bytes((folder / "s1/bbaf2n.mp4").read_bytes())
    (folder / "s1/bbaf2n.align").write_bytes((assets / "s1/bbaf2n.align").read_bytes())
    card = grid.prepare(folder, out, grid.Settings(size=96), backend="serial", progress=False)
    assert card["clips"] == 1 and card["rejected"] == {"duplicate": 1} and card["splits"]["test"]["speakers"] == 1
    with open(out / "clips.csv", newline="") as f:
        row = next(csv.DictReader(f))
    assert row["clip"] == "s1/bbaf2n/00000" and re.fullmatch("[0-9a-f]{64}", row["sha256"])
    assert row["frames"] == "20" and row["missed"] == "0" and float(row["reprojection_percent"]) < 3
    with np.load(out / "s1/bbaf2n/00000.npz") as stored:
        meta, coeffs, lmk = json.loads(str(stored["meta"])), stored["coeffs"], stored["lmk"]
        assert stored["lmk_neutral"].shape == (20, 68, 2) and stored["wave"].shape == (20 * 640,)
    assert meta["sentence"] == "bin blue at f two now" and meta["words"][0] == ["bin", 0.95, 1.18]
    assert np.abs(coeffs[:, 254:256]).max() < 0.15 and abs(coeffs[:, 256]).max() < 1.0  # the model's camera: the face at its origin
    assert (coeffs[:, :80] == coeffs[0, :80]).all()  # one identity
    eyes = np.linalg.norm(lmk[:, 36] - lmk[:, 45], axis=1).mean() / 96
    assert 0.3 < eyes < 0.5
