"""The embedded corpus: plan, determinism, counterfactual twins, splits, leak."""

import dataclasses

import numpy as np
import pytest

from paperlib.config import load_profile
from paperlib.corpus import synthetic, world
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.synthetic import ClipId
from paperlib.media.cropping import mouth_mask

CFG = dataclasses.replace(load_profile("smoke").corpus, seconds=1.2)


@pytest.fixture(scope="module")
def twins():
    a = ClipId("test", 10_000, 0, 0)
    return synthetic.make_clip(CFG, a), synthetic.make_clip(CFG, synthetic.pair_of(a))


def test_plan_counts_and_speakers_never_change_sides():
    clips = synthetic.plan(load_profile("classroom").corpus)
    speakers = {s: {c.speaker for c in clips if c.split == s} for s in synthetic.SPLITS}
    assert [len(speakers[s]) for s in synthetic.SPLITS] == [32, 4, 10]
    assert not (speakers["train"] & speakers["test"]) and not (speakers["val"] & (speakers["train"] | speakers["test"]))
    assert len({c.name for c in clips}) == len(clips)


def test_smaller_corpus_has_the_same_test_people():
    small = [c for c in synthetic.plan(load_profile("smoke").corpus) if c.split == "test"]
    large = [c for c in synthetic.plan(load_profile("classroom").corpus) if c.split == "test"]
    assert {c.speaker for c in small} < {c.speaker for c in large}


def test_a_clip_depends_on_its_name_alone(twins):
    again = synthetic.make_clip(CFG, ClipId("test", 10_000, 0, 0))
    assert np.array_equal(again.frames, twins[0].frames) and np.array_equal(again.wave, twins[0].wave)


def test_another_seed_is_another_world(twins):
    other = synthetic.make_clip(dataclasses.replace(CFG, seed=1), ClipId("test", 10_000, 0, 0))
    assert not np.array_equal(other.coeffs[0, :80], twins[0].coeffs[0, :80])


def test_twins_differ_in_speech_and_mouth_only(twins):
    a, b = twins
    assert a.sentence != b.sentence and len(a.frames) == len(b.frames)
    rest = np.r_[0:80, 144:257]
    assert np.array_equal(a.coeffs[:, rest], b.coeffs[:, rest])
    assert not np.allclose(a.coeffs[:, 80:144], b.coeffs[:, 80:144])
    assert np.array_equal(a.lmk_neutral, b.lmk_neutral)
    outside = mouth_mask(a.lmk_neutral, CFG.size)[:, 0] == 0
    changed = (np.abs(a.frames.astype(int) - b.frames.astype(int)).max(-1) > 8) & outside
    assert changed.mean() < 0.005, f"{changed.mean():.4f} of the pixels outside the mask differ"


def test_truth_belongs_to_the_frames(twins):
    clip = twins[0]
    n = len(clip.frames)
    assert clip.coeffs.shape == (n, 257) and clip.lmk.shape == clip.lmk_neutral.shape == (n, 68, 2)
    assert len(clip.wave) == n * 640
    assert (clip.lmk > 0).all() and (clip.lmk < CFG.size).all()
    assert all(0 <= start <= end for _, start, end in clip.phonemes)


def test_pose_of_a_longer_clip_begins_with_the_shorter_one():
    assert np.array_equal(world.head_pose(0, 1, 2, 80, 1.0)[:50], world.head_pose(0, 1, 2, 50, 1.0))


def test_stored_clip_comes_back(tmp_path):
    corpus = Corpus(CFG, tmp_path)
    clip = corpus.clips("test")[0]
    loaded, raw = corpus.load(clip), synthetic.make_clip(CFG, clip)
    assert np.array_equal(loaded.coeffs, raw.coeffs) and np.array_equal(loaded.wave, raw.wave)
    assert np.abs(loaded.frames.astype(int) - raw.frames.astype(int)).mean() < 3  # crf 10, and the noise of sigma 2 that it smooths
    assert corpus.path(clip).parent == tmp_path / "id10000" / "scene00"


def test_prepare_makes_what_is_missing_only(tmp_path):
    corpus = Corpus(CFG, tmp_path)
    assert corpus.prepare(("val",), workers=1, progress=False) == len(corpus.clips("val"))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.mp4")}
    assert corpus.prepare(("val",), workers=1, progress=False) == 0
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.mp4")}


def test_mask_says_nothing_of_the_mouth():
    """PROTOCOL rule 3: an outline posed by head and neutral mouth predicts lip opening at |r| < 0.1; the face's own does."""
    import torch

    from paperlib.evaluation.controls import outline_leak
    from paperlib.face3d.coefficients import with_exp
    from paperlib.face3d.face_renderer import landmarks2d
    from paperlib.face3d.landmarks import lip_opening
    from paperlib.face3d.morphable_model import default_model
    from paperlib.media.cropping import mouth_polygon

    cfg, model = load_profile("classroom").corpus, default_model()
    posed, own, opening = [], [], []
    for clip in [c for c in synthetic.plan(cfg) if c.split == "train"][::3]:
        c = torch.from_numpy(synthetic.clip_coefficients(cfg, clip)[0])
        lmk = landmarks2d(model, c, 96).numpy()
        posed.append(mouth_polygon(landmarks2d(model, with_exp(c, torch.zeros(len(c), 64)), 96).numpy()))
        own.append(mouth_polygon(lmk))
        opening.append(lip_opening(model.landmarks(model.shape(torch.zeros(len(c), 80), c[:, 80:144]))).numpy())
    leak, control = outline_leak(posed, opening), outline_leak(own, opening)
    assert abs(leak) < 0.1 and control > 0.5, f"leak {leak:.3f}, control {control:.3f}"
