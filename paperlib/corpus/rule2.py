"""Motion source `rule2`: consonants laid over a vowel track, the coproduction model; a test source, never trained on.

After S. E. G. Öhman, "Numerical model of coarticulation", J. Acoust. Soc. Am. 41, 1967: the articulators glide from vowel to vowel as
if no consonant stood between, v_p(t), and each consonant pulls them toward its own shape where it needs to,

    s_p(t) = v_p(t) + k_c(t) w_c(p) (c_p - v_p(t)),

with k_c(t) the consonant's gesture (0..1) and w_c(p) its coarticulation function: 1 where the consonant decides (the lips in /b/), 0
where the vowel shines through. Gestures have a fixed length around their sound, as in the frame model of F. Bell-Berti and
K. S. Harris, "A temporal model of speech production", Phonetica 38, 1981. Vowel targets come from the vowel chart of the IPA (height,
backness, rounding) instead of viseme classes. `rule` (`articulation.dominance`) is a weighted mean over all neighbours; targets, lead
times and the shape in time differ here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paperlib.corpus.articulation import TUNING, Style, Tuning, perform
from paperlib.corpus.speech import PAUSE, Phoneme
from paperlib.corpus.visemes import CHANNELS, VOWELS, Segment, segments

OPENNESS = {  # 0 close .. 1 open, rows of the vowel chart
    **dict.fromkeys("iyuɨʉɯ", 0.0), **dict.fromkeys("ɪʏʊᵻ", 0.2), **dict.fromkeys("eøoɘɵɤ", 0.38), **dict.fromkeys("əɚ", 0.48),
    **dict.fromkeys("ɛœɔɜʌɞɝ", 0.65), **dict.fromkeys("æɐ", 0.85), **dict.fromkeys("aɑɒɶ", 1.0),
}  # fmt: skip
ROUNDED, FRONT = set("yʏøœɶuʊʉoɔɒɵɞ"), set("iyɪʏeøɛœæaɶ")

# class: {channel: (target c, weight w)}; a channel that is not named keeps the vowel's shape, constrictions that are not named open
CONSONANTS: dict[str, dict[str, tuple[float, float]]] = {
    "PP": {"close": (1.0, 1.0), "press": (0.35, 1.0), "jaw": (0.14, 0.55), "lift": (0.0, 0.95), "spread": (0.0, 0.3), "funnel": (0.0, 0.4)},
    "FF": {"tuck": (0.95, 1.0), "jaw": (0.10, 0.7), "lift": (0.12, 0.7), "round": (0.0, 0.3)},
    "TH": {"tongue": (0.45, 1.0), "jaw": (0.17, 0.75), "lift": (0.25, 0.4)},
    "TD": {"jaw": (0.12, 0.55), "lift": (0.22, 0.25)},
    "LL": {"jaw": (0.25, 0.5), "tongue": (0.15, 0.6), "lift": (0.25, 0.3)},
    "SZ": {"jaw": (0.04, 0.9), "lift": (0.42, 0.55), "spread": (0.22, 0.45)},
    "SH": {"jaw": (0.07, 0.85), "funnel": (0.70, 0.8), "round": (0.20, 0.5), "spread": (0.0, 0.6)},
    "KG": {"jaw": (0.18, 0.3)},
    "HH": {},
    "RR": {"jaw": (0.14, 0.5), "round": (0.50, 0.55), "funnel": (0.25, 0.5)},
    "WW": {"jaw": (0.06, 0.8), "round": (1.0, 0.95), "funnel": (0.05, 0.6), "spread": (0.0, 0.9), "lift": (0.0, 0.7)},
    "YY": {"jaw": (0.10, 0.7), "spread": (0.60, 0.6), "lift": (0.22, 0.4)},
}
# Gesture of a consonant: from LEAD before its sound to LAG after it, seconds; lips and jaw move longer than a constriction holds.
LEAD = {
    "jaw": 0.09,
    "lift": 0.09,
    "round": 0.14,
    "funnel": 0.14,
    "spread": 0.11,
    "close": 0.05,
    "tuck": 0.06,
    "tongue": 0.06,
    "press": 0.05,
}
LAG = {"jaw": 0.07, "lift": 0.07, "round": 0.08, "funnel": 0.08, "spread": 0.08, "close": 0.05, "tuck": 0.05, "tongue": 0.05, "press": 0.05}
HOLD = 0.3  # share of the sound in which the gesture is complete; 0.6 for a closure
REST_TO_SPEECH, SPEECH_TO_REST = 0.20, 0.28  # s: the vowel track leaves rest before the sound, and reaches it after


def articulate(
    phonemes: Sequence[Phoneme],
    n_frames: int,
    wave: np.ndarray,
    style: Style,
    rng: np.random.Generator,
    action_names: Sequence[str],
    tuning: Tuning = TUNING,
) -> np.ndarray:
    """Weights of the face actions (T, len(action_names)), as `articulation.articulate`: same arguments, style, noise and expression."""
    return perform(coproduction, phonemes, n_frames, wave, style, rng, action_names, tuning)


def vowel_target(symbol: str) -> np.ndarray:
    """Channels (9,) of a vowel, from its place on the IPA chart; ValueError for a vowel that the chart here lacks."""
    if symbol not in OPENNESS:
        raise ValueError(f"no place on the vowel chart for {symbol!r}; add it to OPENNESS")
    open_, rounded, front = OPENNESS[symbol], symbol in ROUNDED, symbol in FRONT
    target = dict.fromkeys(CHANNELS, 0.0)
    target["jaw"] = 0.13 + 0.45 * open_
    target["lift"] = (0.0 if rounded else 0.15 + (0.08 if front else 0.0)) + 0.20 * open_
    if rounded:
        target["round"] = 0.85 * (1.0 - 0.75 * open_)
        target["funnel"] = 0.15 + 0.25 * open_
    elif front:
        target["spread"] = 0.60 - 0.30 * open_
    if symbol in "ɜɚɝɞ":
        target["round"], target["funnel"] = 0.2, 0.3
    return np.array([target[name] for name in CHANNELS])


def consonant_target(viseme: str) -> tuple[np.ndarray, np.ndarray]:
    """Shape c (9,) and coarticulation function w (9,) of a consonant class."""
    shape, weight = np.zeros(len(CHANNELS)), np.zeros(len(CHANNELS))
    for channel, (target, share) in CONSONANTS[viseme].items():
        shape[CHANNELS.index(channel)], weight[CHANNELS.index(channel)] = target, share
    return shape, weight


def coproduction(phonemes: Sequence[Phoneme], times: np.ndarray, sharpness: float | np.ndarray = 1.0) -> np.ndarray:
    """Articulator channels (T, 9) at `times` (T,) or (T, 9) seconds by Öhman's model; arguments as `articulation.dominance`."""
    spoken = list(phonemes)
    first, last = (spoken[0].start, spoken[-1].end) if spoken else (0.0, 0.0)
    parts = segments([Phoneme(PAUSE, first - 1.0, first), *spoken, Phoneme(PAUSE, last, last + 1.0)])
    times = np.broadcast_to(np.asarray(times, float).reshape(len(times), -1), (len(times), len(CHANNELS)))
    track = vowel_track([s for s in parts if s.viseme == "rest" or s.viseme in VOWELS], times, sharpness)
    for part in parts:
        if part.viseme in CONSONANTS:
            shape, weight = consonant_target(part.viseme)
            track = track + gesture(part, times, sharpness) * weight * (shape - track)
    return track


