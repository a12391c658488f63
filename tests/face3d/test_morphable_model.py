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
    assert v <= 9000 and MODEL_FILE.stat().st_size <= 9_500_000
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


def people(count: int, seed: int, deviation: float = 1.0) -> torch.Tensor:
    """Identity coefficients (count, 80) cut at 2.2 deviations, as the corpus cuts them."""
    draws = torch.randn(count, 80, generator=torch.Generator().manual_seed(seed))
    return (draws * deviation).clamp(-2.2, 2.2)


def expressions(count: int, seed: int) -> torch.Tensor:
    """Expression coefficients (count, 64) as speech, moods and blinks give them; the first is neutral."""
    model, g = default_model(), np.random.default_rng(seed)
    rows = [{}]
    while len(rows) < count:
        jaw, smile, brow, blink = g.uniform(0, 0.6), g.uniform(0, 0.45), g.normal(0, 0.3), g.choice([0, 0.5, 1])
        shut, round_, funnel = (g.uniform(0, top) * (g.uniform() < often) for top, often in ((1, 0.3), (0.95, 0.4), (0.5, 0.3)))
        row = {"jawOpen": jaw, "mouthClose": shut * jaw, "mouthPucker": round_, "mouthFunnel": funnel, "browInnerUp": max(brow, 0)}
        row["mouthRollLower"] = g.uniform(0, 0.6) * (jaw < 0.15)
        for side in ("Left", "Right"):
            row |= {f"mouthSmile{side}": smile, f"eyeBlink{side}": blink}
            row |= {f"browDown{side}": max(-brow, 0), f"browOuterUp{side}": max(brow, 0)}
            row |= {f"mouthUpperUp{side}": g.uniform(0, 0.2), f"mouthLowerDown{side}": g.uniform(0, 0.3) * (1 - shut)}
        rows.append({k: float(v) for k, v in row.items()})
    return torch.cat([model.actions_to_exp(row) for row in rows])


