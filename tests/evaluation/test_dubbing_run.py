"""The run of tables 1 and 2 on made clips: plans, cells that are kept, clip scores, frames for the figures, results files."""

import csv
import dataclasses

import numpy as np
import pytest
from made_dubs import CFG, FRAMES, Made

from paperlib.config import load_profile
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation import dubbing_run as run
from paperlib.evaluation import dubbing_tables
from paperlib.evaluation.dubbing_systems import SPEECH, entries
from paperlib.evaluation.dubbing_tasks import CROSS, SELF, Plan
from paperlib.paper import row_id
from paperlib.results import read_results, select

SERIAL = How(backend="serial", progress=False)
PROFILE = load_profile("smoke")
PLANS = run.plans([(c, dataclasses.replace(c, take=1)) for c in Made().clips("test") if c.take == 0])
NAME = "id00000/scene00/00000 with id00000/scene00/00001"


@pytest.fixture(scope="module")
def made(store, shelf, tmp_path_factory):
    """A sweep over both kinds of task; nothing has run yet."""
    score = run.Score(store, tuple(PLANS), shelf, CFG, (NAME,))
    return run.sweep(tmp_path_factory.mktemp("cells"), score, entries(shelf), PROFILE)


def test_the_tables_corpus_has_both_scenes_of_its_people():
    corpus = run.table_corpus(load_profile("classroom"))
    chosen = run.pairs(corpus, 20)
    assert len(chosen) == 40 and len({a.speaker for a, _ in chosen}) == 20 and {a.scene for a, _ in chosen} == {0, 1}
    assert all((a.speaker, a.scene, a.take, b.take) == (b.speaker, b.scene, 0, 1) for a, b in chosen)
    assert {a.test_set for a, _ in chosen[:20]} == {"still heads"} and {a.test_set for a, _ in chosen[20:]} == {"strong head motion"}
    own = load_profile("classroom").corpus.test_speakers
    assert [a.speaker for a, _ in chosen[:own]] == list(range(10_000, 10_000 + own))  # the classroom's own people come first


def test_plans_pair_each_clip_with_its_twin_and_a_stranger():
    a, b, c, d = (f"id0000{s}/scene00/0000{t}" for s in (0, 1) for t in (0, 1))
    assert PLANS == [Plan(CROSS, a, b, d), Plan(CROSS, c, d, b), Plan(SELF, b, b, d), Plan(SELF, d, d, b)]


def test_one_person_borrows_its_other_scene_and_one_pair_is_refused():
    chosen = run.pairs(run.table_corpus(PROFILE), 1)
    assert [p.third for p in run.plans(chosen)[:2]] == [chosen[1][1].name, chosen[0][1].name]
    with pytest.raises(InputError, match="the only test clip"):
        run.plans(chosen[:1])


def test_cells_are_the_systems_that_are_there(made):
    names = [c.name for c in made.cells]
    assert names[:2] == ["ours_mini", "wav2lip_mini"] and "diff2lip_mini" not in names and set(SPEECH) <= set(names)
    kinds = {c.name: c.options["kinds"] for c in made.cells}
    assert kinds["truth"] == [CROSS] and kinds["frozen_mouth"] == [CROSS, SELF]


@pytest.mark.parametrize(
    ("method", "rows"),
    [("ours", {"ours_mini"}), ("wav2lip", {"wav2lip_mini"}), ("truth", {"truth"}), ("sadtalker_mini", {"sadtalker_mini"})],
)
def test_a_method_is_a_row_or_several(shelf, method, rows):
    assert {e.row for e in run.chosen_rows(method, entries(shelf))} == rows


def test_sanity_and_all_and_nothing_else(shelf):
    found = [{e.row for e in run.chosen_rows(m, entries(shelf))} for m in ("sanity", "all")]
    assert len(found[0]) == 11 and len(found[1]) == 17 and not {r for r in found[0] if r.endswith("_mini")}
    with pytest.raises(InputError, match="--method talklip: choose all, ours, wav2lip"):
        run.chosen_rows("talklip", entries(shelf))


def test_finished_systems_are_kept_and_scored_once(made, shelf, minis, monkeypatch):
    rows = entries(shelf)
    done = run.run(made, run.chosen_rows("frozen_mouth", rows), SERIAL)
    assert [d.cell.name for d in done] == ["frozen_mouth"]
    scores = run.all_scores(done)
    assert [(s["kind"], s["clip"], s["speaker"]) for s in scores] == [(p.kind, f"{p.source} with {p.speech}", p.source[6]) for p in PLANS]
    assert all(s["skill_crop"] == pytest.approx(0, abs=1e-5) and s["set"] == "still heads" for s in scores)
    opened = []
    monkeypatch.setattr(run, "open_system", lambda row, shelf, own=run.open_system: opened.append(row) or own(row, shelf))
    done = run.run(made, [e for e in rows if e.row in ("frozen_mouth", "truth", "wav2lip_mini")], SERIAL)
    assert opened == ["wav2lip_mini", "truth"] and {d.cell.name for d in done} == {"frozen_mouth", "truth", "wav2lip_mini"}
    truth = next(d for d in done if d.cell.name == "truth").result["scores"]
    assert len(truth) == 2 and truth[0]["psnr_crop"] is None and truth[0]["lmd_mouth"] == 0  # infinite is kept as no value


