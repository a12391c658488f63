import numpy as np
import pytest

from paperlib.face3d import _occlusion as oc


def grid(origin, right, up, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A flat n x n grid of points from `origin` along `right` and `up`, and its triangles (counter-clockwise seen along right x up)."""
    s = np.linspace(0, 1, n)
    points = np.asarray(origin) + s[:, None, None] * np.asarray(up) + s[None, :, None] * np.asarray(right)
    i, j = np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij")
    a = (i * n + j).ravel()
    return points.reshape(-1, 3).astype(float), np.concatenate([np.c_[a, a + 1, a + n + 1], np.c_[a, a + n + 1, a + n]])


def test_directions_are_even():
    towards = oc.sky_directions(400)
    assert np.linalg.norm(towards, axis=1) == pytest.approx(1) and np.abs(towards.mean(0)).max() < 0.01
    assert (towards[:, :, None] * towards[:, None]).mean(0) == pytest.approx(np.eye(3) / 3, abs=0.01)


def test_an_open_plane_sees_the_whole_sky_and_a_wall_takes_half():
    floor, faces = grid([-0.5, 0, 0.5], [1, 0, 0], [0, 0, -1], 11)
    up = np.tile([0.0, 1.0, 0.0], (len(floor), 1))
    assert oc.sky_visibility(floor, faces, up, 96).min() > 0.97
    wall, more = grid([-1.5, -0.05, -0.15], [3, 0, 0], [0, 3, 0], 3)
    points = np.concatenate([floor, wall])
    normals = np.concatenate([up, np.tile([0.0, 0.0, 1.0], (len(wall), 1))])
    seen = oc.sky_visibility(points, np.concatenate([faces, more + len(floor)]), normals, 200)
    before = np.flatnonzero((np.abs(points[:, 2]) < 1e-9) & (points[:, 1] == 0))  # at the wall's foot
    # a wall of height h at distance d hides (1 - d / sqrt(d^2 + h^2)) / 2 of the sky's cosine-weighted light, if it is long
    assert seen[before] == pytest.approx(1 - 0.5 * (1 - 0.15 / np.hypot(0.15, 2.95)), abs=0.05)


def test_shade_darkens_hidden_places_and_reddens_them():
    shade = oc.shade_of(np.array([1.0, 0.3, 0.0]), 0.9)
    assert (shade[0] == 1).all() and (np.diff(shade, axis=0) < 0).all() and (shade[1:, 0] > shade[1:, 2]).all() and (shade > 0).all()


def test_smoothing_keeps_constants_and_spreads_a_spike():
    points, faces = grid([0, 0, 0], [1, 0, 0], [0, 1, 0], 5)
    assert oc.smooth(np.full(25, 0.7), faces, 3) == pytest.approx(0.7)
    spike = np.eye(25)[12]
    out = oc.smooth(spike, faces, 1)
    assert out[12] == pytest.approx(0.5) and out[11] > 0 and out[0] == 0
