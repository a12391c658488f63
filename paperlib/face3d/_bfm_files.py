"""Reading the files that users of Deng et al. 2019 hold: MATLAB matrices, Exp_Pca.bin, std_exp.txt. Every fault is an InputError.

Only matrices of numbers are read, by name, after their class and shape in the file's directory have been checked; nothing in a
file is ever executed or unpickled.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paperlib.errors import InputError
from paperlib.face3d import _matfile

_HDF5 = b"\x89HDF\r\n\x1a\n"
Shape = tuple[int | None, ...]


def read_mat(path: Path, wanted: dict[str, Shape | None], optional: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Matrices of a MATLAB file (version 5 to 7), by name.

    Args:
        wanted: name -> shape with None for any length, or None for a vector of any orientation, which comes back as (N,).
        optional: names of `wanted` that may be missing.

    Returns:
        {name: array}, in the file's precision, all finite. Raises InputError for anything else.
    """
    _check_is_mat(path)
    try:
        entries, order = _matfile.directory(path)
        missing = [name for name in wanted if name not in entries and name not in optional]
        if missing:
            held = ", ".join(sorted(filter(None, entries))) or "nothing"
            raise InputError(f"{path}: lacks {', '.join(missing)} (it holds {held}); is it the file its name says, and whole?")
        present = [name for name in wanted if name in entries]
        for name in present:
            _check_entry(path, entries[name], wanted[name])
        found = {name: _matfile.values(path, entries[name], order) for name in present}
    except _matfile.MatFileError as error:
        raise InputError(f"{path}: not a MATLAB file of version 5 to 7, or a damaged one ({error}); get it again") from error
    for name, value in found.items():
        if not np.isfinite(value).all():
            raise InputError(f"{path}: {name} holds numbers that are not finite; get the file again")
    return {name: value.reshape(-1) if wanted[name] is None else value for name, value in found.items()}


def _check_is_mat(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with open(path, "rb") as stream:
        head = stream.read(520)
    if head.startswith((_HDF5, b"MATLAB 7.3")) or head[512:] == _HDF5:
        raise InputError(
            f"{path}: an HDF5 file (MATLAB v7.3, or a Basel Face Model of 2017 or 2019); BFM 2009 is wanted, saved in MATLAB with -v7"
        )
    if len(head) < 128:
        raise InputError(f"{path}: not a MATLAB file ({len(head)} bytes); get it again")


def _check_entry(path: Path, entry: _matfile.Entry, wanted: Shape | None) -> None:
    if entry.kind:
        raise InputError(f"{path}: {entry.name} is a MATLAB {entry.kind}, not a matrix of numbers")
    shape = entry.shape
    if wanted is None:
        fits, text = sum(n != 1 for n in shape) <= 1, "a vector"
    else:
        fits = len(shape) == len(wanted) and all(w is None or w == s for w, s in zip(wanted, shape, strict=True))
        text = " x ".join("any" if w is None else str(w) for w in wanted)
    if not fits or 0 in shape:
        raise InputError(f"{path}: {entry.name} is {' x '.join(map(str, shape))}, expected {text}")


def indices(path: Path, name: str, value: np.ndarray, count: int) -> np.ndarray:
    """MATLAB's one-based indices as int64 from zero; InputError unless they are whole and lie in 1..count."""
    whole = value.astype(np.int64)
    if not (whole == value).all():
        raise InputError(f"{path}: {name} holds numbers that are not whole, so it is no list of indices")
    if whole.min() < 1 or whole.max() > count:
        raise InputError(f"{path}: {name} names {whole.min()}..{whole.max()}, of {count} there are: the files belong to other models")
    return whole - 1


def read_expression_basis(path: Path, vertices: int, keep: int) -> np.ndarray:
    """The first `keep` expression directions of Exp_Pca.bin (Guo et al. 2018): (vertices, 3, keep) float32, columns of length 1.

    Layout, little-endian: int32 count; float32 mean (3 vertices), which Deng et al. leave out; float32 basis (count, 3 vertices).
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    size = path.stat().st_size
    with open(path, "rb") as stream:
        head = stream.read(4)
        count = int.from_bytes(head, "little", signed=True) if len(head) == 4 else -1
        if not 1 <= count <= 10_000:
            raise InputError(f"{path}: its first number says {count} expression directions; it is not Exp_Pca.bin, or damaged")
        expected = 4 + 4 * 3 * vertices * (1 + count)
        if size != expected:
            state = "cut short" if size < expected else "too long"
            raise InputError(
                f"{path}: {size} bytes, but {count} directions of {vertices} vertices take {expected}: {state}, or another model's"
            )
        if count < keep:
            raise InputError(f"{path}: {count} expression directions, {keep} are needed")
        stream.seek(4 + 4 * 3 * vertices)
        rows = np.fromfile(stream, "<f4", keep * 3 * vertices)
    if not np.isfinite(rows).all():
        raise InputError(f"{path}: holds numbers that are not finite; get it again")
    return rows.reshape(keep, vertices, 3).transpose(1, 2, 0)


def read_deviations(path: Path, keep: int) -> np.ndarray:
    """The first `keep` numbers of std_exp.txt: (keep,) float64, positive."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        values = np.array(path.read_text("ascii").split(), np.float64)
    except ValueError as error:
        raise InputError(f"{path}: not a list of numbers ({error})") from error
    if len(values) < keep or not np.isfinite(values[:keep]).all() or values[:keep].min() <= 0:
        raise InputError(f"{path}: expected at least {keep} positive standard deviations, got {len(values)} numbers")
    return values[:keep]
