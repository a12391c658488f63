"""The numba rasteriser against PyTorch3D's, both on the CPU with one thread: one 192 x 192 frame of the shipped head."""

from __future__ import annotations

import numpy as np
import torch

SIZE = 192


def run() -> dict:
    """Milliseconds per frame of both, and the share of covered pixels that show the same triangle.

    Returns:
        {"ours", "reference", "ratio" (ours / reference), "unit", "against", "same_triangle", "triangles"}.
    """
    from benchmarks.__main__ import entry, seconds
    from paperlib.face3d import camera, rasterizer
    from paperlib.face3d.face_renderer import posed_verts
    from paperlib.face3d.morphable_model import default_model

    model = default_model()
    points = camera.screen(posed_verts(model, torch.zeros(1, 257)), SIZE)[0].numpy()
    faces = model.triangles.numpy()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours = seconds(lambda: rasterizer.rasterize(points, faces, SIZE, SIZE), repeats=50)
        theirs = seconds(lambda: rasterizer.rasterize_pytorch3d(points, faces, SIZE, SIZE), repeats=3)
    finally:
        torch.set_num_threads(before)
    index, _ = rasterizer.rasterize(points, faces, SIZE, SIZE)
    other, _ = rasterizer.rasterize_pytorch3d(points, faces, SIZE, SIZE)
    covered = (index >= 0) | (other >= 0)
    share = float(np.mean((index == other)[covered]))
    against = f"PyTorch3D's CPU rasteriser, {len(faces)} triangles, {SIZE} x {SIZE}"
    return entry(ours * 1e3, theirs * 1e3, "ms / frame", against, same_triangle=share, triangles=len(faces))


if __name__ == "__main__":
    print(run())
