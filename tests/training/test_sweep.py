"""Sweeps: finished cells are not done again, a killed one goes on to the same numbers, settings decide the folder."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch

from paperlib import paths
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.seeding import seed_everything
from paperlib.training.loop import fit
from paperlib.training.sweep import RESULT, Cell, Draws, Sweep, grid

SERIAL = How(backend="serial", progress=False)
CALLS = []


def train(cell, folder, stop_at=None):
    """Fits y = 3 x by random batches; what it ends with depends on every draw."""
    CALLS.append((cell.name, cell.seed))
    net, draws = torch.nn.Linear(1, 1), Draws(cell.seed)
    optimiser = torch.optim.Adam(net.parameters(), cell.settings().expression.lr)

    def step(i):
        if i == stop_at:
            raise KeyboardInterrupt
        x = torch.rand(4, 1, generator=draws.generator)
        loss = (net(x) - 3 * x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": loss.item()}

    state = {"net": net, "optimiser": optimiser, "draws": draws}
    history = fit(step, 30, state=state, validate_every=5, log_every=5, folder=folder, progress=False)
    return {"weight": net.weight.item(), "threads": torch.get_num_threads(), "loss": history.rows[-1]["loss"]}


def stopped_at_12(cell, folder):
    return train(cell, folder, 12)


def half_broken(cell, folder):
    if cell.name == "bad":
        raise ZeroDivisionError("no such luck")
    return {"fine": cell.seed}


@pytest.fixture(autouse=True)
def _forget():
    CALLS.clear()


CELLS = grid({"full": {}, "fast": {"expression__lr": 0.1}}, (0, 1))


def test_finished_cells_are_not_done_again_and_come_in_order(tmp_path):
    sweep = Sweep(tmp_path, train, CELLS, parts=("expression",))
    assert sweep.done() == [] and sweep.missing() == CELLS
    first = sweep.run(SERIAL)
    assert [d.cell for d in first] == CELLS and len(CALLS) == 4
    assert all(d.result["threads"] == 1 for d in first)
    assert [d.result for d in sweep.run(SERIAL)] == [d.result for d in first] and len(CALLS) == 4
    (first[2].folder / RESULT).unlink()
    sweep.run(SERIAL)
    assert CALLS[4:] == [("full", 1)]


def test_a_stopped_cell_goes_on_to_the_same_numbers(tmp_path):
    cell = CELLS[:1]
    with pytest.raises(KeyboardInterrupt):
        Sweep(tmp_path / "stopped", stopped_at_12, cell).run(SERIAL)
    stopped = Sweep(tmp_path / "stopped", train, cell)
    assert (stopped.path(cell[0]) / "latest.pt").exists() and stopped.missing() == cell
    assert stopped.run(SERIAL)[0].result == Sweep(tmp_path / "whole", train, cell).run(SERIAL)[0].result


def test_settings_options_and_inputs_decide_the_folder(tmp_path):
    cell = Cell("full")
    sweep = Sweep(tmp_path, train, [cell], parts=("expression",))
    key = sweep.key(cell)
    assert key == sweep.key(Cell("other name", overrides={"renderer__batch": 9}))  # a section that was not named
    others = [
        Cell("full", 1),
        Cell("full", overrides={"expression__k": 0}),
        Cell("full", options={"data": "grid"}),
        Cell("full", profile="smoke"),
    ]
    assert len({key, *map(sweep.key, others)}) == 5
    assert Sweep(tmp_path, train, [cell], parts=("expression",), inputs=("corpus a",)).key(cell) != key
    assert Sweep(tmp_path, train, [cell]).key(cell) != Sweep(tmp_path, train, [Cell("full", overrides={"renderer__batch": 9})]).key(
        others[1]
    )
    with pytest.raises(ValueError, match="same name"):
        Sweep(tmp_path, train, [cell, cell]).run(SERIAL)


def test_a_cell_that_fails_does_not_stop_the_others(tmp_path):
    sweep = Sweep(tmp_path, half_broken, grid({"bad": {}, "good": {}}, (0, 1)))
    with pytest.raises(RuntimeError, match=r"(?s)2 of 4 cells failed.*bad seed 0.*no such luck"):
        sweep.run(SERIAL)
    assert [d.result for d in sweep.done()] == [{"fine": 0}, {"fine": 1}]
    assert [c.name for c in sweep.missing()] == ["bad", "bad"]


def test_users_mistakes_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="expression.kk"):
        Sweep(tmp_path, train, [Cell("full", overrides={"expression__kk": 0})]).run(SERIAL)
    with pytest.raises(InputError, match="backend"):
        Sweep(tmp_path, train, CELLS).run(How(backend="threads"))


SCRIPT = """
    import json, os, signal, sys, time
    from pathlib import Path
    import torch
    from paperlib.corpus.preparing import How
    from paperlib.training.loop import fit
    from paperlib.training.sweep import Draws, Sweep, grid

    def work(cell, folder):
        net, draws = torch.nn.Linear(1, 1), Draws(cell.seed)
        optimiser = torch.optim.SGD(net.parameters(), 0.05)

        def step(i):
            time.sleep(SLEEP)
            x = torch.rand(4, 1, generator=draws.generator)
            loss = (net(x) - 3 * x).square().mean()
            optimiser.zero_grad(); loss.backward(); optimiser.step()
            with open(folder / "steps", "a") as log:
                log.write(f"{i}\\n")
            return {"loss": loss.item()}

        state = {"net": net, "optimiser": optimiser, "draws": draws}
        fit(step, 40, state=state, validate_every=4, log_every=4, folder=folder, progress=False)
        return {"weight": net.weight.item()}

    SLEEP = float(sys.argv[2])
    if __name__ == "__main__":
        done = Sweep(Path(sys.argv[1]), work, grid({"full": {}}, (0, 1, 2))).run(How(2, "BACKEND", progress=False))
        print(json.dumps([d.result["weight"] for d in done]))
"""


def start(script, folder, sleep):
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(script), str(folder), str(sleep)], stdout=subprocess.PIPE, env=environment, start_new_session=True, text=True
    )


def undisturbed_weights():
    """The same trainings without files, processes or stops."""
    weights = []
    for seed in (0, 1, 2):
        seed_everything(seed)
        net, generator = torch.nn.Linear(1, 1), torch.Generator().manual_seed(seed)
        optimiser = torch.optim.SGD(net.parameters(), 0.05)
        for _ in range(40):
            x = torch.rand(4, 1, generator=generator)
            optimiser.zero_grad()
            (net(x) - 3 * x).square().mean().backward()
            optimiser.step()
        weights.append(net.weight.item())
    return weights


@pytest.mark.parametrize("backend", ["serial", "loky"])
def test_a_sweep_killed_outright_resumes_and_ends_as_an_undisturbed_one(tmp_path, backend):
    script = tmp_path / "job.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("BACKEND", backend))
    process = start(script, tmp_path / "killed", 0.1)
    while process.poll() is None and not list((tmp_path / "killed").rglob("latest.pt")):
        time.sleep(0.05)
    time.sleep(0.3)
    assert process.poll() is None, "it ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list((tmp_path / "killed").rglob(RESULT))
    resumed = json.loads(start(script, tmp_path / "killed", 0).communicate(timeout=300)[0])
    assert resumed == undisturbed_weights()
    steps = [int(s) for s in next((tmp_path / "killed").rglob("seed0-*/steps")).read_text().split()]
    assert len(steps) < 80 and set(steps) == set(range(40))  # it went on; only the steps since the last saved state were done twice
