"""What is behind a head, and the camera before it: backgrounds, sensor noise, compression. Equal for all clips of a scene."""

from __future__ import annotations

import numpy as np

from paperlib.seeding import rng

KINDS = ("wall", "panels", "shelf", "bokeh", "window")
JPEG_BLOCK = 8  # pixels: with full colour resolution a change reaches no further than its own block
NOISE_TILES = 16  # different noise pictures in a scene


def background_kind(seed: int, speaker: int, scene: int) -> str:
    """Which of KINDS a scene has."""
    return KINDS[int(rng(seed, "backdrop", speaker, scene).integers(len(KINDS)))]


def draw_background(seed: int, speaker: int, scene: int, size: int) -> np.ndarray:
    """(size, size, 3) float32 picture in [0, 1]: one of KINDS with a gradient and a texture, out of focus by its distance."""
    import cv2

    g = rng(seed, "background", speaker, scene)
    kind, n = background_kind(seed, speaker, scene), 192  # drawn at one size, so that a scene looks alike at every size
    y, x = np.mgrid[0:n, 0:n].astype(np.float32) / n
    base = g.uniform(0.2, 0.75) + g.normal(0, 0.07, 3)
    tilt = g.uniform(-0.2, 0.2, (2, 1)) + g.normal(0, 0.04, (2, 3))
    image = (base + (x[..., None] - 0.5) * tilt[0] + (y[..., None] - 0.5) * tilt[1]).astype(np.float32)
    image = _DRAW[kind](g, image, x, y)
    image *= 1 + _cloth(g, n)[..., None]
    blur = g.uniform(0.004, 0.012) if kind in ("wall", "panels") else g.uniform(0.008, 0.02)
    image = cv2.GaussianBlur(np.clip(image, 0, 1), (0, 0), blur * n)
    return np.clip(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if size < n else cv2.INTER_CUBIC), 0, 1)


def _colour(g: np.random.Generator, low: float = 0.1, high: float = 0.9, spread: float = 0.12) -> np.ndarray:
    return np.clip(g.uniform(low, high) + g.normal(0, spread, 3), 0.02, 0.98).astype(np.float32)


def _cloth(g: np.random.Generator, n: int) -> np.ndarray:
    """(n, n) plaster or cloth: noise at three scales, a few per cent strong."""
    import cv2

    total = np.zeros((n, n), np.float32)
    for cells, strength in ((6, 0.05), (24, 0.03), (96, 0.025)):
        noise = g.normal(0, strength, (cells, cells)).astype(np.float32)
        total += cv2.resize(noise, (n, n), interpolation=cv2.INTER_CUBIC)
    return total


def _wall(g, image, x, y):
    """A wall with one or two framed pictures."""
    for _ in range(int(g.integers(1, 3))):
        x0, y0, w, h = *g.uniform(-0.15, 0.85, 2), *g.uniform(0.15, 0.4, 2)
        for margin, colour in ((0.0, _colour(g, 0.05, 0.5)), (0.02, _colour(g))):
            inside = (abs(x - x0 - w / 2) < w / 2 - margin) & (abs(y - y0 - h / 2) < h / 2 - margin)
            image[inside] = colour
    return image


def _panels(g, image, x, y):
    """Vertical boards or folds of a curtain."""
    folds = g.uniform(5, 14)
    wave = np.sin(2 * np.pi * (folds * x + g.uniform(0, 1) + 0.15 * np.sin(2 * np.pi * y * g.uniform(0.3, 1.0))))
    return image * (1 + g.uniform(0.06, 0.2) * wave)[..., None]


def _shelf(g, image, x, y):
    """Boards with books of many colours."""
    board, edge = g.uniform(0.26, 0.4), g.uniform(0, 0.2)
    row = np.floor((y + edge) / board).astype(int)
    for r in range(row.min(), row.max() + 1):
        at = g.uniform(-0.1, 0.0)
        while at < 1.0:
            wide, high = g.uniform(0.025, 0.08), g.uniform(0.6, 0.95)
            inside = (row == r) & (x >= at) & (x < at + wide) & (((y + edge) / board - r) > 1 - high)
            image[inside] = _colour(g, 0.08, 0.65, 0.07)
            at += wide + (g.uniform(0.05, 0.25) if g.random() < 0.12 else 0.0)
    image[((y + edge) / board - row) > 0.93] *= 0.5
    return image


