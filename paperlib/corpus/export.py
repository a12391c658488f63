"""Embedded clips laid out as a download of VoxCeleb or LRW: wide videos with the face in them, and annotation files.

With it the preparation of real corpora can be run, measured and tested by anybody; what comes out can be compared with the truth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paperlib.config import FPS
from paperlib.corpus.dataset import Clip
from paperlib.corpus.voxceleb import REFERENCE_HEIGHT
from paperlib.media.guided import detector_boxes
from paperlib.media.video import write_video

MARGIN = 0.3  # of the clip's side, added on every side: a grown face box must not leave the picture


def widen(frames: np.ndarray, margin: float = MARGIN) -> np.ndarray:
    """Frames (T, H, W, 3) with their blurred mean colour around them, as a wider shot would have."""
    pad = round(margin * frames.shape[1])
    colour = np.median(frames[0].reshape(-1, 3), 0).astype(np.uint8)
    wide = np.broadcast_to(colour, (len(frames), frames.shape[1] + 2 * pad, frames.shape[2] + 2 * pad, 3)).copy()
    wide[:, pad : pad + frames.shape[1], pad : pad + frames.shape[2]] = frames
    return wide


def export_voxceleb(clips: list[tuple[str, Clip]], folder: Path, first: int = 0, fractions: bool = False) -> None:
    """Write `txt/` and `videos/` for clips named <person>/<video>/<utterance>. first: frame in which the utterance starts.

    fractions: boxes as VoxCeleb2 gives them, else in pixels of a picture 360 high, as in VoxCeleb1.
    """
    for name, clip in clips:
        person, video, _ = name.split("/")
        frames = widen(clip.frames)
        frames = np.concatenate([np.repeat(frames[:1], first, 0), frames])
        wave = np.concatenate([np.zeros(first * 640, np.float32), clip.wave])
        path = folder / "videos" / f"{video}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, frames, FPS, wave, crf=12)
        height, width = frames.shape[1:3]
        boxes = detector_boxes(clip.lmk + round(MARGIN * clip.frames.shape[1]))
        boxes[:, 2:] -= boxes[:, :2]
        unit = np.array([width, height, width, height]) if fractions else height / REFERENCE_HEIGHT
        rows = ["{:06d} \t{:.3f} \t{:.3f} \t{:.3f} \t{:.3f} ".format(first + t, *row) for t, row in enumerate(boxes / unit)]
        head = [f"Identity  : \t{person}", f"Reference : \t{video}", "Offset    : \t0", "FV Conf   : \t20.0", "ASD Conf  : \t5.0", ""]
        note = folder / "txt" / f"{name}.txt"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text("\n".join([*head, "FRAME \tX \tY \tW \tH ", *rows]) + "\n")


def export_lrw(clips: list[tuple[str, Clip]], folder: Path, duration: float = 0.4) -> None:
    """Write <WORD>/<split>/<WORD>_00001.mp4 and its .txt for clips named so; the first 29 frames of each (or all, when shorter)."""
    for name, clip in clips:
        path = folder / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, widen(clip.frames[:29]), FPS, clip.wave[: 29 * 640], crf=12)
        path.with_suffix(".txt").write_text(f"Disk reference: 0\nChannel: none\nDuration: {duration:.2f} seconds\n")
