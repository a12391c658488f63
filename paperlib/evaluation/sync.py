"""Expert and judge of sync on unseen speakers and sentences: do they know lips and speech that belong together from those that do not?

In sync: picture and sound of one moment; off sync: the sound of the same clip at least 120 ms away (`metrics.sync_windows`). Thresholds are
those that the cards fixed on validation clips. Beside them a judge without a network (`opening_judge`): r and best lag of the lip opening
that stage 1 predicts, and of a second take of the same speech, which is the most that can be asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from paperlib import config, paths
from paperlib.config import MOTIONS
from paperlib.corpus.banks import SpeechItem, face_item, speech_item
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.corpus.prepared import PreparedCorpus
from paperlib.errors import InputError
from paperlib.evaluation.expression import opening_mm, other_take
from paperlib.metrics import sync_windows
from paperlib.metrics.statistics import cluster_bootstrap
from paperlib.metrics.sync import opening_judge
from paperlib.models import judge as judge_model
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training import checkpoints, judge, sync

TABLE = "controls_sync"
CHECKPOINTS = ("sync_classroom", "judge_classroom")
STAGE_1 = ("expression_classroom", "teacher_classroom")
GRID_CLIPS = 12  # of each recorded speaker: most are of one, and the interval is over speakers
MAX_LAG = 10  # frames
NEAR = 1  # frames: a best lag this small is no lag
MEANING = {
    "accuracy": "mean of the shares of in-sync and of off-sync windows called right, threshold from validation; chance 0.5",
    "choice": "share of pairs of an in-sync and an off-sync window with the same picture ranked right; chance 0.5",
    "lag_within_1": "share of clips whose best lag over +-10 frames is at most 1 frame",
    "opening_r": "Pearson's r with the true lip opening at lag 0, mean over clips",
}


@dataclass(frozen=True)
class Scorer:
    """One sync network in use: `table` gives a clip's cosines (N, N), a look is `span` frames, thresholds by window length in frames."""

    table: Callable[[Clip], np.ndarray]
    span: int
    thresholds: dict[int, float]


def scorers(folder: Path | None = None) -> dict[str, Scorer]:
    """Row id -> expert and judge of the shipped checkpoints (or those in `folder`)."""
    (expert, expert_card), (referee, referee_card) = (checkpoints.load(name, folder) for name in CHECKPOINTS)

    def thresholds(card: dict) -> dict[int, float]:
        if "windows" not in card:
            raise InputError(f"{card['name']}.json: has no thresholds; train it again with `paperlib train {card['kind']}`")
        return {int(k): v["threshold"] for k, v in card["windows"].items()}

    return {
        "expert": Scorer(lambda clip: sync.cosines(expert, face_item(clip, expert.size)), sync.SPAN, thresholds(expert_card)),
        "judge": Scorer(
            lambda clip: judge.cosines(referee, judge.mouth_item(clip, referee.size)), judge_model.SPAN, thresholds(referee_card)
        ),
    }


def best_lag(table: np.ndarray, most: int = MAX_LAG) -> int:
    """Frames by which the lips come late: the lag whose diagonal of the table of cosines (N, N) has the highest mean. N > most."""
    lags = sorted(range(-most, most + 1), key=abs)
    return lags[int(np.argmax([np.diagonal(table, -lag).mean() for lag in lags]))]


def measure(scorer: Scorer, table: np.ndarray) -> dict[str, float]:
    """accuracy_<frames> and choice_<frames> of one clip for each window length that it can hold, and whether its best lag is near 0."""
    out: dict[str, float] = {}
    for frames, threshold in scorer.thresholds.items():
        looks = frames - scorer.span + 1
        if len(table) - looks >= sync_windows.APART:
            true, false = sync_windows.window_scores(table, looks)
            out[f"accuracy_{frames}"] = sync_windows.accuracy(true, false, threshold)
            out[f"choice_{frames}"] = sync_windows.choice(true, false)
    if len(table) > 2 * MAX_LAG:
        out["lag_within_1"] = float(abs(best_lag(table)) <= NEAR)
    return out


def opening_measure(pred: torch.Tensor, item: SpeechItem) -> dict[str, float]:
    """The judge without a network, of expressions (T, 64): r of the lip opening, and whether its best lag is near 0."""
    found = opening_judge(opening_mm(pred), opening_mm(item.exp), MAX_LAG)
    return {"opening_r": found.r.value, "lag_within_1": float(abs(found.lag) <= NEAR)}


