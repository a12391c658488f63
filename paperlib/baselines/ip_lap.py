"""IP_LAP-mini: Zhong et al., "Identity-Preserving Talking Face Generation with Landmark and Appearance Priors", CVPR 2023, reduced.

Kept: two stages. (1) A transformer encoder reads tokens of several reference landmarks, of the speech and of the pose prior of five
frames; the lips are read off the speech tokens and the jaw off the pose tokens; L1 and velocity loss. (2) Several reference pictures and
their features are aligned with the target's sketches (five frames) by one predicted flow each and merged with predicted weights that sum
to 1 at every pixel; a translation network paints the hole from the visible pixels and the sketches, modulated by the merged features
and picture (SPADE) and by the speech (AdaIN). Stage 2 learns on true landmarks, one frame at a time.

Left out: MediaPipe's 131 points (here iBUG's 68), 25 reference pictures at inference (here three), VGG-19 perceptual and style losses and
the discriminator (here L1), dropout. Changed: stage 1 predicts displacements from the posed neutral face, and the painter a change of the
merged picture, as minutes of training cannot learn the absolute ones; both stages share a training, with losses that do not touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.baselines.drawing import UPPER, draw_landmarks
from paperlib.baselines.interface import CHUNK, REFERENCES, SPAN, Baseline, Batch, Given
from paperlib.baselines.warping_parts import AdaIN, MelCode, enlarge, windows
from paperlib.errors import check_shape
from paperlib.face3d.landmarks import JAW, MOUTH
from paperlib.losses.reconstruction import rec_loss_region
from paperlib.models.blocks import LEAK, SPADE, ConvBlock, up2
from paperlib.models.flow import FLOW_UNIT, warp

CONTENT = (*JAW, *MOUTH)  # what speech moves; the other points are the pose prior
POSE = tuple(i for i in range(68) if i not in CONTENT)
MOVE = 0.02  # a landmark output of 1, in image sides: about the spread of lip points around the neutral mouth
CHANNELS = (("jaw",), UPPER, ("outer", "inner"))  # of the sketch


@dataclass(frozen=True)
class IPLAPConfig:
    """Sizes and weights; the published ones in brackets."""

    token: int = 40  # [512], sized for a core and some 120,000 parameters, as all widths here
    layers: int = 2  # [4]
    heads: int = 4  # [4]
    mel: int = 5  # first width of the speech encoders [32]
    half: int = 12  # channels of the references' features at half size [32 at full size, 256 at half]
    quarter: int = 24  # of the flow network at a quarter
    full: int = 12  # of the painter at full size [32]
    paint: int = 24  # of the painter at half size [256]
    hidden: int = 8  # of SPADE [256]
    velocity: float = 1.0  # weight of the landmarks' velocity loss [1]
    warp: float = 0.5  # weight of the merged picture's loss beside the painted one's: it only has to place texture


def sketch(lmk: Tensor, size: int) -> Tensor:
    """Lines (..., 3, size, size) in [0, 1] through lmk (..., 68, 2) px: outline, upper face, lips."""
    return draw_landmarks(lmk, size, CHANNELS)


class LandmarkNet(nn.Module):
    """Stage 1. Tokens: R references, SPAN of speech, SPAN of pose."""

    def __init__(self, cfg: IPLAPConfig, size: int):
        super().__init__()
        self.size, d = size, cfg.token
        self.mel = MelCode(cfg.mel, d)
        self.reference, self.pose = nn.Linear(136, d), nn.Linear(136, d)
        self.norm = nn.LayerNorm(d)
        self.kind, self.place = nn.Parameter(0.1 * torch.randn(3, d)), nn.Parameter(0.1 * torch.randn(SPAN, d))
        layer = nn.TransformerEncoderLayer(d, cfg.heads, 2 * d, dropout=0.0, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, cfg.layers, enable_nested_tensor=False)
        self.jaw, self.lips = nn.Linear(d, 2 * len(JAW)), nn.Linear(d, 2 * len(MOUTH))
        for head in (self.jaw, self.lips):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def _points(self, lmk: Tensor) -> Tensor:
        """Landmarks (..., 68, 2) px around the middle of their pose points, of order one: (..., 136)."""
        return ((lmk - lmk[..., POSE, :].mean(-2, keepdim=True)) * (4 / self.size)).flatten(-2)

    def forward(self, mel: Tensor, lmk_neutral: Tensor, ref_lmk: Tensor) -> Tensor:
        """mel (B, SPAN, 80, 16), lmk_neutral (B, SPAN, 68, 2) px, ref_lmk (B, R, 68, 2) px -> (B, SPAN, 68, 2) px: the neutral face,
        posed, with the CONTENT points that the speech asks for."""
        batch = len(mel)
        check_shape("lmk_neutral", lmk_neutral, (batch, SPAN, 68, 2))
        check_shape("ref_lmk", ref_lmk, (batch, None, 68, 2))
        tokens = [self.reference(self._points(ref_lmk)), self.mel(mel), self.pose(self._points(lmk_neutral))]
        tokens = [self.norm(t) + kind for t, kind in zip(tokens, self.kind, strict=True)]
        out = self.transformer(torch.cat([tokens[0], tokens[1] + self.place, tokens[2] + self.place], dim=1))
        move = torch.cat([self.jaw(out[:, -SPAN:]), self.lips(out[:, -2 * SPAN : -SPAN])], dim=-1).unflatten(-1, (-1, 2))
        return lmk_neutral.index_add(2, torch.tensor(CONTENT, device=mel.device), move * (MOVE * self.size))


def merge(aligned: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum over references: aligned (B, R, C, H, W), weights (B, R, 1, H, W) that sum to 1 over R -> (B, C, H, W)."""
    return (aligned * weights).sum(1)


