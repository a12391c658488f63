"""Lines through landmarks, at their places."""

import pytest
import torch

from paperlib.baselines.drawing import LINES, UPPER, draw_landmarks
from paperlib.face3d.landmarks import JAW


def test_lines_pass_through_their_landmarks():
    lmk = torch.full((1, 68, 2), 20.5)  # every point in the middle of pixel 20
    lmk[:, JAW, 0] = torch.arange(17) + 10.5
    drawn = draw_landmarks(lmk, 64, [["jaw"]])[0, 0]
    row = drawn[20]
    assert (row[10:27] > 0.5).all() and (row[11:26] > 0.8).all() and (row[:8] == 0).all() and (row[29:] == 0).all()
    assert drawn[19, 11:26].max() < 0.5 and drawn[21, 11:26].max() < 0.5 and drawn[:18].max() == 0 and drawn[23:].max() == 0


def test_every_landmark_is_on_a_line():
    points = [i for line, _ in LINES.values() for i in line]
    assert sorted(points) == list(range(68))
    assert {"jaw", "outer", "inner", *UPPER} == set(LINES)


def test_channels_are_apart_and_leading_axes_stay():
    lmk = torch.rand(2, 3, 68, 2, generator=torch.Generator().manual_seed(0)) * 30
    drawn = draw_landmarks(lmk, 32, [["jaw"], ["outer", "inner"]])
    assert drawn.shape == (2, 3, 2, 32, 32)
    assert torch.equal(drawn[1, 2], draw_landmarks(lmk[1, 2], 32, [["jaw"], ["outer", "inner"]]))
    moved = lmk.clone()
    moved[..., JAW, :] += 2
    change = (draw_landmarks(moved, 32, [["jaw"], ["outer", "inner"]]) - drawn).abs().amax((0, 1, 3, 4))
    assert change[0] > 0.5 and change[1] == 0


def test_wrong_shape():
    with pytest.raises(ValueError, match="lmk"):
        draw_landmarks(torch.zeros(2, 66, 2), 32, [["jaw"]])
