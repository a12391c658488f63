"""Staged training of stage 2: stop and resume, stages by validation, sample pictures."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.training import stages
from paperlib.training.samples import COLUMNS, GAP, sample_strip, save_strip


class Killed(Exception):
    pass


def train(small, folder=None, kill_at=None, cfg=None, monkeypatch=None, **loop):
    """Weights after a training of `small`; stopped before step `kill_at`."""
    net, critic = small.net(), small.critic()
    options = {"progress": False, "log_every": 1, "validate_every": 2, "folder": folder, **loop}
    torch.manual_seed(0)
    if kill_at is None:
        history = stages.train_renderer(net, critic, small.judges, small.train, small.val, cfg or small.cfg, 3, **options)
        return net, critic, history
    steps, move = iter(range(10_000)), stages.generator_move

    def killing(*args):
        if next(steps) == kill_at:
            raise Killed
        move(*args)

    with monkeypatch.context() as patch:
        patch.setattr(stages, "generator_move", killing)
        with pytest.raises(Killed):
            stages.train_renderer(net, critic, small.judges, small.train, small.val, cfg or small.cfg, 3, **options)


@pytest.fixture(scope="module")
def whole(small_renderer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return *train(small_renderer, folder), folder


@pytest.mark.parametrize("kill_at", [3, 7, 11])  # in the warm stage, at eps 0.1, at eps 0.2; each after a saved state
def test_killed_in_any_stage_it_resumes_to_the_same_weights(small_renderer, whole, tmp_path, monkeypatch, kill_at):
    train(small_renderer, tmp_path, kill_at, monkeypatch=monkeypatch)
    torch.manual_seed(99)  # what another process would have in its generator
    net, critic, history = train(small_renderer, tmp_path)
    for a, b in ((net, whole[0]), (critic, whole[1])):
        assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert history.rows == whole[2].rows


def test_the_log_shows_the_stages_and_both_validations(whole):
    history = whole[2]
    assert [r["eps"] for r in history.rows] == [0.0] * 4 + [0.1] * 4 + [0.2] * 4
    assert all("i_rec" in r for r in history.rows[4:]) and not any("i_rec" in r for r in history.rows[:4])
    assert [int(r["step"]) for r in history.rows if "val" in r] == [2, 4, 6, 8, 10, 12]
    assert history.best_value == min(r["val"] for r in history.rows if "val" in r)


def test_sample_pictures_lie_in_the_run_folder(whole, small_renderer):
    from PIL import Image

    files = sorted((whole[3] / "samples").iterdir())
    assert [f.name for f in files] == [f"step_{i:06d}.png" for i in (2, 4, 6, 8, 10, 12)]
    picture = np.asarray(Image.open(files[0]))
    assert picture.shape == (4 * 32 + 3 * GAP, len(COLUMNS) * 32 + 4 * GAP, 3)
    assert not np.array_equal(picture, np.asarray(Image.open(files[-1])))
    assert "I_3D" in Image.open(files[0]).text["Description"]


def test_a_strip_shows_the_reference_first_and_the_truth_last_and_keeps_the_mode(small_renderer, tmp_path):
    net, batch = small_renderer.net().train(), stages.validation_pairs(small_renderer.val)
    sheet = sample_strip(net, batch, rows=2)
    assert net.training and sheet.shape == (2 * 32 + GAP, 5 * 32 + 4 * GAP, 3)
    first, last = (batch.ref[0], batch.target[-1])
    as_bytes = [(x.movedim(0, -1).numpy() * 255 + 0.5).astype(np.uint8) for x in (first, last)]
    assert np.array_equal(sheet[:32, :32], as_bytes[0]) and np.array_equal(sheet[-32:, -32:], as_bytes[1])
    assert (sheet[32:34] == 255).all()
    assert save_strip(tmp_path, 7, sheet).name == "step_000007.png"


def test_a_stable_curve_ends_stages_early_and_the_training_with_them(small_renderer, monkeypatch, tmp_path):
    cfg = dataclasses.replace(small_renderer.cfg, patience=1, steps_warm=8, steps_joint1=8, steps_joint2=32)
    monkeypatch.setattr(stages, "validation_errors", lambda net, batch: {"val": 1.0, "val_e": 1.0})
    _, _, history = train(small_renderer, tmp_path, cfg=cfg)
    eps = [r["eps"] for r in history.rows]
    assert eps == [0.0] * 4 + [0.1] * 4 + [0.2] * 8  # two looks of two steps: warm, eps 0.1, eps 0.2, the rate's fall
    _, _, again = train(small_renderer, tmp_path, cfg=cfg)  # a finished run is not trained on
    assert again.rows == history.rows


def test_validation_error_does_not_depend_on_how_many_pictures_are_painted_at_once(small_renderer, monkeypatch):
    net, batch = small_renderer.net(), stages.validation_pairs(small_renderer.val * 2)
    at_once = stages.validation_errors(net, batch)
    monkeypatch.setattr(stages, "LOOK", 5)
    assert stages.validation_errors(net, batch) == pytest.approx(at_once, rel=1e-6)
    out = net(batch.i3d, batch.ref, batch.crop)
    for name, picture in (("val", out.i_i), ("val_e", out.i_e)):
        inside = batch.mask.bool().expand_as(picture)
        assert at_once[name] == pytest.approx((picture - batch.target).abs()[inside].mean().item(), rel=1e-5)
    assert stages.validation_error(net, batch) == pytest.approx(at_once["val"])


def test_a_lazy_penalty_comes_every_nth_step_with_n_times_the_weight(small_renderer, monkeypatch):
    seen = []

    def spy(critic, optimiser, out, batch, lambda_gp, generator, share):
        seen.append(lambda_gp)
        return torch.zeros(())

    monkeypatch.setattr(stages, "critic_move", spy)
    train(small_renderer, cfg=dataclasses.replace(small_renderer.cfg, penalty_every=3, critic_every=2))
    assert seen == [30.0, 0, 0, 30.0, 0, 0]


def test_a_network_that_paints_no_intermediate_picture_trains_by_the_inpainting_loss_alone(small_renderer, tmp_path):
    """Table 4's base: no flow, no TMN, no stages."""
    from paperlib.training import checkpoints

    cfg = dataclasses.replace(small_renderer.cfg, use_sfm=False, use_tmn=False, steps_warm=0, steps_joint1=0, steps_joint2=2)
    torch.manual_seed(0)
    net = checkpoints.build("renderer", dataclasses.replace(small_renderer.profile, renderer=cfg))
    history = stages.train_renderer(
        net, small_renderer.critic(), small_renderer.judges, small_renderer.train, small_renderer.val, cfg, 0, staged=False,
        folder=tmp_path, progress=False, validate_every=2,
    )  # fmt: skip
    (row,) = history.rows
    assert "i_rec" in row and "critic" in row and "val" in row and not any(k.startswith("e_") or k == "val_e" for k in row)
    assert len(list((tmp_path / "samples").iterdir())) == 1
