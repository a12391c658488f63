"""Stage 1 on recorded speech without pictures, in any language: does the mouth open when the voice is loud?

    python -m paperlib.evaluation.recorded_speech LANGUAGE=GLOB [LANGUAGE=GLOB ...] [--clips 20] [--out FOLDER] [--figures FOLDER]

There is no truth here, so this is a check of plausibility and no score: Pearson's r of the predicted lip opening with the loudness of the
speech, while somebody speaks (pauses, in which everything is shut and still, would flatter). Recorded people have such an r too
(`evaluate realism`), well below 1: a mouth is no volume meter. Control: the same opening against the loudness of the next file. Writes
recorded_speech.json, and languages.png with a face for the longest file of each of the first STRIPS languages. The files are not kept.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from paperlib import paths
from paperlib.errors import InputError
from paperlib.evaluation.expression_measures import opening_mm
from paperlib.media import audio
from paperlib.metrics.statistics import cluster_bootstrap
from paperlib.results import Row, interval_fields, provenance, write_results

TABLE, PICTURE = "recorded_speech", "languages"
SPOKEN_DB = -45.0  # a frame louder than this, the level set to -20 dB, counts as speech: pauses and breath lie below
LEAST = 15  # frames of speech that a file must have
SHOWN = 10  # faces in a strip
COLOURS = 48  # of the picture
STRIPS = 5  # languages in the picture, the first ones given


@dataclass
class Heard:
    """One recording: opening (T,) mm and exp (T, 64) as predicted, loudness (T,) dB, spoken (T,) bool."""

    name: str
    opening: np.ndarray
    exp: torch.Tensor
    loudness: np.ndarray

    @property
    def spoken(self) -> np.ndarray:
        """(T,) frames in which somebody speaks."""
        return self.loudness > SPOKEN_DB


def envelope_r(opening: np.ndarray, loudness: np.ndarray, spoken: np.ndarray) -> float:
    """Pearson's r over the `spoken` frames; nan where fewer than LEAST are, or either does not change. All (T,).

    >>> t = np.arange(40.0)
    >>> round(envelope_r(np.sin(t), 2 * np.sin(t) - 30, np.ones(40, bool)), 3)
    1.0
    """
    a, b = opening[spoken], loudness[spoken]
    return float(np.corrcoef(a, b)[0, 1]) if len(a) >= LEAST and min(a.std(), b.std()) > 1e-6 else float("nan")


def hear(path: Path, stages) -> Heard:
    """Stage 1 on one sound file."""
    from paperlib.config import FPS
    from paperlib.dubbing import predict_expression

    wave = audio.load_audio(path).wave
    n = max(1, len(wave) // audio.SAMPLES_PER_FRAME)
    exp = predict_expression(wave, (np.arange(n) + 0.5) / FPS, stages)
    return Heard(path.stem, opening_mm(exp), exp, audio.loudness(audio.set_level(wave), n))


def scores(heard: Sequence[Heard]) -> list[dict]:
    """r of each recording and, as `swapped_speech`, of its opening with the loudness of the next one, cut to the shorter."""
    out = []
    for own, other in zip(heard, [*heard[1:], heard[0]], strict=True):
        n = min(len(own.opening), len(other.opening))
        swapped = envelope_r(own.opening[:n], other.loudness[:n], own.spoken[:n] & other.spoken[:n])
        out.append({"clip": own.name, "full": envelope_r(own.opening, own.loudness, own.spoken), "swapped_speech": swapped})
    return out


def rows_of(language: str, scored: list[dict]) -> list[Row]:
    """Means over the recordings with intervals over them (who speaks in which is not known)."""
    out = []
    for row in ("full", "swapped_speech"):
        ci = cluster_bootstrap([s[row] for s in scored], [s["clip"] for s in scored])
        said = "r with the loudness while somebody speaks; recordings resampled"
        value = ci.value if np.isfinite(ci.value) else None
        data = f"{language}, {ci.n} recordings"
        out.append(Row(TABLE, row, "envelope_r", value, data=data, motion="real", beta="predicted", protocol=said, **interval_fields(ci)))
    return out


def chosen(pattern: str, most: int) -> list[Path]:
    """At most `most` files of a glob pattern, by the hash of their names: no order of the alphabet, the same every time."""
    files = sorted(map(Path, glob.glob(pattern, recursive=True)), key=lambda p: hashlib.sha256(p.name.encode()).hexdigest())
    if not files:
        raise InputError(f"{pattern}: no such files; give LANGUAGE=GLOB, the pattern in quotes")
    return files[:most]


def figure(found: dict[str, Heard], folder: Path, command: str, inputs: Sequence[Path] = ()) -> Path:
    """A strip for each language: one face that says it, loudness, predicted opening."""
    import matplotlib.pyplot as plt

    from paperlib.config import FPS
    from paperlib.face3d.coefficients import N_COEFF, with_exp
    from paperlib.face3d.face_renderer import render
    from paperlib.face3d.morphable_model import default_model
    from paperlib.figures import save_figure
    from paperlib.notebook import PALETTE, plot_style

    plot_style()
    fig = plt.figure(figsize=(8, 1.9 * len(found)), layout="constrained")
    for part, (language, own) in zip(np.atleast_1d(fig.subfigures(len(found), 1)), found.items(), strict=True):
        grid = part.add_gridspec(2, SHOWN, height_ratios=(1.2, 1))
        picked = np.linspace(0, len(own.opening) - 1, SHOWN).round().astype(int)
        with torch.no_grad():
            faces = render(default_model(), with_exp(torch.zeros(SHOWN, N_COEFF), own.exp[picked]), 128, background=np.ones(3)).image
        for i, face in enumerate(faces.clamp(0, 1).movedim(1, -1).numpy()):
            ax = part.add_subplot(grid[0, i])
            ax.imshow(face[26:104, 24:104], interpolation="lanczos")
            ax.axis("off")
        ax = part.add_subplot(grid[1, :])
        t = (np.arange(len(own.opening)) + 0.5) / FPS
        ax.plot(t, own.opening, color=PALETTE[0], label="predicted lip opening (mm)")
        ax.set(
            ylabel="mm", xlim=(0, t[-1]), title=f"{language}, one recording: r = {envelope_r(own.opening, own.loudness, own.spoken):.2f}"
        )
        twin = ax.twinx()
        twin.plot(t, own.loudness, color=PALETTE[3], linestyle="--", label="loudness (dB)")
        twin.set_ylabel("dB")
    ax.set_xlabel("time (s); solid: predicted lip opening, dashed: loudness of the recording")
    alt = "For each language a face at ten moments of a recording, above the predicted lip opening and the loudness over time"
    path = save_figure(fig, PICTURE, folder, command=command, inputs=inputs, alt=alt, colours=COLOURS, languages=list(found))
    plt.close(fig)
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's text; 2 when the user's input is wrong."""
    import sys

    from paperlib.training import checkpoints

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", nargs="+", metavar="LANGUAGE=GLOB")
    parser.add_argument("--clips", type=int, default=20, help="recordings of each language at most")
    parser.add_argument("--out", type=Path, default=paths.BUILD / TABLE)
    parser.add_argument("--figures", type=Path, default=paths.BUILD / TABLE)
    args = parser.parse_args(argv)
    start, command = time.perf_counter(), "python -m paperlib.evaluation.recorded_speech"
    checkpoints.set_threads()
    try:
        asked = {language: chosen(pattern, args.clips) for language, _, pattern in (s.partition("=") for s in args.speech)}
        stages = checkpoints.load_stages()
        heard = {language: [hear(path, stages) for path in files] for language, files in asked.items()}
    except InputError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    rows = [row for language, own in heard.items() for row in rows_of(language, scores(own))]
    header = provenance(
        command, "classroom", 0, "recorded speech", time.perf_counter() - start, checkpoints=dict(stages.labels),
        files={language: [p.name for p in files] for language, files in asked.items()},
    )  # fmt: skip
    path = write_results(TABLE, rows, header, args.out)
    longest = {language: max(own, key=lambda h: h.spoken.sum()) for language, own in heard.items()}
    print(path, figure(dict(list(longest.items())[:STRIPS]), args.figures, command, [path]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
