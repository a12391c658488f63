"""Notebook 09's tables and sentences of tables 1 and 2: functions of saved rows whose verdicts are known."""

import json

import pytest

from paperlib import dubbing_report as report
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_systems import MINIS
from paperlib.evaluation.dubbing_tables import FLAG
from paperlib.evaluation.dubbing_tasks import CROSS, SELF
from paperlib.evaluation.dubbing_verdicts import BETTER, NONE, TIE, WORSE, duels, judges_on, measure_of
from paperlib.evaluation.shelf import Shelf
from paperlib.results import Row, provenance, write_results

DATA = {"data": "embedded test speakers, still heads, 20 clips", "n": 20}


def value(row, key, number, **other):
    m = MEASURES[key]
    return Row("table1", row, m.metric, number, unit=m.unit, region=m.region, **(DATA | {"track": CROSS} | other))


def pair(other, key, said, contest="dubbing", track=CROSS, number=0.2):
    words = f"paired; ours is: {said} (Holm p 0.01 of 30); smallest detectable 0.1"
    return value(f"full_minus_{other}", key, number, low=number - 0.1, high=number + 0.1, contest=contest, protocol=words, track=track)


DISPUTED = [
    Row("judge_agreement", "wav2lip_mini>ours_mini", "survives", 0.0, data="x",
        protocol="no verdict; first is by judge: better, expert: better, lag: tie, opening: worse"),
    Row("judge_agreement", "ours_mini>frozen_mouth", "survives", 1.0, data="x",
        protocol="survives; first is by judge: better, expert: better, lag: better, opening: better"),
]  # fmt: skip


def test_every_measure_is_found_from_its_row():
    assert {measure_of(value("truth", key, 1.0)) for key in MEASURES} == set(MEASURES)
    assert measure_of(Row("table1", "truth", "csim_impostor", 0.9, data="x", region="frame")) == ""


def test_duels_are_read_from_their_words_and_disputed_sync_has_no_verdict():
    rows = [pair("wav2lip_mini", "psnr_crop", BETTER), pair("wav2lip_mini", "sync_mouth", WORSE), pair("wav2lip_mini", "psnr_frame", WORSE)]
    rows += [pair("wav2lip_mini", "psnr_crop", WORSE, track=SELF), value("wav2lip_mini", "psnr_crop", 1.0)]
    assert [(d.measure, d.said) for d in duels(rows)] == [("psnr_crop", BETTER), ("sync_mouth", WORSE)]
    assert [d.said for d in duels(rows, agreement=DISPUTED)] == [BETTER, NONE]
    assert [d.said for d in duels(rows, SELF)] == [WORSE]
    ahead = value("ours_mini", "sync_mouth", 0.6, protocol=FLAG)
    assert [d.said for d in duels([*rows, ahead])] == [BETTER, NONE], "ours beats the truth: that measure is at fault"


def test_judges_are_asked_from_both_sides():
    found, said = judges_on(DISPUTED, "ours_mini", "wav2lip_mini")
    assert found == NONE and said == {"judge": "worse", "expert": "worse", "lag": "tie", "opening": "better"}
    assert judges_on(DISPUTED, "ours_mini", "frozen_mouth")[1]["lag"] == "better" and judges_on(DISPUTED, "ours_mini", "truth") == ("", {})


def test_values_name_gaps_reasons_and_what_beats_the_truth():
    rows = [value("ours_mini", "psnr_crop", 30.0, low=29.0, high=31.0, contest="dubbing"), value("truth", "ssim_crop", 0.9)]
    rows += [value("diff2lip_mini", k, None, contest="dubbing", protocol="not trained") for k in report.PAPER]
    rows += [value("frozen_mouth", "ssim_crop", 0.95, protocol=FLAG), value("ours_mini", "psnr_crop", 1.0, track=SELF)]
    lines = report.values(rows).splitlines()
    assert lines[0].startswith("| measured | sees | PSNR, mask, dB ↑ | LPIPS, mask ↓ |") and len(lines) == 2 + 4
    assert "| ours | video | 30.00 [29.00, 31.00] | – |" in lines[2] and "| truth | sanity |" in lines[3]
    assert "| Diff2Lip-mini | video | – not trained |" in lines[4] and "0.950 *beats truth*" in lines[5]
    assert all(line.count("|") == 9 for line in lines)
    assert report.flags(rows) == ["SSIM, mask ↑: the truth has 0.900; better than it: frozen mouth 0.950."]
    assert report.clips_of(rows) == "embedded test speakers, still heads, 20 clips; 20 speakers"


