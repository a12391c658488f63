import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from paperlib.baselines.interface import Item, draw, dub, given
from paperlib.baselines.wav2lip import Wav2Lip, Wav2LipConfig
from paperlib.face3d.coefficients import ANGLES, EXP, N_COEFF, TRANS, with_exp
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.morphable_model import default_model
from paperlib.media.cropping import mouth_mask
from paperlib.training import checkpoints

SMALL = Wav2LipConfig(widths=(6, 8, 8), code=12, mel=3)


def clip(n=60, size=64, seed=0):
    """A moving head over smooth noise, with random speech."""
    g = torch.Generator().manual_seed(seed)
    coeffs = torch.zeros(n, N_COEFF)
    coeffs[:, EXP] = 0.5 * torch.randn(n, 64, generator=g)
    coeffs[:, ANGLES] = torch.linspace(-0.2, 0.2, n)[:, None]
    coeffs[:, TRANS] = torch.linspace(-0.1, 0.1, n)[:, None]
    lmk, neutral = (landmarks2d(default_model(), c, size) for c in (coeffs, with_exp(coeffs, 0)))
    noise = torch.nn.functional.interpolate(torch.rand(n, 3, 8, 8, generator=g), size=size, mode="bicubic", align_corners=False)
    frames = (noise.clamp(0, 1).movedim(1, -1) * 255).to(torch.uint8)
    masks = torch.from_numpy(mouth_mask(neutral.numpy(), size))
    return Item(frames, masks, lmk, neutral, coeffs, torch.randn(n, 13, 28, generator=g), torch.randn(n, 80, 16, generator=g))


@pytest.fixture(scope="module")
def expert():
    return checkpoints.load("sync_classroom")[0]


def test_paints_inside_the_mask_and_nothing_else():
    own = clip(n=12)
    task = given(own, own)
    torch.manual_seed(0)
    out = dub(Wav2Lip(64, SMALL), task)
    assert out.shape == task.frames.shape and out.min() >= 0 and out.max() <= 1
    changed = (out != task.frames).any(1, keepdim=True)
    assert not (changed & (task.masks == 0)).any() and (changed | (task.masks == 0)).float().mean() > 0.99


def test_nothing_hidden_is_read():
    task = given(clip(), clip(seed=1))
    hidden = next(t for t in range(60) if t not in task.ref_index)
    other = replace(task, frames=task.frames.clone(), coeffs=task.coeffs.clone(), lmk=task.lmk + 5)
    other.frames[hidden] += task.masks[hidden] * (0.5 - task.frames[hidden])
    other.coeffs[:, EXP] += 1
    assert (other.frames != task.frames).any()
    torch.manual_seed(0)
    net = Wav2Lip(64, SMALL)
    assert torch.equal(net.paint(task, torch.Generator()), net.paint(other, torch.Generator()))


def test_paints_a_clip_as_it_paints_its_frames():
    task = given(clip(), clip(seed=1))
    torch.manual_seed(0)
    net = Wav2Lip(64, SMALL).train()  # no batch statistics: neighbours in a batch, and the mode, do not matter
    whole = net.paint(task, torch.Generator())
    t = 7
    late = task.ref_index.max()
    one = net.eval()(task.visible()[t : t + 1], task.frames[late][None], task.mel[t : t + 1])
    torch.testing.assert_close(whole[t : t + 1], one, atol=1e-5, rtol=0)


def test_speech_reaches_the_picture():
    batch = draw([clip()], 2, torch.Generator().manual_seed(0))
    batch.mel.requires_grad_(True)
    torch.manual_seed(0)
    loss, _ = Wav2Lip(64, SMALL).loss(batch, torch.Generator(), 0.0)
    loss.backward()
    assert (batch.mel.grad.flatten(2).abs().sum(-1) > 0).all()


def test_sync_gradient_reaches_the_painted_lips_and_not_the_expert(expert):
    before = copy.deepcopy(expert.state_dict())
    batch = draw([clip()], 2, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    net = Wav2Lip(64, SMALL, expert).train()
    painted = torch.full_like(batch.frames, 0.5, requires_grad=True)
    first = net.sync(painted, batch)
    first.backward()
    slope = painted.grad
    assert (slope.abs().amax((2, 3, 4)) > 0).all()  # every frame of every run
    assert (slope * (1 - batch.masks)).abs().max() == 0
    mouth = batch.lmk_neutral[0, 2, 48:].mean(0).long()
    assert slope[0, 2, :, mouth[1], mouth[0]].abs().max() > 0
    with torch.no_grad():
        assert net.sync(painted - 0.05 * slope / slope.abs().max(), batch) < first

    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], 1e-2)
    weights = [p.clone() for p in net.parameters()]
    net.loss(batch, torch.Generator(), 1.0)[0].backward()
    optimiser.step()
    assert all(not torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))
    assert all(p.grad is None and not p.requires_grad for p in expert.parameters()) and not expert.training
    assert all(torch.equal(v, before[k]) for k, v in expert.state_dict().items())
    assert net.state_dict().keys() == Wav2Lip(64, SMALL).state_dict().keys()


def test_the_expert_speaks_late_and_with_its_weight(expert):
    batch = draw([clip()], 2, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    net = Wav2Lip(64, SMALL, expert)
    early, parts = net.loss(batch, torch.Generator(), SMALL.sync_from - 0.01)
    assert parts.keys() == {"l1"} and early.item() == pytest.approx(parts["l1"])
    late, parts = net.loss(batch, torch.Generator(), SMALL.sync_from)
    assert late.item() == pytest.approx(0.97 * parts["l1"] + 0.03 * parts["sync"], rel=1e-5)
    net = Wav2Lip(64, SMALL)
    assert net.loss(batch, torch.Generator(), 1.0)[1].keys() == {"l1"}
    with pytest.raises(ValueError, match="without an expert"):
        net.sync(batch.frames, batch)


def test_loss_falls():
    bank, g = [clip(n=30)], torch.Generator().manual_seed(0)
    bank[0].frames[:] = bank[0].frames[:1] // 3  # one dark picture
    torch.manual_seed(0)
    net = Wav2Lip(64, SMALL)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    losses = []
    for _ in range(15):
        loss, _ = net.loss(draw(bank, 1, g), g, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.7 * np.mean(losses[:3])


def test_state_dict_round_trip():
    task = given(clip(n=8), clip(n=8, seed=1))
    torch.manual_seed(0)
    first, second = Wav2Lip(64, SMALL), Wav2Lip(64, SMALL)
    assert not torch.equal(dub(first, task), dub(second, task))
    second.load_state_dict(first.state_dict())
    assert torch.equal(dub(first, task), dub(second, task))


def test_size_of_the_default_network():
    assert sum(p.numel() for p in Wav2Lip().parameters()) <= 120_000
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in Wav2Lip().modules())


@pytest.mark.parametrize("name", ["frames", "mel", "ref"])
def test_wrong_shapes(name):
    batch = draw([clip(n=8)], 2, torch.Generator())
    with pytest.raises(ValueError):
        Wav2Lip(64, SMALL).loss(replace(batch, **{name: getattr(batch, name)[..., :-2]}), torch.Generator(), 0.0)


def test_a_run_of_another_length_has_no_sync(expert):
    batch = draw([clip(n=8)], 1, torch.Generator())
    with pytest.raises(ValueError, match="painted"):
        Wav2Lip(64, SMALL, expert).sync(batch.frames[:, :4], batch)
