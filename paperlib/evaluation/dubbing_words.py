"""How systems, measures and regions of tables 1 and 2 are called wherever they are shown, and which measures are the paper's.

Saved rows name regions by ids whose meaning differs between results files. Readers see one set of words: `mask`, the painted region
(Omega_c), and `lips`, the box around the lips.
"""

from __future__ import annotations

from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_systems import MINIS, OURS
from paperlib.paper import METRICS, SYSTEM_LABELS

PAPER = ("psnr_crop", "lpips_crop", "ssim_crop", "lmd_mouth", "csim_frame", "sync_mouth")  # the six columns of tables 1 and 2

PIXELS = ("psnr", "ssim", "lpips", "skill", "csim")  # metrics whose regions are parts of the picture
UNITS = {"eyes": "eye distances"}
LABELS = {"shape": "mouth shape", "shape_source": "mouth shape, source"}
_BOX = "AlexNet, v0.1", "Gaussian 11/1.5"
EXPLAINED = {  # where a measure's own words lean on those of its neighbour or on a region's id
    **{f"{metric}_{region}": words for metric, words in (("lpips", _BOX[0]), ("ssim", _BOX[1])) for region in ("frame", "crop")},
    "lpips_mouth": f"{_BOX[0]}; the whole box around the lips, brought to 64 px",
    "ssim_mouth": f"{_BOX[1]}; the whole box around the lips, brought to 64 px",
    "csim_crop": "dlib's 128-d network, all but the mask greyed out",
    "aed_mouth": "mean |difference| of coefficients, of it what moves mostly the mouth; read off single frames by the face regressor",
    "late": "how far the speech must be moved, within +-10 frames, until the opening found fits the one wanted best; early counts as late",
    "opening_r_source": "Pearson's r of the lip opening found in the dub with the one that was there before: a leak, if above the truth's",
    "shape_mouth": "mean distance of 20 mouth points from the recording wanted, pose removed, in distances between the eyes",
}


def place(metric: str, region: str) -> str:
    """Where a measure of tables 1 and 2 looks, by the id of its region.

    >>> place("psnr", "crop"), place("skill", "mouth"), place("aed", "mouth")
    ('mask', 'lips', 'mouth')
    """
    return {"crop": "mask", "mouth": "lips"}.get(region, region) if metric in PIXELS else region


def control_place(metric: str, region: str) -> str:
    """The same for rows of `controls_renderer`, where `mouth` is the mask for PSNR and skill, and the box for SSIM and LPIPS.

    >>> control_place("skill", "mouth"), control_place("ssim", "mouth"), control_place("skill", "lips")
    ('mask', 'lips', 'lips')
    """
    return ("mask" if metric in ("psnr", "skill") else "lips") if region == "mouth" else region


def explained(measure: str) -> str:
    """How a measure is found, in words that stand alone."""
    return EXPLAINED.get(measure, MEASURES[measure].words)


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

    >>> heading("skill_mouth"), heading("skill_crop", arrow=False), heading("shape_mouth")
    ('skill, lips ↑', 'skill, mask', 'mouth shape, eye distances ↓')
    """
    m = MEASURES[measure]
    label = METRICS[m.metric].label if m.metric in METRICS else LABELS.get(m.metric, m.metric.replace("_", " "))
    region = "" if m.region == "lips" or m.metric in LABELS or measure in ("lmd_mouth", "sync_mouth") else f", {place(m.metric, m.region)}"
    unit = f", {UNITS.get(m.unit, m.unit)}" if m.unit else ""
    return label + region + (unit + {"higher": " ↑", "lower": " ↓"}.get(m.better, "") if arrow else "")


def number(value: float | None, measure: str) -> str:
    """A value of a measure with the digits it is shown with; a dash where there is none.

    >>> number(31.3708, "psnr_crop"), number(0.4794, "skill_mouth"), number(None, "lag")
    ('31.37', '0.479', '–')
    """
    return "–" if value is None else f"{value:.{2 if MEASURES[measure].metric == 'psnr' else 3}f}"
