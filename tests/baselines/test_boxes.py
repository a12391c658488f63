"""Boxes around masks."""

import pytest
import torch

from paperlib.baselines.boxes import boxes, crop, put

SIZE = 32


def drifting(frames=60):
    """(frames, 1, SIZE, SIZE): a round hole in the lower half that moves 0.3 px a frame and leaves the picture on both sides."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    centre = SIZE // 2 + 0.3 * (torch.arange(frames) - frames // 2)
    return ((y - 0.65 * SIZE).square() + (x - centre[:, None, None]).square() < 64).float()[:, None]


def test_boxes_hold_the_masks():
    masks = drifting()
    corner, side = boxes(masks, 2 / 3)
    assert side == 24 and corner.min() >= 0 and corner.max() <= SIZE - side and len(set(corner[:, 1].tolist())) > 3
    assert torch.equal(crop(masks, corner, side).sum((1, 2, 3)), masks.sum((1, 2, 3)))  # nothing of a hole is left out
    images = torch.rand(60, 3, SIZE, SIZE)
    assert torch.equal(put(images, crop(images, corner, side), corner), images)
    back = put(images, torch.zeros(60, 3, side, side), corner)
    assert back[masks.expand_as(back) > 0].abs().max() == 0 and torch.equal(back[0, :, : corner[0, 0]], images[0, :, : corner[0, 0]])


@pytest.mark.parametrize(("rows", "side"), [(0, 24), (10, 24), (25, 32), (32, 32)])
def test_a_box_grows_with_the_mask_and_minds_an_empty_one(rows, side):
    masks = torch.zeros(2, 1, SIZE, SIZE)
    masks[0, :, :rows, 4:9] = 1
    corner, got = boxes(masks, 2 / 3)
    assert got == side and crop(masks, corner, got).sum() == masks.sum()


def test_sizes_that_do_not_fold():
    with pytest.raises(ValueError, match="divisible by 8"):
        boxes(torch.zeros(1, 1, 60, 60), 2 / 3)
