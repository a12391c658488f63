"""Equations (4)-(10) once more, in float64 numpy, one sum at a time; and the gradient of each against finite differences."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.config import ExpressionConfig
from paperlib.models.expression import ExpressionNet, LocalCrossModalAttention, cnn_audio, cnn_visual, time_windows

TINY = ExpressionConfig(audio_channels=(2, 3, 2, 3, 2), visual_channels=(2, 3, 2, 2, 3), d_a=3, d_v=4, d=3, k=1, lstm_hidden=2)
S = 16  # side of the semantic images here


def tensors(net):
    return {name: value.detach().numpy() for name, value in net.state_dict().items()}


def build(seed=0, cfg=TINY, **kw):
    """A network in float64 whose biases are not zero."""
    torch.manual_seed(seed)
    net = ExpressionNet(cfg, S, **kw).double()
    with torch.no_grad():
        for p in net.parameters():
            if p.dim() == 1:
                p.uniform_(-0.3, 0.3)
    return net


def conv_relu(x, weight, bias, stride=1, padding=0):
    """(C, H, W) -> (O, H', W'), every output number a sum over its own window."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    kernel = weight.shape[2]
    h, w = ((n - kernel) // stride + 1 for n in x.shape[1:])
    out = np.zeros((len(weight), h, w))
    for i in range(h):
        for j in range(w):
            window = x[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            for o in range(len(weight)):
                out[o, i, j] = max(0.0, (window * weight[o]).sum() + bias[o])
    return out


def max_pool(x, stride, padding=0):
    """3 x 3 windows, stride (rows, columns)."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
    h, w = ((n - 3) // s + 1 for n, s in zip(x.shape[1:], stride, strict=True))
    out = np.zeros((len(x), h, w))
    for i in range(h):
        for j in range(w):
            out[:, i, j] = x[:, i * stride[0] : i * stride[0] + 3, j * stride[1] : j * stride[1] + 3].max((1, 2))
    return out


def convs(state, prefix):
    """(weight, bias) of an encoder's convolutions in order."""
    numbers = sorted(int(name.split(".")[-2]) for name in state if name.startswith(f"{prefix}body.") and name.endswith("weight"))
    return [(state[f"{prefix}body.{n}.weight"], state[f"{prefix}body.{n}.bias"]) for n in numbers]


def audio_by_loops(mfcc, state, early_pool, prefix=""):
    """F_a of (4) from one window (13, 28): five 3 x 3 convolutions; pooled 1 x 2 and 2 x 2 after the 1st and 2nd, or the 2nd and 5th."""
    x = mfcc[None]
    pool_after = {1: (1, 2), 2: (2, 2)} if early_pool else {2: (1, 2), 5: (2, 2)}
    for number, (weight, bias) in enumerate(convs(state, prefix), start=1):
        x = conv_relu(x, weight, bias, padding=1)
        if number in pool_after:
            x = max_pool(x, pool_after[number])
    return state[f"{prefix}out.weight"] @ x.ravel() + state[f"{prefix}out.bias"]


def visual_by_loops(image, state, classic, prefix=""):
    """F_v of (4) from one image (3, S, S): VGG-M's five convolutions."""
    pad1, stride2, pad2, pool = (0, 2, 1, 0) if classic else (3, 1, 2, 1)
    five = convs(state, prefix)
    x = max_pool(conv_relu(image - 0.5, *five[0], stride=2, padding=pad1), (2, 2), pool)
    x = max_pool(conv_relu(x, *five[1], stride=stride2, padding=pad2), (2, 2), pool)
    for weight, bias in five[2:]:
        x = conv_relu(x, weight, bias, padding=1)
    return state[f"{prefix}out.weight"] @ max_pool(x, (2, 2), pool).ravel() + state[f"{prefix}out.bias"]


def attend_by_loops(f_a, f_v, state, k):
    """z of (5)-(7) for one clip: f_a (T, d_a), f_v (T, d_v); frames outside the clip are not in N(t)."""
    z = []
    for t in range(len(f_a)):
        query = state["attend.w_q.weight"] @ f_a[t]
        near = [tau for tau in range(t - k, t + k + 1) if 0 <= tau < len(f_a)]
        score = [np.exp(query @ (state["attend.w_k.weight"] @ f_v[tau]) / np.sqrt(len(query))) for tau in near]
        z.append(sum(s / sum(score) * (state["attend.w_v.weight"] @ f_v[tau]) for s, tau in zip(score, near, strict=True)))
    return np.stack(z)


def lstm_by_loops(z, state, suffix):
    """One direction of (8) for one clip (T, d) -> (T, hidden); torch's gates in the order input, forget, cell, output."""
    w, u = state[f"lstm.weight_ih_l0{suffix}"], state[f"lstm.weight_hh_l0{suffix}"]
    bias = state[f"lstm.bias_ih_l0{suffix}"] + state[f"lstm.bias_hh_l0{suffix}"]
    n = u.shape[1]
    h, c, out = np.zeros(n), np.zeros(n), [None] * len(z)
    for t in range(len(z)) if not suffix else range(len(z) - 1, -1, -1):
        gates = w @ z[t] + u @ h + bias
        enter, forget, leave = (1 / (1 + np.exp(-gates[part * n : (part + 1) * n])) for part in (0, 1, 3))
        c = forget * c + enter * np.tanh(gates[2 * n : 3 * n])
        h = leave * np.tanh(c)
        out[t] = h
    return np.stack(out)


def network_by_loops(mfcc, semantic, state, cfg):
    """beta* of (10) for one clip: mfcc (T, 13, 28), semantic (T, 3, S, S) -> (T, 64)."""
    f_a = np.stack([audio_by_loops(a, state, cfg.early_pool, "cnn_audio.") for a in mfcc])
    f_v = np.stack([visual_by_loops(v, state, False, "cnn_visual.") for v in semantic])
    z = attend_by_loops(f_a, f_v, state, cfg.k)
    h = np.concatenate([lstm_by_loops(z, state, ""), lstm_by_loops(z, state, "_reverse")], 1)
    return np.stack([state["out.weight"] @ h_t + state["out.bias"] for h_t in h])  # (9)


@pytest.mark.parametrize("early_pool", [True, False])
def test_speech_encoder_of_4(early_pool):
    torch.manual_seed(1)
    net = cnn_audio(dataclasses.replace(TINY, early_pool=early_pool)).double()
    mfcc = torch.randn(2, 1, 13, 28, dtype=torch.double)
    for got, window in zip(net(mfcc), mfcc, strict=True):
        np.testing.assert_allclose(got.detach(), audio_by_loops(window[0].numpy(), tensors(net), early_pool), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("size", [16, 96])
def test_image_encoder_of_4(size):
    """Classic VGG-M from 96 pixels on; padded below, where pixels are few."""
    torch.manual_seed(2)
    net = cnn_visual(TINY, size).double()
    image = torch.rand(1, 3, size, size, dtype=torch.double)
    want = visual_by_loops(image[0].numpy(), tensors(net), classic=size == 96)
    np.testing.assert_allclose(net(image)[0].detach(), want, rtol=1e-9, atol=1e-11)


def test_whole_network_of_10_and_its_lstm_with_two_lengths():
    """Each clip of a padded batch equals the loops on that clip alone: (5), (8) and (9) end where the clip ends."""
    net = build()
    g = torch.Generator().manual_seed(3)
    mfcc = torch.randn(2, 5, 13, 28, generator=g, dtype=torch.double)
    semantic = torch.rand(2, 5, 3, S, S, generator=g, dtype=torch.double)
    lengths = [5, 3]
    got = net(mfcc, semantic, torch.tensor(lengths)).exp.detach().numpy()
    for clip, n in enumerate(lengths):
        want = network_by_loops(mfcc[clip, :n].numpy(), semantic[clip, :n].numpy(), tensors(net), TINY)
        np.testing.assert_allclose(got[clip, :n], want, rtol=1e-8, atol=1e-10)
        assert np.abs(np.diff(want, axis=0)).max() > 1e-3  # the frames are told apart
    np.testing.assert_array_equal(got[1, 3:], np.broadcast_to(net.out.bias.detach(), (2, 64)))  # after the end: b_o of (9)


def test_lstm_of_8_hears_nothing_of_padded_frames():
    """`_lstm` alone: what stands in the padded frames of z, and how many there are, changes no number of the clip."""
    net = build()
    z = torch.randn(2, 6, 3, dtype=torch.double)
    lengths = torch.tensor([6, 4])
    before = net._lstm(z, lengths)
    z[1, 4:] = 1e3
    assert torch.equal(net._lstm(z, lengths), before)
    assert torch.equal(net._lstm(z[:, :5], torch.tensor([5, 4]))[1, :4], before[1, :4])
    whole = net._lstm(z, None)
    assert (whole[1, :4] - before[1, :4]).abs().max() > 1e-3  # without lengths the backward direction would carry them in


def test_projections_of_6_and_gradients_of_5_to_7():
    """W_Q reads the speech, W_K and W_V the images; gradients of the features and of all three matrices."""
    torch.manual_seed(5)
    layer = LocalCrossModalAttention(2, 3, 2, k=1).double()
    f_a, f_v = torch.randn(1, 4, 2, dtype=torch.double), torch.randn(1, 4, 3, dtype=torch.double)
    state = {f"attend.{name}": value for name, value in tensors(layer).items()}
    np.testing.assert_allclose(layer(f_a, f_v)[0][0].detach(), attend_by_loops(f_a[0].numpy(), f_v[0].numpy(), state, 1), atol=1e-12)
    names = list(dict(layer.named_parameters()))

    def run(a, v, *weights):
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (a, v, torch.tensor([3])))[0][:, :3]

    assert torch.autograd.gradcheck(run, (f_a.requires_grad_(), f_v.requires_grad_(), *layer.parameters()))
    assert torch.autograd.gradcheck(lambda x: time_windows(x, 2), torch.randn(1, 3, 2, dtype=torch.double, requires_grad=True))


def test_gradients_of_4():
    torch.manual_seed(6)
    audio, visual = cnn_audio(TINY).double(), cnn_visual(TINY, S).double()
    mfcc, image = torch.randn(1, 1, 13, 28, dtype=torch.double), torch.rand(1, 3, S, S, dtype=torch.double)
    assert torch.autograd.gradcheck(audio, mfcc.requires_grad_(), fast_mode=True)
    assert torch.autograd.gradcheck(visual, image.requires_grad_(), fast_mode=True)


def test_gradients_of_8_to_10():
    """Of the Bi-LSTM alone, and of the whole M_e with respect to speech, images and every parameter."""
    net = build(7)
    z = torch.randn(2, 4, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: net.out(net._lstm(x, torch.tensor([4, 2]))), z, fast_mode=True)
    mfcc = torch.randn(1, 3, 13, 28, dtype=torch.double, requires_grad=True)
    semantic = torch.rand(1, 3, 3, S, S, dtype=torch.double, requires_grad=True)
    names = list(dict(net.named_parameters()))

    def run(a, v, *weights):
        return torch.func.functional_call(net, dict(zip(names, weights, strict=True)), (a, v)).exp

    assert torch.autograd.gradcheck(run, (mfcc, semantic, *net.parameters()), fast_mode=True)
