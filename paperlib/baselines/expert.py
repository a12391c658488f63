"""The trained sync expert as a loss: what it sees of painted frames, with a gradient, and how it judges them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.baselines.interface import SPAN
from paperlib.corpus.banks import face_boxes
from paperlib.errors import check_shape
from paperlib.models.syncnet import SyncNet, sync_loss


def lip_windows(frames: Tensor, lmk_neutral: Tensor, size: int) -> Tensor:
    """What the expert sees: frames (B, 5, 3, H, W) in [0, 1], lmk_neutral (B, 5, 68, 2) px -> (B, 15, size/2, size), differentiable.

    The lower halves of the crops that `crop_frames` makes of `face_boxes`, on which the expert was trained, oldest first.
    """
    check_shape("frames", frames, (None, SPAN, 3, None, None))
    runs, _, _, height, width = frames.shape
    check_shape("lmk_neutral", lmk_neutral, (runs, SPAN, 68, 2))
    boxes = torch.from_numpy(face_boxes(lmk_neutral.detach().flatten(0, 1).cpu().numpy())).to(frames)
    side = boxes[:, 2] - boxes[:, 0]
    fine = max(1, int((side.max() / size - 1e-6).ceil()))  # samples per pixel and axis, averaged: no aliasing
    steps = (torch.arange(size * fine, device=frames.device) + 0.5) / (size * fine)
    x = boxes[:, :1] + side[:, None] * steps
    y = boxes[:, 1:2] + side[:, None] * steps[size * fine // 2 :]
    grid = torch.stack(torch.broadcast_tensors(2 * x[:, None, :] / width - 1, 2 * y[:, :, None] / height - 1), -1)
    crops = F.grid_sample(frames.flatten(0, 1), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.avg_pool2d(crops, fine).unflatten(0, (runs, SPAN)).flatten(1, 2)


class SyncExpert:
    """A trained `SyncNet`, frozen. No module: so it is no part of a system's weights, and a system in training leaves it in eval mode."""

    def __init__(self, net: SyncNet):
        self.net = net.eval().requires_grad_(False)

    def loss(self, frames: Tensor, lmk_neutral: Tensor, mel: Tensor) -> Tensor:
        """-log of the cosine of lips and speech, mean over runs: frames (B, 5, 3, H, W) in [0, 1], lmk_neutral (B, 5, 68, 2) px and
        mel (B, 5, 80, 16), of which the middle frame's is heard. Scalar."""
        check_shape("mel", mel, (len(frames), SPAN, 80, 16))
        lips = lip_windows(frames, lmk_neutral, self.net.size)
        return sync_loss(*self.net(lips, mel[:, SPAN // 2, None]), torch.ones(len(lips), device=lips.device))
