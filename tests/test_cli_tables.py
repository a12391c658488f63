"""`paperlib evaluate --method`: what reaches the tables, and errors in one line."""

import pytest

from paperlib.cli import main


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "give either a subject or --method"),
        (["renderer", "--method", "all"], "give either a subject or --method"),
        (["renderer", "--data", "x"], "does not take --data"),
        (["renderer", "--workers", "2"], "does not take --workers"),
        (["--method", "all", "--grid", "x"], "given by --data"),
        (["--method", "all", "--workers", "0"], "--workers 0: give 1 or more"),
        (["--method", "all", "--clips", "0"], "--clips 0: give 1 or more"),
        (["--method", "talklip"], "--method talklip: choose all, ours, wav2lip"),
        (["--method", "ours", "--data", "nowhere"], "--data nowhere: no such folder"),
        (["--method", "ours", "--profile", "x"], "unknown profile 'x'"),
    ],
)
def test_wrong_options_are_said_in_one_line(argv, said, capsys):
    assert main(["evaluate", *argv]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_options_reach_the_tables(monkeypatch, tmp_path, capsys):
    from paperlib.evaluation import dubbing_recorded, dubbing_tables

    seen = {}

    def tables(profile, method, folder, clips, how):
        seen.update(profile=profile.name, method=method, folder=folder, clips=clips, how=(how.jobs, how.backend))
        return [tmp_path / "table1.json"]

    monkeypatch.setattr(dubbing_tables, "evaluate", tables)
    monkeypatch.setattr(dubbing_recorded, "evaluate", lambda data, *rest: seen.update(data=data) or tables(*rest))
    assert main(["evaluate", "--method", "all", "--profile", "smoke", "--clips", "3", "--workers", "2", "--out", str(tmp_path)]) == 0
    assert seen == {"profile": "smoke", "method": "all", "folder": tmp_path, "clips": 3, "how": (2, "loky")}
    assert "table1.json" in capsys.readouterr().out
    (tmp_path / "card.json").write_text("{}")  # as of a prepared corpus
    assert main(["evaluate", "--method", "sanity", "--data", str(tmp_path), "--workers", "1"]) == 0
    assert (seen["data"], seen["method"], seen["folder"], seen["how"]) == (tmp_path, "sanity", None, (1, "serial"))
