"""The flow network of (27): its correlation, and both directions at once."""

import torch
import torch.nn.functional as F

from paperlib.models.corrflow import FlowNet, local_correlation


def by_patches(a, b, radius):
    """Every patch of b gathered and multiplied."""
    near = F.unfold(b, 2 * radius + 1, padding=radius).view(*b.shape[:2], -1, *b.shape[2:])
    return torch.einsum("bchw,bcnhw->bnhw", a, near) / a.shape[1]


def pair(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=dtype), torch.randn(shape, generator=generator, dtype=dtype)


def test_correlation_equals_gathered_patches():
    for shape, radius in (((2, 5, 6, 9), 3), ((1, 3, 4, 4), 1), ((2, 4, 7, 5), 2)):
        a, b = pair(*shape)
        torch.testing.assert_close(local_correlation(a, b, radius), by_patches(a, b, radius))
        last = local_correlation(a.contiguous(memory_format=torch.channels_last), b, radius)
        torch.testing.assert_close(last, by_patches(a, b, radius))


def test_correlation_by_hand_where_one_pixel_is_lit():
    a, b = torch.zeros(1, 2, 5, 5), torch.zeros(1, 2, 5, 5)
    a[0, :, 2, 2], b[0, :, 3, 1] = 1.0, 2.0  # b's spot lies at dx = -1, dy = +1 of a's
    found = local_correlation(a, b, 1)
    assert found[0, :, 2, 2].tolist() == [0, 0, 0, 0, 0, 0, 2, 0, 0]  # dy from -1, dx fastest: (dy 1, dx -1) is number 6
    assert found.sum() == 2


def test_correlation_gradients():
    a, b = (x.requires_grad_() for x in pair(1, 2, 3, 4))
    assert torch.autograd.gradcheck(lambda x, y: local_correlation(x, y, 1), (a, b))


def test_both_ways_is_two_calls():
    torch.manual_seed(0)
    net = FlowNet(6)
    for block in net.update:  # a fresh network says almost nothing
        torch.nn.init.normal_(block[-1].weight, std=0.1)
    a, b = (x.sigmoid() for x in pair(2, 3, 32, 40, dtype=torch.float32))
    there, back = net.both_ways(a, b)
    assert there.abs().mean() > 0.05
    torch.testing.assert_close(there, net(a, b), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(back, net(b, a), rtol=1e-4, atol=1e-5)
