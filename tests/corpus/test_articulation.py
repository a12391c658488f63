import numpy as np
import pytest

from paperlib.corpus import articulation
from paperlib.corpus.articulation import Style, articulate, dominance, draw_style, pack, rate_factor, speech_channels
from paperlib.corpus.speech import PAUSE, Phoneme, synthesize, with_silence
from paperlib.corpus.visemes import CHANNELS, CLASS_OF, TARGETS, VISEMES, classes, segments, target_matrix

NAMES = (
    "browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft cheekSquintRight eyeBlinkLeft "
    "eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight eyeLookOutLeft eyeLookOutRight eyeLookUpLeft "
    "eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft "
    "mouthDimpleRight mouthFrownLeft mouthFrownRight mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft "
    "mouthPressRight mouthPucker mouthRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight "
    "mouthStretchLeft mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight tongueOut"
).split()
TEXT = "Bob may pop the map, and she thinks five fish measure a rainbow."


def _clip(text=TEXT, voice="en-us+m1", pad=0.4):
    said = with_silence(synthesize(text, voice), pad, pad)
    return said, int(np.ceil(said.seconds * 25))


def _column(actions, name):
    return actions[:, NAMES.index(name)]


def _gap(actions):
    return _column(actions, "jawOpen") - _column(actions, "mouthClose")


@pytest.fixture(scope="module")
def clip():
    return _clip()


def test_dominance_is_cohen_and_massaros_formula_by_hand(monkeypatch):
    # two vowels alone, at a time before both centres; cores off, so that D = alpha exp(-theta |t - t_s|) exactly
    monkeypatch.setattr(articulation, "CORE", dict.fromkeys(VISEMES, 0.0))
    phonemes = [Phoneme("ɑ", 0.0, 0.2, 1), Phoneme("i", 0.2, 0.4, 1)]
    jaw = CHANNELS.index("jaw")
    time, (before, after) = 0.15, articulation.THETA["jaw"]
    parts = [(0.62, 1.0, after * 0.05), (0.16, 1.0, before * 0.15)]  # target, alpha, exponent
    parts += [(0.0, 0.9, after * 0.65), (0.0, 0.9, before * 0.75)]  # the silence around: centres at -0.5 and 0.9
    weights = [alpha * np.exp(-exponent) for _, alpha, exponent in parts]
    expected = sum(w * target for w, (target, _, _) in zip(weights, parts)) / sum(weights)
    assert dominance(phonemes, np.array([time]))[0, jaw] == pytest.approx(expected, rel=1e-9)


def test_shape_range_and_dtype(clip):
    said, n = clip
    actions = articulate(said.phonemes, n, said.wave, draw_style(np.random.default_rng(0)), np.random.default_rng(1), NAMES)
    assert actions.shape == (n, 52) and actions.dtype == np.float32
    assert actions.min() >= 0.0 and actions.max() <= 1.0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [140, 170, 220])
def test_bilabials_close_and_open_vowels_open(seed, rate):
    said = with_silence(synthesize("Bob may pop the map. My mother baked a big apple pie.", rate=rate), 0.3, 0.3)
    n = int(np.ceil(said.seconds * 25))
    rng = np.random.default_rng(seed)
    actions = articulate(said.phonemes, n, said.wave, draw_style(rng), rng, NAMES)
    gap, lowered, raised = _gap(actions), _column(actions, "mouthLowerDownLeft"), _column(actions, "mouthUpperUpLeft")
    closures = [s for s in segments(said.phonemes) if s.viseme == "PP"]
    assert len(closures) >= 10
    for segment in closures:
        t = int(segment.centre * 25)
        assert gap[t] < 0.03 and lowered[t] < 0.06 and raised[t] < 0.06, (segment, gap[t])
    for segment in segments(said.phonemes):
        if segment.viseme == "AA" and segment.gain > 1.0 and segment.end - segment.start > 0.09:
            assert gap[int(segment.centre * 25)] > 0.05  # the mumbler in a hurry too


