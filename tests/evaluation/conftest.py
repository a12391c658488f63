"""Dubbing tasks and a shelf of untrained networks, made once for the tests of tables 1 and 2. Their numbers mean nothing."""

import json

import made_dubs
import pytest
import torch
from made_dubs import Paster

from paperlib.config import load_profile
from paperlib.corpus.preparing import How
from paperlib.evaluation import dubbing_tasks as tasks
from paperlib.evaluation.shelf import Shelf
from paperlib.training import checkpoints
from paperlib.training.loop import History

SERIAL = How(backend="serial", progress=False)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """Smoke networks of stage 1 and 2, untrained, and a card for wav2lip_mini; judge, expert and regressor are the shipped ones."""
    from paperlib import paths

    folder, profile = tmp_path_factory.mktemp("shelf"), load_profile("smoke")
    torch.manual_seed(0)
    for kind in ("expression", "teacher", "renderer"):
        checkpoints.save(f"{kind}_smoke", kind, checkpoints.build(kind, profile), profile, History(), folder)
    card = {"name": "wav2lip_mini_smoke", "kind": "wav2lip_mini", "profile": "smoke", "sha256": "0" * 64}
    (folder / "wav2lip_mini_smoke.json").write_text(json.dumps(card))
    return Shelf("smoke", (folder, paths.CHECKPOINTS))


@pytest.fixture
def minis(monkeypatch):
    """Loading wav2lip_mini gives a Paster; everything else is loaded as ever."""
    load = checkpoints.load
    monkeypatch.setattr(checkpoints, "load", lambda n, folder=None: (Paster().eval(), {}) if n == "wav2lip_mini_smoke" else load(n, folder))


@pytest.fixture(scope="session")
def store(shelf, tmp_path_factory):
    """All clips of `made_dubs.Made`, known."""
    corpus = made_dubs.Made()
    return tasks.fill(corpus, corpus.clips("test"), made_dubs.CFG, shelf, SERIAL, tmp_path_factory.mktemp("known"))


A, B, THIRD = "id00000/scene00/00000", "id00000/scene00/00001", "id00001/scene00/00001"


@pytest.fixture(scope="session")
def cross(store):
    """A with B's speech: B is the truth."""
    return store.task(tasks.Plan(tasks.CROSS, A, B, THIRD))


@pytest.fixture(scope="session")
def sentence(store):
    """The same without a truth."""
    return store.task(tasks.Plan(tasks.SENTENCE, A, B, THIRD))
