"""Structure of the real notebooks, checked without running them. nbval and the students' edition are steps of `make test`."""

import re

import nbformat
import pytest

from paperlib import book, paths

NAMES = [
    "00_start_here",
    "01_morphable_model",
    "02_camera_light_render",
    "03_coefficients_from_images",
    "04_speech_and_semantic_images",
    "05_expression_training",
    "06_renderer_blocks",
    "07_renderer_training",
    "08_dub_a_video",
    "09_evaluation",
    "10_ablations",
    "11_correlation_complexity_failures",
    "12_claims_audit",
]
READ_MINUTES = (20, 35, 40, 40, 45, 45, 50, 40, 30, 50, 35, 40, 20)
each = pytest.mark.parametrize("name", NAMES)


def source(name):
    return book.convert(paths.NOTEBOOKS / f"{name}.py")


def committed(name):
    return nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4)


def code(nb):
    return [c for c in nb.cells if c.cell_type == "code"]


def test_the_book_is_complete_and_nothing_else_lies_there():
    assert [p.stem for p in sorted(paths.NOTEBOOKS.glob("*.py"))] == NAMES
    assert [p.stem for p in sorted(paths.NOTEBOOKS.glob("*.ipynb"))] == NAMES


@each
def test_valid_and_small(name):
    path = paths.NOTEBOOKS / f"{name}.ipynb"
    nbformat.validate(committed(name))
    assert path.stat().st_size <= 500_000, f"{path.name} has {path.stat().st_size / 1000:.0f} KB; at most 500"


@each
def test_linked_pictures_exist_and_are_described(name):
    text = "\n".join(c.source for c in source(name).cells if c.cell_type == "markdown")
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", text):
        folder, _, file = target.rpartition("/")
        assert folder == "../figures" and file.endswith(".jpg"), f"{target}: only ../figures/NAME.jpg goes along with the book"
        assert (paths.FIGURES / file).exists() and len(words) > 30, target


@each
def test_pair_is_in_sync(name):
    """Same cells, sources and tags in both forms: after an edit of the .py, `make refresh ONLY=NN`."""
    a, b = ([(c.cell_type, c.source, book.tags(c)) for c in nb.cells] for nb in (source(name), committed(name)))
    assert a == b, f"{name}: the .py and the .ipynb differ; run: make refresh ONLY={name[:2]}"


@each
def test_executed_in_order_by_python3(name):
    """nbval compares nothing in a cell without a count."""
    nb = committed(name)
    cells = code(nb)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert nb.metadata.kernelspec.name == "python3"


@each
def test_one_parameters_cell_of_literals_that_start_smoke(name):
    declared = book.declared_parameters(source(name))
    assert declared["PROFILE"] == "smoke" and declared["SEED"] == 0


@each
def test_outputs_are_clean(name):
    for i, cell in enumerate(code(committed(name))):
        for output in cell.outputs:
            assert output.output_type != "error", f"{name}: In [{i + 1}] ends in an error"
            assert output.get("name") != "stderr", f"{name}: In [{i + 1}] writes to stderr: {output.text[:80]}"
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {}), f"{name}: In [{i + 1}] stores a widget"


@each
def test_no_absolute_path(name):
    text = (paths.NOTEBOOKS / f"{name}.ipynb").read_text() + (paths.NOTEBOOKS / f"{name}.py").read_text()
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    found = re.search(r"(?<![\w.:/])/(?:home|root|Users|work|tmp|opt|usr|var)/\w|[A-Z]:\\\\", text)
    assert found is None, f"{name}: {text[max(0, found.start() - 40) : found.end() + 40]!r}"


@each
def test_every_exercise_has_a_solution_right_after_it(name):
    nb = source(name)
    kinds = [next((t for t in book.tags(c) if t in ("exercise", "solution")), "") if c.cell_type == "code" else "" for c in nb.cells]
    exercises = [i for i, k in enumerate(kinds) if k == "exercise"]
    solutions = [i for i, k in enumerate(kinds) if k == "solution"]
    assert exercises, f"{name}: no exercise"
    assert solutions == [i + 1 for i in exercises]
    for i in exercises:
        assert "# your turn" in nb.cells[i].source and "check(" in nb.cells[i].source
        assert "check(" in nb.cells[i + 1].source


@each
def test_solutions_are_correct(name):
    """A solution that prints "not yet" would be compared with itself by nbval and pass."""
    for cell in code(committed(name)):
        if "solution" in book.tags(cell):
            text = "".join(o.get("text", "") for o in cell.outputs if o.output_type == "stream")
            assert "correct" in text and "not yet" not in text and "not answered" not in text, f"{name}: {text!r}"


@each
def test_says_how_long_it_takes(name):
    text = "\n".join(c.source for c in source(name).cells)
    found = re.findall(r"\*\*Minutes\*\*: read (\d+) · smoke ([\d.]+) · classroom ([\d.]+)", text)
    assert len(found) == 1, f"{name}: one line `**Minutes**: read N · smoke X · classroom Y` is needed"
    read, smoke, classroom = map(float, found[0])
    assert read == READ_MINUTES[NAMES.index(name)]
    assert 0 < smoke <= 1 and smoke <= classroom + 0.2 <= 25


@each
def test_listed_in_the_readme(name):
    assert f"notebooks/{name}.ipynb" in (paths.ROOT / "README.md").read_text()


@each
def test_no_cell_that_nbval_would_stumble_over(name):
    for cell in code(source(name)):
        last = cell.source.rstrip().splitlines()[-1] if cell.source.strip() else ""
        assert not last.endswith(";"), f"{name}: a trailing `;` hides nothing from nbval: {last}"
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE), f"{name}: shell and magic lines are not portable: {cell.source[:60]}"
