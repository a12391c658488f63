"""Perceptual and style losses, equations (28) and (29), on ImageNet VGG features.

The paper says VGG-19. What can be had without a download page is VGG-16 (see `paperlib.weights`), so VGG-16 it is, by that
name; VGG-19 is used where the user has imported it. Never random weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib import weights
from paperlib.errors import InputError, check_shape

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}  # convolutions between the poolings


class VGGFeatures(nn.Module):
    """Activations of chosen ReLU layers of VGG-16 (or VGG-19), cut after the last one needed; frozen.

    `layers` such as ("relu1_2", "relu2_2", "relu3_3"). Weights are buffers outside the state dict: checkpoints stay small, no
    optimiser sees them, and gradients reach the images only. InputError when the weights are missing.
    """

    def __init__(self, layers: Sequence[str] = ("relu1_2", "relu2_2"), net: str = "vgg16"):
        super().__init__()
        if net not in _BLOCKS:
            raise InputError(f"perceptual network {net!r}: choose vgg16 or vgg19")
        known = [f"relu{b}_{c}" for b, count in enumerate(_BLOCKS[net], 1) for c in range(1, count + 1)]
        unknown = [layer for layer in layers if layer not in known]
        if unknown or not layers:
            raise InputError(f"layers {', '.join(unknown) or '()'} of {net}: choose from {', '.join(known)}")
        self.net = net
        self.label = {"vgg16": "VGG-16", "vgg19": "VGG-19"}[net]
        self.layers = tuple(layers)
        last = max(known.index(layer) for layer in layers)
        self._steps: list[tuple[str, str]] = []  # (buffer stem | "pool", layer name)
        tensors = weights.load_features(net)
        index = position = 0
        for b, count in enumerate(_BLOCKS[net], 1):
            for c in range(1, count + 1):
                if position > last:
                    break
                stem = f"conv{b}_{c}"
                self.register_buffer(f"{stem}_weight", tensors[f"features.{index}.weight"].clone(), persistent=False)
                self.register_buffer(f"{stem}_bias", tensors[f"features.{index}.bias"].clone(), persistent=False)
                self._steps.append((stem, f"relu{b}_{c}"))
                index += 2
                position += 1
            if position > last:
                break
            self._steps.append(("pool", ""))
            index += 1
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.eval()

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Features {layer: (B, C_l, H_l, W_l)} of RGB images (B, 3, H, W) in [0, 1]; differentiable in the images."""
        check_shape("images", images, (None, 3, None, None))
        x = (images - self.mean) / self.std
        found = {}
        for stem, layer in self._steps:
            if stem == "pool":
                x = F.max_pool2d(x, 2)
                continue
            x = F.relu(F.conv2d(x, getattr(self, f"{stem}_weight"), getattr(self, f"{stem}_bias"), padding=1))
            if layer in self.layers:
                found[layer] = x
        return found


def _pairs(pred: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    if set(pred) != set(target):
        raise ValueError(f"layers differ: {sorted(pred)} and {sorted(target)}")
    return [(pred[layer], target[layer]) for layer in pred]


def perceptual_loss(feats_pred: Mapping[str, Tensor], feats_target: Mapping[str, Tensor]) -> Tensor:
    """L_p of eq. (28): sum over layers of ||phi_l(I) - phi_l(I_t)||_1 / (C_l H_l W_l), averaged over the batch; scalar."""
    return sum((a - b).abs().mean() for a, b in _pairs(feats_pred, feats_target))


def gram(features: Tensor) -> Tensor:
    """G(F) = F F^T of eq. (29): (B, C, H, W) -> (B, C, C), F flattened to C x HW, not normalised."""
    check_shape("features", features, (None, None, None, None))
    if features.is_contiguous():
        flat = features.flatten(2)
    else:  # channels last in memory: the same matrix without a copy
        flat = features.permute(0, 2, 3, 1).flatten(1, 2).transpose(1, 2)
    return flat @ flat.transpose(1, 2)


def style_loss(feats_pred: Mapping[str, Tensor], feats_target: Mapping[str, Tensor]) -> Tensor:
    """L_style of eq. (29): sum over layers of ||G(phi_l(I_i)) - G(phi_l(I_t))||_1 / (C_l H_l W_l)^2, averaged over the batch."""
    return sum((gram(a) - gram(b)).abs().sum((1, 2)).mean() / a[0].numel() ** 2 for a, b in _pairs(feats_pred, feats_target))


def crop_resize(images: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut boxes (B, 4) = (x0, y0, x1, y1) in pixels out of images (B, C, H, W) and resize to (B, C, size, size); differentiable.

    Bilinear at pixel centres, border repeated. Used to compute features on the mouth crop.
    """
    batch, channels, height, width = images.shape
    check_shape("boxes", boxes, (batch, 4))
    x0, y0, x1, y1 = boxes.to(images.dtype).unbind(1)
    theta = images.new_zeros(batch, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = (x1 - x0) / width, (x0 + x1) / width - 1
    theta[:, 1, 1], theta[:, 1, 2] = (y1 - y0) / height, (y0 + y1) / height - 1
    grid = F.affine_grid(theta, [batch, channels, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
