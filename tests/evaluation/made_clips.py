"""Small clips made on the spot for tests: the default face model drawn at 64 px, two twins that differ in the mouth alone."""

import numpy as np
import torch

from paperlib.corpus.dataset import Clip
from paperlib.corpus.synthetic import ClipId
from paperlib.face3d.coefficients import ANGLES, EXP, ID, SH, TEX, with_exp
from paperlib.face3d.face_renderer import landmarks2d, render
from paperlib.face3d.morphable_model import default_model

SIZE = 64
FRAMES = 8


def coefficients(speaker: int, take: int, frames: int = FRAMES) -> torch.Tensor:
    """(T, 257): a head that turns slowly, a mouth that opens and shuts; takes of a speaker differ in the mouth alone."""
    generator = torch.Generator().manual_seed(speaker)
    c = torch.zeros(frames, 257)
    c[:, ID] = torch.randn(80, generator=generator) * 0.5
    c[:, TEX] = torch.randn(80, generator=generator)
    c[:, SH] = 0.05 * torch.randn(27, generator=generator)
    c[:, ANGLES] = torch.linspace(0, 0.2, frames)[:, None] * torch.tensor([0.3, 1.0, 0.1])
    beat = torch.sin(torch.arange(frames) * (1.0 + take)).abs()[:, None]
    jaw = default_model().actions_to_exp({"jawOpen": 0.8})
    return with_exp(c, c[:, EXP] + beat * jaw.reshape(1, -1))


def clip(speaker: int = 0, take: int = 0, split: str = "test", frames: int = FRAMES, scene: int = 0) -> Clip:
    """A clip with pictures, landmarks and silence."""
    model, c = default_model(), coefficients(speaker, take, frames)
    with torch.no_grad():
        wall = np.full((SIZE, SIZE, 3), 0.4, np.float32)
        pictures = render(model, c, SIZE, background=wall).image
        lmk, still = (landmarks2d(model, rows, SIZE).numpy() for rows in (c, with_exp(c, torch.zeros(frames, 64))))
    shown = (pictures.movedim(1, -1).clamp(0, 1).numpy() * 255 + 0.5).astype(np.uint8)
    wave = np.zeros(frames * 640, np.float32)
    return Clip(ClipId(split, speaker, scene, take), shown, wave, c.numpy(), lmk, still, [], "", "m1", "en")
