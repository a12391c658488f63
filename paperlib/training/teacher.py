"""Training of the semantic teacher as Wav2Lip was trained: L1 to the frame, then with the frozen sync expert's loss added.

Three things are ours, because Wav2Lip had 29 hours of video and we have minutes: half of the runs are heard in other voices
(`media.other_voices`), half of them show the speech of many people on one neutral actor (`banks.neutral_actor_item`), and
the mouth counts MOUTH_WEIGHT times in the L1, of which it is a tenth of the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from paperlib.config import TeacherConfig
from paperlib.corpus.banks import FaceItem, to_float
from paperlib.media.other_voices import other_mel
from paperlib.models.semantic_teacher import SemanticTeacher
from paperlib.models.syncnet import SyncNet, sync_loss
from paperlib.training.loop import History, fit
from paperlib.training.optim import flat_cosine
from paperlib.training.sync import SPAN

MOUTH_WEIGHT = 10.0
MOUTH_BOX = (0.55, 0.92, 0.28, 0.72)  # top, bottom, left, right as shares of a face crop (banks.face_boxes)


def mask_lower_half(face: torch.Tensor) -> torch.Tensor:
    """Faces (..., H, W) with the lower half set to zero, as Wav2Lip's input."""
    face = face.clone()
    face[..., face.shape[-2] // 2 :, :] = 0
    return face


def weighted_l1(out: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean |out - target| of face crops (B, 3, S, S), the mouth's box weighted MOUTH_WEIGHT; scalar."""
    size = out.shape[-1]
    weight = torch.ones(size, size, device=out.device)
    top, bottom, left, right = (round(size * v) for v in MOUTH_BOX)
    weight[top:bottom, left:right] = MOUTH_WEIGHT
    return ((out - target).abs() * (weight / weight.mean())).mean()


def windows(bank: list[FaceItem], batch: int, generator: torch.Generator, span: int = SPAN) -> tuple[torch.Tensor, ...]:
    """Runs of `span` frames: (mel (B*span, 1, 80, 16), input faces (B*span, 6, S, S), targets (B*span, 3, S, S)), one reference a run."""
    mel, faces, target = [], [], []
    for _ in range(batch):
        item = bank[int(torch.randint(len(bank), (1,), generator=generator))]
        n = len(item.faces)
        t = int(torch.randint(0, n - span + 1, (1,), generator=generator))
        r = int(torch.randint(0, n, (1,), generator=generator))
        frames = to_float(item.faces[t : t + span])
        reference = to_float(item.faces[r])[None].expand_as(frames)
        mel.append(item.mel[t : t + span, None])
        faces.append(torch.cat([mask_lower_half(frames), reference], 1))
        target.append(frames)
    return torch.cat(mel), torch.cat(faces), torch.cat(target)


def train_teacher(
    net: SemanticTeacher, expert: SyncNet, train: list[list[FaceItem]], val: list[FaceItem], cfg: TeacherConfig, seed: int, **loop
) -> History:
    """Train `net`; `expert` stays frozen. Each step draws cfg.batch frames from one of the banks in `train`, in turn; with the sync
    loss, runs of five.

    Validation is the weighted L1 on `val`. loop: see `loop.fit`.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), cfg.lr, betas=(0.5, 0.999))
    expert = expert.eval().requires_grad_(False)
    runs = max(1, cfg.batch // SPAN)
    held_out = windows(val, 12, torch.Generator().manual_seed(7))

    def step(i: int) -> Mapping[str, float]:
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = cfg.lr * flat_cosine(i, cfg.steps, flat=0.5)
        synced = i >= cfg.sync_from * cfg.steps  # before, single frames: more clips in a batch steady its BatchNorm
        mel, faces, target = windows(train[i % len(train)], *((runs, generator) if synced else (cfg.batch, generator, 1)))
        mel = other_mel(mel.unflatten(0, (-1, SPAN if synced else 1))[:, :, 0], generator).flatten(0, 1)[:, None]
        out = net(mel, faces)
        l1 = weighted_l1(out, target)
        loss, log = l1, {"l1": l1.item()}
        if synced:
            half = out.shape[-1] // 2
            lip = out.view(runs, SPAN, *out.shape[1:])[..., half:, :].flatten(1, 2)
            middle = mel.view(runs, SPAN, 1, 80, 16)[:, SPAN // 2]
            sync = sync_loss(*expert(lip, middle), torch.ones(runs))
            loss = (1 - cfg.sync_weight) * l1 + cfg.sync_weight * sync
            log["sync"] = sync.item()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return log

    @torch.no_grad()
    def validate() -> Mapping[str, float]:
        net.eval()
        mel, faces, target = held_out
        return {"val": weighted_l1(net(mel, faces), target).item()}

    return fit(step, cfg.steps, state={"net": net, "optimiser": optimiser}, validate=validate, **loop)


@torch.no_grad()
def semantic_images(net: SemanticTeacher, face: torch.Tensor, mel: torch.Tensor, batch: int = 64) -> torch.Tensor:
    """The image sequence V of (3): the teacher speaks with one fixed neutral face, whatever the speaker (PROTOCOL rule 3).

    face: (3, S, S) in [0, 1]; mel: (T, 80, 16). Returns (T, 3, S, S).
    """
    net.eval()
    both = torch.cat([mask_lower_half(face), face])[None]
    return torch.cat([net(m[:, None], both.expand(len(m), -1, -1, -1)) for m in mel.split(batch)])


def neutral_face(size: int) -> torch.Tensor:
    """(3, size, size) picture of the mean face, neutral, frontal, under plain light: the face that the teacher animates."""
    import numpy as np

    from paperlib.corpus.banks import face_boxes
    from paperlib.face3d.coefficients import N_COEFF
    from paperlib.face3d.face_renderer import landmarks2d, render
    from paperlib.face3d.morphable_model import default_model
    from paperlib.media.cropping import crop_frames

    model, coeffs = default_model(), torch.zeros(1, N_COEFF)
    with torch.no_grad():
        picture = render(model, coeffs, 192, background=np.full((192, 192, 3), 0.5, np.float32), supersample=2).image
        lmk = landmarks2d(model, coeffs, 192).numpy()
    frame = (picture.movedim(1, -1).clamp(0, 1).numpy() * 255 + 0.5).astype(np.uint8)
    return to_float(torch.from_numpy(crop_frames(frame, face_boxes(lmk), size)))[0]
