"""Square crops in torch: boxes around the masks, cut out and put back."""

from __future__ import annotations

import torch
from torch import Tensor

MULTIPLE = 8  # sides of a box divide by it: networks fold or halve it three times


def boxes(masks: Tensor, share: float) -> tuple[Tensor, int]:
    """(corners (N, 2) int64 of top and left, side): squares within the frame around the holes of masks (N, 1, S, S).

    The side is at least `share` of S, covers the largest hole, and is a multiple of MULTIPLE. Masks alone decide. ValueError if S is none.
    """
    n, _, size, _ = masks.shape
    if size % MULTIPLE:
        raise ValueError(f"size: must be divisible by {MULTIPLE}, got {size}")
    index = torch.arange(size, device=masks.device)
    low, high = torch.empty(n, 2), torch.empty(n, 2)
    for axis, along in enumerate((3, 2)):  # rows, columns
        inside = (masks > 0).any(along)[:, 0]
        low[:, axis] = torch.where(inside, index, size).amin(1)
        high[:, axis] = torch.where(inside, index + 1, 0).amax(1)
    need = max(share * size, float((high - low).max()))  # a frame without a hole has low = S, high = 0: the middle of the frame
    side = min(size, -(-int(-(-need // 1)) // MULTIPLE) * MULTIPLE)
    corner = ((low + high - side) / 2).round().long().clamp(0, size - side)
    return corner, side


def crop(images: Tensor, corner: Tensor, side: int) -> Tensor:
    """(N, C, side, side) of images (N, C, S, S) at corners (N, 2) of top and left."""
    return torch.stack([image[:, y : y + side, x : x + side] for image, (y, x) in zip(images, corner.tolist(), strict=True)])


def put(images: Tensor, patches: Tensor, corner: Tensor) -> Tensor:
    """A copy of images (N, C, S, S) with patches (N, C, side, side) laid at the corners."""
    out, side = images.clone(), patches.shape[-1]
    for i, (y, x) in enumerate(corner.tolist()):
        out[i, :, y : y + side, x : x + side] = patches[i]
    return out
