"""Landmarks follow the face: they move, grow and turn with the picture, stay on one person, and are NaN where there is none."""

import numpy as np
import pytest

from paperlib.errors import InputError
from paperlib.media import detection


@pytest.fixture(scope="module")
def face():
    """(300,300,3): a real face, public domain (NASA)."""
    import skimage.data

    return np.ascontiguousarray(skimage.data.astronaut()[0:300, 90:390])


@pytest.fixture(scope="module")
def points(face):
    result = detection.detect([face], backend="dlib")
    assert result.found.all() and result.backend == "dlib"
    return result.lmk[0]


def place(face, x, y, height=360, width=480):
    canvas = np.full((height, width, 3), 90, np.uint8)
    canvas[y : y + face.shape[0], x : x + face.shape[1]] = face
    return canvas


def test_points_lie_where_a_face_has_them(points):
    left_eye, right_eye = points[36:42].mean(0), points[42:48].mean(0)
    assert left_eye[0] < right_eye[0]  # image left first: the person's right eye
    assert points[48:68, 1].mean() > points[33, 1] > left_eye[1]
    assert points[8, 1] == points[:, 1].max()
    # Pupils and mouth corners read off the enlarged picture, to about a pixel.
    np.testing.assert_allclose(left_eye, (113.7, 100.8), atol=2.5)
    np.testing.assert_allclose(right_eye, (156.7, 103.0), atol=2.5)
    np.testing.assert_allclose(points[[48, 54]], [(114.2, 140.5), (153.7, 141.7)], atol=4)  # dlib draws this smile a little wide


def test_points_move_with_the_picture(face, points):
    for x, y in ((40, 20), (147, 53)):
        moved = detection.detect([place(face, x, y)], "dlib").lmk[0]
        assert np.abs(moved - points - (x, y)).mean() < 1.0
        assert np.abs((moved - points - (x, y)).mean(0)).max() < 0.5


def test_points_scale_with_the_picture(face, points):
    import cv2

    for factor in (2, 0.5):  # under pixel centres at +0.5 a scaled picture has scaled points, with no further shift
        scaled = cv2.resize(face, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        lmk = detection.detect([scaled], "dlib").lmk[0]
        assert np.abs(lmk / factor - points).mean() < 1.5
        assert np.abs((lmk / factor - points).mean(0)).max() < 0.6


def test_a_small_face_is_found_by_enlarging(face):
    import cv2

    small = cv2.resize(face, (90, 90), interpolation=cv2.INTER_AREA)  # the face is about 35 px wide: dlib's own limit is 80
    assert detection.detect([place(small, 100, 100, 240, 320)], "dlib").found.all()


def test_a_tilted_face_is_followed(face, points):
    import cv2

    angles = np.arange(0, 49, 4)  # HOG alone stops near 25 degrees; the tracking window turns with the eyes
    frames = [cv2.warpAffine(face, cv2.getRotationMatrix2D((130, 130), float(a), 1), (300, 300)) for a in angles]
    result = detection.detect(frames, "dlib")
    assert result.found.all()
    eyes = result.lmk[:, 42:48].mean(1) - result.lmk[:, 36:42].mean(1)
    measured = -np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))
    np.testing.assert_allclose(measured - measured[0], angles, atol=3)


def test_frames_without_a_face_are_nan_and_the_face_is_found_again(face):
    empty = np.full((360, 480, 3), 90, np.uint8)
    frames = [place(face, 60, 30)] * 2 + [empty] * 3 + [place(face, 120, 40)] * 2
    result = detection.detect(iter(frames), "dlib")
    np.testing.assert_array_equal(result.found, [1, 1, 0, 0, 0, 1, 1])
    assert np.isnan(result.lmk[2:5]).all() and np.isnan(result.score[2:5]).all()
    assert not detection.detect([empty], "dlib").found.any()
    assert detection.detect([], "dlib").lmk.shape == (0, 68, 2)


def test_of_two_faces_the_larger_and_then_the_same_one(face):
    import cv2

    small = cv2.resize(face, (180, 180), interpolation=cv2.INTER_AREA)
    big_left = place(face, 0, 20, 360, 640)
    big_left[60:240, 420:600] = small
    result = detection.detect([big_left] * 2, "dlib")
    assert (result.lmk[:, :, 0].mean(1) < 300).all()
    swapped = place(small, 40, 60, 360, 640)  # the tracked one shrinks while a bigger one appears elsewhere
    swapped[20:320, 330:630] = face
    middle = cv2.resize(face, (240, 240), interpolation=cv2.INTER_AREA)
    frames = [big_left, place(middle, 20, 40, 360, 640), swapped]
    assert (detection.detect(frames, "dlib").lmk[:, :, 0].mean(1) < 300).all()


