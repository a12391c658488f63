"""Bytes of a training step, counted without running it: does the `paper` profile fit the paper's card?

Everything happens on PyTorch's meta device, where tensors have shapes and no data. Counted: parameters, their gradients, the
optimisers' states, and what autograd keeps between forward and backward, each storage once. Not counted: the convolution library's
workspaces, the gradients of intermediate pictures while they are alive, CUDA's own few hundred megabytes, the allocator's gaps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib import config

GIB = 2**30
CARD_GIB = 24  # the paper's RTX 3090


def stored_bytes(tensors: Iterable[Tensor], seen: set[int] | None = None) -> int:
    """Bytes behind the tensors, each storage once; views of one storage count once. seen: storages counted already, added to."""
    seen, total = set() if seen is None else seen, 0
    for tensor in tensors:
        storage = tensor.untyped_storage()
        if storage._cdata not in seen:
            seen.add(storage._cdata)
            total += storage.nbytes()
    return total


class Kept:
    """Context that collects what autograd keeps for the backward passes of everything computed inside.

    >>> w = torch.zeros(8, 4, requires_grad=True)
    >>> with Kept([w]) as kept:
    ...     y = (torch.zeros(2, 8) @ w).relu()
    >>> kept.bytes  # the input 2 x 8 and relu's result 2 x 4, four bytes each; w is no activation
    96
    """

    def __init__(self, owned: Iterable[Tensor] = ()):
        self._known: set[int] = set()
        self._alive: list[Tensor] = list(owned)  # so that no address is used twice
        stored_bytes(self._alive, self._known)
        self.bytes = 0
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)

    def _pack(self, tensor: Tensor) -> Tensor:
        self._alive.append(tensor)
        self.bytes += stored_bytes([tensor], self._known)
        return tensor

    def __enter__(self) -> Kept:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)


@dataclass(frozen=True)
class StepMemory:
    """Bytes of one step. `generator`: activations of the painting networks; `critic`, `losses`: what is kept on top of them, in turn."""

    parameters: int
    gradients: int
    optimisers: int
    batch: int
    generator: int
    critic: int
    losses: int

    @property
    def peak(self) -> int:
        """What is alive at the fullest moment: the critic's pass and the losses' never are at the same time."""
        fixed = self.parameters + self.gradients + self.optimisers + self.batch
        return fixed + self.generator + max(self.critic, self.losses)

    def rows(self) -> list[tuple[str, float]]:
        """(what, GiB) for a table, the peak last."""
        return [(name, getattr(self, name) / GIB) for name in (*self.__dataclass_fields__, "peak")]


def optimiser_bytes(networks: Iterable[tuple[nn.Module, int]]) -> int:
    """States of the optimisers: (network, tensors per parameter): Ranger 3 (two moments, the slow weights), Adam 2."""
    return sum(copies * stored_bytes(p for p in net.parameters() if p.requires_grad) for net, copies in networks)


def renderer_memory(profile: config.Profile, batch: int | None = None) -> StepMemory:
    """One joint training step of stage 2 under `profile` in float32 (default batch: the profile's). Seconds, and no memory of its own."""
    from paperlib.corpus.banks import RenderBatch
    from paperlib.losses.adversarial import critic_loss
    from paperlib.losses.perceptual import VGGFeatures
    from paperlib.training import checkpoints
    from paperlib.training.phases import Phase
    from paperlib.training.step import Judges, objectives, paint

    cfg = profile.renderer
    n, meta = batch or cfg.batch, torch.device("meta")
    net, critic, flow = (checkpoints.build(kind, profile).to(meta) for kind in ("renderer", "critic", "flow"))
    features = VGGFeatures(cfg.vgg_layers).to(meta)
    flow.requires_grad_(False)
    picture = (n, 3, cfg.size, cfg.size)
    data = RenderBatch(*(torch.empty(picture, device=meta) for _ in range(4)), torch.empty(n, 1, *picture[2:], device=meta),
                       torch.empty(n, 4, device=meta))  # fmt: skip
    owned = [t for module in (net, critic, flow, features) for t in (*module.parameters(), *module.buffers())]
    inputs = list(vars(data).values())
    with Kept([*owned, *inputs]) as painting:
        out = paint(net.train(), data, "joint")
    pictures = [x for x in out if x is not None]
    with Kept([*owned, *inputs, *painting._alive, *pictures]) as judging:
        loss = critic_loss(critic, data.target, [out.i_e, out.i_i], cfg.lambda_gp)
    del loss
    critic.requires_grad_(False)
    with Kept([*owned, *inputs, *painting._alive, *pictures]) as losing:
        objectives(cfg, Judges(features, flow), out, data, critic, Phase("joint", 0.2))
    trained = stored_bytes([*net.parameters(), *critic.parameters()])
    return StepMemory(
        parameters=stored_bytes(owned),
        gradients=trained,
        optimisers=optimiser_bytes([(net, 3), (critic.requires_grad_(True), 2)]),
        batch=stored_bytes(inputs),
        generator=painting.bytes,
        critic=judging.bytes,
        losses=losing.bytes,
    )


def fits(memory: StepMemory, gib: float = CARD_GIB, reserve: float = 0.25) -> bool:
    """Whether `memory` fits a card of `gib` with the share `reserve` left for what is not counted."""
    return memory.peak <= (1 - reserve) * gib * GIB
