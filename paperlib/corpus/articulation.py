"""Motion source `rule`: phonemes to face actions by dominance functions, with a speaker's style and what speech does not decide.

Coarticulation after M. M. Cohen and D. W. Massaro, "Modeling coarticulation in synthetic visual speech", 1993: each segment s has,
for each articulator p, a target T_sp and a dominance D_sp(t) = alpha_sp exp(-theta_p |t - t_s|) around its centre, and the articulator
follows sum_s D_sp T_sp / sum_s D_sp. The rates theta differ before and after (rounding is anticipated) and by articulator.

Face = speech(phonemes, loudness, rate, style) x noise(take) + expression(take). The last two know nothing of the speech, so a
counterfactual pair (same take, other speech) is `articulate` called twice with equal generators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from paperlib.config import FPS
from paperlib.corpus.speech import PAUSE, Phoneme
from paperlib.corpus.visemes import CHANNELS, CONSTRICTIONS, segments, target_matrix
from paperlib.errors import check_shape
from paperlib.media.audio import loudness, set_level

# theta before and after a segment's centre, 1/s. Lips round early and let go late; closures are quick.
THETA = {
    "jaw": (20.0, 22.0), "lift": (20.0, 22.0), "round": (11.0, 16.0), "funnel": (12.0, 16.0), "spread": (16.0, 18.0),
    "close": (60.0, 60.0), "tuck": (45.0, 45.0), "tongue": (45.0, 45.0), "press": (55.0, 55.0),
}  # fmt: skip
CORE = {"rest": 0.85, "PP": 0.5, "FF": 0.4}  # share of the segment in which the dominance stays at its top; 0.2 for the others
BREATH_PAUSE = 0.15  # s; clips are cut shortly before speech, the breath is then under way
WIDEST = 0.62  # largest jaw target
USUAL_PHONE = 0.078  # s, mean length of a phone at 170 words a minute
NOISE_SECONDS = 0.25  # correlation time of articulatory noise
DRIFT_SECONDS = 1.8  # of brow and smile drift
JAW, LIPS = ("jaw", "lift"), ("round", "funnel", "spread")  # channels on the jaw's clock and gain, and on the lips'
Rule = Callable[[Sequence[Phoneme], np.ndarray, np.ndarray], np.ndarray]  # (phonemes, times (T, 9) s, sharpness (9,)) -> (T, 9)


@dataclass(frozen=True)
class Tuning:
    """What the realism audit turned until its distances stopped falling (`corpus.realism_report` names the rounds)."""

    jaw_open: float = 0.6  # jawOpen of the widest speech: at 1 the face model's lips are 34 mm apart, an open vowel parts them by 10 to 15
    pace: float = 1.0  # factor on theta of jaw and lift
    closure_pace: float = 1.0  # factor on theta of the lips' meeting
    loudness_gain: tuple[float, float] = (0.1, 0.5)  # range of the speakers' dB of opening per dB of loudness
    loudness_limit: float = 1.3  # factor on opening between 1 over this and this
    lead: float = 0.035  # s, mean over speakers
    noise: float = 1.0  # factor on the speakers' articulatory noise
    depth: float = 1.0  # exponent on the opening, relative to the widest: > 1 keeps small openings small
    idle: float = 0.06  # movement of jaw and lips that is there in silence too, per unit of noise
    rest_core: float = 0.25  # share of a pause in which rest is at its strongest: less lets the mouth open early and close late
    breath: float = 0.2  # jaw channel: the speakers' mean opening for the breath before a phrase


TUNING = Tuning()


@dataclass(frozen=True)
class Style:
    """How one speaker moves; all numbers are plain floats. The default is a plain, noiseless, symmetric speaker."""

    amplitude: float = 1.0  # everything
    jaw: float = 1.0  # gain of jaw and lip opening
    lips: float = 1.0  # gain of rounding and spreading
    tongue: float = 1.0  # gain of the tongue
    lead: float = 0.03  # s by which the jaw runs ahead of the sound
    lips_lead: float = 0.03  # the same of the lips' shape
    tongue_lead: float = 0.0
    sharpness: float = 1.0  # factor on theta: > 1 crisp, < 1 mumbled
    loudness_gain: float = 0.3  # dB of opening per dB of loudness above the clip's own level
    rest_jaw: float = 0.0  # jawOpen at rest
    rest_press: float = 0.0
    smile: float = 0.0  # always present
    asymmetry: float = 0.0  # -1..1; > 0: the left side moves more
    breath: float = 0.0  # jaw channel: mean opening for the breath before a phrase
    noise: float = 0.0  # standard deviation of articulatory noise, relative
    wobble: float = 0.0  # s, standard deviation of timing noise
    brow_drift: float = 0.0
    smile_drift: float = 0.0
    blinks: float = 0.0  # a minute


def draw_style(rng: np.random.Generator, tuning: Tuning = TUNING) -> Style:
    """A random speaker. Ranges are ours; the realism audit compares the outcome with recorded speakers."""
    return Style(
        amplitude=float(np.clip(rng.lognormal(0.0, 0.12), 0.75, 1.3)),
        jaw=float(np.clip(rng.lognormal(0.0, 0.15), 0.7, 1.35)),
        lips=float(np.clip(rng.lognormal(0.0, 0.2), 0.6, 1.5)),
        tongue=float(np.clip(rng.lognormal(0.0, 0.2), 0.6, 1.5)),
        lead=float(np.clip(rng.normal(tuning.lead, 0.02), -0.02, 0.1)),
        lips_lead=float(np.clip(rng.normal(tuning.lead + 0.01, 0.025), -0.02, 0.12)),
        tongue_lead=float(np.clip(rng.normal(0.0, 0.01), -0.02, 0.02)),
        sharpness=float(np.clip(rng.lognormal(0.0, 0.18), 0.65, 1.5)),
        loudness_gain=float(rng.uniform(*tuning.loudness_gain)),
        rest_jaw=float(max(0.0, rng.normal(0.0, 0.015))),
        rest_press=float(max(0.0, rng.normal(0.0, 0.08))),
        smile=float(max(0.0, rng.normal(0.05, 0.1))),
        asymmetry=float(np.clip(rng.normal(0.0, 0.15), -0.4, 0.4)),
        breath=float(tuning.breath * np.clip(rng.lognormal(0.0, 0.3), 0.4, 2.0)),
        noise=float(tuning.noise * rng.uniform(0.1, 0.25)),
        wobble=float(rng.uniform(0.005, 0.015)),
        brow_drift=float(rng.uniform(0.04, 0.18)),
        smile_drift=float(rng.uniform(0.02, 0.1)),
        blinks=float(rng.uniform(8.0, 25.0)),
    )


def articulate(
    phonemes: Sequence[Phoneme],
    n_frames: int,
    wave: np.ndarray,
    style: Style,
    rng: np.random.Generator,
    action_names: Sequence[str],
    tuning: Tuning = TUNING,
) -> np.ndarray:
    """Weights of the face actions at each frame's middle.

    Args:
        phonemes: from `speech.synthesize`; beyond the last one the mouth rests.
        n_frames: T.
        wave: (N,) float32, 16 kHz: its loudness scales the opening.
        style: the speaker.
        rng: the take: noise, timing wobble, expression, blinks. Equal generators give equal streams whatever is said, and a longer
            clip begins with the shorter one's streams.
        action_names: order of the columns (ARKit names, as `MorphableModel.action_names`).
        tuning: other than TUNING only in the audit.

    Returns:
        (T, len(action_names)) float32 in [0, 1].

    Raises:
        ValueError: an action this rule needs is not among `action_names`, or a phoneme is unknown.
    """
    return perform(None, phonemes, n_frames, wave, style, rng, action_names, tuning)


def perform(
    rule: Rule | None,
    phonemes: Sequence[Phoneme],
    n_frames: int,
    wave: np.ndarray,
    style: Style,
    rng: np.random.Generator,
    action_names: Sequence[str],
    tuning: Tuning = TUNING,
) -> np.ndarray:
    """What `articulate` does, for any `rule` that turns phonemes into articulator channels (None: `dominance`); arguments as there."""
    check_shape("wave", wave, (None,))
    take = rng.spawn(5)  # one generator each, so that no stream shifts another
    wobble = style.wobble * _autoregressive(n_frames, 2, NOISE_SECONDS, take[1])
    channels = speech_channels(phonemes, n_frames, wave, style, wobble, rule, tuning)
    noise = style.noise * _autoregressive(n_frames, len(CHANNELS), NOISE_SECONDS, take[0])
    free = [k for k, name in enumerate(CHANNELS) if name not in CONSTRICTIONS]
    channels[:, free] = channels[:, free] * np.clip(1.0 + noise[:, free], 0.3, 1.7) + tuning.idle * noise[:, free]
    channels[:, 0] += style.breath * breaths(phonemes, n_frames, take[4])
    actions = channels_to_actions(np.clip(channels, 0.0, 1.0), style, tuning.jaw_open)
    for source in (expression_actions(n_frames, style, take[2]), blink_actions(n_frames, style, take[3])):
        for name, values in source.items():
            actions[name] = actions.get(name, 0.0) + values
    return pack(actions, n_frames, action_names)


def dominance(
    phonemes: Sequence[Phoneme],
    times: np.ndarray,
    sharpness: float | np.ndarray = 1.0,
    rest: np.ndarray | None = None,
    rest_core: float | None = None,
) -> np.ndarray:
    """Articulator channels (T, 9) at `times` (T,) or (T, 9) seconds, by Cohen and Massaro's rule, before any style.

    `sharpness` is a factor on THETA, one for all channels or (9,); `rest` (9,) replaces the targets of silence,
    `rest_core` CORE's share of it. Times outside the phonemes are silence.
    """
    spoken = list(phonemes)
    first, last = (spoken[0].start, spoken[-1].end) if spoken else (0.0, 0.0)
    silence = [Phoneme(PAUSE, first - 1.0, first), *spoken, Phoneme(PAUSE, last, last + 1.0)]
    parts = segments(silence)
    value, alpha = target_matrix([s.viseme for s in parts])
    vowel_gain = np.array([s.gain for s in parts])
    value[:, :2] *= vowel_gain[:, None]  # jaw and lift
    is_rest = np.array([s.viseme == "rest" for s in parts])
    if rest is not None:
        value[is_rest] = rest
    before, after = (sharpness * np.array([THETA[c][k] for c in CHANNELS]) for k in (0, 1))
    times = np.broadcast_to(np.asarray(times, float).reshape(len(times), -1), (len(times), len(CHANNELS)))
    top, bottom = np.zeros(times.shape), np.zeros(times.shape)
    for s, target, strength in zip(parts, value, alpha):
        share = rest_core if s.viseme == "rest" and rest_core is not None else CORE.get(s.viseme, 0.2)
        core = share * (s.end - s.start) / 2.0
        tau = times - s.centre
        distance = np.maximum(np.abs(tau) - core, 0.0)
        weight = strength * np.exp(-np.minimum(np.where(tau < 0.0, before, after) * distance, 60.0))
        top += weight * target
        bottom += weight
    return top / np.maximum(bottom, 1e-30)


def speech_channels(
    phonemes: Sequence[Phoneme],
    n_frames: int,
    wave: np.ndarray,
    style: Style,
    wobble: np.ndarray | float = 0.0,
    rule: Rule | None = None,
    tuning: Tuning = TUNING,
) -> np.ndarray:
    """Channels (T, 9) in [0, 1] of a speaker without noise: the rule (default `dominance`), then gains, loudness and speaking rate.

    Jaw, lips and tongue have their own clocks and gains. `wobble` seconds, (T, 2) or a number, is added to the jaw's and the lips' lead.
    Closures stay on the audio's clock and are brought to a full 1.
    """
    middle = (np.arange(n_frames) + 0.5) / FPS
    times = np.repeat(middle[:, None], len(CHANNELS), 1)
    pace = np.full(len(CHANNELS), style.sharpness)
    wobble = np.broadcast_to(np.asarray(wobble, float), (n_frames, 2))
    for group, lead, shift in ((JAW, style.lead, wobble[:, 0]), (LIPS, style.lips_lead, wobble[:, 1]), (("tongue",), style.tongue_lead, 0)):
        times[:, [CHANNELS.index(name) for name in group]] += np.reshape(lead + shift, (-1, 1))
    pace[[CHANNELS.index(name) for name in JAW]] *= tuning.pace
    pace[[CHANNELS.index(name) for name in ("close", "press")]] *= tuning.closure_pace
    channels = (rule or partial(dominance, rest_core=tuning.rest_core))(phonemes, times, pace)
    rate = rate_factor(phonemes, middle)
    opening = style.amplitude * style.jaw * loudness_factor(wave, n_frames, style.loudness_gain, tuning.loudness_limit) * rate
    for name in JAW:
        column = CHANNELS.index(name)
        channels[:, column] = WIDEST * (np.maximum(channels[:, column], 0.0) / WIDEST) ** tuning.depth * opening
    for name in LIPS:
        channels[:, CHANNELS.index(name)] *= style.amplitude * style.lips * rate
    channels[:, CHANNELS.index("tongue")] *= style.tongue
    channels[:, CHANNELS.index("close")] *= 1.2  # lips press against each other: the target lies beyond the contact
    return np.clip(channels, 0.0, 1.0)


def breaths(phonemes: Sequence[Phoneme], n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """(T,) openings for breath, mean height 1, in the last half second of every pause of BREATH_PAUSE or more that speech follows."""
    middle, out = (np.arange(n_frames) + 0.5) / FPS, np.zeros(n_frames)
    for pause, phone in zip(phonemes, phonemes[1:]):
        height, ahead, width = rng.exponential(), rng.uniform(0.1, 0.4), rng.uniform(0.08, 0.16)
        if pause.symbol == PAUSE and phone.symbol != PAUSE and pause.end - pause.start >= BREATH_PAUSE:
            out += height * np.exp(-0.5 * ((middle - pause.end + ahead) / width) ** 2)
    return out


def loudness_factor(wave: np.ndarray, n_frames: int, gain: float, limit: float = 1.3) -> np.ndarray:
    """Factor (T,) on opening, 1 / limit .. limit: `gain` dB per dB of smoothed loudness against the clip's own median while sounding."""
    level = loudness(set_level(wave), n_frames)
    sounding = level > level.max() - 30.0
    if level.max() < -60.0 or not sounding.any():
        return np.ones(n_frames)
    relative = np.where(sounding, level - np.median(level[sounding]), 0.0)
    smooth = np.convolve(np.pad(relative, 2, mode="edge"), np.array([1, 2, 3, 2, 1]) / 9.0, mode="valid")
    return np.clip(10.0 ** (gain * smooth / 20.0), 1.0 / limit, limit)


def rate_factor(phonemes: Sequence[Phoneme], times: np.ndarray) -> np.ndarray:
    """Factor (T,) on amplitude, 0.7..1.2: fast speech undershoots (local phone length over the usual one, to the power 0.4)."""
    phones = [p for p in phonemes if p.symbol != PAUSE]
    if not phones:
        return np.ones(len(times))
    centres = np.array([(p.start + p.end) / 2 for p in phones])
    lengths = np.array([p.end - p.start for p in phones])
    weight = np.exp(-0.5 * ((times[:, None] - centres) / 0.25) ** 2) + 1e-12
    return np.clip(((weight @ lengths) / weight.sum(1) / USUAL_PHONE) ** 0.4, 0.7, 1.2)


def channels_to_actions(channels: np.ndarray, style: Style, jaw_open: float = TUNING.jaw_open) -> dict[str, np.ndarray]:
    """Channels (T, 9) to ARKit actions, each (T,). `mouthClose` undoes the jaw where the lips meet, so the gap is jawOpen - mouthClose."""
    jaw, lift, round_, funnel, spread, close, tuck, tongue, press = channels.T
    apart = (1.0 - close) * (1.0 - 0.8 * tuck)
    jaw = np.maximum(jaw_open * jaw, style.rest_jaw)
    left, right = 1.0 + style.asymmetry, 1.0 - style.asymmetry
    smile = style.smile * (1.0 - 0.7 * round_)
    still = np.clip(1.0 - 6.0 * jaw, 0.0, 1.0)
    actions = {
        "jawOpen": jaw,
        "mouthClose": close * jaw,
        "mouthPucker": round_,
        "mouthFunnel": 0.8 * funnel * (1.0 - close),
        "mouthRollLower": 0.75 * tuck + 0.10 * close * press,
        "mouthRollUpper": 0.08 * close * press,
        "mouthShrugUpper": 0.10 * tuck,
        "jawForward": 0.15 * funnel,
        "tongueOut": tongue * (1.0 - close),
    }
    for side, gain in (("Left", left), ("Right", right)):
        actions[f"mouthLowerDown{side}"] = gain * 0.55 * lift * apart
        actions[f"mouthUpperUp{side}"] = gain * (0.40 * lift * (1.0 - close) + 0.20 * tuck)
        actions[f"mouthStretch{side}"] = gain * 0.50 * spread
        actions[f"mouthSmile{side}"] = gain * (0.30 * spread + smile)
        actions[f"mouthDimple{side}"] = gain * 0.12 * spread
        actions[f"mouthPress{side}"] = gain * (0.5 * press + style.rest_press * still)
    return actions


def expression_actions(n_frames: int, style: Style, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Slow expression that has nothing to do with the words: brows up or down, smile, squint; each (T,) >= 0."""
    drift = _autoregressive(n_frames, 3, DRIFT_SECONDS, rng)
    brow, smile, squint = style.brow_drift * drift[:, 0], style.smile_drift * drift[:, 1], style.brow_drift * drift[:, 2]
    up, down = np.maximum(brow, 0.0), np.maximum(-brow, 0.0)
    actions = {"browInnerUp": up}
    for side in ("Left", "Right"):
        actions[f"browOuterUp{side}"] = 0.7 * up
        actions[f"browDown{side}"] = down
        actions[f"mouthSmile{side}"] = np.maximum(smile, 0.0)
        actions[f"mouthFrown{side}"] = 0.7 * np.maximum(-smile, 0.0)
        actions[f"eyeSquint{side}"] = 0.6 * np.maximum(squint, 0.0)
    return actions


def blink_actions(n_frames: int, style: Style, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Blinks: 80 ms down, 40 ms shut, 160 ms up; at least 0.6 s apart, `style.blinks` a minute on average; each (T,) in [0, 1]."""
    lid = np.zeros(n_frames)
    if style.blinks > 0.0:
        middle = (np.arange(n_frames) + 0.5) / FPS
        mean = max(60.0 / style.blinks, 0.7)
        time = rng.exponential(mean)
        while time < n_frames / FPS:
            after = middle - time
            lid = np.maximum(lid, np.clip(np.minimum(after / 0.08, (0.28 - after) / 0.16), 0.0, 1.0))
            time += 0.6 + rng.exponential(mean - 0.6)
    return {"eyeBlinkLeft": lid, "eyeBlinkRight": lid}


def pack(actions: dict[str, np.ndarray], n_frames: int, action_names: Sequence[str]) -> np.ndarray:
    """Named (T,) weights as one (T, len(action_names)) float32 array clipped to [0, 1]; ValueError for a name that is not a column."""
    names = list(action_names)
    missing = sorted(set(actions) - set(names))
    if missing:
        raise ValueError(f"the face model lacks the actions {', '.join(missing)}")
    out = np.zeros((n_frames, len(names)))
    for name, values in actions.items():
        out[:, names.index(name)] = values
    return np.clip(out, 0.0, 1.0).astype(np.float32)


def _autoregressive(n_frames: int, width: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """AR(1) noise (T, width), mean 0, variance 1, correlation exp(-dt/seconds)."""
    keep = np.exp(-1.0 / (FPS * seconds))
    shocks = rng.standard_normal((n_frames, width))
    out = np.empty((n_frames, width))
    state = np.zeros(width)
    for t in range(n_frames):
        state = shocks[t] if t == 0 else keep * state + np.sqrt(1.0 - keep**2) * shocks[t]
        out[t] = state
    return out
