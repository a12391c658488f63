"""The realism audit as a command: measures recorded people and the rules, writes realism.json, draws realism.png.

    paperlib evaluate realism --grid FOLDER                      into build/<profile>/results, no figure
    python -m paperlib.corpus.realism_report --grid FOLDER       into data/results and figures

Settings of `rule` (`articulation.Tuning`) were chosen on every other GRID clip; all numbers here come from the clips in between unless
a row says "choose". ROUNDS keeps the way there: each is measured anew from its settings.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paperlib import paths
from paperlib.config import FPS
from paperlib.corpus import realism, speech, world
from paperlib.corpus import realism_data as data
from paperlib.corpus.articulation import TUNING, Tuning
from paperlib.corpus.realism import Audit, Track
from paperlib.corpus.speech import Phoneme
from paperlib.errors import InputError
from paperlib.media.audio import SAMPLES_PER_FRAME
from paperlib.results import Row, provenance, write_results
from paperlib.seeding import derived_seed

FIRST = Tuning(
    jaw_open=0.6, pace=1.0, closure_pace=1.0, loudness_gain=(0.1, 0.5), loudness_limit=1.3, lead=0.035, noise=1.0, depth=1.0, idle=0.06,
    rest_core=0.85, breath=0.0,
)  # fmt: skip
# (what changed, everything that differs from FIRST); a round was kept when the choosing half's distance fell by LEAST or more. That
# was on the face as it then was. On the shipped face, whose jaw opens a little less, the last round neither helps nor harms.
ROUNDS: tuple[tuple[str, dict], ...] = (
    ("as first written", {}),
    ("rest gives way sooner", {"rest_core": 0.25}),
    ("a breath before speech", {"rest_core": 0.25, "breath": 0.14}),
    ("deeper breath", {"rest_core": 0.25, "breath": 0.2}),
)
TRIALS: tuple[tuple[str, dict], ...] = (  # from the last round
    ("deeper breath still", {"breath": 0.28}),
    ("smaller jaw", {"jaw_open": 0.54}),
    ("small openings kept", {"depth": 0.88, "jaw_open": 0.56}),
    ("more noise", {"noise": 1.5}),
    ("slower jaw", {"pace": 0.8}),
    ("weaker loudness", {"loudness_gain": (0.0, 0.3)}),
    ("earlier mouth", {"lead": 0.06}),
)
LEAST = 0.005
QUANTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
REPEATS = 3  # synthetic speakers on each recorded sentence
TAKES, TAKE_SENTENCES = 6, 10
CORPUS_CLIPS = 40
GRID_PAUSES = (0.6, 1.0)  # s of silence around espeak-ng's reading of a GRID sentence, as in the recordings
Said = tuple[Sequence[Phoneme], np.ndarray]  # phonemes, wave
NOTES = {
    "people": "GRID, dlib landmarks",
    "same sound": "moved by a rule on GRID's own sound and word times: comparable in everything",
    "same words": "GRID's sentences spoken by espeak-ng between pauses as long as GRID's: other voice, same grammar",
    "corpus": "the embedded corpus's sentences: other grammar, short pauses; r_index, r_ridge_other and lag are not comparable with GRID",
}


@dataclass(frozen=True)
class Recorded:
    """A recorded clip; phonemes when it has word times; `choose`: its half chose the settings."""

    track: Track
    wave: np.ndarray
    phonemes: Sequence[Phoneme] | None
    text: str
    choose: bool


def people(folder: Path, clips: int | None = None, measured: bool = False) -> list[Recorded]:
    """Recorded clips, every other one (in the order of `grid_files`) for choosing.

    clips: at most so many, other speakers first. measured: only those whose landmarks are in the cache.
    """
    ordered = list(enumerate(data.grid_files(folder)))
    if measured:
        ordered = [item for item in ordered if data.landmark_file(item[1]).exists()]
    ordered.sort(key=lambda item: (item[1].with_suffix(".align").exists(), derived_seed("grid order", item[1].stem)))
    out = []
    for place, path in ordered[:clips]:
        lmk, wave = data.grid_landmarks(path)
        align = path.with_suffix(".align")
        words = data.read_alignment(align) if align.exists() else []
        track = realism.track(f"{path.parent.name}/{path.stem}", realism.relative_opening(lmk), wave)
        text = " ".join(word for word, _, _ in words if word not in ("sil", "sp"))
        out.append(Recorded(track, wave, data.aligned_phonemes(words) if words else None, text, place % 2 == 0))
    return out


def moved(rule: str, number: int, like: Track, said: Said, noise: float, tuning: Tuning = TUNING) -> Track:
    """`like`'s sound with the opening of rule `rule` and synthetic speaker `number`, seen through a detector's `noise`."""
    opening = data.rule_opening(rule, number, said[0], said[1], len(like), tuning=tuning)
    return replace(like, opening=realism.with_noise(opening, noise, np.random.default_rng(number)))


def on_same_sound(rule: str, recorded: Sequence[Recorded], noise: float, tuning: Tuning = TUNING, first: int = 0) -> list[Track]:
    """REPEATS synthetic speakers on every recorded sentence with word times; numbers start at `first`."""
    known = [r for r in recorded if r.phonemes is not None]
    jobs = [(first + k, r) for k, r in enumerate(known * REPEATS)]
    return [moved(rule, k, r.track, (r.phonemes, r.wave), noise, tuning) for k, r in jobs]


def corpus_speech(count: int) -> list[tuple[Track, Said]]:
    """Sentences of the embedded corpus by `count` synthetic speakers; the tracks' mouths stand still."""
    out = []
    for k in range(count):
        said, n = data.embedded_speech(k)
        wave = said.wave[: n * SAMPLES_PER_FRAME]
        out.append((realism.track(f"speaker {k}", np.zeros(n), wave), (said.phonemes, wave)))
    return out