def share(logits: Tensor) -> Tensor:
    """Sigmoids divided by their sum over the references (dimension 1), as published: each in (0, 1), together 1.

    >>> share(torch.tensor([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    return torch.softmax(F.logsigmoid(logits), dim=1)


class Aligner(nn.Module):
    """The flow network of stage 2: brings each reference picture into the target's pose and says how much it counts where."""

    def __init__(self, cfg: IPLAPConfig, size: int):
        super().__init__()
        self.size = size
        self.stem = ConvBlock(6, cfg.half, 5, stride=2)
        self.down = ConvBlock(cfg.half, cfg.quarter, stride=2)
        self.drive = nn.Conv2d(3 * SPAN, cfg.hidden, 4, 4)  # learned, so that lines keep their place within a quarter-size pixel
        self.spade = nn.ModuleList(SPADE(cfg.quarter, cfg.hidden, cfg.hidden) for _ in range(2))
        self.conv = nn.ModuleList(nn.Conv2d(cfg.quarter, cfg.quarter, 3, 1, 1) for _ in range(2))
        self.up = nn.Sequential(nn.Conv2d(cfg.quarter + cfg.half, cfg.half, 3, 1, 1), nn.LeakyReLU(LEAK, inplace=True))
        self.head = nn.Conv2d(cfg.half, 3, 3, 1, 1)
        nn.init.normal_(self.head.weight, std=1e-3)  # starts with the references as they are, in equal shares
        nn.init.zeros_(self.head.bias)

    def forward(self, ref: Tensor, ref_sketch: Tensor, driving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ref (B, R, 3, S, S), ref_sketch (B, R, 3, S, S), driving (B, 3 SPAN, S, S) -> features (B, R, C, S/2, S/2) of the references
        as they are, backward flow (B, R, 2, S/2, S/2) in pixels of the full size, logits (B, R, 1, S/2, S/2)."""
        many = ref.shape[:2]
        features = self.stem(torch.cat([ref - 0.5, ref_sketch], dim=2).flatten(0, 1))
        condition = self.drive(driving).repeat_interleave(many[1], 0)
        x = self.down(features)
        for spade, conv in zip(self.spade, self.conv, strict=True):
            x = x + conv(F.leaky_relu(spade(x, condition), LEAK))
        out = self.head(self.up(torch.cat([up2(x), features], dim=1))).unflatten(0, many)
        return features.unflatten(0, many), out[:, :, :2] * (FLOW_UNIT * self.size), out[:, :, 2:]

    def aligned(self, ref: Tensor, features: Tensor, flow: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (B, R, 3, S, S), features (B, R, C, S/2, S/2) and shapes of `forward`'s flow and logits -> merged picture
        (B, 3, S, S), merged features (B, C, S/2, S/2), weights (B, R, 1, S, S)."""
        many, flow, weights = ref.shape[:2], flow.flatten(0, 1), share(logits)
        near = warp(features.flatten(0, 1), flow / 2).unflatten(0, many)
        pictures = warp(ref.flatten(0, 1), enlarge(flow)).unflatten(0, many)
        fine = enlarge(weights.flatten(0, 1)).unflatten(0, many)
        return merge(pictures, fine), merge(near, weights), fine


class Painter(nn.Module):
    """The translation network of stage 2."""

    def __init__(self, cfg: IPLAPConfig):
        super().__init__()
        self.speech = MelCode(cfg.mel, cfg.token)
        self.stem = ConvBlock(3 + 3 * SPAN, cfg.full)
        self.down = ConvBlock(cfg.full, cfg.paint, stride=2)
        self.spade_half, self.spade_full = SPADE(cfg.paint, cfg.hidden, cfg.half), SPADE(cfg.full, cfg.hidden, 3)
        self.adain_half, self.adain_full = AdaIN(cfg.paint, cfg.token), AdaIN(cfg.full, cfg.token)
        self.conv_half = nn.Conv2d(cfg.paint, cfg.paint, 3, 1, 1)
        self.conv_full = nn.Conv2d(cfg.paint + cfg.full, cfg.full, 3, 1, 1)
        self.head = nn.Conv2d(cfg.full + 3, 3, 3, 1, 1)
        nn.init.normal_(self.head.weight, std=1e-2)  # starts near the merged picture
        nn.init.zeros_(self.head.bias)

    def forward(self, visible: Tensor, driving: Tensor, picture: Tensor, features: Tensor, mel: Tensor) -> Tensor:
        """visible (B, 3, S, S) with the hole at 0, driving (B, 3 SPAN, S, S), merged picture (B, 3, S, S) and features
        (B, C, S/2, S/2), mel (B, 80, 16) -> (B, 3, S, S) in [0, 1]."""
        code = self.speech(mel)
        stem = self.stem(torch.cat([visible, driving], dim=1))
        x = F.leaky_relu(self.spade_half(self.down(stem), features), LEAK)
        x = F.leaky_relu(self.adain_half(self.conv_half(x), code), LEAK)
        x = self.conv_full(torch.cat([up2(x), stem], dim=1))
        x = F.leaky_relu(self.spade_full(x, picture), LEAK)
        x = F.leaky_relu(self.adain_full(x, code), LEAK)
        return torch.sigmoid(self.head(torch.cat([x, picture - 0.5], dim=1)) + torch.logit(picture, eps=0.02))


class IPLAP(Baseline):
    """Both stages; pictures of side `size`, divisible by 4."""

    NAME, TRACK, CONFIG = "ip_lap", "dubbing", IPLAPConfig

    def __init__(self, size: int = 96, cfg: IPLAPConfig | None = None):
        super().__init__()
        if size % 4:
            raise ValueError(f"size: expected a multiple of 4, got {size}")
        self.size, self.cfg = size, cfg or IPLAPConfig()
        self.landmarks = LandmarkNet(self.cfg, size)
        self.aligner, self.painter = Aligner(self.cfg, size), Painter(self.cfg)

    def render(self, visible: Tensor, lmk: Tensor, ref: Tensor, ref_lmk: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Stage 2 of B frames: visible (B, 3, S, S), lmk (B, SPAN, 68, 2) of the frame and its neighbours, ref (B, R, 3, S, S), ref_lmk
        (B, R, 68, 2), mel (B, 80, 16) -> painted and merged pictures (B, 3, S, S)."""
        driving = sketch(lmk, self.size).flatten(1, 2)
        features, flow, logits = self.aligner(ref, sketch(ref_lmk, self.size), driving)
        picture, merged, _ = self.aligner.aligned(ref, features, flow, logits)
        return self.painter(visible, driving, picture, merged, mel), picture

    def loss(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Stage 1 on all frames of the runs, stage 2 on their middle frames, whose neighbours are known."""
        runs, size = len(batch.frames), self.size
        check_shape("frames", batch.frames, (runs, SPAN, 3, size, size))
        check_shape("ref", batch.ref, (runs, None, 3, size, size))
        lmk = self.landmarks(batch.mel, batch.lmk_neutral, batch.ref_lmk)
        wrong = ((lmk - batch.lmk) / (MOVE * size))[..., CONTENT, :]
        l_lmk, l_velocity = wrong.abs().mean(), wrong.diff(dim=1).abs().mean()

        t = SPAN // 2
        target, mask = batch.frames[:, t], batch.masks[:, t]
        true = batch.lmk_neutral.clone()  # the pose prior as in use, and true CONTENT: teacher forcing
        true[..., CONTENT, :] = batch.lmk[..., CONTENT, :]
        painted, picture = self.render(target * (1 - mask), true, batch.ref, batch.ref_lmk, batch.mel[:, t])
        l_paint, l_warp = (rec_loss_region(image, target, mask) for image in (painted, picture))
        total = l_lmk + self.cfg.velocity * l_velocity + 10 * (l_paint + self.cfg.warp * l_warp)
        return total, {"landmark": l_lmk.item(), "velocity": l_velocity.item(), "paint": l_paint.item(), "warp": l_warp.item()}

    def speak(self, given: Given) -> Tensor:
        """(T, SPAN, 68, 2) px: landmarks of each frame and its neighbours, as the speech moves them."""
        near = windows(len(given.frames))
        return self.landmarks(given.mel[near], given.lmk_neutral[near], given.lmk[given.ref_index])

    def paint(self, given: Given, generator: torch.Generator) -> Tensor:
        """Each frame from the window around it and from its own references."""
        check_shape("frames", given.frames, (None, 3, self.size, self.size))
        check_shape("ref_index", given.ref_index, (len(given.frames), REFERENCES))
        lmk, visible, painted = self.speak(given), given.visible(), []
        for rows in torch.arange(len(visible)).split(CHUNK):
            refs = given.ref_index[rows]
            painted.append(self.render(visible[rows], lmk[rows], given.frames[refs], given.lmk[refs], given.mel[rows])[0])
        return torch.cat(painted)
