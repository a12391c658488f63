"""What the notebooks call: set-up, source display, widgets that also work headless, exercise checks, labels, tables, strips.

`PAPERLIB_HEADLESS=1` (set by the runner and the tests) replaces widgets by one call with their default values. Nothing
else depends on the environment, so that a notebook prints the same wherever it runs.
"""

from __future__ import annotations

import base64
import inspect
import io
import json
import os
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from paperlib.config import Profile, load_profile
from paperlib.errors import InputError
from paperlib.seeding import seed_everything

# Okabe and Ito's palette: told apart by readers of every kind of colour vision
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")
KINDS = {
    "published": "Published",  # printed in the paper, not checked by us
    "measured": "Measured here",
    "not_reproducible": "Not reproducible here",
}


def headless() -> bool:
    """True when no reader can move a slider: the runner and the tests set PAPERLIB_HEADLESS=1."""
    return os.environ.get("PAPERLIB_HEADLESS", "") not in ("", "0")


def setup(profile: str, seed: int) -> Profile:
    """First line of every notebook: load the profile, seed everything, set threads and the plotting style.

    Raises InputError for an unknown profile. The number of threads is torch's own unless OMP_NUM_THREADS is set.
    """
    import dataclasses

    loaded = dataclasses.replace(load_profile(profile), seed=int(seed))
    seed_everything(loaded.seed)
    if os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    plot_style()
    print(f"profile {loaded.name}, seed {loaded.seed}, frames {loaded.size} x {loaded.size}")
    return loaded


def plot_style() -> None:
    """Seaborn's plain style in a colour-blind safe palette, text of 9 points and more, PNG at 100 dpi."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="ticks", palette=PALETTE, context="notebook", font_scale=0.9)
    plt.rcParams.update({
        "figure.dpi": 100, "savefig.dpi": 100, "figure.figsize": (7.0, 3.2), "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "image.cmap": "cividis",
        "axes.labelsize": 9, "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "axes.titlesize": 10,
    })  # fmt: skip


def _markdown(text: str) -> None:
    from IPython.display import Markdown, display

    display(Markdown(text))


def show_source(obj: Any, doc: bool = True) -> None:
    """Show the library's own source of a function, class or method; `doc=False` leaves its docstring out."""
    target = inspect.unwrap(obj)
    source = textwrap.dedent(inspect.getsource(target))
    text = inspect.getdoc(target)
    if not doc and text:
        source = _without_docstring(source)
    name = getattr(target, "__qualname__", getattr(target, "__name__", ""))
    _markdown(f"`{target.__module__}.{name}`\n\n```python\n{source.rstrip()}\n```")


def _without_docstring(source: str) -> str:
    import ast

    node = ast.parse(source).body[0]
    first = node.body[0]
    lines = source.splitlines()
    del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(line for i, line in enumerate(lines) if line.strip() or (i and lines[i - 1].strip()))


def explore(fn: Callable[..., Any], **controls: Any) -> None:
    """Sliders for `fn`'s arguments in Lab; one call with the default values when headless.

    controls: per argument (low, high, default) of ints or floats, a list of choices (the first is the default), or a bool.
    `fn` draws or prints, must not return anything to show, and must depend on its arguments only.
    """
    defaults = {name: _default(name, control) for name, control in controls.items()}
    if headless():
        fn(**defaults)
        return
    import ipywidgets as widgets
    from IPython.display import display

    built = {name: _widget(widgets, control, defaults[name]) for name, control in controls.items()}
    out = widgets.interactive_output(fn, built)
    display(widgets.VBox([*(widgets.HBox([widgets.Label(name), w]) for name, w in built.items()), out]))


def _default(name: str, control: Any) -> Any:
    if isinstance(control, bool):
        return control
    if isinstance(control, tuple) and len(control) == 3 and all(isinstance(v, int | float) for v in control):
        low, high, default = control
        if not low <= default <= high:
            raise ValueError(f"control {name}: default {default} is not in [{low}, {high}]")
        return default
    if isinstance(control, list) and control:
        return control[0]
    raise ValueError(f"control {name}: give (low, high, default), a list of choices, or a bool")


def _widget(widgets: Any, control: Any, default: Any) -> Any:
    if isinstance(control, bool):
        return widgets.Checkbox(value=control)
    if isinstance(control, list):
        return widgets.Dropdown(options=control, value=default)
    low, high, _ = control
    if all(isinstance(v, int) for v in control):
        return widgets.IntSlider(min=low, max=high, value=default, continuous_update=False)
    return widgets.FloatSlider(min=low, max=high, value=default, step=(high - low) / 40, continuous_update=False)


def check(name: str, value: Any, expected: Any, tol: float = 1e-6, hint: str = "") -> None:
    """Feedback on an exercise: not answered yet, wrong kind, wrong shape, too large, too small, or right.

    value: the reader's answer, None while it is open. expected: computed by the library when the notebook runs.
    tol: largest absolute difference that counts as right. Prints one line.

    >>> check("ex1", None, 3.0)
    ex1: not answered yet
    >>> check("ex1", 2.0, 3.0, hint="count the centre frame too")
    ex1: not yet: too small. Hint: count the centre frame too
    >>> check("ex1", 3.0, 3.0)
    ex1: correct
    """
    verdict = _verdict(value, expected, tol)
    if verdict not in ("correct", "not answered yet"):
        verdict = f"not yet: {verdict}" + (f". Hint: {hint}" if hint else "")
    print(f"{name}: {verdict}")


