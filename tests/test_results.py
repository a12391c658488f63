"""The results schema refuses what would mislead."""

import json

import pytest

from paperlib import results
from paperlib.errors import InputError


def header():
    return results.provenance("paperlib evaluate x", "smoke", 0, "embedded abc", 1.0)


def test_round_trip(tmp_path):
    rows = [
        results.Row("table3", "full", "aed", 0.081, kind="published"),
        results.Row("table3", "full", "aed", 0.3, data="embedded", low=0.2, high=0.4, n=10),
    ]
    results.write_results("t", rows, header(), tmp_path)
    back, provenance = results.read_results("t", tmp_path)
    assert back == rows and provenance["corpus"] == "embedded abc"
    assert results.select(back, kind="measured") == rows[1:]


def test_what_rows_have_in_common_is_written_once_and_read_back(tmp_path):
    rows = [results.Row("t", f"r{i}", "aed", 0.1 * i, data="embedded", motion="rule", beta="predicted", n=10, seeds=3) for i in range(5)]
    rows.append(results.Row("t", "few", "aed", 0.5, data="embedded", motion="rule", beta="predicted", n=None, seeds=3, protocol="why"))
    rows += [results.Row("t", "other", "aed", 1 / 3, "mm", data="GRID")]  # says nothing of motion, beta, n
    path = results.write_results("t", rows, header(), tmp_path)
    back, _ = results.read_results("t", tmp_path)
    assert back[:5] == [results.Row(**{**vars(r), "value": float(f"{r.value:.7g}")}) for r in rows[:5]]
    assert back[5] == rows[5]
    assert (back[6].motion, back[6].beta, back[6].n, back[6].seeds, back[6].data) == ("", "", None, 1, "GRID")
    assert back[6].value == 0.3333333
    assert path.read_text().count("embedded") == 2 and path.read_text().count("predicted") == 1  # corpus of the header, data of six rows


def test_empty_results_and_files_of_older_forms_are_read(tmp_path):
    results.write_results("empty", [], header(), tmp_path)
    assert results.read_results("empty", tmp_path)[0] == []
    row = results.Row("t", "r", "m", 1.0, data="d")
    oldest = {"provenance": header(), "rows": [{"table": "t", "row": "r", "metric": "m", "value": 1.0, "data": "d"}]}
    older = {"provenance": header(), "most_rows": {"table": "t", "data": "d"}, "rows": [{"row": "r", "metric": "m", "value": 1.0}]}
    for k, told in enumerate((oldest, older)):
        (tmp_path / f"old{k}.json").write_text(json.dumps(told))
        assert results.read_results(f"old{k}", tmp_path)[0] == [row]


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"kind": "guessed"}, "not one of"),
        ({"value": float("nan"), "data": "d"}, "not finite"),
        ({"value": 1.0}, "must name its data"),
    ],
)
def test_misleading_rows_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        results.Row(**({"table": "t", "row": "r", "metric": "m", "value": 1.0} | bad))


def test_provenance_must_be_whole(tmp_path):
    with pytest.raises(ValueError, match="lacks"):
        results.write_results("t", [], {"command": "x"}, tmp_path)


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match="no such results file"):
        results.read_results("nothing", tmp_path)
    (tmp_path / "bad.json").write_text(json.dumps({"provenance": {}, "rows": [{"what": 1}]}))
    with pytest.raises(InputError, match=r"bad\.json: not a results file"):
        results.read_results("bad", tmp_path)
