"""The command line: one line on stderr and exit code 2 for bad input, 1 for our fault, lazy imports."""

import subprocess
import sys

import pytest

from paperlib import cli
from paperlib.errors import InputError


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "required: COMMAND"),
        (["bogus"], "invalid choice: 'bogus'"),
        (["reproduce", "--profile", "smok"], "unknown profile 'smok'; choose one of: smoke, classroom, paper"),
        (["reproduce", "--profil"], "expected one argument"),
        (["reproduce", "--bogus", "1"], "unrecognized arguments: --bogus 1"),
        (["reproduce", "--profile", "smoke", "-p", "NAME"], "write NAME=VALUE"),
        (["prepare", "imagenet"], "invalid choice: 'imagenet'"),
        (["prepare", "synthetic", "--profile", "x"], "unknown profile 'x'"),
        (["prepare", "grid"], "required: --folder"),
        (["prepare", "grid", "--folder", "nowhere", "--out", "x"], "nowhere: no such folder"),
        (["prepare", "voxceleb", "--folder", "nowhere", "--out", "x"], "nowhere: no such folder"),
        (["prepare", "lrw", "--folder", "nowhere", "--out", "x", "--workers", "0"], "--workers 0: give 1 or more"),
        (["prepare", "lrw", "--folder", "nowhere", "--out", "x", "--scheduler", "tcp://h:1"], "--scheduler needs --backend dask"),
        (["train", "everything"], "invalid choice: 'everything'"),
        (["train", "sync", "--profile", "x"], "unknown profile 'x'"),
        (["evaluate", "renderer", "--profile", "x"], "unknown profile 'x'"),
        (["evaluate", "renderer", "--clips", "two"], "invalid int value"),
        (["evaluate", "realism"], "give a folder of GRID's clips"),
        (["evaluate", "realism", "--grid", "nowhere"], "nowhere: no GRID clips"),
        (["evaluate", "renderer", "--grid", "nowhere"], "--grid is for `evaluate realism`"),
        (["train", "regressor", "--data", "nowhere"], "--data: the regressor learns from rendered faces alone"),
        (["prepare", "synthetic", "--motion", "dance"], "invalid choice: 'dance'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(argv, said, capsys):
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and err.startswith("paperlib: ") and out == ""


def test_our_fault_is_code_1_with_a_traceback(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_doctor", lambda args: 1 / 0)
    assert cli.main(["doctor"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_message_of_several_lines_becomes_one(monkeypatch, capsys):
    def fail(args):
        raise InputError("first\n  second")

    monkeypatch.setattr(cli, "_doctor", fail)
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "paperlib: first second\n"


def test_arguments_reach_the_runner(monkeypatch):
    import paperlib.book

    seen = {}
    monkeypatch.setattr(paperlib.book, "reproduce", lambda *a, before: seen.update(args=a, before=before) or 0)
    assert cli.main(["reproduce", "--profile", "smoke", "--only", "01,02", "--only", "05", "-p", "A=1", "--seed", "4"]) == 0
    assert seen["args"] == ("smoke", ["01", "02", "05"], ["A=1"], 4) and seen["before"] is None
    assert cli.main(["reproduce"]) == 0
    assert seen["args"] == ("classroom", [], [], None) and callable(seen["before"])  # the whole book: its corpus is built first


def test_training_gets_profile_and_seed(monkeypatch):
    run = pytest.importorskip("paperlib.training.run")
    seen = {}
    monkeypatch.setattr(run, "train", lambda name, profile, **k: seen.update(k, name=name, profile=profile))
    assert cli.main(["train", "sync", "--profile", "smoke", "--seed", "5", "--no-resume"]) == 0
    assert (seen["name"], seen["profile"].name, seen["profile"].seed, seen["resume"], "data" in seen) == ("sync", "smoke", 5, False, False)
    assert cli.main(["train", "sync", "--data", "folder"]) == 0
    assert seen["data"] == "folder"


def test_every_corpus_goes_through_one_list(monkeypatch, tmp_path):
    from paperlib import cli_prepare, paths
    from paperlib.corpus import bulk, grid, real_motion

    assert set(cli_prepare.CORPORA) == {"synthetic", "grid", "voxceleb", "lrw", "videos", "bfm"}
    seen = {}
    monkeypatch.setattr(bulk, "from_options", lambda **k: seen.update(k) or ("made", tmp_path))
    assert cli.main(["prepare", "synthetic", "--speakers", "9", "--motion", "rule2", "--out", str(tmp_path)]) == 0
    assert (seen["speakers"], seen["motion"], seen["out"], seen["profile"], seen["minutes"]) == (9, "rule2", tmp_path, "classroom", None)
    facts = {"clips": 1, "minutes": 1, "speakers": 1, "rejected": {}, "out": ""}
    monkeypatch.setattr(grid, "prepare", lambda folder, out, settings, **how: seen.update(grid=out) or facts)
    assert cli.main(["prepare", "grid", "--folder", str(tmp_path)]) == 0
    assert seen["grid"] == real_motion.FOLDER == paths.CACHE / "grid"


def test_evaluation_gets_folder_and_clips(monkeypatch, tmp_path):
    import paperlib.evaluation as evaluation

    seen = {}
    monkeypatch.setattr(evaluation, "evaluate", lambda what, p, folder, n: seen.update(a=(what, p.name, folder, n)) or [])
    assert cli.main(["evaluate", "renderer", "--clips", "2", "--out", str(tmp_path)]) == 0
    assert seen["a"] == ("renderer", "classroom", tmp_path, 2)


def test_dub_options_are_there():
    from argparse import ArgumentParser

    assert isinstance(cli.build_parser(["dub"]), ArgumentParser)
    with pytest.raises(SystemExit) as stop:
        cli.main(["dub", "--help"])
    assert stop.value.code == 0


def test_doctor_prints_versions_and_weights(capsys):
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "easypytorch3d" in out and "vgg19" in out and "missing" not in out.split("Third-party")[0]


def test_help_imports_nothing_heavy_and_import_stays_light():
    code = (
        "import sys; sys.argv = ['paperlib', '--help']\n"
        "import paperlib.cli\n"
        "try: paperlib.cli.main()\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'torch', 'cv2', 'librosa', 'papermill', 'matplotlib', 'av'} & set(sys.modules)))\n"
        "import paperlib, paperlib.notebook, paperlib.paper\n"
        "heavy = {'cv2', 'librosa', 'papermill', 'jupytext', 'matplotlib', 'seaborn', 'av', 'anny', 'dlib', 'lpips', 'pytorch3d'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert [line for line in run.stdout.splitlines() if line.startswith("HEAVY")] == ["HEAVY []", "HEAVY []"], run.stderr


def test_module_runs_as_a_program():
    run = subprocess.run([sys.executable, "-m", "paperlib", "reproduce", "--profile", "smok"], capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and "Traceback" not in run.stderr
