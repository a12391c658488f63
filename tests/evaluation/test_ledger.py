"""The ledger: verdicts follow the rules, words come from numbers, and a missing file is said to be missing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from paperlib import paper, paths
from paperlib.config import load_profile
from paperlib.evaluation import ledger
from paperlib.evaluation.dubbing_systems import MINIS
from paperlib.paper import CLAIMS, TABLES
from paperlib.results import Row, provenance, read_results, write_results

HEADER = provenance("test", "smoke", 0, "none", 0.0)


def entries(folder):
    return {e.claim.id: e for e in ledger.entries(folder)}


def figure7(folder, ours, frozen, ssim=0.97):
    rows = [
        Row("figure7", system, "pearson", value, low=low, high=high, n=50, data=f"embedded cross-dub {scope}")
        for system, (value, low, high) in (("full", ours), ("frozen_mouth", frozen)) for scope in ("a", "all")
    ]  # fmt: skip
    write_results("figure7", rows, HEADER, folder)
    curve = {"lmd": [1.0, None], "ssim": [ssim, 0.99]}
    (folder / "figure7_curves.json").write_text(json.dumps({"curves": {"a": {"full": curve, "frozen_mouth": curve}}}))


def test_every_claim_has_a_rule_and_a_verdict(tmp_path):
    found = entries(tmp_path)
    assert list(found) == list(CLAIMS) == list(ledger.RULES)
    assert {e.verdict for e in found.values()} <= set(ledger.VERDICTS) and all(e.why for e in found.values())
    assert found["abstract_vox1"].verdict == found["abstract_vox2"].verdict == ledger.FAILS
    assert {n for n, e in found.items() if e.verdict == ledger.FAILS} == {"abstract_vox1", "abstract_vox2"}
    assert "CSIM with IP_LAP, Diff2Lip" in found["best_vox1"].recomputed
    assert not any(e.measured for e in found.values())


def test_a_printed_table_that_contradicts_its_claim_is_found(tmp_path, monkeypatch):
    worse = dict(TABLES["table4"].rows, no_msaf=(39.0, 0.041, 0.951, 1.66, 0.99))
    monkeypatch.setitem(TABLES, "table4", paper.Table(**(vars(TABLES["table4"]) | {"rows": worse})))
    assert entries(tmp_path)["msaf_helps"].verdict == ledger.FAILS
    lost = dict(TABLES["table1"].rows, wav2lip=(40.0, 0.12, 0.86, 2.41, 0.98, 5.28))
    monkeypatch.setitem(TABLES, "table1", paper.Table(**(vars(TABLES["table1"]) | {"rows": lost})))
    assert "not the best printed value in PSNR" in entries(tmp_path)["best_vox1"].recomputed


def test_a_negative_r_is_a_trend_that_the_frozen_mouth_shares(tmp_path):
    figure7(tmp_path, (-0.6, -0.7, -0.5), (-0.9, -0.95, -0.8))
    entry = entries(tmp_path)["lmd_ssim"]
    assert entry.verdict == ledger.TREND and "a mouth that never moves has it as well" in entry.why
    assert "-0.600 [-0.700, -0.500]" in entry.measured and "below 0 in 1 of 1 clips" in entry.measured
    figure7(tmp_path, (-0.6, -0.7, -0.5), (0.0, -0.1, 0.1))
    assert "never moves" not in entries(tmp_path)["lmd_ssim"].why
    assert entries(tmp_path)["lmd_ssim"].why == "negative here too, of another size"
    figure7(tmp_path, (-0.7, -0.8, -0.6), (0.0, -0.1, 0.1))
    assert entries(tmp_path)["lmd_ssim"].why == "negative here too", "the interval holds the printed r"
    figure7(tmp_path, (-0.1, -0.3, 0.2), (-0.9, -0.95, -0.8))
    assert entries(tmp_path)["lmd_ssim"].verdict == ledger.AGAINST
    figure7(tmp_path, (None, None, None), (-0.9, -0.95, -0.8))
    assert entries(tmp_path)["lmd_ssim"].verdict == ledger.NOT_TESTABLE


def test_the_floor_of_ssim_is_the_lowest_frame(tmp_path):
    figure7(tmp_path, (-0.6, -0.7, -0.5), (0.0, -0.1, 0.1))
    assert entries(tmp_path)["ssim_floor"].verdict == ledger.TREND
    figure7(tmp_path, (-0.6, -0.7, -0.5), (0.0, -0.1, 0.1), ssim=0.955)
    entry = entries(tmp_path)["ssim_floor"]
    assert entry.verdict == ledger.AGAINST and entry.measured.startswith("lowest 0.955, 50% of 2 frames above 0.96")


def test_a_removal_at_test_time_decides_nothing_and_a_retrained_row_does(tmp_path):
    removed = Row("controls_ablation", "full_minus_msaf_off", "psnr", 2.0, unit="dB", data="x", low=1.5, high=2.5, n=10, region="mouth")
    write_results("controls_ablation", [removed], HEADER, tmp_path)
    entry = entries(tmp_path)["msaf_helps"]
    assert entry.verdict == ledger.NOT_TESTABLE and "2.000 dB [1.500, 2.500], n = 10 speakers" in entry.measured
    assert "decides nothing" in entry.why and "audio path" not in entry.measured
    lip = {"unit": "mm", "data": "x", "low": -0.3, "high": -0.1, "n": 10, "region": "mouth"}
    stage1 = [Row("controls_ablation", row, "lip_mm", -0.2, **lip) for row in ("full_minus_uniform_attention", "audio_path_off")]
    write_results("controls_ablation", [removed, *stage1], HEADER, tmp_path)
    found = entries(tmp_path)
    assert "audio path beside (7), which the paper's has not" in found["attention_helps"].measured
    assert "audio path" not in found["msaf_helps"].measured
    for low, value, high, verdict in (
        (0.1, 0.2, 0.3, ledger.TREND),
        (-0.3, -0.2, -0.1, ledger.AGAINST),
        (-0.1, 0.1, 0.3, ledger.TIE),
    ):
        said = {"data": "x", "n": 10, "beta": "predicted"}
        row = Row("table4", "full_minus_no_msaf", "psnr", value, low=low, high=high, region="crop", **said)
        lmd = Row("table4", "full_minus_no_msaf", "lmd", -value, low=-high, high=-low, region="mouth", **said)  # lower is better
        elsewhere = Row(
            "table4", "full_minus_no_msaf", "psnr", -value, low=-high, high=-low, region="frame", **said
        )  # no part of the claim
        write_results("table4", [row, lmd, elsewhere], HEADER, tmp_path)
        assert entries(tmp_path)["msaf_helps"].verdict == verdict


MEASURES = (("psnr", "crop"), ("lpips", "crop"), ("ssim", "crop"), ("lmd", "mouth"), ("csim", "frame"), ("sync", "mouth"))


def duels(folder, said, minis=MINIS, table="table1"):
    """Ours against each mini in the paper's six measures: said(mini, metric) -> better, tie or worse; and rows that must not count."""
    rows = []
    for mini in minis:
        contest = "animation" if mini in ("makeittalk_mini", "sadtalker_mini") else "dubbing"
        for metric, region in (*MEASURES, ("psnr", "frame")):
            for track in ("cross-dub", "self"):
                word = "worse" if region == "frame" and metric == "psnr" or track == "self" else said(mini, metric)
                value = {"better": 0.2, "tie": 0.0, "worse": -0.2}[word] * (-1 if metric in ("lpips", "lmd") else 1)
                where = {"data": "embedded test speakers, still heads, 20 clips", "beta": "predicted", "track": track, "n": 20}
                words = f"paired; ours is: {word} (Holm p 0.01 of 30); smallest detectable 0.1"
                rows.append(Row(table, f"full_minus_{mini}", metric, value, low=value - 0.1, high=value + 0.1, region=region,
                                contest=contest, protocol=words, **where))  # fmt: skip
    write_results(table, rows, HEADER, folder)


