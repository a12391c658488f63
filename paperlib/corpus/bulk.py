"""Making a whole corpus: on several cores, in any order, resumable after a kill at any moment, with memory that does not grow.

A clip is whole when its truth file is there. Files appear by renaming; what a killed writer leaves is swept away by the next run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from paperlib.artifacts import atomic_write
from paperlib.config import FPS, CorpusConfig
from paperlib.corpus import synthetic
from paperlib.corpus.synthetic import ClipId
from paperlib.errors import InputError

if TYPE_CHECKING:
    from paperlib.corpus.dataset import Corpus

CARD = "corpus.json"  # which settings and code the clips of a folder were made by
PART = re.compile(r"\.(\d+)\.part(\.|$)")  # private files hold their writer's process number
STALE = 3600.0  # s after which a private file is nobody's, whatever process has the number now
SHARES = (0.7, 0.1, 0.2)  # of the speakers: train, validation, test
SAMPLE = 40  # clips whose speech is made to learn how long a clip is


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `prepare` did: clips in all, made now, frames made, seconds it took, largest memory of one process in MiB."""

    clips: int
    made: int
    frames: int
    seconds: float
    peak_mib: float

    def __str__(self) -> str:
        made = f"{self.made} of {self.clips} clips made now, the others were there"
        if not self.made:
            return made
        video = self.frames / FPS
        return f"{made}; {video / 60:.1f} minutes of video in {self.seconds:.0f} s: {video / self.seconds:.1f} times real time; " + (
            f"largest process {self.peak_mib:.0f} MiB"
        )


def sized(cfg: CorpusConfig, speakers: int | None = None, minutes: float | None = None) -> CorpusConfig:
    """`cfg` with `speakers` people in all (7 : 1 : 2 to train, validation, test) and about `minutes` of video in all.

    Every speaker gets the same number of clips (test speakers in pairs); how many follows from the mean length of the first clips.
    Raises InputError for fewer than 3 speakers or no minutes.
    """
    if speakers is not None:
        if not 3 <= speakers <= synthetic.FIRST_SPEAKER[1]:
            raise InputError(f"--speakers {speakers}: give 3 to {synthetic.FIRST_SPEAKER[1]}, at least one for each split")
        val, test = (max(1, round(speakers * share)) for share in SHARES[1:])
        cfg = dataclasses.replace(cfg, train_speakers=speakers - val - test, val_speakers=val, test_speakers=test)
    if minutes is not None:
        if not minutes > 0:
            raise InputError(f"--minutes {minutes:g}: give a number above 0")
        people = cfg.train_speakers + cfg.val_speakers + cfg.test_speakers
        each = max(1, round(minutes * 60 / people / typical_seconds(cfg)))
        cfg = dataclasses.replace(cfg, clips_per_speaker=each, test_scenes=max(1, round(each / 2)))
    return cfg


def typical_seconds(cfg: CorpusConfig) -> float:
    """Mean length of SAMPLE training clips, one of each speaker, seconds."""
    clips = [ClipId("train", k, 0, 0) for k in range(SAMPLE)]
    return sum(synthetic.clip_length(cfg, c) for c in clips) / len(clips) / FPS


def prepare(corpus: Corpus, splits: tuple[str, ...] = synthetic.SPLITS, workers: int | None = None, progress: bool = True) -> Summary:
    """Make every missing clip of `splits`, on `workers` processes (default: all cores, at most 8); see `Summary`.

    InputError when the folder holds a corpus of other settings or another version, or `workers` is not positive.
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers}: give 1 or more")
    start = time.perf_counter()
    claim(corpus)
    sweep(corpus.root)
    total = sum(c.split in splits for c in synthetic.iter_plan(corpus.cfg))
    made, frames, peak = 0, 0, _peak_mib()
    jobs = (delayed(_make)(corpus.cfg, corpus.root, c) for c in _missing(corpus, splits))
    n_jobs = workers or min(os.cpu_count() or 1, 8)
    with tqdm(total=total, desc=f"corpus {corpus.cfg.size} px", unit="clip", disable=not progress) as bar:
        bar.update(total - sum(1 for _ in _missing(corpus, splits)))
        for n, memory in Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(jobs):
            made, frames, peak = made + 1, frames + n, max(peak, memory)
            bar.update()
    sweep(corpus.root)
    return Summary(total, made, frames, time.perf_counter() - start, max(peak, _peak_mib()))


def _missing(corpus: Corpus, splits: tuple[str, ...]) -> Iterator[ClipId]:
    return (c for c in synthetic.iter_plan(corpus.cfg) if c.split in splits and not corpus.path(c).with_suffix(".npz").exists())


def _make(cfg: CorpusConfig, root: Path, clip: ClipId) -> tuple[int, float]:
    """Frames of the clip, made now, and this process's largest memory so far, MiB."""
    from paperlib.corpus.dataset import Corpus

    Corpus(cfg, root).ensure(clip)
    return synthetic.clip_length(cfg, clip), _peak_mib()


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def claim(corpus: Corpus) -> None:
    """Write the folder's card, or check that the one there is of the same look and code; InputError when not."""
    path = corpus.root / CARD
    card = {"key": corpus.key, "look": corpus.look}
    if path.exists():
        there = json.loads(path.read_text())
        if there != card:
            changed = [k for k in card["look"] if there.get("look", {}).get(k) != card["look"][k]]
            how = f"with another {', '.join(changed)}" if changed else "by other code or with another face model"
            raise InputError(f"{corpus.root}: holds a corpus made {how}; choose another --out, or delete it")
        return
    atomic_write(path, (json.dumps(card, indent=1) + "\n").encode())


def sweep(root: Path) -> int:
    """Delete the private files that dead writers left under `root`; how many."""
    count = 0
    for path in root.rglob(".*.part*"):
        found = PART.search(path.name)
        if found and not (_alive(int(found[1])) and time.time() - path.stat().st_mtime < STALE):
            path.unlink(missing_ok=True)
            count += 1
    return count


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def from_options(
    profile: str, speakers: int | None, minutes: float | None, size: int | None, motion: str | None, seed: int, workers: int | None,
    out: Path | None,
) -> tuple[Summary, Path]:  # fmt: skip
    """`paperlib prepare synthetic`: make the corpus that its options ask for; what was done, and where it is.

    What no option says is as in `profile`. InputError as `sized` and `prepare`.
    """
    from paperlib.config import load_profile
    from paperlib.corpus.dataset import Corpus

    cfg = dataclasses.replace(load_profile(profile).corpus, seed=seed)
    if size is not None:
        if not 32 <= size <= 1024 or size % 2:
            raise InputError(f"--size {size}: give an even number from 32 to 1024")
        cfg = dataclasses.replace(cfg, size=size)
    if motion:
        cfg = dataclasses.replace(cfg, motion=motion)
    corpus = Corpus(sized(cfg, speakers, minutes), out)
    return prepare(corpus, workers=workers), corpus.root
