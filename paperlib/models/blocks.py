"""Building blocks of TMN and RBFIN: convolutions, instance norm, SPADE, and the fusion module MSAF of equations (19)-(22)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MSAF_KERNELS = (3, 5, 7)  # s of (19)
LEAK = 0.2  # slope of every LeakyReLU outside FlowNetS


class _RowNorm(torch.autograd.Function):
    """Instance norm of (B, C, H, W) whose channels are last in memory, with its derivative written out; one derivative only.

    With xhat = (x - mean) r and r = (variance + eps)^-1/2: dx = r (g - mean(g) - xhat mean(g xhat)).
    """

    @staticmethod
    def forward(ctx, x: Tensor, eps: float) -> Tensor:
        wide = x.float() if x.element_size() < 4 else x  # statistics in 16 bits would be wrong in the third digit
        mean = wide.mean((2, 3), keepdim=True)
        centred = wide - mean
        r = (centred.square().mean((2, 3), keepdim=True) + eps).rsqrt()
        ctx.save_for_backward(x, mean, r)
        return centred.mul_(r).to(x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        x, mean, r = ctx.saved_tensors
        g = gradient.to(mean.dtype).contiguous(memory_format=torch.channels_last)
        xhat = (x - mean).mul_(r)
        along = (g * xhat).mean((2, 3), keepdim=True)
        dx = torch.addcmul(g - g.mean((2, 3), keepdim=True), xhat, along, value=-1).mul_(r)
        return dx.to(x.dtype), None


class InstanceNorm(nn.Module):
    """Instance normalisation without parameters (affine=False); the paper names no norm for TMN and RBFIN.

    A group norm with one channel per group. Its processor kernel walks through a picture channel by channel, some 25 times slower where
    channels are last in memory (measured at the classroom's widths), so that layout has its own way.
    """

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__()
        self.channels, self.eps = channels, eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W) with zero mean and unit variance per image and channel."""
        if x.device.type == "cpu" and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
            return _RowNorm.apply(x, self.eps)
        return F.group_norm(x, self.channels, eps=self.eps)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"{self.channels}"


class ConvBlock(nn.Sequential):
    """Convolution -> instance norm -> LeakyReLU; `stride` 2 halves the size."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, norm: bool = True):
        layers: list[nn.Module] = [nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=not norm)]
        if norm:
            layers.append(InstanceNorm(c_out))
        layers.append(nn.LeakyReLU(LEAK, inplace=True))
        super().__init__(*layers)


class ResBlock(nn.Module):
    """x + conv(act(conv(x))), instance norms between."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = InstanceNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return x + self.norm(self.second(self.first(x)))


class SPADE(nn.Module):
    """Spatially-adaptive denormalisation (Park et al. 2019): norm(x) * (1 + gamma(c)) + beta(c), here c = I_3D.

    The norm is a parameter-free instance norm; gamma and beta are convolutions of the condition image.
    """

    def __init__(self, channels: int, hidden: int, condition: int = 3):
        super().__init__()
        self.norm = InstanceNorm(channels)
        self.shared = nn.Sequential(nn.Conv2d(condition, hidden, 3, 1, 1), nn.ReLU(inplace=True))
        self.modulate = nn.Conv2d(hidden, 2 * channels, 3, 1, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x (B, C, H, W), condition (B, 3, H, W) at the same size -> (B, C, H, W)."""
        gamma, beta = self.modulate(self.shared(condition)).chunk(2, dim=1)
        return torch.addcmul(beta, self.norm(x), 1 + gamma)


class MSAF(nn.Module):
    """Multi-scale adaptive fusion of TMN's texture features into RBFIN's decoder at one scale k, equations (19)-(22).

    F_tex enters through a 1x1 projection to `proj` channels: a dense (19) would not fit the FLOPs of table 7.
    `scale` is s of (22): "learnable" starts at `init` (the paper gives no start value) and is not clamped, or a fixed number (table 5).
    """

    def __init__(self, channels: int, tex_channels: int, proj: int, init: float = 0.1, scale: str | float = "learnable"):
        super().__init__()
        if isinstance(scale, str) and scale != "learnable":
            raise ValueError(f'scale: "learnable" or a number, got {scale!r}')
        self.project = nn.Conv2d(tex_channels, proj, 1)
        self.convs = nn.ModuleList(nn.Conv2d(proj, channels, s, padding=s // 2) for s in MSAF_KERNELS)
        self.logits = nn.Parameter(torch.zeros(len(MSAF_KERNELS)))  # g_{k,s} of (20): equal shares at the start
        self.mask = nn.Conv2d(channels * (1 + len(MSAF_KERNELS)), 1, 1)
        if scale == "learnable":
            self.scale = nn.Parameter(torch.tensor(float(init)))
        else:
            self.register_buffer("scale", torch.tensor(float(scale)))

    def forward(self, feature: Tensor, texture: Tensor) -> Tensor:
        """feature F_k (B, C, H, W), texture F_tex^(k) (B, C_tex, H, W) -> F_k_fusion (B, C, H, W)."""
        narrow = self.project(texture)
        branches = [conv(narrow) for conv in self.convs]  # eq. (19): T_{k,s}
        share = torch.softmax(self.logits, dim=0)  # eq. (20): W_{k,s}
        mask = torch.sigmoid(self.mask(torch.cat([feature, *branches], dim=1)))  # eq. (21): M_k, one channel
        mixed = share[0] * branches[0] + share[1] * branches[1] + share[2] * branches[2]
        return feature + self.scale * (mask * mixed)  # eq. (22)


def image_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """[image, 1/2, 1/4, ...]: `levels` + 1 area-averaged sizes of (B, C, H, W); H and W must be divisible by 2**levels."""
    pyramid = [image]
    for _ in range(levels):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    return pyramid


def up2(x: Tensor) -> Tensor:
    """Twice the height and width, nearest neighbour."""
    return F.interpolate(x, scale_factor=2, mode="nearest")
