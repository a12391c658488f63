"""Tables 1 and 2 and the judges' agreement from scores whose answer is known."""

import numpy as np
import pytest

from paperlib.evaluation import dubbing_agreement as agreement
from paperlib.evaluation import dubbing_tables as tables
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_scores import group_of
from paperlib.evaluation.dubbing_systems import Entry, entries
from paperlib.evaluation.dubbing_tasks import CROSS, SELF
from paperlib.metrics.statistics import Interval
from paperlib.paper import TABLES, row_id
from paperlib.results import select

SPEAKERS = 8
KNOWN = tables.Facts({"frame": (0.9, 0.97, 28), "crop": (0.85, 0.95, 28)}, {"crop": 0.2, "mouth": 0.05})


def made(worth, kinds=(CROSS, SELF), noise=0.02, part="still heads", gone=()):
    """Clip scores: worth[row] in every measure (its negative where lower is better) and a little noise; `gone`: (row, measure) without."""
    rng, out = np.random.default_rng(0), []
    for kind in kinds:
        for s in range(SPEAKERS):
            base = rng.normal()
            for row, value in worth.items():
                place = {"row": row, "kind": kind, "set": part, "clip": f"{s}/a with {s}/b", "speaker": str(s)}
                for key, m in MEASURES.items():
                    if not key.startswith("shape"):
                        own = (base + value + noise * rng.normal()) * (-1 if m.better == "lower" else 1)
                        place[key] = None if (row, key) in gone else own
                out.append(place)
    return out


WORTH = {"ours_mini": 1.0, "wav2lip_mini": 0.5, "ip_lap_mini": 1.0, "sadtalker_mini": 1.5, "frozen_mouth": 0.0, "truth": 1.2}


@pytest.fixture(scope="module")
def rows(shelf):
    """Table 1 of WORTH."""
    there = [Entry(e.row, e.contest, e.beta, e.kinds, "k", "" if e.row in WORTH else e.missing) for e in entries(shelf)]
    gone = [("truth", k) for k in ("psnr_frame", "psnr_crop", "psnr_mouth")]
    return tables.table_rows("table1", made(WORTH, gone=gone), there, KNOWN, "rule")


def test_every_row_is_allowed_and_names_its_track(rows):
    for r in rows:
        row_id(r.table, r.row)
    assert {r.track for r in rows if r.kind == "measured"} == {CROSS, SELF} and {r.table for r in rows} == {"table1"}
    assert {r.contest for r in select(rows, row="sadtalker_mini")} == {"animation"} and {r.contest for r in select(rows, row="truth")} == {
        ""
    }


def test_values_are_means_with_intervals_over_speakers(rows):
    (ours,) = select(rows, row="ours_mini", metric="psnr", region="crop", track=CROSS)
    scores = [s["psnr_crop"] for s in made(WORTH) if s["row"] == "ours_mini" and s["kind"] == CROSS]
    assert ours.value == pytest.approx(np.mean(scores)) and ours.low < ours.value < ours.high and ours.n == SPEAKERS
    assert (ours.unit, ours.beta, ours.contest) == ("dB", "predicted", "dubbing") and "8 clips" in ours.data
    assert not select(rows, row="truth", metric="psnr", region="crop", kind="measured")  # infinite everywhere: no row


def test_the_papers_rows_stand_apart_in_the_same_file(rows):
    printed = select(rows, kind="published")
    assert len(printed) == 36 and select(printed, row="ours", metric="psnr")[0].value == TABLES["table1"].value("ours", "psnr")
    assert not {r.row for r in printed} & {r.row for r in rows if r.kind == "measured"}


def test_a_missing_system_is_a_row_that_says_so(rows):
    gone = select(rows, row="diff2lip_mini")
    assert (
        len(gone) == 12
        and {r.value for r in gone} == {None}
        and {r.protocol for r in gone} == {"no checkpoint diff2lip_mini_smoke: not trained"}
    )
    assert {r.metric for r in gone} == set(TABLES["table1"].columns)


def test_paired_differences_and_holm(rows):
    said = {r.row: r for r in select(rows, metric="sync", track=CROSS) if r.row.startswith("full_minus_")}
    assert set(said) == {"full_minus_wav2lip_mini", "full_minus_ip_lap_mini", "full_minus_sadtalker_mini", "full_minus_frozen_mouth"}
    assert said["full_minus_wav2lip_mini"].value == pytest.approx(0.5, abs=0.02)
    assert "ours is: better (Holm p" in said["full_minus_wav2lip_mini"].protocol and "of 18)" in said["full_minus_wav2lip_mini"].protocol
    assert "ours is: tie" in said["full_minus_ip_lap_mini"].protocol and "ours is: worse" in said["full_minus_sadtalker_mini"].protocol
    assert "a control" in said["full_minus_frozen_mouth"].protocol
    (lpips,) = select(rows, row="full_minus_wav2lip_mini", metric="lpips", region="crop", track=CROSS)
    assert lpips.value < 0 and "ours is: better" in lpips.protocol  # lower is better there
    (other,) = select(rows, row="full_minus_wav2lip_mini", metric="skill", region="mouth", track=CROSS)
    assert "of 3)" in other.protocol
    (leak,) = select(rows, row="full_minus_wav2lip_mini", metric="opening_r_source", track=CROSS)
    assert "no verdict" in leak.protocol  # no direction is good


