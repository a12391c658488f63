import shutil

import numpy as np
import pytest
import torch
from made_bfm import toy_head, write_folder, write_front
from scipy.io import loadmat, savemat

from paperlib import cli
from paperlib.errors import InputError
from paperlib.face3d import bfm, deng, fitting, model_choice
from paperlib.face3d import face_renderer as fr
from paperlib.face3d.coefficients import ANGLES, EXP, ID, SH, TRANS, split
from paperlib.face3d.morphable_model import MODEL_FILE, PARTS, MorphableModel


@pytest.fixture(scope="module")
def head():
    return toy_head()


@pytest.fixture(scope="module")
def folder(head, tmp_path_factory):
    place = tmp_path_factory.mktemp("originals")
    write_folder(head, place)
    return place


@pytest.fixture(scope="module")
def model(folder):
    return bfm.read(folder)


@pytest.fixture
def front(head, tmp_path):
    write_front(head, tmp_path / "BFM_model_front.mat")
    return tmp_path / "BFM_model_front.mat"


def test_original_files_vertex_by_vertex(folder, model):
    """Second implementation, one vertex at a time: front index -> expression mesh -> full head, scaled, in units of 10 cm."""
    full = loadmat(folder / "01_MorphableModel.mat")
    crop = loadmat(folder / "BFM_front_idx.mat")["idx"].ravel().astype(int)
    trim = loadmat(folder / "BFM_exp_idx.mat")["trimIndex"].ravel().astype(int)
    numbers = np.frombuffer((folder / "Exp_Pca.bin").read_bytes()[4:], "<f4")
    std_exp = [float(x) for x in (folder / "std_exp.txt").read_text().split()]
    rng = np.random.default_rng(3)
    alpha, beta, delta = rng.standard_normal(80), rng.standard_normal(64), rng.standard_normal(80)
    row = lambda x: torch.from_numpy(x[None]).float()  # noqa: E731
    shape, colors = model.shape(row(alpha), row(beta))[0].numpy(), model.texture(row(delta))[0].numpy()
    centre = np.mean([[full["shapeMU"][3 * (trim[e - 1] - 1) + c, 0] / 1e5 for c in range(3)] for e in crop], 0)
    for v in (0, 7, 1234, 2399):
        in_exp = crop[v] - 1
        in_full = trim[in_exp] - 1
        for c in range(3):
            at = 3 * in_full + c
            want = full["shapeMU"][at, 0] / 1e5 - centre[c]
            want += sum(full["shapePC"][at, k] * full["shapeEV"][k, 0] / 1e5 * alpha[k] for k in range(80))
            for k in range(64):
                want += numbers[3 * len(trim) * (1 + k) + 3 * in_exp + c] * std_exp[k] / 1e5 * beta[k]
            assert shape[v, c] == pytest.approx(want, abs=2e-6)
            want = full["texMU"][at, 0] + sum(full["texPC"][at, k] * full["texEV"][k, 0] * delta[k] for k in range(80))
            assert colors[v, c] == pytest.approx(want / 255, abs=2e-6)


def test_both_kinds_of_files_give_the_same_model(front, model):
    other = bfm.read(front)
    for name, value in model.named_buffers():
        if not name.endswith("_std"):
            torch.testing.assert_close(dict(other.named_buffers())[name], value, atol=2e-6, rtol=0, msg=name)
    assert model.deviations_known and not other.deviations_known
    crop_share = other.id_std / model.id_std  # norm over the crop: less than over the whole head, which has more vertices
    assert (crop_share < 1).all() and (crop_share > 0.9).all()


def test_conventions(head, model):
    assert model.mean_shape.mean(0).abs().max() < 1e-6  # centred on the vertices' mean
    torch.testing.assert_close(model.mean_shape, torch.from_numpy(head.mean - head.mean.mean(0)), atol=1e-5, rtol=0)
    assert torch.equal(model.triangles, torch.from_numpy(head.triangles))
    assert torch.equal(model.landmark_index, torch.from_numpy(head.landmarks))
    assert model.mean_tex.min() >= 0 and model.mean_tex.max() <= 1
    assert {n: b.dtype for n, b in model.named_buffers() if b.dtype not in (torch.float32, torch.int64)} == {
        "reconstruction_triangles": torch.bool
    }


