import copy

import pytest
import torch

from paperlib.training.optim import Ranger, flat_cosine, radam_scale


def _problem(seed=0):
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    x = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    y = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    return [w, b], lambda: ((x @ w.T + b - y) ** 2).mean()


def _run(optimiser, loss, steps):
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


@pytest.mark.parametrize("betas", [(0.95, 0.999), (0.9, 0.99)])
def test_without_lookahead_and_centralisation_it_is_radam_on_both_sides_of_the_threshold(betas):
    ours, loss_a = _problem()
    theirs, loss_b = _problem()
    kwargs = {"lr": 0.01, "betas": betas, "eps": 1e-5}
    a, b = Ranger(ours, alpha=1.0, centralise=False, **kwargs), torch.optim.RAdam(theirs, **kwargs)
    for step in range(1, 41):
        _run(a, loss_a, 1)
        _run(b, loss_b, 1)
        for p, q in zip(ours, theirs):
            torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-12, msg=f"step {step}")
    assert not radam_scale(5, *betas)[1] and radam_scale(6, *betas)[1]


def test_decoupled_weight_decay_is_radams():
    ours, loss_a = _problem()
    theirs, loss_b = _problem()
    kwargs = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.1}
    _run(Ranger(ours, alpha=1.0, centralise=False, **kwargs), loss_a, 12)
    _run(torch.optim.RAdam(theirs, decoupled_weight_decay=True, **kwargs), loss_b, 12)
    for p, q in zip(ours, theirs):
        torch.testing.assert_close(p, q, rtol=1e-8, atol=1e-12)


def test_slow_weights_move_half_way_every_k_steps():
    ours, loss_a = _problem()
    fast, loss_b = _problem()
    start = [p.detach().clone() for p in ours]
    _run(Ranger(ours, lr=0.01, k=3, alpha=0.5, centralise=False), loss_a, 3)
    _run(Ranger(fast, lr=0.01, alpha=1.0, centralise=False), loss_b, 3)
    for p, q, s in zip(ours, fast, start):
        torch.testing.assert_close(p.detach(), 0.5 * (s + q.detach()))
        assert not torch.equal(p, q)


def test_fast_weights_are_free_between_the_lookahead_steps():
    ours, loss_a = _problem()
    fast, loss_b = _problem()
    _run(Ranger(ours, lr=0.01, k=6, alpha=0.5), loss_a, 5)
    _run(Ranger(fast, lr=0.01, alpha=1.0), loss_b, 5)
    for p, q in zip(ours, fast):
        assert torch.equal(p, q)


def test_centralised_gradient_keeps_each_rows_sum_and_leaves_biases_alone():
    w = torch.randn(5, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    b = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    sums = w.detach().flatten(1).sum(1).clone()
    optimiser = Ranger([w, b], lr=0.1, alpha=1.0)
    (3 * w.sum() + (w**3).sum() + b.sum()).backward()
    optimiser.step()
    torch.testing.assert_close(w.detach().flatten(1).sum(1), sums)  # momentum step along a gradient of zero mean
    assert (b < 0).all()


def test_state_round_trip_continues_identically(tmp_path):
    params, loss = _problem()
    optimiser = Ranger(params, lr=0.01)
    _run(optimiser, loss, 8)
    torch.save(optimiser.state_dict(), tmp_path / "state.pt")
    twin, twin_loss = _problem()
    with torch.no_grad():
        for p, q in zip(twin, params):
            p.copy_(q)
    second = Ranger(twin, lr=0.01)
    second.load_state_dict(copy.deepcopy(torch.load(tmp_path / "state.pt", weights_only=True)))
    _run(optimiser, loss, 7)
    _run(second, twin_loss, 7)
    for p, q in zip(params, twin):
        torch.testing.assert_close(p, q, rtol=0, atol=0)


def test_it_descends_and_returns_the_closures_loss():
    params, loss = _problem()
    optimiser = Ranger(params, lr=0.05)

    def closure():
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    first = optimiser.step(closure).item()
    for _ in range(200):
        last = optimiser.step(closure).item()
    assert last < 0.7 * first


@pytest.mark.parametrize("bad", [{"alpha": 0.0}, {"k": 0}, {"lr": -1.0}, {"betas": (1.0, 0.9)}])
def test_settings_out_of_range_raise(bad):
    with pytest.raises(ValueError):
        Ranger([torch.zeros(1, requires_grad=True)], **bad)


def test_flat_cosine_is_flat_then_falls_to_its_floor():
    values = [flat_cosine(i, 100, floor=0.1) for i in range(101)]
    assert values[:76] == [1.0] * 76
    assert all(a > b for a, b in zip(values[75:], values[76:]))
    assert values[-1] == pytest.approx(0.1)
    assert flat_cosine(88, 100, flat=0.76) == pytest.approx(0.5)
