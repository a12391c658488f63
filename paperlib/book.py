"""Run the book: notebooks/NN_*.py -> notebooks in memory -> papermill -> executed copies, HTML and an index.

The `.py` files are the reviewed source. papermill takes only `.ipynb` and merely warns of a misspelt parameter, so the
conversion and the check of parameters happen here.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paperlib import paths
from paperlib.config import load_profile
from paperlib.errors import InputError

CELL_TIMEOUT = 3600  # seconds
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Outcome:
    """How one notebook ran. `error` is empty when it passed, else it says which cell and why."""

    name: str
    minutes: float
    cells: int
    peak_mb: int  # largest resident memory of any kernel so far
    error: str = ""


def sources(only: Iterable[str] | None = None, folder: Path | None = None) -> list[Path]:
    """The notebook sources NN_*.py in order; `only` keeps those whose name starts with one of the given texts (`03`, `03_coeff`)."""
    found = sorted((folder or paths.NOTEBOOKS).glob("[0-9][0-9]_*.py"))
    wanted = [w.strip().removesuffix(".py").removesuffix(".ipynb") for w in only or ()]
    unknown = [w for w in wanted if not w or not any(p.stem.startswith(w) for p in found)]
    if unknown:
        raise InputError(f"no notebook starts with {unknown[0]!r}; there are: {', '.join(p.stem for p in found)}")
    if not found:
        raise InputError(f"{folder or paths.NOTEBOOKS}: no notebooks NN_*.py here")
    return [p for p in found if not wanted or any(p.stem.startswith(w) for w in wanted)]


def convert(path: Path) -> Any:
    """A py:percent source as a notebook: kernel python3, cell ids that depend on the text only, solutions folded in Lab."""
    import jupytext
    import nbformat

    nb = jupytext.read(path, fmt="py:percent")
    nb.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    seen: dict[str, int] = {}
    for cell in nb.cells:
        digest = hashlib.sha256((cell.cell_type + cell.source).encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        if "solution" in tags(cell):
            cell.metadata["jupyter"] = {"source_hidden": True}
    return nb


def tags(cell: Any) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def declared_parameters(nb: Any) -> dict[str, Any]:
    """Names and default values of the one cell tagged `parameters`, which holds literals only; ValueError otherwise."""
    cells = [c for c in nb.cells if "parameters" in tags(c)]
    if len(cells) != 1:
        raise ValueError(f"{len(cells)} cells are tagged `parameters`; exactly one is needed")
    values = {}
    for node in ast.parse(cells[0].source).body:
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            raise ValueError(f"the parameters cell holds more than `NAME = literal`: line {node.lineno}")
        try:
            values[node.targets[0].id] = ast.literal_eval(node.value)
        except ValueError as e:
            raise ValueError(f"the parameters cell holds more than literals: line {node.lineno}") from e
    return values


def parse_parameters(texts: Iterable[str]) -> dict[str, Any]:
    """`NAME=VALUE` texts; the value is a Python literal, or else a string. Raises InputError without `=` or a proper name."""
    values = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise InputError(f"parameter {text!r}: write NAME=VALUE")
        try:
            values[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            values[name] = value
    return values


def choose_parameters(path: Path, nb: Any, given: dict[str, Any], required: Iterable[str] = ()) -> dict[str, Any]:
    """Those of `given` that the notebook declares and that differ from its defaults. A wrong type is an InputError, and so is a
    name in `required` that the notebook does not declare."""
    declared = declared_parameters(nb)
    for name in required:
        if name not in declared:
            raise InputError(f"{path.stem} has no parameter {name!r}; it has: {', '.join(declared)}")
    chosen = {}
    for name, value in given.items():
        if name not in declared or value == declared[name] and type(value) is type(declared[name]):
            continue
        default = declared[name]
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if default is not None and value is not None and type(value) is not type(default):
            raise InputError(f"{path.stem}: parameter {name} takes {type(default).__name__}, not {value!r}")
        chosen[name] = value
    return chosen


def execute(nb: Any, target: Path, parameters: dict[str, Any], *, cwd: Path | None = None, embed_video: bool = False) -> str:
    """Run `nb` through papermill into `target`, which is kept also when a cell fails. Returns "" or what went wrong, where."""
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nb, target)
    environment = {"PAPERLIB_HEADLESS": "1", "PAPERLIB_EMBED_VIDEO": "1" if embed_video else "", "PYTHONHASHSEED": "0"}
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        papermill.execute_notebook(
            target, target, parameters=parameters or None, kernel_name="python3", cwd=cwd or paths.NOTEBOOKS,
            execution_timeout=CELL_TIMEOUT, progress_bar=sys.stderr.isatty(), extra_arguments=["--IPKernelApp.log_level=40"],
        )  # fmt: skip
    except papermill.PapermillExecutionError as e:
        first_line = next(iter(str(e.evalue).strip().splitlines()), "")
        return f"cell {e.cell_index} (In [{e.exec_count}]): {e.ename}: {first_line}"
    except (CellTimeoutError, DeadKernelError) as e:
        return f"{type(e).__name__}: {str(e).strip().splitlines()[0]}"
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    return ""


def run_all(
    paths_: Sequence[Path],
    target: Path,
    given: dict[str, Any],
    *,
    required: Iterable[str] = (),
    embed_video: bool = False,
    prepare: Callable[[Any], Any] | None = None,
    before: Callable[[], object] | None = None,
) -> list[Outcome]:
    """Execute the sources in order into `target`, printing progress. Every parameter is checked before the first notebook runs.

    required: names that at least one of the notebooks must declare. prepare: applied to each converted notebook.
    before: called once, after every check of the input and before the first notebook.
    """
    books = [(p, convert(p)) for p in paths_]
    declared = set().union(*(declared_parameters(nb) for _, nb in books))
    for name in required:
        if name not in declared:
            known = ", ".join(sorted(declared))
            raise InputError(f"no parameter {name!r} in {', '.join(p.stem for p in paths_)}; declared: {known}")
    plans = [(p, nb, choose_parameters(p, nb, given)) for p, nb in books]
    if before:
        before()
    outcomes = []
    for i, (path, nb, parameters) in enumerate(plans, 1):
        nb = prepare(nb) if prepare else nb
        print(f"[{i:2}/{len(plans)}] {path.stem} ...", end=" ", flush=True)
        start = time.perf_counter()
        error = execute(nb, target / f"{path.stem}.ipynb", parameters, cwd=path.parent, embed_video=embed_video)
        minutes = (time.perf_counter() - start) / 60
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        outcomes.append(Outcome(path.stem, round(minutes, 3), sum(c.cell_type == "code" for c in nb.cells), peak, error))
        print(f"{minutes:.2f} min" if not error else f"FAILED after {minutes:.2f} min", flush=True)
    return outcomes


def report(outcomes: Sequence[Outcome], target: Path) -> int:
    """Print the table of minutes and every failure; returns the exit code, 0 or 1."""
    width = max(len(o.name) for o in outcomes)
    print(f"\n{'notebook':{width}}  minutes  cells  result")
    for o in outcomes:
        print(f"{o.name:{width}}  {o.minutes:7.2f}  {o.cells:5}  {'failed' if o.error else 'ok'}")
    total = "whole book" if len(outcomes) > 1 else "total"
    print(f"{total:{width}}  {sum(o.minutes for o in outcomes):7.2f}  largest kernel {outcomes[-1].peak_mb} MB")
    for o in outcomes:
        if o.error:
            print(f"{o.name}: {o.error}\n  executed copy with the error: {target / (o.name + '.ipynb')}", file=sys.stderr)
    return int(any(o.error for o in outcomes))


def reproduce(
    profile: str,
    only: Iterable[str] | None = None,
    parameters: Iterable[str] = (),
    seed: int | None = None,
    *,
    folder: Path | None = None,
    build: Path | None = None,
    before: Callable[[], object] | None = None,
) -> int:
    """Execute the book under `profile` into build/<profile>/{notebooks,html,results,figures} and index.html; 0, or 1 when a cell failed.

    Raises InputError for an unknown profile, notebook or parameter, before anything is written. `before` is called after those
    checks (the command line builds the corpus there).
    """
    from paperlib import book_html

    load_profile(profile)
    asked = parse_parameters(parameters)
    given = {"PROFILE": profile, **({} if seed is None else {"SEED": seed}), **asked}
    chosen = sources(only, folder)
    root = build or paths.build_dir(profile)
    outcomes = run_all(chosen, root / "notebooks", given, required=asked, embed_video=True, before=before)
    copy_pictures(root / "figures")
    for sub in ("html", "results", "figures"):
        (root / sub).mkdir(parents=True, exist_ok=True)
    for o in outcomes:
        book_html.write_page(root / "notebooks" / f"{o.name}.ipynb", root / "html" / f"{o.name}.html", profile)
    ran = merge_outcomes(root / "run.json", outcomes)
    book_html.write_index(root, profile, ran)
    code = report(outcomes, root / "notebooks")
    print(f"pages: {root / 'index.html'}")
    return code


def copy_pictures(folder: Path) -> None:
    """Put the pictures that notebooks show by a link to ../figures/NAME.jpg beside a folder of notebooks that is not notebooks/."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in paths.FIGURES.glob("*.jpg"):
        shutil.copyfile(picture, folder / picture.name)


def merge_outcomes(path: Path, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Keep in `path` (JSON) the latest outcome of every notebook, so that a run of one notebook does not forget the others."""
    kept = {d["name"]: Outcome(**d) for d in json.loads(path.read_text())} if path.exists() else {}
    kept.update({o.name: o for o in outcomes})
    ordered = [kept[name] for name in sorted(kept)]
    path.write_text(json.dumps([asdict(o) for o in ordered], indent=1) + "\n")
    return ordered