def test_other_tasks_or_checkpoints_are_another_cell(made, shelf, store):
    cell = made.cells[0]
    fewer = run.sweep(made.folder, dataclasses.replace(made.work, plans=made.work.plans[:1]), entries(shelf), PROFILE)
    assert fewer.path(fewer.cells[0]) != made.path(cell)
    changed = [dataclasses.replace(e, key="another") if e.row == "ours_mini" else e for e in entries(shelf)]
    other = run.sweep(made.folder, made.work, changed, PROFILE)
    assert other.path(other.cells[0]) != made.path(cell) and other.path(other.cells[1]) == made.path(made.cells[1])


def test_clip_scores_as_csv(tmp_path):
    scores = [
        {"row": "truth", "kind": CROSS, "set": "s", "clip": "a with b", "speaker": "1", "lmd_mouth": 0.0, "psnr_crop": None},
        {"row": "ours_mini", "kind": CROSS, "set": "s", "clip": "a with b", "speaker": "1", "lmd_mouth": 0.25},
    ]
    with open(run.write_clips(scores, tmp_path / "x" / "clips.csv"), newline="") as f:
        rows = list(csv.DictReader(f))
    assert rows[0] == {"row": "truth", "kind": CROSS, "set": "s", "clip": "a with b", "speaker": "1", "psnr_crop": "", "lmd_mouth": "0.0"}
    assert rows[1]["lmd_mouth"] == "0.25" and rows[1]["psnr_crop"] == ""


def test_frames_of_every_scored_system_are_kept(made, shelf, minis, tmp_path):
    done = run.run(made, run.chosen_rows("wav2lip", entries(shelf)), SERIAL)
    (path,) = run.keep_frames(made, done, tmp_path, {"still heads": "figure4_frames.npz", "strong head motion": "none.npz"})
    with np.load(path) as kept:
        assert path.name == "figure4_frames.npz" and {"source", "truth", "wav2lip_mini", "names"} <= set(kept)
        assert kept["source"].shape == kept["wav2lip_mini"].shape == (2, 64, 64, 3) and kept["names"][0].startswith(
            "id00000/scene00/00000 f"
        )


def test_evaluate_writes_tables_clips_and_agreement(made, shelf, minis, tmp_path, monkeypatch):
    monkeypatch.setattr(dubbing_tables.paths, "BUILD", tmp_path)
    monkeypatch.setattr(dubbing_tables.dubbing_run, "open_run", lambda *args: made)
    out = tmp_path / "results"
    for method in ("frozen_mouth", "truth", "wav2lip"):
        written = dubbing_tables.evaluate(PROFILE, method, out, how=SERIAL, shelf=shelf)
    assert {p.name for p in written} == {"clips.csv", "table1.json", "judge_agreement.json", "figure4_frames.npz", "clips.html"}
    page = (tmp_path / "smoke" / "tables" / "clips.html").read_text()  # ours is not scored: by name, and without worst dubs
    assert page.index(f'data-clip="{NAME}"') < page.index('data-clip="id00001/') and page.count("<section") == 2
    assert "not by ours, which is not there (not scored; `paperlib evaluate --method ours_mini` does it): by name" in page
    assert page.count("no checkpoint diff2lip_mini_smoke: not trained</td>") == 2 and "<th>Wav2Lip-mini</th><td title=" in page
    rows, header = read_results("table1", out)
    for r in rows:
        row_id(r.table, r.row)
    assert select(rows, row="wav2lip_mini", metric="lmd", track=SELF)[0].value > 0 and not select(rows, row="full_minus_wav2lip_mini")
    assert "ours_mini" in header["not_scored"] and header["checkpoints"]["diff2lip_mini"].startswith("no checkpoint")
    assert header["instruments"]["judge"].startswith("judge_classroom") and header["region_shares"]["crop"] > 0
    assert header["every"]["lips"] == PROFILE.tables.lips_every and header["clips"] == 2
    agreed, _ = read_results("judge_agreement", out)
    assert {row_id(r.table, r.row) for r in agreed} >= {"tau_judge_expert"} and len(select(agreed, metric="survives")) == 3
    assert FRAMES  # the made clips are long enough for the judge's lags
