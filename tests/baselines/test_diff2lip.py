"""Diff2Lip-mini on clips made of noise.

Its diffusion and its boxes have tests of their own.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from paperlib.baselines.diff2lip import Diff2Lip, Diff2LipConfig
from paperlib.baselines.interface import SPAN, Item, draw, dub, given
from paperlib.config import SyncConfig
from paperlib.models.syncnet import SyncNet

SIZE = 32
CFG = Diff2LipConfig(widths=(8, 16, 16), embed=16, ddim_steps=3)


def made(frames=60, seed=0, size=SIZE):
    """A clip of smooth noise with a round hole in the lower half."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 6, generator=g).expand(frames, -1, -1, -1) + 0.1 * torch.rand(frames, 3, 6, 6, generator=g)
    pixels = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear").clamp(0, 1)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    masks = ((y - 0.65 * size).square() + (x - size // 2).square() < (0.25 * size) ** 2).float().expand(frames, 1, -1, -1)
    lmk = (torch.rand(68, 2, generator=g) * size).expand(frames, -1, -1)
    return Item(
        (pixels.movedim(1, -1) * 255).to(torch.uint8), masks, lmk, lmk.clone(), torch.randn(frames, 257, generator=g),
        torch.randn(frames, 13, 28, generator=g), torch.randn(frames, 80, 16, generator=g),
    )  # fmt: skip


def system(cfg=CFG, expert=None, seed=0, steps=0, size=SIZE):
    """A system after `steps` training steps on one clip; also the losses. Untrained, whole branches still stand at zero, as published."""
    torch.manual_seed(seed)
    net, g, losses = Diff2Lip(size, cfg, expert), torch.Generator().manual_seed(seed), []
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    bank = [made(40, size=size)]
    for i in range(steps):
        loss, _ = net.train().loss(draw(bank, 2, g), g, i / steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return net, losses


@pytest.fixture(scope="module")
def trained():
    return system(steps=40)


def test_the_references_box_follows_its_nose():
    """A reference moved by whole pixels, landmarks and all, gives the same crop."""
    net, own = system()[0], made(1)
    frame = own.frames.movedim(-1, 1) / 255
    moved = torch.roll(frame, (-2, -3), (2, 3))
    lmk = own.lmk + torch.tensor([-3.0, -2.0])
    _, _, plain, corner = net._boxed(frame, own.masks, frame, own.lmk, own.lmk_neutral)
    _, _, followed, same = net._boxed(frame, own.masks, moved, lmk, own.lmk_neutral)
    assert torch.equal(corner, same) and torch.equal(plain, followed)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_painted_shape_and_range(size):
    net = system(size=size)[0]
    task = given(made(6, size=size), made(6, 1, size=size))
    with torch.no_grad():
        painted = net.eval().paint(task, torch.Generator().manual_seed(0))
    assert painted.shape == (6, 3, size, size) and 0 <= painted.min() and painted.max() <= 1
    outside = (task.masks == 0).expand_as(painted)
    torch.testing.assert_close(painted[outside], task.frames[outside])
    assert (painted - task.frames).abs()[~outside].mean() > 1e-3


def test_default_size():
    net = Diff2Lip()
    assert sum(p.numel() for p in net.parameters()) <= 125_000
    assert (net.NAME, net.TRACK) == ("diff2lip", "dubbing")


def test_paint_sees_nothing_behind_the_mask(trained):
    """Frame 30 of 60 is nobody's reference here: what its hole shows, and what its face does, is not looked at."""
    net, task = trained[0], given(made(60, 3), made(60, 4))
    task.ref_index[task.ref_index == 30] = 0
    hidden = task.frames.clone()
    hidden[30] = torch.where(task.masks[30] > 0, 1 - hidden[30], hidden[30])
    coeffs, lmk = task.coeffs.clone(), task.lmk.clone()
    coeffs[:, 80:144] += 1
    lmk[30, 48:] += 5
    out = dub(net, task)
    again = dub(net, replace(task, frames=hidden, coeffs=coeffs, lmk=lmk))
    assert torch.equal(out[30][:, task.masks[30, 0] > 0], again[30][:, task.masks[30, 0] > 0])
    assert torch.equal(out[:30], again[:30]) and torch.equal(out[31:], again[31:])


def test_what_is_looked_at(trained):
    """The speech of a frame, its surroundings and its first reference; not the speech of others."""
    net, task = trained[0], given(made(40, 3), made(40, 4))
    out = dub(net, task)
    inside = task.masks[5].expand(3, -1, -1) > 0

    def change(**other):
        return (dub(net, replace(task, **other)) - out).abs()

    mel = task.mel.clone()
    mel[5] = mel[6]
    delta = change(mel=mel)
    assert delta[5][inside].max() > 1e-6 and delta[torch.arange(40) != 5].max() == 0
    around = task.frames.clone()
    around[5] = torch.where(task.masks[5] > 0, around[5], around[5] * 0.5)
    assert change(frames=around)[5][inside].max() > 1e-4
    index = task.ref_index.clone()
    index[5, 0] = 0 if index[5, 0] else 39
    assert change(ref_index=index)[5][inside].max() > 1e-4
    index[:, 0], index[:, 1:] = task.ref_index[:, 0], 0
    assert change(ref_index=index).max() == 0


def test_gradient_reaches_the_speech(trained):
    net, g = trained[0], torch.Generator().manual_seed(0)
    batch = draw([made(40)], 2, g)
    batch.mel.requires_grad_()
    (gradient,) = torch.autograd.grad(net.loss(batch, g, 0.0)[0], batch.mel)
    assert (gradient.abs().amax((2, 3)) > 0).all()


def test_loss_falls(trained):
    losses = trained[1]
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])


