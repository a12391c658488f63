"""Pictures and tables of stage 1's studies: known numbers come out in their places, and what is missing is said."""

import matplotlib as mpl
import numpy as np
import pytest

from paperlib import figure_expression as fe
from paperlib.results import Row, provenance, write_results

mpl.use("Agg")
MADE = {"data": "made for a test", "motion": "rule", "beta": "predicted", "region": "mouth", "seeds": 2, "n": 6}


def row(name, value, low=None, high=None, metric="aed_mouth", table="expression_inputs", **more):
    return Row(table, name, metric, value, "sd", low=low, high=high, **(MADE | more))


def held(name, folder, rows, profile="classroom"):
    header = provenance("a test", profile, 0, "none", 0.0, budget={"steps": 7, "speakers": 3, "batch": 1})
    return write_results(name, rows, header, folder)


def test_saved_says_how_it_was_measured_or_how_to_measure_it(tmp_path):
    rows, said = fe.saved("expression_window", tmp_path)
    assert rows == [] and "not measured yet" in said and fe.COMMAND in said
    held("expression_window", tmp_path, [row("k2", 0.1, 0.0, 0.2)], "smoke")
    assert fe.saved("expression_window", tmp_path)[0] == []  # hardly trained networks never pass for results
    held("expression_window", tmp_path, [row("k2", 0.1, 0.0, 0.2), row("k0", 0.1, 0.0, 0.2, seeds=3)])
    rows, said = fe.saved("expression_window", tmp_path)
    assert len(rows) == 2 and all(text in said for text in ("7 steps", "3 speakers", "3 seeds", "made for a test", "a test"))


def test_paired_table_gives_the_rules_verdict_and_the_reason_for_a_gap():
    rows = [
        row("no_semantic", 0.3, 0.2, 0.4), row("full_minus_no_semantic", -0.1, -0.2, -0.05),
        row("audio_only", 0.2, 0.1, 0.3), row("full_minus_audio_only", 0.01, -0.1, 0.1),
        row("no_semantic", 0.5, 0.4, 0.6, metric="opening_r"), row("full_minus_no_semantic", -0.1, -0.2, -0.05, metric="opening_r"),
        row("teacher_x4", None, protocol="no checkpoint"),
    ]  # fmt: skip
    names = {"no_semantic": "no images", "audio_only": "wide", "teacher_x4": "more data", "random_teacher": "not in the file"}
    head, _, *lines = fe.paired_table(rows, names, ("aed_mouth", "opening_r")).splitlines()
    assert head == "| full minus | what it is | AED, mouth (sd) | r of lip opening |" and len(lines) == 3
    assert "**better**" in lines[0] and "**worse**" in lines[0]  # a lower error, a lower correlation
    assert "-0.100 [-0.200, -0.050]" in lines[0] and "**tie**" in lines[1]
    assert "no checkpoint" in lines[2]


def test_listed_names_the_measures_and_rivals_of_one_verdict():
    rows = [
        row("full_minus_loudness", 0.1, 0.05, 0.2), row("full_minus_ridge_mfcc", -0.1, -0.2, -0.05),
        row("full_minus_loudness", -0.1, -0.2, -0.05, metric="opening_r"),
        row("full_minus_ridge_mfcc", -0.1, -0.2, -0.05, metric="opening_r"),
        row("full_minus_frame_index", 0.0, -0.1, 0.1), row("full_minus_mean_expression", 0.3, metric="opening_r"),
    ]  # fmt: skip
    rivals = ("mean_expression", "ridge_mfcc", "loudness", "frame_index")

    def say(word):
        return fe.listed(rows, rivals, ("opening_r", "aed_mouth"), word)

    assert say("worse") == "r of lip opening against ridge mfcc, loudness; AED, mouth against loudness"
    assert say("better") == "AED, mouth against ridge mfcc" and say("tie") == "AED, mouth against frame index"
    assert say("no verdict") == ""  # a difference without an interval says nothing


def test_pivot_puts_values_in_their_places_and_leaves_out_empty_columns():
    rows = [row("full", 1.0, 0.5, 1.5), row("full", 2.0, motion="rule2"), row("truth", 0.0)]
    text = fe.pivot(
        rows, {"full": "ours", "loudness": "volume"}, {"rule": "own", "rule2": "another", "real": "recorded"},
        lambda r: (r.row, r.motion), {("full", "rule"): 0.25},
    )  # fmt: skip
    assert text.splitlines() == [
        "|  | own | another |", "| --- | --- | --- |", "| ours | 1.000 [0.500, 1.500] ± 0.250 | 2.000 |", "| volume | – | – |",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "value", "outcome", "same"),
    [
        ("better", -0.1, fe.HOLDS, True),
        ("worse", 0.1, fe.REVERSED, False),
        ("tie", -0.01, fe.TIE, True),
        ("no verdict", 0.1, fe.NONE, False),
    ],
)
def test_orderings_of_table_3_are_read_from_the_studys_own_verdicts(said, value, outcome, same):
    protocol = f"paired; full is: {said} (Holm p 0.02 over 20 comparisons); in the paper: better by 0.015"
    rows = [
        row("full", 0.1, metric="aed", table="table3"),
        row("full_minus_base", value, metric="aed", table="table3", protocol=protocol),
    ]
    (found,) = fe.table3_orderings(rows)
    assert (found.row, found.said, found.printed) == ("base", said, "better")
    assert found.outcome == outcome and found.same_sign == same


