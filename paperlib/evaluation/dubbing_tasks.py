"""The task of tables 1 and 2, "dub clip A with the speech of B", and what is found once for each clip, whoever dubs it.

Cross-dub: A and B are twins, so B is what the dub should look like, pixel by pixel. Self-reconstruction: A is B; references are a second
away from their frame where the clip is long enough. Cross-sentence: recorded people, A and B two clips of one person; B's pictures say what
that mouth did, but in another pose, so no pixel can be compared.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from paperlib import paths
from paperlib.artifacts import atomic_write, code_hash
from paperlib.baselines.interface import Given, Item, given
from paperlib.config import FPS, TablesConfig, config_hash
from paperlib.corpus.dataset import Clip
from paperlib.corpus.preparing import How, one_thread, spread
from paperlib.evaluation.dubbing_instruments import every, spaced
from paperlib.media import audio

CROSS, SELF, SENTENCE = "cross-dub", "self", "cross-sentence"
FACE, LOWER = 0, 1  # rows of `Known.faces`


@dataclass
class Known:
    """A clip with all that several systems or measures need of it, found once.

    frames, frozen (T, H, W, 3) uint8: as filmed, and with frame 0's mouth throughout; coeffs (T, 257), lmk, lmk_neutral (T, 68, 2) px: the
    corpus's, true or fitted; wave (640 T,); mfcc (T, 13, 28), mel (T, 80, 16). Found in the pictures, as in any dub: points (K, 68, 2) px
    of every `lips_every`-th frame, exp (M, 64) of every `image_every`-th, faces (2, I, 128): identity of the face and of its lower part.
    """

    name: str
    speaker: str
    part: str  # the test set it belongs to
    frames: np.ndarray
    frozen: np.ndarray
    coeffs: np.ndarray
    lmk: np.ndarray
    lmk_neutral: np.ndarray
    wave: np.ndarray
    mfcc: np.ndarray
    mel: np.ndarray
    points: np.ndarray
    exp: np.ndarray
    faces: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> int:
        """Side of the frames, px."""
        return self.frames.shape[1]

    @cached_property
    def masks(self) -> torch.Tensor:
        """Omega_c (T, 1, H, W) float, from pose and a neutral mouth alone."""
        from paperlib.media.cropping import mouth_mask

        return torch.from_numpy(mouth_mask(self.lmk_neutral, self.size)).float()

    def item(self) -> Item:
        """The clip as the baselines take it."""
        arrays = (self.frames, self.masks, self.lmk, self.lmk_neutral, self.coeffs, self.mfcc, self.mel)
        return Item(*(torch.as_tensor(a) if a.dtype in (np.uint8, torch.float32) else torch.from_numpy(a).float() for a in arrays))


def cut(clip: Clip, n: int) -> Clip:
    """The clip's first n frames with their sound; all of it where it is shorter."""
    arrays = {k: getattr(clip, k)[:n] for k in ("frames", "coeffs", "lmk", "lmk_neutral")}
    phonemes = [p for p in clip.phonemes if p[1] < n / FPS]
    return replace(clip, **arrays, wave=clip.wave[: n * audio.SAMPLES_PER_FRAME], phonemes=phonemes)


def know(clip: Clip, cfg: TablesConfig, read: Callable[[np.ndarray], np.ndarray]) -> Known:
    """Find everything; read: uint8 frames (M, H, W, 3) -> expressions (M, 64)."""
    from paperlib.evaluation.controls import frozen_mouth
    from paperlib.media.detection import landmarks_at
    from paperlib.metrics.identity import descriptors

    n = len(clip)
    lips, pictures, picked = every(n, cfg.lips_every), every(n, cfg.image_every), spaced(n, cfg.identity_frames)
    masks = clip.masks()
    still = frozen_mouth(clip.frames.astype(np.float32) / 255, clip.coeffs, masks)
    shown, near = clip.frames[picked], clip.lmk_neutral[picked]
    return Known(
        clip.id.name, str(clip.id.speaker), getattr(clip.id, "test_set", "recorded people"), clip.frames,
        (still.clip(0, 1) * 255 + 0.5).astype(np.uint8), clip.coeffs, clip.lmk, clip.lmk_neutral, clip.wave,
        audio.mfcc_windows(clip.wave, n).astype(np.float32), audio.mel_windows(clip.wave, n).astype(np.float32),
        landmarks_at(clip.frames[lips], clip.lmk_neutral[lips]), read(clip.frames[pictures]),
        np.stack([descriptors(shown, near), descriptors(shown, near, masks[picked, 0] > 0.5)]),
    )  # fmt: skip


