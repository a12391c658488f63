"""Any folder of videos of talking people as a corpus to dub: `<person>/<video>/<clip>.mp4` as VoxCeleb has it, `<person>/<clip>.mp4`, or
plain files.

The first folder names the person; a file that lies in no folder is a person of its own. One still box a clip, as for GRID: people should
stay in their place. Everybody is a test speaker: nothing here is trained on. Dub only people who agreed to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from paperlib.corpus import preparing, still_camera
from paperlib.corpus.preparing import How, Outcome, Unit, rejection, relative
from paperlib.errors import InputError

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
LICENCE = "the videos' owners'; dub only people who agreed to it"


@dataclass(frozen=True)
class Settings:
    """size: side of the clips, pixels; longest: frames of a video that are taken."""

    size: int = 192
    longest: int = 250


def prepare(folder: Path, out: Path, settings: Settings = Settings(), **how) -> dict:
    """Prepare the videos of `folder` into `out`; returns the card. how: see `preparing.How`. Raises InputError for bad folders."""
    spread = How(**how).check()
    clips = find_clips(folder)
    digests = preparing.hashes(clips, spread)
    copies = preparing.duplicates(digests)
    rejected = [
        rejection(clip_name(p, folder), relative(p, folder), "duplicate", f"byte-equal to {relative(first, folder)}")
        for p, first in copies.items()
    ]
    units = [Unit(clip_name(p, folder), p, digests[p]) for p in clips if p not in copies]
    card = {"corpus": "videos", "licence": LICENCE}
    return preparing.run(partial(_prepare_clip, folder, out, settings), units, out, settings, spread, card, rejected)


def find_clips(folder: Path) -> list[Path]:
    """Videos in the folder and up to two folders down. Raises InputError when there is none, or two would have one name."""
    preparing.check_folder(folder, "videos, <person>/<video>/<clip>.mp4 or plain files")
    found = sorted(p for depth in ("*", "*/*", "*/*/*") for p in folder.glob(depth) if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise InputError(f"{folder}: no videos ({', '.join(SUFFIXES)}) in it or up to two folders below")
    names: dict[str, Path] = {}
    for p in found:
        if (first := names.setdefault(clip_name(p, folder), p)) != p:
            raise InputError(f"{p}: has the name of {first} but for its ending; rename one of them")
    return found


def clip_name(path: Path, folder: Path) -> str:
    """<person>/<video>/<clip>, VoxCeleb's three levels, whatever of them there is.

    >>> [clip_name(Path(p), Path("v")) for p in ("v/id1/abc/00001.mp4", "v/anna/one.mp4", "v/plain.mov")]
    ['id1/abc/00001', 'anna/one/00000', 'plain/plain/00000']
    """
    parts = [*path.relative_to(folder).parts[:-1], path.stem]
    person = parts[0]
    return "/".join(parts if len(parts) == 3 else [person, parts[-1], "00000"])


def _prepare_clip(folder: Path, out: Path, settings: Settings, unit: Unit) -> Outcome:
    meta = {"corpus": "videos", "split": "test", "speaker": unit.name.split("/")[0], "sentence": "", "words": []}
    return still_camera.prepare_clip(out, settings.size, unit, relative(unit.source, folder), meta, settings.longest)
