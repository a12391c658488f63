"""Figures 1 and 3, the architecture, drawn from the code: every shape is recorded by hooks during a forward pass at a profile.

`python -m paperlib.figure_architecture` draws them into figures/. The pass runs on the meta device: shapes are real, nothing is computed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from paperlib import config, paths
from paperlib.complexity import tensors_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shape = tuple[int, ...]
MEL, EDGE = (1, 80, 16), "#4D4D4D"
FILL = {"net": "#CFE3F2", "data": "#F2F2F2", "op": "#FFFFFF", "out": "#FBE3B5"}  # learned, given, fixed, result
SIGNAL = {"i3d": "#009E73", "warp": "#0072B2", "crop": "#D55E00", "tex": "#CC79A7", "": EDGE}
BARS = {  # kind of block in figure 3: fill, words of the legend
    "stem": ("#FFFFFF", "first convolution"), "down": ("#8FBFE0", "strided and plain convolutions"), "bottom": ("#0072B2", "residual blocks"),
    "up": ("#E69F00", "transposed convolution, joined"), "plain": ("#BFE5D8", "decoder level, instance norm"),
    "spade": ("#009E73", "decoder level, SPADE by $I_{3D}$"), "msaf": ("#CC79A7", "MSAF"), "out": ("#D9D9D9", "output"),
}  # fmt: skip


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


def traces(profile: config.Profile) -> dict[str, dict[str, Seen]]:
    """{"teacher", "expression", "renderer"} -> `trace` of one clip of `expression.window` frames, or of one frame, at the profile's sizes."""
    from paperlib.training import checkpoints

    t, s, size = profile.expression.window, profile.teacher.size, profile.renderer.size
    with torch.device("meta"):
        image = torch.zeros(1, 3, size, size)
        return {
            "teacher": trace(checkpoints.build("teacher", profile), torch.zeros(t, *MEL), torch.zeros(t, 6, s, s)),
            "expression": trace(checkpoints.build("expression", profile), torch.zeros(1, t, 13, 28), torch.zeros(1, t, 3, s, s)),
            "renderer": trace(checkpoints.build("renderer", profile), image, image, image),
        }


def words(shape: Sequence[int]) -> str:
    """A shape without its batch axis of one.

    >>> words((1, 3, 96, 96)), words((29, 256))
    ('3 × 96 × 96', '29 × 256')
    """
    return " × ".join(map(str, shape[1:] if shape[0] == 1 else shape))


def _canvas(title: str, width: float, height: float) -> tuple[Figure, Axes]:
    """A slide of 16 : 9 whose axes run over 0..width, 0..height."""
    import matplotlib.pyplot as plt

    fig = plt.figure(figsize=(13.33, 7.5), facecolor="white")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(0, height))
    ax.axis("off")
    ax.text(2, height - 1.5, title, fontsize=12.5, va="top", color="#222222")
    return fig, ax


def _box(ax: Axes, x: float, y: float, w: float, h: float, head: str, lines: str, kind: str) -> None:
    """A rounded box with a bold head and smaller lines under it, both centred."""
    from matplotlib.patches import FancyBboxPatch

    style = "--" if kind == "op" else "-"
    ax.add_patch(FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=1", fc=FILL[kind], ec=EDGE, lw=1.1, ls=style, zorder=3))
    rows = 1 + lines.count("\n") + 1 if lines else 1
    top = y + h / 2 + 1.25 * (rows - 1)
    ax.text(x + w / 2, top, head, ha="center", va="center", fontsize=10.5, weight="bold", zorder=4)
    for i, line in enumerate(lines.split("\n") if lines else ()):
        ax.text(x + w / 2, top - 2.6 * (i + 1), line, ha="center", va="center", fontsize=9, zorder=4)


def _wire(ax: Axes, *points: tuple[float, float], signal: str = "", label: str = "", at: tuple[float, float] | None = None) -> None:
    """A line through the points with an arrow at its end, in its signal's colour; `label` is written at `at`."""
    x, y = zip(*points, strict=True)
    ax.plot(x[:-1], y[:-1], color=SIGNAL[signal], lw=1.6, solid_capstyle="butt", zorder=2)
    ax.annotate(
        "", points[-1], points[-2], arrowprops={"arrowstyle": "-|>", "color": SIGNAL[signal], "lw": 1.6, "shrinkA": 0, "shrinkB": 0}
    )
    if label and at:
        ax.text(*at, label, fontsize=9, color=SIGNAL[signal], ha="center", va="bottom", zorder=4)


def _lane(ax: Axes, y: float, h: float, w: float, text: str) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((1.5, y), w - 3, h, fc="#FAFAFA", ec="#DDDDDD", lw=1, zorder=0))
    ax.text(3, y + h - 1.2, text, fontsize=10, va="top", color="#666666")


