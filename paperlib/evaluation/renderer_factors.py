"""Where the decibels come from: four choices that a paper need not state, each both ways, on the shipped renderer.

- beta: I_3D drawn from the clip's true expressions (what a perfect fit to the target would give), or from those predicted from its speech;
- mask: the hole drawn around the target's own outline, or posed by the head with a neutral mouth;
- references: frames of the same clip, a second away, or of another clip of the same speaker (another scene: other light and place);
- adapt: the renderer as shipped, or fine-tuned on the first half of the clip.

Self-reconstruction, as such tables are usually made: the second half of each clip is rebuilt, the first half is what references and
adaptation may see. Every cell is scored in the same region, that of the pose-only mask. The shipped net was trained on pose-only holes: an
outline here only gives it more of the true picture; a net trained on outlines could also read the mouth off them, which is not in these
numbers.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from paperlib import config
from paperlib.config import FPS
from paperlib.corpus.banks import RenderItem, collate, reference_index, render_item, to_float
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.dubbing_adapt import ADAPT_BATCH, ADAPT_EPS, ADAPT_LR
from paperlib.evaluation.controls import frozen_mouth
from paperlib.evaluation.renderer import Shipped, box_mask, mouth_boxes, with_expressions
from paperlib.evaluation.renderer_run import one_per_speaker, paint
from paperlib.metrics import image
from paperlib.metrics.statistics import cluster_bootstrap, paired_difference
from paperlib.paper import FACTOR_CELLS, FACTORS
from paperlib.results import Row, interval_fields, provenance, write_results

TABLE = "controls_factors"
CLIPS = 6
STRIDE = 2  # every second frame of the half that is scored
ADAPT_STEPS = 60
METRICS = {("psnr", "frame"): "dB", ("psnr", "crop"): "dB", ("psnr", "mouth"): "dB", ("ssim", "frame"): "", ("skill", "crop"): ""}


def outline_masks(clip: Clip) -> torch.Tensor:
    """(T, H, W) bool: the hole drawn from the frame's own landmarks, jaw and all: it follows the mouth that is to be hidden."""
    from paperlib.media.cropping import mouth_mask

    return torch.from_numpy(mouth_mask(clip.lmk, clip.frames.shape[1])[:, 0] > 0.5)


