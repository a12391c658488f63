"""Figure of the realism audit, drawn from data/results/realism.json alone; no picture of anybody."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paperlib.corpus.realism import LAGS
from paperlib.figures import save_figure, stamp
from paperlib.notebook import PALETTE, plot_style
from paperlib.results import Row, read_results, select

SHOWN = {"people": "people", "rule_same_sound": "rule", "rule2_same_sound": "rule2", "rule_corpus": "rule, espeak-ng's speech"}
SCALARS = {"r_loudness": "loudness", "r_ridge": "speech\n(ridge)", "r_ridge_other": "another\nsentence", "r_index": "place in\nclip"}


def _value(rows: list[Row], row: str, metric: str) -> Row:
    found = select(rows, row=row, metric=metric)
    if len(found) != 1:
        raise ValueError(f"realism results: {len(found)} rows {row}/{metric}, expected one")
    return found[0]


def _quantiles(rows: list[Row], row: str, name: str) -> tuple[list[float], list[int]]:
    found = [r for r in select(rows, row=row) if r.metric.startswith(f"{name}_q")]
    return [r.value for r in found], [int(r.metric.rsplit("_q", 1)[1]) for r in found]


def draw(path: Path, folder: Path) -> Path:
    """Draw realism.png and .json into `folder` from the results file `path`."""
    import matplotlib.pyplot as plt

    rows, header = read_results(path.stem, path.parent)
    plot_style()
    fig, axes = plt.subplots(2, 3, figsize=(12, 6.6), layout="constrained")
    _bars(axes[0, 0], rows)
    for axis, name, label in (
        (axes[0, 1], "opening", "lip opening (eye distances)"),
        (axes[0, 2], "velocity", "its speed (eye distances / s)"),
    ):
        for k, (row, title) in enumerate(SHOWN.items()):
            x, q = _quantiles(rows, row, name)
            axis.plot(x, q, color=PALETTE[k], marker=".", label=title, linestyle="-" if k == 0 else "--")
        axis.set(xlabel=label, ylabel="% of frames below")
    for k, row in enumerate(SHOWN):
        axes[1, 0].plot(
            LAGS * 40, [_value(rows, row, f"lag_{lag:+d}").value for lag in LAGS], color=PALETTE[k], linestyle="-" if k == 0 else "--"
        )
    axes[1, 0].set(xlabel="mouth behind loudness (ms)", ylabel="correlation")
    _rounds(axes[1, 1], rows, header["rounds"])
    _totals(axes[1, 2], rows)
    fig.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside upper center", ncols=len(SHOWN), frameon=False)
    n = _value(rows, "people", "r_loudness").n
    stamp(
        fig,
        f"people: {n} GRID clips not used for choosing settings; rule, rule2: the same recordings' sound; lines join 1 to 99% quantiles",
    )
    alt = (
        "Six panels comparing recorded mouths with the rules: how well loudness, speech, other speech and the place in the clip tell "
        "the lip opening; distributions of opening and speed; correlation with loudness by lag; distances to people by round and source."
    )
    out = save_figure(fig, "realism", folder, command="python -m paperlib.corpus.realism_report", inputs=[path], alt=alt)
    plt.close(fig)
    return out


def _bars(axis, rows: list[Row]) -> None:
    width = 0.8 / len(SHOWN)
    for k, row in enumerate(SHOWN):
        found = [_value(rows, row, m) for m in SCALARS]
        x = np.arange(len(found)) + (k - (len(SHOWN) - 1) / 2) * width
        error = np.array([[r.value - r.low, r.high - r.value] for r in found]).T
        axis.bar(x, [r.value for r in found], width * 0.9, yerr=error, color=PALETTE[k], error_kw={"elinewidth": 0.8})
    axis.set_xticks(range(len(SCALARS)), list(SCALARS.values()))
    axis.set(ylabel="r with lip opening, within a clip", ylim=(0, 1))


def _rounds(axis, rows: list[Row], rounds: list[dict]) -> None:
    names = [f"{k}  {r['what']}" for k, r in enumerate(rounds)]
    for part, colour in (("choose", "0.6"), ("report", PALETTE[1])):
        values = [_value(rows, f"round{k}_{part}", "distance_total").value for k in range(len(rounds))]
        axis.plot(values, np.arange(len(rounds)), color=colour, marker="o", label=f"{part} half")
    axis.axvline(_value(rows, "people", "distance_total").value, color=PALETTE[0], linestyle=":", label="people, half to half")
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="distance of rule to people", xlim=(0, None))
    axis.legend(fontsize=7, frameon=False)


def _totals(axis, rows: list[Row]) -> None:
    labels = {
        "people": "people, other half", "rule_same_sound": "rule, GRID's sound", "rule2_same_sound": "rule2, GRID's sound",
        "rule_same_words": "rule, GRID's words,\nespeak-ng's voice", "rule2_same_words": "rule2, GRID's words,\nespeak-ng's voice",
        "rule_corpus": "rule, corpus *", "rule2_corpus": "rule2, corpus *", "people_others": "nine people to s1",
    }  # fmt: skip
    found = {r.row: r.value for r in select(rows, metric="distance_total") if r.row in labels}
    shown = [row for row in labels if row in found]
    axis.barh(range(len(shown)), [found[r] for r in shown], color=[PALETTE[0] if r.startswith("people") else PALETTE[1] for r in shown])
    axis.set_yticks(range(len(shown)), [labels[r] for r in shown], fontsize=8)
    axis.invert_yaxis()
    axis.set(xlabel="distance to people (* not comparable)")
