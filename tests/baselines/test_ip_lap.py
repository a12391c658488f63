"""IP_LAP-mini: landmarks come from speech, several references are aligned and share each pixel, nothing hidden is read."""

import dataclasses

import numpy as np
import pytest
import torch
from made_heads import FRAMES, SIZE, batch_of, check_paints_inside, drifting_head, rough

from paperlib.baselines.interface import SPAN, draw, dub, given
from paperlib.baselines.ip_lap import CONTENT, IPLAP, IPLAPConfig, merge, share, sketch
from paperlib.face3d.coefficients import EXP
from paperlib.face3d.landmarks import INNER, JAW


@pytest.fixture(scope="module")
def clip():
    return drifting_head()


@pytest.fixture
def net():
    torch.manual_seed(0)
    return IPLAP(SIZE)


def test_paints_a_clip_inside_the_mask(clip):
    check_paints_inside(IPLAP, clip)


def test_reads_nothing_hidden(net, clip):
    rough(net)
    task = given(clip, clip)
    task.ref_index = torch.tensor([[57, 58, 59] if t < 30 else [0, 1, 2] for t in range(FRAMES)])  # 28 is nobody's reference
    before = dub(net, task)
    changed = dataclasses.replace(task, frames=task.frames.clone(), coeffs=task.coeffs.clone(), lmk=task.lmk.clone())
    changed.frames[28] += task.masks[28] * 0.3
    changed.coeffs[28, EXP] += 1
    changed.lmk[28] += 1
    hole = task.masks.bool().expand_as(before)
    assert torch.equal(dub(net, changed)[hole], before[hole])
    changed.frames[1] = 1 - changed.frames[1]  # a reference of the second half
    moved = ((dub(net, changed) - before) * task.masks).abs().amax((1, 2, 3))
    assert (moved[30:] > 1e-4).all() and (moved[2:30] == 0).all()


def test_landmarks_depend_on_speech_and_only_content_moves(net, clip):
    rough(net)
    batch = batch_of(clip)
    mel = batch.mel.clone().requires_grad_()
    lmk = net.landmarks(mel, batch.lmk_neutral, batch.ref_lmk)
    assert lmk.shape == batch.lmk.shape
    still = [i for i in range(68) if i not in CONTENT]
    assert torch.equal(lmk[:, :, still], batch.lmk_neutral[:, :, still])
    (gradient,) = torch.autograd.grad(lmk[0, 2, list(INNER)].sum(), mel)
    assert (gradient[0].abs().amax((1, 2)) > 0).all()  # of every frame of the window
    assert gradient[1].abs().max() == 0
    other = net.landmarks(batch.mel.flip(1) - 1, batch.lmk_neutral, batch.ref_lmk)
    for part in (INNER, JAW):
        assert (other - lmk)[:, :, list(part)].abs().max() > 1e-3


def test_speech_reaches_the_picture_beside_the_landmarks(net, clip):
    batch = batch_of(clip)
    mel = batch.mel[:, 2].clone().requires_grad_()
    painted, _ = net.render(batch.frames[:, 2] * (1 - batch.masks[:, 2]), batch.lmk, batch.ref, batch.ref_lmk, mel)
    painted.square().mean().backward()
    assert mel.grad.abs().max() > 0


def test_an_identity_flow_returns_the_references(net):
    torch.manual_seed(2)
    ref, features = torch.rand(2, 3, 3, SIZE, SIZE), torch.rand(2, 3, 12, SIZE // 2, SIZE // 2)
    flow, logits = torch.zeros(2, 3, 2, SIZE // 2, SIZE // 2), torch.full((2, 3, 1, SIZE // 2, SIZE // 2), -30.0)
    logits[:, 1] = 30.0
    picture, near, weights = net.aligner.aligned(ref, features, flow, logits)
    torch.testing.assert_close(picture, ref[:, 1])
    torch.testing.assert_close(near, features[:, 1])
    assert weights[:, 1].min() > 0.999
    flow[:, :, 0] = 4  # all references read four pixels to the right: two of the features'
    picture, near, _ = net.aligner.aligned(ref, features, flow, logits)
    torch.testing.assert_close(picture[..., :-4], ref[:, 1, ..., 4:])
    torch.testing.assert_close(near[..., :-2], features[:, 1, ..., 2:])


def test_weights_sum_to_one_and_every_reference_counts(net, clip):
    rough(net)
    batch = batch_of(clip)
    ref = batch.ref.clone().requires_grad_()
    driving = sketch(batch.lmk, SIZE).flatten(1, 2)
    found = net.aligner(ref, sketch(batch.ref_lmk, SIZE), driving)
    picture, _, weights = net.aligner.aligned(ref, *found)
    assert weights.shape == (2, 3, 1, SIZE, SIZE)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 1, SIZE, SIZE))
    assert weights.std(dim=1).max() > 1e-3  # and they are not simply thirds
    (gradient,) = torch.autograd.grad(picture.sum(), ref)
    assert (gradient.abs().amax((2, 3, 4)) > 0.1).all()


