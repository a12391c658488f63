"""SadTalker-mini: Zhang et al., "SadTalker: Learning Realistic 3D Motion Coefficients for Stylized Audio-Driven Single Image Talking Face
Animation", CVPR 2023, reduced.

Kept: one picture. ExpNet reads a mel window and the expression of that picture and gives 64 expression coefficients by one linear map on
the code of Wav2Lip's audio encoder; it learns from coefficients and from the landmarks they project to. The face renderer is driven by
coefficients only: a mapping network of convolutions over a window of them, pooled, gives a motion code for the target and one for the
picture; the code modulates a network that predicts a dense backward flow and an occlusion mask; picture and features are warped,
what is occluded is painted anew. It learns on true coefficients and is used with predicted expressions. Pose never comes from speech here:
the comparison gives every animation system the true one.

Left out: PoseVAE (so the true pose is needed), the blink input, distillation of ExpNet's targets from Wav2Lip and the lip-reading loss, 3D
keypoints and feature volumes (the flow is dense and flat, as in PIRenderer, on which the mapping is built), perceptual and adversarial
losses (here L1). Windows have 5 frames instead of 27. One picture cannot serve all frames where none may see its own neighbourhood:
see `steady_references`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.baselines.interface import CHUNK, REFERENCES, SPAN, Baseline, Batch, Given
from paperlib.baselines.references import steady_references
from paperlib.baselines.warping_parts import AdaIN, MelCode, enlarge, windows
from paperlib.errors import check_shape
from paperlib.face3d.coefficients import ANGLES, EXP, N_COEFF, TRANS, with_exp
from paperlib.losses.reconstruction import rec_loss_region
from paperlib.models.blocks import LEAK, ConvBlock, up2
from paperlib.models.flow import FLOW_UNIT, pixel_grid, warp
from paperlib.models.unet import compose

UNITS = ((EXP, 0.3), (ANGLES, 0.06), (TRANS, 0.05))  # about the spread of each group within the embedded clips
N_DRIVE = 70  # numbers that drive a frame: 64 of expression, 6 of pose


@dataclass(frozen=True)
class SadTalkerConfig:
    """Sizes and weights; the published ones in brackets."""

    mel: int = 9  # first width of the speech encoder [32]
    speech: int = 48  # its code [512]; all widths here are sized for a core and some 120,000 parameters
    code: int = 40  # motion code [1024]
    half: int = 16  # channels of the picture's features at half size
    quarter: int = 32  # of the flow network at a quarter
    paint: int = 24  # of the refinement at half size
    full: int = 12  # of the refinement at full size
    pictures: int = 3  # references of a run that are animated, each alone, in a training step [1]: more pairs, same cost of drawing
    landmark: float = 1.0  # weight of the projected landmarks beside the coefficients: both losses are then of order one
    warp: float = 0.5  # weight of the warped picture's loss beside the painted one's
    outside: float = 0.2  # weight of pixels outside the mask: they show the head's motion, and are not scored


def drive(coeffs: Tensor) -> Tensor:
    """What moves a face, of order one: coeffs (..., 257) -> (..., 70), expression, angles, translation."""
    check_shape("coeffs", coeffs, (*coeffs.shape[:-1], N_COEFF))
    return torch.cat([coeffs[..., group] / unit for group, unit in UNITS], dim=-1)


class ExpNet(nn.Module):
    """Speech and the picture's expression -> expression."""

    def __init__(self, cfg: SadTalkerConfig):
        super().__init__()
        self.speech = MelCode(cfg.mel, cfg.speech)
        self.out = nn.Linear(cfg.speech + 64, 64)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)

    def forward(self, mel: Tensor, start: Tensor) -> Tensor:
        """mel (N, 80, 16), start (N, 64) the picture's expression -> (N, 64), both in standard deviations of the basis."""
        check_shape("start", start, (len(mel), 64))
        unit = UNITS[0][1]
        return self.out(torch.cat([F.relu(self.speech(mel)), start / unit], dim=-1)) * unit


