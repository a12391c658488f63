"""Figures, drawn from saved results only. Each is saved as PNG with a .json beside it that says how it was made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paperlib.artifacts import atomic_write, file_hash
from paperlib.errors import InputError
from paperlib.notebook import PALETTE, plot_style
from paperlib.results import Row, git_commit, select

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(fig: Figure, name: str, folder: Path, *, command: str, inputs: Sequence[Path] = (), alt: str, **facts: Any) -> Path:
    """Write folder/<name>.png and <name>.json (command, commit, SHA-256 of every results file it was drawn from, alt text)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    fig.savefig(path, dpi=120, metadata={"Software": None})
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
    """Figure 7: LMD and SSIM of one sequence frame by frame, and their scatter with Pearson's r, its interval and n."""
    import matplotlib.pyplot as plt

    plot_style()
    data = curves[clip][system]
    lmd = np.array([np.nan if v is None else v for v in data["lmd"]])
    ssim = np.array(data["ssim"])
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
    left.plot(lmd, color=PALETTE[0], label="LMD")
    left.set(xlabel="frame", ylabel="LMD (px)")
    twin = left.twinx()
    twin.plot(ssim, color=PALETTE[3], linestyle="--", label="SSIM")
    twin.set_ylabel("SSIM (dashed)")
    twin.spines["right"].set_visible(True)
    good = ~np.isnan(lmd)
    right.scatter(lmd[good], ssim[good], s=12, color=PALETTE[2])
    right.set(xlabel="LMD (px)", ylabel="SSIM", title=correlation_text(rows, clip, system))
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
    ax.set_xlabel(xlabel)
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
