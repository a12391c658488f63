"""Square face crops and the way back, and the mouth mask.

A box is (x0, y0, x1, y1) in pixels of the image span (pixel centres at integers + 0.5), always square, possibly reaching outside the
picture. Crops are (S,S,3) uint8. `paste` changes pixels only where the mask, carried into the frame, is above zero.
"""

from __future__ import annotations

import numpy as np

from paperlib.errors import check_shape

# The rigid points that place a face: eyes, nose and mouth corners, as in Deng et al.'s five-point alignment, which uses their means.
ALIGN_POINTS = (*range(27, 48), 48, 54)
FOCAL, DISTANCE = 1015 / 224, 10.0  # Deng's camera: focal length in crop sides, distance in model units
BOX_INCREASE = 0.1  # FOMM's VoxCeleb rule: the union of the boxes grows by a tenth on each side
# The mask reaches this share of the nose-to-chin length below the chin: an open jaw stays inside it (tested on the face model).
JAW_DROP = 0.36
CHEEK_GROW = 0.06
MOUTH_SIDE = 1.0  # side of the mouth box in outer-eye-corner distances (a neutral mouth is about 0.6 of that wide)


def square_box(lmk: np.ndarray, increase: float = BOX_INCREASE) -> np.ndarray:
    """One fixed box (4,) for a clip, after FOMM's VoxCeleb rule: union of the landmark boxes, brow to chin stretched up to the forehead,
    grown by `increase` on each side, made square. lmk (T,68,2), NaN rows ignored. Raises ValueError when all are NaN.
    """
    check_shape("lmk", lmk, (None, 68, 2))
    if not np.isfinite(lmk).any():
        raise ValueError("square_box: no frame has a face")
    low, high = np.nanmin(lmk, (0, 1)), np.nanmax(lmk, (0, 1))
    low = low - np.array([0, 0.25 * (high - low)[1]])  # a detector's box holds the forehead; 68 points end at the brows
    centre, half = (low + high) / 2, (high - low).max() * (0.5 + increase)
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def aligned_boxes(lmk: np.ndarray, points3d: np.ndarray, sigma: float = 4.0) -> np.ndarray:
    """Boxes (T,4) in which a fitted face has translation near 0: the crop that the model's camera expects.

    lmk (T,68,2) frame pixels; points3d (68,3) neutral model landmarks, model units, origin at the head's. For each frame the
    weak-perspective (POS) least-squares fit of ALIGN_POINTS gives scale and origin, whatever the head's rotation; they are compared
    with the same fit to the model's own frontal picture, smoothed over time by a Gaussian of `sigma` frames, so that the crop does
    not shake, and interpolated over NaN rows.
    """
    check_shape("lmk", lmk, (None, 68, 2))
    check_shape("points3d", points3d, (68, 3))
    found = np.isfinite(lmk[:, 0, 0])
    if not found.any():
        raise ValueError("aligned_boxes: no frame has a face")
    index = list(ALIGN_POINTS)
    own = points3d[index, :2] * (FOCAL / (DISTANCE - points3d[index, 2:])) * (1, -1)  # as the camera sees it, crop sides from the centre
    scale0, origin0 = _orthographic(points3d[index], own[None])
    scale, origin = _orthographic(points3d[index], lmk[found][:, index].astype(np.float64))
    side = scale / scale0
    centre = origin - side[:, None] * origin0
    values = np.concatenate([np.log(side)[:, None], centre], 1)
    frames = np.arange(len(lmk))
    filled = np.stack([np.interp(frames, frames[found], column) for column in values.T], 1)
    side, x, y = _gaussian(filled, sigma).T
    half = np.exp(side) / 2
    return np.stack([x - half, y - half, x + half, y + half], 1).astype(np.float32)