class Mapping(nn.Module):
    """A window of coefficients -> a motion code, by convolutions over time and a mean."""

    def __init__(self, code: int):
        super().__init__()
        self.first, self.second = nn.Conv1d(N_DRIVE, code, 3), nn.Conv1d(code, code, 3, padding=1)

    def forward(self, window: Tensor) -> Tensor:
        """(N, SPAN, 70) of `drive` -> (N, code)."""
        check_shape("window", window, (None, SPAN, N_DRIVE))
        x = self.first(window.transpose(1, 2))
        return (x + self.second(F.leaky_relu(x, LEAK))).mean(-1)


class Motion(nn.Module):
    """The picture and a motion (the target's code less the picture's own) -> flow and visibility.

    The last modulation has no constant: flow = W (x * gamma(motion) + beta(motion)), all maps without bias, so that no motion is no
    flow whatever has been learned, and a flow is a sum of fields of the picture, scaled by the motion.
    """

    def __init__(self, cfg: SadTalkerConfig, size: int):
        super().__init__()
        self.size = size
        self.stem = ConvBlock(5, cfg.half, 5, stride=2)
        self.down = ConvBlock(cfg.half, cfg.quarter, stride=2)
        self.adain = nn.ModuleList(AdaIN(cfg.quarter, cfg.code) for _ in range(2))
        self.conv = nn.ModuleList(nn.Conv2d(cfg.quarter, cfg.quarter, 3, 1, 1) for _ in range(2))
        self.up = nn.Conv2d(cfg.quarter + cfg.half + 2, cfg.half, 3, 1, 1)
        self.scale = nn.Linear(cfg.code, 2 * cfg.half, bias=False)
        self.flow = nn.Conv2d(cfg.half, 2, 1, bias=False)
        self.visible = nn.Conv2d(cfg.half, 1, 3, 1, 1)
        nn.init.normal_(self.scale.weight, std=0.02)
        nn.init.constant_(self.visible.bias, 2.0)  # starts with 0.88 of the warped picture

    def forward(self, picture: Tensor, motion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """picture (N, 3, S, S) in [0, 1], motion (N, code) -> the picture's features (N, C, S/2, S/2) as they are, backward flow
        (N, 2, S/2, S/2) in pixels of the full size, visibility (N, 1, S/2, S/2) in (0, 1)."""
        place = (pixel_grid(self.size, self.size, picture) / self.size - 0.5).expand(len(picture), -1, -1, -1)
        features = self.stem(torch.cat([picture - 0.5, place], dim=1))
        x = self.down(features)
        for adain, conv in zip(self.adain, self.conv, strict=True):
            x = x + conv(F.leaky_relu(adain(x, motion), LEAK))
        x = F.leaky_relu(self.up(torch.cat([up2(x), features, F.avg_pool2d(place, 2)], dim=1)), LEAK)
        gamma, beta = self.scale(motion)[..., None, None].chunk(2, dim=1)
        flow = self.flow(torch.addcmul(beta, x, gamma)) * (FLOW_UNIT * self.size)
        return features, flow, torch.sigmoid(self.visible(x))


class Refine(nn.Module):
    """Warped picture and features, what is visible of them, and the target's code -> picture."""

    def __init__(self, cfg: SadTalkerConfig):
        super().__init__()
        self.low, self.again = ConvBlock(cfg.half + 1, cfg.paint), nn.Conv2d(cfg.paint, cfg.paint, 3, 1, 1)
        self.adain_half, self.adain_full = AdaIN(cfg.paint, cfg.code), AdaIN(cfg.full, cfg.code)
        self.narrow = nn.Conv2d(cfg.paint, cfg.full, 1)
        self.high = nn.Conv2d(cfg.full + 3, cfg.full, 3, 1, 1)
        self.head = nn.Conv2d(cfg.full + 3, 3, 3, 1, 1)

    def forward(self, warped: Tensor, features: Tensor, visible: Tensor, code: Tensor) -> Tensor:
        """warped (N, 3, S, S), features (N, C, S/2, S/2) and visible (N, 1, S/2, S/2), code (N, code) -> (N, 3, S, S) in [0, 1]."""
        x = self.low(torch.cat([features * visible, visible], dim=1))
        x = x + self.again(F.leaky_relu(self.adain_half(x, code), LEAK))
        x = self.high(torch.cat([up2(self.narrow(x)), warped - 0.5], dim=1))
        x = F.leaky_relu(self.adain_full(x, code), LEAK)
        colour = torch.sigmoid(self.head(torch.cat([x, warped - 0.5], dim=1)))
        return compose(1 - enlarge(visible), colour, warped)


class SadTalker(Baseline):
    """ExpNet and the face renderer; pictures of side `size`, divisible by 4."""

    NAME, TRACK, CONFIG = "sadtalker", "animation", SadTalkerConfig

    def __init__(self, size: int = 96, cfg: SadTalkerConfig | None = None):
        super().__init__()
        if size % 4:
            raise ValueError(f"size: expected a multiple of 4, got {size}")
        self.size, self.cfg = size, cfg or SadTalkerConfig()
        self.expression = ExpNet(self.cfg)
        self.mapping, self.motion, self.refine = Mapping(self.cfg.code), Motion(self.cfg, size), Refine(self.cfg)

    def render(self, picture: Tensor, own: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The face renderer: picture (N, 3, S, S) and its own coefficients (N, 70), window (N, SPAN, 70) of wanted ones, as of `drive` ->
        painted and warped (N, 3, S, S), flow (N, 2, S/2, S/2) in pixels of the full size."""
        check_shape("own", own, (len(picture), N_DRIVE))
        code, still = self.mapping(window), self.mapping(own[:, None].expand(-1, SPAN, -1))
        features, flow, visible = self.motion(picture, code - still)
        warped = warp(picture, enlarge(flow))
        return self.refine(warped, warp(features, flow / 2), visible, code), warped, flow

    def expression_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """L1 of ExpNet's coefficients in UNITS and of the landmarks they project to, in hundredths of the side; scalars."""
        from paperlib.face3d.face_renderer import landmarks2d
        from paperlib.face3d.morphable_model import default_model

        true = batch.coeffs.flatten(0, 1)
        start = batch.ref_coeffs[:, :1, EXP].expand(-1, SPAN, -1).flatten(0, 1)
        exp = self.expression(batch.mel.flatten(0, 1), start)
        model = default_model()
        lmk, lmk_true = landmarks2d(model, with_exp(true, exp), 100), landmarks2d(model, true, 100)
        return (exp - true[:, EXP]).abs().mean() / UNITS[0][1], (lmk - lmk_true).abs().mean()

    def loss(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, dict[str, float]]:
        """ExpNet on all frames; the renderer on the runs' middle frames, from each of a run's references alone, on true coefficients."""
        size, n = self.size, min(self.cfg.pictures, batch.ref.shape[1])
        check_shape("frames", batch.frames, (None, SPAN, 3, size, size))
        check_shape("ref", batch.ref, (len(batch.frames), None, 3, size, size))
        l_exp, l_lmk = self.expression_loss(batch)

        target, mask = (x[:, SPAN // 2].repeat_interleave(n, 0) for x in (batch.frames, batch.masks))
        window, own = drive(batch.coeffs).repeat_interleave(n, 0), drive(batch.ref_coeffs[:, :n]).flatten(0, 1)
        painted, warped, _ = self.render(batch.ref[:, :n].flatten(0, 1), own, window)
        weight = self.cfg.outside + (1 - self.cfg.outside) * mask
        l_paint, l_warp = (rec_loss_region(image, target, weight) for image in (painted, warped))
        total = l_exp + self.cfg.landmark * l_lmk + 10 * (l_paint + self.cfg.warp * l_warp)
        return total, {"exp": l_exp.item(), "landmark": l_lmk.item(), "paint": l_paint.item(), "warp": l_warp.item()}

    def paint(self, given: Given, generator: torch.Generator) -> Tensor:
        """Expression from the speech, pose from the source, appearance from one picture, as long as it may be the same."""
        check_shape("frames", given.frames, (None, 3, self.size, self.size))
        check_shape("ref_index", given.ref_index, (len(given.frames), REFERENCES))
        pick, near = steady_references(given.ref_index), windows(len(given.frames))
        start = given.coeffs[pick][:, EXP].repeat_interleave(SPAN, 0)  # a frame's neighbours start from its own picture too
        exp = self.expression(given.mel[near].flatten(0, 1), start).unflatten(0, near.shape)
        window, own = drive(with_exp(given.coeffs[near], exp)), drive(given.coeffs[pick])
        return torch.cat([self.render(given.frames[pick[r]], own[r], window[r])[0] for r in torch.arange(len(pick)).split(CHUNK)])