def vowel_track(nuclei: list[Segment], times: np.ndarray, sharpness: float | np.ndarray = 1.0) -> np.ndarray:
    """v (T, 9): from nucleus to nucleus (vowels and rests) by half a cosine, over all that lies between them."""
    targets = [np.zeros(len(CHANNELS)) if s.viseme == "rest" else vowel_target(s.symbol) for s in nuclei]
    for target, nucleus in zip(targets, nuclei):
        target[:2] *= nucleus.gain  # stress opens
    track = np.broadcast_to(targets[0], times.shape).copy()
    for (a, here), (b, there) in zip(zip(nuclei, targets), zip(nuclei[1:], targets[1:])):
        start = a.centre + 0.3 * (a.end - a.centre) if a.viseme != "rest" else max(a.centre, b.start - REST_TO_SPEECH)
        stop = b.centre - 0.3 * (b.centre - b.start) if b.viseme != "rest" else min(b.centre, a.end + SPEECH_TO_REST)
        middle, half = (start + stop) / 2.0, max((stop - start) / 2.0, 0.01) / sharpness
        phase = np.clip((times - middle) / half, -1.0, 1.0)
        track += (there - here) * (0.5 + 0.5 * np.sin(0.5 * np.pi * phase))
    return track


def gesture(part: Segment, times: np.ndarray, sharpness: float | np.ndarray = 1.0) -> np.ndarray:
    """k (T, 9): rises as half a cosine from LEAD before the sound, is 1 around its centre, falls until LAG after it."""
    hold = (0.6 if part.viseme == "PP" else HOLD) * (part.end - part.start) / 2.0
    lead, lag = (np.array([table[c] for c in CHANNELS]) / sharpness for table in (LEAD, LAG))
    up = (part.centre - hold) - (part.start - lead)
    down = (part.end + lag) - (part.centre + hold)
    before = (times - (part.start - lead)) / up
    after = ((part.end + lag) - times) / down
    level = np.clip(np.minimum(before, after), 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * level)
