"""What the lips truly do, as the middle term between pictures and sound when a sync network is trained.

Coefficients of a clip cost a hundredth of its pictures, so hundreds of people can be heard whose faces are never drawn: a small network
that sees the truth (`MotionNet`) and the sound encoder learn from them which movement goes with which sound, and the picture encoder
learns to tell what the truth's network would say. Pictures then need to teach how lips look, not what speech does to them: with pictures
and sound alone, and as many pictures as minutes allow, networks learn the training clips by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.corpus.dataset import Corpus
from paperlib.errors import check_shape
from paperlib.face3d.landmarks import MOUTH
from paperlib.metrics.sync_windows import APART, similarity
from paperlib.models.syncnet import sync_contrastive_loss
from paperlib.training.loop import History, fit
from paperlib.training.optim import flat_cosine

POINTS = 3 * len(MOUTH)
Hear = Callable[[Tensor, torch.Generator], Tensor]  # sound windows (clips, moments, ...) and a generator -> the same, changed
WAYS = 10  # principal ways of moving that MotionNet sees
# Half of the voices, men and women, are the judge's: the expert hears none of them, the judge no other (PROTOCOL rule 8).
JUDGE_VOICES = ("m3", "m5", "m7", "Annie", "linda", "aunty")


def judges_voice(corpus: Corpus, speaker: int) -> bool:
    """Whether this speaker of the embedded corpus has one of JUDGE_VOICES."""
    from paperlib.corpus import speech, world

    return speech.VARIANTS[world.draw_speaker(corpus.cfg.seed, speaker).voice % len(speech.VARIANTS)] in JUDGE_VOICES


def mouth_motion(exp: Tensor) -> Tensor:
    """(T, 64) expression coefficients -> (T, 60): how far the 20 mouth landmarks of the mean face are from neutral, in centimetres."""
    from paperlib.face3d.morphable_model import default_model

    check_shape("exp", exp, (None, 64))
    model = default_model()
    basis = model.exp_basis[model.landmark_index[list(MOUTH)]]  # (20, 3, 64), model units of 10 cm
    return 10 * torch.einsum("vck,tk->tvc", basis, exp).flatten(1)


@dataclass
class Heard:
    """Truth and sound of one clip: motion (T, 60) of `mouth_motion`, sound (T, ...) the feature window of each frame (may be half)."""

    motion: Tensor
    sound: Tensor


@dataclass
class Seen:
    """Truth and pictures of one clip: motion (T, 60), pictures (T, ...) uint8."""

    motion: Tensor
    pictures: Tensor


class MotionNet(nn.Module):
    """Windows of true mouth motion -> embedding. Helps to train and bounds what a picture encoder can reach; never shipped.

    Motion enters as its WAYS principal ways of moving in the clips of `bank`, each in its own standard deviation, small ones in a
    twentieth of the largest: lips that round move far less than a jaw that opens, and say as much.
    """

    def __init__(self, bank: Sequence[Heard], span: int, embed: int, nonnegative: bool):
        super().__init__()
        self.span, self.nonnegative = span, nonnegative
        every = torch.cat([item.motion for item in bank]).double()
        mean = every.mean(0)
        variance, ways = torch.linalg.eigh((every - mean).T @ (every - mean) / len(every))
        deviation = variance[-WAYS:].clamp_min(1e-12).sqrt()
        self.register_buffer("mean", mean.float())
        self.register_buffer("ways", (ways[:, -WAYS:] / deviation.clamp_min(0.05 * float(deviation[-1]))).float())
        self.body = nn.Sequential(
            nn.Linear(span * WAYS, 192), nn.ReLU(), nn.Linear(192, 128), nn.ReLU(), nn.Linear(128, embed),
        )  # fmt: skip

    def forward(self, motion: Tensor) -> Tensor:
        """(B, span, 60) cm, oldest first -> (B, embed), at least 0 where the other encoders are."""
        check_shape("motion", motion, (None, self.span, POINTS))
        out = self.body(((motion - self.mean) @ self.ways).flatten(1))
        return torch.relu(out) if self.nonnegative else out


def runs(frames: Tensor, centres: Tensor, span: int) -> Tensor:
    """(B, span, ...) windows of `span` frames around `centres` (B,) of a clip's frames (T, ...)."""
    return frames[centres[:, None] + torch.arange(span) - span // 2]


def draw(bank: Sequence, clips: int, count: int, span: int, generator: torch.Generator) -> list[tuple[int, Tensor]]:
    """(index of a clip, `count` centres of windows in it, at least APART frames from each other), `clips` times, longer clips more often.

    Clips too short for that many are passed over; ValueError when all are.
    """
    shortest = (count - 1) * APART + 1 + 2 * (span // 2)
    able = [i for i, item in enumerate(bank) if len(item.motion) >= shortest]
    if not able:
        raise ValueError(f"draw: no clip has {count} moments; the longest of {len(bank)} has {max(len(x.motion) for x in bank)} frames")
    length = torch.tensor([float(len(bank[i].motion)) for i in able])
    out = []
    for pick in torch.multinomial(length, clips, replacement=True, generator=generator).tolist():
        i = able[pick]
        spare = min(APART - 1, len(bank[i].motion) - shortest)
        first = span // 2 + int(torch.randint(spare + 1, (1,), generator=generator))
        here = torch.arange(first, len(bank[i].motion) - span // 2, APART)
        out.append((i, here[torch.randperm(len(here), generator=generator)[:count]]))
    return out


def heard_loss(
    truth: MotionNet, embed_sound: Callable[[Tensor], Tensor], bank: list[Heard], clips: int, count: int, g, hear: Hear | None = None
) -> Tensor:
    """Contrastive loss of true motion and sound over `count` moments of each of `clips` clips; scalar.

    hear: changes the sound (clips, count, ...) before it is embedded, as another voice would say it.
    """
    chosen = draw(bank, clips, count, truth.span, g)
    motion = truth(torch.cat([runs(bank[i].motion, t, truth.span) for i, t in chosen]))
    sound = torch.stack([bank[i].sound[t] for i, t in chosen]).float()
    sound = embed_sound((hear(sound, g) if hear else sound).flatten(0, 1))
    return sync_contrastive_loss(motion.unflatten(0, (clips, count)), sound.unflatten(0, (clips, count)))


def seen_loss(truth: MotionNet, embed: Callable[[Tensor], Tensor], bank: list[Seen], clips: int, count: int, g) -> Tensor:
    """Mean 1 - cosine of what the picture encoder says of windows and what the truth's network says of the same; scalar.

    embed: uint8 windows (B, span, ...) -> (B, D). The truth's network is not moved by it.
    """
    chosen = draw(bank, clips, count, truth.span, g)
    with torch.no_grad():
        want = truth(torch.cat([runs(bank[i].motion, t, truth.span) for i, t in chosen]))
    got = embed(torch.cat([runs(bank[i].pictures, t, truth.span) for i, t in chosen]))
    return (1 - F.cosine_similarity(got, want)).mean()


@torch.no_grad()
def truth_table(truth: MotionNet, embed_sound: Callable[[Tensor], Tensor], item: Heard) -> np.ndarray:
    """(N, N) cosines of one clip's windows of true motion, rows, with its sound, columns: what perfect eyes could say."""
    truth.eval()
    centres = torch.arange(truth.span // 2, len(item.motion) - truth.span // 2)
    return similarity(truth(runs(item.motion, centres, truth.span)).numpy(), embed_sound(item.sound[centres].float()).numpy())


def recolour(pictures: Tensor, generator: torch.Generator, gain: float = 0.25, offset: float = 0.1, noise: float = 0.02) -> Tensor:
    """(B, ...) windows in [0, 1] under another exposure: one gain and offset a window, noise a pixel; clipped to [0, 1]."""
    shape = (len(pictures), *[1] * (pictures.dim() - 1))
    u = torch.rand(2, *shape, generator=generator) * 2 - 1
    speckle = noise * torch.rand(shape, generator=generator) * torch.randn(pictures.shape, generator=generator)
    return (pictures * (1 + gain * u[0]) + offset * u[1] + speckle).clamp(0, 1)


def fit_through_truth(
    net: nn.Module,
    truth: MotionNet,
    embed_sound: Callable[[Tensor], Tensor],
    embed_pictures: Callable[[Tensor], Tensor],
    heard: list[Heard],
    seen: list[Seen],
    cfg,
    generator: torch.Generator,
    *,
    moments: int,
    looks: tuple[int, int],
    validate: Callable[[], Mapping[str, float]],
    hear: Hear | None = None,
    **loop,
) -> History:
    """The training that expert and judge share: in each step sound by `heard_loss` and pictures by `seen_loss`, AdamW on net and truth.

    cfg: lr, steps, batch (moments heard in a step), look_weight. moments: of a clip that are told apart. looks: clips seen in a step and
    windows of each. hear: see `heard_loss`. loop: see `loop.fit`.
    """
    optimiser = torch.optim.AdamW([*net.parameters(), *truth.parameters()], cfg.lr, weight_decay=1e-2)
    clips = max(2, cfg.batch // moments)

    def step(i: int) -> Mapping[str, float]:
        net.train()
        for group in optimiser.param_groups:
            group["lr"] = cfg.lr * flat_cosine(i, cfg.steps, flat=0.5)
        sound = heard_loss(truth, embed_sound, heard, clips, moments, generator, hear)
        look = seen_loss(truth, embed_pictures, seen, *looks, generator)
        optimiser.zero_grad()
        (sound + cfg.look_weight * look).backward()
        optimiser.step()
        return {"loss": sound.item(), "look": look.item()}

    return fit(step, cfg.steps, state={"net": net, "truth": truth, "optimiser": optimiser}, validate=validate, **loop)
