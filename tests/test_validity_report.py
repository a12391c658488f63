"""Notebook 09's tables of what a mini is worth: functions of saved rows whose verdicts are known."""

from paperlib import validity_report as report
from paperlib.evaluation.dubbing_measures import MEASURES
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
        protocol="validation, chosen state, after 7200 steps; 0.05000 before: not yet at its plateau"),
    row("wav2lip_mini_longer_less", "psnr_crop", 1.25, "better"), row("wav2lip_mini_longer_less", "sync_mouth", 0.01, "tie"),
    Row("baseline_validity", "ip_lap_mini_longer", "val", 0.0499, data="v",
        protocol="validation, chosen state, after 7200 steps; 0.05000 before: at its plateau"),
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
    assert "| 0.05000 → 0.04990 | yes | nothing outside its interval |" in line(text, "IP_LAP-mini")
    assert "not trained" in line(text, "Diff2Lip-mini")


def test_costs_stand_in_the_order_of_the_tables():
    rows = [Row("controls_dub_cost", "wav2lip_mini", "fps", 99.26, "frames / s", data="d", contest="dubbing")]
    rows += [Row("controls_dub_cost", "ours_mini", m, v, data="d", contest="dubbing") for m, v in (("fps", 30.0), ("peak_mib", 70.04))]
    rows += [Row("controls_dub_cost", "sadtalker_mini", "fps", None, contest="animation", protocol="no checkpoint")]
    lines = report.cost(rows).split("\n")[2:]
    assert lines[:2] == ["| ours | video | 30.0 | – | 70.0 |", "| Wav2Lip-mini | video | 99.3 | – | – |"]
    assert lines[2].startswith("| SadTalker-mini | one picture |") and "no checkpoint" in lines[2]
