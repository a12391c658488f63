"""Training of the small SyncNet: the expert that the semantic teacher is trained against. It never scores results (PROTOCOL rule 8)."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from paperlib.config import SyncConfig
from paperlib.corpus.banks import FaceItem, to_float
from paperlib.models.syncnet import SyncNet, sync_loss
from paperlib.training.loop import History, fit

SPAN = 5  # frames in a window, as SyncNet and Wav2Lip


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


def train_sync(net: SyncNet, train: list[FaceItem], val: list[FaceItem], cfg: SyncConfig, seed: int, **loop) -> History:
    """Train by binary cross-entropy on the cosine similarity; validation keeps the best state. loop: see `loop.fit`."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), cfg.lr)

    def step(_: int) -> Mapping[str, float]:
        net.train()
        lip, mel, label = pairs(train, cfg.batch, generator)
        loss = sync_loss(*net(lip, mel), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return {"loss": loss.item()}

    def validate() -> Mapping[str, float]:
        share, loss = accuracy(net, val)
        return {"val": loss, "val_accuracy": share}

    return fit(step, cfg.steps, state={"net": net, "optimiser": optimiser}, validate=validate, **loop)
