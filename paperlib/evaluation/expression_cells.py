"""The trainings of stage 1's studies: which networks there are, on which images, and how one is trained and kept.

Table 3's rows, in words (the paper names them and says no more):
full            everything: speech asks the semantic images through (5)-(7), losses (11) and (12).
no_semantic     no images and no encoder for them: the speech features attend to themselves over the same window; both losses.
no_attention    images stay; instead of (5)-(7) one linear layer joins F_a and F_v of the same frame, so k has no part; both losses.
no_shape        as full, lambda_shape = 0: (11) alone.
base            all three removed: one linear layer on F_a, the Bi-LSTM and the head, (11) alone.
With `residual_audio` (our extension) full, no_semantic and no_shape have a linear path of F_a beside the attention; the others need none.
as_printed, beside the table, is full without that path: by (7) all that it says is a mixture of image features.

Does V help? (PROTOCOL): full against random_teacher (the same generator with random weights, its BatchNorm set on speech, one draw for
all seeds), true_frames (an oracle: the neutral actor rendered with the true expression, which contains the answer), audio_only (no images,
the speech encoder widened until the network has full's number of parameters), teacher_x4 (a teacher on four times the data, where
`teacher_x4_<profile>` is among the checkpoints).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from paperlib import paths
from paperlib.config import CorpusConfig, ExpressionConfig, Profile, StudyConfig
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation.expression_inputs import Heard
from paperlib.models.expression import ExpressionNet
from paperlib.training import checkpoints, speech_store
from paperlib.training.expression import Sequence, train_expression
from paperlib.training.speech_store import Store
from paperlib.training.sweep import Cell, grid

NET = "net.safetensors"
TEACHER, RANDOM, TRUE, X4 = IMAGES = ("teacher", "random_teacher", speech_store.TRUE, "teacher_x4")
PRINTED = "as_printed"
TABLE3: dict[str, dict] = {  # row of table 3 -> options of its cell; overrides beside
    "full": {},
    "base": {"use_semantic": False, "use_attention": False},
    "no_semantic": {"use_semantic": False},
    "no_attention": {"use_attention": False},
    "no_shape": {},
}
OVERRIDES: dict[str, dict] = {"base": {"expression__lambda_shape": 0.0}, "no_shape": {"expression__lambda_shape": 0.0}}


@dataclass(frozen=True)
class Sources:
    """Where checkpoints and recorded speech are found. teacher: folder of the teachers; recorded: folder of `prepare grid`, or None."""

    teacher: Path
    recorded: Path | None = None

    @staticmethod
    def of(profile: Profile) -> Sources:
        """The newly trained teacher of the profile if there is one, else the shipped one; GRID where `prepare grid` puts it."""
        built, recorded = paths.build_dir(profile.name) / "checkpoints", paths.CACHE / "grid"
        folder = built if (built / f"teacher_{profile.name}.json").exists() else paths.CHECKPOINTS
        return Sources(folder, recorded if (recorded / "card.json").exists() else None)

    def has_x4(self, profile: Profile) -> bool:
        """Whether a teacher trained on four times the data is there."""
        return (self.teacher / f"{X4}_{profile.name}.json").exists()


def table3_cells(profile: Profile) -> list[Cell]:
    """Table 3: five rows, every seed."""
    return _cells(profile, TABLE3, OVERRIDES)


def window_cells(profile: Profile) -> list[Cell]:
    """The full network with other windows: rows k0, k1, ...; the profile's own k is table 3's `full`."""
    names = {f"k{k}": {"expression__k": k} for k in profile.study.windows if k != profile.expression.k}
    return _cells(profile, dict.fromkeys(names, {}), names, profile.study.window_seeds)


def input_cells(profile: Profile, x4: bool = False) -> list[Cell]:
    """Does V help: random_teacher, true_frames, audio_only of full's size, as_printed, and teacher_x4 where there is one."""
    options = {RANDOM: {"images": RANDOM}, TRUE: {"images": TRUE}, "audio_only": {"use_semantic": False}}
    if x4:
        options[X4] = {"images": X4}
    overrides = {"audio_only": {"expression__audio_channels": equal_size(profile)}}
    if profile.expression.residual_audio:
        options[PRINTED], overrides[PRINTED] = {}, {"expression__residual_audio": False}
    return _cells(profile, options, overrides, profile.study.input_seeds)


def _cells(profile: Profile, options: dict[str, dict], overrides: dict[str, dict], seeds: int | None = None) -> list[Cell]:
    variants = {name: overrides.get(name, {}) for name in options}
    return grid(variants, range(profile.seed, profile.seed + (seeds or profile.study.seeds)), options, profile.name)


def equal_size(profile: Profile) -> tuple[int, ...]:
    """Widths of CNN_audio at which a network without images comes nearest to full's number of parameters."""

    def count(cfg: ExpressionConfig, semantic: bool) -> int:
        return sum(p.numel() for p in ExpressionNet(cfg, profile.teacher.size, use_semantic=semantic).parameters())

    cfg, wanted = profile.expression, count(profile.expression, True)
    tried = [tuple(max(1, round(c * (1 + i / 40))) for c in cfg.audio_channels) for i in range(120)]
    return min(tried, key=lambda channels: abs(count(dataclasses.replace(cfg, audio_channels=channels), False) - wanted))


