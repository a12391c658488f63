"""Minis without their idea and trained longer: each takes away what it says, starts where it says, and nothing is trained twice."""

import dataclasses

import pytest
import torch

from paperlib import config, paths
from paperlib.baselines import run, systems, training, validity
from paperlib.baselines.interface import draw, dub, given
from paperlib.cli import main
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.shelf import Shelf
from paperlib.training import checkpoints
from paperlib.training.loop import History

SMOKE = config.load_profile("smoke")
SERIAL = How(backend="serial", progress=False)
RATE, STEPS = 0.002, 2


@pytest.fixture
def build(monkeypatch, tmp_path):
    """Untrained minis in the place of trained ones, with cards that say how they would have been trained."""
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setattr(training, "LOOK_FRAMES", 8)
    torch.manual_seed(0)
    for name in ("ip_lap", "makeittalk"):
        net = systems.make(name, SMOKE.size)
        checkpoints.save(
            systems.file_name(name, "smoke"), name, net, SMOKE, History(best_value=9.0, best_step=1), tmp_path / "smoke/checkpoints",
            lr=RATE, steps=STEPS,
        )  # fmt: skip
    return tmp_path / "smoke"


@pytest.fixture(scope="module")
def items():
    return run.bank(SMOKE.corpus, "train")


def task_of(items):
    return given(items[0], items[1] if len(items[1].frames) == len(items[0].frames) else items[0])


def test_every_system_has_an_ablation_whose_measures_exist():
    assert set(validity.ABLATIONS) == set(systems.NAMES)
    for ablation in validity.ABLATIONS.values():
        assert ablation.measures and all(MEASURES[m].better for m in ablation.measures)


def test_without_its_expert_a_system_has_no_sync_loss(items):
    expert, _ = checkpoints.load("sync_classroom")
    draws = torch.Generator().manual_seed(0)
    batch = draw(items, 2, draws)
    for name in ("wav2lip", "diff2lip"):
        with_it, without = systems.make(name, SMOKE.size, expert=expert), validity.ABLATIONS[name].make(SMOKE.size, expert)
        assert "sync" in with_it.loss(batch, draws, 0.99)[1] and "sync" not in without.loss(batch, draws, 0.99)[1]


def test_one_reference_is_all_that_it_sees(items):
    net, task = validity.OneReference(SMOKE.size).eval(), task_of(items)
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.1)
    others = task.ref_index.clone()
    others[:, 1:] = (others[:, 1:] + 3) % len(task.frames)
    moved = dataclasses.replace(task, ref_index=others)
    assert torch.equal(dub(net, task), dub(net, moved))
    whole = systems.make("ip_lap", SMOKE.size)
    whole.load_state_dict(net.state_dict())
    assert not torch.allclose(dub(whole, task), dub(whole, moved))
    batch = draw(items, 2, torch.Generator().manual_seed(1))
    other = dataclasses.replace(batch, ref=torch.cat([batch.ref[:, :1], 1 - batch.ref[:, 1:]], 1))
    alone, both = (net.loss(b, torch.Generator(), 0.5)[0] for b in (batch, other))
    assert torch.equal(alone, both)


def test_content_alone_knows_no_face_and_no_start_no_picture():
    content, mfcc = validity.content_only(SMOKE.size), torch.randn(2, 13, 28)
    faces = torch.randn(2, 2, 68, 3)
    assert torch.equal(content.displacements(mfcc, faces[0]), content.displacements(mfcc, faces[1]))
    whole = systems.make("makeittalk", SMOKE.size)
    assert not torch.equal(whole.displacements(mfcc, faces[0]), whole.displacements(mfcc, faces[1]))
    deaf, mel, starts = validity.no_start(SMOKE.size), torch.randn(2, 80, 16), torch.randn(2, 2, 64)
    assert torch.equal(deaf.expression(mel, starts[0]), deaf.expression(mel, starts[1]))
    whole = systems.make("sadtalker", SMOKE.size)
    assert not torch.equal(whole.expression(mel, starts[0]), whole.expression(mel, starts[1]))


def test_longer_starts_from_the_trained_mini_and_without_from_nothing(build):
    kept = Shelf("smoke").load("ip_lap_mini").state_dict()
    longer = validity.begun({"system": "ip_lap", "form": "longer"}, SMOKE, None)
    without = validity.begun({"system": "ip_lap", "form": "without"}, SMOKE, None)
    assert all(torch.equal(v, kept[k]) for k, v in longer.state_dict().items())
    assert isinstance(without, validity.OneReference) and not all(torch.equal(v, kept[k]) for k, v in without.state_dict().items())


def test_the_budget_is_the_card_s_and_nothing_is_trained_twice(build, monkeypatch):
    monkeypatch.setattr(validity, "ROUNDS", 1)
    only = ["--only", "ip_lap", "--only", "makeittalk"]
    assert main(["train", "baselines", "--validity", "--profile", "smoke", "--backend", "serial", *only]) == 0
    cells = validity.sweep(SMOKE, only=("ip_lap", "makeittalk"))
    assert [c.name for c in cells.cells] == [f"{n}_{f}" for f in validity.FORMS for n in ("ip_lap", "makeittalk")]
    done = cells.done()
    assert len(done) == 4 and {(d.cell.options["steps"], d.cell.options["lr"]) for d in done} == {(STEPS, RATE)}
    assert {d.cell.seed for d in done if d.cell.options["form"] == "longer"} == {SMOKE.seed + 1}
    monkeypatch.setattr(run, "train_baseline", None)
    assert validity.train(SMOKE, SERIAL, ("ip_lap", "makeittalk")) == [d.folder for d in done]


def test_a_round_follows_until_the_plateau_and_starts_where_the_last_one_ended(build, monkeypatch):
    errors = iter([8.0, 7.0, 6.99, 5.0])

    def trained(net, *args, **kwargs):
        torch.nn.init.normal_(next(net.parameters()))
        return History(best_value=next(errors), best_step=1)

    monkeypatch.setattr(run, "train_baseline", trained)
    monkeypatch.setattr(validity, "FORMS", ("longer",))
    folders = validity.train(SMOKE, SERIAL, ("makeittalk",))
    done = validity.sweep(SMOKE, only=("makeittalk",), forms=("longer",)).done()
    assert [d.folder for d in done] == folders and [d.cell.name for d in done] == ["makeittalk_longer" + n for n in ("", "2", "3")]
    assert [d.result["val"] for d in done] == [8.0, 7.0, 6.99] and len({d.cell.seed for d in done}) == 3
    begun = validity.begun(done[2].cell.options, SMOKE, None).state_dict()
    before, _ = checkpoints.load(done[1].result["file"], done[1].folder)
    other, _ = checkpoints.load(done[0].result["file"], done[0].folder)
    assert all(torch.equal(v, begun[k]) for k, v in before.state_dict().items())
    assert not all(torch.equal(v, begun[k]) for k, v in other.state_dict().items())


def test_rounds_end(build, monkeypatch):
    errors = iter([8.0, 7.0, 6.0, 5.0, 4.0, 3.0])
    monkeypatch.setattr(run, "train_baseline", lambda *a, **k: History(best_value=next(errors), best_step=1))
    monkeypatch.setattr(validity, "FORMS", ("longer",))
    assert len(validity.train(SMOKE, SERIAL, ("makeittalk",))) == validity.ROUNDS


def test_what_is_not_trained_is_named(build):
    with pytest.raises(InputError, match="wav2lip_mini_smoke: not trained"):
        validity.sweep(SMOKE, only=("wav2lip",))


def test_the_minis_cards_decide(build, capsys):
    assert main(["train", "baselines", "--validity", "--tune", "--profile", "smoke"]) == 2
    assert "leave out --tune" in capsys.readouterr().err
