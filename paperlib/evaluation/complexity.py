"""Table 7's four columns for our networks, counted as torchstat counts; two designs that meet them; how many more there are.

What the expression row means is open. torchstat cannot run its LSTM, and of a clip folded into a batch it would print MAdd and memory
for one frame; all four printed cells end in 0, and MAdd is FLOPs twice to the digit: an estimate rather than the tool's output. Two
readings fit: a clip of 29 frames of 96 x 96 with a speech encoder chosen to fit (`paper`), and 9 frames of 224 x 224, where classic VGG-M
alone gives three of the four cells with nothing to choose but the 9 (`vgg_m_rows`; `PAPER_TWIN`). By the second the printed total is
the cost of a frame; by the first it adds a clip to a frame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from paperlib import config
from paperlib.complexity import Complexity, count, measure
from paperlib.evaluation.complexity_designs import NEAR, designs, left_open, trades
from paperlib.paper import METRICS, TABLES, published_rows
from paperlib.results import Row, provenance, select, write_results

MEASURES = {"macs": "G", "seconds": "s", "peak": "MB"}  # beside torchstat's columns: FlopCounterMode, a clock, live tensors
_FIRST, _LAST = (64, 64), (512, 1024)
GRIDS = {  # settings whose every combination is counted, around `paper` and its twin; the two of SFM differ in depth
    "expression": (
        {
            "window": (1, 5, 7, 9, 11, 25, 29), "visual_size": (0, 112, 224), "visual_padding": (0, 3), "visual_ceil": (False, True),
            "early_pool": (False, True), "lstm_hidden": (128, 256), "d": (256, 512),
            "audio_channels": ((64, 192, 192, 256, 256), (64, 192, 384, 256, 256), (64, 128, 256, 256, 256), (32, 64, 128, 128, 128),
                               (16, 32, 64, 64, 64)),
        },
    ),
    "sfm": (
        {"sfm_base": tuple(range(48, 81, 4)), "sfm_extra": ((0, 0, 1, 1, 1, 1), (0, 1, 1, 1, 1, 1), (0, 0, 0, 1, 1, 1), (0, 0, 0, 0, 1, 1)),
         "sfm_kernels": ((7, 5, 5, 3, 3, 3), (7, 5, 3, 3, 3, 3), (3, 3, 3, 3, 3, 3))},
        {"sfm_channels": ((*_FIRST, 256, *_LAST), (64, 96, 192, *_LAST), (48, 96, 192, *_LAST), (64, 128, 256, *_LAST),
                          (64, 96, 256, 256, 1024), (64, 128, 128, 768, 768)),
         "sfm_kernels": ((7, 5, 5, 3, 3), (7, 3, 3, 3, 3), (3, 3, 3, 3, 3)),
         "sfm_extra": ((0, 0, 1, 2, 2), (0, 0, 2, 2, 2), (0, 0, 1, 1, 3), (0, 0, 1, 1, 4), (0, 0, 1, 1, 1)),
         "sfm_up": ((64, 128, 384), (96, 96, 384), (128, 128, 192), (96, 128, 256), (48, 192, 192), (64, 128, 256))},
    ),
    "tmn": (
        {"tmn_base": (64, 96, 128), "tmn_max_channels": (256, 320, 512), "tmn_levels": (3, 4), "tmn_encoder_convs": (0, 1, 2),
         "tmn_blocks": tuple(range(7)), "tmn_convs": (1, 2, 3), "tmn_spade_full": (False, True), "spade_hidden": (64, 96, 128),
         "narrow_first": (True, False), "stem_kernel": (3, 7)},
    ),
    "rbfin": (
        {"rbfin_base": (48, 56, 64), "max_channels": (320, 384, 448, 512), "rbfin_levels": (4, 5, 6), "rbfin_blocks": (1, 2, 4, 6, 8),
         "rbfin_convs": (2, 3, 4), "rbfin_spade_from": (0, 1, 2), "spade_hidden": (64, 96), "ftex_proj": (8, 16, 24),
         "narrow_first": (True, False)},
    ),
}  # fmt: skip


def built(profile: config.Profile) -> dict[str, tuple[torch.nn.Module, tuple]]:
    """Row id -> untrained network at the profile's widths, and inputs to run it on, on torch's default device.

    The expression network reads a clip of `expression.window` frames: 29 are an LRW clip (`paper`), 9 are N(t) with k = 4 (its twin).
    """
    from paperlib.training import checkpoints

    net, size = checkpoints.build("renderer", profile).eval(), profile.renderer.size
    t, s, image = profile.expression.window, profile.teacher.size, torch.zeros(1, 3, size, size)
    with torch.no_grad():
        _, _, f_tex = net.tmn(image, image)
    return {
        "expression": (checkpoints.build("expression", profile).eval(), (torch.zeros(1, t, 13, 28), torch.zeros(1, t, 3, s, s))),
        "sfm": (net.sfm, (image, image)),
        "tmn": (net.tmn, (image, image)),
        "rbfin": (net.rbfin, (image, image, image, f_tex)),
    }


def counts(profile: config.Profile) -> dict[str, Complexity]:
    """Row id -> Complexity of the networks at the profile's widths. Built on the meta device: shapes alone, nothing is computed."""
    with torch.device("meta"):
        return {row: count(net, *inputs) for row, (net, inputs) in built(profile).items()}


def _protocol(row: str, profile: config.Profile) -> str:
    return f"per clip of {profile.expression.window} frames" if row == "expression" else "per frame"


