import numpy as np
import pytest
import torch

from paperlib import weights
from paperlib.errors import InputError
from paperlib.metrics import image


def _pair(n=3, size=48, width=56, noise=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    base = torch.nn.functional.interpolate(torch.rand(n, 3, 12, 14, generator=generator), (size, width), mode="bicubic").clamp(0, 1)
    return (base + noise * torch.randn(n, 3, size, width, generator=generator)).clamp(0, 1), base


def test_psnr_equals_skimage():
    from skimage.metrics import peak_signal_noise_ratio

    pred, target = _pair()
    wanted = [peak_signal_noise_ratio(t.double().numpy(), p.double().numpy(), data_range=1.0) for p, t in zip(pred, target)]
    assert image.psnr(pred, target).tolist() == pytest.approx(wanted, abs=1e-9)


def test_psnr_by_hand():
    zero = torch.zeros(1, 3, 4, 4)
    assert image.psnr(zero + 0.1, zero).item() == pytest.approx(20.0, abs=1e-6)
    assert image.psnr(zero, zero).item() == np.inf


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("noise", [0.0, 0.003, 0.1, 0.5])
def test_ssim_equals_skimage(dtype, noise):
    from skimage.metrics import structural_similarity

    pred, target = _pair(noise=noise)
    wanted = [
        structural_similarity(
            t.double().numpy(), p.double().numpy(), channel_axis=0, gaussian_weights=True, use_sample_covariance=False, data_range=1.0
        )
        for p, t in zip(pred, target)
    ]
    assert image.ssim(pred, target).tolist() == pytest.approx(wanted, abs=1e-9)
    assert image.ssim_mean(pred.to(dtype), target.to(dtype)).tolist() == pytest.approx(wanted, abs=1e-5)  # the loss's precision


def test_ssim_of_a_reflected_border_is_torchmetrics_ssim():
    """torchmetrics also scores the border, reflected; given that border, the two agree (and the plain values differ by up to 0.01)."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    pred, target = _pair(noise=0.05)
    theirs = structural_similarity_index_measure(pred, target, data_range=1.0, sigma=1.5, kernel_size=11, reduction="none")
    padded = [torch.nn.functional.pad(x, [5] * 4, mode="reflect") for x in (pred, target)]
    assert image.ssim_mean(*padded).tolist() == pytest.approx(theirs.tolist(), abs=1e-5)
    assert image.ssim(pred, target).tolist() == pytest.approx(theirs.tolist(), abs=0.02)


def test_ssim_is_differentiable_and_one_for_equal_images():
    pred, target = (x.double()[:1, :1, :12, :11].contiguous() for x in _pair())
    assert image.ssim_mean(pred, pred).item() == pytest.approx(1.0, abs=1e-12)
    assert torch.autograd.gradcheck(lambda p: image.ssim_mean(p, target), pred.requires_grad_())
    with pytest.raises(InputError, match="at least 11"):
        image.ssim_map(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))


def test_region_metrics_see_the_region_and_full_mask_is_the_whole_frame():
    pred, target = _pair()
    mask = torch.zeros(3, 1, 48, 56)
    mask[..., 20:40, 10:50] = 1
    cut = (slice(None), slice(None), slice(20, 40), slice(10, 50))
    assert image.psnr(pred, target, mask).tolist() == pytest.approx(image.psnr(pred[cut], target[cut]).tolist())
    elsewhere = torch.where(mask.bool(), pred, torch.rand(pred.shape, generator=torch.Generator().manual_seed(9)))
    assert image.psnr(elsewhere, target, mask).tolist() == image.psnr(pred, target, mask).tolist()
    full = torch.ones_like(mask)
    for metric in (image.psnr, image.ssim):
        assert metric(pred, target, full).tolist() == pytest.approx(metric(pred, target).tolist())
    values = image.ssim_map(pred.double(), target.double())[..., 15:35, 5:45].mean((1, 2, 3))
    assert image.ssim(pred, target, mask).tolist() == pytest.approx(values.tolist())
    assert image.mask_share(mask).tolist() == pytest.approx([20 * 40 / (48 * 56)] * 3)


def test_lpips_values_order_and_regions():
    pred, target = _pair(size=64, width=64, noise=0.05)
    worse, _ = _pair(size=64, width=64, noise=0.3)
    assert image.lpips(target, target).tolist() == [0, 0, 0]
    assert (image.lpips(worse, target) > image.lpips(pred, target)).all()
    assert image.lpips(pred, target, batch=2).tolist() == pytest.approx(image.lpips(pred, target).tolist(), rel=1e-4)
    reference = weights.load_lpips()(pred * 2 - 1, target * 2 - 1).flatten()  # its authors' call: inputs in [-1, 1]
    assert image.lpips(pred, target).tolist() == pytest.approx(reference.tolist(), rel=1e-4)
    assert image.lpips(pred, target, net=weights.load_lpips()).tolist() == pytest.approx(reference.tolist(), rel=1e-4)
    mask = torch.zeros(3, 1, 64, 64)
    mask[..., 32:, :] = 1
    mixed = torch.cat([target[..., :32, :], worse[..., 32:, :]], 2)
    assert (image.lpips(mixed, target, mask) > image.lpips(mixed, target, 1 - mask)).all()
    with pytest.raises(ValueError, match="spatial"):
        image.lpips(pred, target, mask, net=weights.load_lpips())
    with pytest.raises(InputError, match="at least 32"):
        image.lpips(pred[..., :31], target[..., :31])


def test_the_uint8_trap_is_real_and_closed():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    b = np.clip(a.astype(int) + rng.normal(0, 20, a.shape).round().astype(int), 0, 255).astype(np.uint8)
    wrapped = -10 * np.log10(np.mean((a - b) ** 2) / 255**2)  # what copied evaluation scripts compute
    x, y = (torch.from_numpy(v).permute(2, 0, 1)[None] for v in (a, b))
    honest = image.psnr(x / 255, y / 255).item()
    assert wrapped > honest + 5
    mask = torch.ones(1, 1, 64, 64)
    others = [lambda x, y: image.lpips_both(x, y, mask, weights.load_lpips()), lambda x, y: image.mouth_skill(x, y, y, mask)]
    for metric in (image.psnr, image.ssim, image.lpips, image.mse, image.ssim_mean, image.ssim_map, *others):
        with pytest.raises(InputError, match="uint8.*divide by 255"):
            metric(x, y)
        with pytest.raises(InputError, match="uint8.*divide by 255"):
            metric(x / 255, y)


def test_the_lpips_range_trap_is_real_and_closed():
    pred, target = _pair(size=64, width=64, noise=0.1)
    net = weights.load_lpips()
    wrong = net(pred, target).flatten()  # [0, 1] where [-1, 1] is expected
    assert (wrong < 0.95 * image.lpips(pred, target, net=net)).all()
    mask = torch.ones(3, 1, 64, 64)
    for metric in (lambda a, b: image.lpips(a, b, net=net), lambda a, b: image.lpips_both(a, b, mask, net)):
        for bad in ((2 * pred - 1, 2 * target - 1), (pred, 2 * target - 1), (255 * pred, 255 * target)):
            with pytest.raises(InputError, match=r"expected \[0, 1\]"):
                metric(*bad)


@pytest.mark.parametrize("metric", [image.psnr, image.ssim, image.lpips])
def test_wrong_ranges_shapes_and_types_are_refused(metric):
    good = torch.full((1, 3, 32, 32), 0.5)
    for bad in (good * 2 - 1.5, good * 255, good * float("nan")):
        with pytest.raises(InputError, match=r"expected \[0, 1\]"):
            metric(good, bad)
    with pytest.raises(ValueError, match="expected shape"):
        metric(good[0], good[0])
    with pytest.raises(ValueError, match="differ in shape"):
        metric(good, good.repeat(2, 1, 1, 1))
    with pytest.raises(InputError, match="torch tensor"):
        metric(good.numpy(), good)
    with pytest.raises(InputError, match="empty"):
        metric(good, good, torch.zeros(1, 1, 32, 32))
    with pytest.raises(InputError, match="mask: values"):
        metric(good, good, torch.full((1, 1, 32, 32), 255.0))


def test_mouth_skill_by_hand():
    target, frozen = torch.full((4, 3, 8, 8), 0.5), torch.full((4, 3, 8, 8), 0.5)
    frozen[1:] += 0.2  # frame 0 of a frozen mouth is exact
    mask = torch.ones(4, 1, 8, 8)
    assert image.mouth_skill(target, target, frozen, mask).item() == 1
    assert image.mouth_skill(frozen, target, frozen, mask).item() == 0
    pred = target + 0.1
    assert image.mouth_skill(pred, target, frozen, mask).item() == pytest.approx(1 - (4 * 0.01) / (3 * 0.04), rel=1e-5)
    frames = image.mouth_skill_frames(pred, target, frozen, mask)
    assert frames[0].isnan() and frames[1:].tolist() == pytest.approx([0.75] * 3, rel=1e-4)
    assert image.mouth_skill(pred, target, target, mask).isnan()
    half = mask.clone()
    half[..., 4:] = 0
    pred[..., 4:] = 1.0  # outside the mask
    assert image.mouth_skill(pred, target, frozen, half).item() == pytest.approx(1 - (4 * 0.01) / (3 * 0.04), rel=1e-5)


def test_lpips_of_picture_and_region_in_one_pass():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(3, 3, 48, 40, generator=generator) for _ in range(2))
    mask = torch.zeros(3, 1, 48, 40)
    mask[:, :, 20:40, 5:25] = 1
    whole, region = image.lpips_both(a, b, mask, weights.load_lpips("alex"), batch=2)
    torch.testing.assert_close(whole, image.lpips(a, b, net=weights.load_lpips("alex")), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(region, image.lpips(a, b, mask, net=weights.load_lpips("alex", spatial=True)), rtol=1e-5, atol=1e-6)
