"""The studies end to end on a few frames: every file is written, a second call trains nothing, GRID lists each person's clip."""

import csv
import json

import numpy as np
import pytest
import torch

from paperlib import config, paper, paths
from paperlib.corpus import real_motion
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation import expression_cells as cells
from paperlib.evaluation import expression_grid, expression_shipped, expression_study
from paperlib.models.expression import ExpressionNet
from paperlib.results import read_results, select
from paperlib.training import checkpoints
from paperlib.training.loop import History

SMOKE = config.load_profile(
    "smoke", corpus__seconds=1.2, corpus__test_scenes=1, study__speakers=2, study__steps=4, study__validate_every=2, study__seeds=2,
    study__grid_clips=(0, 2), study__grid_steps=3, expression__window=10,
)  # fmt: skip
SERIAL = How(backend="serial", progress=False)


def prepared(folder, corpus):
    """A prepared folder whose recorded people are embedded ones: 14 clips of s1, one each of two others."""
    clips = [("s1", i) for i in range(14)] + [("x1", 0), ("x2", 0)]
    source = corpus.clips("test")
    rows = []
    for n, (speaker, i) in enumerate(clips):
        coeffs, wave = corpus.speech(source[n % len(source)])
        path = folder / speaker / "v" / f"{i:03d}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        blank, meta = np.zeros((len(coeffs), 68, 2), np.float32), json.dumps({"speaker": speaker})
        found = np.ones(len(coeffs), bool)
        np.savez(path, coeffs=coeffs, wave=wave, lmk=blank, lmk_neutral=blank, found=found, meta=np.array(meta))
        rows.append({"clip": f"{speaker}/v/{i:03d}", "split": "test"})
    with open(folder / "clips.csv", "w", newline="") as f:
        writer = csv.DictWriter(f, ("clip", "split"))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "card.json").write_text(json.dumps({"corpus": "grid", "settings": {"size": 64}}))
    return folder


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    patch = pytest.MonkeyPatch()
    patch.setattr(paths, "CACHE", folder / "cache")
    patch.setattr(real_motion, "FOLDER", folder / "no recordings")
    patch.setattr(expression_grid, "VAL_CLIPS", 3)
    caches = (cells.speech, cells.teacher_of, expression_grid.recorded)
    for cached in caches:
        cached.cache_clear()
    torch.manual_seed(0)
    teacher = checkpoints.build("teacher", SMOKE)
    checkpoints.save("teacher_smoke", "teacher", teacher, SMOKE, History(), folder / "teachers", note="untrained, for a test")
    patch.setitem(config.PROFILES, "smoke", SMOKE)
    sources = cells.Sources(folder / "teachers", prepared(folder / "grid", Corpus(SMOKE.corpus)))
    written = expression_study.study(SMOKE, SERIAL, folder / "results", folder / "work", sources)
    yield folder, sources, written
    patch.undo()
    for cached in caches:
        cached.cache_clear()


def test_every_file_is_written_and_its_rows_have_known_names(ran):
    folder, _, written = ran
    assert [p.stem for p in written] == list(expression_study.TABLES)
    for path in written:
        rows, made = read_results(path.stem, path.parent)
        assert made["budget"]["steps"] == 4 and "full 0" in made["validation"]
        assert all(paper.row_id(r.table, r.row) and r.table == path.stem for r in rows)


def test_tables_hold_the_rows_they_promise(ran):
    rows = {p.stem: read_results(p.stem, p.parent)[0] for p in ran[2]}
    table3 = select(rows["table3"], metric="aed", region="mouth", kind="measured")
    assert {"full", "base", "no_semantic", "no_attention", "no_shape", "mean_expression", "truth", "other_take"} <= {r.row for r in table3}
    assert all(r.seeds == 2 and r.n == 2 for r in table3 if r.row in cells.TABLE3)
    assert next(r.value for r in table3 if r.row == "truth") == 0
    assert {"k0", "k2"} <= {r.row for r in rows["expression_window"]}
    asked = {r.row for r in select(rows["expression_inputs"], metric="aed_mouth")}
    assert {"full", "random_teacher", "true_frames", "audio_only", "images_still", "audio_silent", "teacher_x4"} <= asked
    printed = {f"as_printed{part}_images_swapped" for part in ("", "_minus_as_printed")}
    assert {"as_printed", "full_minus_as_printed", *printed} <= asked and "as_printed_minus_as_printed" not in asked
    assert len(select(rows["expression_inputs"], row="as_printed", metric="aed_mouth")) == 1
    assert select(rows["expression_inputs"], row="teacher_x4")[0].value is None
    assert {r.motion for r in rows["expression_transfer"]} == {"rule", "rule2"}  # no recordings here, so no `real`
    assert {"shifted_m5", "silent_speech", "shuffled_speech"} <= {r.row for r in rows["expression_measures"]}


def test_grid_lists_each_other_persons_clip(ran):
    rows = read_results("expression_grid", ran[0] / "results")[0]
    one = select(rows, row="tuned_2", metric="aed_mouth", protocol="one clip")
    assert [r.data for r in one] == ["GRID x1/v/000", "GRID x2/v/000"] and all(r.seeds == 2 for r in one)
    same = select(rows, row="scratch_2", metric="aed_mouth")[0]
    assert "9 other sentences" in same.data and same.n == 9 and "one speaker" in same.protocol
    assert {"tuned_0", "tuned_2", "scratch_2", "mean_expression", "ridge_mfcc", "tuned_2_minus_scratch_2"} <= {r.row for r in rows}


