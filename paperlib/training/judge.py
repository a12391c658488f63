"""Training of the judge of sync on people, voices and a motion source of its own; what it learned trains nothing (PROTOCOL rule 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from paperlib.config import CorpusConfig, JudgeConfig
from paperlib.corpus.banks import speech_item
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.corpus.synthetic import FIRST_SPEAKER, ClipId
from paperlib.media.other_voices import other_mfcc
from paperlib.metrics import sync_windows
from paperlib.models.judge import SPAN, Judge
from paperlib.training.lip_truth import JUDGE_VOICES, Heard, MotionNet, Seen, fit_through_truth, judges_voice, mouth_motion, recolour
from paperlib.training.loop import History
from paperlib.training.sync import MOMENTS, accuracy, validation_loss

__all__ = ["JUDGE_VOICES", "Judge", "MouthItem", "cosines", "judge_corpus", "mouth_item", "train_judge"]
MOTION = "rule2"  # trains nothing else


@dataclass
class MouthItem:
    """What the judge is asked about: grey mouths (T, S, S) uint8 and MFCC windows (T, 13, 28) of one clip."""

    mouths: torch.Tensor
    mfcc: torch.Tensor


def judge_corpus(base: CorpusConfig, cfg: JudgeConfig) -> Corpus:
    """The judge's own corpus: another seed, so other people in other scenes, moved by MOTION, in short clips."""
    return Corpus(replace(base, motion=MOTION, seed=cfg.people_seed, seconds=cfg.seconds))


def people(corpus: Corpus, split: str, count: int) -> list[int]:
    """The first `count` speakers of a split who have one of the judge's voices."""
    first = FIRST_SPEAKER[("train", "val").index(split)]
    found = (k for k in range(first, first + FIRST_SPEAKER[1]) if judges_voice(corpus, k))
    return [k for _, k in zip(range(count), found)]


def grey_mouths(frames: np.ndarray, lmk_neutral: np.ndarray, size: int) -> torch.Tensor:
    """(T, size, size) uint8 grey mouths of frames (T, H, W, 3) uint8, boxes from the pose-only landmarks (T, 68, 2)."""
    from paperlib.media.cropping import crop_frames, mouth_box

    crops = crop_frames(frames, mouth_box(lmk_neutral), size).astype(np.float32)
    return torch.from_numpy((crops @ np.array([0.299, 0.587, 0.114], np.float32) + 0.5).astype(np.uint8))


def mouth_item(clip: Clip, size: int) -> MouthItem:
    """Mouths of one clip with its MFCC windows."""
    from paperlib.media.audio import mfcc_windows

    return MouthItem(grey_mouths(clip.frames, clip.lmk_neutral, size), torch.from_numpy(mfcc_windows(clip.wave, len(clip))).float())


def seen_bank(corpus: Corpus, cfg: JudgeConfig) -> list[Seen]:
    """Pictures with truth: one clip of each of cfg.people speakers, made when they are not there."""
    clips = [corpus.load(ClipId("train", k, 0, 0)) for k in people(corpus, "train", cfg.people)]
    return [Seen(mouth_motion(torch.from_numpy(c.coeffs[:, 80:144])), grey_mouths(c.frames, c.lmk_neutral, cfg.size)) for c in clips]


def heard_item(corpus: Corpus, clip: ClipId) -> Heard:
    """Truth and MFCC windows of one clip; nothing is drawn."""
    item = speech_item(corpus, clip)
    return Heard(mouth_motion(item.exp), item.mfcc.half())


def heard_bank(corpus: Corpus, cfg: JudgeConfig) -> list[Heard]:
    """Truth and sound of cfg.heard_speakers people, cfg.heard_clips sentences each, longer than the drawn clips."""
    long = Corpus(replace(corpus.cfg, seconds=cfg.heard_seconds), corpus.root)
    who = people(long, "train", cfg.heard_speakers)
    return [heard_item(long, ClipId("train", k, scene, 0)) for k in who for scene in range(cfg.heard_clips)]


def validation_clips(corpus: Corpus, cfg: JudgeConfig) -> list[ClipId]:
    """One clip of each of cfg.val_people unseen speakers, with unseen sentences."""
    return [ClipId("val", k, 0, 0) for k in people(corpus, "val", cfg.val_people)]


def validation(corpus: Corpus, cfg: JudgeConfig) -> list[MouthItem]:
    """Mouths and sound of the validation clips."""
    return [mouth_item(corpus.load(c), cfg.size) for c in validation_clips(corpus, cfg)]


def validation_heard(corpus: Corpus, cfg: JudgeConfig) -> list[Heard]:
    """Truth and sound of the validation clips."""
    return [heard_item(corpus, c) for c in validation_clips(corpus, cfg)]


def windows(mouths: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """(B, 7, S, S) in [0, 1] around `centres` of grey mouths (T, S, S) uint8."""
    return mouths[centres[:, None] + torch.arange(SPAN) - SPAN // 2].float() / 255


@torch.no_grad()
def cosines(net: Judge, item: MouthItem) -> np.ndarray:
    """(N, N) scores of one clip's N = T - 6 mouth windows, rows, with its MFCC windows, columns."""
    net.eval()
    centres = torch.arange(SPAN // 2, len(item.mouths) - SPAN // 2)
    mouth = torch.cat([net.embed_mouth(windows(item.mouths, c)) for c in centres.split(64)])
    return sync_windows.similarity(mouth.numpy(), net.embed_sound(item.mfcc[centres]).numpy())


def train_judge(
    net: Judge, seen: list[Seen], heard: list[Heard], val: list[MouthItem], cfg: JudgeConfig, seed: int, **loop
) -> tuple[History, MotionNet]:
    """Train `net` through the truth (`lip_truth`), sound and pictures in each step, as the expert is; nothing of the two is shared.

    Validation keeps the state with the lowest contrastive loss of pictures against sound on unseen speakers. Returns the log and the
    truth's network. loop: see `loop.fit`.
    """
    generator = torch.Generator().manual_seed(seed + 1000)  # never the expert's
    truth = MotionNet(heard, SPAN, cfg.embed, nonnegative=False)

    def pictures(mouths: torch.Tensor) -> torch.Tensor:
        return net.embed_mouth(recolour(mouths.float() / 255, generator))

    def validate() -> Mapping[str, float]:
        tables = [cosines(net, item) for item in val]
        return {"val": validation_loss(tables), "val_accuracy": accuracy(tables, SPAN)[0]}

    looks = (max(2, 2 * cfg.looks // MOMENTS), MOMENTS // 2)
    history = fit_through_truth(
        net, truth, net.embed_sound, pictures, heard, seen, cfg, generator, moments=MOMENTS, looks=looks, validate=validate,
        hear=other_mfcc, **loop,
    )  # fmt: skip
    return history, truth
