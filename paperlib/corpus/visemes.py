"""Which mouth each sound asks for: IPA symbols to viseme classes, classes to targets of nine articulator channels.

Channels (range 0..1): jaw (opening), lift (lips drawn apart beyond what the jaw does), round (pucker), funnel (protruded, open), spread,
close (both lips meet), tuck (lower lip under upper teeth), tongue (tip between the teeth), press. A target is (value, strength): the
strength is the alpha of Cohen and Massaro's dominance function, so a weak target lets its neighbours decide (for /k/ any lips will do),
a strong one wins over them (for /p/ the lips must meet). The values are ours, set by eye from phonetic descriptions.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from paperlib.corpus.speech import PAUSE, Phoneme

CHANNELS = ("jaw", "lift", "round", "funnel", "spread", "close", "tuck", "tongue", "press")
# The sound of p, f or th cannot exist before its constriction does: these follow the audio's clock, the others the speaker's.
CONSTRICTIONS = ("close", "tuck", "tongue", "press")
INDIFFERENT, INDIFFERENT_CONSTRICTION = 0.12, 0.6  # strength of a target of 0 that a class does not mention
SHORTEST_REST = 0.08  # s; a shorter pause is no reason to close the mouth

TARGETS: dict[str, dict[str, tuple[float, float]]] = {
    "rest": {name: (0.0, 0.9) for name in CHANNELS},
    "PP": {"close": (1.0, 9.0), "press": (0.5, 5.0), "jaw": (0.10, 0.7), "tuck": (0.0, 1.5), "tongue": (0.0, 3.0)},  # p b m
    "FF": {"tuck": (0.85, 5.0), "jaw": (0.12, 1.2), "lift": (0.20, 0.6), "close": (0.0, 1.5)},  # f v
    "TH": {"tongue": (0.47, 4.0), "jaw": (0.20, 1.2), "lift": (0.20, 0.6), "close": (0.0, 2.0)},  # theta, eth
    "TD": {"jaw": (0.14, 0.8), "lift": (0.18, 0.4), "close": (0.0, 0.6)},  # t d n
    "LL": {"jaw": (0.22, 0.8), "lift": (0.22, 0.5), "tongue": (0.13, 0.8), "close": (0.0, 0.8)},  # l
    "SZ": {"jaw": (0.06, 1.6), "spread": (0.30, 0.8), "lift": (0.35, 0.9), "close": (0.0, 2.0)},  # s z
    "SH": {"jaw": (0.10, 1.4), "funnel": (0.60, 1.6), "round": (0.30, 1.0), "spread": (0.0, 0.8), "close": (0.0, 2.0)},
    "KG": {"jaw": (0.22, 0.35), "close": (0.0, 0.5)},  # k g ng x
    "HH": {"jaw": (0.25, 0.15), "close": (0.0, 0.8)},  # h: the next vowel's mouth
    "RR": {"jaw": (0.16, 0.8), "round": (0.40, 0.9), "funnel": (0.35, 0.9), "close": (0.0, 0.8)},
    "WW": {"jaw": (0.10, 1.2), "round": (0.95, 2.2), "funnel": (0.25, 0.8), "spread": (0.0, 1.5), "close": (0.0, 1.2)},
    "YY": {"jaw": (0.13, 0.9), "spread": (0.50, 0.9), "lift": (0.20, 0.5), "close": (0.0, 0.8)},
    "AA": {"jaw": (0.62, 1.0), "lift": (0.35, 0.7), "round": (0.0, 0.6), "spread": (0.08, 0.4), "close": (0.0, 1.0)},
    "AE": {"jaw": (0.52, 1.0), "lift": (0.45, 0.8), "round": (0.0, 0.8), "spread": (0.35, 0.8), "close": (0.0, 1.0)},
    "EH": {"jaw": (0.38, 1.0), "lift": (0.38, 0.7), "round": (0.0, 0.8), "spread": (0.38, 0.8), "close": (0.0, 1.0)},
    "IY": {"jaw": (0.16, 1.0), "lift": (0.28, 0.7), "round": (0.0, 1.0), "spread": (0.65, 1.0), "close": (0.0, 1.0)},
    "AH": {"jaw": (0.30, 0.6), "lift": (0.22, 0.4), "round": (0.0, 0.3), "spread": (0.10, 0.2), "close": (0.0, 0.8)},
    "AO": {"jaw": (0.48, 1.0), "lift": (0.15, 0.5), "round": (0.30, 0.9), "funnel": (0.38, 1.0), "spread": (0.0, 0.8), "close": (0.0, 1.0)},
    "OW": {"jaw": (0.32, 1.0), "round": (0.60, 1.1), "funnel": (0.35, 1.0), "spread": (0.0, 1.0), "close": (0.0, 1.0)},
    "UW": {"jaw": (0.15, 1.0), "round": (0.88, 1.3), "funnel": (0.35, 0.8), "spread": (0.0, 1.2), "close": (0.0, 1.0)},
    "UE": {"jaw": (0.18, 1.0), "round": (0.75, 1.2), "funnel": (0.30, 0.8), "spread": (0.0, 0.8), "close": (0.0, 1.0)},
    "ER": {"jaw": (0.26, 0.9), "round": (0.30, 0.7), "funnel": (0.30, 0.7), "lift": (0.15, 0.4), "close": (0.0, 1.0)},
}
VISEMES = tuple(TARGETS)
VOWELS = ("AA", "AE", "EH", "IY", "AH", "AO", "OW", "UW", "UE", "ER")

_SYMBOLS = {
    "PP": "pbmɓ", "FF": "fvɱʋɸβ", "TH": "θð", "TD": "tdnɾɗʈɖɳʔⱱɲ", "LL": "lɫɭʎɬ", "SZ": "szʂʐ", "SH": "ʃʒɕʑ", "KG": "kɡgŋxχɣqɢɴʁʀçʝcɟ",
    "HH": "hɦħʕ", "RR": "ɹɻr", "WW": "wʍɥ", "YY": "jɰ", "AA": "aɑ", "AE": "æ", "EH": "eɛ", "IY": "iɪɨ", "AH": "əɐʌɘɤɵɯᵻ", "AO": "ɔɒ",
    "OW": "o", "UW": "uʊʉ", "UE": "yøœʏɶ", "ER": "ɜɚɝɞ",
}  # fmt: skip
CLASS_OF = {symbol: name for name, symbols in _SYMBOLS.items() for symbol in symbols}
_MODIFIERS = set("ː:ˑʰʲʷˠˤ˞ʼ'ˈˌ-.~|‿ⁿˡ^;!#") | set("0123456789˥˦˧˨˩↑↓↗↘")

# where in its time a closing consonant is shut most: the end of /p/ is burst and breath
_CENTRE = {"p": 0.35, "b": 0.45}


@dataclass(frozen=True)
class Segment:
    """One viseme in time: class name, start, centre and end in seconds, `gain` on its opening (stress), the IPA symbol."""

    viseme: str
    start: float
    centre: float
    end: float
    gain: float
    symbol: str = ""


def classes(symbol: str) -> list[tuple[str, str]]:
    """(base character, viseme class) of each part of an IPA symbol: a diphthong or an affricate has two.

    >>> [name for _, name in classes("aɪ")], [name for _, name in classes("tʃ")], [name for _, name in classes("kʰ")]
    (['AA', 'IY'], ['TD', 'SH'], ['KG'])

    Raises ValueError for a character that the table lacks.
    """
    if symbol == PAUSE:
        return [(PAUSE, "rest")]
    out: list[tuple[str, str]] = []
    for character in unicodedata.normalize("NFD", symbol):
        if unicodedata.combining(character) or character in _MODIFIERS:
            continue
        if character == "h" and out:  # aspiration, written plainly by the Mandarin voice
            continue
        if character not in CLASS_OF:
            raise ValueError(f"no viseme for {character!r} (U+{ord(character):04X}) of phoneme {symbol!r}; add it to _SYMBOLS")
        out.append((character, CLASS_OF[character]))
    return out


def segments(phonemes: list[Phoneme]) -> list[Segment]:
    """Phonemes to visemes in time. Parts of one phoneme share its time equally; pauses under SHORTEST_REST are left out.

    Stress opens: a stressed vowel has gain 1.1, an unstressed one 0.85.
    """
    out: list[Segment] = []
    for phoneme in phonemes:
        parts = classes(phoneme.symbol)
        if not parts or (parts[0][1] == "rest" and phoneme.end - phoneme.start < SHORTEST_REST and out and phoneme is not phonemes[-1]):
            continue
        step = (phoneme.end - phoneme.start) / len(parts)
        for k, (character, name) in enumerate(parts):
            start = phoneme.start + k * step
            gain = (1.1 if phoneme.stress == 2 else 1.0 if phoneme.stress else 0.85) if name in VOWELS else 1.0
            out.append(Segment(name, start, start + _CENTRE.get(character, 0.5) * step, start + step, gain, character))
    return out


def target_matrix(names: list[str], targets: dict | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Values and strengths (S, 9) float64 of the classes `names`; `targets` replaces TARGETS (another published rule)."""
    table = TARGETS if targets is None else targets
    value = np.zeros((len(names), len(CHANNELS)))
    strength = np.tile([INDIFFERENT_CONSTRICTION if c in CONSTRICTIONS else INDIFFERENT for c in CHANNELS], (len(names), 1))
    for row, name in enumerate(names):
        for channel, (target, alpha) in table[name].items():
            column = CHANNELS.index(channel)
            value[row, column], strength[row, column] = target, alpha
    return value, strength
