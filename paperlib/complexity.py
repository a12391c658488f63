"""Table 7's four columns, counted as the tool behind them counts, beside PyTorch's own flop counter and a clock.

The columns Params, FLOPs, MAdd and Memory are those of torchstat (0.0.7, github.com/Swall0w/torchstat). Its rules, kept here because the
published numbers follow them:

- leaf modules only, so functional code (warps, softmax, interpolation, products, concatenation) is free in every column;
- FLOPs are multiply-accumulates, plus one a biased output; MAdd counts the multiplication and the addition apart: 2 K an output of K
  products with bias, 2 K - 1 without; linear layers lose their bias in both;
- a transposed convolution counts in MAdd, at its input's size, and not in FLOPs;
- batch norm 2 FLOPs (1 without affine) and 4 MAdd an element; ReLU 1 and 1; LeakyReLU, PReLU and ELU 1 and 0; max pooling the input's
  elements and k k - 1 an output; average pooling the input's elements and k k an output; nn.Upsample one FLOP a pixel (its channels are
  forgotten) and no MAdd; nn.Softmax no FLOPs and 3 n - 1 MAdd;
- a kind that it does not know (instance norm, sigmoid, dropout, LSTM) costs 0 and 0;
- memory is every leaf's output times 4 bytes, over 2**20, in-place layers too; parameters are not in it.

`count` differs in five points, each switched off by `literal=True`: every sample of a batch is counted (torchstat's MAdd and memory
drop the batch, its FLOPs do not); a module called twice counts twice (the last call only); a module that returns a tuple is counted
by the tuple's first tensor (torchstat stops there, so it cannot run an LSTM); linear layers may have more than two axes (it stops
there too); parameters of modules that are not leaves are counted.
"""

from __future__ import annotations

import statistics
import time
import weakref
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

BYTES, MEBI = 4, 2**20
_CONV = nn.Conv2d | nn.Conv3d
_TRANSPOSED = nn.ConvTranspose2d | nn.ConvTranspose3d
_BATCH_NORM = nn.BatchNorm2d | nn.BatchNorm3d
_MAX_POOL = nn.MaxPool2d | nn.MaxPool3d
_AVG_POOL = nn.AvgPool2d | nn.AvgPool3d
_ACTIVATION = nn.ReLU | nn.ReLU6 | nn.PReLU | nn.ELU | nn.LeakyReLU


class ModuleCount(NamedTuple):
    """One leaf module (or a module with parameters of its own): counts of one call of the network."""

    name: str
    kind: str
    params: int
    flops: int
    madd: int
    memory: int  # bytes of outputs


class Columns(NamedTuple):
    """The four columns in table 7's units: millions, 10**9, 10**9, MiB."""

    params: float
    flops: float
    madd: float
    memory: float


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

    @property
    def columns(self) -> Columns:
        """The four totals in table 7's units."""
        return Columns(self.params / 1e6, self.flops / 1e9, self.madd / 1e9, self.memory_mb)


def _window(module: nn.Module, axes: int) -> int:
    """Elements under a pooling window of `axes` axes."""
    kernel = module.kernel_size
    return kernel**axes if isinstance(kernel, int) else prod(kernel)


