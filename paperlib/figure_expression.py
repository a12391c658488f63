"""Pictures and tables of stage 1's studies, from what `paperlib train study-expression` saved: the window k, attention by sound, how many
recorded clips a person needs, paired differences, and table 3's orderings. Nothing is trained or scored here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paperlib.errors import InputError
from paperlib.evaluation.expression_measures import UNITS
from paperlib.evaluation.expression_rows import BETTER, PAPER_MEASURES
from paperlib.evaluation.ledger import beats_truth
from paperlib.metrics.statistics import verdict
from paperlib.notebook import PALETTE, plot_style
from paperlib.paper import METRICS
from paperlib.results import Row, read_results, select
from paperlib.tables import cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMAND = "paperlib train study-expression --out data/results"
HOLDS, TIE, REVERSED, NONE = "as printed", "tie", "reversed", "no verdict"
LABELS = {
    "aed": "AED", "aed_mouth": "AED, mouth", "aed_centred": "AED, centred", "lip_mm": "lip error", "opening_r": "r of lip opening",
    "opening_mm": "error of the lip opening",
}  # fmt: skip


def heading(metric: str) -> str:
    """A measure's name with its unit.

    >>> heading("lip_mm"), heading("opening_r")
    ('lip error (mm)', 'r of lip opening')
    """
    return LABELS.get(metric, metric.replace("_", " ")) + (f" ({UNITS[metric]})" if UNITS.get(metric) else "")


def saved(name: str, folder: Path | None = None, command: str = COMMAND) -> tuple[list[Row], str]:
    """(rows, a sentence that says how they were measured) of a study's results file; ([], how to make it) where there is none.

    Results of the profile `smoke` are none: its networks have hardly been trained.
    """
    try:
        rows, made = read_results(name, folder)
    except InputError:
        return [], f"`{name}.json` is not there: **not measured yet**. Make it with `{command}`."
    if made["profile"] == "smoke":
        return [], f"`{name}.json` is of the profile smoke, hardly trained: **not measured yet**. Make it with `{command}`."
    own = [r for r in rows if r.kind == "measured"]
    seeds, budget = max(r.seeds for r in own), made.get("budget", {})
    steps, runs = budget.get("steps", made.get("steps")), "one seed" if seeds == 1 else f"{seeds} seeds"
    heard = f" on {budget['speakers']} speakers" if "speakers" in budget else ""
    return rows, f"{own[0].data}; every network trained {steps} steps{heard}, {runs}. Made by `{made['command']}`."


def difference(rows: Sequence[Row], reference: str, row: str, metric: str) -> Row | None:
    """The paired row `<reference>_minus_<row>`, where there is one with an interval."""
    found = select(list(rows), row=f"{reference}_minus_{row}", metric=metric)
    return next((r for r in found if r.low is not None), None)


def paired_table(
    rows: Sequence[Row], meanings: Mapping[str, str], metrics: Sequence[str], reference: str = "full", margin: float = 0.0005
) -> str:
    """Markdown: a line per row of `meanings`, what it is, and per measure reference - row with its interval and verdict on the reference.

    A row that could not be measured gives its reason; a row that the file does not have is left out.
    """
    lines = []
    for name, what in meanings.items():
        cells = []
        for metric in metrics:
            r, own = difference(rows, reference, name, metric), select(list(rows), row=name, metric=metric)
            if r is not None:
                said = verdict(r, BETTER.get(metric, "lower"), margin=margin)
                cells.append(f"{r.value:+.3f} [{r.low:+.3f}, {r.high:+.3f}] **{said}**")
            else:
                cells.append(cell(own[0]) if own and own[0].value is None else "–")
        if any(r.row == name for r in rows):
            lines.append([name.replace("_", " "), what, *cells])
    return _markdown([f"{reference.replace('_', ' ')} minus", "what it is", *map(heading, metrics)], lines)


def listed(
    rows: Sequence[Row], rivals: Sequence[str], metrics: Sequence[str], word: str, reference: str = "full", margin: float = 0.0005
) -> str:
    """In words, where the verdict on `reference` is `word`: `r of lip opening against loudness; ...`; "" where it is so nowhere."""
    found = {}
    for metric in metrics:
        for rival in rivals:
            r = difference(rows, reference, rival, metric)
            if r is not None and verdict(r, BETTER.get(metric, "lower"), margin=margin) == word:
                found.setdefault(LABELS.get(metric, metric.replace("_", " ")), []).append(rival.replace("_", " "))
    return "; ".join(f"{measure} against {', '.join(names)}" for measure, names in found.items())


def pivot(rows: Sequence[Row], down: Mapping, across: Mapping, place: Callable[[Row], tuple], spread: Mapping | None = None) -> str:
    """Markdown of values: place(row) = (line, column); down, across: their texts, in the table's order; what they do not name is left out.

    spread: (line, column) -> standard deviation over seeds, added to the value. Columns that no row has are left out.
    """
    at = {place(r): cell(r) for r in rows}
    at |= {key: f"{at[key]} ± {sd:.3f}" for key, sd in (spread or {}).items() if key in at}
    columns = {c: text for c, text in across.items() if any(key[1] == c for key in at)}
    return _markdown(["", *columns.values()], [[text, *(at.get((v, c), "–") for c in columns)] for v, text in down.items()])


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines))


def table3_spread(measured: Sequence[Row]) -> dict[tuple[str, tuple[str, str]], float]:
    """(row, (metric, region)) of table 3 -> standard deviation over seeds, from rows of expression_measures; Sync has none there."""
    names = {f"{measure}_seed_sd": (metric, region) for metric, measure, region, _ in PAPER_MEASURES}
    return {(r.row, names[r.metric]): r.value for r in measured if r.metric in names and r.value is not None}


@dataclass(frozen=True)
class Ordering:
    """Full against `row`: `paired` is full - row here, `said` our verdict on full after Holm, `printed` what the paper's numbers say."""

    row: str
    paired: Row
    said: str
    printed: str
    outcome: str  # HOLDS, TIE, REVERSED or NONE
    same_sign: bool  # the difference, however small, lies on the printed side


