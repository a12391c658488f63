"""Notebook 09's tables of recorded people: functions of saved rows; nobody with few clips gets an interval."""

import pytest

from paperlib import recorded_report as report
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_tasks import SELF, SENTENCE
from paperlib.results import Row, provenance, write_results

S1 = "grid, s1, 6 clips"


def row(name, key, value, said="", data=S1, track=SENTENCE, width=0.1):
    m, ci = MEASURES[key], {"low": value - width, "high": value + width, "n": 6} if data == S1 else {"n": 1}
    protocol = f"paired; ours is: {said}; clips of one person resampled" if said else ""
    return Row(report.TABLE, name, m.metric, value, m.unit, data=data, track=track, region=m.region, protocol=protocol, **ci)


ROWS = [
    row("ours_mini", "opening_r", 0.34), row("makeittalk_mini", "opening_r", 0.41), row("wav2lip_mini", "opening_r", 0.2),
    row("source_unchanged", "opening_r", 0.35), row("ours_mini", "psnr_crop", 23.0, track=SELF),
    row("full_minus_source_unchanged", "opening_r", -0.01, "tie"), row("full_minus_makeittalk_mini", "opening_r", -0.07, "tie"),
    row("full_minus_wav2lip_mini", "opening_r", 0.14, "better"), row("full_minus_wav2lip_mini", "opening_r_source", -0.3, "no verdict"),
    row("ours_mini", "opening_r", 0.5, data="grid, x_a/aa/00000 with x_b/bb/00000"),
    row("sadtalker_mini", "opening_r", -0.25, data="grid, x_a/aa/00000 with x_b/bb/00000"),
    Row("judge_agreement", "tau_judge_expert", "kendall_tau", 0.5, low=0.1, high=0.8, data="grid, s1 judged", n=14),
]  # fmt: skip


def test_values_and_differences_of_one_person():
    assert report.people(ROWS) == [S1]
    text = report.values(ROWS, S1, SENTENCE, ("opening_r", "leak_index"))
    assert "| ours | 0.34 [0.24, 0.44] | – |" in text and "less" not in text and "23.0" not in text
    assert "| ours | 23.0 [22.9, 23.1] |" in report.values(ROWS, S1, SELF, report.self_measures(ROWS))
    lines = report.duels(ROWS, S1, SENTENCE, ("opening_r", "opening_r_source")).split("\n")
    assert lines[2] == "| ours less Wav2Lip-mini | +0.14 [+0.04, +0.24] **better** | -0.30 [-0.40, -0.20] |"
    assert [x.split(" |")[0] for x in lines[3:]] == ["| ours less MakeItTalk-mini", "| ours less source unchanged"]


def test_the_margin_names_the_best_of_the_five_and_the_untouched_video():
    said = report.margin(ROWS, S1)
    assert "nothing was done: -0.01 [-0.11, +0.09] **tie**" in said and "MakeItTalk-mini, the best of the five in it: -0.07" in said
    assert report.margin(ROWS[:1], S1) == "Too few rows to say anything."


def test_what_did_not_hear_the_sentence_stands_beside_ours():
    said = {"swapped_speech": "tie", "silent_speech": "worse"}  # of the other row's opening
    words = "tie; first is by judge: tie, expert: tie, lag: tie, opening: {}"
    judged = [Row("judge_agreement", f"{k}>ours_mini", "survives", 0.0, data=S1, protocol=words.format(v)) for k, v in said.items()]
    rows = [*ROWS, row("swapped_speech", "opening_r", 0.31), row("silent_speech", "opening_r", 0.1), *judged]
    text = report.follows(rows, S1)
    assert "ours with the new sentence is 0.34. **It is not shown to be above** swapped speech (0.31, tie)." in text
    assert text.endswith("It is above silent speech (0.10, better).") and report.follows(ROWS, S1) == ""


def test_losses_are_listed_by_measure():
    rows = [*ROWS, row("full_minus_frozen_mouth", "psnr_crop", -6.0, "worse", track=SELF)]
    assert report.worse_in(rows, S1, SELF, ("psnr_crop", "ssim_crop")) == "Ours is worse than these. PSNR, mask: frozen mouth."
    assert "than none" in report.worse_in(ROWS, S1, SELF, ("psnr_crop",))


def test_more_sync_than_the_recordings_is_no_lead():
    assert report.beyond(ROWS, S1) == ""
    lead = row("full_minus_wav2lip_mini", "sync_mouth", 0.1, "better")
    rows = [*ROWS, lead, row("ours_mini", "sync_mouth", 0.18), row("truth", "sync_mouth", 0.12, track=SELF)]
    assert "0.18" in report.beyond(rows, S1) and "0.12" in report.beyond(rows, S1)
    lines = [report.duels(r, S1, SENTENCE, ("sync_mouth",)).split("\n")[2] for r in ([*ROWS, lead], rows)]
    assert lines[0].endswith("**better** |") and lines[1].endswith("+0.20] |")


def test_single_clips_are_listed_without_intervals():
    assert report.listed(ROWS).split("\n")[2] == "| aa | bb | +0.50 | – | – | – | – | -0.25 | – |"


def test_a_missing_file_says_how_to_make_it_and_a_saved_one_how_it_was_made(tmp_path):
    rows, said, clips = report.saved(tmp_path)
    assert rows == [] and clips == [] and report.COMMAND in said
    header = provenance("x", "classroom", 0, "grid abc", 1.0, frames=60, size=96, clips=[["s1/a/0", "s1/b/0"]])
    write_results(report.TABLE, ROWS, header, tmp_path)
    rows, said, clips = report.saved(tmp_path)
    assert len(rows) == len(ROWS) and "60 frames, 96 x 96" in said and report.clip_list(clips, "s1") == "a with b"
    assert rows[0].value == pytest.approx(0.34)
