"""Clip scores of several systems as arrays over the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.metrics.statistics import Interval, cluster_bootstrap


@dataclass(frozen=True)
class Group:
    """Scores of one kind of task, clips in one order: found[row][clip] is a system's scores of that clip."""

    clips: list[str]
    speakers: np.ndarray
    found: dict[str, dict[str, dict]] = field(repr=False)

    @property
    def rows(self) -> list[str]:
        """Row ids in the order they were scored."""
        return list(self.found)

    def measures(self, row: str) -> list[str]:
        """Measures that the row was scored by, in the order of MEASURES."""
        seen = {k for scores in self.found[row].values() for k in scores}
        return [m for m in MEASURES if m in seen]

    def values(self, row: str, measure: str) -> np.ndarray:
        """(clips,) float; nan where a clip has no value."""
        own = self.found[row]
        return np.array([own.get(c, {}).get(measure) for c in self.clips], float)

    def interval(self, row: str, measure: str) -> Interval:
        """Mean over the clips with its interval over speakers."""
        return cluster_bootstrap(self.values(row, measure), self.speakers)


def group_of(scores: Sequence[dict], kind: str, part: str | None = None) -> Group:
    """The scores of one kind of task, of one test set or (None) of all."""
    chosen = [s for s in scores if s["kind"] == kind and part in (None, s["set"])]
    speaker = {s["clip"]: s["speaker"] for s in chosen}
    clips, found = sorted(speaker), {}
    for s in chosen:
        found.setdefault(s["row"], {})[s["clip"]] = s
    return Group(clips, np.array([speaker[c] for c in clips]), found)
