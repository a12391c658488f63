"""What a model must beat: the mean expression, ridge regression on speech or on the clock, and a mouth that never moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from paperlib.config import FPS
from paperlib.corpus.banks import SpeechItem
from paperlib.media.audio import loudness, set_level

REACH = 5  # frames to each side that the ridge regression sees


def frame_mfcc(item: SpeechItem) -> np.ndarray:
    """(T, 13) MFCC of each frame: the mean of the window's middle four rows (40 ms)."""
    middle = item.mfcc.shape[-1] // 2
    return item.mfcc[:, :, middle - 2 : middle + 2].mean(-1).numpy()


def frame_loudness(item: SpeechItem) -> np.ndarray:
    """(T, 1) loudness of each frame in units of 10 dB, the clip's level set first: all that a volume meter knows."""
    return loudness(set_level(item.wave), len(item.exp))[:, None].astype(np.float64) / 10.0


def frame_index(item: SpeechItem) -> np.ndarray:
    """(T, 14) what the clock alone tells: cosines over the clip and how far its two ends are, whatever is said."""
    n = len(item.exp)
    t = (np.arange(n) + 0.5) / FPS
    waves = [np.cos(np.pi * j * t * FPS / n) for j in range(1, 9)]
    ends = [np.exp(-d / s) for d in (t, n / FPS - t) for s in (0.1, 0.3, 0.9)]
    return np.stack([*waves, *ends], 1)


def stack_context(x: np.ndarray, reach: int = REACH) -> np.ndarray:
    """(T, D) -> (T, (2 reach + 1) D + 1): neighbours side by side, ends repeated, and a constant.

    >>> stack_context(np.array([[1.0], [2.0]]), 1).tolist()
    [[1.0, 1.0, 2.0, 1.0], [1.0, 2.0, 2.0, 1.0]]
    """
    padded = np.pad(x, ((reach, reach), (0, 0)), mode="edge")
    columns = [padded[i : i + len(x)] for i in range(2 * reach + 1)]
    return np.concatenate([*columns, np.ones((len(x), 1))], 1)


class Ridge:
    """Linear regression of the 64 expression coefficients on +-5 frames of `features`; the penalty is chosen on validation speakers."""

    def __init__(
        self,
        train: list[SpeechItem],
        val: list[SpeechItem],
        penalties: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0, 10_000.0),
        features: Callable[[SpeechItem], np.ndarray] = frame_mfcc,
    ) -> None:
        self.features = features
        x = np.concatenate([stack_context(features(s)) for s in train])
        y = np.concatenate([s.exp.numpy() for s in train]).astype(np.float64)
        self.mean = y.mean(0)
        self.scale = x[:, :-1].std(0) + 1e-6
        x[:, :-1] /= self.scale
        gram, moment = x.T @ x, x.T @ (y - self.mean)
        best = np.inf
        for penalty in penalties:
            weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), moment)
            error = np.mean([np.abs(self._apply(s, weights) - s.exp.numpy()).mean() for s in val])
            if error < best:
                best, self.weights, self.penalty = error, weights, penalty

    def _apply(self, item: SpeechItem, weights: np.ndarray) -> np.ndarray:
        x = stack_context(self.features(item))
        x[:, :-1] /= self.scale
        return x @ weights + self.mean

    def predict(self, item: SpeechItem) -> torch.Tensor:
        """(T, 64) expressions of a clip."""
        return torch.from_numpy(self._apply(item, self.weights)).float()


