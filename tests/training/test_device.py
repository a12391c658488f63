"""Where stage 2 trains: the same numbers through Fabric, several processes, settings that cannot be."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from paperlib import paths
from paperlib.config import DeviceConfig, InputError
from paperlib.training import device, stages

TWO = """
import sys, torch
from torch import nn
from paperlib.config import DeviceConfig
from paperlib.training.device import average_gradients, launch, share_state

fabric = launch(DeviceConfig(accelerator="cpu", devices=2))
torch.manual_seed(fabric.global_rank)  # networks that differ at first
net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3), nn.Conv2d(1, 1, 1))
share_state(fabric, net)
net[1].eval()
x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))[fabric.global_rank :: 2]
net[:3](x).square().mean().backward()  # the last layer has no gradient
average_gradients(fabric, net)
torch.save([p.grad for p in net.parameters()] + list(net.state_dict().values()), sys.argv[1] + str(fabric.global_rank))
fabric.barrier()
"""


def test_two_processes_compute_the_gradient_of_the_whole_batch(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO)
    env = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE")} | {
        "PYTHONPATH": str(paths.ROOT),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, str(script), str(tmp_path / "out")], env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"out{rank}", weights_only=True) for rank in (0, 1))
    assert all((a is None and b is None) or torch.equal(a, b) for a, b in zip(first, second, strict=True))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3), nn.Conv2d(1, 1, 1))
    net[1].eval()
    net[:3](torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))).square().mean().backward()
    for p, found in zip(net.parameters(), first[: len(list(net.parameters()))], strict=True):
        assert (p.grad is None) == (found is None)
        if p.grad is not None:
            torch.testing.assert_close(found, p.grad, rtol=1e-5, atol=1e-7)


def test_fabric_on_the_processor_gives_the_numbers_of_the_loop_without_it(small_renderer):
    """Two trainings, one through `launch`, one whose Fabric is replaced by four plain attributes."""
    import contextlib
    import types

    plain = types.SimpleNamespace(
        device=torch.device("cpu"), world_size=1, global_rank=0, is_global_zero=True, autocast=contextlib.nullcontext, broadcast=lambda x: x
    )
    found = []
    for fabric in (device.launch(DeviceConfig(accelerator="cpu")), plain):
        net, critic = small_renderer.net(), small_renderer.critic()
        stages.train_renderer(
            net, critic, small_renderer.judges, small_renderer.train, small_renderer.val, small_renderer.cfg, 0, fabric=fabric,
            progress=False, validate_every=6,
        )  # fmt: skip
        found.append(list(net.state_dict().values()))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_card_says_where_a_network_was_trained():
    cfg = DeviceConfig(accelerator="cpu", precision="bf16-mixed")
    fabric = device.launch(cfg)
    assert device.describe(fabric, cfg) == "1 x cpu, bf16-mixed"
    with fabric.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_settings_that_cannot_be_are_said_in_one_line():
    with pytest.raises(InputError, match="device.precision '16-mixed': choose one of 32-true, bf16-mixed"):
        device.launch(DeviceConfig(precision="16-mixed"))
    if not torch.cuda.is_available():
        assert device.launch(DeviceConfig()).device.type == "cpu"
        with pytest.raises(InputError, match="device.accelerator 'cuda'"):
            device.launch(DeviceConfig(accelerator="cuda"))


def test_moving_to_where_it_is_keeps_the_object():
    from paperlib.corpus.banks import RenderBatch

    batch = RenderBatch(*(torch.zeros(1) for _ in range(6)))
    assert device.move(batch, torch.device("cpu")) is batch
    assert device.move(batch, torch.device("meta")).target.device.type == "meta"
    with pytest.raises(TypeError, match="dataclass"):
        device.move([1], torch.device("cpu"))
