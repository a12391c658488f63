"""VGG-M's padding, pooling and picture size."""

import dataclasses

import pytest
import torch

from paperlib.config import ExpressionConfig
from paperlib.models.encoders import VisualCNN, _out
from paperlib.models.expression import ExpressionNet

WIDTHS = (2, 3, 4, 4, 4)


@pytest.mark.parametrize("size", [32, 48, 96, 100, 224])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("ceil", [False, True])
def test_the_linear_layer_fits_what_arrives(size, padding, ceil):
    net = VisualCNN(WIDTHS, 5, size, padding, ceil).eval()
    assert net(torch.rand(2, 3, size, size)).shape == (2, 5)


def test_sizes_by_hand():
    assert _out(96, 7, 2, 0) == 45 and _out(224, 7, 2, 0) == 109
    assert (_out(10, 3, 2, 0), _out(10, 3, 2, 0, ceil=True)) == (4, 5)
    assert _out(2, 2, 2, 1, ceil=True) == torch.nn.MaxPool2d(2, 2, 1, ceil_mode=True)(torch.zeros(1, 1, 2, 2)).shape[-1]
    # the published network at its own 224 with pooling that rounds up: 109, 54, 26, 13, 6
    assert VisualCNN(WIDTHS, 5, 224, ceil=True).out.in_features == 4 * 6 * 6


def test_images_are_enlarged_to_the_encoders_side():
    cfg = ExpressionConfig(audio_channels=(2, 2, 2, 2, 2), visual_channels=WIDTHS, d_a=4, d_v=4, d=4, lstm_hidden=3, visual_size=112)
    torch.manual_seed(0)
    net = ExpressionNet(cfg, 48).eval()
    mfcc, semantic = torch.randn(1, 3, 13, 28), torch.rand(1, 3, 3, 48, 48)
    seen = []
    handle = net.cnn_visual.register_forward_hook(lambda m, args, out: seen.append(args[0]))
    net(mfcc, semantic)
    handle.remove()
    assert seen[0].shape == (3, 3, 112, 112)
    assert seen[0].mean((2, 3)) == pytest.approx(semantic[0].mean((2, 3)), abs=0.01)
    plain = ExpressionNet(dataclasses.replace(cfg, visual_size=0), 112)
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in net.state_dict().items()}


def test_pictures_enter_less_their_mean_and_over_their_spread():
    """A still face with one moving pixel, by hand: mean picture m, spread the root mean square about it."""
    torch.manual_seed(0)
    net = VisualCNN(WIDTHS, 5, 32).eval()
    assert not net.standardised
    images = torch.rand(1, 3, 32, 32).expand(4, -1, -1, -1).clone()
    images[:, 0, 20, 16] = torch.tensor([0.0, 0.2, 0.4, 1.0])
    wanted = (images - images.mean(0)) / images.var(0, correction=0).mean().sqrt()
    assert wanted.square().mean() == pytest.approx(1.0, rel=1e-5)
    raw = net(0.5 + wanted)  # an untouched network takes 1/2 off
    net.standardise(images)
    assert net.standardised
    torch.testing.assert_close(net(images), raw, rtol=1e-4, atol=1e-4)
    again = VisualCNN(WIDTHS, 5, 32)
    again.load_state_dict(net.state_dict())
    assert again.standardised and torch.equal(again(images), net(images))


def test_still_pictures_do_not_blow_up_and_other_sizes_are_refused():
    net = VisualCNN(WIDTHS, 5, 32)
    still = torch.full((3, 3, 32, 32), 0.3)
    net.standardise(still)
    assert net.spread == pytest.approx(1e-3) and torch.isfinite(net(still + 1 / 255)).all()
    with pytest.raises(ValueError, match="images"):
        net.standardise(torch.rand(3, 3, 48, 48))
