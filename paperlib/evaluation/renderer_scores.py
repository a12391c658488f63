"""All measures of tables 4 to 6 for one dubbed clip: whole frame, crop (the region that is painted) and mouth."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from paperlib.evaluation.renderer import box_mask
from paperlib.losses.perceptual import crop_resize
from paperlib.media.detection import landmarks_at
from paperlib.metrics import geometry, identity, image

IDENTITY_FRAMES = 3  # frames of a clip whose identity is measured: 0.1 s each
MOUTH_SIZE = 64  # side that mouth boxes are brought to for SSIM and LPIPS

# (metric, region) -> unit, better. What each is: `metrics.protocol`; regions as there.
MEASURES: dict[tuple[str, str], tuple[str, str]] = {
    ("psnr", "frame"): ("dB", "higher"), ("psnr", "crop"): ("dB", "higher"), ("psnr", "mouth"): ("dB", "higher"),
    ("ssim", "frame"): ("", "higher"), ("ssim", "crop"): ("", "higher"), ("ssim", "mouth"): ("", "higher"),
    ("lpips", "frame"): ("", "lower"), ("lpips", "crop"): ("", "lower"), ("lpips", "mouth"): ("", "lower"),
    ("lmd", "mouth"): ("px", "lower"),
    ("csim", "frame"): ("", "higher"), ("csim", "crop"): ("", "higher"),
    ("skill", "crop"): ("", "higher"), ("skill", "mouth"): ("", "higher"),
}  # fmt: skip


@functools.lru_cache(maxsize=2)
def lpips_net(spatial: bool):
    """The shipped LPIPS network, for pictures or for maps."""
    from paperlib.weights import load_lpips

    return load_lpips(spatial=spatial)


def to_uint8(pictures: torch.Tensor) -> np.ndarray:
    """(T, 3, H, W) in [0, 1] -> uint8 (T, H, W, 3)."""
    return np.ascontiguousarray((pictures.clamp(0, 1).movedim(1, -1).numpy() * 255 + 0.5).astype(np.uint8))


@dataclass
class Truth:
    """What a dub of one clip is held against; pictures (T, 3, H, W) in [0, 1].

    mask (T, 1, H, W) the painted region; boxes (T, 4) the mouth; near (T, 68, 2) px where to look for landmarks: they know pose only.
    Landmarks and identities of the truth are found once.
    """

    frames: torch.Tensor
    frozen: torch.Tensor
    mask: torch.Tensor
    boxes: torch.Tensor
    near: np.ndarray

    @functools.cached_property
    def landmarks(self) -> np.ndarray:
        """(T, 68, 2) px, found in the true frames by the detector that also looks at the dub."""
        return landmarks_at(to_uint8(self.frames), self.near)

    @functools.cached_property
    def picked(self) -> np.ndarray:
        """Frames whose identity is measured."""
        n = len(self.frames)
        return np.unique(np.linspace(0, n - 1, min(IDENTITY_FRAMES + 2, n)).round().astype(int)[1:-1] if n > 2 else np.arange(n))

    def identities(self, frames: torch.Tensor) -> dict[str, np.ndarray]:
        """Descriptors (K, 128) of the picked frames: `frame` the face, `crop` all but the painted region greyed out."""
        seen, near = to_uint8(frames[self.picked]), self.near[self.picked]
        keep = (self.mask[self.picked, 0] > 0.5).numpy()
        return {"frame": identity.descriptors(seen, near), "crop": identity.descriptors(seen, near, keep)}

    @functools.cached_property
    def own_identities(self) -> dict[str, np.ndarray]:
        """`identities` of the truth."""
        return self.identities(self.frames)


@torch.no_grad()
def measure(pred: torch.Tensor, truth: Truth) -> dict[tuple[str, str], float]:
    """Every measure of MEASURES for pred (T, 3, H, W), the clip's mean over the frames that have a value; nan where none has.

    An exact picture has none in PSNR (it is infinite).
    """
    pred, target, mask = pred.clamp(0, 1), truth.frames, truth.mask
    lips = mask * box_mask(truth.boxes, pred.shape[-1])
    a, b = (crop_resize(x, truth.boxes, MOUTH_SIZE).clamp(0, 1) for x in (pred, target))
    found = landmarks_at(to_uint8(pred), truth.near)
    values = {
        ("psnr", "frame"): image.psnr(pred, target), ("psnr", "crop"): image.psnr(pred, target, mask),
        ("psnr", "mouth"): image.psnr(pred, target, lips),
        ("ssim", "frame"): image.ssim(pred, target), ("ssim", "crop"): image.ssim(pred, target, mask), ("ssim", "mouth"): image.ssim(a, b),
        ("lpips", "frame"): image.lpips(pred, target, net=lpips_net(False)),
        ("lpips", "crop"): image.lpips(pred, target, mask, net=lpips_net(True)),
        ("lpips", "mouth"): image.lpips(a, b, net=lpips_net(False)),
        ("lmd", "mouth"): geometry.lmd(found, truth.landmarks),
        ("skill", "crop"): image.mouth_skill(pred, target, truth.frozen, mask),
        ("skill", "mouth"): image.mouth_skill(pred, target, truth.frozen, lips),
    }  # fmt: skip
    own, theirs = truth.identities(pred), truth.own_identities
    values |= {("csim", region): identity.csim(own[region], theirs[region]) for region in own}
    return {k: geometry.summary(np.atleast_1d(v)).mean for k, v in values.items()}
