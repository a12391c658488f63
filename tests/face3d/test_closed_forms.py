"""The chain from 257 coefficients to pixels and colours against a second implementation, number by number, after Deng et al. 2019.

Written out with plain loops and floats from their formulas: rotation (Rz Ry Rx)^T on row vectors, camera at 10 looking down, focal
length 1015 and centre 112 at 224, spherical harmonics with a = pi, 2 pi / sqrt 3, 2 pi / sqrt 8 and c = 1 / sqrt(4 pi), ...
"""

import math

import pytest
import torch

from paperlib.face3d import camera, illumination
from paperlib.face3d import face_renderer as fr
from paperlib.face3d.coefficients import EXP, ID, SH, TEX, split
from paperlib.face3d.morphable_model import MorphableModel

OCTAHEDRON = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    """Six vertices, the paper's numbers of coefficients, float64. Triangles have equal areas on the mean only."""
    g = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=g)  # noqa: E731
    corners = torch.tensor([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]], dtype=torch.float64)
    tensors = {
        "mean_shape": 0.7 * corners, "id_basis": 0.01 * normal(6, 3, 80), "exp_basis": 0.01 * normal(6, 3, 64),
        "mean_tex": torch.full((6, 3), 0.5, dtype=torch.float64), "tex_basis": 0.01 * normal(6, 3, 80),
        "triangles": torch.tensor(OCTAHEDRON), "landmark_index": torch.arange(68) % 6, "part": torch.zeros(6, dtype=torch.long),
        "triangle_part": torch.zeros(8, dtype=torch.long), "reconstruction_triangles": torch.ones(8, dtype=torch.bool),
        "action_coeff": torch.zeros(0, 64), "id_std": torch.ones(80), "exp_std": torch.ones(64), "tex_std": torch.ones(80),
    }  # fmt: skip
    return MorphableModel(tensors, [])


def _random_row(seed: int = 1) -> torch.Tensor:
    row = torch.randn(257, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    row[224:227] *= 0.3
    row[227:254] *= 0.1
    row[254:257] *= 0.2
    return row


def _product(a: list, b: list) -> list:
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def _by_hand(model: MorphableModel, row: list[float]) -> tuple[list, list, list]:
    """World points, pixels at 224 and irradiance times albedo of every vertex, given its unit normal in model axes as a function."""
    identity, expression, texture = row[0:80], row[80:144], row[144:224]
    (x, y, z), gamma, move = row[224:227], row[227:254], row[254:257]
    rx = [[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]]
    ry = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    rz = [[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]]
    turn = _product(_product(rz, ry), rx)  # on columns; its transpose acts on rows
    world, pixels, albedo = [], [], []
    for v in range(6):
        p = [
            float(model.mean_shape[v, c])
            + sum(float(model.id_basis[v, c, k]) * identity[k] for k in range(80))
            + sum(float(model.exp_basis[v, c, k]) * expression[k] for k in range(64))
            for c in range(3)
        ]
        p = [sum(turn[i][k] * p[k] for k in range(3)) + move[i] for i in range(3)]
        world.append(p)
        pixels.append([112 + 1015 * p[0] / (10 - p[2]), 112 - 1015 * p[1] / (10 - p[2])])
        albedo.append(
            [float(model.mean_tex[v, c]) + sum(float(model.tex_basis[v, c, k]) * texture[k] for k in range(80)) for c in range(3)]
        )
    a = [math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8)]
    c = [1 / math.sqrt(4 * math.pi), math.sqrt(3) / math.sqrt(4 * math.pi), 3 * math.sqrt(5) / math.sqrt(12 * math.pi)]
    colors = []
    for v in range(6):
        total = [0.0, 0.0, 0.0]
        for i, j, k in OCTAHEDRON:
            if v in (i, j, k):
                e, f = ([world[q][n] - world[i][n] for n in range(3)] for q in (j, k))
                total = [t + e[(n + 1) % 3] * f[(n + 2) % 3] - e[(n + 2) % 3] * f[(n + 1) % 3] for n, t in enumerate(total)]
        length = math.sqrt(sum(t * t for t in total))
        nx, ny, nz = (t / length for t in total)
        basis = [
            a[0] * c[0], -a[1] * c[1] * ny, a[1] * c[1] * nz, -a[1] * c[1] * nx, a[2] * c[2] * nx * ny, -a[2] * c[2] * ny * nz,
            0.5 * a[2] * c[2] / math.sqrt(3) * (3 * nz * nz - 1), -a[2] * c[2] * nx * nz, 0.5 * a[2] * c[2] * (nx * nx - ny * ny),
        ]  # fmt: skip
        light = [sum((gamma[9 * n + b] + (0.8 if b == 0 else 0)) * basis[b] for b in range(9)) for n in range(3)]
        colors.append([light[n] * albedo[v][n] for n in range(3)])
    return world, pixels, colors


