"""Pictures of speech on one time axis: frames, phoneme bars, MFCC, curves of lip opening. Notebooks draw with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paperlib.config import FPS
from paperlib.corpus.speech import PAUSE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BILABIALS = ("p", "b", "m")  # sounds that shut the lips
LINES = ("-", "--", ":", "-.")


def middles(n_frames: int) -> np.ndarray:
    """(T,) time of each frame's middle in seconds.

    >>> middles(2).round(2).tolist()
    [0.02, 0.06]
    """
    return (np.arange(n_frames) + 0.5) / FPS


def closures(phonemes: Sequence[tuple[str, float, float]], n_frames: int) -> list[tuple[str, int]]:
    """(symbol, frame) of every bilabial (symbol, start, end) whose middle lies inside the clip; the frame is the one it falls into.

    >>> closures([("a", 0.0, 0.1), ("b", 0.1, 0.2)], 10)
    [('b', 3)]
    """
    found = [(s.strip("ː"), int((a + b) / 2 * FPS)) for s, a, b in phonemes]
    return [(s, t) for s, t in found if s in BILABIALS and t < n_frames]


def phoneme_bars(ax: Axes, phonemes: Sequence[tuple[str, float, float]], seconds: float) -> None:
    """Phonemes as labelled bars; those that shut the lips are hatched, so that colour alone carries nothing."""
    from paperlib.notebook import PALETTE

    for symbol, start, end in phonemes:
        if symbol == PAUSE or start >= seconds:
            continue
        shut = symbol.strip("ː") in BILABIALS
        end = min(end, seconds)
        look = {"fc": PALETTE[1], "alpha": 0.9, "hatch": "//"} if shut else {"fc": PALETTE[5], "alpha": 0.35}
        ax.axvspan(start, end, ec="white", lw=0.5, **look)
        ax.text((start + end) / 2, 0.5, symbol, ha="center", va="center", fontsize=9)
    ax.set(ylim=(0, 1), yticks=[])


def speech_strip(
    phonemes: Sequence[tuple[str, float, float]],
    n_frames: int,
    curves: Mapping[str, np.ndarray],
    frames: Mapping[str, Any] | None = None,
    mfcc: np.ndarray | None = None,
    columns: int = 10,
    ylabel: str = "lip opening (mm)",
    title: str = "",
) -> Figure:
    """One time axis for everything that belongs to a clip; returns the figure.

    Args:
        phonemes: (symbol, start, end) in seconds.
        n_frames: T.
        curves: name -> (T,) values at the frames' middles; told apart by dashes as well as by colour.
        frames: name -> (T, H, W, 3) uint8 or [0, 1]; `columns` of them are shown where they lie in time, a row per name.
        mfcc: (13, R) as from `audio.mfcc`, 10 ms a column.
    """
    import matplotlib.pyplot as plt

    from paperlib.notebook import PALETTE

    seconds, frames = n_frames / FPS, frames or {}
    width = 9.0
    heights = [width / columns] * len(frames) + [0.4] + ([1.3] if mfcc is not None else []) + ([1.7] if curves else [])
    fig, axes = plt.subplots(
        len(heights), 1, figsize=(width, sum(heights) + 0.6), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    rows = list(axes[:, 0])
    step = seconds / columns
    for name, pictures in frames.items():
        ax = rows.pop(0)
        for i in range(columns):
            t = min(int((i + 0.5) * n_frames / columns), n_frames - 1)
            ax.imshow(pictures[t], extent=((i + 0.02) * step, (i + 0.98) * step, 0, 1), aspect="auto", interpolation="nearest")
        ax.set(ylim=(0, 1), yticks=[], ylabel=name)
        ax.spines[["left", "bottom"]].set_visible(False)
    phoneme_bars(rows.pop(0), phonemes, seconds)
    if mfcc is not None:
        ax = rows.pop(0)
        ax.imshow(mfcc, origin="lower", aspect="auto", extent=(0, mfcc.shape[1] * 0.01, -0.5, len(mfcc) - 0.5), vmin=-2, vmax=2)
        ax.set(ylabel="MFCC", yticks=[0, len(mfcc) - 1])
    if curves:
        ax = rows.pop(0)
        for i, (name, values) in enumerate(curves.items()):
            ax.plot(middles(len(values)), values, LINES[i % 4], color=(PALETTE[7], *PALETTE)[i], label=name)
        ax.set_ylabel(ylabel)
        ax.legend(loc="upper right", ncols=len(curves))
        ax.margins(y=0.25)
    axes[-1, 0].set(xlim=(0, seconds), xlabel="time (s)")
    if title:
        fig.suptitle(title)
    return fig
