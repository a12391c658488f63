"""Crops and the way back; masks that hold the mouth and say nothing about it; a paste that leaves the rest of the frame alone."""

import numpy as np
import pytest

from paperlib.media import cropping

SIZE = 96


def face_points(open_by=0.0):
    """A drawn face (68,2) in a 224 frame; `open_by` pixels lower the lower lip and the jaw."""
    lmk = np.zeros((68, 2))
    angle = np.linspace(np.pi, 0, 17)
    lmk[0:17] = np.stack([112 + 70 * np.cos(angle), 100 + 80 * np.sin(angle)], 1)
    lmk[17:27] = np.stack([np.linspace(58, 166, 10), np.full(10, 72)], 1)
    lmk[27:31] = np.stack([np.full(4, 112), np.linspace(85, 118, 4)], 1)
    lmk[31:36] = np.stack([np.linspace(98, 126, 5), np.full(5, 126)], 1)
    for start, x in ((36, 82), (42, 142)):
        turn = np.linspace(np.pi, -np.pi, 7)[:6]
        lmk[start : start + 6] = np.stack([x + 12 * np.cos(turn), 90 + 5 * np.sin(turn)], 1)
    turn = np.linspace(np.pi, -np.pi, 13)[:12]
    lmk[48:60] = np.stack([112 + 26 * np.cos(turn), 146 - 9 * np.sin(turn)], 1)
    turn = np.linspace(np.pi, -np.pi, 9)[:8]
    lmk[60:68] = np.stack([112 + 18 * np.cos(turn), 146 - 3 * np.sin(turn)], 1)
    lmk[55:60, 1] += open_by
    lmk[65:68, 1] += open_by
    lmk[4:13, 1] += open_by * np.sin(np.linspace(0, np.pi, 9))
    return lmk.astype(np.float32)


def test_square_box_is_square_and_holds_the_face():
    lmk = np.stack([face_points(), face_points() + (10, 4), np.full((68, 2), np.nan)])
    box = cropping.square_box(lmk)
    assert box[2] - box[0] == pytest.approx(box[3] - box[1])
    # By hand: x 42..192; y 72..184, forehead up by a quarter of 112 -> 44..184; the larger extent, 150 wide, grows by 10% on each side
    np.testing.assert_allclose(box, (117 - 90, 114 - 90, 117 + 90, 114 + 90), atol=0.6)
    with pytest.raises(ValueError, match="no frame"):
        cropping.square_box(lmk[2:])
    with pytest.raises(ValueError, match="expected shape"):
        cropping.square_box(lmk[:, :60])


def test_points_go_to_the_crop_and_back():
    lmk = np.stack([face_points(), face_points() + 5])
    boxes = np.array([[10, 20, 210, 220], [-30.5, 7, 200, 237.5]], np.float32)
    inside = cropping.to_crop(lmk, boxes, SIZE)
    np.testing.assert_allclose(inside[0, 8], (lmk[0, 8] - (10, 20)) * 0.48, atol=1e-4)
    np.testing.assert_allclose(cropping.from_crop(inside, boxes, SIZE), lmk, atol=1e-3)
    np.testing.assert_allclose(cropping.to_crop(lmk, boxes[0], SIZE)[0], inside[0], atol=1e-5)  # one box for all


@pytest.mark.parametrize("box", [(20, 30, 116, 126), (11.25, 20.25, 203.25, 212.25), (-20, 40, 172, 232), (30.25, 30.25, 78.25, 78.25)])
def test_crop_pixels_sit_where_to_crop_says(box):
    """On a linear ramp every resampling is exact: each crop pixel must show the coordinate of its own centre."""
    y, x = np.indices((260, 250))  # pixel i has its centre at i + 0.5 and shows i
    ramp = np.stack([x, y, x * 0], -1).clip(0, 255).astype(np.uint8)
    crop = cropping.crop_frame(ramp, np.array(box), SIZE).astype(float)
    side = (box[2] - box[0]) / SIZE
    centres = (np.arange(SIZE) + 0.5) * side - 0.5
    inner = slice(24, 84)
    np.testing.assert_allclose(crop[40, inner, 0], (box[0] + centres)[inner], atol=0.6)  # uint8 rounds, twice when it shrinks
    np.testing.assert_allclose(crop[inner, 40, 1], (box[1] + centres)[inner], atol=0.6)


def test_shrinking_averages():
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[:, ::2] = 200  # finer than the crop can show: must become flat grey, not moire
    crop = cropping.crop_frame(stripes, np.array([0, 0, 200, 200]), 50).astype(int)
    assert np.abs(crop[5:-5, 5:-5] - 100).max() <= 2


def test_aligned_boxes_put_a_projected_face_at_translation_zero():
    """Points seen by the model's perspective camera at translation 0 in known boxes, turned by several angles: the boxes come back."""
    rng = np.random.default_rng(1)
    points3d = rng.normal(size=(68, 3)) * (0.5, 0.6, 0.25) + (0, 0, 0.6)  # as on a face, the points lie before the origin
    lmk, want = [], []
    for t in range(12):
        yaw, roll, side, centre = 0.04 * t, -0.03 * t, 90.0 + t, np.array([150 + 2 * t, 120 - t])
        turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        spin = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        world = points3d @ turn @ spin
        lmk.append(centre + side * 1015 / 224 * world[:, :2] / (10 - world[:, 2:]) * (1, -1))
        want.append([*(centre - side / 2), *(centre + side / 2)])
    lmk = np.array(lmk, np.float32)
    boxes = cropping.aligned_boxes(lmk, points3d, sigma=0)
    np.testing.assert_allclose(boxes[0], want[0], atol=0.01)  # frontal: exact
    np.testing.assert_allclose(boxes, want, atol=2)  # turned: perspective leaves about 1%
    lmk[5] = np.nan
    boxes = cropping.aligned_boxes(lmk, points3d, sigma=0)
    assert np.abs(boxes[5] - np.array(want[5])).max() < 2  # interpolated over the missing frame
    noisy = cropping.aligned_boxes(lmk + rng.normal(size=lmk.shape), points3d, sigma=3)
    rough = cropping.aligned_boxes(lmk + rng.normal(size=lmk.shape), points3d, sigma=0)
    assert np.abs(np.diff(noisy, 2, axis=0)).mean() < 0.3 * np.abs(np.diff(rough, 2, axis=0)).mean()
    with pytest.raises(ValueError, match="no frame"):
        cropping.aligned_boxes(np.full((2, 68, 2), np.nan), points3d)


