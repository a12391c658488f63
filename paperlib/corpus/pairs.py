"""Two promises of the corpus, as checks for anyone to run: twins differ in the mouth region alone; masks tell nothing of the mouth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from paperlib.config import CorpusConfig
from paperlib.corpus import scenery, synthetic
from paperlib.corpus.synthetic import ClipId
from paperlib.errors import check_shape
from paperlib.face3d import camera, rasterizer
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.face_renderer import landmarks2d, posed_verts
from paperlib.face3d.landmarks import INNER_PAIRS
from paperlib.face3d.morphable_model import default_model

SPEECH_ACTIONS = ("mouth", "jaw", "tongue", "cheekPuff")  # beginnings of the names of actions that speech drives
REACH = 1e-4  # model units, 0.01 mm: a vertex that no speech action moves this far stands still


@lru_cache(maxsize=1)
def speech_triangles() -> np.ndarray:
    """(F,) bool: triangles of the default model that speech can move or relight: those with a moved vertex or a neighbour of one."""
    model = default_model()
    rows = [k for k, name in enumerate(model.action_names) if name.startswith(SPEECH_ACTIONS)]
    moved = torch.einsum("ak,vck->avc", model.action_coeff[rows], model.exp_basis).norm(dim=-1).amax(0) > REACH
    faces = model.triangles
    ring = torch.zeros_like(moved)
    ring[faces[moved[faces].any(1)].reshape(-1)] = True  # a neighbour's normal changes
    return ring[faces].any(1).numpy()


def speech_region(coeffs: np.ndarray, other: np.ndarray, size: int, supersample: int = synthetic.SUPERSAMPLE) -> np.ndarray:
    """(T, H, W) bool: pixels that show a triangle of `speech_triangles` in either of two clips, coefficients (T, 257) each."""
    check_shape("other", other, coeffs.shape)
    model, changes, region = default_model(), speech_triangles(), False
    fine = size * supersample
    for rows in (coeffs, other):
        with torch.no_grad():
            points = camera.screen(posed_verts(model, torch.from_numpy(rows)), size)
        points[..., :2] *= supersample
        index, _ = rasterizer.rasterize_batch(points.numpy(), model.triangles.numpy(), fine, fine)
        shown = (index >= 0) & changes[np.maximum(index, 0)]
        region = region | shown.reshape(len(rows), size, supersample, size, supersample).any((2, 4))
    return region


def twin_difference(cfg: CorpusConfig, clip: ClipId) -> dict[str, float]:
    """How a test clip and its twin differ in the mouth region and outside it.

    Returns:
        region: share of the picture that speech can reach. inside: mean difference there, 0..255. outside, outside_max: share of
        the pixels outside it that differ before compression, and by how much at most. blocks: share of the pixels outside its JPEG
        blocks that differ after compression.
    """
    twin = synthetic.pair_of(clip)
    if twin is None:
        raise ValueError(f"{clip.name}: only test clips have twins")
    coeffs = [synthetic.clip_coefficients(cfg, c)[0] for c in (clip, twin)]
    region = speech_region(*coeffs, cfg.size)
    sensed = [synthetic.draw_frames(cfg, c, rows) for c, rows in zip((clip, twin), coeffs, strict=True)]
    stored = [scenery.compress(cfg.seed, clip.speaker, clip.scene, frames) for frames in sensed]
    before, after = (np.abs(a.astype(int) - b.astype(int)).max(-1) for a, b in (sensed, stored))
    far = ~scenery.blocks(region)
    return {
        "region": float(region.mean()),
        "inside": float(before[region].mean()),
        "outside": float((before[~region] > 0).mean()),
        "outside_max": int(before[~region].max()),
        "blocks": float((after[far] > 0).mean()),
    }


def mask_leak(lmk_neutral: list[np.ndarray], lmk: list[np.ndarray]) -> float:
    """What the mask of `media.cropping` tells of the lips (PROTOCOL rule 3: |r| < 0.1), for any clips, rendered or real.

    lmk_neutral: per clip (T, 68, 2) px, rigid pose with a neutral mouth: what the mask is drawn from (with a face model,
    `neutral_landmarks` of its coefficients, true or fitted). lmk: per clip (T, 68, 2) px, the frame's own landmarks, whose inner lips'
    gap over the eye distance is the opening to be guessed.
    Returns Pearson's r of a ridge regression from the polygon's corners to the opening, on clips it has not seen; NaN rows do not count.
    """
    from paperlib.evaluation.controls import outline_leak
    from paperlib.media.cropping import mouth_polygon

    outlines, openings = [], []
    for posed, own in zip(lmk_neutral, lmk, strict=True):
        seen = np.isfinite(own).all((1, 2)) & np.isfinite(posed).all((1, 2))
        outlines.append(mouth_polygon(posed[seen]))
        openings.append(relative_opening(own[seen]))
    return outline_leak(outlines, openings)


def relative_opening(lmk: np.ndarray) -> np.ndarray:
    """(T,) lip gap over outer eye corner distance, free of the head's size in the picture; lmk (T, 68, 2)."""
    upper, lower = ([pair[k] for pair in INNER_PAIRS] for k in (0, 1))
    eyes = np.linalg.norm(lmk[:, 36] - lmk[:, 45], axis=-1)
    return np.linalg.norm(lmk[:, upper] - lmk[:, lower], axis=-1).mean(1) / eyes


def neutral_landmarks(coeffs: np.ndarray, size: int) -> np.ndarray:
    """(T, 68, 2) px: the landmarks of coefficients (T, 257) with the expression taken out."""
    c = torch.from_numpy(np.asarray(coeffs, np.float32))
    with torch.no_grad():
        return landmarks2d(default_model(), with_exp(c, torch.zeros(len(c), 64)), size).numpy()
