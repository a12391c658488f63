"""Training of stage 1, equations (3)-(13): speech and semantic images to expression coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from paperlib.config import ExpressionConfig
from paperlib.corpus.banks import SpeechItem
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.losses.expression import expression_loss, shape_loss, total_expression_loss
from paperlib.media.other_voices import other_mfcc
from paperlib.models.expression import ExpressionNet
from paperlib.training.loop import History, fit
from paperlib.training.optim import Ranger, flat_cosine
from paperlib.training.sweep import Draws


@dataclass
class Sequence:
    """One clip as stage 1 sees it: mfcc (T, 13, 28), semantic (T, 3, S, S) uint8, coeffs (T, 257) true."""

    mfcc: torch.Tensor
    semantic: torch.Tensor
    coeffs: torch.Tensor


def sequences(bank: list[SpeechItem], teacher, face: torch.Tensor) -> list[Sequence]:
    """Add the teacher's semantic images to each clip of a speech bank."""
    from paperlib.training.teacher import semantic_images

    return [Sequence(s.mfcc, (semantic_images(teacher, face, s.mel) * 255 + 0.5).to(torch.uint8), s.coeffs) for s in bank]


def windows(data: list[Sequence], length: int, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """(mfcc (B, L, 13, 28), semantic (B, L, 3, S, S) float, coeffs (B, L, 257)): random runs of `length` frames."""
    rows = []
    for _ in range(batch):
        item = data[int(torch.randint(len(data), (1,), generator=generator))]
        if len(item.mfcc) < length:
            raise ValueError(f"window: a clip of {len(item.mfcc)} frames is shorter than the window of {length}")
        t = int(torch.randint(0, len(item.mfcc) - length + 1, (1,), generator=generator))
        rows.append((item.mfcc[t : t + length], item.semantic[t : t + length], item.coeffs[t : t + length]))
    mfcc, semantic, coeffs = (torch.stack(x) for x in zip(*rows, strict=True))
    return mfcc, semantic.float() / 255, coeffs


def see_pictures(net: ExpressionNet, data: list[Sequence], most: int = 2000) -> None:
    """Let a network that reads images and has seen none take their mean picture and spread from `most` frames of `data`."""
    if net.cnn_visual is None or net.cnn_visual.standardised:
        return
    each = max(1, sum(len(s.semantic) for s in data) // most)
    frames = torch.cat([s.semantic[::each] for s in data]).float() / 255
    net.cnn_visual.standardise(net.resized(frames))


def losses(model, pred: torch.Tensor, coeffs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """L_exp (11) and L_shape (12) of predictions (B, T, 64) against true coefficients (B, T, 257).

    The landmarks of (12) take identity and pose from the truth and are divided by the image side, so that l is in image widths.
    """
    flat = coeffs.flatten(0, 1)
    size = 1  # projecting into an image of side 1 gives landmarks in image widths
    lmk = landmarks2d(model, flat, size).unflatten(0, coeffs.shape[:2])
    lmk_pred = landmarks2d(model, with_exp(flat, pred.flatten(0, 1)), size).unflatten(0, coeffs.shape[:2])
    return expression_loss(pred, coeffs[..., 80:144]), shape_loss(lmk_pred, lmk)


@torch.no_grad()
def predict(net: ExpressionNet, mfcc: torch.Tensor, semantic: torch.Tensor | None) -> torch.Tensor:
    """(T, 64) expressions of a whole clip from mfcc (T, 13, 28) and semantic images (T, 3, S, S), uint8 or [0, 1], or None for a
    network without them."""
    net.eval()
    if semantic is not None:
        semantic = (semantic.float() / 255 if semantic.dtype == torch.uint8 else semantic)[None]
    return net(mfcc[None], semantic).exp[0]


def train_expression(
    net: ExpressionNet, model, train: list[Sequence], val: list[Sequence], cfg: ExpressionConfig, seed: int, **loop
) -> History:
    """Minimise (13) with Ranger, half of the runs heard in other voices (`media.other_voices`); validation is the mean absolute
    expression error on whole unseen clips, in their own voices. loop: see `loop.fit`.

    The weights lie channels last while they are trained, in which order a CPU's convolutions and poolings are faster; what they
    compute is the same up to rounding. A stopped training goes on with the draws it would have made.
    """
    draws = Draws(seed)
    see_pictures(net, train)
    net.to(memory_format=torch.channels_last)
    optimiser = Ranger(net.parameters(), cfg.lr)

    def step(i: int) -> Mapping[str, float]:
        net.train()
        for group in optimiser.param_groups:  # flat, then cosine over the last quarter, as Ranger's author recommends
            group["lr"] = cfg.lr * flat_cosine(i, cfg.steps)
        mfcc, semantic, coeffs = windows(train, cfg.window, cfg.batch, draws.generator)
        l_exp, l_shape = losses(model, net(other_mfcc(mfcc, draws.generator), semantic).exp, coeffs)
        loss = total_expression_loss(l_exp, l_shape, cfg.lambda_shape)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 50.0)
        optimiser.step()
        return {"loss": loss.item(), "l_exp": l_exp.item(), "l_shape": l_shape.item()}

    def validate() -> Mapping[str, float]:
        errors = [(predict(net, s.mfcc, s.semantic) - s.coeffs[:, 80:144]).abs().mean() for s in val]
        return {"val": torch.stack(errors).mean().item()}

    state = {"net": net, "optimiser": optimiser, "draws": draws}
    history = fit(step, cfg.steps, state=state, validate=validate, **loop)
    net.to(memory_format=torch.contiguous_format)
    return history