def _orthographic(points: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale (T,) and image of the model's origin (T,2) of the least-squares affine camera that takes points (N,3) to seen (T,N,2)."""
    solved = np.linalg.pinv(np.concatenate([points, np.ones((len(points), 1))], 1)) @ seen  # (T,4,2): three rows of s R, one of the origin
    return np.linalg.norm(solved[:, :3], axis=1).mean(1), solved[:, 3]


def _gaussian(values: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth (T,C) over time; the ends are weighted by what there is."""
    if sigma <= 0:
        return values
    lag = np.arange(len(values))
    weight = np.exp(-0.5 * ((lag[:, None] - lag[None]) / sigma) ** 2)
    return weight @ values / weight.sum(1, keepdims=True)


def to_crop(points: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Frame points (T,N,2) in pixels of the crops (T boxes, or one)."""
    boxes = np.atleast_2d(boxes)
    side = (boxes[:, 2] - boxes[:, 0])[:, None, None]
    return ((points - boxes[:, None, :2]) * (size / side)).astype(np.float32)


def from_crop(points: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Inverse of `to_crop`."""
    boxes = np.atleast_2d(boxes)
    side = (boxes[:, 2] - boxes[:, 0])[:, None, None]
    return (points * (side / size) + boxes[:, None, :2]).astype(np.float32)


def crop_frame(frame: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """One box of a frame (H,W,3) uint8 as (size,size,3) uint8; shrinking averages (no aliasing), beyond the border the edge repeats."""
    import cv2

    side = float(box[2] - box[0])
    fine = max(1, int(np.ceil(side / size - 1e-6)))  # sample `fine` times finer, then average fine x fine blocks
    scale = size * fine / side
    matrix = _cv_matrix(scale, -np.asarray(box[:2], np.float64) * scale)
    crop = cv2.warpAffine(frame, matrix, (size * fine, size * fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return crop if fine == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


def crop_frames(frames, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crops (T,size,size,3) uint8 of frames (iterable of (H,W,3) uint8); boxes (T,4), or (4,) for one box throughout."""
    boxes = np.asarray(boxes, np.float32)
    return np.stack([crop_frame(frame, boxes if boxes.ndim == 1 else boxes[t], size) for t, frame in enumerate(frames)])


def paste_frame(frame: np.ndarray, crop: np.ndarray, box: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A copy of `frame` (H,W,3) uint8 with `crop` (S,S,3), uint8 or float32 in [0,1], laid over its box where mask (S,S) in [0,1] says.

    Pixels outside `paste_region(mask, box, shape)` are the frame's own, bit for bit.
    """
    import cv2

    size = crop.shape[0]
    check_shape("crop", crop, (size, size, 3))
    check_shape("mask", mask, (size, size))
    x0, y0, x1, y1 = _inside(box, frame.shape)
    if x1 <= x0 or y1 <= y0:
        return frame.copy()
    weight = _carry(mask.astype(np.float32), box, size, (x0, y0, x1, y1))[..., None]
    colours = crop.astype(np.float32) * (1 if crop.dtype == np.uint8 else 255)
    side = float(box[2] - box[0])
    matrix = _cv_matrix(side / size, np.asarray(box[:2], np.float64) - (x0, y0))
    big = cv2.warpAffine(colours, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    under = frame[y0:y1, x0:x1]
    mixed = np.clip(weight * big + (1 - weight) * under + 0.5, 0, 255).astype(np.uint8)
    out = frame.copy()
    out[y0:y1, x0:x1] = np.where(weight > 0, mixed, under)
    return out


def paste(frames: np.ndarray, crops: np.ndarray, boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`paste_frame` for (T,H,W,3) frames, (T,S,S,3) crops, (T,4) or (4,) boxes and masks (T,1,S,S)."""
    boxes = np.broadcast_to(np.asarray(boxes, np.float32), (len(frames), 4))
    return np.stack([paste_frame(f, c, b, m[0]) for f, c, b, m in zip(frames, crops, boxes, mask)])


def paste_region(mask: np.ndarray, box: np.ndarray, shape: tuple) -> np.ndarray:
    """(H,W) bool: the frame pixels whose centre falls on a crop pixel with mask > 0; nothing outside is touched by a `soft_mask` paste."""
    size = mask.shape[0]
    height, width = shape[:2]
    x = np.floor((np.arange(width) + 0.5 - box[0]) * size / (box[2] - box[0])).astype(int)
    y = np.floor((np.arange(height) + 0.5 - box[1]) * size / (box[3] - box[1])).astype(int)
    inside = ((y >= 0) & (y < size))[:, None] & ((x >= 0) & (x < size))[None]
    return inside & (mask[np.clip(y, 0, size - 1)[:, None], np.clip(x, 0, size - 1)[None]] > 0)


def _carry(mask: np.ndarray, box: np.ndarray, size: int, window: tuple[int, int, int, int]) -> np.ndarray:
    """Crop mask (S,S) in a frame window, bilinear; 0 beyond the crop."""
    import cv2

    x0, y0, x1, y1 = window
    matrix = _cv_matrix(float(box[2] - box[0]) / size, np.asarray(box[:2], np.float64) - (x0, y0))
    return cv2.warpAffine(mask, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _cv_matrix(scale: float, shift: np.ndarray) -> np.ndarray:
    """(2,3) of p' = scale p + shift for OpenCV, whose pixel centres are integers."""
    moved = np.asarray(shift) + 0.5 * scale - 0.5
    return np.array([[scale, 0, moved[0]], [0, scale, moved[1]]], np.float64)


def _inside(box: np.ndarray, shape: tuple) -> tuple[int, int, int, int]:
    """The part of the box inside the picture, in whole pixels."""
    height, width = shape[:2]
    x0, y0 = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    return x0, y0, min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))


def mouth_polygon(lmk_neutral: np.ndarray) -> np.ndarray:
    """The lower face as a polygon (T,17,2): jaw line from ear to ear, let down at the chin, and back over cheeks and nose base.

    lmk_neutral (T,68,2): landmarks of the rigid pose with a neutral mouth. Callers must never pass the frame's own lower face
    (its jaw would tell how open the mouth is): with a face model, `landmarks2d(with_exp(coeffs, 0))`.
    """
    check_shape("lmk_neutral", lmk_neutral, (None, 68, 2))
    lmk = np.asarray(lmk_neutral, np.float64)
    down = lmk[:, 8] - lmk[:, 33]  # nose base to chin, in the picture
    jaw = lmk[:, 2:15]  # 13 points, chin in the middle
    centre = lmk[:, 48:60].mean(1, keepdims=True)
    drop = np.cos(np.linspace(-1, 1, 13) * np.pi / 2)[None, :, None] * JAW_DROP * down[:, None]
    jaw = jaw + drop + CHEEK_GROW * (jaw - centre)
    nose = lmk[:, 33] - 0.04 * down
    top = [lmk[:, 35] * 0.5 + lmk[:, 14] * 0.5, lmk[:, 35] * 0.85 + lmk[:, 14] * 0.15, nose, lmk[:, 31] * 0.85 + lmk[:, 2] * 0.15]
    return np.concatenate([jaw, np.stack(top, 1)], 1)


def mouth_mask(lmk_neutral: np.ndarray, size: int) -> np.ndarray:
    """The region to be inpainted, (T,1,size,size) float32 of 0 and 1: `mouth_polygon` filled. lmk_neutral (T,68,2) in crop pixels."""
    import cv2

    out = np.zeros((len(lmk_neutral), 1, size, size), np.float32)
    fraction = 4  # polygon corners to 1/16 pixel
    for t, polygon in enumerate(mouth_polygon(lmk_neutral)):
        corners = np.round((polygon - 0.5) * 2**fraction).astype(np.int32)
        cv2.fillPoly(out[t, 0], [corners], 1.0, lineType=cv2.LINE_8, shift=fraction)
    return out


def soft_mask(mask: np.ndarray, sigma: float = 2.0) -> np.ndarray:
    """Masks (T,1,S,S) with an edge that rises from 0 to 1 inside the mask over about 2 sigma pixels; 0 on the outermost pixel and beyond.

    One pixel of margin keeps even an enlarged (bilinear) copy of the result within the mask's pixels.
    """
    import cv2

    check_shape("mask", mask, (None, 1, None, None))
    out = np.zeros_like(mask, dtype=np.float32)
    for t in range(len(mask)):
        padded = np.pad((mask[t, 0] > 0.5).astype(np.uint8), 1)  # the crop's border counts as outside
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
        rise = np.clip((depth - 1.5) / max(2 * sigma, 1e-6), 0, 1)
        out[t, 0] = rise * rise * (3 - 2 * rise)
    return out


def mouth_box(lmk_neutral: np.ndarray) -> np.ndarray:
    """Square box (4,) or (T,4) around the mouth, from rigid pose and neutral mouth: (68,2) or (T,68,2). May reach outside the picture."""
    lmk = np.asarray(lmk_neutral, np.float64)
    side = np.linalg.norm(lmk[..., 36, :] - lmk[..., 45, :], axis=-1)[..., None] * MOUTH_SIDE
    down = lmk[..., 8, :] - lmk[..., 33, :]
    centre = lmk[..., 48:68, :].mean(-2) + 0.1 * down
    return np.concatenate([centre - side / 2, centre + side / 2], -1).astype(np.float32)
