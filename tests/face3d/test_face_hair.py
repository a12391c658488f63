import numpy as np
import pytest

from paperlib.face3d import _face_hair as fh
from paperlib.face3d._topology import brow_map


def test_average_brow_lies_where_the_mesh_is_fine():
    x, y = np.meshgrid(np.linspace(0.0, 0.7, 80), np.linspace(0.2, 0.8, 80))
    default, place = fh.Brow().coverage(x, y), brow_map(x, y)
    assert (default > 0.4).sum() > 50
    assert (place[default > 0.4] > 0.3).mean() > 0.95


def test_brows_are_symmetric_differ_and_cover_at_most_all():
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 81), np.linspace(0.2, 0.8, 40))
    brows = [fh.draw_brow(h, np.random.default_rng(i)) for i, h in enumerate([0.0, 1.0, 0.5, 0.5])]
    maps = [b.coverage(x, y) for b in brows]
    for m in maps:
        assert m[:, ::-1] == pytest.approx(m) and 0 <= m.min() and 0.3 < m.max() <= 1
    assert maps[1].sum() > 1.2 * maps[0].sum() and not np.allclose(maps[2], maps[3])


def test_beard_stays_off_lips_forehead_and_eyes():
    points = np.array([[0, -0.25, 1.4], [0, -0.60, 1.3], [0.45, -0.45, 1.0], [0.3, 0.3, 1.2], [0, 0.7, 1.3], [0, -0.35, 1.4]])
    zones = fh.beard_zones(points, np.array([0, 0, 0, 0, 0, 1.0]))
    assert zones["moustache"][0] > 0.5 and zones["chin"][1] > 0.9 and zones["jaw"][2] > 0.5
    for zone in zones.values():
        assert zone[[3, 4, 5]].max() < 0.02 and zone.min() >= 0


def test_hairline_moves_by_what_it_is_told():
    points = np.array([[0.0, 1.0, 1.3], [0.0, 1.0, 1.3], [0.0, 0.6, 1.3]])
    height, scalp = np.array([0.04, -0.2, 0.04]), np.array([True, True, False])
    still, risen = (fh.Hairline(rise=r).coverage(points, height, scalp) for r in (0.0, 0.08))
    assert still[0] > 0.7 > risen[0] and still[1] == still[2] == 0
