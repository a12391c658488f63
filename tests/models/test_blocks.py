"""SPADE and MSAF against second implementations written out by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from paperlib.models.blocks import MSAF, SPADE, ConvBlock, InstanceNorm, ResBlock, image_pyramid, up2


def test_instance_norm_is_per_image_and_channel():
    x = torch.randn(3, 5, 6, 7) * 4 + 2
    want = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(InstanceNorm(5)(x), want)
    torch.testing.assert_close(InstanceNorm(5)(x), F.instance_norm(x))


def test_spade_is_denormalisation_by_the_condition():
    torch.manual_seed(0)
    spade = SPADE(4, hidden=6)
    x, condition = torch.randn(2, 4, 8, 8), torch.rand(2, 3, 8, 8)
    hidden = F.conv2d(condition, spade.shared[0].weight, spade.shared[0].bias, padding=1).clamp(min=0)
    both = F.conv2d(hidden, spade.modulate.weight, spade.modulate.bias, padding=1)
    want = F.instance_norm(x) * (1 + both[:, :4]) + both[:, 4:]
    torch.testing.assert_close(spade(x, condition), want)
    moved = condition.clone()
    moved[:, :, 0, 0] += 1
    changed = (spade(x, moved) - spade(x, condition)).abs().sum((0, 1)) > 0
    assert changed[:3, :3].any()
    assert not changed[3:, :].any()  # spatially adaptive: two 3x3 convolutions reach two pixels


def msaf_by_hand(m: MSAF, feature: torch.Tensor, texture: torch.Tensor) -> np.ndarray:
    """Equations (19)-(22) in numpy and plain loops, one image."""
    f, t = feature[0].detach().numpy().astype(float), texture[0].numpy().astype(float)
    p = {k: v.detach().numpy().astype(float) for k, v in m.named_parameters()}
    p.update({k: v.numpy().astype(float) for k, v in m.named_buffers()})
    narrow = np.einsum("oi,ihw->ohw", p["project.weight"][:, :, 0, 0], t) + p["project.bias"][:, None, None]
    c, h, w = f.shape
    branches = []
    for i, s in enumerate((3, 5, 7)):
        weight, out, r = p[f"convs.{i}.weight"], np.zeros((c, h, w)), s // 2
        for y in range(h):
            for x in range(w):
                for dy in range(-r, r + 1):
                    for dx in range(-r, r + 1):
                        if 0 <= y + dy < h and 0 <= x + dx < w:
                            out[:, y, x] += weight[:, :, dy + r, dx + r] @ narrow[:, y + dy, x + dx]
        branches.append(out + p[f"convs.{i}.bias"][:, None, None])
    share = np.exp(p["logits"]) / np.exp(p["logits"]).sum()
    logit = np.einsum("i,ihw->hw", p["mask.weight"][0, :, 0, 0], np.concatenate([f, *branches])) + p["mask.bias"]
    mask = 1 / (1 + np.exp(-logit))
    return f + p["scale"] * mask * sum(w_ * b for w_, b in zip(share, branches, strict=True))


@pytest.mark.parametrize("scale", ["learnable", 1.0])
def test_msaf_equals_the_equations(scale):
    torch.manual_seed(1)
    m = MSAF(channels=3, tex_channels=5, proj=2, init=0.7, scale=scale)
    with torch.no_grad():
        m.logits.copy_(torch.tensor([0.3, -1.0, 0.8]))
    feature, texture = torch.randn(1, 3, 6, 5), torch.randn(1, 5, 6, 5)
    np.testing.assert_allclose(m(feature, texture)[0].detach().numpy(), msaf_by_hand(m, feature, texture), atol=1e-5)


def test_msaf_scale_zero_is_the_identity_and_only_learnable_is_a_parameter():
    feature, texture = torch.randn(2, 4, 8, 8), torch.randn(2, 6, 8, 8)
    off = MSAF(4, 6, 2, scale=0.0)
    assert torch.equal(off(feature, texture), feature)
    assert "scale" not in dict(off.named_parameters())
    on = MSAF(4, 6, 2, init=0.1)
    assert on.scale.item() == pytest.approx(0.1)
    on(feature, texture).square().sum().backward()
    assert on.scale.grad.abs() > 0 and on.logits.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="learnable"):
        MSAF(4, 6, 2, scale="fixed")


def test_msaf_gradients():
    torch.manual_seed(2)
    m = MSAF(2, 3, 2).double()
    feature, texture = (torch.randn(1, c, 4, 4, dtype=torch.double, requires_grad=True) for c in (2, 3))
    assert torch.autograd.gradcheck(m, (feature, texture))


def test_pyramid_averages_and_up2_repeats():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert image_pyramid(image, 2)[1].flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert image_pyramid(image, 2)[2].item() == 7.5
    assert up2(torch.tensor([[[[1.0, 2.0]]]])).tolist() == [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]


def test_residual_block_adds_a_normalised_branch():
    torch.manual_seed(3)
    block, x = ResBlock(4), torch.randn(2, 4, 6, 6)
    branch = block(x) - x
    torch.testing.assert_close(branch.mean((2, 3)), torch.zeros(2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(branch.std((2, 3), unbiased=False), torch.ones(2, 4), atol=1e-2, rtol=0)


def test_instance_norm_is_the_same_in_both_layouts():
    x = 3 * torch.randn(2, 5, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 2
    norm, last = InstanceNorm(5), x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(norm(last), norm(x))
    assert norm(last).is_contiguous(memory_format=torch.channels_last)
    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(norm(last), (x - mean) / std, rtol=1e-4, atol=1e-4)
    assert torch.autograd.gradcheck(norm, last.requires_grad_())
    block = ConvBlock(5, 4).double().to(memory_format=torch.channels_last)  # whose activation overwrites the norm's output
    block(last).sum().backward()
    assert last.grad.isfinite().all()
