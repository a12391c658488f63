"""Stage 1 on unseen speakers and sentences: error, lip opening, and the controls beside them (table 3's measures)."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from paperlib import config
from paperlib.corpus import synthetic
from paperlib.corpus.banks import SpeechItem, speech_item
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.errors import InputError
from paperlib.evaluation.controls import Ridge, frame_index, frame_loudness
from paperlib.evaluation.expression_inputs import WRONG_ROWS, Heard, wrong_speech
from paperlib.evaluation.expression_inputs import silent as without_speech
from paperlib.evaluation.expression_measures import UNITS, lip_error_mm, measures, opening_mm
from paperlib.metrics.statistics import cluster_bootstrap, paired_difference
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training import checkpoints, speech_store
from paperlib.training.expression import predict
from paperlib.training.teacher import neutral_face, semantic_images

REAL_ROWS = ("full", "mean_expression", "ridge_mfcc", "loudness", "frame_index", "truth")
__all__ = ["UNITS", "evaluate", "lip_error_mm", "measures", "opening_mm", "other_take", "predictors", "score", "summarise"]


def predictors(corpus: Corpus, name: str = "expression_classroom") -> dict:
    """Row id -> function from a test clip to (T, 64): the network, the network misfed, and the controls."""
    net, trained = checkpoints.load(name)
    teacher, card = checkpoints.load(name.replace("expression", "teacher"))
    face = neutral_face(card["config"]["size"])
    people = trained.get("speech", {}).get("train", {}).get("speakers", corpus.cfg.train_speakers)
    wide = Corpus(replace(corpus.cfg, train_speakers=people), corpus.root)  # the controls learn from everybody whom the network has heard
    train, val = (speech_store.features(wide, wide.clips(split)).items for split in ("train", "val"))
    ridge, volume, clock = Ridge(train, val), Ridge(train, val, features=frame_loudness), Ridge(train, val, features=frame_index)
    mean = torch.cat([s.exp for s in train]).mean(0)

    def ours(item: SpeechItem) -> torch.Tensor:
        return predict(net, item.mfcc, semantic_images(teacher, face, item.mel))

    @lru_cache(maxsize=4)
    def given(clip, quiet: bool = False) -> Heard:
        item = speech_item(corpus, clip)
        item = without_speech(item) if quiet else item
        return Heard(item.mfcc, semantic_images(teacher, face, item.mel))

    def misfed(item: SpeechItem, row: str) -> torch.Tensor:
        feed = wrong_speech(item, given(item.id), given(pair_of(item.id)), given(item.id, True))[row]
        return predict(net, feed.mfcc, feed.images)

    def still_images(item: SpeechItem) -> torch.Tensor:
        return predict(net, item.mfcc, face[None].expand(len(item.mfcc), -1, -1, -1))

    return {
        "full": ours,
        "mean_expression": lambda item: mean[None].expand(len(item.exp), -1),
        "ridge_mfcc": ridge.predict,
        "loudness": volume.predict,
        "frame_index": clock.predict,
        "truth": lambda item: item.exp,
        **{row: partial(misfed, row=row) for row in WRONG_ROWS},
        "still_semantic_images": still_images,
        "other_take": lambda item: other_take(corpus, item),
    }


def other_take(corpus: Corpus, item: SpeechItem) -> torch.Tensor:
    """(T, 64) truth of a second take: same speaker, style and speech, everything that speech does not decide drawn anew.

    Two takes differ by the noise of both, so a predictor that knows all but the noise has the square root of their r (the ceiling).
    """
    said = synthetic.clip_speech(corpus.cfg, item.id)[0]
    return torch.from_numpy(synthetic.expressions(corpus.cfg, item.id, len(item.exp), said, variant=1))


def score(corpus: Corpus, clips: list, rows: dict) -> list[dict]:
    """Per-clip measures of every row."""
    out = []
    for clip in clips:
        item = speech_item(corpus, clip)
        for row, fn in rows.items():
            with torch.no_grad():
                out.append({"row": row, "clip": clip.name, "speaker": clip.speaker, **measures(fn(item), item)})
    return out


def summarise(scores: list[dict], data: str, motion: str) -> list[Row]:
    """Means with 95% intervals over speakers, and the paired differences `full - control`."""
    rows = []
    names = list(dict.fromkeys(s["row"] for s in scores))
    for metric, unit in UNITS.items():
        of = {n: [s for s in scores if s["row"] == n] for n in names}
        for name in names:
            values = np.array([s[metric] for s in of[name]])
            speakers = np.array([s["speaker"] for s in of[name]])
            if np.isnan(values).any():
                rows.append(_row(name, metric, unit, None, data, motion, protocol="undefined: the prediction is constant"))
                continue
            ci = cluster_bootstrap(values, speakers)
            rows.append(_row(name, metric, unit, ci.value, data, motion, **interval_fields(ci)))
            if name != "full":
                ours = np.array([s[metric] for s in of["full"]])
                ci = paired_difference(ours, values, speakers)
                rows.append(_row(f"full_minus_{name}", metric, unit, ci.value, data, motion, protocol="paired", **interval_fields(ci)))
    return rows


def _row(row: str, metric: str, unit: str, value, data: str, motion: str, **extra) -> Row:
    return Row("controls_expression", row, metric, value, unit=unit, data=data, motion=motion, beta="predicted", region="mouth", **extra)


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> list[Path]:
    """Write controls_expression.json: the shipped network and its controls on the test speakers of the classroom corpus; where GRID is
    prepared, controls_expression_real.json: the same rows on recorded speech; table3_one_seed.json and expression_window.json
    (`expression_shipped`); and the leak test of the semantic images, image_leak.json.
    """
    from paperlib.evaluation import expression_shipped, image_leak

    classroom = config.load_profile("classroom")
    learned = predictors(Corpus(classroom.corpus))
    written = [_scored(profile, folder, clips, Corpus(classroom.corpus), learned, "controls_expression")]
    try:
        real = Corpus(replace(classroom.corpus, motion="real"))
        real.speech(real.clips("test")[0])  # says at once when there are no recordings
        written.append(_scored(profile, folder, clips, real, learned, "controls_expression_real"))
    except InputError as error:
        print(f"recorded speech is left out: {error}", file=sys.stderr)
    if expression_shipped.shipped_rows("classroom"):
        written += expression_shipped.evaluate(classroom, folder, clips)
    return [*written, image_leak.evaluate(classroom, folder, clips)]


def _scored(profile: config.Profile, folder: Path, clips: int | None, corpus: Corpus, learned: dict, name: str) -> Path:
    start = time.perf_counter()
    chosen = corpus.clips("test")[:clips]
    if corpus.cfg.motion == "real":  # rows that look other clips up in the corpus on which the controls learned, or need a second take
        learned = {row: learned[row] for row in REAL_ROWS}
    scores = score(corpus, chosen, learned)
    rows = summarise(scores, f"embedded test speakers, {len(chosen)} clips", corpus.cfg.motion)
    header = provenance(
        "paperlib evaluate expression", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=["expression_classroom", "teacher_classroom"], clips=len(chosen),
    )  # fmt: skip
    return write_results(name, rows, header, folder)
