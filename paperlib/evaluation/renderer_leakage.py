"""Identity leakage: the renderer is given references of another person. How much of that person shows in the painted region?

The stranger of a test speaker is the one whose skin differs most in colour. Measures:
- `colour_share`: the painted region's mean colour, projected on the line from the true colour (0) to that of the stranger's mouth pasted in
  (1); a ratio of sums over clips, so that a pair who look alike weighs little;
- `warp_share`: how much of what the swap of references changes in I_warp arrives in the result, pixel by pixel: 0 nothing, 1 all;
- cosine and distance of dlib's descriptor to the true face and to the stranger's, and `csim_stranger_gain`, the likeness to the stranger
  above the truth's own. Pasting is the positive control: where it gains nothing, that descriptor does not see a stranger's mouth at all.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from paperlib import config
from paperlib.corpus.banks import to_float
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.evaluation.renderer_run import CrossDub, cross_dub, one_per_speaker, random_references
from paperlib.evaluation.renderer_scores import to_uint8
from paperlib.metrics import identity, image
from paperlib.metrics.statistics import Interval, cluster_bootstrap, paired_difference
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training import checkpoints as stored

TABLE = "controls_leakage"
CLIPS = 10
IDENTITY_FRAMES = 4
SYSTEMS = ("truth", "full", "stranger_reference", "warp_only", "stranger_warp", "reference_pasted", "stranger_pasted")


def painted_colour(frames: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    """(3,) mean RGB of frames (T, 3, H, W) inside mask (T, 1, H, W)."""
    return ((frames * mask).sum((0, 2, 3)) / mask.sum()).double().numpy()


def share_terms(value: np.ndarray, truth: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """(numerator, denominator) of the share of the way from `truth` to `other` that `value` has gone: projections on that line."""
    line = other - truth
    return float((value - truth) @ line), float(line @ line)


def pooled_share(numerators: np.ndarray, denominators: np.ndarray, speakers: np.ndarray, n_boot: int = 2000, seed: int = 0) -> Interval:
    """Sum of numerators over sum of denominators, with an interval from resampling speakers."""
    names, index = np.unique(speakers, return_inverse=True)
    tops, bottoms = np.bincount(index, numerators), np.bincount(index, denominators)
    draws = np.random.default_rng(seed).integers(0, len(names), (n_boot, len(names)))
    replicates = tops[draws].sum(1) / bottoms[draws].sum(1)
    low, high = np.quantile(replicates, [0.025, 0.975]) if len(names) > 1 else (np.nan, np.nan)
    value = float(tops.sum() / bottoms.sum())
    return Interval(value, float(low), float(high), len(numerators), len(names), se=float(replicates.std(ddof=1)))


def skin_colour(clip: Clip) -> np.ndarray:
    """(3,) mean RGB of a clip's mouth region: skin, mostly."""
    return painted_colour(to_float(torch.from_numpy(clip.frames)), torch.from_numpy(clip.masks()))


def strangers(colours: list[np.ndarray]) -> list[int]:
    """For each person the index of the one whose colour (3,) is furthest.

    >>> strangers([np.zeros(3), np.ones(3), 0.2 * np.ones(3)])
    [1, 0, 1]
    """
    apart = np.linalg.norm(np.stack(colours)[:, None] - np.stack(colours)[None], axis=-1)
    return apart.argmax(1).tolist()


def dubs_of(dub: CrossDub, other: Clip, net: torch.nn.Module) -> dict[str, torch.Tensor]:
    """SYSTEMS of one clip under true expressions, (T, 3, H, W); `other` is the stranger's clip."""
    n, mask = len(dub.source.frames), dub.mask
    refs, theirs = random_references(n), [r % len(other.frames) for r in random_references(n)]
    crop = to_float(torch.from_numpy(dub.source.frames)) * (1 - mask)
    seen = torch.from_numpy(other.frames)
    own, swapped = dub.paint(net, "true", refs), dub.paint(net, "true", theirs, seen)
    return {
        "truth": dub.truth,
        "full": own["full"],
        "stranger_reference": swapped["full"],
        "warp_only": own["warp_only"],
        "stranger_warp": swapped["warp_only"],
        "reference_pasted": to_float(torch.from_numpy(dub.source.frames[refs])) * mask + crop,
        "stranger_pasted": to_float(seen[theirs]) * mask + crop,
    }


@dataclass
class Leak:
    """Measures of one clip: values[metric, region][system], and the terms of the shares."""

    speaker: int
    values: dict[tuple[str, str], dict[str, float]]
    terms: dict[tuple[str, str], dict[str, tuple[float, float]]]


