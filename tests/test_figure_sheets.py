"""The studio sheets: both sexes, mouths that do what their captions say, light that comes from where it is said to."""

import numpy as np
import torch

from paperlib import figure_sheets
from paperlib.corpus import visemes, world
from paperlib.face3d import illumination

SIZE = 48


def test_women_and_men_by_turns():
    people = figure_sheets.first_people(0, 8)
    assert [world.is_man(world.draw_speaker(0, i).voice) for i in people] == [False, True] * 4
    assert len(set(people)) == 8 and min(people) == 10_000


def test_portraits_differ():
    frames, people = figure_sheets.identities(0, SIZE, count=4)
    assert frames.shape == (4, SIZE, SIZE, 3) and len(people) == 4
    apart = np.abs(frames[:, None].astype(int) - frames[None]).mean((2, 3, 4))
    assert apart[~np.eye(4, dtype=bool)].min() > 3


def test_every_picture_of_the_expressions_is_another_one():
    frames, captions = figure_sheets.expressions(0, SIZE)
    assert len(frames) == len(captions) == len(set(captions)) == 24
    apart = np.abs(frames[:, None].astype(int) - frames[None]).max((2, 3, 4))
    assert apart[~np.eye(24, dtype=bool)].min() > 10  # `rest` and a bilabial are both closed lips, yet pressed ones differ


def test_examples_of_a_class_belong_to_it():
    for name, sounds in figure_sheets.VISEMES.items():
        assert name in visemes.TARGETS
        for sound in sounds.split():
            assert visemes.classes(sound)[0][1] == name


def test_eyes_of_a_turned_head_stay_on_the_camera():
    from paperlib.face3d.morphable_model import default_model

    model = default_model()
    look = model.actions_to_exp(figure_sheets._look(figure_sheets.GAZE * figure_sheets.TURN, 0.0))
    iris, still = model.part_vertices("iris"), torch.zeros(1, 80)
    moved = (model.shape(still, look) - model.mean_shape)[0, iris, 0].mean()
    turned = figure_sheets.TURN * 0.12  # the eyeball's radius is about 12 mm
    assert moved < 0 and abs(-moved / turned - 1) < 0.3  # a head turned to the picture's right, eyes to its left by as much


def test_lamps_stand_where_they_are_said_to():
    for azimuth, elevation, towards in ((90, 0, (1, 0, 0)), (0, 90, (0, 1, 0)), (0, 0, (0, 0, 1))):
        light = torch.from_numpy(figure_sheets.lamp(azimuth, elevation, 0.3)).reshape(1, 27)
        assert torch.allclose(illumination.main_light(light)[0], torch.tensor([towards], dtype=torch.float32), atol=1e-6)


def test_ball_is_bright_on_the_lamps_side():
    left, right = (figure_sheets.ball(figure_sheets.LIGHTS[f"from the {side}"], SIZE).astype(float) for side in ("left", "right"))
    middle = slice(SIZE // 3, 2 * SIZE // 3)
    third = SIZE // 3
    assert left[middle, third].mean() > left[middle, -third].mean() + 40
    assert np.abs(left - right[:, ::-1]).max() <= 1


def test_columns_of_light_are_ball_and_two_faces():
    columns, names = figure_sheets.light(0, SIZE)
    assert len(columns) == len(names) == len(set(names)) and columns.shape[1:] == (2 * SIZE + SIZE - 2 * (SIZE // 6), SIZE, 3)
