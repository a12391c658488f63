"""How far table 7 pins the sizes that the paper leaves out: count many designs by arithmetic alone and see which ones meet a row.

`closed_form` adds up the layers of `models.*` on paper, by the rules of `paperlib.complexity` (a test holds the two together); a
design costs some fifty microseconds instead of a network. `designs` walks a grid of settings and keeps those that meet a row in
every column.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paperlib.complexity import BYTES, MEBI, Columns
from paperlib.config import ExpressionConfig, Profile, RendererConfig
from paperlib.models.blocks import MSAF_KERNELS
from paperlib.models.expression import EXP_SIZE, MFCC_SHAPE
from paperlib.models.flow import flow_plan
from paperlib.models.texture import SCALES, tmn_widths
from paperlib.models.unet import level_widths
from paperlib.paper import TABLES

ROWS = ("expression", "sfm", "tmn", "rbfin")
NEAR = 0.02  # a cell is met when it is this close to the printed one


@dataclass
class Tally:
    """Running totals; `pixels` are the positions of a layer's output (of its input where it is transposed)."""

    params: int = 0
    flops: int = 0
    madd: int = 0
    outputs: int = 0

    def columns(self, times: int = 1) -> Columns:
        """In table 7's units; `times` passes with the same parameters."""
        return Columns(self.params / 1e6, times * self.flops / 1e9, times * self.madd / 1e9, times * self.outputs * BYTES / MEBI)

    def conv(self, c_in: int, c_out: int, side: int, pixels: int, bias: bool = True) -> None:
        """A convolution of `side` x `side`."""
        products = side * side * c_in
        self.params += (products + bias) * c_out
        self.flops += pixels * (products + bias) * c_out
        self.madd += pixels * (2 * products - (not bias)) * c_out
        self.outputs += pixels * c_out

    def transposed(self, c_in: int, c_out: int, side: int, pixels: int) -> None:
        """A transposed convolution of stride 2 without bias."""
        products = side * side * c_in
        self.params += products * c_out
        self.madd += pixels * (2 * products - 1) * c_out
        self.outputs += 4 * pixels * c_out

    def act(self, values: int, madd: int) -> None:
        """ReLU (`madd` 1) or LeakyReLU (0) of so many values."""
        self.flops += values
        self.madd += madd * values
        self.outputs += values

    def norm(self, values: int, batch_channels: int = 0) -> None:
        """Instance norm, or batch norm of so many channels."""
        if batch_channels:
            self.params += 2 * batch_channels
            self.flops += 2 * values
            self.madd += 4 * values
        self.outputs += values

    def linear(self, c_in: int, c_out: int, bias: bool = True) -> None:
        """One row through a linear layer."""
        self.params += (c_in + bias) * c_out
        self.flops += c_in * c_out
        self.madd += (2 * c_in - 1) * c_out
        self.outputs += c_out

    def pool(self, channels: int, before: int, after: int) -> None:
        """3x3 maximum, pixels before and after."""
        self.flops += channels * before
        self.madd += 8 * channels * after
        self.outputs += channels * after


