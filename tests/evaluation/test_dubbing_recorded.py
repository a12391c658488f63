"""Recorded people: who is paired with whom, one length for all, rows with and without intervals. The recordings are made clips."""

import csv
import dataclasses

import made_dubs
import numpy as np
import pytest
from made_dubs import CFG, FRAMES

from paperlib.config import load_profile
from paperlib.corpus.prepared import PreparedId
from paperlib.corpus.preparing import How
from paperlib.corpus.synthetic import ClipId
from paperlib.errors import InputError
from paperlib.evaluation import dubbing_recorded as recorded
from paperlib.evaluation import dubbing_run
from paperlib.evaluation.dubbing_systems import entries
from paperlib.evaluation.dubbing_tasks import SELF, SENTENCE, Plan
from paperlib.metrics.statistics import cluster_bootstrap
from paperlib.paper import row_id
from paperlib.results import read_results, select

SERIAL = How(backend="serial", progress=False)


class Recordings:
    """Two clips of one person and one of another, as a prepared folder gives them."""

    key, root, card = "toy 0", "toy", {"corpus": "toy"}
    names = ("s1/a/0", "s1/b/0", "s2/a/0")

    def __init__(self, root=None, size=None):
        self.size = size

    def clips(self, split):
        return [PreparedId("test", *n.split("/")) for n in self.names] if split == "test" else []

    def speech(self, clip_id):
        return np.zeros((FRAMES - (clip_id.video == "b"), 257)), np.zeros(0)

    def load(self, clip_id):
        made = made_dubs.clip(ClipId("test", int(clip_id.speaker[1]), 0, int(clip_id.video == "b")))
        return dataclasses.replace(made, id=clip_id, phonemes=[])


def ids(*names):
    return [PreparedId("test", *n.split("/")) for n in names]


def test_a_person_with_clips_speaks_its_own_sentences_and_a_lone_one_a_strangers():
    people = {"s1": ids("s1/a/0", "s1/b/0", "s1/c/0"), "x": ids("x/a/0"), "y": ids("y/a/0")}
    made = recorded.plans(people)
    assert [(p.source, p.speech) for p in made if p.kind == SENTENCE] == [
        ("s1/a/0", "s1/b/0"), ("s1/b/0", "s1/c/0"), ("s1/c/0", "s1/a/0"), ("x/a/0", "y/a/0"), ("y/a/0", "x/a/0"),
    ]  # fmt: skip
    assert [(p.source, p.speech) for p in made if p.kind == SELF] == [(p.source, p.source) for p in made[:5]]
    assert all(len({p.source, p.speech, p.third}) == 3 for p in made[:5]) and made[0].third == "x/a/0"


def test_one_lone_person_borrows_a_sentence():
    (lone,) = [p for p in recorded.plans({"s1": ids("s1/a/0", "s1/b/0"), "x": ids("x/a/0")}) if (p.source, p.kind) == ("x/a/0", SENTENCE)]
    assert lone == Plan(SENTENCE, "x/a/0", "s1/a/0", "s1/b/0")


def test_few_clips_are_chosen_by_hash_and_most_frequent_people_come_first():
    class Many(Recordings):
        names = ("b/0/0", *(f"a/{k}/0" for k in range(20)))

    people = recorded.chosen_clips(Many(), 5)
    assert list(people) == ["a", "b"] and len(people["a"]) == 5 and people == recorded.chosen_clips(Many(), 5)
    assert [c.video for c in people["a"]] != ["0", "1", "2", "3", "4"]

    class Two(Recordings):
        names = ("a/0/0", "b/0/0")

    with pytest.raises(InputError, match="fewer than three clips"):
        recorded.chosen_clips(Two())


@pytest.fixture(scope="module")
def written(shelf, tmp_path_factory):
    """The made recordings dubbed by two controls, at smoke's settings."""
    folder = tmp_path_factory.mktemp("recorded")
    profile = dataclasses.replace(load_profile("smoke"), tables=CFG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorded, "PreparedCorpus", Recordings)
        patch.setattr(recorded.paths, "BUILD", folder / "build")
        for method in ("source_unchanged", "frozen_mouth"):
            paths = recorded.evaluate("toy", profile, method, folder / "results", None, SERIAL, shelf, folder / "known")
    return paths, folder


