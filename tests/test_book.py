"""The runner on a toy book: conversion, parameters, failures, the committed and the students' edition, and strict nbval."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from paperlib import book, book_editions, paths
from paperlib.errors import InputError

TOY = Path(__file__).parent / "data" / "toy_book"
HEAD = '# %% tags=["parameters"]\nPROFILE = "smoke"\nSEED = 0\n'


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A copy of the toy book, with builds under tmp_path."""
    folder = tmp_path / "notebooks"
    shutil.copytree(TOY, folder)
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    return folder


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The toy book's committed edition, made once."""
    folder = tmp_path_factory.mktemp("executed") / "notebooks"
    shutil.copytree(TOY, folder)
    before, paths.BUILD = paths.BUILD, folder.parent / "build"
    try:
        assert book_editions.refresh(folder=folder) == 0
    finally:
        paths.BUILD = before
    return folder


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def nbval(notebook: Path) -> subprocess.CompletedProcess:
    env = os.environ | {"PAPERLIB_HEADLESS": "1", "NO_COLOR": "1"}
    return subprocess.run(book_editions.nbval_command(notebook), cwd=notebook.parent, capture_output=True, text=True, env=env)


# ---- without a kernel
def test_sources_are_chosen_by_prefix(toy):
    write(toy, "02_other", HEAD)
    write(toy, "helper", "")
    assert [p.stem for p in book.sources(folder=toy)] == ["01_toy", "02_other"]
    assert [p.stem for p in book.sources(["02"], toy)] == ["02_other"]
    assert [p.stem for p in book.sources(["01_toy.py"], toy)] == ["01_toy"]
    with pytest.raises(InputError, match="no notebook starts with '07'; there are: 01_toy, 02_other"):
        book.sources(["01", "07"], toy)
    with pytest.raises(InputError, match="no notebooks"):
        book.sources(folder=toy / "none")


def test_conversion_is_a_function_of_the_text(toy):
    a, b = (book.convert(toy / "01_toy.py") for _ in range(2))
    assert a == b
    nbformat.validate(a)
    assert a.metadata.kernelspec.name == "python3"
    assert len({c.id for c in a.cells}) == len(a.cells)
    hidden = [c for c in a.cells if c.metadata.get("jupyter", {}).get("source_hidden")]
    assert [book.tags(c) for c in hidden] == [["solution"]]


def test_equal_cells_get_different_ids(toy):
    nb = book.convert(write(toy, "03_twice", HEAD + "\n# %%\nx = 1\n\n# %%\nx = 1\n"))
    assert len({c.id for c in nb.cells}) == 3


def test_declared_parameters(toy):
    assert book.declared_parameters(book.convert(toy / "01_toy.py")) == {"PROFILE": "smoke", "SEED": 0, "RATE": 1.5}
    for text, message in (
        ("# %%\nx = 1\n", "0 cells are tagged"),
        (HEAD + "\n" + HEAD, "2 cells are tagged"),
        (HEAD + "N = 2 * SEED\n", "more than literals: line 3"),
        (HEAD + "import os\n", "more than `NAME = literal`: line 3"),
    ):
        with pytest.raises(ValueError, match=message):
            book.declared_parameters(book.convert(write(toy, "03_bad", text)))


def test_parse_parameters():
    assert book.parse_parameters(["A=1", "B=0.5", "C=smoke", "D='x=y'", "E=True", "F="]) == {
        "A": 1, "B": 0.5, "C": "smoke", "D": "x=y", "E": True, "F": "",
    }  # fmt: skip
    for bad in ("A", "=1", "2A=1"):
        with pytest.raises(InputError, match="write NAME=VALUE"):
            book.parse_parameters([bad])


def test_only_parameters_that_differ_are_injected(toy):
    path = toy / "01_toy.py"
    nb = book.convert(path)
    assert book.choose_parameters(path, nb, {"PROFILE": "smoke", "SEED": 0, "ELSEWHERE": 3}) == {}
    chosen = book.choose_parameters(path, nb, {"PROFILE": "classroom", "RATE": 2})
    assert chosen == {"PROFILE": "classroom", "RATE": 2.0} and type(chosen["RATE"]) is float
    for given in ({"SEED": "x"}, {"SEED": 1.5}, {"SEED": True}, {"PROFILE": 3}):
        with pytest.raises(InputError, match="01_toy: parameter"):
            book.choose_parameters(path, nb, given)


