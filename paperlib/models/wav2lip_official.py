"""The official Wav2Lip generator (Prajwal et al., ACM Multimedia 2020) in the layers of its released weights, `wav2lip.pth`.

The weights are not ours to pass on: `load` takes the user's file, `wav2lip.pth` or `wav2lip_gan.pth`. Inputs, as the released inference
makes them: faces of 96 x 96, BGR, [0, 1], the frame with its lower half at zero stacked on a reference; 16 columns of the mel spectrogram
of the sound as it is, from the frame's own first column on. What is different here, so that it takes part in tables 1 and 2 under their
rules: the face box comes from pose and a neutral mouth instead of the S3FD detector; the reference is a frame a second away, as in its
training, where the released inference shows the frame itself; and of what it paints only Omega_c is used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from paperlib.errors import InputError, check_shape

SIZE, MEL_COLUMNS = 96, 16
PARAMETERS = 36_298_035
# (in, out, kernel, stride, padding); "r": a residual convolution that keeps its width; ("t", in, out, stride, padding): transposed
FACE = (
    ((6, 16, 7, 1, 3),),
    ((16, 32, 3, 2, 1), "r", "r"),
    ((32, 64, 3, 2, 1), "r", "r", "r"),
    ((64, 128, 3, 2, 1), "r", "r"),
    ((128, 256, 3, 2, 1), "r", "r"),
    ((256, 512, 3, 2, 1), "r"),
    ((512, 512, 3, 1, 0), (512, 512, 1, 1, 0)),
)
SPEECH = (
    (1, 32, 3, 1, 1), "r", "r", (32, 64, 3, (3, 1), 1), "r", "r", (64, 128, 3, 3, 1), "r", "r", (128, 256, 3, (3, 2), 1), "r",
    (256, 512, 3, 1, 0), (512, 512, 1, 1, 0),
)  # fmt: skip
DECODER = (
    ((512, 512, 1, 1, 0),),
    (("t", 1024, 512, 1, 0), "r"),
    (("t", 1024, 512, 2, 1), "r", "r"),
    (("t", 768, 384, 2, 1), "r", "r"),
    (("t", 512, 256, 2, 1), "r", "r"),
    (("t", 320, 128, 2, 1), "r", "r"),
    (("t", 160, 64, 2, 1), "r", "r"),
)


class _Conv(nn.Module):
    """Convolution and BatchNorm, then ReLU; residual: the input is added before the ReLU."""

    def __init__(self, conv: nn.Module, residual: bool = False):
        super().__init__()
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_block(x)
        return torch.relu(y + x if self.residual else y)


def _block(layers: tuple) -> nn.Sequential:
    """One block of a table above."""
    made, width = [], 0
    for layer in layers:
        if layer == "r":
            made.append(_Conv(nn.Conv2d(width, width, 3, 1, 1), residual=True))
        elif layer[0] == "t":
            _, before, width, stride, padding = layer
            made.append(_Conv(nn.ConvTranspose2d(before, width, 3, stride, padding, output_padding=stride - 1)))
        else:
            width = layer[1]
            made.append(_Conv(nn.Conv2d(*layer)))
    return nn.Sequential(*made)


class OfficialWav2Lip(nn.Module):
    """36.3 million parameters under the released names."""

    def __init__(self):
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(map(_block, FACE))
        self.audio_encoder = _block(SPEECH)
        self.face_decoder_blocks = nn.ModuleList(map(_block, DECODER))
        self.output_block = nn.Sequential(_Conv(nn.Conv2d(80, 32, 3, 1, 1)), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, mel: Tensor, faces: Tensor) -> Tensor:
        """mel (B, 1, 80, 16) in [-4, 4], faces (B, 6, 96, 96) BGR in [0, 1], lower half hidden, then reference -> (B, 3, 96, 96) BGR."""
        check_shape("faces", faces, (None, 6, SIZE, SIZE))
        check_shape("mel", mel, (len(faces), 1, 80, MEL_COLUMNS))
        skips = []
        for block in self.face_encoder_blocks:
            faces = block(faces)
            skips.append(faces)
        x = self.audio_encoder(mel)
        for block in self.face_decoder_blocks:
            x = torch.cat([block(x), skips.pop()], 1)
        return self.output_block(x)


def load(file: str | Path | None = None) -> OfficialWav2Lip:
    """The generator with the user's weights (default: `weights.path("wav2lip")`), in eval mode, frozen.

    The file is opened with weights_only=True; names and shapes must be exactly the released ones. InputError otherwise.
    """
    from paperlib import weights, weights_import

    path = Path(file) if file is not None else weights.path("wav2lip")
    tensors = weights_import.read_state_dict(path, "Wav2Lip's wav2lip.pth")
    net = OfficialWav2Lip()
    weights_import.load_exactly(net, tensors, path, "Wav2Lip's wav2lip.pth")
    return net.eval().requires_grad_(False)


def mel_of(wave: np.ndarray, n: int) -> Tensor:
    """(n, 1, 80, 16): the released inference's windows, from column int(3.2 t) on; the last window again where the sound ends."""
    from paperlib.media import audio

    whole = audio.mel(wave, level=False)
    if whole.shape[1] < MEL_COLUMNS:
        raise InputError(f"wave: {len(wave)} samples are less than the {MEL_COLUMNS} mel columns of one window (0.2 s)")
    starts = np.minimum((np.arange(n) * 3.2).astype(int), whole.shape[1] - MEL_COLUMNS)
    return torch.from_numpy(np.stack([whole[:, s : s + MEL_COLUMNS] for s in starts]))[:, None]


@torch.no_grad()
def dub(net: OfficialWav2Lip, frames: np.ndarray, near: np.ndarray, wave: np.ndarray, refs: np.ndarray, batch: int = 16) -> np.ndarray:
    """uint8 RGB frames (T, H, W, 3) with the face box repainted to say `wave` (N,), float at 16 kHz.

    near: (T, 68, 2) px, landmarks of pose and a neutral mouth; refs: (T,) the frame that is shown whole for each. Of frame t nothing
    below the middle of its face box is read.
    """
    from paperlib.corpus.banks import face_boxes
    from paperlib.media.cropping import crop_frames, paste

    check_shape("frames", frames, (None, None, None, 3))
    check_shape("near", near, (len(frames), 68, 2))
    check_shape("refs", refs, (len(frames),))
    boxes = face_boxes(near)
    faces = torch.from_numpy(crop_frames(frames, boxes, SIZE)[..., ::-1].copy()).movedim(-1, 1).float() / 255
    hidden = faces.clone()
    hidden[:, :, SIZE // 2 :] = 0
    both = torch.cat([hidden, faces[torch.as_tensor(refs)]], 1)
    made = torch.cat([net(m, f) for m, f in zip(mel_of(wave, len(frames)).split(batch), both.split(batch), strict=True)])
    crops = made.movedim(1, -1).numpy()[..., ::-1].astype(np.float32)
    return paste(frames, np.ascontiguousarray(crops), boxes, np.ones((len(frames), 1, SIZE, SIZE), np.float32))
