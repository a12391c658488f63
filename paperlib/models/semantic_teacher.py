"""The semantic teacher: Wav2Lip's generator (Prajwal et al. 2020), which turns speech and a fixed face into the images V of (3).

Two depths of one design: a shallow one that trains in minutes, and with `cfg.wav2lip_layers` Wav2Lip's own layers, whose released weights
`load_wav2lip` takes from the user's file.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from paperlib.config import TeacherConfig
from paperlib.errors import check_shape
from paperlib.models.encoders import MelEncoder, conv_bn


def _deconv(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """relu(x + BatchNorm(conv(x))), Wav2Lip's residual block."""

    def __init__(self, channels: int, bias: bool = False):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=bias), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return torch.relu(x + self.conv(x))


def halvings(size: int) -> int:
    """How often `size` halves before its last 2 or 3 pixels are joined to one.

    >>> halvings(32), halvings(48), halvings(96)
    (4, 4, 5)
    """
    n = 0
    while size % 2 == 0 and size > 3:
        size, n = size // 2, n + 1
    if size > 3:
        raise ValueError("size: the teacher needs a side of 2 or 3 times a power of two, as 32, 48 or 96")
    return n


class SemanticTeacher(nn.Module):
    """Wav2Lip's generator, its widths set by `cfg.width` (Wav2Lip: 16).

    Face and speech each become one vector; a decoder with skips to the face encoder paints the speaking face: from nothing, as
    Wav2Lip's does, or with `cfg.from_reference` as a change of the reference, which starts at no change.
    """

    def __init__(self, cfg: TeacherConfig):
        super().__init__()
        self.size = cfg.size
        if cfg.wav2lip_layers:
            self._wav2lip(cfg.width)
        else:
            self._shallow(cfg)
        self.from_reference = cfg.from_reference
        if cfg.from_reference:
            nn.init.normal_(self.head[-1].weight, std=1e-2)
            nn.init.zeros_(self.head[-1].bias)

    def _shallow(self, cfg: TeacherConfig) -> None:
        """One residual block a level and at most 8 w channels."""
        n = halvings(cfg.size)
        bottom = cfg.size // 2**n
        width = [cfg.width * 2 ** min(i, 3) for i in range(n + 1)]
        code = width[-1]
        self.stem = conv_bn(6, width[0], 7, 1, 3)
        self.down = nn.ModuleList(nn.Sequential(conv_bn(a, b, 3, 2), Residual(b)) for a, b in zip(width[:-1], width[1:], strict=True))
        self.to_code = conv_bn(width[-1], code, bottom, 1, 0)
        self.speech = MelEncoder(cfg.width, code)
        self.from_code = nn.Sequential(
            nn.ConvTranspose2d(2 * code, width[-1], bottom, bias=False), nn.BatchNorm2d(width[-1]), nn.ReLU(inplace=True)
        )
        self.up = nn.ModuleList(nn.Sequential(_deconv(2 * width[i], width[i - 1]), Residual(width[i - 1])) for i in range(n, 0, -1))
        self.head = nn.Sequential(conv_bn(2 * width[0], width[0]), nn.Conv2d(width[0], 3, 1))

    def _wav2lip(self, w: int) -> None:
        """Wav2Lip's layers at first width w (its own: 16, which makes 36.3 million parameters), for 96 x 96 pixels."""
        if self.size != 96:
            raise ValueError(f"size: Wav2Lip's layers are for 96 pixels, got {self.size}")
        width, code = [w * 2**i for i in range(6)], 32 * w

        def residuals(channels: int, count: int) -> list[nn.Module]:
            return [Residual(channels, bias=True) for _ in range(count)]

        def deconv(c_in: int, c_out: int, *how: int) -> nn.Sequential:
            return nn.Sequential(nn.ConvTranspose2d(c_in, c_out, 3, *how), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))

        self.stem = conv_bn(6, w, 7, 1, 3, bias=True)
        self.down = nn.ModuleList(
            nn.Sequential(conv_bn(a, b, 3, 2, bias=True), *residuals(b, count))
            for a, b, count in zip(width[:-1], width[1:], (2, 3, 2, 2, 1), strict=True)
        )
        self.to_code = nn.Sequential(conv_bn(code, code, 3, 1, 0, bias=True), conv_bn(code, code, 1, 1, 0, bias=True))
        speech: list[nn.Module] = []
        scales = ((1, 2, 1, 2), (2, 4, (3, 1), 2), (4, 8, 3, 2), (8, 16, (3, 2), 1))  # 80 x 16, 27 x 16, 9 x 6, 3 x 3
        for a, b, stride, count in scales:
            speech += [conv_bn(1 if stride == 1 else a * w, b * w, 3, stride, bias=True), *residuals(b * w, count)]
        speech += [conv_bn(16 * w, code, 3, 1, 0, bias=True), conv_bn(code, code, 1, 1, 0, bias=True)]
        self.speech = nn.Sequential(nn.Sequential(*speech), conv_bn(code, code, 1, 1, 0, bias=True))
        self.from_code = nn.Sequential(deconv(2 * code, code, 1, 0), *residuals(code, 1))
        ins, outs = [32 * w, *(c * w for c in (32, 24, 16, 8))], [c * w for c in (32, 24, 16, 8, 4)]
        self.up = nn.ModuleList(
            nn.Sequential(deconv(a + skip, b, 2, 1, 1), *residuals(b, 2)) for a, skip, b in zip(ins, reversed(width[1:]), outs, strict=True)
        )
        self.head = nn.Sequential(conv_bn(4 * w + w, 2 * w, bias=True), nn.Conv2d(2 * w, 3, 1))

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """mel (B, 1, 80, 16) in [-4, 4]; face (B, 6, S, S) in [0, 1]: lower half masked, then the reference -> (B, 3, S, S) in [0, 1]."""
        check_shape("mel", mel, (None, 1, 80, 16))
        check_shape("face", face, (mel.shape[0], 6, self.size, self.size))
        skips = [self.stem(face)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = self.from_code(torch.cat([self.speech(mel), self.to_code(skips[-1])], dim=1))
        for up in self.up:
            x = up(torch.cat([x, skips.pop()], dim=1))
        painted = self.head(torch.cat([x, skips.pop()], dim=1))
        if self.from_reference:
            painted = painted + torch.logit(face[:, 3:], eps=0.02)
        return torch.sigmoid(painted)


# our modules and the released ones; a block's inner names follow in `official_name`
_NAMES = {
    "stem": "face_encoder_blocks.0.0", **{f"down.{i}": f"face_encoder_blocks.{i + 1}" for i in range(5)},
    "to_code": "face_encoder_blocks.6", "speech.0": "audio_encoder", "speech.1": "face_decoder_blocks.0.0",
    "from_code": "face_decoder_blocks.1", **{f"up.{i}": f"face_decoder_blocks.{i + 2}" for i in range(5)},
    "head.0": "output_block.0", "head.1": "output_block.1",
}  # fmt: skip


def official_name(name: str) -> str:
    """What a tensor of the teacher with Wav2Lip's layers is called in a released checkpoint. KeyError for a module it does not have.

    >>> official_name("down.1.2.conv.0.weight"), official_name("head.1.bias")
    ('face_encoder_blocks.2.2.conv_block.0.weight', 'output_block.1.bias')
    """
    parts = name.split(".")
    own = parts[0] if parts[0] in _NAMES else ".".join(parts[:2])
    rest = [part for part in name.removeprefix(own + ".").split(".") if part != "conv"]
    if own != "head.1":  # the last convolution stands alone; every other one is in a block with its BatchNorm
        rest[-2:-2] = ["conv_block"]
    return ".".join([_NAMES[own], *rest])


def load_wav2lip(file: str | Path | None = None) -> SemanticTeacher:
    """The teacher with the user's released Wav2Lip weights (default: `weights.path("wav2lip")`), in eval mode, frozen.

    The checkpoint is opened with weights_only=True; its tensors must have exactly the names and shapes of Wav2Lip's generator (`module.`
    before them or not). The weights read and paint BGR: the first and last convolution are turned round, so that this network is RGB like
    all others here. They were trained on `mel_windows(level=False)`. InputError for any other file.
    """
    from paperlib import weights, weights_import

    what = "a checkpoint of Wav2Lip's generator"
    path = Path(file) if file is not None else weights.path("wav2lip")
    found = weights_import.read_state_dict(path, what)
    net = SemanticTeacher(TeacherConfig(size=96, width=16, from_reference=False, wav2lip_layers=True))
    names = {name: official_name(name) for name in net.state_dict()}
    back = {theirs: ours for ours, theirs in names.items()}
    weights_import.check_tensors(found, {names[name]: tuple(value.shape) for name, value in net.state_dict().items()}, path, what)
    state = {back[name]: tensor for name, tensor in found.items() if name in back}
    state["stem.0.weight"] = state["stem.0.weight"][:, [2, 1, 0, 5, 4, 3]]
    for kind in ("weight", "bias"):
        state[f"head.1.{kind}"] = state[f"head.1.{kind}"][[2, 1, 0]]
    weights_import.load_exactly(net, state, path, what)
    return net.eval().requires_grad_(False)