def test_best_of_six_is_a_trend_without_a_loss_and_fails_with_one(tmp_path):
    duels(tmp_path, lambda mini, metric: "tie" if metric == "csim" else "better")
    entry = entries(tmp_path)["best_vox1"]
    assert entry.verdict == ledger.TREND and "better in 25 of 30 comparisons, worse in none, on the embedded corpus" in entry.why
    assert "dubbing: better in 15, tied in 3, worse in 0; animation: better in 10, tied in 2, worse in 0" in entry.measured
    assert (entry.headline.value, entry.headline.unit, entry.headline.n) == (25.0, "of 30 comparisons", 20)
    assert entries(tmp_path)["best_vox2"].verdict == ledger.NOT_TESTABLE  # table 2 is not there
    duels(tmp_path, lambda mini, metric: "worse" if (mini, metric) == ("diff2lip_mini", "lpips") else "better", table="table2")
    entry = entries(tmp_path)["best_vox2"]
    assert entry.verdict == ledger.AGAINST and "worse in 1 of 30" in entry.why and "no published system is ranked" in entry.why
    assert "Worse: LPIPS against Diff2Lip-mini 0.200 [0.100, 0.300]" in entry.measured


def test_best_of_six_needs_all_five_and_more_than_half(tmp_path):
    duels(tmp_path, lambda mini, metric: "better", MINIS[:4])
    entry = entries(tmp_path)["best_vox1"]
    assert entry.verdict == ledger.NOT_TESTABLE and "not scored: SadTalker-mini" in entry.why
    duels(tmp_path, lambda mini, metric: "better" if metric in ("psnr", "ssim", "lmd") else "tie")
    assert "but better in 15 of 30 comparisons only" in entries(tmp_path)["best_vox1"].why