def figure1(profile: config.Profile) -> Figure:
    """The whole system: speech to expression coefficients (stage 1), coefficients and reference to the dubbed frame (stage 2)."""
    found = traces(profile)
    e, r, teacher = found["expression"], found["renderer"], found["teacher"][""]
    out = dict(zip(("flow", "warp", "c_e", "a_e", "i_e", "c_i", "a_i", "i_i"), r[""].outputs, strict=True))
    f_tex = {shape[-1]: words(shape) for shape in r["tmn"].outputs[2:]}
    frame, k = words(out["warp"]), profile.expression.k
    fig, ax = _canvas(
        f"The whole system as built: profile {profile.name}, frames of {profile.renderer.size} × {profile.renderer.size}", 160, 90
    )
    _lane(ax, 49.5, 35.5, 160, f"Stage 1: speech to expression, a clip of {profile.expression.window} frames")
    _lane(ax, 2.5, 45, 160, "Stage 2: one frame")

    _box(ax, 4, 69, 20, 10, "speech, A of (3)", f"MFCC windows\n{words(e[''].inputs[0])}", "data")
    _box(
        ax,
        4,
        53,
        20,
        12,
        "semantic teacher",
        f"{teacher.millions:.1f} M, as Wav2Lip\nmel {' × '.join(map(str, MEL[1:]))}\n+ a neutral face",
        "net",
    )
    _box(ax, 29, 69, 20, 10, "CNN audio (4)", f"{e['cnn_audio'].millions:.2f} M", "net")
    _box(ax, 29, 54, 20, 10, "semantic images, V", words(e[""].inputs[1]), "data")
    _box(ax, 54, 54, 20, 10, "CNN visual (4)", f"VGG-M, {e['cnn_visual'].millions:.2f} M", "net")
    _box(
        ax,
        82,
        56,
        22,
        21,
        "local attention",
        f"(5)-(7), k = {k}\neach frame asks the\n{2 * k + 1} images around it\n{e['attend'].millions:.2f} M",
        "net",
    )
    _box(ax, 112, 62, 18, 10, "Bi-LSTM (8)", f"{e['lstm'].millions:.2f} M", "net")
    _box(ax, 136, 69, 20, 9, "linear (9)", f"{e['out'].millions:.2f} M", "net")
    _box(ax, 136, 53, 20, 10, "expression β*", words(e[""].outputs[0]), "out")
    _wire(ax, (24, 74), (29, 74))
    _wire(ax, (24, 59), (29, 59))
    _wire(ax, (49, 59), (54, 59))
    _wire(ax, (49, 74), (82, 74), label=f"$F_a$  {words(e['cnn_audio'].outputs[0])}", at=(64, 74.4))
    _wire(ax, (74, 59), (82, 59), label=f"$F_v$\n{words(e['cnn_visual'].outputs[0])}", at=(78, 59.5))
    _wire(ax, (104, 67), (112, 67), label=f"z\n{words(e['attend'].outputs[0])}", at=(108, 67.4))
    _wire(ax, (121, 72), (121, 74), (136, 74), label=f"h  {words(e['lstm'].outputs[0])}", at=(128.5, 74.4))
    _wire(ax, (146, 69), (146, 63))

    _box(ax, 4, 33, 20, 9.5, "3DMM, rendered", "(1), (2), fixed\nβ* with the frame's α δ γ p", "op")
    _wire(ax, (146, 53), (146, 48.5), (14, 48.5), (14, 42.5))
    ax.text(80, 48.9, "β*, frame by frame", fontsize=9, ha="center", va="bottom", color=EDGE)
    _box(ax, 4, 19, 20, 9, "reference $I_r$", frame, "data")
    _box(ax, 4, 5, 20, 9, "$I_{crop}$", f"{frame}\nmouth region cut out", "data")
    _box(
        ax,
        33,
        17,
        18,
        14,
        "SFM (14)",
        f"{r['sfm'].millions:.2f} M\nFlowNetS" if not profile.renderer.sfm_channels else f"{r['sfm'].millions:.2f} M",
        "net",
    )
    _box(ax, 58, 19, 18, 10, "warp (STN)", f"flow {words(out['flow'])}\n$I_{{warp}}$ {frame}", "op")
    _box(ax, 84, 17, 18, 14, "TMN (15)", f"{r['tmn'].millions:.2f} M\n$C_e$ {words(out['c_e'])}\n$A_e$ {words(out['a_e'])}", "net")
    _box(ax, 108, 32.5, 20, 9, "$I_e$ (16)", "$A_e C_e + (1-A_e)\\,I_{warp}$", "out")
    _box(ax, 114, 14, 18, 14, "RBFIN (17)", f"{r['rbfin'].millions:.2f} M\n$C_i$ {words(out['c_i'])}\n$A_i$ {words(out['a_i'])}", "net")
    _box(ax, 138, 15, 19, 12, "$I_i$ (18)", f"$A_i C_i + (1-A_i)\\,I_{{crop}}$\n{words(out['i_i'])}", "out")
    _wire(ax, (24, 44.5), (30, 44.5), (42, 44.5), (42, 31), signal="i3d")
    ax.plot((14, 24), (44.5, 44.5), color="none")
    ax.plot((24, 27, 27), (38, 38, 44.5), color=SIGNAL["i3d"], lw=1.6, zorder=2)
    _wire(ax, (42, 44.5), (93, 44.5), (93, 31), signal="i3d", label=f"$I_{{3D}}$  {frame}", at=(66, 44.7))
    _wire(ax, (93, 44.5), (130, 44.5), (130, 28), signal="i3d")
    _wire(ax, (24, 23.5), (33, 23.5))
    _wire(ax, (51, 24), (58, 24))
    _wire(ax, (76, 24), (84, 24), signal="warp")
    _wire(ax, (67, 19), (67, 9.5), (120, 9.5), (120, 14), signal="warp", label=f"$I_{{warp}}$  {frame}", at=(90, 9.7))
    _wire(ax, (24, 6.5), (126, 6.5), (126, 14), signal="crop", label="$I_{crop}$", at=(46, 6.7))
    tex = [f_tex[side] for side in sorted(f_tex)]
    _wire(ax, (102, 21), (114, 21), signal="tex", label="$F_{tex}$\n" + "\n".join(tex), at=(108, 21.4))
    _wire(ax, (96, 31), (96, 37), (108, 37))
    _wire(ax, (132, 21), (138, 21))
    _legend(ax, 112, 87.2)
    return fig