def test_the_loss_and_its_parts():
    net, g = system()[0], torch.Generator().manual_seed(0)
    batch = draw([made(40)], 4, g)
    loss, parts = net.loss(batch, g, 0.0)
    assert set(parts) == {"simple", "l2"} and loss.item() == pytest.approx(parts["simple"] + parts["l2"], rel=1e-5)
    net.cfg = replace(CFG, l2_weight=3.0)
    loss, parts = net.loss(batch, torch.Generator().manual_seed(1), 0.0)
    assert loss.item() == pytest.approx(parts["simple"] + 3 * parts["l2"], rel=1e-5)


def test_the_loss_looks_at_the_hole_only():
    """What lies outside can be known and is not to be learnt: the last layer's gradient is the same for any pixels there."""
    net, batch = system()[0], draw([made(40)], 2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.net.head.weight.zero_()  # the guess is then the reference's alone, whatever lies around
    one = net.loss(batch, torch.Generator().manual_seed(1), 0.0)[0]
    other = replace(batch, frames=torch.where(batch.masks > 0, batch.frames, 1 - batch.frames))
    assert one.item() == net.loss(other, torch.Generator().manual_seed(1), 0.0)[0].item()


def test_draws_of_time_are_spread_and_uniform():
    net, g = system()[0], torch.Generator().manual_seed(0)
    t = torch.stack([net._draw_times(4, g) for _ in range(500)])
    assert t.min() < 10 and t.max() > 989 and (t // 250 == torch.arange(4)).all()
    assert t.float().mean().item() == pytest.approx(499.5, abs=8)


def test_painting_repeats_with_its_seed(trained):
    net, task = trained[0], given(made(40, 3), made(40, 4))
    assert torch.equal(dub(net, task, seed=1), dub(net, task, seed=1))
    assert not torch.equal(dub(net, task, seed=1), dub(net, task, seed=2))


def test_all_frames_start_from_one_noise(trained):
    """The same frame twice is painted the same."""
    own = made(60, 3)
    for name, value in vars(own).items():
        setattr(own, name, value[:1].expand(60, *value.shape[1:]))
    task = given(own, own)
    out = dub(trained[0], task)
    torch.testing.assert_close(out, out[:1].expand_as(out), atol=1e-4, rtol=0)


def test_state_dict_round_trip(trained):
    net, task = trained[0], given(made(6, 3), made(6, 4))
    other = system(seed=5)[0]
    assert not torch.equal(dub(net, task), dub(other, task))
    other.load_state_dict(net.state_dict())
    assert torch.equal(dub(net, task), dub(other, task))


def test_the_sync_expert():
    """It is heard in the loss, at the speech's own moment, stays as it is and is no part of the state."""
    torch.manual_seed(0)
    expert = SyncNet(SyncConfig(size=16, width=2, embed=32))
    before = {k: v.clone() for k, v in expert.state_dict().items()}
    net, g = system(expert=expert, steps=2)[0], torch.Generator().manual_seed(0)
    assert set(net.state_dict()) == set(system()[0].state_dict())
    assert all(torch.equal(v, before[k]) for k, v in expert.state_dict().items())
    own = made(40)
    own.lmk_neutral = own.lmk = torch.rand(40, 68, 2, generator=g) * 20 + 6
    batch = draw([own], 2, g)
    total, parts = net.train().loss(batch, g, 0.0)
    assert total.item() == pytest.approx(parts["simple"] + parts["l2"] + CFG.sync_weight * parts["sync"], rel=1e-5)
    assert not expert.training and all(p.grad is None for p in expert.parameters())
    clean = torch.rand(2, SPAN, 3, SIZE, SIZE, generator=g).requires_grad_()
    net.expert.loss(clean, batch.lmk_neutral, batch.mel).backward()
    assert (clean.grad.abs().amax((2, 3, 4)) > 0).all()
    elsewhere = batch.mel.clone()
    elsewhere[:, [0, 1, 3, 4]] += 1
    args = clean.detach(), batch.lmk_neutral
    heard = net.expert.loss
    assert heard(*args, batch.mel) == heard(*args, elsewhere) != heard(*args, batch.mel.flip(0))


@pytest.mark.parametrize(
    ("name", "shape"), [("frames", (40, 3, 24, 24)), ("masks", (40, 3, SIZE, SIZE)), ("mel", (40, 80, 15)), ("mel", (40, 40, 16))]
)
def test_wrong_shapes(name, shape):
    net, task = system()[0], given(made(40), made(40))
    with pytest.raises(ValueError, match=name):
        dub(net, replace(task, **{name: torch.zeros(shape)}))
    batch = draw([made(40)], 2, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=name):
        net.loss(replace(batch, **{name: torch.zeros(2, SPAN, *shape[1:])}), torch.Generator(), 0.0)


def test_sizes_that_the_network_cannot_halve():
    with pytest.raises(ValueError, match="divisible by 8"):
        dub(system(size=60)[0], given(made(6, size=60), made(6, size=60)))
