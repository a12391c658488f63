"""The 68 landmarks of iBUG 300-W: names of the groups and the few lengths measured on them.

Order: as seen in the image, from the person's right (image left) to the person's left. All functions take numpy arrays or
tensors (..., 68, 2) in pixels or (..., 68, 3) in model units and return (...) in the same unit.
"""

from __future__ import annotations

N_LANDMARKS = 68
JAW = range(0, 17)
RIGHT_BROW, LEFT_BROW = range(17, 22), range(22, 27)
BROWS = range(17, 27)
NOSE_BRIDGE, NOSE_BASE = range(27, 31), range(31, 36)
NOSE = range(27, 36)
RIGHT_EYE, LEFT_EYE = range(36, 42), range(42, 48)
EYES = range(36, 48)
MOUTH = range(48, 68)
OUTER = range(48, 60)  # outer lip contour
INNER = range(60, 68)  # inner lip contour
INNER_PAIRS = ((61, 67), (62, 66), (63, 65))  # upper and lower inner lip, facing each other
OUTER_CORNERS = (48, 54)
EYE_CORNERS = (36, 45)  # outer corners of both eyes
LOWER_FACE = (*range(3, 14), *range(31, 36), *MOUTH)  # jaw from cheek to cheek, nose base, mouth

# Index of each landmark's mirror image.
MIRROR = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    45, 44, 43, 42, 47, 46,
    39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55,
    64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip


def _check(lmk) -> None:
    if lmk.ndim < 2 or lmk.shape[-2] != N_LANDMARKS or lmk.shape[-1] not in (2, 3):
        raise ValueError(f"lmk: expected shape (..., 68, 2) or (..., 68, 3), got {tuple(lmk.shape)}")


def _distance(lmk, i: int, j: int):
    return ((lmk[..., i, :] - lmk[..., j, :]) ** 2).sum(-1) ** 0.5


def lip_opening(lmk):
    """Mean distance of the three facing pairs of the inner lips, 61-67, 62-66, 63-65."""
    _check(lmk)
    return sum(_distance(lmk, i, j) for i, j in INNER_PAIRS) / len(INNER_PAIRS)


def lip_width(lmk):
    """Distance of the mouth's outer corners, 48-54."""
    _check(lmk)
    return _distance(lmk, *OUTER_CORNERS)


def interocular(lmk):
    """Distance of the outer eye corners, 36-45: the usual divisor of landmark errors."""
    _check(lmk)
    return _distance(lmk, *EYE_CORNERS)


def neutral_lower_face(lmk):
    """The landmarks of the lower face (..., 36, 2|3), jaw from cheek to cheek, nose base and mouth; callers pass a neutral face's."""
    _check(lmk)
    return lmk[..., list(LOWER_FACE), :]