def openings(corpus, stage_1: Callable[[SpeechItem], torch.Tensor] | None) -> dict[str, Callable[[SpeechItem], torch.Tensor]]:
    """Row id -> predicted expressions for the judge without a network. A second take exists where a rule moves the mouth."""
    rows = {"full": stage_1} if stage_1 else {}
    if isinstance(corpus, Corpus) and corpus.cfg.motion != "real":
        rows["other_take"] = lambda item: other_take(corpus, item)
    return rows


def score(corpus, clips: list, nets: dict[str, Scorer], stage_1=None) -> list[dict]:
    """Measures of every row on every clip."""
    out = []
    for name in clips:
        clip, who = corpus.load(name), {"speaker": name.speaker}
        out += [{"row": row, **measure(net, net.table(clip)), **who} for row, net in nets.items()]
        with torch.no_grad():
            item = speech_item(corpus, name)
            out += [{"row": row, **opening_measure(tell(item), item), **who} for row, tell in openings(corpus, stage_1).items()]
    return out


def summarise(scores: list[dict], data: str, motion: str) -> list[Row]:
    """Means over clips with 95% intervals over speakers."""
    rows = []
    for name in dict.fromkeys(s["row"] for s in scores):
        of = [s for s in scores if s["row"] == name]
        for metric in dict.fromkeys(k for s in of for k in s if k not in ("row", "speaker")):
            some = [s for s in of if metric in s]
            ci = cluster_bootstrap([s[metric] for s in some], [s["speaker"] for s in some])
            kind, _, frames = metric.rpartition("_") if metric[-1].isdigit() and "within" not in metric else (metric, "", "")
            text = MEANING[kind] + (f"; windows of {frames} frames" if frames else "") + (f"; {ci.note}" if ci.note else "")
            beta = {"full": "predicted", "other_take": "true"}.get(name, "true" if data.startswith("embedded") else "")
            value = ci.value if np.isfinite(ci.value) else None
            about = {"data": f"{data}, {len(some)} clips", "motion": motion, "beta": beta, "region": "mouth", "protocol": text}
            rows.append(Row(TABLE, name, metric, value, **about, **interval_fields(ci)))
    return rows


def sets_here(clips: int | None = None) -> tuple[dict[str, tuple], dict[str, str]]:
    """(name -> (corpus, its clips, motion) of every test set that can be made here, name -> why not of the others).

    Embedded test speakers under each motion source, one take of each scene; recorded people of the prepared GRID folder, whose splits do
    not matter here: neither network has met any of them.
    """
    base, found, absent = config.load_profile("classroom").corpus, {}, {}
    for motion in MOTIONS:
        try:
            corpus = Corpus(replace(base, motion=motion))
            chosen = [c for c in corpus.clips("test") if c.take == 0][:clips]
            corpus.speech(chosen[0])  # says at once when there are no recordings
            found[f"embedded test speakers, {motion}"] = (corpus, chosen, motion)
        except InputError as e:
            absent[motion] = str(e)
    try:
        grid = PreparedCorpus(paths.CACHE / "grid", base.size)
        people: dict[str, list] = {}
        for c in (c for split in ("train", "val", "test") for c in grid.clips(split)):
            people.setdefault(c.speaker, []).append(c)
        found["GRID, recorded people"] = (grid, [c for own in people.values() for c in own[:GRID_CLIPS]][:clips], "real")
    except InputError as e:
        absent["GRID"] = str(e)
    return found, absent


def _stage_1() -> tuple[Callable[[SpeechItem], torch.Tensor] | None, str]:
    """Stage 1 as (function from speech to expressions, ""), or (None, why it cannot be used)."""
    from paperlib.training.expression import predict
    from paperlib.training.teacher import neutral_face, semantic_images

    try:
        (net, _), (teacher, card) = (checkpoints.load(name) for name in STAGE_1)
    except InputError as e:
        return None, str(e)
    face = neutral_face(card["config"]["size"])
    return (lambda item: predict(net, item.mfcc, semantic_images(teacher, face, item.mel))), ""


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> Path:
    """Write controls_sync.json; `clips` limits the clips of each test set. What cannot be tested here stands in the header."""
    start = time.perf_counter()
    nets = scorers()
    stage_1, why = _stage_1()
    sets, absent = sets_here(clips)
    if why:
        absent["stage 1"] = why
    rows = []
    for data, (corpus, chosen, motion) in sets.items():
        rows += summarise(score(corpus, chosen, nets, stage_1), data, motion)
    header = provenance(
        "paperlib evaluate sync", profile.name, profile.seed, ", ".join(c.key for c, _, _ in sets.values()), time.perf_counter() - start,
        checkpoints=[*CHECKPOINTS, *(STAGE_1 if stage_1 else ())], clips={k: len(v[1]) for k, v in sets.items()}, absent=absent,
    )  # fmt: skip
    return write_results(TABLE, rows, header, folder)