def _legend(ax: Axes, x: float, y: float) -> None:
    from matplotlib.patches import Rectangle

    for i, (kind, text) in enumerate((("net", "learned"), ("op", "fixed"), ("data", "given"), ("out", "result"))):
        at = x + 12 * i
        ax.add_patch(Rectangle((at, y - 1), 2.4, 2, fc=FILL[kind], ec=EDGE, lw=1, ls="--" if kind == "op" else "-"))
        ax.text(at + 3.2, y, text, fontsize=9.5, va="center")


class Bar(NamedTuple):
    """A block of figure 3: what it is, channels and side of what it gives, and words under it."""

    kind: str
    channels: int
    side: int
    note: str = ""


def sfm_bars(r: dict[str, Seen]) -> list[Bar]:
    """SFM's blocks in the order of the pass."""
    net = r["sfm"].module
    bars = [Bar("down", *r[f"sfm.down.{i}"].outputs[0][1:3]) for i in range(len(net.down))]
    bars += [Bar("up", *r[f"sfm.up.{i}"].outputs[0][1:3]) for i in range(len(net.up))]
    return [*bars, Bar("out", *r["sfm"].outputs[0][1:3], note="flow, px")]


def unet_bars(r: dict[str, Seen], name: str) -> list[Bar]:
    """Blocks of TMN or RBFIN in the order of the pass; MSAF follows the level it fuses."""
    net = r[name].module
    bars = [Bar("stem", *r[f"{name}.encoder.stem"].outputs[0][1:3])]
    bars += [Bar("down", *r[f"{name}.encoder.down.{i}"].outputs[0][1:3]) for i in range(len(net.encoder.down))]
    if blocks := len(net.encoder.bottom):
        bars.append(Bar("bottom", *r[f"{name}.encoder.bottom.0"].outputs[0][1:3], note=f"{blocks} of them"))
    fused = {r[f"{name}.msaf.{key}"].outputs[0][2]: key for key in getattr(net, "msaf", {})}
    for i in reversed(range(len(net.decoder.levels))):
        level = r[f"{name}.decoder.levels.{i}"]
        bars.append(Bar("plain" if level.module.spade is None else "spade", *level.outputs[0][1:3]))
        if key := fused.get(bars[-1].side):
            bars.append(Bar("msaf", *r[f"{name}.msaf.{key}"].outputs[0][1:3], note=f"$F_{{tex}}$ {key}"))
    c, a = r[f"{name}.head"].outputs
    return [*bars, Bar("out", c[1] + a[1], c[2], note="C and A")]


