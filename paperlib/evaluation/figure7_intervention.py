"""Figure 7 as an intervention: the size of the mouth's error and the motion of the head are set, and r of LMD and SSIM is watched.

A test clip is drawn again with its mouth moved a known share of the way to its twin's, who says another sentence with the same head: none,
a quarter, the whole way. Beside them the mouth that never moves. Every row, not the truth, gets the same fresh sensor noise: a row that is
drawn again shares the truth's own, and one with noise of its own would differ in more than the mouth. All in both scenes of each speaker,
still and strong. If |r| told how well a system bears motion or speaks, it would be high where the error is small. Rows of
figure7_intervention.json: metric `pearson` (mean over clips, speakers resampled), and the mean `lmd` and `ssim` that go with it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from paperlib import config
from paperlib.corpus import synthetic
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation.controls import frozen_mouth
from paperlib.evaluation.figure7 import lmd_per_frame
from paperlib.evaluation.renderer_flicker import noisy
from paperlib.face3d.coefficients import EXP
from paperlib.face3d.landmarks import MOUTH
from paperlib.media.cropping import mouth_mask
from paperlib.media.detection import landmarks_at
from paperlib.metrics import image
from paperlib.metrics.statistics import cluster_bootstrap
from paperlib.results import Row, interval_fields, provenance, write_results

TABLE = "figure7_intervention"
ERRORS = {"small_error": 0.25, "large_error": 1.0}  # share of the way to the twin's mouth
ROWS = ("truth_noisy", *ERRORS, "frozen_mouth")
SETS = ("still heads", "strong head motion")  # scenes 0 and 1 of every test speaker
SPEAKERS, FRAMES = 8, 60
UNITS = {"pearson": "", "lmd": "px", "ssim": ""}


def mixed_mouths(coeffs: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Coefficients (T, 257) whose expression lies `share` of the way from coeffs' own to that of `other` (T, 257)."""
    out = coeffs.copy()
    out[:, EXP] += np.float32(share) * (other[:, EXP] - coeffs[:, EXP])
    return out


def dubs(
    cfg: config.CorpusConfig, clip: synthetic.ClipId, coeffs: np.ndarray, other: np.ndarray, masks: np.ndarray
) -> dict[str, np.ndarray]:
    """Row -> uint8 frames (T, H, W, 3), each with the same fresh noise, and `truth` without it.

    coeffs, other: (T, 257) of the clip and its twin; masks (T, 1, H, W).
    """
    truth = synthetic.draw_frames(cfg, clip, coeffs)
    real = torch.from_numpy(truth).float() / 255
    drawn = {row: synthetic.draw_frames(cfg, clip, mixed_mouths(coeffs, other, share)) for row, share in ERRORS.items()}
    clean = {"truth_noisy": real, "frozen_mouth": torch.from_numpy(frozen_mouth(real.numpy(), coeffs, masks))}
    clean |= {row: torch.from_numpy(frames).float() / 255 for row, frames in drawn.items()}
    return {"truth": truth} | {row: _bytes(noisy(frames).numpy()) for row, frames in clean.items()}


def _bytes(frames: np.ndarray) -> np.ndarray:
    return (frames.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def measures(frames: Mapping[str, np.ndarray], near: np.ndarray) -> dict[str, dict[str, float]]:
    """Row -> pearson, lmd, ssim of one clip. near: (T, 68, 2) px, landmarks of pose and a neutral mouth. nan: a curve is constant."""
    points = {row: landmarks_at(pictures, near)[:, list(MOUTH)] for row, pictures in frames.items()}
    floats = {row: torch.from_numpy(pictures).movedim(-1, 1).float() / 255 for row, pictures in frames.items()}
    found = {}
    for row in (r for r in frames if r != "truth"):
        lmd = lmd_per_frame(points[row], points["truth"])
        ssim = image.ssim(floats[row], floats["truth"]).double().numpy()
        moves = lmd.std() > 0 and ssim.std() > 0
        r = float(np.corrcoef(lmd, ssim)[0, 1]) if moves else float("nan")
        found[row] = {"pearson": r, "lmd": float(lmd.mean()), "ssim": float(ssim.mean())}
    return found


def rows_of(scores: Mapping[str, Mapping[int, Mapping[str, Mapping[str, float]]]], motion: str) -> list[Row]:
    """Rows from {test set: {speaker: `measures`}}."""
    out = []
    for name, people in scores.items():
        who = np.array(list(people))
        for row in ROWS:
            for metric, unit in UNITS.items():
                ci = cluster_bootstrap(np.array([found[row][metric] for found in people.values()]), who)
                said = "per-frame LMD against whole-frame SSIM, a clip a speaker" if metric == "pearson" else "mean over frames"
                value = ci.value if np.isfinite(ci.value) else None
                place = {"data": f"embedded test speakers, {name}, {len(who)} clips", "motion": motion, "track": "known error"}
                region = "frame" if metric == "ssim" else "mouth"
                out.append(Row(TABLE, row, metric, value, unit, region=region, protocol=said, **place, **interval_fields(ci)))
    return out


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> Path:
    """Write figure7_intervention.json: `clips` test speakers (default SPEAKERS), both scenes of each, the first FRAMES frames."""
    from tqdm import tqdm

    start, cfg = time.perf_counter(), config.load_profile("classroom").corpus
    corpus, scores = Corpus(cfg), defaultdict(dict)
    firsts = [c for c in corpus.clips("test") if c.take == 0]
    people = sorted({c.speaker for c in firsts})[: clips or SPEAKERS]
    for clip in tqdm([c for c in firsts if c.speaker in people], desc="figure 7, errors set", unit="clip"):
        own, twin = (synthetic.clip_coefficients(cfg, c)[0][:FRAMES] for c in (clip, synthetic.pair_of(clip)))
        near = corpus.load(clip).lmk_neutral[: len(own)]
        scores[SETS[clip.scene]][clip.speaker] = measures(dubs(cfg, clip, own, twin, mouth_mask(near, cfg.size)), near)
    header = provenance(
        "paperlib evaluate figure7", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        clips=sum(map(len, scores.values())), shares=ERRORS, frames=FRAMES, detector="dlib 68 at known places",
    )  # fmt: skip
    return write_results(TABLE, rows_of(scores, cfg.motion), header, folder)
