"""The study behind tables 4 to 6: nine renderers x seeds, trained on the same clips for the same number of steps, at 64 x 64.

`paperlib train study-renderer` cuts the bank, trains every cell and scores it; a stopped run goes on where it was. Training and scoring
are two sweeps, so that a change in a measure trains nothing again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from paperlib import config, paths
from paperlib.corpus.banks import RenderItem, to_float
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation.renderer_bank import BETAS, DubItem, cut, cut_dubs, load
from paperlib.evaluation.renderer_run import paint
from paperlib.evaluation.renderer_scores import Truth, measure, to_uint8
from paperlib.evaluation.renderer_variants import VARIANTS, budget
from paperlib.training.sweep import Cell, Done, Sweep, grid

SIZE = 64  # px: a quarter of the cost of 128, and faces still have teeth
STEPS = 1000
SEEDS = (0, 1, 2)
SANITY = "sanity"  # the cell that trains nothing and scores what any system must beat
PICTURES = 5  # test clips of which one frame is kept for figure 6
VALIDATE_EVERY = 100
NET = "net.safetensors"


def study_overrides(profile: config.Profile, steps: int = STEPS, size: int = SIZE) -> dict:
    """Settings that all cells share: the size, the budget (no stage is cut short), VGG features of mouths magnified as in the profile."""
    side = min(size, profile.renderer.size)
    vgg = 8 * round(profile.renderer.vgg_size * side / profile.renderer.size / 8)
    fixed = {"renderer__patience": 0, "renderer__sample_every": 0}
    return {"renderer__size": side, "renderer__vgg_size": vgg, **fixed, **budget(profile, steps)}


def study_cells(profile: config.Profile, steps: int = STEPS, seeds: Sequence[int] = SEEDS, names: Sequence[str] = ()) -> list[Cell]:
    """Every variant with every seed (`names`: these variants only)."""
    unknown = set(names) - set(VARIANTS)
    if unknown:
        raise InputError(f"unknown variant {', '.join(sorted(unknown))}; choose from: {', '.join(VARIANTS)}")
    chosen = {k: v for k, v in VARIANTS.items() if k in names or not names}
    return grid(
        {k: v.overrides for k, v in chosen.items()},
        seeds,
        {k: {"staged": v.staged} for k, v in chosen.items()},
        profile.name,
        study_overrides(profile, steps),
    )


def dub_with(net: torch.nn.Module, item: DubItem, beta: str) -> dict[str, torch.Tensor]:
    """A cross-dub by this network, as `renderer_run.paint` returns it."""
    return paint(net, getattr(item, f"i3d_{beta}"), item.ref, item.source, item.masks)


def truth_of(item: DubItem) -> Truth:
    """What a dub of this clip is held against."""
    mask = item.masks[:, None].float()
    return Truth(to_float(item.target), to_float(item.frozen), mask, item.mouth, item.near.numpy())


def sanity_systems(item: DubItem) -> dict[str, torch.Tensor]:
    """What any system must beat, and the truth (rule 7): row id -> (T, 3, H, W). `previous_frame` is the truth one frame late."""
    mask = item.masks[:, None].float()
    source, target, ref = (to_float(x) for x in (item.source, item.target, item.ref))
    crop = source * (1 - mask)
    return {
        "truth": target, "source_unchanged": source, "frozen_mouth": to_float(item.frozen), "reference_pasted": ref * mask + crop,
        "previous_frame": to_float(item.late) * mask + crop,
    }  # fmt: skip


def _scores(item: DubItem, row: str, beta: str, pictures: torch.Tensor, truth: Truth) -> list[dict]:
    values = measure(pictures, truth)
    common = {"row": row, "beta": beta, "clip": item.id.name, "speaker": item.id.speaker, "set": item.id.test_set}
    return [common | {"metric": m, "region": r, "value": None if v != v else v} for (m, r), v in values.items()]


def shown_frame(item: DubItem) -> int:
    """The frame of a test clip that figure 6 shows: where B's mouth is furthest from A's. No network has a say in it."""
    difference = (item.source.float() - item.target.float()).square().mean(-1) * item.masks
    return int(difference.sum((1, 2)).argmax())


def shown_items(items: list[DubItem]) -> list[DubItem]:
    """The first clips of different speakers."""
    by_speaker = {}
    for item in items:
        by_speaker.setdefault(item.id.speaker, item)
    return list(by_speaker.values())[:PICTURES]


@dataclass(frozen=True)
class Train:
    """Trains one cell in its folder and leaves NET there. bank: made by `renderer_bank.cut`; checkpoints: where the flow net lies."""

    bank: Path
    checkpoints: Path

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """Plain data of the training: curve, best step, seconds a step, parameters."""
        from safetensors.torch import save_file

        from paperlib.losses.perceptual import VGGFeatures
        from paperlib.training import checkpoints, device
        from paperlib.training.stages import Judges, train_renderer

        profile = cell.settings()
        train, val = (load(RenderItem, self.bank / split) for split in ("train", "val"))
        fabric = device.launch(dataclasses.replace(profile.device, devices=1, strategy="auto"))
        cfg = profile.renderer
        net, critic = checkpoints.build("renderer", profile), checkpoints.build("critic", profile)
        flow = checkpoints.load(f"flow_{profile.name}", self.checkpoints)[0].requires_grad_(False) if cfg.l_corr else None
        history = train_renderer(
            net, critic, Judges(VGGFeatures(cfg.vgg_layers), flow), train, val, cfg, cell.seed,
            staged=cell.options["staged"], fabric=fabric, folder=folder / "training", progress=False, validate_every=VALIDATE_EVERY,
        )  # fmt: skip
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / NET)
        kept = ("step", "loss", "val", "scale_low", "scale_high")
        steps = int(history.rows[-1]["step"])
        return {
            "curve": [{k: round(r[k], 6) for k in kept if k in r} for r in history.rows],
            "best_step": history.best_step, "best_value": history.best_value, "seconds_a_step": history.seconds / steps, "steps": steps,
            "parameters": sum(p.numel() for p in net.parameters()),
        }  # fmt: skip


def load_net(cell: Cell, folder: Path) -> torch.nn.Module:
    """The network that `Train` left in a cell's folder."""
    from safetensors.torch import load_file

    from paperlib.training import checkpoints

    net = checkpoints.build("renderer", cell.settings())
    net.load_state_dict(load_file(folder / NET))
    return net.eval()