def test_misspelt_parameter_is_rejected_before_anything_is_written(toy, tmp_path):
    with pytest.raises(InputError, match="no parameter 'RATTE' in 01_toy; declared: PROFILE, RATE, SEED"):
        book.reproduce("smoke", parameters=["RATTE=2"], folder=toy)
    with pytest.raises(InputError, match="unknown profile"):
        book.reproduce("smok", folder=toy)
    assert not (tmp_path / "build").exists()


def test_strip_keeps_outputs_counts_and_tags():
    cell = nbformat.v4.new_code_cell("1", execution_count=3, outputs=[nbformat.v4.new_output("stream", text="1")])
    kept = {"tags": ["x"], "jupyter": {"source_hidden": True}}
    cell.metadata = nbformat.from_dict(kept | {"papermill": {"duration": 1.0}, "execution": {"iopub.status.busy": "2026-01-01"}})
    nb = nbformat.v4.new_notebook(cells=[cell])
    language = {"name": "python", "version": "3.11.7"}
    nb.metadata = nbformat.from_dict({"kernelspec": book.KERNEL, "language_info": language, "papermill": {"a": 2}, "widgets": {"state": 1}})
    book_editions.strip(nb)
    assert set(nb.metadata) == {"kernelspec", "language_info"} and nb.metadata.language_info == {"name": "python"}
    assert cell.metadata == kept
    assert cell.execution_count == 3 and len(cell.outputs) == 1


def test_minutes_of_other_notebooks_are_kept(tmp_path):
    path = tmp_path / "run.json"
    book.merge_outcomes(path, [book.Outcome("01_a", 1.0, 3, 100), book.Outcome("02_b", 2.0, 3, 100, "cell 1: x")])
    kept = book.merge_outcomes(path, [book.Outcome("02_b", 2.5, 3, 100)])
    assert [(o.name, o.minutes, o.error) for o in kept] == [("01_a", 1.0, ""), ("02_b", 2.5, "")]
    assert len(json.loads(path.read_text())) == 2


def test_linked_pictures_go_along(tmp_path, monkeypatch):
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "figure8.jpg").write_bytes(b"faces")
    (tmp_path / "shipped" / "plot.png").write_bytes(b"drawn anew by the notebook")
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "shipped")
    book.copy_pictures(tmp_path / "build" / "figures")
    assert [p.name for p in (tmp_path / "build" / "figures").iterdir()] == ["figure8.jpg"]


# ---- with a kernel
def test_reproduce_writes_notebooks_pages_and_index(toy, tmp_path, capsys):
    assert book.reproduce("classroom", parameters=["RATE=2"], folder=toy) == 0
    root = tmp_path / "build" / "classroom"
    nb = nbformat.read(root / "notebooks" / "01_toy.ipynb", as_version=4)
    injected = [c.source for c in nb.cells if "injected-parameters" in book.tags(c)]
    assert len(injected) == 1 and 'PROFILE = "classroom"' in injected[0] and "RATE = 2.0" in injected[0]
    assert any("profile classroom" in o.get("text", "") for c in nb.cells for o in c.get("outputs", []))
    page = (root / "html" / "01_toy.html").read_text()
    assert "data:image/png;base64," in page and "Profile classroom" in page
    assert re.search(r'<div[^>]*class="[^"]*celltag_solution', page), "the script that folds solutions looks for this class"
    assert 'href="html/01_toy.html"' in (root / "index.html").read_text()
    assert (root / "results").is_dir() and (root / "figures" / "faces.jpg").is_file()  # ../figures/ of notebooks and pages
    out = capsys.readouterr().out
    assert "[ 1/1] 01_toy" in out and "minutes" in out


