import numpy as np
import pytest
import torch

from paperlib.face3d import appearance
from paperlib.face3d import face_renderer as fr
from paperlib.face3d import landmarks as lm
from paperlib.face3d.coefficients import ANGLES, N_COEFF
from paperlib.face3d.morphable_model import PARTS, default_model

ZERO = torch.zeros(1, N_COEFF)


def rows(**actions) -> torch.Tensor:
    """(1, 257): the mean face with these facial actions."""
    out = ZERO.clone()
    out[:, 80:144] = default_model().actions_to_exp(actions)
    return out


def both(name: str, weight: float) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


def test_every_part_has_a_gloss_and_eyes_outshine_lips_and_lips_skin():
    assert set(appearance.GLOSS) == set(PARTS)
    strength, exponent = appearance.gloss(torch.arange(len(PARTS)))
    of = dict(zip(PARTS, strength.tolist(), strict=True))
    assert of["iris"] > of["lips"] > of["skin"] == 1.0 and (exponent >= 1).all()


def test_lips_parted_is_the_growth_of_the_gap_between_the_inner_lips():
    model = default_model()
    exp = model.actions_to_exp({"jawOpen": 0.4, "mouthSmileLeft": 0.3})

    def gap(e):
        points = model.landmarks(model.shape(torch.zeros(1, 80), e))
        return sum(points[:, up, 1] - points[:, low, 1] for up, low in lm.INNER_PAIRS) / 3

    assert appearance.lips_parted(model, exp).item() == pytest.approx((gap(exp) - gap(0 * exp)).item(), abs=1e-5)
    assert appearance.lips_parted(model, 0 * exp).item() == 0


def test_light_in_the_mouth_follows_the_lips_and_nothing_else_changes():
    model = default_model()
    inside = torch.zeros(len(model.part), dtype=torch.bool)
    inside[model.part_vertices(*appearance.INSIDE)] = True
    closed, opened = (appearance.mouth_light(model, model.actions_to_exp({"jawOpen": w}))[0, :, 0] for w in (0.0, 0.5))
    assert closed[inside].max() == pytest.approx(appearance.DARKEST) and (closed[~inside] == 1).all() and (opened == 1).all()


def test_no_bright_speck_between_closed_lips():
    model = default_model()
    people = ZERO.repeat(8, 1)
    people[:, :80] = torch.randn(8, 80, generator=torch.Generator().manual_seed(0)).clamp(-2.2, 2.2)
    out = fr.render(model, people, 256)
    part = model.triangle_part[out.index.long().clamp_min(0)]
    teeth = (out.index >= 0) & torch.isin(part, torch.tensor([PARTS.index(n) for n in appearance.INSIDE]))
    skin = (out.index >= 0) & (part == PARTS.index("skin"))
    bright = out.image.mean(1)
    assert not teeth.any() or bright[teeth].max() < 0.5 * bright[skin].median()


def test_teeth_show_in_a_smile_and_tongue_in_a_wide_mouth():
    model = default_model()
    share = {}
    for name, actions in {
        "rest": {},
        "teeth": {**both("mouthSmile", 0.5), **both("mouthUpperUp", 0.3), "jawOpen": 0.15},
        "tongue": {"jawOpen": 0.6},
    }.items():
        index = fr.render(model, rows(**actions), 192).index[0].long()
        part = model.triangle_part[index[index >= 0]]
        share[name] = {p: int((part == PARTS.index(p)).sum()) for p in ("teeth", "tongue")}
    assert share["rest"]["teeth"] + share["rest"]["tongue"] <= 12
    assert share["teeth"]["teeth"] > 60 and share["tongue"]["tongue"] > 60 and share["tongue"]["teeth"] > 12


@pytest.mark.parametrize(
    ("actions", "axis", "sign"),
    [
        ({"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6}, 0, 1),
        ({"eyeLookInLeft": 0.6, "eyeLookOutRight": 0.6}, 0, -1),
        (both("eyeLookUp", 0.6), 1, -1),
        (both("eyeLookDown", 0.6), 1, 1),
    ],
)
def test_gaze_turns_both_irises_without_tearing_them(actions, axis, sign):
    model = default_model()
    iris = model.part_vertices("iris")
    for side in (-1, 1):
        chosen = iris[side * model.mean_shape[iris, 0] > 0]
        still, turned = (fr.posed_verts(model, rows(**a))[0, chosen].numpy() for a in ({}, actions))
        moved = (turned - still).mean(0) * [1, -1, 1]
        assert sign * moved[axis] > 0.01 and abs(moved[axis]) > 2 * abs(moved[1 - axis])
        spread = lambda p: np.linalg.norm(p - p.mean(0), axis=1).mean()  # noqa: E731
        assert spread(turned) == pytest.approx(spread(still), rel=0.08)  # the iris keeps its size
    part = lambda a: model.triangle_part[fr.render(model, rows(**a), 192).index[0].long()]  # noqa: E731
    seen = [(part(a) == PARTS.index("iris")).sum().item() for a in ({}, actions)]
    assert seen[1] > 0.4 * seen[0]


def test_a_number_makes_parts_shine_by_their_gloss():
    model = default_model()
    coeffs = ZERO.clone()
    for c in range(3):
        coeffs[0, 227 + 9 * c + 2] = 0.25  # light from the viewer
    coeffs[:, ANGLES] = 0
    gain = fr.render(model, coeffs, 192, specular=0.06).image - fr.render(model, coeffs, 192).image
    index = fr.render(model, coeffs, 192).index[0].long()
    part = torch.where(index >= 0, model.triangle_part[index], -1)
    peak = {n: gain[0].mean(0)[part == PARTS.index(n)].quantile(0.99).item() for n in ("skin", "lips", "iris")}
    assert peak["iris"] > 3 * peak["skin"] and peak["lips"] > peak["skin"] > 0
