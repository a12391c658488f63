"""Clips turned into what the training loops draw from, held in memory: speech features, face crops, renderer samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from paperlib.config import FPS
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.corpus.synthetic import ClipId
from paperlib.media import audio
from paperlib.media.cropping import crop_frames, mouth_box


@dataclass
class SpeechItem:
    """Stage-1 features of one clip: mfcc (T, 13, 28), mel (T, 80, 16), coeffs (T, 257) true, wave, and where it is from."""

    id: ClipId
    mfcc: torch.Tensor
    mel: torch.Tensor
    coeffs: torch.Tensor
    wave: np.ndarray

    @property
    def exp(self) -> torch.Tensor:
        """(T, 64) true expression coefficients."""
        return self.coeffs[:, 80:144]


def speech_item(corpus: Corpus, clip: ClipId) -> SpeechItem:
    """Features of one clip; needs no frames, so nothing is rendered."""
    coeffs, wave = corpus.speech(clip)
    n = len(coeffs)
    mfcc, mel = audio.mfcc_windows(wave, n), audio.mel_windows(wave, n)
    return SpeechItem(clip, torch.from_numpy(mfcc).float(), torch.from_numpy(mel).float(), torch.from_numpy(coeffs), wave)


def speech_bank(corpus: Corpus, split: str, limit: int | None = None) -> list[SpeechItem]:
    """Features of every clip of a split."""
    return [speech_item(corpus, c) for c in corpus.clips(split)[:limit]]


def face_boxes(lmk_neutral: np.ndarray) -> np.ndarray:
    """(T, 4) square boxes x0 y0 x1 y1 around brow and chin, from the pose-only landmarks (T, 68, 2): lips cannot leak in."""
    low, high = lmk_neutral.min(1), lmk_neutral.max(1)
    half = 0.56 * (high - low).max(1, keepdims=True)
    centre = (low + high) / 2 + half * [0, 0.06]
    return np.concatenate([centre - half, centre + half], 1).astype(np.float32)


@dataclass
class FaceItem:
    """Teacher and SyncNet data of one clip: tight face crops (T, S, S, 3) uint8 and mel windows (T, 80, 16)."""

    id: ClipId
    faces: torch.Tensor
    mel: torch.Tensor


def face_item(clip: Clip, size: int) -> FaceItem:
    """Face crops of one clip with its mel windows."""
    faces = crop_frames(clip.frames, face_boxes(clip.lmk_neutral), size)
    mel = audio.mel_windows(clip.wave, len(clip))
    return FaceItem(clip.id, torch.from_numpy(faces), torch.from_numpy(mel).float())


def face_bank(corpus: Corpus, split: str, size: int, limit: int | None = None) -> list[FaceItem]:
    """Face crops of every clip of a split."""
    return [face_item(corpus.load(c), size) for c in corpus.clips(split)[:limit]]


def neutral_actor_item(item: SpeechItem, size: int, batch: int = 64) -> FaceItem:
    """The clip spoken by one actor who never changes: the mean face, frontal, plain light, with the clip's true expression.

    Where the corpus has coefficients, true or fitted, this shows speech alone: no identity, pose or light to learn around.
    """
    from paperlib.face3d.coefficients import N_COEFF, with_exp
    from paperlib.face3d.face_renderer import landmarks2d, render
    from paperlib.face3d.morphable_model import default_model

    model, drawn, faces = default_model(), 2 * size, []
    with torch.no_grad():
        wall = np.full((drawn, drawn, 3), 0.5, np.float32)
        box = face_boxes(landmarks2d(model, torch.zeros(1, N_COEFF), drawn).numpy())
        for exp in item.exp.split(batch):
            picture = render(model, with_exp(torch.zeros(len(exp), N_COEFF), exp), drawn, background=wall).image
            frames = (picture.movedim(1, -1).clamp(0, 1).numpy() * 255 + 0.5).astype(np.uint8)
            faces.append(crop_frames(frames, box[0], size))
    return FaceItem(item.id, torch.from_numpy(np.concatenate(faces)), item.mel)


def to_float(images: torch.Tensor) -> torch.Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [0, 1]."""
    return images.movedim(-1, -3).float() / 255