def test_failed_cell_is_named_and_its_copy_kept(toy, tmp_path, capsys):
    write(toy, "02_fails", HEAD + "\n# %%\nprint('before')\n\n# %%\nraise ValueError('the reason')\n")
    assert book.reproduce("smoke", only=["02"], folder=toy) == 1
    err = capsys.readouterr().err
    assert "02_fails: cell 2 (In [3]): ValueError: the reason" in err
    copy = nbformat.read(tmp_path / "build" / "smoke" / "notebooks" / "02_fails.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in copy.cells for o in c.get("outputs", []))
    assert "ValueError: the reason" in (tmp_path / "build" / "smoke" / "index.html").read_text()


def test_failed_refresh_leaves_the_committed_copy(toy):
    source = write(toy, "02_fails", HEAD + "\n# %%\nraise ValueError('no')\n")
    source.with_suffix(".ipynb").write_text("the committed copy")
    assert book_editions.refresh(["02"], toy) == 1
    assert source.with_suffix(".ipynb").read_text() == "the committed copy"


def test_refresh_runs_headless_without_injected_cell(executed):
    nb = nbformat.read(executed / "01_toy.ipynb", as_version=4)
    counts = [c.execution_count for c in nb.cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert not any("injected-parameters" in book.tags(c) for c in nb.cells)
    assert not any("papermill" in c.metadata for c in nb.cells) and "papermill" not in nb.metadata
    text = "".join(o.get("text", "") for c in nb.cells if c.cell_type == "code" for o in c.outputs)
    assert "6 False" in text and "exercise 1: not answered yet" in text and "exercise 1: correct" in text


def test_nbval_is_green_and_an_edited_output_makes_it_red(executed, tmp_path):
    good = nbval(executed / "01_toy.ipynb")
    assert good.returncode == 0, good.stdout + good.stderr
    text = (executed / "01_toy.ipynb").read_text()
    assert text.count("6 False") == 1
    (tmp_path / "01_toy.ipynb").write_text(text.replace("6 False", "7 False"))
    bad = nbval(tmp_path / "01_toy.ipynb")
    assert bad.returncode == 1 and "7 False" in bad.stdout and "1 failed" in bad.stdout


def test_students_edition(toy, tmp_path, capsys):
    assert book_editions.student(folder=toy) == 0
    nb = nbformat.read(tmp_path / "build" / "student" / "01_toy.ipynb", as_version=4)
    assert not any("solution" in book.tags(c) for c in nb.cells)
    assert all(not c.get("outputs") and c.get("execution_count") is None for c in nb.cells)
    pair = '\n# %% tags=["exercise"]\nanswer = None\n\n# %% tags=["solution"]\nanswer = 1\n'
    write(toy, "02_leaky", HEAD + pair + "\n# %%\nprint(answer + 1)\n")
    write(toy, "03_silent", HEAD + '\n# %% tags=["exercise"]\nprint("4")\n')
    capsys.readouterr()
    assert book_editions.student(["02", "03"], toy) == 1
    err = capsys.readouterr().err
    assert "02_leaky: cell 2" in err and "TypeError" in err
    assert "03_silent: cell 1: the exercise prints '4'" in err


def test_plain_papermill_runs_the_committed_copy(executed, tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "papermill", "--no-progress-bar", executed / "01_toy.ipynb", tmp_path / "out.ipynb", "-p", "SEED", "3"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "seed 3" in (tmp_path / "out.ipynb").read_text()


def test_sanitiser_file_is_parsed_rule_by_rule():
    text = (paths.ROOT / "tests" / "nbval_sanitize.cfg").read_text()
    parsed = re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, flags=re.MULTILINE)  # as nbval reads it: consecutive lines
    assert len(parsed) == text.count("regex:") == 2
    assert re.sub(parsed[0][0], parsed[0][1], "<f at 0x7f00ab>") == "<f at ADDRESS>"
    assert re.sub(parsed[1][0], parsed[1][1], "<Figure size 700x320 with 1 Axes>") == "FIGURE"


def test_small_png_keeps_size_and_nearly_the_colours():
    import base64
    import io

    import numpy as np
    from PIL import Image

    smooth = np.linspace(0, 255, 64)[:, None, None] * np.array([1.0, 0.8, 0.6]) + np.zeros((64, 80, 3))
    out = io.BytesIO()
    Image.fromarray(smooth.astype(np.uint8)).convert("RGBA").save(out, "PNG")
    small = Image.open(io.BytesIO(base64.b64decode(book_editions.small_png(base64.b64encode(out.getvalue()).decode()))))
    assert small.mode == "P" and small.size == (80, 64)
    assert np.abs(np.asarray(small.convert("RGB")).astype(float) - smooth).max() < 8
