import numpy as np
import pytest
import torch

from paperlib.face3d import camera, illumination, rasterizer


def _cloud(seed=0, n=40, size=32):
    """Random overlapping triangles at depths 5 to 12."""
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.uniform(-5, size + 5, (3 * n, 2)), rng.uniform(5, 12, (3 * n, 1))], 1).astype(np.float32)
    return points, np.arange(3 * n).reshape(n, 3)


def _sphere(size, n=30, radius=0.9):
    theta, phi = np.meshgrid(np.linspace(0.05, np.pi - 0.05, n), np.linspace(0, 2 * np.pi, n), indexing="ij")
    verts = radius * np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1).reshape(-1, 3)
    verts = verts * (1 + 0.15 * np.sin(verts[:, :1] * 9) * np.cos(verts[:, 1:2] * 7))
    r, c = np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij")
    p = (r * n + c).ravel()
    faces = np.concatenate([np.stack([p, p + n, p + n + 1], 1), np.stack([p, p + n + 1, p + 1], 1)])
    return verts.astype(np.float32), faces, camera.screen(torch.from_numpy(verts.astype(np.float32)), size).numpy()


def _by_hand(points, faces, height, width):
    """Slow second implementation: barycentrics by solving 3 x 3 systems, nearest of all hits."""
    index, bary = np.full((height, width), -1), np.zeros((height, width, 3))
    for y in range(height):
        for x in range(width):
            best = np.inf
            for f, face in enumerate(faces):
                corner = points[face].astype(np.float64)
                system = np.concatenate([corner[:, :2].T, np.ones((1, 3))])
                w = np.linalg.solve(system, [x + 0.5, y + 0.5, 1])
                if (w < 0).any():
                    continue
                p = w / corner[:, 2]
                z = 1 / p.sum()
                if z < best:
                    best, index[y, x], bary[y, x] = z, f, p * z
    return index, bary


def test_one_triangle_by_hand():
    points = np.array([[0, 0, 10], [4, 0, 10], [0, 4, 10]], np.float32)
    index, bary = rasterizer.rasterize(points, np.array([[0, 1, 2]]), 4, 4)
    # centres with x + y <= 4: the diagonal's own centres count
    assert [(int(v), int((index[v] >= 0).sum())) for v in range(4)] == [(0, 4), (1, 3), (2, 2), (3, 1)]
    np.testing.assert_allclose(bary[0, 0], [0.75, 0.125, 0.125], atol=1e-7)
    np.testing.assert_allclose(bary[1, 2], [0, 0.625, 0.375], atol=1e-7)
    assert (bary[3, 3] == 0).all() and index[3, 3] == -1


def test_matches_slow_implementation():
    points, faces = _cloud(size=16, n=25)
    index, bary = rasterizer.rasterize(points, faces, 16, 20)
    expected, weights = _by_hand(points, faces, 16, 20)
    assert (index == expected).all() and len(np.unique(index)) > 8
    np.testing.assert_allclose(bary, weights, atol=2e-5)


def test_perspective_correct_weights_land_on_pixel_centres():
    verts, faces, points = _sphere(48)
    index, bary = rasterizer.rasterize(points, faces, 48, 48)
    surface = rasterizer.interpolate(verts, index, bary, faces)
    back = camera.project(torch.from_numpy(surface), 48).numpy()
    centres = np.stack(np.meshgrid(np.arange(48) + 0.5, np.arange(48) + 0.5), -1)
    assert (index >= 0).mean() > 0.4
    assert np.abs(back - centres)[index >= 0].max() < 1e-3


def test_no_cracks_between_neighbours():
    rng = np.random.default_rng(1)
    n = 40
    y, x = np.meshgrid(np.linspace(0, 32, n), np.linspace(0, 32, n), indexing="ij")
    jitter = rng.uniform(-0.3, 0.3, (2, n, n)) * (np.minimum.reduce([x, y, 32 - x, 32 - y]) > 0.1)
    points = np.stack([x + jitter[0], y + jitter[1], rng.uniform(8, 12, (n, n))], -1).reshape(-1, 3).astype(np.float32)
    p = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    faces = np.concatenate([np.stack([p, p + n, p + n + 1], 1), np.stack([p, p + n + 1, p + 1], 1)])
    assert (rasterizer.rasterize(points, faces, 32, 32)[0] >= 0).all()


def test_same_picture_as_pytorch3d():
    pytest.importorskip("pytorch3d")
    _, faces, points = _sphere(64)
    index, bary = rasterizer.rasterize(points, faces, 64, 48)  # not square: the reference's device units follow the short side
    other, weights = rasterizer.rasterize_pytorch3d(points, faces, 64, 48)
    covered = (index >= 0) | (other >= 0)
    same = (index == other)[covered]
    assert covered.mean() > 0.4 and same.mean() >= 0.995
    assert np.abs(bary - weights)[index == other].max() < 1e-3


