"""The store's key: whatever decides what a clip is, is in it."""

import ast

from paperlib.config import CorpusConfig
from paperlib.corpus import dataset, real_motion
from paperlib.face3d import model_choice
from paperlib.paths import ROOT

# Loaded while a clip is made, and without a say in it.
SILENT = {
    "paperlib.artifacts", "paperlib.config", "paperlib.errors", "paperlib.paths", "paperlib.corpus.dataset", "paperlib.face3d.model_choice",
    "paperlib.face3d.bfm", "paperlib.face3d._bfm_files", "paperlib.face3d._matfile",  # the model's file is hashed instead
}  # fmt: skip


def imports(name: str) -> set[str]:
    """Modules of the package that a module imports, anywhere in its source."""
    found = set()
    for node in ast.walk(ast.parse(ROOT.joinpath(*name.split(".")).with_suffix(".py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("paperlib"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if ROOT.joinpath(*inner.split(".")).with_suffix(".py").exists() else node.module)
    return found


def test_every_module_that_changes_clips_is_in_the_key():
    made_by = {f"paperlib.{name}" for name in dataset.MADE_BY}
    seen, todo = set(), {"paperlib.corpus.synthetic", "paperlib.media.video"}
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= imports(name) - seen - SILENT
    assert len(seen) > 15
    assert seen <= made_by, f"add to dataset.MADE_BY: {', '.join(sorted(seen - made_by))}"
    assert made_by <= seen, f"no clip needs: {', '.join(sorted(made_by - seen))}"


def test_another_face_code_or_recording_is_another_key(tmp_path, monkeypatch):
    cfg = CorpusConfig(size=64)
    first = dataset.Corpus(cfg).key
    copy = tmp_path / "face.safetensors"
    copy.write_bytes(model_choice.chosen_file().read_bytes())
    monkeypatch.setenv(model_choice.VARIABLE, str(copy))
    assert dataset.Corpus(cfg).key == first  # the same bytes under another name
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    assert dataset.Corpus(cfg).key != first
    monkeypatch.delenv(model_choice.VARIABLE)
    monkeypatch.setattr(dataset, "MADE_BY", dataset.MADE_BY[:-1])
    assert dataset.Corpus(cfg).key != first


def test_other_recordings_are_another_corpus(tmp_path, monkeypatch):
    monkeypatch.setattr(real_motion, "FOLDER", tmp_path)
    cfg = CorpusConfig(size=64, motion="real")
    empty = dataset.Corpus(cfg).key
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "a.npz").write_bytes(b"12")
    one = dataset.Corpus(cfg).key
    (tmp_path / "s1" / "a.npz").write_bytes(b"123")
    assert len({empty, one, dataset.Corpus(cfg).key}) == 3
    rule = dataset.Corpus(CorpusConfig(size=64)).key
    (tmp_path / "s1" / "a.npz").unlink()
    assert dataset.Corpus(CorpusConfig(size=64)).key == rule and dataset.Corpus(cfg).key == empty
