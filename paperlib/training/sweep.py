"""A sweep: one training for each cell of a table (variant x seed), in any order, resumable at any moment.

Every cell has its own folder under the sweep's, `<name>/seed<seed>-<key>/`. The key is made of everything that decides the result (the
profile's settings with the cell's overrides, its options, the sweep's inputs), so a cell whose settings change gets another folder and
never goes on with the wrong state. When a cell is through, its `result.json` is written in one piece: a cell with a result is done and is
not done again; one without goes on from the training state in its folder. A killed sweep is started again by the same call.

    cells = grid({"full": {}, "no_shape": {"expression__lambda_shape": 0.0}}, seeds=(0, 1, 2))
    sweep = Sweep(folder, work, cells, parts=("expression",), inputs=(corpus.key,))
    done = sweep.run(How(backend="loky", workers=2))     # list of Done, in the order of cells
    sweep.done(), sweep.missing()                        # what is there already, what is not: nothing is trained

`work(cell, folder)` is a function of a module (it may run in another process): it trains inside `folder`, with `loop.fit(folder=...)`,
and returns what is to be kept as plain data. For a resumed training to end where an undisturbed one does, the state given to `loop.fit`
must hold the generator of its random draws too: `Draws`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from paperlib.artifacts import atomic_write
from paperlib.config import Profile, config_hash, load_profile
from paperlib.corpus.preparing import How, one_thread, spread
from paperlib.errors import InputError
from paperlib.seeding import seed_everything

RESULT = "result.json"


@dataclass(frozen=True)
class Cell:
    """One training. overrides: settings of the profile by dotted name, as for `load_profile`; options: whatever else `work` needs,
    plain data."""

    name: str
    seed: int = 0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    profile: str = "classroom"

    def settings(self) -> Profile:
        """The profile with this cell's overrides and seed. InputError for an unknown setting."""
        return dataclasses.replace(load_profile(self.profile, **self.overrides), seed=self.seed)


def grid(
    variants: Mapping[str, Mapping[str, Any]],
    seeds: Iterable[int],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    profile: str = "classroom",
    shared: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """Every variant with every seed, seeds outermost: an interrupted sweep has whole tables of fewer seeds.

    variants: name -> overrides; options: name -> options; shared: overrides of all of them, under their own.

    >>> [f"{c.name}/{c.seed}" for c in grid({"full": {}, "k0": {"expression__k": 0}}, (0, 1))]
    ['full/0', 'k0/0', 'full/1', 'k0/1']
    """
    return [
        Cell(name, seed, {**(shared or {}), **overrides}, (options or {}).get(name, {}), profile)
        for seed in seeds
        for name, overrides in variants.items()
    ]


@dataclass(frozen=True)
class Done:
    """A finished cell: its result (plain data), seconds of the last call that worked on it, and its folder."""

    cell: Cell
    result: dict
    seconds: float
    folder: Path


@dataclass(frozen=True)
class Sweep:
    """The cells of one table and how one is trained.

    parts: sections of the profile that the result depends on (none named: all of them). inputs: plain values that it depends on
    besides: keys of corpora, hashes of checkpoints, `artifacts.code_hash` of modules whose change must train anew.
    """

    folder: Path
    work: Callable[[Cell, Path], Mapping[str, Any]]
    cells: list[Cell]
    parts: tuple[str, ...] = ()
    inputs: tuple = ()

    def key(self, cell: Cell) -> str:
        """Twelve hex digits over everything that decides the cell's result."""
        profile = cell.settings()
        names = self.parts or tuple(f.name for f in dataclasses.fields(profile) if dataclasses.is_dataclass(getattr(profile, f.name)))
        return config_hash(cell.seed, *(getattr(profile, n) for n in names), dict(cell.options), *self.inputs)

    def path(self, cell: Cell) -> Path:
        """The cell's folder."""
        return Path(self.folder) / cell.name / f"seed{cell.seed}-{self.key(cell)}"

    def read(self, cell: Cell) -> Done | None:
        """The cell's result, None when it is not finished."""
        path = self.path(cell)
        if not (path / RESULT).exists():
            return None
        record = json.loads((path / RESULT).read_text())
        return Done(cell, record["result"], record["seconds"], path)

    def done(self) -> list[Done]:
        """Finished cells, in the order of `cells`."""
        return [d for d in map(self.read, self.cells) if d is not None]

    def missing(self) -> list[Cell]:
        """Cells that are not finished."""
        return [c for c in self.cells if not (self.path(c) / RESULT).exists()]

    def run(self, how: How | None = None) -> list[Done]:
        """Train every cell that is not finished, each on one thread, and return them all in the order of `cells`.

        how: where (preparing.How: serial, loky or dask); default serial. One sweep at a time may work in a folder. A cell that fails
        does not stop the others: RuntimeError at the end, with the first traceback. InputError at once for settings that cannot be.
        """
        how = (how or How(backend="serial")).check()
        names = [self.path(c) for c in self.cells]
        if len(set(names)) < len(names):
            raise ValueError("sweep: two cells have the same name, seed and settings")
        todo, start, failures = self.missing(), time.perf_counter(), []
        said = len(self.cells) - len(todo)
        quiet = dataclasses.replace(how, progress=False)
        for i, (cell, seconds, failure) in enumerate(spread(_Job(self), todo, quiet, len(todo), "cells"), start=1):
            failures += [failure] if failure else []
            left = (time.perf_counter() - start) / i * (len(todo) - i) / 60
            state = "FAILED" if failure else f"{seconds:.0f} s"
            if how.progress:
                print(f"[{said + i}/{len(self.cells)}] {cell.name} seed {cell.seed}: {state}; about {left:.0f} min left", file=sys.stderr)
        if failures:
            raise RuntimeError(f"sweep: {len(failures)} of {len(todo)} cells failed, the others are kept; the first:\n{failures[0]}")
        return self.done()


@dataclass(frozen=True)
class _Job:
    """Does one cell on one thread and writes its result; returns (cell, seconds, traceback or None)."""

    sweep: Sweep

    def __call__(self, cell: Cell) -> tuple[Cell, float, str | None]:
        folder, start = self.sweep.path(cell), time.perf_counter()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with one_thread():
                seed_everything(cell.seed)
                result = dict(self.sweep.work(cell, folder))
        except InputError:
            raise
        except Exception:  # the other cells go on; the caller hears of it at the end
            return cell, time.perf_counter() - start, f"{cell.name} seed {cell.seed}\n{traceback.format_exc()}"
        seconds = time.perf_counter() - start
        record = {"cell": dataclasses.asdict(cell), "seconds": round(seconds, 2), "result": result}
        atomic_write(folder / RESULT, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
        return cell, seconds, None


class Draws:
    """A random generator that `loop.fit` can store and restore: put it into `state` beside the network and the optimiser.

    >>> draws = Draws(0); kept = draws.state_dict(); a = torch.randint(100, (3,), generator=draws.generator)
    >>> draws.load_state_dict(kept); bool((a == torch.randint(100, (3,), generator=draws.generator)).all())
    True
    """

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The generator's state."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from `state_dict`'s state."""
        self.generator.set_state(state["generator"])