def test_culling_keeps_front_faces_only():
    _, faces, points = _sphere(32)
    seen, _ = rasterizer.rasterize(points, faces, 32, 32)
    culled, _ = rasterizer.rasterize(points, faces, 32, 32, cull=True)
    middle = slice(8, 24)
    assert (seen[middle, middle] == culled[middle, middle]).all()
    assert (rasterizer.rasterize(points, faces[:, ::-1], 32, 32, cull=True)[0][middle, middle] != seen[middle, middle]).all()
    one = np.array([[0, 0, 10], [0, 4, 10], [4, 0, 10]], np.float32)  # counter-clockwise as seen (v points down): front
    assert (rasterizer.rasterize(one, np.array([[0, 1, 2]]), 4, 4, cull=True)[0] >= 0).any()
    assert (rasterizer.rasterize(one, np.array([[0, 2, 1]]), 4, 4, cull=True)[0] < 0).all()


def test_points_that_cannot_be_drawn():
    good = np.array([[0, 0, 10], [9, 0, 10], [0, 9, 10]], np.float32)
    faces = np.array([[0, 1, 2]])
    for column, value in ((2, -1.0), (2, 0.05), (2, np.nan), (0, np.nan), (1, np.nan)):
        bad = good.copy()
        bad[1, column] = value
        index, bary = rasterizer.rasterize(bad, faces, 8, 8)
        assert (index == -1).all() and np.isfinite(bary).all()
    far = good * np.array([1e6, 1e6, 1], np.float32) - np.array([1e5, 1e5, 0], np.float32)  # much larger than the picture
    assert (rasterizer.rasterize(far, faces, 8, 8)[0] == 0).all()
    assert (rasterizer.rasterize(good + np.array([50, 0, 0], np.float32), faces, 8, 8)[0] == -1).all()
    assert (rasterizer.rasterize(good, np.zeros((0, 3), int), 8, 8)[0] == -1).all()


def test_threads_change_nothing():
    frames = np.stack([_sphere(40)[2] + np.float32([k, -k, 0]) for k in range(5)])
    faces = _sphere(40)[1]
    one, two = (rasterizer.rasterize_batch(frames, faces, 40, 40, threads=k) for k in (1, 3))
    assert (one[0] == two[0]).all() and (one[1] == two[1]).all()
    assert (one[0][2] == rasterizer.rasterize(frames[2], faces, 40, 40)[0]).all()


def test_normals_match_the_differentiable_ones():
    verts, faces, _ = _sphere(8)
    expected = illumination.vertex_normals(torch.from_numpy(verts)[None], torch.from_numpy(faces))
    np.testing.assert_allclose(rasterizer.vertex_normals_batch(verts[None], faces), expected.numpy(), atol=1e-5)
    assert (rasterizer.vertex_normals_batch(np.zeros((1, 3, 3)), np.array([[0, 1, 2]])) == 0).all()


def test_compose_averages_samples_over_the_background():
    points = np.array([[[0, 0, 10], [0, 8, 10], [3, 0, 10], [3, 8, 10]]], np.float32)  # three of four sample columns, front faces
    faces = np.array([[0, 1, 2], [2, 1, 3]])
    colors = np.broadcast_to(np.array([0.5, 1.7, -1.0], np.float32), (1, 4, 3))  # clamped to 0.5, 1, 0
    index, bary = rasterizer.rasterize_batch(points, faces, 8, 4)
    background = np.full((1, 3, 4, 2), 0.2, np.float32)
    image, mask = rasterizer.compose_batch(colors, points, index, bary, faces, background)
    np.testing.assert_allclose(mask[0, 0], [[1, 0.5]] * 4)
    np.testing.assert_allclose(image[0, :, 1], [[0.5, 0.35], [1, 0.6], [0, 0.1]], atol=1e-6)
    darker, _ = rasterizer.compose_batch(colors, points, index, bary, faces[:, ::-1], background, back_shade=0.5)
    np.testing.assert_allclose(darker[0, :, 1, 0], [0.25, 0.5, 0], atol=1e-6)


def test_bad_input():
    points, faces = _cloud()
    with pytest.raises(ValueError, match="triangles: indices"):
        rasterizer.rasterize(points, faces + 3, 8, 8)
    with pytest.raises(ValueError, match="xy_depth"):
        rasterizer.rasterize(points[:, :2], faces, 8, 8)
    index, bary = rasterizer.rasterize(points, faces, 8, 8)
    with pytest.raises(ValueError, match="bary"):
        rasterizer.interpolate(points, index, bary[:4], faces)
    with pytest.raises(ValueError, match="whole multiple"):
        rasterizer.compose_batch(points[None], points[None], index[None], bary[None], faces, np.zeros((1, 3, 3, 3), np.float32))
