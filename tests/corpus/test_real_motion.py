import json

import numpy as np
import pytest

from paperlib.corpus import real_motion
from paperlib.corpus.articulation import Style
from paperlib.errors import InputError
from paperlib.face3d.coefficients import EXP, N_COEFF
from paperlib.face3d.morphable_model import default_model
from paperlib.paths import ROOT

ASSETS = ROOT.parent / "shared" / "assets" / "grid"
REST = {"mouthSmileLeft": 0.2, "mouthSmileRight": 0.2, "browInnerUp": 0.3}


def _write(folder, speaker, name, amplitude=1.0, split="train", n=75):
    """A made recording: silence, an opening jaw, silence, on a speaker whose rest is not the model's."""
    model, t = default_model(), np.arange(n)
    opening = amplitude * np.clip(np.sin((t - 20) / 40 * np.pi), 0, None) ** 2 * (t > 20) * (t < 60)
    coeffs = np.zeros((n, N_COEFF), np.float32)
    for i in t:
        coeffs[i, EXP] = model.actions_to_exp({"jawOpen": 0.3 * opening[i], "eyeBlinkLeft": float(i % 20 == 0), **REST}).numpy()[0]
    noise = np.random.default_rng(0).standard_normal(n * 640).astype(np.float32)
    wave = 0.1 * noise * np.repeat(opening > 0.02, 640)
    (folder / speaker).mkdir(exist_ok=True)
    meta = json.dumps({"speaker": speaker, "split": split, "sentence": name})
    np.savez(folder / speaker / f"{name}.npz", coeffs=coeffs, lmk=np.zeros((n, 68, 2), np.float32), wave=wave, meta=np.array(meta))


@pytest.fixture
def folder(tmp_path):
    for k in range(3):
        _write(tmp_path, "s1", f"clip{k}", 1.0 - 0.1 * k)
        _write(tmp_path, "s2", f"clip{k}", 0.75 - 0.075 * k)
        _write(tmp_path, "s3", f"clip{k}", 1.0, split="test")
    return tmp_path


def test_absent_folder_says_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match="zenodo.*prepare grid"):
        real_motion.take(tmp_path / "nothing", "train", 0, 0, 0)


def test_listed_clips_are_not_read_before_they_are_asked_for(folder, monkeypatch):
    rows = [f"{p.relative_to(folder).with_suffix('').as_posix()},{p.parent.name},train" for p in sorted(folder.rglob("*.npz"))]
    (folder / "clips.csv").write_text("\n".join(["clip,speaker,split", *rows[:-1]]) + "\n")
    read = []
    monkeypatch.setattr(real_motion, "read_clip", lambda path: read.append(path))
    found = real_motion.recordings(folder)
    assert [e.speaker for e in found] == ["s1"] * 3 + ["s2"] * 3 + ["s3"] * 2 and not read  # the last one is not in the list
    assert {e.split for e in found} == {"train"}


def test_broken_clips_are_named(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no")
    with pytest.raises(InputError, match="a.npz: not a prepared clip"):
        real_motion.recordings(tmp_path)
    np.savez(tmp_path / "b.npz", coeffs=np.zeros((2, 257)))
    with pytest.raises(InputError, match="b.npz: lacks lmk, wave, meta"):
        real_motion.read_clip(tmp_path / "b.npz")


def test_rest_and_amplitude_of_the_recorded_person_are_taken_out(folder):
    wide, narrow = (real_motion.take(folder, "train", k, 0, 0) for k in (0, 1))
    assert {wide.speaker, narrow.speaker} == {"s1", "s2"}
    for clip in (wide, narrow):
        assert np.abs(clip.exp[:15]).max() < 0.02  # their smile and raised brows are rest (lids leave a trace)
        gap = real_motion.lip_gap(clip.exp)
        assert gap.min() > -1e-3 and 8.0 < gap.max() < 16.0
        assert clip.wave.shape == (75 * 640,)
    gain = [real_motion.speaker_scale(folder, s)[1] for s in ("s1", "s2")]
    assert gain[1] / gain[0] == pytest.approx(1 / 0.75, rel=0.05)


def test_the_upper_face_is_the_scenes_own(folder):
    model = default_model()
    clips = [real_motion.take(folder, "train", 0, 0, number) for number in (0, 1)]
    assert clips[0].name != clips[1].name and clips[0].speaker == clips[1].speaker
    basis = model.exp_basis.numpy()
    style = Style(blinks=20.0, brow_drift=0.1)
    first, second = (real_motion.expressions(c, 70, style, np.random.default_rng(3)) for c in clips)
    upper = model.mean_shape.numpy()[:, 1] > model.mean_shape.numpy()[model.landmark_index[27].item(), 1]
    moved = np.linalg.norm(basis[upper] @ (first - second).T, axis=1)
    assert moved.max() < 1e-3  # 0.1 mm: lids and brows of both takes are equal
    assert np.abs(first - second).max() > 0.05
    assert np.linalg.norm(basis[upper] @ first.T, axis=1).max() > 0.01  # and they do move


def test_lips_never_pass_through_each_other():
    shut = default_model().actions_to_exp({"mouthClose": 0.2}).numpy().astype(float)
    assert real_motion.lip_gap(shut)[0] < -3.0
    assert real_motion.lip_gap(real_motion.part_lips(shut))[0] == pytest.approx(0.0, abs=1e-6)


def test_recorded_speakers_keep_their_split(folder):
    assert {real_motion.take(folder, "test", k, 0, 0).speaker for k in range(5)} == {"s3"}
    with pytest.raises(InputError, match="'val'"):
        real_motion.take(folder, "val", 0, 0, 0)


@pytest.mark.assets
@pytest.mark.skipif(not ASSETS.exists(), reason="no GRID clips in ../shared/assets/grid")
def test_a_recorded_mouth_is_retargeted_with_its_opening(tmp_path):
    from paperlib.face3d import fitting
    from paperlib.face3d.landmarks import interocular, lip_opening
    from paperlib.media import cropping, detection, video

    model = default_model()
    points = model.mean_shape[model.landmark_index].numpy()
    measured = []
    for name in ("bgan4n", "pbio4n"):
        clip = video.read_video(ASSETS / "s1" / f"{name}.mpg", max_frames=60)
        lmk = detection.detect(clip.frames, "dlib").lmk
        crop = cropping.to_crop(lmk, cropping.aligned_boxes(lmk, points), 224)
        coeffs = fitting.fit_landmarks(model, crop, 224).numpy()
        meta = np.array(json.dumps({"speaker": "s1", "sentence": name}))
        np.savez(tmp_path / f"{name}.npz", coeffs=coeffs, lmk=crop, wave=clip.wave, meta=meta)
        measured.append(lip_opening(crop) / interocular(crop))
    for number, name in enumerate(("bgan4n", "pbio4n")):
        take = real_motion.take(tmp_path, "train", 0, 0, number)
        assert take.name == name
        gap = real_motion.lip_gap(take.exp)
        assert np.corrcoef(gap, measured[number])[0, 1] > 0.9
        assert 6.0 < gap.max() < 25.0 and np.quantile(gap, 0.05) < 1.0  # mm: the lips meet, where dlib sees their rims 2 mm apart
