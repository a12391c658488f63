"""Table 7's four columns, counted as the tool behind them counts, beside PyTorch's own flop counter.

The columns Params, FLOPs, MAdd and Memory are those of torchstat (0.0.7). Its rules, kept here because the published numbers follow them:
leaf modules only, so functional code (warps, softmax, interpolation, products) is free; FLOPs are multiply-accumulates, plus one a
biased output; transposed convolutions count in MAdd but not in FLOPs, and at their input size; batch norm 2 and 4 an element; LeakyReLU
counts in FLOPs but not in MAdd; linear layers lose their bias; memory is every leaf's output times 4 bytes, over 2**20. Kinds that it does
not know (instance norm, LSTM) cost 0. Ours differ in three points: every sample of a batch is counted (torchstat's MAdd and
memory drop the batch), linear layers may have more than two axes, and parameters that a non-leaf module owns are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

BYTES, MEBI = 4, 2**20


class ModuleCount(NamedTuple):
    """One leaf module (or a module with parameters of its own): counts of one call of the network."""

    name: str
    kind: str
    params: int
    flops: int
    madd: int
    memory: int  # bytes of outputs


@dataclass(frozen=True)
class Complexity:
    """Totals of one forward pass: `flops` and `madd` by torchstat's rules, `macs` by torch's FlopCounterMode (flops / 2)."""

    params: int
    flops: int
    madd: int
    memory: int
    macs: int
    rows: tuple[ModuleCount, ...]

    @property
    def memory_mb(self) -> float:
        """Memory column: outputs of all leaf modules, MiB."""
        return self.memory / MEBI


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def module_flops(module: nn.Module, x: Tensor, out: Tensor) -> int:
    """torchstat's FLOPs of one leaf call."""
    if isinstance(module, nn.Conv2d):
        positions = out.shape[0] * prod(out.shape[2:])
        per_position = prod(module.kernel_size) * module.in_channels * (module.out_channels // module.groups)
        return positions * (per_position + (module.out_channels if module.bias is not None else 0))
    if isinstance(module, nn.BatchNorm2d):
        return x.numel() * (2 if module.affine else 1)
    if isinstance(module, nn.AvgPool2d | nn.MaxPool2d | nn.ReLU | nn.ReLU6 | nn.PReLU | nn.ELU | nn.LeakyReLU):
        return x.numel()
    if isinstance(module, nn.Linear):
        return x.numel() * module.out_features
    return 0


def module_madd(module: nn.Module, x: Tensor, out: Tensor) -> int:
    """torchstat's MAdd of one leaf call: multiplications plus additions."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        where = out if isinstance(module, nn.Conv2d) else x
        products = prod(module.kernel_size) * (module.in_channels // module.groups)
        each = 2 * products - (1 if module.bias is None else 0)
        return each * where.shape[0] * prod(where.shape[2:]) * module.out_channels
    if isinstance(module, nn.BatchNorm2d):
        return 4 * x.numel()
    if isinstance(module, nn.MaxPool2d):
        return (prod(_pair(module.kernel_size)) - 1) * out.numel()
    if isinstance(module, nn.AvgPool2d):
        return prod(_pair(module.kernel_size)) * out.numel()
    if isinstance(module, nn.ReLU | nn.ReLU6):
        return x.numel()
    if isinstance(module, nn.Linear):
        return (2 * module.in_features - 1) * out.numel()
    return 0


def _tensor(value) -> Tensor:
    """The tensor that torchstat would look at: the first of a tuple; the data of a packed sequence."""
    while not isinstance(value, Tensor):
        value = value[0]
    return value


def count(module: nn.Module, *inputs) -> Complexity:
    """Run `module(*inputs)` once in eval mode without gradients and count it. The module's mode is restored.

    >>> c = count(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 4, 4))
    >>> c.params, c.flops, c.madd, c.memory
    (224, 3584, 6912, 512)
    """
    from torch.utils.flop_counter import FlopCounterMode

    seen: dict[nn.Module, list[int]] = {}
    handles = []

    def hook(leaf: nn.Module, args: tuple, out) -> None:
        x, y = _tensor(args[0]), _tensor(out)
        row = seen.setdefault(leaf, [0, 0, 0])
        row[0] += module_flops(leaf, x, y)
        row[1] += module_madd(leaf, x, y)
        row[2] += y.numel() * BYTES

    leaves = [m for m in module.modules() if not any(True for _ in m.children())]
    training = {m: m.training for m in module.modules()}
    try:
        handles = [m.register_forward_hook(hook) for m in leaves]
        module.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for m, mode in training.items():
            m.training = mode
    rows = []
    for name, m in module.named_modules():
        params = sum(p.numel() for p in m.parameters(recurse=False))
        if m in seen or params:
            rows.append(ModuleCount(name or type(m).__name__, type(m).__name__, params, *seen.get(m, (0, 0, 0))))
    totals = [sum(column) for column in list(zip(*rows, strict=True))[2:]] if rows else [0, 0, 0, 0]
    return Complexity(*totals, counter.get_total_flops() // 2, tuple(rows))