def _height(side: int) -> float:
    return 2.35 * max(1, side).bit_length()


def _bars(ax: Axes, y: float, title: str, bars: Sequence[Bar], pitch: float, x: float = 4) -> list[float]:
    """Draw the blocks, centred on y; returns their left edges. Height: logarithm of the side; inside: channels; above: side."""
    from matplotlib.patches import Rectangle

    ax.text(x, y + 11.8, title, fontsize=11, weight="bold", va="bottom")
    edges = []
    for i, b in enumerate(bars):
        left, h, w = x + pitch * i, _height(b.side), 0.62 * pitch
        dark = b.kind in ("bottom", "spade")
        ax.add_patch(Rectangle((left, y - h / 2), w, h, fc=BARS[b.kind][0], ec=EDGE, lw=1, zorder=3))
        ax.text(
            left + w / 2,
            y,
            b.channels,
            ha="center",
            va="center",
            fontsize=9.5,
            weight="bold",
            color="white" if dark else "#222222",
            zorder=4,
        )
        ax.text(left + w / 2, y + h / 2 + 0.4, b.side, ha="center", va="bottom", fontsize=8.5, color="#444444")
        if b.note:
            ax.text(left + w / 2, y - h / 2 - 0.5, b.note, ha="center", va="top", fontsize=8.5, color="#444444", linespacing=0.95)
        if i:
            ax.annotate(
                "", (left, y), (edges[-1] + w, y), arrowprops={"arrowstyle": "-|>", "color": EDGE, "lw": 1, "shrinkA": 0, "shrinkB": 0}
            )
        edges.append(left)
    return edges


