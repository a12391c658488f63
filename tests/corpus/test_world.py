import numpy as np
import torch

from paperlib.corpus import world
from paperlib.corpus.speech import VARIANTS
from paperlib.face3d.coefficients import N_COEFF
from paperlib.face3d.face_renderer import render
from paperlib.face3d.morphable_model import PARTS, default_model


def test_face_and_voice_have_one_sex():
    people = [world.draw_speaker(0, k) for k in range(60)]
    man = np.array([VARIANTS[p.voice % len(VARIANTS)].startswith("m") for p in people])
    assert 15 < man.sum() < 45
    for coeff, axis in zip(("id_coeff", "tex_coeff"), default_model().sex_axes.numpy(), strict=True):
        share = np.stack([getattr(p, coeff) for p in people]) @ axis / (axis @ axis)
        assert (share[man] > 0.2).all() and (share[~man] < -0.2).all() and np.abs(share).max() < 0.75


def test_a_coefficient_is_replaced_along_the_axis_only():
    axis, z = np.array([2.0, 0.0]), np.array([5.0, -1.0])
    assert np.allclose(world._towards(z, 0.5, axis), [1.0, -1.0])
    assert np.allclose(world._towards(z, 0.5, np.zeros(2)), z)  # a model that tells no sexes


def test_men_have_longer_noses_lower_heavier_brows_and_paler_lips():
    model = default_model()
    shape, skin = (0.5 * axis[None] * torch.tensor([[-1.0], [1.0]]) for axis in model.sex_axes)
    points = model.landmarks(model.shape(shape, torch.zeros(2, 64)))
    nose, brow = ((points[:, i] - points[:, j]).norm(dim=-1) for i, j in ((27, 33), (19, 37)))
    assert nose[1] > 1.02 * nose[0] and brow[1] < 0.98 * brow[0]
    albedo = model.texture(skin)
    brow, lips = (albedo[:, model.part_vertices(n)].mean(1) for n in ("brow", "lips"))
    assert brow[1].mean() < brow[0].mean() and (lips[0, 0] / lips[0, 1]) > 1.05 * (lips[1, 0] / lips[1, 1])


def test_skin_detail_has_no_specks():
    """Neighbouring vertices of the face differ by less than a twentieth: blotches are wider than the mesh."""
    model = default_model()
    edges = model.triangles[model.reconstruction_triangles][:, :2]
    for k in range(10):
        detail = world.skin_detail(world.draw_speaker(0, k), model.mean_shape.numpy())[:, 0]
        assert 0.005 < detail.std() < 0.05 and abs(detail.mean() - 1) < 0.01
        assert np.quantile(np.abs(np.diff(detail[edges.numpy()])), 0.99) < 0.05


def test_pupils_stay_dark_and_eyes_do_not_outshine_skin():
    """In 20 lights: most of the iris darker than the skin, hardly a pixel of it bright; whites at most a little brighter than the skin."""
    model, size = default_model(), 384
    coeffs = torch.zeros(20, N_COEFF)
    coeffs[:, 227:254] = torch.from_numpy(np.stack([world.draw_light(0, k, 1) for k in range(20)]))
    out = render(model, coeffs, size, specular=0.06)
    bright, part = out.image.mean(1), model.triangle_part[out.index.long().clamp_min(0)]
    skin, iris, white = ((part == PARTS.index(n)) & (out.index >= 0) for n in ("skin", "iris", "eye"))
    for k in range(20):
        level = bright[k][skin[k]].median()
        assert bright[k][iris[k]].median() < 0.8 * level
        assert (bright[k][iris[k]] > 1.5 * level).float().mean() < 0.10
        assert bright[k][iris[k]].quantile(0.05) < 0.3 * level
        assert bright[k][white[k]].median() < 1.6 * level
