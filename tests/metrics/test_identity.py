import numpy as np
import pytest

from paperlib import paths
from paperlib.errors import InputError
from paperlib.metrics.identity import csim, descriptors, impostor_csim

CLIPS = sorted((paths.ROOT.parent / "shared/assets/talking224").glob("*.mp4"))


def test_csim_is_the_paired_cosine():
    a = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [np.nan, 0.0]])
    b = np.array([[2.0, 0.0], [3.0, 0.0], [-1.0, -1.0], [1.0, 0.0]])
    np.testing.assert_allclose(csim(a, b), [1.0, 0.0, -1.0, np.nan], atol=1e-12)
    with pytest.raises(ValueError, match="target"):
        csim(a, b[:2])


def test_the_all_pairs_trap_is_real_and_closed():
    """The mean of the T x T matrix is not CSIM: it punishes a moving head, forgives a wrong order and takes clips of two lengths."""
    turning = np.linspace(0, 2, 20)
    faces = np.stack([np.cos(turning), np.sin(turning)], 1)
    wrong, wrong_backwards = (faces @ faces.T).mean(), (faces[::-1] @ faces.T).mean()
    assert wrong < 0.8 and wrong_backwards == pytest.approx(wrong)
    np.testing.assert_allclose(csim(faces, faces), 1)
    assert csim(faces[::-1], faces).mean() < 0.5
    assert csim(faces, faces).shape == (20,)  # never a matrix
    assert (faces[:7] @ faces.T).mean() > 0  # a number, without a word
    with pytest.raises(ValueError, match="target"):
        csim(faces[:7], faces)
    with pytest.raises(ValueError, match="pred"):
        csim(faces[:, None], faces[None])  # broadcast, that would be all pairs


def test_impostor_csim_over_all_pairs_of_people():
    people = [np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[1.0, 1.0], [np.nan, np.nan]])]
    mean, highest, pairs = impostor_csim(people)
    assert (mean, highest, pairs) == pytest.approx(((0 + 2 * 0.5**0.5) / 3, 0.5**0.5, 3))
    with pytest.raises(InputError, match="two people"):
        impostor_csim(people[:1])


def _first_face(clip):
    """(one frame, its 68 points) through dlib's own frontal detector."""
    import av
    import dlib

    from paperlib import weights

    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    boxes = dlib.get_frontal_face_detector()(frame, 1)
    assert boxes, f"no face in {clip.name}"
    shape = dlib.shape_predictor(str(weights.path("dlib68")))(frame, boxes[0])
    return frame, np.array([[p.x + 0.5, p.y + 0.5] for p in shape.parts()])


def _astronaut():
    import dlib
    from skimage.data import astronaut

    from paperlib import weights

    frame = np.ascontiguousarray(astronaut()[:300])
    shape = dlib.shape_predictor(str(weights.path("dlib68")))(frame, dlib.get_frontal_face_detector()(frame, 1)[0])
    return frame, np.array([[p.x + 0.5, p.y + 0.5] for p in shape.parts()])


def test_descriptor_equals_dlibs_own_call_and_survives_a_brighter_copy():
    import dlib

    from paperlib import weights

    frame, lmk = _astronaut()
    brighter = np.clip(frame * 1.15, 0, 255).astype(np.uint8)
    found = descriptors(np.stack([frame, brighter, frame]), np.stack([lmk, lmk, np.full((68, 2), np.nan)]))
    network = dlib.face_recognition_model_v1(str(weights.path("dlib128")))
    box = dlib.get_frontal_face_detector()(frame, 1)[0]
    shape = dlib.shape_predictor(str(weights.path("dlib68")))(frame, box)
    np.testing.assert_allclose(found[0], network.compute_face_descriptor(frame, shape), atol=1e-6)
    assert np.isnan(found[2]).all()
    similarity = csim(found[:1], found[1:2])[0]
    assert 0.97 < similarity < 1


def test_grey_outside_the_kept_region_changes_the_descriptor_only_through_what_is_kept():
    frame, lmk = _astronaut()
    keep = np.zeros((1, *frame.shape[:2]), bool)
    keep[:, int(lmk[30, 1]) :] = True  # below the tip of the nose
    upper = frame.copy()
    upper[: int(lmk[30, 1]) - 1] = 0
    lower = descriptors(frame[None], lmk[None], keep)
    np.testing.assert_array_equal(lower, descriptors(upper[None], lmk[None], keep))
    assert np.abs(lower - descriptors(frame[None], lmk[None])).max() > 0.01


@pytest.mark.assets
@pytest.mark.skipif(len(CLIPS) < 2, reason="the clips beside the checkout are absent")
def test_strangers_are_less_alike_than_one_person():
    faces = [_first_face(clip) for clip in CLIPS]
    people = [descriptors(frame[None], lmk[None]) for frame, lmk in faces]
    mean, highest, _ = impostor_csim(people)
    frame, lmk = faces[0]
    shifted = descriptors(np.roll(frame, 3, 1)[None], lmk[None] + [3, 0])
    assert highest < csim(people[0], shifted)[0]
    assert mean > 0.5  # strangers' descriptors are already alike: CSIM needs this value beside it


def test_bad_input_is_refused():
    frame, lmk = np.zeros((1, 40, 40, 3)), np.zeros((1, 68, 2))
    with pytest.raises(InputError, match="uint8"):
        descriptors(frame, lmk)
    with pytest.raises(ValueError, match="lmk"):
        descriptors(frame.astype(np.uint8), lmk[:, :66])
    with pytest.raises(ValueError, match="keep"):
        descriptors(frame.astype(np.uint8), lmk, np.ones((1, 20, 40), bool))