def count_rows(profile: config.Profile, label: str) -> list[Row]:
    """Our 16 cells (data `label`), their sums (`label, sum`), each over the printed one (`label / printed`), FlopCounterMode's count."""
    table, found, rows = TABLES["table7"], counts(profile), []
    total = tuple(map(sum, zip(*(c.columns for c in found.values()), strict=True)))
    for row, values in {**{r: c.columns for r, c in found.items()}, "total": total}.items():
        said = "sum of the four rows" if row == "total" else _protocol(row, profile)
        for metric, value in zip(table.columns, values, strict=True):
            where = f"{label}, sum" if row == "total" else label
            rows.append(Row("table7", row, metric, value, unit=METRICS[metric].unit, data=where, n=1, protocol=said))
            share = value / table.value(row, metric)
            rows.append(Row("table7", row, metric, share, unit="ratio", data=f"{label} / printed", n=1, protocol=said))
    for row, c in found.items():
        said = f"{_protocol(row, profile)}; convolutions, transposed ones and products of matrices, half its flops"
        rows.append(Row("table7", row, "macs", c.macs / 1e9, MEASURES["macs"], data=f"{label}, FlopCounterMode", n=1, protocol=said))
    return rows


def measured_rows(profile: config.Profile, label: str, repeats: int = 3) -> list[Row]:
    """Seconds and peak live memory of one pass of each network on this machine's processor, without gradients."""
    rows, threads = [], torch.get_num_threads()
    for row, (net, inputs) in built(profile).items():
        found = measure(net, *inputs, repeats=repeats)
        said = f"{_protocol(row, profile)}; untrained, float32, no gradients"
        where = f"{label}, measured"
        rows.append(Row("table7", row, "seconds", found.seconds, unit=MEASURES["seconds"], data=where, n=repeats,
                        protocol=f"{said}; median of {repeats} passes, {threads} threads; n counts passes"))  # fmt: skip
        rows.append(Row("table7", row, "peak", found.peak_mb, unit=MEASURES["peak"], data=where, n=1,
                        protocol=f"{said}; most bytes of intermediate and output tensors alive at once"))  # fmt: skip
    return rows


def vgg_m_rows(frames: int = 9, size: int = 224) -> list[Row]:
    """The four columns of classic VGG-M alone, as published (no padding, pooling that rounds up, biases), with a last layer of 256."""
    from paperlib.models.encoders import VisualCNN

    with torch.device("meta"):
        found = count(VisualCNN((96, 256, 512, 512, 512), 256, size, ceil=True), torch.zeros(frames, 3, size, size))
    data, said = f"VGG-M alone, {frames} frames of {size} x {size}", "classic widths; no speech encoder, attention or LSTM"
    return [
        Row("table7", "expression", m, v, METRICS[m].unit, data=data, n=1, protocol=said)
        for m, v in zip(TABLES["table7"].columns, found.columns, strict=True)
    ]


def design_rows(profile: config.Profile) -> list[Row]:
    """How far each row pins the sizes: how many designs of GRIDS meet it within 2%, which values they take, what trades."""
    rows = []
    for row, grids in GRIDS.items():
        for i, grid in enumerate(grids):
            found, total = designs(row, profile, grid)
            values = "; ".join(f"{name} {' | '.join(map(str, v))}" for name, v in left_open(found).items() if len(v) > 1)
            names = list(trades(found[:400], most=4))[:6]
            traded = ", ".join(" with ".join(n) if len(n) > 1 else f"{n[0]} alone" for n in names)
            said = f"of {total} designs; left open: {values or 'nothing'}; trading: {traded or 'nothing'}"
            data = f"designs within {NEAR:.0%}" + (f", grid {i + 1}" if len(grids) > 1 else "")
            rows.append(Row("table7", row, "designs", float(len(found)), data=data, n=total, protocol=said))
    return rows


def side_by_side(rows: Sequence[Row], labels: Sequence[str] = ("paper profile", "paper twin")) -> str:
    """Markdown: printed, counted and ratio of every cell of table 7, a line per cell; `rows` as read from table7.json."""
    table = TABLES["table7"]
    out = ["| row | column | printed |" + "".join(f" {label} | ratio |" for label in labels), "|" + " --- |" * (3 + 2 * len(labels))]
    for row in table.rows:
        for metric in table.columns:
            line = f"| {table.labels[row]} | {METRICS[metric].label}/{METRICS[metric].unit} | {table.value(row, metric):g} |"
            for label in labels:
                where = f"{label}, sum" if row == "total" else label
                (ours,), (share,) = (
                    select(list(rows), row=row, metric=metric, data=d, kind="measured") for d in (where, f"{label} / printed")
                )
                line += f" {ours.value:.2f} | {share.value:.3f} |"
            out.append(line)
    return "\n".join(out)


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> Path:
    """Write table7.json: the printed cells; ours at `paper`, of its twin and at `classroom`, with ratios to the printed ones for the first
    two; FlopCounterMode, a clock and live memory beside them; how many other designs meet each row."""
    start = time.perf_counter()
    rows = [r for r in published_rows() if r.table == "table7"]
    paper = config.load_profile("paper")
    for label, at in (("paper profile", paper), ("paper twin", config.PAPER_TWIN)):
        rows += count_rows(at, label) + measured_rows(at, label)
    rows += [r for r in count_rows(config.load_profile("classroom"), "classroom profile") if r.data == "classroom profile"]
    rows += vgg_m_rows() + design_rows(paper)
    header = provenance("paperlib evaluate complexity", profile.name, profile.seed, "none", time.perf_counter() - start)
    return write_results("table7", rows, header, folder)
