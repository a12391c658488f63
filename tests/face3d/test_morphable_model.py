import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from paperlib.errors import InputError
from paperlib.face3d import landmarks as lm
from paperlib.face3d.morphable_model import MODEL_FILE, PARTS, MorphableModel, default_model


def toy(dtype=torch.float64) -> MorphableModel:
    """Three vertices, two identity, one expression and one texture direction: small enough for hand arithmetic."""
    g = torch.Generator().manual_seed(0)
    tensors = {
        "mean_shape": torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]),
        "id_basis": torch.randn(3, 3, 2, generator=g),
        "exp_basis": torch.randn(3, 3, 1, generator=g),
        "mean_tex": torch.full((3, 3), 0.5),
        "tex_basis": torch.randn(3, 3, 1, generator=g),
        "action_coeff": torch.tensor([[2.0], [-1.0]]),
        "id_std": torch.ones(2), "exp_std": torch.ones(1), "tex_std": torch.ones(1),
    }  # fmt: skip
    tensors = {k: v.to(dtype) for k, v in tensors.items()}
    tensors |= {
        "triangles": torch.tensor([[0, 1, 2]]), "landmark_index": torch.arange(68) % 3, "part": torch.zeros(3, dtype=torch.long),
        "triangle_part": torch.zeros(1, dtype=torch.long), "reconstruction_triangles": torch.ones(1, dtype=torch.bool),
    }  # fmt: skip
    return MorphableModel(tensors, ["open", "close"])


def test_equation_1_by_hand():
    model, a, b = toy(), [0.5, -2.0], 3.0
    got = model.shape(torch.tensor([a]), torch.tensor([[b]]))
    for v in range(3):
        for c in range(3):
            want = model.mean_shape[v, c] + a[0] * model.id_basis[v, c, 0] + a[1] * model.id_basis[v, c, 1] + b * model.exp_basis[v, c, 0]
            assert got[0, v, c].item() == pytest.approx(want.item(), abs=1e-12)


def test_equation_2_by_hand():
    model = toy()
    got = model.texture(torch.tensor([[0.0], [2.0]]))
    assert torch.equal(got[0], model.mean_tex)
    assert torch.allclose(got[1], model.mean_tex + 2 * model.tex_basis[..., 0])


def test_gradients_reach_coefficients():
    model = toy()
    identity = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    expression = torch.randn(2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, e: model.landmarks(model.shape(i, e)), (identity, expression))


def test_actions_by_name_and_by_row_agree():
    model = toy()
    assert model.actions_to_exp({"close": 0.5, "open": 1.0}).tolist() == [[1.5]]
    assert model.actions_to_exp(torch.tensor([[1.0, 0.5]])).tolist() == [[1.5]]
    with pytest.raises(ValueError, match="opn"):
        model.actions_to_exp({"opn": 1.0})


def test_wrong_shapes_raise():
    model = default_model()
    with pytest.raises(ValueError, match="id_coeff"):
        model.shape(torch.zeros(1, 79), torch.zeros(1, 64))
    with pytest.raises(ValueError, match="exp_coeff"):
        model.shape(torch.zeros(1, 80), torch.zeros(64))
    with pytest.raises(ValueError, match="tex_coeff"):
        model.texture(torch.zeros(80))
    with pytest.raises(ValueError, match="verts"):
        model.landmarks(torch.zeros(1, 5, 3))
    with pytest.raises(ValueError, match="actions"):
        model.actions_to_exp(torch.zeros(2, 51))
    with pytest.raises(ValueError, match="nose"):
        model.part_vertices("nose")


