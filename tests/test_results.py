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
