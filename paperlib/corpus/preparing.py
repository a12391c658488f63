"""Preparing a corpus of many files: units of work in parallel, each resumable, then three lists of what came out.

A unit is one file or utterance. Its clips are written first, then its record (`<out>/.records/<unit>.json`): a unit with a record is
done and is not done again. The lists are written from the records in the order of their names. No time, host or number of workers goes
into any file, and every unit runs on one thread, so the same input gives the same bytes however the work was spread or interrupted.

clips.csv     one line per clip: who, from which file (SHA-256), which frames, which box. No pixels, so it can be published.
rejected.csv  one line per clip or file that was left out, with the reason.
card.json     settings and counts.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paperlib.artifacts import atomic_write, file_hash
from paperlib.config import FPS, config_hash
from paperlib.errors import InputError

RECORDS = ".records"
COLUMNS = (
    "clip", "split", "speaker", "source", "sha256", "start", "end", "fps", "box", "width", "height",
    "frames", "missed", "covered", "reprojection_percent", "landmarks",
)  # fmt: skip
REJECTED = ("clip", "source", "reason", "detail")
VERSION = 1  # of what a unit writes; a folder of another version is not continued


@dataclass(frozen=True)
class Unit:
    """One piece of work: its name (relative path, unique), the file it reads and that file's SHA-256, and whatever else it needs."""

    name: str
    source: Path
    sha256: str
    data: Any = None


@dataclass
class Outcome:
    """What a unit gave: rows of clips.csv and of rejected.csv."""

    clips: list[dict]
    rejected: list[dict]


def rejection(clip: str, source: str, reason: str, detail: str = "") -> dict:
    """A row of rejected.csv."""
    return {"clip": clip, "source": source, "reason": reason, "detail": " ".join(detail.split())}


@dataclass(frozen=True)
class How:
    """Where the units run. backend: loky (processes here), dask (a scheduler's workers, a local cluster by default) or serial."""

    workers: int | None = None
    backend: str = "loky"
    scheduler: str | None = None
    progress: bool = True

    @property
    def jobs(self) -> int:
        """Number of processes."""
        return min(os.cpu_count() or 1, 8) if self.workers is None else self.workers

    def check(self) -> How:
        """Raise InputError for settings that cannot work."""
        if self.backend not in ("loky", "dask", "serial"):
            raise InputError(f"--backend {self.backend}: choose loky, dask or serial")
        if self.scheduler and self.backend != "dask":
            raise InputError("--scheduler needs --backend dask")
        if self.jobs < 1:
            raise InputError(f"--workers {self.workers}: give 1 or more")
        return self


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Everything inside runs on one thread: sums in BLAS come out the same everywhere, and processes do not crowd each other."""
    import cv2
    import numba
    import torch
    from threadpoolctl import threadpool_limits

    before, before_cv, before_numba = torch.get_num_threads(), cv2.getNumThreads(), numba.get_num_threads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    numba.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(before_cv)
        numba.set_num_threads(before_numba)


def spread(work: Callable, items: Iterable, how: How, total: int, label: str) -> Iterator:
    """work(item) of every item, in whatever order they finish; items are taken as they are needed, results are not kept."""
    from tqdm import tqdm

    with contextlib.ExitStack() as stack:
        client = stack.enter_context(_dask(how)) if how.backend == "dask" else None
        if how.backend == "serial":
            results = map(work, items)
        elif client and sum(client.ncores().values()) == 1:  # joblib would run the units of a one-core cluster in this process
            results = (client.submit(work, item, pure=False).result() for item in items)
        else:
            from joblib import Parallel, delayed, parallel_config

            if not client:
                stack.enter_context(parallel_config(backend="loky", inner_max_num_threads=1))
            n_jobs = -1 if how.backend == "dask" else how.jobs  # on Dask: whatever the cluster has
            results = Parallel(n_jobs=n_jobs, return_as="generator_unordered", batch_size=1)(delayed(work)(item) for item in items)
        yield from tqdm(results, total=total, desc=label, unit="file", disable=not how.progress)


@contextlib.contextmanager
def _dask(how: How) -> Iterator:
    """A client of the cluster, with joblib's Dask backend on; a local cluster is waited for until all its workers are there."""
    try:
        from dask.distributed import Client, LocalCluster
    except ImportError:
        raise InputError("--backend dask needs Dask; install it with: pip install 'paperlib[cluster]'") from None
    from joblib import parallel_config

    with contextlib.ExitStack() as stack:
        if how.scheduler:
            try:
                client = stack.enter_context(Client(how.scheduler, timeout=20))
            except (OSError, TimeoutError, ValueError) as error:
                raise InputError(f"--scheduler {how.scheduler}: cannot be reached ({error}); give ADDRESS:PORT of a running one") from None
        else:
            cluster = LocalCluster(n_workers=how.jobs, threads_per_worker=1, dashboard_address=None, memory_limit=0)
            client = stack.enter_context(Client(stack.enter_context(cluster)))
        client.wait_for_workers(1 if how.scheduler else how.jobs, timeout=300)
        stack.enter_context(parallel_config(backend="dask", wait_for_workers_timeout=300))
        yield client


