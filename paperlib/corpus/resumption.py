"""Proof that a killed preparation loses nothing: kill it at random moments, resume it, compare every byte with an undisturbed run.

`python -m paperlib.corpus.resumption --kills 5 --workers 2 -- --speakers 20 --minutes 60` (what follows -- goes to `paperlib prepare
synthetic`). Takes a little more than twice an undisturbed run's time and space, under build/.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from paperlib import paths
from paperlib.artifacts import file_hash
from paperlib.seeding import rng


def command(folder: Path, options: list[str], workers: int) -> list[str]:
    """The command line that prepares into `folder`."""
    return [sys.executable, "-m", "paperlib", "prepare", "synthetic", "--out", str(folder), "--workers", str(workers), *options]


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under `folder`, hidden ones too, by relative path."""
    return {str(p.relative_to(folder)): file_hash(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def finished(folder: Path) -> dict[Path, int]:
    """Clips that are whole, with the time their truth was written, ns."""
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*.npz") if not p.name.startswith(".")}


def run(folder: Path, options: list[str], workers: int) -> str:
    """One undisturbed run; its last lines of output. RuntimeError when it fails."""
    done = subprocess.run(command(folder, options, workers), capture_output=True, text=True, cwd=paths.ROOT)
    if done.returncode:
        raise RuntimeError(f"prepare ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout.strip()


def run_and_kill(folder: Path, options: list[str], workers: int, clips: int, delay: float) -> bool:
    """Start a run, wait until `clips` more clips are whole and `delay` seconds more, then SIGKILL it and its workers.

    Returns whether it was killed in its work; False when it had ended by itself.
    """
    before = len(finished(folder)) if folder.exists() else 0
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(
            command(folder, options, workers), stdout=nowhere, stderr=nowhere, cwd=paths.ROOT, start_new_session=True
        )
    while process.poll() is None and len(finished(folder)) < before + clips:
        time.sleep(0.02)
    time.sleep(delay)
    working = process.poll() is None
    if working:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return working


def prove(folder: Path, options: list[str], workers: int, kills: int, total: int, seed: int = 0, reference: Path | None = None) -> dict:
    """Kill `kills` runs of `total` clips at random moments, resume, and compare with `reference` (made first when it is not given).

    Returns kills (runs that were killed in their work), kept (clips whole at the last kill), redone (of those, written again), files,
    and different (names of files that differ or are missing on one side).
    """
    draw = rng(seed, "kills", workers, kills)
    if reference is None:
        reference = folder / "undisturbed"
        print(run(reference, options, workers), flush=True)
    target, killed = folder / "killed", 0
    for _ in range(kills):
        clips, delay = int(draw.integers(0, max(1, total // (kills + 1)) + 1)), float(draw.uniform(0, 0.5))
        killed += run_and_kill(target, options, workers, clips, delay)
    kept = finished(target)
    print(run(target, options, workers), flush=True)
    after = finished(target)
    ours, theirs = tree(target), tree(reference)
    different = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    redone = sum(after[p] != stamp for p, stamp in kept.items())
    return {"kills": killed, "kept": len(kept), "redone": redone, "files": len(ours), "different": different}


def main(argv: list[str] | None = None) -> int:
    """Command line entry: 0 when every file is equal and nothing was made twice, else 1."""
    parser = argparse.ArgumentParser(prog="python -m paperlib.corpus.resumption", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=paths.BUILD / "resumption")
    parser.add_argument("--seed", type=int, default=int(np.random.default_rng().integers(2**31)), help="of the moments (default: any)")
    parser.add_argument("options", nargs="*", help="options of `paperlib prepare synthetic`, after --")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    args.folder.mkdir(parents=True, exist_ok=True)
    reference = args.folder / "undisturbed"
    print(run(reference, args.options, args.workers), flush=True)
    total = len(finished(reference))
    found = prove(args.folder, args.options, args.workers, args.kills, total, args.seed, reference)
    print(f"seed {args.seed}: {found}; {time.perf_counter() - start:.0f} s")
    return int(bool(found["different"]) or found["redone"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
