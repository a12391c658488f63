"""Equations (4)-(9): attention against a loop, k = 0, masks of clip ends and padding, ablations."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib.config import PROFILES
from paperlib.models.expression import ExpressionNet, LocalCrossModalAttention, cnn_audio, cnn_visual, local_attention, time_windows

CFG = PROFILES["smoke"].expression
S = 32


def inputs(batch=2, frames=7, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 13, 28, generator=g), torch.rand(batch, frames, 3, S, S, generator=g)


def build(seed=0, k=2, residual_audio=False, **kw):
    torch.manual_seed(seed)
    return ExpressionNet(dataclasses.replace(CFG, k=k, residual_audio=residual_audio), S, **kw)


def attention_by_loop(q, key, value, k, lengths):
    """Equations (5)-(7) one frame at a time, in numpy."""
    batch, frames, d = q.shape
    z, attn = np.zeros_like(q), np.zeros((batch, frames, 2 * k + 1))
    for b in range(batch):
        for t in range(lengths[b]):
            taus = [tau for tau in range(t - k, t + k + 1) if 0 <= tau < lengths[b]]
            score = np.array([q[b, t] @ key[b, tau] / np.sqrt(d) for tau in taus])
            weight = np.exp(score - score.max())
            weight /= weight.sum()
            for w, tau in zip(weight, taus, strict=True):
                z[b, t] += w * value[b, tau]
                attn[b, t, tau - t + k] = w
    return z, attn


@pytest.mark.parametrize("k", [0, 1, 3, 9])
def test_attention_equals_a_naive_loop(k):
    rng = np.random.default_rng(k)
    q, key, value = rng.normal(size=(3, 2, 6, 4))
    lengths = [6, 4]
    z, attn = local_attention(*(torch.from_numpy(x) for x in (q, key, value)), k, torch.tensor(lengths))
    want_z, want_attn = attention_by_loop(q, key, value, k, lengths)
    for b, n in enumerate(lengths):  # rows of padded frames mean nothing
        np.testing.assert_allclose(z[b, :n].numpy(), want_z[b, :n], atol=1e-12)
        np.testing.assert_allclose(attn[b, :n].numpy(), want_attn[b, :n], atol=1e-12)
    assert torch.isfinite(z).all()


def test_weights_sum_to_one_and_clip_ends_are_masked():
    q, key = torch.randn(1, 5, 4), torch.randn(1, 5, 4)
    attn = local_attention(q, key, key, 2)[1]
    torch.testing.assert_close(attn.sum(-1), torch.ones(1, 5))
    assert attn[0, 0, :2].tolist() == [0, 0] and attn[0, -1, 3:].tolist() == [0, 0]


def test_window_of_one_frame_returns_v_and_silences_the_query():
    torch.manual_seed(0)
    layer = LocalCrossModalAttention(5, 6, 4, k=0)
    audio, visual = torch.randn(2, 3, 5, requires_grad=True), torch.randn(2, 3, 6)
    z, attn = layer(audio, visual)
    torch.testing.assert_close(z, layer.w_v(visual))
    assert torch.equal(attn, torch.ones(2, 3, 1))
    z.square().sum().backward()
    for gradient in (layer.w_q.weight.grad, layer.w_k.weight.grad, audio.grad):
        assert torch.equal(gradient, torch.zeros_like(gradient))  # exactly: softmax of one number is constant
    assert layer.w_v.weight.grad.abs().sum() > 0


def test_whole_network_with_k_0_does_not_hear():
    """As printed, (7) mixes image features alone; the extension `residual_audio` changes that."""
    net = build(k=0, residual_audio=False).eval()
    mfcc, semantic = inputs()
    assert torch.equal(net(mfcc, semantic).exp, net(torch.randn_like(mfcc), semantic).exp)
    wide = build(k=2).eval()
    assert not torch.equal(wide(mfcc, semantic).exp, wide(torch.randn_like(mfcc), semantic).exp)
    extended = build(k=0, residual_audio=True).eval()
    assert not torch.equal(extended(mfcc, semantic).exp, extended(torch.randn_like(mfcc), semantic).exp)


def test_attention_gradients():
    torch.manual_seed(0)
    q, key, value = (torch.randn(1, 4, 3, dtype=torch.double, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(lambda *x: local_attention(*x, 1, torch.tensor([3]))[0][:, :3], (q, key, value))


def test_windows_hold_the_neighbours():
    x = torch.arange(8.0).view(1, 4, 2)
    assert time_windows(x, 1).shape == (1, 4, 3, 2)
    assert time_windows(x, 1)[0, 1].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("kw", [{}, {"use_semantic": False}, {"use_attention": False}, {"use_semantic": False, "use_attention": False}])
def test_padding_cannot_leak(kw):
    net = build(**kw)  # in training mode: batch statistics would leak too
    mfcc, semantic = inputs()
    lengths = torch.tensor([7, 4])
    before = net(mfcc, semantic, lengths).exp
    mfcc[1, 4:], semantic[1, 4:] = 50.0, 0.9
    after = net(mfcc, semantic, lengths).exp
    assert torch.equal(before[0], after[0]) and torch.equal(before[1, :4], after[1, :4])
    alone = net(mfcc[1:, :4], semantic[1:, :4]).exp
    torch.testing.assert_close(after[1, :4], alone[0], atol=1e-5, rtol=1e-4)  # and equals the clip by itself


@pytest.mark.parametrize("kw", [{}, {"use_semantic": False}, {"use_attention": False}, {"use_semantic": False, "use_attention": False}])
def test_ablations_read_what_they_say(kw):
    net = build(**kw).eval()
    mfcc, semantic = inputs()
    out = net(mfcc, semantic)
    assert out.exp.shape == (2, 7, 64) and out.attention.shape == (2, 7, 5)
    sees = not torch.equal(net(mfcc, 1 - semantic).exp, out.exp)
    assert sees == kw.get("use_semantic", True)
    assert (out.attention.sum() > 0) == kw.get("use_attention", True)
    if not sees:
        assert torch.equal(net(mfcc).exp, out.exp)


def test_lstm_looks_both_ways():
    net = build(k=0).eval()
    mfcc, semantic = inputs(1)
    before = net(mfcc, semantic).exp
    semantic[0, 3] = 0
    changed = (net(mfcc, semantic).exp - before).abs().sum(-1)[0] > 0
    assert changed.all()


def test_every_parameter_learns():
    net = build()
    net(*inputs()).exp.abs().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("name", ["smoke", "classroom", "paper"])
def test_profiles_build_and_encoders_give_the_stated_lengths(name):
    profile = PROFILES[name]
    cfg, size = profile.expression, profile.teacher.size
    assert cnn_audio(cfg)(torch.randn(2, 1, 13, 28)).shape == (2, cfg.d_a)
    assert cnn_visual(cfg, size)(torch.rand(2, 3, size, size)).shape == (2, cfg.d_v)


def test_bad_input_is_refused():
    net = build()
    mfcc, semantic = inputs()
    with pytest.raises(ValueError, match="mfcc: expected shape"):
        net(mfcc[..., :20], semantic)
    with pytest.raises(ValueError, match="semantic: expected shape"):
        net(mfcc, semantic[:, :5])
    with pytest.raises(ValueError, match="semantic images"):
        net(mfcc)
