import numpy as np
import pytest
import torch
from toy import toy_coeffs, toy_model

from paperlib.face3d import camera, illumination
from paperlib.face3d import face_renderer as fr
from paperlib.face3d.coefficients import ANGLES, SH, TEX, TRANS, with_exp


@pytest.fixture(scope="module")
def model():
    return toy_model()


def test_landmarks_are_the_projected_vertices(model):
    coeffs = toy_coeffs(3)
    expected = camera.project(model.landmarks(fr.posed_verts(model, coeffs)), 96)
    torch.testing.assert_close(fr.landmarks2d(model, coeffs, 96), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(fr.landmarks2d(model, coeffs, 192), 2 * expected, atol=2e-4, rtol=0)


def test_landmarks_have_gradients(model):
    import copy

    small = copy.copy(model)
    for name in ("mean_shape", "id_basis", "exp_basis"):
        setattr(small, name, getattr(model, name).double())
    small.landmark_index = model.landmark_index[:3]
    coeffs = toy_coeffs(1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: fr.landmarks2d(small, c, 96), (coeffs,))


def test_render_shapes_and_layers(model):
    coeffs = toy_coeffs(2)
    out = fr.render(model, coeffs, 48, background=torch.tensor([0.1, 0.2, 0.3]))
    assert out.image.shape == (2, 3, 48, 48) and out.mask.shape == (2, 1, 48, 48) and out.image.dtype == torch.float32
    assert out.index.shape == (2, 48, 48) and out.bary.shape == (2, 48, 48, 3) and out.verts_screen.shape == (2, 2400, 3)
    assert 0 <= out.image.min() and out.image.max() <= 1
    outside = out.mask[:, 0] == 0
    assert (out.image.permute(0, 2, 3, 1)[outside] == torch.tensor([0.1, 0.2, 0.3])).all()
    assert ((out.index >= 0) == ~outside).all() and 0.2 < out.mask.mean() < 0.8
    torch.testing.assert_close(out.verts_screen[..., :2], camera.project(fr.posed_verts(model, coeffs), 48))
    one = fr.render(model, coeffs[1], 48, background=np.array([0.1, 0.2, 0.3]))
    torch.testing.assert_close(one.image, out.image[1:])


def test_a_pixel_is_albedo_times_light(model):
    coeffs = toy_coeffs(1)
    out = fr.render(model, coeffs, 40)
    world = fr.posed_verts(model, coeffs)
    colors = illumination.shade(model.texture(coeffs[:, TEX]), illumination.vertex_normals(world, model.triangles), coeffs[:, SH])
    y, x = 20, 20
    corners = model.triangles[int(out.index[0, y, x])]
    torch.testing.assert_close(out.image[0, :, y, x], out.bary[0, y, x] @ colors[0, corners], atol=1e-5, rtol=0)


def test_more_frames_than_a_chunk_are_the_same_frames(model):
    coeffs = toy_coeffs(fr.CHUNK + 3)
    together = fr.render(model, coeffs, 24, threads=2).image
    alone = torch.cat([fr.render(model, c, 24).image for c in coeffs[-4:]])
    torch.testing.assert_close(together[-4:], alone, atol=1e-6, rtol=0)


def test_supersampling_smooths_the_edge_only(model):
    coeffs = toy_coeffs(1)
    plain, fine = fr.render(model, coeffs, 64), fr.render(model, coeffs, 64, supersample=2)
    assert set(plain.mask.unique().tolist()) == {0.0, 1.0}
    assert set(fine.mask.unique().tolist()) <= {0.0, 0.25, 0.5, 0.75, 1.0} and ((fine.mask > 0) & (fine.mask < 1)).any()
    assert fine.index is None and fine.bary is None
    inner = (fine.mask == 1) & (plain.mask == 1)
    assert ((fine.image - plain.image).abs() * inner).max() < 0.05
    torch.testing.assert_close(fine.mask.sum(), plain.mask.sum(), rtol=0.01, atol=0)


def test_backgrounds(model):
    coeffs = toy_coeffs(2)
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = fr.render(model, coeffs, 32, background=picture).image
    for other in (picture.expand(2, -1, -1, -1), picture.permute(1, 2, 0).numpy(), picture.permute(1, 2, 0)[None].numpy()):
        torch.testing.assert_close(fr.render(model, coeffs, 32, background=other).image, expected)
    for bad in (torch.zeros(3, 31, 32), torch.zeros(3, 3, 32, 32), np.zeros((32, 32, 4))):
        with pytest.raises(ValueError, match="background"):
            fr.render(model, coeffs, 32, background=bad)


def test_albedo_and_triangles_can_be_replaced(model):
    coeffs = with_exp(toy_coeffs(1), 0.0)
    coeffs[:, SH] = 0
    grey = torch.full((2400, 3), 0.5)
    out = fr.render(model, coeffs, 32, albedo=grey)
    drawn = out.image.permute(0, 2, 3, 1)[out.mask[:, 0] == 1]
    torch.testing.assert_close(drawn, torch.full_like(drawn, 0.5 * 0.8 * illumination.BAND0))
    some = model.triangles[model.reconstruction_triangles]
    by_flag = fr.render(model, coeffs, 32, triangles=model.reconstruction_triangles).image
    torch.testing.assert_close(fr.render(model, coeffs, 32, triangles=some).image, by_flag)
    torch.testing.assert_close(fr.render_i3d(model, coeffs, 32), by_flag)
    with pytest.raises(ValueError, match="triangles"):
        fr.render(model, coeffs, 32, triangles=torch.ones(5, dtype=torch.bool))


def test_specular_adds_light_towards_the_main_light(model):
    coeffs = toy_coeffs(1)
    coeffs[:, ANGLES], coeffs[:, SH] = 0, 0
    for c in range(3):
        coeffs[0, 227 + 9 * c + 3] = -0.2  # from the right
    matt, shiny = fr.render(model, coeffs, 64).image, fr.render(model, coeffs, 64, specular=0.3).image
    gain = (shiny - matt)[0].mean(0)
    assert gain.min() > -1e-6 and gain[:, 32:].sum() > 2 * gain[:, :32].sum()
    per_vertex = fr.render(model, coeffs, 64, specular=torch.zeros(2400)).image
    torch.testing.assert_close(per_vertex, matt)


def test_pytorch3d_draws_the_same_picture(model):
    pytest.importorskip("pytorch3d")
    coeffs = toy_coeffs(1)
    ours = fr.render(model, coeffs, 48)
    image, mask = fr.render_pytorch3d(model, coeffs, 48)
    same = (mask == ours.mask).float().mean()
    assert same > 0.999
    assert (image - ours.image).abs().mean() < 1e-4 and ((image - ours.image).abs() > 2e-3).float().mean() < 0.005


def test_pytorch3d_gradients_reach_every_group(model):
    pytest.importorskip("pytorch3d")
    coeffs = toy_coeffs(1).requires_grad_()
    image, mask = fr.render_pytorch3d(model, coeffs, 32, softness=1e-4)
    assert image.shape == (1, 3, 32, 32) and mask.shape == (1, 1, 32, 32)
    target, wanted = fr.render(model, toy_coeffs(1, seed=5), 32)[:2]
    ((image - target) ** 2).sum().backward(retain_graph=True)
    for group in (slice(0, 80), slice(80, 144), slice(144, 224), slice(224, 227), slice(227, 254), slice(254, 257)):
        assert torch.isfinite(coeffs.grad[:, group]).all() and coeffs.grad[:, group].abs().max() > 0
    coeffs.grad = None
    mask.sum().backward()  # moving the head nearer must grow its silhouette
    assert coeffs.grad[0, 256] > 0


def test_flow_of_a_sideways_step(model):
    target, ref = toy_coeffs(1)[0], toy_coeffs(1)[0]
    ref[TRANS] += torch.tensor([0.1, -0.05, 0.0])
    flow, valid = fr.true_flow(model, target, ref, 96)
    drawn = fr.render(model, target, 96)
    assert flow.shape == (2, 96, 96) and valid.dtype == torch.bool and not valid[drawn.mask[0, 0] == 0].any()
    depth = (drawn.bary[0] * drawn.verts_screen[0, model.triangles[drawn.index[0].clamp_min(0).long()], 2]).sum(-1)
    expected = torch.tensor([0.1, 0.05])[:, None, None] * camera.focal(96) / depth  # f dx / z'
    torch.testing.assert_close(flow[:, valid], expected[:, valid], atol=2e-3, rtol=0)
    assert valid.sum() > 0.95 * drawn.mask.sum()


def test_flow_brings_colours_and_landmarks_along(model):
    coeffs = toy_coeffs(2, angle=0.2)
    coeffs[:, SH] = 0  # without shading a surface point keeps its colour
    flow, valid = fr.true_flow(model, coeffs[:1], coeffs[1:], 96)
    assert flow.shape == (1, 2, 96, 96) and 0.5 < valid.sum() / fr.render(model, coeffs[:1], 96).mask.sum() < 1
    pictures = fr.render(model, coeffs, 96, supersample=2).image
    centres = torch.stack(torch.meshgrid(torch.arange(96) + 0.5, torch.arange(96) + 0.5, indexing="xy"))
    grid = (centres + flow[0]).permute(1, 2, 0)[None] * 2 / 96 - 1
    warped = torch.nn.functional.grid_sample(pictures[1:], grid, align_corners=False, padding_mode="border")
    error = (warped - pictures[:1]).abs().mean(1)[0][valid[0]]
    unmoved = (pictures[1:] - pictures[:1]).abs().mean(1)[0][valid[0]]
    assert error.median() < 0.004 and error.mean() < 0.15 * unmoved.mean()
    a, b = fr.landmarks2d(model, coeffs, 96)
    at = torch.nn.functional.grid_sample(flow, (a * 2 / 96 - 1)[None, None], align_corners=False)[0, :, 0].T
    nose = slice(27, 36)
    assert ((a + at - b)[nose].norm(dim=-1) < 0.5).all()


def test_flow_knows_what_is_hidden(model):
    target, ref = (with_exp(toy_coeffs(1)[0], 0.0) for _ in range(2))
    target[ANGLES], ref[ANGLES] = 0, torch.tensor([0.0, 0.9, 0.0])
    _, valid = fr.true_flow(model, target, ref, 96)
    drawn = fr.render(model, target, 96).mask[0, 0] == 1
    left, right = valid[:, :48].sum() / drawn[:, :48].sum(), valid[:, 48:].sum() / drawn[:, 48:].sum()
    assert left > 0.95 and right < 0.75  # turning to the right hides the right side
    ref[ANGLES] = torch.tensor([0.0, 3.1, 0.0])
    assert fr.true_flow(model, target, ref, 96)[1].sum() < 0.02 * drawn.sum()


def test_bad_shapes(model):
    with pytest.raises(ValueError, match="coeffs"):
        fr.render(model, torch.zeros(2, 256), 32)
    with pytest.raises(ValueError, match="coeffs_ref"):
        fr.true_flow(model, torch.zeros(2, 257), torch.zeros(3, 257), 32)
