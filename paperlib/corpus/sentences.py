"""What the embedded speakers say: sentences written for this project, split so that no sentence of one split is heard in another."""

from __future__ import annotations

from paperlib.corpus import text_english as english
from paperlib.corpus import text_others as others
from paperlib.errors import InputError

_ALL = {
    "en": {"train": english.TRAIN, "val": english.VAL, "test": english.TEST},
    "cmn": {"train": others.CMN_TRAIN, "val": others.CMN_VAL, "test": others.CMN_TEST},
    "de": {"train": others.DE_TRAIN, "val": others.DE_VAL, "test": others.DE_TEST},
    "es": {"train": others.ES_TRAIN, "val": others.ES_VAL, "test": others.ES_TEST},
}
LANGUAGES = tuple(_ALL)  # English, Mandarin, German, Spanish: espeak-ng's names


def sentences(split: str, language: str = "en") -> list[str]:
    """Sentences of a split, always in the same order; `LANGUAGES` lists the languages.

    Raises InputError for a split other than train, val, test or another language.
    """
    if language not in _ALL:
        raise InputError(f"no sentences in language {language!r}; there are: {', '.join(_ALL)}")
    if split not in _ALL[language]:
        raise InputError(f"unknown split {split!r}; choose one of: {', '.join(_ALL[language])}")
    return _ALL[language][split].strip().splitlines()
