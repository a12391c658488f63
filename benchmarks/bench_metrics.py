"""Our metrics against the libraries that the tests hold them against: frames per second, and whether the values agree.

One clip of 60 frames in two sizes, in single precision (as every clip of this project is kept) and in double. Both sides get the same
clip, one thread each, and take turns; processor time counts, which does not grow while other programs run. What a library does not do is
not taken off ours: checks of type and range, one value for each frame, and a mean in double precision where theirs is in single.

Without a counterpart, so absent: LMD and AED, means of distances that no library here offers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.metrics import identity, image
from paperlib.metrics import sync as synchrony

FRAMES, SIZES = 60, (96, 224)
SINGLE, DOUBLE = 1e-5, 1e-9  # how far values may be apart: the tolerances of tests/metrics
DECIBEL, LPIPS = 1e-4, 1e-4  # of a PSNR in single precision (torchmetrics' logarithm always is); relative, of LPIPS
SECONDS, MOST = 4.0, 25  # what is quick is timed more often: so long, and so many times at most
WINDOW, VSHIFT = 5, 15  # frames in a window of SyncNet; lags


@dataclass(frozen=True)
class Match:
    """One metric, one library, one clip. `ours` and `theirs` are timed; `apart` is how far their values are from each other."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    apart: Callable[[], float]
    allowed: float


