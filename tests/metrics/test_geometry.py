import numpy as np
import pytest
import torch

from paperlib.metrics import geometry
from paperlib.metrics.geometry import aed, aed_mm, lmd, mouth_projection


def _landmarks(n=4, seed=0):
    return np.random.default_rng(seed).uniform(0, 192, (n, 68, 2))


def test_every_variant_of_a_pure_shift_by_3_4():
    target = _landmarks()
    pred = target + np.array([3.0, -4.0])
    eyes = np.linalg.norm(target[:, 36] - target[:, 45], axis=1)
    expected = {
        "mouth_px": 5.0, "face_px": 5.0, "mouth_interocular": 5 / eyes, "face_interocular": 5 / eyes,
        "mouth_centred_px": 0.0, "atvgnet_sum": 0.0, "vico_abs": 3.5,
    }  # fmt: skip
    assert set(expected) == set(geometry.LMD_VARIANTS)
    for variant, value in expected.items():
        np.testing.assert_allclose(lmd(pred, target, variant), np.broadcast_to(value, 4), atol=1e-9)


def test_variants_by_hand_when_one_lip_point_moves():
    target = _landmarks(1)
    pred = target.copy()
    pred[0, 57] += [0.0, 20.0]
    assert lmd(pred, target)[0] == pytest.approx(1.0)
    assert lmd(pred, target, "face_px")[0] == pytest.approx(20 / 68)
    assert lmd(pred, target, "vico_abs")[0] == pytest.approx(0.5)
    # the mean moves by 1: nineteen points are off by 1, the moved one by 19
    assert lmd(pred, target, "atvgnet_sum")[0] == pytest.approx(19 * 1 + 19)
    assert lmd(pred, target, "mouth_centred_px")[0] == pytest.approx(38 / 20)


def test_one_clip_has_as_many_lmds_as_definitions():
    target = _landmarks()
    pred = target + np.random.default_rng(1).normal(0, 2, target.shape)
    values = [geometry.summary(lmd(pred, target, v)).mean for v in geometry.LMD_VARIANTS]
    assert max(values) > 100 * min(values)


def test_missed_faces_are_nan_and_counted():
    target = _landmarks()
    pred = target + 1
    pred[2] = np.nan
    values = lmd(torch.from_numpy(pred), torch.from_numpy(target))
    assert np.isnan(values).tolist() == [False, False, True, False]
    out = geometry.summary(values)
    assert (out.n, out.failed) == (3, 1) and out.mean == pytest.approx(2**0.5)
    nothing = geometry.summary(np.full(3, np.nan))
    assert np.isnan(nothing.mean) and (nothing.n, nothing.failed) == (0, 3)


def test_bad_landmarks_raise():
    with pytest.raises(ValueError, match="68"):
        lmd(np.zeros((2, 66, 2)), np.zeros((2, 66, 2)))
    with pytest.raises(ValueError, match="target"):
        lmd(np.zeros((2, 68, 2)), np.zeros((3, 68, 2)))
    with pytest.raises(ValueError, match="choose one of"):
        lmd(np.zeros((2, 68, 2)), np.zeros((2, 68, 2)), "norm")


def test_aed_norms_by_hand():
    target, pred = np.zeros((1, 64)), np.zeros((1, 64))
    pred[0, :2] = [3.0, -4.0]
    values = {norm: aed(pred, target, norm)[0] for norm in geometry.AED_NORMS}
    assert values == pytest.approx({"mean": 7 / 64, "sum": 7.0, "rms": 5 / 8, "euclidean": 5.0})
    assert set(geometry.AED_VARIANTS) == {*geometry.AED_NORMS, "mm"} and all(v.unit and v.text for v in geometry.AED_VARIANTS.values())
    with pytest.raises(ValueError, match="choose one of"):
        aed(pred, target, "max")


def test_one_difference_has_as_many_aeds_as_norms():
    pred, target = np.random.default_rng(0).normal(size=(2, 5, 64))
    values = {norm: aed(pred, target, norm) for norm in geometry.AED_NORMS}
    np.testing.assert_allclose(values["sum"], 64 * values["mean"])
    np.testing.assert_allclose(values["euclidean"], 8 * values["rms"])
    assert (values["rms"] > values["mean"]).all()


def _basis(seed=0):
    """30 vertices, 64 directions: the first 5 move only vertices 0..9 (the mouth), the next 6 only the rest, others nothing much."""
    rng = np.random.default_rng(seed)
    basis = 1e-6 * rng.normal(size=(30, 3, 64))
    basis[:10, :, :5] += rng.normal(size=(10, 3, 5))
    basis[10:, :, 5:11] += rng.normal(size=(20, 3, 6))
    return basis


def test_mouth_projection_separates_known_directions():
    basis, mouth = _basis(), np.arange(30) < 10
    p = mouth_projection(basis, mouth)
    np.testing.assert_allclose(p @ p, p, atol=1e-6)
    only_mouth, only_rest = np.zeros((1, 64)), np.zeros((1, 64))
    only_mouth[0, :5], only_rest[0, 5:11] = 1.0, 1.0
    zero = np.zeros((1, 64))
    rest = np.eye(64) - p
    whole = aed_mm(only_mouth, zero, basis)[0]
    assert aed_mm(only_mouth, zero, basis, projection=p)[0] == pytest.approx(whole, rel=1e-3)
    assert aed_mm(only_mouth, zero, basis, projection=rest)[0] < 1e-3 * whole
    assert aed_mm(only_rest, zero, basis, projection=p)[0] < 1e-3 * aed_mm(only_rest, zero, basis)[0]
    assert aed(only_mouth, zero, "euclidean", p)[0] == pytest.approx(5**0.5, rel=1e-2)
    assert aed(only_rest, zero, "euclidean", rest)[0] == pytest.approx(6**0.5, rel=1e-2)


def test_aed_mm_is_a_length_on_the_mesh():
    basis = np.zeros((5, 3, 64))
    basis[:, 0, 7] = 0.01  # one standard deviation of direction 7 moves every vertex 1 mm along x
    basis[4, 0, 7] = 0.06
    pred, zero = np.zeros((2, 64)), np.zeros((2, 64))
    pred[1, 7] = -2.0
    assert aed_mm(pred, zero, basis).tolist() == pytest.approx([0.0, (4 * 2 + 12) / 5])
    assert aed_mm(pred, zero, torch.from_numpy(basis), vertices=torch.tensor([True] * 4 + [False]))[1] == pytest.approx(2.0)
    assert aed_mm(pred, zero, basis, vertices=[4])[1] == pytest.approx(12.0)
    with pytest.raises(ValueError, match="exp_basis"):
        aed_mm(pred, zero, np.zeros((5, 3, 60)))
