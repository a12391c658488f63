"""VoxCeleb 1 and 2 by the rules of first-order-model's video-preprocessing (Siarohin et al. 2019), from videos already downloaded.

Layout: `txt/<person>/<video>/<utterance>.txt` (VoxCeleb's annotations: frame numbers at 25 fps, a face box for each; pixels of a picture
360 high in VoxCeleb1, fractions in VoxCeleb2) and `videos/<video>.mp4` (or `videos/<person>/<video>.mp4`).

Rules: in each frame the detected face with the largest IoU to the annotation; a tube of frames ends when the box's IoU with the tube's
first box falls below 0.25, or after 1024 frames; its box is the union; shorter than 64 frames or smaller than 256 pixels: rejected;
grown by 0.1 and made square; leaving the frame: rejected; resized to 256. What differs: the detector is dlib with boxes stretched
over its landmarks (S3FD's weights are a download), and a video of another rate is read at 25 fps by nearest frame, not through ffmpeg.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paperlib.artifacts import atomic_write
from paperlib.corpus import preparing
from paperlib.corpus.preparing import How, Outcome, Unit, rejection, relative
from paperlib.errors import InputError

REFERENCE_HEIGHT = 360  # of the picture in which VoxCeleb1's boxes are given
VOX1_TEST = frozenset(f"id{i}" for i in range(10270, 10310))
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")
LICENCE = "VoxCeleb annotations CC BY-SA 4.0 (Nagrani et al. 2017, Chung et al. 2018); the videos belong to their owners"
FOMM_COLUMNS = ("video_id", "start", "end", "bbox", "fps", "width", "height", "partition")


@dataclass(frozen=True)
class Settings:
    """first-order-model's defaults. size, min_size: pixels; increase: of the box's side, on each side."""

    size: int = 256
    iou_with_initial: float = 0.25
    min_frames: int = 64
    max_frames: int = 1024
    min_size: int = 256
    increase: float = 0.1


class Annotation(NamedTuple):
    """One utterance: its first and last frame at 25 fps, boxes (T, 4) left top width height, and whether these are fractions."""

    first: int
    last: int
    boxes: np.ndarray
    fractions: bool

    def pixels(self, height: int, width: int) -> np.ndarray:
        """Boxes (T, 4) in pixels of a picture of this size."""
        return self.boxes * ([width, height, width, height] if self.fractions else height / REFERENCE_HEIGHT)


class Tube(NamedTuple):
    """Frames start..stop-1 of an utterance in which the face stays put; box: the union, left top right bottom."""

    start: int
    stop: int
    box: tuple[float, float, float, float]


def read_annotation(path: Path) -> Annotation:
    """VoxCeleb's utterance file: a header, a line of column names, then `FRAME X Y W H`. Raises InputError."""
    lines = path.read_text().splitlines()
    head = next((i for i, line in enumerate(lines) if line.split()[:1] == ["FRAME"]), None)
    if head is None:
        raise InputError(f"{path}: no line `FRAME X Y W H`; unpack vox1_*_txt.zip or vox2_*_txt.zip again")
    try:
        rows = np.array([[float(v) for v in line.split()[:5]] for line in lines[head + 1 :] if line.strip()])
    except ValueError:
        raise InputError(f"{path}: a row is not five numbers; unpack the annotations again") from None
    if rows.ndim != 2 or rows.shape[1] != 5 or len(rows) < 2:
        raise InputError(f"{path}: fewer than two rows of five numbers; unpack the annotations again")
    return Annotation(int(rows[0, 0]), int(rows[-1, 0]), rows[:, 1:], bool(rows[:, 3:].max() < 4))


def iou(a, b) -> float:
    """Intersection over union of two boxes (left, top, right, bottom), counting whole pixels as first-order-model does.

    >>> iou((0, 0, 9, 9), (0, 0, 9, 9)), iou((0, 0, 9, 9), (0, 5, 9, 14))
    (1.0, 0.3333333333333333)
    """
    inside = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1) * max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    area = [(x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)]
    return float(inside / (sum(area) - inside))


def tubes(boxes: np.ndarray, iou_with_initial: float, max_frames: int) -> list[Tube]:
    """Cut boxes (T, 4) into tubes; rows of zeros (no face) make tubes of their own."""
    out: list[Tube] = []
    start = 0
    for i in range(1, len(boxes) + 1):
        if i == len(boxes) or iou(boxes[start], boxes[i]) < iou_with_initial or i - start >= max_frames:
            part = boxes[start:i]
            out.append(Tube(start, i, (*part[:, :2].min(0).tolist(), *part[:, 2:].max(0).tolist())))
            start = i
    return out


def grown(box, increase: float) -> tuple[int, int, int, int]:
    """The box grown by `increase` of its side on each side, the shorter side further until it is square; cut to whole pixels.

    >>> grown((100, 100, 200, 220), 0.1)
    (78, 88, 222, 232)
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    wider = max(increase, ((1 + 2 * increase) * height - width) / (2 * width))
    taller = max(increase, ((1 + 2 * increase) * width - height) / (2 * height))
    return int(left - wider * width), int(top - taller * height), int(right + wider * width), int(bottom + taller * height)


def judge(tube: Tube, height: int, width: int, settings: Settings) -> tuple[tuple[int, int, int, int] | None, str, str]:
    """(box to cut, "", "") or (None, reason, detail) for a tube in pictures of this size, in first-order-model's order."""
    frames = tube.stop - tube.start
    left, top, right, bottom = tube.box
    if right <= left or bottom <= top:
        return None, "no_face", f"{frames} frames"
    if frames < settings.min_frames:
        return None, "too_short", f"{frames} frames, at least {settings.min_frames}"
    if (side := max(right - left, bottom - top)) < settings.min_size:
        return None, "too_small", f"face of {side:.0f} px, at least {settings.min_size}"
    box = grown(tube.box, settings.increase)
    if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
        return None, "leaves_frame", f"box {'_'.join(map(str, box))} in {width}x{height}"
    return box, "", ""


