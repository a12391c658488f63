"""A made clip of a drifting head for the tests of systems that read landmarks or coefficients, and what they share."""

import cv2
import numpy as np
import torch

from paperlib.baselines.interface import Item, draw, dub, given
from paperlib.face3d.coefficients import EXP, N_COEFF, TRANS, with_exp
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.landmarks import INNER
from paperlib.face3d.morphable_model import default_model
from paperlib.media.cropping import mouth_mask

SIZE, FRAMES = 48, 60


def drifting_head():
    """A head of one texture that drifts; the inner lips are dark and open as loudly as the mel is bright."""
    rng, t = np.random.default_rng(0), torch.arange(FRAMES)
    loud = torch.sin(t * 0.7) + torch.sin(t * 0.31)
    coeffs = torch.zeros(FRAMES, N_COEFF)
    coeffs[:, EXP.start : EXP.start + 2] = 1.5 * loud[:, None]
    coeffs[:, TRANS.start] = 0.1 * torch.sin(t * 0.05)
    lmk, neutral = (landmarks2d(default_model(), c, SIZE) for c in (coeffs, with_exp(coeffs, 0)))
    wall = cv2.resize(rng.integers(60, 255, (9, 9, 3), dtype=np.uint8), (SIZE, SIZE))
    shift = (neutral[:, 30, 0] - neutral[0, 30, 0]).tolist()
    frames = [cv2.warpAffine(wall, np.float32([[1, 0, s], [0, 1, 0]]), (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE) for s in shift]
    for frame, own in zip(frames, lmk.numpy(), strict=True):
        cv2.fillPoly(frame, [np.round(own[list(INNER)] - 0.5).astype(np.int32)], (20, 0, 0))
    masks = torch.from_numpy(mouth_mask(neutral.numpy(), SIZE)).float()
    mel = (loud.view(-1, 1, 1) + torch.rand(FRAMES, 80, 16, generator=torch.Generator().manual_seed(0))).clamp(-4, 4)
    return Item(torch.from_numpy(np.stack(frames)), masks, lmk, neutral, coeffs, torch.zeros(FRAMES, 13, 28), mel)


def batch_of(clip, size=2):
    """A batch of runs of the clip, always the same."""
    return draw([clip], size, torch.Generator().manual_seed(1))


def rough(net, by=0.1):
    """The same network away from its quiet start, so that everything it reads shows."""
    torch.manual_seed(5)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(by * torch.randn_like(p))
    return net


def check_paints_inside(kind, clip):
    """A network of class `kind` dubs the clip in range, changes the hole alone, and keeps to the size that all reductions have."""
    torch.manual_seed(0)
    task = given(clip, clip)
    out = dub(kind(SIZE), task)
    assert out.shape == task.frames.shape and 0 <= out.min() and out.max() <= 1
    outside = (task.masks == 0).expand_as(out)
    assert torch.equal(out[outside], task.frames[outside]) and not torch.equal(out, task.frames)
    assert sum(p.numel() for p in kind().parameters()) <= 120_000
    assert kind(64).size == 64
