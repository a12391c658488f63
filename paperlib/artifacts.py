"""Store of everything a run makes and a later run may reuse: folders keyed by config, inputs and code.

A folder either exists whole or not at all: the builder writes into a temporary folder that is renamed when it returns.
Deleting the store and running again gives the same contents.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from paperlib import paths
from paperlib.config import config_hash


def code_hash(modules: Iterable[ModuleType | FunctionType]) -> str:
    """Twelve hex digits over the code of `modules`, docstrings and comments left out: other code makes another artefact."""
    digest = hashlib.sha256()
    for module in modules:
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    os.replace(part, path)


def stage(
    name: str,
    configs: Iterable[Any],
    build: Callable[[Path], None],
    *,
    modules: Iterable[ModuleType] = (),
    root: Path | None = None,
) -> Path:
    """Folder `<root>/<name>/<key>`, made by `build(folder)` unless it is there already.

    configs: dataclasses or plain values the result depends on (config slices, input hashes, seeds).
    modules: the modules whose source the result depends on.
    Returns the folder; its `manifest.json` holds key, seconds and the configs. If `build` raises, nothing is kept.
    """
    modules = list(modules)
    configs = list(configs)
    key = config_hash(*configs, code_hash(modules))
    folder = (root or paths.CACHE) / name / key
    if (folder / "manifest.json").exists():
        return folder
    part = folder.with_name(f".{key}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    start = time.perf_counter()
    try:
        build(part)
        manifest = {
            "name": name,
            "key": key,
            "seconds": round(time.perf_counter() - start, 2),
            "modules": [m.__name__ for m in modules],
        }
        (part / "manifest.json").write_text(json.dumps(manifest, indent=1))
        try:
            os.replace(part, folder)
        except OSError:  # another process finished the same artefact first: theirs is equal
            if not (folder / "manifest.json").exists():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder
