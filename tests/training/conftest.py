"""A renderer of a few thousand weights and pictures made of blobs, for tests that train it for some steps."""

import types

import pytest
import torch

from paperlib import config
from paperlib.corpus.banks import RenderItem


def blobs(n, size, seed):
    """uint8 (n, size, size, 3), smooth noise."""
    noise = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(noise, size=size, mode="bicubic", align_corners=False).clamp(0, 1)
    return (smooth.movedim(1, -1) * 255).to(torch.uint8).contiguous()


@pytest.fixture(scope="session")
def small_renderer():
    """profile, net(), critic(), judges and two banks of pictures at 32 x 32."""
    from paperlib.training import checkpoints
    from paperlib.training.step import Judges

    profile = config.load_profile("smoke", corpus__size=32, flow__width=4)
    renderer = config.RendererConfig(
        size=32, sfm_base=2, tmn_base=4, rbfin_base=4, max_channels=8, spade_hidden=4, ftex_proj=2, critic_base=4, batch=2,
        steps_warm=4, steps_joint1=4, steps_joint2=4, vgg_size=16, lr=2e-3, sample_every=1,
    )  # fmt: skip
    profile = config.dataclasses.replace(profile, renderer=renderer)

    def item(seed):
        mask = torch.zeros(30, 32, 32, dtype=torch.bool)
        mask[:, 16:28, 8:24] = True
        box = torch.tensor([8.0, 14.0, 24.0, 30.0]).expand(30, 4)
        return RenderItem(None, blobs(30, 32, seed), blobs(30, 32, seed + 50), mask, torch.zeros(30, 257), box)

    def made(kind, seed=0):
        torch.manual_seed(seed)
        return checkpoints.build(kind, profile)

    flow = made("flow", 7)
    for block in flow.update:  # a fresh flow network says almost nothing
        torch.nn.init.normal_(block[-1].weight, std=0.1)
    return types.SimpleNamespace(
        profile=profile, cfg=renderer, net=lambda seed=0: made("renderer", seed), critic=lambda: made("critic", 1),
        judges=Judges(None, flow.requires_grad_(False)), train=[item(0), item(1)], val=[item(2)],
    )  # fmt: skip
