"""`paperlib evaluate --method` under smoke, from rendering one person's clips to the tables; nothing is trained there, and rows say so."""

import csv

from paperlib import cli, paths
from paperlib.paper import row_id
from paperlib.results import read_results, select


def test_tables_under_smoke(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    asked = ["evaluate", "--method", "frozen_mouth", "--profile", "smoke", "--clips", "1", "--workers", "1"]
    assert cli.main(asked) == 0
    first = capsys.readouterr()
    assert "frozen_mouth seed 0" in first.err and str(tmp_path / "smoke" / "results" / "table2.json") in first.out
    assert cli.main(asked) == 0  # everything is there: nothing is dubbed again
    assert "seed 0" not in capsys.readouterr().err
    for table, part in (("table1", "still heads"), ("table2", "strong head motion")):
        rows, header = read_results(table, tmp_path / "smoke" / "results")
        for r in rows:
            row_id(r.table, r.row)
        assert len(select(rows, kind="published")) == 36 and header["checkpoints"]["ours_mini"].startswith("no checkpoint expression_smoke")
        gone = [r for r in rows if r.row.endswith("_mini")]
        assert len(gone) == 6 * 6 * 2 and all(r.value is None and r.protocol.startswith("no checkpoint") for r in gone)
        (skill,) = select(rows, row="frozen_mouth", metric="skill", region="crop", track="cross-dub")
        assert abs(skill.value) < 1e-5 and part in skill.data and skill.low is None  # one speaker: no interval
    with open(tmp_path / "smoke" / "tables" / "clips.csv", newline="") as f:
        clips = list(csv.DictReader(f))
    assert len(clips) == 4 and {c["row"] for c in clips} == {"frozen_mouth"} and {c["kind"] for c in clips} == {"cross-dub", "self"}
