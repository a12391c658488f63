"""The official SyncNet (Chung & Zisserman, "Out of time", ACCV workshops 2016) in the layers of its released weights, `syncnet_v2.model`.

The weights are not ours to pass on: `load` takes the user's file. Inputs, as the released evaluation code (joonson/syncnet_python) makes
them: five frames at 25 fps, 224 x 224, BGR, 0 ... 255 without any scaling; 20 rows of 13 MFCCs of 16-bit 16 kHz sound in
python_speech_features' convention (`media.mfcc_conventions.psf_mfcc`). Output: 1024 numbers, not normalised. The weights run in eval mode.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from paperlib.errors import InputError, check_shape

FRAMES, SIZE = 5, 224  # of a lip window
ROWS, ROWS_PER_FRAME, COEFFICIENTS = 20, 4, 13  # of an MFCC window: 20 rows of 10 ms belong to 5 frames of 40 ms
EMBED, CODE = 1024, 512
SAMPLES_PER_FRAME = 640


class Layer(NamedTuple):
    """Convolution + BatchNorm + ReLU, then a max pooling where `pool` = (kernel, stride, padding) is given. (height, width) or one int."""

    out: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: int = 0
    pool: tuple | None = None


AUDIO = (  # 13 x 20
    Layer(64, (3, 3), padding=1, pool=(1, 1, 0)),  # a pooling of one pixel: it does nothing, but it has a number in the names
    Layer(192, (3, 3), padding=1, pool=(3, (1, 2), 0)),  # 11 x 9
    Layer(384, (3, 3), padding=1),
    Layer(256, (3, 3), padding=1),
    Layer(256, (3, 3), padding=1, pool=(3, 2, 0)),  # 5 x 4
    Layer(512, (5, 4)),  # 1 x 1
)
LIPS = (  # 224 x 224; the first convolution joins the five frames
    Layer(96, (7, 7), stride=2, pool=(3, 2, 0)),  # 109, then 54
    Layer(256, (5, 5), stride=2, padding=1, pool=(3, 2, 1)),  # 26, 13
    Layer(256, (3, 3), padding=1),
    Layer(256, (3, 3), padding=1),
    Layer(256, (3, 3), padding=1, pool=(3, 2, 0)),  # 6
    Layer(512, (6, 6)),  # 1
)


def _audio_trunk() -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, a in zip((1, *(layer.out for layer in AUDIO)), AUDIO, strict=False):
        layers += [nn.Conv2d(before, a.out, a.kernel, a.stride, a.padding), nn.BatchNorm2d(a.out), nn.ReLU(inplace=True)]
        if a.pool:
            layers.append(nn.MaxPool2d(*a.pool))
    return nn.Sequential(*layers)


def _lip_trunk() -> nn.Sequential:
    layers: list[nn.Module] = []
    depth = FRAMES
    for before, a in zip((3, *(layer.out for layer in LIPS)), LIPS, strict=False):
        stride, padding = (1, a.stride, a.stride), (0, a.padding, a.padding)
        layers += [nn.Conv3d(before, a.out, (depth, *a.kernel), stride, padding), nn.BatchNorm3d(a.out), nn.ReLU(inplace=True)]
        if a.pool:
            kernel, step, pad = a.pool
            layers.append(nn.MaxPool3d((1, kernel, kernel), (1, step, step), (0, pad, pad)))
        depth = 1
    return nn.Sequential(*layers)


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(CODE, CODE), nn.BatchNorm1d(CODE), nn.ReLU(), nn.Linear(CODE, EMBED))


class OfficialSyncNet(nn.Module):
    """13.6 million parameters under the released names: netcnnaud, netfcaud (speech), netcnnlip, netfclip (lips)."""

    def __init__(self):
        super().__init__()
        self.netcnnaud, self.netfcaud = _audio_trunk(), _head()
        self.netcnnlip, self.netfclip = _lip_trunk(), _head()

    def embed_lips(self, lips: Tensor) -> Tensor:
        """(B, 3, 5, 224, 224) BGR, 0 ... 255, oldest frame first -> (B, 1024), of any sign and length."""
        check_shape("lips", lips, (None, 3, FRAMES, SIZE, SIZE))
        return self.netfclip(self.netcnnlip(lips).flatten(1))

    def embed_mfcc(self, mfcc: Tensor) -> Tensor:
        """(B, 1, 13, 20), the rows 4 t ... 4 t + 19 of `psf_mfcc` transposed, for the frames t ... t + 4 -> (B, 1024)."""
        check_shape("mfcc", mfcc, (None, 1, COEFFICIENTS, ROWS))
        return self.netfcaud(self.netcnnaud(mfcc).flatten(1))

    def forward(self, lips: Tensor, mfcc: Tensor) -> tuple[Tensor, Tensor]:
        """(lip embedding, speech embedding), each (B, 1024)."""
        return self.embed_lips(lips), self.embed_mfcc(mfcc)


def load(file: str | Path | None = None) -> OfficialSyncNet:
    """The network with the user's `syncnet_v2.model` (default: `weights.path("syncnet_v2")`), in eval mode, frozen.

    The file is opened with weights_only=True; names and shapes must be exactly the released ones (BatchNorm's counters, which old
    versions of torch did not store, may be absent). InputError otherwise.
    """
    from paperlib import weights, weights_import

    path = Path(file) if file is not None else weights.path("syncnet_v2")
    tensors = weights_import.read_state_dict(path, "SyncNet's syncnet_v2.model")
    net = OfficialSyncNet()
    weights_import.load_exactly(net, tensors, path, "SyncNet's syncnet_v2.model")
    return net.eval().requires_grad_(False)


def lip_volume(frames: np.ndarray) -> Tensor:
    """Face crops (T, H, W, 3) uint8 RGB -> (3, T, 224, 224) float BGR, 0 ... 255; other sizes are resized (Wav2Lip's scorer: bilinear)."""
    check_shape("frames", frames, (None, None, None, 3))
    if frames.dtype != np.uint8:
        raise ValueError(f"frames: expected uint8, got {frames.dtype}")
    if frames.shape[1:3] != (SIZE, SIZE):
        import cv2

        frames = np.stack([cv2.resize(frame, (SIZE, SIZE)) for frame in frames])
    return torch.from_numpy(np.ascontiguousarray(frames[..., ::-1])).permute(3, 0, 1, 2).float()


def mfcc_image(wave: np.ndarray) -> Tensor:
    """Speech (N,) float in [-1, 1], 16 kHz -> (13, R) float32 of `psf_mfcc`."""
    from paperlib.media.mfcc_conventions import psf_mfcc

    return torch.from_numpy(psf_mfcc(wave).T.astype(np.float32))


@torch.no_grad()
def features(net: OfficialSyncNet, frames: np.ndarray, wave: np.ndarray, batch: int = 8) -> tuple[Tensor, Tensor]:
    """Lip and speech features (T, 1024) each of one clip, for `metrics.sync`: window t is the frames t ... t + 4 and their 20 MFCC rows.

    frames (n, H, W, 3) uint8 RGB face crops at 25 fps; wave (N,) float, 16 kHz. T = min(n, N // 640) - 5, one window fewer than would fit:
    the released code's count. InputError when that leaves fewer than two.
    """
    count = min(len(frames), len(wave) // SAMPLES_PER_FRAME) - FRAMES
    if count < 2:
        raise InputError(f"{len(frames)} frames with {len(wave) / 16000:.2f} s of sound are too short for SyncNet: give 7 frames (0.28 s)")
    device = next(net.parameters()).device
    mfcc = mfcc_image(wave)
    lips, speech = [], []
    for first in range(0, count, batch):
        starts = range(first, min(first + batch, count))
        volume = lip_volume(frames[starts[0] : starts[-1] + FRAMES])
        lips.append(net.embed_lips(torch.stack([volume[:, t - first : t - first + FRAMES] for t in starts]).to(device)).cpu())
        windows = torch.stack([mfcc[None, :, ROWS_PER_FRAME * t : ROWS_PER_FRAME * t + ROWS] for t in starts])
        speech.append(net.embed_mfcc(windows.to(device)).cpu())
    return torch.cat(lips), torch.cat(speech)
