import hashlib
import subprocess
import sys
import threading

import numpy as np
import pytest

from paperlib.corpus import speech
from paperlib.corpus.speech import LANGUAGES, PAUSE, VARIANTS, synthesize, voices, with_silence
from paperlib.errors import InputError

TEXT = "Bob may pop the map, a top cat."


def _level(wave, start, end):
    part = wave[int(start * 16000) : int(end * 16000)]
    return 20 * np.log10(np.sqrt((part**2).mean()) + 1e-9)


def test_same_arguments_same_bytes_in_any_order():
    first = synthesize(TEXT, "en-us+f1")
    synthesize("Something else in between.", "en-us+m3", rate=200, pitch=70)
    synthesize("你好。", "cmn")
    again = synthesize(TEXT, "en-us", variant="f1")
    assert first.wave.tobytes() == again.wave.tobytes()
    assert first.phonemes == again.phonemes
    assert first.voice == again.voice == "en-us+f1"


def test_a_fresh_process_says_the_same():
    code = "import hashlib, paperlib.corpus.speech as s; print(hashlib.sha256(s.synthesize('She sees fish.').wave.tobytes()).hexdigest())"
    outside = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert outside == hashlib.sha256(synthesize("She sees fish.").wave.tobytes()).hexdigest()


def test_phonemes_tile_the_wave():
    said = synthesize(TEXT)
    assert said.wave.dtype == np.float32 and np.abs(said.wave).max() <= 1.0
    assert said.phonemes[0].start == 0.0
    assert said.phonemes[-1].end == pytest.approx(said.seconds, abs=1e-3)
    for left, right in zip(said.phonemes, said.phonemes[1:]):
        assert left.end == right.start and left.end > left.start
    symbols = "".join(p.symbol for p in said.phonemes if p.symbol != PAUSE)
    assert symbols.startswith("bɑːbmeɪpɑːp")
    assert any(p.stress == 2 for p in said.phonemes)


def test_phoneme_times_agree_with_the_energy_of_the_wave():
    said = synthesize(TEXT)
    vowels = [p for p in said.phonemes if p.symbol in ("ɑː", "æ", "eɪ")]
    assert len(vowels) >= 6
    for vowel in vowels:
        assert _level(said.wave, vowel.start + 0.02, vowel.end - 0.02) > -25.0
    pause = next(p for p in said.phonemes if p.symbol == PAUSE and p.end - p.start > 0.1)  # the comma
    assert _level(said.wave, pause.start + 0.01, pause.end - 0.01) < -70.0
    assert _level(said.wave, said.phonemes[-1].start + 0.001, said.phonemes[-1].end) < -70.0


def test_the_silence_before_a_burst_belongs_to_the_stop():
    said = synthesize(TEXT)
    k = next(k for k, p in enumerate(said.phonemes) if p.symbol == "p")  # may Pop
    stop, vowel = said.phonemes[k], said.phonemes[k - 1]
    assert vowel.symbol == "eɪ"
    assert _level(said.wave, stop.start + 0.005, stop.start + 0.035) < -60.0  # closed
    assert _level(said.wave, stop.end - 0.025, stop.end) > -45.0  # burst
    assert _level(said.wave, vowel.end - 0.03, vowel.end) > -40.0


def test_a_glide_between_vowels_is_no_pause():
    said = synthesize("The old owl and my uncle agree.")
    assert all(_level(said.wave, p.start, p.end) < -40.0 for p in said.phonemes if p.symbol == PAUSE)
    k = next(k for k, p in enumerate(said.phonemes) if p.symbol == "oʊ")
    assert said.phonemes[k - 1].symbol == "ɪ" and said.phonemes[k - 1].end - said.phonemes[k - 1].start > 0.08  # the + its glide


def test_fricatives_are_noisier_than_vowels():
    said = synthesize("She sees us.")
    crossings = {}
    for p in said.phonemes:
        part = said.wave[int((p.start + 0.01) * 16000) : int((p.end - 0.01) * 16000)]
        crossings.setdefault(p.symbol, (np.diff(np.sign(part)) != 0).mean() if len(part) > 80 else np.nan)
    assert crossings["s"] > 3 * crossings["iː"] and crossings["ʃ"] > 2 * crossings["iː"]


def test_rate_pitch_and_variant_change_the_sound():
    plain = synthesize(TEXT)
    assert synthesize(TEXT, rate=240).seconds < 0.85 * plain.seconds
    assert not np.array_equal(synthesize(TEXT, pitch=80).wave[:8000], plain.wave[:8000])
    waves = [synthesize("One.", name).wave for name in voices("en-us")]
    assert len({wave.tobytes() for wave in waves}) == len(VARIANTS) == 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks(language):
    said = synthesize("你好，我们走。" if language == "cmn" else "No, no.", language)
    assert 0.3 < said.seconds < 4.0 and len(said.phonemes) > 4


def test_with_silence_moves_the_times():
    said = synthesize("Bob.")
    padded = with_silence(said, 0.25, 0.5)
    assert padded.seconds == pytest.approx(said.seconds + 0.75)
    assert not padded.wave[:4000].any() and not padded.wave[-8000:].any()
    assert padded.phonemes[0].symbol == PAUSE and padded.phonemes[-1].symbol == PAUSE
    assert padded.phonemes[1].start == pytest.approx(0.25)
    assert with_silence(said).phonemes == said.phonemes


def test_threads_do_not_disturb_each_other():
    expected = synthesize(TEXT).wave.tobytes()
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(synthesize(TEXT).wave.tobytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [expected] * 4


def test_a_long_install_path_still_works(monkeypatch, tmp_path):
    deep = tmp_path / ("x" * 60) / ("y" * 60) / ("z" * 60)
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(speech._data_folder(), target_is_directory=True)
    expected = synthesize("One.").wave
    monkeypatch.setattr(speech, "_data_folder", lambda: deep / "espeak-ng-data")
    monkeypatch.setattr(speech.tempfile, "gettempdir", lambda: str(tmp_path))
    if len(str(tmp_path)) > 80:
        pytest.skip("the temporary folder itself is too long for espeak-ng")
    assert np.array_equal(synthesize("One.").wave, expected)


@pytest.mark.parametrize(
    "arguments",
    [{"text": "  "}, {"voice": "xx-nowhere"}, {"variant": "nobody"}, {"rate": 20}, {"pitch": 200}],
)
def test_bad_input_is_one_line(arguments):
    with pytest.raises(InputError) as error:
        synthesize(**{"text": "hi", **arguments})
    assert "\n" not in str(error.value)
