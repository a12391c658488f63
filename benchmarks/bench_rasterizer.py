"""The numba rasteriser against PyTorch3D's, both on the CPU with one thread: one 192 x 192 frame of the shipped head."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

SIZE = 192


def cost(fn: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median processor seconds of a call, all threads of the process together, and the most cores that a call kept busy.

    Processor time, unlike the clock's, does not grow when other programs compete; cores = processor time / clock time.
    """
    fn()
    spent, cores = [], []
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        fn()
        spent.append(time.process_time() - processor)
        cores.append(spent[-1] / (time.perf_counter() - clock))
    return statistics.median(spent), max(cores)


def run() -> dict:
    """Milliseconds of processor time per frame of both, and the share of covered pixels that show the same triangle.

    Returns:
        {"ours", "reference", "ratio" (ours / reference), "unit", "against", "times_faster", "most_cores" (of ours and of the
        reference: about 1, the proof that neither used a second thread), "same_triangle", "triangles"}.
    """
    from benchmarks.__main__ import entry
    from paperlib.face3d import camera, rasterizer
    from paperlib.face3d.face_renderer import posed_verts
    from paperlib.face3d.morphable_model import default_model

    model = default_model()
    points = camera.screen(posed_verts(model, torch.zeros(1, 257)), SIZE)[0].numpy()
    faces = model.triangles.numpy()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours, our_cores = cost(lambda: rasterizer.rasterize(points, faces, SIZE, SIZE), repeats=50)
        theirs, their_cores = cost(lambda: rasterizer.rasterize_pytorch3d(points, faces, SIZE, SIZE), repeats=3)
    finally:
        torch.set_num_threads(before)
    index, _ = rasterizer.rasterize(points, faces, SIZE, SIZE)
    other, _ = rasterizer.rasterize_pytorch3d(points, faces, SIZE, SIZE)
    covered = (index >= 0) | (other >= 0)
    share = float(np.mean((index == other)[covered]))
    against = f"PyTorch3D's CPU rasteriser, {len(faces)} triangles, {SIZE} x {SIZE}"
    facts = {"times_faster": theirs / ours, "most_cores": [round(our_cores, 2), round(their_cores, 2)]}
    return entry(ours * 1e3, theirs * 1e3, "ms / frame, one thread", against, same_triangle=share, triangles=len(faces), **facts)


if __name__ == "__main__":
    print(run())