def same_words(recorded: Sequence[Recorded]) -> list[tuple[Track, Said]]:
    """The recordings' sentences read by espeak-ng, by as many synthetic speakers; the tracks' mouths stand still."""
    voices, out = speech.voices("en"), []
    for k, clip in enumerate(r for r in recorded if r.text):
        who = world.draw_speaker(0, k)
        said = speech.with_silence(speech.synthesize(clip.text, voices[who.voice % len(voices)], who.rate, who.pitch), *GRID_PAUSES)
        still = realism.track(clip.track.name, np.zeros(int(said.seconds * FPS)), said.wave)
        out.append((still, (said.phonemes, said.wave)))
    return out


def ceiling(rule: str) -> tuple[float, float]:
    """Explainable share of the opening's variance in TAKES takes of TAKE_SENTENCES sentences: mean and standard error."""
    found = []
    for k in range(TAKE_SENTENCES):
        said, n = data.embedded_speech(k)
        wave = said.wave[: n * 640]
        found.append(realism.noise_ceiling(np.stack([data.rule_opening(rule, k, said.phonemes, wave, n, take=t) for t in range(TAKES)])))
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))


def audit_rows(row: str, clips: Audit, motion: str, what: str, against: Audit | None = None) -> list[Row]:
    """Rows of one source: scalars with 95% intervals over clips, quantiles, lag curve, distances to `against`."""
    common = {"data": what, "motion": motion, "n": clips.clips, "protocol": "n counts clips"}
    rows = []
    for name, (value, error) in clips.scalars.items():
        unit = {"opening_sd": "IOD", "opening_p95": "IOD", "speed_mean": "IOD/s"}.get(name, "r")
        low, high = value - 1.96 * error, value + 1.96 * error
        rows.append(Row("realism", row, name, round(value, 4), unit, low=round(low, 4), high=round(high, 4), **common))
    for name, sample, unit in (("opening", clips.opening, "IOD"), ("velocity", clips.velocity, "IOD/s")):
        rows += [Row("realism", row, f"{name}_q{q:02d}", round(float(np.percentile(sample, q)), 4), unit, **common) for q in QUANTILES]
    rows += [Row("realism", row, f"lag_{lag:+d}", round(float(r), 4), "r", **common) for lag, r in zip(realism.LAGS, clips.lag)]
    if against is not None:
        found = realism.distances(clips, against)
        rows += [Row("realism", row, f"distance_{name}", round(value, 4), **common) for name, value in found.items()]
    return rows


