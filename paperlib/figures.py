"""Figures, drawn from saved results only. Each is saved as PNG with a .json beside it that says how it was made.

`python -m paperlib.figures` draws those of `figures/` anew from data/results.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paperlib import paper_checks, paths
from paperlib.artifacts import atomic_write, file_hash
from paperlib.errors import InputError
from paperlib.notebook import PALETTE, plot_style
from paperlib.paper import CLAIMS, METRICS, TABLES
from paperlib.results import Row, git_commit, read_results, select

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYSTEM_NAMES = {"full": "our dub", "frozen_mouth": "a mouth that never moves"}


def save_figure(
    fig: Figure,
    name: str,
    folder: Path,
    *,
    command: str,
    inputs: Sequence[Path] = (),
    alt: str,
    colours: int = 64,
    quality: int = 85,
    **facts: Any,
) -> Path:
    """Write folder/<name>.png and <name>.json (command, commit, SHA-256 of every results file it was drawn from, alt text).

    colours: of the PNG's palette, which makes a plot a quarter of the size; rare ones keep their place, as a thin line's. 0 is for faces,
    whose skin a palette breaks into patches: they become <name>.jpg, of a third of the size, with that `quality`.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    path, drawn = folder / f"{name}.{'png' if colours else 'jpg'}", io.BytesIO()
    fig.savefig(drawn, dpi=120, metadata={"Software": None})
    picture = Image.open(drawn).convert("RGB")
    if colours:
        picture.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    else:
        picture.save(path, quality=quality)
    card = {
        "figure": name,
        "alt": alt,
        "command": command,
        "commit": git_commit(),
        "inputs": {p.name: file_hash(p) for p in inputs},
        **facts,
    }
    atomic_write(path.with_suffix(".json"), (json.dumps(card, indent=1) + "\n").encode())
    return path


def stamp(fig: Figure, text: str) -> None:
    """Small line at the foot: profile, data, what the numbers are."""
    fig.supxlabel(text, fontsize=8, color="0.35", x=0.01, ha="left")


def read_curves(path: Path) -> dict:
    """figure7_curves.json: clip -> system -> {lmd, ssim}; InputError when it is not there."""
    if not path.exists():
        raise InputError(f"{path}: no such file; make it with `paperlib evaluate figure7`")
    return json.loads(path.read_text())["curves"]


def lmd_ssim(curves: dict, rows: Sequence[Row], clip: str, system: str = "full") -> Figure:
    """LMD and SSIM of one sequence frame by frame, and their scatter with Pearson's r, its interval and n."""
    import matplotlib.pyplot as plt

    plot_style()
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
    _lmd_ssim(axes, curves, rows, clip, system)
    return fig


def _lmd_ssim(axes: Sequence, curves: dict, rows: Sequence[Row], clip: str, system: str) -> None:
    data, (left, right) = curves[clip][system], axes
    lmd = np.array([np.nan if v is None else v for v in data["lmd"]])
    ssim = np.array(data["ssim"])
    left.plot(lmd, color=PALETTE[0], label="LMD")
    left.set(xlabel="frame", ylabel="LMD (px, solid)", title=SYSTEM_NAMES.get(system, system.replace("_", " ")))
    twin = left.twinx()
    twin.plot(ssim, color=PALETTE[3], linestyle="--", label="SSIM")
    twin.set_ylabel("SSIM (dashed)")
    twin.spines["right"].set_visible(True)
    good = ~np.isnan(lmd)
    right.scatter(lmd[good], ssim[good], s=12, color=PALETTE[2])
    right.set(xlabel="LMD (px)", ylabel="SSIM", title=correlation_text(rows, clip, system))


def figure7(curves: dict, rows: Sequence[Row], clip: str) -> Figure:
    """Figure 7 twice: our dub of one clip above, a mouth that never moves below. The same axes for both."""
    import matplotlib.pyplot as plt

    plot_style()
    fig, axes = plt.subplots(2, 2, figsize=(9, 6.2), width_ratios=(3, 2))
    for pair, system in zip(axes, ("full", "frozen_mouth"), strict=True):
        _lmd_ssim(pair, curves, rows, clip, system)
    low, high = zip(*(ax.get_xlim() for ax in axes[:, 1]), strict=True)
    bottom, top = zip(*(ax.get_ylim() for ax in axes[:, 1]), strict=True)
    for ax in axes[:, 1]:
        ax.set(xlim=(min(low), max(high)), ylim=(min(bottom), max(top)))
    stamp(fig, f"embedded corpus, cross-dub {clip}; the paper prints r = {CLAIMS['lmd_ssim'].numbers[0]} for one sequence of its own")
    return fig