def test_a_finished_file_wins_over_the_originals(head, folder, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(folder, both)
    write_front(head, both / "BFM_model_front.mat")
    assert not bfm.read(both).deviations_known
    assert bfm.read(folder).deviations_known


def test_regions(front, head, tmp_path):
    assert bfm.read(front).reconstruction_triangles.all()
    chosen = bfm.read(front, region="front").reconstruction_triangles
    expected = [set(t) <= set(head.front.tolist()) for t in head.triangles.tolist()]
    assert chosen.tolist() == expected and 0.2 < chosen.float().mean() < 0.8
    with pytest.raises(InputError, match="region 'nose'"):
        bfm.read(front, region="nose")
    write_front(head, tmp_path / "old.mat", frontmask2_idx=None)
    assert bfm.read(tmp_path / "old.mat").reconstruction_triangles.all()
    with pytest.raises(InputError, match="frontmask2_idx"):
        bfm.read(tmp_path / "old.mat", region="front")


def test_lips_are_where_the_mouth_landmarks_are(model):
    lips, points = model.part_vertices("lips"), model.mean_shape[model.landmark_index]
    assert len(lips) > 20 and set(model.part.unique().tolist()) == {PARTS.index("skin"), PARTS.index("lips")}
    where = model.mean_shape[lips]
    assert (where[:, 0] >= points[48, 0] - 1e-6).all() and (where[:, 0] <= points[54, 0] + 1e-6).all()
    assert (where[:, 1] <= points[48:60, 1].max()).all() and (where[:, 1] >= points[48:60, 1].min()).all()
    assert len(model.part_vertices("skin", "lips")) == len(model.mean_shape)


def test_what_is_missing_says_so(model):
    for ask in (
        lambda: model.actions_to_exp({"jawOpen": 1.0}),
        lambda: model.action_names,
        lambda: model.actions_to_exp(torch.zeros(1, 52)),
    ):
        with pytest.raises(InputError, match="no named facial actions"):
            ask()
    with pytest.raises(InputError, match="no teeth, iris"):
        model.part_vertices("skin", "teeth", "iris")
    with pytest.raises(ValueError, match="unknown parts nose"):
        model.part_vertices("nose")


def _coeffs(n: int, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    rows = torch.zeros(n, 257)
    rows[:, ID], rows[:, EXP] = torch.randn(80, generator=g) * 0.5, torch.randn(n, 64, generator=g) * 0.5
    rows[:, ANGLES], rows[:, TRANS] = torch.randn(n, 3, generator=g) * 0.1, torch.randn(n, 3, generator=g) * 0.05
    rows[:, SH] = torch.randn(27, generator=g) * 0.05
    return rows


def test_the_same_code_renders_it(model):
    coeffs = _coeffs(2)
    picture = fr.render_i3d(model, coeffs, 96)
    assert picture.shape == (2, 3, 96, 96) and 0.2 < (picture.sum(1) > 0).float().mean() < 0.9
    seen = fr.landmarks2d(model, coeffs, 96)
    expected = fr.camera.project(model.landmarks(fr.posed_verts(model, coeffs)), 96)
    torch.testing.assert_close(seen, expected, atol=1e-4, rtol=0)
    flow, valid = fr.true_flow(model, coeffs[0], coeffs[1], 96)
    assert valid.float().mean() > 0.15 and flow[:, valid].abs().mean() > 0.2


def test_the_same_code_fits_it(model):
    truth = _coeffs(6, seed=1)
    lmk = fr.landmarks2d(model, truth, 224)
    fitted = fitting.fit_landmarks(model, lmk, 224, offset=0.0, noise=0.3)
    error = (fr.landmarks2d(model, fitted, 224) - lmk).norm(dim=-1)
    assert error.median() < 0.5
    assert (fitted[:, ANGLES] - truth[:, ANGLES]).abs().max() < np.deg2rad(4)
    frames = (fr.render(model, truth, 96).image.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    lit = fitting.fit_appearance(model, truth, frames, steps=6)
    again = fr.render(model, lit, 96).image
    covered = fr.render(model, truth, 96).mask.expand_as(again) == 1
    assert (again - torch.from_numpy(frames).permute(0, 3, 1, 2) / 255)[covered].abs().mean() < 0.02


def test_gradients_from_coefficients_to_landmarks(model):
    import copy

    double = copy.deepcopy(model).double()
    double.landmark_index = double.landmark_index[[8, 30, 57]]
    coeffs = _coeffs(1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: fr.landmarks2d(double, c, 96), (coeffs,))


def test_converted_file_loads_as_either_class(model, tmp_path, monkeypatch):
    file = bfm.save(model, tmp_path / "bfm.safetensors")
    assert not list(tmp_path.glob("*.part"))
    plain, own = MorphableModel.load(file), model_choice.load_face_model(file)
    assert type(plain) is MorphableModel and type(own) is bfm.BaselFaceModel and own.deviations_known
    for name, value in model.named_buffers():
        assert torch.equal(dict(own.named_buffers())[name], value) and torch.equal(dict(plain.named_buffers())[name], value)
    monkeypatch.setenv(model_choice.VARIABLE, str(file))
    assert model_choice.chosen_file() == file and type(model_choice.load_face_model()) is bfm.BaselFaceModel
    monkeypatch.delenv(model_choice.VARIABLE)
    assert model_choice.chosen_file() == MODEL_FILE and type(model_choice.load_face_model()) is MorphableModel
    monkeypatch.setenv(model_choice.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match="PAPERLIB_FACE_MODEL=.*none: no such file"):
        model_choice.load_face_model()
    monkeypatch.setenv(model_choice.VARIABLE, __file__)
    with pytest.raises(InputError, match="not a face model"):
        model_choice.load_face_model()


def test_unscaled_weights_round_trip(folder, model, front):
    ev = loadmat(folder / "01_MorphableModel.mat")
    coeffs = torch.randn(3, 80, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for group, key in (("id", "shapeEV"), ("tex", "texEV")):
        weights = bfm.coefficients_to_weights(model, group, coeffs)
        np.testing.assert_allclose(weights.numpy(), coeffs.numpy() * ev[key][:80, 0], rtol=1e-6)
        torch.testing.assert_close(bfm.weights_to_coefficients(model, group, weights), coeffs)
    std = np.loadtxt(folder / "std_exp.txt")[:64]
    np.testing.assert_allclose(bfm.coefficients_to_weights(model, "exp", torch.ones(64, dtype=torch.float64)).numpy(), std, rtol=1e-6)
    with pytest.raises(InputError, match="01_MorphableModel.mat"):
        bfm.coefficients_to_weights(bfm.read(front), "id", coeffs)
    with pytest.raises(ValueError, match="group"):
        bfm.coefficients_to_weights(model, "pose", coeffs)


def test_deng_coefficient_files(tmp_path):
    rows = torch.randn(2, 257, generator=torch.Generator().manual_seed(0))
    groups = dict(zip(("id", "exp", "tex", "angle", "gamma", "trans"), (p.numpy() for p in split(rows)), strict=True))
    savemat(tmp_path / "theirs.mat", groups | {"lm68": np.zeros((2, 68, 2))})  # as their test.py writes them
    assert torch.equal(deng.read_coefficients(tmp_path / "theirs.mat"), rows)
    deng.write_coefficients(tmp_path / "ours.mat", rows)
    assert torch.equal(deng.read_coefficients(tmp_path / "ours.mat"), rows)
    savemat(tmp_path / "short.mat", groups | {"exp": np.zeros((2, 29))})
    with pytest.raises(InputError, match="exp is 2 x 29, expected any x 64"):
        deng.read_coefficients(tmp_path / "short.mat")


WRONG_FRONT = {
    "missing key": ({"exBase": None}, "lacks exBase"),
    "wrong columns": ({"idBase": np.zeros((7200, 79))}, "idBase is 7200 x 79, expected any x 80"),
    "other rows": ({"texBase": np.ones((7197, 80))}, "texBase has 7197 rows and meanshape 7200"),
    "not a vector": ({"meanshape": np.zeros((2400, 3))}, "meanshape is 2400 x 3, expected a vector"),
    "not three": ({k: np.ones((7201, n)) for k, n in (("meanshape", 1), ("meantex", 1), ("idBase", 80), ("exBase", 64), ("texBase", 80))},
                  "mixes two models"),
    "text": ({"tri": "triangles"}, "tri is a MATLAB char"),
    "cell": ({"tri": np.array([[1, 2]], object)}, "tri is a MATLAB cell"),
    "struct": ({"meantex": {"a": 1}}, "meantex is a MATLAB struct"),
    "nan": ({"exBase": np.full((7200, 64), np.nan)}, "exBase holds numbers that are not finite"),
    "zero-based": ({"tri": np.array([[0, 1, 2]])}, r"tri names 0\.\.2"),
    "too large": ({"tri": np.array([[1, 2, 2401]])}, r"tri names 1\.\.2401, of 2400"),
    "fractions": ({"keypoints": np.full((1, 68), 1.5)}, "not whole"),
    "landmarks": ({"keypoints": np.arange(1, 68)[None]}, "67 landmarks"),
    "no face": ({"keypoints": np.arange(1, 69)[None]}, "are no face"),
    "centimetres": ({"meanshape": np.random.default_rng(0).normal(size=(1, 7200))}, "are no face"),
    "colours of one": ({"meantex": np.full((1, 7200), 0.5)}, "range 0 to 255"),
    "empty": ({"tri": np.zeros((0, 3))}, "tri is 0 x 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_FRONT)
def test_wrong_front_files(name, head, tmp_path):
    change, message = WRONG_FRONT[name]
    write_front(head, tmp_path / "BFM_model_front.mat", **change)
    with pytest.raises(InputError, match=message) as caught:
        bfm.read(tmp_path)
    assert "BFM_model_front.mat" in str(caught.value)


def _with(folder, tmp_path, **contents):
    place = tmp_path / "wrong"
    shutil.copytree(folder, place)
    for name, content in contents.items():
        content(next(place.glob(f"{name}*")))
    return place


def _rewrite(**change):
    def apply(path):
        content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        content.update(change)
        savemat(path, {k: v for k, v in content.items() if v is not None})

    return apply


def _cut(n):
    return lambda path: path.write_bytes(path.read_bytes()[:n])


WRONG_ORIGINAL = {
    "no Exp_Pca": ({"Exp_Pca": lambda p: p.unlink()}, "but not Exp_Pca.bin"),
    "no index files": ({"BFM_": lambda p: p.unlink(), "facemodel": lambda p: p.unlink()}, "but not BFM_.*facemodel_info.mat"),
    "cut Exp_Pca": ({"Exp_Pca": _cut(100_000)}, "Exp_Pca.bin: 100000 bytes, but 79 directions of 2440 vertices take .*cut short"),
    "empty Exp_Pca": ({"Exp_Pca": _cut(0)}, "Exp_Pca.bin: its first number"),
    "long Exp_Pca": ({"Exp_Pca": lambda p: p.write_bytes(p.read_bytes() + b"\0\0\0\0")}, "too long"),
    "text Exp_Pca": ({"Exp_Pca": lambda p: p.write_text("<!DOCTYPE html> not found" * 99)}, "is not Exp_Pca.bin"),
    "few directions": ({"Exp_Pca": lambda p: p.write_bytes(np.int32(29).tobytes() + bytes(4 * 3 * 2440 * 30))}, "29 expression directions"),
    "nan Exp_Pca": ({"Exp_Pca": lambda p: p.write_bytes(p.read_bytes()[:40_000] + b"\xff" * (p.stat().st_size - 40_000))}, "not finite"),
    "short std": ({"std_exp": lambda p: p.write_text("3 2 1")}, "std_exp.txt: expected at least 64"),
    "text std": ({"std_exp": lambda p: p.write_text("a b c")}, "std_exp.txt: not a list of numbers"),
    "no key": ({"01_": _rewrite(texEV=None)}, "01_MorphableModel.mat: lacks texEV"),
    "few columns": ({"01_": _rewrite(shapePC=np.ones((7410, 50)))}, "shapePC has 50 directions"),
    "few rows": ({"01_": _rewrite(texPC=np.ones((30, 90)))}, "texPC has 30 rows"),
    "trim too far": ({"BFM_exp": _rewrite(trimIndex=np.full((2440, 1), 9999))}, "BFM_exp_idx.mat: trimIndex names 9999"),
    "crop too far": ({"BFM_front": _rewrite(idx=np.full((2400, 1), 2441))}, r"BFM_front_idx.mat: idx names 2441\.\.2441, of 2440"),
    "other trim": ({"BFM_exp": _rewrite(trimIndex=np.arange(1, 2441)[:, None])}, "are no face"),
}


@pytest.mark.parametrize("name", WRONG_ORIGINAL)
def test_wrong_original_files(name, folder, tmp_path):
    contents, message = WRONG_ORIGINAL[name]
    with pytest.raises(InputError, match=message):
        bfm.read(_with(folder, tmp_path, **contents))


def test_files_that_are_not_matlab(front, tmp_path):
    whole = front.read_bytes()
    for content, message in (
        (b"", "not a MATLAB file"),
        (b"<html>sign in to download</html>" * 40, "version 5 to 7, or a damaged one"),
        (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", "v7.3"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "Basel Face Model of 2017 or 2019"),
    ):
        front.write_bytes(content)
        with pytest.raises(InputError, match=message):
            bfm.read(front)
    for length in np.linspace(130, len(whole) - 1, 12).astype(int):  # a download that broke off anywhere
        front.write_bytes(whole[:length])
        with pytest.raises(InputError, match="BFM_model_front.mat"):
            bfm.read(front)


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        bfm.read(tmp_path / "none")
    with pytest.raises(InputError, match=r"neither BFM_model_front.mat nor 01_MorphableModel.mat; DIR must hold"):
        bfm.read(tmp_path)


def test_command(folder, tmp_path, capsys):
    out = tmp_path / "new" / "face.safetensors"
    assert cli.main(["prepare", "bfm", "--folder", str(folder), "--out", str(out), "--region", "front"]) == 0
    assert f"{out}: 2400 vertices, 4680 triangles" in capsys.readouterr().out
    assert not model_choice.load_face_model(out).reconstruction_triangles.all()
    assert cli.main(["prepare", "bfm", "--folder", str(tmp_path), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
