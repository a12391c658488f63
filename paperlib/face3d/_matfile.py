"""Matrices of numbers from MATLAB files of version 5 to 7, after the published "MAT-File Format" (MathWorks, Level 5).

Why not scipy.io.loadmat: a download with a few wrong bytes makes it crash the whole process (a segmentation fault, scipy 1.17) where
a user needs a message. This reader takes sizes from nowhere but the file's own length, reads nothing but numbers, and
raises `MatFileError` otherwise.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CLASSES = {1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 16: "function", 17: "opaque"}  # not numbers
DTYPES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}  # by array class
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # by element type
MATRIX, COMPRESSED = 14, 15
HEAD = 512  # bytes of an element that hold its class, shape and name (MATLAB's names have at most 63 letters)


class MatFileError(Exception):
    """The file is not one of these, or is damaged; the message says where."""


@dataclass(frozen=True)
class Entry:
    """One variable: name, array class, shape, and where its element lies in the file."""

    name: str
    code: int
    shape: tuple[int, ...]
    start: int
    size: int
    compressed: bool

    @property
    def kind(self) -> str:
        """Why it is not a matrix of real numbers ("cell", "char", ...), or "" when it is one."""
        return CLASSES.get(self.code & 0xFF, "" if self.code & 0xFF in DTYPES else "variable") or ("complex" if self.code & 0x800 else "")


def directory(path: Path) -> tuple[dict[str, Entry], str]:
    """The file's variables by name, nothing read but their heads, and the byte order. Raises MatFileError, OSError."""
    total, entries = path.stat().st_size, {}
    with open(path, "rb") as stream:
        order = {b"IM": "<", b"MI": ">"}.get(stream.read(128)[126:])
        if order is None:
            raise MatFileError("no MATLAB header")
        at = 128
        while at < total:
            kind, size = _unpack(order + "II", stream.read(8))
            start, at = at + 8, at + 8 + size
            if kind not in (MATRIX, COMPRESSED):
                raise MatFileError(f"unknown element at byte {start - 8}")
            if at > total:
                raise MatFileError(f"cut short: {total} bytes, at least {at} expected")
            body = stream.read(min(size, HEAD))
            if kind == COMPRESSED:
                body = _inflate(body, HEAD)
            code, shape, name, _ = _head(body[8:] if kind == COMPRESSED else body, order)
            entries[name] = Entry(name, code, shape, start, size, kind == COMPRESSED)
            stream.seek(at)
    return entries, order


def values(path: Path, entry: Entry, order: str) -> np.ndarray:
    """The numbers of one entry, in its own precision. Raises MatFileError, OSError."""
    if entry.kind:
        raise MatFileError(f"{entry.name} is a {entry.kind}")
    count = math.prod(entry.shape)
    limit = HEAD + 8 * count + 8
    with open(path, "rb") as stream:
        stream.seek(entry.start)
        body = stream.read(entry.size)
    if entry.compressed:
        body = _inflate(body, limit, whole=True)[8:]
    *_, rest = _head(body, order)
    kind, raw = _element(body, rest, order)[:2]
    if kind not in STORED or len(raw) != count * int(STORED[kind][1]):
        raise MatFileError(f"{entry.name}: {len(raw)} bytes do not hold {count} numbers")
    found = np.frombuffer(raw, order + STORED[kind]).reshape(entry.shape, order="F")
    return found.astype(DTYPES[entry.code & 0xFF])


def _unpack(layout: str, data: bytes) -> tuple:
    if len(data) != struct.calcsize(layout):
        raise MatFileError("cut short")
    return struct.unpack(layout, data)


def _inflate(data: bytes, limit: int, whole: bool = False) -> bytes:
    """At most `limit` bytes of a compressed element; with `whole`, it must end there, its checksum right."""
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, limit)
    except zlib.error as error:
        raise MatFileError(f"damaged: {error}") from error
    if whole and not stream.eof:
        raise MatFileError("damaged: a compressed variable does not end where it should")
    return out


def _element(body: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Type, data and the place after a sub-element; up to 4 bytes sit inside its tag, others are padded to 8."""
    kind, size = _unpack(order + "II", body[at : at + 8])
    if kind >> 16:
        kind, size = kind & 0xFFFF, kind >> 16
        if size > 4:
            raise MatFileError("damaged: a small element of more than 4 bytes")
        return kind, body[at + 4 : at + 4 + size], at + 8
    if at + 8 + size > len(body):
        raise MatFileError("damaged: an element longer than its variable")
    return kind, body[at + 8 : at + 8 + size], at + 8 + (size + 7) // 8 * 8


def _head(body: bytes, order: str) -> tuple[int, tuple[int, ...], str, int]:
    """Class and flags, shape, name, and the place of the data, from the start of a matrix element."""
    _, flags, at = _element(body, 0, order)
    code = _unpack(order + "II", flags)[0]
    if code & 0xFF == 17:  # MATLAB's own objects have another layout, without a shape
        return code, (0,), "", 0
    _, sizes, at = _element(body, at, order)
    if len(sizes) % 4 or len(sizes) < 8:
        raise MatFileError("damaged: a variable without a shape")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if min(shape) < 0:
        raise MatFileError("damaged: a negative length")
    _, name, at = _element(body, at, order)
    return code, shape, name.decode("ascii", "replace"), at
