"""The published facts: digits, the equation map, settings, and what arithmetic on them shows."""

import numpy as np
import pytest

from paperlib import paper, paper_checks
from paperlib.paper import EQUATIONS, GIVEN, ROW_IDS, TABLES, UNSTATED


def test_tables_are_whole():
    assert list(TABLES) == [f"table{i}" for i in range(1, 8)]
    for t in TABLES.values():
        assert all(len(values) == len(t.columns) for values in t.rows.values())
        assert set(t.labels) == set(t.rows)
        assert set(t.columns) <= set(paper.METRICS)
        assert set(t.rows) <= set(ROW_IDS[t.name])
    assert sum(len(t.rows) * len(t.columns) for t in TABLES.values()) == 36 + 36 + 15 + 30 + 15 + 15 + 20


def test_full_rows_agree_between_tables():
    full = TABLES["table4"].rows["full"]
    assert TABLES["table5"].rows["sigma_learned"] == full == TABLES["table6"].rows["all"]
    rounded = [round(v, 2) for v in full]
    assert rounded == list(TABLES["table1"].rows["ours"][:5])


def test_published_rows_follow_the_results_schema(tmp_path):
    from paperlib.results import provenance, read_results, write_results

    rows = paper.published_rows()
    write_results("published", rows, provenance("test", "smoke", 0, "none", 0.0), tmp_path)
    back, _ = read_results("published", tmp_path)
    assert len(back) == 167 and {r.kind for r in back} == {"published"}
    assert next(r for r in back if (r.table, r.row, r.metric) == ("table1", "ours", "psnr")).value == 38.31


def test_row_ids():
    assert paper.row_id("table1", "wav2lip_mini") == "wav2lip_mini"
    assert paper.row_id("controls_expression", "full_minus_ridge_mfcc")
    with pytest.raises(ValueError, match="unknown row 'sigma_2'"):
        paper.row_id("table5", "sigma_2")
    with pytest.raises(ValueError, match="no such table"):
        paper.row_id("table9", "ours")


def test_shipped_results_use_known_rows():
    from paperlib import paths
    from paperlib.results import read_results

    for path in sorted(paths.RESULTS.glob("*.json")):
        if path.stem.endswith("_curves"):
            continue
        for row in read_results(path.stem)[0]:
            assert paper.row_id(row.table, row.row)


# ---- arithmetic on the printed numbers (PAPER section 6), against values worked out by hand
def test_abstract_differences_match_no_row():
    for table, claim in (("table1", "abstract_vox1"), ("table2", "abstract_vox2")):
        check = paper_checks.abstract_differences(table, claim)
        assert not check.consistent
        assert max(check.numbers.values()) < 5
    assert paper_checks.differences("table1")["sadtalker"]["psnr"] == pytest.approx(7.56)  # the abstract says 7.76
    assert paper_checks.differences("table2")["sadtalker"]["psnr"] == pytest.approx(7.70)  # the abstract says 7.12


def test_sums_of_table_7():
    sums = {m: paper_checks.column_sum(m) for m in ("params", "flops", "madd", "memory")}
    assert sums["params"].numbers == {"sum": 101.39, "printed": 101.17} and not sums["params"].consistent
    assert sums["memory"].numbers == {"sum": 690.1, "printed": 690.2} and sums["memory"].consistent, "five rounded numbers"
    assert sums["memory"].finding.endswith("rounding explains 0.25") and sums["params"].finding.endswith("rounding explains 0.025")
    assert sums["flops"].consistent and sums["madd"].consistent


def test_duplicate_rows_and_scale_zero():
    check = paper_checks.duplicate_rows()
    assert not check.consistent
    assert check.finding == "table 5 sigma_0 = table 4 base; table 5 sigma_1 = table 4 no_staging"
    assert paper_checks.sigma_zero().numbers == {"sigma_0": 37.33, "no_msaf": 38.21}


def test_madd_ratio_singles_out_sfm():
    check = paper_checks.madd_ratio()
    assert check.numbers == {"expression": 2.0, "sfm": 2.6, "tmn": 2.0, "rbfin": 2.0}
    assert not check.consistent


def test_base_has_most_of_the_lead():
    shares = paper_checks.base_share().numbers
    np.testing.assert_allclose(shares["psnr"], (37.33 - 34.42) / (38.31 - 34.42), atol=1e-4)
    np.testing.assert_allclose(shares["lmd"], (2.41 - 1.91) / (2.41 - 1.62), atol=1e-4)


def test_all_checks_have_a_finding():
    checks = paper_checks.all_checks()
    assert len({c.id for c in checks}) == len(checks) == 13
    assert all(c.finding and c.question.endswith("?") for c in checks)


# ---- settings
@pytest.mark.parametrize("given", [g for g in GIVEN if g.where], ids=lambda g: g.name)
def test_given_settings_are_ours_under_paper(given):
    assert paper.setting(given.where, "paper") == given.value


@pytest.mark.parametrize("unstated", UNSTATED, ids=lambda u: u.name)
def test_unstated_settings_live_where_they_say(unstated):
    found = paper.setting(unstated.where, "paper")
    assert found is not None
    assert unstated.reason
    if unstated.where.startswith("config:"):
        assert not unstated.chosen, "a configured value is read, never typed twice"
    else:
        assert unstated.chosen, "a choice made in code is said in words"


def test_unstated_names_are_unique_and_cover_the_lambdas():
    names = [u.name for u in UNSTATED]
    assert len(set(names)) == len(names)
    fields = {u.where.removeprefix("config:renderer.") for u in UNSTATED}
    assert {"l_ssim", "l_p", "l_style", "l_wgan", "l_corr", "lambda_gp", "msaf_init", "corr_form"} <= fields


def test_setting_rejects_what_is_not_there():
    with pytest.raises(AttributeError):
        paper.setting("config:renderer.bogus")
    with pytest.raises(AttributeError, match="group of settings"):
        paper.setting("config:renderer")


# ---- equation map
def test_all_32_equations_are_mapped():
    assert sorted(EQUATIONS) == list(range(1, 33))


@pytest.mark.parametrize("number", range(1, 33))
def test_equation_resolves_on_all_sides(number):
    assert paper.unresolved(EQUATIONS[number]) == []


def test_unresolved_names_every_missing_side(tmp_path, monkeypatch):
    from paperlib import paths

    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    wrong = paper.Equation(99, "nothing", ("paperlib.seeding:rng", "paperlib.seeding:no_such"), "99_none", "test_none.py")
    problems = "\n".join(paper.unresolved(wrong))
    for text in ("no test file", "no_such cannot be imported", "(99) is not cited", "no notebook 99_none.py"):
        assert text in problems


def test_mentions():
    assert paper.mentions("as (7) says", 7) and paper.mentions("(5)-(7)", 6) and paper.mentions("(19-22)", 20)
    assert paper.mentions(r"$$x \tag{12}$$", 12)
    assert not paper.mentions("(17)", 7) and not paper.mentions("f(7.0)", 7) and not paper.mentions("(5)-(7)", 8)
