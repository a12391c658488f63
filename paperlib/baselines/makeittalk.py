"""MakeItTalk-mini: speech moves the landmarks of one picture, and a network paints the picture that the moved landmarks draw.

Zhou et al., "MakeItTalk: Speaker-Aware Talking-Head Animation", ACM Transactions on Graphics (SIGGRAPH Asia) 2020.

Kept: two networks that are trained apart. The first says how far each of 68 three-dimensional landmarks is from the neutral, frontal face:
a content branch (an LSTM over the 0.28 s of speech around the frame, its last state through a perceptron) plus a speaker-aware branch,
trained on L2 and on L2 of the graph Laplacian, which keeps neighbouring landmarks together. The second, a residual U-Net, turns (the
picture, a line drawing of the landmarks) into the frame, from nothing, trained on drawings of true landmarks.

Left out: AutoVC's content code (MFCC instead); the voice's speaker embedding, the self-attention over a longer window and the critics of
the speaker-aware branch, whose main work is head motion, here given: it is a small LSTM with a code of the face's identity, which the
content branch does without; the perceptual loss (VGG); smoothing and amplification of the landmarks after prediction; the warp of pictures
that are no photographs. Different: the window of speech is centred on its frame; the landmarks are put under the true pose (animation
track); the L1 counts in Omega_c, the only region that is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.baselines.drawing import LINES, UPPER, draw_landmarks
from paperlib.baselines.interface import CHUNK, Baseline, Batch, Given
from paperlib.baselines.references import steady_references
from paperlib.errors import check_shape
from paperlib.face3d import camera
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, TRANS
from paperlib.face3d.landmarks import N_LANDMARKS
from paperlib.losses.reconstruction import rec_loss_region
from paperlib.models.blocks import LEAK, up2

CM = 10.0  # centimetres in a model unit: displacements are then of order one
CHANNELS = (("jaw", *UPPER), ("outer",), ("inner",))  # of the drawing: the lips lie within a pixel or two of each other


@dataclass(frozen=True)
class MakeItTalkConfig:
    """Choices of the reduction."""

    prior: int = 32  # width of the perceptron before the LSTMs (released code: 256 and 161)
    hidden: int = 40  # of the content LSTM (256)
    layers: int = 2  # of it (3); 28 time steps are dear on a CPU
    readout: int = 48  # of the perceptron behind it (512 and 256)
    speaker_hidden: int = 16  # of the speaker-aware branch, a correction
    identity: int = 4  # numbers of the identity code: the corpus has 32 people, more would name them
    widths: tuple[int, ...] = (12, 20, 20, 20, 20)  # of the U-Net at 1, 1/2, ... of the size (released: six halvings from 64)
    pictures: int = 2  # frames of a run that the U-Net learns from: the five are nearly one picture, and most of the cost is here
    laplacian: float = 1.0  # weight of the Laplacian's L2 beside the landmarks' own: equal


def laplacian_matrix() -> Tensor:
    """(68, 68): a landmark minus the mean of its neighbours along LINES."""
    links = torch.zeros(N_LANDMARKS, N_LANDMARKS)
    for points, closed in LINES.values():
        order = list(points)
        for a, b in zip(order, order[1:] + order[:1] if closed else order[1:], strict=False):
            links[a, b] = links[b, a] = 1
    return torch.eye(N_LANDMARKS) - links / links.sum(1, keepdim=True)


class Displacements(nn.Module):
    """Speech and a neutral face -> how far its landmarks are from neutral."""

    def __init__(self, cfg: MakeItTalkConfig):
        super().__init__()
        flat = 3 * N_LANDMARKS
        self.prior = nn.Sequential(nn.Linear(13, cfg.prior), nn.LeakyReLU(LEAK), nn.Linear(cfg.prior, cfg.prior))
        self.content = nn.LSTM(cfg.prior, cfg.hidden, cfg.layers, batch_first=True)
        self.content_out = nn.Sequential(nn.Linear(cfg.hidden, cfg.readout), nn.LeakyReLU(LEAK), nn.Linear(cfg.readout, flat))
        self.speaker = nn.LSTM(cfg.prior, cfg.speaker_hidden, batch_first=True)
        self.code = nn.Linear(flat, cfg.identity)
        both = cfg.speaker_hidden + cfg.identity
        self.speaker_out = nn.Sequential(nn.Linear(both, 2 * both), nn.LeakyReLU(LEAK), nn.Linear(2 * both, flat))

    def forward(self, mfcc: Tensor, face: Tensor) -> Tensor:
        """mfcc (N, 13, 28); face (N, 68, 3): the neutral face less the mean face, cm -> (N, 68, 3) cm."""
        check_shape("mfcc", mfcc, (None, 13, 28))
        check_shape("face", face, (len(mfcc), N_LANDMARKS, 3))
        heard = self.prior(mfcc.transpose(1, 2))
        content = self.content_out(self.content(heard)[0][:, -1])
        own = torch.cat([self.speaker(heard)[0][:, -1], self.code(face.flatten(1))], 1)
        return (content + self.speaker_out(own)).unflatten(1, (N_LANDMARKS, 3))


def _conv(c_in: int, c_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.GroupNorm(1, c_out), nn.LeakyReLU(LEAK))


class _Residual(nn.Module):
    """x + conv(x): the blocks of the translation network."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class Translation(nn.Module):
    """The residual U-Net: (picture, line drawing) -> frame."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.stem = _conv(6, widths[0])
        self.down = nn.ModuleList(nn.Sequential(_conv(a, b, 2), _Residual(b)) for a, b in pairs)
        self.up = nn.ModuleList(_conv(b + a, a) for a, b in reversed(pairs))
        self.head = nn.Conv2d(widths[0] + 6, 3, 3, 1, 1)  # sees the inputs too: group norms forget how bright a picture is

    def forward(self, picture: Tensor, drawing: Tensor) -> Tensor:
        """Both (N, 3, S, S) in [0, 1] -> (N, 3, S, S) in [0, 1]."""
        check_shape("drawing", drawing, tuple(picture.shape))
        x = torch.cat([picture, drawing], 1)
        features = [self.stem(x)]
        for down in self.down:
            features.append(down(features[-1]))
        y = features.pop()
        for up in self.up:
            y = up(torch.cat([up2(y), features.pop()], 1))
        return torch.sigmoid(self.head(torch.cat([y, x], 1)))


class MakeItTalk(Baseline):
    """The face model's 68 vertices are buffers that `state_dict` leaves out: a trained network belongs to the face model in use."""

    NAME, TRACK, CONFIG = "makeittalk", "animation", MakeItTalkConfig

    def __init__(self, size: int = 96, cfg: MakeItTalkConfig | None = None):
        from paperlib.face3d.morphable_model import default_model

        super().__init__()
        self.size, self.cfg = size, cfg or MakeItTalkConfig()
        if size % 2 ** (len(self.cfg.widths) - 1):
            raise ValueError(f"size: must be divisible by {2 ** (len(self.cfg.widths) - 1)}, got {size}")
        self.displacements = Displacements(self.cfg)
        self.translation = Translation(self.cfg.widths)
        model = default_model()
        picked = model.landmark_index
        tensors = {"mean": model.mean_shape[picked], "id_basis": model.id_basis[picked], "exp_basis": model.exp_basis[picked]}
        for name, value in (tensors | {"laplacian": laplacian_matrix()}).items():
            self.register_buffer(name, value.clone(), persistent=False)

    def identity(self, coeffs: Tensor) -> Tensor:
        """coeffs (N, 257) -> (N, 68, 3): the neutral, frontal face less the mean face, cm."""
        check_shape("coeffs", coeffs, (None, N_COEFF))
        return CM * torch.einsum("nck,bk->bnc", self.id_basis, coeffs[:, ID])

    def true_displacement(self, coeffs: Tensor) -> Tensor:
        """coeffs (N, 257) -> (N, 68, 3): what their expression does to the landmarks, cm. For training only."""
        return CM * torch.einsum("nck,bk->bnc", self.exp_basis, coeffs[:, EXP])

    def landmarks(self, coeffs: Tensor, displacement: Tensor) -> Tensor:
        """Displaced landmarks (N, 68, 2) px of the person and pose of coeffs (N, 257), whose expression is not read.

        displacement: (N, 68, 3) cm; zero gives the neutral face under that pose.
        """
        check_shape("displacement", displacement, (len(coeffs), N_LANDMARKS, 3))
        shape = self.mean + (self.identity(coeffs) + displacement) / CM
        return camera.project(camera.pose(shape, coeffs[:, ANGLES], coeffs[:, TRANS]), self.size)

    def spoken(self, mfcc: Tensor, coeffs: Tensor) -> Tensor:
        """Landmarks (N, 68, 2) px of a face that says mfcc (N, 13, 28); of coeffs (N, 257) only person and pose are read."""
        return self.landmarks(coeffs, self.displacements(mfcc, self.identity(coeffs)))

    def loss(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, Mapping[str, float]]:
        """The sum of two trainings that share no weight: landmarks from speech, and frames from true landmarks."""
        check_shape("batch.frames", batch.frames, (None, None, 3, self.size, self.size))
        coeffs = batch.coeffs.flatten(0, 1)
        wrong = self.displacements(batch.mfcc.flatten(0, 1), self.identity(coeffs)) - self.true_displacement(coeffs)
        l2, smooth = wrong.square().mean(), torch.einsum("mn,bnc->bmc", self.laplacian, wrong).square().mean()

        pick = torch.randperm(batch.frames.shape[1], generator=generator)[: self.cfg.pictures]
        frames, masks, lmk = (x[:, pick].flatten(0, 1) for x in (batch.frames, batch.masks, batch.lmk))
        painted = self.translation(batch.ref[:, 0].repeat_interleave(len(pick), 0), draw_landmarks(lmk, self.size, CHANNELS))
        l1 = rec_loss_region(painted, frames, masks)
        parts = {"l1": l1.item(), "landmarks": l2.item(), "laplacian": smooth.item()}
        return l1 + l2 + self.cfg.laplacian * smooth, parts

    def paint(self, given: Given, generator: torch.Generator) -> Tensor:
        """One picture as long as it may be the same; of the source's own frames nothing else is seen, inside the mask or outside."""
        check_shape("given.frames", given.frames, (None, 3, self.size, self.size))
        drawing = draw_landmarks(self.spoken(given.mfcc, given.coeffs), self.size, CHANNELS)
        pictures = given.frames[steady_references(given.ref_index)]
        return torch.cat([self.translation(a, b) for a, b in zip(pictures.split(CHUNK), drawing.split(CHUNK), strict=True)])
