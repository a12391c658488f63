"""Figures 1 and 3, the architecture, drawn from the code: every shape is recorded by hooks during a forward pass at a profile.

`python -m paperlib.figure_architecture` draws them into figures/. The pass runs on the meta device: shapes are real, nothing is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from paperlib import config, paths
from paperlib.figure_boxes import EDGE, FILL, SIGNAL, Seen, box, canvas, lane, trace, wire, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEL = (1, 80, 16)
BARS = {  # kind of block in figure 3: fill, words of the legend
    "stem": ("#FFFFFF", "first convolution"), "down": ("#8FBFE0", "strided and plain convolutions"),
    "bottom": ("#0072B2", "residual blocks"),
    "up": ("#E69F00", "transposed convolution, joined"), "plain": ("#BFE5D8", "decoder level, instance norm"),
    "spade": ("#009E73", "decoder level, SPADE by $I_{3D}$"), "msaf": ("#CC79A7", "MSAF"), "out": ("#D9D9D9", "output"),
}  # fmt: skip


def traces(profile: config.Profile) -> dict[str, dict[str, Seen]]:
    """{"teacher", "expression", "renderer"} -> `trace` of one clip of `expression.window` frames, or of one frame, at the profile."""
    from paperlib.training import checkpoints

    t, s, size = profile.expression.window, profile.teacher.size, profile.renderer.size
    with torch.device("meta"):
        image = torch.zeros(1, 3, size, size)
        return {
            "teacher": trace(checkpoints.build("teacher", profile), torch.zeros(t, *MEL), torch.zeros(t, 6, s, s)),
            "expression": trace(checkpoints.build("expression", profile), torch.zeros(1, t, 13, 28), torch.zeros(1, t, 3, s, s)),
            "renderer": trace(checkpoints.build("renderer", profile), image, image, image),
        }


def figure1(profile: config.Profile) -> Figure:
    """The whole system: speech to expression coefficients (stage 1), coefficients and reference to the dubbed frame (stage 2)."""
    found = traces(profile)
    e, r, teacher = found["expression"], found["renderer"], found["teacher"][""]
    size = profile.renderer.size
    fig, ax = canvas(f"The whole system as built: profile {profile.name}, frames of {size} × {size}", 160, 90)
    lane(ax, 50, 35, 160, f"Stage 1: speech to expression, a clip of {profile.expression.window} frames")
    lane(ax, 2.5, 44, 160, "Stage 2: frame by frame", right=True)
    _stage1(ax, e, teacher, profile.expression.k)
    wire(ax, (146, 53), (146, 48.2), (14, 48.2), (14, 42.5))
    ax.text(80, 48.2, "β*", fontsize=10, ha="center", va="center", color=EDGE, bbox={"fc": "white", "ec": "none", "pad": 2})
    _stage2(ax, r, profile)
    _legend(ax, 112, 87.2)
    return fig


def _stage1(ax: Axes, e: dict[str, Seen], teacher: Seen, k: int) -> None:
    mel = " × ".join(map(str, MEL[1:]))
    box(ax, (4, 69, 20, 10), "speech, A of (3)", f"MFCC windows\n{words(e[''].inputs[0])}", "data")
    box(ax, (4, 53, 20, 12), "semantic teacher", f"Wav2Lip's form, {teacher.millions:.1f} M\nmel {mel}\n+ a neutral face", "net")
    box(ax, (29, 69, 20, 10), "CNN audio (4)", f"{e['cnn_audio'].millions:.2f} M", "net")
    box(ax, (29, 54, 20, 10), "images, V of (3)", words(e[""].inputs[1]), "data")
    box(ax, (54, 54, 18, 10), "CNN visual (4)", f"VGG-M, {e['cnn_visual'].millions:.2f} M", "net")
    asks = f"(5)-(7), k = {k}\neach frame asks the\n{2 * k + 1} images around it\n{e['attend'].millions:.2f} M"
    box(ax, (82, 56, 21, 21), "local attention", asks, "net")
    box(ax, (113, 62, 17, 10), "Bi-LSTM (8)", f"{e['lstm'].millions:.2f} M", "net")
    box(ax, (137, 69, 19, 9), "linear (9)", f"{e['out'].millions:.2f} M", "net")
    box(ax, (137, 53, 19, 10), "expression β*", words(e[""].outputs[0]), "out")
    wire(ax, (24, 74), (29, 74))
    wire(ax, (24, 59), (29, 59))
    wire(ax, (49, 59), (54, 59))
    wire(ax, (49, 74), (82, 74), label=f"$F_a$  {words(e['cnn_audio'].outputs[0])}", at=(65, 74.4))
    wire(ax, (72, 59), (82, 59), label=f"$F_v$\n{words(e['cnn_visual'].outputs[0])}", at=(77, 59.4))
    wire(ax, (103, 67), (113, 67), label=f"z\n{words(e['attend'].outputs[0])}", at=(108, 67.4))
    wire(ax, (121.5, 72), (121.5, 74), (137, 74), label=f"h  {words(e['lstm'].outputs[0])}", at=(129.5, 74.4))
    wire(ax, (146.5, 69), (146.5, 63))


def _stage2(ax: Axes, r: dict[str, Seen], profile: config.Profile) -> None:
    out = dict(zip(("flow", "warp", "c_e", "a_e", "i_e", "c_i", "a_i", "i_i"), map(words, r[""].outputs), strict=True))
    frame = out["warp"]
    tex = "\n".join(words(shape) for shape in sorted(r["tmn"].outputs[2:], key=lambda s: s[-1]))
    sfm = f"{r['sfm'].millions:.2f} M" + ("" if profile.renderer.sfm_channels else "\nFlowNetS")
    box(ax, (4, 32, 20, 10.5), "3DMM, rendered", "β* and the frame's\nα, δ, γ, p: (1), (2)", "op")
    box(ax, (4, 19, 20, 9), "reference $I_r$", frame, "data")
    box(ax, (4, 5, 20, 10), "cropped frame $I_{crop}$", f"{frame}\nwithout its mouth region", "data", size=8.5)
    box(ax, (33, 16.5, 16, 14), "SFM (14)", sfm, "net")
    box(ax, (54, 18, 18, 11), "warp, an STN", f"flow {out['flow']}\n$I_{{warp}}$ {frame}", "op")
    box(ax, (78, 16.5, 18, 14), "TMN (15)", f"{r['tmn'].millions:.2f} M\n$C_e$ {out['c_e']}\n$A_e$ {out['a_e']}", "net")
    box(ax, (106, 32, 21, 9), "$I_e$ (16)", "$A_e C_e + (1-A_e)\\,I_{warp}$", "out")
    box(ax, (115, 13.5, 18, 14), "RBFIN (17)", f"{r['rbfin'].millions:.2f} M\n$C_i$ {out['c_i']}\n$A_i$ {out['a_i']}", "net")
    box(ax, (138, 14.5, 19, 12), "$I_i$ (18)", f"$A_i C_i + (1-A_i)\\,I_{{crop}}$\n{out['i_i']}", "out")
    wire(ax, (24, 37), (28, 37), (28, 43.5), (41, 43.5), (41, 30.5), signal="i3d")
    wire(ax, (41, 43.5), (85, 43.5), (85, 30.5), signal="i3d", label=f"$I_{{3D}}$  {frame}", at=(63, 43.6))
    wire(ax, (85, 43.5), (131, 43.5), (131, 27.5), signal="i3d")
    wire(ax, (24, 23.5), (33, 23.5))
    wire(ax, (49, 23.5), (54, 23.5))
    wire(ax, (72, 23.5), (78, 23.5), signal="warp")
    wire(ax, (63, 18), (63, 10), (120, 10), (120, 13.5), signal="warp", label=f"$I_{{warp}}$  {frame}", at=(90, 10.2))
    wire(ax, (24, 6.5), (127, 6.5), (127, 13.5), signal="crop", label=f"$I_{{crop}}$  {frame}", at=(45, 6.7))
    wire(ax, (96, 20), (115, 20), signal="tex", label=f"$F_{{tex}}$\n{tex}", at=(105.5, 20.3))
    wire(ax, (91, 30.5), (91, 36.5), (106, 36.5))
    wire(ax, (133, 20.5), (138, 20.5))


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
        colour = "white" if dark else "#222222"
        ax.text(left + w / 2, y, b.channels, ha="center", va="center", fontsize=9.5, weight="bold", color=colour, zorder=4)
        ax.text(left + w / 2, y + h / 2 + 0.4, b.side, ha="center", va="bottom", fontsize=8.5, color="#444444")
        if b.note:
            colour = SIGNAL["tex"] if b.kind == "msaf" else "#444444"
            ax.text(left + w / 2, y - h / 2 - 0.5, b.note, ha="center", va="top", fontsize=8.5, color=colour)
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
    fig, ax = canvas(f"The renderer's blocks as built: profile {profile.name}. Bars: channels inside, side above (px)", 160, 100)
    pitch = min(8.4, 106 / max(map(len, lanes.values())))
    reads = {"sfm": "$I_{3D}$, $I_r$", "tmn": "$I_{warp}$, $I_{3D}$", "rbfin": "$I_{warp}$, $I_{3D}$, $I_{crop}$, $F_{tex}$"}
    for (name, bars), y, eq in zip(lanes.items(), (78, 49.5, 20), ("(14)", "(15)", "(17)"), strict=True):
        title = f"{name.upper()} {eq}   {r[name].millions:.2f} M   reads {reads[name]}"
        left = _bars(ax, y, title, bars, pitch)
        if name == "tmn":
            sides = {r[f"rbfin.msaf.{key}"].inputs[1][2]: key for key in r["rbfin"].module.msaf}
            for at, b in zip(left, bars, strict=True):
                if b.kind in ("spade", "plain") and b.side in sides:
                    _leaves(ax, at + 0.31 * pitch, y - _height(b.side) / 2, f"$F_{{tex}}$ {sides[b.side]}")
    skips = "Decoder levels and transposed convolutions also read the encoder's feature of their side."
    ax.text(2, 95.3, skips, fontsize=9, va="top", color="#666666")
    _inside_spade(ax, r)
    _inside_msaf(ax, r)
    _kinds(ax, {b.kind for bars in lanes.values() for b in bars})
    return fig


def _leaves(ax: Axes, x: float, y: float, text: str) -> None:
    arrow = {"arrowstyle": "<|-", "color": SIGNAL["tex"], "lw": 1.4}
    ax.annotate(text, (x, y), (x, y - 3.2), ha="center", va="top", fontsize=8.5, color=SIGNAL["tex"], arrowprops=arrow)


def _kinds(ax: Axes, found: set[str]) -> None:
    """The legend of the bars' colours: those that occur."""
    from matplotlib.patches import Rectangle

    used = [k for k in BARS if k in found]
    for i, kind in enumerate(used):
        x, y = 4 + 27.5 * (i % 4), 4.4 - 2.8 * (i // 4)
        ax.add_patch(Rectangle((x, y - 0.8), 2, 1.6, fc=BARS[kind][0], ec=EDGE, lw=0.8))
        ax.text(x + 2.7, y, BARS[kind][1], fontsize=8.5, va="center")


def _inside_spade(ax: Axes, r: dict[str, Seen]) -> None:
    """SPADE as found at RBFIN's finest level that has one."""
    net = r["rbfin"].module
    level = next(i for i, m in enumerate(net.decoder.levels) if m.spade is not None)
    name = f"rbfin.decoder.levels.{level}.spade"
    x, hidden, both = (r[f"{name}{part}"] for part in ("", ".shared", ".modulate"))
    _panel(ax, 116, 57, 42, 36, f"inside SPADE, RBFIN at {x.outputs[0][2]} px")
    box(ax, (118, 78, 17, 8.5), "$I_{3D}$", words(x.inputs[1]), "data")
    box(ax, (139, 78, 17, 8.5), "3×3, ReLU", words(hidden.outputs[0]), "net")
    box(ax, (139, 68, 17, 7.5), "3×3: γ, β", words(both.outputs[0]), "net")
    box(ax, (118, 68, 17, 7.5), "norm(x)", words(x.inputs[0]), "op")
    box(ax, (128, 58.5, 22, 6.5), "norm(x)(1 + γ) + β", "", "out")
    wire(ax, (135, 82.2), (139, 82.2), signal="i3d")
    wire(ax, (147.5, 78), (147.5, 75.5))
    wire(ax, (145, 68), (145, 65))
    wire(ax, (132, 68), (132, 65))


def _inside_msaf(ax: Axes, r: dict[str, Seen]) -> None:
    """MSAF as found at the coarser of its scales, equations (19)-(22)."""
    net = r["rbfin"].module
    key = min(net.msaf, key=lambda k: r[f"rbfin.msaf.{k}"].outputs[0][2])
    name = f"rbfin.msaf.{key}"
    m = r[name]
    _panel(ax, 116, 6, 42, 49, f"inside MSAF, {m.outputs[0][2]} px: (19)-(22)")
    box(ax, (118, 40, 17, 8.5), "$F_{tex}$", words(m.inputs[1]), "data")
    box(ax, (139, 40, 17, 8.5), "1×1, narrow", words(r[f"{name}.project"].outputs[0]), "net")
    wire(ax, (135, 44.2), (139, 44.2), signal="tex")
    for i, conv in enumerate(m.module.convs):
        side = conv.kernel_size[0]
        box(ax, (117.2 + 13.4 * i, 30, 12.8, 7), f"{side}×{side} (19)", words(r[f"{name}.convs.{i}"].outputs[0]), "net", size=8.5)
        wire(ax, (147.5, 40), (147.5, 38.6), (123.6 + 13.4 * i, 38.6), (123.6 + 13.4 * i, 37))
    box(ax, (118, 18.5, 17, 8.8), "mask $M_k$ (21)", f"reads $F_k$ and all T\n{words(r[f'{name}.mask'].outputs[0])}", "net", size=8.5)
    box(ax, (139, 18.5, 17, 8.8), "Σ $W_{k,s} T_{k,s}$", f"{len(m.module.convs)} learned shares (20)", "net", size=8.5)
    for i in range(len(m.module.convs)):
        ax.plot((123.6 + 13.4 * i,) * 2, (30, 28.7), color=EDGE, lw=1.2)
    ax.plot((123.6, 150.4), (28.7, 28.7), color=EDGE, lw=1.2)
    wire(ax, (126.5, 28.7), (126.5, 27.3))
    wire(ax, (147.5, 28.7), (147.5, 27.3))
    box(ax, (118, 8.5, 38, 7), "$F_k + s\\,(M_k \\cdot \\Sigma\\, W T)$ (22)", words(m.outputs[0]), "out")
    wire(ax, (126.5, 18.5), (126.5, 15.5))
    wire(ax, (147.5, 18.5), (147.5, 15.5))


COMMAND = "python -m paperlib.figure_architecture"
DRAWN = {
    "figure1_architecture": (
        figure1,
        "The whole system as boxes: speech and semantic images become expression coefficients (stage 1); the rendered face model, a "
        "reference and the cropped frame become the dubbed frame (stage 2), with the shape of every tensor.",
    ),
    "figure3_renderer": (
        figure3,
        "SFM, TMN and RBFIN as rows of bars, a bar a block, with channels and sides; beside them the inside of SPADE and of MSAF.",
    ),
}


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
    for path in draw(config.load_profile(args.profile), args.folder):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
