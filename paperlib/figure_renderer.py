"""Figures 6 and 8, the learned scale, the orderings of tables 4 to 6, head motion and the four factors: drawn from saved results only.

python -m paperlib.figure_renderer [NAME ...] [--results DIR] [--folder DIR] [--beta predicted]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paperlib.errors import InputError
from paperlib.evaluation.renderer_failures import LIGHTER, error_picture
from paperlib.figures import SYSTEM_NAMES, command_line, intervals, save_figure, stamp
from paperlib.notebook import PALETTE, plot_style
from paperlib.paper import FACTORS
from paperlib.results import Row, read_results, select

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMAND = "python -m paperlib.figure_renderer"
CURVES = "study_renderer_curves.json"
FIGURE6 = {  # key of figure6_frames.npz -> heading; a `{}` takes the beta
    "target": "truth", "hole": "I_crop", "ref": "reference", "i3d_{}": "I_3D", "base_{}": "base", "no_tmn_{}": "w/o TMN",
    "no_corr_{}": "w/o corr. loss", "no_msaf_{}": "w/o MSAF", "no_staging_{}": "w/o staging", "full_{}": "full",
}  # fmt: skip
FIGURE8 = {"truth": "truth", "predicted": "our dub", "true": "true\nexpressions", "warp": "I_warp", "reference": "reference"}
SIGNS = {"holds": ("+", PALETTE[2]), "tie": ("=", "0.85"), "does not hold": ("−", PALETTE[3]), "no verdict": ("?", "white")}
WORDS = {"holds": "as printed", "tie": "tie", "does not hold": "reversed", "no verdict": "no verdict"}  # said of one ordering
MAIN = (("psnr", "crop"), ("ssim", "crop"), ("lpips", "crop"), ("lmd", "mouth"), ("psnr", "frame"), ("lpips", "mouth"))


def picture_grid(columns: Sequence[np.ndarray], headings: Sequence[str], captions: Sequence[str], cell: float = 1.1) -> Figure:
    """Pictures uint8 (K, H, W, 3), a column each, a row for each of K; pixels are enlarged without smoothing."""
    import matplotlib.pyplot as plt

    plot_style()
    rows, wide = len(captions), len(columns)
    fig, axes = plt.subplots(rows, wide, figsize=(cell * wide + 0.2, (cell + 0.22) * rows + 0.5), squeeze=False)
    for j, (column, heading) in enumerate(zip(columns, headings, strict=True)):
        if len(column) != rows:
            raise ValueError(f"column {heading!r} has {len(column)} pictures, expected {rows}")
        axes[0, j].set_title(heading, fontsize=9)
        for i in range(rows):
            axes[i, j].imshow(column[i], interpolation="nearest")
            axes[i, j].set_axis_off()
    fig.get_layout_engine().set(rect=(0, 0, 1, 1), hspace=0.08)
    for i, text in enumerate(captions):
        axes[i, 0].text(0, -0.04, text, fontsize=8, va="top", transform=axes[i, 0].transAxes).set_in_layout(False)
    return fig


def saved_frames(name: str, results: Path, command: str) -> dict[str, np.ndarray]:
    """Arrays of a saved file of pictures; InputError with the command that makes it where there is none."""
    path = results / name
    if not path.exists():
        raise InputError(f"{path}: no such file; make it with `paperlib {command}`")
    with np.load(path) as kept:
        return dict(kept)


def saved_curves(results: Path) -> dict:
    """study_renderer_curves.json: {"provenance", "curves": variant -> seed -> columns}; InputError where it is not there."""
    path = results / CURVES
    if not path.exists():
        raise InputError(f"{path}: no such file; make it with `paperlib train study-renderer`")
    return json.loads(path.read_text())


def last_scales(curves: dict, variants: Sequence[str] = ("full", "low", "high")) -> dict[str, list[float]]:
    """The learned s at the end of the training, a value a seed: "full, low" -> [...].

    >>> last_scales({"low": {"0": {"step": [1, 2], "scale_low": [0.1, 0.25]}, "1": {"step": [1], "scale_low": [0.125]}}})
    {'low, low level': [0.25, 0.125]}
    """
    ends: dict[str, list[float]] = {}
    for variant in (v for v in variants if v in curves):
        for cell in curves[variant].values():
            for level in ("low", "high"):
                if f"scale_{level}" in cell:
                    ends.setdefault(f"{variant}, {level} level", []).append(round(cell[f"scale_{level}"][-1], 3))
    return ends


def mouths(pictures: np.ndarray, top: float = 0.42, bottom: float = 0.98, side: float = 0.2) -> np.ndarray:
    """The lower middle of pictures (K, S, S, 3), where the mouth is in every clip of the corpus.

    >>> mouths(np.zeros((1, 100, 100, 3), np.uint8)).shape
    (1, 56, 60, 3)
    """
    size = pictures.shape[1]
    return pictures[:, round(top * size) : round(bottom * size), round(side * size) : round((1 - side) * size)]


def figure6(frames: dict[str, np.ndarray], beta: str = "predicted", closer: bool = False) -> Figure:
    """Ablation pictures: what goes in, then each variant of table 4, a row a test speaker; `closer` shows the lower face alone."""
    keys = {key.format(beta): heading for key, heading in FIGURE6.items()}
    missing = [key for key in keys if key not in frames]
    if missing:
        raise InputError(f"figure6_frames.npz lacks {', '.join(missing)}; finish the study with `paperlib train study-renderer`")
    columns = [mouths(frames[key]) if closer else frames[key] for key in keys]
    return picture_grid(columns, list(keys.values()), [str(name) for name in frames["names"]])


def figure8(frames: dict[str, np.ndarray]) -> Figure:
    """The worst frames by rule, a row each with its reason; the last column is the error of our dub, white at 64 grey levels."""
    columns = [*(frames[key] for key in FIGURE8), error_picture(frames["predicted"], frames["truth"])]
    return picture_grid(columns, [*FIGURE8.values(), f"error x {LIGHTER}"], [str(text) for text in frames["captions"]], cell=1.45)


def scale_curves(curves: dict, variants: Sequence[str] = ("full", "low", "high")) -> Figure:
    """The learned s of (22) during training: a line a seed, dashes tell the levels apart; the start is a setting."""
    import matplotlib.pyplot as plt

    plot_style()
    shown = [v for v in variants if v in curves]
    if not shown:
        raise InputError("the study's curves hold no variant with a learned scale; train `full` with `paperlib train study-renderer`")
    fig, axes = plt.subplots(1, len(shown), figsize=(3.2 * len(shown) + 0.6, 2.9), sharey=True, squeeze=False)
    for ax, variant in zip(axes[0], shown, strict=True):
        for level, dash, color in (("low", "-", PALETTE[0]), ("high", "--", PALETTE[3])):
            for k, cell in enumerate(curves[variant].values()):
                if f"scale_{level}" in cell:
                    label = f"{level} level" if k == 0 else None
                    ax.plot(cell["step"], cell[f"scale_{level}"], dash, color=color, linewidth=1.2, label=label)
        ax.axhline(0, color="0.5", linewidth=1)
        ax.set(xlabel="step", title={"full": "both levels"}.get(variant, f"{variant} level alone"))
        ax.legend()
    axes[0, 0].set_ylabel("scale s of (22)")
    return fig


def counted(rows: Sequence[Row]) -> str:
    """How many of the orderings `rows` (of orderings_renderer) come out how, in WORDS; "none" where there are no rows.

    >>> said = ("tie; Holm p 0.2", "does not hold; Holm p 0.01", "tie; Holm p 1")
    >>> counted([Row("orderings", "table6:all>high", "psnr", 0.1, data="d", protocol=text) for text in said])
    '2 tie, 1 reversed'
    """
    found = [r.protocol.split(";")[0] for r in rows]
    return ", ".join(f"{found.count(said)} {word}" for said, word in WORDS.items() if said in found) or "none"


def verdicts(rows: Sequence[Row], beta: str = "predicted", measures: Sequence[tuple[str, str]] = MAIN) -> Figure:
    """Every printed ordering of tables 4 to 6 against ours, with the difference: + as printed, = tie, − reversed; empty: printed equal."""
    import matplotlib.pyplot as plt

    plot_style()
    chosen = [r for r in rows if r.beta == beta]
    names = sorted(dict.fromkeys(r.row for r in chosen), key=lambda name: name.split(":")[0])  # stable: a table's own order is kept
    if not names:
        raise InputError(f"orderings_renderer.json has no rows with beta {beta!r}; make it with `paperlib evaluate study-renderer`")
    fig, ax = plt.subplots(figsize=(9.5, 0.9 + 0.27 * len(names)))
    found = {(r.row, r.metric, r.region): r for r in chosen}
    for i, name in enumerate(names):
        for j, measure in enumerate(measures):
            row = found.get((name, *measure))
            if row is None:
                continue
            sign, color = SIGNS[row.protocol.split(";")[0]]
            ax.add_patch(plt.Rectangle((j - 0.46, i - 0.42), 0.92, 0.84, facecolor=color, edgecolor="none"))
            ax.text(j, i, f"{sign}   {row.value:+.2g}", ha="center", va="center", fontsize=8)
    ax.set(xlim=(-0.5, len(measures) - 0.5), ylim=(len(names) - 0.5, -0.5))
    ax.set_xticks(range(len(measures)), [f"{m.upper()}\n{region}" for m, region in measures])
    ax.set_yticks(range(len(names)), [_ordering(name) for name in names])
    ax.xaxis.tick_top()
    ax.grid(visible=False)
    return fig


SHORT = {
    "no_tmn": "w/o TMN", "no_corr": "w/o corr. loss", "no_msaf": "w/o MSAF", "no_staging": "w/o stages",
    "sigma_0": "s = 0", "sigma_1": "s = 1", "sigma_learned": "s learned", "all": "all scales",
}  # fmt: skip


def _ordering(name: str) -> str:
    table, pair = name.split(":")
    a, b = (SHORT.get(row, row) for row in pair.split(">"))
    return f"table {table[-1]}: {a} better than {b}"


def head_motion(rows: Sequence[Row], beta: str = "predicted") -> Figure:
    """Error in bins of head speed and of yaw with 95% intervals, our dub and the frozen mouth side by side."""
    import matplotlib.pyplot as plt

    plot_style()
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.0), sharey=True)
    top = max((r.value if r.high is None else r.high) for r in rows if r.metric.startswith(("error_speed_", "error_yaw_")))
    for ax, covariate in zip(axes, ("speed", "yaw"), strict=True):
        bins: list[str] = []
        for shift, mark, color, (system, label) in zip((-0.1, 0.1), "os", (PALETTE[0], PALETTE[3]), SYSTEM_NAMES.items(), strict=True):
            wanted = beta if system == "full" else "none"
            found = [r for r in rows if (r.row, r.beta) == (system, wanted) and r.metric.startswith(f"error_{covariate}_")]
            bins = [r.protocol.split(";")[0] for r in found] or bins
            ax.plot([k + shift for k in range(len(found))], [r.value for r in found], mark, color=color, label=label)
            for k, r in enumerate(found):
                if r.low is not None:
                    ax.plot([k + shift] * 2, [r.low, r.high], color=color)
        words = bins[0].rsplit(" ", 3)[0] if bins else covariate
        ax.set_xticks(range(len(bins)), [" ".join(b.rsplit(" ", 3)[1:]) for b in bins])
        ax.set(xlabel=words, ylim=(0, 1.05 * top))
    axes[0].set_ylabel("error in the painted region\n(grey levels)")
    axes[1].legend()
    return fig


def factor_effects(rows: Sequence[Row], metric: str = "psnr", region: str = "crop") -> Figure:
    """What each of the four choices is worth, easy level less hard level, with 95% intervals."""
    names = [f"effect_{f}" for f in (*FACTORS, "all")]
    shown = [r for name in names for r in select(list(rows), row=name, metric=metric, region=region)]
    labels = {f"effect_{f}": f"{f}: {easy} less {hard}" for f, (easy, hard) in FACTORS.items()} | {"effect_all": "all four"}
    unit = f" ({shown[0].unit})" if shown and shown[0].unit else ""
    return intervals(shown, f"{metric.upper()}, {region}{unit}, self-reconstruction", names=labels)


def _data(rows: Sequence[Row]) -> str:
    return next(r.data for r in rows if r.kind == "measured")


def _draw6(results: Path, folder: Path, beta: str) -> Path:
    frames = saved_frames("figure6_frames.npz", results, "train study-renderer")
    _, header = read_results("table4", results)
    for name, closer in (("figure6_mouths", True), ("figure6", False)):
        fig = figure6(frames, beta, closer)
        stamp(fig, f"embedded test speakers, cross-dub, {beta} expressions, first seed, {header['steps']} steps, native pixels enlarged")
        alt = "Ablation pictures: " + ", ".join(h for h in FIGURE6.values()) + "; a row for each of several test speakers."
        inputs = [results / "figure6_frames.npz"]
        path = save_figure(fig, name, folder, command=COMMAND, inputs=inputs, alt=alt, colours=0, quality=76, corpus=header["corpus"])
    return path


def _draw8(results: Path, folder: Path, beta: str) -> Path:
    frames = saved_frames("figure8_frames.npz", results, "evaluate motion")
    rows, header = read_results("figure8", results)
    fig = figure8(frames)
    stamp(fig, f"{_data(rows)}: the worst frame of each clip, worst clips first; reason = what lies highest among all frames")
    alt = "The worst frames by the numbers: " + "; ".join(r.protocol for r in rows) + "."
    inputs = [results / "figure8.json", results / "figure8_frames.npz"]
    return save_figure(fig, "figure8", folder, command=COMMAND, inputs=inputs, alt=alt, colours=0, quality=72, corpus=header["corpus"])


def _draw_scales(results: Path, folder: Path, beta: str) -> Path:
    saved = saved_curves(results)
    fig = scale_curves(saved["curves"])
    stamp(fig, f"{len(saved['provenance']['seeds'])} seeds, {saved['provenance']['steps']} steps; the paper says that s lies in [0, 1]")
    alt = "The learned scale of MSAF at its low and high level against the training step, a line for each seed."
    return save_figure(fig, "msaf_scales", folder, command=COMMAND, inputs=[results / CURVES], alt=alt)


def _draw_rows(name: str, source: str, draw, alt: str):
    def make(results: Path, folder: Path, beta: str) -> Path:
        rows, _ = read_results(source, results)
        fig = draw(rows, beta)
        stamp(fig, _data(rows) + ("" if name == "factors" else f"; {beta} expressions"))
        return save_figure(fig, name, folder, command=COMMAND, inputs=[results / f"{source}.json"], alt=alt)

    return make


DRAWN = {
    "figure6": _draw6,
    "figure8": _draw8,
    "msaf_scales": _draw_scales,
    "orderings": _draw_rows("orderings", "orderings_renderer", verdicts, "Which printed orderings of tables 4 to 6 hold here."),
    "head_motion": _draw_rows("head_motion", "controls_motion", head_motion, "Error of our dub and of a frozen mouth, by speed and yaw."),
    "factors": _draw_rows(
        "factors", "controls_factors", lambda rows, beta: factor_effects(rows), "What each of four unstated choices is worth in decibels."
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry: draw the named figures (default: all); 2 when a results file is missing."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("--beta", choices=("true", "predicted"), default="predicted", help="expressions that I_3D was drawn from")
    return command_line(parser, DRAWN, argv)


if __name__ == "__main__":
    raise SystemExit(main())
