"""One pass over the pictures gives the numbers of the formulas, and is taken only where it may be."""

import pytest
import torch

from paperlib.errors import InputError
from paperlib.metrics import image, whole_frame


def frames(n=3, height=37, width=29, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(n, 3, height, width, generator=generator, dtype=dtype)
    return (target + 0.1 * torch.randn(target.shape, generator=generator, dtype=dtype)).clamp(0, 1), target


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(37, 29), (11, 11), (12, 64)])
def test_the_formulas_numbers(dtype, size):
    pred, target = frames(2, *size, dtype=dtype)
    assert whole_frame.usable(pred, target)
    squares = (pred.double() - target.double()).square().mean((1, 2, 3))
    similar = image.ssim_map(pred.double(), target.double()).mean((1, 2, 3))
    for last in (False, True):
        a, b = (x.contiguous(memory_format=torch.channels_last) if last else x for x in (pred, target))
        errors, fine = whole_frame.squared_error(a, b)
        assert fine
        torch.testing.assert_close(errors, squares, rtol=1e-12, atol=0)
        torch.testing.assert_close(image.mse(a, b), squares, rtol=1e-12, atol=0)
        torch.testing.assert_close(whole_frame.ssim(a, b), similar, rtol=0, atol=1e-12)
    torch.testing.assert_close(image.mse(pred.contiguous(memory_format=torch.channels_last), target), squares, rtol=1e-12, atol=0)


def test_a_clip_that_is_cut_into_parts_gives_the_same(monkeypatch):
    pred, target = frames(7)
    mask = torch.zeros(7, 1, 37, 29)
    mask[:, :, 8:30, 6:22] = 1
    whole = [metric(pred, target, mask) for metric in (image.mse, image.ssim)]
    monkeypatch.setattr(image, "PART", 2 * pred[0].numel())
    for metric, wanted in zip((image.mse, image.ssim), whole, strict=True):
        torch.testing.assert_close(metric(pred, target, mask), wanted, rtol=1e-12, atol=0)


def test_gradients_and_mixed_types_go_through_the_formulas():
    pred, target = frames(dtype=torch.float64)
    wanted = image.mse(pred, target), image.ssim(pred, target)
    pred.requires_grad_()
    assert not whole_frame.usable(pred, target) and not whole_frame.usable(pred.detach().float(), target)
    for metric, value in zip((image.mse, image.ssim), wanted, strict=True):
        found = metric(pred, target)
        torch.testing.assert_close(found.detach(), value, rtol=1e-12, atol=0)
        found.sum().backward()
    assert pred.grad.abs().sum() > 0
    with torch.no_grad():
        assert whole_frame.usable(pred, target)
    assert image.mse(pred.detach().float(), target).shape == (3,)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.01, 1.01])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_wrong_value_anywhere_is_seen(bad, dtype):
    pred, target = frames(dtype=dtype)
    for which in (pred, target):
        kept = which[1, 2, 36, 28].item()
        which[1, 2, 36, 28] = bad
        assert not whole_frame.squared_error(pred, target)[1]
        with pytest.raises(InputError, match=r"expected \[0, 1\]"):
            image.psnr(pred, target)
        which[1, 2, 36, 28] = kept
    assert torch.isfinite(image.psnr(pred, target)).all()
