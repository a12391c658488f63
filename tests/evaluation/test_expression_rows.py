"""Rows of the studies: means over seeds, pairing by clip, ties, the paper beside."""

import numpy as np
import pytest

from paperlib.evaluation.expression_rows import PAPER_MEASURES, Scores, explained_rows, rows_of, table3_rows
from paperlib.paper_tables import TABLE3
from paperlib.results import select


def made(level, seed, noise=0.0, speakers=6, clips=4, metric="aed_mouth"):
    """Scores of one row and seed: every clip has its own difficulty, shared by all rows; `level` is added."""
    hard = np.random.default_rng(0).uniform(0, 1, speakers * clips)
    own = np.random.default_rng(seed + 1).normal(0, noise, speakers * clips) if noise else 0 * hard
    rows = [{"clip": f"{i:02d}", "speaker": str(i // clips), metric: float(v)} for i, v in enumerate(hard + level + own)]
    return lambda row: [{"row": row, **r} for r in rows]


def test_seeds_are_averaged_clip_by_clip_and_reported_apart():
    scores = Scores()
    for seed, level in ((0, 1.0), (1, 3.0)):
        scores.add(made(level, seed)("full"), seed)
    scores.add(made(5.0, 0)("mean_expression"), 0)
    rows = rows_of(scores, "expression_measures", "made", "rule", ("aed_mouth",))
    full = select(rows, row="full", metric="aed_mouth")[0]
    hard = np.random.default_rng(0).uniform(0, 1, 24)
    assert full.value == pytest.approx(2 + hard.mean()) and full.seeds == 2 and full.n == 6 and full.low < full.value < full.high
    assert select(rows, metric="aed_mouth_seed_sd")[0].value == pytest.approx(np.sqrt(2))
    difference = select(rows, row="full_minus_mean_expression")[0]
    assert difference.value == pytest.approx(-3) and difference.low == pytest.approx(-3) and "better" in difference.protocol


def test_a_clip_that_fails_is_undefined_and_a_row_of_them_has_no_value():
    scores = Scores()
    scores.add(made(1.0, 0)("full"), 0)
    scores.add([{**s, "aed_mouth": None} for s in made(1.0, 0)("silent_speech")], 0)
    rows = rows_of(scores, "expression_measures", "made", "rule", ("aed_mouth",))
    silent = select(rows, row="silent_speech")[0]
    assert silent.value is None and "constant" in silent.protocol and not select(rows, row="full_minus_silent_speech")


def test_table3_has_the_papers_row_beside_ours_and_says_ties():
    scores = Scores()
    levels = {"full": 0.0, "base": 1.0, "no_semantic": 0.0, "no_attention": -1.0, "no_shape": 0.5}
    for i, (name, level) in enumerate(levels.items()):
        for seed in range(3):
            rows = made(level, 10 * i + seed, noise=0.05)(name)
            scores.add([{**r, "lmd": r["aed_mouth"], "aed": 1.0, "lip_mm": r["aed_mouth"]} for r in rows], seed)
    rows = table3_rows(scores, "made", ("mean_expression",))
    paper = select(rows, kind="published")
    assert {(r.row, r.metric): r.value for r in paper} == {(r, m): TABLE3.value(r, m) for r in TABLE3.rows for m in TABLE3.columns}
    said = {r.row: r.protocol for r in rows if r.metric == "lmd" and r.row.startswith("full_minus")}
    assert "full is: better" in said["full_minus_base"] and "in the paper: better by 0.62" in said["full_minus_base"]
    assert "full is: tie" in said["full_minus_no_semantic"] and "full is: worse" in said["full_minus_no_attention"]
    assert "over 16 comparisons" in said["full_minus_base"]
    assert all(r.value is None and "judge" in r.protocol for r in select(rows, metric="sync", kind="measured"))
    assert {(r.metric, r.region, r.unit) for r in rows if r.kind == "measured"} == {(m, g, u) for m, _, g, u in PAPER_MEASURES}


def test_explained_variance_is_a_quotient_of_means():
    scores = Scores()
    for name, value in (("mean_expression", 10.0), ("other_take", 4.0), ("full", 4.0)):
        scores.add([{"row": name, "clip": str(i), "speaker": str(i), "mouth_mse": value * (i + 1)} for i in range(4)], 0)
    rows = explained_rows(scores, "expression_measures", "made", "rule")
    value = {(r.row, r.metric): r for r in rows}
    assert value["other_take", "explainable"].value == pytest.approx(0.8)
    assert value["full", "explained"].value == pytest.approx(0.6) and value["full", "explained_share"].value == pytest.approx(0.75)
    assert value["full", "explained_share"].low == pytest.approx(0.75) and value["full", "explained"].n == 4
    assert explained_rows(Scores(), "expression_measures", "made", "rule") == []
