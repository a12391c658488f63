"""`paperlib train study-...`: who takes which option, what reaches the study, and errors in one line."""

import pytest

from paperlib.cli import main
from paperlib.config import load_profile
from paperlib.evaluation import renderer_tables


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["train", "renderer", "--steps", "5"], "does not take --steps"),
        (["train", "flow", "--workers", "2"], "does not take --workers"),
        (["train", "study-expression", "--only", "full"], "does not take --only"),
        (["train", "study-renderer", "--no-resume"], "takes neither"),
        (["train", "study-renderer", "--data", "x"], "takes neither"),
        (["train", "study-renderer", "--jobs", "0"], "give 1 or more"),
        (["evaluate", "study-renderer", "--clips", "2"], "leave --clips out"),
    ],
)
def test_wrong_options_are_said_in_one_line(argv, said, capsys):
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_options_reach_the_study(monkeypatch, tmp_path, capsys):
    seen = {}

    def study(profile, how, out, steps, seeds, names, clips):
        seen.update(profile=profile.name, how=how, out=out, steps=steps, seeds=seeds, names=names, clips=clips)
        return [tmp_path / "table4.json"]

    monkeypatch.setattr(renderer_tables, "study", study)
    options = ["--jobs", "2", "--steps", "30", "--seeds", "1", "--only", "full", "--only", "base", "--out", str(tmp_path)]
    assert main(["train", "study-renderer", "--profile", "smoke", *options]) == 0
    assert (seen["profile"], seen["steps"], seen["seeds"], seen["names"], seen["clips"]) == ("smoke", 30, 1, ["full", "base"], None)
    assert (seen["how"].jobs, seen["how"].backend, seen["out"]) == (2, "loky", tmp_path)
    assert "table4.json" in capsys.readouterr().out


def test_a_study_is_evaluated_by_its_own_plan(monkeypatch, tmp_path):
    monkeypatch.setattr(renderer_tables.paths, "BUILD", tmp_path)
    profile, opened = load_profile("smoke"), []

    def open_study(profile, **plan):
        opened.append(plan)
        raise KeyboardInterrupt  # far enough

    monkeypatch.setattr(renderer_tables, "open_study", open_study)
    assert main(["evaluate", "study-renderer", "--profile", "smoke"]) == 2
    assert not opened
    folder = renderer_tables.study_folder(profile)
    folder.mkdir(parents=True)
    (folder / renderer_tables.PLAN).write_text('{"steps": 4, "seeds": [0], "names": ["full"], "clips": null}')
    assert main(["evaluate", "study-renderer", "--profile", "smoke"]) == 130
    assert opened == [{"steps": 4, "seeds": [0], "names": ["full"], "clips": None, "folder": folder}]


def test_a_study_needs_steps_and_seeds():
    from paperlib.corpus.preparing import How
    from paperlib.errors import InputError

    for wrong in ({"steps": 0}, {"seeds": 0}):
        with pytest.raises(InputError, match="give 1 or more"):
            renderer_tables.study(load_profile("smoke"), How(backend="serial"), **wrong)
