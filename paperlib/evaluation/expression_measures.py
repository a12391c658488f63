"""What stage 1 is scored by, clip by clip: expression distance (all, mouth, millimetres), landmarks, lip opening and its lag.

A prediction is (T, 64) expression coefficients in standard deviations. Identity and pose are the true ones wherever a measure needs a
whole face, so that only the expression is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from paperlib.corpus.banks import SpeechItem
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.landmarks import MOUTH, lip_opening
from paperlib.face3d.morphable_model import PARTS, default_model
from paperlib.metrics.geometry import aed, lmd, mouth_projection

MM = 100.0  # one model unit is 10 cm
LMD_SIZE = 224  # side of the picture whose pixels LMD counts: the camera's own
LAGS = 5  # frames to each side among which the best lag is sought

# metric -> unit
UNITS = {
    "aed": "sd", "aed_mouth": "sd", "aed_centred": "sd", "lip_mm": "mm", "lmd": "px", "opening_mm": "mm", "opening_r": "",
    "lag": "frames", "on_time": "", "mouth_mse": "mm2",
}  # fmt: skip


@dataclass(frozen=True)
class _Yardstick:
    mouth: np.ndarray  # (64, 64) projection onto directions that move mostly the mouth
    lips: torch.Tensor  # (N, 3, 64) expression basis of the lip vertices
    points: torch.Tensor  # (20, 3, 64) of the mouth's landmarks


@lru_cache(maxsize=1)
def yardstick() -> _Yardstick:
    """Made once from the face model in use. The mouth's directions move mostly what lies between the nose's base and the chin."""
    model = default_model()
    mean, picked = model.mean_shape.numpy(), model.landmark_index.numpy()
    lower = (mean[:, 1] < mean[picked[33], 1]) & (mean[:, 1] > mean[picked[list(MOUTH)], 1].min() - 0.8)
    lips, points = model.exp_basis[model.part == PARTS.index("lips")], model.exp_basis[model.landmark_index[list(MOUTH)]]
    return _Yardstick(mouth_projection(model.exp_basis.numpy(), np.flatnonzero(lower)), lips, points)


def opening_mm(exp: torch.Tensor) -> np.ndarray:
    """(T,) lip opening in mm of expressions (T, 64) on the mean face."""
    model = default_model()
    at = model.landmark_index
    points = model.mean_shape[at] + torch.einsum("nck,tk->tnc", model.exp_basis[at], exp)
    return lip_opening(points).numpy() * MM


def lip_error_mm(pred: torch.Tensor, exp: torch.Tensor) -> float:
    """Mean distance in mm between predicted and true lip vertices, identity and pose removed."""
    delta = torch.einsum("vck,tk->tvc", yardstick().lips, pred - exp)
    return float(delta.norm(dim=-1).mean()) * MM


def mouth_mse(pred: torch.Tensor, exp: torch.Tensor) -> float:
    """Mean squared distance in mm2 of the 20 mouth landmarks, identity and pose removed: what shares of variance are counted in."""
    delta = torch.einsum("nck,tk->tnc", yardstick().points, pred - exp) * MM
    return float(delta.square().sum(-1).mean())


def best_lag(pred: np.ndarray, truth: np.ndarray, reach: int = LAGS) -> float:
    """Lag in frames, of those within `reach`, at which two series (T,) correlate best; > 0: the prediction is late. nan for a constant.

    >>> x = np.sin(np.arange(50) / 3.0)
    >>> best_lag(np.roll(x, 2)[5:], x[5:])
    2.0
    """
    if len(pred) < 3 * reach or pred.std() <= 1e-6 or truth.std() <= 1e-6:
        return float("nan")
    r = []
    for lag in range(-reach, reach + 1):
        a, b = pred[max(0, lag) : len(pred) + min(0, lag)], truth[max(0, -lag) : len(truth) - max(0, lag)]
        r.append(np.corrcoef(a, b)[0, 1] if min(a.std(), b.std()) > 1e-6 else -1.0)
    return float(np.argmax(r) - reach)


def measures(pred: torch.Tensor, item: SpeechItem) -> dict[str, float]:
    """One clip's measures, the keys of UNITS; means over the frames.

    aed: L1 per coefficient, standard deviations; aed_mouth: the same after projecting the difference onto the mouth's directions;
    aed_centred: aed_mouth after each side's mean over the clip is taken off (how a person's mouth rests is in no sound);
    lip_mm: on the lips' vertices; lmd: 20 mouth landmarks projected with the true identity and pose, pixels of a LMD_SIZE picture;
    opening_mm, opening_r: lip opening, absolute error and Pearson (nan for a mouth that never moves); lag: `best_lag`; on_time: 1 when
    it is 0 +- 1; mouth_mse: `mouth_mse`.
    """
    model, exp = default_model(), item.exp
    opening, truth = opening_mm(pred), opening_mm(exp)
    moves = opening.std() > 1e-6 and truth.std() > 1e-6
    lag = best_lag(opening, truth)
    shown = [landmarks2d(model, with_exp(item.coeffs, e), LMD_SIZE) for e in (pred, exp)]
    return {
        "aed": float((pred - exp).abs().mean()),
        "aed_mouth": float(aed(pred, exp, projection=yardstick().mouth).mean()),
        "aed_centred": float(aed(pred - pred.mean(0), exp - exp.mean(0), projection=yardstick().mouth).mean()),
        "lip_mm": lip_error_mm(pred, exp),
        "lmd": float(lmd(*shown).mean()),
        "opening_mm": float(np.abs(opening - truth).mean()),
        "opening_r": float(np.corrcoef(opening, truth)[0, 1]) if moves else float("nan"),
        "lag": lag,
        "on_time": float(abs(lag) <= 1) if np.isfinite(lag) else float("nan"),
        "mouth_mse": mouth_mse(pred, exp),
    }


def explained(mse: float, mse_mean: float, mse_take: float) -> tuple[float, float]:
    """(share of variance explained, share that could be) from mean squared errors of a predictor, of the mean expression, of a second take.

    Two takes differ by the noise of both, so half of their squared distance is what nobody can predict.

    >>> explained(3.0, 10.0, 4.0)
    (0.7, 0.8)
    """
    return 1.0 - mse / mse_mean, 1.0 - 0.5 * mse_take / mse_mean
