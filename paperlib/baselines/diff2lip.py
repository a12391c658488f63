"""Diff2Lip-mini: the lower face is painted by a diffusion model that hears the speech and sees the rest of the frame and another one.

After Mukhopadhyay, Suri, Gadde and Shrivastava, "Diff2Lip: Audio Conditioned Diffusion Models for Lip-Synchronization", WACV 2024
(arXiv 2308.09716), and its released inference code. Track "dubbing".

Kept: diffusion in pixels of the hidden lower face, the visible rest put back at every step; one reference frame of the clip beside it; a
U-Net of residual blocks with group norm and attention at its coarsest level; a convolutional encoder of Wav2Lip's mel window whose vector
is added to that of the time step, and so reaches every residual block as a shift; 1000 steps of the linear schedule; the simple loss on
the noise, the squared error of the predicted clean frame and a frozen sync expert on it; DDIM (Song et al. 2021), all frames of a clip
from one noise.

Changed: the network tells v = sqrt(abar) noise - sqrt(1 - abar) x0 (Salimans and Ho 2022), not the noise. Both are linear in each other,
given x_t; but at the last step abar is 4e-5, and an error of the noise counts 150 times in the clean frame, which a short training never
makes good. The two squared losses together, weighted equally, are the squared error of v (`Schedule.from_v`). The network adds to what a
Gaussian around the reference would say of v (`Schedule.gaussian`), scaled by what that leaves open, as Karras et al. 2022 do around zero:
untrained it paints a noisy reference, where the original learns to look there. The hidden region is Omega_c and not the lower half; the
visible frame enters once, the region's mask beside it, where the original repeats the frame with its hole full of noise; the network works
on pixels folded two by two, in a box around the mask; the reference's box follows its nose, as the original's face detector would have it;
DDIM takes 8 steps, not 25.

Left out: LPIPS and the adversarial loss over frame sequences, learned variances, dropout, half precision; 5 residual blocks for some 30.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.baselines.boxes import boxes, crop, put
from paperlib.baselines.diffusion import Schedule, time_features
from paperlib.baselines.expert import SyncExpert
from paperlib.baselines.interface import CHUNK, Baseline, Batch, Given
from paperlib.errors import check_shape
from paperlib.face3d.landmarks import NOSE
from paperlib.models.blocks import up2
from paperlib.models.syncnet import SyncNet

FOLD = 2  # pixels folded into channels, per axis: a quarter of the work at full size, and nothing is lost
GROUPS = 8  # of every group norm


@dataclass(frozen=True)
class Diff2LipConfig:
    """Settings; "published" means the released inference code's."""

    box: float = 2 / 3  # least side of the box as a share of the frame's: the corpus' masks are up to 0.6 wide; it grows with the mask
    widths: tuple[int, int, int] = (24, 24, 24)  # channels at 1/2, 1/4, 1/8: what a training step of one third of a second leaves room for
    embed: int = 48  # length of the vector of time and speech
    heads: int = 4  # of the attention at the coarsest level; published: 64 channels a head, more than all of ours
    steps: int = 1000  # of the diffusion; published
    beta: tuple[float, float] = (1e-4, 0.02)  # first and last of the linear schedule; published
    ddim_steps: int = 8  # published: 25; 8 cost a third
    eta: float = 0.0  # no fresh noise on the way; published
    near: float = 0.15  # standard deviation of a frame about its reference, inside the mask, in [-1, 1]; see `Schedule.gaussian`
    l2_weight: float = 1.0  # of the clean frame's squared error beside the noise's: then the sum is the error of v
    sync_weight: float = 0.03  # of the expert's loss: Wav2Lip's, from whom the original has it


class _Block(nn.Module):
    """Residual block: norm, SiLU, convolution; plus the vector of time and speech; norm, SiLU, convolution (last at zero, as published)."""

    def __init__(self, c_in: int, c_out: int, embed: int):
        super().__init__()
        self.first = nn.Sequential(nn.GroupNorm(GROUPS, c_in), nn.SiLU(), nn.Conv2d(c_in, c_out, 3, 1, 1))
        self.shift = nn.Sequential(nn.SiLU(), nn.Linear(embed, c_out))
        self.second = nn.Sequential(nn.GroupNorm(GROUPS, c_out), nn.SiLU(), nn.Conv2d(c_out, c_out, 3, 1, 1))
        nn.init.zeros_(self.second[-1].weight)
        nn.init.zeros_(self.second[-1].bias)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """x (N, c_in, H, W), vector (N, embed) -> (N, c_out, H, W)."""
        return self.skip(x) + self.second(self.first(x) + self.shift(vector)[..., None, None])


