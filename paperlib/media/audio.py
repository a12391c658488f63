"""Speech in, features out: loading at 16 kHz, MFCC and mel windows that belong to video frames, loudness.

Times: video frame t covers [t/25, (t+1)/25) s and its time is its middle, (t + 0.5)/25. Both kinds of window are centred there.
"""

from __future__ import annotations

import math
import wave as wave_file
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paperlib.config import FPS
from paperlib.errors import InputError, check_shape

SAMPLE_RATE = 16_000  # Hz; Wav2Lip's and SyncNet's rate
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS  # 640

# MFCC of (3). The paper does not state its settings; these are the usual ones of speech recognition.
MFCC_COUNT = 13  # c0..c12
MFCC_WINDOW = 400  # 25 ms: two pitch periods of a low voice, shorter than most phonemes
MFCC_HOP = 160  # 10 ms, four columns a video frame
MFCC_FFT = 512
MFCC_MELS = 40
MFCC_FMIN, MFCC_FMAX = 20.0, 7600.0  # Hz; below 20 is hum, above 7600 the resampler's slope
MFCC_FLOOR = 1e-6  # power: with the level set to -20 dB this keeps digital silence from being 60 dB below a quiet room
MFCC_MIDDLE_DB = -40.0  # subtracted from every band: centres c0, which would otherwise be about -12
MFCC_SCALE = 20.0  # columns are divided by this: brings decibels to the order of one
MFCC_COLUMNS = 28  # 280 ms, seven video frames, as in Yi et al.'s audio network

# Wav2Lip's mel spectrogram (hparams.py of its repository)
MEL_COUNT, MEL_FFT, MEL_HOP, MEL_WINDOW = 80, 800, 200, 800
MEL_FMIN, MEL_FMAX = 55.0, 7600.0
MEL_PREEMPHASIS = 0.97
MEL_REFERENCE_DB, MEL_MIN_DB, MEL_MAX_ABS = 20.0, -100.0, 4.0
MEL_COLUMNS = 16  # 0.2 s, five video frames

SILENCE_DB = -60.0  # loudest 25 ms below this: the clip counts as silent
LEVEL_DB = -20.0  # speech level after `set_level`
LOUDNESS_FLOOR_DB = -80.0


@dataclass(frozen=True)
class Audio:
    """`wave` (N,) float32, 16 kHz mono, range [-1, 1]; `notes` say in plain words what was converted or looks odd."""

    wave: np.ndarray
    notes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.wave) / SAMPLE_RATE


def load_audio(path: str | Path) -> Audio:
    """Decode the first audio stream of any file FFmpeg knows (wav, mp3, m4a, mp4, mpg ...) to 16 kHz mono.

    In a video file the wave starts when the picture does: audio that begins later is padded, earlier audio is cut (both noted).

    Raises InputError when the file is missing, unreadable, has no audio stream or no samples.
    """
    import av

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a wav, mp3, m4a or mp4 file")
    notes: list[str] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"{path}: has no audio stream; give a file with sound (wav, mp3, m4a, mp4)")
            stream = container.streams.audio[0]
            rate, channels = stream.rate, stream.channels
            chunks, offset = _decode(container, stream, notes)
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: cannot be read as audio ({error.strerror}); give a wav, mp3, m4a or mp4 file") from None
    samples = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    if offset > 0 and samples.size:
        samples = np.concatenate([np.zeros(offset, np.float32), samples])
    elif offset < 0:
        samples = samples[-offset:]
    if samples.size == 0:
        raise InputError(f"{path}: has an audio stream without samples; record or export it again")
    if not np.isfinite(samples).all():
        raise InputError(f"{path}: holds samples that are not numbers (NaN or infinity); export it again as 16-bit wav")
    if rate != SAMPLE_RATE:
        lost = "; nothing above 4 kHz can be heard in it" if rate <= 8000 else ""
        notes.append(f"{rate} Hz converted to {SAMPLE_RATE} Hz{lost}")
    if channels != 1:
        notes.append(f"{channels} channels mixed to one")
    peak = float(np.abs(samples).max())
    if peak > 1.0:
        samples = samples / peak
        if peak > 1.1:  # less is the resampler's overshoot
            notes.append(f"peak {peak:.2f} is above full scale; the clip was scaled down")
    if is_silent(samples):
        notes.append("the audio is silent; a mouth driven by it stays at rest")
    return Audio(np.ascontiguousarray(samples, np.float32), notes)


