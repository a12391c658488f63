"""`paperlib train baselines` under smoke: checkpoints with cards, trials, nothing trained twice, wrong options in one line."""

import dataclasses
import json

import pytest

from paperlib import config, paths
from paperlib.baselines import run, systems, training
from paperlib.cli import main
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.training import checkpoints
from paperlib.training.loop import History

SMOKE = config.load_profile("smoke")
SERIAL = How(backend="serial", progress=False)


@pytest.fixture
def build(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setattr(training, "LOOK_FRAMES", 8)  # validation is most of so short a training
    return tmp_path / "smoke"


def test_all_five_with_their_cards(build, capsys):
    assert main(["train", "baselines", "--profile", "smoke", "--backend", "serial"]) == 0
    said = capsys.readouterr()
    cfg, budgets = SMOKE.baseline, set()
    assert said.out.split() == [str(build / f"checkpoints/{n}_mini_smoke.safetensors") for n in systems.NAMES]
    assert "[5/5]" in said.err
    expert = checkpoints.read_card("sync_classroom")
    for name in systems.NAMES:
        net, card = checkpoints.load(f"{name}_mini_smoke", build / "checkpoints")
        assert (card["name"], card["kind"], card["profile"], card["track"]) == (f"{name}_mini_smoke", name, "smoke", net.TRACK)
        assert card["lr"] == getattr(cfg, f"lr_{name}") and card["trials"] is None
        assert card["expert"] == (f"sync_classroom {expert['sha256'][:8]}" if net.EXPERT else None)
        assert [r["step"] for r in card["curve"] if "val" in r] == [3, 6]
        vals = {r["step"]: r["val"] for r in card["curve"] if "val" in r}
        assert card["best_value"] == pytest.approx(vals[card["best_step"]], abs=1e-6) and 0 < card["best_value"] < 1
        assert card["corpus"]["clips"] == {"train": 3, "val": 1} and card["motion"] == SMOKE.corpus.motion
        assert f"--only {name}" in card["command"] and card["config"]["size"] == SMOKE.size
        budgets.add((card["steps"], card["batch"], card["frames"]))
        assert all(p.isfinite().all() for p in net.parameters())
    assert budgets == {(cfg.steps, cfg.batch, 5 * cfg.batch)}
    wav2lip = checkpoints.read_card("wav2lip_mini_smoke", build / "checkpoints")
    assert (
        wav2lip["best_step"] == 6 and "sync" in wav2lip["curve"][-1] and "sync" not in wav2lip["curve"][0]
    )  # no state from before the expert


@pytest.fixture
def asked(monkeypatch, build):
    """What would be trained, (system, steps, rate): nothing is; a validation says how far the rate is from 0.002."""
    rows = []

    def trained(net, train, val, steps, batch, lr, seed, **loop):
        rows.append((net.NAME, steps, lr))
        return History([], best_value=abs(lr - 2e-3) + steps, best_step=steps)

    monkeypatch.setattr(run, "train_baseline", trained)
    monkeypatch.setattr(run, "bank", lambda cfg, split: [])
    return rows


def test_what_is_trained_is_not_trained_again(build, asked):
    first = run.train(SMOKE, SERIAL, only=["sadtalker"])
    before, budget = first[0].read_bytes(), SMOKE.baseline
    first[0].unlink()
    assert run.train(SMOKE, SERIAL, only=["sadtalker"]) == first and first[0].read_bytes() == before
    assert asked == [("sadtalker", budget.steps, 1e-3)]
    other = build / "other"
    assert run.train(SMOKE, SERIAL, other, ["sadtalker"], steps=4) == [other / first[0].name] and asked[1:] == [("sadtalker", 4, 1e-3)]
    card = checkpoints.read_card(first[0].stem, other)
    assert card["steps"] == 4 and card["command"].endswith("--steps 4")
    faster = dataclasses.replace(SMOKE, baseline=dataclasses.replace(budget, lr_sadtalker=5e-3, lr_wav2lip=5e-3))
    run.train(faster, SERIAL, other, ["sadtalker"])
    assert asked[2:] == [("sadtalker", budget.steps, 5e-3)]


def test_a_stopped_training_goes_on_to_the_same_network(build, monkeypatch):
    whole = run.train(SMOKE, SERIAL, build / "whole", ["makeittalk"])[0].read_bytes()
    monkeypatch.setattr(paths, "BUILD", build / "again")
    step = training.flat_cosine

    def stop(i, *args, **kwargs):
        if i == 4:  # after the state of step 3 was kept
            raise KeyboardInterrupt
        return step(i, *args, **kwargs)

    monkeypatch.setattr(training, "flat_cosine", stop)
    with pytest.raises(KeyboardInterrupt):
        run.train(SMOKE, SERIAL, only=["makeittalk"])
    seen = []
    monkeypatch.setattr(training, "flat_cosine", lambda i, *a, **k: seen.append(i) or step(i, *a, **k))
    assert run.train(SMOKE, SERIAL, only=["makeittalk"])[0].read_bytes() == whole
    assert seen == [3, 4, 5]


def test_trials_choose_the_rate_and_are_told(asked):
    tuned = dataclasses.replace(SMOKE, baseline=dataclasses.replace(SMOKE.baseline, trial_rates=(5e-4, 1.8e-3, 6e-3)))
    out = run.train(tuned, SERIAL, only=["ip_lap", "makeittalk"], tune=True)
    cfg = tuned.baseline
    wanted = [(n, cfg.trial_steps, r) for n in ("ip_lap", "makeittalk") for r in cfg.trial_rates]
    assert asked == [*wanted, ("ip_lap", cfg.steps, 1.8e-3), ("makeittalk", cfg.steps, 1.8e-3)]
    for path in out:
        card = json.loads(path.with_suffix(".json").read_text())
        assert card["lr"] == 1.8e-3 and card["command"].endswith("--seed 0 --tune")
        assert card["trials"] == {"steps": 2, "error": {"0.0005": 2.0015, "0.0018": 2.0002, "0.006": 2.004}}
    asked.clear()
    run.train(tuned, SERIAL, only=["ip_lap"], tune=True)
    assert asked == []


def test_every_profile_has_a_rate_for_every_system_and_tries_the_same():
    for name in config.PROFILES:
        cfg = config.load_profile(name).baseline
        assert all(getattr(cfg, f"lr_{system}") in cfg.trial_rates for system in systems.NAMES)
        assert list(cfg.trial_rates) == sorted(set(cfg.trial_rates)) and cfg.trial_steps < cfg.steps


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "dinet"], "unknown baseline 'dinet'"),
        (["--steps", "0"], "give 1 or more"),
        (["--no-resume"], "delete build/smoke/baselines"),
        (["--seeds", "2"], "does not take --seeds"),
    ],
)
def test_wrong_options_are_said_in_one_line(options, said, build, capsys):
    assert main(["train", "baselines", "--profile", "smoke", "--backend", "serial", *options]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_others_have_no_trials(capsys):
    assert main(["train", "study-renderer", "--profile", "smoke", "--tune"]) == 2
    assert "does not take --tune" in capsys.readouterr().err


def test_a_missing_expert_is_said_at_once(build):
    lost = dataclasses.replace(SMOKE, baseline=dataclasses.replace(SMOKE.baseline, expert="sync_nowhere"))
    with pytest.raises(InputError, match=r"sync_nowhere\.json"):
        run.train(lost, SERIAL)
