"""Parts of the shipped networks switched off at test time. Nothing is trained again: these are not the rows of tables 3-6.

A retrained ablation asks what a network without the part learns instead. A removal at test time asks how much the trained network
leans on the part. Only the second is cheap; a part whose removal changes nothing is a part that the network does not use.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from paperlib import config
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation import expression, renderer
from paperlib.evaluation.controls import frozen_mouth
from paperlib.results import Row, provenance, write_results
from paperlib.training import checkpoints
from paperlib.training.expression import predict
from paperlib.training.teacher import neutral_face, semantic_images

TABLE = "controls_ablation"


def with_scales(net: nn.Module, low: float | None = None, high: float | None = None) -> nn.Module:
    """A copy of a Renderer whose MSAF scales s of (22) are set; None keeps what training found."""
    net = copy.deepcopy(net)
    for name, value in (("low", low), ("high", high)):
        if value is not None:
            net.rbfin.msaf[name].scale.data.fill_(value)
    return net


def without_flow(net: nn.Module) -> nn.Module:
    """A copy of a Renderer whose flow (14) is zero everywhere: I_warp is the reference as it was filmed."""
    net = copy.deepcopy(net)
    net.sfm.register_forward_hook(lambda module, args, flow: torch.zeros_like(flow))
    return net


def with_uniform_attention(net: nn.Module) -> nn.Module:
    """A copy of an ExpressionNet with W_Q of (6) at zero: every frame of N(t) weighs the same, so speech no longer asks.

    As printed, (7) then hears no speech but what the images show. A network with our audio path beside (7) still does.
    """
    net = copy.deepcopy(net)
    net.attend.w_q.weight.data.zero_()
    return net


def without_audio_path(net: nn.Module) -> nn.Module:
    """A copy of an ExpressionNet whose audio path beside (7), our extension, adds nothing; ValueError if it has none."""
    if net.audio_skip is None:
        raise ValueError("this network has no audio path beside (7)")
    net = copy.deepcopy(net)
    net.audio_skip.weight.data.zero_()
    return net


RENDERERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "full": lambda net: net,
    "msaf_off": lambda net: with_scales(net, 0.0, 0.0),
    "msaf_scale_1": lambda net: with_scales(net, 1.0, 1.0),
    "msaf_low_only": lambda net: with_scales(net, high=0.0),
    "msaf_high_only": lambda net: with_scales(net, low=0.0),
    "flow_off": without_flow,
}  # row id -> what is done to the trained renderer


def renderer_scores(shipped: renderer.Shipped, corpus: Corpus, clips: list, lpips_net) -> list[dict]:
    """Per-clip metrics of every row of RENDERERS on cross-dubs (truth: the twin), I_3D drawn from predicted expressions."""
    nets, scores = {row: change(shipped.renderer) for row, change in RENDERERS.items()}, []
    for clip in clips:
        source, target = corpus.load(clip), corpus.load(pair_of(clip))
        item = renderer.with_expressions(source, shipped.expressions(corpus, target.id))
        out = {(row, "predicted"): renderer.run_renderer(net, item)["full"] for row, net in nets.items()}
        frozen = frozen_mouth(source.frames.astype(np.float32) / 255, source.coeffs, source.masks())
        out["frozen_mouth", "none"] = torch.from_numpy(frozen).movedim(-1, 1)  # the zero of `skill`
        scores += [s for s in renderer.score_pair(out, target, source, lpips_net) if s["row"] in nets]
    return scores


def expression_scores(corpus: Corpus, clips: list, name: str = "expression_classroom") -> list[dict]:
    """Per-clip measures of stage 1: whole, with uniform attention, with semantic images that never move, without our audio path."""
    net, _ = checkpoints.load(name)
    teacher, card = checkpoints.load(name.replace("expression", "teacher"))
    face, uniform = neutral_face(card["config"]["size"]), with_uniform_attention(net)
    rows = {
        "full": lambda item: predict(net, item.mfcc, semantic_images(teacher, face, item.mel)),
        "uniform_attention": lambda item: predict(uniform, item.mfcc, semantic_images(teacher, face, item.mel)),
        "still_semantic_images": lambda item: predict(net, item.mfcc, face[None].expand(len(item.mfcc), -1, -1, -1)),
    }
    if net.audio_skip is not None:
        printed = without_audio_path(net)
        rows["audio_path_off"] = lambda item: predict(printed, item.mfcc, semantic_images(teacher, face, item.mel))
    return expression.score(corpus, clips, rows)


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> Path:
    """Write controls_ablation.json: both stages with parts switched off, on the classroom test speakers (one take of each scene)."""
    from paperlib.weights import load_lpips

    start, corpus = time.perf_counter(), Corpus(config.load_profile("classroom").corpus)
    chosen = [c for c in corpus.clips("test") if c.take == 0][:clips]
    data = f"embedded test speakers, {len(chosen)} clips"
    scores = renderer_scores(renderer.Shipped.load(), corpus, chosen, load_lpips())
    rows = renderer.summarise(scores, data, "cross-dub", corpus.cfg.motion)
    rows += expression.summarise(expression_scores(corpus, chosen), data, corpus.cfg.motion)
    header = provenance(
        "paperlib evaluate ablation", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=["renderer_classroom", "expression_classroom", "teacher_classroom"], clips=len(chosen),
    )  # fmt: skip
    return write_results(TABLE, [_relabel(r) for r in rows], header, folder)


def _relabel(row: Row) -> Row:
    said = "part switched off at test time, nothing trained again"
    return dataclasses.replace(row, table=TABLE, protocol="; ".join(filter(None, [row.protocol, "" if row.row == "full" else said])))
