"""The GRID audio-visual sentence corpus (Cooke et al. 2006), the one real talking-face corpus that needs no application.

Layout as downloaded: `<speaker>/<code>.mpg` (25 fps, 3 s), word times in `<code>.align` beside the clip, or in an `align` folder below or
beside the speaker's. 1000 units of align time are one frame. The six letters of a code are the sentence: `bbaf2n` = bin blue at f two now.

A folder whose name is not s<number> holds clips of unknown people: each clip counts as another speaker, except the pairs known to
be one person. Byte-equal files are dropped, the copy under a numbered speaker kept (PROTOCOL rule 12).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from paperlib.corpus import preparing, still_camera
from paperlib.corpus.preparing import How, Outcome, Unit, rejection, relative
from paperlib.errors import InputError

UNITS_PER_SECOND = 25_000  # of align time: 1000 for each frame of 25 fps
GRAMMAR = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {c: c for c in "abcdefghijklmnopqrstuvxyz"},
    dict(zip("z123456789", "zero one two three four five six seven eight nine".split())),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
SAME_PERSON = (("id2_vcd_swwp2s", "pwij3p"),)  # clips of unknown people that show one person, found by looking
SPEAKER = re.compile(r"s\d{1,2}$")
SUFFIXES = (".mpg", ".mpeg", ".mp4", ".avi")
LICENCE = "GRID corpus, Cooke et al. 2006, doi 10.5281/zenodo.3625687; reported as CC BY 4.0: check there before redistributing"


@dataclass(frozen=True)
class Settings:
    """size: side of the clips, pixels. test, val: speakers of these splits, everybody else trains; test is LipNet's unseen four."""

    size: int = 192
    test: tuple[str, ...] = ("s1", "s2", "s20", "s22")
    val: tuple[str, ...] = ("s5", "s11")


def prepare(folder: Path, out: Path, settings: Settings = Settings(), **how) -> dict:
    """Prepare the clips of `folder` into `out`; returns the card. how: see `preparing.How`. Raises InputError for bad folders."""
    spread = How(**how).check()
    if both := set(settings.test) & set(settings.val):
        raise InputError(f"--test and --val share {', '.join(sorted(both))}; a speaker belongs to one split")
    clips = find_clips(folder)
    digests = preparing.hashes(clips, spread)
    copies = preparing.duplicates(digests)
    rejected = [
        rejection(clip_name(path), relative(path, folder), "duplicate", f"byte-equal to {relative(first, folder)}")
        for path, first in copies.items()
    ]
    people = [f"{clip_speaker(a)} = {b}" for a, b in SAME_PERSON if any(code_of(p) == b for p in clips)]
    card = {"corpus": "grid", "licence": LICENCE, "same_person": people}
    units = [Unit(clip_name(p), p, digests[p]) for p in clips if p not in copies]
    return preparing.run(partial(prepare_clip, folder, out, settings), units, out, settings, spread, card, rejected)


def find_clips(folder: Path) -> list[Path]:
    """Videos one or two folders down, those of numbered speakers first. Raises InputError when there is none."""
    preparing.check_folder(folder, "GRID as unpacked, <speaker>/*.mpg")
    found = [p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.parent != folder]
    if not found:
        raise InputError(f"{folder}: no .mpg files in folders below it; unpack GRID's speaker archives here, one folder for each")
    return sorted(found, key=lambda p: (_numbered(p) is None, p.as_posix()))


def _numbered(path: Path) -> str | None:
    """The nearest folder named s<number>, or None."""
    return next((part.name for part in path.parents if SPEAKER.match(part.name)), None)


def code_of(path: Path) -> str:
    """The clip's code: the file's name without suffix."""
    return path.stem


def clip_speaker(code: str) -> str:
    """Name of the unknown person who speaks a clip that has no speaker's folder; one name for clips known to show one person."""
    first = next((a for a, *others in SAME_PERSON if code in others), code)
    return f"x_{first}"


def clip_name(path: Path) -> str:
    """<speaker>/<code>/00000, VoxCeleb's three levels."""
    return f"{_numbered(path) or clip_speaker(code_of(path))}/{code_of(path)}/00000"


def sentence(code: str) -> str | None:
    """The words that a code stands for; None when it is not one of GRID's. A copy's prefix (id2_vcd_swwp2s) is ignored.

    >>> sentence("bbaf2n"), sentence("id2_vcd_swwp2s")
    ('bin blue at f two now', 'set white with p two soon')
    """
    letters = code.rsplit("_", 1)[-1].lower()
    if len(letters) != len(GRAMMAR) or any(c not in words for c, words in zip(letters, GRAMMAR)):
        return None
    return " ".join(words[c] for c, words in zip(letters, GRAMMAR))


def read_align(path: Path) -> list[tuple[str, float, float]]:
    """(word, start, end) in seconds, silences left out. Raises InputError for a line that is not "start end word"."""
    words = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 3 or not all(p.isdigit() for p in parts[:2]) or int(parts[1]) < int(parts[0]):
            raise InputError(f"{path}: line {number} is not `start end word`; unpack the alignments again")
        if parts[2] not in ("sil", "sp"):
            words.append((parts[2], int(parts[0]) / UNITS_PER_SECOND, int(parts[1]) / UNITS_PER_SECOND))
    return words


def find_align(clip: Path) -> Path | None:
    """The clip's word times: beside it, in `align/` below or beside its folder, or in `align/<speaker>/`."""
    name, here = f"{clip.stem}.align", clip.parent
    places = [here, here / "align", here.parent / "align", here.parent / "align" / here.name, here.parent / "alignments" / here.name]
    return next((p / name for p in places if (p / name).exists()), None)


def split_of(speaker: str, settings: Settings) -> str:
    """The speaker's split."""
    return "test" if speaker in settings.test else "val" if speaker in settings.val else "train"


def prepare_clip(folder: Path, out: Path, settings: Settings, unit: Unit) -> Outcome:
    """Detect, crop, fit and store one clip, `still_camera.prepare_clip`, with its words."""
    path, speaker = unit.source, unit.name.split("/")[0]
    align = find_align(path)
    words = read_align(align) if align else []
    said = " ".join(w for w, _, _ in words) or sentence(code_of(path)) or ""
    meta = {"corpus": "grid", "split": split_of(speaker, settings), "speaker": speaker, "sentence": said, "words": words}
    return still_camera.prepare_clip(out, settings.size, unit, relative(path, folder), meta)