def clip(size: int, frames: int = FRAMES, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(result, truth), (frames, 3, size, size) float32 in [0, 1]: smooth random pictures, and the same with noise."""
    generator = torch.Generator().manual_seed(seed)
    truth = F.interpolate(torch.rand(frames, 3, 12, 12, generator=generator), (size, size), mode="bicubic").clamp(0, 1)
    return (truth + 0.05 * torch.randn(truth.shape, generator=generator)).clamp(0, 1), truth


def _largest(a, b) -> float:
    return float((torch.as_tensor(a, dtype=torch.float64) - torch.as_tensor(b, dtype=torch.float64)).abs().max())


def _psnr_and_ssim(pred: Tensor, target: Tensor, about: str) -> Iterator[Match]:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    from torchmetrics.functional import image as theirs

    double = pred.dtype == torch.float64
    arrays = list(zip(target.numpy(), pred.numpy(), strict=True))
    window = {"channel_axis": 0, "gaussian_weights": True, "use_sample_covariance": False, "data_range": 1.0}

    def psnr() -> Tensor:
        return image.psnr(pred, target)

    def ssim() -> Tensor:
        return image.ssim(pred, target)

    def skimage_psnr() -> list[float]:
        return [peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in arrays]

    def skimage_ssim() -> list[float]:
        return [structural_similarity(a, b, **window) for a, b in arrays]

    def torchmetrics_psnr() -> Tensor:
        return theirs.peak_signal_noise_ratio(pred, target, data_range=1.0, reduction="none", dim=(1, 2, 3))

    def torchmetrics_ssim() -> Tensor:
        return theirs.structural_similarity_index_measure(pred, target, data_range=1.0, sigma=1.5, kernel_size=11, reduction="none")

    def bordered() -> Tensor:
        """Ours, given the border that torchmetrics reflects and scores too."""
        return image.ssim(*(F.pad(x, [image.SSIM_WINDOW // 2] * 4, mode="reflect") for x in (pred, target)))

    decibel, score = (DOUBLE, DOUBLE) if double else (DECIBEL, SINGLE)
    yield Match(f"psnr, scikit-image, {about}", psnr, skimage_psnr, lambda: _largest(psnr(), skimage_psnr()), decibel)
    yield Match(f"psnr, torchmetrics, {about}", psnr, torchmetrics_psnr, lambda: _largest(psnr(), torchmetrics_psnr()), DECIBEL)
    yield Match(f"ssim, scikit-image, {about}", ssim, skimage_ssim, lambda: _largest(ssim(), skimage_ssim()), score)
    if not double:  # seconds
        yield Match(f"ssim, torchmetrics, {about}", ssim, torchmetrics_ssim, lambda: _largest(bordered(), torchmetrics_ssim()), SINGLE)


def _lpips(pred: Tensor, target: Tensor, about: str) -> Match:
    from paperlib.weights import load_lpips

    net = load_lpips()

    def theirs() -> Tensor:
        with torch.no_grad():
            return net(pred, target, normalize=True).flatten()

    def apart() -> float:
        wanted = theirs()
        return _largest(image.lpips(pred, target, net=net) / wanted, torch.ones(len(wanted)))

    return Match(f"lpips, lpips, {about}", lambda: image.lpips(pred, target, net=net), theirs, apart, LPIPS)


def official_scores(lip: Tensor, speech: Tensor, vshift: int = VSHIFT) -> tuple[float, float]:
    """(LSE-D, LSE-C) of window features (T, D) as the released SyncNet computes them: window by window, against 2 vshift + 1 windows of
    the speech, which is padded with zeros; the mean over windows at each lag; its minimum, and its median less its minimum."""
    padded = F.pad(speech, (0, 0, vshift, vshift))
    lags = 2 * vshift + 1
    apart = [F.pairwise_distance(lip[[t]].repeat(lags, 1), padded[t : t + lags]) for t in range(len(lip))]
    mean = torch.stack(apart, 1).mean(1)
    lowest = mean.min()
    return float(lowest), float(mean.median() - lowest)


def _sync(frames: int) -> Match:
    lip, speech = synchrony.unrelated_features(max(frames - WINDOW, 2 * VSHIFT), 7.0, 0.3, 1024, torch.Generator().manual_seed(0))

    def ours() -> synchrony.SyncReport:
        return synchrony.sync(lip, speech)

    def theirs() -> tuple[float, float]:
        return official_scores(lip, speech)

    def apart() -> float:
        return _largest([ours().lse_d, ours().lse_c], theirs())

    return Match(f"sync, official SyncNet, {len(lip)} windows", ours, theirs, apart, SINGLE)


def _csim(frames: int) -> Match:
    from torchmetrics.functional import cosine_similarity

    a, b = (np.random.default_rng(seed).normal(size=(frames, 128)) for seed in (0, 1))
    x, y = torch.from_numpy(a), torch.from_numpy(b)

    def ours() -> np.ndarray:
        return identity.csim(a, b)

    def theirs() -> Tensor:
        return cosine_similarity(x, y, reduction="none")

    return Match("csim, torchmetrics, 128 numbers", ours, theirs, lambda: _largest(ours(), theirs()), SINGLE)


def matches(frames: int = FRAMES, sizes: tuple[int, ...] = SIZES) -> Iterator[Match]:
    """All comparisons, one after another; a clip is made when it is its turn."""
    for size in sizes:
        pred, target = clip(size, frames)
        for dtype, words in ((torch.float32, "single"), (torch.float64, "double")):
            yield from _psnr_and_ssim(pred.to(dtype), target.to(dtype), f"{size} x {size}, {words}")
        yield _lpips(pred, target, f"{size} x {size}, single")
    yield _sync(frames)
    yield _csim(frames)


def run(frames: int = FRAMES, sizes: tuple[int, ...] = SIZES, repeats: int = 3) -> dict:
    """Frames per processor second of ours and of the library where we are least ahead; every comparison beside it, timed `repeats` times
    or more.

    Returns:
        {"ours", "reference", "ratio" (ours / reference: above 1, every metric is the faster one), "unit", "against", and for each
        comparison "times as fast, values apart"}. RuntimeError when values differ by more than the tests allow.
    """
    from benchmarks.__main__ import entry
    from benchmarks.bench_step import turns

    before, said, speeds = torch.get_num_threads(), {}, {}
    torch.set_num_threads(1)
    try:
        for match in matches(frames, sizes):
            start = time.process_time()
            apart = match.apart()
            rounds = max(repeats, min(MOST, int(SECONDS / (time.process_time() - start))))
            if not apart <= match.allowed:
                raise RuntimeError(f"{match.name}: values are {apart:.2g} apart, {match.allowed:.0g} is allowed")
            ours, theirs = turns((match.ours, match.theirs), rounds)
            speeds[match.name] = frames / ours, frames / theirs
            pace = f"{frames / ours:.4g} against {frames / theirs:.4g} frames / s"
            said[match.name] = f"{theirs / ours:.2f} times as fast, {pace}; values {apart:.1g} apart"
    finally:
        torch.set_num_threads(before)
    least = min(speeds, key=lambda name: speeds[name][0] / speeds[name][1])
    return entry(*speeds[least], "frames / processor s", f"the nearest of {len(speeds)}: {least}; one thread, {frames} frames", **said)


if __name__ == "__main__":
    for key, value in run().items():
        print(f"{key}: {value}")