def test_a_sync_that_the_judges_dispute_has_no_verdict(tmp_path):
    duels(tmp_path, lambda mini, metric: "worse" if (mini, metric) == ("wav2lip_mini", "sync") else "better")
    assert entries(tmp_path)["best_vox1"].verdict == ledger.AGAINST
    said = "no verdict; first is by judge: better, expert: better, lag: tie, opening: worse"
    rows = [Row("judge_agreement", "wav2lip_mini>ours_mini", "survives", 0.0, data="x", n=20, protocol=said)]
    write_results("judge_agreement", rows, HEADER, tmp_path)
    entry = entries(tmp_path)["best_vox1"]
    assert entry.verdict == ledger.TREND and "no verdict in 1" in entry.measured
    assert "better in 29 of 30 comparisons, worse in none, no verdict in 1 (Sync), on the embedded corpus" in entry.why
    assert "Sync -0.200 [-0.300, -0.100] (Wav2Lip-mini, no verdict)" in entries(tmp_path)["abstract_vox1"].measured


def test_the_abstract_stands_beside_the_best_reduction(tmp_path):
    duels(tmp_path, lambda mini, metric: "tie" if mini == "ip_lap_mini" else "better")
    entry = entries(tmp_path)["abstract_vox1"]
    assert entry.verdict == ledger.FAILS and entry.measured.startswith(
        "ours less the best reduction: PSNR 0.000 [-0.100, 0.100] (IP_LAP-mini); LPIPS"
    )