def correlations(rows: Sequence[Row], metric: str = "pearson") -> Figure:
    """r of LMD and SSIM in every clip with its interval, our dub and the frozen mouth side by side, and the paper's r as a line."""
    import matplotlib.pyplot as plt

    plot_style()
    scopes = list(dict.fromkeys(r.data for r in select(list(rows), metric=metric)))
    fig, ax = plt.subplots(figsize=(7, 1.1 + 0.4 * len(scopes)))
    for shift, marker, color, system in ((-0.13, "o", PALETTE[0], "full"), (0.13, "s", PALETTE[3], "frozen_mouth")):
        found = [(i, r) for i, s in enumerate(scopes) for r in select(list(rows), row=system, metric=metric, data=s) if r.value is not None]
        at = [i + shift for i, _ in found]
        ax.plot([r.value for _, r in found], at, marker, color=color, label=SYSTEM_NAMES[system])
        for y, (_, r) in zip(at, found, strict=True):
            if r.low is not None:
                ax.plot([r.low, r.high], [y, y], color=color)
    ax.axvline(0, color="0.5", linewidth=1)
    ax.axvline(CLAIMS["lmd_ssim"].numbers[0], color="0.2", linestyle="--", linewidth=1, label="printed in the paper")
    ax.set_yticks(range(len(scopes)), [s.removeprefix("embedded cross-dub ") for s in scopes])
    ax.invert_yaxis()
    ax.set(xlabel=f"{metric.title()}'s correlation of LMD and SSIM, 95% interval", xlim=(-1.02, 1.02))
    ax.legend(loc="lower right")
    return fig


def removal_costs(table: str) -> Figure:
    """What each row of an ablation table (3 to 6) loses against the complete method, a panel per metric; right of 0: worse without."""
    import matplotlib.pyplot as plt

    plot_style()
    t, costs = TABLES[table], paper_checks.removal_costs(table)
    metrics = [m for m in t.columns if any(c[m] for c in costs.values())]
    fig, axes = plt.subplots(1, len(metrics), figsize=(9, 0.9 + 0.33 * len(costs)), sharey=True, squeeze=False)
    for ax, m in zip(axes[0], metrics, strict=True):
        values = [c[m] for c in costs.values()]
        bars = ax.barh(range(len(costs)), values, color=PALETTE[0], height=0.6)
        ax.bar_label(bars, [f"{v:g}" for v in values], padding=2, fontsize=8)
        ax.set(xlabel=f"lost {METRICS[m].label}" + (f" ({METRICS[m].unit})" if METRICS[m].unit else ""), xlim=(0, 1.35 * max(values)))
        ax.locator_params(axis="x", nbins=3)
    axes[0, 0].set_yticks(range(len(costs)), [t.labels[r] for r in costs])
    axes[0, 0].invert_yaxis()
    stamp(fig, f"{t.title}; published, {t.data}; no interval, no number of runs is printed")
    return fig


def complexity(rows: Sequence[Row], data: str = "paper profile") -> Figure:
    """Table 7: the printed columns beside ours, counted at the paper profile's widths; a panel per column."""
    import matplotlib.pyplot as plt

    plot_style()
    t = TABLES["table7"]
    parts = [r for r in t.rows if r != "total"]
    fig, axes = plt.subplots(1, len(t.columns), figsize=(10, 3.0), sharey=True)
    for ax, m in zip(axes, t.columns, strict=True):
        counted = [next(r.value for r in rows if (r.row, r.metric, r.data) == (p, m, data)) for p in parts]
        printed = [t.value(p, m) for p in parts]
        at = np.arange(len(parts) + 1)
        ax.barh(at - 0.19, [*printed, t.value("total", m)], 0.36, color=PALETTE[5], label="printed")
        ax.barh(at + 0.19, [*counted, sum(counted)], 0.36, color=PALETTE[1], hatch="//", edgecolor="white", label="counted here")
        ax.set(xlabel=f"{METRICS[m].label} ({METRICS[m].unit})")
    axes[0].set_yticks(range(len(parts) + 1), [*(t.labels[p] for p in parts), "sum (printed: 'whole')"])
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    stamp(fig, f"counted here: {data}, untrained (counts do not depend on training); the expression row is per clip of 29 frames")
    return fig


