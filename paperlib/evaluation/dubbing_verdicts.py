"""What the saved rows of tables 1 and 2 say of ours: verdicts read back as they were written, and what the judges of sync allow.

A comparison by sync counts only where the judges do not contradict each other (PROTOCOL rule 8): where `judge_agreement` has "no verdict"
for ours and another system, the sync measure has none either. Nor has a measure in which ours beats the ground truth: the measure is at
fault there. Nothing is measured or tested again here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_systems import MINIS, OURS
from paperlib.evaluation.dubbing_tables import FLAG
from paperlib.evaluation.dubbing_tasks import CROSS
from paperlib.evaluation.dubbing_words import PAPER
from paperlib.paper import PAIRED
from paperlib.results import Row, select

BETTER, TIE, WORSE, NONE = SAID = ("better", "tie", "worse", "no verdict")
JUDGED_BY_SYNC = "sync_mouth"
_KEYS = {(m.metric, m.region): key for key, m in MEASURES.items()}


@dataclass(frozen=True)
class Duel:
    """Ours against `other` by one of MEASURES. paired: the row ours - other; said: one of SAID, of ours."""

    other: str
    measure: str
    paired: Row
    said: str


def measure_of(row: Row) -> str:
    """Key of MEASURES of a row of tables 1 and 2; "" for a row that is no measure of a dub, as a stranger's cosine."""
    return _KEYS.get((row.metric, row.region), "")


def judges_on(agreement: Sequence[Row], a: str, b: str) -> tuple[str, dict[str, str]]:
    """(survives, tie or no verdict; ranker -> what it says of a) from rows of `judge_agreement`; ("", {}) where they lack the pair."""
    for first, second in ((a, b), (b, a)):
        for row in select(list(agreement), row=f"{first}>{second}"):
            found, _, rest = row.protocol.partition("; first is by ")
            said = dict(part.split(": ", 1) for part in rest.split(", "))
            if first != a:
                said = {k: {BETTER: WORSE, WORSE: BETTER}.get(v, v) for k, v in said.items()}
            return found, said
    return "", {}


def duels(rows: Iterable[Row], track: str = CROSS, measures: Sequence[str] = PAPER, agreement: Sequence[Row] = ()) -> list[Duel]:
    """Ours against every system and control in these measures, in the order of the saved rows; rows: of one table."""
    out, rows = [], list(rows)
    faulty = {measure_of(r) for r in rows if r.row == OURS and r.track == track and r.protocol.startswith(FLAG)}
    for r in rows:
        if r.kind != "measured" or r.track != track or not r.row.startswith(PAIRED) or measure_of(r) not in measures:
            continue
        if found := re.search(r"ours is: (better|tie|worse|no verdict) \(", r.protocol):
            other, said = r.row.removeprefix(PAIRED), found[1]
            unsure = measure_of(r) == JUDGED_BY_SYNC and judges_on(agreement, OURS, other)[0] == NONE
            said = NONE if unsure or measure_of(r) in faulty else said
            out.append(Duel(other, measure_of(r), r, said))
    return out


def against_minis(found: Iterable[Duel]) -> list[Duel]:
    """Those against the five others."""
    return [d for d in found if d.other in MINIS]


def tally(found: Iterable[Duel]) -> str:
    """How often ours is what.

    >>> tally([])
    'better in 0, tied in 0, worse in 0'
    """
    counts = Counter(d.said for d in found)
    words = {BETTER: "better", TIE: "tied", WORSE: "worse"}
    return ", ".join(f"{word} in {counts[said]}" for said, word in words.items()) + (f", {NONE} in {counts[NONE]}" if counts[NONE] else "")