def test_sentences_come_from_verdicts():
    rows = [pair("wav2lip_mini", "psnr_crop", BETTER), pair("ip_lap_mini", "psnr_crop", TIE), pair("ip_lap_mini", "lpips_crop", WORSE)]
    rows += [pair("sadtalker_mini", "psnr_crop", BETTER, "animation"), pair("frozen_mouth", "ssim_crop", WORSE, "")]
    said = report.sentences(duels(rows))
    assert said[0].endswith("(Wav2Lip-mini, IP_LAP-mini): of 3 comparisons ours is better in 1, tied in 1, worse in 1.")
    assert said[1].endswith("(SadTalker-mini): of 1 comparisons ours is better in 1, tied in 0, worse in 0.")
    assert (
        "Ours: worse. LPIPS, mask against IP_LAP-mini." in said and "Ours: better. PSNR, mask against Wav2Lip-mini, SadTalker-mini." in said
    )
    assert said[-1].endswith("nearer to the truth than ours in SSIM, mask: frozen mouth.")
    table = report.verdict_table(duels(rows)).splitlines()
    assert (
        len(table) == 2 + 4
        and "| ours less IP_LAP-mini | +0.20 [+0.10, +0.30] **tie** | +0.200 [+0.100, +0.300] **worse** | – |" in table[3]
    )


@pytest.mark.parametrize(
    ("lost", "near", "lips", "where"),
    [
        ("psnr_crop", BETTER, WORSE, "around the lips: cheeks"),
        ("psnr_crop", TIE, WORSE, "no loss shown at the lips"),
        ("psnr_crop", WORSE, TIE, "how the lips are painted"),
        ("psnr_crop", WORSE, WORSE, "how the lips move"),
        ("lmd_mouth", None, BETTER, "shape or the picture"),
        ("sync_mouth", None, None, "nobody can say"),
        ("csim_frame", None, WORSE, "whose face"),
    ],
)
def test_a_loss_is_placed_by_the_other_measures_of_the_pair(lost, near, lips, where):
    rows = [pair("ip_lap_mini", lost, WORSE)]
    rows += [pair("ip_lap_mini", "psnr_mouth", near)] if near else []
    rows += [pair("ip_lap_mini", "opening_r", lips)] if lips else []
    (line,) = report.losses(rows).splitlines()[2:]
    assert where in line.split("|")[-2]


def test_no_loss_is_said_too():
    assert "worse than none" in report.losses([pair("ip_lap_mini", "psnr_crop", TIE), pair("frozen_mouth", "psnr_crop", WORSE)])


def test_agreement_is_shown_from_both_sides():
    taus = [f"tau_{a}_{b}" for k, a in enumerate(report.RANKERS) for b in report.RANKERS[k + 1 :]]
    rows = [Row("judge_agreement", t, "kendall_tau", 0.5, data="x", n=9) for t in taus] + DISPUTED
    assert report.agreement_table(rows).splitlines()[2] == "| judge |  | 0.50 | 0.50 | 0.50 |"
    assert "| ours against Wav2Lip-mini | worse | worse | tie | better | **no verdict** |" in report.conclusions(rows)
    assert report.survivors(rows).startswith(
        "Of 2 pairs of rows, 1 are ordered alike by all four; in 0"
    ) and "in 1 two" in report.survivors(rows)


def test_saved_says_what_to_run_and_leaves_the_printed_rows_out(tmp_path):
    rows, said = report.saved("table1", tmp_path)
    assert rows == [] and "not measured yet" in said and report.COMMAND in said
    header = provenance("paperlib evaluate --method all", "classroom", 0, "toy", 0.0, checkpoints={"ip_lap_mini": "none"})
    write_results("table1", [value("truth", "ssim_crop", 0.9), Row("table1", "ours", "psnr", 38.0, kind="published")], header, tmp_path)
    rows, said = report.saved("table1", tmp_path)
    assert [r.row for r in rows] == ["truth"] and "IP_LAP-mini: none" in said


def test_contestants_come_from_cards(tmp_path):
    shelf = Shelf("classroom", (tmp_path,))
    empty = report.contestants(shelf).splitlines()
    assert len(empty) == 2 + 6 and all("not trained yet" in line for line in empty[2:]) and set(report.IDEAS) == {"ours_mini", *MINIS}
    card = {
        "parameters": 120_000,
        "steps": 30,
        "frames": 20,
        "best_step": 12,
        "lr": 0.001,
        "trials": {"steps": 3, "error": {"0.001": 1, "0.003": 2}},
    }
    (tmp_path / "ip_lap_mini_classroom.json").write_text(json.dumps(card))
    own = {"parameters": 1_000_000, "best_step": 5, "config": {"steps": 7, "batch": 4, "window": 5, "lr": 0.01}}
    stages = {"steps_warm": 1, "steps_joint1": 2, "steps_joint2": 3, "batch": 4, "lr": 0.01}
    for kind in ("expression", "teacher", "renderer"):
        (tmp_path / f"{kind}_classroom.json").write_text(json.dumps(own if kind != "renderer" else own | {"config": stages}))
    text = report.contestants(shelf)
    assert "| 0.12 M | 30 steps of 20 frames; best state at step 12 | 0.001, best of 2 in trials of 3 steps |" in text
    assert (
        "| 3.00 M | expression: 7 steps of 20 frames, best 5; teacher: 7 steps" in text
        and "renderer: 6 steps of 4 frames, best 5 |" in text
    )


