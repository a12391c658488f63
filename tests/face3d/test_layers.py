import pytest
import torch
from toy import toy_coeffs, toy_model

from paperlib.face3d import camera, layers, rasterizer
from paperlib.face3d import face_renderer as fr
from paperlib.face3d.coefficients import EXP, ID, TRANS


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.fixture(scope="module")
def sphere():
    """The toy's grid as a sphere of radius 0.9 that no coefficient changes."""
    model = toy_model()
    model.mean_shape = torch.nn.functional.normalize(model.mean_shape * torch.tensor([1 / 0.75, 1 / 0.95, 1 / 0.75]), dim=-1) * 0.9
    return model


def test_normals_and_depth_of_a_sphere(sphere):
    coeffs = toy_coeffs(2)
    coeffs[:, ID], coeffs[:, EXP] = 0, 0  # poses stay: normals must turn with the head
    got = layers.render_layers(sphere, coeffs, 96)
    centres = torch.stack(torch.meshgrid(torch.arange(96) + 0.5, torch.arange(96) + 0.5, indexing="xy"), -1)
    point = camera.unproject(centres.expand(2, -1, -1, -1), got.depth[:, 0], 96)
    drawn = got.mask[:, 0] == 1
    expected = torch.nn.functional.normalize(point - coeffs[:, None, None, TRANS], dim=-1)
    cosine = (got.normal.permute(0, 2, 3, 1) * expected).sum(-1)[drawn]
    assert drawn.float().mean() > 0.3 and cosine.min() > 0.99 and cosine.mean() > 0.9995
    torch.testing.assert_close(got.normal.norm(dim=1)[drawn], torch.ones(int(drawn.sum())))
    radius = (point - coeffs[:, None, None, TRANS]).norm(dim=-1)[drawn]
    assert radius.min() > 0.89 and radius.max() <= 0.9001
    assert (got.normal.permute(0, 2, 3, 1)[~drawn] == 0).all() and (got.depth[:, 0][~drawn] == 0).all()


def test_layers_are_those_of_the_separate_functions(model):
    coeffs = toy_coeffs(3)
    got = layers.render_layers(model, coeffs, 64, reference=toy_coeffs(3, seed=1))
    alone = fr.render(model, coeffs, 64)
    assert torch.equal(got.image, alone.image) and torch.equal(got.mask, alone.mask)
    flow, valid = fr.true_flow(model, coeffs, toy_coeffs(3, seed=1), 64)
    torch.testing.assert_close(got.flow, flow)
    assert torch.equal(got.valid, valid) and 0.1 < valid.float().mean() < 0.9
    none = layers.render_layers(model, coeffs[0], 64)
    assert none.flow is None and none.valid is None
    torch.testing.assert_close(none.image, got.image[:1], atol=1e-5, rtol=0)


def test_one_pass_over_each_frame_and_one_reference_for_all(model, monkeypatch):
    frames, real = [], rasterizer.rasterize_batch

    def counting(points, *args, **kwargs):
        frames.append(len(points))
        return real(points, *args, **kwargs)

    monkeypatch.setattr(rasterizer, "rasterize_batch", counting)
    coeffs = toy_coeffs(4)
    shared = layers.render_layers(model, coeffs, 48, reference=coeffs[0])
    assert frames == [4, 1]
    each = layers.render_layers(model, coeffs, 48, reference=coeffs[:1].expand(4, -1))
    torch.testing.assert_close(shared.flow, each.flow)
    assert torch.equal(shared.valid, each.valid)
    assert shared.flow[0].abs().max() < 1e-3 and torch.equal(shared.valid[0], shared.mask[0, 0] == 1)  # a frame against itself


def test_threads_change_nothing(model):
    coeffs = toy_coeffs(fr.CHUNK + 2)
    one, two = (layers.render_layers(model, coeffs, 32, reference=coeffs[0], threads=k) for k in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_bad_input(model):
    with pytest.raises(ValueError, match="supersample"):
        layers.render_layers(model, toy_coeffs(1), 32, supersample=2)
    with pytest.raises(ValueError, match="reference"):
        layers.render_layers(model, toy_coeffs(3), 32, reference=toy_coeffs(2))