def table3_orderings(rows: Sequence[Row]) -> list[Ordering]:
    """Full against every other row of table 3, in every measure; the verdict is the one that the study wrote into `protocol`.

    A measure in which full beats the truth gives NONE, as in the ledger: a lead in it means nothing.
    """
    out = []
    for r in (r for r in rows if r.row.startswith("full_minus_")):
        if found := re.search(r"full is: ([a-z ]+) \(.*in the paper: (\w+)", r.protocol):
            said, printed = found.groups()
            outcome = {printed: HOLDS, "tie": TIE, "no verdict": NONE}.get(said, REVERSED)
            if beats_truth(rows, r, "full"):
                outcome = NONE
            same = (r.value * METRICS[r.metric].better > 0) == (printed == "better")
            out.append(Ordering(r.row.removeprefix("full_minus_"), r, said, printed, outcome, same))
    return out


def window_figure(rows: Sequence[Row], own: int, metric: str = "aed_mouth") -> Figure:
    """Left: the error against k with its interval over speakers; right: error of k less error of the window `own`, paired by clip."""
    import matplotlib.pyplot as plt

    plot_style()
    values = [(k, r) for k in range(20) for r in select(list(rows), row=f"k{k}", metric=metric) if r.low is not None]
    paired = [(k, r) for k in range(20) if (r := difference(rows, f"k{own}", f"k{k}", metric))]
    fig, axes = plt.subplots(1, 2, figsize=(9, 2.9))
    axes[0].errorbar(*_bars(values), marker="o", color=PALETTE[0], capsize=2, linestyle="--", linewidth=1)
    axes[0].set(xlabel="k", ylabel=heading(metric), xticks=[k for k, _ in values])
    k, value, error = _bars(paired)
    axes[1].errorbar(k, -value, error[::-1], marker="s", color=PALETTE[3], capsize=2, linestyle="none")
    axes[1].axhline(0, color="0.5", linewidth=1)
    axes[1].set(xlabel="k", ylabel=f"the same, less that of k = {own}", xticks=[k for k, _ in values])
    return fig


def _bars(found: Sequence[tuple[float, Row]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, value, distances (2, N) down and up) of rows with intervals."""
    table = np.array([[x, r.value, r.value - r.low, r.high - r.value] for x, r in found]).reshape(-1, 4)
    return table[:, 0], table[:, 1], np.abs(table[:, 2:].T)


def attention_figure(found: Mapping[str, np.ndarray]) -> Figure:
    """Mean weight of (7) per lag and its standard deviation over the sounds of each class; dotted: a plain average.

    found: class -> (N, 2k+1), as `evaluation.expression_inputs.attention_by_sound` gives them.
    """
    import matplotlib.pyplot as plt

    plot_style()
    fig, axes = plt.subplots(1, len(found), figsize=(3.6 * len(found), 2.6), sharey=True, squeeze=False)
    for ax, (name, weights), color in zip(axes[0], found.items(), PALETTE * 4, strict=False):
        k = weights.shape[1] // 2
        if len(weights):
            ax.bar(range(-k, k + 1), weights.mean(0), yerr=weights.std(0), color=color, capsize=3, ecolor="0.3")
        ax.axhline(1 / (2 * k + 1), color="black", linestyle=":")
        ax.set(title=f"{name}, {len(weights)} sounds", xlabel=r"$\tau - t$ (frames)", xticks=range(-k, k + 1))
    axes[0, 0].set_ylabel("weight")
    return fig


def clips_figure(rows: Sequence[Row], metrics: Sequence[str] = ("opening_r", "aed_centred")) -> Figure:
    """GRID: measures against the number of one person's clips, tuned and from scratch; a column per test set, ridge as a line."""
    import matplotlib.pyplot as plt

    plot_style()
    sets = list(dict.fromkeys(r.data for r in rows if r.protocol != "one clip"))
    size = (4.4 * len(sets), 2.4 * len(metrics))
    fig, axes = plt.subplots(len(metrics), len(sets), figsize=size, squeeze=False, sharex=True, sharey="row")
    styles = (("tuned", "trained on rule, then tuned", "o-", PALETTE[0], -0.7), ("scratch", "from scratch", "s--", PALETTE[3], 0.7))
    for line, metric in zip(axes, metrics, strict=True):
        for ax, data in zip(line, sets, strict=True):
            here = [r for r in rows if r.data == data and r.metric == metric and r.low is not None]
            for kind, text, style, color, shift in styles:
                found = [(int(m[1]) + shift, r) for r in here if (m := re.fullmatch(rf"{kind}_(\d+)", r.row))]
                x, value, error = _bars(sorted(found, key=lambda pair: pair[0]))
                ax.errorbar(x, value, error, fmt=style, color=color, capsize=2, label=text)
            for r in select(here, row="ridge_mfcc"):
                ax.axhline(r.value, color="black", linestyle=":", label="ridge on MFCC, all clips")
        line[0].set_ylabel(heading(metric))
    for ax, data in zip(axes[0], sets, strict=True):
        ax.set_title(data.removeprefix("GRID, "))
    for ax in axes[-1]:
        ax.set_xlabel("clips of the person learnt from")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig
