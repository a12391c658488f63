"""Recorded people told to say what they say: halves that do not overlap, scores that know a perfect picture, rows, the sheet, bad input."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from paperlib import config, dubbing
from paperlib.errors import InputError
from paperlib.evaluation import self_reconstruction as own
from paperlib.media import video
from paperlib.weights import load_lpips


def track(n=40, hidden=()):
    usable = np.ones(n, bool)
    usable[list(hidden)] = False
    key = np.flatnonzero(usable)
    return dubbing.Track(
        np.zeros((n, 4)), torch.zeros(n, 257), np.zeros((n, 1, 8, 8), np.float32), usable, usable, np.arange(n) / 25, key,
        np.zeros((len(key), 8, 8, 3), np.uint8), "made", [],
    )  # fmt: skip


def test_nothing_that_is_scored_was_seen():
    first, scored = own.halves(track(41, hidden=[3, 30]))
    assert first.key_index.max() < 20 <= scored.min()
    assert 3 not in first.key_index and 30 not in scored and len(first.key_crops) == len(first.key_index) == 19
    assert len(scored) == 20


@pytest.mark.parametrize("short", [track(12), track(40, hidden=range(16))])
def test_a_clip_that_is_too_short_is_refused(short):
    with pytest.raises(InputError, match="too short"):
        own.halves(short)


@pytest.fixture(scope="module")
def stages():
    from paperlib.face3d.morphable_model import default_model
    from paperlib.training.checkpoints import build

    torch.manual_seed(0)
    profile = config.load_profile("smoke")
    nets = [build(kind, profile).eval() for kind in ("expression", "teacher", "renderer")]
    return dubbing.DubStages(default_model(), *nets, torch.rand(3, profile.teacher.size, profile.teacher.size), labels={"all": "untrained"})


@pytest.fixture(scope="module")
def out(tmp_path_factory, stages):
    """A real, still face (public domain, NASA) with noise for speech."""
    import cv2
    import skimage.data

    face = cv2.resize(np.ascontiguousarray(skimage.data.astronaut()[0:300, 90:390]), (200, 200), interpolation=cv2.INTER_AREA)
    frames = np.full((24, 220, 240, 3), (70, 90, 110), np.uint8)
    for t in range(24):
        frames[t, 10:210, 10 + t // 2 : 210 + t // 2] = face
    path = tmp_path_factory.mktemp("own") / "in.mp4"
    video.write_video(path, frames, Fraction(25), 0.1 * np.random.default_rng(0).standard_normal(24 * 640).astype(np.float32), crf=10)
    return own.reconstruct(path, stages, adapt_steps=2)


def test_systems_differ_from_the_truth_inside_the_mask_alone(out):
    target, mask = out["truth", "none", ""], out["mask", "", ""]
    assert set(out) == {
        ("truth", "none", ""), ("full", "predicted", "plain"), ("full", "fitted", "plain"), ("full", "predicted", "adapt"),
        ("full", "fitted", "adapt"), ("frozen_mouth", "none", ""), ("mask", "", ""), ("near", "", ""),
    }  # fmt: skip
    for (row, _, _), pictures in out.items():
        if row == "full":
            assert pictures.shape == target.shape and torch.equal(pictures * (1 - mask), target * (1 - mask))
            assert (pictures - target).abs().max() > 0.01
    assert (out["frozen_mouth", "none", ""] - target).abs().mean() < 0.02  # this face does not move


def test_scores_know_a_perfect_picture(out):
    perfect = dict(out)
    perfect["full", "fitted", "plain"] = out["truth", "none", ""]

    try:
        found = own.scores(perfect, load_lpips())
    except InputError as error:  # dlib's identity network is not on this machine
        pytest.skip(str(error))
    of = {(s["row"], s["beta"], s["track"]): s for s in found}
    best, ours = of["full", "fitted", "plain"], of["full", "predicted", "plain"]
    assert best["lpips"] == pytest.approx(0, abs=1e-6) and best["lmd"] == 0
    assert best["csim"] == pytest.approx(1) and best["skill"] == pytest.approx(1)
    assert ours["lpips"] > 0 and ours["psnr"] < best["psnr"]
    assert of["frozen_mouth", "none", ""]["skill"] == pytest.approx(0)


def test_rows_have_every_clip_the_mean_and_the_paired_difference():
    systems = [("full", "predicted", "adapt"), ("frozen_mouth", "none", "")]
    scored = []
    for i, who in enumerate(("a", "a", "b")):
        for j, (row, beta, how) in enumerate(systems):
            values = {m: 10.0 + i + (1 - j) for m in own.UNITS}
            scored.append({"row": row, "beta": beta, "track": how, "speaker": who, "clip": f"c{i}", **values})
    rows = own.summarise(scored, "3 real clips of 2 people")
    mean = next(r for r in rows if r.row == "full" and r.metric == "psnr" and r.n == 2)
    assert mean.value == pytest.approx(12.0) and mean.track == "self adapt" and mean.unit == "dB"
    difference = next(r for r in rows if r.row == "full_minus_frozen_mouth" and r.metric == "lmd")
    assert difference.value == pytest.approx(1.0) and difference.low == pytest.approx(1.0)
    assert sum(r.n == 1 for r in rows if r.row == "full" and r.metric == "psnr") == 3


def test_the_sheet_shows_four_rows(out, tmp_path):
    from PIL import Image

    own.sheet(out, tmp_path / "sheet.png", columns=3, scale=1)
    side = out["truth", "none", ""].shape[-1]
    assert Image.open(tmp_path / "sheet.png").size == (3 * side, 4 * side)


def test_the_command_refuses_what_is_not_a_clip():
    with pytest.raises(SystemExit, match="SPEAKER=CLIP"):
        own.main(["somebody=/nowhere.mp4"])