def build(cell: Cell) -> ExpressionNet:
    """The cell's untrained network; draws from torch's global generator."""
    profile = cell.settings()
    switches = {name: cell.options.get(name, True) for name in ("use_semantic", "use_attention")}
    return ExpressionNet(profile.expression, profile.teacher.size, **switches)


def load(cell: Cell, folder: Path) -> ExpressionNet:
    """The cell's trained network, in eval mode."""
    from safetensors.torch import load_file

    net = build(cell)
    net.load_state_dict(load_file(folder / NET))
    return net.eval()


def keep(net: ExpressionNet, folder: Path) -> None:
    """Write the network into its cell's folder."""
    from safetensors.torch import save

    from paperlib.artifacts import atomic_write

    atomic_write(folder / NET, save({k: v.detach().contiguous() for k, v in net.state_dict().items()}))


@lru_cache(maxsize=8)
def speech(corpus: CorpusConfig, study: StudyConfig, split: str, motion: str = "rule") -> Store:
    """Clips of one split of the study's corpus, with `motion`."""
    people = {"train_speakers": study.speakers, "val_speakers": study.val_speakers, "test_speakers": study.test_speakers}
    source = Corpus(dataclasses.replace(corpus, motion=motion, **people))
    return speech_store.features(source, source.clips(split))


def images(store: Store, kind: str, profile: Profile, sources: Sources, changed: bool = False) -> list[torch.Tensor]:
    """Semantic images of `kind` (IMAGES) for every clip of `store`; changed: for training, see `speech_store.drawn_by`."""
    size = profile.teacher.size
    if kind == TRUE:
        return speech_store.pictures(store, f"{TRUE} {size}", speech_store.true_frames(size))
    teacher, label = teacher_of(kind, profile, sources)
    label += " in other voices" * changed
    return speech_store.pictures(store, label, speech_store.drawn_by(teacher, still_face(size), changed))


@lru_cache(maxsize=2)
def still_face(size: int) -> torch.Tensor:
    """(3, size, size) in [0, 1]: the face that every teacher animates."""
    from paperlib.training.teacher import neutral_face

    return neutral_face(size)


@lru_cache(maxsize=4)
def teacher_of(kind: str, profile: Profile, sources: Sources):
    """(network, label): a trained teacher of the checkpoints, or the one of random weights, which its label says."""
    if kind == RANDOM:
        torch.manual_seed(0)
        net = checkpoints.build("teacher", profile)
        torch.nn.init.normal_(net.head[-1].weight, std=0.3)  # ours starts at no change, which eight bits would not show
        settle(
            net, torch.cat([item.mel for item in speech(profile.corpus, profile.study, "val").items[:4]]), still_face(profile.teacher.size)
        )
        return net, f"{RANDOM} {checkpoints.section('teacher', profile)}"
    net, card = checkpoints.load(f"{kind}_{profile.name}", sources.teacher)
    return net, f"{kind} {card['sha256'][:16]}"


@torch.no_grad()
def settle(teacher: torch.nn.Module, mel: torch.Tensor, face: torch.Tensor) -> None:
    """Set the BatchNorm statistics of an untrained teacher on speech (T, 80, 16), so that random weights draw something at all."""
    from paperlib.training.teacher import mask_lower_half

    for layer in teacher.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the plain mean over the batches
    teacher.train()
    both = torch.cat([mask_lower_half(face), face])[None]
    for part in mel.split(64):
        if len(part) > 1:
            teacher(part[:, None], both.expand(len(part), -1, -1, -1))
    teacher.eval()


def heard(cell: Cell, store: Store, sources: Sources, changed: bool = False) -> list[Heard]:
    """What the cell's network is given of every clip of `store`; changed: its images as in training."""
    if not cell.options.get("use_semantic", True):
        return [Heard(item.mfcc, None) for item in store.items]
    shown = images(store, cell.options.get("images", TEACHER), cell.settings(), sources, changed)
    return [Heard(item.mfcc, v) for item, v in zip(store.items, shown, strict=True)]


@dataclass(frozen=True)
class Train:
    """`work` of the training sweep: trains a cell's network on `rule`, keeps it, returns its validation curve."""

    sources: Sources

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """See `sweep.Sweep.work`."""
        from paperlib.face3d.morphable_model import default_model

        profile = cell.settings()
        clips = {split: speech(profile.corpus, profile.study, split) for split in ("train", "val")}
        data = {split: sequences(cell, store, self.sources, split == "train") for split, store in clips.items()}
        net, cfg = build(cell), dataclasses.replace(profile.expression, steps=profile.study.steps)
        history = train_expression(
            net, default_model(), data["train"], data["val"], cfg, cell.seed,
            folder=folder, progress=False, validate_every=profile.study.validate_every,
        )  # fmt: skip
        keep(net, folder)
        curve = {name: history.curve(name) for name in ("loss", "val")}
        return {
            "val": history.best_value, "best_step": history.best_step, "seconds": round(history.seconds, 1), "curve": curve,
            "parameters": sum(p.numel() for p in net.parameters()),
        }  # fmt: skip


def sequences(cell: Cell, store: Store, sources: Sources, changed: bool = False) -> list[Sequence]:
    """Training data of a cell; a network without images gets empty ones, which cost nothing."""
    given = heard(cell, store, sources, changed)
    empty = torch.zeros(1, dtype=torch.uint8)
    rows = zip(given, store.items, strict=True)
    return [Sequence(h.mfcc, empty.expand(len(h.mfcc)) if h.images is None else h.images, item.coeffs) for h, item in rows]