def _bokeh(g, image, x, y):
    """Lights far out of focus: discs of the lens's aperture over a dark room."""
    image = image * g.uniform(0.3, 0.7)
    for _ in range(int(g.integers(8, 26))):
        cx, cy, radius = *g.uniform(-0.05, 1.05, 2), g.uniform(0.02, 0.09)
        disc = np.clip((radius - np.hypot(x - cx, y - cy)) * 60, 0, 1)[..., None]
        image = image + disc * g.uniform(0.15, 0.5) * _colour(g, 0.4, 1.0)
    return image


def _window(g, image, x, y):
    """A bright window with bars beside the head."""
    x0, y0, w, h = g.choice([g.uniform(-0.2, 0.1), g.uniform(0.55, 0.8)]), g.uniform(-0.2, 0.2), g.uniform(0.3, 0.5), g.uniform(0.5, 0.9)
    u, v = (x - x0) / w, (y - y0) / h
    inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
    bars = (abs(u - 0.5) < 0.04) | (abs(v - 0.5) < 0.03)
    sky = np.stack([0.75 + 0.1 * v, 0.82 + 0.06 * v, 0.95 - 0.1 * v], -1)
    image = np.where((inside & ~bars)[..., None], sky.astype(np.float32) * g.uniform(0.8, 1.05), image)
    image[inside & bars] = _colour(g, 0.5, 0.9)
    return image


_DRAW = dict(zip(KINDS, (_wall, _panels, _shelf, _bokeh, _window), strict=True))


def camera(seed: int, speaker: int, scene: int) -> tuple[float, int]:
    """(standard deviation of the sensor noise, JPEG quality) of a scene."""
    g = rng(seed, "camera", speaker, scene)
    return float(g.uniform(0.003, 0.012)), int(g.integers(82, 98))


def camera_noise(seed: int, speaker: int, scene: int, frames: np.ndarray, sigma: float | None = None) -> np.ndarray:
    """Frames (T, H, W, 3) in [0, 1] with the scene's sensor noise, which is equal for clips of one scene whatever is said."""
    g = rng(seed, "noise", speaker, scene)
    sigma = camera(seed, speaker, scene)[0] if sigma is None else sigma
    tile = g.standard_normal((NOISE_TILES, *frames.shape[1:]), np.float32) * np.float32(sigma)
    order = g.integers(0, NOISE_TILES, max(len(frames), 1000))[: len(frames)]
    out = tile[order]
    out += frames
    return np.clip(out, 0, 1, out=out)


def compress(seed: int, speaker: int, scene: int, frames: np.ndarray) -> np.ndarray:
    """uint8 frames (T, H, W, 3) through JPEG at the scene's quality, each for itself, colour at full resolution.

    So a difference between two clips of a scene stays within the 8 x 8 blocks that it touches (`blocks`).
    """
    import cv2

    settings = [cv2.IMWRITE_JPEG_QUALITY, camera(seed, speaker, scene)[1]]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    out = np.empty_like(frames)
    for t, frame in enumerate(frames):  # OpenCV's order is blue, green, red
        out[t] = cv2.imdecode(cv2.imencode(".jpg", frame[..., ::-1], settings)[1], cv2.IMREAD_COLOR)[..., ::-1]
    return out


def blocks(region: np.ndarray) -> np.ndarray:
    """bool (..., H, W): `region` grown to whole JPEG blocks, the pixels that a change inside it can reach through `compress`."""
    height, width = region.shape[-2:]
    pad = [(0, 0)] * (region.ndim - 2) + [(0, -height % JPEG_BLOCK), (0, -width % JPEG_BLOCK)]
    whole = np.pad(region, pad)
    cells = whole.reshape(*region.shape[:-2], whole.shape[-2] // JPEG_BLOCK, JPEG_BLOCK, whole.shape[-1] // JPEG_BLOCK, JPEG_BLOCK)
    any_ = cells.any((-3, -1), keepdims=True)
    return np.broadcast_to(any_, cells.shape).reshape(whole.shape)[..., :height, :width]