@dataclass(frozen=True)
class Score:
    """Scores one trained cell (or SANITY) on cross-dubs (made by `renderer_bank.cut_dubs`), and keeps a frame of some for figure 6."""

    dubs: Path
    nets: Sweep

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """{"scores": [{row, beta, clip, speaker, set, metric, region, value}]}; `full`'s own I_warp is scored beside it."""
        import numpy as np

        items = load(DubItem, self.dubs)
        shown, scores, pictures = {id(i) for i in shown_items(items)}, [], {b: [] for b in BETAS}
        net = None if cell.name == SANITY else load_net(cell, self.nets.path(cell))
        for item in items:
            truth = truth_of(item)
            if net is None:
                for row, made in sanity_systems(item).items():
                    scores += _scores(item, row, "none", made, truth)
                continue
            for beta in BETAS:
                out = dub_with(net, item, beta)
                scores += _scores(item, cell.name, beta, out["full"], truth)
                if cell.name == "full":
                    scores += _scores(item, "warp_only", beta, out["warp_only"], truth)
                if id(item) in shown:
                    at = shown_frame(item)
                    pictures[beta].append(to_uint8(out["full"][at : at + 1])[0])
        if net is not None:
            np.savez_compressed(folder / "frames.npz", **{b: np.stack(p) for b, p in pictures.items()})
        return {"scores": scores}


@dataclass(frozen=True)
class Study:
    """The two sweeps: networks trained on one bank, scored on the same cross-dubs."""

    bank: Path
    dubs: Path
    nets: Sweep
    scores: Sweep

    def results(self) -> tuple[list[tuple[Done, Done]], Done | None]:
        """(training, scores) of every finished cell, and the sanity cell's scores."""
        sanity = next((d for d in self.scores.done() if d.cell.name == SANITY), None)
        scored = {(d.cell.name, d.cell.seed): d for d in self.scores.done()}
        return [(d, scored[d.cell.name, d.cell.seed]) for d in self.nets.done() if (d.cell.name, d.cell.seed) in scored], sanity


def open_study(
    profile: config.Profile,
    steps: int = STEPS,
    seeds: Sequence[int] = SEEDS,
    names: Sequence[str] = (),
    clips: int | None = None,
    folder: Path | None = None,
    checkpoints: Path = paths.CHECKPOINTS,
) -> Study:
    """The study of `profile` with its bank cut (once) and nothing trained yet.

    steps, seeds, names (of variants): the budget; clips: at most so many clips of each split (default: all). folder: default
    build/<profile>/study_renderer. checkpoints: where stage 1 and the flow network of (27) lie.
    """
    from paperlib.artifacts import code_hash
    from paperlib.evaluation import renderer_scores
    from paperlib.evaluation.renderer import Hearing
    from paperlib.losses import objective
    from paperlib.models import blocks, flow, inpainting, renderer, texture, unet
    from paperlib.training import stages, step
    from paperlib.training.checkpoints import read_card

    shared = study_overrides(profile, steps)
    corpus, size = Corpus(profile.corpus), shared["renderer__size"]
    bank, dubs = cut(corpus, size, clips), cut_dubs(corpus, Hearing.load(profile.name, checkpoints), size, clips)
    folder = folder or paths.build_dir(profile.name) / "study_renderer"
    inputs = (bank.name, read_card(f"flow_{profile.name}", checkpoints)["sha256"])
    trained = code_hash((blocks, flow, inpainting, renderer, texture, unet, objective, stages, step))
    cells = study_cells(profile, steps, seeds, names)
    nets = Sweep(folder / "nets", Train(bank, checkpoints), cells, parts=("renderer",), inputs=(*inputs, trained))
    sanity = Cell(SANITY, 0, shared, {}, profile.name)
    scored = (*nets.inputs, dubs.name, code_hash((renderer_scores,)))
    return Study(bank, dubs, nets, Sweep(folder / "scores", Score(dubs, nets), [*cells, sanity], parts=("renderer",), inputs=scored))


def train_study(study: Study, how: How | None = None) -> Study:
    """Train what is not trained, then score what is not scored. Stop it and call it again at any time."""
    study.nets.run(how)
    study.scores.run(how)
    return study
