"""Landmark distance (LMD) in every variant found in print, and expression distance (AED) with directions and millimetres.

"LMD 2.4" means nothing alone: the same two clips give numbers an order of magnitude apart under the published definitions. Every
function returns one value per frame, nan where either side has no landmarks; `summary` counts those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.errors import check_shape
from paperlib.face3d.landmarks import MOUTH, interocular

MM_PER_UNIT = 100.0  # one model unit is 10 cm


@dataclass(frozen=True)
class Variant:
    """A definition of LMD or AED: its unit, what it is and who uses it."""

    unit: str
    text: str


LMD_VARIANTS: dict[str, Variant] = {
    "mouth_px": Variant("px", "mean Euclidean distance of the 20 mouth points"),
    "face_px": Variant("px", "mean Euclidean distance of all 68 points"),
    "mouth_interocular": Variant("interocular", "mouth_px divided by the target's distance of the outer eye corners"),
    "face_interocular": Variant("interocular", "face_px divided by the target's distance of the outer eye corners"),
    "mouth_centred_px": Variant("px", "mouth_px after each mouth is centred on its mean: shape without place"),
    "atvgnet_sum": Variant("px, summed", "as mouth_centred_px but summed over the 20 points (ATVGnet's evaluation_matrix.py, Chen 2019)"),
    "vico_abs": Variant("px", "mean absolute difference per coordinate of the 20 mouth points (ViCo challenge)"),
}


def _array(values) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values, np.float64)


def lmd(pred, target, variant: str = "mouth_px") -> np.ndarray:
    """Landmark distance per frame, (T,) float64; pred, target (T, 68, 2) in pixels, arrays or tensors; `variant` of LMD_VARIANTS.

    Frames in which either detection failed (nan) give nan.
    """
    if variant not in LMD_VARIANTS:
        raise ValueError(f"LMD variant {variant!r}: choose one of {', '.join(LMD_VARIANTS)}")
    pred, target = _array(pred), _array(target)
    check_shape("pred", pred, (None, 68, 2))
    check_shape("target", target, pred.shape)
    a, b = (pred, target) if variant.startswith("face") else (pred[:, list(MOUTH)], target[:, list(MOUTH)])
    if variant in ("mouth_centred_px", "atvgnet_sum"):
        a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    if variant == "vico_abs":
        return np.abs(a - b).mean((1, 2))
    distances = np.linalg.norm(a - b, axis=-1)
    if variant == "atvgnet_sum":
        return distances.sum(1)
    if variant.endswith("interocular"):
        return distances.mean(1) / interocular(target)
    return distances.mean(1)


AED_NORMS = ("mean", "sum", "rms", "euclidean")
AED_VARIANTS: dict[str, Variant] = {
    "mean": Variant("sd", "mean absolute difference of the 64 expression coefficients (PIRenderer's line)"),
    "sum": Variant("sd, summed", "the same, summed over the 64 and not divided (GAGAvatar)"),
    "rms": Variant("sd", "root of the mean squared difference of the 64 (Next3D's evaluation.py)"),
    "euclidean": Variant("sd", "length of the difference; first-order-model's AED is a length too, of identity features"),
    "mm": Variant("mm", "mean distance of the face mesh's vertices that the difference makes (`aed_mm`; ours)"),
}


def aed(pred, target, norm: str = "mean", projection=None) -> np.ndarray:
    """Expression distance per frame, (T,) float64, of coefficients (T, 64) in standard deviations.

    `norm` over the coefficients: "mean" |delta| (PIRenderer's line), "sum", "rms" (Next3D's evaluation), "euclidean".
    `projection` (64, 64), from `mouth_projection`, keeps one group of directions. A number without extractor, norm and
    directions is not comparable: see the protocol card.
    """
    delta = _delta(pred, target, projection)
    if norm == "mean":
        return np.abs(delta).mean(1)
    if norm == "sum":
        return np.abs(delta).sum(1)
    if norm == "rms":
        return np.sqrt((delta**2).mean(1))
    if norm == "euclidean":
        return np.linalg.norm(delta, axis=1)
    raise ValueError(f"AED norm {norm!r}: choose one of {', '.join(AED_NORMS)}")


def aed_mm(pred, target, exp_basis, vertices=None, projection=None) -> np.ndarray:
    """The same difference on the mesh: mean distance of vertices in millimetres per frame, (T,) float64.

    exp_basis (V, 3, 64) in model units (10 cm) per standard deviation; `vertices` (V,) bool or indices restricts it, to the
    lips say. Identity and pose play no part.
    """
    delta = _delta(pred, target, projection)
    basis = _array(exp_basis)
    check_shape("exp_basis", basis, (None, 3, delta.shape[1]))
    if vertices is not None:
        basis = basis[_index(vertices)]
    moved = np.einsum("vck,tk->tvc", basis, delta, optimize=True)
    return np.linalg.norm(moved, axis=-1).mean(1) * MM_PER_UNIT


def mouth_projection(exp_basis, mouth_vertices, share: float = 0.5) -> np.ndarray:
    """Projection (64, 64) onto expression directions that move mostly the mouth; identity minus it is the rest.

    Directions v solve B_m^T B_m v = q B^T B v (B the basis (V, 3, 64), B_m its rows at `mouth_vertices`, bool or indices): q is
    the share of a direction's squared motion that falls on the mouth. Those with q > `share` are kept; they are orthogonal on
    the mesh, so a projected difference is the nearest one, vertex by vertex.
    """
    from scipy.linalg import eigh

    basis = _array(exp_basis)
    check_shape("exp_basis", basis, (None, 3, None))
    whole = basis.reshape(-1, basis.shape[2])
    mouth = basis[_index(mouth_vertices)].reshape(-1, basis.shape[2])
    gram = whole.T @ whole
    gram = gram + 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram))
    shares, directions = eigh(mouth.T @ mouth, gram)  # directions^T gram directions = 1
    kept = directions[:, shares > share]
    return kept @ kept.T @ gram


def _delta(pred, target, projection) -> np.ndarray:
    pred, target = _array(pred), _array(target)
    check_shape("pred", pred, (None, None))
    check_shape("target", target, pred.shape)
    delta = pred - target
    return delta if projection is None else delta @ _array(projection).T


def _index(vertices) -> np.ndarray:
    if hasattr(vertices, "detach"):
        vertices = vertices.detach().cpu().numpy()
    return np.asarray(vertices)


@dataclass(frozen=True)
class Summary:
    """Mean over the frames that counted, their number, and the number of frames without a value."""

    mean: float
    n: int
    failed: int


def summary(per_frame) -> Summary:
    """Mean of (T,) values over finite ones; nan with n = 0 when there is none."""
    values = _array(per_frame)
    good = values[np.isfinite(values)]
    return Summary(float(good.mean()) if len(good) else float("nan"), len(good), len(values) - len(good))