@pytest.mark.parametrize(("full", "outcome"), [(0.6, fe.NONE), (0.4, fe.HOLDS)])
def test_a_measure_in_which_full_beats_the_truth_gives_no_verdict(full, outcome):
    protocol = "paired; full is: better (Holm p 0.02 over 20 comparisons); in the paper: better by 0.4"
    rows = [row(name, value, metric="sync", table="table3") for name, value in (("full", full), ("truth", 0.5))]
    rows.append(row("full_minus_base", 0.1, metric="sync", table="table3", protocol=protocol))
    assert [o.outcome for o in fe.table3_orderings(rows)] == [outcome]


def test_orderings_are_read_from_rows_as_the_study_writes_them():
    from paperlib.evaluation.expression_rows import Scores, table3_rows

    scores, rng = Scores(), np.random.default_rng(0)
    for name, error in (("full", 0.1), ("base", 0.3), ("no_semantic", 0.1), ("no_attention", 0.05), ("no_shape", 0.1)):
        clips = [{"row": name, "clip": f"c{i}", "speaker": f"s{i // 2}", "lmd": error + 0.01 * rng.normal()} for i in range(24)]
        measures = ("aed_mouth", "aed", "lip_mm")
        scores.add([c | {m: error + 0.01 * rng.normal() for m in measures} for c in clips], 0)
    found = {(o.row, o.paired.metric, o.paired.region): o for o in fe.table3_orderings(table3_rows(scores, "made", ()))}
    assert len(found) == 4 * 4  # no Sync here
    assert found["base", "lmd", "mouth"].outcome == fe.HOLDS and found["no_attention", "aed", "mouth"].outcome == fe.REVERSED
    assert found["no_shape", "lmd", "mouth"].outcome == fe.TIE


def test_spread_of_seeds_finds_the_measures_of_table_3():
    rows = [
        row("base", 0.02, metric="aed_mouth_seed_sd"),
        row("base", 0.5, metric="lip_mm_seed_sd"),
        row("base", 0.5, metric="lag_seed_sd"),
    ]
    assert fe.table3_spread(rows) == {("base", ("aed", "mouth")): 0.02, ("base", ("aed", "lips")): 0.5}


def test_window_figure_shows_errors_above_the_reference_above_zero():
    rows = [row(f"k{k}", 0.2 + 0.1 * k, 0.1, 0.9) for k in (0, 1, 2)]
    rows += [row("k2_minus_k0", 0.2, 0.1, 0.25), row("k2_minus_k1", 0.1, -0.1, 0.3)]
    fig = fe.window_figure(rows, 2)
    line = fig.axes[1].containers[0]
    assert line.lines[0].get_xydata().tolist() == [[0, -0.2], [1, -0.1]]  # k = 0 errs less than k = 2
    (first, second) = (bar.vertices[:, 1].round(6).tolist() for bar in line.lines[2][0].get_paths())
    assert first == [-0.25, -0.1] and second == [-0.3, 0.1]


def test_attention_figure_shows_means_and_copes_with_a_sound_that_never_comes():
    fig = fe.attention_figure({"plosives": np.tile([0.2, 0.5, 0.3], (4, 1)), "vowels": np.zeros((0, 3))})
    bars = next(c for c in fig.axes[0].containers if hasattr(c, "patches"))
    assert [b.get_height() for b in bars] == pytest.approx([0.2, 0.5, 0.3])
    assert [ax.get_title() for ax in fig.axes] == ["plosives, 4 sounds", "vowels, 0 sounds"]


def test_clips_figure_has_a_column_per_set_and_leaves_single_clips_out():
    rows = []
    for data in ("GRID, the speaker tuned on", "GRID, others"):
        for metric in ("opening_r", "aed_centred"):
            common = {"data": data, "metric": metric, "table": "expression_grid"}
            rows += [row(f"tuned_{n}", 0.1 * n, 0, 9, **common) for n in (0, 10)] + [row("ridge_mfcc", 0.4, 0, 1, **common)]
            rows += [row("scratch_10", 0.3, 0, 1, **common), row("tuned_10_minus_tuned_0", 0.3, 0, 1, **common)]
    rows.append(row("tuned_0", 0.5, metric="opening_r", table="expression_grid", data="GRID one", protocol="one clip"))
    fig = fe.clips_figure(rows)
    assert len(fig.axes) == 4 and [ax.get_title() for ax in fig.axes[:2]] == ["the speaker tuned on", "others"]
    assert [y for _, y in fig.axes[0].containers[0].lines[0].get_xydata()] == [0, 1]
