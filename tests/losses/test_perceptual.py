import pytest
import torch

from paperlib import paths, weights, weights_import
from paperlib.errors import InputError
from paperlib.losses import perceptual
from paperlib.losses.perceptual import VGGFeatures, crop_resize, gram, perceptual_loss, style_loss

needs_vgg16 = pytest.mark.skipif(not weights.available("vgg16"), reason="VGG-16 absent: python -m paperlib.weights fetch vgg16")


def _images(n=2, size=32, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


@needs_vgg16
def test_features_equal_torchvisions_network_layer_by_layer():
    import torchvision

    layers = {"relu1_2": 4, "relu2_2": 9, "relu3_3": 16}
    with torch.random.fork_rng():
        reference = torchvision.models.vgg16(weights=None).features.eval()
    reference.load_state_dict({k.removeprefix("features."): v for k, v in weights.load_features("vgg16").items()})
    x = _images()
    normal = (x - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    found = VGGFeatures(tuple(layers))(x)
    assert list(found) == list(layers)
    for layer, upto in layers.items():
        torch.testing.assert_close(found[layer], reference[:upto](normal))


@needs_vgg16
def test_network_is_cut_frozen_stateless_and_named_for_what_it_is():
    net = VGGFeatures(("relu2_1",))
    assert net.label == "VGG-16" and not net.training
    assert not list(net.parameters()) and not net.state_dict()
    assert hasattr(net, "conv2_1_weight") and not hasattr(net, "conv2_2_weight")
    x = _images().requires_grad_()
    perceptual_loss(net(x), net(_images(seed=1))).backward()
    assert x.grad.abs().sum() > 0
    for unknown in (("relu6_1",), ("conv1_1",), ()):
        with pytest.raises(InputError, match="choose from relu1_1"):
            VGGFeatures(unknown)


@needs_vgg16
def test_perceptual_distance_orders_small_and_large_changes():
    net = VGGFeatures()
    x, noise = _images(), torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    a, b, c = net(x), net((x + 0.02 * noise).clamp(0, 1)), net((x + 0.2 * noise).clamp(0, 1))
    assert perceptual_loss(a, a).item() == 0 and style_loss(a, a).item() == 0
    assert perceptual_loss(b, a) < perceptual_loss(c, a)
    assert style_loss(b, a) < style_loss(c, a)


def test_missing_weights_raise_and_never_become_random(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path)
    weights.load_features.cache_clear()
    for net, text in (("vgg16", "fetch vgg16"), ("vgg19", "import vgg19")):
        with pytest.raises(InputError, match=text):
            VGGFeatures(("relu1_1",), net)
    with pytest.raises(InputError, match="choose vgg16 or vgg19"):
        VGGFeatures(("relu1_1",), "resnet")


def test_vgg19_has_a_fourth_layer_in_its_third_block(monkeypatch):
    tensors, channels = {}, 3
    for index, out in zip(weights_import.CONV_INDEX["vgg19"][:8], weights_import.OUT_CHANNELS["vgg19"]):
        tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"] = torch.zeros(out, channels, 3, 3), torch.ones(out)
        channels = out
    monkeypatch.setattr(perceptual.weights, "load_features", lambda name: tensors)
    net = VGGFeatures(("relu1_1", "relu3_4"), "vgg19")
    found = net(_images(1, 16))
    assert net.label == "VGG-19" and found["relu3_4"].shape == (1, 256, 4, 4)


def test_losses_by_hand():
    a, b = {"x": torch.zeros(1, 2, 1, 2)}, {"x": torch.tensor([[[[1.0, 2.0]], [[0.0, -3.0]]]])}
    assert perceptual_loss(a, b).item() == pytest.approx(6 / 4)
    torch.testing.assert_close(gram(b["x"])[0], torch.tensor([[5.0, -6.0], [-6.0, 9.0]]))
    assert style_loss(a, b).item() == pytest.approx((5 + 6 + 6 + 9) / 16)  # (C H W)^2 = 16
    two = {"x": torch.cat([b["x"], a["x"]])}
    assert style_loss({"x": torch.zeros(2, 2, 1, 2)}, two).item() == pytest.approx(26 / 16 / 2)  # batch mean
    with pytest.raises(ValueError, match="layers differ"):
        perceptual_loss(a, {"y": a["x"]})


def test_gram_does_not_depend_on_the_layout_in_memory():
    f = torch.rand(2, 5, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wanted = torch.einsum("bchw,bdhw->bcd", f, f)
    torch.testing.assert_close(gram(f), wanted)
    torch.testing.assert_close(gram(f.contiguous(memory_format=torch.channels_last)), wanted)


def test_style_ignores_where_things_are_and_perceptual_does_not():
    f = torch.rand(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    shuffled = f.flatten(2)[..., torch.randperm(36, generator=torch.Generator().manual_seed(1))].view_as(f)
    assert style_loss({"x": f}, {"x": shuffled}).item() == pytest.approx(0, abs=1e-7)
    assert perceptual_loss({"x": f}, {"x": shuffled}).item() > 0.1


def test_gradcheck():
    f = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    g = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: style_loss({"x": x}, {"x": g}) + perceptual_loss({"x": x}, {"x": g}), f)


def test_crop_resize_cuts_whole_pixels_exactly_and_averages_when_halving():
    image = torch.rand(2, 3, 10, 12, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[2.0, 1.0, 6.0, 5.0], [0.0, 0.0, 4.0, 4.0]])
    out = crop_resize(image, boxes, 4)
    torch.testing.assert_close(out[0], image[0, :, 1:5, 2:6])
    torch.testing.assert_close(out[1], image[1, :, :4, :4])
    half = crop_resize(image, boxes, 2)
    torch.testing.assert_close(half[0], torch.nn.functional.avg_pool2d(image[:1, :, 1:5, 2:6], 2)[0])
    half.sum().backward()
    assert image.grad[0, :, 1:5, 2:6].min() > 0
    with pytest.raises(ValueError, match="boxes"):
        crop_resize(image, boxes[:1], 4)
