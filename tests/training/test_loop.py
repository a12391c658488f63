"""The training loop: log, best state, stop and resume."""

import pytest
import torch
from torch import nn

from paperlib.training.loop import fit


def problem(seed=0):
    torch.manual_seed(seed)
    net = nn.Linear(3, 1)
    optimiser = torch.optim.Adam(net.parameters(), 0.05)

    def step(i):
        x = torch.randn(16, 3)
        loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": loss.item()}

    return net, {"net": net, "optimiser": optimiser}, step


def test_loss_falls_and_is_logged():
    _, state, step = problem()
    history = fit(step, 100, state=state, progress=False, log_every=10)
    steps, values = history.curve("loss")
    assert steps == list(range(10, 101, 10)) and values[-1] < 0.2 * values[0]


def test_best_validation_state_is_loaded_back():
    net, state, step = problem()
    sequence = iter([3.0, 1.0, 2.0])
    kept = []

    def validate():
        kept.append(net.weight.detach().clone())
        return {"val": next(sequence)}

    history = fit(step, 30, state=state, validate=validate, validate_every=10, log_every=10, progress=False)
    assert history.best_step == 20 and history.best_value == 1.0
    assert torch.equal(net.weight, kept[1])


def test_a_stopped_run_resumes_to_the_same_weights(tmp_path):
    net, state, step = problem()
    fit(step, 40, state=state, progress=False, validate_every=10, log_every=10)

    class Stopped(Exception):
        pass

    other, other_state, other_step = problem()

    def stopping(i):
        if i == 27:
            raise Stopped
        return other_step(i)

    with pytest.raises(Stopped):
        fit(stopping, 40, state=other_state, progress=False, validate_every=10, log_every=10, folder=tmp_path)
    torch.manual_seed(99)  # the generator's state is restored, too
    history = fit(other_step, 40, state=other_state, progress=False, validate_every=10, log_every=10, folder=tmp_path)
    assert torch.equal(net.weight, other.weight)
    assert [r["step"] for r in history.rows] == [10, 20, 30, 40]
    assert (tmp_path / "log.csv").read_text().startswith("step,loss")
