"""Notebook 09's tables of what a mini is worth: functions of saved rows whose verdicts are known."""

from paperlib import validity_report as report
from paperlib.evaluation.baseline_validity import curve
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_tables import FLAG
from paperlib.evaluation.dubbing_verdicts import duels
from paperlib.results import Row


def row(name, key, value, said="", **other):
    m = MEASURES[key]
    protocol = f"paired; the first is: {said} (Holm p 0.01 of 10, its own measure)" if said else ""
    return Row("baseline_validity", name, m.metric, value, m.unit, region=m.region, data="d", low=value - 0.1, high=value + 0.1,
               protocol=protocol, **other)  # fmt: skip


ROWS = [
    row("wav2lip_mini_less_without", "sync_mouth", 0.3, "better"), row("wav2lip_mini_less_without", "opening_r", 0.0, "tie"),
    row("ip_lap_mini_less_without", "psnr_crop", -0.5, "worse"), row("ip_lap_mini_less_without", "ssim_crop", 0.0, "tie"),
    row("ip_lap_mini_less_without", "lmd_mouth", 0.5, "better"),  # not one of those named before
    Row("baseline_validity", "wav2lip_mini_longer", "val", 0.045, data="v",
        protocol=curve([0.05, 0.045], 3600)),
    row("wav2lip_mini_longer_less", "psnr_crop", 1.25, "better"), row("wav2lip_mini_longer_less", "sync_mouth", 0.01, "tie"),
    Row("baseline_validity", "ip_lap_mini_longer", "val", 0.0449, data="v", protocol=curve([0.05, 0.045, 0.0449], 3600)),
]  # fmt: skip


def line(text, start):
    return next(part for part in text.split("\n") if part.startswith(f"| {start}"))


def test_an_idea_shows_only_in_the_measures_named_before():
    assert [report.kept(ROWS, s) for s in ("wav2lip", "ip_lap", "diff2lip")] == ["yes", "no", "not trained"]
    text = report.without(ROWS)
    assert "+0.300 [+0.200, +0.400] **better**" in line(text, "Wav2Lip-mini") and line(text, "Wav2Lip-mini").endswith("| **yes** |")
    assert "LMD" not in line(text, "IP_LAP-mini") and line(text, "IP_LAP-mini").endswith("| **no** |")
    assert "| not trained | **not trained** |" in line(text, "SadTalker-mini")


def test_plateaus_and_what_was_gained():
    text = report.longer(ROWS)
    assert "| 0.05000 → 0.04500 | no | PSNR" in line(text, "Wav2Lip-mini") and "Sync" not in line(text, "Wav2Lip-mini")
    assert "| 0.05000 → 0.04500 → 0.04490 | yes | nothing outside its interval |" in line(text, "IP_LAP-mini")
    assert "not trained" in line(text, "Diff2Lip-mini")


def duel_row(row_id, key, value, said, where="still, 2 clips"):
    m = MEASURES[key]
    protocol = f"paired; ours is: {said} (Holm p 0.01 of 30); smallest detectable 0.1"
    return Row("t", row_id, m.metric, value, m.unit, region=m.region, data=where, track="cross-dub", contest="dubbing", protocol=protocol)


def test_the_second_track_holds_the_same_clips_and_says_what_changed():
    flagged = Row("t", "ours_mini", "sync", 0.5, data="still, 2 clips", region="mouth", track="cross-dub", protocol=FLAG)
    ip_lap, wav2lip = "full_minus_ip_lap_mini", "full_minus_wav2lip_mini"
    lips = [("lmd_mouth", -0.1, "better"), ("sync_mouth", 0.1, "better")]
    table = [flagged, duel_row(ip_lap, "psnr_crop", 0.5, "better"), *(duel_row(wav2lip, *found) for found in lips)]
    longer = [duel_row(f"{ip_lap}_longer", "psnr_crop", 0.0, "tie"), *(duel_row(f"{wav2lip}_longer", *found) for found in lips)]
    longer += [duel_row(f"{ip_lap}_longer", "psnr_crop", 9.0, "better", "strong, 2 clips")]
    after = report.second_track(longer, table)
    said = [(d.other, d.said, d.paired.value) for d in after]
    assert said == [("ip_lap_mini", "tie", 0.0), ("wav2lip_mini", "better", -0.1), ("wav2lip_mini", "no verdict", 0.1)]
    assert report.moved(duels(table), after) == "1 of 2 verdicts changed (PSNR, mask against IP_LAP-mini: better, now tie)"
    assert report.moved(duels(table), after[1:]) == "0 of 1 verdicts changed", "the one without a verdict does not count"
    assert report.second_track(longer, []) == [] and report.second_track([], table) == []


def test_costs_stand_in_the_order_of_the_tables():
    rows = [Row("controls_dub_cost", "wav2lip_mini", "fps", 99.26, "frames / s", data="d", contest="dubbing")]
    rows += [Row("controls_dub_cost", "ours_mini", m, v, data="d", contest="dubbing") for m, v in (("fps", 30.0), ("peak_mib", 70.04))]
    rows += [Row("controls_dub_cost", "sadtalker_mini", "fps", None, contest="animation", protocol="no checkpoint")]
    lines = report.cost(rows).split("\n")[2:]
    assert lines[:2] == ["| ours | video | 30.0 | – | 70.0 |", "| Wav2Lip-mini | video | 99.3 | – | – |"]
    assert report.slowest(rows) == "The slowest is ours with 30.0 frames a second." and report.slowest([]) == ""
    slow = Row("controls_dub_cost", "diff2lip_mini", "fps", 20.0, data="d")
    assert report.slowest([*rows, slow]).endswith("Diff2Lip-mini with 20.0 frames a second; ours 30.0.")
    assert lines[2].startswith("| SadTalker-mini | one picture |") and "no checkpoint" in lines[2]