def test_mouth_mask_holds_the_closed_and_the_open_mouth_but_not_eyes_and_nose_tip():
    mask = cropping.mouth_mask(face_points()[None], 224)
    assert mask.shape == (1, 1, 224, 224) and mask.dtype == np.float32 and set(np.unique(mask)) == {0.0, 1.0}
    for opened in (face_points(), face_points(22)):
        for x, y in opened[48:68]:
            assert mask[0, 0, int(y), int(x)] == 1
        for x, y in opened[5:12] * (1, 1) - (0, 1):  # the jaw, also when let down
            assert mask[0, 0, int(y), int(x)] == 1
    for x, y in face_points()[[*range(17, 31), *range(36, 48)]]:
        assert mask[0, 0, int(y), int(x)] == 0
    assert 0.08 < mask.mean() < 0.25


def test_mouth_mask_moves_and_turns_with_the_head():
    base = face_points()
    shifted = cropping.mouth_mask((base + (9, -6))[None], 224)[0, 0]
    np.testing.assert_array_equal(shifted, np.roll(cropping.mouth_mask(base[None], 224)[0, 0], (-6, 9), (0, 1)))
    turned = (base - 112) @ np.array([[0, -1], [1, 0]]) + 112  # x right -> up: a quarter turn
    quarter = cropping.mouth_mask(turned[None].astype(np.float32), 224)[0, 0]
    agree = (quarter == np.rot90(cropping.mouth_mask(base[None], 224)[0, 0])).mean()
    assert agree > 0.995


def test_soft_mask_rises_inside_only():
    mask = cropping.mouth_mask(face_points()[None], 224)
    soft = cropping.soft_mask(mask, 3)
    assert (soft[mask == 0] == 0).all() and soft.max() == 1 and 0 < soft[soft > 0].min() < 0.1
    inner = mask[0, 0, 1:-1, 1:-1] * mask[0, 0, :-2, 1:-1] * mask[0, 0, 2:, 1:-1] * mask[0, 0, 1:-1, :-2] * mask[0, 0, 1:-1, 2:]
    assert (soft[0, 0, 1:-1, 1:-1][inner == 0] == 0).all()  # the outermost ring of the mask is already 0
    steps = np.abs(np.diff(soft[0, 0, 150]))
    assert steps.max() < 0.3  # no hard edge
    full = cropping.soft_mask(np.ones((1, 1, 40, 40), np.float32), 2)[0, 0]
    assert full[0, 20] == 0 and full[20, 20] == 1  # the crop's own border counts as an edge


@pytest.mark.parametrize("box", [(100.3, 60.7, 280.3, 240.7), (10, 10, 74, 74), (-60.5, -30, 259.5, 290), (500, 300, 900, 700)])
def test_paste_changes_no_pixel_outside_the_mask(box):
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 256, (2, 360, 480, 3), dtype=np.uint8)
    crops = rng.random((2, SIZE, SIZE, 3)).astype(np.float32)
    mask = cropping.mouth_mask(cropping.to_crop(face_points()[None].repeat(2, 0), np.array([0, 0, 224, 224]), SIZE), SIZE)
    before = frames.copy()
    out = cropping.paste(frames, crops, np.array(box), cropping.soft_mask(mask, 2))
    np.testing.assert_array_equal(frames, before)  # the input is not touched
    for t in range(2):
        region = cropping.paste_region(mask[t, 0], np.array(box), frames[t].shape)
        np.testing.assert_array_equal(out[t][~region], frames[t][~region])
        if box[0] < 400:
            assert (out[t][region] != frames[t][region]).any(-1).mean() > 0.5


def test_paste_puts_the_crop_back_where_it_came_from():
    y, x = np.indices((360, 480))
    frame = np.stack([x / 2, y / 2, 128 + 60 * np.sin(x / 25) * np.cos(y / 25)], -1).astype(np.uint8)
    mask = cropping.soft_mask(cropping.mouth_mask(face_points()[None] * SIZE / 224, SIZE), 2)
    for box in ((100, 60, 292, 252), (131.7, 80.2, 211.7, 160.2)):
        crop = cropping.crop_frame(frame, np.array(box), SIZE)
        out = cropping.paste_frame(frame, crop, np.array(box), mask[0, 0])
        assert np.abs(out.astype(int) - frame).max() <= 3
        bright = cropping.paste_frame(frame, np.ones((SIZE, SIZE, 3), np.float32), np.array(box), mask[0, 0])
        assert bright.max() == 255


def test_mouth_box_is_square_around_the_neutral_mouth():
    box = cropping.mouth_box(face_points())
    assert box.shape == (4,) and box[2] - box[0] == pytest.approx(box[3] - box[1])
    low, high = face_points()[48:68].min(0), face_points(20)[48:68].max(0)
    assert (box[:2] < low).all() and (box[2:] > high).all()
    np.testing.assert_allclose(cropping.mouth_box(np.stack([face_points()] * 3)), np.stack([box] * 3))
