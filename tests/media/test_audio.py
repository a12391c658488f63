import struct
import wave as wave_file
import zlib

import numpy as np
import pytest

from paperlib.errors import InputError
from paperlib.media import audio
from paperlib.media.audio import (
    is_silent,
    load_audio,
    loudness,
    mel,
    mel_start,
    mel_windows,
    mfcc,
    mfcc_windows,
    resample,
    save_wav,
    set_level,
)


def _tone(seconds=1.0, rate=16000, frequency=440.0, gain=0.3):
    return (gain * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def _speechlike(seconds=2.0, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16000)) / 16000
    return ((0.1 * np.sin(2 * np.pi * 150 * t) + 0.02 * rng.standard_normal(len(t))) * (1 + np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def _write(path, samples, rate):
    with wave_file.open(str(path), "wb") as out:
        out.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


# --- loading ---------------------------------------------------------------------------------------------------------------------


def test_round_trip_of_a_wav(tmp_path):
    tone = _tone()
    save_wav(tmp_path / "a.wav", tone)
    loaded = load_audio(tmp_path / "a.wav")
    assert loaded.notes == [] and loaded.wave.dtype == np.float32 and loaded.seconds == 1.0
    assert np.abs(loaded.wave - tone).max() < 1e-4


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 1), (22050, 2)])
def test_other_rates_and_stereo_are_converted_with_a_note(tmp_path, rate, channels):
    tone = _tone(rate=rate)
    _write(tmp_path / "a.wav", np.stack([tone, tone], 1) if channels == 2 else tone, rate)
    loaded = load_audio(tmp_path / "a.wav")
    assert abs(len(loaded.wave) - 16000) <= 32
    assert any(str(rate) in note for note in loaded.notes)
    assert any("mixed" in note for note in loaded.notes) == (channels == 2)
    assert any("4 kHz" in note for note in loaded.notes) == (rate == 8000)
    middle = slice(4000, 12000)
    scale = np.abs(loaded.wave[middle]).max() / 0.3
    assert scale == pytest.approx(1.0, abs=0.02)  # the mix of two equal channels keeps their level
    assert np.corrcoef(loaded.wave[middle], _tone()[middle])[0, 1] > 0.999  # and there is no delay


