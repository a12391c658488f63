"""The renderer study on clips made on the spot with networks of a few steps: bank, cells, resumption, scores, tables and figures."""

import json
import pickle
from pathlib import Path

import made_clips
import numpy as np
import pytest
import torch

from paperlib.config import load_profile
from paperlib.corpus.banks import RenderItem
from paperlib.errors import InputError
from paperlib.evaluation import renderer_bank, renderer_scores, renderer_study, renderer_tables
from paperlib.evaluation.renderer_bank import DubItem, load
from paperlib.evaluation.renderer_variants import VARIANTS
from paperlib.paper import row_id
from paperlib.results import read_results, select
from paperlib.training.sweep import Sweep

STEPS = 2
NAMES = ("full", "base", "no_corr")


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A bank of toy clips: two people to train on, one to validate, two to test."""
    folder = tmp_path_factory.mktemp("bank")
    made = made_clips.clip
    renderer_bank.save([renderer_bank.train_item(made(s, split="train"), 64) for s in (5, 6)], folder / "train")
    renderer_bank.save([renderer_bank.train_item(made(7, split="val"), 64)], folder / "val")
    exp = torch.zeros(made_clips.FRAMES, 64)
    renderer_bank.save([renderer_bank.dub_item(made(s, 0), made(s, 1), exp, 64) for s in (0, 1)], folder / "test")
    return folder


def colours(frames):
    """(T, 3) in place of identity descriptors, which take a tenth of a second each."""
    return frames.mean((1, 2))


@pytest.fixture(scope="module")
def study(bank, tmp_path_factory):
    """Three variants, one seed, two steps each, trained with smoke-size networks without VGG; no network of any use."""
    seen = {}
    with pytest.MonkeyPatch.context() as patch:
        from paperlib.losses import perceptual
        from paperlib.training import checkpoints, stages

        def spy(net, critic, judges, train, val, cfg, seed, staged=True, **loop):
            seen[Path(loop["folder"]).parts[-3]] = (judges.flow_fn, staged, net)
            return trained(net, critic, judges, train, val, cfg, seed, staged, **loop)

        trained = stages.train_renderer
        patch.setattr(stages, "train_renderer", spy)
        patch.setattr(perceptual, "VGGFeatures", lambda layers: None)
        flow = checkpoints.build("flow", load_profile("smoke"))
        patch.setattr(checkpoints, "load", lambda name, folder=None: (flow, {}))
        patch.setattr(renderer_scores, "lpips_net", lambda spatial: None)
        patch.setattr(renderer_scores.image, "lpips", lambda a, b, mask=None, net=None: (a - b).abs().mean((1, 2, 3)))
        patch.setattr(renderer_scores.identity, "descriptors", lambda frames, lmk, keep=None: colours(frames))
        cells = renderer_study.study_cells(load_profile("smoke"), STEPS, (0,), NAMES)
        folder = tmp_path_factory.mktemp("study")
        nets = Sweep(folder / "nets", renderer_study.Train(bank, folder), cells, ("renderer",))
        sanity = renderer_study.Cell(renderer_study.SANITY, 0, dict(cells[0].overrides), {}, "smoke")
        scores = Sweep(folder / "scores", renderer_study.Score(bank / "test", nets), [*cells, sanity], ("renderer",))
        made = renderer_study.train_study(renderer_study.Study(bank, bank / "test", nets, scores))
    return made, seen


def test_a_bank_comes_back_as_it_was_cut(bank):
    train, val, test = (load(kind, bank / part) for part, kind in (("train", RenderItem), ("val", RenderItem), ("test", DubItem)))
    again = renderer_bank.dub_item(made_clips.clip(1, 0), made_clips.clip(1, 1), torch.zeros(made_clips.FRAMES, 64), 64)
    for name in ("source", "target", "late", "i3d_true", "i3d_predicted", "ref", "frozen", "masks", "mouth", "near", "step"):
        assert torch.equal(getattr(test[1], name), getattr(again, name)), name
    assert [i.id.speaker for i in train] == [5, 6] and isinstance(val[0], RenderItem) and isinstance(again, DubItem)
    assert again.step.tolist() == list(range(0, made_clips.FRAMES, renderer_bank.TEST_STRIDE))


def test_twins_differ_inside_the_mask_and_the_told_mouths_differ(bank):
    item = load(DubItem, bank / "test")[0]
    apart = (item.source.int() - item.target.int()).abs().amax(-1)
    assert apart[item.masks].float().mean() > 5 * apart[~item.masks].float().mean() and apart[item.masks].max() > 20
    assert not torch.equal(item.i3d_true, item.i3d_predicted)
    frames = torch.from_numpy(made_clips.clip(0, 1).frames)
    at = renderer_bank.TEST_STRIDE
    assert torch.equal(item.late[1], frames[at - 1]) and torch.equal(item.target[1], frames[at])


def test_pictures_shrink_by_area_and_never_grow():
    frames = np.random.default_rng(0).integers(0, 255, (2, 96, 96, 3), np.uint8)
    small = renderer_bank.shrink(frames, 48)
    blocks = frames.reshape(2, 48, 2, 48, 2, 3).mean((2, 4))
    assert np.abs(small - blocks).max() <= 0.51
    with pytest.raises(InputError, match="not larger"):
        renderer_bank.shrink(frames, 128)


def test_cells_hold_what_the_variants_say():
    cells = renderer_study.study_cells(load_profile("classroom"), 1000, (0, 1))
    assert len(cells) == 18 and [c.seed for c in cells] == [0] * 9 + [1] * 9
    for cell in cells:
        cfg = cell.settings().renderer
        assert cfg.size == 64 and cfg.vgg_size == 32 and cfg.steps_warm + cfg.steps_joint1 + cfg.steps_joint2 == 1000
        assert cell.options == {"staged": VARIANTS[cell.name].staged}
    assert len({Sweep(Path("x"), None, cells, ("renderer",)).path(c) for c in cells}) == 18
    with pytest.raises(InputError, match="unknown variant"):
        renderer_study.study_cells(load_profile("classroom"), names=("half",))


def test_training_is_told_what_each_variant_removes(study):
    _, seen = study
    assert seen["full"][0] is not None and seen["base"][0] is None and seen["no_corr"][0] is None
    assert (seen["full"][1], seen["base"][1], seen["no_corr"][1]) == (True, False, True)
    assert seen["base"][2].sfm is None and seen["base"][2].tmn is None


def test_finished_cells_are_not_done_again_and_nets_come_back(study):
    made, seen = study
    assert not made.nets.missing() and not made.scores.missing()
    cell = made.nets.cells[0]
    net = renderer_study.load_net(cell, made.nets.path(cell))
    for k, v in seen["full"][2].state_dict().items():
        assert torch.equal(net.state_dict()[k], v), k
    assert made.nets.read(cell).result["steps"] == STEPS
    untouched = Sweep(made.nets.folder, None, made.nets.cells, ("renderer",)).run()  # work that would fail if it were called
    assert len(untouched) == len(NAMES)


def test_jobs_travel_to_other_processes(study):
    made, _ = study
    there = pickle.loads(pickle.dumps(made.scores))
    assert [there.path(c) for c in there.cells] == [made.scores.path(c) for c in made.scores.cells] and there.work == made.scores.work


def test_scores_of_controls_have_known_values(study):
    made, _ = study
    scores = renderer_tables.gather(made)
    at = {k: scores.interval(k).value for k in scores.values}
    assert at["truth", "none", "skill", "crop"] == 1 and at["frozen_mouth", "none", "skill", "crop"] == 0
    assert at["truth", "none", "lmd", "mouth"] == 0 and at["truth", "none", "csim", "frame"] == pytest.approx(1)
    assert np.isnan(at["truth", "none", "psnr", "crop"])  # infinite: no value
    assert at["source_unchanged", "none", "psnr", "crop"] < at["source_unchanged", "none", "psnr", "frame"]
    assert ("warp_only", "true", "psnr", "crop") in at and ("base", "predicted", "lpips", "mouth") in at


def test_tables_are_written_with_known_rows_and_the_published_ones(study, tmp_path):
    made, _ = study
    written = renderer_tables.write_tables(made, load_profile("smoke"), tmp_path, 0.0, "test")
    assert {p.name for p in written} == {"controls_renderer_study.json", "study_renderer_curves.json", "figure6_frames.npz"}
    rows, header = read_results("controls_renderer_study", tmp_path)
    for r in rows:
        row_id(r.table, r.row)
    assert select(rows, row="full_minus_frozen_mouth", metric="skill", region="crop", beta="true")
    assert header["variants"]["base"] == VARIANTS["base"].words and f", {STEPS} steps" in rows[0].data
    curves = json.loads((tmp_path / "study_renderer_curves.json").read_text())["curves"]
    assert set(curves) == set(NAMES) and curves["full"]["0"]["scale_low"][-1] == pytest.approx(0.1, abs=0.05)
    with np.load(tmp_path / "figure6_frames.npz") as frames:
        assert frames["base_true"].shape == (2, 64, 64, 3) == frames["target"].shape
        outside = frames["hole"].any(-1)
        assert np.abs(frames["full_true"].astype(int) - frames["hole"])[outside].max() <= 1  # around the hole: the clip's own pixels


def test_an_unfinished_study_says_what_to_do(study):
    made, _ = study
    cells = renderer_study.study_cells(load_profile("smoke"), STEPS, (0, 1), NAMES)
    nets = Sweep(made.nets.folder, made.nets.work, cells, ("renderer",))
    with pytest.raises(InputError, match="lacks 3 cells"):
        renderer_tables.gather(renderer_study.Study(made.bank, made.dubs, nets, made.scores))
