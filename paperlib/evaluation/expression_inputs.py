"""Stage 1 fed with the wrong speech or the wrong images: what a trained network listens to and looks at.

Every function here changes inputs only; truth and clip stay. Rows whose speech is changed show it to the whole system, MFCC and teacher
alike; rows of one input (`audio_*`, `images_*`) change that one and leave the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from paperlib.corpus.banks import SpeechItem
from paperlib.media import audio
from paperlib.seeding import rng

SHIFTS = (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Heard:
    """What a network is given of a clip: mfcc (T, 13, 28), images (T, 3, S, S) uint8, None for a network without them."""

    mfcc: torch.Tensor
    images: torch.Tensor | None

    def at(self, index: torch.Tensor) -> Heard:
        """The frames `index`, in that order."""
        return Heard(self.mfcc[index], None if self.images is None else self.images[index])


def silent(item: SpeechItem) -> SpeechItem:
    """The clip with silence for its speech; the true expressions stay."""
    n, wave = len(item.coeffs), np.zeros_like(item.wave)
    mfcc, mel = (torch.from_numpy(make(wave, n)).float() for make in (audio.mfcc_windows, audio.mel_windows))
    return SpeechItem(item.id, mfcc, mel, item.coeffs, wave)


def shift_index(n: int, by: int) -> torch.Tensor:
    """(n,) frames that are heard when the speech comes `by` frames late; the ends repeat.

    >>> shift_index(4, 2).tolist(), shift_index(4, -1).tolist()
    ([0, 0, 0, 1], [1, 2, 3, 3])
    """
    return (torch.arange(n) - by).clamp(0, n - 1)


def length_index(n: int, other: int) -> torch.Tensor:
    """(n,) frames of a clip of `other` frames that stand in for n; a shorter clip holds its last."""
    return torch.arange(n).clamp(max=other - 1)


def wrong_speech(item: SpeechItem, own: Heard, other: Heard, quiet: Heard) -> dict[str, Heard]:
    """Row id -> what the network is given. other: another sentence; quiet: silence, as the teacher draws it too."""
    n = len(item.coeffs)
    order = torch.from_numpy(rng("shuffled speech", item.id.name).permutation(n))
    rows = {
        "swapped_speech": other.at(length_index(n, len(other.mfcc))),
        "shuffled_speech": own.at(order),
        "silent_speech": quiet,
    }
    return rows | {f"shifted_{'p' if by > 0 else 'm'}{abs(by)}": own.at(shift_index(n, by)) for by in SHIFTS}


def one_input(item: SpeechItem, own: Heard, other: Heard, quiet: Heard, face: torch.Tensor) -> dict[str, Heard]:
    """Rows in which one of the two inputs is muted, shuffled in time, or another sentence's. face: (3, S, S) uint8, the still picture."""
    n = len(item.coeffs)
    order = torch.from_numpy(rng("shuffled input", item.id.name).permutation(n))
    another = other.at(length_index(n, len(other.mfcc)))
    rows = {
        "audio_silent": Heard(quiet.mfcc, own.images),
        "audio_shuffled": Heard(own.mfcc[order], own.images),
        "audio_swapped": Heard(another.mfcc, own.images),
    }
    if own.images is None:
        return {}
    return rows | {
        "images_still": Heard(own.mfcc, face[None].expand(n, -1, -1, -1)),
        "images_shuffled": Heard(own.mfcc, own.images[order]),
        "images_swapped": Heard(own.mfcc, another.images),
    }


WRONG_ROWS = ("swapped_speech", "shuffled_speech", "silent_speech", *(f"shifted_{'p' if by > 0 else 'm'}{abs(by)}" for by in SHIFTS))
INPUT_ROWS = ("audio_silent", "audio_shuffled", "audio_swapped", "images_still", "images_shuffled", "images_swapped")


def _unit(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 255 if images.dtype == torch.uint8 else images


@torch.no_grad()
def attention_by_sound(
    net, items: list[SpeechItem], images: list[torch.Tensor], phonemes: Callable[[SpeechItem], list], sounds: dict[str, str]
) -> dict[str, np.ndarray]:
    """Attention of (7) in the frame at the middle of every sound of a class: class -> (N, 2k+1), column k the frame itself.

    phonemes: (symbol, start s, end s) of a clip; sounds: class -> its symbols, e.g. PLOSIVES and VOWELS. Sounds whose window leaves the
    clip do not count: weights that the edge cut would lean to one side.
    """
    from paperlib.config import FPS

    if not net.use_attention:
        raise ValueError("attention_by_sound: this network has no attention")
    k, rows = net.cfg.k, {name: [] for name in sounds}
    for item, shown in zip(items, images, strict=True):
        weights = net.eval()(item.mfcc[None], _unit(shown)[None] if net.use_semantic else None).attention[0]
        for symbol, start, end in phonemes(item):
            t = int((start + end) / 2 * FPS)
            if k <= t < len(weights) - k:
                for name, symbols in sounds.items():
                    if symbol[:1] in symbols:
                        rows[name].append(weights[t].numpy())
    return {name: np.stack(found) if found else np.zeros((0, 2 * k + 1)) for name, found in rows.items()}


PLOSIVES = "pb"  # lips meet: what must be seen in the right frame
VOWELS = "aɑɐɒæeɛəɜiɪoɔuʊʌ"