def test_a_retrained_row_is_judged_by_its_tables_own_test(tmp_path):
    """An interval may leave 0 where Holm or a seed does not let it count."""
    place = {"data": "x", "n": 10, "beta": "predicted"}
    rows = [
        Row("table4", "full_minus_no_msaf", "psnr", 0.2, low=0.1, high=0.3, region="crop", **place),
        Row("table4", "full_minus_no_msaf", "lmd", 0.2, low=0.1, high=0.3, region="mouth", **place),
    ]
    write_results("table4", rows, HEADER, tmp_path)
    mixed = entries(tmp_path)["msaf_helps"]
    assert mixed.verdict == ledger.AGAINST and mixed.why.endswith("1 of 2 comparisons better, 1 worse")
    tested = [
        Row("orderings", "table4:full>no_msaf", m, 0.2, region=r, protocol=f"{word}; Holm p 0.2 of 16", **place)
        for m, r, word in (("psnr", "crop", "holds"), ("lmd", "mouth", "tie"))
    ]
    write_results("orderings_renderer", tested, HEADER, tmp_path)
    assert entries(tmp_path)["msaf_helps"].verdict == ledger.TREND
    write_results("orderings_renderer", [replace(r, protocol="tie; Holm p 1 of 16") for r in tested], HEADER, tmp_path)
    entry = entries(tmp_path)["msaf_helps"]
    assert entry.verdict == ledger.TIE and entry.measured.endswith("LMD of mouth 0.200 [0.100, 0.300], tie")
    assert entry.why.endswith("0 of 2 comparisons better, 0 worse")
    seeds = "paired; by seed -0.1, 0.4, 0.3; smallest detectable 0.15"
    write_results("table4", [replace(r, protocol=seeds) for r in rows], HEADER, tmp_path)
    entry = entries(tmp_path)["msaf_helps"]
    assert entry.why.endswith("seeds disagree where intervals leave 0") and "(smallest detectable 0.15), tie" in entry.measured
    own = Row("table3", "full_minus_no_semantic", "aed", -0.1, low=-0.2, high=-0.05, region="mouth", data="x", n=10,
              protocol="paired; full is: tie (Holm p 0.08 over 20 comparisons); in the paper: better by 0.013")  # fmt: skip
    write_results("table3", [own], HEADER, tmp_path)
    assert entries(tmp_path)["semantic_helps"].verdict == ledger.TIE
    sync = Row("table3", "full_minus_no_semantic", "sync", 0.1, low=0.05, high=0.2, region="mouth", data="x", n=10,
               protocol="paired; full is: better (Holm p 0.02 over 20 comparisons); in the paper: better by 0.39")  # fmt: skip
    truth, full = (Row("table3", row, "sync", v, region="mouth", data="x", n=10) for row, v in (("truth", 0.6), ("full", 0.5)))
    write_results("table3", [own, sync, truth, full], HEADER, tmp_path)
    assert entries(tmp_path)["semantic_helps"].verdict == ledger.TREND
    write_results("table3", [own, sync, replace(truth, value=0.45), full], HEADER, tmp_path)  # judged better than the truth
    entry = entries(tmp_path)["semantic_helps"]
    assert entry.verdict == ledger.TIE and entry.why.endswith("0 of 2 comparisons better, 0 worse, 1 without verdict")
    path = Row("controls_ablation", "audio_path_off", "lip_mm", 0.2, unit="mm", data="x", low=0.1, high=0.3, n=10, region="mouth")
    write_results("controls_ablation", [path], HEADER, tmp_path)
    assert entries(tmp_path)["semantic_helps"].why.endswith("beside an audio path that the paper has not")
    assert "audio path" not in entries(tmp_path)["shape_loss_helps"].why


@pytest.mark.parametrize(("params", "verdict"), [(101.39, ledger.TREND), (90.0, ledger.AGAINST)])
def test_complexity_never_holds_while_the_printed_rows_do_not_add_up(tmp_path, params, verdict):
    rows = [
        Row("table7", row, m, value / 4, data=data) for row in ("expression", "sfm", "tmn", "rbfin")
        for m, value in (("params", params), ("flops", 86.88)) for data in ("paper profile", "classroom profile")
    ]  # fmt: skip
    write_results("table7", rows, HEADER, tmp_path)
    entry = entries(tmp_path)["complexity"]
    assert entry.verdict == verdict and entry.headline.value == pytest.approx(params)


def test_rows_round_trip_into_a_table(tmp_path):
    figure7(tmp_path, (-0.6, -0.7, -0.5), (-0.9, -0.95, -0.8))
    path = ledger.evaluate(load_profile("smoke"), tmp_path)
    rows, header = read_results("ledger", tmp_path)
    assert path.name == "ledger.json" and header["inputs"] == ["figure7"]
    assert len(rows) == len(ledger.COLUMNS) * len(CLAIMS) and all(paper.row_id("ledger", r.row) for r in rows)
    assert ledger.verdicts(rows) == {n: e.verdict for n, e in entries(tmp_path).items()}
    lines = ledger.table(rows).splitlines()
    assert len(lines) == 2 + len(CLAIMS) and all(line.count("|") == 5 for line in lines)
    assert np.isclose(next(r.value for r in rows if (r.row, r.metric) == ("lmd_ssim", "measured")), -0.6)


def test_the_shipped_ledger_agrees_with_the_shipped_results(tmp_path):
    rows = [row for entry in ledger.entries(paths.RESULTS) for row in ledger.rows_of(entry)]
    _, header = read_results("ledger")
    write_results("ledger", rows, header, tmp_path)  # as it would be written, rounded
    fix = "data/results/ledger.json is out of date; run: paperlib evaluate ledger --out data/results"
    assert read_results("ledger")[0] == read_results("ledger", tmp_path)[0], fix
