"""The sync expert as a loss: the crops it was trained on, heard at the middle frame, itself unchanged."""

import copy

import pytest
import torch

from paperlib.baselines.expert import SyncExpert, lip_windows
from paperlib.baselines.interface import SPAN
from paperlib.config import SyncConfig
from paperlib.corpus.banks import face_boxes
from paperlib.media.cropping import crop_frames
from paperlib.models.syncnet import SyncNet
from paperlib.training.sync import stacked


def runs(side, n=2, seed=0):
    """Smooth noise (n, SPAN, 3, side, side) in 255ths and landmarks (n, SPAN, 68, 2) that drift."""
    g = torch.Generator().manual_seed(seed)
    noise = torch.nn.functional.interpolate(torch.rand(n * SPAN, 3, 6, 6, generator=g), size=side, mode="bicubic", align_corners=False)
    frames = (noise.clamp(0, 1) * 255).to(torch.uint8)
    lmk = (0.2 + 0.6 * torch.rand(n, 1, 68, 2, generator=g) + 0.01 * torch.arange(SPAN).view(1, SPAN, 1, 1)) * side
    return frames.unflatten(0, (n, SPAN)), lmk, torch.randn(n, SPAN, 80, 16, generator=g)


@pytest.mark.parametrize(("side", "size"), [(96, 48), (96, 32), (64, 48)])
def test_the_expert_sees_the_crops_it_was_trained_on(side, size):
    frames, lmk, _ = runs(side, 1)
    wanted = stacked(torch.from_numpy(crop_frames(frames[0].movedim(1, -1).numpy(), face_boxes(lmk[0].numpy()), size))[None])
    got = lip_windows(frames / 255, lmk, size)
    assert got.shape == (1, 15, size // 2, size)
    assert (got - wanted).abs().max() < 0.03 and (got - wanted).abs().mean() < 0.004  # 8 bits, OpenCV's 1/32 pixel


def test_only_the_middle_frames_speech_is_heard_and_the_expert_stays():
    torch.manual_seed(0)
    net = SyncNet(SyncConfig(size=32, width=4, embed=16)).train()
    before = copy.deepcopy(net.state_dict())
    expert = SyncExpert(net)
    frames, lmk, mel = runs(64)
    pictures = (frames / 255).requires_grad_()
    loss = expert.loss(pictures, lmk, mel)
    loss.backward()
    assert (pictures.grad.abs().amax((2, 3, 4)) > 0).all()
    around = mel.clone()
    around[:, [0, 1, 3, 4]] += 1
    assert expert.loss(pictures, lmk, around) == loss != expert.loss(pictures, lmk, mel.flip(0))
    assert not net.training and all(p.grad is None for p in net.parameters())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_wrong_shapes():
    frames, lmk, mel = runs(64)
    expert = SyncExpert(SyncNet(SyncConfig(size=32, width=4, embed=16)))
    for name, args in {
        "frames": (frames[:, :4] / 255, lmk, mel),
        "lmk": (frames / 255, lmk[:, :4], mel),
        "mel": (frames / 255, lmk, mel[:, :4]),
    }.items():
        with pytest.raises(ValueError, match=name):
            expert.loss(*args)
