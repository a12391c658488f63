"""What stage 1 reads of a clip, made once and shared by every training: speech features, true coefficients, semantic images.

Nothing is rendered for the speech: a clip of the embedded corpus costs about 0.04 s of a core, so stage 1 may hear many more people than
the renderer sees. The teacher is frozen, so its images of a clip are made once, whatever is trained on them. Arrays lie in the cache,
keyed by corpus, teacher, face model and code, and are mapped into memory: processes that train at the same time share the pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from paperlib.artifacts import stage
from paperlib.corpus.banks import SpeechItem, neutral_actor_item, speech_item

TRUE = "true_frames"  # kind of pictures: the neutral actor with the true expression


@dataclass(frozen=True)
class Store:
    """Clips as stage 1 sees them. items[i] has mfcc (T, 13, 28), mel, coeffs (T, 257), wave; folder: where they lie, its name the key."""

    items: list[SpeechItem]
    folder: Path

    @property
    def key(self) -> str:
        """What the contents depend on, as twelve hex digits."""
        return self.folder.name


def features(corpus, clips: list, root: Path | None = None) -> Store:
    """Speech features and coefficients of `clips` of a corpus (embedded or prepared), computed once."""
    from paperlib.corpus import banks
    from paperlib.media import audio

    def build(folder: Path) -> None:
        parts = {name: [] for name in ("mfcc", "mel", "coeffs", "wave")}
        index = []
        for clip in clips:
            item = speech_item(corpus, clip)
            for name in parts:
                parts[name].append(np.asarray(getattr(item, name), np.float32))
            index.append({"name": clip.name, "frames": len(item.coeffs), "samples": len(item.wave)})
        for name, rows in parts.items():
            np.save(folder / f"{name}.npy", np.concatenate(rows))
        (folder / "index.json").write_text(json.dumps(index))

    folder = stage("speech", [corpus.key, [c.name for c in clips]], build, modules=[banks, audio], root=root)
    arrays = {name: _mapped(folder / f"{name}.npy") for name in ("mfcc", "mel", "coeffs", "wave")}
    items, t, w = [], 0, 0
    for clip, row in zip(clips, json.loads((folder / "index.json").read_text()), strict=True):
        frames, samples = slice(t, t + row["frames"]), slice(w, w + row["samples"])
        mfcc, mel, coeffs = (torch.from_numpy(arrays[name][frames]) for name in ("mfcc", "mel", "coeffs"))
        items.append(SpeechItem(clip, mfcc, mel, coeffs, arrays["wave"][samples]))
        t, w = frames.stop, samples.stop
    return Store(items, folder)


def pictures(store: Store, kind: str, make: Callable[[SpeechItem], torch.Tensor], root: Path | None = None) -> list[torch.Tensor]:
    """Semantic images (T, 3, S, S) uint8 of every clip of `store`, computed once. `kind` names what `make` draws, with its weights."""

    from paperlib.corpus import banks
    from paperlib.media import other_voices
    from paperlib.models import semantic_teacher
    from paperlib.training import teacher

    def build(folder: Path) -> None:
        rows = [make(item) for item in store.items]
        np.save(folder / "images.npy", torch.cat(rows).numpy())

    images = _mapped(
        stage("semantic", [store.key, kind], build, modules=[banks, other_voices, semantic_teacher, teacher], root=root) / "images.npy"
    )
    ends = np.cumsum([len(item.coeffs) for item in store.items])
    return [torch.from_numpy(images[end - len(item.coeffs) : end]) for end, item in zip(ends, store.items, strict=True)]


def _mapped(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="c")  # copy on write: torch wants writable memory, the file stays as it is


def fingerprint(net: torch.nn.Module) -> str:
    """Sixteen hex digits over a network's tensors."""
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        digest.update(name.encode() + value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """[0, 1] to uint8, rounded."""
    return (images * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def drawn_by(teacher, face: torch.Tensor, changed: bool = False) -> Callable[[SpeechItem], torch.Tensor]:
    """A function from a clip to the teacher's images of it (3), on one fixed neutral face.

    changed: for training: half of the clips, always the same, as the teacher hears them in another voice (`media.other_voices`).
    """
    from paperlib.media.other_voices import other_mel
    from paperlib.training.teacher import semantic_images

    def draw(item: SpeechItem) -> torch.Tensor:
        mel = item.mel
        if changed:
            digest = hashlib.sha256(item.id.name.encode()).digest()
            mel = other_mel(mel[None], torch.Generator().manual_seed(int.from_bytes(digest[:4], "big")))[0]
        return to_uint8(semantic_images(teacher, face, mel))

    return draw


def true_frames(size: int) -> Callable[[SpeechItem], torch.Tensor]:
    """The oracle: the neutral actor rendered with the clip's true expression, where a teacher can only guess. It reads the answer."""
    return lambda item: neutral_actor_item(item, size).faces.movedim(-1, 1).contiguous()