def prepare(folder: Path, out: Path, settings: Settings = Settings(), **how) -> dict:
    """Prepare every annotated utterance of `folder` into `out`; returns the card. how: see `preparing.How`. Raises InputError."""
    spread = How(**how).check()
    preparing.check_folder(folder, "a folder with txt/ and videos/")
    notes = sorted((folder / "txt").glob("*/*/*.txt"))
    if not notes:
        raise InputError(f"{folder / 'txt'}: no <person>/<video>/<utterance>.txt; unpack VoxCeleb's annotation archives there")
    videos = {(p.parent.parent.name, p.parent.name): None for p in notes}
    videos = {key: find_video(folder, *key) for key in videos}
    digests = preparing.hashes(sorted({p for p in videos.values() if p}), spread)
    copies = preparing.duplicates(digests)
    units, rejected = [], []
    for note in notes:
        person, video = note.parent.parent.name, note.parent.name
        path, name = videos[person, video], f"{person}/{video}/{note.stem}"
        if path is None:
            rejected.append(rejection(name, f"videos/{video}", "no_video", "not downloaded, or no longer there"))
        elif path in copies:
            rejected.append(rejection(name, relative(path, folder), "duplicate", f"byte-equal to {relative(copies[path], folder)}"))
        else:
            units.append(Unit(name, path, digests[path], relative(note, folder)))
    card = {"corpus": "voxceleb", "licence": LICENCE, "rules": "first-order-model video-preprocessing, crop_vox.py"}
    card = preparing.run(partial(prepare_utterance, folder, out, settings), units, out, settings, spread, card, rejected)
    write_fomm_list(out)
    return card


def find_video(folder: Path, person: str, video: str) -> Path | None:
    """The downloaded file of a video id, or None."""
    places = (folder / "videos", folder / "videos" / person)
    return next((p for place in places for s in SUFFIXES if (p := place / f"{video}{s}").exists()), None)


def split_of(person: str) -> tuple[str, str]:
    """(our split, first-order-model's partition): VoxCeleb's test people are test; of the others about one in twenty validates."""
    from paperlib.corpus.voxceleb_ids import VOX2_TEST

    if person in VOX1_TEST or person in VOX2_TEST:
        return "test", "test"
    return preparing.hashed_split(person), "train"


def prepare_utterance(folder: Path, out: Path, settings: Settings, unit: Unit) -> Outcome:
    """Detect along the annotation, cut tubes, judge them, fit and store those that pass."""
    from paperlib.corpus.fitted import cut, store_clip, to_cut
    from paperlib.media import guided, segments, video

    note, person = read_annotation(folder / unit.data), unit.name.split("/")[0]
    info, source = video.probe(unit.source), relative(unit.source, folder)
    boxes = note.pixels(info.height, info.width)
    lmk = guided.landmarks_near(segments.frames_at(unit.source, note.first, note.last), boxes)
    if not len(lmk):
        return Outcome([], [rejection(unit.name, source, "no_frames", f"the video ends before frame {note.first}")])
    split, done = split_of(person)[0], Outcome([], [])
    for number, tube in enumerate(tubes(guided.detector_boxes(lmk), settings.iou_with_initial, settings.max_frames)):
        name = f"{unit.name}_{number:03d}"
        box, reason, detail = judge(tube, info.height, info.width, settings)
        start, end = note.first + tube.start, note.first + tube.stop
        wave = segments.sound_at(unit.source, start, end) if box else None
        if box and wave is None:
            box, reason = None, "no_sound"
        if box is None:
            done.rejected.append(rejection(name, source, reason, f"{detail}; from frame {start}" if detail else f"from frame {start}"))
            continue
        meta = {
            "corpus": "voxceleb", "split": split, "speaker": person, "hash": unit.sha256, "source": source, "sentence": "", "words": [],
            "box": list(box), "start": start, "end": end, "landmarks": "dlib",
        }  # fmt: skip
        crops = (cut(frame, box, settings.size) for frame in segments.frames_at(unit.source, start, end))
        points = to_cut(lmk[tube.start : tube.stop], box, (info.height, info.width), settings.size)
        try:
            stats = store_clip(out / f"{name}.mp4", crops, points, wave, settings.size, meta)
        except InputError as error:
            done.rejected.append(rejection(name, source, "bad_fit", str(error)))
            continue
        done.clips.append(
            {
                "clip": name,
                "split": split,
                "speaker": person,
                "source": source,
                "sha256": unit.sha256,
                "start": start,
                "end": end,
                "fps": 25,
                "box": "-".join(map(str, box)),
                "width": info.width,
                "height": info.height,
                "landmarks": "dlib",
                **stats,
            }  # fmt: skip
        )
    return done


def write_fomm_list(out: Path) -> None:
    """`vox-metadata.csv` beside clips.csv, in first-order-model's own columns, so that its load_videos.py can use it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FOMM_COLUMNS, lineterminator="\n")
    writer.writeheader()
    with open(out / "clips.csv", newline="") as rows:
        for row in csv.DictReader(rows):
            person, video, _ = row["clip"].split("/")
            same = {key: row[key] for key in ("start", "end", "fps", "width", "height")}
            writer.writerow({**same, "video_id": f"{video}#{person}", "bbox": row["box"], "partition": split_of(person)[1]})
    atomic_write(out / "vox-metadata.csv", text.getvalue().encode())
