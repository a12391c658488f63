"""The protocol card that stands above every measured table of notebook 09: what each column is, over which frames, of how many clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paperlib.dubbing_report import heading, markdown
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_verdicts import measure_of
from paperlib.evaluation.dubbing_words import explained, place
from paperlib.results import Row

LIPS = ("lmd_mouth", "opening_r", "opening_r_source", "leak_index", "lag", "late", "loudness_r", "shape_mouth", "shape_source")
IDENTITY = ("csim_frame", "csim_crop")
SYNC = {"sync_mouth": "judge", "sync_lag": "judge", "expert_mouth": "sync", "official_mouth": "official"}
POINTS = "dlib's 68 points"
EXTRACTOR = {"lpips": "AlexNet, LPIPS v0.1", "csim": "dlib's face descriptor, 128 numbers", **{MEASURES[m].metric: POINTS for m in LIPS}}


def frames_of(measure: str, every: Mapping[str, int]) -> str:
    """Which frames of a clip a measure looks at.

    >>> frames_of("psnr_crop", {"image": 5, "lips": 3, "identity frames": 1}), frames_of("sync_mouth", {})
    ('every 5th', 'all')
    >>> frames_of("csim_frame", {"identity frames": 1})
    'one, the middle one'
    """
    if measure in SYNC:
        return "all"
    if measure in IDENTITY:
        count = every.get("identity frames")
        return "?" if count is None else "one, the middle one" if count == 1 else f"{count}, evenly apart"
    step = every.get("lips" if measure in LIPS else "image")
    return "?" if step is None else "all" if step == 1 else f"every {step}{({2: 'nd', 3: 'rd'}).get(step, 'th')}"


def extractor_of(measure: str, instruments: Mapping[str, str]) -> str:
    """Which network or detector a measure stands on; `–` for none."""
    metric = MEASURES[measure].metric
    if measure in SYNC:
        return instruments.get(SYNC[measure], "–")
    return instruments.get("regressor", "–") if metric.startswith("aed") else EXTRACTOR.get(metric, "–")


def card(rows: Sequence[Row], made: Mapping, track: str, measures: Sequence[str]) -> str:
    """Markdown, folded: metric, definition, extractor, region and its share of the picture, frames, n and failures of each column.

    rows: of one table; made: its provenance. n and failed: the lowest and the highest among the table's rows.
    """
    every, shares = made.get("every", {}), made.get("region_shares", {})
    lines = []
    for key in measures:
        own = [r for r in rows if r.track == track and r.value is not None and r.low is not None and measure_of(r) == key]
        n = sorted({r.n for r in own if r.n})
        failed = max((r.failed for r in own), default=0)
        m = MEASURES[key]
        seen = m.metric in ("psnr", "ssim", "lpips") and m.region in shares
        region = place(m.metric, m.region) + (f", {shares[m.region]:.0%} of the picture" if seen else "")
        count = "–" if not n else str(n[0]) if len(n) == 1 else f"{n[0]} to {n[-1]}"
        extractor = extractor_of(key, made.get("instruments", {}))
        lines.append([heading(key), explained(key), extractor, region, frames_of(key, every), count, str(failed)])
    head = ["column", "how", "with", "where", "frames of a clip", "n", "clips without a value, at most"]
    longest = f" A clip's first {every['longest']} frames at most." if "longest" in every else ""
    said = f"Frames in [0, 1], {made.get('size', 96)} px a side. A value is the mean over clips of a clip's mean.{longest}"
    return f"<details><summary>Protocol card</summary>\n\n{markdown(head, lines)}\n\n{said}\n\n</details>"
