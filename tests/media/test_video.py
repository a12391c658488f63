"""Video in and out: counts, times, colours and sound survive a round trip; bad files give one clear line and leave nothing behind."""

import struct
from fractions import Fraction

import numpy as np
import pytest

from paperlib import paths
from paperlib.errors import InputError
from paperlib.media import video


def moving_square(n=20, height=64, width=80):
    """(n,H,W,3): a bright square that moves right two pixels a frame on a dark, smooth background."""
    frames = np.full((n, height, width, 3), (40, 60, 90), np.uint8)
    for i in range(n):
        frames[i, 16:32, 4 + 2 * i : 20 + 2 * i] = (220, 60, 40)
    return frames


def tone(seconds, rate=16000, hertz=440):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def patch_rotation(path):
    """Write the 'turn clockwise by 90 degrees' matrix of a phone held upright into the video track's header (MP4 tkhd box)."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # name, version and flags, times and ids, reserved, layer..volume
    one = 0x10000
    assert struct.unpack(">9i", data[matrix : matrix + 36]) == (one, 0, 0, 0, one, 0, 0, 0, 0x40000000)
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 0x40000000)  # x' = -y, y' = x: right goes down
    path.write_bytes(data)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(24000, 1001)])
def test_round_trip_keeps_count_rate_times_and_picture(tmp_path, fps):
    frames = moving_square()
    assert video.write_video(tmp_path / "a.mp4", frames, fps, tone(0.8), metadata={"comment": '{"a": 1}'}) == []
    clip = video.read_video(tmp_path / "a.mp4")
    assert clip.frames.shape == frames.shape
    assert clip.fps == fps
    np.testing.assert_allclose(clip.times, np.arange(20) / float(fps), atol=1e-9)
    assert clip.metadata["comment"] == '{"a": 1}'
    assert np.abs(clip.frames.astype(int) - frames).mean() < 3
    for i in (0, 7, 19):  # the square stands where it stood in that very frame, not a neighbour's
        columns = np.flatnonzero(clip.frames[i, 24, :, 0] > 130)
        assert abs(columns[0] - (4 + 2 * i)) <= 1
    assert abs(len(clip.wave) - 12800) <= 1024
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(("height", "width"), [(96, 128), (720, 160)])
def test_colours_survive_in_both_colour_spaces(tmp_path, height, width):
    colours = np.array([(200, 30, 30), (30, 180, 40), (40, 50, 210), (190, 150, 120)], np.uint8)
    frame = np.repeat(np.repeat(colours[None], width // 4, 1).reshape(1, width, 3), height, 0)
    video.write_video(tmp_path / "c.mp4", [frame] * 3, 25, crf=8)
    seen = video.read_video(tmp_path / "c.mp4").frames[1]
    centres = seen[height // 2, width // 8 :: width // 4].astype(int)
    assert np.abs(centres - colours).max() <= 5


def test_sound_stays_on_time(tmp_path):
    wave = np.zeros(32000, np.float32)
    wave[16000:16160] = 0.9  # a click at exactly one second
    video.write_video(tmp_path / "a.mp4", moving_square(50), 25, wave)
    heard = video.read_video(tmp_path / "a.mp4").wave
    assert abs(np.argmax(np.abs(heard) > 0.4) - 16000) < 80  # 5 ms


def test_streaming_reads_the_same_frames(tmp_path):
    video.write_video(tmp_path / "a.mp4", moving_square(), 25)
    whole = video.read_video(tmp_path / "a.mp4").frames
    np.testing.assert_array_equal(np.stack(list(video.iter_frames(tmp_path / "a.mp4", 5, 9))), whole[5:9])
    assert len(video.read_video(tmp_path / "a.mp4", max_frames=7).frames) == 7
    assert video.read_video(tmp_path / "a.mp4").wave is None


def test_rotation_metadata_is_applied_with_a_note(tmp_path):
    path = tmp_path / "r.mp4"
    frame = np.full((64, 96, 3), 20, np.uint8)
    frame[:16, :24] = 230  # bright corner at the top left: clockwise by 90 degrees it is at the top right
    video.write_video(path, [frame] * 5, 25)
    patch_rotation(path)
    clip = video.read_video(path)
    assert clip.frames.shape == (5, 96, 64, 3)
    assert clip.frames[2, 8, 60].min() > 180 and clip.frames[2, 8, 4].max() < 60
    assert any("rotation" in note for note in clip.notes)


def test_odd_size_is_padded_with_a_note(tmp_path):
    frames = moving_square(4, 63, 81)
    notes = video.write_video(tmp_path / "o.mp4", frames, 25)
    clip = video.read_video(tmp_path / "o.mp4")
    assert clip.frames.shape == (4, 64, 82, 3) and "82x64" in notes[0]
    assert np.abs(clip.frames[:, :63, :81].astype(int) - frames).mean() < 3
    video.write_video(tmp_path / "o444.mp4", frames, 25, pixel_format="yuv444p")
    odd = video.read_video(tmp_path / "o444.mp4")
    assert odd.frames.shape == frames.shape and any("odd size" in n for n in odd.notes)


def test_uneven_times_are_kept(tmp_path):
    times = np.array([0, 0.04, 0.08, 0.2, 0.24, 0.6])
    video.write_video(tmp_path / "v.mp4", moving_square(6), 25, times=times)
    clip = video.read_video(tmp_path / "v.mp4")
    np.testing.assert_allclose(clip.times, times, atol=1e-4)
    assert any("uneven" in note for note in clip.notes)


def test_pixel_aspect_is_kept(tmp_path):
    video.write_video(tmp_path / "p.mp4", moving_square(4), 25, pixel_aspect=Fraction(16, 15))
    info = video.probe(tmp_path / "p.mp4")
    assert info.pixel_aspect == Fraction(16, 15) and any("16:15" in note for note in video.describe(info))


def test_mp4_index_comes_first(tmp_path):
    video.write_video(tmp_path / "a.mp4", moving_square(), 25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_bad_input_files(tmp_path):
    from paperlib.media.video import read_video

    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video at all " * 50)
    (tmp_path / "notes.txt").write_text("not a video at all " * 50)
    video.write_video(tmp_path / "ok.mp4", moving_square(), 25)
    data = (tmp_path / "ok.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: data.index(b"mdat") + 8])
    (tmp_path / "torn.mp4").write_bytes(data[:200])
    _only_sound(tmp_path / "sound.wav")
    for name in ("missing.mp4", "empty.mp4", "text.mp4", "notes.txt", "cut.mp4", "torn.mp4", "sound.wav", "."):
        with pytest.raises(InputError) as caught:
            read_video(tmp_path / name)
        message = str(caught.value)
        assert str(tmp_path / name) in message and "\n" not in message


def _only_sound(path):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(16000)
        file.writeframes((tone(0.3) * 32767).astype("<i2").tobytes())


def test_a_failed_write_leaves_nothing(tmp_path):
    def broken():
        yield moving_square(1)[0]
        raise RuntimeError("renderer failed")

    (tmp_path / "keep.mp4").write_bytes(b"before")
    with pytest.raises(RuntimeError, match="renderer failed"):
        video.write_video(tmp_path / "keep.mp4", broken(), 25)
    assert [p.name for p in tmp_path.iterdir()] == ["keep.mp4"]
    assert (tmp_path / "keep.mp4").read_bytes() == b"before"
    with pytest.raises(InputError, match="no frames"):
        video.write_video(tmp_path / "none.mp4", [], 25)
    with pytest.raises(InputError, match="must end in"):
        video.write_video(tmp_path / "a.avi", moving_square(), 25)
    with pytest.raises(InputError, match="does not exist"):
        video.write_video(tmp_path / "no" / "a.mp4", moving_square(), 25)
    with pytest.raises(ValueError, match="one size"):
        video.write_video(tmp_path / "b.mp4", [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], 25)
    assert [p.name for p in tmp_path.iterdir()] == ["keep.mp4"]


@pytest.mark.assets
def test_real_clips_read():
    folder = paths.ROOT.parent / "shared/assets"
    if not folder.is_dir():
        pytest.skip("the real clips are not beside this checkout")
    clip = video.read_video(folder / "grid/s1/bbaf2n.mpg")
    assert clip.frames.shape == (75, 288, 360, 3) and clip.fps == 25 and abs(len(clip.wave) / 16000 - 3) < 0.1
    clip = video.read_video(folder / "talking224/517600055.mp4", max_frames=10)
    assert clip.frames.shape == (10, 224, 224, 3)
