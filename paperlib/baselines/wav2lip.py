"""Wav2Lip-mini: a masked face, a reference and speech become the face that says it; a frozen sync expert judges the lips.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild", ACM Multimedia 2020.

Kept: the generator (masked face and reference each seen whole, one vector of the face joined with one of the mel window, a decoder with
skips that paints from nothing), its L1, and its idea: an expert that was trained beforehand, sees five successive lower faces and is never
trained again adds -log(cosine of lips and speech), with the published weight of 0.03, in the later part of the training.

Left out: the GAN variant's visual critic; the tight face box (frames here are face crops already); painting the upper half again (only
Omega_c is painted, so the L1 counts there); all but one residual block a scale and 99.7 % of the weights. Different: GroupNorm in place of
BatchNorm, for batches that hold four people, and none in the first and the last layer, so that a picture's brightness is not lost; the mask
is Omega_c, not the lower half; the reference is a second away also when dubbing, where the released code shows the frame itself; a frame's
mel window is centred on it, where the released code's lies a frame (training) or two (dubbing) later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.baselines.expert import SyncExpert
from paperlib.baselines.interface import CHUNK, SPAN, Baseline, Batch, Given
from paperlib.baselines.references import steady_references
from paperlib.baselines.warping_parts import MelCode
from paperlib.config import TeacherConfig
from paperlib.errors import check_shape
from paperlib.losses.reconstruction import rec_loss_region
from paperlib.models.semantic_teacher import halvings
from paperlib.models.syncnet import SyncNet


@dataclass(frozen=True)
class Wav2LipConfig:
    """Choices of the reduction; the published ones in brackets."""

    widths: tuple[int, ...] = (8, 12, 20, 20)  # channels at full size, 1/2, ..., and so on with the last [16, 32, ..., 512]
    code: int = 32  # length of the face's and of the speech's vector [512]
    mel: int = 8  # first width of the speech encoder [32]
    sync_weight: float = 0.03  # the published one
    # share of the training: Wav2Lip waits until the expert's loss of unseen clips is below 0.75; here as the project's own teacher does
    sync_from: float = TeacherConfig.sync_from


def _block(conv: nn.Module) -> nn.Sequential:
    """One group: the layers of the code are one pixel, which smaller groups would wipe out."""
    return nn.Sequential(conv, nn.GroupNorm(1, conv.out_channels), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """relu(x + norm(conv(x))), Wav2Lip's residual block."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.GroupNorm(1, channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.conv(x))


class Generator(nn.Module):
    """Face and speech each become one vector; a decoder with skips to the face encoder paints the speaking face from nothing."""

    def __init__(self, size: int, cfg: Wav2LipConfig):
        super().__init__()
        n = halvings(size)
        w = (cfg.widths + n * cfg.widths[-1:])[: n + 1]
        bottom = size // 2**n
        self.stem = nn.Sequential(nn.Conv2d(6, w[0], 7, 1, 3), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(
            nn.Sequential(_block(nn.Conv2d(a, b, 3, 2, 1, bias=False)), _Residual(b)) for a, b in zip(w[:-1], w[1:], strict=True)
        )
        self.to_code = _block(nn.Conv2d(w[-1], cfg.code, bottom, bias=False))
        self.speech = MelCode(cfg.mel, cfg.code)
        self.from_code = _block(nn.ConvTranspose2d(2 * cfg.code, w[-1], bottom, bias=False))
        self.up = nn.ModuleList(
            nn.Sequential(_block(nn.ConvTranspose2d(2 * a, b, 3, 2, 1, 1, bias=False)), _Residual(b))
            for a, b in zip(w[:0:-1], w[-2::-1], strict=True)
        )
        self.head = nn.Sequential(nn.Conv2d(2 * w[0], w[0], 3, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(w[0], 3, 1))

    def forward(self, face: Tensor, mel: Tensor) -> Tensor:
        """face (N, 6, S, S) in [0, 1]: what is visible, then the reference; mel (N, 80, 16) -> (N, 3, S, S) in [0, 1]."""
        skips = [self.stem(face)]
        for down in self.down:
            skips.append(down(skips[-1]))
        speech = torch.relu(self.speech(mel))[..., None, None]
        x = self.from_code(torch.cat([speech, self.to_code(skips[-1])], 1))
        for up in self.up:
            x = up(torch.cat([x, skips.pop()], 1))
        return torch.sigmoid(self.head(torch.cat([x, skips.pop()], 1)))


class Wav2Lip(Baseline):
    """expert: a trained `SyncNet`, or None for the L1 alone. It is frozen here and no part of `state_dict`."""

    NAME, TRACK, CONFIG, EXPERT = "wav2lip", "dubbing", Wav2LipConfig, True

    def __init__(self, size: int = 96, cfg: Wav2LipConfig | None = None, expert: SyncNet | None = None):
        super().__init__()
        self.size, self.cfg = size, cfg or Wav2LipConfig()
        self.generator = Generator(size, self.cfg)
        self.expert = SyncExpert(expert) if expert else None

    @property
    def settled(self) -> float:
        """No state from before the expert's loss is kept: it would often have the lower L1, and nothing of the idea."""
        return self.cfg.sync_from if self.expert else 0.0

    def forward(self, visible: Tensor, reference: Tensor, mel: Tensor) -> Tensor:
        """visible (N, 3, S, S): frames with Omega_c at zero; reference (N, 3, S, S); mel (N, 80, 16) -> (N, 3, S, S) in [0, 1]."""
        check_shape("visible", visible, (None, 3, self.size, self.size))
        check_shape("reference", reference, tuple(visible.shape))
        check_shape("mel", mel, (len(visible), 80, 16))
        return self.generator(torch.cat([visible, reference], 1), mel)

    def sync(self, painted: Tensor, batch: Batch) -> Tensor:
        """The expert's loss of runs (B, 5, 3, S, S) painted for `batch`, laid into their frames, against their speech. Scalar."""
        if not self.expert:
            raise ValueError("sync: this Wav2Lip was made without an expert")
        check_shape("painted", painted, (None, SPAN, 3, self.size, self.size))
        whole = batch.frames + batch.masks * (painted - batch.frames)
        return self.expert.loss(whole, batch.lmk_neutral, batch.mel)

    def loss(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, Mapping[str, float]]:
        """L1 inside Omega_c; from `sync_from` on (1 - w) L1 + w sync."""
        check_shape("batch.frames", batch.frames, (None, None, 3, self.size, self.size))
        flat = batch.flat()
        frames, masks = flat.frames[:, 0], flat.masks[:, 0]
        painted = self(frames * (1 - masks), flat.ref[:, 0], flat.mel[:, 0])
        l1 = rec_loss_region(painted, frames, masks)
        if not self.expert or progress < self.cfg.sync_from:
            return l1, {"l1": l1.item()}
        sync = self.sync(painted.unflatten(0, batch.frames.shape[:2]), batch)
        return (1 - self.cfg.sync_weight) * l1 + self.cfg.sync_weight * sync, {"l1": l1.item(), "sync": sync.item()}

    def paint(self, given: Given, generator: torch.Generator) -> Tensor:
        """Frame by frame, with a reference that stays the same as long as it may."""
        parts = zip(*(x.split(CHUNK) for x in (given.visible(), given.frames[steady_references(given.ref_index)], given.mel)), strict=True)
        return torch.cat([self(*part) for part in parts])