def test_targets_reach_the_right_actions(clip):
    said, n = clip
    actions = articulate(said.phonemes, n, said.wave, Style(lead=0.0), np.random.default_rng(0), NAMES)

    def mean(symbols, name):
        times = [s.centre for p in said.phonemes for s in segments([p]) if p.symbol in symbols]
        return np.mean([_column(actions, name)[int(t * 25)] for t in times])

    assert mean(("f", "v"), "mouthRollLower") > 0.4 > 3 * mean(("ɑː", "æ", "n"), "mouthRollLower")
    assert mean(("oʊ",), "mouthPucker") > 0.4 > 2 * mean(("ɑː", "æ"), "mouthPucker")
    assert mean(("ʃ", "ʒ"), "mouthFunnel") > 0.3 > 3 * mean(("p", "b"), "mouthFunnel")
    assert mean(("θ", "ð"), "tongueOut") > 0.2 > 3 * mean(("m", "ɑː"), "tongueOut")
    assert mean(("ɪ", "iː"), "mouthStretchLeft") > mean(("ɑː", "oʊ"), "mouthStretchLeft")


def test_rounding_is_anticipated_and_closure_is_not_shifted():
    said, n = _clip("Two.", pad=0.5)
    round_ = CHANNELS.index("round")
    start = next(p.start for p in said.phonemes if p.symbol == "uː")
    times = np.arange(0.0, said.seconds, 0.01)
    first = times[np.argmax(dominance(said.phonemes, times)[:, round_] > 0.15)]
    assert 0.02 < start - first < 0.3
    early, late = (speech_channels(said.phonemes, n, said.wave, Style(lead=lead)) for lead in (0.0, 0.08))
    close, jaw = CHANNELS.index("close"), CHANNELS.index("jaw")
    assert np.array_equal(early[:, close], late[:, close]) and not np.array_equal(early[:, jaw], late[:, jaw])


def test_jaw_lips_and_tongue_have_their_own_clocks_and_gains(clip):
    said, n = clip
    plain = speech_channels(said.phonemes, n, said.wave, Style())
    for change, moved in (
        ({"lead": 0.08}, ("jaw", "lift")), ({"lips_lead": 0.08}, ("round", "funnel", "spread")), ({"tongue_lead": 0.02}, ("tongue",)),
        ({"jaw": 0.8}, ("jaw", "lift")), ({"lips": 0.8}, ("round", "funnel", "spread")), ({"tongue": 0.7}, ("tongue",)),
    ):  # fmt: skip
        other = speech_channels(said.phonemes, n, said.wave, Style(**change))
        changed = {CHANNELS[k] for k in range(9) if not np.array_equal(plain[:, k], other[:, k])}
        assert changed == set(moved), change


def test_people_breathe_in_before_they_speak():
    pause, vowel = Phoneme(PAUSE, 0.0, 1.0), Phoneme("ɑ", 1.0, 1.4)
    heights = [articulation.breaths([pause, vowel], 40, np.random.default_rng(k)) for k in range(200)]
    peak = np.mean([h.max() for h in heights])
    assert 0.8 < peak < 1.2 and all(0.55 < np.argmax(h) / 25 < 0.95 for h in heights)
    assert not articulation.breaths([Phoneme(PAUSE, 0.0, 0.1), vowel], 40, np.random.default_rng(0)).any()


def test_silence_is_rest():
    n = 50
    actions = articulate([], n, np.zeros(32000, np.float32), Style(), np.random.default_rng(0), NAMES)
    assert not actions.any()
    said, n = _clip(pad=0.6)
    actions = articulate(said.phonemes, n, said.wave, Style(), np.random.default_rng(0), NAMES)
    assert _gap(actions)[:6].max() < 0.01 and _gap(actions)[-6:].max() < 0.01
    rest = Style(rest_jaw=0.03, smile=0.2)
    still = articulate([], 10, np.zeros(6400, np.float32), rest, np.random.default_rng(0), NAMES)
    assert np.allclose(_column(still, "jawOpen"), 0.03) and np.allclose(_column(still, "mouthSmileLeft"), 0.2)


