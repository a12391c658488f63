import numpy as np
import pytest
import torch

from paperlib.face3d import camera


def test_projection_closed_form():
    points = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.3, -0.2, 0.5]]])
    expected = torch.tensor([[112, 112], [112 + 101.5, 112], [112, 112 - 101.5], [112 + 1015 * 0.3 / 9.5, 112 + 1015 * 0.2 / 9.5]])
    torch.testing.assert_close(camera.project(points, 224)[0], expected)
    torch.testing.assert_close(camera.project(points, 96)[0], expected * 96 / 224)


def test_field_of_view():
    # 2 atan(112 / 1015) = 12.5936 degrees: a point on the upper edge of the view lands on v = 0
    edge = torch.tensor([[[0.0, 10 * np.tan(np.deg2rad(12.5936 / 2)), 0.0]]], dtype=torch.float64)
    assert abs(float(camera.project(edge, 224)[0, 0, 1])) < 1e-3


def test_rotation_matches_scipy():
    from scipy.spatial.transform import Rotation

    angles = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours = camera.rotation(angles)
    theirs = Rotation.from_euler("xyz", angles.numpy()).as_matrix()  # extrinsic x, y, z: Rz Ry Rx on columns
    np.testing.assert_allclose(ours.transpose(1, 2).numpy(), theirs, atol=1e-12)


def test_signs_of_the_angles():
    nose = torch.tensor([[[0.0, 0.0, 1.0]]])
    still, small = torch.zeros(1, 3), 0.1
    down = camera.project(camera.pose(nose, torch.tensor([[small, 0, 0]]), still), 224)[0, 0]
    right = camera.project(camera.pose(nose, torch.tensor([[0, small, 0]]), still), 224)[0, 0]
    assert down[1] > 112 and right[0] > 112
    top = camera.project(camera.pose(torch.tensor([[[0.0, 1.0, 0.0]]]), torch.tensor([[0, 0, small]]), still), 224)[0, 0]
    assert top[0] < 112  # positive tilt turns counter-clockwise as seen


def test_gradients():
    g = torch.Generator().manual_seed(1)
    verts, angles, trans = (torch.randn(s, dtype=torch.float64, generator=g) * 0.5 for s in ((2, 4, 3), (2, 3), (2, 3)))
    inputs = [x.requires_grad_() for x in (verts, angles, trans)]
    assert torch.autograd.gradcheck(lambda v, a, t: camera.project(camera.pose(v, a, t), 96), inputs)


def test_unproject_inverts_screen():
    points = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    seen = camera.screen(points, 192)
    torch.testing.assert_close(camera.unproject(seen[:, :2], seen[:, 2], 192), points)


def test_pytorch3d_camera_agrees():
    pytest.importorskip("pytorch3d")
    points = torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(3)) * 0.7
    for size in (96, 224):
        theirs = camera.pytorch3d_camera(size).transform_points_screen(camera.to_pytorch3d(points))[..., :2]
        torch.testing.assert_close(theirs, camera.project(points, size), atol=2e-4, rtol=0)


def test_bad_shapes():
    with pytest.raises(ValueError, match="angles"):
        camera.rotation(torch.zeros(3))
    with pytest.raises(ValueError, match="verts"):
        camera.pose(torch.zeros(5, 3), torch.zeros(1, 3), torch.zeros(1, 3))
