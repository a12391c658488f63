"""SadTalker-mini: coefficients from speech move one picture by a flow; nothing hidden is read."""

import dataclasses

import numpy as np
import pytest
import torch
from made_heads import FRAMES, SIZE, batch_of, check_paints_inside, drifting_head, rough

from paperlib.baselines.interface import REFERENCES, SPAN, draw, dub, given
from paperlib.baselines.sadtalker import N_DRIVE, SadTalker, drive
from paperlib.face3d.coefficients import ANGLES, EXP, ID, N_COEFF, TRANS


@pytest.fixture(scope="module")
def clip():
    return drifting_head()


@pytest.fixture
def net():
    torch.manual_seed(0)
    return SadTalker(SIZE)


def test_paints_a_clip_inside_the_mask(clip):
    check_paints_inside(SadTalker, clip)


def test_reads_nothing_but_its_picture_pose_and_speech(net, clip):
    rough(net, 0.05)
    task = given(clip, clip)
    task.ref_index = torch.tensor([[57, 58, 59] if t < 30 else [0, 1, 2] for t in range(FRAMES)])
    before = net.eval().paint(task, torch.Generator())
    changed = dataclasses.replace(task, frames=task.frames.clone(), coeffs=task.coeffs.clone(), lmk=task.lmk * 0)
    others = slice(1, FRAMES - 1)  # all but the two pictures
    changed.frames[others] = 1 - changed.frames[others]
    changed.coeffs[others, EXP] += 1
    changed.coeffs[others, ID] += 1
    assert torch.equal(net.paint(changed, torch.Generator()), before)
    changed.coeffs[40, ANGLES] += 0.1  # the true pose is given
    moved = (net.paint(changed, torch.Generator()) - before).abs().amax((1, 2, 3))
    assert moved[38:43].min() > 0 and moved[:38].max() == 0 and moved[43:].max() == 0
    changed.frames[0] = 1 - changed.frames[0]
    moved = (net.paint(changed, torch.Generator()) - before).abs().amax((1, 2, 3))
    assert moved[30:].min() > 0.01 and moved[:25].max() == 0


def test_no_motion_is_no_flow_whatever_was_learned(net, clip):
    rough(net, 0.05)
    batch = batch_of(clip)
    own = drive(batch.ref_coeffs[:, 0])
    _, warped, flow = net.render(batch.ref[:, 0], own, own[:, None].repeat(1, SPAN, 1))
    assert flow.abs().max() == 0
    torch.testing.assert_close(warped, batch.ref[:, 0])
    _, warped, flow = net.render(batch.ref[:, 0], own, drive(batch.coeffs))
    assert flow.abs().max() > 0.01 and not torch.allclose(warped, batch.ref[:, 0])


