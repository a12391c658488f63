"""One training loop for every network: progress, log, validation, best state, stop and resume."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from paperlib.errors import InputError


@dataclass
class History:
    """What a training run leaves: rows of the log, the best validation value and where it was."""

    rows: list[dict[str, float]] = field(default_factory=list)
    best_value: float = float("inf")
    best_step: int = 0
    seconds: float = 0.0

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of one logged quantity."""
        pairs = [(int(r["step"]), r[name]) for r in self.rows if name in r]
        return [p[0] for p in pairs], [p[1] for p in pairs]


def fit(
    step: Callable[[int], Mapping[str, float | torch.Tensor]],
    steps: int,
    *,
    state: Mapping[str, Any],
    validate: Callable[[], Mapping[str, float]] | None = None,
    select_by: str = "val",
    validate_every: int = 200,
    log_every: int = 20,
    folder: Path | None = None,
    resume: bool = True,
    progress: bool | str = True,
    stop: Callable[[], bool] | None = None,
    after_validation: Callable[[int], None] | None = None,
    writes: bool = True,
) -> History:
    """Call `step(i)` for i in 0..steps-1 and keep the log.

    step: its values may be tensors; they are read when a row is logged, so that a GPU need not be waited for at every step.
    stop: asked after every validation and before the first step; True ends the training there.
    after_validation: called with the number of steps done, after their validation and before the state is saved.
    writes: False in all processes but the first of a training on several devices.

    state: named modules and optimisers (anything with state_dict); saved under `folder` at each validation and restored by
        `resume`. At the end the state with the lowest `select_by` of `validate` is loaded back (validation chooses, never test).
    progress: False for silence, or the bar's label.
    """
    from tqdm import tqdm

    history, first = History(), 0
    latest = folder / "latest.pt" if folder else None
    if latest and resume and latest.exists():
        first, history = _restore(latest, state)
    best = {k: _clone(v.state_dict()) for k, v in state.items() if isinstance(v, nn.Module)} if history.best_step == 0 else None
    start, window = time.perf_counter(), {}
    spent = history.seconds
    label = progress if isinstance(progress, str) else "train"
    if stop and stop():
        first = steps
    bar = tqdm(range(first, steps), initial=first, total=steps, desc=label, disable=not progress)
    for i in bar:
        for name, value in step(i).items():
            window.setdefault(name, []).append(value.detach() if isinstance(value, torch.Tensor) else value)
        due = (i + 1) % validate_every == 0 or i + 1 == steps
        if (i + 1) % log_every == 0 or due:
            row = {"step": float(i + 1), **{k: sum(float(x) for x in v) / len(v) for k, v in window.items()}}
            window = {}
            if validate and due:
                row |= {k: float(v) for k, v in validate().items()}
                if row[select_by] < history.best_value:
                    history.best_value, history.best_step = row[select_by], i + 1
                    best = {k: _clone(v.state_dict()) for k, v in state.items() if isinstance(v, nn.Module)}
            history.rows.append(row)
            history.seconds = spent + time.perf_counter() - start
            bar.set_postfix({k: f"{v:.4g}" for k, v in row.items() if k != "step"}, refresh=False)
            if due and after_validation:
                after_validation(i + 1)
            if latest and due and writes:
                _save(latest, state, best, history, i + 1)
            if due and stop and stop():
                break
    bar.close()
    if validate and best is None and latest and (folder / "best.pt").exists():
        best = torch.load(folder / "best.pt", weights_only=True, map_location="cpu")
    if validate and best is not None:
        for name, tensors in best.items():
            state[name].load_state_dict(tensors)
    if folder and writes:
        write_log(history, folder / "log.csv")
    return history


def write_log(history: History, path: Path) -> None:
    """The log as CSV, one row per logged step."""
    names = list(dict.fromkeys(k for r in history.rows for k in r))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, names)
        writer.writeheader()
        writer.writerows(history.rows)


def _clone(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.detach().clone() for k, v in tensors.items()}


def _save(path: Path, state: Mapping[str, Any], best: dict | None, history: History, done: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "state": {k: v.state_dict() for k, v in state.items()},
        "step": done,
        "rows": history.rows,
        "best_value": history.best_value,
        "best_step": history.best_step,
        "seconds": history.seconds,
        "rng": torch.get_rng_state(),
    }
    for target, content in ((path.with_name("best.pt"), best), (path, data)):  # a stop in between only repeats steps
        if content is not None:
            part = target.with_suffix(".part")
            torch.save(content, part)
            part.replace(target)


def _restore(path: Path, state: Mapping[str, Any]) -> tuple[int, History]:
    data = torch.load(path, weights_only=True, map_location="cpu")
    if missing := sorted(set(state) - set(data["state"])):
        raise InputError(f"{path}: lacks the state of {', '.join(missing)}, so it was written by other code; start anew with --no-resume")
    for name, part in state.items():
        part.load_state_dict(data["state"][name])
    torch.set_rng_state(data["rng"])
    return data["step"], History(data["rows"], data["best_value"], data["best_step"], data["seconds"])
