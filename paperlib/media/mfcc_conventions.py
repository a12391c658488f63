"""Two conventions that are both called "13 MFCCs", step by step in numpy: ours (`audio.mfcc`, librosa) and python_speech_features'.

SyncNet and Yi et al. read the second; libraries' MFCCs differ (librosa issue 573, python_speech_features issue 41). Every step is a
small function, a `Convention` names the steps' settings, and `cepstra` runs either, so that one step can be exchanged at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from paperlib.errors import check_shape
from paperlib.media import audio

LENGTH, HOP, FFT, COUNT = audio.MFCC_WINDOW, audio.MFCC_HOP, audio.MFCC_FFT, audio.MFCC_COUNT  # 25 ms, 10 ms, 512, 13: both agree


@dataclass(frozen=True)
class Convention:
    """How a wave in [-1, 1] at 16 kHz becomes cepstra. Frame length, hop, FFT size and count are the same in both conventions."""

    level: bool  # set the clip's level first (`audio.set_level`)
    full_scale: float  # what a sample of 1.0 is called: 32768 for a library that is fed 16-bit integers
    preemphasis: float  # x[n] - c x[n-1]; 0: none
    centred: bool  # row r is centred at (r + 0.5) 10 ms, ceil(N / 160) rows; else it begins at r 10 ms and the last row ends the clip
    hann: bool  # else rectangular
    bands: int
    fmin: float  # Hz
    fmax: float
    slaney: bool  # `slaney_bands`; else `bin_bands`
    over_fft: bool  # power spectrum divided by the FFT size
    floor: float | None  # least power of a band; None: only an exact zero is replaced, by the smallest relative step of float64
    decibel: bool  # 10 log10; else the natural logarithm
    middle: float  # subtracted from every band
    lifter: int  # c_i times 1 + L/2 sin(pi i / L); 0: none
    energy_first: bool  # c0 becomes the logarithm of the frame's whole power
    scale: float  # cepstra are divided by this


OURS = Convention(
    level=True, full_scale=1.0, preemphasis=0.0, centred=True, hann=True, bands=audio.MFCC_MELS, fmin=audio.MFCC_FMIN, fmax=audio.MFCC_FMAX,
    slaney=True, over_fft=False, floor=audio.MFCC_FLOOR, decibel=True, middle=audio.MFCC_MIDDLE_DB, lifter=0, energy_first=False,
    scale=audio.MFCC_SCALE,
)  # fmt: skip
PSF = Convention(
    level=False, full_scale=32768.0, preemphasis=0.97, centred=False, hann=False, bands=26, fmin=0.0, fmax=8000.0, slaney=False,
    over_fft=True, floor=None, decibel=False, middle=0.0, lifter=22, energy_first=True, scale=1.0,
)  # fmt: skip

# what `step_effects` exchanges together, in the order of the steps
STEPS: dict[str, tuple[str, ...]] = {
    "level": ("level",),
    "pre-emphasis": ("preemphasis",),
    "place of the frames": ("centred",),
    "window": ("hann",),
    "mel bands": ("bands", "fmin", "fmax", "slaney"),
    "floor, units and offset": ("full_scale", "over_fft", "floor", "decibel", "middle", "scale"),
    "lifter": ("lifter",),
    "c0 is the energy": ("energy_first",),
}


def preemphasise(signal: np.ndarray, factor: float) -> np.ndarray:
    """x[n] - factor x[n-1], (N,); the first sample stays.

    >>> preemphasise(np.array([1.0, 1.0, 2.0]), 0.5).tolist()
    [1.0, 0.5, 1.5]
    """
    out = np.array(signal, float)
    out[1:] -= factor * np.asarray(signal, float)[:-1]
    return out


def frames(signal: np.ndarray, centred: bool) -> np.ndarray:
    """(R, 400) frames every 160 samples, zeros beyond the ends: row r starts at 160 r, or is centred on sample 160 r + 80."""
    n = len(signal)
    if centred:
        rows, start = max(1, -(-n // HOP)), HOP // 2 - LENGTH // 2
    else:
        rows, start = 1 + max(0, -(-(n - LENGTH) // HOP)), 0
    padded = np.zeros(LENGTH + rows * HOP + n)
    padded[-start : -start + n] = signal
    return padded[np.arange(rows)[:, None] * HOP + np.arange(LENGTH)]


def hann() -> np.ndarray:
    """Periodic Hann window, (400,)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(LENGTH) / LENGTH)


def slaney_bands(bands: int, fmin: float, fmax: float) -> np.ndarray:
    """(bands, 257): triangles over Hz of equal area; the mel scale is linear to 1 kHz (66.7 Hz a mel), then logarithmic (Slaney 1998)."""
    step = np.log(6.4) / 27

    def mel(f):
        return np.where(f < 1000, f * 3 / 200, 15 + np.log(np.maximum(f, 1.0) / 1000) / step)

    m = np.linspace(mel(fmin), mel(fmax), bands + 2)
    corner = np.where(m < 15, m * 200 / 3, 1000 * np.exp(step * (m - 15)))
    f = np.arange(FFT // 2 + 1) * audio.SAMPLE_RATE / FFT
    low, middle, high = corner[:-2, None], corner[1:-1, None], corner[2:, None]
    triangle = np.clip(np.minimum((f - low) / (middle - low), (high - f) / (high - middle)), 0, None)
    return triangle * 2 / (high - low)


def bin_bands(bands: int, fmin: float, fmax: float) -> np.ndarray:
    """(bands, 257): triangles of height 1 whose corners are whole FFT bins, floor(513 f / 16000); mel = 2595 log10(1 + f / 700)."""
    m = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (fmin, fmax)), bands + 2)
    corner = np.floor((FFT + 1) * 700 * (10 ** (m / 2595) - 1) / audio.SAMPLE_RATE)
    k = np.arange(FFT // 2 + 1)
    out = np.zeros((bands, len(k)))
    for row, (low, middle, high) in zip(out, zip(corner[:-2], corner[1:-1], corner[2:], strict=True), strict=True):
        rising, falling = (k >= low) & (k < middle), (k >= middle) & (k < high)
        row[rising] = (k[rising] - low) / (middle - low)
        row[falling] = (high - k[falling]) / (high - middle)
    return out


def dct(bands: int, count: int = COUNT) -> np.ndarray:
    """First `count` rows of the orthonormal DCT-II matrix, (count, bands)."""
    out = np.sqrt(2 / bands) * np.cos(np.pi * np.arange(count)[:, None] * (np.arange(bands) + 0.5) / bands)
    out[0] /= np.sqrt(2)
    return out


def lifter_weights(length: int, count: int = COUNT) -> np.ndarray:
    """(count,) factors 1 + L/2 sin(pi i / L), all 1 for L = 0.

    >>> lifter_weights(22, 12)[[0, 11]].tolist()
    [1.0, 12.0]
    """
    return 1 + length / 2 * np.sin(np.pi * np.arange(count) / length) if length else np.ones(count)


def cepstra(wave: np.ndarray, convention: Convention) -> np.ndarray:
    """(R, 13) float64 cepstra of `wave` (N,) in [-1, 1] at 16 kHz. `OURS`: audio.mfcc transposed; `PSF`: what SyncNet reads."""
    check_shape("wave", wave, (None,))
    c = convention
    signal = np.asarray(audio.set_level(wave) if c.level else wave, np.float64) * c.full_scale
    x = frames(preemphasise(signal, c.preemphasis), c.centred) * (hann() if c.hann else 1.0)
    power = np.abs(np.fft.rfft(x, FFT)) ** 2 / (FFT if c.over_fft else 1)
    log = (lambda v: 10 * np.log10(_floored(v, c.floor))) if c.decibel else (lambda v: np.log(_floored(v, c.floor)))
    bank = (slaney_bands if c.slaney else bin_bands)(c.bands, c.fmin, c.fmax)
    out = (log(power @ bank.T) - c.middle) @ dct(c.bands).T * lifter_weights(c.lifter)
    if c.energy_first:
        out[:, 0] = log(power.sum(1))
    return out / c.scale


def _floored(power: np.ndarray, floor: float | None) -> np.ndarray:
    return np.where(power == 0, np.finfo(float).eps, power) if floor is None else np.maximum(power, floor)


def psf_mfcc(wave: np.ndarray) -> np.ndarray:
    """python_speech_features' default MFCC of a 16-bit wave, (R, 13) float64, R = 1 + ceil((N - 400) / 160); row r begins at 10 r ms.

    wave (N,) float in [-1, 1] at 16 kHz is rounded to 16-bit integers first, as a wav file would hold them.
    """
    check_shape("wave", wave, (None,))
    integers = np.clip(np.round(np.asarray(wave, np.float64) * PSF.full_scale), -32768, 32767)
    return cepstra(integers / PSF.full_scale, PSF)


def _r(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's r; nan when one of them is constant."""
    return float("nan") if a.std() == 0 or b.std() == 0 else float(np.corrcoef(a, b)[0, 1])


def coefficient_agreement(wave: np.ndarray) -> list[dict]:
    """A row a coefficient i = 0 ... 12: `r` between our c_i and python_speech_features' c_i over the clip, and `explained`, the share of
    our c_i's variance that a linear map of all 13 of theirs gives (least squares on the same rows).

    Their row r - 1 is set against our row r: the centres are then 2.5 ms apart, the nearest that the two grids allow. Needs half a second.
    """
    ours, theirs = cepstra(wave, OURS)[1:], psf_mfcc(wave)
    n = min(len(ours), len(theirs))
    if n < 50:
        raise ValueError(f"wave: {len(wave)} samples are too few to compare, 8500 are needed")
    ours, theirs = ours[:n], theirs[:n]
    design = np.column_stack([theirs, np.ones(n)])
    residual = ours - design @ np.linalg.lstsq(design, ours, rcond=None)[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        explained = 1 - residual.var(0) / ours.var(0)
    return [{"coefficient": i, "r": _r(ours[:, i], theirs[:, i]), "explained": float(explained[i])} for i in range(COUNT)]


def step_effects(wave: np.ndarray) -> list[dict]:
    """A row a step of `STEPS`, that step alone done as python_speech_features does it: Pearson's r with our cepstra over the clip.

    `r` is the mean over the 13 coefficients, `lowest` the smallest of them and `coefficient` its index; a step that only scales or shifts
    a coefficient has r = 1. Frames that begin elsewhere are compared with the nearest of ours.
    """
    ours = cepstra(wave, OURS)
    out = []
    for step, names in STEPS.items():
        changed = cepstra(wave, replace(OURS, **{name: getattr(PSF, name) for name in names}))
        first = 0 if "centred" not in names else 1
        n = min(len(ours) - first, len(changed))
        r = [_r(ours[first : first + n, i], changed[:n, i]) for i in range(COUNT)]
        out.append({"step": step, "r": float(np.mean(r)), "lowest": min(r), "coefficient": int(np.argmin(r))})
    return out
