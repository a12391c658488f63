"""The critic D of equations (25) and (26)."""

from __future__ import annotations

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
