"""Which face model the package runs on: the shipped one, or the file that the environment variable PAPERLIB_FACE_MODEL names."""

from __future__ import annotations

import os
from pathlib import Path

from paperlib.errors import InputError
from paperlib.face3d.morphable_model import MODEL_FILE, MorphableModel

VARIABLE = "PAPERLIB_FACE_MODEL"


def chosen_file() -> Path:
    """The model file in use: the value of PAPERLIB_FACE_MODEL, else the shipped model. InputError when it names no file."""
    named = os.environ.get(VARIABLE)
    if not named:
        return MODEL_FILE
    path = Path(named).expanduser()
    if not path.is_file():
        raise InputError(f"{VARIABLE}={named}: no such file; unset it for the shipped face, or make it: paperlib prepare bfm --folder DIR")
    return path


def load_face_model(path: str | Path | None = None) -> MorphableModel:
    """Read the model at `path` (default: `chosen_file`) as what its file says it is: `MorphableModel` or `bfm.BaselFaceModel`."""
    import json

    from safetensors import SafetensorError, safe_open

    from paperlib.face3d import bfm

    path = chosen_file() if path is None else Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no face model there")
    try:
        with safe_open(path, framework="pt") as stream:
            facts = stream.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a face model ({error}); a BFM folder is converted by: paperlib prepare bfm --folder DIR") from error
    plain = MorphableModel.load(path)
    if facts.get("kind") != bfm.KIND:
        return plain
    return bfm.BaselFaceModel(dict(plain.named_buffers()), json.loads(facts["deviations_known"]))