def measure(folder: Path, clips: int | None = None, measured: bool = False) -> list[Row]:
    """Every row of the audit. About a second a clip once the landmarks are cached, two more before."""
    recorded = people(folder, clips, measured)
    choose, report = ([r for r in recorded if r.choose == part] for part in (True, False))
    noise = realism.detector_noise([r.track for r in recorded])
    all_, held, seen = (realism.audit([r.track for r in part]) for part in (recorded, report, choose))
    rows = audit_rows("people", held, "recorded", "GRID, reported half", seen) + audit_rows("people_all", all_, "recorded", "GRID")
    groups = [[r.track for r in recorded if (r.phonemes is not None) == known] for known in (True, False)]
    if min(map(len, groups)) >= 2 * realism.FOLDS:
        one, others = map(realism.audit, groups)
        rows += audit_rows("people_others", others, "recorded", "GRID, nine other speakers, against s1", one)
    rows.append(Row("realism", "people", "detector_noise", round(noise, 5), "IOD", data="GRID", n=len(recorded), protocol="n counts clips"))
    for number, (_, changes) in enumerate(ROUNDS):
        tuning = replace(FIRST, **changes)
        for part, against, first, name in ((choose, seen, 0, "choose"), (report, held, 1000, "report")):
            found = realism.audit(on_same_sound("rule", part, noise, tuning, first))
            what = f"GRID's sound, {name} half"
            rows += audit_rows(f"round{number}_{name}", found, "rule", what, against)
    for number, (what, changes) in enumerate(TRIALS):
        found = realism.audit(on_same_sound("rule", choose, noise, replace(TUNING, **changes), 0))
        total = realism.distances(found, seen)["total"]
        rows.append(
            Row("realism", f"trial{number}", "distance_total", round(total, 4), data="GRID's sound, choose half", motion="rule",
                n=found.clips, protocol=f"{what}; n counts clips")
        )  # fmt: skip
    spoken = {
        "same_words": ("GRID's words by espeak-ng", same_words(report)),
        "corpus": ("embedded sentences", corpus_speech(CORPUS_CLIPS)),
    }
    for rule in data.RULES:
        same = on_same_sound(rule, report, noise, TUNING, 1000)
        rows += audit_rows(f"{rule}_same_sound", realism.audit(same), rule, "GRID's sound, report half", held)
        real = [r.track for r in report if r.phonemes is not None] * REPEATS
        agree = [realism.correlation(a.opening, b.opening) for a, b in zip(same, real, strict=True)]
        rows.append(_mean_row(f"{rule}_same_sound", "r_recorded", agree, rule, "GRID's sound, report half"))
        for name, (what, sounds) in spoken.items():
            found = realism.audit([moved(rule, k, still, said, noise) for k, (still, said) in enumerate(sounds)])
            rows += audit_rows(f"{rule}_{name}", found, rule, what, held)
        mean, error = ceiling(rule)
        rows.append(
            Row("realism", f"{rule}_corpus", "noise_ceiling", round(mean, 4), "share of variance", data="embedded sentences", motion=rule,
                low=round(mean - 1.96 * error, 4), high=round(mean + 1.96 * error, 4), n=TAKE_SENTENCES,
                protocol=f"{TAKES} takes each; n counts sentences, one speaker each")
        )  # fmt: skip
    return rows


def _mean_row(row: str, metric: str, values: Sequence[float], motion: str, what: str) -> Row:
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    interval = {"low": round(mean - 1.96 * error, 4), "high": round(mean + 1.96 * error, 4)}
    return Row("realism", row, metric, round(mean, 4), "r", data=what, motion=motion, n=len(values), protocol="n counts clips", **interval)


def evaluate(folder: Path, out: Path, clips: int | None = None, measured: bool = False, command: str | None = None) -> Path:
    """Measure GRID's clips in `folder` and write `out`/realism.json. clips, measured: as of `measure`. InputError without clips."""
    start = time.perf_counter()
    rows = measure(folder, clips, measured)
    rounds = [
        {"what": what, "settings": {k: list(v) if isinstance(v, tuple) else v for k, v in changes.items()}} for what, changes in ROUNDS
    ]
    header = provenance(
        command or "paperlib evaluate realism --grid DIR", "-", 0, "GRID and the embedded corpus", time.perf_counter() - start,
        rounds=rounds, least=LEAST, notes=NOTES, opening="IOD: distance of the outer eye corners; each clip less its own 5th percentile",
    )  # fmt: skip
    return write_results("realism", rows, header, out)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write, draw."""
    from paperlib.corpus.realism_figure import draw

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", type=Path, required=True, help="folder of GRID clips (*.mpg, *.align)")
    parser.add_argument("--clips", type=int, help="how many clips (default: all)")
    parser.add_argument("--measured", action="store_true", help="only clips whose landmarks are in the cache from an earlier run")
    parser.add_argument("--out", type=Path, default=paths.RESULTS, help="folder of the results (default data/results)")
    parser.add_argument("--figures", type=Path, default=paths.FIGURES, help="folder of the figure (default figures)")
    args = parser.parse_args(argv)
    if args.out.resolve() == args.figures.resolve():
        raise InputError(f"{args.out}: results and figure cards have equal names; give --out and --figures different folders")
    path = evaluate(args.grid, args.out, args.clips, args.measured, "python -m paperlib.corpus.realism_report --grid DIR")
    print(f"wrote {path} and {draw(path, args.figures)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