@dataclass(frozen=True)
class Task:
    """Dub `source` with the speech of `speech`; `third`: somebody else, whose speech stands in for it in a sanity row. kind: see above."""

    kind: str
    source: Known
    speech: Known
    third: Known

    @property
    def name(self) -> str:
        """Both clips' names."""
        return f"{self.source.name} with {self.speech.name}"

    @property
    def truth(self) -> Known | None:
        """What the dub should look like; None where no picture of it exists."""
        return None if self.kind == SENTENCE else self.speech

    @cached_property
    def given(self) -> Given:
        """The task in the baselines' words; our own system takes the same references."""
        return given(self.source.item(), self.speech.item())


@dataclass(frozen=True)
class Plan:
    """A task by the names of its clips, in the order kind, source, speech, third."""

    kind: str
    source: str
    speech: str
    third: str


@dataclass(frozen=True)
class Store:
    """Known clips on disk, a file each: uncompressed, because every system reads all of them."""

    folder: Path

    def path(self, name: str) -> Path:
        """The clip's file."""
        return self.folder / f"{name.replace('/', '_')}.npz"

    def write(self, known: Known) -> None:
        """Keep it, in one piece."""
        arrays = {f.name: getattr(known, f.name) for f in fields(Known)}
        words = {k: arrays.pop(k) for k in ("name", "speaker", "part")}
        buffer = io.BytesIO()
        np.savez(buffer, words=np.array(json.dumps(words)), **arrays)
        atomic_write(self.path(known.name), buffer.getvalue())

    def read(self, name: str) -> Known:
        """The clip that `write` kept."""
        with np.load(self.path(name), allow_pickle=False) as kept:
            return Known(**json.loads(str(kept["words"])), **{k: kept[k] for k in kept.files if k != "words"})

    def task(self, plan: Plan) -> Task:
        """The task of a plan; a clip that is two things in it is read once."""
        read = {name: self.read(name) for name in {plan.source, plan.speech, plan.third}}
        return Task(plan.kind, read[plan.source], read[plan.speech], read[plan.third])


@dataclass(frozen=True)
class _Know:
    """Loads one clip of a corpus, cut to `cfg.frames`, and stores what is known of it."""

    store: Store
    corpus: object
    cfg: TablesConfig
    reader: Callable[[], Callable[[np.ndarray], np.ndarray]]

    def __call__(self, clip) -> None:
        with one_thread():
            self.store.write(know(cut(self.corpus.load(clip), self.cfg.frames), self.cfg, self.reader()))


def fill(corpus, clips: Sequence, cfg: TablesConfig, shelf, how: How, root: Path | None = None) -> Store:
    """The store of these clips, what is missing made now; embedded clips are rendered first where they are not there.

    shelf: `evaluation.shelf.Shelf` with the network that reads expressions. Kill it and call again: no clip is made twice.
    """
    import paperlib.media.cropping as cropping
    import paperlib.media.detection as detection
    from paperlib.evaluation import controls, dubbing_instruments, dubbing_tasks
    from paperlib.metrics import identity

    modules = (dubbing_tasks, dubbing_instruments, controls, cropping, detection, audio, identity)
    looks = (cfg.frames, cfg.image_every, cfg.lips_every, cfg.identity_frames)
    reader = _Reader(shelf)
    key = config_hash(corpus.key, looks, reader.label, code_hash(modules))
    store = Store((root or paths.CACHE) / "dubbing_clips" / key)
    missing = [c for c in clips if not store.path(c.name).exists()]
    for _ in spread(_Know(store, corpus, cfg, reader), missing, how, len(missing), "what is known of each clip"):
        pass
    return store


@dataclass(frozen=True)
class _Reader:
    """The reader of expressions, loaded where it is used."""

    shelf: object

    @property
    def label(self) -> str:
        return self.shelf.or_classroom("regressor").label("regressor")

    def __call__(self) -> Callable[[np.ndarray], np.ndarray]:
        from paperlib.evaluation.dubbing_instruments import instruments

        return instruments(self.shelf).expressions
