"""A corpus on disk, laid out as VoxCeleb is: `<speaker>/<video>/<clip>.mp4`, with the truth beside each clip as .npz.

Clips of the embedded corpus are made when they are first asked for; `prepare` makes them all, on several cores, and can be
stopped and started again.
"""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from paperlib import paths
from paperlib.artifacts import atomic_write, code_hash
from paperlib.config import FPS, CorpusConfig, config_hash
from paperlib.corpus import synthetic
from paperlib.corpus.synthetic import ClipId

# Modules that decide what a clip is; a test holds the list against what they import.
MADE_BY = (
    "seeding", "corpus.synthetic", "corpus.world", "corpus.scenery", "corpus.articulation", "corpus.rule2", "corpus.real_motion",
    "corpus.visemes", "corpus.sentences", "corpus.text_english", "corpus.text_others", "corpus.speech", "face3d.appearance",
    "face3d.camera", "face3d.coefficients", "face3d.face_renderer", "face3d.illumination", "face3d.landmarks",
    "face3d.morphable_model", "face3d.rasterizer", "media.audio", "media.video", "metrics.geometry",
)  # fmt: skip


@dataclass
class Clip:
    """A clip in memory. frames uint8 (T, H, W, 3); wave float32 16 kHz; coeffs (T, 257) true; lmk, lmk_neutral (T, 68, 2) px."""

    id: ClipId
    frames: np.ndarray
    wave: np.ndarray
    coeffs: np.ndarray
    lmk: np.ndarray
    lmk_neutral: np.ndarray
    phonemes: list
    sentence: str
    voice: str
    language: str

    def __len__(self) -> int:
        return len(self.frames)

    def masks(self) -> np.ndarray:
        """Cropped region Omega_c (T, 1, H, W), 1 inside; posed by the head and a neutral mouth, never by the frame's own lips."""
        from paperlib.media.cropping import mouth_mask

        return mouth_mask(self.lmk_neutral, self.frames.shape[1])

    def flow(self, target: int, reference: int) -> tuple[np.ndarray, np.ndarray]:
        """True backward flow (2, H, W) px from frame `target` to frame `reference`, and where it holds (H, W) bool."""
        from paperlib.face3d.face_renderer import true_flow
        from paperlib.face3d.morphable_model import default_model

        rows = torch.from_numpy(self.coeffs[[target, reference]])
        flow, valid = true_flow(default_model(), rows[0], rows[1], self.frames.shape[1])
        return flow.numpy(), valid.numpy()


class Corpus:
    """The embedded corpus of `cfg`, stored under `root` (default: the cache, keyed by settings and by the code that makes it)."""

    def __init__(self, cfg: CorpusConfig, root: Path | None = None) -> None:
        self.cfg = cfg
        # Numbers of speakers do not change what a clip looks like: profiles that differ only there share clips.
        look = {k: v for k, v in asdict(cfg).items() if not k.endswith("speakers") and k not in ("clips_per_speaker", "test_scenes")}
        if cfg.motion == "real":
            from paperlib.corpus import real_motion

            look["recordings"] = real_motion.fingerprint(real_motion.FOLDER)
        self.look = look
        self.key = config_hash(look, _code())
        self.root = root or paths.CACHE / "corpus" / self.key

    def clips(self, split: str) -> list[ClipId]:
        """Clip names of one split, in a fixed order."""
        return [c for c in synthetic.plan(self.cfg) if c.split == split]

    def path(self, clip: ClipId) -> Path:
        """The clip's mp4 (which may not exist yet)."""
        return self.root / f"{clip.name}.mp4"

    def ensure(self, clip: ClipId) -> Path:
        """Make the clip unless it is there. The truth is written last: a clip with a truth file is whole."""
        path = self.path(clip)
        if not path.with_suffix(".npz").exists():
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # sums in one order: the same bytes wherever a clip is made
            try:
                _write(synthetic.make_clip(self.cfg, clip), path)
            finally:
                torch.set_num_threads(threads)
        return path

    def speech(self, clip: ClipId) -> tuple[np.ndarray, np.ndarray]:
        """True coefficients (T, 257) and the wave; nothing is rendered."""
        coeffs, wave, *_ = synthetic.clip_coefficients(self.cfg, clip)
        return coeffs, wave

    def load(self, clip: ClipId) -> Clip:
        """The clip with its truth, made first if necessary."""
        from paperlib.media.video import read_video

        path = self.ensure(clip)
        video = read_video(path)
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as truth:
            meta = json.loads(str(truth["meta"]))
            arrays = {k: truth[k] for k in ("coeffs", "lmk", "lmk_neutral", "wave")}
        if len(video.frames) != len(arrays["coeffs"]):
            rows = len(arrays["coeffs"])
            raise RuntimeError(f"{path}: {len(video.frames)} frames but {rows} rows of truth; delete the file and run again")
        return Clip(id=clip, frames=video.frames, **arrays, **meta)

    def prepare(self, splits: tuple[str, ...] = synthetic.SPLITS, workers: int | None = None, progress: bool = True) -> int:
        """Make every missing clip of `splits`; returns how many were made. Interrupt or kill, and call again to go on."""
        from paperlib.corpus.bulk import prepare

        return prepare(self, splits, workers, progress).made


def _write(raw: synthetic.RawClip, path: Path) -> None:
    """Picture and sound, then the truth; each under a private name first, and with the same bytes for the same clip."""
    import io

    from paperlib.media.video import write_video

    path.parent.mkdir(parents=True, exist_ok=True)
    private = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    # 4:4:4 keeps the colour of small lips; crf 10 is visually lossless.
    write_video(private, raw.frames, FPS, raw.wave, crf=10, pixel_format="yuv444p", preset="veryfast", repeatable=True)
    private.replace(path)
    buffer = io.BytesIO()  # numpy gives its zip members no clock time
    meta = json.dumps({"phonemes": raw.phonemes, "sentence": raw.sentence, "voice": raw.voice, "language": raw.language})
    # The wave is kept as made: AAC shifts and colours it.
    np.savez_compressed(buffer, coeffs=raw.coeffs, lmk=raw.lmk, lmk_neutral=raw.lmk_neutral, wave=raw.wave, meta=np.array(meta))
    atomic_write(path.with_suffix(".npz"), buffer.getvalue())


def _code() -> str:
    """Hash of the code and the model file that clips are made by: whatever changes a clip, picture, sound or truth, is in it."""
    from paperlib.artifacts import file_hash
    from paperlib.face3d.model_choice import chosen_file

    return code_hash([*(importlib.import_module(f"paperlib.{name}") for name in MADE_BY), _write]) + file_hash(chosen_file())[:12]