def test_the_flow_warps_the_picture_and_its_features(net, clip):
    batch, seen = batch_of(clip), []
    own, window = drive(batch.ref_coeffs[:, 0]), drive(batch.coeffs)
    flow = torch.zeros(2, 2, SIZE // 2, SIZE // 2)
    flow[:, 1] = 4  # pixels of the full size, downwards
    features = torch.rand(2, net.cfg.half, SIZE // 2, SIZE // 2)
    net.motion.register_forward_hook(lambda *_: (features, flow, torch.ones(2, 1, SIZE // 2, SIZE // 2)))
    net.refine.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    painted, warped, _ = net.render(batch.ref[:, 0], own, window)
    torch.testing.assert_close(warped[:, :, :-4], batch.ref[:, 0, :, 4:])
    torch.testing.assert_close(seen[0][1][:, :, :-2], features[:, :, 2:])
    torch.testing.assert_close(painted, warped)  # all is visible: nothing is painted anew


def test_coefficients_drive_the_flow(net, clip):
    rough(net, 0.05)
    batch = batch_of(clip)
    window = drive(batch.coeffs).requires_grad_()
    flow = net.render(batch.ref[:, 0], drive(batch.ref_coeffs[:, 0]), window)[2]
    (gradient,) = torch.autograd.grad(flow[0].square().sum(), window)
    assert gradient[0].abs().min() > 0 and gradient[1].abs().max() == 0  # all 70, in every frame of its own window


def test_expression_depends_on_speech_and_on_the_picture(net, clip):
    mel, start = clip.mel[:4].clone().requires_grad_(), clip.coeffs[:4, EXP].clone().requires_grad_()
    exp = net.expression(mel, start)
    assert exp.shape == (4, 64)
    for gradient in torch.autograd.grad(exp[0].sum(), (mel, start)):
        assert gradient[0].abs().max() > 0 and gradient[1:].abs().max() == 0
    quiet = dataclasses.replace(clip, mel=clip.mel * 0 - 4)
    rough(net, 0.05).eval()
    assert not torch.equal(net.paint(given(clip, clip), torch.Generator()), net.paint(given(clip, quiet), torch.Generator()))


def test_the_renderer_learns_on_true_coefficients(net, clip):
    batch, generator = batch_of(clip), torch.Generator()
    before = net.loss(batch, generator, 0.0)[1]
    with torch.no_grad():
        net.expression.out.bias.add_(3)
    moved = net.loss(batch, generator, 0.0)[1]
    for name, same in {"exp": False, "landmark": False, "paint": True, "warp": True}.items():
        assert (moved[name] == before[name]) is same


def test_expression_loss_is_zero_for_the_truth(net, clip):
    batch = batch_of(clip)
    net.expression.forward = lambda mel, start: batch.coeffs.flatten(0, 1)[:, EXP]
    assert [part.item() for part in net.expression_loss(batch)] == [0, 0]


def test_drive_takes_expression_and_pose():
    coeffs = torch.zeros(N_COEFF)
    coeffs[EXP.start], coeffs[ANGLES.start + 1], coeffs[TRANS.stop - 1] = 0.3, 0.06, 0.05
    want = torch.zeros(N_DRIVE)
    want[[0, 65, 69]] = 1.0
    torch.testing.assert_close(drive(coeffs), want)


def test_loss_falls_on_one_clip(clip):
    torch.manual_seed(0)
    net, generator = SadTalker(SIZE), torch.Generator().manual_seed(0)
    optimiser, log = torch.optim.Adam(net.parameters(), 3e-3), []
    for _ in range(40):
        total, parts = net.loss(draw([clip], 2, generator), generator, 0.0)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        log.append(parts)
    for name in ("exp", "landmark", "paint", "warp"):
        first, last = (np.mean([p[name] for p in part]) for part in (log[:8], log[-8:]))
        assert last < 0.85 * first, name


def test_state_round_trip(net, clip):
    task = given(clip, clip)
    other = SadTalker(SIZE)
    other.load_state_dict(rough(net, 0.05).state_dict())
    assert torch.equal(dub(other, task), dub(net, task))


def test_wrong_shapes_are_errors(net, clip):
    with pytest.raises(ValueError, match="size"):
        SadTalker(50)
    task = given(clip, clip)
    with pytest.raises(ValueError, match="frames"):
        dub(SadTalker(64), task)
    with pytest.raises(ValueError, match="ref_index"):
        dub(net, dataclasses.replace(task, ref_index=task.ref_index[:, : REFERENCES - 1]))
    batch = batch_of(clip)
    with pytest.raises(ValueError, match="frames"):
        net.loss(dataclasses.replace(batch, frames=batch.frames[:, :3]), torch.Generator(), 0.0)
    with pytest.raises(ValueError, match="coeffs"):
        drive(torch.zeros(2, 144))
    with pytest.raises(ValueError, match="start"):
        net.expression(batch.mel[:, 0], torch.zeros(2, 63))
    with pytest.raises(ValueError, match="window"):
        net.mapping(torch.zeros(2, 3, N_DRIVE))
