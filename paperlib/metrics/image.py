"""PSNR, SSIM, LPIPS and mouth skill: images (B, 3, H, W), RGB float in [0, 1]; one value per image.

Three traps of published code are closed here: uint8 pictures (differences wrap around and PSNR rises by 6-20 dB), pictures in
[-1, 1] or 0..255 with a data range of 1, and LPIPS fed [0, 1] where it expects [-1, 1].
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from paperlib.errors import InputError, check_shape

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2  # (K L)^2 with data range L = 1
EDGE = 1e-6  # by so much may a value miss [0, 1]
LPIPS_PIXELS = 2**18  # of a picture, seen at a time
PART = 2**17  # numbers of a clip that are worked on at a time: few enough to stay in the cache


def check_images(name: str, images: Tensor) -> None:
    """Raise InputError unless `images` is a float (B, 3, H, W) tensor of finite values within [0, 1]."""
    if not isinstance(images, Tensor):
        raise InputError(f"{name}: expected a torch tensor (B, 3, H, W), got {type(images).__name__}")
    check_shape(name, images, (None, 3, None, None))
    _check_float(name, images)
    low, high = torch.aminmax(images.detach())
    if not (low >= -EDGE and high <= 1 + EDGE):
        raise InputError(f"{name}: values span [{low:.4g}, {high:.4g}], expected [0, 1]; rescale (or clamp a network's output)")


def _check_float(name: str, images: Tensor) -> None:
    if not images.is_floating_point():
        raise InputError(f"{name}: {images.dtype} wraps around in differences; convert to float and divide by 255")


def _check_pair(pred: Tensor, target: Tensor, mask: Tensor | None) -> None:
    check_images("pred", pred)
    check_images("target", target)
    if pred.shape != target.shape:
        raise ValueError(f"pred {tuple(pred.shape)} and target {tuple(target.shape)} differ in shape")
    if mask is not None:
        check_mask(mask, pred)


def check_mask(mask: Tensor, images: Tensor) -> None:
    """Raise unless `mask` is a float or bool (B, 1, H, W) in [0, 1] that selects something in every image."""
    check_shape("mask", mask, (images.shape[0], 1, *images.shape[2:]))
    low, high = torch.aminmax(mask.float())
    if low < 0 or high > 1:
        raise InputError(f"mask: values span [{low:.4g}, {high:.4g}], expected [0, 1]")
    if bool((mask.flatten(1).sum(1) == 0).any()):
        raise InputError("mask: empty in at least one image, so its region has no metric")


def mask_share(mask: Tensor) -> Tensor:
    """Share of the picture that `mask` (B, 1, H, W) covers, (B,) in [0, 1]; printed beside every region metric."""
    return mask.double().flatten(1).mean(1)


def mse(pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean squared error per image, (B,) float64; with `mask` (B, 1, H, W) the mask-weighted mean over the region."""
    from paperlib.metrics import whole_frame

    if mask is None and whole_frame.usable(pred, target):
        errors, in_range = whole_frame.squared_error(pred, target)
        if in_range:
            return errors
    _check_pair(pred, target, mask)
    return torch.cat([_mean_over((a.double() - b.double()).square(), m) for a, b, m in _parts(pred, target, mask)])


