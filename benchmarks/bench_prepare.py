"""Preparing a VoxCeleb-layout folder: clips per minute in one process, and whether memory grows with the number of clips.

One embedded clip is laid out as a VoxCeleb video with many utterances; `few` and `many` of them are prepared, each in a fresh process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SIZE, FRAMES = 128, 64  # of the rendered clip; 64 frames are the shortest that first-order-model's rules accept


def run(few: int = 2, many: int = 6, frames: int = FRAMES) -> dict:
    """Clips per minute, warm, against the same clips played in real time; peak memory of the process with few and with many clips."""
    from benchmarks.__main__ import entry
    from paperlib.config import FPS

    with tempfile.TemporaryDirectory() as work:
        peak, first = _fresh_process(Path(work), few, frames)
        peak_many, last = _fresh_process(Path(work), many, frames)
    per_minute = 60 * (many - few) / (last - first)
    return entry(
        per_minute, 60 * FPS / frames, "clips / min", f"real time, one process, clips of {frames} frames",
        peak_megabytes={few: peak, many: peak_many},
    )  # fmt: skip


def _fresh_process(work: Path, count: int, frames: int) -> tuple[float, float]:
    folder = work / f"vox{count}"
    _lay_out(folder, count, frames)
    command = [sys.executable, "-m", "benchmarks.bench_prepare", str(folder), str(work / f"out{count}"), str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    if done.returncode:
        raise RuntimeError(done.stderr)
    measured = json.loads(done.stdout.splitlines()[-1])
    if measured["clips"] != count:
        raise RuntimeError(f"{measured['clips']} of {count} clips were accepted")
    return measured["peak_megabytes"], measured["seconds"]


def _lay_out(folder: Path, count: int, frames: int) -> None:
    """One video with `count` utterances, each all of its frames."""
    from paperlib.config import FPS, CorpusConfig
    from paperlib.corpus import export, synthetic
    from paperlib.corpus.dataset import Corpus

    cfg = CorpusConfig(size=SIZE, seconds=(frames + 1) / FPS)
    corpus = Corpus(cfg, folder / "embedded")
    clip = next(c for c in corpus.clips("train") if synthetic.clip_length(cfg, c) > frames)
    export.export_voxceleb([("id00012/talk/00001", corpus.load(clip))], folder)
    note = folder / "txt/id00012/talk/00001.txt"
    for i in range(2, count + 1):
        note.with_name(f"{i:05d}.txt").write_text(note.read_text())


def _measure(folder: Path, out: Path, frames: int) -> dict:
    import psutil

    from paperlib.corpus import voxceleb

    process, peak, stop = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    rules = voxceleb.Settings(size=SIZE, min_frames=frames, min_size=50)
    card = voxceleb.prepare(folder, out, rules, backend="serial", progress=False)
    spent = time.perf_counter() - start
    stop.set()
    watcher.join()
    return {"clips": card["clips"], "seconds": spent, "peak_megabytes": round(peak[0] / 2**20, 1)}


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))))