class _Attention(nn.Module):
    """Self-attention over all places, added to what comes in."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv, self.out = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, 3, self.heads, c // self.heads, h * w).transpose(3, 4).unbind(1)
        return x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(n, c, h, w))


class SpeechEncoder(nn.Module):
    """Mel window (N, 80, 16) in [-4, 4] -> (N, out): 80 x 16 -> 40 x 16 -> 20 x 8 -> 10 x 4 -> 5 x 2, then all of it. No batch norm."""

    def __init__(self, out: int, widths: tuple[int, ...] = (8, 16, 16, 24)):
        super().__init__()
        layers: list[nn.Module] = []
        for a, b, stride in zip((1, *widths[:-1]), widths, ((2, 1), 2, 2, 2), strict=True):
            layers += [nn.Conv2d(a, b, 3, stride, 1), nn.GroupNorm(GROUPS, b), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * 10, out))

    def forward(self, mel: Tensor) -> Tensor:
        """(N, 80, 16) -> (N, out)."""
        return self.body(mel[:, None] / 4)


class Denoiser(nn.Module):
    """The U-Net: what is to be known of v from the frame with a noised hole, its mask, the reference, the time step and the speech."""

    def __init__(self, cfg: Diff2LipConfig):
        super().__init__()
        a, b, c = cfg.widths
        e, inputs = cfg.embed, 7 * FOLD**2
        self.time = nn.Sequential(nn.Linear(e, e), nn.SiLU(), nn.Linear(e, e))
        self.speech = SpeechEncoder(e)
        self.stem = nn.Conv2d(inputs, a, 3, 1, 1)
        self.enc1, self.down1 = _Block(a, a, e), nn.Conv2d(a, b, 3, 2, 1)
        self.enc2, self.down2 = _Block(b, b, e), nn.Conv2d(b, c, 3, 2, 1)
        self.middle, self.attention = _Block(c, c, e), _Attention(c, cfg.heads)
        self.up2, self.dec2 = nn.Conv2d(c, b, 1), _Block(2 * b, b, e)
        self.up1, self.dec1 = nn.Conv2d(b, a, 1), _Block(2 * a, a, e)
        self.norm = nn.Sequential(nn.GroupNorm(GROUPS, a), nn.SiLU())
        self.head = nn.Conv2d(a + inputs, 3 * FOLD**2, 3, 1, 1)  # reads its input again: the finest noise is in it
        with torch.no_grad():
            self.head.weight.mul_(0.1)

    def forward(self, x: Tensor, mask: Tensor, ref: Tensor, t: Tensor, mel: Tensor) -> Tensor:
        """x, ref (N, 3, side, side) in [-1, 1] but for noise, mask (N, 1, side, side), t (N,), mel (N, 80, 16) -> (N, 3, side, side)."""
        vector = self.time(time_features(t, self.time[0].in_features)) + self.speech(mel)
        folded = F.pixel_unshuffle(torch.cat([x, mask, ref], 1), FOLD)
        one = self.enc1(self.stem(folded), vector)
        two = self.enc2(self.down1(one), vector)
        h = self.attention(self.middle(self.down2(two), vector))
        h = self.dec2(torch.cat([up2(self.up2(h)), two], 1), vector)
        h = self.dec1(torch.cat([up2(self.up1(h)), one], 1), vector)
        return F.pixel_shuffle(self.head(torch.cat([self.norm(h), folded], 1)), FOLD)


class Diff2Lip(Baseline):
    """Diff2Lip-mini. expert: a trained sync expert for the loss, not part of the state; None leaves that loss out."""

    NAME, TRACK, CONFIG, EXPERT = "diff2lip", "dubbing", Diff2LipConfig, True

    def __init__(self, size: int = 96, cfg: Diff2LipConfig | None = None, expert: SyncNet | None = None):
        super().__init__()
        self.size, self.cfg = size, cfg or Diff2LipConfig()
        self.schedule = Schedule.linear(self.cfg.steps, *self.cfg.beta)
        self.net = Denoiser(self.cfg)
        self.expert = SyncExpert(expert) if expert else None

    def tell_v(self, x_t: Tensor, t: Tensor, frame: Tensor, mask: Tensor, ref: Tensor, mel: Tensor) -> Tensor:
        """v (N, 3, side, side) of x_t, of which the hole counts; around it stands the frame. Pictures of one shape in [-1, 1]."""
        told, scale = self.schedule.gaussian(x_t, t, ref, self.cfg.near)
        return told + scale * self.net(x_t * mask + frame * (1 - mask), mask, ref, t, mel)

    def loss(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, Mapping[str, float]]:
        """L_simple on the noise + l2_weight L_2 on the clean frame, over Omega_c, + sync_weight L_sync; one time step for a run."""
        self._check(batch.frames[:, 0], batch.masks[:, 0], batch.mel[:, 0])
        runs, span = batch.frames.shape[:2]
        flat = batch.flat()
        frames, masks, mel = flat.frames[:, 0], flat.masks[:, 0], flat.mel[:, 0]
        x0, mask, ref, corner = self._boxed(frames, masks, flat.ref[:, 0], flat.ref_lmk[:, 0], flat.lmk_neutral[:, 0])
        t = self._draw_times(runs, generator).repeat_interleave(span)
        noise = torch.randn(x0.shape, generator=generator)
        x_t = self.schedule.q_sample(x0, t, noise)
        told_x0, told_noise = self.schedule.from_v(x_t, t, self.tell_v(x_t, t, x0, mask, ref, mel))
        area = 3 * mask.sum().clamp(min=1)
        simple = ((told_noise - noise).square() * mask).sum() / area
        l2 = ((told_x0 - x0).square() * mask).sum() / area
        total, parts = simple + self.cfg.l2_weight * l2, {"simple": simple.item(), "l2": l2.item()}
        if self.expert and self.cfg.sync_weight:
            clean = put(frames, (told_x0 + 1) / 2 * mask + (x0 + 1) / 2 * (1 - mask), corner)
            sync = self.expert.loss(clean.unflatten(0, (runs, span)), batch.lmk_neutral, batch.mel)
            total, parts["sync"] = total + self.cfg.sync_weight * sync, sync.item()
        return total, parts

    def paint(self, given: Given, generator: torch.Generator) -> Tensor:
        """(T, 3, H, W) in [0, 1] by DDIM, every frame from the same noise; the reference of a frame is the first of its own."""
        self._check(given.frames, given.masks, given.mel)
        first = given.ref_index[:, 0]
        visible, ref = given.visible(), given.frames[first]
        x0, mask, ref, corner = self._boxed(visible, given.masks, ref, given.lmk[first], given.lmk_neutral)
        start = torch.randn((1, *x0.shape[1:]), generator=generator)
        out = []
        for rows in torch.arange(len(x0)).split(CHUNK):

            def tell_v(x: Tensor, t: Tensor, rows: Tensor = rows) -> Tensor:
                return self.tell_v(x, t, x0[rows], mask[rows], ref[rows], given.mel[rows])

            noise = start.expand(len(rows), -1, -1, -1)
            out.append(self.schedule.ddim(tell_v, noise, self.cfg.ddim_steps, self.cfg.eta, generator))
        patches = torch.cat(out) * mask + x0 * (1 - mask)
        return put(visible, (patches.clamp(-1, 1) + 1) / 2, corner)

    def _check(self, frames: Tensor, masks: Tensor, mel: Tensor) -> None:
        size = self.size
        check_shape("frames", frames, (None, 3, size, size))
        check_shape("masks", masks, (len(frames), 1, size, size))
        check_shape("mel", mel, (len(frames), 80, 16))

    def _boxed(self, frames: Tensor, masks: Tensor, ref: Tensor, ref_lmk: Tensor, lmk_neutral: Tensor) -> tuple[Tensor, ...]:
        """(frame, mask, reference, corner) in the box of each mask; pictures in [-1, 1]. The reference's box is moved by whole pixels
        from the nose of the frame's pose to its own nose."""
        corner, side = boxes(masks, self.cfg.box)
        nose = list(NOSE)
        move = (ref_lmk[:, nose] - lmk_neutral[:, nose]).mean(1).flip(-1).round().long()  # x y -> top left
        pad = self.size // 4  # the reference may be seen beyond its border, which repeats; its face is then where the frame's is
        wide = F.pad(ref, (pad, pad, pad, pad), mode="replicate")
        ref_corner = (corner + move + pad).clamp(0, self.size + 2 * pad - side)
        return crop(frames, corner, side) * 2 - 1, crop(masks, corner, side), crop(wide, ref_corner, side) * 2 - 1, corner

    def _draw_times(self, runs: int, generator: torch.Generator) -> Tensor:
        """(runs,) int64, uniform over all steps, one from each of `runs` equal parts: a small batch sees early and late ones."""
        where = (torch.arange(runs) + torch.rand(runs, generator=generator)) / runs
        return (where * len(self.schedule)).long().clamp(max=len(self.schedule) - 1)
