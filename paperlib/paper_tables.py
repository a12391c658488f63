"""The paper's tables 1-7, digit for digit, as typed data. Import them from `paperlib.paper`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A column of a table: how it is printed, its unit, and which direction is better (0: neither)."""

    name: str
    label: str
    unit: str
    better: int  # +1 higher, -1 lower, 0 a cost that is only reported


@dataclass(frozen=True)
class Table:
    """A published table. `rows` maps a row id to the printed values in the order of `columns`."""

    name: str
    title: str
    data: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[float, ...]]
    labels: dict[str, str] = field(default_factory=dict)

    def value(self, row: str, metric: str) -> float:
        """The printed number; KeyError or ValueError for a row or metric that the table does not have."""
        return self.rows[row][self.columns.index(metric)]

    def column(self, metric: str) -> dict[str, float]:
        """Row id -> value of one column."""
        at = self.columns.index(metric)
        return {row: values[at] for row, values in self.rows.items()}

    def best(self, metric: str) -> list[str]:
        """Row ids that hold the best printed value of `metric`: more than one is a tie."""
        values, sign = self.column(metric), METRICS[metric].better
        if sign == 0:
            raise ValueError(f"{metric}: a cost has no best row")
        top = max(sign * v for v in values.values())
        return [row for row, v in values.items() if sign * v == top]


METRICS = {
    m.name: m
    for m in (
        Metric("psnr", "PSNR", "dB", +1),
        Metric("lpips", "LPIPS", "", -1),
        Metric("ssim", "SSIM", "", +1),
        Metric("lmd", "LMD", "px", -1),
        Metric("csim", "CSIM", "", +1),
        Metric("sync", "Sync", "", +1),
        Metric("aed", "AED", "", -1),
        Metric("params", "Params", "M", 0),
        Metric("flops", "FLOPs", "G", 0),
        Metric("madd", "MAdd", "G", 0),
        Metric("memory", "Memory", "MB", 0),
    )
}

SYSTEM_LABELS = {
    "makeittalk": "MakeItTalk",
    "wav2lip": "Wav2Lip",
    "sadtalker": "SadTalker",
    "ip_lap": "IP_LAP",
    "diff2lip": "Diff2Lip",
    "ours": "the paper's method",
}
_IMAGE = ("psnr", "lpips", "ssim", "lmd", "csim")

TABLE1 = Table(
    "table1", "Comparison on VoxCeleb1", "VoxCeleb1 test", (*_IMAGE, "sync"),
    {
        "makeittalk": (28.84, 0.28, 0.64, 3.21, 0.97, 4.81),
        "wav2lip": (33.64, 0.12, 0.86, 2.41, 0.98, 5.28),
        "sadtalker": (30.75, 0.21, 0.80, 3.54, 0.98, 5.14),
        "ip_lap": (34.42, 0.11, 0.91, 2.54, 0.99, 5.26),
        "diff2lip": (33.24, 0.16, 0.90, 2.43, 0.99, 5.16),
        "ours": (38.31, 0.04, 0.95, 1.62, 0.99, 5.42),
    },
    SYSTEM_LABELS,
)  # fmt: skip

TABLE2 = Table(
    "table2", "Comparison on VoxCeleb2", "VoxCeleb2 test", (*_IMAGE, "sync"),
    {
        "makeittalk": (30.47, 0.19, 0.77, 3.42, 0.97, 5.31),
        "wav2lip": (33.57, 0.14, 0.88, 2.64, 0.98, 5.48),
        "sadtalker": (30.75, 0.16, 0.82, 2.84, 0.98, 5.34),
        "ip_lap": (34.96, 0.10, 0.92, 2.46, 0.99, 5.32),
        "diff2lip": (33.94, 0.15, 0.91, 2.38, 0.99, 5.28),
        "ours": (38.45, 0.04, 0.96, 1.54, 0.99, 5.62),
    },
    SYSTEM_LABELS,
)  # fmt: skip

TABLE3 = Table(
    "table3", "Ablation of speech to expression", "LRW", ("aed", "lmd", "sync"),
    {
        "base": (0.096, 2.71, 4.55),
        "no_semantic": (0.094, 2.64, 5.44),
        "no_attention": (0.082, 2.12, 5.81),
        "no_shape": (0.089, 2.34, 5.66),
        "full": (0.081, 2.09, 5.83),
    },
    {
        "base": "base", "no_semantic": "w/o semantic images", "no_attention": "w/o cross-modal attention",
        "no_shape": "w/o shape loss", "full": "full",
    },
)  # fmt: skip

TABLE4 = Table(
    "table4", "Ablation of the renderer", "VoxCeleb1 test", _IMAGE,
    {
        "base": (37.33, 0.054, 0.939, 1.91, 0.99),
        "no_tmn": (37.85, 0.049, 0.944, 1.74, 0.99),
        "no_corr": (38.11, 0.044, 0.949, 1.68, 0.99),
        "no_msaf": (38.21, 0.041, 0.951, 1.66, 0.99),
        "no_staging": (37.94, 0.044, 0.942, 1.76, 0.99),
        "full": (38.31, 0.040, 0.954, 1.62, 0.99),
    },
    {
        "base": "base", "no_tmn": "w/o feature-enhancement network", "no_corr": "w/o correspondence loss",
        "no_msaf": "w/o MSAF", "no_staging": "w/o staged training", "full": "full",
    },
)  # fmt: skip

TABLE5 = Table(
    "table5", "Scale factor of MSAF", "VoxCeleb1 test", _IMAGE,
    {
        "sigma_0": (37.33, 0.054, 0.939, 1.91, 0.99),
        "sigma_1": (37.94, 0.044, 0.942, 1.76, 0.99),
        "sigma_learned": (38.31, 0.040, 0.954, 1.62, 0.99),
    },
    {"sigma_0": "0", "sigma_1": "1", "sigma_learned": "learnable"},
)  # fmt: skip

TABLE6 = Table(
    "table6", "Scales at which MSAF is used", "VoxCeleb1 test", _IMAGE,
    {
        "high": (38.20, 0.044, 0.951, 1.65, 0.99),
        "low": (38.17, 0.043, 0.950, 1.66, 0.99),
        "all": (38.31, 0.040, 0.954, 1.62, 0.99),
    },
    {"high": "high level (192 x 192)", "low": "low level (48 x 48)", "all": "all scales"},
)  # fmt: skip

TABLE7 = Table(
    "table7", "Complexity", "one clip for the expression network, one frame for the others", ("params", "flops", "madd", "memory"),
    {
        "expression": (12.50, 14.30, 28.60, 120.0),
        "sfm": (38.68, 2.27, 5.91, 17.9),
        "tmn": (12.53, 39.23, 78.39, 267.2),
        "rbfin": (37.68, 31.08, 62.08, 285.0),
        "total": (101.17, 86.88, 174.98, 690.2),
    },
    {"expression": "expression network", "sfm": "SFM", "tmn": "TMN", "rbfin": "RBFIN", "total": "whole"},
)  # fmt: skip

TABLES: dict[str, Table] = {t.name: t for t in (TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TABLE6, TABLE7)}
