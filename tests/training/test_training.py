"""Every trainer on a tiny corpus: it runs, its loss falls, and what must stay frozen stays frozen."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib import config
from paperlib.corpus import banks
from paperlib.corpus.dataset import Corpus
from paperlib.face3d.morphable_model import default_model
from paperlib.training import checkpoints, expression, flow, stages, sync, teacher
from paperlib.training.loop import History

SMOKE = config.load_profile("smoke", corpus__seconds=1.6, corpus__train_speakers=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return Corpus(SMOKE.corpus, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def faces(corpus):
    return banks.face_bank(corpus, "train", SMOKE.sync.size)


@pytest.fixture(scope="module")
def frames(corpus):
    return banks.render_bank(corpus, "train")


def snapshot(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def test_lip_windows_are_the_lower_halves_of_five_frames(faces):
    window = sync.lips(faces[0].faces, torch.tensor([7]))
    size = SMOKE.sync.size
    assert window.shape == (1, 15, size // 2, size)
    third = banks.to_float(faces[0].faces[7])[:, size // 2 :]
    assert torch.equal(window[0, 6:9], third)


def test_teacher_trains_against_a_frozen_expert(faces):
    torch.manual_seed(0)
    net, expert = checkpoints.build("teacher", SMOKE), checkpoints.build("sync", SMOKE)
    before = snapshot(expert)
    cfg = dataclasses.replace(SMOKE.teacher, steps=60, batch=10, lr=2e-3, sync_from=0.75)
    history = teacher.train_teacher(net, expert, [faces], faces, cfg, 0, progress=False, log_every=5, validate_every=60)
    values = history.curve("l1")[1]
    assert np.mean(values[6:]) < np.mean(values[:3]) and history.curve("sync")[1]  # single batches vary by voice
    assert all(torch.equal(v, before[k]) for k, v in expert.state_dict().items())


def test_semantic_images_depend_on_speech_alone(corpus):
    net = checkpoints.build("teacher", SMOKE)
    face = teacher.neutral_face(SMOKE.teacher.size)
    item = banks.speech_item(corpus, corpus.clips("train")[0])
    images = teacher.semantic_images(net, face, item.mel)
    assert images.shape == (len(item.mel), 3, *face.shape[1:])
    assert torch.allclose(teacher.semantic_images(net, face, item.mel[5:6])[0], images[5], atol=1e-5)


def test_shape_loss_is_in_image_widths():
    """(12): moving every landmark by a tenth of the image changes it by 0.1 a coordinate, whatever the image size."""
    from paperlib.face3d.face_renderer import landmarks2d

    model, coeffs = default_model(), torch.zeros(1, 257)
    at_one, at_200 = landmarks2d(model, coeffs, 1), landmarks2d(model, coeffs, 200)
    assert torch.allclose(at_one * 200, at_200, atol=1e-3)


def test_expression_losses_vanish_at_the_truth():
    coeffs = torch.randn(2, 5, 257) * 0.1
    l_exp, l_shape = expression.losses(default_model(), coeffs[..., 80:144].clone(), coeffs)
    assert l_exp == 0 and l_shape == 0


def test_expression_training_falls(corpus):
    torch.manual_seed(0)
    bank = banks.speech_bank(corpus, "train")
    data = expression.sequences(bank, checkpoints.build("teacher", SMOKE), teacher.neutral_face(SMOKE.teacher.size))
    net = checkpoints.build("expression", SMOKE)
    cfg = dataclasses.replace(SMOKE.expression, steps=100, lr=4e-3)
    history = expression.train_expression(net, default_model(), data, data, cfg, 0, progress=False, log_every=10, validate_every=30)
    values = history.curve("loss")[1]
    assert values[-1] < 0.85 * values[0], values
    with pytest.raises(ValueError, match="shorter than the window"):
        expression.windows(data, 1000, 1, torch.Generator())


def test_a_network_takes_the_mean_picture_of_what_it_first_trains_on_and_keeps_it():
    torch.manual_seed(0)
    net = checkpoints.build("expression", SMOKE)
    size = SMOKE.teacher.size

    def clips(low):
        images = [torch.randint(low, low + 60, (n, 3, size, size), dtype=torch.uint8) for n in (4, 6)]
        return [expression.Sequence(torch.zeros(len(v), 13, 28), v, torch.zeros(len(v), 257)) for v in images]

    first = clips(20)
    expression.see_pictures(net, first)
    frames = torch.cat([s.semantic for s in first]).float() / 255
    torch.testing.assert_close(net.cnn_visual.mean, frames.mean(0))
    expression.see_pictures(net, clips(150))  # tuned on other recordings later
    torch.testing.assert_close(net.cnn_visual.mean, frames.mean(0))


def test_expression_training_stopped_and_resumed_ends_as_undisturbed(corpus, tmp_path, monkeypatch):
    bank = banks.speech_bank(corpus, "train")
    data = [expression.Sequence(b.mfcc, torch.zeros(len(b.mfcc), 3, 32, 32, dtype=torch.uint8), b.coeffs) for b in bank]
    cfg = dataclasses.replace(SMOKE.expression, steps=6, batch=2, window=5)
    drawn = expression.windows

    def train(folder):
        torch.manual_seed(0)
        net = checkpoints.build("expression", SMOKE)
        expression.train_expression(net, default_model(), data, data, cfg, 0, progress=False, log_every=1, validate_every=2, folder=folder)
        return net.state_dict()

    calls = []

    def stop_at_the_fifth(*args):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return drawn(*args)

    whole = train(tmp_path / "whole")
    monkeypatch.setattr(expression, "windows", stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped")
    monkeypatch.setattr(expression, "windows", drawn)
    resumed = train(tmp_path / "stopped")
    assert all(torch.equal(v, resumed[k]) for k, v in whole.items())
    assert whole["cnn_visual.body.0.weight"].is_contiguous()


def test_stage_one_hears_more_people_than_the_pictures_show(tmp_path, monkeypatch):
    from paperlib import paths
    from paperlib.training import run

    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    few = {"corpus__train_speakers": 1, "corpus__seconds": 1.2, "expression__steps": 2, "expression__window": 10}
    profile, threads = config.load_profile("smoke", **few), torch.get_num_threads()
    checkpoints.save("teacher_smoke", "teacher", checkpoints.build("teacher", profile), profile, History(), tmp_path)
    run.train("expression", profile, folder=tmp_path, validate_every=1)
    torch.set_num_threads(threads)
    card = checkpoints.read_card("expression_smoke", tmp_path)
    assert card["speech"] == {"train": {"clips": 3, "speakers": 3}, "val": {"clips": 1, "speakers": 1}}
    assert not (tmp_path / "cache/corpus").exists()  # nothing was rendered


def test_flow_pairs_are_true(frames):
    """The stored flow re-aligns the reference to the target where it is valid."""
    from paperlib.models.flow import warp

    target, ref, truth, valid = flow.flow_pairs(frames, 6, torch.Generator().manual_seed(0))
    error = ((warp(ref, truth) - target).abs() * valid).sum() / valid.sum()
    plain = ((ref - target).abs() * valid).sum() / valid.sum()
    assert error < 0.75 * plain


def test_schedule_switches_where_the_settings_say():
    cfg = SMOKE.renderer
    assert stages.schedule(cfg, cfg.steps_warm - 1) == stages.Phase("warm", 0.0)
    assert stages.schedule(cfg, cfg.steps_warm) == stages.Phase("joint", 0.1)
    assert stages.schedule(cfg, stages.total_steps(cfg) - 1) == stages.Phase("joint", 0.2)


def test_warm_stage_leaves_rbfin_alone(frames):
    torch.manual_seed(0)
    net, critic = checkpoints.build("renderer", SMOKE), checkpoints.build("critic", SMOKE)
    cfg = dataclasses.replace(SMOKE.renderer, steps_warm=3, steps_joint1=0, steps_joint2=0)
    before, tmn = snapshot(net.rbfin), snapshot(net.tmn)
    stages.train_renderer(net, critic, stages.Judges(None, None), frames, frames, cfg, 0, progress=False, validate_every=100)
    assert all(torch.equal(v, before[k]) for k, v in net.rbfin.state_dict().items())
    assert any(not torch.equal(v, tmn[k]) for k, v in net.tmn.state_dict().items())


def test_renderer_training_falls(frames):
    torch.manual_seed(0)
    net = checkpoints.build("renderer", SMOKE)
    cfg = dataclasses.replace(SMOKE.renderer, steps_warm=10, steps_joint1=25, steps_joint2=25, lr=2e-3)
    start = stages.validation_error(net, stages.validation_pairs(frames))
    history = stages.train_renderer(net, None, stages.Judges(None, None), frames, frames, cfg, 0, progress=False, validate_every=60)
    assert history.best_value < 0.92 * start  # the start is good already: it copies the warped reference


def test_checkpoint_round_trip_and_tampering(tmp_path):
    net = checkpoints.build("flow", SMOKE)
    path = checkpoints.save("flow_smoke", "flow", net, SMOKE, History(), tmp_path, command="test")
    loaded, card = checkpoints.load("flow_smoke", tmp_path)
    assert card["parameters"] == sum(p.numel() for p in net.parameters()) and not loaded.training
    for a, b in zip(net.state_dict().values(), loaded.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), atol=2e-3)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(config.InputError, match="not the file its card describes"):
        checkpoints.load("flow_smoke", tmp_path)
    with pytest.raises(config.InputError, match="no such checkpoint card"):
        checkpoints.load("nothing", tmp_path)


def test_networks_bound_to_a_face_load_beside_that_face_only(tmp_path, monkeypatch):
    from paperlib.face3d import model_choice

    for kind in ("flow", "teacher"):
        checkpoints.save(f"{kind}_smoke", kind, checkpoints.build(kind, SMOKE), SMOKE, History(), tmp_path)
    card = checkpoints.load("teacher_smoke", tmp_path)[1]
    assert len(card["face_model"]) == 64
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"another face")
    monkeypatch.setenv(model_choice.VARIABLE, str(other))
    checkpoints.load("flow_smoke", tmp_path)  # sees pictures, says no coefficients
    said = f"teacher_smoke.safetensors: was trained on face model {card['face_model'][:12]}.*train it again"
    with pytest.raises(config.InputError, match=said):
        checkpoints.load("teacher_smoke", tmp_path)
    del card["face_model"]  # an older card means the first face
    monkeypatch.setattr(checkpoints, "FIRST_FACE", "0" * 64)
    with pytest.raises(config.InputError, match="face model 000000000000"):
        checkpoints.check_face(card, tmp_path)
    monkeypatch.setattr(checkpoints, "FIRST_FACE", checkpoints.file_hash(other))
    checkpoints.check_face(card, tmp_path)


def test_a_thinned_curve_keeps_every_validation_and_the_last_row():
    rows = [{"step": 20.0 * (i + 1), "loss": 1.0} | ({"val": 0.5} if i % 10 == 9 else {}) for i in range(131)]
    thin = checkpoints.thin(rows)
    assert sum("val" in r for r in thin) == 13 and thin[0] == rows[0] and thin[-1] == rows[-1] and len(thin) < len(rows)
    assert [r["step"] for r in thin] == sorted(r["step"] for r in thin)
    assert checkpoints.thin(rows[:120]) == rows[:120]
