"""Speech with known truth: espeak-ng called through ctypes, with the time of every phoneme.

The library keeps hidden state (a pitch-flutter index, a noise generator seeded by the clock, a running sample counter), so two calls
with the same text differ. `synthesize` therefore loads the library afresh for each call and seeds its noise: about 7 ms, and the same
arguments give the same bytes in any order. espeak-ng is GPL-3; it is a program that makes data here, no code of it is copied.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import tempfile
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from paperlib.errors import InputError
from paperlib.media.audio import SAMPLE_RATE, resample

LANGUAGES = ("en-us", "en", "en-gb-scotland", "cmn", "fr", "de", "es", "it")  # espeak-ng's names; "en" is British
# Twelve of espeak-ng's own; those with an echo (m2, f2..f5) are left out: it fills the silence by which closures are found.
VARIANTS = ("m1", "m3", "m4", "m5", "m6", "m7", "f1", "Annie", "belinda", "linda", "steph", "aunty")
PAUSE = "_"  # symbol of silence
STRESS_MARKS = {"ˈ": 2, "ˌ": 1}

_SYNCHRONOUS, _UTF8, _EVENT_END_OF_LIST, _EVENT_PHONEME = 2, 1, 0, 7
_PHONEME_EVENTS, _IPA, _DONT_EXIT = 0x1, 0x2, 0x8000
_RATE, _PITCH = 1, 3
_MAX_PATH = 120  # espeak-ng cuts its data path at 160 characters
_LONGEST_CLOSURE = 0.12  # s
_SOUNDING = 1e-3  # mean square, -30 dB: vowels are above it, pauses and echoes below
_LOCK = threading.Lock()  # the library is one per process


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _Id),
    ]  # fmt: skip


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Phoneme:
    """One phone: IPA `symbol` (`PAUSE` for silence), `start` and `end` in seconds, `stress` 0 none, 1 secondary, 2 primary."""

    symbol: str
    start: float
    end: float
    stress: int = 0


@dataclass(frozen=True)
class Speech:
    """`wave` (N,) float32, 16 kHz, range [-1, 1]; `phonemes` in order, without gaps, ending at the wave's end."""

    wave: np.ndarray
    phonemes: list[Phoneme] = field(default_factory=list)
    text: str = ""
    voice: str = ""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.wave) / SAMPLE_RATE


def voices(language: str | None = None) -> list[str]:
    """Voice names for `synthesize`: language+variant, twelve variants for each of `LANGUAGES` (or for the one asked for)."""
    return [f"{name}+{variant}" for name in ([language] if language else LANGUAGES) for variant in VARIANTS]


def synthesize(text: str, voice: str = "en-us", rate: int = 170, pitch: int = 50, variant: str | None = None) -> Speech:
    """Speak `text`.

    Args:
        text: one sentence or several, in the voice's language.
        voice: an espeak-ng voice, with or without a variant: "en-us", "cmn", "en-us+f3"; see `voices`.
        rate: words a minute, 80..450.
        pitch: 0..99, 50 is the voice's own.
        variant: added to `voice` as "+variant".

    Returns:
        `Speech`. Phoneme times are those of the waveform: the silence before a burst belongs to the stop that it opens.

    Raises:
        InputError: no text, unknown voice, rate or pitch out of range, or nothing pronounceable.
    """
    if not text.strip():
        raise InputError("no text to speak; give at least one word")
    if not 80 <= rate <= 450:
        raise InputError(f"speech rate {rate} is outside 80..450 words a minute")
    if not 0 <= pitch <= 99:
        raise InputError(f"pitch {pitch} is outside 0..99")
    name = f"{voice}+{variant}" if variant else voice
    base, _, suffix = name.partition("+")
    if suffix and not (_data_folder() / "voices" / "!v" / suffix).is_file():
        raise InputError(f"espeak-ng has no voice variant {suffix!r}; choose one of: {', '.join(VARIANTS)}")
    with _LOCK:
        samples, sample_rate, events = _speak(text, name, rate, pitch)
    if len(samples) == 0 or not np.any(samples):
        raise InputError(f"voice {name!r} finds nothing to pronounce in {text[:40]!r}")
    raw = samples.astype(np.float32) / 32768.0
    phonemes = _phonemes(events, raw, sample_rate)
    wave = resample(raw, sample_rate)
    return Speech(np.clip(wave, -1.0, 1.0), phonemes, text, name)


