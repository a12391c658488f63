"""Figure 7: landmark distance against SSIM, frame by frame, for our dub and for a mouth that never moves."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch

from paperlib import config
from paperlib.artifacts import atomic_write
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation.renderer import Shipped, systems
from paperlib.face3d.landmarks import MOUTH
from paperlib.media.detection import detect
from paperlib.metrics import image
from paperlib.metrics.statistics import correlation
from paperlib.results import Row, interval_fields, provenance, write_results

SYSTEMS = (("full", "predicted"), ("frozen_mouth", "none"))


def mouth_points(frames: np.ndarray) -> np.ndarray:
    """(T, 20, 2) px: the mouth points found in uint8 frames (T, H, W, 3); nan where a face is missed."""
    return detect(frames, backend="dlib").lmk[:, list(MOUTH)]


def lmd_per_frame(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(T,) mean distance in px of mouth points (T, 20, 2), both found by the same detector; nan where a face is missed."""
    return np.linalg.norm(pred - truth, axis=-1).mean(-1)


def curves(shipped: Shipped, corpus: Corpus, clip) -> dict[str, dict[str, list]]:
    """Per-frame LMD and SSIM of each system on one cross-dub (SSIM on the whole frame, as the paper's above 0.96 suggests)."""
    source, target = corpus.load(clip), corpus.load(pair_of(clip))
    out, truth = systems(shipped, corpus, source, target), torch.from_numpy(target.frames).movedim(-1, 1).float() / 255
    result, points = {}, mouth_points(target.frames)
    for key in SYSTEMS:
        frames = (out[key].movedim(1, -1).clamp(0, 1).numpy() * 255 + 0.5).astype(np.uint8)
        lmd = lmd_per_frame(mouth_points(frames), points)
        ssim = image.ssim(out[key].clamp(0, 1), truth).double().numpy()
        distances = [None if np.isnan(v) else round(float(v), 4) for v in lmd]
        result[key[0]] = {"lmd": distances, "ssim": [round(float(v), 5) for v in ssim]}
    return result


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> list[Path]:
    """Write figure7.json (correlations) and figure7_curves.json (per-frame values) for clips of both test sets, and
    figure7_intervention.json, the same two measures where the error is set."""
    from tqdm import tqdm

    from paperlib.evaluation import figure7_intervention

    start = time.perf_counter()
    corpus, shipped = Corpus(config.load_profile("classroom").corpus), Shipped.load()
    chosen = [c for c in corpus.clips("test") if c.take == 0][: clips or 6]
    data, rows = {c.name: curves(shipped, corpus, c) for c in tqdm(chosen, desc="figure 7", unit="clip")}, []
    for name, _ in SYSTEMS:
        for scope, names in [(n, [n]) for n in data] + [("all", list(data))]:
            lmd = np.array([np.nan if v is None else v for n in names for v in data[n][name]["lmd"]])
            ssim = np.array([v for n in names for v in data[n][name]["ssim"]])
            clip_index = np.repeat(np.arange(len(names)), [len(data[n][name]["ssim"]) for n in names])
            good = ~np.isnan(lmd)
            for kind in ("pearson", "spearman"):
                r = correlation(lmd[good], ssim[good], kind=kind, groups=clip_index[good])
                value = None if np.isnan(r.value) else r.value
                rows.append(
                    Row("figure7", name, kind, value, data=f"embedded cross-dub {scope}", motion=corpus.cfg.motion,
                        beta="predicted", track="cross-dub", region="frame",
                        **(interval_fields(r) | {"n": r.n, "failed": int((~good).sum())}),
                        protocol="n counts frames; block bootstrap over frames")
                )  # fmt: skip
    header = provenance(
        "paperlib evaluate figure7", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=["renderer_classroom", "expression_classroom", "teacher_classroom"], clips=len(chosen),
        detector="dlib 68, enlarged frames",
    )  # fmt: skip
    atomic_write(folder / "figure7_curves.json", (json.dumps({"provenance": header, "curves": data}) + "\n").encode())
    return [write_results("figure7", rows, header, folder), figure7_intervention.evaluate(profile, folder, clips)]
