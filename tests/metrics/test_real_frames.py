"""The metrics on recorded faces: the clips beside the checkout where they are, else the astronaut picture of scikit-image (NASA)."""

import cv2
import numpy as np
import pytest
import torch

from paperlib import paths, weights
from paperlib.media.detection import detect
from paperlib.media.video import read_video
from paperlib.metrics import geometry, identity, image

CLIPS = sorted((paths.ROOT.parent / "shared/assets/talking224").glob("*.mp4"))
SHIFT = 4  # pixels


def astronaut() -> np.ndarray:
    import skimage.data

    face = cv2.resize(np.ascontiguousarray(skimage.data.astronaut()[0:300, 80:380]), (224, 224), interpolation=cv2.INTER_AREA)
    return np.stack([face, np.roll(face, (2, 1), (0, 1)), cv2.convertScaleAbs(face, alpha=0.9)])


def sources():
    marks = [pytest.mark.assets, pytest.mark.skipif(not CLIPS, reason="the clips beside the checkout are absent")]
    return [pytest.param(None, id="astronaut"), pytest.param(CLIPS[0] if CLIPS else None, id="clip", marks=marks)]


@pytest.fixture(scope="module", params=sources())
def real(request) -> np.ndarray:
    """(3, 224, 224, 3) uint8 frames with a face."""
    return astronaut() if request.param is None else read_video(request.param, max_frames=41).frames[::20]


def packed(frames: np.ndarray, quality: int) -> np.ndarray:
    """The same frames through JPEG."""
    data = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for frame in frames]
    return np.stack([cv2.imdecode(code, cv2.IMREAD_COLOR) for code in data])


def as_float(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).movedim(-1, 1).float() / 255


def test_psnr_and_ssim_are_scikit_images(real):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    pred, target = as_float(packed(real, 12)), as_float(real)
    pairs = list(zip(target.double().numpy(), pred.double().numpy(), strict=True))
    wanted = [peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in pairs]
    assert image.psnr(pred, target).tolist() == pytest.approx(wanted, abs=1e-9)
    assert 20 < min(wanted) and max(wanted) < 40
    options = {"channel_axis": 0, "gaussian_weights": True, "use_sample_covariance": False, "data_range": 1.0}
    wanted = [structural_similarity(a, b, **options) for a, b in pairs]
    assert image.ssim(pred, target).tolist() == pytest.approx(wanted, abs=1e-9)
    assert image.ssim_mean(pred, target).tolist() == pytest.approx(wanted, abs=1e-5)


def test_lpips_is_the_packages_and_grows_with_compression(real):
    bad, good, target = as_float(packed(real, 12)), as_float(packed(real, 60)), as_float(real)
    net = weights.load_lpips()
    assert image.lpips(bad, target, net=net).tolist() == pytest.approx(net(2 * bad - 1, 2 * target - 1).flatten().tolist(), rel=1e-4)
    assert (image.lpips(bad, target, net=net) > image.lpips(good, target, net=net)).all()


def test_lmd_counts_a_shift_and_forgives_it_once_centred(real):
    moved = np.roll(real, SHIFT, 2)
    points, shifted = (detect(frames, backend="dlib").lmk for frames in (real, moved))
    assert np.isfinite(points).all() and np.isfinite(shifted).all()
    assert geometry.lmd(shifted, points) == pytest.approx(SHIFT, abs=1.0)
    assert geometry.lmd(shifted, points, "face_px") == pytest.approx(SHIFT, abs=1.0)
    assert (geometry.lmd(shifted, points, "mouth_centred_px") < SHIFT / 2).all()


def test_csim_knows_the_person_through_compression(real):
    points = detect(real, backend="dlib").lmk
    own, seen = identity.descriptors(real, points), identity.descriptors(packed(real, 12), points)
    assert ((identity.csim(seen, own) > 0.9) & (identity.csim(seen, own) < 1)).all()
    assert identity.csim(own, own) == pytest.approx(1)