@dataclass
class RenderItem:
    """Renderer data of one clip, uint8 (T, H, W, 3): frames and I_3D; masks (T, H, W) bool; coeffs; mouth boxes (T, 4) x0 y0 x1 y1."""

    id: ClipId
    frames: torch.Tensor
    i3d: torch.Tensor
    masks: torch.Tensor
    coeffs: torch.Tensor
    mouth: torch.Tensor


def render_item(clip: Clip, coeffs: torch.Tensor | None = None) -> RenderItem:
    """Renderer data of one clip. coeffs: (T, 257) to draw I_3D from (default: the true ones)."""
    from paperlib.face3d.face_renderer import render_i3d
    from paperlib.face3d.morphable_model import default_model

    coeffs = torch.from_numpy(clip.coeffs) if coeffs is None else coeffs
    with torch.no_grad():
        i3d = render_i3d(default_model(), coeffs, clip.frames.shape[1])
    return RenderItem(
        clip.id,
        torch.from_numpy(clip.frames),
        (i3d.movedim(1, -1).clamp(0, 1) * 255 + 0.5).to(torch.uint8),
        torch.from_numpy(clip.masks()[:, 0] > 0.5),
        coeffs,
        torch.from_numpy(mouth_box(clip.lmk_neutral)),
    )


def render_bank(corpus: Corpus, split: str, limit: int | None = None) -> list[RenderItem]:
    """Renderer data of every clip of a split."""
    return [render_item(corpus.load(c)) for c in corpus.clips(split)[:limit]]


@dataclass
class RenderBatch:
    """One batch for the renderer, float32: (B, 3, H, W) images, (B, 1, H, W) mask, (B, 4) mouth boxes."""

    i3d: torch.Tensor
    ref: torch.Tensor
    crop: torch.Tensor
    target: torch.Tensor
    mask: torch.Tensor
    mouth: torch.Tensor


def reference_index(t: int, n: int, generator: torch.Generator) -> int:
    """A reference frame at least one second from frame t where the clip is long enough, else the farthest end (PROTOCOL rule 3)."""
    far = [i for i in (*range(0, t - FPS + 1), *range(t + FPS, n))]
    if far:
        return far[int(torch.randint(len(far), (1,), generator=generator))]
    return 0 if t > n - 1 - t else n - 1


def draw_rows(bank: list[RenderItem], size: int, generator: torch.Generator) -> list[tuple[RenderItem, int, int]]:
    """`size` random (clip, target frame, reference frame); each pair within one clip."""
    rows = []
    for _ in range(size):
        item = bank[int(torch.randint(len(bank), (1,), generator=generator))]
        t = int(torch.randint(len(item.frames), (1,), generator=generator))
        rows.append((item, t, reference_index(t, len(item.frames), generator)))
    return rows


def render_batch(bank: list[RenderItem], size: int, generator: torch.Generator) -> RenderBatch:
    """`size` random (target, reference) pairs; each pair within one clip."""
    return collate(draw_rows(bank, size, generator))


def collate(rows: list[tuple[RenderItem, int, int]]) -> RenderBatch:
    """Batch of (clip, target frame, reference frame)."""
    target = to_float(torch.stack([item.frames[t] for item, t, _ in rows]))
    mask = torch.stack([item.masks[t] for item, t, _ in rows])[:, None].float()
    return RenderBatch(
        i3d=to_float(torch.stack([item.i3d[t] for item, t, _ in rows])),
        ref=to_float(torch.stack([item.frames[r] for item, _, r in rows])),
        crop=target * (1 - mask),
        target=target,
        mask=mask,
        mouth=torch.stack([item.mouth[t] for item, t, _ in rows]),
    )
