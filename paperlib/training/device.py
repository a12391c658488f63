"""Where a training runs: Lightning Fabric chooses the device, the precision and the processes; the loop stays ours.

Several devices: every process draws the same batch, as many times larger, and keeps its own share of it; gradients are averaged
after the backward pass. So one process with the whole batch computes the same step, up to the normalisation statistics of SFM.
Networks are not wrapped: a wrapper that hooks into the backward pass does not survive the gradient penalty's inner one.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from paperlib.config import DeviceConfig
from paperlib.errors import InputError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = ("32-true", "bf16-mixed")  # 16-bit floats without bfloat16's range would need loss scaling, which the two losses do not share


def launch(cfg: DeviceConfig) -> Fabric:
    """A started Fabric. Accelerator "auto" is CUDA where there is one, else the processor; with `devices` > 1 each process comes back.

    InputError for a precision that is not supported or devices that are not there.
    """
    from lightning_fabric import Fabric

    if cfg.precision not in PRECISIONS:
        raise InputError(f"device.precision {cfg.precision!r}: choose one of {', '.join(PRECISIONS)}")
    strategy = "ddp" if cfg.strategy == "auto" and cfg.devices > 1 else cfg.strategy
    accelerator = cfg.accelerator
    if accelerator == "auto":  # Fabric's own would also choose kinds on which this training was never run
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        fabric = Fabric(accelerator=accelerator, devices=cfg.devices, strategy=strategy, precision=cfg.precision)
    except (ValueError, RuntimeError) as error:  # what Fabric raises for an accelerator or a count that the machine lacks
        raise InputError(f"device.accelerator {cfg.accelerator!r}, device.devices {cfg.devices}: {str(error).splitlines()[0]}") from error
    fabric.launch()
    return fabric


def describe(fabric: Fabric, cfg: DeviceConfig) -> str:
    """One line for a checkpoint's card."""
    name = torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else fabric.device.type
    return f"{fabric.world_size} x {name}, {cfg.precision}"


def move(data: Any, device: torch.device) -> Any:
    """A dataclass of tensors on `device`; the same object where it is there already."""
    if not is_dataclass(data):
        raise TypeError(f"data: expected a dataclass, got {type(data).__name__}")
    if all(getattr(data, f.name).device == device for f in fields(data)):
        return data
    return type(data)(**{f.name: getattr(data, f.name).to(device, non_blocking=True) for f in fields(data)})


def average_gradients(fabric: Fabric, module: nn.Module) -> None:
    """Mean of every gradient over the processes, in one message; nothing where there is one process."""
    if fabric.world_size == 1:
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    flat = fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
    parts = flat.split([g.numel() for g in gradients])
    torch._foreach_copy_(gradients, [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)])


def share_state(fabric: Fabric, *modules: nn.Module) -> None:
    """The first process's parameters and buffers in all processes."""
    if fabric.world_size == 1:
        return
    with torch.no_grad():
        for module in modules:
            for tensor in module.state_dict().values():
                torch.distributed.broadcast(tensor, 0)
