"""The judge: shapes, unit vectors, what it does not look at, doors."""

import pytest
import torch

from paperlib.config import PROFILES, JudgeConfig
from paperlib.models.judge import SPAN, Judge, judge_score
from paperlib.models.syncnet import SyncNet


@pytest.mark.parametrize("name", ["smoke", "classroom"])
def test_shapes_unit_length_and_gradients(name):
    torch.manual_seed(0)
    cfg = PROFILES[name].judge
    net = Judge(cfg)
    mouth, sound = net(torch.rand(3, SPAN, cfg.size, cfg.size), torch.randn(3, 13, 28))
    assert mouth.shape == sound.shape == (3, cfg.embed)
    for x in (mouth, sound):
        torch.testing.assert_close(x.norm(dim=1), torch.ones(3))
    judge_score(mouth, sound).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_brightness_of_a_window_does_not_count():
    torch.manual_seed(0)
    net = Judge(PROFILES["smoke"].judge).eval()
    mouth = torch.rand(2, SPAN, 32, 32) * 0.5
    torch.testing.assert_close(net.embed_mouth(mouth + 0.3), net.embed_mouth(mouth), atol=1e-4, rtol=1e-4)


def test_order_of_frames_counts():
    torch.manual_seed(0)
    net = Judge(PROFILES["smoke"].judge).eval()
    mouth = torch.rand(2, SPAN, 32, 32)
    assert (net.embed_mouth(mouth) - net.embed_mouth(mouth.flip(1))).abs().max() > 1e-3


def test_nothing_of_the_expert_is_in_it():
    expert, judge = SyncNet(PROFILES["classroom"].sync), Judge(PROFILES["classroom"].judge)
    assert not set(expert.state_dict()) & set(judge.state_dict())
    kinds = {type(m).__name__ for m in judge.modules()}
    assert "Conv3d" in kinds and "BatchNorm2d" not in kinds and "Conv2d" not in kinds


@pytest.mark.parametrize(("size", "width"), [(40, 8), (32, 6)])
def test_sizes_that_do_not_divide_are_refused(size, width):
    with pytest.raises(ValueError, match="divisible"):
        Judge(JudgeConfig(size=size, width=width))


def test_other_shapes_are_refused():
    net = Judge(PROFILES["smoke"].judge)
    with pytest.raises(ValueError, match="mouth: expected shape"):
        net.embed_mouth(torch.rand(1, 5, 32, 32))
    with pytest.raises(ValueError, match="mfcc: expected shape"):
        net.embed_sound(torch.rand(1, 13, 20))
