"""The critic D of equations (25) and (26)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from paperlib.errors import check_shape
from paperlib.models.blocks import LEAK


class Critic(nn.Module):
    """WGAN-GP critic: four strided convolutions, no norm layer (the gradient penalty is per image), no sigmoid.

    The paper gives no structure. Its score is the mean of a map of patch scores: one number per image.
    """

    def __init__(self, base: int = 16, layers: int = 4, channels: int = 3):
        super().__init__()
        blocks: list[nn.Module] = []
        c_in = channels
        for i in range(layers):
            c_out = base * 2 ** min(i, 3)
            blocks += [nn.Conv2d(c_in, c_out, 4, 2, 1), nn.LeakyReLU(LEAK)]
            c_in = c_out
        self.body = nn.Sequential(*blocks, nn.Conv2d(c_in, 1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], sides of at least 16 -> (B,) scores, unbounded."""
        check_shape("image", image, (None, None, None, None))
        return self.body(image * 2 - 1).mean(dim=(1, 2, 3))

    def scored(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The scores of `forward`, and the slope of every LeakyReLU there (1 or LEAK, no gradient): the critic is linear around `image`."""
        x, slopes = image * 2 - 1, []
        for layer in self.body:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                slopes.append(torch.where(x.detach() > 0, x.new_ones(()), x.new_full((), LEAK)))
        return x.mean(dim=(1, 2, 3)), slopes

    def along(self, direction: Tensor, slopes: list[Tensor]) -> Tensor:
        """(B,) derivative of the scores along `direction` (B, 3, H, W), the LeakyReLUs having `slopes`; differentiable in the weights."""
        x, known = direction * 2, iter(slopes)
        for layer in self.body:
            if isinstance(layer, nn.LeakyReLU):
                x = x * next(known)
            else:
                x = nn.functional.conv2d(x, layer.weight, None, layer.stride, layer.padding)
        return x.mean(dim=(1, 2, 3))
