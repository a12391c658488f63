"""The whole dub on small untrained networks, passed in as such: counts, times, sound, untouched pixels, notes, errors."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from paperlib import config, dubbing, dubbing_frames, paths
from paperlib.errors import InputError
from paperlib.media import audio, cropping, video


@pytest.fixture(scope="module")
def stages():
    from paperlib.face3d.morphable_model import default_model
    from paperlib.training.checkpoints import build

    torch.manual_seed(0)
    profile = config.load_profile("smoke")
    nets = [build(kind, profile).eval() for kind in ("expression", "teacher", "renderer")]
    face = torch.rand(3, profile.teacher.size, profile.teacher.size, generator=torch.Generator().manual_seed(1))
    return dubbing.DubStages(default_model(), *nets, face, labels={"all": "untrained"})


def astronaut(n=14, height=240, width=320):
    """A real face (public domain, NASA) that drifts to the right; frames 5 and 6 show none."""
    import cv2
    import skimage.data

    face = cv2.resize(np.ascontiguousarray(skimage.data.astronaut()[0:300, 90:390]), (220, 220), interpolation=cv2.INTER_AREA)
    frames = np.full((n, height, width, 3), (70, 90, 110), np.uint8)
    for t in range(n):
        if t not in (5, 6):
            frames[t, 10:230, 20 + 2 * t : 240 + 2 * t] = face
    return frames


def noise_speech(seconds, seed=0):
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.random(int(seconds * 8) + 1), 2000)[: int(seconds * 16000)]
    return (0.3 * loud * rng.standard_normal(len(loud))).astype(np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dub")
    video.write_video(folder / "in.mp4", astronaut(), Fraction(24000, 1001), crf=10)
    audio.save_wav(folder / "say.wav", noise_speech(0.9))
    return folder


@pytest.fixture(scope="module")
def dubbed(clip, stages):
    steps = []
    report = dubbing.dub(
        clip / "in.mp4", clip / "say.wav", clip / "out.mp4", stages, adapt=False, progress=lambda *step: steps.append(step)
    )
    return report, video.read_video(clip / "out.mp4"), steps


def test_count_rate_sound_and_metadata(dubbed):
    report, out, steps = dubbed
    assert (report.frames, report.faces_found, report.frames_passed_through) == (14, 12, 2)
    assert out.frames.shape == (14, 240, 320, 3) and out.fps == Fraction(24000, 1001)
    wave, n = noise_speech(0.9), round(14 / (24000 / 1001) * 16000)
    wave = np.pad(wave, (0, max(0, n - len(wave))))[:n]
    heard = out.wave[: len(wave)]
    assert np.corrcoef(heard, wave[: len(heard)])[0, 1] > 0.9
    tag = json.loads(out.metadata["comment"])
    assert tag["ai_generated"] is True and tag["networks"] == {"all": "untrained"} and tag["adapt_steps"] == 0
    assert tag == report.metadata
    notes = " | ".join(report.notes)
    for word in ("23.976 fps", "speech of 0.90 s is cut", "2 of 14 frames have no face"):
        assert word in notes
    assert set(report.seconds) == {"track and fit", "speech to expression", "render and write"}
    assert {step for step, _, _ in steps} == {"find the face", "render and write"} and steps[-1][1:] == (14, 14)


@pytest.fixture(scope="module")
def track(clip, stages):
    return dubbing.follow_face(clip / "in.mp4", stages, lambda *_: None)


def test_outside_the_mask_and_the_mark_no_pixel_changes(clip, stages, track):
    source = video.read_video(clip / "in.mp4").frames
    order, exp = np.arange(14), torch.zeros(14, 64)
    plain = np.stack(list(dubbing.compose(clip / "in.mp4", track, order, exp, stages.renderer, stages, mark=False)))
    marked = np.stack(list(dubbing.compose(clip / "in.mp4", track, order, exp, stages.renderer, stages, mark=True)))
    for t in range(14):
        region = cropping.paste_region(track.masks[t, 0], track.boxes[t], source[t].shape)
        np.testing.assert_array_equal(plain[t][~region], source[t][~region])
        if track.found[t]:
            assert (plain[t][region] != source[t][region]).mean() > 0.25  # inside, the untrained networks' picture is there
        else:
            np.testing.assert_array_equal(plain[t], source[t])
        x0, y0, x1, y1 = dubbing_frames.mark_box(source[t].shape)
        corner = np.zeros(source[t].shape[:2], bool)
        corner[y0:y1, x0:x1] = True
        np.testing.assert_array_equal(marked[t][~corner], plain[t][~corner])
        assert (marked[t][corner] != plain[t][corner]).any(-1).mean() > 0.9 and marked[t][corner].max() > 200


def test_the_mask_knows_the_head_but_not_the_mouth(clip, stages, track, monkeypatch):
    """PROTOCOL rule 3: masks are drawn from `neutral_head` alone, which tests/face3d/test_head_pose.py shows to be deaf to the mouth."""
    from paperlib.face3d import head_pose
    from paperlib.face3d.coefficients import with_exp
    from paperlib.face3d.face_renderer import landmarks2d

    turned = with_exp(track.coeffs, 0)
    turned[:, 224:227] += 0.1
    monkeypatch.setattr(head_pose, "neutral_head", lambda model, coeffs, lmk, size: turned)
    drawn = cropping.mouth_mask(landmarks2d(stages.model, turned, stages.size).detach().numpy(), stages.size)
    np.testing.assert_array_equal(dubbing.follow_face(clip / "in.mp4", stages, lambda *_: None).masks, drawn)
    posed = cropping.mouth_mask(landmarks2d(stages.model, with_exp(track.coeffs, 0), stages.size).detach().numpy(), stages.size)
    both = (posed * track.masks)[track.found].sum() / np.maximum(posed, track.masks)[track.found].sum()
    assert both > 0.9 and 0.08 < track.masks[track.found].mean() < 0.3  # near the mask of the fitted pose, but not the same


def test_adaptation_repeats_with_its_seed_and_leaves_the_weights_alone(stages, track):
    from paperlib.dubbing_adapt import adapt_renderer

    before = {k: v.clone() for k, v in stages.renderer.state_dict().items()}
    runs = [adapt_renderer(stages, track, 8, seed, lambda *_: None) for seed in (3, 3, 4)]
    weights = [torch.cat([v.flatten() for v in net.state_dict().values()]) for net, _ in runs]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert all(torch.equal(v, before[k]) for k, v in stages.renderer.state_dict().items())
    assert runs[0][1][1] < runs[0][1][0]  # from random weights, even eight steps get nearer to the skin's colour


def test_dub_with_adaptation_says_so(clip, stages):
    report = dubbing.dub(clip / "in.mp4", clip / "say.wav", clip / "adapted.mp4", stages, adapt_steps=2)
    assert report.seconds["adapt"] > 0 and report.metadata["adapt_steps"] == 2 and len(report.adapt_loss) == 2
    assert json.loads(video.probe(clip / "adapted.mp4").metadata["comment"])["adapt_steps"] == 2


def test_speech_that_is_longer_plays_the_video_back_and_forth(clip, stages):
    audio.save_wav(clip / "long.wav", noise_speech(1.6))
    report = dubbing.dub(clip / "in.mp4", clip / "long.wav", clip / "long.mp4", stages, length="speech", adapt=False, mark=False)
    out = video.read_video(clip / "long.mp4")
    assert len(out.frames) == report.frames == round(1.6 * 24000 / 1001) == 38
    assert abs(len(out.wave) / 16000 - 1.6) < 0.07
    order = [*range(14), *range(12, -1, -1), *range(1, 12)]
    for t in (0, 13, 14, 20, 26, 27, 37):  # above the mouth the picture is the source's
        assert np.abs(out.frames[t, 10:100].astype(int) - astronaut()[order[t], 10:100]).mean() < 4
    assert any("forwards and backwards" in note for note in report.notes)


def test_order_of_frames():
    wave = np.zeros(16000, np.float32)
    order, sound, notes = dubbing_frames.match_lengths(4, Fraction(10), wave, "speech")
    assert order.tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3] and len(sound) == 16000 and "backwards" in notes[0]
    order, _, notes = dubbing_frames.match_lengths(20, Fraction(10), wave, "speech")
    assert order.tolist() == list(range(10)) and "trimmed" in notes[0]
    order, sound, notes = dubbing_frames.match_lengths(20, Fraction(10), wave, "video")
    assert order.tolist() == list(range(20)) and len(sound) == 32000 and "silence" in notes[0]
    order, sound, notes = dubbing_frames.match_lengths(10, Fraction(10), wave, "video")
    assert len(sound) == 16000 and notes == []
    assert dubbing_frames.match_lengths(1, Fraction(10), wave, "speech")[0].tolist() == [0] * 10


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 2, 1, 0, 1, 2], [2, 3, 4], [0, 0, 0], [0, 1, 0, 1, 0], [5], [7, 6, 5, 4, 3, 2, 1, 0]])
def test_frames_come_in_the_order_asked_for(tmp_path, order, monkeypatch):
    monkeypatch.setattr(dubbing_frames, "BACKWARD_CHUNK", 3)
    frames = np.stack([np.full((32, 32, 3), 25 * i, np.uint8) for i in range(8)])
    video.write_video(tmp_path / "v.mp4", frames, 25)
    seen = [round(f.mean() / 25) for f in dubbing_frames.source_frames(tmp_path / "v.mp4", np.array(order))]
    assert seen == order


def test_expression_lands_on_the_clips_own_times(stages, monkeypatch):
    """With a stand-in network that answers its own frame's time, each output frame must get the time of its own middle."""
    import paperlib.training.expression
    import paperlib.training.teacher

    monkeypatch.setattr(paperlib.training.teacher, "semantic_images", lambda net, face, mel: torch.zeros(len(mel), 3, 8, 8))
    monkeypatch.setattr(
        paperlib.training.expression, "predict", lambda net, mfcc, semantic: ((torch.arange(len(mfcc)) + 0.5) / 25)[:, None].expand(-1, 64)
    )
    for fps in (25, 24000 / 1001, 30, 60):
        middles = (np.arange(40) + 0.5) / fps
        exp = dubbing.predict_expression(noise_speech(1.6), middles, stages)
        assert exp.shape == (40, 64)
        inside = middles > 0.02
        np.testing.assert_allclose(exp[inside, 0], middles[inside], atol=1e-5)


