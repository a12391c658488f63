"""Training of the small SyncNet: the expert that the semantic teacher is trained against. It never scores results (PROTOCOL rule 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from paperlib.config import Profile, SyncConfig
from paperlib.corpus.banks import FaceItem, face_boxes, speech_item, to_float
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.errors import InputError
from paperlib.media.other_voices import other_mel
from paperlib.metrics import sync_windows
from paperlib.models.syncnet import SyncNet
from paperlib.training.lip_truth import Heard, MotionNet, Seen, fit_through_truth, judges_voice, mouth_motion, recolour, truth_table
from paperlib.training.loop import History

SPAN = 5  # frames in a window, as SyncNet and Wav2Lip
MOMENTS = 8  # of one clip that are told apart
TEST_FRAMES = 25  # frames of the windows in which accuracy is counted: one second


def lips(faces: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """(B, 15, S/2, S) float windows of five frames around `centres` from (T, S, S, 3) uint8 faces: the lower half of each."""
    rows = centres[:, None] + torch.arange(SPAN) - SPAN // 2
    return stacked(faces[rows])


def stacked(faces: torch.Tensor) -> torch.Tensor:
    """(B, 5, S, S, 3) uint8 windows -> (B, 15, S/2, S) in [0, 1]: lower halves, frames as channels."""
    x = to_float(faces)
    return x[..., x.shape[-1] // 2 :, :].flatten(1, 2)


def heard_item(corpus, clip) -> Heard:
    """Truth and mel windows of one clip; nothing is drawn."""
    item = speech_item(corpus, clip)
    return Heard(mouth_motion(item.exp), item.mel[:, None].half())


def heard_bank(corpus, cfg: SyncConfig) -> list[Heard]:
    """Training clips as `heard_item`. Embedded corpus: of cfg.heard_speakers people those without a voice of the judge's.

    corpus: the embedded one, or a prepared folder, of which every training clip is taken.
    """
    if not isinstance(corpus, Corpus):
        return [heard_item(corpus, c) for c in corpus.clips("train")]
    wider = Corpus(replace(corpus.cfg, train_speakers=cfg.heard_speakers, clips_per_speaker=cfg.heard_clips), corpus.root)
    clips = [c for c in wider.clips("train") if not judges_voice(wider, c.speaker)]
    if not clips:
        raise InputError(f"sync.heard_speakers {cfg.heard_speakers}: all of them have voices of the judge's; raise it")
    return [heard_item(wider, c) for c in clips]


def seen_item(clip: Clip, size: int) -> Seen:
    """Face crops (T, S, S, 3) of one clip, as `banks.face_item` makes them, with the truth."""
    from paperlib.media.cropping import crop_frames

    faces = crop_frames(clip.frames, face_boxes(clip.lmk_neutral), size)
    return Seen(mouth_motion(torch.from_numpy(clip.coeffs[:, 80:144])), torch.from_numpy(faces))


def seen_bank(corpus, profile: Profile) -> list[Seen]:
    """Pictures with truth of every training clip, and, of the embedded corpus, of the many faces on which the regressor learns too."""
    from paperlib.training.regressor import corpora

    sources = [corpus]
    if isinstance(corpus, Corpus):
        many = corpora(corpus.cfg, profile.regressor)[0]
        many.prepare(("train",))
        sources.append(many)
    return [seen_item(c.load(clip), profile.sync.size) for c in sources for clip in c.clips("train")]


@torch.no_grad()
def cosines(net: SyncNet, item: FaceItem) -> np.ndarray:
    """(N, N) cosines of one clip's N = T - 4 lip windows, rows, with its mel windows, columns."""
    net.eval()
    centres = torch.arange(SPAN // 2, len(item.faces) - SPAN // 2)
    lip = torch.cat([net.embed_lips(lips(item.faces, c)) for c in centres.split(64)])
    return sync_windows.similarity(lip.numpy(), net.embed_mel(item.mel[centres, None]).numpy())


def accuracy(tables: list[np.ndarray], span: int = SPAN, frames: int = TEST_FRAMES) -> tuple[float, float]:
    """(accuracy over windows of `frames` frames by the best single threshold, that threshold) of the clips' tables of cosines.

    span: frames of one look. Clips too short for such a window are left out.
    """
    looks = frames - span + 1
    scores = [sync_windows.window_scores(t, looks) for t in tables if len(t) - looks >= sync_windows.APART]
    if not scores:
        raise ValueError(f"accuracy: none of {len(tables)} clips holds two windows of {frames} frames")
    threshold = sync_windows.best_threshold(scores)
    return float(np.mean([sync_windows.accuracy(*s, threshold) for s in scores])), threshold


def validation_loss(tables: list[np.ndarray]) -> float:
    """`sync_contrastive_loss` from the clips' tables of cosines: groups of MOMENTS moments APART frames or more from each other."""
    losses = []
    for table in tables:
        slots = torch.arange(0, len(table), sync_windows.APART)
        groups = len(slots) // MOMENTS
        for g in range(groups):
            at = slots[g::groups][:MOMENTS].numpy()
            logits = 10.0 * torch.from_numpy(table[np.ix_(at, at)])
            right = torch.arange(MOMENTS)
            losses.append(float(F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2)
    if not losses:
        raise ValueError(f"validation_loss: none of {len(tables)} clips has {MOMENTS} moments")
    return float(np.mean(losses))


def card(tables: list[np.ndarray], truth: MotionNet, embed_sound, known: list[Heard]) -> dict:
    """What a sync network's card says of validation clips, for windows of each length that holds a look: accuracy, the threshold that
    belongs to it, and the accuracy of the true motion in place of the pictures. tables: of pictures; known: truth of the same clips."""
    best = [truth_table(truth, embed_sound, item) for item in known]
    out: dict = {}
    for frames in sync_windows.WINDOWS:
        if frames >= truth.span and any(len(t) - (frames - truth.span + 1) >= sync_windows.APART for t in tables):
            (share, threshold), (bound, _) = accuracy(tables, truth.span, frames), accuracy(best, truth.span, frames)
            out[str(frames)] = {"accuracy": round(share, 4), "threshold": round(threshold, 4), "of_the_truth": round(bound, 4)}
    return {"validation_accuracy": out[str(TEST_FRAMES)]["accuracy"], "windows": out}


def train_sync(
    net: SyncNet, seen: list[Seen], heard: list[Heard], val: list[FaceItem], cfg: SyncConfig, seed: int, **loop
) -> tuple[History, MotionNet]:
    """Train `net` through the truth (`lip_truth`): sound by `heard_loss`, pictures by `seen_loss`, in each step both.

    Validation keeps the state with the lowest contrastive loss of pictures against sound on unseen speakers. Wav2Lip's cosine loss
    stays at 0.70 here, see `sync_contrastive_loss`. Returns the log and the truth's network. loop: see `loop.fit`.
    """
    generator = torch.Generator().manual_seed(seed)
    truth = MotionNet(heard, SPAN, cfg.embed, nonnegative=True)

    def pictures(windows: torch.Tensor) -> torch.Tensor:
        return net.embed_lips(recolour(stacked(windows), generator))

    def validate() -> Mapping[str, float]:
        tables = [cosines(net, item) for item in val]
        return {"val": validation_loss(tables), "val_accuracy": accuracy(tables)[0]}

    looks = (cfg.looks, 1)  # one of a clip: BatchNorm sees as many people
    history = fit_through_truth(
        net, truth, net.embed_mel, pictures, heard, seen, cfg, generator, moments=MOMENTS, looks=looks, validate=validate,
        hear=lambda mel, g: other_mel(mel[:, :, 0], g)[:, :, None], **loop,
    )  # fmt: skip
    return history, truth
