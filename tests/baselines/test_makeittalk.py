from dataclasses import replace

import numpy as np
import pytest
import torch

from paperlib.baselines.drawing import draw_landmarks
from paperlib.baselines.interface import Item, draw, dub, given
from paperlib.baselines.makeittalk import CHANNELS, CM, MakeItTalk, MakeItTalkConfig, laplacian_matrix
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, TRANS, with_exp
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.landmarks import MOUTH
from paperlib.face3d.morphable_model import default_model
from paperlib.media.cropping import mouth_mask

SMALL = MakeItTalkConfig(prior=12, hidden=16, layers=1, speaker_hidden=8, widths=(6, 8, 12))


def clip(n=60, size=64, seed=0):
    """A person who nods and turns over smooth noise, with random speech that the mouth follows."""
    g = torch.Generator().manual_seed(seed)
    coeffs, mfcc = torch.zeros(n, N_COEFF), torch.randn(n, 13, 28, generator=g)
    coeffs[:, ID] = torch.randn(80, generator=g)
    coeffs[:, EXP] = (0.5 + 4 * mfcc.mean((1, 2))[:, None]) * torch.randn(64, generator=g)
    coeffs[:, ANGLES] = torch.linspace(-0.2, 0.2, n)[:, None]
    coeffs[:, TRANS] = torch.linspace(-0.1, 0.1, n)[:, None]
    lmk, neutral = (landmarks2d(default_model(), c, size) for c in (coeffs, with_exp(coeffs, 0)))
    noise = torch.nn.functional.interpolate(torch.rand(n, 3, 8, 8, generator=g), size=size, mode="bicubic", align_corners=False)
    frames = (noise.clamp(0, 1).movedim(1, -1) * 255).to(torch.uint8)
    masks = torch.from_numpy(mouth_mask(neutral.numpy(), size))
    return Item(frames, masks, lmk, neutral, coeffs, mfcc, torch.randn(n, 80, 16, generator=g))


def small(seed=0):
    torch.manual_seed(seed)
    return MakeItTalk(64, SMALL)


def test_no_displacement_is_the_neutral_face_and_the_true_one_is_the_face():
    own, net = clip(), small()
    still = net.landmarks(own.coeffs, torch.zeros(60, 68, 3))
    torch.testing.assert_close(still, own.lmk_neutral, atol=1e-4, rtol=0)
    assert (own.lmk - own.lmk_neutral)[:, MOUTH].abs().max() > 0.5
    torch.testing.assert_close(net.landmarks(own.coeffs, net.true_displacement(own.coeffs)), own.lmk, atol=1e-4, rtol=0)


def test_displacement_is_in_centimetres_of_the_frontal_face():
    coeffs = torch.zeros(2, N_COEFF)
    coeffs[1, ANGLES] = torch.tensor([0.0, 0.0, torch.pi / 2])  # tilted by a right angle: what went down now goes to a side
    down = torch.zeros(2, 68, 3)
    down[:, 8, 1] = -1.0
    net = small()
    moved = net.landmarks(coeffs, down) - net.landmarks(coeffs, torch.zeros(2, 68, 3))
    length = 1015 / 224 * 64 / (10 - default_model().mean_shape[default_model().landmark_index[8], 2]) / CM
    assert moved[:, 8].norm(dim=-1).tolist() == pytest.approx([float(length)] * 2, rel=1e-3)
    assert moved[0, 8, 1] > 0 and abs(moved[0, 8, 0]) < 1e-4 and abs(moved[1, 8, 1]) < 1e-4
    assert moved[:, :8].abs().max() == 0


def test_drawing_moves_with_the_landmarks():
    lmk = clip(n=1).lmk_neutral
    drawing = draw_landmarks(lmk, 64, CHANNELS)
    assert drawing.shape == (1, 3, 64, 64) and drawing.min() == 0 and 0.95 < drawing.max() <= 1
    assert 0.01 < drawing.mean() < 0.2
    moved = draw_landmarks(lmk + torch.tensor([3.0, -2.0]), 64, CHANNELS)
    assert torch.equal(moved[..., 6:50, 10:60], drawing[..., 8:52, 7:57])
    nudged = lmk.clone()
    nudged[:, 66] += 0.25  # a quarter of a pixel of one lip point, and only the inner lips change
    change = (draw_landmarks(nudged, 64, CHANNELS) - drawing).abs().amax((0, 2, 3))
    assert change[2] > 0.05 and change[0] == 0 and change[1] == 0


def test_laplacian():
    lap = laplacian_matrix()
    assert lap.sum(1).abs().max() < 1e-6  # moving everything together costs nothing
    assert lap[8].nonzero().flatten().tolist() == [7, 8, 9] and lap[0].nonzero().flatten().tolist() == [0, 1]
    assert lap[60].nonzero().flatten().tolist() == [60, 61, 67] and lap[60, 61] == -0.5
    assert lap[16, 17] == 0 and lap[26, 27] == 0  # jaw, brows and nose are strokes of their own


