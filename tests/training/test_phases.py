"""The stages of stage 2 by steps and by the validation curve."""

import dataclasses

import pytest

from paperlib.config import RendererConfig
from paperlib.training.phases import Clock, Phase, schedule, stretches, total_steps

CFG = RendererConfig(steps_warm=20, steps_joint1=20, steps_joint2=60)


def run(clock, values, every=5):
    """Steps until the clock has finished, a validation every `every`; the phases' first positions."""
    values, seen, step = iter(values), {}, 0
    while not clock.finished():
        seen.setdefault(clock.phase().eps, step)
        clock.tick()
        step += 1
        if step % every == 0:
            clock.hear(next(values))
    return step, seen


def test_without_patience_every_stage_has_its_steps_whatever_the_curve_does():
    clock = Clock(CFG)
    for i in range(100):
        assert clock.position == i and clock.phase() == schedule(CFG, i)
        assert clock.rate() == pytest.approx(1.0) if i <= 75 else clock.rate() < 1
        clock.tick()
        clock.hear(1.0)
    assert clock.finished() and total_steps(CFG) == 100


def test_a_plateau_ends_a_stage_then_the_flat_rate_then_the_training():
    clock = Clock(dataclasses.replace(CFG, patience=2))
    steps, seen = run(clock, [1.0] * 99)  # never better than the first look of a stretch: three looks, 15 steps, each of four stretches
    assert seen == {0.0: 0, 0.1: 15, 0.2: 30} and steps == 60


def test_a_falling_curve_keeps_the_stages_at_their_longest():
    clock = Clock(dataclasses.replace(CFG, patience=2))
    steps, seen = run(clock, [0.9**i for i in range(99)])
    assert seen == {0.0: 0, 0.1: 20, 0.2: 40} and steps == 100


def test_a_gain_below_the_least_gain_is_none():
    fine = [1 - 0.001 * i for i in range(99)]
    assert run(Clock(dataclasses.replace(CFG, patience=2, min_gain=0.005)), fine)[0] == 60
    assert run(Clock(dataclasses.replace(CFG, patience=2, min_gain=0.0)), fine)[0] == 100


def test_without_stages_there_is_one_phase_and_two_stretches():
    assert stretches(CFG) == (20, 40, 75, 100) and stretches(CFG, staged=False) == (75, 100)
    clock = Clock(dataclasses.replace(CFG, patience=1), staged=False)
    assert clock.phase() == Phase("joint", 0.2)
    steps, seen = run(clock, [1.0] * 99)
    assert seen == {0.2: 0} and steps == 20  # two looks, ten steps, each


def test_a_stage_of_no_steps_is_left_out():
    cfg = dataclasses.replace(CFG, steps_warm=0)
    assert stretches(cfg) == (20, 60, 80) and Clock(cfg).phase().eps == 0.1


def test_saved_in_the_middle_it_goes_on_the_same():
    cfg = dataclasses.replace(CFG, patience=2)
    values = [1.0, 0.9, 0.95, 0.89, 0.899, 0.8, 0.81, 0.82, 0.83, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
    whole = Clock(cfg)
    total, _ = run(whole, values)
    for cut in range(1, 8):
        first = Clock(cfg)
        for k in range(cut):
            for _ in range(5):
                first.tick()
            first.hear(values[k])
        second = Clock(cfg)
        second.load_state_dict(first.state_dict())
        rest, _ = run(second, values[cut:])
        assert 5 * cut + rest == total
