import numpy as np
import torch

from paperlib.face3d import landmarks as lm
from paperlib.face3d import skin
from paperlib.face3d.morphable_model import default_model


def test_more_melanin_is_darker_and_more_blood_is_redder():
    pale, dark, flushed = skin.skin_tone(0, 0.2), skin.skin_tone(1, 0.2), skin.skin_tone(0, 0.8)
    assert (dark < pale).all() and dark.mean() < 0.45 < 0.65 < pale.mean()
    assert flushed[0] / flushed[1] > pale[0] / pale[1]


def test_textures_of_random_people_are_colours():
    model = default_model()
    people = torch.randn(40, 80, generator=torch.Generator().manual_seed(0)).clamp(-2.5, 2.5)
    albedo = model.texture(people)
    outside = ((albedo < -0.02) | (albedo > 1.02)).float().mean()
    assert outside < 0.02
    skin_mean = albedo[:, model.part_vertices("skin")].mean(1)  # (40, 3)
    assert (skin_mean[:, 0] > skin_mean[:, 2]).all()  # skin is redder than blue
    assert skin_mean.mean(1).max() - skin_mean.mean(1).min() > 0.25  # light to dark


def test_no_seams_neighbours_of_face_skin_are_alike():
    model = default_model()
    face = model.triangles[model.reconstruction_triangles & (model.triangle_part == 0)]
    edges = torch.cat([face[:, [0, 1]], face[:, [1, 2]]])
    points = model.mean_shape[model.landmark_index]
    near = lambda group, reach: torch.cdist(model.mean_shape[edges].mean(1), points[list(group)]).min(1).values < reach  # noqa: E731
    drawn = torch.isin(edges, model.part_vertices("brow", "lips", "hair")).any(1) | near(lm.BROWS, 0.12) | near(lm.EYES, 0.15)
    people = torch.randn(10, 80, generator=torch.Generator().manual_seed(1))
    jump = model.texture(people)[:, edges[~drawn]].diff(dim=2).abs().amax(-1)
    assert np.quantile(jump.numpy(), 0.98) < 0.12


def test_pupil_iris_white_and_mouth_are_told_apart():
    model = default_model()
    tone = lambda part: model.mean_tex[model.part_vertices(part)].mean().item()  # noqa: E731
    front = lambda part: model.mean_tex[model.part_vertices(part)].mean(1).quantile(0.9).item()  # noqa: E731
    assert tone("eye") > tone("iris") and front("teeth") > front("tongue") > front("mouth_interior")
    assert tone("mouth_interior") < 0.25 and tone("hair") < tone("skin") and tone("brow") < tone("skin")