def test_references_are_a_second_away(stages):
    n = 100
    coeffs = torch.zeros(n, 257)
    coeffs[:, 80:144] = torch.randn(n, 64, generator=torch.Generator().manual_seed(0))
    key = np.arange(0, n, 2)
    everywhere, crops = np.ones(n, bool), np.zeros((50, 8, 8, 3), np.uint8)
    track = dubbing.Track(None, coeffs, None, everywhere, everywhere, np.arange(n) / 25, key, crops, "dlib", [])
    rows = dubbing.reference_rows(track, stages.model, np.arange(n))
    assert len(set(rows.tolist())) == 2
    apart = np.abs(track.times[key[rows]] - track.times)
    assert (apart >= 1.0).all()
    from paperlib.dubbing_adapt import far_rows

    far = far_rows(torch.from_numpy(track.times[key]))
    for i, row in enumerate(far):
        assert ((row - i).abs() * 2 / 25 >= 1.0).all()
    assert far_rows(torch.tensor([0.0, 0.1, 0.3]))[0].tolist() == [2]  # a short clip: the farthest there is


def test_bad_input_gives_one_line_and_writes_nothing(tmp_path, stages, clip):
    video.write_video(tmp_path / "noface.mp4", np.full((6, 120, 160, 3), 80, np.uint8), 25)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.wav").write_text("not sound " * 40)
    (tmp_path / "empty.wav").touch()
    good, say = clip / "in.mp4", clip / "say.wav"
    cases = [
        (tmp_path / "noface.mp4", say, "no face found in any of its 6 frames"),
        (tmp_path / "empty.mp4", say, "empty"),
        (tmp_path / "missing.mp4", say, "no such file"),
        (good, tmp_path / "missing.wav", "no such file"),
        (good, tmp_path / "text.wav", "text.wav"),
        (good, tmp_path / "empty.wav", "empty.wav"),
        (say, say, "no video stream"),
        (good, good, "no audio stream"),  # the clip has no sound of its own
    ]
    before = sorted(p.name for p in tmp_path.iterdir())
    for picture, sound, words in cases:
        with pytest.raises(InputError, match=words) as caught:
            dubbing.dub(picture, sound, tmp_path / "out.mp4", stages)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="would overwrite its own input"):
        dubbing.dub(good, say, good, stages)
    with pytest.raises(InputError, match="unknown length"):
        dubbing.dub(good, say, tmp_path / "out.mp4", stages, length="longest")
    with pytest.raises(InputError, match="must end in"):
        dubbing.dub(good, say, tmp_path / "out.avi", stages)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_silent_speech_is_dubbed_with_a_note(tmp_path, stages, clip):
    audio.save_wav(tmp_path / "silent.wav", np.zeros(8000, np.float32))
    report = dubbing.dub(clip / "in.mp4", tmp_path / "silent.wav", tmp_path / "out.mp4", stages, adapt=False)
    assert any("silent" in note for note in report.notes) and report.frames == 14


