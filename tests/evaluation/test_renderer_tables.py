"""Tables 4 to 6 from scores whose answer is known: means over seeds, paired differences, verdicts by the rule."""

import numpy as np
import pytest

from paperlib.evaluation import renderer_tables as tables
from paperlib.evaluation.renderer_scores import MEASURES
from paperlib.evaluation.renderer_variants import VARIANTS
from paperlib.metrics.statistics import Interval
from paperlib.paper import row_id
from paperlib.results import select

COMMON = {"data": "d", "motion": "rule", "track": "cross-dub"}
SPEAKERS = 6


def made(worth, seeds=(0, 1, 2), noise=0.02, wobble=None):
    """Scores by seed: worth[variant] in every measure (its negative where lower is better), a little noise, two clips a speaker."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(SPEAKERS, 2))
    out = {}
    for seed in seeds:
        out[seed] = []
        for name in VARIANTS:
            for beta in tables.BETAS:
                for (metric, region), (_, better) in MEASURES.items():
                    for s in range(SPEAKERS):
                        for c in range(2):
                            extra = (wobble or {}).get(name, (0,) * 9)[seed]
                            value = worth.get(name, 0.0) + extra + shared[s, c] + noise * rng.normal()
                            sign = 1 if better == "higher" else -1
                            place = {"row": name, "beta": beta, "metric": metric, "region": region, "clip": f"{s}/{c}", "speaker": s}
                            out[seed].append(place | {"value": sign * value})
    return tables.Scores(out)


@pytest.fixture(scope="module")
def scores():
    """Full is best, base worst, no_staging as good as full, no_tmn better than full: one of each verdict."""
    return made({"full": 1.0, "base": 0.0, "no_tmn": 1.5, "no_corr": 0.8, "no_msaf": 0.9, "no_staging": 1.0, "sigma_1": 0.5, "high": 0.7})


def test_rows_hold_means_intervals_and_the_printed_values(scores):
    rows = tables.table_rows(scores, "table4", COMMON)
    for r in rows:
        row_id(r.table, r.row)
    printed = select(rows, kind="published", row="base", metric="psnr")
    assert [r.value for r in printed] == [37.33]
    (full,) = select(rows, kind="measured", row="full", metric="psnr", region="crop", beta="true")
    values = scores.values["full", "true", "psnr", "crop"]
    assert full.value == pytest.approx(values.mean()) and full.low < full.value < full.high and (full.n, full.seeds) == (SPEAKERS, 3)
    assert full.protocol.startswith("by seed") and len(full.protocol.split(",")) == 3
    (cost,) = select(rows, row="full_minus_base", metric="lpips", region="mouth", beta="predicted")
    assert cost.value == pytest.approx(-1.0, abs=0.05) and cost.high < 0  # LPIPS is lower where it is better


def test_table_5_takes_its_rows_from_the_networks_that_they_are(scores):
    rows = tables.table_rows(scores, "table5", COMMON)
    (zero,) = select(rows, kind="measured", row="sigma_0", metric="ssim", region="crop", beta="true")
    assert zero.value == pytest.approx(scores.values["no_msaf", "true", "ssim", "crop"].mean())
    assert {r.row for r in rows if r.row.startswith("full_minus_")} == {"full_minus_sigma_0", "full_minus_sigma_1"}


def test_one_of_each_verdict(scores):
    rows = tables.ordering_rows(scores, COMMON)
    for r in rows:
        row_id(r.table, r.row)
    said = {(r.row, r.metric, r.region): r.protocol.split(";")[0] for r in rows if r.beta == "true"}
    for measure in (("psnr", "crop"), ("lpips", "frame"), ("lmd", "mouth")):
        assert said["table4:full>base", *measure] == "holds"
        assert said["table4:full>no_staging", *measure] == "tie"
        assert said["table4:full>no_tmn", *measure] == "does not hold"
    assert said["table6:high>low", "psnr", "crop"] == "holds"
    assert ("table6:high>low", "lpips", "crop") not in said  # printed the other way round
    assert not [k for k in said if k[1] in ("csim", "skill")]  # all printed CSIM are equal; skill is not printed


def test_a_seed_that_disagrees_makes_a_tie():
    wobble = {"no_corr": (0.0, 0.0, 0.9)}  # in the third seed the net without the loss is the better one
    rows = tables.ordering_rows(made({"full": 1.0, "no_corr": 0.5}, wobble=wobble), COMMON)
    (row,) = [r for r in rows if (r.row, r.metric, r.region, r.beta) == ("table4:full>no_corr", "psnr", "crop", "true")]
    assert row.low > 0 and row.protocol.startswith("tie")


def test_the_rule_of_a_verdict():
    clear, seeds = Interval(0.5, 0.2, 0.8, 12, 6, p=0.001), np.array([0.4, 0.5, 0.6])
    assert tables.ordering_verdict(clear, seeds, 0.01, "higher") == "holds"
    assert tables.ordering_verdict(clear, seeds, 0.01, "lower") == "does not hold"
    assert tables.ordering_verdict(clear, seeds, 0.06, "higher") == "tie"
    assert tables.ordering_verdict(clear, np.array([0.6, 0.9, -0.1]), 0.01, "higher") == "tie"
    assert tables.ordering_verdict(Interval(0.5, np.nan, np.nan, 2, 1), seeds, np.nan, "higher") == "no verdict"
    assert tables.ordering_verdict(Interval(0.5, 0.2, 0.8, 4, 2, p=0.001), seeds, 0.01, "higher") == "no verdict"  # two speakers


def test_values_that_are_missing_in_one_seed_leave_the_clip_out():
    by_seed = {s: [{"row": "full", "beta": "true", "metric": "psnr", "region": "crop", "clip": f"c{k}", "speaker": k,
                    "value": None if (s, k) == (1, 0) else float(k)} for k in range(3)] for s in (0, 1)}  # fmt: skip
    scores = tables.Scores(by_seed)
    ci = scores.interval(("full", "true", "psnr", "crop"))
    assert ci.value == 1.5 and ci.failed == 1


def test_every_printed_ordering_is_asked_once():
    orderings = tables.printed_orderings("psnr")
    assert len(orderings) == len(set(orderings)) == 15 + 3 + 3
    assert ("table4", "no_corr", "no_staging") in orderings and ("table4", "no_staging", "no_corr") not in orderings
    assert tables.printed_orderings("csim") == []
