"""The contact sheets of the corpus: ten different people; captions name the phonemes of the pictures; files small and described."""

import json

import numpy as np
import pytest

from paperlib import figure_faces, paths
from paperlib.config import CorpusConfig

SHEETS = ("faces", "speaking", "identities", "expressions", "light")


def test_ten_people_differ_and_fill_the_picture():
    frames = figure_faces.faces(CorpusConfig(size=48))
    assert frames.shape == (10, 48, 48, 3) and frames.dtype == np.uint8
    apart = np.abs(frames[:, None].astype(int) - frames[None]).mean((2, 3, 4))
    assert apart[~np.eye(10, dtype=bool)].min() > 5  # grey levels of 255


def test_captions_follow_the_clip():
    frames, spoken, text = figure_faces.speaking(CorpusConfig(size=48), count=4)
    assert len(frames) == len(spoken) == 4 and all(spoken) and "_" not in spoken and text


def test_command_writes_pictures_with_cards(tmp_path, monkeypatch):
    from matplotlib import image

    monkeypatch.setattr(figure_faces, "TILE", 48)
    monkeypatch.setattr(figure_faces, "STUDIO_TILE", 40)
    assert figure_faces.main(["--folder", str(tmp_path)]) == 0
    assert image.imread(tmp_path / "faces.jpg").shape[:2] == (2 * 48, 5 * 48)
    assert image.imread(tmp_path / "identities.jpg").shape[:2] == (3 * 40, 7 * 40)
    assert sorted(p.stem for p in tmp_path.glob("*.json")) == sorted(p.stem for p in tmp_path.glob("*.jpg")) == sorted(SHEETS)


@pytest.mark.parametrize("name", SHEETS)
def test_committed_sheets_are_small_and_described(name):
    card = json.loads((paths.FIGURES / f"{name}.json").read_text())
    assert (paths.FIGURES / f"{name}.jpg").stat().st_size < 250_000
    assert len(card["alt"]) > 60 and card["synthetic"] and card["speakers"] and card["command"] == figure_faces.COMMAND
