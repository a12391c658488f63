"""What architecture figures are drawn with: shapes recorded by hooks during a forward pass, and boxes and wires on a slide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from paperlib.complexity import tensors_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shape = tuple[int, ...]
EDGE = "#4D4D4D"
FILL = {"net": "#CFE3F2", "data": "#F2F2F2", "op": "#FFFFFF", "out": "#FBE3B5"}  # learned, given, fixed, result
SIGNAL = {"i3d": "#00795A", "warp": "#0072B2", "crop": "#C04F00", "tex": "#A8447A", "": EDGE}


class Seen(NamedTuple):
    """What one call of a module read and gave: shapes of all tensors, in order."""

    module: nn.Module
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]

    @property
    def millions(self) -> float:
        """Parameters, millions."""
        return sum(p.numel() for p in self.module.parameters()) / 1e6


def trace(module: nn.Module, *inputs) -> dict[str, Seen]:
    """Name -> `Seen` of every submodule's (last) call during `module(*inputs)`; "" is the module itself. Hooks are removed again."""
    seen: dict[str, Seen] = {}
    handles = []
    try:
        for name, m in module.named_modules():

            def hook(m: nn.Module, args: tuple, kwargs: dict, out, name: str = name) -> None:
                read, gave = (tuple(tuple(t.shape) for t in tensors_in(v)) for v in ((args, kwargs), out))
                seen[name] = Seen(m, read, gave)

            handles.append(m.register_forward_hook(hook, with_kwargs=True))
        with torch.no_grad():
            module.eval()(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def words(shape: Sequence[int]) -> str:
    """A shape without its batch axis of one.

    >>> words((1, 3, 96, 96)), words((29, 256))
    ('3 × 96 × 96', '29 × 256')
    """
    return " × ".join(map(str, shape[1:] if shape[0] == 1 else shape))


def canvas(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """A slide of 16 : 9 whose axes run over 0..width, 0..height."""
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=(13.33, 7.5), facecolor="white")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    ax.text(2, height - 1.5, title, fontsize=12.5, va="top", color="#222222")
    return fig, ax


def box(ax: Axes, place: tuple[float, float, float, float], head: str, lines: str, kind: str, size: float = 9) -> None:
    """A rounded box at (x, y, width, height) with a bold head and `lines` of a smaller `size` under it, centred."""
    from matplotlib.patches import FancyBboxPatch

    (x, y, w, h), style = place, "--" if kind == "op" else "-"
    ax.add_patch(FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=1", fc=FILL[kind], ec=EDGE, lw=1.1, ls=style, zorder=3))
    rows = 1 + lines.count("\n") + 1 if lines else 1
    top = y + h / 2 + 1.25 * (rows - 1)
    ax.text(x + w / 2, top, head, ha="center", va="center", fontsize=10.5, weight="bold", zorder=4)
    for i, line in enumerate(lines.split("\n") if lines else ()):
        ax.text(x + w / 2, top - 2.6 * (i + 1), line, ha="center", va="center", fontsize=size, zorder=4)


def wire(ax: Axes, *points: tuple[float, float], signal: str = "", label: str = "", at: tuple[float, float] | None = None) -> None:
    """A line through the points with an arrow at its end, in its signal's colour; `label` is written at `at`."""
    x, y = zip(*points, strict=True)
    ax.plot(x[:-1], y[:-1], color=SIGNAL[signal], lw=1.6, solid_capstyle="butt", zorder=2)
    ax.annotate(
        "", points[-1], points[-2], arrowprops={"arrowstyle": "-|>", "color": SIGNAL[signal], "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
    )
    if label and at:
        ax.text(*at, label, fontsize=9, color=SIGNAL[signal], ha="center", va="bottom", zorder=4)


def lane(ax: Axes, y: float, h: float, w: float, text: str, right: bool = False) -> None:
    """A pale band over the width `w` of the slide, its name in a corner."""
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((1.5, y), w - 3, h, fc="#FAFAFA", ec="#DDDDDD", lw=1, zorder=0))
    ax.text(w - 3 if right else 3, y + h - 1.2, text, fontsize=10, va="top", ha="right" if right else "left", color="#666666")
