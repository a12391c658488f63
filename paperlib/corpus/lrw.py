"""LRW word clips (Chung & Zisserman 2016) by the rules of ATVGnet (Chen et al. 2019, the paper's pre-processing reference).

Layout: `<WORD>/<train|val|test>/<WORD>_00001.mp4` with `<WORD>_00001.txt` beside it, whose line `Duration:` gives the word's length; the
word lies in the clip's middle. 29 frames at 25 fps.

Rules: dlib's detector on the first frame, enlarged once; a square around the box's centre with half side 0.8 of the box's height, its
corner kept inside the picture, the same for the whole clip, resized to 256 (INTER_AREA); all 29 frames with landmarks, all of them inside
the crop, else the clip is left out. LRW names no speakers: `speaker` is the word; splits are LRW's own (ATVGnet counts val as test).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from paperlib.config import FPS
from paperlib.corpus import preparing
from paperlib.corpus.preparing import How, Outcome, Unit, rejection, relative
from paperlib.errors import InputError

FRAMES = 29
HALF_SIDE = 0.8  # of the detector's box height
SPLITS = ("train", "val", "test")
LICENCE = "LRW: BBC's terms, research only, by agreement; clips and pictures must not be redistributed"


@dataclass(frozen=True)
class Settings:
    """size: side of the clips, pixels."""

    size: int = 256


def prepare(folder: Path, out: Path, settings: Settings = Settings(), **how) -> dict:
    """Prepare the word clips of `folder` into `out`; returns the card. how: see `preparing.How`. Raises InputError for bad folders."""
    spread = How(**how).check()
    preparing.check_folder(folder, "LRW as unpacked, <WORD>/<train|val|test>/*.mp4")
    files = sorted(p for s in SPLITS for p in folder.glob(f"*/{s}/*.mp4"))
    if not files:
        raise InputError(f"{folder}: no <WORD>/<train|val|test>/*.mp4; unpack LRW's parts here")
    digests = preparing.hashes(files, spread)
    copies = preparing.duplicates(digests)
    rejected = [
        rejection(clip_name(p), relative(p, folder), "duplicate", f"byte-equal to {relative(first, folder)}") for p, first in copies.items()
    ]
    units = [Unit(clip_name(p), p, digests[p]) for p in files if p not in copies]
    card = {"corpus": "lrw", "licence": LICENCE, "rules": "ATVGnet lrw_data.py; speakers are not known, `speaker` is the word"}
    return preparing.run(partial(prepare_clip, folder, out, settings), units, out, settings, spread, card, rejected)


def clip_name(path: Path) -> str:
    """<WORD>/<split>/<WORD>_00001."""
    return f"{path.parent.parent.name}/{path.parent.name}/{path.stem}"


def read_duration(path: Path) -> float:
    """Seconds of the spoken word from LRW's text file. Raises InputError."""
    found = re.search(r"^Duration:\s*([0-9.]+)", path.read_text(), re.MULTILINE)
    if not found:
        raise InputError(f"{path}: no line `Duration: SECONDS`; unpack LRW again")
    return float(found[1])


def word_times(word: str, duration: float) -> list[tuple[str, float, float]]:
    """(word, start, end) in seconds: the word lies in the middle of the clip.

    >>> word_times("ABOUT", 0.4)
    [('about', 0.38, 0.78)]
    """
    middle = FRAMES / FPS / 2
    return [(word.lower(), round(max(0.0, middle - duration / 2), 4), round(min(2 * middle, middle + duration / 2), 4))]


def atvg_box(rect: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """ATVGnet's square (left, top, right, bottom) for a detector's box (x, y, width, height).

    >>> atvg_box((70, 60, 100, 100)), atvg_box((10, 60, 100, 100))
    ((40, 30, 200, 190), (0, 30, 160, 190))
    """
    x, y, width, height = rect
    half = int(HALF_SIDE * height)
    left, top = max(x + int(0.5 * width) - half, 0), max(y + int(0.5 * height) - half, 0)
    return left, top, left + 2 * half, top + 2 * half


def first_face(frame: np.ndarray) -> tuple[int, int, int, int] | None:
    """The detector's first box (x, y, width, height) in a frame enlarged once, or None."""
    import cv2

    from paperlib.media.detection import _dlib

    detector, _ = _dlib()
    rects = detector(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), 1)
    return (rects[0].left(), rects[0].top(), rects[0].width(), rects[0].height()) if len(rects) else None


def prepare_clip(folder: Path, out: Path, settings: Settings, unit: Unit) -> Outcome:
    """Cut, fit and store one word clip; 29 small frames are held in memory."""
    from paperlib.corpus.fitted import cut, store_clip, to_cut
    from paperlib.media import guided, segments

    path, name, source = unit.source, unit.name, relative(unit.source, folder)
    word, split, _ = name.split("/")
    frames = list(segments.frames_at(path, 0, FRAMES))

    def left_out(reason: str, detail: str = "") -> Outcome:
        return Outcome([], [rejection(name, source, reason, detail)])

    if len(frames) < FRAMES:
        return left_out("too_short", f"{len(frames)} frames, {FRAMES} needed")
    rect = first_face(frames[0])
    if rect is None:
        return left_out("no_face", "none in the first frame")
    box, shape = atvg_box(rect), frames[0].shape
    lmk = guided.landmarks_near(frames, np.tile(np.array(rect, float), (FRAMES, 1)))
    if missed := int(np.isnan(lmk[:, 0, 0]).sum()):
        return left_out("missed_frames", f"no landmarks in {missed} of {FRAMES} frames")
    points = to_cut(lmk, box, shape, settings.size)
    if points.min() < 0 or points.max() > settings.size:
        return left_out("leaves_crop", f"landmarks from {points.min():.0f} to {points.max():.0f} of {settings.size} px")
    wave = segments.sound_at(path, 0, FRAMES)
    if wave is None:
        return left_out("no_sound")
    note = path.with_suffix(".txt")
    words = word_times(word, read_duration(note)) if note.exists() else []
    meta = {
        "corpus": "lrw", "split": split, "speaker": word, "hash": unit.sha256, "source": source, "sentence": word.lower(), "words": words,
        "box": list(box), "landmarks": "dlib",
    }  # fmt: skip
    stats = store_clip(out / f"{name}.mp4", (cut(f, box, settings.size) for f in frames), points, wave, settings.size, meta)
    row = {
        "clip": name, "split": split, "speaker": word, "source": source, "sha256": unit.sha256, "start": 0, "end": FRAMES, "fps": 25,
        "box": "-".join(map(str, box)), "width": shape[1], "height": shape[0], "landmarks": "dlib", **stats,
    }  # fmt: skip
    return Outcome([row], [])