def with_silence(speech: Speech, before: float = 0.0, after: float = 0.0) -> Speech:
    """The same speech between `before` and `after` seconds of digital silence; phoneme times move along."""
    head, tail = round(before * SAMPLE_RATE), round(after * SAMPLE_RATE)
    shift = head / SAMPLE_RATE
    moved = [Phoneme(p.symbol, p.start + shift, p.end + shift, p.stress) for p in speech.phonemes]
    if head:
        moved.insert(0, Phoneme(PAUSE, 0.0, shift))
    if tail:
        end = head + len(speech.wave)
        moved.append(Phoneme(PAUSE, end / SAMPLE_RATE, (end + tail) / SAMPLE_RATE))
    return Speech(np.pad(speech.wave, (head, tail)), moved, speech.text, speech.voice)


def _data_folder() -> Path:
    import espeakng_loader

    return Path(espeakng_loader.get_data_path())


def _short_data_path() -> bytes:
    """The data folder under a name that espeak-ng does not cut: a link in the temporary folder where the real one is long."""
    folder = _data_folder()
    if len(os.fsencode(folder)) <= _MAX_PATH:
        return os.fsencode(folder)
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    link = Path(tempfile.gettempdir()) / f"espeak-ng-data-{digest}"
    if not link.exists():
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(folder, target_is_directory=True)
        except FileExistsError:
            pass  # another process made it
    return os.fsencode(link)


def _speak(text: str, voice: str, rate: int, pitch: int) -> tuple[np.ndarray, int, list[tuple[int, str]]]:
    """int16 samples (N,), their rate, and (sample, symbol) of each phoneme event, from a freshly loaded library."""
    import espeakng_loader

    chunks: list[np.ndarray] = []
    events: list[tuple[int, str]] = []

    def collect(wave, count, event):
        if wave and count > 0:
            chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        k = 0
        while event[k].type != _EVENT_END_OF_LIST:
            if event[k].type == _EVENT_PHONEME:
                raw = ctypes.string_at(ctypes.addressof(event[k].id), 8).split(b"\0")[0]
                events.append((event[k].sample, raw.decode("utf-8", "ignore")))
            k += 1
        return 0

    callback = _Callback(collect)
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    try:
        sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, _short_data_path(), _PHONEME_EVENTS | _IPA | _DONT_EXIT)
        if sample_rate <= 0:
            raise RuntimeError("espeak-ng did not start: is the package espeakng-loader complete?")
        library.espeak_ng_SetRandSeed(1)
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"espeak-ng has no voice {voice!r}; for example: {', '.join(LANGUAGES)}, each with +{VARIANTS[0]} ...")
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        data = text.encode()
        if library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng refused to synthesize")
    finally:
        library.espeak_Terminate()
        _unload(library)
    return np.concatenate(chunks) if chunks else np.zeros(0, np.int16), sample_rate, events


def _unload(library: ctypes.CDLL) -> None:
    import _ctypes

    (_ctypes.FreeLibrary if sys.platform == "win32" else _ctypes.dlclose)(library._handle)


def _phonemes(events: list[tuple[int, str]], wave: np.ndarray, sample_rate: int) -> list[Phoneme]:
    """Events to gap-free phonemes.

    A nameless glide goes to the vowel before it; silence at a phone's end goes to the next phone (its closure or hold).
    """
    marks: list[list] = []  # [sample, symbol, stress]
    for sample, name in events:
        if name.startswith("("):  # a change of language, "(en)": no sound
            continue
        stress = max((level for mark, level in STRESS_MARKS.items() if mark in name), default=0)
        symbol = name.strip("ˈˌ") or PAUSE
        if marks and sample <= marks[-1][0]:  # an event without length says nothing
            marks.pop()
        if marks and symbol == PAUSE and marks[-1][1] == PAUSE:
            continue
        marks.append([min(sample, len(wave)), symbol, stress])
    if not marks or marks[0][0] > 0:
        marks.insert(0, [0, PAUSE, 0])
    silent = np.abs(wave) < 1e-4
    for k in range(1, len(marks)):
        start, earliest = marks[k][0], max(marks[k - 1][0] + sample_rate // 100, marks[k][0] - int(_LONGEST_CLOSURE * sample_rate))
        if marks[k - 1][1] == PAUSE:
            continue
        while start > earliest and silent[start - 1]:
            start -= 1
        if marks[k][0] - start > sample_rate // 200:
            marks[k][0] = start
    ends = [mark[0] for mark in marks[1:]] + [len(wave)]
    out = []
    for (start, symbol, stress), end in zip(marks, ends):
        if end <= start:
            continue
        if symbol == PAUSE and out and np.mean(wave[start:end] ** 2) > _SOUNDING:  # a glide between vowels, which has no name
            out[-1] = replace(out[-1], end=end / sample_rate)
        else:
            out.append(Phoneme(symbol, start / sample_rate, end / sample_rate, stress))
    return out
