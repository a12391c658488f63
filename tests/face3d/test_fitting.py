from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy import toy_coeffs, toy_model

from paperlib import paths
from paperlib.config import RegressorConfig
from paperlib.errors import InputError
from paperlib.face3d import camera, fitting
from paperlib.face3d import face_renderer as fr
from paperlib.face3d.coefficients import ANGLES, EXP, ID, SH, TEX, TRANS
from paperlib.face3d.landmarks import lip_opening
from paperlib.models.regressor import FaceRegressor

needs_model = pytest.mark.skipif(not (paths.DATA / "face_model.safetensors").is_file(), reason="data/face_model.safetensors is not there")


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.fixture(scope="module")
def real():
    from paperlib.face3d.morphable_model import default_model

    return default_model()


def degrees_between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(B,) angle between the rotations of two angle triples (B, 3)."""
    turn = camera.rotation(a.double()).transpose(1, 2) @ camera.rotation(b.double())
    return torch.rad2deg(torch.arccos(((turn.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2).clamp(-1, 1)))


def real_coeffs(n: int, seed: int) -> torch.Tensor:
    """Random draws as the corpus makes them: identity 0.8 and expression 0.8 standard deviations, heads turned up to 23 degrees."""
    g = torch.Generator().manual_seed(seed)
    coeffs = torch.zeros(n, 257)
    coeffs[:, ID] = torch.randn(80, generator=g) * 0.8
    coeffs[:, EXP] = torch.randn(n, 64, generator=g) * 0.8
    coeffs[:, TEX] = torch.randn(80, generator=g) * 0.8
    coeffs[:, ANGLES] = (torch.rand(n, 3, generator=g) * 2 - 1) * torch.tensor([0.3, 0.4, 0.2])
    coeffs[:, TRANS] = torch.randn(n, 3, generator=g) * torch.tensor([0.1, 0.1, 0.3])
    return coeffs


@pytest.mark.parametrize("seed", [0, 1])
def test_known_truth_on_the_toy(model, seed):
    coeffs = toy_coeffs(12, seed, angle=0.4)
    lmk = fr.landmarks2d(model, coeffs, 224)
    fitted = fitting.fit_landmarks(model, lmk, 224, smooth=0.0, offset=0.0)
    assert fitted.shape == (12, 257) and fitted.dtype == torch.float32
    again = fr.landmarks2d(model, fitted, 224)
    assert (again - lmk).norm(dim=-1).median() < 0.5
    assert degrees_between(fitted[:, ANGLES], coeffs[:, ANGLES]).max() < 2
    assert (fitted[:, ID] == fitted[:1, ID]).all()
    assert np.corrcoef(lip_opening(again).numpy(), lip_opening(lmk).numpy())[0, 1] > 0.99
    assert np.corrcoef(fitted[:, 80].numpy(), coeffs[:, 80].numpy())[0, 1] > 0.98  # expression 0 is the toy's jaw


def test_the_answer_follows_the_picture_size(model):
    lmk = fr.landmarks2d(model, toy_coeffs(4), 224)
    small = fitting.fit_landmarks(model, lmk * 96 / 224, 96)
    torch.testing.assert_close(small, fitting.fit_landmarks(model, lmk, 224), atol=1e-3, rtol=0)


def test_missed_frames_are_interpolated(model):
    coeffs = toy_coeffs(1, 3).repeat(11, 1)
    coeffs[:, 225] = torch.linspace(-0.3, 0.3, 11)
    lmk = fr.landmarks2d(model, coeffs, 224).numpy()
    lmk[[0, 4, 5]] = np.nan
    lmk[8, :5] = np.nan  # single lost points only lose their weight
    fitted = fitting.fit_landmarks(model, lmk, 224, offset=0.0)
    assert torch.isfinite(fitted).all()
    torch.testing.assert_close(fitted[4, ANGLES], fitted[3, ANGLES] + (fitted[6, ANGLES] - fitted[3, ANGLES]) / 3)
    assert (fitted[0] == fitted[1]).all()
    assert degrees_between(fitted[1:, ANGLES], coeffs[1:, ANGLES]).max() < 2


def test_no_face_is_the_users_error(model):
    with pytest.raises(InputError, match="no face landmarks"):
        fitting.fit_landmarks(model, np.full((5, 68, 2), np.nan), 224)
    with pytest.raises(ValueError, match="lmk"):
        fitting.fit_landmarks(model, np.zeros((5, 66, 2)), 224)


def test_one_frame_and_own_identities(model):
    coeffs = toy_coeffs(3, 5)
    lmk = fr.landmarks2d(model, coeffs, 224)
    for fitted in (fitting.fit_landmarks(model, lmk, 224, shared_identity=False), fitting.fit_landmarks(model, lmk[:1], 224)):
        assert (fr.landmarks2d(model, fitted, 224) - lmk[: len(fitted)]).norm(dim=-1).median() < 1


def test_a_wrong_landmark_does_not_bend_the_face(model):
    coeffs = toy_coeffs(6, 2)
    lmk = fr.landmarks2d(model, coeffs, 224)
    spoilt = lmk.clone()
    spoilt[:, 45] += 40
    good = torch.arange(68) != 45
    error = (fr.landmarks2d(model, fitting.fit_landmarks(model, spoilt, 224, offset=0.0), 224) - lmk).norm(dim=-1)[:, good]
    assert error.median() < 1


def test_wrong_frames_are_interpolated(model):
    coeffs = toy_coeffs(1, 3).repeat(15, 1)
    coeffs[:, 225] = torch.linspace(-0.3, 0.3, 15)
    lmk = fr.landmarks2d(model, coeffs, 224)
    clean = fitting.fit_landmarks(model, lmk, 224, offset=0.0)
    spoilt = lmk.clone()
    spoilt[7] += torch.tensor([80.0, -30.0])  # the detector looks at somebody else for one frame
    fitted = fitting.fit_landmarks(model, spoilt, 224, offset=0.0)
    torch.testing.assert_close(fitted[7, ANGLES], (fitted[6, ANGLES] + fitted[8, ANGLES]) / 2)
    assert (fr.landmarks2d(model, fitted, 224) - fr.landmarks2d(model, clean, 224)).norm(dim=-1).max() < 1


def test_a_good_start_saves_steps_and_ends_in_the_same_place(model):
    coeffs = toy_coeffs(6, 2)
    lmk = fr.landmarks2d(model, coeffs, 224)
    near = coeffs + 0.1 * torch.randn(coeffs.shape, generator=torch.Generator().manual_seed(0)) * torch.cat(
        [torch.ones(144), torch.zeros(113)]
    )
    plain = fitting.fit_landmarks(model, lmk, 224, steps=30, smooth=0.0, offset=0.0)
    started = fitting.fit_landmarks(model, lmk, 224, steps=30, smooth=0.0, offset=0.0, start=near)
    assert (fr.landmarks2d(model, plain, 224) - fr.landmarks2d(model, started, 224)).norm(dim=-1).max() < 0.3
    few = [fitting.fit_landmarks(model, lmk, 224, steps=3, smooth=0.0, offset=0.0, start=s) for s in (None, near)]
    error = [(fr.landmarks2d(model, f, 224) - lmk).norm(dim=-1).mean() for f in few]
    assert error[1] < 0.5 * error[0]
    with pytest.raises(ValueError, match="start"):
        fitting.fit_landmarks(model, lmk, 224, start=near[:2])


def test_what_pictures_say_counts_by_its_error(model):
    coeffs = toy_coeffs(8, 3)
    lmk = fr.landmarks2d(model, coeffs, 224) + torch.randn(8, 68, 2, generator=torch.Generator().manual_seed(0)) * 2
    errors = {}
    for sd in (0.05, torch.inf):
        belief = fitting.Belief(coeffs, np.full(257, sd))
        fitted = fitting.fit_landmarks(model, lmk, 224, smooth=0.0, belief=belief)
        errors[sd] = [(fitted - coeffs)[:, s].square().mean().sqrt() for s in (ID, EXP, ANGLES)]
    assert all(good < 0.5 * none for good, none in zip(errors[0.05], errors[torch.inf], strict=True))
    none = fitting.fit_landmarks(model, lmk, 224, smooth=0.0)
    torch.testing.assert_close(fitted, none, atol=1e-5, rtol=0)  # an infinite error says nothing


def test_a_measured_detector_is_undone(model):
    coeffs = toy_coeffs(10, 5, angle=0.3)
    mean = np.random.default_rng(0).normal(0, 0.03, (68, 3)) * [1, 1, 0]
    shifted = SimpleNamespace(**{**vars(model), "mean_shape": model.mean_shape.clone()})
    shifted.mean_shape[model.landmark_index] += torch.from_numpy(mean).float()
    lmk = fr.landmarks2d(shifted, coeffs, 224)
    known = fitting.Detector(mean, np.full(68, 0.003), np.ones(68))
    error = {}
    for name, detector in (("generic", fitting.GENERIC), ("measured", known)):
        fitted = fitting.fit_landmarks(model, lmk, 224, smooth=0.0, detector=detector)
        error[name] = (fr.landmarks2d(model, fitted, 224) - fr.landmarks2d(model, coeffs, 224)).norm(dim=-1).median()
    assert error["measured"] < 0.5 and error["measured"] < 0.3 * error["generic"]


def test_smoothing_reduces_jitter_and_keeps_motion(model):
    coeffs = toy_coeffs(1, 4).repeat(40, 1)
    coeffs[:, 225] = 0.3 * torch.sin(torch.arange(40) / 6)
    coeffs[:, 80] = 1.5 + 1.5 * torch.sin(torch.arange(40) / 2)  # the jaw, about two cycles a second
    truth = fr.landmarks2d(model, coeffs, 224)
    noisy = truth + torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    errors = {}
    for smooth in (0.0, 0.85):
        fitted = fitting.fit_landmarks(model, noisy, 224, smooth=smooth, offset=0.0)
        lmk = fr.landmarks2d(model, fitted, 224)
        errors[smooth] = (lmk - truth).norm(dim=-1).mean()
        assert np.corrcoef(lip_opening(lmk).numpy(), lip_opening(truth).numpy())[0, 1] > 0.98
    assert errors[0.85] < 0.9 * errors[0.0]


def test_jaw_counts_less_when_the_head_turns():
    weights = fitting.GENERIC.weights(np.array([[0, 0, 0], [0, 0.7, 0], [0, -0.7, 0]]))
    assert (weights[0, :6] < weights[0, 36]).all() and (weights[1, :17] < 0.5 * weights[0, :17]).all()
    assert (weights[1] == weights[2]).all() and (weights[:, 17:60] == 1).all()


def test_appearance_reproduces_the_picture(model):
    coeffs = toy_coeffs(10, 1)
    truth = fr.render(model, coeffs, 96, supersample=2, background=np.array([0.2, 0.3, 0.4]))
    frames = (truth.image.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    blank = coeffs.clone()
    blank[:, SH], blank[:, TEX] = 0, 0
    fitted = fitting.fit_appearance(model, blank, frames)
    assert (fitted[:, TEX] == fitted[:1, TEX]).all() and (fitted[:, SH] == fitted[:1, SH]).all()
    untouched = torch.ones(257, dtype=torch.bool)
    untouched[TEX], untouched[SH] = False, False
    assert (fitted[:, untouched] == blank[:, untouched]).all()
    front = fr.render_i3d(model, coeffs, 96).sum(1) > 0
    error = [(fr.render(model, c, 96).image - truth.image).abs().mean(1)[front].mean() for c in (blank, fitted)]
    assert error[1] < 0.01 and error[1] < 0.15 * error[0]
    assert np.corrcoef(fitted[0, TEX].numpy(), coeffs[0, TEX].numpy())[0, 1] > 0.7


def test_a_whole_clip_with_a_missed_frame(model):
    coeffs = toy_coeffs(1, 1).repeat(6, 1)
    coeffs[:, 225] = torch.linspace(-0.1, 0.1, 6)
    frames = (fr.render(model, coeffs, 96, background=np.full(3, 0.3)).image.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    lmk = fr.landmarks2d(model, coeffs, 96).numpy()
    lmk[2] = np.nan
    net = FaceRegressor(RegressorConfig(size=32, width=4, hidden=8))  # untrained: it proposes the mean face
    for regressor in (None, net):
        fitted = fitting.fit_clip(model, lmk, frames, regressor, offset=0.0)
        assert torch.isfinite(fitted).all() and (fitted[:, TEX] == fitted[:1, TEX]).all() and fitted[0, TEX].abs().max() > 0.1
        assert degrees_between(fitted[:, ANGLES], coeffs[:, ANGLES]).max() < 2
        drawn = fr.render_i3d(model, fitted, 96)
        skin = drawn.sum(1) > 0
        assert (drawn - torch.from_numpy(frames).permute(0, 3, 1, 2) / 255).abs().mean(1)[skin].mean() < 0.05
    with pytest.raises(ValueError, match="regressor"):
        fitting.fit_clip(model, lmk, frames, evidence=True)


def test_appearance_needs_a_visible_face(model):
    coeffs = toy_coeffs(2)
    coeffs[:, TRANS] = torch.tensor([8.0, 0.0, 0.0])
    with pytest.raises(InputError, match="visible skin"):
        fitting.fit_appearance(model, coeffs, np.zeros((2, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="square"):
        fitting.fit_appearance(model, coeffs, np.zeros((2, 64, 48, 3), np.uint8))


@needs_model
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_known_truth_on_the_shipped_model(real, seed):
    coeffs = real_coeffs(16, seed)
    lmk = fr.landmarks2d(real, coeffs, 224)
    noisy = lmk + torch.randn(lmk.shape, generator=torch.Generator().manual_seed(seed)) * 0.5
    for given, corr in ((lmk, 0.995), (noisy, 0.98)):
        fitted = fitting.fit_landmarks(real, given, 224, smooth=0.0, offset=0.0)
        again = fr.landmarks2d(real, fitted, 224)
        assert (again - lmk).norm(dim=-1).median() < 1.5
        assert degrees_between(fitted[:, ANGLES], coeffs[:, ANGLES]).median() < 2
        assert np.corrcoef(lip_opening(again).numpy(), lip_opening(lmk).numpy())[0, 1] > corr


@needs_model
def test_a_long_noisy_clip_keeps_the_head_in_its_place(real):
    # many frames of noise must not pull the fit to a small, near, extreme head
    t = torch.arange(75) / 25
    coeffs = real_coeffs(1, 7).repeat(75, 1)
    phases = torch.rand(70, generator=torch.Generator().manual_seed(0)) * 6.283
    coeffs[:, EXP] = torch.sin(6.283 * 1.5 * t[:, None] + phases[:64])
    coeffs[:, ANGLES] = 0.2 * torch.sin(6.283 * 0.4 * t[:, None] + phases[64:67])
    lmk = fr.landmarks2d(real, coeffs, 224)
    fitted = fitting.fit_landmarks(real, lmk + torch.randn(lmk.shape, generator=torch.Generator().manual_seed(1)), 224)
    again = fr.landmarks2d(real, fitted, 224)
    assert (fitted[:, 256] - coeffs[:, 256]).abs().max() < 1.0 and fitted[0, ID].square().mean().sqrt() < 1.2
    assert (again - lmk).norm(dim=-1).median() < 1.5 and degrees_between(fitted[:, ANGLES], coeffs[:, ANGLES]).median() < 2
    assert np.corrcoef(lip_opening(again).numpy(), lip_opening(lmk).numpy())[0, 1] > 0.97


@needs_model
def test_a_detectors_own_idea_of_landmarks_is_no_proof_of_identity(real):
    ratios = []
    for seed in range(3):
        coeffs = real_coeffs(24, 6 + seed)
        shift = torch.randn(1, 68, 2, generator=torch.Generator().manual_seed(seed))  # pixels, about 1 mm, the same in every frame
        lmk = fr.landmarks2d(real, coeffs, 224) + shift
        fits = [fitting.fit_landmarks(real, lmk, 224, smooth=0.0, offset=offset) for offset in (0.0, 1.0)]
        error = [(fitted[0, ID] - coeffs[0, ID]).square().mean().sqrt() for fitted in fits]
        assert error[1] < 1.0
        ratios.append(error[1] / error[0])
    assert sum(ratios) / 3 < 0.67
