"""Stretches of a video at 25 fps: the right frames after a seek, at other rates, and sound at its place."""

import numpy as np
import pytest

from paperlib.media.segments import frames_at, sound_at
from paperlib.media.video import write_video


def video(path, n, fps):
    """n grey frames that count themselves (upper half: sixteens, lower half: ones), a click in the sound at 3.2 s."""
    frames = np.zeros((n, 32, 32, 3), np.uint8)
    for i in range(n):
        frames[i, :16], frames[i, 16:] = 15 * (i // 16), 15 * (i % 16)
    wave = np.zeros(round(n / fps * 16000), np.float32)
    wave[51200:51210] = 0.8
    write_video(path, frames, fps, wave, crf=0, pixel_format="yuv444p")
    return path


@pytest.fixture(scope="module")
def at25(tmp_path_factory):
    return video(tmp_path_factory.mktemp("v") / "a.mp4", 120, 25)


def seen(path, *range_):
    return [16 * round(float(f[:16].mean()) / 15) + round(float(f[16:].mean()) / 15) for f in frames_at(path, *range_)]


def test_a_file_at_25_gives_its_own_frames_with_or_without_a_seek(at25):
    assert seen(at25) == list(range(120))
    assert seen(at25, 90, 97) == list(range(90, 97))
    assert seen(at25, 115, 200) == list(range(115, 120))


def test_another_rate_is_read_by_the_nearest_frame(tmp_path):
    path = video(tmp_path / "b.mp4", 125, 50)
    assert seen(path, 10, 15) == [20, 22, 24, 26, 28]
    path = video(tmp_path / "c.mp4", 60, 12.5)
    assert seen(path, 40, 46)[::2] == [20, 21, 22]


def test_sound_keeps_its_time(at25):
    wave = sound_at(at25, 75, 100)
    assert len(wave) == 25 * 640
    assert abs(int(np.abs(wave).argmax()) - (51200 - 75 * 640)) < 40
    assert len(sound_at(at25, 110, 140)) == 30 * 640


def test_no_sound_is_none(tmp_path):
    write_video(tmp_path / "a.mp4", np.zeros((3, 16, 16, 3), np.uint8), 25)
    assert sound_at(tmp_path / "a.mp4", 0, 3) is None