def test_share_is_a_ratio_of_sigmoids():
    logits = torch.tensor([[1.0, -2.0, 0.3]], dtype=torch.double)
    torch.testing.assert_close(share(logits), torch.sigmoid(logits) / torch.sigmoid(logits).sum())
    mixed = merge(torch.tensor([[1.0, 3.0]]).view(1, 2, 1, 1, 1), torch.tensor([[0.25, 0.75]]).view(1, 2, 1, 1, 1))
    assert mixed.item() == 2.5


def test_sketch_draws_lines_where_the_points_are():
    lmk = torch.zeros(1, 68, 2) - 50  # out of sight
    lmk[0, 48:60] = torch.tensor([10.5, 20.5])
    lmk[0, 48] = torch.tensor([30.5, 20.5])  # a flat mouth, a line from pixel 10 to pixel 30 of row 20
    drawn = sketch(lmk, 40)
    assert drawn.shape == (1, 3, 40, 40)
    assert drawn[0, 2, 20, 10:31].min() > 0.5 and drawn[0, 2, 20, :9].max() == 0 and drawn[0, 2, 23].max() == 0
    assert drawn[0, :2].max() == 0


def test_stage_two_learns_on_true_landmarks(net, clip):
    batch = batch_of(clip)
    names = ("paint", "warp")
    generator = torch.Generator().manual_seed(0)
    before = net.loss(batch, generator, 0.0)[1]
    with torch.no_grad():
        net.landmarks.lips.bias.add_(3)
    moved = net.loss(batch, generator, 0.0)[1]
    assert moved["landmark"] > before["landmark"] and all(moved[n] == before[n] for n in names)
    shut = dataclasses.replace(batch, lmk=batch.lmk_neutral)
    assert all(net.loss(shut, generator, 0.0)[1][n] != before[n] for n in names)


def test_loss_falls_on_one_clip(clip):
    torch.manual_seed(0)
    net, generator = IPLAP(SIZE, IPLAPConfig(layers=1)), torch.Generator().manual_seed(0)
    optimiser, log = torch.optim.Adam(net.parameters(), 3e-3), []
    for _ in range(40):
        total, parts = net.loss(draw([clip], 2, generator), generator, 0.0)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        log.append(parts)
    for name in ("landmark", "paint"):
        first, last = (np.mean([p[name] for p in part]) for part in (log[:8], log[-8:]))
        assert last < 0.8 * first, name


def test_state_round_trip(net, clip):
    task = given(clip, clip)
    other = IPLAP(SIZE)
    other.load_state_dict(rough(net).state_dict())
    assert torch.equal(dub(other, task), dub(net, task))


def test_wrong_shapes_are_errors(net, clip):
    with pytest.raises(ValueError, match="size"):
        IPLAP(50)
    with pytest.raises(ValueError, match="frames"):
        dub(IPLAP(64), given(clip, clip))
    batch = batch_of(clip)
    with pytest.raises(ValueError, match="frames"):
        net.loss(dataclasses.replace(batch, frames=batch.frames[:, :3]), torch.Generator(), 0.0)
    with pytest.raises(ValueError, match="ref_lmk"):
        net.landmarks(batch.mel, batch.lmk_neutral, batch.ref_lmk[:, :, :66])
    with pytest.raises(ValueError, match="lmk_neutral"):
        net.landmarks(batch.mel, batch.lmk_neutral[:, : SPAN - 1], batch.ref_lmk)