def test_odd_size_and_uneven_times(tmp_path, stages):
    times = np.array([0, 0.04, 0.08, 0.20, 0.24, 0.28])
    frames = astronaut(5)[[0, 1, 2, 3, 4, 4]][:, :239, :319]
    video.write_video(tmp_path / "odd.mp4", frames, 25, noise_speech(0.4), times=times, pixel_format="yuv444p")
    report = dubbing.dub(tmp_path / "odd.mp4", tmp_path / "odd.mp4", tmp_path / "out.mp4", stages, adapt=False)  # its own sound
    out = video.read_video(tmp_path / "out.mp4")
    assert out.frames.shape == (6, 240, 320, 3)
    np.testing.assert_allclose(out.times, times, atol=1e-3)
    notes = " ".join(report.notes)
    assert "odd size" in notes and "uneven" in notes


def test_command_line_options():
    import argparse

    parser = argparse.ArgumentParser()
    dubbing.add_dub_arguments(parser)
    args = parser.parse_args(["--video", "a.mp4", "--speech", "b.wav", "--out", "c.mp4"])
    assert (args.adapt, args.mark, args.length, args.adapt_steps, args.seed) == (True, True, "video", dubbing.ADAPT_STEPS, 0)
    args = parser.parse_args("--video a --speech b --out c --no-adapt --no-mark --length speech".split())
    assert (args.adapt, args.mark, args.length) == (False, False, "speech")
    with pytest.raises(InputError, match="no such file"):
        dubbing.run_dub(parser.parse_args(["--video", "nowhere.mp4", "--speech", "b.wav", "--out", "c.mp4"]))


@pytest.mark.assets
def test_a_real_clip_keeps_its_frames(tmp_path, stages):
    folder = paths.ROOT.parent / "shared/assets"
    if not folder.is_dir():
        pytest.skip("the real clips are not beside this checkout")
    source, speech = folder / "grid/others/lbbc2a.mpg", folder / "grid/s1/bbaf2n.mpg"
    report = dubbing.dub(source, speech, tmp_path / "out.mp4", stages, adapt=False)
    assert (report.frames, report.frames_passed_through) == (75, 0)
    assert video.read_video(tmp_path / "out.mp4").frames.shape == (75, 288, 360, 3)
