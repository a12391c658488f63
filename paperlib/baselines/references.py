"""Which picture of the clip a system with one reference looks at, frame by frame."""

from __future__ import annotations

import torch
from torch import Tensor

from paperlib.config import FPS
from paperlib.errors import check_shape


def steady_references(ref_index: Tensor) -> Tensor:
    """(T,) of `Given.ref_index` (T, R): as few different pictures as the rule of one second allows, so that the picture itself does not
    flicker.

    The earliest picture of all, for the first second the latest; where neither is a second away (short clips), the frame's own first.
    Every choice is one of `ref_index`.

    >>> index = torch.tensor([[60, 70]] * 30 + [[0, 2]] * 50)
    >>> steady_references(index).unique_consecutive().tolist()
    [70, 0]
    """
    check_shape("ref_index", ref_index, (None, None))
    t = torch.arange(len(ref_index))
    early, late = ref_index.min(), ref_index.max()
    return torch.where(t - early >= FPS, early, torch.where(late - t >= FPS, late, ref_index[:, 0]))