def test_mp4_sound_starts_with_the_picture(tmp_path):
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as out:
        video, sound = out.add_stream("libx264", rate=25), out.add_stream("aac", rate=16000, layout="mono")
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        for _ in range(25):
            for packet in video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")):
                out.mux(packet)
        for packet in video.encode(None):
            out.mux(packet)
        click = np.zeros(16000, np.float32)
        click[8000:8080] = 0.8
        for k in range(0, 16000, 1000):
            frame = av.AudioFrame.from_ndarray(click[None, k : k + 1000], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, k
            for packet in sound.encode(frame):
                out.mux(packet)
        for packet in sound.encode(None):
            out.mux(packet)
    loaded = load_audio(path)
    assert abs(int(np.abs(loaded.wave).argmax()) - 8040) < 160  # within 10 ms, a quarter of a frame


def test_silence_is_noted_not_refused(tmp_path):
    save_wav(tmp_path / "a.wav", np.zeros(8000, np.float32))
    loaded = load_audio(tmp_path / "a.wav")
    assert any("silent" in note for note in loaded.notes)
    for features in (mfcc(loaded.wave), mfcc_windows(loaded.wave, 10), mel_windows(loaded.wave, 10), loudness(loaded.wave, 10)):
        assert np.isfinite(features).all()


def _png(path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x80" * 12 for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "png", "zero bytes", "no samples", "random bytes", "not numbers"])
def test_bad_files_are_one_line_that_names_them(tmp_path, kind):
    path = tmp_path / "input.wav"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("this is no sound\n" * 50)
    elif kind == "png":
        path = tmp_path / "input.png"
        _png(path)
    elif kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "no samples":
        _write(path, np.zeros(0, np.float32), 16000)
    elif kind == "random bytes":
        path.write_bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes())
    elif kind == "not numbers":
        data = np.full(1600, np.nan, "<f4").tobytes()
        header = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, 16000, 64000, 4, 32)
        path.write_bytes(header + b"data" + struct.pack("<I", len(data)) + data)
    with pytest.raises(InputError) as error:
        load_audio(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


# --- resampling and level --------------------------------------------------------------------------------------------------------


def test_resample_has_no_delay_and_keeps_a_tone():
    out = resample(_tone(rate=22050), 22050)
    assert len(out) == 16000 and out.dtype == np.float32
    assert np.abs(out - _tone())[500:-500].max() < 2e-3
    assert len(resample(np.zeros(441, np.float32), 44100)) == 160
    with pytest.raises(ValueError, match="expected shape"):
        resample(np.zeros((2, 100), np.float32), 8000)


def test_features_do_not_depend_on_the_recording_level():
    wave = _speechlike()
    for features in (mfcc_windows, mel_windows):
        assert np.allclose(features(wave, 30), features(wave * 0.1, 30), atol=2e-3)
    assert not np.allclose(mel_windows(wave, 30, level=False), mel_windows(wave * 0.1, 30, level=False), atol=0.1)
    assert set_level(np.zeros(100, np.float32)).max() == 0.0 and is_silent(np.zeros(0, np.float32))


# --- MFCC and mel against a second implementation --------------------------------------------------------------------------------


def _slaney_bank(count, n_fft, low, high):
    """Slaney's mel filters from their definition: linear below 1 kHz, logarithmic above, unit area."""
    step = np.log(6.4) / 27.0

    def to_mel(f):
        return np.where(f < 1000.0, f * 3.0 / 200.0, 15.0 + np.log(np.maximum(f, 1e-9) / 1000.0) / step)

    def to_hertz(m):
        return np.where(m < 15.0, m * 200.0 / 3.0, 1000.0 * np.exp(step * (m - 15.0)))

    edges = to_hertz(np.linspace(to_mel(np.array(low)), to_mel(np.array(high)), count + 2))
    f = np.arange(n_fft // 2 + 1) * 16000.0 / n_fft
    rise = (f - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - f) / np.diff(edges)[1:, None]
    return np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]


def test_mfcc_equals_one_made_by_hand_with_scipy():
    from scipy.fft import dct
    from scipy.signal import get_window

    wave = _speechlike(0.5)
    padded = np.pad(wave.astype(np.float64), 1000)
    window = get_window("hann", 400, fftbins=True)
    columns = []
    for r in range(-(-len(wave) // 160)):
        centre = 1000 + 160 * r + 80
        power = np.abs(np.fft.rfft(padded[centre - 200 : centre + 200] * window, 512)) ** 2
        bands = 10 * np.log10(np.maximum(_slaney_bank(40, 512, 20.0, 7600.0) @ power, audio.MFCC_FLOOR)) - audio.MFCC_MIDDLE_DB
        columns.append(dct(bands, type=2, norm="ortho")[:13] / audio.MFCC_SCALE)
    mine, theirs = np.array(columns).T, mfcc(wave, level=False)
    assert theirs.shape == mine.shape == (13, 50) and theirs.dtype == np.float32
    assert np.abs(mine - theirs).max() < 1e-3


def test_mel_equals_wav2lips_formula_by_hand():
    from scipy.signal import get_window, lfilter

    wave = _speechlike(0.5)
    padded = np.pad(lfilter([1, -0.97], [1], wave.astype(np.float64)), 400)
    window, bank = get_window("hann", 800, fftbins=True), _slaney_bank(80, 800, 55.0, 7600.0)
    columns = []
    for r in range(1 + len(wave) // 200):
        amplitude = bank @ np.abs(np.fft.rfft(padded[200 * r : 200 * r + 800] * window))
        decibel = 20 * np.log10(np.maximum(1e-5, amplitude)) - 20
        columns.append(np.clip(8 * (decibel + 100) / 100 - 4, -4, 4))
    theirs = mel(wave, level=False)
    assert theirs.shape == (80, 41)
    assert np.abs(np.array(columns).T - theirs).max() < 5e-3


# --- alignment -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [0, 1, 7, 24, 29])
def test_a_click_in_the_middle_of_a_frame_is_in_the_middle_of_its_window(frame):
    wave = np.zeros(30 * 640, np.float32)
    wave[frame * 640 + 320] = 1.0
    log_mel = mfcc_windows(wave, 30)[:, 0, :]  # c0: energy
    energy = log_mel - log_mel.min()
    centre = (energy[frame] * np.arange(28)).sum() / energy[frame].sum()
    assert centre == pytest.approx(13.5, abs=0.1)  # the middle of 28 columns
    peaks = [energy[t].sum() for t in range(30)]
    holders = np.nonzero(np.array(peaks) > 0)[0]
    assert holders.min() >= max(0, frame - 4) and holders.max() <= frame + 4
    rows = mel_windows(wave, 30, level=False).max(1)
    weight = rows[frame] - rows[frame].min()
    assert (weight * np.arange(16)).sum() / weight.sum() == pytest.approx(7.5, abs=0.55)  # half a column: 3.2 columns a frame


def test_a_click_moves_by_one_frame_per_frame():
    wave = np.zeros(30 * 640, np.float32)
    wave[12 * 640 + 320] = 1.0
    windows = mfcc_windows(wave, 30)
    for shift in (-2, -1, 1, 2):  # seen from a later frame the click is earlier, by four columns a frame
        expected = np.full(28, windows[12, 0].min())
        source = windows[12, 0]
        for column in range(28):
            if 0 <= column + 4 * shift < 28:
                expected[column] = source[column + 4 * shift]
        assert np.allclose(windows[12 + shift, 0], expected, atol=1e-5)


def test_windows_are_columns_of_the_whole_clips_features():
    wave = set_level(_speechlike(2.0))
    columns, windows = mfcc(wave, level=False), mfcc_windows(wave, 50)
    assert windows.shape == (50, 13, 28) and windows.dtype == np.float32
    for t in (5, 20, 40):
        assert np.allclose(windows[t], columns[:, 4 * t - 12 : 4 * t + 16], atol=1e-4)
    rows, mel_rows = mel(wave, level=False), mel_windows(wave, 50, level=False)
    assert mel_rows.shape == (50, 80, 16) and np.abs(mel_rows).max() <= 4.0
    for t in (5, 20, 40):
        start = mel_start(t)
        assert np.allclose(mel_rows[t], rows[:, start : start + 16], atol=1e-3)
        middle = (start + 7.5) * 200 / 16000
        assert abs(middle - (t + 0.5) / 25) <= 0.00625 + 1e-9


def test_ends_are_padded_with_silence_and_length_is_the_frames():
    wave = _speechlike(1.0)
    for n in (1, 10, 25, 60):
        assert mfcc_windows(wave, n).shape == (n, 13, 28) and mel_windows(wave, n).shape == (n, 80, 16) and loudness(wave, n).shape == (n,)
    late = mfcc_windows(wave, 60)[-1]
    assert np.allclose(late, mfcc(np.zeros(16000, np.float32))[:, :28], atol=1e-5)
    assert np.allclose(mfcc_windows(wave, 10)[:5], mfcc_windows(wave, 25)[:5], atol=1e-4)


def test_loudness_of_known_signals():
    wave = np.concatenate([np.zeros(640), np.full(640, 0.1), np.full(640, 1.0)]).astype(np.float32)
    assert np.allclose(loudness(wave, 4), [-80.0, -20.0, 0.0, -80.0], atol=1e-3)