def _decode(container, stream, notes: list[str]) -> tuple[list[np.ndarray], int]:
    """Chunks of float32 16 kHz, the mean of the channels, and by how many samples the audio starts after the picture."""
    import av

    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=SAMPLE_RATE)  # its own mono mix of stereo is 3 dB too loud
    chunks: list[np.ndarray] = []
    first_time = None
    try:
        for frame in container.decode(stream):
            if first_time is None and frame.pts is not None:
                first_time = float(frame.pts * frame.time_base)
            chunks += [out.to_ndarray().mean(0) for out in resampler.resample(frame)]
    except av.error.FFmpegError as error:
        if not chunks:
            raise
        notes.append(f"damaged: only the first {sum(map(len, chunks)) / SAMPLE_RATE:.2f} s could be read ({error.strerror})")
    if chunks or first_time is not None:
        chunks += [out.to_ndarray().mean(0) for out in resampler.resample(None)]
    offset = 0
    if container.streams.video and first_time is not None:
        video = container.streams.video[0]
        if video.start_time is not None and video.average_rate:  # a still cover picture has no clock to follow
            late = first_time - float(video.start_time * video.time_base)
            offset = round(late * SAMPLE_RATE)
            if abs(late) > 0.02:
                notes.append(f"audio starts {abs(late):.2f} s {'after' if late > 0 else 'before'} the picture; aligned to the picture")
    return chunks, offset


def save_wav(path: str | Path, wave: np.ndarray, sample_rate: int = SAMPLE_RATE) -> None:
    """Write `wave` (N,) in [-1, 1] as a 16-bit mono wav; values outside are clipped."""
    check_shape("wave", wave, (None,))
    data = np.round(np.clip(wave, -1.0, 1.0) * 32767.0).astype("<i2")
    with wave_file.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(data.tobytes())


