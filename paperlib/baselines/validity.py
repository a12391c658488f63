"""Is a mini a fair stand-in for its original? Two questions to each, trained as it was (PROTOCOL, rule 9).

"without": the part that the original's own paper rests on is taken away, and the same budget spent; a reduction that is none the worse
for it did not keep the idea. "longer": the shipped mini is trained on from where it ended, budget by budget, until one more budget hardly
lowers its validation error or ROUNDS are spent; what it gains tells how far from its own plateau the equal budget left it. Fixed before
any run: the parts, the measures that have to suffer, and GAIN. That a mini goes on after the first added budget, and for how long at most,
was decided when none of the five had reached a plateau by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from paperlib import config, paths
from paperlib.baselines import run, systems
from paperlib.baselines.interface import Baseline, Batch, Given
from paperlib.baselines.ip_lap import IPLAP
from paperlib.baselines.makeittalk import Displacements, MakeItTalk
from paperlib.baselines.sadtalker import ExpNet, SadTalker
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation.shelf import Shelf
from paperlib.face3d.landmarks import N_LANDMARKS
from paperlib.training import checkpoints
from paperlib.training.sweep import Cell, Done, Sweep

FORMS = ("without", "longer")
GAIN = 0.02  # a validation error that one more budget lowers by less than this share was at its plateau
ROUNDS = 4  # budgets that "longer" adds at most


class _ContentOnly(Displacements):
    """Landmarks from the content branch alone."""

    def forward(self, mfcc: Tensor, face: Tensor) -> Tensor:
        heard = self.prior(mfcc.transpose(1, 2))
        return self.content_out(self.content(heard)[0][:, -1]).unflatten(1, (N_LANDMARKS, 3))


class _NoStart(ExpNet):
    """Expression from the speech alone."""

    def forward(self, mel: Tensor, start: Tensor) -> Tensor:
        return super().forward(mel, torch.zeros_like(start))


class OneReference(IPLAP):
    """IP_LAP-mini that is shown a single reference, in training and in use."""

    def loss(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, dict[str, float]]:
        """As IP_LAP-mini's, of the first reference of each run."""
        first = {name: getattr(batch, name)[:, :1] for name in ("ref", "ref_lmk", "ref_coeffs")}
        return super().loss(Batch(**{**vars(batch), **first}), generator, progress)

    def speak(self, given: Given) -> Tensor:
        """As IP_LAP-mini's, from the landmarks of one reference."""
        return super().speak(Given(**{**vars(given), "ref_index": given.ref_index[:, :1]}))

    def paint(self, given: Given, generator: torch.Generator) -> Tensor:
        """As IP_LAP-mini's, from the first reference of each frame, three times: equal shares of equal pictures are one picture."""
        again = given.ref_index[:, :1].expand_as(given.ref_index)
        return super().paint(Given(**{**vars(given), "ref_index": again}), generator)


def content_only(size: int, expert: object = None) -> Baseline:
    """MakeItTalk-mini whose landmarks do not know whose face they move."""
    net = MakeItTalk(size)
    net.displacements = _ContentOnly(net.cfg)
    return net


def no_start(size: int, expert: object = None) -> Baseline:
    """SadTalker-mini whose ExpNet is not told the picture's expression."""
    net = SadTalker(size)
    net.expression = _NoStart(net.cfg)
    return net


@dataclass(frozen=True)
class Ablation:
    """What is taken away, in words; the measures that have to suffer (keys of `dubbing_measures.MEASURES`); and how the rest is made:
    (size, sync expert) -> network."""

    words: str
    measures: tuple[str, ...]
    make: Callable[[int, object], Baseline]


ABLATIONS: dict[str, Ablation] = {
    "wav2lip": Ablation("the sync expert's loss", ("sync_mouth", "opening_r"), lambda size, expert: systems.make("wav2lip", size)),
    "ip_lap": Ablation("all references but one", ("psnr_crop", "ssim_crop"), lambda size, expert: OneReference(size)),
    "diff2lip": Ablation("the sync expert's loss", ("sync_mouth", "opening_r"), lambda size, expert: systems.make("diff2lip", size)),
    "makeittalk": Ablation("the speaker-aware branch", ("lmd_mouth", "aed_mouth"), content_only),
    "sadtalker": Ablation("the picture's own expression as ExpNet's start", ("aed_mouth", "lmd_mouth"), no_start),
}