def test_half_pixel_convention():
    """A stand-in predictor that answers integer pixel (WINDOW-1)/2 rounded: its centre must come back as that index + 0.5."""
    lmk = np.random.default_rng(0).normal((50, 40), 12, (68, 2))
    matrix = detection._window_matrix(lmk)
    frame = np.zeros((90, 110, 3), np.uint8)
    frame[40, 50] = 255  # the pixel whose centre is (50.5, 40.5)
    window = detection._warp(frame, matrix).astype(float)[..., 0]
    y, x = np.indices(window.shape)
    centre = np.array([(x * window).sum(), (y * window).sum()]) / window.sum() + 0.5
    back = np.linalg.inv(matrix[:, :2]) @ (centre - matrix[:, 2])
    np.testing.assert_allclose(back, (50.5, 40.5), atol=0.05)


def test_a_covered_mouth_is_noticed(face, points):
    """A skin-coloured patch over the mouth for part of the clip; without it no frame is suspected."""
    covered = face.copy()
    x0, y0, x1, y1 = (int(v) for v in (*points[48:60].min(0) - 8, *points[48:60].max(0) + 14))
    covered[y0:y1, x0:x1] = face[int(points[29, 1]), int(points[29, 0])]
    clean = detection.detect([face] * 20, "dlib")
    assert not clean.covered.any() and clean.lip_contrast.min() > detection.CONTRAST_MIN
    mixed = detection.detect([face] * 20 + [covered] * 12, "dlib")
    assert mixed.found.all()
    np.testing.assert_array_equal(mixed.covered[:18], np.zeros(18))
    np.testing.assert_array_equal(mixed.covered[24:], np.ones(8))
    assert not detection.detect([covered] * 3, "dlib").covered.any()  # too short to say


def test_smooth_keeps_gaps_and_lines():
    t = np.arange(20, dtype=np.float32)
    lmk = np.broadcast_to(t[:, None, None], (20, 68, 2)).copy()
    lmk[8:10] = np.nan
    out = detection.smooth(lmk, 1.0)
    assert np.isnan(out[8:10]).all() and np.isfinite(out[[7, 10]]).all()
    np.testing.assert_allclose(out[4, 0, 0], 4, atol=0.01)  # a straight line stays one away from ends and gaps
    noise = np.random.default_rng(0).normal(size=(200, 68, 2)).astype(np.float32)
    # Variance of white noise under a Gaussian of sigma s: 1 / (2 s sqrt(pi)) = 0.141 for s = 2
    assert abs(detection.smooth(noise, 2.0).var() - 0.141) < 0.02
    np.testing.assert_array_equal(detection.smooth(noise, 0), noise)


def test_backends_are_explicit(face, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match="FAN's weights are missing"):
        detection.detect([face], backend="fan")
    with pytest.raises(InputError, match="unknown landmark backend"):
        detection.detect([face], backend="mediapipe")
    result = detection.detect([face], backend="auto")
    assert result.backend == "dlib" and "FAN" in result.notes[0]
    assert not list(tmp_path.iterdir())  # nothing was fetched
    with pytest.raises(ValueError, match="expected shape"):
        detection.detect([face[..., 0]], backend="dlib")


def test_fan_agrees_with_dlib_where_its_weights_are(face, points):
    if not detection.fan_weights().exists():
        pytest.skip("FAN's weights are not on this machine")
    result = detection.detect([face], backend="fan")
    assert result.backend == "fan"
    assert np.abs(result.lmk[0, 17:] - points[17:]).mean() < 4


def test_points_at_a_known_place_agree_with_points_found(face, points):
    """No detector: the place is given, a few pixels off, and the mouth in it shut; the answer is the picture's own."""
    near = points + np.array([2.0, -1.5])
    near[48:68, 1] = near[48:68, 1].mean()  # what it is told of the mouth does not matter
    at = detection.landmarks_at(face[None], near[None])
    assert at.shape == (1, 68, 2) and at.dtype == np.float32
    assert np.abs(at[0] - points).mean() < 1.5
    with pytest.raises(ValueError, match="near"):
        detection.landmarks_at(face[None], near[None, :60])