def test_everything_is_cut_to_one_length_and_listed(written):
    paths, folder = written
    assert [p.name for p in paths] == ["clips_toy.csv", "controls_dub_toy.json", "dub_toy_frames.npz", "clips_toy.html"]
    rows, header = read_results("controls_dub_toy", folder / "results")
    pairs = sorted(header["clips"])
    assert header["frames"] == FRAMES - 1 and pairs[:2] == [["s1/a/0", "s1/b/0"], ["s1/b/0", "s1/a/0"]] and pairs[2][0] == "s2/a/0"
    for r in rows:
        row_id(r.table, r.row)
        assert r.low is None and r.motion == "real"  # nobody has LEAST clips
    unchanged = select(rows, row="source_unchanged", metric="opening_r_source", track=SENTENCE)
    with open(paths[0], newline="") as f:
        kept = {s["clip"]: s for s in csv.DictReader(f) if (s["row"], s["kind"]) == ("source_unchanged", SENTENCE)}
    assert len(unchanged) == 3 == len(kept) and {r.n for r in unchanged} == {1}
    assert all(r.value == float(kept[r.data.removeprefix("toy, ")]["opening_r_source"]) for r in unchanged)
    assert {float(s["shape_source"]) for s in kept.values() if s["clip"].startswith("s1")} == {0.0}  # its own mouth
    assert {s["shape_mouth"] for s in kept.values() if s["clip"].startswith("s2")} == {""}  # two people's mouths have two shapes
    assert not select(rows, row="source_unchanged", track=SELF) and select(rows, row="frozen_mouth", metric="skill", track=SELF)
    assert {r.metric for r in select(rows, row="diff2lip_mini", track=SENTENCE)} == {"opening_r", "sync"}


def test_frames_of_the_first_dub_are_kept(written):
    paths, _ = written
    with np.load(paths[2]) as kept:
        assert {"source", "truth", "frozen_mouth", "source_unchanged"} <= set(kept)
        assert np.array_equal(kept["source"], kept["source_unchanged"]) and 1 <= len(kept["names"]) <= 2


def test_the_page_shows_every_dub_with_the_recording_wanted(written):
    page = written[0][3].read_text()
    assert page.count("<section") == 3 and "Generated video of recorded people" in page and "<th>recording B</th>" in page
    assert "furthest from the truth" not in page and ">PSNR" not in page  # there is no truth to be far from
    assert "opening r source" not in page and "leak index ↑</th>" in page


def test_a_person_with_clips_enough_has_intervals(shelf):
    scores = [
        {"row": row, "kind": SENTENCE, "set": "recorded people", "clip": f"s1/{k}/0 with x", "speaker": "s1", "opening_r": base + 0.01 * k}
        for row, base in (("ours_mini", 0.6), ("frozen_mouth", 0.1))
        for k in range(6)
    ]
    there = [dataclasses.replace(e, missing="") for e in entries(shelf)]
    rows = recorded.recorded_rows("controls_dub_toy", scores, there, "toy")
    (ours,) = select(rows, row="ours_mini", metric="opening_r")
    ci = cluster_bootstrap([0.6 + 0.01 * k for k in range(6)], list(range(6)))
    assert ours.value == pytest.approx(0.625) and (ours.low, ours.high) == pytest.approx((ci.low, ci.high)) and ours.n == 6
    (less,) = select(rows, row="full_minus_frozen_mouth", metric="opening_r")
    assert less.value == pytest.approx(0.5) and "ours is: better" in less.protocol and "6 clips" in less.data


def test_short_recordings_are_refused(shelf, monkeypatch, tmp_path):
    class Short(Recordings):
        def speech(self, clip_id):
            return np.zeros((24, 257)), np.zeros(0)

    monkeypatch.setattr(recorded, "PreparedCorpus", Short)
    with pytest.raises(InputError, match="fewer than three clips of 25 frames"):
        recorded.open_recorded("toy", load_profile("smoke"), shelf, tmp_path, SERIAL)
    assert dubbing_run.SETS == ("still heads", "strong head motion")