def _panel(ax: Axes, x: float, y: float, w: float, h: float, title: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    ax.add_patch(FancyBboxPatch((x, y), w, h, boxstyle="round,pad=0,rounding_size=1", fc="#FAFAFA", ec="#CCCCCC", lw=1, zorder=0))
    ax.text(x + w / 2, y + h - 1.4, title, fontsize=10.5, weight="bold", ha="center", va="top")


def figure3(profile: config.Profile) -> Figure:
    """The renderer's blocks: SFM, TMN and RBFIN as rows of bars, and inside SPADE and MSAF."""
    r = traces(profile)["renderer"]
    lanes = {"sfm": sfm_bars(r), "tmn": unet_bars(r, "tmn"), "rbfin": unet_bars(r, "rbfin")}
    fig, ax = _canvas(f"The renderer's blocks as built: profile {profile.name}. Bars: channels inside, side above (px)", 160, 100)
    pitch = min(8.4, 106 / max(map(len, lanes.values())))
    reads = {"sfm": "$I_{3D}$, $I_r$", "tmn": "$I_{warp}$, $I_{3D}$", "rbfin": "$I_{warp}$, $I_{3D}$, $I_{crop}$, $F_{tex}$"}
    for (name, bars), y, eq in zip(lanes.items(), (78, 49.5, 20), ("(14)", "(15)", "(17)"), strict=True):
        title = f"{name.upper()} {eq}   {r[name].millions:.2f} M   reads {reads[name]}"
        left = _bars(ax, y, title, bars, pitch)
        if name == "tmn":
            sides = {r[f"rbfin.msaf.{key}"].inputs[1][2]: key for key in r["rbfin"].module.msaf}
            for at, b in zip(left, bars, strict=True):
                if b.kind in ("spade", "plain") and b.side in sides:
                    ax.annotate(
                        f"$F_{{tex}}$ {sides[b.side]}", (at + 0.31 * pitch, y - _height(b.side) / 2), (at + 0.31 * pitch, y - _height(b.side) / 2 - 3.2),
                        ha="center", va="top", fontsize=8.5, color=SIGNAL["tex"], arrowprops={"arrowstyle": "<|-", "color": SIGNAL["tex"], "lw": 1.4},
                    )  # fmt: skip
    _inside_spade(ax, r)
    _inside_msaf(ax, r)
    from matplotlib.patches import Rectangle

    used = [k for k in BARS if any(b.kind == k for bars in lanes.values() for b in bars)]
    for i, kind in enumerate(used):
        x, y = 4 + 27.5 * (i % 4), 4.4 - 2.8 * (i // 4)
        ax.add_patch(Rectangle((x, y - 0.8), 2, 1.6, fc=BARS[kind][0], ec=EDGE, lw=0.8))
        ax.text(x + 2.7, y, BARS[kind][1], fontsize=8.5, va="center")
    return fig


def _inside_spade(ax: Axes, r: dict[str, Seen]) -> None:
    """SPADE as found at RBFIN's finest level that has one."""
    net = r["rbfin"].module
    level = next(i for i, m in enumerate(net.decoder.levels) if m.spade is not None)
    name = f"rbfin.decoder.levels.{level}.spade"
    x, hidden, both = (r[f"{name}{part}"] for part in ("", ".shared", ".modulate"))
    _panel(ax, 116, 57, 42, 36, f"inside SPADE, RBFIN at {x.outputs[0][2]} px")
    _box(ax, 118, 78, 17, 8.5, "$I_{3D}$", words(x.inputs[1]), "data")
    _box(ax, 139, 78, 17, 8.5, "3×3, ReLU", words(hidden.outputs[0]), "net")
    _box(ax, 139, 68, 17, 7.5, "3×3: γ, β", words(both.outputs[0]), "net")
    _box(ax, 118, 68, 17, 7.5, "norm(x)", words(x.inputs[0]), "op")
    _box(ax, 128, 58.5, 22, 6.5, "norm(x)(1 + γ) + β", "", "out")
    _wire(ax, (135, 82.2), (139, 82.2), signal="i3d")
    _wire(ax, (147.5, 78), (147.5, 75.5))
    _wire(ax, (145, 68), (145, 65))
    _wire(ax, (132, 68), (132, 65))


def _inside_msaf(ax: Axes, r: dict[str, Seen]) -> None:
    """MSAF as found at the coarser of its scales, equations (19)-(22)."""
    net = r["rbfin"].module
    key = min(net.msaf, key=lambda k: r[f"rbfin.msaf.{k}"].outputs[0][2])
    name = f"rbfin.msaf.{key}"
    m = r[name]
    _panel(ax, 116, 6, 42, 49, f"inside MSAF, {m.outputs[0][2]} px: (19)-(22)")
    _box(ax, 118, 40, 17, 8.5, "$F_{tex}$", words(m.inputs[1]), "data")
    _box(ax, 139, 40, 17, 8.5, "1×1, narrow", words(r[f"{name}.project"].outputs[0]), "net")
    for i, conv in enumerate(m.module.convs):
        side = conv.kernel_size[0]
        _box(ax, 118 + 13.2 * i, 30, 11.6, 7, f"{side}×{side} (19)", words(r[f"{name}.convs.{i}"].outputs[0]), "net")
        _wire(ax, (147.5, 40), (147.5, 38.6), (123.8 + 13.2 * i, 38.6), (123.8 + 13.2 * i, 37))
    _box(ax, 118, 19, 17, 8, "mask $M_k$ (21)", words(r[f"{name}.mask"].outputs[0]), "net")
    _box(ax, 139, 19, 17, 8, "Σ $W_{k,s} T_{k,s}$", "(20): 3 shares", "net")
    for i, (a, b) in enumerate(((126.5, 147.5),) * 3):
        top = 123.8 + 13.2 * i
        ax.plot((top, top), (30, 28.4), color=EDGE, lw=1.2)
        if i == 0:
            ax.plot((top, 150.2), (28.4, 28.4), color=EDGE, lw=1.2)
            _wire(ax, (a, 28.4), (a, 27))
            _wire(ax, (b, 28.4), (b, 27))
    _box(ax, 118, 8.5, 38, 7, "$F_k + s\\,(M_k \\cdot \\Sigma\\, W T)$ (22)", words(m.outputs[0]), "out")
    _wire(ax, (126.5, 19), (126.5, 15.5))
    _wire(ax, (147.5, 19), (147.5, 15.5))


COMMAND = "python -m paperlib.figure_architecture"
DRAWN = {
    "figure1_architecture": (figure1, "The whole system as boxes: speech and semantic images become expression coefficients (stage 1); the rendered "
                             "face model, a reference and the cropped frame become the dubbed frame (stage 2), with the shape of every tensor."),
    "figure3_renderer": (figure3, "SFM, TMN and RBFIN as rows of bars, a bar a block, with channels and sides; beside them the inside of SPADE "
                         "and of MSAF."),
}  # fmt: skip


def draw(profile: config.Profile, folder: Path, names: Sequence[str] = tuple(DRAWN)) -> list[Path]:
    """Write the named figures as PNG, each with its card, into `folder`."""
    import matplotlib.pyplot as plt

    from paperlib.figures import save_figure

    written = []
    for name in names:
        make, alt = DRAWN[name]
        with plt.rc_context({"font.family": "DejaVu Sans"}):
            fig = make(profile)
            written.append(save_figure(fig, name, folder, command=COMMAND, alt=alt, profile=profile.name))
        plt.close(fig)
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Command line entry: draw both figures at a profile (default `paper`) into figures/."""
    import argparse

    import matplotlib

    matplotlib.use("Agg")
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="paper", choices=[*config.PROFILES])
    parser.add_argument("--folder", type=Path, default=paths.FIGURES)
    args = parser.parse_args(argv)
    for path in draw(dataclasses.replace(config.load_profile(args.profile)), args.folder):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