def module_flops(module: nn.Module, x: Tensor, out: Tensor) -> int:
    """torchstat's FLOPs of one leaf call."""
    if isinstance(module, _CONV):
        positions = out.shape[0] * prod(out.shape[2:])
        per_position = prod(module.kernel_size) * module.in_channels * (module.out_channels // module.groups)
        return positions * (per_position + (module.out_channels if module.bias is not None else 0))
    if isinstance(module, _BATCH_NORM):
        return x.numel() * (2 if module.affine else 1)
    if isinstance(module, _AVG_POOL | _MAX_POOL | _ACTIVATION):
        return x.numel()
    if isinstance(module, nn.Upsample):
        return out.shape[0] * prod(out.shape[2:])
    if isinstance(module, nn.Linear):
        return x.numel() * module.out_features
    return 0


def module_madd(module: nn.Module, x: Tensor, out: Tensor) -> int:
    """torchstat's MAdd of one leaf call: multiplications plus additions."""
    if isinstance(module, _CONV | _TRANSPOSED):
        where = out if isinstance(module, _CONV) else x
        products = prod(module.kernel_size) * (module.in_channels // module.groups)
        each = 2 * products - (1 if module.bias is None else 0)
        return each * where.shape[0] * prod(where.shape[2:]) * module.out_channels
    if isinstance(module, _BATCH_NORM):
        return 4 * x.numel()
    if isinstance(module, _MAX_POOL):
        return (_window(module, out.dim() - 2) - 1) * out.numel()
    if isinstance(module, _AVG_POOL):
        return _window(module, out.dim() - 2) * out.numel()
    if isinstance(module, nn.ReLU | nn.ReLU6):
        return x.numel()
    if isinstance(module, nn.Softmax):
        return 3 * x.numel() - x.shape[0]
    if isinstance(module, nn.Linear):
        return (2 * module.in_features - 1) * out.numel()
    return 0


def _tensor(value) -> Tensor:
    """The tensor that is counted: the first of a tuple; the data of a packed sequence."""
    while not isinstance(value, Tensor):
        value = value[0]
    return value


def count(module: nn.Module, *inputs, literal: bool = False) -> Complexity:
    """Run `module(*inputs)` once in eval mode without gradients and count it. The module's mode is restored.

    On the meta device (`with torch.device("meta")`) nothing is computed, and the counts are the same. `literal`: as torchstat would
    print it, with its oddities; TypeError at a module that it cannot run.

    >>> c = count(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 4, 4))
    >>> c.params, c.flops, c.madd, c.memory
    (224, 3584, 6912, 512)
    """
    from torch.utils.flop_counter import FlopCounterMode

    seen: dict[nn.Module, list[int]] = {}  # leaf -> FLOPs, MAdd, bytes
    handles = []

    def hook(leaf: nn.Module, args: tuple, out) -> None:
        if literal and not isinstance(out, Tensor):
            raise TypeError(f"torchstat stops at {type(leaf).__name__}: it asks every output for its size, and this one is a tuple")
        x, y = _tensor(args[0]), _tensor(out)
        if literal and isinstance(leaf, nn.Linear) and x.dim() != 2:
            raise TypeError(f"torchstat stops at a linear layer whose input has {x.dim()} axes")
        now = [module_flops(leaf, x, y), module_madd(leaf, x, y), y.numel() * BYTES]
        if literal:
            seen[leaf] = [now[0], now[1] // x.shape[0], now[2] // y.shape[0]]
        else:
            seen[leaf] = [a + b for a, b in zip(seen.get(leaf, (0, 0, 0)), now, strict=True)]

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
        if literal and m not in leaves:
            continue
        if m in seen or params:
            rows.append(ModuleCount(name or type(m).__name__, type(m).__name__, params, *seen.get(m, (0, 0, 0))))
    totals = [sum(column) for column in list(zip(*rows, strict=True))[2:]] if rows else [0, 0, 0, 0]
    return Complexity(*totals, counter.get_total_flops() // 2, tuple(rows))


def tensors_in(value) -> list[Tensor]:
    """All tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [t for v in inside for t in tensors_in(v)]


class _LiveBytes(TorchDispatchMode):
    """Follows the bytes of tensors that operators make, from birth until the last reference is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def _gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in tensors_in(out):
            storage = value.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self.known:
                self.known.add(key)
                self.now += size
                weakref.finalize(storage, self._gone, key, size)
        self.peak = max(self.peak, self.now)
        return out


class Measured(NamedTuple):
    """One forward pass without gradients: median seconds, and the most bytes of intermediate and output tensors alive at once, MiB."""

    seconds: float
    peak_mb: float


def measure(module: nn.Module, *inputs, repeats: int = 3) -> Measured:
    """Time `module(*inputs)` on the device of its inputs (median of `repeats` after one untimed pass) and follow its live tensors.

    Parameters and inputs are not in `peak_mb`, nor a kernel's own scratch space; on a GPU it is what the allocator says, scratch
    included. The module's mode is restored. What a clock says depends on the machine and on what else runs there.
    """
    device, training = tensors_in(inputs)[0].device, {m: m.training for m in module.modules()}
    cuda = device.type == "cuda"
    seconds = []
    try:
        module.eval()
        with torch.no_grad():
            if cuda:
                torch.cuda.synchronize(device)
                torch.cuda.reset_peak_memory_stats(device)
                before = torch.cuda.memory_allocated(device)
                module(*inputs)
                torch.cuda.synchronize(device)
                peak = torch.cuda.max_memory_allocated(device) - before
            else:
                with _LiveBytes() as live:
                    live.known |= {t.untyped_storage()._cdata for t in (*tensors_in(inputs), *module.parameters(), *module.buffers())}
                    module(*inputs)
                peak = live.peak
            for _ in range(repeats):
                start = time.perf_counter()
                module(*inputs)
                if cuda:
                    torch.cuda.synchronize(device)
                seconds.append(time.perf_counter() - start)
    finally:
        for m, mode in training.items():
            m.training = mode
    return Measured(statistics.median(seconds), peak / MEBI)