def _down(size: int, side: int, stride: int, padding: int = 0, ceil: bool = False) -> int:
    covered = size + 2 * padding - side
    return (-(-covered // stride) if ceil else covered // stride) + 1


def _visual(t: Tally, cfg: ExpressionConfig, size: int) -> None:
    widths, ceil = cfg.visual_channels, cfg.visual_ceil
    s = _down(size, 7, 2, cfg.visual_padding)
    t.conv(3, widths[0], 7, s * s)
    t.act(s * s * widths[0], 1)
    for i in range(1, 5):
        if i < 3:
            small = _down(s, 3, 2, 0, ceil)
            t.pool(widths[i - 1], s * s, small * small)
            s = _down(small, 5, 2, 1) if i == 1 else small
        t.conv(widths[i - 1], widths[i], 5 if i == 1 else 3, s * s)
        t.act(s * s * widths[i], 1)
    small = _down(s, 3, 2, 0, ceil)
    t.pool(widths[4], s * s, small * small)
    t.linear(widths[4] * small * small, cfg.d_v)


def _audio(t: Tally, cfg: ExpressionConfig) -> None:
    (rows, columns), c_in = MFCC_SHAPE, 1
    strides = {1: (1, 2), 2: (2, 2)} if cfg.early_pool else {2: (1, 2), 5: (2, 2)}
    for i, c_out in enumerate(cfg.audio_channels, start=1):
        t.conv(c_in, c_out, 3, rows * columns)
        t.act(rows * columns * c_out, 1)
        if i in strides:
            after = _down(rows, 3, strides[i][0]), _down(columns, 3, strides[i][1])
            t.pool(c_out, rows * columns, after[0] * after[1])
            rows, columns = after
        c_in = c_out
    t.linear(c_in * rows * columns, cfg.d_a)


def expression(cfg: ExpressionConfig, semantic_size: int) -> Columns:
    """`models.expression.ExpressionNet` over a clip of `cfg.window` frames (VGG-M's strides: pictures of at least 96 pixels)."""
    t, hidden = Tally(), cfg.lstm_hidden
    _visual(t, cfg, cfg.visual_size or semantic_size)
    _audio(t, cfg)
    for c_in in (cfg.d_a, cfg.d_v, cfg.d_v):
        t.linear(c_in, cfg.d, bias=False)
    t.params += 2 * 4 * hidden * (cfg.d + hidden + 2)  # the Bi-LSTM: no FLOPs, no MAdd
    t.outputs += 2 * hidden
    t.linear(2 * hidden, EXP_SIZE)
    return t.columns(cfg.window)


def sfm(cfg: RendererConfig) -> Columns:
    """`models.flow.SFM`."""
    plan, t, c_in = flow_plan(cfg), Tally(), 6
    levels = len(plan.channels)
    area = [(cfg.size >> level) ** 2 for level in range(levels + 1)]
    for level, (c_out, side, extra) in enumerate(zip(plan.channels, plan.kernels, plan.extra, strict=True), start=1):
        for i in range(1 + extra):
            t.conv(c_out if i else c_in, c_out, 3 if i else side, area[level], bias=False)
            t.norm(area[level] * c_out, c_out)
            t.act(area[level] * c_out, 0)
        c_in = c_out
    t.conv(c_in, 2, 3, area[levels], bias=False)
    for level in range(levels - 1, 1, -1):
        c_up = plan.up[level - 2]
        t.transposed(c_in, c_up, 4, area[level + 1])
        t.act(area[level] * c_up, 0)
        t.transposed(2, 2, 4, area[level + 1])
        c_in = c_up + plan.channels[level - 1] + 2
        t.conv(c_in, 2, 3, area[level], bias=False)
    return t.columns()


def _block(t: Tally, c_in: int, c_out: int, pixels: int, side: int = 3, norm: bool = True, act: bool = True) -> None:
    t.conv(c_in, c_out, side, pixels, bias=not norm)
    if norm:
        t.norm(pixels * c_out)
    if act:
        t.act(pixels * c_out, 0)


def _unet(c_in: int, widths: list[int], blocks: int, encoder_convs: int, convs: int, spade_from: int, cfg: RendererConfig) -> Tally:
    """Encoder, decoder and output layer that TMN and RBFIN share."""
    t, area, bottom = Tally(), [(cfg.size >> level) ** 2 for level in range(len(widths))], widths[-1]
    _block(t, c_in, widths[0], area[0], cfg.stem_kernel, norm=False)
    for level in range(1, len(widths)):
        for i in range(1 + encoder_convs):
            _block(t, widths[level if i else level - 1], widths[level], area[level])
    for _ in range(blocks):
        _block(t, bottom, bottom, area[-1])
        _block(t, bottom, bottom, area[-1], act=False)
    for level in range(len(widths) - 1):
        c, below, pixels = widths[level], widths[level + 1], area[level]
        if cfg.narrow_first:
            t.conv(below, c, 1, area[level + 1])
        t.conv(c + (c if cfg.narrow_first else below), c, 3, pixels, bias=False)
        t.norm(pixels * c)
        if level >= spade_from:
            t.conv(3, cfg.spade_hidden, 3, pixels)
            t.act(pixels * cfg.spade_hidden, 1)
            t.conv(cfg.spade_hidden, 2 * c, 3, pixels)
        t.act(pixels * c, 0)
        for _ in range(convs - 1):
            _block(t, c, c, pixels)
    t.conv(widths[0] + c_in, 4, 3, area[0])
    return t


def tmn(cfg: RendererConfig) -> Columns:
    """`models.texture.TMN`."""
    return _unet(6, tmn_widths(cfg), cfg.tmn_blocks, cfg.tmn_encoder_convs, cfg.tmn_convs, 0 if cfg.tmn_spade_full else 1, cfg).columns()


def rbfin(cfg: RendererConfig) -> Columns:
    """`models.inpainting.RBFIN`."""
    widths, texture = level_widths(cfg.rbfin_base, cfg.full_res_divisor, cfg.rbfin_levels, cfg.max_channels), tmn_widths(cfg)
    t = _unet(9, widths, cfg.rbfin_blocks, cfg.rbfin_encoder_convs, cfg.rbfin_convs, cfg.rbfin_spade_from, cfg)
    for name in cfg.msaf_scales:
        c, pixels = widths[SCALES[name]], (cfg.size >> SCALES[name]) ** 2
        t.conv(texture[SCALES[name]], cfg.ftex_proj, 1, pixels)
        for side in MSAF_KERNELS:
            t.conv(cfg.ftex_proj, c, side, pixels)
        t.conv(c * (1 + len(MSAF_KERNELS)), 1, 1, pixels)
        t.params += len(MSAF_KERNELS) + 1  # logits of (20), scale of (22)
    return t.columns()


def closed_form(row: str, profile: Profile) -> Columns:
    """The four columns of one row of table 7 for the profile's settings, without building a network."""
    if row == "expression":
        return expression(profile.expression, profile.teacher.size)
    return {"sfm": sfm, "tmn": tmn, "rbfin": rbfin}[row](profile.renderer)


def distance(found: Sequence[float], row: str) -> float:
    """Largest relative difference from the printed row of table 7."""
    return max(abs(a / b - 1) for a, b in zip(found, TABLES["table7"].rows[row], strict=True))


@dataclass(frozen=True)
class Design:
    """One point of a grid: the settings that differ from the profile's, its columns, its `distance`."""

    settings: dict[str, Any]
    columns: Columns
    distance: float


def designs(row: str, profile: Profile, grid: Mapping[str, Sequence[Any]], near: float = NEAR) -> tuple[list[Design], int]:
    """Every combination of the grid's values (fields of the expression or renderer settings) within `near` of the printed row, the
    nearest first, and how many combinations there were."""
    part, found, total = "expression" if row == "expression" else "renderer", [], 0
    for values in itertools.product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        total += 1
        columns = closed_form(row, replace(profile, **{part: replace(getattr(profile, part), **settings)}))
        if (off := distance(columns, row)) < near:
            found.append(Design(settings, columns, off))
    return sorted(found, key=lambda d: d.distance), total


def left_open(found: Sequence[Design]) -> dict[str, list]:
    """Setting -> the values that occur among designs that meet the row, sorted: what the row does not decide.

    >>> left_open([Design({"k": 2}, None, 0.0), Design({"k": 1}, None, 0.0)])
    {'k': [1, 2]}
    """
    names = found[0].settings if found else {}
    return {name: sorted({d.settings[name] for d in found}) for name in names}


def trades(found: Sequence[Design], most: int = 2) -> dict[tuple[str, ...], int]:
    """Which settings trade against each other: names that alone (or in pairs, up to `most`) separate two designs that both meet the row,
    with the number of such pairs of designs, commonest first.

    >>> same = {"a": 1, "b": 1}
    >>> trades([Design(same, None, 0.0), Design({"a": 2, "b": 0}, None, 0.0), Design({"a": 1, "b": 0}, None, 0.0)])
    {('a', 'b'): 1, ('b',): 1, ('a',): 1}
    """
    seen: dict[tuple[str, ...], int] = {}
    for one, other in itertools.combinations(found, 2):
        names = tuple(n for n in one.settings if one.settings[n] != other.settings[n])
        if len(names) <= most:
            seen[names] = seen.get(names, 0) + 1
    return dict(sorted(seen.items(), key=lambda item: -item[1]))
