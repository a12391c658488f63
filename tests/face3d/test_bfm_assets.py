"""The real index files of Deng et al.'s repository around a made head of BFM's topology: no scan, but every length and index real."""

import numpy as np
import pytest
import torch
from made_bfm import MadeHead, write_front, write_original
from scipy.io import loadmat

from paperlib import paths
from paperlib.face3d import bfm, fitting
from paperlib.face3d import face_renderer as fr

INDEX = paths.ROOT.parent / "shared" / "assets" / "deep3d_bfm_index"
pytestmark = [pytest.mark.assets, pytest.mark.skipif(not INDEX.is_dir(), reason="no index files at ../shared/assets/deep3d_bfm_index")]

# the 68 landmark vertices that Deng et al. publish, one-based
LANDMARKS = """
    16645 16889 16468 16265 32245 32940 33376 33655 33839 34023 34313 34767 35473 27817 27609 27209 27441 28112 28788 29178 29383 29550
    30289 30455 30663 31057 31717 8162 8178 8188 8193 6516 7244 8205 9164 9884 2216 3887 4921 5829 4802 3641 10456 11354 12384 14067 12654
    11493 5523 6026 7496 8216 8936 10396 10796 9556 8837 8237 7637 6916 5910 7385 8224 9065 10538 8830 8230 7630
"""


def _flatten(triangles: np.ndarray, n: int) -> np.ndarray:
    """Tutte's drawing (n, 2) of a disk-like mesh: the longest border on the unit circle, every other vertex at its neighbours' mean."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import splu

    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    codes = edges[:, 0] * n + edges[:, 1]
    following = dict(edges[~np.isin(codes, edges[:, 1] * n + edges[:, 0])].tolist())
    loops = []
    while following:
        loop = [next(iter(following))]
        while (after := following.pop(loop[-1], None)) is not None:
            loop.append(after)
        loops.append(loop[:-1])
    border = np.array(max(loops, key=len))
    turn = np.arange(len(border)) * 2 * np.pi / len(border)
    flat = np.zeros((n, 2))
    flat[border] = np.stack([np.cos(turn), np.sin(turn)], 1)
    near = sp.coo_matrix((np.ones(len(edges)), edges.T), (n, n)).tocsr()
    near = ((near + near.T) > 0).astype(float).tocsr()
    laplace = (sp.diags(np.asarray(near.sum(1)).ravel()) - near).tocsr()
    inner = np.setdiff1d(np.arange(n), border)
    solver = splu(laplace[inner][:, inner].tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    flat[inner] = solver.solve(-laplace[inner][:, border] @ flat[border])
    return flat


@pytest.fixture(scope="module")
def head() -> MadeHead:
    """A smooth surface through the 68 landmark positions of the alignment template, on BFM's own triangles."""
    from scipy.interpolate import RBFInterpolator

    info = loadmat(INDEX / "facemodel_info.mat")
    triangles, landmarks = info["tri"].astype(int) - 1, info["keypoints"].ravel().astype(int) - 1
    flat = _flatten(triangles, 35709)
    points = loadmat(INDEX / "similarity_Lm3D_all.mat")["lm"].astype(float)
    mean = RBFInterpolator(flat[landmarks], points, kernel="thin_plate_spline")(flat).astype(np.float32)
    rng = np.random.default_rng(0)

    def smooth(count: int, size: float) -> np.ndarray:
        waves, phase = rng.standard_normal((3, count)) * 2, rng.uniform(0, 2 * np.pi, (1, 3, count))
        scale = size / np.sqrt(np.arange(count) + 1)
        return (np.sin((mean @ waves)[:, None] + phase) * scale).astype(np.float32)

    tex = np.clip(np.array([0.75, 0.55, 0.45]) + 0.06 * np.sin(mean * 7), 0, 1).astype(np.float32)
    front = info["frontmask2_idx"].ravel().astype(int) - 1
    return MadeHead(mean, smooth(80, 0.03), smooth(64, 0.02), tex, smooth(80, 0.03), triangles, landmarks, front)


