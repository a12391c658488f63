import numpy as np
import pytest
import torch

from paperlib.face3d import landmarks as lm


def test_groups_cover_the_68_points_once():
    groups = [*lm.JAW, *lm.BROWS, *lm.NOSE, *lm.EYES, *lm.OUTER, *lm.INNER]
    assert groups == list(range(68))


def test_mirror_is_its_own_inverse_and_keeps_groups():
    assert [lm.MIRROR[lm.MIRROR[k]] for k in range(68)] == list(range(68))
    for group in (lm.JAW, lm.BROWS, lm.NOSE, lm.EYES, lm.OUTER, lm.INNER):
        assert {lm.MIRROR[k] for k in group} == set(group)


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_lengths_by_hand(make):
    lmk = make((2, 68, 2))
    lmk[1, 61, 1], lmk[1, 67, 1] = 0.0, 3.0
    lmk[1, 62, 1], lmk[1, 66, 1] = 0.0, 6.0
    lmk[1, 63, 0], lmk[1, 65, 0] = -3.0, 0.0
    lmk[1, 48, 0], lmk[1, 54, 0], lmk[1, 54, 1] = 1.0, 4.0, 4.0
    lmk[1, 36, 0], lmk[1, 45, 0] = -5.0, 5.0
    assert lm.lip_opening(lmk).tolist() == [0.0, 4.0]
    assert lm.lip_width(lmk).tolist() == [0.0, 5.0]
    assert lm.interocular(lmk).tolist() == [0.0, 10.0]
    assert lm.neutral_lower_face(lmk).shape == (2, 36, 2)


def test_wrong_shape_raises():
    with pytest.raises(ValueError, match="68"):
        lm.lip_opening(np.zeros((5, 66, 2)))
    with pytest.raises(ValueError, match="68"):
        lm.lip_width(np.zeros((68, 4)))