def _shaded(model: MorphableModel, coeffs: torch.Tensor) -> torch.Tensor:
    world = fr.posed_verts(model, coeffs)
    return illumination.shade(model.texture(coeffs[:, TEX]), illumination.vertex_normals(world, model.triangles), coeffs[:, SH])


def test_chain_number_by_number(model):
    row = _random_row()
    world, pixels, colors = _by_hand(model, row.tolist())
    coeffs = row[None]
    exact = {"atol": 1e-10, "rtol": 0}
    torch.testing.assert_close(fr.posed_verts(model, coeffs)[0], torch.tensor(world, dtype=torch.float64), **exact)
    torch.testing.assert_close(camera.project(fr.posed_verts(model, coeffs), 224)[0], torch.tensor(pixels, dtype=torch.float64), **exact)
    torch.testing.assert_close(fr.landmarks2d(model, coeffs, 224)[0, :6], torch.tensor(pixels, dtype=torch.float64), **exact)
    torch.testing.assert_close(_shaded(model, coeffs)[0], torch.tensor(colors, dtype=torch.float64), **exact)


def test_each_coefficient_moves_what_its_slice_says(model):
    """Nudge every one of the 257: identity and expression move points along their own column, texture and light only colours, ..."""
    zero = torch.zeros(1, 257, dtype=torch.float64)
    rows = zero + torch.eye(257, dtype=torch.float64)
    moved = (fr.posed_verts(model, rows) - fr.posed_verts(model, zero)).abs().sum((1, 2)) > 1e-6
    shape = [*range(144), *range(224, 227), *range(254, 257)]
    assert moved.nonzero().ravel().tolist() == shape
    torch.testing.assert_close(fr.posed_verts(model, rows[:80]) - model.mean_shape, model.id_basis.permute(2, 0, 1))
    torch.testing.assert_close(fr.posed_verts(model, rows[80:144]) - model.mean_shape, model.exp_basis.permute(2, 0, 1))
    torch.testing.assert_close(model.texture(split(rows[144:224]).tex_coeff) - model.mean_tex, model.tex_basis.permute(2, 0, 1))
    base = _random_row(4)[None]  # on the mean octahedron normals lie along the axes, where half of the harmonics are 0
    colored = (_shaded(model, base + torch.eye(257, dtype=torch.float64)) - _shaded(model, base)).abs().sum(1) > 1e-6  # (257, 3)
    for k in range(27):
        assert colored[227 + k].tolist() == [channel == k // 9 for channel in range(3)], k
    assert not colored[254:257].any()  # moving the head keeps its light, which comes from afar


def test_gradients_through_shape_to_landmarks_and_to_shading(model):
    coeffs = _random_row(2)[None].requires_grad_()
    assert torch.autograd.gradcheck(lambda c: fr.landmarks2d(model, c, 96)[:, :6], (coeffs,))
    assert torch.autograd.gradcheck(lambda c: _shaded(model, c), (coeffs,))


def test_a_normal_is_the_area_weighted_mean():
    """A ridge of two triangles, one of area 3/2 facing +z and one of area 2 facing +x: the shared corner's normal is (4, 0, 3) / 5."""
    verts = torch.tensor([[[0.0, 0, 0], [0, 3, 0], [-1, 0, 0], [0, 0, -4], [0, 1, 0]]], dtype=torch.float64)
    up, side = [0, 1, 2], [0, 3, 4]
    normals = illumination.vertex_normals(verts, torch.tensor([up, side]))[0]
    expected = torch.tensor([[0.8, 0, 0.6], [0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(normals, expected)


def test_id_and_exp_are_independent_inputs(model):
    rows = _random_row(3).repeat(2, 1)
    rows[1, EXP] = 0
    apart = fr.posed_verts(model, rows)
    rows[:, ID] = 0
    again = fr.posed_verts(model, rows)
    torch.testing.assert_close(apart[0] - apart[1], again[0] - again[1])  # eq. (1) is linear and the pose is rigid