@pytest.fixture(scope="module")
def model(head, tmp_path_factory):
    folder = tmp_path_factory.mktemp("front")
    write_front(head, folder / "BFM_model_front.mat")
    return bfm.read(folder, region="front")


def test_topology_of_the_real_files(model):
    assert model.mean_shape.shape == (35709, 3) and model.triangles.shape == (70789, 3)
    assert (model.landmark_index + 1).tolist() == [int(n) for n in LANDMARKS.split()]
    info = loadmat(INDEX / "facemodel_info.mat")
    front, theirs = info["frontmask2_idx"].ravel().astype(int) - 1, info["tri_mask2"].astype(int) - 1
    ours = model.triangles[model.reconstruction_triangles].numpy()
    assert len(ours) == 54681 and set(map(tuple, ours.tolist())) == set(map(tuple, front[theirs].tolist()))
    corner = model.mean_shape[model.triangles]
    outwards = torch.linalg.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])[:, 2] > 0
    assert outwards.float().mean() > 0.99  # counter-clockwise seen from the front, like our own model's: normals need no flip
    lips = model.mean_shape[model.part_vertices("lips")]
    assert 300 < len(lips) < 5000 and (lips[:, 1] < model.mean_shape[model.landmark_index[33], 1]).all()


def test_template_of_five_points(model):
    """The alignment's five points are means of the template's landmarks; on a head that goes through them, of the model's."""
    at = model.mean_shape[model.landmark_index]
    five = torch.stack([at[[36, 39]].mean(0), at[[42, 45]].mean(0), at[30], at[48], at[54]])
    expected = torch.tensor([
        (-0.311487, 0.290361, 0.13378), (0.309799, 0.28972, 0.131795), (0.003253, -0.046179, 0.552442),
        (-0.252169, -0.381339, 0.224057), (0.248466, -0.381282, 0.222358),
    ])  # fmt: skip
    torch.testing.assert_close(five - five[2], expected - expected[2], atol=2e-5, rtol=0)


def test_the_same_code_runs_at_full_size(model):
    g = torch.Generator().manual_seed(0)
    truth = torch.zeros(2, 257)
    truth[:, :80], truth[:, 80:144] = torch.randn(80, generator=g) * 0.5, torch.randn(2, 64, generator=g) * 0.5
    truth[:, 224:227] = torch.tensor([[0.05, 0.2, 0.0], [-0.05, -0.1, 0.03]])
    picture = fr.render_i3d(model, truth, 96)
    assert 0.15 < (picture.sum(1) > 0).float().mean() < 0.9
    lmk = fr.landmarks2d(model, truth, 224)
    fitted = fitting.fit_landmarks(model, lmk, 224, offset=0.0, noise=0.3)
    assert (fr.landmarks2d(model, fitted, 224) - lmk).norm(dim=-1).median() < 0.5


def test_original_files_with_the_real_index_files(head, model, tmp_path):
    for name in ("BFM_exp_idx.mat", "BFM_front_idx.mat", "facemodel_info.mat", "std_exp.txt"):
        (tmp_path / name).write_bytes((INDEX / name).read_bytes())
    trim = loadmat(INDEX / "BFM_exp_idx.mat")["trimIndex"].ravel().astype(int) - 1
    crop = loadmat(INDEX / "BFM_front_idx.mat")["idx"].ravel().astype(int) - 1
    std = np.loadtxt(INDEX / "std_exp.txt")
    write_original(head, tmp_path, crop, trim, 53490, std_exp=std)
    assert (tmp_path / "Exp_Pca.bin").stat().st_size == 4 + 4 * 3 * 53215 * 80
    other = bfm.read(tmp_path, region="front")
    for name in ("mean_shape", "mean_tex", "id_basis", "tex_basis", "exp_basis", "triangles", "landmark_index", "part"):
        torch.testing.assert_close(getattr(other, name), getattr(model, name), atol=3e-6, rtol=0, msg=name)
    np.testing.assert_allclose(other.exp_std.numpy(), std[:64] / 1e5, rtol=1e-6)
    for path in tmp_path.iterdir():
        path.unlink()  # 200 MB
