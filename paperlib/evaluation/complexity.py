"""Table 7's four columns for our networks, counted as torchstat counts, per frame."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from paperlib import config
from paperlib.complexity import count
from paperlib.results import Row, provenance, write_results
from paperlib.training import checkpoints


def counts(profile: config.Profile) -> dict:
    """Row id -> Complexity of the untrained networks at the profile's widths (counts do not depend on training)."""
    net = checkpoints.build("renderer", profile).eval()
    exp = checkpoints.build("expression", profile).eval()
    size, s, t = profile.renderer.size, profile.teacher.size, 29  # an LRW clip has 29 frames: the row is per clip (PAPER 6.4)
    image = torch.zeros(1, 3, size, size)
    with torch.no_grad():
        _, _, f_tex = net.tmn(image, image)
        return {
            "expression": count(exp, torch.zeros(1, t, 13, 28), torch.zeros(1, t, 3, s, s)),
            "sfm": count(net.sfm, image, image),
            "tmn": count(net.tmn, image, image),
            "rbfin": count(net.rbfin, image, image, image, f_tex),
        }


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> Path:
    """Write table7.json: our counts at the paper profile's widths and at the classroom's."""
    start, rows = time.perf_counter(), []
    for name in ("paper", "classroom"):
        found = counts(config.load_profile(name))
        for row, c in found.items():
            columns = {
                "params": ("M", c.params / 1e6),
                "flops": ("G", c.flops / 1e9),
                "madd": ("G", c.madd / 1e9),
                "memory": ("MB", c.memory_mb),
            }
            for metric, (unit, value) in columns.items():
                rows.append(
                    Row("table7", row, metric, value, unit=unit, data=f"{name} profile", n=1,
                        protocol="expression: per clip of 29 frames" if row == "expression" else "per frame")
                )  # fmt: skip
    header = provenance("paperlib evaluate complexity", profile.name, profile.seed, "none", time.perf_counter() - start)
    return write_results("table7", rows, header, folder)
