"""How systems and measures of tables 1 and 2 are called wherever they are shown, and which measures are the paper's."""

from __future__ import annotations

from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_systems import MINIS, OURS
from paperlib.paper import METRICS, SYSTEM_LABELS

PAPER = ("psnr_crop", "lpips_crop", "ssim_crop", "lmd_mouth", "csim_frame", "sync_mouth")  # the six columns of tables 1 and 2


def name(row: str) -> str:
    """How a row is called in tables and sentences.

    >>> name("ip_lap_mini"), name("ours_mini"), name("frozen_mouth")
    ('IP_LAP-mini', 'ours', 'frozen mouth')
    """
    if row == OURS:
        return "ours"
    return f"{SYSTEM_LABELS[row.removesuffix('_mini')]}-mini" if row in MINIS else row.replace("_", " ")


def heading(measure: str, arrow: bool = True) -> str:
    """A measure's name with region, unit and direction.

    >>> heading("skill_mouth"), heading("skill_mouth", arrow=False)
    ('skill, mouth ↑', 'skill, mouth')
    """
    m = MEASURES[measure]
    label = METRICS[m.metric].label if m.metric in METRICS else m.metric.replace("_", " ")
    region = "" if m.region in ("lips",) or measure in ("lmd_mouth", "sync_mouth") else f", {m.region}"
    unit = f", {m.unit}" if m.unit else ""
    return label + region + (unit + {"higher": " ↑", "lower": " ↓"}.get(m.better, "") if arrow else "")


def number(value: float | None, measure: str) -> str:
    """A value of a measure with the digits it is shown with; a dash where there is none.

    >>> number(31.3708, "psnr_crop"), number(0.4794, "skill_mouth"), number(None, "lag")
    ('31.37', '0.479', '–')
    """
    return "–" if value is None else f"{value:.{2 if MEASURES[measure].metric == 'psnr' else 3}f}"
