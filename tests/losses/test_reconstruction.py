import pytest
import torch

from paperlib.losses.reconstruction import rec_loss, rec_loss_printed, rec_loss_region, ssim_loss


def test_mean_and_printed_sum_differ_by_the_number_of_values():
    pred, target = torch.full((2, 3, 192, 192), 0.25), torch.zeros(2, 3, 192, 192)
    assert rec_loss(pred, target).item() == pytest.approx(0.25)
    assert rec_loss_printed(pred, target).item() == pytest.approx(0.25 * 3 * 36_864)


def test_region_loss_sees_the_region_only():
    pred, target, mask = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    mask[..., 2:, :] = 1
    pred[..., :2, :] = 1.0  # outside
    assert rec_loss_region(pred, target, mask).item() == 0
    pred[:, 0, 3, 3] = 0.6
    assert rec_loss_region(pred, target, mask).item() == pytest.approx(0.6 / (3 * 8))
    assert rec_loss_region(pred, target, torch.ones_like(mask)).item() == pytest.approx(rec_loss(pred, target).item())
    assert rec_loss_region(pred, target, torch.zeros_like(mask)).item() == 0


def test_ssim_loss_is_zero_for_equal_images_and_grows_with_noise():
    image = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    assert ssim_loss(image, image).item() == pytest.approx(0, abs=1e-6)
    assert 0 < ssim_loss(image + 0.02 * noise, image) < ssim_loss(image + 0.2 * noise, image) < 2


def test_ssim_loss_is_one_minus_the_ssim_of_scikit_image_and_of_torchmetrics():
    from skimage.metrics import structural_similarity
    from torchmetrics.functional.image import structural_similarity_index_measure

    generator = torch.Generator().manual_seed(3)
    target = torch.rand(2, 3, 30, 26, generator=generator)
    pred = (target + 0.2 * torch.randn(2, 3, 30, 26, generator=generator)).clamp(0, 1)
    theirs = [
        structural_similarity(
            t.double().numpy(), p.double().numpy(), channel_axis=0, gaussian_weights=True, use_sample_covariance=False, data_range=1.0
        )
        for p, t in zip(pred, target, strict=True)
    ]
    assert ssim_loss(pred, target).item() == pytest.approx(1 - sum(theirs) / 2, abs=1e-5)
    mirrored = [torch.nn.functional.pad(x, [5] * 4, mode="reflect") for x in (pred, target)]  # torchmetrics scores the border, mirrored
    other = structural_similarity_index_measure(pred, target, data_range=1.0, sigma=1.5, kernel_size=11)
    assert ssim_loss(*mirrored).item() == pytest.approx(1 - other.item(), abs=1e-5)


def test_gradients_in_double_precision():
    generator = torch.Generator().manual_seed(0)
    pred = torch.rand(1, 1, 12, 11, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.rand(1, 1, 12, 11, dtype=torch.float64, generator=generator)
    mask = (torch.rand(1, 1, 12, 11, generator=generator) > 0.5).double()
    assert torch.autograd.gradcheck(lambda p: ssim_loss(p, target), pred)
    assert torch.autograd.gradcheck(lambda p: rec_loss_region(p, target, mask), pred)


def test_shapes_are_checked():
    with pytest.raises(ValueError):
        rec_loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match="mask"):
        rec_loss_region(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), torch.zeros(1, 1, 4, 4))