def begun(said: Mapping, profile: config.Profile, expert: object) -> Baseline:
    """The network that a cell with options `said` starts from."""
    name, form = said["system"], said.get("form", "")
    if form == "without":
        return ABLATIONS[name].make(profile.size, expert)
    net = systems.make(name, profile.size, expert=expert)
    if form == "longer":
        if said.get("round", 1) == 1:
            before = Shelf(profile.name).load(f"{name}_mini")
        else:
            before, _ = checkpoints.load(systems.file_name(name, profile.name), folder_of(profile) / said["start"])
        net.load_state_dict(before.state_dict())
    return net


def folder_of(profile: config.Profile) -> Path:
    """Where the trainings of a profile are."""
    return paths.build_dir(profile.name) / "validity"


def round_of(cell: Cell) -> int:
    """Which budget a "longer" cell spends after the equal one, from 1."""
    return cell.options.get("round", 1)


def sweep(profile: config.Profile, forms: tuple[str, ...] = FORMS, only: tuple[str, ...] = (), progress: bool = True) -> Sweep:
    """The trainings of both forms, one cell each, named <system>_<form>, later rounds <system>_longer<round>; nothing is trained here.

    A round has its cell once the round before it is done and was not at the plateau. Kept in build/<profile>/validity. only: these
    systems. InputError for a mini that is neither shipped nor trained under this profile.
    """
    shelf, corpus, cells = Shelf(profile.name), Corpus(profile.corpus), []
    for form in forms:
        for name in only or tuple(ABLATIONS):
            kind = f"{name}_mini"
            if missing := shelf.missing(kind):
                raise InputError(f"{missing}; run `paperlib train baselines --profile {profile.name}` first")
            card = shelf.card(kind)
            own = run.cell(name, profile, card["lr"], card["steps"], profile.baseline.looks, f"{name}_{form}")
            start = {"from": card["sha256"]} if form == "longer" else {}
            seed = profile.seed + (form == "longer")  # other batches than those it has seen
            cells.append(Cell(own.name, seed, options={**own.options, "form": form, **start}, profile=profile.name))
    expert = checkpoints.read_card(profile.baseline.expert, run.expert_folder(profile))["sha256"]
    inputs = (corpus.key, config.config_hash(profile.corpus), expert)
    work = run.Train(profile, corpus.key, "lines" if progress else "", begun)
    begin = Sweep(folder_of(profile), work, cells, ("corpus",), inputs)
    for first in list(cells):
        if first.options["form"] == "longer":
            cells += _later(begin, first, shelf.card(f"{first.options['system']}_mini")["best_value"])
    return begin


def _later(sweep: Sweep, first: Cell, error: float) -> list[Cell]:
    """The rounds after the first that can be named by now. error: validation error of the equal budget."""
    out, cell = [], first
    while (done := sweep.read(cell)) and round_of(cell) < ROUNDS and not at_plateau(error, done.result["val"]):
        card = checkpoints.read_card(done.result["file"], done.folder)
        error, number = min(error, done.result["val"]), round_of(cell) + 1
        start = {"round": number, "from": card["sha256"], "start": str(done.folder.relative_to(sweep.folder))}
        cell = Cell(f"{first.name}{number}", cell.seed + 1, options={**first.options, **start}, profile=first.profile)
        out.append(cell)
    return out


def train(profile: config.Profile, how: How | None = None, only: tuple[str, ...] = ()) -> list[Path]:
    """Train what is not trained yet of both forms, round by round; folders of the finished cells. Stopped, the same call goes on."""
    how = (how or How(backend="serial")).check()
    Corpus(profile.corpus).prepare(("train", "val"), progress=how.progress)
    while True:
        cells = sweep(profile, FORMS, only, how.progress)
        if not cells.missing():
            return [d.folder for d in cells.done()]
        cells.run(how)


def at_plateau(before: float, after: float) -> bool:
    """Whether one more budget lowered the validation error by less than GAIN of it.

    >>> at_plateau(0.050, 0.0495), at_plateau(0.050, 0.045)
    (True, False)
    """
    return after > before * (1 - GAIN)


def chosen(done: list[Done]) -> list[Done]:
    """One training for each system and form: of several rounds the one that validates best, of equals the first."""
    best: dict[tuple[str, str], Done] = {}
    for d in done:
        key = d.cell.options["system"], d.cell.options["form"]
        if key not in best or d.result["val"] < best[key].result["val"]:
            best[key] = d
    return list(best.values())


def errors(done: list[Done], system: str, equal: float) -> list[float]:
    """Validation errors of a system after the equal budget and after every round."""
    own = [d for d in done if (d.cell.options["system"], d.cell.options["form"]) == (system, "longer")]
    return [equal, *(d.result["val"] for d in sorted(own, key=lambda d: round_of(d.cell)))]
