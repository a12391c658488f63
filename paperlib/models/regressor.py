"""A small network from one picture to first coefficients: pose, expression, identity and light, where a fit starts.

It stands where the paper has the network of Deng et al. 2019, but is trained on rendered faces alone and is only a start: the
fit to landmarks has the last word. What was measured beside its training travels in its file: its own error for each coefficient,
how the landmark detector's points lie around the mesh's (`face3d.detector`), and how the two are best joined (`face3d.fusing`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from paperlib.config import RegressorConfig
from paperlib.errors import check_shape
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, SH, TRANS
from paperlib.face3d.detector import GENERIC, Detector
from paperlib.face3d.landmarks import N_LANDMARKS
from paperlib.models.encoders import conv_bn

GROUPS = (ID, EXP, ANGLES, SH, TRANS)  # what it says; texture is left to the pixels
HABITS = ("mean", "person_sd", "noise")
SCALE = (1.0, 1.0, 0.2, 0.1, 0.15)  # about their standard deviations in the corpus, so that the outputs are of order one


class FaceRegressor(nn.Module):
    """Crop -> 257 coefficients with texture 0. Strided convolutions with BatchNorm, one hidden layer."""

    def __init__(self, cfg: RegressorConfig):
        super().__init__()
        if cfg.size % 16:
            raise ValueError(f"size: must be divisible by 16, got {cfg.size}")
        self.size = cfg.size
        w, side = cfg.width, cfg.size // 16
        self.body = nn.Sequential(
            conv_bn(3, w, stride=2), conv_bn(w, 2 * w, stride=2), conv_bn(2 * w, 2 * w),
            conv_bn(2 * w, 4 * w, stride=2), conv_bn(4 * w, 4 * w), conv_bn(4 * w, 8 * w, stride=2), conv_bn(8 * w, 4 * w, 1, padding=0),
        )  # fmt: skip
        self.hidden = nn.Sequential(nn.Linear(4 * w * side * side, cfg.hidden), nn.ReLU(inplace=True))
        self.out = nn.Linear(cfg.hidden, sum(g.stop - g.start for g in GROUPS))
        nn.init.normal_(self.out.weight, std=1e-3)  # starts at the mean face
        nn.init.zeros_(self.out.bias)
        self.register_buffer("where", torch.cat([torch.arange(g.start, g.stop) for g in GROUPS]), persistent=False)
        widths = torch.cat([torch.full((g.stop - g.start,), s) for g, s in zip(GROUPS, SCALE, strict=True)])
        self.register_buffer("scale", widths, persistent=False)
        self.register_buffer("error", torch.full((N_COEFF,), torch.inf))
        for kind in ("detector", "fused"):
            for name in HABITS:
                self.register_buffer(f"{kind}_{name}", torch.from_numpy(getattr(GENERIC, name)).float())
        self.register_buffer("share", torch.ones(N_LANDMARKS))

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1], the face where the model's camera expects it -> (B, 257)."""
        check_shape("picture", picture, (None, 3, self.size, self.size))
        said = self.out(self.hidden(self.body(picture * 2 - 1).flatten(1))) * self.scale
        return said.new_zeros(len(said), N_COEFF).index_copy(1, self.where, said)

    def error_sd(self) -> np.ndarray:
        """(257,) root mean square error of each coefficient on validation speakers; inf where it says nothing or was not measured."""
        return self.error.double().cpu().numpy()

    def detector(self, kind: str = "detector") -> Detector:
        """How landmarks lie around the mesh's vertices on rendered speakers: the landmark detector's ("detector"), or those of
        `fusing.fuse` ("fused")."""
        return Detector(*(getattr(self, f"{kind}_{name}").double().cpu().numpy() for name in HABITS))

    def detector_share(self) -> np.ndarray:
        """(68,) the detector's share in fused landmarks; 1 where nothing was measured."""
        return self.share.double().cpu().numpy()

    def set_detector(self, detector: Detector, kind: str = "detector") -> None:
        """Keep a measured detector in this network's file."""
        for name in HABITS:
            getattr(self, f"{kind}_{name}").copy_(torch.from_numpy(getattr(detector, name)))
