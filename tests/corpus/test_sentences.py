import pytest

from paperlib.corpus.sentences import sentences
from paperlib.corpus.speech import PAUSE, synthesize
from paperlib.corpus.visemes import VISEMES, segments
from paperlib.errors import InputError

SPLITS = ("train", "val", "test")


@pytest.mark.parametrize(("language", "total"), [("en", 200), ("cmn", 60), ("de", 30), ("es", 30)])
def test_enough_and_no_sentence_twice(language, total):
    every = [s for split in SPLITS for s in sentences(split, language)]
    assert len(every) >= total
    assert len({s.lower().strip(" .?!。？！") for s in every}) == len(every)


def test_english_sentences_have_six_to_fourteen_words():
    for split in SPLITS:
        for sentence in sentences(split):
            assert 6 <= len(sentence.split()) <= 14, sentence
            assert sentence.isascii() and sentence[0].isupper() and sentence[-1] in ".?"


def test_every_english_phoneme_and_every_viseme_is_heard_in_training_and_test():
    wanted = set("pbtdɡkmnŋfvθðszʃʒhlɹwj") | set("tʃ dʒ iː ɪ eɪ ɛ æ ɑː ɔː oʊ ʊ uː ʌ ɜː ə ɚ aɪ aʊ ɔɪ".split())
    for split in ("train", "test"):
        phonemes = [p for s in sentences(split) for p in synthesize(s).phonemes]
        assert wanted <= {p.symbol for p in phonemes}, wanted - {p.symbol for p in phonemes}
        assert {s.viseme for s in segments(phonemes)} >= set(VISEMES) - {"UE"}  # front rounded vowels: not English


@pytest.mark.parametrize("voice", ["en+m3", "en-gb-scotland+f1"])
def test_british_voices_have_a_viseme_for_every_sound(voice):
    for sentence in sentences("train")[::4]:
        segments(synthesize(sentence, voice).phonemes)


def test_mandarin_is_read_as_mandarin():
    for split in SPLITS:
        for sentence in sentences(split, "cmn"):
            symbols = {p.symbol for p in synthesize(sentence, "cmn").phonemes}
            assert symbols - {PAUSE} and not symbols & {"θ", "ɹ", "ð", "v", "aɪ"}, sentence  # signs of a spelt-out English name
            segments(synthesize(sentence, "cmn").phonemes)


@pytest.mark.parametrize("language", ["de", "es"])
def test_german_and_spanish_have_a_viseme_for_every_sound(language):
    for split in SPLITS:
        for sentence in sentences(split, language):
            assert segments(synthesize(sentence, language).phonemes), sentence


def test_order_is_fixed_and_unknown_names_are_refused():
    assert sentences("test") == sentences("test")
    with pytest.raises(InputError, match="split"):
        sentences("dev")
    with pytest.raises(InputError, match="language"):
        sentences("test", "tlh")
