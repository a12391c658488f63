import math

import pytest
import torch

from paperlib.face3d import illumination as light


def _sphere(n=4000, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_constants():
    assert math.isclose(light.BAND0, 0.886227, abs_tol=1e-6)
    assert math.isclose(light.BAND1, 1.772453, abs_tol=2e-6)
    assert math.isclose(light.BAND2, 2.427032, abs_tol=2e-6)


def test_basis_is_orthogonal():
    # a Gauss-Legendre x uniform grid integrates band 2 squared exactly
    import numpy as np

    z, wz = np.polynomial.legendre.leggauss(8)
    phi = np.arange(16) * 2 * np.pi / 16
    r = np.sqrt(1 - z**2)
    n = np.stack([np.outer(r, np.cos(phi)), np.outer(r, np.sin(phi)), np.outer(z, np.ones(16))], -1).reshape(-1, 3)
    basis = light.sh_basis(torch.from_numpy(n))
    gram = basis.T @ (basis * torch.from_numpy(np.repeat(wz, 16) * 2 * np.pi / 16)[:, None])
    a = torch.tensor([math.pi] + [2 * math.pi / math.sqrt(3)] * 3 + [2 * math.pi / math.sqrt(8)] * 5, dtype=torch.float64)
    off = gram - torch.diag(gram.diagonal())
    assert off.abs().max() < 1e-12
    torch.testing.assert_close(gram.diagonal()[:4], a[:4] ** 2)  # bands 0 and 1 are real spherical harmonics times a_l
    assert torch.allclose(gram.diagonal()[4:], gram.diagonal()[4].expand(5))


def test_rows_of_the_basis():
    x, y, z = 0.6, -0.48, 0.64
    b0, b1, b2 = light.BAND0, light.BAND1, light.BAND2
    expected = [b0, -b1 * y, b1 * z, -b1 * x, b2 * x * y, -b2 * y * z, b2 / (2 * math.sqrt(3)) * (3 * z * z - 1), -b2 * x * z]
    expected.append(b2 / 2 * (x * x - y * y))
    torch.testing.assert_close(light.sh_basis(torch.tensor([x, y, z], dtype=torch.float64)), torch.tensor(expected, dtype=torch.float64))


def test_soft_white_shows_the_albedo():
    albedo = torch.rand(2, 7, 3)
    normals = torch.nn.functional.normalize(torch.randn(2, 7, 3), dim=-1)
    torch.testing.assert_close(light.shade(albedo, normals, torch.zeros(2, 27)), albedo * 0.8 * light.BAND0)


def test_channels_are_separate():
    sh = torch.zeros(1, 27)
    sh[0, 9] = 0.5  # the constant of green
    out = light.shade(torch.ones(1, 1, 3), torch.tensor([[[0.0, 0.0, 1.0]]]), sh)[0, 0] / light.BAND0
    torch.testing.assert_close(out, torch.tensor([0.8, 1.3, 0.8]))


def test_solve_light_recovers():
    g = torch.Generator().manual_seed(1)
    normals, albedo = _sphere(), torch.rand(4000, 3, dtype=torch.float64, generator=g) * 0.6 + 0.3
    sh = torch.randn(1, 27, dtype=torch.float64, generator=g) * 0.2
    colors = light.shade(albedo[None], normals[None], sh)[0]
    torch.testing.assert_close(light.solve_light(colors, albedo, normals, ridge=1e-9), sh[0], atol=1e-6, rtol=0)
    trusted = torch.arange(4000) % 2 == 0
    spoilt = torch.where(trusted[:, None], colors, 0.0)
    torch.testing.assert_close(light.solve_light(spoilt, albedo, normals, 1e-9, weights=trusted.double()), sh[0], atol=1e-6, rtol=0)


def test_main_light():
    sh = torch.zeros(1, 27)
    towards = torch.nn.functional.normalize(torch.tensor([0.5, 0.7, 0.6]), dim=0)
    for c in range(3):
        sh[0, 9 * c + 1 : 9 * c + 4] = 0.2 * torch.stack((-towards[1], towards[2], -towards[0]))
    direction, strength = light.main_light(sh)
    torch.testing.assert_close(direction[0], towards)
    normals = _sphere().float()
    brightest = normals[light.shade(torch.ones(1, 4000, 3), normals[None], sh)[0, :, 0].argmax()]
    assert brightest @ towards > 0.995
    torch.testing.assert_close(strength, torch.tensor([0.2 * light.BAND1 / (0.8 * light.BAND0)]))
    torch.testing.assert_close(light.main_light(torch.zeros(1, 27))[0], torch.tensor([[0.0, 0.0, 1.0]]))


def test_normals_of_an_octahedron():
    verts = torch.tensor([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]])[None]
    faces = torch.tensor([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    torch.testing.assert_close(light.vertex_normals(verts, faces), verts)


def test_gradients():
    g = torch.Generator().manual_seed(2)
    verts = torch.randn(1, 5, 3, dtype=torch.float64, generator=g).requires_grad_()
    albedo = torch.rand(1, 5, 3, dtype=torch.float64, generator=g).requires_grad_()
    sh = (torch.randn(1, 27, dtype=torch.float64, generator=g) * 0.1).requires_grad_()
    faces = torch.tensor([[0, 1, 2], [1, 3, 2], [2, 3, 4]])
    assert torch.autograd.gradcheck(lambda v, a, s: light.shade(a, light.vertex_normals(v, faces), s), (verts, albedo, sh))


def test_bad_shapes():
    with pytest.raises(ValueError, match="sh_coeff"):
        light.light_matrix(torch.zeros(1, 26))
    with pytest.raises(ValueError, match="albedo"):
        light.solve_light(torch.zeros(4, 3), torch.zeros(5, 3), torch.zeros(4, 3))
