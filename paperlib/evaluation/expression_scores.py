"""Scores of stage 1's studies: trained networks, networks misfed, and the controls, clip by clip, kept like trainings are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from paperlib.config import Profile
from paperlib.corpus.banks import SpeechItem
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation import expression_cells as cells
from paperlib.evaluation.controls import Ridge, frame_index, frame_loudness
from paperlib.evaluation.expression_ceiling import phoneme_oracle
from paperlib.evaluation.expression_inputs import Heard, one_input, silent, wrong_speech
from paperlib.evaluation.expression_measures import measures
from paperlib.training.expression import predict
from paperlib.training.speech_store import Store, drawn_by, to_uint8
from paperlib.training.sweep import Cell

ORACLES = ("phoneme_oracle", "phoneme_oracle_style")  # see expression_ceiling
SETS = ("rule", "rule2", "real")  # test speech by what moves the mouth; real needs prepared recordings
CONTROLS = ("truth", "mean_expression", "frame_index", "loudness", "ridge_mfcc", "other_take", *ORACLES)
SyncScores = Callable[[torch.Tensor, SpeechItem], Mapping[str, float]]  # (predicted coefficients (T, 257), clip) -> metric -> value


def scoring_cell(trained: Cell, net: Path, on: str, misfed: bool = False) -> Cell:
    """The cell that scores a trained network. net: its folder, relative to the training sweep's; misfed: also with wrong inputs."""
    options = {**trained.options, "net": str(net), "on": on, "misfed": misfed}
    return dataclasses.replace(trained, options=options)


def misfed_prefix(name: str) -> str:
    """What stands before the row ids of a network's wrong inputs; nothing for full.

    >>> misfed_prefix("full"), misfed_prefix("as_printed")
    ('', 'as_printed_')
    """
    return "" if name == "full" else f"{name}_"


def control_cell(profile: Profile, on: str) -> Cell:
    """The cell that scores everything that needs no network."""
    return Cell("controls", profile.seed, options={"on": on, "net": ""}, profile=profile.name)


@dataclass(frozen=True)
class Score:
    """`work` of the scoring sweep. nets: folder of the training sweep.

    sync_scores: a hook for scores that need pictures or a judge, seconds a clip, so it is asked about table 3 alone: its rows and the
    controls on `rule`. What it returns is kept beside the other measures.
    """

    sources: cells.Sources
    nets: Path
    sync_scores: SyncScores | None = None

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """See `sweep.Sweep.work`: {"scores": one dict of row, clip, speaker and measures per row and clip}."""
        profile = cell.settings()
        store = cells.speech(profile.corpus, profile.study, "test", cell.options["on"])
        on_rule = cell.options["on"] == "rule"
        if not cell.options["net"]:
            rows_of_all = controls(profile, cell.options["on"], store.items)
            return {"scores": score(store.items, rows_of_all, self.sync_scores if on_rule else None)}
        net = cells.load(cell, self.nets / cell.options["net"])
        given = cells.heard(cell, store, self.sources)
        own = ({cell.name: predict(net, h.mfcc, h.images)} for h in given)
        found = score(store.items, own, self.sync_scores if on_rule and cell.name in cells.TABLE3 else None)
        if cell.options["misfed"]:
            feeds, before = misfeeds(cell, store, given, self.sources), misfed_prefix(cell.name)
            found += score(store.items, ({before + name: predict(net, h.mfcc, h.images) for name, h in f.items()} for f in feeds))
        return {"scores": found}


def score(items: list[SpeechItem], predictions: Iterable[Mapping[str, torch.Tensor]], sync_scores: SyncScores | None = None) -> list[dict]:
    """Measures of every row of every clip; nan is kept as None, because the results are JSON."""
    from paperlib.face3d.coefficients import with_exp

    out = []
    for item, rows in zip(items, predictions, strict=True):
        for row, pred in rows.items():
            found = measures(pred, item) | dict(sync_scores(with_exp(item.coeffs, pred), item) if sync_scores else {})
            kept = {k: (round(v, 6) if v == v else None) for k, v in found.items()}
            out.append({"row": row, "clip": item.id.name, "speaker": str(item.id.speaker), **kept})
    return out


def misfeeds(cell: Cell, store: Store, given: list[Heard], sources: cells.Sources) -> Iterable[dict[str, Heard]]:
    """Per clip: row id -> wrong inputs. Another sentence is the twin's, or the next clip's where there are no twins."""
    profile = cell.settings()
    where = {item.id.name: i for i, item in enumerate(store.items)}
    face = cells.still_face(profile.teacher.size)
    draw = None
    if cell.options.get("use_semantic", True) and cell.options.get("images", cells.TEACHER) != cells.TRUE:
        draw = drawn_by(cells.teacher_of(cell.options.get("images", cells.TEACHER), profile, sources)[0], face)
    for i, (item, own) in enumerate(zip(store.items, given, strict=True)):
        twin = pair_of(item.id) if hasattr(item.id, "take") else None
        other = given[where[twin.name] if twin is not None else (i + 1) % len(given)]
        quiet = silent(item)
        still = Heard(quiet.mfcc, draw(quiet) if draw else own.images)
        yield wrong_speech(item, own, other, still) | one_input(item, own, other, still, to_uint8(face))


def controls(profile: Profile, on: str, items: list[SpeechItem]) -> Iterable[dict[str, torch.Tensor]]:
    """Per clip: row of CONTROLS -> (T, 64). They learn from the `rule` speech that the networks learn from, whatever they are tested on."""
    from paperlib.evaluation.expression import other_take

    train, val = (cells.speech(profile.corpus, profile.study, split).items for split in ("train", "val"))
    mean = torch.cat([s.exp for s in train]).mean(0)
    fitted = {name: Ridge(train, val, features=f) for name, f in (("frame_index", frame_index), ("loudness", frame_loudness))}
    fitted["ridge_mfcc"] = Ridge(train, val)
    corpus = Corpus(dataclasses.replace(profile.corpus, motion=on))
    for item in items:
        rows = {"truth": item.exp, "mean_expression": mean[None].expand(len(item.exp), -1)}
        rows |= {name: ridge.predict(item) for name, ridge in fitted.items()}
        if on != "real":  # a recorded sentence has one take
            rows["other_take"] = other_take(corpus, item)
            rows |= {name: phoneme_oracle(corpus.cfg, item.id, len(item.exp), name.endswith("style")) for name in ORACLES}
        yield rows
