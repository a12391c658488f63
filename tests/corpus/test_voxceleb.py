"""first-order-model's VoxCeleb rules, on boxes worked out by hand and on embedded clips laid out as a VoxCeleb download."""

import csv
import json
import re

import numpy as np
import pytest

from paperlib import paths
from paperlib.corpus import voxceleb
from paperlib.corpus.voxceleb import Settings, Tube, judge, tubes
from paperlib.errors import InputError

RULES = voxceleb.Settings(size=96, min_frames=8, min_size=50)


def test_a_tube_ends_when_the_box_leaves_its_first_one():
    boxes = np.array([[0, 0, 99, 99]] * 5 + [[30, 0, 129, 99]] * 4 + [[90, 0, 189, 99]] * 3, float)
    # 100 px boxes: a shift of 30 keeps IoU 7000/13000 = 0.54, one of 90 leaves 1000/19000 = 0.05
    assert tubes(boxes, 0.25, 1024) == [Tube(0, 9, (0, 0, 129, 99)), Tube(9, 12, (90, 0, 189, 99))]


def test_a_frame_without_a_face_splits_a_tube_and_length_is_bounded():
    boxes = np.array([[10, 10, 109, 109]] * 6, float)
    boxes[3] = 0
    assert [(t.start, t.stop) for t in tubes(boxes, 0.25, 1024)] == [(0, 3), (3, 4), (4, 6)]
    assert [(t.start, t.stop) for t in tubes(np.tile(boxes[:1], (7, 1)), 0.25, 3)] == [(0, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize(
    ("tube", "reason"),
    [
        (Tube(0, 63, (300, 100, 600, 400)), "too_short"),
        (Tube(0, 64, (300, 100, 555, 300)), "too_small"),
        (Tube(0, 64, (300, 100, 556, 300)), ""),
        (Tube(0, 64, (20, 100, 320, 400)), "leaves_frame"),  # grows by 30 to the left of 20
        (Tube(0, 64, (30, 100, 330, 400)), ""),
        (Tube(0, 64, (0, 0, 0, 0)), "no_face"),
    ],
)
def test_a_tube_is_judged(tube, reason):
    box, said, _ = judge(tube, 720, 1280, Settings())
    assert said == reason and (box is None) == bool(reason)
    if box:
        assert abs((box[2] - box[0]) - (box[3] - box[1])) <= 1


def test_annotations_of_both_versions_give_the_same_pixels(tmp_path):
    head = "Identity  : \tid10661\nReference : \tx\nOffset    : \t-1\nFV Conf   : \t17.9\nASD Conf  : \t6.3\n\nFRAME \tX \tY \tW \tH \n"
    one, two = tmp_path / "1.txt", tmp_path / "2.txt"
    one.write_text(head + "002316 \t160 \t90 \t128 \t180 \n002317 \t160 \t90 \t128 \t180 \n")
    two.write_text(head + "002316 \t0.25 \t0.25 \t0.2 \t0.5 \n002317 \t0.25 \t0.25 \t0.2 \t0.5 \n")
    a, b = voxceleb.read_annotation(one), voxceleb.read_annotation(two)
    assert (a.first, a.last, a.fractions, b.fractions) == (2316, 2317, False, True)
    np.testing.assert_allclose(a.pixels(720, 1280), b.pixels(720, 1280))  # 640 x 360 is the reference picture
    one.write_text(head)
    with pytest.raises(InputError, match="fewer than two rows"):
        voxceleb.read_annotation(one)
    one.write_text("nothing")
    with pytest.raises(InputError, match="no line `FRAME"):
        voxceleb.read_annotation(one)


def test_official_test_people_are_test():
    assert voxceleb.split_of("id10270") == voxceleb.split_of("id10309") == voxceleb.split_of("id00017") == ("test", "test")
    assert voxceleb.split_of("id10310")[1] == "train" and len(voxceleb.VOX1_TEST) == 40
    from paperlib.corpus.voxceleb_ids import VOX2_TEST

    assert len(VOX2_TEST) == 118 and all(re.fullmatch(r"id0\d{4}", person) for person in VOX2_TEST)
    splits = [voxceleb.split_of(f"id{i:05d}")[0] for i in range(2000)]
    assert 0.03 < splits.count("val") / len(splits) < 0.07


def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def test_accepted_and_rejected_are_listed(vox_prepared, rendered):
    out, card = vox_prepared
    clips = {r["clip"]: r for r in rows(out / "clips.csv")}
    assert set(clips) == {"id00012/video_train/00001_000", "id10270/video_test/00001_000"}
    assert {r["clip"]: (r["reason"], r["detail"]) for r in rows(out / "rejected.csv")} == {
        "id00012/gone/00001": ("no_video", "not downloaded, or no longer there"),
        "id00013/zcopy/00001": ("duplicate", "byte-equal to videos/video_train.mp4"),
        "id00012/video_train/00002_000": ("too_short", "5 frames, at least 8; from frame 3"),
    }
    assert clips["id00012/video_train/00001_000"]["start"] == "3" and card["rejected"]["too_short"] == 1
    assert card["splits"]["test"] == {"clips": 1, "speakers": 1}
    text = (out / "clips.csv").read_text() + (out / "rejected.csv").read_text() + (out / "card.json").read_text()
    assert str(out) not in text and str(paths.ROOT) not in text


def test_the_fit_is_near_the_truth(vox_prepared, rendered):
    out, _ = vox_prepared
    for row in rows(out / "clips.csv"):
        truth = rendered["test" if row["split"] == "test" else "train"]
        with np.load(out / f"{row['clip']}.npz") as stored:
            lmk, coeffs, wave, meta = stored["lmk"], stored["coeffs"], stored["wave"], json.loads(str(stored["meta"]))
        assert coeffs.shape == (int(row["frames"]), 257) and len(wave) == 640 * len(coeffs) and meta["hash"] == row["sha256"]
        assert float(row["reprojection_percent"]) < 4
        assert np.abs(coeffs[:, 224:227] - truth.coeffs[: len(coeffs), 224:227]).max() < np.deg2rad(12)
        left, top, right, _ = map(int, row["box"].split("-"))
        scale, pad = 96 / (right - left), round(0.3 * 128)
        expected = (truth.lmk[: len(lmk)] + pad - [left, top]) * scale
        eyes = np.linalg.norm(expected[:, 36] - expected[:, 45], axis=1)[:, None]
        assert np.median(np.linalg.norm(lmk - expected, axis=2) / eyes) < 0.06


def test_the_list_has_first_order_models_columns(vox_prepared):
    out, _ = vox_prepared
    listed = rows(out / "vox-metadata.csv")
    assert tuple(listed[0]) == voxceleb.FOMM_COLUMNS
    assert {(r["video_id"], r["partition"]) for r in listed} == {("video_train#id00012", "train"), ("video_test#id10270", "test")}


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def elsewhere(monkeypatch):
    """This process cannot detect faces any more: only other processes, which import the code afresh, can."""
    from paperlib.media import guided

    def fail(*args):
        raise AssertionError("a unit ran in this process")

    monkeypatch.setattr(guided, "landmarks_near", fail)


def test_processes_give_the_same_bytes(vox_folder, vox_prepared, elsewhere, tmp_path):
    voxceleb.prepare(vox_folder, tmp_path / "two", RULES, backend="loky", workers=2, progress=False)
    assert tree(tmp_path / "two") == tree(vox_prepared[0])


def test_a_local_dask_cluster_gives_the_same_bytes(vox_folder, vox_prepared, elsewhere, tmp_path):
    pytest.importorskip("dask.distributed", reason="the `cluster` extra is not installed")
    voxceleb.prepare(vox_folder, tmp_path / "dask", RULES, backend="dask", workers=1, progress=False)
    assert tree(tmp_path / "dask") == tree(vox_prepared[0])


def test_folders_that_are_not_voxceleb_are_refused(tmp_path):
    with pytest.raises(InputError, match="annotation archives"):
        voxceleb.prepare(tmp_path, tmp_path / "out", RULES, progress=False)


@pytest.mark.assets
def test_real_clips_are_prepared_or_listed_with_a_reason(tmp_path):
    """Aligned 224 px crops: grown by a tenth their face boxes may leave the picture, so both outcomes must be listed."""
    from paperlib.media import detection, guided, video

    assets = paths.ROOT.parent / "shared/assets/talking224"
    if not assets.is_dir():
        pytest.skip(f"{assets} is absent")
    folder, n = tmp_path / "vox", 9
    for i, name in enumerate(("00473", "681100216")):
        clip = video.read_video(assets / f"{name}.mp4", n)
        (folder / "videos").mkdir(parents=True, exist_ok=True)
        video.write_video(folder / "videos" / f"{name}.mp4", clip.frames, 25, clip.wave[: n * 640], crf=12)
        boxes = guided.detector_boxes(detection.detect(clip.frames[:1], "dlib").lmk)[0] / 224
        note = folder / "txt" / f"id0000{i}" / name / "00001.txt"
        note.parent.mkdir(parents=True)
        line = "{:.3f} \t{:.3f} \t{:.3f} \t{:.3f}".format(*boxes[:2], *(boxes[2:] - boxes[:2]))
        note.write_text("FRAME \tX \tY \tW \tH\n" + "".join(f"{t:06d} \t{line}\n" for t in range(n)))
    card = voxceleb.prepare(
        folder, tmp_path / "out", Settings(size=96, min_frames=8, min_size=60, increase=0.0), backend="serial", progress=False
    )
    clips, rejected = rows(tmp_path / "out" / "clips.csv"), rows(tmp_path / "out" / "rejected.csv")
    assert card["clips"] >= 1 and {r["clip"].split("/")[1] for r in clips + rejected} == {"00473", "681100216"}
    assert all(float(r["reprojection_percent"]) < 4 for r in clips)
