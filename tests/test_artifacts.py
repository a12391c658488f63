"""The artefact store: keyed, atomic, rebuilt when anything it depends on changes."""

import json

import pytest

from paperlib import artifacts, errors, seeding
from paperlib.config import load_profile


def test_built_once_and_found_again(tmp_path):
    calls = []

    def build(folder):
        calls.append(folder)
        (folder / "x.txt").write_text("made")

    first = artifacts.stage("thing", [load_profile("smoke").corpus, 3], build, root=tmp_path)
    again = artifacts.stage("thing", [load_profile("smoke").corpus, 3], build, root=tmp_path)
    assert first == again and len(calls) == 1
    assert (first / "x.txt").read_text() == "made"
    assert json.loads((first / "manifest.json").read_text())["name"] == "thing"


def test_key_follows_config_inputs_and_code(tmp_path):
    def build(folder):
        pass

    base = artifacts.stage("t", [load_profile("smoke").corpus], build, root=tmp_path)
    other_config = artifacts.stage("t", [load_profile("smoke", corpus__size=96).corpus], build, root=tmp_path)
    other_input = artifacts.stage("t", [load_profile("smoke").corpus, "hash"], build, root=tmp_path)
    code = artifacts.stage("t", [load_profile("smoke").corpus], build, modules=[errors], root=tmp_path)
    other_code = artifacts.stage("t", [load_profile("smoke").corpus], build, modules=[seeding], root=tmp_path)
    assert len({base, other_config, other_input, code, other_code}) == 5


def test_a_failed_build_leaves_nothing(tmp_path):
    def build(folder):
        (folder / "half").write_text("h")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        artifacts.stage("t", [1], build, root=tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_atomic_write_replaces_whole_files(tmp_path):
    path = tmp_path / "sub" / "a.json"
    artifacts.atomic_write(path, b"one")
    artifacts.atomic_write(path, b"two")
    assert path.read_bytes() == b"two" and list(path.parent.iterdir()) == [path]