def hashes(files: list[Path], how: How) -> dict[Path, str]:
    """SHA-256 of every file, in the order given. Threads do it: hashing leaves the interpreter's lock."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    digests = Parallel(n_jobs=how.jobs, backend="threading", return_as="generator")(delayed(file_hash)(f) for f in files)
    return dict(zip(files, tqdm(digests, total=len(files), desc="hash", unit="file", disable=not how.progress), strict=True))


def duplicates(digests: dict[Path, str]) -> dict[Path, Path]:
    """Each file that is byte-equal to an earlier one (in the order given), with that earlier one."""
    first: dict[str, Path] = {}
    return {path: first[digest] for path, digest in digests.items() if first.setdefault(digest, path) != path}


def run(
    work: Callable[[Unit], Outcome], units: list[Unit], out: Path, settings: Any, how: How, card: dict, rejected: Iterable[dict] = ()
) -> dict:
    """Do every unit that has no record, then write the lists. Returns the card with the folder's name.

    work: picklable; an InputError inside it rejects the unit. settings: a dataclass; a folder made with others is not continued.
    card: what else goes into card.json. rejected: rows found before any unit ran, such as duplicates.
    """
    begin(out, settings, card["corpus"])
    todo = [u for u in units if not _done(out, u)]
    for _ in spread(_Job(work, out), todo, how, len(todo), card["corpus"]):
        pass
    return finish(units, out, settings, card, list(rejected))


def begin(out: Path, settings: Any, corpus: str) -> None:
    """Make the folder, or check that it was begun with the same settings."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; --out needs a folder")
    mark = out / RECORDS / "settings.json"
    wanted = {"corpus": corpus, "version": VERSION, "model": _model_hash(), **asdict(settings)}
    text = json.dumps(wanted, indent=1, sort_keys=True) + "\n"
    if mark.exists():
        if mark.read_text() != text:
            raise InputError(f"{out}: was begun with other settings ({mark}); choose another --out or delete it")
        return
    if out.exists() and any(out.iterdir()) and not (out / RECORDS).is_dir():
        raise InputError(f"{out}: is not empty and holds no prepared corpus; choose another --out")
    atomic_write(mark, text.encode())


def _model_hash() -> str:
    from paperlib import paths

    return file_hash(paths.DATA / "face_model.safetensors")[:12]


def _record(out: Path, unit: Unit) -> Path:
    return out / RECORDS / f"{unit.name}.json"


def _key(unit: Unit) -> str:
    return config_hash(unit.sha256, repr(unit.data))


def _done(out: Path, unit: Unit) -> bool:
    """Whether the unit has a record, made from the same file, and its clips are there."""
    path = _record(out, unit)
    if not path.exists():
        return False
    record = json.loads(path.read_text())
    return record["key"] == _key(unit) and all((out / f"{c['clip']}.npz").exists() for c in record["clips"])


@dataclass(frozen=True)
class _Job:
    """Does one unit on one thread and writes its record."""

    work: Callable[[Unit], Outcome]
    out: Path

    def __call__(self, unit: Unit) -> str:
        with one_thread():
            try:
                outcome = self.work(unit)
            except InputError as error:
                said = str(error).replace(str(unit.source), unit.source.name)  # no local path in a list that may be published
                outcome = Outcome([], [rejection(unit.name, unit.source.name, "unusable", said)])
        record = {"key": _key(unit), "clips": outcome.clips, "rejected": outcome.rejected}
        atomic_write(_record(self.out, unit), (json.dumps(record, indent=1) + "\n").encode())
        return unit.name


def finish(units: list[Unit], out: Path, settings: Any, card: dict, rejected: list[dict]) -> dict:
    """Write clips.csv, rejected.csv and card.json from the records; clear away what an interrupted run left half-written."""
    clips: list[dict] = []
    for unit in sorted(units, key=lambda u: u.name):
        record = json.loads(_record(out, unit).read_text())
        clips += record["clips"]
        rejected += record["rejected"]
    if not clips:
        atomic_write(out / "rejected.csv", _csv(REJECTED, rejected))
        reasons = ", ".join(f"{n} {r}" for r, n in Counter(r["reason"] for r in rejected).most_common())
        raise InputError(f"{out}: no clip was accepted ({reasons or 'nothing to do'}); {out / 'rejected.csv'} says why")
    clips.sort(key=lambda row: row["clip"])
    rejected.sort(key=lambda row: (row["clip"], row["source"]))
    frames = sum(int(c["frames"]) for c in clips)
    card = {
        **card,
        "settings": asdict(settings),
        "face_model": _model_hash(),
        "clips": len(clips),
        "minutes": round(frames / FPS / 60, 2),
        "speakers": len({c["speaker"] for c in clips}),
        "splits": {s: _count(clips, s) for s in ("train", "val", "test")},
        "landmarks": dict(sorted(Counter(c["landmarks"] for c in clips).items())),
        "rejected": dict(sorted(Counter(r["reason"] for r in rejected).items())),
    }
    atomic_write(out / "clips.csv", _csv(COLUMNS, clips))
    atomic_write(out / "rejected.csv", _csv(REJECTED, rejected))
    atomic_write(out / "card.json", (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode())
    for part in out.rglob("*.part"):
        part.unlink()
    return {**card, "out": str(out)}


def _count(clips: list[dict], split: str) -> dict:
    rows = [c for c in clips if c["split"] == split]
    return {"clips": len(rows), "speakers": len({c["speaker"] for c in rows})}


def _csv(columns: tuple[str, ...], rows: list[dict]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def relative(path: Path, folder: Path) -> str:
    """`path` below `folder`, with forward slashes: what the lists call a source."""
    return path.relative_to(folder).as_posix()


def check_folder(folder: Path, what: str) -> Path:
    """The folder, if there is one. Raises InputError."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --folder must be {what}")
    return folder


def hashed_split(speaker: str, val_percent: int = 5) -> str:
    """ "val" for about `val_percent` of all names, else "train", by the name alone: a corpus that grows moves nobody.

    >>> [hashed_split(f"id{i:05d}") for i in (12, 15, 17)]
    ['train', 'train', 'train']
    """
    import hashlib

    return "val" if int(hashlib.sha256(speaker.encode()).hexdigest(), 16) % 100 < val_percent else "train"
