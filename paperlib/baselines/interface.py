"""What every dubbing system of tables 1 and 2 is given, what it learns from, and what it must return.

One corpus, one mask, one way of composing: a system paints the region Omega_c of every frame and nothing else, so that scores differ by
what is painted there. Two tracks: "dubbing" systems see the clip around the hole; "animation" systems see one picture, and are told the
true pose, without which a comparison on pixels would measure the head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from paperlib.corpus.banks import reference_index, to_float
from paperlib.corpus.dataset import Clip
from paperlib.errors import check_shape
from paperlib.media import audio

TRACKS = ("dubbing", "animation")
SPAN = 5  # successive frames in a training run: what a sync expert sees
REFERENCES = 3  # of the same clip, each at least a second from the run, where the clip is long enough


@dataclass
class Item:
    """One clip as the systems see it. frames (T, H, W, 3) uint8, masks (T, 1, H, W), lmk and lmk_neutral (T, 68, 2) px, coeffs (T, 257),
    mfcc (T, 13, 28), mel (T, 80, 16). lmk_neutral: pose and identity with a neutral mouth, so it knows nothing of what is said."""

    frames: Tensor
    masks: Tensor
    lmk: Tensor
    lmk_neutral: Tensor
    coeffs: Tensor
    mfcc: Tensor
    mel: Tensor


def item(clip: Clip) -> Item:
    """A clip of a corpus with the features of its own sound."""
    n = len(clip)
    arrays = (clip.lmk, clip.lmk_neutral, clip.coeffs, audio.mfcc_windows(clip.wave, n), audio.mel_windows(clip.wave, n))
    rest = [torch.from_numpy(a).float() for a in arrays]
    return Item(torch.from_numpy(clip.frames), torch.from_numpy(clip.masks()).float(), *rest)


@dataclass
class Batch:
    """B runs of SPAN frames with REFERENCES frames of the same clip. frames (B, L, 3, H, W) in [0, 1], masks (B, L, 1, H, W), lmk and
    lmk_neutral (B, L, 68, 2) px, coeffs (B, L, 257), mfcc (B, L, 13, 28), mel (B, L, 80, 16); ref (B, R, 3, H, W), ref_lmk (B, R, 68, 2),
    ref_coeffs (B, R, 257)."""

    frames: Tensor
    masks: Tensor
    lmk: Tensor
    lmk_neutral: Tensor
    coeffs: Tensor
    mfcc: Tensor
    mel: Tensor
    ref: Tensor
    ref_lmk: Tensor
    ref_coeffs: Tensor

    def flat(self) -> Batch:
        """Runs side by side: (B L, 1, ...), each with its run's references. For systems that paint frame by frame."""
        runs = self.frames.shape[1]
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return Batch(**{k: v.repeat_interleave(runs, 0) if k.startswith("ref") else v.flatten(0, 1)[:, None] for k, v in own.items()})


@dataclass
class Given:
    """A clip to be dubbed: the source's frames (T, 3, H, W) in [0, 1], masks (T, 1, H, W), lmk_neutral (T, 68, 2) px and coeffs (T, 257),
    and mfcc, mel of the NEW speech. ref_index (T, R): source frames that a system may look at whole, each at least a second from its frame
    where the clip is long enough. Nothing inside the mask of frame t may be read from frames[t], nor its expression from coeffs[t].
    """

    frames: Tensor
    masks: Tensor
    lmk_neutral: Tensor
    coeffs: Tensor
    mfcc: Tensor
    mel: Tensor
    lmk: Tensor
    ref_index: Tensor

    def visible(self) -> Tensor:
        """(T, 3, H, W): the frames with Omega_c set to zero."""
        return self.frames * (1 - self.masks)


def given(source: Item, speech: Item, seed: int = 3) -> Given:
    """The task "dub `source` with the sound of `speech`", both of T frames."""
    generator, n = torch.Generator().manual_seed(seed), len(source.frames)
    check_shape("speech.mfcc", speech.mfcc, (n, None, None))
    check_shape("speech.mel", speech.mel, (n, None, None))
    index = torch.tensor([[reference_index(t, n, generator) for _ in range(REFERENCES)] for t in range(n)])
    return Given(to_float(source.frames), source.masks, source.lmk_neutral, source.coeffs, speech.mfcc, speech.mel, source.lmk, index)


def far_from_run(t: int, n: int, generator: torch.Generator) -> int:
    """A reference at least a second from every frame of the run t ... t + SPAN - 1 where the clip is long enough, else its farther end."""
    r = reference_index(t, n - SPAN + 1, generator)  # of the clip in which the run is one frame
    return r if r < t else r + SPAN - 1


def draw(bank: list[Item], size: int, generator: torch.Generator) -> Batch:
    """`size` random runs of SPAN frames with their references. ValueError for a clip that holds no run."""
    rows: dict[str, list[Tensor]] = {}
    for _ in range(size):
        own = bank[int(torch.randint(len(bank), (1,), generator=generator))]
        n = len(own.frames)
        if n < SPAN:
            raise ValueError(f"bank: a clip of {n} frames holds no run of {SPAN}")
        t = int(torch.randint(n - SPAN + 1, (1,), generator=generator))
        refs = torch.tensor([far_from_run(t, n, generator) for _ in range(REFERENCES)])
        run = slice(t, t + SPAN)
        parts = {name: getattr(own, name)[run] for name in ("masks", "lmk", "lmk_neutral", "coeffs", "mfcc", "mel")}
        parts |= {"frames": to_float(own.frames[run]), "ref": to_float(own.frames[refs]), "ref_lmk": own.lmk[refs]}
        for name, value in (parts | {"ref_coeffs": own.coeffs[refs]}).items():
            rows.setdefault(name, []).append(value)
    return Batch(**{name: torch.stack(values) for name, values in rows.items()})


class Baseline(nn.Module, ABC):
    """One system. NAME: its row id without "_mini"; TRACK: one of TRACKS."""

    NAME: str
    TRACK: str

    @abstractmethod
    def loss(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, Mapping[str, float]]:
        """(scalar to minimise, its parts for the log) of a training batch; progress in [0, 1]: share of the training that is done."""

    @abstractmethod
    def paint(self, given: Given, generator: torch.Generator) -> Tensor:
        """(T, 3, H, W) in [0, 1]; only what lies inside the mask is used."""


@torch.no_grad()
def dub(net: Baseline, task: Given, seed: int = 0) -> Tensor:
    """(T, 3, H, W) in [0, 1]: the source with what `net` paints inside the mask. In eval mode."""
    net.eval()
    painted = net.paint(task, torch.Generator().manual_seed(seed)).clamp(0, 1)
    check_shape("painted", painted, tuple(task.frames.shape))
    return task.frames * (1 - task.masks) + painted * task.masks
