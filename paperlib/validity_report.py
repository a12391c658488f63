"""What a mini is worth, as notebook 09 shows it, from saved rows only: without its idea, trained longer, then beside ours, and its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paperlib import figure_expression
from paperlib.baselines.validity import ABLATIONS
from paperlib.dubbing_report import CONTEST, PAPER, heading, markdown, name
from paperlib.evaluation.baseline_validity import LESS
from paperlib.evaluation.dubbing_systems import CONTESTS, MINIS, OURS
from paperlib.evaluation.dubbing_tasks import CROSS
from paperlib.evaluation.dubbing_verdicts import NONE, Duel, duels, measure_of
from paperlib.paper import PAIRED
from paperlib.results import Row, select
from paperlib.tables import cell

COMMAND = "paperlib train baselines --validity; paperlib evaluate validity --out data/results"
COST_COMMAND = "python -m benchmarks dubbing"
MORE = (*PAPER, "opening_r")  # what a mini that is trained longer may gain


def saved(table: str, command: str, folder: Path | None = None) -> tuple[list[Row], str]:
    """(rows, which clips) of a results file; ([], how to make it) where there is none."""
    rows, said = figure_expression.saved(table, folder, command)
    return rows, next((f"{r.data}. Made by `{command}`." for r in rows if r.data.startswith(("embedded", "4 "))), said)


def _paired(rows: Sequence[Row], system: str, form: str) -> dict[str, Row]:
    return {measure_of(r): r for r in rows if r.row == LESS[form].format(f"{system}_mini")}


def said_of(row: Row) -> str:
    """better, tie, worse or no verdict: what a paired row says of the first of the two.

    >>> said_of(Row("t", "r", "m", 1.0, data="d", protocol="paired; the first is: tie (p 0.2)"))
    'tie'
    """
    return row.protocol.split("the first is: ")[1].split(" (")[0]


def _difference(measure: str, row: Row) -> str:
    digits = 2 if row.metric == "psnr" else 3
    interval = "" if row.low is None else f" [{row.low:+.{digits}f}, {row.high:+.{digits}f}]"
    return f"{heading(measure)}: {row.value:+.{digits}f}{interval} **{said_of(row)}**"


def kept(rows: Sequence[Row], system: str) -> str:
    """Whether a mini's idea earns its place here: "yes" when it is better with it in one of the measures named before, "no" otherwise."""
    found = _paired(rows, system, "without")
    said = [said_of(found[m]) for m in ABLATIONS[system].measures if m in found]
    return "not trained" if not said else "yes" if "better" in said else "no"


def without(rows: Sequence[Row]) -> str:
    """Markdown: each mini less itself without its idea, in the measures that have to suffer, and what follows."""
    lines = []
    for system in CONTESTS:
        ablation, found = ABLATIONS[system], _paired(rows, system, "without")
        texts = [_difference(m, found[m]) for m in ablation.measures if m in found]
        lines.append([name(f"{system}_mini"), ablation.words, "; ".join(texts) or "not trained", f"**{kept(rows, system)}**"])
    return markdown(["system", "taken away", "with it less without it", "does the idea show?"], lines)


def longer(rows: Sequence[Row]) -> str:
    """Markdown: validation error budget by budget, whether the last was at a plateau, and in which measures it gained or lost."""
    lines = []
    for system in CONTESTS:
        val, found = select(list(rows), row=f"{system}_mini_longer", metric="val"), _paired(rows, system, "longer")
        if not val:
            lines.append([name(f"{system}_mini"), "not trained longer", "", ""])
            continue
        errors, _, end = val[0].protocol.split("steps: ")[1].partition("; ")
        moved = [_difference(m, found[m]) for m in MORE if m in found and said_of(found[m]) in ("better", "worse")]
        plateau = "yes" if end == "at its plateau" else "no"
        lines.append([name(f"{system}_mini"), " → ".join(errors.split(", ")), plateau, "; ".join(moved) or "nothing outside its interval"])
    head = ["system", "validation error, budget by budget", "at its plateau?", "test, longer less equal budget"]
    return markdown(head, lines)


def second_track(rows: Sequence[Row], table: Sequence[Row], agreement: Sequence[Row] = ()) -> list[Duel]:
    """Ours against the longer minis on the clips of one table, by that table's rules; empty where nothing was trained longer.

    rows: of baseline_validity; table: the saved rows of table 1 or 2, which say where ours beats the truth. agreement: of the judges of
    sync on the minis of the equal budget, the only ones that they have ranked.
    """
    said = next((r.data for r in table if r.track == CROSS and r.value is not None), "")
    pairs = [replace(r, row=r.row.removesuffix("_longer")) for r in rows if r.row.startswith(PAIRED) and r.data == said]
    return duels([*(r for r in table if r.row == OURS), *pairs], CROSS, agreement=agreement)


def moved(before: Sequence[Duel], after: Sequence[Duel]) -> str:
    """Which verdicts on ours are others once the minis have trained longer; comparisons that have none, before or after, do not count."""
    was = {(d.other, d.measure): d.said for d in before}
    both = [(d, old) for d in after if (old := was.get((d.other, d.measure))) and {old, d.said} != {NONE}]
    changed = [f"{heading(d.measure, False)} against {name(d.other)}: {old}, now {d.said}" for d, old in both if d.said != old]
    return f"{len(changed)} of {len(both)} verdicts changed" + (" (" + "; ".join(changed) + ")" if changed else "")


def cost(rows: Sequence[Row]) -> str:
    """Markdown: frames a second, processor time and memory of every system."""
    lines = []
    for row in (OURS, *MINIS):
        found = {r.metric: r for r in rows if r.row == row}
        if found:
            contest = CONTEST[next(iter(found.values())).contest]
            lines.append([name(row), contest, *(cell(found[m], 1) if m in found else "–" for m in ("fps", "cpu_ms", "peak_mib"))])
    return markdown(["system", "sees", "frames a second", "processor ms a frame", "memory, MiB"], lines)


def slowest(rows: Sequence[Row]) -> str:
    """A sentence: which system dubs the fewest frames a second, and what ours does; "" where no speed is saved."""
    fps = {r.row: r.value for r in rows if r.metric == "fps" and r.value is not None and r.row in (OURS, *MINIS)}
    if not fps:
        return ""
    row = min(fps, key=fps.__getitem__)
    beside = f"; ours {fps[OURS]:.1f}" if OURS in fps and row != OURS else ""
    return f"The slowest is {name(row)} with {fps[row]:.1f} frames a second{beside}."