def test_a_head_start_is_read_from_the_cards(tmp_path):
    shelf = Shelf("classroom", (tmp_path,))
    assert report.head_start(shelf).startswith("Not all cards")
    for row, size in (("ip_lap_mini", 100_000), ("wav2lip_mini", 150_000)):
        (tmp_path / f"{row}_classroom.json").write_text(json.dumps({"parameters": size, "corpus": {"clips": {"train": 128}}}))
    own = {"expression": {"train": {"clips": 1280}}, "teacher": {"clips": 800}, "renderer": None}
    for kind, speech in own.items():
        (tmp_path / f"{kind}_classroom.json").write_text(json.dumps({"parameters": 1_000_000} | ({"speech": speech} if speech else {})))
    said = report.head_start(shelf)
    assert said.startswith("Ours has 20 times the parameters of the largest mini, Wav2Lip-mini")
    assert said.endswith("heard up to 1280 clips, where the minis had 128.")


def test_means_of_rows_that_do_not_listen_are_told_without_a_test():
    rows = [value("ours_mini", "psnr_crop", 30.0), value("source_unchanged", "psnr_crop", 31.0), value("wav2lip_mini", "psnr_crop", 32.0)]
    rows += [value("ours_mini", "lpips_crop", 0.1), value("source_unchanged", "lpips_crop", 0.2)]
    rows += [value("ours_mini", "csim_frame", 0.9961), value("source_unchanged", "csim_frame", 0.9962)]  # alike as shown
    said = report.deaf_means(rows, report.PAPER)
    assert said.endswith("by the means alone: source unchanged in PSNR, mask (31.00 against 30.00).")
    assert report.deaf_means(rows[2:], report.PAPER).startswith("No row")


def test_strangers_are_told_with_the_rows_that_have_no_more():
    said = "different people's true faces; highest 0.9841; n counts pairs"
    stranger = Row("table1", "truth", "csim_impostor", 0.94, data="d", region="frame", n=190, track=CROSS, protocol=said)
    rows = [stranger, value("ours_mini", "csim_frame", 0.996), value("wav2lip_mini", "csim_frame", 0.98)]
    rows += [pair("wav2lip_mini", "csim_frame", TIE)]
    assert report.impostors(rows).endswith("CSIM, frame: mean 0.940, highest 0.984 of 190 pairs; means no higher than that: Wav2Lip-mini.")
    assert report.impostors(rows[1:]) == ""


def test_sync_verdicts_are_counted():
    said = {"wav2lip_mini": WORSE, "ip_lap_mini": BETTER, "frozen_mouth": BETTER}
    rows = [pair(other, "sync_mouth", words) for other, words in said.items()]
    assert "in 1 of 2 comparisons" in report.sync_verdicts(duels(rows, agreement=DISPUTED))


def test_live_scores_stand_beside_the_saved_ones(tmp_path):
    path = tmp_path / "clips.csv"
    assert report.read_clips(path) == {}
    path.write_text("row,kind,set,clip,speaker,psnr_crop,opening_r\nours_mini,cross-dub,still heads,a with b,1,30.5,\n")
    scores = [{"row": "ours_mini", "kind": CROSS, "set": "still heads", "clip": "a with b", "psnr_crop": 30.4, "opening_r": None}]
    mean = value("ours_mini", "psnr_crop", 29.0)
    lines = report.live_table(scores, report.read_clips(path), {"still heads": [mean]}).splitlines()
    assert lines[2] == "| still heads | ours | PSNR, mask, dB ↑ | 30.400 | 30.500 | 29.000 |"
    assert lines[3] == "| still heads | ours | opening r ↑ | – | – | – |"


def test_the_worst_clips_of_each_set_stand_with_the_best_mini():
    def score(row, clip, skill, part="still heads"):
        return {"row": row, "kind": CROSS, "set": part, "clip": clip, "speaker": "1", "skill_mouth": skill, "psnr_crop": 30.0}

    scores = [score("ours_mini", name, v) for name, v in (("a", 0.5), ("b", -0.1), ("c", 0.2))]
    scores += [score("ours_mini", "d", 0.9, "strong head motion"), score("ip_lap_mini", "b", 0.25), score("wav2lip_mini", "b", 0.1)]
    lines = report.worst_clips(scores, 2).splitlines()
    assert lines[0].endswith("| skill, lips ↑ | opening r ↑ | PSNR, mask, dB ↑ | best mini, skill, lips ↑ |")
    assert lines[2:] == [
        "| still heads | `b` | -0.100 | – | 30.00 | IP_LAP-mini 0.250 |",
        "| still heads | `c` | 0.200 | – | 30.00 | – |",
        "| strong head motion | `d` | 0.900 | – | 30.00 | – |",
    ]
    assert report.COMMAND in report.worst_clips([])
