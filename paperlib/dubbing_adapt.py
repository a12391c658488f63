"""Adaptation to one clip: a short fine-tuning of a copy of the renderer on the clip's own frames (PROTOCOL rule 5).

The task is the trained one: mask the mouth, reconstruct it from I_3D under the *fitted* expression and another frame of the clip. No
speech, no other person's pixels. Losses: (30) and (31) without critic and VGG terms, joined by (32) with a large eps, because only the
inpainted picture is used afterwards.
"""

from __future__ import annotations

import copy
import math

import torch

from paperlib.corpus.banks import RenderBatch
from paperlib.dubbing import REFERENCE_GAP, DubStages, Progress, Track, to_float

ADAPT_EPS = 0.8  # of (32); training ends at 0.2
ADAPT_BATCH = 4
ADAPT_LR = 3e-4


def clip_batch(i3d: torch.Tensor, frames: torch.Tensor, masks: torch.Tensor, target: torch.Tensor, ref: torch.Tensor) -> RenderBatch:
    """Targets and references (B,) by row of i3d, frames (K,3,S,S) and masks (K,1,S,S)."""
    wanted, mask = frames[target], masks[target]
    boxes = torch.zeros(len(target), 4)  # of the VGG terms, which are off
    return RenderBatch(i3d=i3d[target], ref=frames[ref], crop=wanted * (1 - mask), target=wanted, mask=mask, mouth=boxes)


def far_rows(times: torch.Tensor) -> list[torch.Tensor]:
    """For each key frame the rows at least REFERENCE_GAP seconds away, or the farthest one where there are none."""
    apart = (times[:, None] - times[None]).abs()
    enough = torch.minimum(apart.max(1).values, torch.tensor(REFERENCE_GAP, dtype=times.dtype))
    return [torch.nonzero(row >= limit)[:, 0] for row, limit in zip(apart, enough, strict=True)]


def adapt_renderer(
    stages: DubStages, track: Track, steps: int, seed: int, tell: Progress, lr: float = ADAPT_LR
) -> tuple[torch.nn.Module, tuple[float, float]]:
    """(fine-tuned copy of `stages.renderer`, (error before, error after)); the stages' own weights stay as they are.

    The errors are mean absolute, inside the mask, on fixed pairs of the same clip: they say that the copy learned this clip, nothing more.
    Deterministic by `seed`.
    """
    from paperlib.face3d.face_renderer import render_i3d
    from paperlib.training.stages import Judges, Phase, objectives, validation_error

    net = copy.deepcopy(stages.renderer)
    frames = to_float(track.key_crops)
    i3d = render_i3d(stages.model, track.coeffs[track.key_index], stages.size)
    masks = torch.from_numpy(track.masks[track.key_index])
    far = far_rows(torch.from_numpy(track.times[track.key_index]))
    generator = torch.Generator().manual_seed(seed)

    def draw(target: torch.Tensor) -> RenderBatch:
        ref = torch.stack([far[t][torch.randint(len(far[t]), (), generator=generator)] for t in target.tolist()])
        batch = clip_batch(i3d, frames, masks, target, ref)
        return RenderBatch(**{k: v.to(stages.device) for k, v in vars(batch).items()})

    fixed = draw(torch.linspace(0, len(frames) - 1, min(12, len(frames))).round().long())
    before = validation_error(net, fixed)
    optimiser = torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.999))
    judges, phase = Judges(None, None), Phase("joint", ADAPT_EPS)
    net.train()
    for step in range(steps):
        tell("adapt", step, steps)
        for group in optimiser.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        batch = draw(torch.randint(len(frames), (min(ADAPT_BATCH, len(frames)),), generator=generator))
        loss, _ = objectives(net.cfg, judges, net(batch.i3d, batch.ref, batch.crop, phase.stage), batch, None, phase)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
    tell("adapt", steps, steps)
    return net.eval(), (before, validation_error(net, fixed))