def measure_clip(dub: CrossDub, other: Clip, pictures: dict[str, torch.Tensor]) -> Leak:
    """Colours, identities and PSNR of SYSTEMS for one clip."""
    mask, truth, near = dub.mask, pictures["truth"], dub.source.lmk_neutral
    at = np.linspace(0, len(truth) - 1, IDENTITY_FRAMES + 2).round().astype(int)[1:-1]
    keep = (mask[at, 0] > 0.5).numpy()
    values: dict[tuple[str, str], dict[str, float]] = {}
    terms: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    colour = {k: painted_colour(v, mask) for k, v in pictures.items()}
    terms["colour_share", "crop"] = {k: share_terms(v, colour["truth"], colour["stranger_pasted"]) for k, v in colour.items()}
    values["psnr", "crop"] = {k: float(image.psnr(v.clamp(0, 1), truth, mask).mean()) for k, v in pictures.items() if k != "truth"}
    place = np.linspace(0, len(other.frames) - 1, IDENTITY_FRAMES).round().astype(int)
    other_mask = other.masks()[place, 0] > 0.5
    for region, mine, theirs in (("frame", None, None), ("crop", keep, other_mask)):
        stranger = identity.descriptors(other.frames[place], other.lmk_neutral[place], theirs).mean(0)
        found = {k: identity.descriptors(to_uint8(v[at]), near[at], mine) for k, v in pictures.items()}
        own = {k: float(identity.csim(d, found["truth"]).mean()) for k, d in found.items()}
        like = {k: float(identity.csim(d, np.broadcast_to(stranger, d.shape).copy()).mean()) for k, d in found.items()}
        values["csim", region], values["csim_stranger", region] = own, like
        values["distance", region] = {k: float(np.linalg.norm(d - found["truth"], axis=1).mean()) for k, d in found.items()}
        values["distance_stranger", region] = {k: float(np.linalg.norm(d - stranger, axis=1).mean()) for k, d in found.items()}
        values["csim_stranger_gain", region] = {k: v - like["truth"] for k, v in like.items() if k != "truth"}
    change, arrived = ((pictures[a] - pictures[b]) * mask for a, b in (("stranger_warp", "warp_only"), ("stranger_reference", "full")))
    terms["warp_share", "crop"] = {"stranger_reference": (float((arrived * change).sum()), float(change.square().sum()))}
    return Leak(dub.source.id.speaker, values, terms)


UNITS = {"psnr": "dB", "distance": "dlib units", "distance_stranger": "dlib units"}
WORDS = {
    "csim": "cosine with the true frame's descriptor", "csim_stranger": "cosine with the stranger's mean descriptor",
    "distance": "Euclidean distance to the true frame's descriptor (dlib calls two faces one person below 0.6)",
    "distance_stranger": "Euclidean distance to the stranger's mean descriptor",
    "colour_share": "0: the true colour, 1: the stranger's pasted in; ratio of sums over clips",
    "csim_stranger_gain": "csim_stranger less the truth's own; the positive control is stranger_pasted",
    "warp_share": "0: nothing of what the swap changes in I_warp arrives, 1: all; ratio of sums over clips",
    "psnr": "",
}  # fmt: skip


def rows_of(leaks: list[Leak], common: dict) -> list[Row]:
    """Means and shares with intervals over speakers, and what a stranger's reference costs against one's own, paired."""
    speakers, rows = np.array([leak.speaker for leak in leaks]), []
    for (metric, region), systems in leaks[0].values.items():
        place = common | {"region": region, "unit": UNITS.get(metric, "")}
        columns = {k: np.array([leak.values[metric, region][k] for leak in leaks]) for k in systems}
        for row, values in columns.items():
            ci = cluster_bootstrap(values, speakers)
            if np.isfinite(ci.value):
                rows.append(Row(TABLE, row, metric, ci.value, protocol=WORDS[metric], **(place | interval_fields(ci))))
        ci = paired_difference(columns["full"], columns["stranger_reference"], speakers)
        rows.append(Row(TABLE, "full_minus_stranger_reference", metric, ci.value, protocol="paired", **(place | interval_fields(ci))))
    for (metric, region), systems in leaks[0].terms.items():
        for row in systems:
            if row in ("truth", "stranger_pasted"):
                continue  # 0 and 1 by definition
            tops, bottoms = np.array([leak.terms[metric, region][row] for leak in leaks]).T
            ci = pooled_share(tops, bottoms, speakers)
            place = common | {"region": region}
            rows.append(Row(TABLE, row, metric, ci.value, protocol=WORDS[metric], **(place | interval_fields(ci))))
    return rows


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None, checkpoints: Path | None = None) -> Path:
    """Write controls_leakage.json: test speakers, one clip each, with their own references and with a stranger's."""
    from tqdm import tqdm

    start, corpus = time.perf_counter(), Corpus(config.load_profile("classroom").corpus)
    net = stored.load("renderer_classroom", checkpoints)[0]
    chosen = one_per_speaker(corpus, max(2, clips or CLIPS))
    loaded = [cross_dub(corpus, None, c) for c in chosen]
    other = strangers([skin_colour(d.source) for d in loaded])
    leaks = []
    for dub, j in zip(tqdm(loaded, desc="leakage", unit="clip"), other, strict=True):
        stranger = loaded[j].source
        leaks.append(measure_clip(dub, stranger, dubs_of(dub, stranger, net)))
    common = {"data": f"embedded test speakers, {len(chosen)} clips", "motion": corpus.cfg.motion, "beta": "true", "track": "cross-dub"}
    header = provenance(
        "paperlib evaluate leakage", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=["renderer_classroom"], clips=len(chosen),
        strangers={d.source.id.name: loaded[j].source.id.name for d, j in zip(loaded, other, strict=True)},
    )  # fmt: skip
    return write_results(TABLE, rows_of(leaks, common), header, folder)