def test_missing_and_damaged_files_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"paperlib\.face3d\.build"):
        MorphableModel.load(tmp_path / "none.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(MODEL_FILE.read_bytes()[:5000])
    with pytest.raises(InputError, match="cut.safetensors"):
        MorphableModel.load(cut)
    wrong = tmp_path / "wrong.safetensors"
    save_file({"mean_shape": torch.zeros(4, 3)}, wrong, {"action_names": json.dumps([])})
    with pytest.raises(InputError, match="lacks"):
        MorphableModel.load(wrong)
    nameless = tmp_path / "nameless.safetensors"
    save_file({"mean_shape": torch.zeros(4, 3)}, nameless)
    with pytest.raises(InputError, match="nameless"):
        MorphableModel.load(nameless)


def test_shipped_model_has_the_papers_sizes():
    model = default_model()
    v = len(model.mean_shape)
    assert v <= 9000 and MODEL_FILE.stat().st_size <= 8_000_000
    assert model.id_basis.shape == (v, 3, 80) and model.exp_basis.shape == (v, 3, 64) and model.tex_basis.shape == (v, 3, 80)
    assert len(model.action_names) == 52 and "jawOpen" in model.action_names
    assert set(model.part.unique().tolist()) == set(range(len(PARTS)))
    assert all(b.dtype in (torch.float32, torch.int64, torch.bool) for b in model.buffers())
    assert (model.mean_tex >= 0).all() and (model.mean_tex <= 1).all()
    for std in (model.id_std, model.exp_std, model.tex_std):
        assert (std > 0).all() and (std[1:] <= std[:-1] * (1 + 1e-5)).all()


def test_frame_left_is_plus_x_up_is_plus_y_front_is_plus_z():
    points = default_model().mean_shape[default_model().landmark_index]
    assert points[45, 0] > 0.3 > -0.3 > points[36, 0]  # the person's left eye at +x: image right
    assert points[27, 1] > points[8, 1] + 0.8  # nose bridge over chin
    assert points[30, 2] > points[[0, 16], 2].max() + 0.5  # nose tip before the ears
    height = points[17:27, 1].max() - points[8, 1]
    assert 0.58 <= height * 1015 / (10 - points[8, 2]) / 224 <= 0.65  # chin to brow in the frame
    assert abs(points[17:27, 1].max() + points[8, 1]) < 0.05


def test_landmarks_are_68_different_vertices_and_symmetric_on_the_mean():
    model = default_model()
    assert len(model.landmark_index.unique()) == 68
    points = model.mean_shape[model.landmark_index].numpy()
    mirrored = points[list(lm.MIRROR)] * [-1, 1, 1]
    assert np.abs(points - mirrored).max() < 0.03


def test_no_triangle_is_degenerate_or_inside_out_on_the_mean():
    model = default_model()
    corner = model.mean_shape[model.triangles]
    normal = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert (normal.norm(dim=1) > 0).all()
    face = model.reconstruction_triangles & (corner[:, :, 2].mean(1) > corner[:, :, 2].max() - 0.6)
    assert (normal[face][:, 2] > 0).float().mean() > 0.9  # the front of the face looks to +z


def test_i3d_triangles_are_face_skin_only():
    model = default_model()
    names = {PARTS[i] for i in model.triangle_part[model.reconstruction_triangles].unique()}
    assert names <= {"skin", "lips", "brow"} and {"skin", "lips"} <= names
    assert model.reconstruction_triangles.sum() > 2000


def test_mouth_is_closed_at_zero_expression_for_everyone():
    model = default_model()
    g = torch.Generator().manual_seed(0)
    people = torch.randn(32, 80, generator=g).clamp(-2.5, 2.5)
    neutral = model.landmarks(model.shape(people, torch.zeros(32, 64)))
    opened = model.landmarks(model.shape(people, model.actions_to_exp({"jawOpen": 0.5}).expand(32, 64)))
    vertical = (neutral[:, [61, 62, 63], 1] - neutral[:, [67, 66, 65], 1]).abs()
    assert vertical.max() < 0.03  # 3 mm; an opened jaw gives five times that
    assert (lm.lip_opening(opened) > 0.08).all() and (lm.lip_opening(opened) > 2 * lm.lip_opening(neutral)).all()


def test_lower_teeth_and_tongue_follow_the_jaw_and_upper_teeth_stay():
    model = default_model()
    jaw = (model.exp_basis @ model.actions_to_exp({"jawOpen": 1.0})[0])[:, 1]
    teeth, tongue = model.part_vertices("teeth"), model.part_vertices("tongue")
    upper = teeth[jaw[teeth].abs() < 0.01]
    lower = teeth[jaw[teeth] < -0.05]
    assert len(upper) == len(lower) == len(teeth) // 2
    assert jaw[tongue].min() < -0.1 and jaw[model.landmark_index[8]] < -0.2


def test_bilabial_actions_reduce_the_opening():
    model = default_model()
    zero = torch.zeros(1, 80)
    gap = lambda **w: lm.lip_opening(model.landmarks(model.shape(zero, model.actions_to_exp(w)))).item()  # noqa: E731
    assert gap(jawOpen=0.4) > 0.06 > gap(jawOpen=0.4, mouthClose=0.4)


def turned_triangles(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(count, F) bool: face-skin triangles of random people whose normal opposes the mean's; (F,) bool: eyelid, lip and nostril folds."""
    model = default_model()
    people = torch.randn(count, 80, generator=torch.Generator().manual_seed(seed)).clamp(-2.5, 2.5)
    faces = model.triangles[model.reconstruction_triangles]

    def normals(v):
        corner = v[:, faces]
        n = torch.linalg.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
        return torch.nn.functional.normalize(n, dim=-1)

    turned = (normals(model.shape(people, torch.zeros(count, 64))) * normals(model.mean_shape[None])).sum(-1) < 0
    centre, points = model.mean_shape[faces].mean(1), model.mean_shape[model.landmark_index]
    folds = torch.zeros(len(faces), dtype=torch.bool)
    for group, reach in ((lm.EYES, 0.15), (lm.MOUTH, 0.10), (range(30, 36), 0.12)):
        folds |= torch.cdist(centre, points[list(group)]).min(1).values < reach
    return turned, folds


def test_turned_triangles_are_few_in_every_person_and_stay_in_the_folds():
    turned, folds = turned_triangles(60, seed=99)
    assert turned.float().mean(1).max() < 0.03  # the worst person, not the average one
    assert turned[:, ~folds].sum(1).max() <= 10  # of about 2,400 outside the folds


@pytest.mark.xfail(strict=True, reason="known: about a third of random people fold some triangles at eyelids, lips or nostrils")
def test_no_triangle_turns_over():
    assert not turned_triangles(60, seed=99)[0].any()
