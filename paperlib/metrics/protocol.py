"""Protocol cards: for every metric, everything that decides its number and that papers leave out."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from paperlib.errors import InputError


@dataclass(frozen=True)
class Card:
    """How a metric is computed here. `better` is "higher" or "lower"; `open` is what the paper leaves unsaid."""

    metric: str
    unit: str
    better: str
    definition: str
    extractor: str
    regions: str
    average: str
    failures: str
    function: str
    open: str

    def line(self) -> str:
        """One line for a results row."""
        return f"{self.definition}; extractor: {self.extractor}; {self.average}; failures: {self.failures}"


_FRAMES = "mean over the frames of a clip, then over clips"
_IMAGES = "RGB float in [0, 1], data range 1, before any video compression"
_REGIONS = "whole frame, crop region, mouth; the mask's share is printed"

CARDS: dict[str, Card] = {
    c.metric: c
    for c in (
        Card(
            "psnr", "dB", "higher", "-10 log10 of the mean squared error over pixels and channels; " + _IMAGES, "none", _REGIONS,
            "mean of the dB values over frames, then over clips", "equal images give inf: left out and counted", "metrics.image:psnr",
            "region, colour space, mean of dB or dB of mean",
        ),
        Card(
            "ssim", "", "higher", "Wang et al. 2004, Gaussian 11 x 11, sigma 1.5, population covariance, valid area; " + _IMAGES, "none",
            _REGIONS, _FRAMES, "none", "metrics.image:ssim", "window, region, colour space",
        ),
        Card(
            "lpips", "", "lower", "LPIPS v0.1, input scaled from [0, 1] to [-1, 1]",
            "AlexNet (ImageNet convolutions, the authors' linear layers)",
            _REGIONS, _FRAMES, "pictures under 32 px are refused", "metrics.image:lpips", "network, version, region",
        ),
        Card(
            "skill", "", "higher", "1 - MSE / MSE(frozen mouth) inside the mouth mask, errors summed over the clip first", "none", "mouth",
            "mean over clips", "nan when the true mouth does not move", "metrics.image:mouth_skill", "not a metric of the paper",
        ),
        Card(
            "lmd", "px", "lower",
            "mean Euclidean distance of the 20 mouth points, in pixels of the stated size, and divided by the interocular distance",
            "dlib 68 points (or FAN where its weights are present), or known truth", "mouth",
            _FRAMES, "frames without a face on either side are left out and counted", "metrics.geometry:lmd",
            "points, centring, sum or mean, image size, detector",
        ),
        Card(
            "csim", "", "higher", "cosine of paired descriptors of result and target frame",
            "dlib128 (dlib's 128-d ResNet), aligned by 68 points",
            "face; lower face with the rest greyed out", _FRAMES, "frames without landmarks are left out and counted",
            "metrics.identity:csim", "network, alignment, paired or not",
        ),
        Card(
            "sync", "", "higher",
            "our judge: mean cosine at lag 0 less the median over lags of +-10 frames; "
            "official SyncNet: LSE-C, median minus minimum over 31 lags of the mean distance, only where there is speech",
            "the network named in the row", "mouth", "mean over clips", "clips of 10 windows or fewer have no value (LSE-C: 15)",
            "metrics.sync:sync", "network, crop, clip length, track filter",
        ),
        Card(
            "aed", "sd", "lower",
            "mean absolute difference of the 64 expression coefficients; also over mouth directions and in mm on the mesh",
            "our regressor, off single frames of result and target; for stage 1 the known coefficients", "expression", _FRAMES, "none",
            "metrics.geometry:aed", "extractor, norm, mean or sum",
        ),
    )
}  # fmt: skip


def card(metric: str) -> Card:
    """The card of `metric`; InputError lists the known ones."""
    if metric not in CARDS:
        raise InputError(f"no protocol card for metric {metric!r}; known: {', '.join(CARDS)}")
    return CARDS[metric]


def table(*metrics: str) -> list[dict[str, str]]:
    """The cards (all, or those named) as rows for a data frame."""
    return [asdict(card(metric)) for metric in (metrics or CARDS)]
