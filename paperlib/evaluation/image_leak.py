"""The leak test of the semantic images (3): do they know the mouth that is to be predicted, or the sound alone?

The corpus can draw a second take of a clip: the same speaker, style and sound, everything that sound does not decide drawn anew. Whatever
is read off pictures made from sound must fit both takes equally well; pictures made from the speaker's own frames fit the take that they
show. Rows: `teacher`, the images that stage 1 is given; `true_frames`, the oracle of "Does V help?", which shows that the test can fail.
Metrics, per clip: `r` of the lip opening and its reading, on clips that the reading (ridge on the mouth's grey values) has not seen;
`r_other_take`, the same reading against the second take; `own_minus_other`, paired, over speakers: above 0 is a leak.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from paperlib import config, paths
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation import expression_cells as cells
from paperlib.evaluation.controls import held_out_ridge
from paperlib.evaluation.expression import other_take
from paperlib.evaluation.expression_measures import opening_mm
from paperlib.metrics.statistics import cluster_bootstrap, paired_difference
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training import speech_store
from paperlib.training.teacher import MOUTH_BOX

NAME = "image_leak"
GRID = (6, 8)  # rows and columns of the mouth's box that the reading sees
HOW = "Pearson's r a clip of true lip opening and ridge on mouth pixels, clips not seen; speakers resampled"


def mouth_pixels(images: torch.Tensor) -> np.ndarray:
    """(T, rows x columns) grey values in [0, 1], averaged over a GRID on the mouth's box of images (T, 3, S, S) uint8."""
    top, bottom, left, right = (round(images.shape[-1] * share) for share in MOUTH_BOX)
    box = images[:, :, top:bottom, left:right].float().mean(1, keepdim=True) / 255
    return torch.nn.functional.adaptive_avg_pool2d(box, GRID).flatten(1).numpy()


def leaks(images: list[torch.Tensor], own: list[np.ndarray], other: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Per clip (N,): `r` and `r_other_take` of one kind of images. own, other: lip opening (T,) of the two takes of every clip."""
    read = held_out_ridge([mouth_pixels(v) for v in images], [y - y.mean() for y in own], penalty=1e-2)
    return {name: np.array([_r(a, b) for a, b in zip(read, truth, strict=True)]) for name, truth in (("r", own), ("r_other_take", other))}


def _r(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0  # a constant reading knows nothing


def rows(found: dict[str, dict[str, np.ndarray]], speakers: np.ndarray, data: str) -> list[Row]:
    """Rows of the results file from {kind of images: `leaks`}."""
    out = []
    for kind, measured in found.items():
        intervals = {name: cluster_bootstrap(values, speakers) for name, values in measured.items()}
        intervals["own_minus_other"] = paired_difference(measured["r"], measured["r_other_take"], speakers)
        for metric, ci in intervals.items():
            out.append(
                Row(NAME, kind, metric, ci.value, data=data, motion="rule", region="mouth", protocol=HOW, **interval_fields(ci))
            )
    return out


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None, sources: cells.Sources | None = None) -> Path:
    """Write image_leak.json: the teacher's images and the true frames of the corpus's test clips."""
    start, sources = time.perf_counter(), sources or cells.Sources(paths.CHECKPOINTS)
    corpus = Corpus(profile.corpus)
    store = speech_store.features(corpus, corpus.clips("test")[:clips])
    own = [opening_mm(item.exp) for item in store.items]
    other = [opening_mm(other_take(corpus, item)) for item in store.items]
    kinds = {kind: cells.images(store, kind, profile, sources) for kind in (cells.TEACHER, cells.TRUE)}
    found = {kind: leaks(images, own, other) for kind, images in kinds.items()}
    speakers = np.array([item.id.speaker for item in store.items])
    data = f"embedded test speakers, {len(store.items)} clips"
    header = provenance(
        "paperlib evaluate expression", profile.name, profile.seed, f"embedded {store.key}", time.perf_counter() - start,
        teacher=cells.teacher_of(cells.TEACHER, profile, sources)[1],
    )  # fmt: skip
    return write_results(NAME, rows(found, speakers, data), header, folder)