def _verdict(value: Any, expected: Any, tol: float) -> str:
    if value is None or value is Ellipsis:
        return "not answered yet"
    if isinstance(expected, str | bool | np.bool_):
        return "correct" if type(value) is type(expected) and value == expected else "another answer is right"
    try:
        got, want = _array(value), _array(expected)
    except (TypeError, ValueError):
        return f"a number or an array is expected, not a {type(value).__name__}"
    if got.shape != want.shape:
        return f"shape {got.shape}, but {want.shape} is expected"
    if not np.isfinite(got).all():
        return "it holds values that are not finite"
    error = got - want
    if np.abs(error).max(initial=0.0) <= tol:
        return "correct"
    if want.ndim == 0 and want != 0 and abs(got + want) <= tol:
        return "the size is right, the sign is not"
    if (error >= -tol).all():
        return "too large" if want.ndim == 0 else f"too large in {int((error > tol).sum())} of {want.size} places"
    if (error <= tol).all():
        return "too small" if want.ndim == 0 else f"too small in {int((error < -tol).sum())} of {want.size} places"
    return f"wrong in {int((np.abs(error) > tol).sum())} of {want.size} places"


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


def label(kind: str, text: str) -> None:
    """Say what kind of number follows: `published`, `measured` (on what, how many, which interval) or `not_reproducible` (without what)."""
    if kind not in KINDS:
        raise ValueError(f"label: {kind!r} is not one of {', '.join(KINDS)}")
    _markdown(f"> **{KINDS[kind]}.** {text}")


def results_table(rows: Sequence, metrics: Sequence[str] | None = None, digits: int = 3, title: str = "") -> None:
    """Show `results.Row` objects as one Markdown table: a line per row id, a column per metric, intervals in brackets.

    Rows of different kinds never share a table: ValueError.
    """
    from paperlib.tables import markdown_table

    kinds = {r.kind for r in rows}
    if len(kinds) != 1:
        raise ValueError(f"results_table: one kind of row per table, got {sorted(kinds) or 'none'}")
    head = f"**{KINDS[kinds.pop()]}**" + (f": {title}" if title else "")
    _markdown(head + "\n\n" + markdown_table(rows, metrics, digits))


def show_strip(frames: Any, titles: Sequence[str] | None = None, columns: int = 8, scale: float = 1.2, suptitle: str = "") -> None:
    """Frames side by side. frames: (T,H,W,3) uint8, (T,3,H,W) float in [0,1], or a list of (H,W,3) / (H,W) pictures."""
    import matplotlib.pyplot as plt

    pictures = [_picture(f) for f in frames]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(scale * columns, scale * rows * (1.2 if titles else 1.0)), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        ax.imshow(picture, cmap="cividis" if picture.ndim == 2 else None, interpolation="nearest")
        if titles is not None:
            ax.set_title(titles[i], fontsize=8)
    if suptitle:
        fig.suptitle(suptitle)
    plt.show()


def _picture(frame: Any) -> np.ndarray:
    picture = frame.detach().cpu().numpy() if isinstance(frame, torch.Tensor) else np.asarray(frame)
    if picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.shape[-1] not in (1, 3):
        picture = picture.transpose(1, 2, 0)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    return np.clip(picture, 0, 1) if np.issubdtype(picture.dtype, np.floating) and picture.ndim == 3 else picture


def show_figure(name: str, width: int = 900, quality: int = 80) -> None:
    """Show figures/<name>.png or .jpg as a JPEG of at most `width` pixels, which keeps a notebook small; alt text from its card."""
    from IPython.display import Image, display
    from PIL import Image as pictures

    from paperlib import paths

    path = paths.FIGURES / f"{name}.png"
    path = path if path.exists() else path.with_suffix(".jpg")
    if not (path.exists() and path.with_suffix(".json").exists()):
        raise InputError(f"{path.with_suffix('.png').name} or .jpg: no such figure in {paths.FIGURES}, or no card beside it")
    card = json.loads(path.with_suffix(".json").read_text())
    with pictures.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((width, width), pictures.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=quality, optimize=True)
    display(Image(out.getvalue(), format="jpeg", alt=card["alt"]))


def show_video(path: str | Path, width: int = 288, caption: str = "") -> None:
    """A player with the file embedded (at most 2 MB), so that the HTML works when moved. Headless: one line with the file's name.

    The committed notebooks are executed headless and stay small; the pages of `make reproduce` embed the player.
    """
    path = Path(path)
    if headless() and not os.environ.get("PAPERLIB_EMBED_VIDEO"):
        print(f"video: {path.name}" + (f" ({caption})" if caption else ""))
        return
    from IPython.display import HTML, display

    data = path.read_bytes()
    if len(data) > 2_000_000:
        raise ValueError(f"{path.name}: {len(data) / 1e6:.1f} MB is too large to embed; write it smaller")
    encoded = base64.b64encode(data).decode()
    player = f'<video controls loop width="{width}" src="data:video/mp4;base64,{encoded}"></video>'
    display(HTML(f"<figure>{player}<figcaption>{caption}</figcaption></figure>"))


def show_audio(wave: Any, caption: str = "", sample_rate: int = 16000) -> None:
    """A player for a mono wave (N,) float in [-1,1]. Headless: one line with its length."""
    wave = np.asarray(wave, dtype=np.float32)
    if headless() and not os.environ.get("PAPERLIB_EMBED_VIDEO"):
        print(f"sound: {len(wave) / sample_rate:.2f} s" + (f" ({caption})" if caption else ""))
        return
    from IPython.display import Audio, display

    display(Audio(wave, rate=sample_rate, normalize=False))
