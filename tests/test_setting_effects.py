"""What moves when an unstated setting is changed: read from results, never typed."""

import json

import pytest

from paperlib import tables
from paperlib.paper import UNSTATED
from paperlib.results import Row, provenance, write_results
from paperlib.setting_effects import EFFECTS, NOT_VARIED, effect

HEADER = provenance("test", "classroom", 0, "none", 0.0)
PAIR = {"data": "x", "low": -0.3, "high": -0.1, "n": 5}


def test_every_effect_belongs_to_an_unstated_setting():
    assert set(EFFECTS) <= {u.name for u in UNSTATED}


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_without_results_nothing_was_varied(name, tmp_path):
    assert effect(name, tmp_path, tmp_path) == NOT_VARIED == effect("optimiser", tmp_path, tmp_path)


def test_the_window_counts_verdicts(tmp_path):
    rows = [Row("expression_window", f"k{k}", "aed_mouth", 0.1 + k / 100, unit="sd", data="x") for k in (2, 0, 1)]
    rows += [
        Row("expression_window", f"k2_minus_k{k}", "aed_mouth", 0.01, protocol=f"paired; {s}", **PAIR)
        for k, s in ((0, "tie"), (1, "worse"))
    ]
    write_results("expression_window", rows, HEADER, tmp_path)
    said = effect("k, half width of N(t)", tmp_path)
    assert said == "k0, k1, k2: AED of the mouth 0.100 to 0.120 sd; ours ties with 1, worse than 1 of 2"


def test_paired_differences_of_the_renderers_tables(tmp_path):
    def row(name, **other):
        return Row("table5", f"full_minus_{name}", "psnr", 0.2, unit="dB", **(PAIR | {"region": "crop", "beta": "predicted"} | other))

    write_results("table5", [row("sigma_0"), row("sigma_1", region="frame"), row("sigma_1", beta="fitted")], HEADER, tmp_path)
    assert effect("start of MSAF's scale in (22)", tmp_path) == "ours less fixed at 0: PSNR of the crop +0.200 dB [-0.300, -0.100]"
    write_results("table5", [row("sigma_0")], HEADER | {"profile": "smoke"}, tmp_path)
    assert effect("start of MSAF's scale in (22)", tmp_path) == NOT_VARIED  # hardly trained networks say nothing


def test_a_row_that_could_not_be_measured_moves_nothing(tmp_path):
    write_results("expression_inputs", [Row("expression_inputs", "full_minus_teacher_x4", "aed_mouth", None, data="x")], HEADER, tmp_path)
    assert effect("people whom the semantic teacher hears", tmp_path) == NOT_VARIED


def test_regions_judges_and_outlines(tmp_path):
    write_results("table1", [Row("table1", "ours_mini", "psnr", v, data="x", track=t, region=r) for r, v, t in (
        ("frame", 30.0, "cross-dub"), ("crop", 25.0, "cross-dub"), ("crop", 26.0, "self"))], HEADER, tmp_path)  # fmt: skip
    assert effect("region of the image metrics", tmp_path) == "PSNR of the same dubs: frame 30.0 dB, crop 25.0 dB"
    write_results("judge_agreement", [Row("judge_agreement", "tau_judge_expert", "kendall_tau", 0.5, data="x", n=9)], HEADER, tmp_path)
    assert "Kendall's tau 0.50 over 9 rows" in effect("judge of sync beside it", tmp_path)
    rows = [
        Row("mask_leak", row, "r", v, data=d) for row, v, d in (("posed", 0.1, "embedded"), ("own", 0.9, "embedded"), ("own", 0.8, "grid"))
    ]
    write_results("mask_leak", rows, HEADER, tmp_path)
    assert effect("crop polygon", tmp_path).endswith("from pose 0.10, through the target's own jaw 0.90")
    said = "paired; mask outline less pose, mean over the 8 settings of the other factors"
    write_results(
        "controls_factors",
        [Row("controls_factors", "effect_mask", "psnr", 0.2, unit="dB", region="crop", protocol=said, **PAIR)],
        HEADER,
        tmp_path,
    )
    assert effect("crop polygon", tmp_path).endswith("0.90; mask outline less pose: PSNR of the crop +0.200 dB [-0.300, -0.100]")
    assert effect("clip that I_r comes from", tmp_path) == NOT_VARIED


def test_trials_of_the_five_others_come_from_their_cards(tmp_path):
    (tmp_path / "ip_lap_mini_classroom.json").write_text(json.dumps({"trials": {"steps": 3, "error": {"0.001": 0.02, "0.003": 0.03}}}))
    (tmp_path / "wav2lip_mini_classroom.json").write_text(json.dumps({"trials": None}))
    assert effect("learning rates of the five others", tmp_path, tmp_path).endswith("that at the best: IP_LAP 1.50")


def test_the_table_has_a_column_for_it(tmp_path):
    lines = tables.settings_table("classroom", tmp_path).splitlines()
    assert lines[0].endswith("| what moves when it is changed |") and len(lines) == 2 + len(UNSTATED)
    assert all(line.count("|") == 6 for line in lines) and "`config:expression.k`" in lines[2]