def test_families_are_fixed():
    found = tables.families(("wav2lip_mini", "frozen_mouth"), ["psnr_crop", "sync_mouth", "skill_crop"])
    assert len(found[0]) == 6 and found[1] == [("wav2lip_mini", "skill_crop")] and len(found) == 2


def test_a_verdict_needs_interval_and_holm():
    clear = Interval(0.5, 0.2, 0.8, 12, 6, p=0.001)
    assert [tables.judged(clear, "higher", p) for p in (0.01, 0.06, float("nan"))] == ["better", "tie", "tie"]
    assert tables.judged(clear, "lower", 0.01) == "worse" and tables.judged(clear, "", 0.01) == "no verdict"
    assert tables.judged(Interval(0.5, np.nan, np.nan, 1, 1), "higher", 0.01) == "no verdict"


def test_a_row_that_beats_the_truth_is_flagged(rows):
    flagged = {(r.row, r.metric) for r in rows if r.protocol.startswith(tables.FLAG)}
    assert ("sadtalker_mini", "sync") in flagged and ("sadtalker_mini", "late") in flagged
    assert not {f for f in flagged if f[0] in ("ours_mini", "truth", "wav2lip_mini")}
    assert not {f for f in flagged if f[1] in ("psnr", "sync_expert", "lag")}  # no truth's value, or no better direction
    (there,) = select(rows, row="sadtalker_mini", metric="sync", track=SELF)
    assert there.protocol == tables.FLAG  # the truth is scored once: twins share it


def test_impostors_are_in_the_table(rows):
    (r,) = select(rows, metric="csim_impostor", region="crop")
    assert (r.value, r.n) == (0.85, 28) and "0.95" in r.protocol


def test_impostors_and_shares_come_from_the_true_clips(store):
    known = tables.facts(store, ["id00000/scene00/00001", "id00001/scene00/00001"])
    a, b = (store.read(f"id0000{k}/scene00/00001").faces[0, 0] for k in (0, 1))
    assert known.impostors["frame"][0] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) and known.impostors["frame"][2] == 1
    assert 0 < known.shares["mouth"] < known.shares["crop"] < 0.5
    assert tables.facts(store, ["id00000/scene00/00001"]).impostors == {}


def test_rankers_that_agree_and_one_that_does_not():
    scores = made({"ours_mini": 1.0, "wav2lip_mini": 0.5, "frozen_mouth": 0.0}, (CROSS,))
    for s in scores:  # the expert loves the frozen mouth
        s["expert_mouth"] = {"ours_mini": 0.5, "wav2lip_mini": 0.0, "frozen_mouth": 1.0}[s["row"]]
    group = group_of(scores, CROSS)
    rows = agreement.rows_of(group, {"data": "d", "motion": "rule", "track": CROSS})
    for r in rows:
        row_id(r.table, r.row)
    at = {r.row: r for r in rows}
    assert at["tau_judge_lag"].value == 1 and at["tau_judge_opening"].value == 1 and at["tau_judge_expert"].value == pytest.approx(-1 / 3)
    assert at["tau_judge_lag"].low == at["tau_judge_lag"].high == 1 and at["tau_judge_lag"].n == 3
    assert at["ours_mini>wav2lip_mini"].value == 1 and at["ours_mini>wav2lip_mini"].protocol.startswith("survives")
    assert at["ours_mini>frozen_mouth"].value == 0 and at["ours_mini>frozen_mouth"].protocol.startswith("no verdict")
    assert "expert: worse" in at["ours_mini>frozen_mouth"].protocol and len(rows) == 6 + 3


def test_a_ranker_that_is_unsure_makes_a_tie_and_names_turn_round():
    scores = made({"frozen_mouth": 0.0, "ours_mini": 1.0}, (CROSS,))
    for k, s in enumerate(scores):
        s["expert_mouth"] = 0.1 if k % 4 < 2 else -0.1
    (row,) = [r for r in agreement.rows_of(group_of(scores, CROSS), {"data": "d"}) if r.metric == "survives"]
    assert row.row == "ours_mini>frozen_mouth" and row.protocol.startswith("tie") and "expert: tie" in row.protocol
    taus = [r for r in agreement.rows_of(group_of(scores, CROSS), {"data": "d"}) if r.metric == "kendall_tau"]
    assert [r.value for r in taus] == [None] * 6  # two rows are no ranking


def test_unknown_agreement_rows_are_refused():
    for wrong in ("truth", "truth>nobody", "a>b", "truth>frozen_mouth>ours_mini", "tau_judge_judge"):
        with pytest.raises(ValueError, match="unknown row"):
            row_id("judge_agreement", wrong)
    assert row_id("judge_agreement", "truth>frozen_mouth")