def correlation_text(rows: Sequence[Row], clip: str, system: str) -> str:
    """`Pearson r -0.52 [-0.71, -0.20], Spearman ..., n 96 frames` from the saved rows of figure7."""
    parts, n = [], None
    for metric in ("pearson", "spearman"):
        found = [r for r in select(rows, row=system, metric=metric) if r.data.endswith(clip)]
        if not found:
            raise InputError(f"figure7 has no {metric} row for {system} on {clip}")
        r, n = found[0], found[0].n
        parts.append(f"{metric.title()} " + ("undefined" if r.value is None else f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"))
    return "\n".join([*parts, f"n = {n} frames"])


def intervals(rows: Sequence[Row], xlabel: str, zero: bool = True, names: dict[str, str] | None = None) -> Figure:
    """Values of one metric with their 95% intervals, one line per row id; `zero` draws the line of no difference."""
    import matplotlib.pyplot as plt

    plot_style()
    rows = [r for r in rows if r.value is not None]
    if len({(r.metric, r.region) for r in rows}) != 1:
        raise ValueError("intervals: give the rows of one metric and region")
    fig, ax = plt.subplots(figsize=(7, 0.6 + 0.35 * len(rows)))
    for i, r in enumerate(reversed(rows)):
        ax.plot([r.value], [i], "o", color=PALETTE[0])
        if r.low is not None:
            ax.plot([r.low, r.high], [i, i], color=PALETTE[0])
    labels = [
        (names or {}).get(r.row, r.row.replace("_", " ")) + (f" ({r.beta})" if r.beta not in ("", "none") else "") for r in reversed(rows)
    ]
    ax.set_yticks(range(len(rows)), labels)
    ax.set(xlabel=xlabel, ylim=(-0.5, len(rows) - 0.5))
    if zero:
        ax.axvline(0, color="0.5", linewidth=1)
    return fig


def training_curves(curves: dict[str, tuple[Sequence[int], Sequence[float]]], ylabel: str, log: bool = True) -> Figure:
    """Named curves (steps, values) of one training on one axis, told apart by dashes as well as colour."""
    import matplotlib.pyplot as plt

    plot_style()
    fig, ax = plt.subplots(figsize=(6, 3))
    for (name, (steps, values)), style in zip(curves.items(), ("-", "--", ":", "-.") * 4, strict=False):
        ax.plot(steps, values, style, label=name)
    ax.set(xlabel="step", ylabel=ylabel, yscale="log" if log else "linear")
    ax.legend()
    return fig


COMMAND = "python -m paperlib.figures"


def draw_figure7(results: Path, folder: Path) -> Path:
    """figures/figure7.png from figure7.json and figure7_curves.json of `results`: the first clip."""
    rows, header = read_results("figure7", results)
    curves = read_curves(results / "figure7_curves.json")
    clip = next(iter(curves))
    alt = (
        f"Landmark distance and SSIM of one dubbed clip frame by frame, and their scatter; above our dub ("
        f"{correlation_text(rows, clip, 'full').replace(chr(10), ', ')}), below a mouth that never moves "
        f"({correlation_text(rows, clip, 'frozen_mouth').replace(chr(10), ', ')})."
    )
    inputs = [results / "figure7.json", results / "figure7_curves.json"]
    return save_figure(figure7(curves, rows, clip), "figure7", folder, command=COMMAND, inputs=inputs, alt=alt, corpus=header["corpus"])


def draw_complexity(results: Path, folder: Path) -> Path:
    """figures/complexity.png from table7.json of `results`."""
    rows, _ = read_results("table7", results)
    alt = "Parameters, FLOPs, MAdd and memory of the four networks and their sum: bars of the printed values beside those counted here."
    return save_figure(complexity(rows), "complexity", folder, command=COMMAND, inputs=[results / "table7.json"], alt=alt)


DRAWN = {"figure7": draw_figure7, "complexity": draw_complexity}


def command_line(parser: argparse.ArgumentParser, drawn: Mapping[str, Callable[..., Path]], argv: Sequence[str] | None) -> int:
    """Draw the figures named on the command line (default: all of `drawn`); 2 when a results file is missing.

    Options that `parser` has beside names, --results and --folder reach the drawing functions by name.
    """
    import matplotlib

    matplotlib.use("Agg")
    parser.add_argument("names", nargs="*", choices=[*drawn, []], help="which figures (default: all)")
    parser.add_argument("--results", type=Path, default=paths.RESULTS)
    parser.add_argument("--folder", type=Path, default=paths.FIGURES)
    options = vars(parser.parse_args(argv))
    names, results, folder = (options.pop(name) for name in ("names", "results", "folder"))
    code = 0
    for name in names or drawn:
        try:
            print(drawn[name](results, folder, **options))
        except InputError as e:
            print(f"{name}: {e}", file=sys.stderr)
            code = 2
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry: draw the named figures (default: all) from data/results into figures/; 2 when a results file is missing."""
    return command_line(argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0]), DRAWN, argv)


if __name__ == "__main__":
    raise SystemExit(main())
