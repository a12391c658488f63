"""Speech features of the same words in another voice, through another microphone, over another noise.

The embedded corpus has few voices, all synthetic: a network that hears nothing else learns their formants by heart and hears little in a
recording (`real` and GRID: lip opening r about 0). So in training half of the runs are heard differently. What is changed acts on the
spectrum alone: when something is said stays. In decibels over mel bands, per run and each by a random amount:
 the band axis is stretched (the length of the vocal tract: Jaitly and Hinton, "Vocal Tract Length Perturbation", 2013), the spectrum is
smoothed along it (wider formants), its contrast scaled, the microphone's curve added, and steady noise put under it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.errors import check_shape
from paperlib.media.audio import MEL_MAX_ABS, MEL_MIN_DB, MFCC_COUNT, MFCC_MELS, MFCC_SCALE

STRETCH = 1.3  # most by which the band axis is stretched or squeezed
BLUR = 0.065  # widest smoothing, standard deviation as a share of the bands
CONTRAST = 0.2  # most by which decibels are scaled, as a logarithm
KNOTS, CURVE_DB = 7, 5.0  # of the microphone's curve: corners, and their standard deviation
NOISE_DB = (-60.0, -25.0)  # noise below loud speech
LOUD_MFCC_DB, LOUD_MEL_DB = 40.0, -35.0  # the loudest band of loud speech (95th percentile of frames) in either feature's decibels
SHARE = 0.5  # of the runs that are changed: the corpus's own voices stay half of what is heard


def other_voices(level: Tensor, loud: float, generator: torch.Generator) -> Tensor:
    """Runs of frames (B, T, bands, columns) in dB -> the same, one other voice for each of B; `loud`: the loudest band of loud speech."""
    check_shape("level", level, (None, None, None, None))
    runs, _, bands, _ = level.shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(runs, 1, 1, generator=generator)

    amount = uniform(0.0, 1.0)
    at = torch.arange(bands, dtype=torch.float32)
    source = (at[:, None] + 0.5) * STRETCH ** (amount * uniform(-1.0, 1.0)) - 0.5  # (B, bands, 1): where each band is heard now
    width = 0.01 * bands + amount * uniform(0.0, BLUR * bands)
    weights = torch.softmax(-0.5 * ((source.clamp(0, bands - 1) - at) / width) ** 2, -1)
    corners = CURVE_DB * amount * torch.randn(runs, 1, KNOTS, generator=generator)
    curve = F.interpolate(corners, size=bands, mode="linear", align_corners=True)
    curve = curve - curve[..., : bands // 2].mean(-1, keepdim=True)  # louder or softer is `set_level`'s matter
    contrast = torch.exp(CONTRAST * amount * uniform(-1.0, 1.0))
    heard = loud + contrast[..., None] * (torch.einsum("bij,btjc->btic", weights, level) - loud) + curve[..., None]
    noise = loud + NOISE_DB[0] + amount * uniform(0.0, NOISE_DB[1] - NOISE_DB[0]) + 6.0 * uniform(-1.0, 1.0) * torch.linspace(1, -1, bands)
    bel = math.log(10.0) / 10.0
    return torch.logaddexp(heard * bel, noise.movedim(1, 2)[:, None] * bel) / bel


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """(13, 40) orthonormal DCT-II, the one of `audio.mfcc`."""
    k, n = torch.arange(MFCC_COUNT)[:, None], torch.arange(MFCC_MELS)[None]
    table = math.sqrt(2 / MFCC_MELS) * torch.cos(math.pi * k * (2 * n + 1) / (2 * MFCC_MELS))
    return torch.cat([table[:1] / math.sqrt(2), table[1:]])


def other_mfcc(mfcc: Tensor, generator: torch.Generator) -> Tensor:
    """MFCC windows (B, T, 13, C) as SHARE of the B runs would sound in other voices. Thirteen cepstra are what is known of the spectrum."""
    check_shape("mfcc", mfcc, (None, None, MFCC_COUNT, None))
    level = torch.einsum("kn,btkc->btnc", _cosines(), mfcc * MFCC_SCALE)
    changed = torch.einsum("kn,btnc->btkc", _cosines(), other_voices(level, LOUD_MFCC_DB, generator)) / MFCC_SCALE
    return _some(mfcc, changed, generator)


def other_mel(mel: Tensor, generator: torch.Generator) -> Tensor:
    """Mel windows (B, T, 80, C) in [-4, 4] as SHARE of the B runs would sound in other voices."""
    check_shape("mel", mel, (None, None, None, None))
    unit = -MEL_MIN_DB / (2 * MEL_MAX_ABS)  # dB
    level = (mel + MEL_MAX_ABS) * unit + MEL_MIN_DB
    changed = (other_voices(level, LOUD_MEL_DB, generator) - MEL_MIN_DB) / unit - MEL_MAX_ABS
    return _some(mel, changed.clamp(-MEL_MAX_ABS, MEL_MAX_ABS), generator)


def _some(own: Tensor, changed: Tensor, generator: torch.Generator) -> Tensor:
    return torch.where(torch.rand(len(own), 1, 1, 1, generator=generator) < SHARE, changed, own)
