"""Stage 2 on unseen speakers: cross-dubs with pixel truth (PROTOCOL rule 2), self-reconstruction, and the sanity rows.

Cross-dub: clip A of a counterfactual pair is dubbed with the speech of its twin B; B is what the result should look like, pixel
by pixel, because A and B differ in the speech alone.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from paperlib import config
from paperlib.corpus.banks import RenderItem, collate, reference_index, render_item, speech_item, to_float
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation.controls import frozen_mouth
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.landmarks import interocular, lip_opening
from paperlib.losses.perceptual import crop_resize
from paperlib.media.detection import landmarks_at
from paperlib.metrics import image
from paperlib.metrics.statistics import cluster_bootstrap, paired_difference
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training import checkpoints
from paperlib.training.expression import predict
from paperlib.training.teacher import neutral_face, semantic_images

METRICS = {"psnr": "dB", "ssim": "", "lpips": "", "skill": "", "opening_r": "", "opening_r_source": ""}


@dataclass
class Hearing:
    """Stage 1 as shipped: speech in, expressions out."""

    expression: torch.nn.Module
    teacher: torch.nn.Module
    face: torch.Tensor

    @classmethod
    def load(cls, suffix: str = "classroom", folder: Path | None = None) -> Self:
        """Load the networks by the name of the profile they were trained under (folder: default data/checkpoints)."""
        teacher, card = checkpoints.load(f"teacher_{suffix}", folder)
        face = neutral_face(card["config"]["size"])
        others = {name: checkpoints.load(f"{name}_{suffix}", folder)[0] for name in cls._others()}
        return cls(teacher=teacher, face=face, **others)

    @classmethod
    def _others(cls) -> tuple[str, ...]:
        return ("expression",)

    def expressions(self, corpus: Corpus, clip) -> torch.Tensor:
        """(T, 64) predicted from the speech of an embedded clip."""
        item = speech_item(corpus, clip)
        return predict(self.expression, item.mfcc, semantic_images(self.teacher, self.face, item.mel))


@dataclass
class Shipped(Hearing):
    """The shipped networks that a dub needs."""

    renderer: torch.nn.Module

    @classmethod
    def _others(cls) -> tuple[str, ...]:
        return ("expression", "renderer")


@torch.no_grad()
def run_renderer(net, item: RenderItem, batch: int = 16, seed: int = 3) -> dict[str, torch.Tensor]:
    """All frames of a clip through the renderer, references from the clip itself (rule 3).

    Returns (T, 3, H, W): `full` (I_i inside the mask, the clip's own pixels outside), `warp_only`, `intermediate`, `i3d_only`,
    `reference_pasted`, each composed in the same way.
    """
    net.eval()
    generator = torch.Generator().manual_seed(seed)
    n = len(item.frames)
    pairs = [(item, t, reference_index(t, n, generator)) for t in range(n)]
    parts: dict[str, list[torch.Tensor]] = {}
    for start in range(0, n, batch):
        b = collate(pairs[start : start + batch])
        out = net(b.i3d, b.ref, b.crop, "joint")
        drawn = torch.where(b.i3d.amax(1, keepdim=True) > 0, b.i3d, b.ref)  # where the face model draws nothing, the reference shows
        inside = {"full": out.i_i, "warp_only": out.warp, "intermediate": out.i_e, "i3d_only": drawn, "reference_pasted": b.ref}
        for name, picture in inside.items():
            if picture is None:
                continue  # a network of table 4 that paints nothing before RBFIN
            parts.setdefault(name, []).append(picture.clamp(0, 1) * b.mask + b.crop)
    return {k: torch.cat(v) for k, v in parts.items()}


def with_expressions(clip: Clip, exp: torch.Tensor) -> RenderItem:
    """Renderer data of `clip` with its mouth told to do `exp` (T, 64); head, light and skin stay the clip's."""
    return render_item(clip, with_exp(torch.from_numpy(clip.coeffs), exp))


def systems(shipped: Shipped, corpus: Corpus, source: Clip, target: Clip) -> dict[tuple[str, str], torch.Tensor]:
    """(row id, beta) -> (T, 3, H, W): every system and sanity row for dubbing `source` with the speech of `target`."""
    out: dict[tuple[str, str], torch.Tensor] = {}
    fitted = run_renderer(shipped.renderer, with_expressions(source, torch.from_numpy(target.coeffs[:, 80:144])))
    predicted = run_renderer(shipped.renderer, with_expressions(source, shipped.expressions(corpus, target.id)))
    for beta, frames in (("true", fitted), ("predicted", predicted)):
        out |= {(row, beta): frames[row] for row in ("full", "warp_only", "i3d_only")}
    masks = source.masks()
    pictures = source.frames.astype(np.float32) / 255
    frozen = frozen_mouth(pictures, source.coeffs, masks)
    out["frozen_mouth", "none"] = torch.from_numpy(frozen).movedim(-1, 1)
    out["frozen_mouth_oracle", "none"] = torch.from_numpy(frozen_mouth(pictures, source.coeffs, masks, oracle=True)).movedim(-1, 1)
    out["reference_pasted", "none"] = predicted["reference_pasted"]
    out["source_unchanged", "none"] = torch.from_numpy(pictures).movedim(-1, 1)
    out["truth", "none"] = to_float(torch.from_numpy(target.frames))
    return out


def opening_r(pred: torch.Tensor, target: Clip, source: Clip) -> dict[str, float]:
    """Does the drawn mouth open when it should? Lip opening of landmarks found in frames (T, 3, H, W), against known truth.

    `opening_r`: Pearson's r with the opening wanted, B's; `opening_r_source`: with the opening that was there before, A's (a leak, if
    high). The finder is told where the face is by pose and a neutral mouth alone. nan for an opening that never changes.
    """
    found = landmarks_at(np.ascontiguousarray((pred.clamp(0, 1).movedim(1, -1).numpy() * 255 + 0.5).astype(np.uint8)), source.lmk_neutral)
    opening = lip_opening(found) / interocular(found)
    truths = {"opening_r": target.lmk, "opening_r_source": source.lmk}
    return {k: float(np.corrcoef(opening, lip_opening(v) / interocular(v))[0, 1]) for k, v in truths.items()}


def score_pair(out: dict, target: Clip, source: Clip, lpips_net) -> list[dict]:
    """Per-clip metrics of every system: whole frame (`frame`), `mouth` (the mask for PSNR and skill, the box
    around the mouth for the others), `lips` (the part of the mask in that box)."""
    truth = to_float(torch.from_numpy(target.frames))
    mask = torch.from_numpy(source.masks())
    boxes = torch.from_numpy(mouth_boxes(source))
    frozen = out["frozen_mouth", "none"]
    lips = box_mask(boxes, truth.shape[-1])
    rows = []
    for (row, beta), pred in out.items():
        a, b = crop_resize(pred, boxes, 64).clamp(0, 1), crop_resize(truth, boxes, 64).clamp(0, 1)
        values = {
            ("psnr", "frame"): image.psnr(pred, truth),
            ("ssim", "frame"): image.ssim(pred, truth),
            ("psnr", "mouth"): image.psnr(pred, truth, mask=mask),
            ("ssim", "mouth"): image.ssim(a, b),
            ("lpips", "mouth"): image.lpips(a, b, net=lpips_net),
            ("skill", "mouth"): image.mouth_skill(pred, truth, frozen, mask),
            ("skill", "lips"): image.mouth_skill(pred, truth, frozen, mask * lips),
        } | {(metric, "lips"): r for metric, r in opening_r(pred, target, source).items()}
        for (metric, region), value in values.items():
            mean = float(torch.as_tensor(value).double().mean())
            rows.append({"row": row, "beta": beta, "metric": metric, "region": region, "speaker": target.id.speaker, "value": mean})
    return rows


def box_mask(boxes: torch.Tensor, size: int) -> torch.Tensor:
    """(T, 1, size, size), 1 where a pixel's centre lies in its frame's box (T, 4) x0 y0 x1 y1."""
    at = torch.arange(size) + 0.5
    x = (at >= boxes[:, None, 0]) & (at <= boxes[:, None, 2])
    y = (at >= boxes[:, None, 1]) & (at <= boxes[:, None, 3])
    return (y[:, :, None] & x[:, None, :])[:, None].float()


def mouth_boxes(clip: Clip) -> np.ndarray:
    """(T, 4) boxes of the mouth from the pose-only landmarks."""
    from paperlib.media.cropping import mouth_box

    return mouth_box(clip.lmk_neutral)


def summarise(scores: list[dict], data: str, track: str, motion: str) -> list[Row]:
    """Means with intervals over speakers; `full_minus_X` rows are paired differences."""
    rows = []
    keys = list(dict.fromkeys((s["row"], s["beta"], s["metric"], s["region"]) for s in scores))
    of = {k: [s for s in scores if (s["row"], s["beta"], s["metric"], s["region"]) == k] for k in keys}
    for (row, beta, metric, region), group in of.items():
        values, speakers = (np.array([s[k] for s in group]) for k in ("value", "speaker"))
        if not np.isfinite(values).all():
            continue  # the frame outside the mask is the truth itself: an unchanged clip can have infinite PSNR on still speech
        common = dict(unit=METRICS[metric], data=data, motion=motion, beta=beta, track=track, region=region)
        ci = cluster_bootstrap(values, speakers)
        rows.append(Row("controls_renderer", row, metric, ci.value, **interval_fields(ci), **common))
        if row != "full" and not (row == "truth" and not metric.startswith("opening")):  # against the truth itself there is no contest
            for ours_beta in ("true", "predicted"):
                if beta not in ("none", ours_beta):
                    continue
                ours = np.array([s["value"] for s in of["full", ours_beta, metric, region]])
                ci = paired_difference(ours, values, speakers)
                rows.append(
                    Row("controls_renderer", f"full_minus_{row}", metric, ci.value, protocol="paired", **interval_fields(ci),
                        **(common | {"beta": ours_beta}))
                )  # fmt: skip
    return rows


def _pair_scores(corpus: Corpus, shipped: Shipped, lpips_net, clip) -> list[dict]:
    source, target = corpus.load(clip), corpus.load(pair_of(clip))
    with torch.no_grad():
        return score_pair(systems(shipped, corpus, source, target), target, source, lpips_net)


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> Path:
    """Write controls_renderer.json: cross-dubs of all counterfactual pairs (both directions) of the classroom test speakers."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    from paperlib.weights import load_lpips

    start = time.perf_counter()
    corpus, shipped, lpips_net = Corpus(config.load_profile("classroom").corpus), Shipped.load(), load_lpips()
    sources = corpus.clips("test")[:clips]
    jobs = max(1, min(os.cpu_count() or 1, len(sources) // 4))  # a process costs ten seconds to start
    work = Parallel(n_jobs=jobs, return_as="generator")(delayed(_pair_scores)(corpus, shipped, lpips_net, clip) for clip in sources)
    scores: dict[str, list[dict]] = {}
    for clip, found in zip(sources, tqdm(work, desc="cross-dubs", unit="clip", total=len(sources)), strict=True):
        scores.setdefault(clip.test_set, []).extend(found)
    rows = []
    for name, group in scores.items():
        rows += summarise(group, f"embedded test speakers, {name}", "cross-dub", corpus.cfg.motion)
    rows += summarise([s for g in scores.values() for s in g], "embedded test speakers, all", "cross-dub", corpus.cfg.motion)
    header = provenance(
        "paperlib evaluate renderer", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=["renderer_classroom", "expression_classroom", "teacher_classroom"], clips=len(sources),
    )  # fmt: skip
    return write_results("controls_renderer", rows, header, folder)
