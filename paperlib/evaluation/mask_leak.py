"""What the hole tells the painter: lip opening read off the mask's outline, on rendered and on real clips (PROTOCOL rule 3).

    python -m paperlib.evaluation.mask_leak [--prepared FOLDER ...] [--out FOLDER]

Rows: `posed`, the outline that is used (known pose and a neutral mouth; on real clips the pose of nose and eye corners); `fitted_pose`, a
neutral mouth in the pose that was fitted to all landmarks; `own`, the frame's own landmarks, the leak itself; `place`, a polynomial of
the frame's place in the clip, which sees no picture at all. Metric `r`: ridge on clips it has not seen. On real clips heads nod as
people speak, and a corpus with one grammar opens mouths at the same places; so `r_beyond_place` asks what an outline tells of
the opening that the place has left. FOLDER: made by `paperlib prepare grid | voxceleb | lrw`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from paperlib import config, paths
from paperlib.corpus import pairs
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.prepared import PreparedCorpus
from paperlib.evaluation.controls import held_out_ridge
from paperlib.media.cropping import mouth_polygon
from paperlib.results import Row, provenance, write_results

DEGREE = 7  # of the polynomial of place


def place(frames: int) -> np.ndarray:
    """(T, DEGREE, 1) powers of the frame's place in the clip, 0 to 1; times 100, so that ridge's penalty is small beside them."""
    return 100 * np.linspace(0, 1, frames)[:, None, None] ** np.arange(1, DEGREE + 1)[None, :, None]


def leaks(outlines: dict[str, list[np.ndarray]], openings: list[np.ndarray]) -> dict[str, dict[str, float]]:
    """r and r_beyond_place of each kind of outline, and r of `place`. outlines: per clip (T, P, 2) px; openings: per clip (T,)."""
    truth = [v - v.mean() for v in openings]
    known = held_out_ridge([place(len(v)) for v in openings], truth)
    rest = [a - b for a, b in zip(truth, known, strict=True)]
    found = {"place": {"r": _r(known, truth)}}
    for name, outline in outlines.items():
        found[name] = {
            "r": _r(held_out_ridge(outline, truth), truth),
            "r_beyond_place": _r(held_out_ridge(outline, rest), rest),
        }
    return found


def _r(predicted: list[np.ndarray], truth: list[np.ndarray]) -> float:
    return float(np.corrcoef(np.concatenate(predicted), np.concatenate([v - v.mean() for v in truth]))[0, 1])


def measure(clips: list, size: int, fitted: bool) -> dict[str, dict[str, float]]:
    """`leaks` of clips with lmk, lmk_neutral and coeffs; fitted: their coefficients come from pictures, so a fitted pose exists."""
    kinds = {"posed": [c.lmk_neutral for c in clips], "own": [c.lmk for c in clips]}
    if fitted:
        kinds["fitted_pose"] = [pairs.neutral_landmarks(c.coeffs, size) for c in clips]
    outlines = {name: [mouth_polygon(lmk) for lmk in lists] for name, lists in kinds.items()}
    return leaks(outlines, [pairs.relative_opening(c.lmk) for c in clips])


def rows(found: dict[str, dict[str, float]], data: str, motion: str, n: int) -> list[Row]:
    """Rows of one set of n clips."""
    how = "Pearson's r of a ridge regression on clips it has not seen; n clips, no interval"
    return [
        Row("mask_leak", name, metric, round(value, 4), data=data, motion=motion, region="mouth", n=n, protocol=how)
        for name, metrics in found.items()
        for metric, value in metrics.items()
    ]


def prepared_sets(folder: Path) -> dict[str, list]:
    """Clips of a prepared folder by name: one speaker with eight clips or more alone, all others together when there are eight."""
    corpus = PreparedCorpus(folder)
    clips = [corpus.load(c) for split in ("train", "val", "test") for c in corpus.clips(split)]
    by_speaker: dict[str, list] = {}
    for clip in clips:
        by_speaker.setdefault(clip.id.speaker, []).append(clip)
    name = corpus.card["corpus"]
    sets = {f"{name}, speaker {who}, {len(own)} clips": own for who, own in by_speaker.items() if len(own) >= 8}
    others = [c for own in by_speaker.values() if len(own) < 8 for c in own]
    if len(others) >= 8:
        sets[f"{name}, {sum(len(o) < 8 for o in by_speaker.values())} other speakers, {len(others)} clips"] = others
    return sets


def main(argv: list[str] | None = None) -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(prog="python -m paperlib.evaluation.mask_leak", description=__doc__.splitlines()[0])
    parser.add_argument("--prepared", type=Path, nargs="*", default=[], help="folders made by paperlib prepare grid, voxceleb or lrw")
    parser.add_argument("--out", type=Path, default=paths.build_dir("classroom") / "results", help="where to write (default: %(default)s)")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    corpus = Corpus(config.load_profile("classroom").corpus)
    clips = [corpus.load(c) for c in corpus.clips("test")]
    found = rows(measure(clips, corpus.cfg.size, False), f"embedded test speakers, {len(clips)} clips", corpus.cfg.motion, len(clips))
    for folder in args.prepared:
        for data, chosen in prepared_sets(folder).items():
            found += rows(measure(chosen, chosen[0].frames.shape[1], True), data, "real", len(chosen))
    header = provenance("python -m paperlib.evaluation.mask_leak", "classroom", 0, f"embedded {corpus.key}", time.perf_counter() - start)
    for row in found:
        print(f"{row.data:<45} {row.row:<12} {row.metric:<15} {row.value:6.2f}")
    print(write_results("mask_leak", found, header, args.out))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
