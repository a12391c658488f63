"""Training of the small SyncNet: the expert that the semantic teacher is trained against. It never scores results (PROTOCOL rule 8)."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from paperlib.config import SyncConfig
from paperlib.corpus.banks import FaceItem, to_float
from paperlib.models.syncnet import SyncNet, sync_contrastive_loss, sync_loss
from paperlib.training.loop import History, fit
from paperlib.training.optim import flat_cosine

SPAN = 5  # frames in a window, as SyncNet and Wav2Lip
MOMENTS = 8  # of one clip that the expert has to tell apart


def lips(faces: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """(B, 15, S/2, S) float windows of five frames around `centres` from (T, S, S, 3) uint8 faces: the lower half of each."""
    rows = centres[:, None] + torch.arange(SPAN) - SPAN // 2
    x = to_float(faces[rows])  # (B, 5, 3, S, S)
    half = x.shape[-1] // 2
    return x[..., half:, :].flatten(1, 2)


def pairs(bank: list[FaceItem], batch: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(lips, mel, in_sync (B,)): half true pairs, half with the speech of another moment of the same clip (Wav2Lip's negatives)."""
    lip, mel, labels = [], [], []
    for b in range(batch):
        item = bank[int(torch.randint(len(bank), (1,), generator=generator))]
        n = len(item.faces)
        t = int(torch.randint(SPAN // 2, n - SPAN // 2, (1,), generator=generator))
        true = b % 2 == 0
        s = t
        while not true and abs(s - t) < 3:  # at least 120 ms away
            s = int(torch.randint(SPAN // 2, n - SPAN // 2, (1,), generator=generator))
        lip.append(lips(item.faces, torch.tensor([t]))[0])
        mel.append(item.mel[s][None])
        labels.append(float(true))
    return torch.stack(lip), torch.stack(mel), torch.tensor(labels)


@torch.no_grad()
def accuracy(net: SyncNet, bank: list[FaceItem], pairs_n: int = 400, seed: int = 1) -> tuple[float, float]:
    """(accuracy of telling in-sync from off-sync windows by the best single threshold, loss); chance is 0.5."""
    net.eval()
    lip, mel, label = pairs(bank, pairs_n, torch.Generator().manual_seed(seed))
    cosine = torch.nn.functional.cosine_similarity(*net(lip, mel))
    order = cosine.argsort()
    y = label[order]
    # threshold below element i: everything from i on is called in sync
    right = torch.cat([torch.zeros(1), (1 - y).cumsum(0)]) + torch.cat([y.flip(0).cumsum(0).flip(0), torch.zeros(1)])
    return float(right.max() / len(y)), float(sync_loss(*net(lip, mel), label))


def moments(bank: list[FaceItem], clips: int, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(lips (K * M, 15, S/2, S), mel (K * M, 1, 80, 16)): M moments of each of K clips, at least 120 ms apart."""
    lip, mel = [], []
    for _ in range(clips):
        item = bank[int(torch.randint(len(bank), (1,), generator=generator))]
        slots = torch.arange(SPAN // 2, len(item.faces) - SPAN // 2, 3)
        t = slots[torch.randperm(len(slots), generator=generator)[:count]]
        if len(t) < count:
            raise ValueError(f"moments: a clip of {len(item.faces)} frames has {len(t)} moments, {count} are needed")
        lip.append(lips(item.faces, t))
        mel.append(item.mel[t, None])
    return torch.cat(lip), torch.cat(mel)


def train_sync(net: SyncNet, train: list[FaceItem], val: list[FaceItem], cfg: SyncConfig, seed: int, **loop) -> History:
    """Train by telling M moments of a clip apart; validation keeps the state with the lowest such loss on unseen speakers.

    The cosine loss of Wav2Lip's expert stays at 0.70 here; see `sync_contrastive_loss`. loop: see `loop.fit`.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), cfg.lr)
    clips = max(1, cfg.batch // MOMENTS)

    def contrast(bank: list[FaceItem], k: int, g: torch.Generator) -> torch.Tensor:
        a, b = net(*moments(bank, k, MOMENTS, g))
        return sync_contrastive_loss(a.unflatten(0, (k, MOMENTS)), b.unflatten(0, (k, MOMENTS)))

    def step(i: int) -> Mapping[str, float]:
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = cfg.lr * flat_cosine(i, cfg.steps, flat=0.5)
        loss = contrast(train, clips, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": loss.item()}

    @torch.no_grad()
    def validate() -> Mapping[str, float]:
        share, _ = accuracy(net, val)
        loss = contrast(val, 12, torch.Generator().manual_seed(2))
        return {"val": loss.item(), "val_accuracy": share}

    return fit(step, cfg.steps, state={"net": net, "optimiser": optimiser}, validate=validate, **loop)
