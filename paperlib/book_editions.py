"""The two other editions of the book: the committed one (refresh, compared by nbval) and the students' one (no solutions)."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paperlib import paths
from paperlib.book import convert, copy_pictures, report, run_all, sources, tags

UNANSWERED = "not answered yet"


def strip(nb: Any) -> Any:
    """Remove in place what differs between two equal runs: timings, widget state, version. Outputs and counts stay; pictures lose colours.

    A cleaner that clears execution counts would make nbval skip or refuse the cell.
    """
    nb.metadata = type(nb.metadata)(kernelspec=nb.metadata["kernelspec"], language_info={"name": "python"})
    for cell in nb.cells:
        cell.metadata = type(cell.metadata)({k: v for k, v in cell.metadata.items() if k in ("tags", "jupyter")})
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        for key in ("outputs_hidden",):
            cell.metadata.get("jupyter", {}).pop(key, None)
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.pop("transient", None)
                if "image/png" in output.get("data", {}):
                    output["data"]["image/png"] = small_png(output["data"]["image/png"])
    return nb


def small_png(encoded: str) -> str:
    """A base64 PNG with at most 256 colours, about half as large: committed notebooks stay small, and no eye finds the difference."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    out = io.BytesIO()
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def refresh(only: Iterable[str] | None = None, folder: Path | None = None) -> int:
    """Execute the notebooks with their own defaults (smoke) and write the stripped notebooks/*.ipynb; 0, or 1 when a cell failed.

    No parameter is passed, so papermill injects no cell. A notebook that fails leaves its committed copy as it was.
    """
    import nbformat

    chosen = sources(only, folder)
    work = paths.BUILD / "refresh"
    outcomes = run_all(chosen, work, {})
    for path, outcome in zip(chosen, outcomes, strict=True):
        if not outcome.error:
            target = path.with_suffix(".ipynb")
            part = target.with_name(f".{target.name}.part")
            nbformat.write(strip(nbformat.read(work / target.name, as_version=4)), part)
            os.replace(part, target)
    return report(outcomes, work)


def without_solutions(nb: Any) -> Any:
    """The same notebook without the cells tagged `solution`."""
    nb.cells = [c for c in nb.cells if "solution" not in tags(c)]
    return nb


def open_exercises(nb: Any) -> list[str]:
    """What is wrong with the exercises of an executed students' notebook: each must say that it is not answered yet."""
    problems = []
    for i, cell in enumerate(nb.cells):
        if "exercise" not in tags(cell) or cell.cell_type != "code":
            continue
        text = "".join(o.get("text", "") for o in cell.outputs if o.output_type == "stream")
        if UNANSWERED not in text:
            problems.append(f"cell {i}: the exercise prints {text.strip()[:60]!r}, not {UNANSWERED!r}")
    return problems


def student(only: Iterable[str] | None = None, folder: Path | None = None, build: Path | None = None) -> int:
    """Write build/student/NN_*.ipynb, without solutions and outputs, and execute a copy: it must run to its end with every
    exercise open. Returns 0, or 1 when it does not."""
    import nbformat

    chosen = sources(only, folder)
    root = build or paths.BUILD / "student"
    root.mkdir(parents=True, exist_ok=True)
    copy_pictures(root.parent / "figures")
    for path in chosen:
        nbformat.write(without_solutions(convert(path)), root / f"{path.stem}.ipynb")
    executed = root / "executed"
    outcomes = run_all(chosen, executed, {}, prepare=without_solutions)
    code = report(outcomes, executed)
    for o in outcomes:
        if not o.error:
            for problem in open_exercises(nbformat.read(executed / f"{o.name}.ipynb", as_version=4)):
                print(f"{o.name}: {problem}", file=sys.stderr)
                code = 1
    print(f"students' edition: {root}")
    return code


def nbval(only: Iterable[str] | None = None, folder: Path | None = None) -> int:
    """Strict nbval over the committed notebooks, one process each, stopping a notebook at its first difference; 0, or 1."""
    chosen = sources(only, folder)
    failed, total = [], 0.0
    for i, path in enumerate(chosen, 1):
        notebook = path.with_suffix(".ipynb")
        print(f"[{i:2}/{len(chosen)}] nbval {path.stem} ...", end=" ", flush=True)
        start = time.perf_counter()
        run = subprocess.run(
            nbval_command(notebook), cwd=paths.ROOT, env=os.environ | {"PAPERLIB_HEADLESS": "1"}, capture_output=True, text=True
        )
        minutes = (time.perf_counter() - start) / 60
        total += minutes
        print(f"{minutes:.2f} min" + ("" if run.returncode == 0 else " FAILED"), flush=True)
        if run.returncode:
            failed.append(path.stem)
            print(run.stdout + run.stderr, file=sys.stderr)
    print(f"nbval: {len(chosen) - len(failed)} of {len(chosen)} notebooks agree with their stored outputs, {total:.2f} min")
    return int(bool(failed))


def nbval_command(notebook: Path) -> list[str]:
    """The pytest command that compares one committed notebook with a fresh run."""
    return [
        sys.executable, "-m", "pytest", "-x", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=300",
        "--nbval-sanitize-with", str(paths.ROOT / "tests" / "nbval_sanitize.cfg"), str(notebook),
    ]  # fmt: skip
