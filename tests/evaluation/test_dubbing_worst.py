"""Which dubs come out worst, by hand; their frames, and a mini's frame that nobody kept."""

import dataclasses

import numpy as np
import pytest
import torch
from made_dubs import CFG, Made, Paster

from paperlib.baselines.interface import dub
from paperlib.config import load_profile
from paperlib.corpus.preparing import How
from paperlib.evaluation import dubbing_run as run
from paperlib.evaluation import dubbing_worst as worst
from paperlib.evaluation.dubbing_frames import Kept, shown_frames, write_kept
from paperlib.evaluation.dubbing_systems import entries
from paperlib.evaluation.dubbing_tasks import CROSS, SELF, SENTENCE
from paperlib.evaluation.renderer_scores import to_uint8
from paperlib.training.sweep import Done

SERIAL = How(backend="serial", progress=False)


def score(row, clip, kind=CROSS, part="still heads", **measures):
    return {"row": row, "kind": kind, "set": part, "clip": clip, "speaker": clip[:2]} | measures


SCORES = [
    score("ours_mini", "b with b", skill_mouth=0.4), score("ours_mini", "c with c", skill_mouth=None),
    score("ours_mini", "a with a", skill_mouth=0.4), score("ours_mini", "d with d", skill_mouth=-0.2),
    score("ours_mini", "e with e", part="strong head motion", skill_mouth=0.1),
    score("ours_mini", "d with d", kind=SELF, skill_mouth=-9.0), score("frozen_mouth", "d with d", skill_mouth=0.0),
    score("wav2lip_mini", "d with d", skill_mouth=-0.1), score("diff2lip_mini", "d with d", skill_mouth=None),
    score("ip_lap_mini", "d with d", skill_mouth=-0.05), score("ip_lap_mini", "e with e", skill_mouth=0.9),
]  # fmt: skip


def test_the_worst_come_first_and_those_without_a_value_last():
    assert [s["clip"][0] for s in worst.worst_first(SCORES)] == ["d", "e", "a", "b", "c"]
    assert [s["clip"][0] for s in worst.worst_first(SCORES, part="still heads")] == ["d", "a", "b", "c"]
    assert worst.worst_first(SCORES, row="truth") == []


def test_without_a_truth_the_lips_decide():
    scores = [score("ours_mini", name, SENTENCE, leak_index=v, skill_mouth=-v) for name, v in (("x", 0.3), ("y", -0.1), ("z", 0.2))]
    assert [s["clip"] for s in worst.worst_first(scores, SENTENCE)] == ["y", "z", "x"]


def test_where_low_is_good_the_highest_is_worst():
    assert worst.goodness({"lmd_mouth": 2.0}, "lmd_mouth") == -2.0 and worst.goodness({"psnr_crop": 2.0}, "psnr_crop") == 2.0
    assert np.isnan(worst.goodness({}, "psnr_crop"))


def test_the_best_mini_is_neither_ours_nor_a_control():
    assert worst.best_mini(SCORES, "d with d")["row"] == "ip_lap_mini" and worst.best_mini(SCORES, "a with a") is None


def test_scores_come_back_from_their_file(tmp_path):
    assert worst.read_scores(tmp_path / "clips.csv") == []
    assert worst.read_scores(run.write_clips(SCORES, tmp_path / "clips.csv")) == SCORES


def test_a_caption_names_clip_frame_and_values():
    ours, mini = score("ours_mini", "id3/a/b with c", skill_mouth=0.12), score("ip_lap_mini", "id3/a/b with c", skill_mouth=0.45)
    assert worst.caption(ours, 33, mini) == "still heads, id3, frame 33: skill 0.120; IP_LAP-mini 0.450"
    assert worst.caption(ours, 33, None) == "still heads, id3, frame 33: skill 0.120"


@pytest.fixture
def scored(store, shelf, tmp_path):
    """A sweep of two cross-dubs, "scored" by ours and wav2lip_mini: ours is worst in a frame that the clips did not choose."""
    plans = run.plans([(c, dataclasses.replace(c, take=1)) for c in Made().clips("test") if c.take == 0])
    made = run.sweep(tmp_path / "cells", run.Score(store, tuple(plans), shelf, CFG), entries(shelf), load_profile("smoke"))
    names, done, scores = [f"{p.source} with {p.speech}" for p in plans if p.kind == CROSS], [], []
    tasks = {f"{p.source} with {p.speech}": store.task(p) for p in plans if p.kind == CROSS}
    bad = {name: next(t for t in range(len(tasks[name].source)) if t not in shown_frames(tasks[name])) for name in names}
    for row, values in (("ours_mini", (0.3, 0.1)), ("wav2lip_mini", (0.5, 0.6))):
        kept = {}
        for k, name in enumerate(names):
            at = sorted({*shown_frames(tasks[name]), *([bad[name]] if row == "ours_mini" else [])})
            kept[name] = Kept(tuple(at), np.full((len(at), 64, 64, 3), 50 + k, np.uint8), bad[name] if row == "ours_mini" else at[0])
            scores.append(score(row, name, skill_mouth=values[k]))
        (folder := tmp_path / row).mkdir()
        write_kept(folder, kept)
        done.append(Done(next(c for c in made.cells if c.name == row), {}, 0.0, folder))
    return made, done, scores, names, tasks, bad


def test_frames_of_the_worst_are_those_of_ours_and_a_minis_is_painted_again(scored, minis, tmp_path, monkeypatch):
    made, done, scores, names, tasks, bad = scored
    (path,) = worst.keep_worst(made, done, scores, tmp_path, SERIAL)
    order = names[::-1]  # 0.1 before 0.3
    with np.load(path) as kept:
        assert path.name == "worst_frames.npz" and "of 2 cross-dubs the 2 of each test set" in str(kept["said"])
        for k, name in enumerate(order):
            task, t = tasks[name], bad[name]
            assert np.array_equal(kept["source"][k], task.source.frames[t]) and np.array_equal(kept["truth"][k], task.truth.frames[t])
            assert np.array_equal(kept["frozen_mouth"][k], task.source.frozen[t])
            with torch.no_grad():
                assert np.array_equal(kept["best_mini"][k], to_uint8(dub(Paster(), task.given))[t])
            assert f"frame {t}: skill 0.{'13'[k]}00; Wav2Lip-mini 0.{'65'[k]}00" in str(kept["captions"][k])
        assert [int(p.max()) for p in kept["ours_mini"]] == [51, 50]
    before = path.read_bytes()
    monkeypatch.setattr(worst, "open_system", None)  # painted once: it is not asked again
    (path,) = worst.keep_worst(made, done, scores, tmp_path, SERIAL)
    assert path.read_bytes() == before


def test_without_ours_there_is_no_worst_and_without_minis_no_best(scored, tmp_path):
    made, done, scores, *_ = scored
    assert worst.keep_worst(made, done[1:], [s for s in scores if s["row"] != "ours_mini"], tmp_path, SERIAL) == []
    (path,) = worst.keep_worst(made, done[:1], [s for s in scores if s["row"] == "ours_mini"], tmp_path, SERIAL, each=1)
    with np.load(path) as kept:
        assert "best_mini" not in kept and len(kept["captions"]) == 1 and "Wav2Lip" not in str(kept["captions"][0])
