import struct

import numpy as np
import pytest
from scipy.io import savemat

from paperlib.errors import InputError
from paperlib.face3d import _matfile
from paperlib.face3d._bfm_files import read_mat


def _content():
    rng = np.random.default_rng(0)
    numbers = {f"n{k}": (rng.standard_normal((k + 2, 3)) * 90).astype(k_type) for k, k_type in enumerate("bBhHiIqQfd")}
    return numbers | {"a": np.float32(3.5), "cube": np.arange(24.0).reshape(2, 3, 4), "a_name_longer_than_four": np.ones((1, 2), bool)}


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_scipy_writes(compressed, tmp_path):
    content = _content() | {"text": "abc", "cell": np.array([[1, "x"]], object), "struct": {"a": 1.0}, "z": np.array([[1 + 2j]])}
    savemat(tmp_path / "f.mat", content, do_compression=compressed)
    entries, order = _matfile.directory(tmp_path / "f.mat")
    assert set(entries) == set(content)
    for name, value in _content().items():
        got = _matfile.values(tmp_path / "f.mat", entries[name], order)
        assert np.array_equal(got, np.atleast_2d(value)) and got.dtype == (np.asarray(value).dtype if value.dtype != bool else np.uint8)
    assert [entries[n].kind for n in ("text", "cell", "struct", "z", "a")] == ["char", "cell", "struct", "complex", ""]


def _by_hand(order: str, name: bytes, stored: int, raw: bytes) -> bytes:
    """A double 1 x 3 whose numbers are stored in another type, as MATLAB does to save room."""

    def part(kind, data):
        return struct.pack(order + "II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")

    body = part(6, struct.pack(order + "II", 6, 0)) + part(5, struct.pack(order + "ii", 1, 3)) + part(1, name) + part(stored, raw)
    mark = struct.pack(order + "HH", 0x0100, 0x4D49)
    return b"MATLAB 5.0 MAT-file".ljust(124) + mark + struct.pack(order + "II", 14, len(body)) + body


def test_doubles_stored_small_in_both_byte_orders(tmp_path):
    for order, stored, raw in (("<", 2, b"\x01\x02\xff"), (">", 3, struct.pack(">3h", 1, 2, 255)), (">", 9, struct.pack(">3d", 1, 2, 255))):
        (tmp_path / "f.mat").write_bytes(_by_hand(order, b"hello", stored, raw))
        assert read_mat(tmp_path / "f.mat", {"hello": (1, 3)})["hello"].tolist() == [[1.0, 2.0, 255.0]]
    (tmp_path / "f.mat").write_bytes(_by_hand("<", b"hello", 2, b"\x01\x02"))
    with pytest.raises(InputError, match="hello: 2 bytes do not hold 3 numbers"):
        read_mat(tmp_path / "f.mat", {"hello": None})


def test_damage_is_an_input_error_and_nothing_worse(tmp_path):
    """Wrong bytes and cut files, of which some crash scipy's reader: each is read or refused."""
    rng, path, outcomes = np.random.default_rng(1), tmp_path / "f.mat", {"read": 0, "refused": 0}
    for compressed in (False, True):
        savemat(
            path,
            {"a": rng.standard_normal((10, 3)), "cell": np.array([["x"]], object), "b": np.arange(24)[None]},
            do_compression=compressed,
        )
        whole = path.read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), rng.integers(1, 4)):
                damaged[at] = rng.integers(256)
            path.write_bytes(damaged[: rng.integers(1, len(whole)) if rng.random() < 0.3 else None])
            try:
                read_mat(path, {"a": (10, 3), "b": None})
                outcomes["read"] += 1
            except InputError:
                outcomes["refused"] += 1
    assert outcomes["read"] > 20 and outcomes["refused"] > 100


def test_a_compressed_file_cannot_grow_beyond_its_shape(tmp_path):
    savemat(tmp_path / "f.mat", {"a": np.zeros((2000, 2000))}, do_compression=True)  # 32 MB in 31 kB
    entries, order = _matfile.directory(tmp_path / "f.mat")
    small = _matfile.Entry("a", entries["a"].code, (2, 2), entries["a"].start, entries["a"].size, True)
    with pytest.raises(_matfile.MatFileError, match="does not end"):
        _matfile.values(tmp_path / "f.mat", small, order)
