"""Expert and judge through the truth: their banks, their losses, who hears whom, and that they learn."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib import config
from paperlib.corpus import banks, speech, world
from paperlib.corpus.dataset import Corpus
from paperlib.errors import InputError
from paperlib.face3d.landmarks import lip_opening
from paperlib.face3d.morphable_model import default_model
from paperlib.metrics import sync_windows
from paperlib.training import checkpoints, judge, lip_truth, run, sync

SMOKE = config.load_profile("smoke", corpus__seconds=1.6, corpus__train_speakers=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return Corpus(SMOKE.corpus, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def clip(corpus):
    return corpus.load(corpus.clips("train")[0])


def toy_bank(n=3, frames=40, seed=0):
    """Clips whose sound is their motion: one look must be enough."""
    g = torch.Generator().manual_seed(seed)
    motion = [torch.randn(frames, lip_truth.POINTS, generator=g) * 0.2 for _ in range(n)]
    return [lip_truth.Heard(m, m[:, None, :48].repeat(1, 1, 27)[..., :1280].reshape(frames, 1, 80, 16)) for m in motion]


def test_mouth_motion_is_the_landmarks_way_from_neutral():
    model, exp = default_model(), torch.randn(3, 64) * 0.3
    moved = model.landmarks(model.shape(torch.zeros(3, 80), exp))
    neutral = model.landmarks(model.shape(torch.zeros(1, 80), torch.zeros(1, 64)))
    want = 10 * (moved - neutral)[:, 48:68]
    torch.testing.assert_close(lip_truth.mouth_motion(exp).view(3, 20, 3), want, atol=1e-4, rtol=1e-4)
    assert lip_opening(moved).shape == (3,)


def test_draw_gives_windows_inside_the_clip_and_apart():
    bank = [lip_truth.Seen(torch.zeros(n, 60), torch.zeros(n)) for n in (9, 30, 33)]
    g = torch.Generator().manual_seed(0)
    for i, centres in lip_truth.draw(bank, 200, 9, 5, g):
        assert i > 0  # nine frames hold no nine moments
        assert centres.min() >= 2 and centres.max() < len(bank[i].motion) - 2
        gaps = centres.sort().values.diff()
        assert len(centres) == 9 and gaps.min() >= sync_windows.APART
    with pytest.raises(ValueError, match="no clip has 12 moments"):
        lip_truth.draw(bank, 1, 12, 5, g)


def test_runs_are_the_frames_around_the_centre():
    frames = torch.arange(20)
    assert lip_truth.runs(frames, torch.tensor([2, 17]), 5).tolist() == [[0, 1, 2, 3, 4], [15, 16, 17, 18, 19]]
    assert lip_truth.runs(frames, torch.tensor([3]), 7).tolist() == [[0, 1, 2, 3, 4, 5, 6]]


def test_seen_loss_is_zero_for_the_truth_itself_and_does_not_move_it():
    torch.manual_seed(0)
    truth = lip_truth.MotionNet(toy_bank(), 5, 16, nonnegative=False)
    bank = [lip_truth.Seen(h.motion, h.motion) for h in toy_bank()]
    g = torch.Generator().manual_seed(0)
    assert lip_truth.seen_loss(truth, truth, bank, 2, 3, g).item() == pytest.approx(0, abs=1e-6)
    other = lip_truth.MotionNet(toy_bank(), 5, 16, nonnegative=False)
    loss = lip_truth.seen_loss(truth, other, bank, 2, 3, g)
    loss.backward()
    assert 0 < loss.item() <= 2
    assert all(p.grad is None for p in truth.parameters()) and all(p.grad is not None for p in other.parameters())


def test_motion_enters_in_its_own_deviations():
    g = torch.Generator().manual_seed(0)
    deep, shallow = torch.randn(4000, 1, generator=g), torch.randn(4000, 1, generator=g)
    axes = torch.linalg.qr(torch.randn(60, 2, generator=g))[0].T
    bank = [lip_truth.Heard(3 + deep @ axes[:1] + 0.1 * shallow @ axes[1:], torch.zeros(4000))]
    truth = lip_truth.MotionNet(bank, 5, 8, nonnegative=True)
    seen = (bank[0].motion - truth.mean) @ truth.ways
    torch.testing.assert_close(seen[:, -2:].std(0), torch.ones(2), atol=0.01, rtol=0)
    assert seen[:, :-2].std(0).max() < 1e-3  # ways that nobody moves are not blown up
    assert truth(torch.randn(2, 5, 60)).min() >= 0


def test_recolour_changes_exposure_and_keeps_the_range():
    pictures = torch.rand(40, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    out = lip_truth.recolour(pictures, torch.Generator().manual_seed(0))
    assert out.shape == pictures.shape and out.min() >= 0 and out.max() <= 1
    shift = (out - pictures).mean((1, 2, 3))
    assert shift.std() > 0.02 and abs(shift.mean()) < 0.06
    same = lip_truth.recolour(pictures, torch.Generator().manual_seed(0), gain=0, offset=0, noise=0)
    torch.testing.assert_close(same, pictures)


def test_expert_and_judge_share_no_voice_and_no_person(corpus):
    own = judge.judge_corpus(SMOKE.corpus, SMOKE.judge)
    assert own.cfg.motion == "rule2" != corpus.cfg.motion and own.cfg.seed != corpus.cfg.seed
    theirs = judge.people(own, "train", 6)
    assert len(theirs) == 6 and all(lip_truth.judges_voice(own, k) for k in theirs)
    cfg = dataclasses.replace(SMOKE.sync, heard_speakers=12)
    wider = Corpus(dataclasses.replace(corpus.cfg, train_speakers=12), corpus.root)
    voices = {k: speech.VARIANTS[world.draw_speaker(0, k).voice % len(speech.VARIANTS)] for k in range(12)}
    mine = [k for k in range(12) if not lip_truth.judges_voice(wider, k)]
    assert 0 < len(mine) < 12 and not {voices[k] for k in mine} & set(lip_truth.JUDGE_VOICES)
    assert len(sync.heard_bank(corpus, cfg)) == len(mine)
    assert set(lip_truth.JUDGE_VOICES) < set(speech.VARIANTS)


def test_seen_items_are_the_crops_that_scoring_uses(clip):
    seen = sync.seen_item(clip, SMOKE.sync.size)
    assert torch.equal(seen.pictures, banks.face_item(clip, SMOKE.sync.size).faces)
    centres = torch.tensor([4, 9])
    assert torch.equal(sync.stacked(lip_truth.runs(seen.pictures, centres, 5)), sync.lips(seen.pictures, centres))


def test_brightness_of_a_lip_window_does_not_count():
    torch.manual_seed(0)
    net = checkpoints.build("sync", SMOKE).eval()
    lips = torch.rand(2, 15, 16, 32) * 0.5
    torch.testing.assert_close(net.embed_lips(lips + 0.3), net.embed_lips(lips), atol=1e-4, rtol=1e-4)


def test_longer_clips_are_drawn_more_often():
    bank = [lip_truth.Seen(torch.zeros(n, 60), torch.zeros(n)) for n in (20, 80)]
    drawn = [i for i, _ in lip_truth.draw(bank, 400, 1, 5, torch.Generator().manual_seed(0))]
    assert 0.7 < np.mean(drawn) < 0.9


def test_grey_mouths_are_the_luma_of_the_mouth_crop(clip):
    from paperlib.media.cropping import crop_frames, mouth_box

    grey = judge.grey_mouths(clip.frames, clip.lmk_neutral, 32)
    colour = crop_frames(clip.frames, mouth_box(clip.lmk_neutral), 32).astype(float)
    want = 0.299 * colour[..., 0] + 0.587 * colour[..., 1] + 0.114 * colour[..., 2]
    assert grey.dtype == torch.uint8 and np.abs(grey.numpy() - want).max() <= 0.51


def test_accuracy_of_a_perfect_and_of_an_empty_table():
    share, threshold = sync.accuracy([np.eye(60)])
    assert share == 1.0 and 0 < threshold <= 1
    tables = [np.random.default_rng(k).normal(size=(60, 60)) for k in range(4)]
    assert 0.5 <= sync.accuracy(tables)[0] < 0.68  # the best threshold on the same clips flatters
    with pytest.raises(ValueError, match="none of 1 clips"):
        sync.accuracy([np.eye(20)])


def test_validation_loss_is_chance_without_information_and_falls_with_it():
    assert sync.validation_loss([np.zeros((40, 40))]) == pytest.approx(np.log(sync.MOMENTS))
    assert sync.validation_loss([np.eye(40)]) < 0.01
    with pytest.raises(ValueError, match="has 8 moments"):
        sync.validation_loss([np.eye(10)])


@pytest.mark.parametrize("kind", ["sync", "judge"])
def test_sound_is_learned_from_the_truth(kind):
    torch.manual_seed(0)
    net, bank = checkpoints.build(kind, SMOKE).train(), toy_bank(4)
    truth = lip_truth.MotionNet(bank, 5, 32 if kind == "sync" else 16, nonnegative=kind == "sync")
    embed = net.embed_mel if kind == "sync" else net.embed_sound
    if kind == "judge":
        bank = [lip_truth.Heard(h.motion, h.motion[:, :52].repeat(1, 7).view(-1, 13, 28)) for h in bank]
    optimiser = torch.optim.Adam([*net.parameters(), *truth.parameters()], 3e-3)
    g, losses = torch.Generator().manual_seed(0), []
    for _ in range(60):
        loss = lip_truth.heard_loss(truth, embed, bank, 2, 8, g)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_training_the_expert_lowers_both_losses_and_its_card_has_thresholds(corpus, clip):
    torch.manual_seed(0)
    net, cfg = checkpoints.build("sync", SMOKE), dataclasses.replace(SMOKE.sync, steps=40, lr=3e-3)
    item, heard = sync.seen_item(clip, cfg.size), [sync.heard_item(corpus, clip.id)]
    val = [banks.face_item(clip, cfg.size)]
    history, truth = sync.train_sync(net, [item], heard, val, cfg, 0, progress=False, log_every=10, validate_every=20)
    for name in ("loss", "look"):
        values = history.curve(name)[1]
        assert values[-1] < 0.9 * values[0], name
    assert history.best_step in (20, 40) and len(history.curve("val_accuracy")[1]) == 2
    found = sync.card([sync.cosines(net, v) for v in val], truth, net.embed_mel, heard)
    assert set(found["windows"]) == {"5", "7", "9", "15", "25"}
    assert all(0.4 < row["accuracy"] <= 1 and -1 <= row["threshold"] <= 1 for row in found["windows"].values())


def test_judge_trains_on_its_own_corpus_and_loads_back(tmp_path, monkeypatch):
    from paperlib import paths

    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "build_dir", lambda name: tmp_path / "build")
    small = dataclasses.replace(SMOKE, judge=dataclasses.replace(SMOKE.judge, steps=4, people=1, heard_speakers=1))
    run.train("judge", small, validate_every=4)
    net, card = checkpoints.load("judge_smoke", tmp_path / "build" / "checkpoints")
    assert card["motion"] == "rule2" and card["corpus"]["settings"]["seed"] == SMOKE.judge.people_seed
    assert card["trained_on"]["voices"] == list(lip_truth.JUDGE_VOICES) and "25" in card["windows"]
    assert net.embed_sound(torch.randn(1, 13, 28)).shape == (1, SMOKE.judge.embed)
    with pytest.raises(Exception, match="judge learns from rendered faces alone"):
        run.train("judge", small, data=tmp_path)


def test_every_profile_leaves_the_expert_somebody_to_hear(corpus):
    for name in config.PROFILES:
        profile = config.load_profile(name)
        few = range(min(profile.sync.heard_speakers, 40))
        assert not all(lip_truth.judges_voice(Corpus(profile.corpus), k) for k in few), name
    with pytest.raises(InputError, match="raise it"):
        sync.heard_bank(corpus, dataclasses.replace(SMOKE.sync, heard_speakers=4))  # the first four have the judge's voices
