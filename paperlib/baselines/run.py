"""`paperlib train baselines`: the systems of tables 1 and 2 with one budget, and the trials that choose their learning rates.

Equal for all: training clips, batches, steps, optimiser and schedule, the validation clips that choose the state that is kept, and, with
`tune`, the number of trials: each system is trained for the same few steps at the same rates, and the one that validates best is taken.
Both parts are sweeps: what is finished is not done again, and what was stopped goes on.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paperlib import config, paths
from paperlib.artifacts import atomic_write
from paperlib.baselines import systems
from paperlib.baselines.interface import SPAN, Baseline, Item, item
from paperlib.baselines.training import train_baseline
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.training import checkpoints
from paperlib.training.sweep import Cell, Done, Sweep

LOG_ROWS = 3  # for each validation: the curve of a card is read by eye
TRIAL_LOOKS = 2  # validations in a trial


def train(
    profile: config.Profile, how: How | None = None, out: Path | None = None, only: Iterable[str] = (), steps: int | None = None,
    tune: bool = False,
) -> list[Path]:  # fmt: skip
    """Train what is not trained yet and write `<out>/<system>_mini_<profile>.safetensors`, each with its card; returns their paths.

    out: default build/<profile>/checkpoints. only: these systems (default: all). steps: instead of the profile's. tune: choose each
    learning rate by trials first, instead of the profile's rate. State is kept under build/<profile>/baselines.
    """
    names = tuple(dict.fromkeys(only)) or systems.NAMES
    if unknown := [n for n in names if n not in systems.NAMES]:
        raise InputError(f"unknown baseline {unknown[0]!r}; choose one of: {', '.join(systems.NAMES)}")
    if steps is not None and steps < 1:
        raise InputError(f"--steps {steps}: give 1 or more")
    how, cfg = (how or How(backend="serial")).check(), profile.baseline
    corpus = Corpus(profile.corpus)
    corpus.prepare(("train", "val"), progress=how.progress)
    alone = how.jobs == 1 or how.backend == "serial"
    work = Train(profile, corpus.key, ("bar" if alone else "lines") if how.progress else "")
    folder = paths.build_dir(profile.name) / "baselines"
    inputs = (corpus.key, config.config_hash(profile.corpus), checkpoints.read_card(cfg.expert, expert_folder(profile))["sha256"])

    def sweep(part: str, cells: list[Cell]) -> list[Done]:
        return Sweep(folder / part, work, cells, ("corpus",), inputs).run(how)

    trials: dict[str, dict[str, float]] = {}
    if tune:
        cells = [cell(n, profile, r, cfg.trial_steps, TRIAL_LOOKS, f"{n}_{r:g}") for n in names for r in cfg.trial_rates]
        for done in sweep("trials", cells):
            trials.setdefault(done.cell.options["system"], {})[f"{done.cell.options['lr']:g}"] = done.result["val"]
    rates = {n: best_rate(trials[n]) if tune else getattr(cfg, f"lr_{n}") for n in names}
    out = out or paths.build_dir(profile.name) / "checkpoints"
    written = []
    for done in sweep("train", [cell(n, profile, rates[n], steps or cfg.steps, cfg.looks, n) for n in names]):
        name = done.cell.options["system"]
        command = f"paperlib train baselines --only {name} --profile {profile.name} --seed {profile.seed}" + " --tune" * tune
        card = checkpoints.read_card(done.result["file"], done.folder)
        card |= {"command": command + (f" --steps {steps}" if steps else ""), "trials": tried(cfg, trials[name]) if tune else None}
        path = out / f"{done.result['file']}.safetensors"
        atomic_write(path, (done.folder / path.name).read_bytes())
        atomic_write(path.with_suffix(".json"), (json.dumps(card, indent=1) + "\n").encode())
        written.append(path)
    return written


def cell(name: str, profile: config.Profile, lr: float, steps: int, looks: int, label: str) -> Cell:
    """One training of one system; everything that decides its result is in the options or among the sweep's inputs."""
    settings = systems.system(name).CONFIG()
    options = {"system": name, "lr": lr, "steps": steps, "looks": looks, "batch": profile.baseline.batch}
    return Cell(label, profile.seed, options=options | {"settings": config.to_dict(settings)}, profile=profile.name)


def best_rate(errors: dict[str, float]) -> float:
    """The rate whose trial validated best; of equals the first.

    >>> best_rate({"0.0003": 0.05, "0.001": 0.04, "0.003": 0.06})
    0.001
    """
    return float(min(errors, key=errors.__getitem__))


def tried(cfg: config.BaselineConfig, errors: dict[str, float]) -> dict:
    """The trials as a card tells them: steps of each, and its validation error by rate."""
    return {"steps": cfg.trial_steps, "error": {rate: round(value, 6) for rate, value in errors.items()}}


def expert_folder(profile: config.Profile) -> Path:
    """Where the sync expert is: shipped, else trained under this profile."""
    shipped = (paths.CHECKPOINTS / f"{profile.baseline.expert}.json").exists()
    return paths.CHECKPOINTS if shipped else paths.build_dir(profile.name) / "checkpoints"


@functools.cache
def bank(cfg: config.CorpusConfig, split: str) -> list[Item]:
    """A split of the embedded corpus; kept, since one process trains several systems on it."""
    corpus = Corpus(cfg)
    return [own for own in (item(corpus.load(c)) for c in corpus.clips(split)) if len(own.frames) >= SPAN]


def anew(said: Mapping, profile: config.Profile, expert: object) -> Baseline:
    """The cell's system with fresh weights."""
    return systems.make(said["system"], profile.size, expert=expert)


@dataclass(frozen=True)
class Train:
    """Trains the system of a cell and stores it in the cell's folder.

    key: the corpus's. progress: "bar", or, where several go on at once, "lines"; "" for silence. begin: (the cell's options, profile,
    sync expert) -> the network that is trained.
    """

    profile: config.Profile
    key: str
    progress: str = ""
    begin: Callable[[Mapping, config.Profile, object], Baseline] = anew

    def __call__(self, cell: Cell, folder: Path) -> dict:
        """{"val": lowest validation error, "file": name of the checkpoint in `folder`}."""
        profile, said = self.profile, cell.options
        name, steps, batch, lr = (said[k] for k in ("system", "steps", "batch", "lr"))
        expert, expert_card = checkpoints.load(profile.baseline.expert, expert_folder(profile))
        net = self.begin(said, profile, expert)
        every = max(1, steps // said["looks"])

        def say(done: int) -> None:
            print(f"{cell.name}: {done} of {steps} steps", file=sys.stderr, flush=True)

        banks = [bank(profile.corpus, split) for split in ("train", "val")]
        history = train_baseline(
            net, *banks, steps, batch, lr, cell.seed, folder=folder, validate_every=every, log_every=max(1, every // LOG_ROWS),
            progress=cell.name if self.progress == "bar" else False, after_validation=say if self.progress == "lines" else None,
        )  # fmt: skip
        file = systems.file_name(name, profile.name)
        checkpoints.save(
            file, name, net, profile, history, folder, command="",  # known when all are through
            corpus={"key": self.key, "settings": config.to_dict(profile.corpus), "clips": {"train": len(banks[0]), "val": len(banks[1])}},
            motion=profile.corpus.motion, track=net.TRACK, steps=steps, batch=batch, frames=SPAN * batch, lr=lr,
            expert=f"{expert_card['name']} {expert_card['sha256'][:8]}" if net.EXPERT else None,
        )  # fmt: skip
        return {"val": history.best_value, "file": file}
