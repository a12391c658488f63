"""A prepared folder (`paperlib prepare grid | voxceleb | lrw | videos`) as a corpus: the embedded one's calls, so the same training code.

What is truth in the embedded corpus is fitted here. Clips are stored at one size and resized when another is asked for; coefficients do
not change with the size, because the camera is scaled with the picture.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from paperlib.corpus.dataset import Clip
from paperlib.errors import InputError

LANGUAGE = {"grid": "en", "lrw": "en"}  # what a corpus is spoken in, where that is known


@dataclass(frozen=True)
class PreparedId:
    """Name of one prepared clip: split and <speaker>/<video>/<clip>."""

    split: str
    speaker: str
    video: str
    clip: str

    @property
    def name(self) -> str:
        """VoxCeleb's layout: speaker / video / clip."""
        return f"{self.speaker}/{self.video}/{self.clip}"


@dataclass
class PreparedClip(Clip):
    """A clip of real speech: no phonemes, but words (word, start s, end s) where the corpus has them; found (T,): a face was detected."""

    words: list = field(default_factory=list)
    found: np.ndarray | None = None
    meta: dict = field(default_factory=dict)


class PreparedCorpus:
    """The prepared folder `root`, its clips at `size` pixels (default: as stored). Raises InputError when it is not one."""

    motion = "real"  # whose articulation this is, in the words of the results

    def __init__(self, root: Path, size: int | None = None) -> None:
        from paperlib.artifacts import file_hash

        self.root = Path(root)
        for name in ("clips.csv", "card.json"):
            if not (self.root / name).is_file():
                raise InputError(f"{self.root}: has no {name}; finish `paperlib prepare grid|voxceleb|lrw|videos --out {self.root}` first")
        self.card = json.loads((self.root / "card.json").read_text())
        self.stored = int(self.card["settings"]["size"])
        self.size = size or self.stored
        self.key = f"{self.card['corpus']} {file_hash(self.root / 'clips.csv')[:12]}"
        with open(self.root / "clips.csv", newline="") as rows:
            self._clips = [PreparedId(row["split"], *row["clip"].split("/")) for row in csv.DictReader(rows)]

    def clips(self, split: str) -> list[PreparedId]:
        """Clip names of one split, in a fixed order."""
        return [c for c in self._clips if c.split == split]

    def path(self, clip: PreparedId) -> Path:
        """The clip's mp4."""
        return self.root / f"{clip.name}.mp4"

    def prepare(self, splits: tuple[str, ...] = (), **_) -> int:
        """Nothing to make; raises InputError for a split without clips, before any training starts."""
        for split in splits:
            if not self.clips(split):
                raise InputError(f"{self.root}: has no {split} clips; prepare more speakers, or choose them (grid: --test, --val)")
        return 0

    def speech(self, clip: PreparedId) -> tuple[np.ndarray, np.ndarray]:
        """Fitted coefficients (T, 257) and the wave, without reading frames."""
        arrays, _ = self._read(clip)
        return arrays["coeffs"], arrays["wave"]

    def load(self, clip: PreparedId) -> PreparedClip:
        """The clip with its fitted coefficients."""
        from paperlib.media.video import read_video

        arrays, meta = self._read(clip)
        frames = read_video(self.path(clip)).frames
        if len(frames) != len(arrays["coeffs"]):
            raise RuntimeError(
                f"{self.path(clip)}: {len(frames)} frames but {len(arrays['coeffs'])} rows; delete the .npz and prepare again"
            )
        scale = np.float32(self.size / self.stored)
        if scale != 1:
            import cv2

            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            frames = np.stack([cv2.resize(f, (self.size, self.size), interpolation=method) for f in frames])
        return PreparedClip(
            id=clip, frames=frames, wave=arrays["wave"], coeffs=arrays["coeffs"], lmk=arrays["lmk"] * scale,
            lmk_neutral=arrays["lmk_neutral"] * scale, phonemes=[], sentence=meta["sentence"], voice=meta["speaker"],
            language=LANGUAGE.get(meta["corpus"], ""),
            words=[tuple(w) for w in meta["words"]], found=arrays["found"], meta=meta,
        )  # fmt: skip

    def _read(self, clip: PreparedId) -> tuple[dict, dict]:
        with np.load(self.path(clip).with_suffix(".npz"), allow_pickle=False) as stored:
            arrays = {k: stored[k] for k in ("coeffs", "lmk", "lmk_neutral", "found", "wave")}
            return arrays, json.loads(str(stored["meta"]))
