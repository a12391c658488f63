"""Sample pictures during training: what the renderer makes of the same few frames of unseen people, one strip per look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from paperlib.artifacts import atomic_write
from paperlib.corpus.banks import RenderBatch

COLUMNS = ("reference", "I_3D", "I_e", "I_i", "truth")
GAP = 2  # white pixels between the pictures


@torch.no_grad()
def sample_strip(net: nn.Module, batch: RenderBatch, rows: int = 4) -> np.ndarray:
    """uint8 (H, W, 3): `rows` pairs spread over the batch, one a row, in the order of COLUMNS. The network's mode is kept."""
    pick = torch.linspace(0, len(batch.target) - 1, min(rows, len(batch.target))).round().long()
    i3d, ref, crop, truth = (x[pick.to(x.device)] for x in (batch.i3d, batch.ref, batch.crop, batch.target))
    mode = net.training
    out = net.eval()(i3d, ref, crop, "joint")
    net.train(mode)
    i_e = torch.ones_like(ref) if out.i_e is None else out.i_e  # white where the network paints none
    grid = torch.stack([x.float().clamp(0, 1).cpu() for x in (ref, i3d, i_e, out.i_i, truth)], 1)  # (rows, columns, 3, H, W)
    n, columns, _, height, width = grid.shape
    sheet = np.full((n * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for r in range(n):
        for c in range(columns):
            y, x = r * (height + GAP), c * (width + GAP)
            sheet[y : y + height, x : x + width] = (grid[r, c].movedim(0, -1).numpy() * 255 + 0.5).astype(np.uint8)
    return sheet


def save_strip(folder: Path, step: int, sheet: np.ndarray) -> Path:
    """Write `<folder>/samples/step_000400.png`; the step that is in the name has been done."""
    import io

    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(sheet).save(data, "PNG", pnginfo=_note(step))
    path = folder / "samples" / f"step_{step:06d}.png"
    atomic_write(path, data.getvalue())
    return path


def _note(step: int):
    """What the columns show, kept inside the file."""
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Description", f"after step {step}; columns: {', '.join(COLUMNS)}")
    return note
