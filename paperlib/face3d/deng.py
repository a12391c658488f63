"""Coefficient files of Deng et al. 2019's network (one .mat per picture), read and written as rows of our 257.

Their groups, order, camera, rotation, light and standard deviations are those of `coefficients.py`, so numbers are copied, not
converted. They describe the picture after Deng et al.'s alignment (224 x 224), and identity, expression and texture mean what they
say with BFM 2009 (`bfm.py`) alone: on another face model the same numbers are another person.
"""

from __future__ import annotations

from pathlib import Path

import torch

from paperlib.errors import check_shape
from paperlib.face3d._bfm_files import read_mat
from paperlib.face3d.coefficients import N_COEFF, Coefficients, join, split

KEYS = ("id", "exp", "tex", "angle", "gamma", "trans")  # of their files, in the order of `Coefficients`


def read_coefficients(path: str | Path) -> torch.Tensor:
    """Rows (T, 257) float32 of one file. InputError for a missing, damaged or foreign file."""
    sizes = Coefficients(80, 64, 80, 3, 27, 3)
    found = read_mat(Path(path), {key: (None, size) for key, size in zip(KEYS, sizes, strict=True)})
    return join(*(torch.from_numpy(found[key]).float() for key in KEYS))


def write_coefficients(path: str | Path, coeffs: torch.Tensor) -> None:
    """Write (T, 257) as their network's file, without its landmarks."""
    from scipy.io import savemat

    check_shape("coeffs", coeffs, (None, N_COEFF))
    savemat(path, {key: part.detach().cpu().numpy() for key, part in zip(KEYS, split(coeffs), strict=True)})