def crosses(shapes: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    """Normals (B, F, 3), as long as twice the area."""
    a, b, c = (shapes[:, triangles[:, k]] for k in range(3))
    return torch.linalg.cross(b - a, c - a)


@pytest.mark.parametrize("worn", [1, 20], ids=["neutral", "speaking"])
def test_no_triangle_of_the_face_turns_over_in_500_people(worn):
    """A triangle is over when its normal opposes that of the mean face wearing the same expression.

    Skin that the expression itself folds away (a shut lid, a rolled lip: under a quarter of its area is left) has no side to keep.
    """
    model = default_model()
    faces = model.triangles[model.reconstruction_triangles]
    area = crosses(model.mean_shape[None], faces).norm(dim=-1)
    crowd, exps = people(500, seed=99), expressions(worn, seed=99)
    folded, looked_at = [], 0
    for k, exp in enumerate(exps):
        rest = crosses(model.shape(torch.zeros(1, 80), exp[None]), faces)
        kept = rest.norm(dim=-1)[0] > 0.25 * area[0]
        mine = crowd[k :: len(exps)]
        over = ((crosses(model.shape(mine, exp.expand(len(mine), -1)), faces) * rest).sum(-1) < 0) & kept
        folded += [(k + len(exps) * i, j) for i, j in over.nonzero().tolist()]
        looked_at += int(kept.sum())
    assert looked_at > 0.97 * len(exps) * len(faces)
    assert not folded


def test_the_fold_test_sees_a_fold():
    model = default_model()
    faces = model.triangles[model.reconstruction_triangles][:1]
    pushed = model.mean_shape.clone()[None]
    a, b, c = faces[0]
    pushed[0, a] = pushed[0, b] + pushed[0, c] - pushed[0, a]  # the corner mirrored over the middle of the opposite edge
    assert (crosses(pushed, faces) * crosses(model.mean_shape[None], faces)).sum() < 0


def test_no_eyeball_comes_through_a_lid():
    """Seen from in front, eye pixels of 40 people lie between the lids: within 2 pixels of the eye's six landmarks' outline, at 224."""
    import cv2

    from paperlib.face3d.face_renderer import landmarks2d, render

    model = default_model()
    coeffs = torch.zeros(40, 257)
    coeffs[:, :80] = people(40, seed=7)
    index = render(model, coeffs, 224).index
    eye = torch.isin(model.triangle_part, torch.tensor([PARTS.index("eye"), PARTS.index("iris")]))
    points = landmarks2d(model, coeffs, 224).numpy()
    for k in range(len(coeffs)):
        inside = np.zeros((224, 224), np.uint8)
        for group in (lm.RIGHT_EYE, lm.LEFT_EYE):
            cv2.fillPoly(inside, [np.round(points[k, list(group)] - 0.5).astype(np.int32)], 1)
        allowed = cv2.dilate(inside, np.ones((5, 5), np.uint8)) > 0
        seen = (eye[index[k].clamp(min=0).long()] & (index[k] >= 0)).numpy()
        assert seen.sum() > 60 and not (seen & ~allowed).any(), k


@pytest.mark.parametrize("size", [192, 224])
def test_closed_lips_show_nothing_behind_them(size):
    """Neutral and at /m/: of 16 people, from in front and a little below, no gap along the lips."""
    from paperlib.face3d.face_renderer import render

    model = default_model()
    codes = torch.tensor([PARTS.index(n) for n in ("teeth", "tongue", "mouth_interior")])
    m = model.actions_to_exp({"jawOpen": 0.15, "mouthClose": 0.15, "mouthPressLeft": 0.25, "mouthPressRight": 0.25})[0]
    coeffs = torch.zeros(32, 257)
    coeffs[:, :80] = people(16, seed=11, deviation=0.8).repeat(2, 1)
    coeffs[16:, 80:144] = m
    coeffs[1::2, 224] = 0.12
    seen = model.triangle_part[render(model, coeffs, size).index.clamp(min=0).long()]
    count = torch.isin(seen, codes).sum((1, 2))
    assert (seen == PARTS.index("teeth")).sum((1, 2)).max() <= 2  # at the very corners, where the light inside is off
    assert count.max() <= 3, count.tolist()


def test_every_phoneme_class_is_reached():
    """Lip geometry in mm on the mean face, from the actions a phoneme class asks for."""
    model = default_model()

    def mouth(**weights):
        v = model.shape(torch.zeros(1, 80), model.actions_to_exp(weights))
        lmk = model.landmarks(v)[0] * 100
        teeth, tongue = model.part_vertices("teeth"), model.part_vertices("tongue")
        upper = teeth[model.mean_shape[teeth, 1] > model.mean_shape[teeth, 1].median()]
        tip = v[0, tongue[v[0, tongue, 2].argmax()]] * 100
        edge = v[0, upper] * 100
        return {
            "gap": (lmk[62, 1] - lmk[66, 1]).item(), "width": (lmk[54, 0] - lmk[48, 0]).item(), "front": lmk[[51, 57], 2].mean().item(),
            "lip_to_teeth": (lmk[66] - edge).norm(dim=1).min().item(), "tongue_past_teeth": (tip[2] - edge[:, 2].max()).item(),
        }  # fmt: skip

    both = lambda name, w: {f"{name}Left": w, f"{name}Right": w}  # noqa: E731
    rest = mouth()
    assert abs(rest["gap"]) < 2.0
    closed = mouth(jawOpen=0.3, mouthClose=0.3, **both("mouthPress", 0.25))
    assert abs(closed["gap"] - rest["gap"]) < 0.7  # p b m: shut with the jaw lowered
    labiodental = mouth(jawOpen=0.12, mouthRollLower=0.6, **both("mouthUpperUp", 0.3))
    assert labiodental["lip_to_teeth"] < rest["lip_to_teeth"] - 1.0  # f v: the lower lip comes to the upper teeth
    assert labiodental["gap"] > rest["gap"] + 1.0  # with the lips apart
    opened = mouth(jawOpen=0.45, **both("mouthLowerDown", 0.2))
    assert opened["gap"] > rest["gap"] + 10  # a
    rounded = mouth(jawOpen=0.1, mouthPucker=0.9)
    assert rounded["width"] < 0.85 * rest["width"] and rounded["front"] > rest["front"] + 1.5  # u w
    spread = mouth(jawOpen=0.1, **both("mouthStretch", 0.4), **both("mouthSmile", 0.3))
    assert spread["width"] > 1.10 * rest["width"]  # i
    tongue = mouth(jawOpen=0.2, tongueOut=0.35)
    assert tongue["tongue_past_teeth"] > rest["tongue_past_teeth"] + 3  # th l


def test_first_expression_directions_move_the_mouth():
    model = default_model()
    moved = (model.exp_basis[model.landmark_index] ** 2).sum(1)  # (68, 64)
    mouth = moved[[*lm.MOUTH, *range(4, 13)]].sum(0) / moved.sum(0)
    assert (mouth[:6] > 0.8).all()
    speech = model.actions_to_exp({"jawOpen": 1.0})[0] * model.exp_std
    assert speech.abs()[:4].norm() > 0.9 * speech.norm()  # the jaw lies in the first four


def test_expression_units_are_reproduced_at_the_landmarks():
    """MakeHuman's expression units, which the 64 directions hold only in part: worst mean error over the 68 landmarks, from the file."""
    from safetensors import safe_open

    with safe_open(MODEL_FILE, framework="pt") as stream:
        metadata = stream.metadata()
    errors = json.loads(metadata["unit_error_mm"])
    assert len(errors) == 34 and max(errors.values()) < 1.5
    assert json.loads(metadata["explained"])["id_explained"] > 0.9


def test_gradcheck_from_coefficients_to_landmarks_in_double():
    """Equation (1) and the landmark pick of the shipped model, cut down to its 68 landmark vertices and a few directions."""
    model = default_model()
    rows = model.landmark_index
    tensors = {name: buffer for name, buffer in model.named_buffers()}
    for name in ("mean_shape", "id_basis", "exp_basis", "mean_tex", "tex_basis"):
        tensors[name] = tensors[name][rows].double()
    tensors |= {"id_basis": tensors["id_basis"][..., ::16], "id_std": model.id_std[::16], "exp_basis": tensors["exp_basis"][..., ::16]}
    tensors |= {"exp_std": model.exp_std[::16], "action_coeff": model.action_coeff[:, ::16], "part": model.part[rows]}
    tensors |= {"landmark_index": torch.arange(68), "triangles": torch.tensor([[0, 1, 2]])}
    tensors |= {"triangle_part": model.triangle_part[:1], "reconstruction_triangles": model.reconstruction_triangles[:1]}
    small = MorphableModel(tensors, model.action_names)
    g = torch.Generator().manual_seed(0)
    inputs = [torch.randn(1, n, dtype=torch.float64, generator=g, requires_grad=True) for n in (5, 4)]
    assert torch.autograd.gradcheck(lambda i, e: small.landmarks(small.shape(i, e)), inputs)
    whole = model.landmarks(model.shape(torch.zeros(1, 80), torch.zeros(1, 64)))
    assert torch.allclose(small.landmarks(small.shape(inputs[0] * 0, inputs[1] * 0)).float(), whole)


def test_landmarks_follow_ibugs_order():
    """Contours run from the person's right to left; eyes and lips clockwise as the viewer sees them, from their right corner."""
    p = default_model().mean_shape[default_model().landmark_index]
    for run in (lm.JAW, lm.BROWS, (31, 32, 33, 34, 35), (36, 37, 38, 39), (42, 43, 44, 45), range(48, 55), range(60, 65)):
        assert (p[list(run), 0].diff() > 0).all(), run
    for run in ((39, 40, 41, 36), (45, 46, 47, 42), (54, 55, 56, 57, 58, 59, 48), (64, 65, 66, 67, 60)):
        assert (p[list(run), 0].diff() < 0).all(), run
    assert (p[[27, 28, 29], 1] > p[[28, 29, 30], 1]).all() and p[8, 1] == p[list(lm.JAW), 1].min()
    assert (p[[37, 38, 43, 44], 1] > p[[41, 40, 47, 46], 1]).all() and (p[[50, 51, 52], 1] > p[[58, 57, 56], 1]).all()


def test_men_and_women_and_faces_differ():
    """Proportions of 200 drawn people spread at least as far as those of the twelve GRID speakers `_identity` was set by."""
    model = default_model()
    p = model.landmarks(model.shape(people(200, seed=3, deviation=0.8), torch.zeros(200, 64)))
    unit = lm.interocular(p[..., :2])
    width, height = (p[:, 12, 0] - p[:, 4, 0]) / unit, (p[:, 27, 1] - p[:, 8, 1]) / unit
    nose, lips = (p[:, 35, 0] - p[:, 31, 0]) / unit, (p[:, 51, 1] - p[:, 57, 1]) / unit
    assert abs(width.mean() - 1.33) < 0.10 and abs(height.mean() - 1.42) < 0.10
    assert width.std() > 0.04 and height.std() > 0.06 and nose.std() > 0.02 and lips.std() > 0.025
