"""Training of the flow network C of (27) on the corpus's true flow."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from paperlib.config import FlowConfig
from paperlib.corpus.banks import RenderItem, to_float
from paperlib.face3d.face_renderer import true_flow
from paperlib.face3d.morphable_model import default_model
from paperlib.training.loop import History, fit


def flow_pairs(bank: list[RenderItem], batch: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """(target (B, 3, H, W), reference, true backward flow target -> reference (B, 2, H, W) px, valid (B, 1, H, W))."""
    model, rows = default_model(), []
    size = bank[0].frames.shape[1]
    for _ in range(batch):
        item = bank[int(torch.randint(len(bank), (1,), generator=generator))]
        t, r = torch.randint(len(item.frames), (2,), generator=generator).tolist()
        flow, valid = true_flow(model, item.coeffs[t], item.coeffs[r], size)
        rows.append((to_float(item.frames[t]), to_float(item.frames[r]), torch.as_tensor(flow), torch.as_tensor(valid)[None].float()))
    return tuple(torch.stack(x) for x in zip(*rows, strict=True))


def endpoint_error(flow: torch.Tensor, truth: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Mean distance in pixels between flows (B, 2, H, W) where `valid`."""
    distance = (flow - truth).square().sum(1, keepdim=True).add(1e-8).sqrt()
    return (distance * valid).sum() / valid.sum().clamp_min(1)


def train_flow(net, train: list[RenderItem], val: list[RenderItem], cfg: FlowConfig, seed: int, **loop) -> History:
    """Minimise the endpoint error; validation reports it with that of zero flow beside it. loop: see `loop.fit`."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), cfg.lr)
    held_out = flow_pairs(val, 24, torch.Generator().manual_seed(5))

    def step(_: int) -> Mapping[str, float]:
        net.train()
        a, b, truth, valid = flow_pairs(train, cfg.batch, generator)
        loss = endpoint_error(net(a, b), truth, valid)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"epe": loss.item()}

    @torch.no_grad()
    def validate() -> Mapping[str, float]:
        net.eval()
        a, b, truth, valid = held_out
        zero = endpoint_error(torch.zeros_like(truth), truth, valid)
        return {"val": endpoint_error(net(a, b), truth, valid).item(), "val_zero_flow": zero.item()}

    return fit(step, cfg.steps, state={"net": net, "optimiser": optimiser}, validate=validate, **loop)