def test_speech_moves_the_landmarks():
    own, net = clip(n=6), small()
    mfcc = own.mfcc.requires_grad_(True)
    points = net.spoken(mfcc, own.coeffs)
    points[:, MOUTH].sum().backward()
    assert (mfcc.grad.abs().sum(1) > 0).all()  # all 28 columns of every window
    assert (net.spoken(mfcc.flip(0), own.coeffs) - points).abs().amax((1, 2)).min() > 0
    torch.testing.assert_close(net.spoken(mfcc, with_exp(own.coeffs, 1.0)), points)  # the source's own expression is not read


def test_paints_what_is_drawn_and_dubs_inside_the_mask():
    own, net = clip(n=12), small()
    task = given(own, own)
    out = dub(net, task)
    assert out.shape == task.frames.shape and out.min() >= 0 and out.max() <= 1
    assert ((out - task.frames) * (1 - task.masks)).abs().max() == 0
    picture, drawing = task.frames[:1], draw_landmarks(own.lmk[:1], 64, CHANNELS)
    opened = own.lmk[:1].clone()
    opened[:, 65:68, 1] += 2
    assert (net.translation(picture, drawing) - net.translation(picture, draw_landmarks(opened, 64, CHANNELS))).abs().max() > 1e-4


def test_one_picture_is_all_it_sees():
    task, net = given(clip(), clip(seed=1)), small()
    seen = {int(task.ref_index.min()), int(task.ref_index.max())}
    hidden = [t for t in range(60) if t not in seen]
    other = replace(task, frames=task.frames.clone(), coeffs=with_exp(task.coeffs, 2.0), lmk=task.lmk + 5, mel=task.mel + 1)
    other.frames[hidden] = 1 - other.frames[hidden]  # inside the mask and outside
    out = net.paint(task, torch.Generator())
    assert torch.equal(out, net.paint(other, torch.Generator()))
    other.frames[seen.pop()] *= 0.5
    assert not torch.equal(out, net.paint(other, torch.Generator()))


def test_dubbing_follows_the_new_speech():
    a, b, net = clip(), clip(seed=1), small()
    assert not torch.equal(dub(net, given(a, a)), dub(net, given(a, b)))


def test_the_two_trainings_share_no_weight():
    batch, net = draw([clip()], 2, torch.Generator().manual_seed(0)), small()
    loss, parts = net.loss(batch, torch.Generator().manual_seed(0), 0.0)
    assert loss.item() == pytest.approx(parts["l1"] + parts["landmarks"] + parts["laplacian"], rel=1e-5)
    spoken = list(net.displacements.parameters())
    assert len(spoken) + len(list(net.translation.parameters())) == len(list(net.parameters()))
    batch.mfcc.requires_grad_(True)
    net.loss(batch, torch.Generator().manual_seed(0), 0.0)[0].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    assert (batch.mfcc.grad.flatten(2).abs().sum(-1) > 0).all()
    silent = replace(batch, mfcc=torch.zeros_like(batch.mfcc))
    assert net.loss(silent, torch.Generator().manual_seed(0), 0.0)[1]["l1"] == parts["l1"]  # true landmarks, whatever is said


def test_loss_falls():
    bank, g, net = [clip(n=30)], torch.Generator().manual_seed(0), small()
    bank[0].frames[:] = bank[0].frames[:1] // 3  # one dark picture
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    rows = []
    for _ in range(40):
        loss, parts = net.loss(draw(bank, 2, g), g, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rows.append([parts["l1"], parts["landmarks"]])
    first, last = np.mean(rows[:5], 0), np.mean(rows[-5:], 0)
    assert (last < 0.7 * first).all(), (first, last)


def test_state_dict_round_trip():
    task, first, second = given(clip(n=8), clip(n=8, seed=1)), small(0), small(1)
    assert not torch.equal(dub(first, task), dub(second, task))
    second.load_state_dict(first.state_dict())
    assert torch.equal(dub(first, task), dub(second, task))
    assert not {"mean", "id_basis", "exp_basis"} & first.state_dict().keys()  # the face model is not a weight


def test_size_of_the_default_network():
    assert sum(p.numel() for p in MakeItTalk().parameters()) <= 120_000


@pytest.mark.parametrize("name", ["frames", "mfcc", "coeffs", "ref"])
def test_wrong_shapes(name):
    batch = draw([clip(n=8)], 2, torch.Generator())
    with pytest.raises(ValueError):
        small().loss(replace(batch, **{name: getattr(batch, name)[..., :-2]}), torch.Generator(), 0.0)
    with pytest.raises(ValueError, match="size"):
        MakeItTalk(70)
