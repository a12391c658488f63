"""Did the mouth of a dubbed real clip move with the new speech? There is no truth, so landmarks found in the result are asked.

    python -m paperlib.evaluation.dubbed --name clip --video IN --speech WAV --out OUT.mp4 [--no-adapt]

dubs the clip and scores it: r of the lip opening found in the result with the opening that stage 1 predicted for the new speech, and with
the opening of the mouth that was there before (a copy of the source has 1 there); both beside the same numbers of the source clip itself.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paperlib import paths
from paperlib.dubbing import DubReport, DubStages, dub, predict_expression
from paperlib.evaluation.expression import opening_mm
from paperlib.face3d.landmarks import interocular, lip_opening
from paperlib.media.audio import load_audio
from paperlib.media.detection import detect
from paperlib.media.video import iter_frames, probe, read_sound
from paperlib.metrics.statistics import correlation
from paperlib.results import Row, interval_fields, provenance, write_results


@dataclass
class Verdict:
    """Openings per frame: found in the source and in the result (share of the eye distance), predicted for the speech (mm)."""

    source: np.ndarray
    result: np.ndarray
    predicted: np.ndarray
    frames_in: int
    frames_out: int
    sound_r: float  # correlation of the result's sound with the speech that was given

    def r(self, a: str, b: str):
        """Correlation of two of the three series, block bootstrap over frames."""
        return correlation(getattr(self, a), getattr(self, b))


def openings(path: Path) -> np.ndarray:
    """(T,) lip opening over eye distance from landmarks found in a video; nan where no face is found or a hand covers the mouth."""
    found = detect(iter_frames(path))
    values = lip_opening(found.lmk) / interocular(found.lmk)
    return np.where(found.found & ~found.covered, values, np.nan)


def judge(source: Path, result: Path, speech: Path, stages: DubStages) -> Verdict:
    """Compare source and result of `dub(source, speech)` with equal length rule "video"."""
    a, b = openings(source), openings(result)
    info = probe(result)
    wave = load_audio(speech).wave
    n = min(len(a), len(b))
    times = (np.arange(n) + 0.5) / float(info.fps)
    predicted = opening_mm(predict_expression(wave, times, stages))
    heard = read_sound(result)
    m = min(len(heard), len(wave))
    lags = range(-1600, 1601, 40)  # encoders shift sound by up to a tenth of a second
    pairs = [(heard[max(0, k) : m + min(0, k)], wave[max(0, -k) : m - max(0, k)]) for k in lags]
    sound = max(float(np.corrcoef(x, y)[0, 1]) for x, y in pairs)
    return Verdict(a[:n], b[:n], predicted, len(a), len(b), sound)


def rows(name: str, verdict: Verdict, report: DubReport, adapt: bool) -> list[Row]:
    """Result rows of one dubbed clip."""
    common = {"table": "controls_dub_real", "data": f"{name}, one clip", "motion": "real", "beta": "predicted"}
    common["track"] = "adapt" if adapt else "plain"
    out = []
    for row, series in (("full", "result"), ("source_unchanged", "source")):
        for metric, other in (("opening_r_speech", "predicted"), ("opening_r_source", "source")):
            ci = verdict.r(series, other)
            if np.isfinite(ci.value):
                fields = interval_fields(ci) | {"n": ci.n}
                how = "n counts frames; block bootstrap over frames"
                out.append(Row(row=row, metric=metric, value=ci.value, protocol=how, **common, **fields))
    counts = {"frames_in": verdict.frames_in, "frames_out": verdict.frames_out, "passed_through": report.frames_passed_through}
    out += [Row(row="full", metric=k, value=float(v), unit="frames", **common) for k, v in counts.items()]
    out.append(Row(row="full", metric="sound_r", value=verdict.sound_r, protocol="result's sound against the speech given", **common))
    out.append(Row(row="full", metric="seconds", value=sum(report.seconds.values()), unit="s", **common))
    return out


def main() -> None:
    """Dub and judge one clip; adds its rows to build/dub_real/results/<name>.json."""
    from paperlib.training import checkpoints

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("name", "video", "speech", "out"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--adapt", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    start = time.perf_counter()
    checkpoints.set_threads()
    stages = checkpoints.load_stages()
    report = dub(args.video, args.speech, args.out, stages, adapt=args.adapt)
    verdict = judge(Path(args.video), Path(args.out), Path(args.speech), stages)
    header = provenance(
        "python -m paperlib.evaluation.dubbed", "classroom", 0, args.name, time.perf_counter() - start,
        notes=report.notes, steps=report.seconds,
    )  # fmt: skip
    found = rows(args.name, verdict, report, args.adapt)
    print(write_results(args.name, found, header, paths.BUILD / "dub_real" / "results"))
    for r in found:
        print(f"  {r.row:18s} {r.metric:18s} {r.value:.3f}" + (f" [{r.low:.2f}, {r.high:.2f}]" if r.low is not None else ""))


if __name__ == "__main__":
    main()
