import numpy as np
import pytest
import torch
from torch import nn

from paperlib.losses.correspondence import FORMS, correspondence_loss, correspondence_wise, flow_magnitude, warp_by

SIZE = 32


def _smooth(seed=0):
    noise = torch.rand(1, 3, SIZE // 4, SIZE // 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(noise, size=SIZE, mode="bicubic", align_corners=False).clamp(0, 1)


def _constant_flow(dx, dy):
    def flow(a, b):
        field = torch.zeros(len(a), 2, *a.shape[2:], dtype=a.dtype)
        field[:, 0], field[:, 1] = dx, dy
        return field

    return flow


def test_warp_moves_by_whole_pixels_in_the_stated_direction():
    image = _smooth()
    moved = warp_by(image, _constant_flow(3.0, -2.0)(image, image))
    torch.testing.assert_close(moved[..., 2:, :-3], image[..., :-2, 3:])
    torch.testing.assert_close(warp_by(image, torch.zeros(1, 2, SIZE, SIZE, dtype=torch.float64)), image)


def test_zero_flow_costs_twice_the_pixel_loss_and_equal_images_cost_nothing():
    a, b = _smooth(0), _smooth(1)
    zero = _constant_flow(0.0, 0.0)
    assert correspondence_wise(a, b, zero).item() == pytest.approx(2 * (a - b).abs().mean().item())
    assert correspondence_wise(a, a, zero).item() == 0


def test_a_shifted_copy_costs_far_less_than_its_pixel_loss():
    target = _smooth()
    pred = torch.roll(target, 4, dims=3)  # pred(x) = target(x - 4): target(p) ~ pred(p + 4)

    def true_flow(a, b):
        return _constant_flow(4.0, 0.0)(a, b) if a is target else _constant_flow(-4.0, 0.0)(a, b)

    pixel = 2 * (pred - target).abs().mean()
    aligned = correspondence_wise(pred, target, true_flow, shrink=0.0)
    assert aligned < 0.35 * pixel  # what is left comes from the wrapped border
    assert aligned < correspondence_wise(pred, target, true_flow, shrink=0.1) < pixel


class _Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 2, 3, padding=1).double()

    def forward(self, a, b):
        return self.conv(torch.cat([a, b], 1))


def test_cwl_sends_no_gradient_to_the_flow_network_but_some_to_the_prediction():
    net, pred = _Net(), _smooth(0).requires_grad_()
    correspondence_loss(pred, _smooth(1), net).backward()
    assert all(p.grad is None for p in net.parameters())
    assert pred.grad.abs().sum() > 0


@pytest.mark.parametrize("form", ["printed", "flow_magnitude"])
def test_the_other_forms_reach_the_prediction_through_the_flow_network(form):
    net, pred = _Net().requires_grad_(False), _smooth(0).requires_grad_()
    loss = correspondence_loss(pred, _smooth(1), net, form=form, anchor=_smooth(2))
    loss.backward()
    assert loss.item() > 0 and pred.grad.abs().sum() > 0


def test_values_of_the_other_forms_are_pixels():
    a, b = _smooth(0), _smooth(1)
    assert flow_magnitude(a, b, _constant_flow(3.0, 4.0)).item() == pytest.approx(5.0, abs=1e-5)
    assert correspondence_loss(a, b, _constant_flow(3.0, 4.0), "printed", anchor=a).item() == pytest.approx(0, abs=1e-9)

    def shift_of_brightness(x, y):
        return torch.stack([x.mean((1, 2, 3)) * 0 + x[:, 0, 0, 0] - y[:, 0, 0, 0]] * 2, 1)[..., None, None].expand(-1, 2, SIZE, SIZE)

    difference = (a[0, 0, 0, 0] - b[0, 0, 0, 0]).abs().item() * 2**0.5
    assert correspondence_loss(a, b, shift_of_brightness, "printed", anchor=_smooth(3)).item() == pytest.approx(difference, abs=1e-5)


def test_cwl_forgives_position_and_flow_magnitude_does_not():
    wide = _smooth()
    target, pred = wide[..., 6:-6], wide[..., 2:-10]  # pred(x) = target(x - 4), without a wrapped border

    def true_flow(a, b):
        return _constant_flow(4.0, 0.0)(a, b) if a is target else _constant_flow(-4.0, 0.0)(a, b)

    assert correspondence_loss(pred, target, true_flow, "flow_magnitude").item() == pytest.approx(4.0, abs=1e-5)
    assert correspondence_loss(pred, target, true_flow, "cwl") < 0.5 * 2 * (pred - target).abs().mean()


def test_gradcheck_of_the_warped_loss():
    pred = torch.rand(1, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    target = torch.rand(1, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(lambda p: correspondence_wise(p, target, _constant_flow(0.3, -0.7)), pred)


@pytest.mark.parametrize("form", ["printed", "flow_magnitude"])
def test_gradcheck_of_the_forms_that_pass_through_the_flow_network(form):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = _Net().requires_grad_(False)
    pred, target, anchor = (torch.rand(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in range(3))
    assert torch.autograd.gradcheck(lambda p: correspondence_loss(p, target, net, form, anchor), pred.requires_grad_())


def test_cwl_equals_its_definition_with_scipys_interpolation():
    """Geng et al. 2022, written once more in numpy: both pictures moved by 0.9 of their flows, mirrored at the border, L1 summed."""
    from scipy.ndimage import map_coordinates

    pred, target = (torch.rand(2, 3, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    flows = {k: 2.5 * torch.randn(2, 2, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in (2, 3)}
    found = correspondence_loss(pred, target, lambda a, b: flows[2] if a is target else flows[3])

    def moved(image, flow):
        y, x = np.mgrid[: image.shape[1], : image.shape[2]]
        return np.stack([map_coordinates(c, [y + flow[1], x + flow[0]], order=1, mode="reflect") for c in image])

    wanted = 0.0
    for p, t, to_pred, to_target in zip(*(v.numpy() for v in (pred, target, 0.9 * flows[2], 0.9 * flows[3])), strict=True):
        wanted += np.abs(moved(p, to_pred) - t).mean() / 2 + np.abs(moved(t, to_target) - p).mean() / 2
    assert found.item() == pytest.approx(wanted, rel=1e-9)


def test_equal_pictures_cost_nothing_in_any_form_and_a_network_with_both_ways_is_asked_once():
    class Both(nn.Module):
        calls = 0

        def forward(self, a, b):
            return torch.stack([a[:, 0] - b[:, 0], a[:, 1] - b[:, 1]], 1)

        def both_ways(self, a, b):
            self.calls += 1
            return self(a, b), self(b, a)

    net, a, b = Both(), _smooth(0), _smooth(1)
    for form in FORMS:
        assert correspondence_loss(a, a, net, form, anchor=b).item() == pytest.approx(0, abs=1e-6)
    net.calls = 0
    once = correspondence_loss(a, b, net)
    assert net.calls == 1 and once.item() == pytest.approx(correspondence_loss(a, b, net.forward).item(), rel=1e-12)


def test_settings_are_checked():
    a = _smooth()
    assert FORMS == ("cwl", "printed", "flow_magnitude")
    with pytest.raises(ValueError, match="anchor"):
        correspondence_loss(a, a, _constant_flow(0, 0), "printed")
    with pytest.raises(ValueError, match="choose one of"):
        correspondence_loss(a, a, _constant_flow(0, 0), "l2")
    with pytest.raises(ValueError, match="flow"):
        warp_by(a, torch.zeros(1, 2, 4, 4))