def test_a_second_call_trains_nothing_and_writes_the_same_rows(ran, monkeypatch):
    folder, sources, _ = ran
    for work in (cells.Train, expression_grid.TrainGrid, expression_study.scoring.Score):
        monkeypatch.setattr(work, "__call__", None)
    again = expression_study.study(SMOKE, SERIAL, folder / "again", folder / "work", sources)
    for path in again:
        assert read_results(path.stem, folder / "again")[0] == read_results(path.stem, folder / "results")[0]


def test_attention_examples_are_rows_that_sum_to_one(ran):
    folder, sources, _ = ran
    found = expression_study.attention_examples(SMOKE, folder / "work", sources)
    assert set(found) == {"plosive", "vowel"} and len(found["vowel"]) > 0
    assert found["vowel"].shape[1] == 2 * SMOKE.expression.k + 1 and np.allclose(found["vowel"].sum(1), 1, atol=1e-5)


def test_the_random_teacher_draws_something_and_is_not_the_trained_one(ran):
    _, sources, _ = ran
    store = cells.speech(SMOKE.corpus, SMOKE.study, "val")
    random, teacher = (cells.images(store, kind, SMOKE, sources)[0].float() for kind in (cells.RANDOM, cells.TEACHER))
    assert random.std(0).mean() > 0.5 and not torch.equal(random, teacher)
    assert cells.teacher_of(cells.RANDOM, SMOKE, sources)[1].startswith("random_teacher")


def test_table3s_removals_are_what_they_say(ran):
    made = {c.name: c for c in cells.table3_cells(SMOKE) if c.seed == 0}
    nets = {name: cells.build(cell) for name, cell in made.items()}
    assert [name for name, net in nets.items() if net.cnn_visual is None] == ["base", "no_semantic"]
    assert [name for name, net in nets.items() if not net.use_attention] == ["base", "no_attention"]
    assert [name for name, cell in made.items() if cell.settings().expression.lambda_shape == 0] == ["base", "no_shape"]


@pytest.mark.parametrize("name", ["smoke", "classroom"])
def test_the_audio_only_network_has_the_full_ones_size(name):
    profile = config.load_profile(name)
    wide = config.load_profile(name, expression__audio_channels=cells.equal_size(profile)).expression

    def count(cfg, semantic):
        return sum(p.numel() for p in ExpressionNet(cfg, profile.teacher.size, use_semantic=semantic).parameters())

    assert abs(count(wide, False) / count(profile.expression, True) - 1) < 0.03


def test_no_teacher_is_said_in_one_line(tmp_path):
    cells.teacher_of.cache_clear()
    with pytest.raises(config.InputError, match="paperlib train"):
        cells.teacher_of(cells.TEACHER, SMOKE, cells.Sources(tmp_path))


def test_the_first_seed_can_be_shipped_and_scores_as_it_did_in_the_study(ran, monkeypatch):
    """Half precision may move a score in its third digit, no more."""
    folder, sources, _ = ran
    made = expression_shipped.ship(SMOKE, folder / "work", folder / "teachers", sources)
    windows = [f"k{k}" for k in SMOKE.study.windows if k != SMOKE.expression.k]
    assert [p.stem for p in made] == [*(f"table3_{row}_smoke" for row in cells.TABLE3), *(f"window_{k}_smoke" for k in windows)]
    net, card = checkpoints.load("table3_base_smoke", folder / "teachers")
    assert not net.use_semantic and not net.use_attention and card["switches"] == {"use_semantic": False, "use_attention": False}
    assert expression_shipped.shipped_rows("smoke", folder / "teachers") == [*cells.TABLE3, *windows]
    monkeypatch.setattr(expression_shipped.RenderedJudge, "of", lambda profile: None)
    path, other = expression_shipped.evaluate(SMOKE, folder / "again", shipped=folder / "teachers")
    again, window = (read_results(p.stem, p.parent)[0] for p in (path, other))
    study = {(r.row, r.metric): r.value for r in read_results(other.stem, folder / "results")[0]}
    assert {(r.row, r.metric) for r in window} == set(study)
    assert all(r.value == pytest.approx(study[r.row, r.metric], rel=1e-2, abs=5e-3) for r in window if r.metric == "aed_mouth")
    done = json.loads(next((folder / "work" / "scores" / "no_shape").glob("seed0-*/result.json")).read_text())["result"]["scores"]
    wanted = np.mean([s["aed"] for s in done if s["row"] == "no_shape"])
    got = next(r for r in again if r.row == "no_shape" and r.metric == "aed" and r.region == "frame" and r.kind == "measured")
    assert got.value == pytest.approx(wanted, rel=1e-2) and got.seeds == 1


def test_an_unfinished_study_cannot_be_shipped(ran, tmp_path):
    _, sources, _ = ran
    with pytest.raises(InputError, match="not trained yet"):
        expression_shipped.ship(SMOKE, tmp_path, tmp_path, sources)