def _parts(pred: Tensor, target: Tensor, mask: Tensor | None) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """A few frames of all three at a time, PART numbers of `pred` or a single frame."""
    step = max(1, PART // pred[0].numel())
    for start in range(0, len(pred), step):
        part = slice(start, start + step)
        yield pred[part], target[part], None if mask is None else mask[part]


def _mean_over(values: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of (B, C, H, W) per image, weighted by mask (B, 1, H, W)."""
    if mask is None:
        return values.flatten(1).mean(1)
    weights = mask.to(values.dtype)
    return (values * weights).flatten(1).sum(1) / (values.shape[1] * weights.flatten(1).sum(1))


def psnr(pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in dB, data range 1, (B,) float64; inf where the images are equal.

    With `mask` (B, 1, H, W) the error is averaged over the region only. Average over frames of the dB values, as the
    published code does, not the dB of the average error.
    """
    return -10 * torch.log10(mse(pred, target, mask))


def gaussian_taps() -> Tensor:
    """(11,) float64: one axis of SSIM's Gaussian window, of sum 1."""
    taps = torch.exp(-0.5 * ((torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2) / SSIM_SIGMA).square())
    return taps / taps.sum()


@functools.lru_cache(maxsize=32)
def _gaussian_band(length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(length - 10, length) matrix whose rows hold the 11-tap Gaussian: multiplying filters one axis, valid part only."""
    taps = gaussian_taps()
    rows = length - SSIM_WINDOW + 1
    band = torch.zeros(rows, length, dtype=torch.float64)
    for offset in range(SSIM_WINDOW):
        band.diagonal(offset)[:rows] = taps[offset]
    return band.to(device, dtype)


def ssim_map(pred: Tensor, target: Tensor) -> Tensor:
    """SSIM at every pixel whose 11 x 11 Gaussian window (sigma 1.5) lies inside: (B, C, H - 10, W - 10), differentiable.

    Wang et al. 2004 with population covariance, data range 1, channels apart. Two facts make it quick: the window is
    separable, so a filter is two products with banded matrices; and SSIM needs only the sum of the two variances, so
    four pictures are filtered instead of five. No range check: this is also the loss (24).
    """
    if pred.shape != target.shape:
        raise ValueError(f"pred {tuple(pred.shape)} and target {tuple(target.shape)} differ in shape")
    _check_float("pred", pred)
    _check_float("target", target)
    height, width = pred.shape[-2:]
    if min(height, width) < SSIM_WINDOW:
        raise InputError(f"SSIM needs pictures of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got {height} x {width}")
    x, y = pred - 0.5, target - 0.5  # centred: less cancellation in E[x^2] - E[x]^2 in single precision
    band_h = _gaussian_band(height, pred.dtype, pred.device)
    band_w = _gaussian_band(width, pred.dtype, pred.device)
    filtered = band_h @ torch.stack([x, y, x * x + y * y, x * y]) @ band_w.T
    mean_x, mean_y, squares, cross = filtered.unbind(0)
    variances = squares - mean_x.square() - mean_y.square()
    covariance = cross - mean_x * mean_y
    mean_x, mean_y = mean_x + 0.5, mean_y + 0.5
    luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return luminance * (2 * covariance + C2) / (variances + C2)


def ssim_mean(pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of `ssim_map` per image, (B,); with `mask` weighted by it over the valid area. Differentiable, unchecked range."""
    edge = SSIM_WINDOW // 2
    values = ssim_map(pred, target)
    if mask is None:
        return values.flatten(1).mean(1)
    inner = mask[..., edge:-edge, edge:-edge].to(values.dtype)
    if bool((inner.flatten(1).sum(1) == 0).any()):
        raise InputError(f"mask: empty once the {edge}-pixel border that SSIM cannot score is cut off")
    return _mean_over(values, inner)


def ssim(pred: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Structural similarity per image, (B,) float64, averaged over RGB; with `mask`, the mask-weighted mean of the map.

    Gaussian 11/1.5: equals skimage's gaussian_weights=True, use_sample_covariance=False, data_range=1.
    """
    from paperlib.metrics import whole_frame

    _check_pair(pred, target, mask)
    if mask is None and min(pred.shape[-2:]) >= SSIM_WINDOW and whole_frame.usable(pred, target):
        return whole_frame.ssim(pred, target)
    return torch.cat([ssim_mean(a.double(), b.double(), m) for a, b, m in _parts(pred, target, mask)])


def lpips(pred: Tensor, target: Tensor, mask: Tensor | None = None, net: str | nn.Module = "alex", batch: int = 0) -> Tensor:
    """LPIPS v0.1 (Zhang et al. 2018) per image, (B,) float64; lower is nearer. AlexNet is the evaluation network.

    With `mask` the spatial map is averaged over the region (what lies outside still enters through the receptive
    fields). Needs at least 32 x 32 pixels and the weights of `net`; InputError otherwise. No gradient. `net` may also be
    what `weights.load_lpips` returned. batch: images at a time; 0: as many as are quickest.
    """
    from paperlib import weights

    _check_pair(pred, target, mask)
    if min(pred.shape[-2:]) < weights.LPIPS_MIN_SIZE:
        raise InputError(f"LPIPS needs at least {weights.LPIPS_MIN_SIZE} pixels a side, got {tuple(pred.shape[-2:])}")
    module = weights.load_lpips(net, spatial=mask is not None) if isinstance(net, str) else net
    if module.spatial != (mask is not None):
        raise ValueError("LPIPS of a region needs load_lpips(net, spatial=True); of the whole picture, spatial=False")
    whole, region = _lpips(pred, target, mask, module, batch)
    return whole if mask is None else region


def lpips_both(pred: Tensor, target: Tensor, mask: Tensor, net: nn.Module, batch: int = 0) -> tuple[Tensor, Tensor]:
    """(LPIPS of the whole pictures, LPIPS over the region of `mask`), (B,) float64 each: as two calls of `lpips`, in half the time.

    net: what `weights.load_lpips` returned, spatial or not. Layers' maps are averaged as they are for the first, enlarged for the second.
    """
    _check_pair(pred, target, mask)
    return _lpips(pred, target, mask, net, batch)


@torch.no_grad()
def _lpips(pred: Tensor, target: Tensor, mask: Tensor | None, net: nn.Module, batch: int) -> tuple[Tensor, Tensor | None]:
    net.to(pred.device)
    batch = batch or max(1, LPIPS_PIXELS // (pred.shape[2] * pred.shape[3]))
    whole, region = [], []
    for start in range(0, len(pred), batch):
        part = slice(start, start + batch)
        maps = list(_lpips_maps(pred[part], target[part], net))
        whole.append(sum(near.mean((1, 2, 3)).double() for near in maps))
        if mask is not None:
            enlarged = sum(nn.functional.interpolate(near, pred.shape[-2:], mode="bilinear", align_corners=False) for near in maps)
            region.append(_mean_over(enlarged.double(), mask[part]))
    return torch.cat(whole), torch.cat(region) if region else None


def _lpips_maps(pred: Tensor, target: Tensor, net: nn.Module) -> Iterator[Tensor]:
    """Of each layer, (B, 1, h, w): the weighted squared difference of features of length 1. Both in one pass, channels last: quicker."""
    both = torch.cat([pred, target]).float().contiguous(memory_format=torch.channels_last)
    for features, weigh in zip(net.net.forward(net.scaling_layer(2 * both - 1)), net.lins, strict=True):
        a, b = (features / (features.norm(dim=1, keepdim=True) + 1e-10)).chunk(2)
        yield weigh((a - b).square())


def mouth_skill(pred: Tensor, target: Tensor, frozen: Tensor, mask: Tensor) -> Tensor:
    """Skill against a frozen mouth, 1 - MSE(pred) / MSE(frozen) over `mask`, pooled over the clip: scalar float64.

    All images (T, 3, H, W) of one clip; 1 is perfect, 0 no better than pasting frame 0's mouth, negative worse. Errors are
    summed over the clip before the ratio (frame 0 of the frozen mouth is exact, its own ratio would not exist). nan when
    the frozen mouth is exact throughout, that is when nothing moves.
    """
    error, frozen_error = mse(pred, target, mask).sum(), mse(frozen, target, mask).sum()
    return 1 - error / frozen_error if frozen_error > 0 else torch.full_like(error, float("nan"))


def mouth_skill_frames(pred: Tensor, target: Tensor, frozen: Tensor, mask: Tensor) -> Tensor:
    """`mouth_skill` frame by frame, (T,) float64; nan in frames where the frozen mouth is exact."""
    error, frozen_error = mse(pred, target, mask), mse(frozen, target, mask)
    return torch.where(frozen_error > 0, 1 - error / frozen_error, torch.full_like(error, float("nan")))