def halves(n: int) -> tuple[list[int], list[int]]:
    """(frames that may be seen, frames that are scored) of a clip of n frames.

    >>> halves(6)
    ([0, 1, 2], [3, 5])
    """
    return list(range(n // 2)), list(range(n // 2, n, STRIDE))


def same_clip_references(n: int, generator: torch.Generator) -> list[int]:
    """For each scored frame one of the first half, a second away or as far as there is."""
    seen, scored = halves(n)
    draws = [max(1, min(len(seen), t - FPS + 1)) for t in scored]
    return [int(torch.randint(most, (1,), generator=generator)) for most in draws]


def adapt(net: torch.nn.Module, item: RenderItem, seen: list[int], steps: int = ADAPT_STEPS, seed: int = 0) -> torch.nn.Module:
    """A copy of `net` fine-tuned on frames `seen` of a clip, as `paperlib dub` adapts: true expressions, references of the same half."""
    from paperlib.training.stages import Judges, Phase, objectives

    net, generator = copy.deepcopy(net), torch.Generator().manual_seed(seed)
    optimiser, phase = torch.optim.Adam(net.parameters(), ADAPT_LR, betas=(0.5, 0.999)), Phase("joint", ADAPT_EPS)
    net.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = ADAPT_LR * 0.5 * (1 + math.cos(math.pi * step / steps))
        target = torch.randint(len(seen), (ADAPT_BATCH,), generator=generator).tolist()
        refs = [reference_index(t, len(seen), generator) for t in target]
        batch = collate([(item, seen[t], seen[r]) for t, r in zip(target, refs, strict=True)])
        loss, _ = objectives(net.cfg, Judges(None, None), net(batch.i3d, batch.ref, batch.crop, "joint"), batch, None, phase)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
    return net.eval()


@dataclass
class Sources:
    """One clip and what the factors choose from: items by beta, masks and references (uint8, one a scored frame) by kind, nets by adapt."""

    clip: Clip
    items: dict[str, RenderItem]
    masks: dict[str, torch.Tensor]
    references: dict[str, torch.Tensor]
    nets: dict[str, torch.nn.Module]


def sources(clip: Clip, other: Clip, net: torch.nn.Module, exp: torch.Tensor, seed: int = 0, steps: int = ADAPT_STEPS) -> Sources:
    """Make both levels of every factor; `other`: another clip of the same speaker; exp: (T, 64) predicted from the clip's own speech."""
    generator = torch.Generator().manual_seed(seed)
    item, n = render_item(clip), len(clip.frames)
    seen, scored = halves(n)
    elsewhere = torch.randint(len(other.frames), (len(scored),), generator=generator)
    return Sources(
        clip,
        {"true": item, "predicted": with_expressions(clip, exp)},
        {"pose": item.masks, "outline": outline_masks(clip)},
        {"same": item.frames[same_clip_references(n, generator)], "other": torch.from_numpy(other.frames)[elsewhere]},
        {"no": net, "yes": adapt(net, item, seen, steps, seed)},
    )


def score_cells(src: Sources) -> dict[str, dict[tuple[str, str], float]]:
    """Cell -> measures on the scored half, means over frames."""
    clip = src.clip
    _, scored = halves(len(clip.frames))
    truth = to_float(torch.from_numpy(clip.frames[scored]))
    region = src.masks["pose"][scored, None].float()
    lips = region * box_mask(torch.from_numpy(mouth_boxes(clip)), truth.shape[-1])[scored]
    still = frozen_mouth(clip.frames.astype(np.float32) / 255, clip.coeffs, clip.masks())[scored]
    frozen = torch.from_numpy(still).movedim(-1, 1)
    out = {}
    for name, (beta, mask, ref, adapted) in FACTOR_CELLS.items():
        item = src.items[beta]
        frames, holes = item.frames[scored], src.masks[mask][scored]
        pred = paint(src.nets[adapted], item.i3d[scored], src.references[ref], frames, holes)["full"].clamp(0, 1)
        values = {
            ("psnr", "frame"): image.psnr(pred, truth), ("psnr", "crop"): image.psnr(pred, truth, region),
            ("psnr", "mouth"): image.psnr(pred, truth, lips), ("ssim", "frame"): image.ssim(pred, truth),
            ("skill", "crop"): image.mouth_skill(pred, truth, frozen, region),
        }  # fmt: skip
        out[name] = {k: float(torch.as_tensor(v).double().mean()) for k, v in values.items()}
    return out


def factor_rows(scores: list[dict[str, dict[tuple[str, str], float]]], speakers: list[int], common: dict) -> list[Row]:
    """Every cell; each factor's effect (easy level less hard level, mean over the other factors); all four together. With intervals."""
    rows = []
    for (metric, region), unit in METRICS.items():
        value = {cell: np.array([s[cell][metric, region] for s in scores]) for cell in FACTOR_CELLS}
        place = common | {"region": region, "unit": unit}
        for cell, levels in FACTOR_CELLS.items():
            ci = cluster_bootstrap(value[cell], speakers)
            said = ", ".join(f"{f} {level}" for f, level in zip(FACTORS, levels, strict=True))
            rows.append(Row(TABLE, cell, metric, ci.value, protocol=said, **(place | interval_fields(ci) | {"beta": levels[0]})))
        for i, (factor, (easy, hard)) in enumerate(FACTORS.items()):
            sides = [np.mean([value[c] for c, levels in FACTOR_CELLS.items() if levels[i] == side], 0) for side in (easy, hard)]
            ci = paired_difference(*sides, speakers)
            said = f"paired; {factor} {easy} less {hard}, mean over the {len(FACTOR_CELLS) // 2} settings of the other factors"
            rows.append(Row(TABLE, f"effect_{factor}", metric, ci.value, protocol=said, **(place | interval_fields(ci))))
        easiest, hardest = (
            next(c for c, levels in FACTOR_CELLS.items() if levels == tuple(f[k] for f in FACTORS.values())) for k in (0, 1)
        )
        ci = paired_difference(value[easiest], value[hardest], speakers)
        rows.append(
            Row(TABLE, "effect_all", metric, ci.value, protocol="paired; all four easy less all four hard", **(place | interval_fields(ci)))
        )
    return rows


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None, checkpoints: Path | None = None) -> Path:
    """Write controls_factors.json from CLIPS test clips, one a speaker."""
    from tqdm import tqdm

    start, corpus = time.perf_counter(), Corpus(config.load_profile("classroom").corpus)
    shipped = Shipped.load("classroom", checkpoints)
    chosen, scores = one_per_speaker(corpus, clips or CLIPS), []
    for clip in tqdm(chosen, desc="four factors", unit="clip"):
        other = replace(clip, scene=(clip.scene + 1) % corpus.cfg.test_scenes)
        src = sources(corpus.load(clip), corpus.load(other), shipped.renderer, shipped.expressions(corpus, clip))
        scores.append(score_cells(src))
    common = {"data": f"embedded test speakers, {len(chosen)} clips, second half", "motion": corpus.cfg.motion, "track": "self"}
    header = provenance(
        "paperlib evaluate factors", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=["renderer_classroom", "expression_classroom", "teacher_classroom"], clips=len(chosen), adapt_steps=ADAPT_STEPS,
    )  # fmt: skip
    return write_results(TABLE, factor_rows(scores, [c.speaker for c in chosen], common), header, folder)
