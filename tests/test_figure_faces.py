"""The contact sheets: ten different people; captions name the phonemes of the pictures."""

import numpy as np

from paperlib import figure_faces
from paperlib.config import CorpusConfig


def test_ten_people_differ_and_fill_the_picture():
    frames = figure_faces.faces(CorpusConfig(size=48))
    assert frames.shape == (10, 48, 48, 3) and frames.dtype == np.uint8
    apart = np.abs(frames[:, None].astype(int) - frames[None]).mean((2, 3, 4))
    assert apart[~np.eye(10, dtype=bool)].min() > 5  # grey levels of 255


def test_captions_follow_the_clip():
    frames, spoken, text = figure_faces.speaking(CorpusConfig(size=48), count=4)
    assert len(frames) == len(spoken) == 4 and all(spoken) and "_" not in spoken and text


def test_command_writes_pictures_with_cards(tmp_path):
    from matplotlib import image

    assert figure_faces.main(["--folder", str(tmp_path)]) == 0
    side = figure_faces.TILE
    assert image.imread(tmp_path / "faces.png").shape[:2] == (2 * side, 5 * side)
    assert (tmp_path / "faces.json").exists() and (tmp_path / "speaking.json").exists()
