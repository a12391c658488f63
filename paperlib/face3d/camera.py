"""The perspective camera and the rigid pose of section 3.1, with Deng et al. 2019's conventions (`models/bfm.py` of their port).

World: x right, y up, z towards the viewer; one unit is 10 cm. The camera stands on the z axis at distance 10 and looks at
the origin, so a point's depth is z' = 10 - z. Pictures: u right, v down, pixel centres at integers + 0.5, so that a picture
of side `size` spans 0..size. Focal length and centre are given for side 224 and scale with the side.

This is the only file that knows PyTorch3D's axes (x left, y up, z into the scene).
"""

from __future__ import annotations

import torch

from paperlib.errors import check_shape

IMAGE = 224  # side of the picture that FOCAL and CENTER are given for, in pixels
FOCAL = 1015.0  # focal length in pixels at side 224: a field of view of 2 atan(112 / 1015) = 12.59 degrees
CENTER = 112.0  # principal point in pixels at side 224
DISTANCE = 10.0  # from the camera to the origin, in units of 10 cm


def focal(size: int) -> float:
    """Focal length in pixels for a picture of side `size`."""
    return FOCAL * size / IMAGE


def rotation(angles: torch.Tensor) -> torch.Tensor:
    """Rotation matrices R = (Rz Ry Rx)^T that act on row vectors from the right.

    Args:
        angles: (B, 3) radians about x (nod: positive looks down), y (turn: positive looks to the picture's right) and z (tilt).

    Returns:
        (B, 3, 3); `points @ R` rotates. Differentiable. Source: Deng et al. 2019.

    >>> quarter = torch.tensor([[0.0, torch.pi / 2, 0.0]])
    >>> (torch.tensor([[0.0, 0.0, 1.0]]) @ rotation(quarter)[0]).round(decimals=6) + 0.0  # a nose turned to the right
    tensor([[1., 0., 0.]])
    """
    check_shape("angles", angles, (None, 3))
    x, y, z = angles.unbind(-1)
    cx, cy, cz = x.cos(), y.cos(), z.cos()
    sx, sy, sz = x.sin(), y.sin(), z.sin()
    # Rz @ Ry @ Rx written out, row by row; the transpose turns it into a right factor
    rows = (
        cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx,
        sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx,
        -sy, cy * sx, cy * cx,
    )  # fmt: skip
    return torch.stack(rows, -1).reshape(-1, 3, 3).transpose(1, 2)


def pose(verts: torch.Tensor, angles: torch.Tensor, trans: torch.Tensor) -> torch.Tensor:
    """Rotate, then move: verts (B, N, 3), angles (B, 3) radians, trans (B, 3) units of 10 cm -> (B, N, 3) world points."""
    check_shape("verts", verts, (None, None, 3))
    check_shape("trans", trans, (None, 3))
    return verts @ rotation(angles) + trans[:, None]


def depth(points: torch.Tensor) -> torch.Tensor:
    """Distance z' = 10 - z along the optical axis: world points (..., 3) -> (...) in units of 10 cm, positive before the camera."""
    return DISTANCE - points[..., 2]


def project(points: torch.Tensor, size: int) -> torch.Tensor:
    """Perspective projection u = size/2 + f x / z', v = size/2 - f y / z'.

    Args:
        points: (..., 3) world points in units of 10 cm, all before the camera (z < 10).
        size: side of the square picture in pixels.

    Returns:
        (..., 2) pixels, v down, the picture spanning 0..size. Differentiable.

    >>> project(torch.zeros(1, 1, 3), 224)
    tensor([[[112., 112.]]])
    """
    scale = focal(size) / depth(points)
    return torch.stack((size / 2 + scale * points[..., 0], size / 2 - scale * points[..., 1]), -1)


def screen(points: torch.Tensor, size: int) -> torch.Tensor:
    """What the rasteriser takes: world points (..., 3) -> (..., 3) holding u, v in pixels and the depth z'."""
    return torch.cat((project(points, size), depth(points)[..., None]), -1)


def unproject(pixels: torch.Tensor, depths: torch.Tensor, size: int) -> torch.Tensor:
    """Inverse of `screen`: pixels (..., 2) and depths z' (...) -> world points (..., 3)."""
    scale = depths / focal(size)
    return torch.stack(((pixels[..., 0] - size / 2) * scale, (size / 2 - pixels[..., 1]) * scale, DISTANCE - depths), -1)


def to_pytorch3d(points: torch.Tensor) -> torch.Tensor:
    """World points (..., 3) in PyTorch3D's camera axes (x left, y up, z into the scene, camera at the origin)."""
    return torch.stack((-points[..., 0], points[..., 1], depth(points)), -1)


def pytorch3d_camera(size: int, device: str | torch.device = "cpu"):
    """The PyTorch3D camera under which `to_pytorch3d` points fall on the pixels of `project`."""
    from pytorch3d.renderer import PerspectiveCameras

    return PerspectiveCameras(
        focal_length=focal(size), principal_point=((size / 2, size / 2),), image_size=((size, size),), in_ndc=False, device=device
    )


def screen_to_pytorch3d_ndc(points: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Screen points (..., 3) of u, v in pixels and z' -> PyTorch3D's normalised device coordinates (the short side spans -1..1)."""
    side = min(height, width)
    return torch.stack(((width - 2 * points[..., 0]) / side, (height - 2 * points[..., 1]) / side, points[..., 2]), -1)
