import numpy as np
import pytest

from paperlib.corpus import articulation, rule2
from paperlib.corpus.articulation import Style, draw_style
from paperlib.corpus.rule2 import CONSONANTS, OPENNESS, consonant_target, coproduction, gesture, vowel_target, vowel_track
from paperlib.corpus.speech import Phoneme, synthesize, with_silence
from paperlib.corpus.visemes import CHANNELS, CLASS_OF, VISEMES, VOWELS, segments
from paperlib.face3d.morphable_model import default_model

JAW, ROUND, CLOSE = (CHANNELS.index(c) for c in ("jaw", "round", "close"))
TEXT = "Bob may pop the map, and she thinks five fish measure a rainbow."


@pytest.fixture(scope="module")
def said():
    return with_silence(synthesize(TEXT, "en-us+m1"), 0.4, 0.4)


def test_oehmans_equation_by_hand_in_the_middle_of_a_consonant():
    # a b u: while /b/ is fully made, s = v + w (c - v), and v is the glide from a to u as if nothing stood between
    phonemes = [Phoneme("a", 0.0, 0.2, 1), Phoneme("b", 0.2, 0.3), Phoneme("u", 0.3, 0.5, 1)]
    time = np.array([0.2 + 0.45 * 0.1])
    a, b, u = segments(phonemes)
    start, stop = a.centre + 0.3 * (a.end - a.centre), u.centre - 0.3 * (u.centre - u.start)
    glide = 0.5 - 0.5 * np.cos(np.pi * (time[0] - start) / (stop - start))
    v = vowel_target("a") * np.where(np.arange(9) < 2, a.gain, 1.0)
    v = v + glide * (vowel_target("u") * np.where(np.arange(9) < 2, u.gain, 1.0) - v)
    shape, weight = consonant_target("PP")
    got = coproduction(phonemes, time)[0]
    assert gesture(b, np.repeat(time[:, None], 9, 1)).min() == pytest.approx(1.0)
    assert got == pytest.approx(v + weight * (shape - v), abs=1e-9)
    assert got[CLOSE] == 1.0 and 0.02 < got[ROUND] < vowel_target("u")[ROUND]  # the lips are shut and already rounding


def test_a_vowel_track_rests_in_silence_and_reaches_its_targets():
    nuclei = segments([Phoneme("_", 0.0, 1.0), Phoneme("ɑ", 1.0, 1.3, 1), Phoneme("_", 1.3, 2.3)])
    times = np.repeat(np.array([0.2, 1.15, 2.2])[:, None], 9, 1)
    track = vowel_track(nuclei, times)
    assert np.allclose(track[[0, 2]], 0.0, atol=1e-12)
    assert track[1, JAW] == pytest.approx(vowel_target("ɑ")[JAW])


def test_every_symbol_has_a_target():
    assert {s for s, name in CLASS_OF.items() if name in VOWELS} <= set(OPENNESS)
    assert set(CONSONANTS) == set(VISEMES) - set(VOWELS) - {"rest"}
    for symbol in OPENNESS:
        assert (vowel_target(symbol) >= 0).all() and (vowel_target(symbol) <= 1).all()
    assert vowel_target("ɑ")[JAW] > 2 * vowel_target("i")[JAW] and vowel_target("u")[ROUND] > 0.8 > vowel_target("i")[ROUND] == 0.0
    with pytest.raises(ValueError, match="vowel chart"):
        vowel_target("q")


@pytest.mark.parametrize("seed", range(3))
def test_bilabials_close(said, seed):
    names = default_model().action_names
    rng = np.random.default_rng(seed)
    n = int(said.seconds * 25)
    actions = rule2.articulate(said.phonemes, n, said.wave, draw_style(rng), rng, names)
    assert actions.shape == (n, len(names)) and actions.dtype == np.float32 and 0.0 <= actions.min() and actions.max() <= 1.0
    gap = actions[:, names.index("jawOpen")] - actions[:, names.index("mouthClose")]
    shut = [gap[int(s.centre * 25)] for s in segments(said.phonemes) if s.viseme == "PP"]
    assert len(shut) >= 6 and max(shut) < 0.03
    assert gap.max() > 0.15


def test_it_is_another_model_than_rule(said):
    n = int(said.seconds * 25)
    one, two = (articulation.speech_channels(said.phonemes, n, said.wave, Style(), rule=r) for r in (None, coproduction))
    r = {name: np.corrcoef(one[:, k], two[:, k])[0, 1] for k, name in enumerate(CHANNELS)}
    assert min(r.values()) > 0.5  # the same words
    assert r["lift"] < 0.85 and r["funnel"] < 0.92 and r["spread"] < 0.95  # told otherwise
    assert np.abs(one - two)[:, JAW].mean() > 0.03


def test_equal_takes_share_the_upper_face_with_rule(said):
    names, n, style = default_model().action_names, int(said.seconds * 25), draw_style(np.random.default_rng(1))
    one, two = (f(said.phonemes, n, said.wave, style, np.random.default_rng(2), names) for f in (articulation.articulate, rule2.articulate))
    for name in ("browInnerUp", "eyeBlinkLeft"):
        assert np.array_equal(one[:, names.index(name)], two[:, names.index(name)])
