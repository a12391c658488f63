"""Keeps teeth and tongue behind the lips: MakeHuman's identity targets move the lips and leave the teeth where they were.

Undone by a linear rule on the vertices, so the identity samples stay a linear function of what was drawn.
"""

from __future__ import annotations

import numpy as np

from paperlib.face3d import _makehuman as mh
from paperlib.face3d._topology import CODE, Head

TONGUE_SHARE = 0.75  # of MakeHuman's `tongueOut`: the whole of it, being straight, runs through the lower lip


def hold_tongue(head: Head, actions: np.ndarray, names: list[str]) -> np.ndarray:
    """The actions (A, V, 3) with a `tongueOut` whose tongue goes only `TONGUE_SHARE` of the way."""
    actions = actions.copy()
    actions[names.index("tongueOut"), head.part == CODE["tongue"]] *= TONGUE_SHARE
    return actions


def carry(head: Head, mean: np.ndarray, seam: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Displacements (..., V, 3) from `mean` (V, 3) whose teeth and tongue follow the lips that meet at the pairs `seam` (P, 2)."""
    first = head.operator.indices[head.operator.indptr[:-1]]
    teeth = head.part == CODE["teeth"]
    front = np.flatnonzero(teeth & (first >= mh.GROUPS["upper_teeth"].start) & (np.abs(mean[:, 0]) < 0.1))
    follow = moved[..., seam.ravel(), :].mean(-2, keepdims=True) - moved[..., front, :].mean(-2, keepdims=True)
    moved = moved.copy()
    moved[..., teeth | (head.part == CODE["tongue"]), :] += follow
    return moved
