"""Training of the network that starts a fit, on rendered faces with known coefficients, and the measurements kept beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from paperlib.config import CorpusConfig, RegressorConfig
from paperlib.corpus.dataset import Corpus
from paperlib.face3d import camera
from paperlib.face3d.coefficients import ANGLES, EXP, ID, SH, TEX, TRANS
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.training.loop import History, fit
from paperlib.training.optim import flat_cosine

SHIFT, ZOOM = 0.05, 0.08  # how far a crop may lie from the aligned one, in its sides: as crops from detected landmarks do
GAIN, OFFSET, NOISE = 0.25, 0.12, 0.03  # colours: cameras differ more than the corpus
LANDMARK_WEIGHT = 0.15  # per pixel of a 224 picture, beside squared coefficients of order one
TERMS = {"id": (ID, 1.0, 0.2), "exp": (EXP, 1.0, 1.0), "angles": (ANGLES, 0.2, 2.0), "sh": (SH, 0.1, 0.1), "trans": (TRANS, 0.15, 1.0)}


@dataclass
class Pictures:
    """Rendered faces: frames (N, S, S, 3) uint8, coeffs (N, 257) true, speaker (N,)."""

    frames: torch.Tensor
    coeffs: torch.Tensor
    speaker: np.ndarray


def corpora(base: CorpusConfig, cfg: RegressorConfig) -> tuple[Corpus, Corpus]:
    """Many speakers with one short clip each at the corpus's size, and a few at side 224 for the detector."""
    many = replace(base, train_speakers=cfg.speakers, val_speakers=cfg.val_speakers, clips_per_speaker=1, seconds=cfg.seconds)
    return Corpus(many), Corpus(replace(many, size=camera.IMAGE, train_speakers=cfg.detector_speakers))


def pictures(corpus: Corpus, split: str) -> Pictures:
    """Every frame of a split."""
    clips = [corpus.load(c) for c in corpus.clips(split)]
    return Pictures(
        torch.from_numpy(np.concatenate([c.frames for c in clips])),
        torch.from_numpy(np.concatenate([c.coeffs for c in clips])),
        np.concatenate([np.full(len(c), c.id.speaker) for c in clips]),
    )


def recrop(coeffs: torch.Tensor, shift: torch.Tensor, zoom: torch.Tensor) -> torch.Tensor:
    """Coefficients (B, 257) of the same faces in other crops: centre moved by shift (B, 2) of the old side (x right, y down), side
    multiplied by zoom (B,).

    Exact for the head's origin; a crop aside of the axis also turns the head a little as seen from there, by less than SHIFT / 4.5
    radians, which is left out.
    """
    out, trans = coeffs.clone(), coeffs[:, TRANS]
    depth = camera.DISTANCE - trans[:, 2]
    side = camera.FOCAL / camera.IMAGE
    seen = trans[:, :2] / depth[:, None] * side - shift * shift.new_tensor([1.0, -1.0])  # from the new centre, in old sides, y up
    out[:, TRANS.start : TRANS.start + 2] = seen / side * depth[:, None]  # zoom cancels: smaller in the crop, and farther
    out[:, TRANS.start + 2] = camera.DISTANCE - depth * zoom
    return out


def batch_of(data: Pictures, size: int, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """n random faces, each cropped and coloured anew: pictures (n, 3, size, size) and their coefficients (n, 257)."""
    pick = torch.randint(len(data.frames), (n,), generator=generator)
    shift, zoom = ((torch.rand(n, k, generator=generator) * 2 - 1) * s for k, s in ((2, SHIFT), (1, ZOOM)))
    zoom = 1 + zoom[:, 0]
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = zoom, zoom, 2 * shift
    grid = F.affine_grid(theta, (n, 3, size, size), align_corners=False)
    images = data.frames[pick].movedim(-1, 1).float() / 255
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    spread = torch.rand(n, 4, 1, 1, generator=generator) * 2 - 1
    gain = 1 + GAIN * (spread[:, :1] + 0.3 * spread[:, 1:])  # of all colours, and a tint
    offset = OFFSET * (torch.rand(n, 1, 1, 1, generator=generator) * 2 - 1)
    images = images * gain + offset + NOISE * torch.rand(n, 1, 1, 1, generator=generator) * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), recrop(data.coeffs[pick], shift, zoom)


def losses(model, pred: torch.Tensor, coeffs: torch.Tensor) -> dict[str, torch.Tensor]:
    """Squared errors in units of each group's spread, and the mean distance of all 68 landmarks in pixels of a 224 picture."""
    out = {name: ((pred[:, s] - coeffs[:, s]) / unit).square().mean() for name, (s, unit, _) in TERMS.items()}
    seen, true = landmarks2d(model, pred, camera.IMAGE), landmarks2d(model, coeffs, camera.IMAGE)
    out["lmk_px"] = (seen - true).square().sum(-1).add(1e-6).sqrt().mean()
    return out


def total(parts: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The weighted sum that is minimised."""
    return sum(weight * parts[name] for name, (_, _, weight) in TERMS.items()) + LANDMARK_WEIGHT * parts["lmk_px"]


def train_regressor(net, model, train: Pictures, val: Pictures, cfg: RegressorConfig, seed: int, **loop) -> History:
    """Adam with a cosine; validation is the same loss on unseen speakers, crops and colours drawn once. loop: see `loop.fit`."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), cfg.lr)
    held_out = batch_of(val, net.size, min(256, 2 * len(val.frames)), torch.Generator().manual_seed(11))

    def step(i: int) -> Mapping[str, float]:
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = cfg.lr * flat_cosine(i, cfg.steps, flat=0.3)
        images, coeffs = batch_of(train, net.size, cfg.batch, generator)
        parts = losses(model, net(images), coeffs)
        loss = total(parts)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": loss.item(), "exp": parts["exp"].item(), "lmk_px": parts["lmk_px"].item()}

    @torch.no_grad()
    def validate() -> Mapping[str, float]:
        net.eval()
        parts = losses(model, net(held_out[0]), held_out[1])
        return {"val": total(parts).item(), "val_exp": parts["exp"].item(), "val_lmk_px": parts["lmk_px"].item()}

    return fit(step, cfg.steps, state={"net": net, "optimiser": optimiser}, validate=validate, **loop)


@torch.no_grad()
def measure_errors(net, val: Pictures) -> torch.Tensor:
    """(257,) root mean square error of each coefficient on whole frames of unseen speakers, kept in `net.error`; identity's is that of
    a clip's mean. inf for texture, which the network does not say."""
    from paperlib.face3d.initial import from_pictures

    wrong = from_pictures(net, val.frames.numpy()) - val.coeffs
    clips = torch.stack([wrong[torch.from_numpy(val.speaker == s)].mean(0) for s in np.unique(val.speaker)])
    error = wrong.square().mean(0).sqrt()
    error[ID] = clips[:, ID].square().mean(0).sqrt()
    error[TEX] = torch.inf
    net.error.copy_(error.clamp_min(1e-3))
    return net.error