def frozen_mouth(frames: np.ndarray, coeffs: np.ndarray, masks: np.ndarray, index: int = 0, oracle: bool = False) -> np.ndarray:
    """Every frame with the mouth of frame `index`, carried along by the head's rigid motion: what a system does that ignores speech.

    Each masked pixel looks up, through the face model with frame `index`'s expression, where its point of skin was in frame `index`;
    points hidden there, and pixels beside the face, come from frame `index` by the affine map of the posed neutral landmarks. Like any
    system that is scored, it sees nothing of a frame inside its mask. With `oracle` those pixels are the frame's own: no system has
    them, so this is no baseline, only the limit of a mouth that does not move.

    frames: (T, H, W, 3) float in [0, 1]; coeffs: (T, 257), true or fitted; masks: (T, 1, H, W).
    """
    from paperlib.face3d.coefficients import with_exp
    from paperlib.face3d.face_renderer import landmarks2d, true_flow
    from paperlib.face3d.morphable_model import default_model
    from paperlib.models.flow import warp

    model, size, c = default_model(), frames.shape[1], torch.as_tensor(coeffs)
    moved = with_exp(c, c[index : index + 1, 80:144].expand(len(c), -1))
    with torch.no_grad():
        flow, valid = true_flow(model, moved, moved[index : index + 1].expand(len(c), -1), size)
        source = torch.from_numpy(frames[index]).movedim(-1, 0)[None].expand(len(c), -1, -1, -1)
        pasted = warp(source, torch.as_tensor(flow).float()).movedim(1, -1).numpy()
        lmk = landmarks2d(model, with_exp(c, torch.zeros(len(c), 64)), size).numpy()
    beside = frames if oracle else _affine_paste(frames[index], lmk[index], lmk)
    covered = np.asarray(valid, np.float32).reshape(len(c), size, size, 1)
    m = masks.transpose(0, 2, 3, 1)
    return (frames * (1 - m) + (pasted * covered + beside * (1 - covered)) * m).astype(np.float32)


def _affine_paste(frame: np.ndarray, lmk: np.ndarray, to: np.ndarray) -> np.ndarray:
    """(T, H, W, 3): `frame` moved by the least-squares affine maps from its lower-face points lmk (68, 2) onto those of `to` (T, 68, 2)."""
    import cv2

    lower = list(range(2, 15)) + list(range(31, 36)) + list(range(48, 68))
    x = np.concatenate([lmk[lower], np.ones((len(lower), 1))], 1)
    out = np.empty((len(to), *frame.shape), np.float32)
    for t, points in enumerate(to):
        matrix = np.linalg.lstsq(x, points[lower], rcond=None)[0].T
        matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # cv2 counts pixel centres at integers, we at integers + 0.5
        out[t] = cv2.warpAffine(frame, matrix, frame.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out


def outline_leak(outlines: list[np.ndarray], openings: list[np.ndarray], folds: int = 4, penalty: float = 1.0) -> float:
    """How well a mask's outline tells the lip opening: Pearson r of a ridge regression on clips it has not seen (PROTOCOL rule 3).

    outlines: per clip (T, P, 2) px; openings: per clip (T,). Each clip is centred on its own mean, so that who speaks does not count;
    a mask that follows the jaw gives a large r, one posed by the rigid head alone about 0.
    """
    y = [v - v.mean() for v in openings]
    return float(np.corrcoef(np.concatenate(held_out_ridge(outlines, y, folds, penalty)), np.concatenate(y))[0, 1])


def held_out_ridge(features: list[np.ndarray], wanted: list[np.ndarray], folds: int = 4, penalty: float = 1.0) -> list[np.ndarray]:
    """Per clip (T,): wanted (T,) predicted from features (T, ...), centred clip by clip, by weights that have not seen the clip."""
    x = [o.reshape(len(o), -1) - o.reshape(len(o), -1).mean(0) for o in features]
    predicted: list[np.ndarray] = [np.empty(0)] * len(x)
    for fold in range(folds):
        seen = [i for i in range(len(x)) if i % folds != fold]
        a, b = np.concatenate([x[i] for i in seen]), np.concatenate([wanted[i] for i in seen])
        weights = np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ b)
        for i in range(fold, len(x), folds):
            predicted[i] = x[i] @ weights
    return predicted