def test_a_counterfactual_pair_shares_everything_but_the_speech():
    a, n_a = _clip()
    b, n_b = _clip("Who would have thought the moon could be so blue?")
    n = min(n_a, n_b)
    style = draw_style(np.random.default_rng(3))
    first = articulate(a.phonemes, n, a.wave, style, np.random.default_rng(7), NAMES)
    second = articulate(b.phonemes, n, b.wave, style, np.random.default_rng(7), NAMES)
    for name in ("browInnerUp", "browDownLeft", "eyeBlinkLeft", "eyeSquintLeft", "mouthFrownLeft"):
        assert np.array_equal(_column(first, name), _column(second, name))
    assert np.abs(_gap(first) - _gap(second)).max() > 0.1
    longer = articulate(a.phonemes, n + 20, a.wave, style, np.random.default_rng(7), NAMES)
    assert np.array_equal(longer[: n - 3, NAMES.index("browInnerUp")], first[: n - 3, NAMES.index("browInnerUp")])


def test_takes_differ_a_little_and_speakers_more(clip):
    said, n = clip
    style = draw_style(np.random.default_rng(5))
    takes = [_gap(articulate(said.phonemes, n, said.wave, style, np.random.default_rng(k), NAMES)) for k in range(8)]
    again = _gap(articulate(said.phonemes, n, said.wave, style, np.random.default_rng(0), NAMES))
    assert np.array_equal(takes[0], again)
    mean = np.mean(takes, 0)
    within = np.mean([np.var(take - mean) for take in takes]) * 8 / 7
    assert 0.005 < within / np.var(mean) < 0.5  # the noise ceiling is there, and speech still leads
    styles = [draw_style(np.random.default_rng(100 + k)) for k in range(8)]
    others = [_gap(articulate(said.phonemes, n, said.wave, s, np.random.default_rng(0), NAMES)) for s in styles]
    assert np.mean([np.var(o - np.mean(others, 0)) for o in others]) > within


def test_loudness_and_rate_modulate(clip):
    said, n = clip
    ramp = said.wave * np.linspace(0.1, 1.0, len(said.wave)).astype(np.float32)
    plain, louder = (speech_channels(said.phonemes, n, w, Style(loudness_gain=0.5))[:, 0] for w in (said.wave, ramp))
    assert louder[: n // 4].sum() < plain[: n // 4].sum() and louder[-n // 4 :].sum() > plain[-n // 4 :].sum()
    quiet = speech_channels(said.phonemes, n, said.wave * 0.01, Style(loudness_gain=0.5))[:, 0]
    assert np.allclose(quiet, plain, atol=0.05)  # only loudness within the clip counts
    fast = [Phoneme("ɑ", 0.04 * k, 0.04 * k + 0.04) for k in range(20)]
    slow = [Phoneme("ɑ", 0.16 * k, 0.16 * k + 0.16) for k in range(5)]
    assert rate_factor(fast, np.array([0.4]))[0] < 0.8 < 1.15 < rate_factor(slow, np.array([0.4]))[0]


def test_blinks_are_as_many_as_asked():
    lid = articulation.blink_actions(25 * 600, Style(blinks=15.0), np.random.default_rng(0))["eyeBlinkLeft"]
    blinks = ((lid[1:] > 0.5) & (lid[:-1] <= 0.5)).sum()
    assert 110 < blinks < 190 and lid.max() > 0.9
    assert not articulation.blink_actions(100, Style(), np.random.default_rng(0))["eyeBlinkLeft"].any()


def test_noise_has_the_stated_variance_and_memory():
    noise = articulation._autoregressive(40_000, 2, 0.25, np.random.default_rng(0))
    assert np.allclose(noise.var(0), 1.0, atol=0.06)
    lag = (noise[5:] * noise[:-5]).mean(0)
    assert np.allclose(lag, np.exp(-5 / 25 / 0.25), atol=0.05)


def test_symbols_and_targets_are_complete():
    assert set(CLASS_OF.values()) | {"rest"} == set(VISEMES)
    value, strength = target_matrix(list(VISEMES))
    assert value.shape == strength.shape == (len(TARGETS), 9)
    assert (value >= 0).all() and (value <= 1).all() and (strength > 0).all()
    assert [c for _, c in classes("tʃ")] == ["TD", "SH"] and classes(PAUSE) == [(PAUSE, "rest")]
    with pytest.raises(ValueError, match="U\\+0444"):
        classes("ф")


def test_a_model_without_the_actions_is_refused():
    with pytest.raises(ValueError, match="jawOpen"):
        pack({"jawOpen": np.zeros(3)}, 3, ["mouthClose"])
