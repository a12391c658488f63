"""What a dub costs: frames a second and peak memory of every system on the same clips, one after the other, each in a fresh process.

    python -m benchmarks dubbing

Counted is what a system does for a task that is there: speech features, fitted coefficients and masks are the same for all and are made
before. One thread, after one dub that warms up. Memory is the process's peak less what it held before the system was loaded.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from paperlib import config, paths
from paperlib.corpus.preparing import How, one_thread
from paperlib.evaluation import dubbing_run
from paperlib.evaluation.dubbing_systems import CONTESTS, MINIS, OURS, entries, open_system
from paperlib.evaluation.dubbing_tasks import CROSS, Store, Task
from paperlib.evaluation.shelf import Shelf
from paperlib.results import Row, provenance, write_results

TABLE = "controls_dub_cost"
CLIPS = 4  # cross-dubs: the first of each scene
MEBI = 1024  # ru_maxrss counts KiB on Linux


@dataclass(frozen=True)
class Cost:
    """frames dubbed, wall and processor seconds they took, peak memory in MiB above what was there before the system was loaded."""

    frames: int
    seconds: float
    cpu_seconds: float
    peak: float


def cost(row: str, shelf: Shelf, tasks: Sequence[Task]) -> Cost:
    """Load a system and dub every task once, the first one twice. Peak memory is only right in a process that has done nothing bigger."""
    for task in tasks:
        _ = task.given
    with one_thread():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        paint = open_system(row, shelf)
        paint(tasks[0])
        wall, cpu = time.perf_counter(), time.process_time()
        frames = sum(len(paint(task)) for task in tasks)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / MEBI
    return Cost(frames, round(wall, 3), round(cpu, 3), round(peak, 1))


def fresh(row: str, profile: str, folder: Path, plans: Sequence[dubbing_run.Plan]) -> Cost:
    """`cost` in a process of its own. RuntimeError with its message when it fails."""
    asked = json.dumps([row, profile, str(folder), [asdict(p) for p in plans]])
    done = subprocess.run([sys.executable, "-m", __name__, asked], capture_output=True, text=True, cwd=paths.ROOT)
    if done.returncode:
        raise RuntimeError(f"{row}: {done.stderr}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def rows_of(found: dict[str, Cost], missing: dict[str, str], data: str) -> list[Row]:
    """Frames a second, processor milliseconds a frame, and MiB of every system; missing: row -> why there is none."""
    out = []
    for row in (*found, *missing):
        where = {"data": data, "contest": "dubbing" if row == OURS else CONTESTS[row.removesuffix("_mini")], "track": CROSS, "seeds": 0}
        if row in missing:
            out.append(Row(TABLE, row, "fps", None, "frames / s", protocol=missing[row], **where))
            continue
        c, said = found[row], f"one thread, {found[row].frames} frames; features, masks and fits are not counted"
        out.append(Row(TABLE, row, "fps", c.frames / c.seconds, "frames / s", protocol=said, **where))
        out.append(Row(TABLE, row, "cpu_ms", 1000 * c.cpu_seconds / c.frames, "ms / frame", protocol=said, **where))
        out.append(Row(TABLE, row, "peak_mib", c.peak, "MiB", protocol="peak of a fresh process above its clips and libraries", **where))
    return out


def evaluate(profile: config.Profile, folder: Path | None = None, clips: int = CLIPS) -> Path:
    """Measure every system that is there and write controls_dub_cost.json (default: into build/<profile>/results)."""
    start, shelf = time.perf_counter(), Shelf(profile.name)
    made = dubbing_run.open_run(profile, shelf, paths.build_dir(profile.name) / "tables" / "systems", How(), -(-clips // 2))
    plans = [p for p in made.work.plans if p.kind == CROSS][:clips]
    there = [e for e in entries(shelf) if e.row in (OURS, *MINIS)]
    found = {e.row: fresh(e.row, profile.name, made.work.store.folder, plans) for e in there if not e.missing}
    data = f"{len(plans)} cross-dubs of embedded test speakers, {profile.size} x {profile.size}"
    rows = rows_of(found, {e.row: e.missing for e in there if e.missing}, data)
    header = provenance(
        "python -m benchmarks dubbing", profile.name, profile.seed, made.work.store.folder.name, time.perf_counter() - start,
        checkpoints={e.row: e.missing or e.key for e in there},
    )  # fmt: skip
    return write_results(TABLE, rows, header, folder or paths.build_dir(profile.name) / "results")


def main(asked: str) -> None:
    """One system's cost as a line of JSON."""
    row, profile, folder, plans = json.loads(asked)
    store = Store(Path(folder))
    print(json.dumps(asdict(cost(row, Shelf(profile), [store.task(dubbing_run.Plan(**p)) for p in plans]))))


if __name__ == "__main__":
    main(sys.argv[1])
