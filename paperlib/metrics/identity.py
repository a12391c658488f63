"""CSIM: cosine similarity of identity descriptors, with dlib's 128-d network ("dlib128").

The paper does not name its face network. Descriptors of two strangers already have a high cosine, so a CSIM is printed beside the
impostor value (`impostor_csim`) and, for dubbing, beside that of a frozen mouth and of the lower face alone.
"""

from __future__ import annotations

import functools

import numpy as np

from paperlib.errors import InputError, check_shape

LABEL = "dlib128"
GREY = 127  # what replaces pixels that `keep` leaves out


@functools.lru_cache(maxsize=1)
def _network():
    from paperlib import weights

    try:
        import dlib
    except ImportError as error:
        raise InputError("CSIM needs dlib: pip install dlib-bin") from error
    return dlib.face_recognition_model_v1(str(weights.path(LABEL)))


def descriptors(frames: np.ndarray, lmk: np.ndarray, keep: np.ndarray | None = None) -> np.ndarray:
    """Identity descriptors (T, 128) float64 of RGB frames uint8 (T, H, W, 3) aligned by 68 points lmk (T, 68, 2) px.

    Pixel centres at integers + 0.5, as everywhere. Rows of nan landmarks give rows of nan. `keep` (T, H, W) bool greys out
    all other pixels first: with the mouth mask, the lower-face version. About 0.1 s a frame on one core: pass every n-th of a long clip.
    """
    import dlib

    frames = np.ascontiguousarray(frames)
    check_shape("frames", frames, (None, None, None, 3))
    check_shape("lmk", lmk, (len(frames), 68, 2))
    if frames.dtype != np.uint8:
        raise InputError(f"frames: {frames.dtype}, the identity network takes uint8 RGB 0..255")
    if keep is not None:
        check_shape("keep", keep, frames.shape[:3])
        frames = np.where(np.asarray(keep, bool)[..., None], frames, np.uint8(GREY))
    network = _network()
    out = np.full((len(frames), 128), np.nan)
    for t, points in enumerate(np.asarray(lmk, np.float64)):
        if not np.isfinite(points).all():
            continue
        pixels = np.rint(points - 0.5).astype(int)
        (x0, y0), (x1, y1) = pixels.min(0).tolist(), pixels.max(0).tolist()
        shape = dlib.full_object_detection(dlib.rectangle(x0, y0, x1, y1), [dlib.point(x, y) for x, y in pixels.tolist()])
        out[t] = np.array(network.compute_face_descriptor(np.ascontiguousarray(frames[t]), shape))
    return out


def csim(pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Cosine of paired descriptors (T, D), frame by frame: (T,) in [-1, 1], nan where either is missing.

    Paired, never the full T x T matrix (an error that a published script once made).
    """
    pred, target = np.asarray(pred, np.float64), np.asarray(target, np.float64)
    check_shape("pred", pred, (None, None))
    check_shape("target", target, pred.shape)
    dot, own, other = (np.einsum("td,td->t", *pair) for pair in ((pred, target), (pred, pred), (target, target)))
    return dot / np.sqrt(own * other)


def impostor_csim(people: list[np.ndarray]) -> tuple[float, float, int]:
    """(mean, highest, number of pairs) of the cosines between mean descriptors of different people; each entry (T, D)."""
    if len(people) < 2:
        raise InputError("impostor CSIM needs at least two people")
    means = np.stack([np.nanmean(person, 0) for person in people])
    means = means / np.linalg.norm(means, axis=1, keepdims=True)
    pairs = (means @ means.T)[np.triu_indices(len(means), 1)]
    return float(pairs.mean()), float(pairs.max()), len(pairs)
