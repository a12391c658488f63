"""Stage 1 on recorded people: networks trained on `rule`, tuned on 0 to 60 clips of one GRID speaker, against training from scratch.

The speaker with most clips is divided by a hash of the clips' names into training, validation and test; every clip of everybody else is
a test clip of a person never heard, and is listed by itself. Truth is what was fitted to the pictures.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from paperlib.config import Profile
from paperlib.corpus.prepared import PreparedCorpus
from paperlib.evaluation import expression_cells as cells
from paperlib.evaluation.controls import Ridge, frame_index, frame_loudness
from paperlib.evaluation.expression_scores import SyncScores, score
from paperlib.training import speech_store
from paperlib.training.expression import predict, train_expression
from paperlib.training.speech_store import Store
from paperlib.training.sweep import Cell

VAL_CLIPS = 10
SETS = ("same_speaker", "others")


@lru_cache(maxsize=2)
def recorded(folder: Path, most: int) -> dict[str, Store]:
    """Stores "train" (`most` clips at most), "val", "same_speaker" and "others" of a prepared folder."""
    corpus = PreparedCorpus(folder)
    clips = [c for split in ("train", "val", "test") for c in corpus.clips(split)]
    main = Counter(c.speaker for c in clips).most_common(1)[0][0]
    own = sorted((c for c in clips if c.speaker == main), key=lambda c: hashlib.sha256(c.name.encode()).hexdigest())
    chosen = {
        "train": own[VAL_CLIPS : VAL_CLIPS + most], "val": own[:VAL_CLIPS], "same_speaker": own[VAL_CLIPS + most :],
        "others": [c for c in clips if c.speaker != main],
    }  # fmt: skip
    return {name: speech_store.features(corpus, part) for name, part in chosen.items() if part}


def grid_cells(profile: Profile, trained: dict[int, str], key: str) -> list[Cell]:
    """tuned_<n> from each seed's full network (trained: seed -> its folder), scratch_<n>; key: of the recordings."""
    out = []
    for seed, net in trained.items():
        for n in profile.study.grid_clips:
            out.append(Cell(f"tuned_{n}", seed, options={"net": net, "clips": n, "recorded": key}, profile=profile.name))
            if n:
                out.append(Cell(f"scratch_{n}", seed, options={"net": "", "clips": n, "recorded": key}, profile=profile.name))
    return [
        *out,
        Cell("controls", profile.seed, options={"net": "", "clips": max(profile.study.grid_clips), "recorded": key}, profile=profile.name),
    ]


@dataclass(frozen=True)
class TrainGrid:
    """`work` of the GRID sweep: tunes or trains on n clips, scores on the same speaker's other sentences and on other people."""

    sources: cells.Sources
    nets: Path
    sync_scores: SyncScores | None = None

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """See `sweep.Sweep.work`: {"scores": {set: clip scores}, "val", "best_step"}."""
        study = cell.settings().study
        stores = recorded(self.sources.recorded, max(study.grid_clips))
        if cell.name == "controls":
            return {"scores": {name: self._controls(stores, name) for name in SETS if name in stores}}
        net, info = self._network(cell, stores, folder)
        found = {}
        for name in SETS:
            if name in stores:
                given = cells.heard(cell, stores[name], self.sources)
                rows = [{cell.name: predict(net, h.mfcc, h.images)} for h in given]
                found[name] = score(stores[name].items, rows, self.sync_scores)
        return {"scores": found, **info}

    def _network(self, cell: Cell, stores: dict[str, Store], folder: Path):
        from paperlib.face3d.morphable_model import default_model

        profile, n = cell.settings(), cell.options["clips"]
        study, cfg = profile.study, profile.expression
        net = cells.load(cell, self.nets / cell.options["net"]) if cell.options["net"] else cells.build(cell)
        if not n:
            return net, {}
        data, val = (cells.sequences(cell, stores[name], self.sources) for name in ("train", "val"))
        cfg = dataclasses.replace(cfg, steps=study.grid_steps)
        every = min(study.validate_every, max(1, cfg.steps // 5))
        history = train_expression(net, default_model(), data[:n], val, cfg, cell.seed, folder=folder, progress=False, validate_every=every)
        cells.keep(net, folder)
        return net.eval(), {"val": history.best_value, "best_step": history.best_step}

    def _controls(self, stores: dict[str, Store], name: str) -> list[dict]:
        """Controls that learn from the same recorded clips."""
        train, val = stores["train"].items, stores["val"].items
        mean = torch.cat([s.exp for s in train]).mean(0)
        fitted = {row: Ridge(train, val, features=f) for row, f in (("frame_index", frame_index), ("loudness", frame_loudness))}
        fitted["ridge_mfcc"] = Ridge(train, val)
        items = stores[name].items
        rows = [
            {"truth": item.exp, "mean_expression": mean[None].expand(len(item.exp), -1), **{r: f.predict(item) for r, f in fitted.items()}}
            for item in items
        ]
        return score(items, rows, self.sync_scores)