def resample(wave: np.ndarray, sr_in: int, sr_out: int = SAMPLE_RATE) -> np.ndarray:
    """`wave` (N,) at `sr_in` Hz to float32 (ceil(N sr_out / sr_in),) at `sr_out`, polyphase, without delay."""
    check_shape("wave", wave, (None,))
    if sr_in <= 0:
        raise InputError(f"sample rate {sr_in} is not positive")
    if sr_in == sr_out or len(wave) == 0:
        return np.asarray(wave, np.float32)
    from scipy.signal import resample_poly

    common = math.gcd(int(sr_in), sr_out)
    return resample_poly(np.asarray(wave, np.float64), sr_out // common, int(sr_in) // common).astype(np.float32)


def _short_rms_db(wave: np.ndarray) -> np.ndarray:
    """RMS of successive 25 ms blocks, dB re full scale, (ceil(N/400),)."""
    blocks = np.pad(np.asarray(wave, np.float64), (0, -len(wave) % MFCC_WINDOW)).reshape(-1, MFCC_WINDOW)
    return 10.0 * np.log10((blocks**2).mean(1) + 1e-12)


def is_silent(wave: np.ndarray) -> bool:
    """True when no 25 ms of `wave` (N,) are louder than SILENCE_DB, or it has no samples."""
    return len(wave) == 0 or bool(_short_rms_db(wave).max() < SILENCE_DB)


def set_level(wave: np.ndarray) -> np.ndarray:
    """Scale `wave` (N,) so that the 95th percentile of its 25 ms RMS is LEVEL_DB: a quiet recording gives the same features.

    Silent clips are returned as they are. The percentile ignores how long the pauses are only roughly: 5% of speech suffices.
    """
    wave = np.asarray(wave, np.float32)
    if is_silent(wave):
        return wave
    level = max(np.percentile(_short_rms_db(wave), 95), SILENCE_DB)
    return (wave * 10.0 ** ((LEVEL_DB - level) / 20.0)).astype(np.float32)


def mfcc(wave: np.ndarray, level: bool = True) -> np.ndarray:
    """MFCC sequence A of (3): (13, R) float32, R = ceil(N/160); column r is centred at (r + 0.5) * 10 ms.

    librosa, Hann window of 25 ms, 40 Slaney mel bands 20-7600 Hz, 10 log10 of the power floored at MFCC_FLOOR, less
    MFCC_MIDDLE_DB, orthonormal DCT-II, divided by MFCC_SCALE. `level`: the clip's level is set first (`set_level`).
    Other libraries' MFCCs differ (librosa issue 573).
    """
    check_shape("wave", wave, (None,))
    import librosa

    wave = set_level(wave) if level else np.asarray(wave, np.float32)
    columns = max(1, -(-len(wave) // MFCC_HOP))
    left = MFCC_FFT // 2 - MFCC_HOP // 2  # column 0 is centred on sample 80
    padded = np.zeros((columns - 1) * MFCC_HOP + MFCC_FFT, np.float32)
    part = wave[: len(padded) - left]
    padded[left : left + len(part)] = part
    power = librosa.feature.melspectrogram(
        y=padded, sr=SAMPLE_RATE, n_fft=MFCC_FFT, hop_length=MFCC_HOP, win_length=MFCC_WINDOW, window="hann", center=False,
        power=2.0, n_mels=MFCC_MELS, fmin=MFCC_FMIN, fmax=MFCC_FMAX,
    )  # fmt: skip
    decibel = 10.0 * np.log10(np.maximum(power, MFCC_FLOOR)) - MFCC_MIDDLE_DB
    return (librosa.feature.mfcc(S=decibel, n_mfcc=MFCC_COUNT, dct_type=2, norm="ortho") / MFCC_SCALE).astype(np.float32)


def _silence_around(wave: np.ndarray, before: int, total: int) -> np.ndarray:
    """`wave` after `before` zeros, cut or zero-padded to `total` samples."""
    out = np.zeros(total, np.float32)
    part = wave[: total - before]
    out[before : before + len(part)] = part
    return out


def mfcc_windows(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """A of eq. (3), one MFCC window a video frame: (T, 13, 28) float32, 280 ms centred exactly on (t + 0.5)/25 s.

    Frame t holds the columns 4t - 12 .. 4t + 15 of `mfcc`. Beyond the wave's ends there is silence; a wave longer than
    `n_frames` frames is used up to half a window past the last one.
    """
    check_shape("wave", wave, (None,))
    per_frame = SAMPLES_PER_FRAME // MFCC_HOP
    before = MFCC_COLUMNS // 2 - per_frame // 2  # 12 columns
    total = ((n_frames - 1) * per_frame + MFCC_COLUMNS) * MFCC_HOP
    columns = mfcc(_silence_around(set_level(wave), before * MFCC_HOP, total), level=False)
    index = per_frame * np.arange(n_frames)[:, None] + np.arange(MFCC_COLUMNS)
    return np.ascontiguousarray(columns[:, index].transpose(1, 0, 2))


def mel(wave: np.ndarray, level: bool = True) -> np.ndarray:
    """Wav2Lip's mel spectrogram: (80, R) float32 in [-4, 4], R = 1 + N//200; column r is centred at r * 12.5 ms.

    Pre-emphasis 0.97, Hann 800, hop 200, amplitude, 80 Slaney bands 55-7600 Hz, dB - 20, [-100, 0] mapped to [-4, 4] and clipped.
    Wav2Lip takes the wave as it is: pass `level=False` for its official weights.
    """
    check_shape("wave", wave, (None,))
    import librosa

    wave = set_level(wave) if level else np.asarray(wave, np.float32)
    emphasised = np.append(wave[:1], wave[1:] - MEL_PREEMPHASIS * wave[:-1]).astype(np.float32)
    amplitude = librosa.feature.melspectrogram(
        y=emphasised, sr=SAMPLE_RATE, n_fft=MEL_FFT, hop_length=MEL_HOP, win_length=MEL_WINDOW, window="hann", center=True,
        pad_mode="constant", power=1.0, n_mels=MEL_COUNT, fmin=MEL_FMIN, fmax=MEL_FMAX,
    )  # fmt: skip
    decibel = 20.0 * np.log10(np.maximum(amplitude, 10.0 ** (MEL_MIN_DB / 20.0))) - MEL_REFERENCE_DB
    scaled = 2.0 * MEL_MAX_ABS * (decibel - MEL_MIN_DB) / -MEL_MIN_DB - MEL_MAX_ABS
    return np.clip(scaled, -MEL_MAX_ABS, MEL_MAX_ABS).astype(np.float32)


def mel_start(frame: int | np.ndarray) -> np.ndarray:
    """First mel column of the window of `frame`: its 16 columns are centred on (t + 0.5)/25 s to within 6.25 ms (half a column)."""
    middle = (np.asarray(frame) + 0.5) * SAMPLES_PER_FRAME / MEL_HOP  # in columns
    return np.floor(middle - (MEL_COLUMNS - 1) / 2 + 0.5).astype(int)


def mel_windows(wave: np.ndarray, n_frames: int, level: bool = True) -> np.ndarray:
    """One window of Wav2Lip's mel a video frame: (T, 80, 16) float32, 0.2 s centred on the frame's middle (`mel_start`).

    Released Wav2Lip starts frame t's window one or two frames later than its training did; here training and use agree.
    Beyond the wave's ends there is silence.
    """
    check_shape("wave", wave, (None,))
    starts = mel_start(np.arange(n_frames))
    before = -int(starts[0])
    total = (int(starts[-1]) + before + MEL_COLUMNS) * MEL_HOP
    columns = mel(_silence_around(set_level(wave) if level else wave, before * MEL_HOP, total), level=False)
    index = starts[:, None] + before + np.arange(MEL_COLUMNS)
    return np.ascontiguousarray(columns[:, index].transpose(1, 0, 2))


def loudness(wave: np.ndarray, n_frames: int) -> np.ndarray:
    """RMS over each frame's own 40 ms, dB re full scale, (T,) float32, not below LOUDNESS_FLOOR_DB. Frames past the end are silent."""
    check_shape("wave", wave, (None,))
    blocks = _silence_around(np.asarray(wave, np.float32), 0, n_frames * SAMPLES_PER_FRAME).reshape(n_frames, SAMPLES_PER_FRAME)
    power = (blocks.astype(np.float64) ** 2).mean(1)
    return (10.0 * np.log10(np.maximum(power, 10.0 ** (LOUDNESS_FLOOR_DB / 10.0)))).astype(np.float32)
