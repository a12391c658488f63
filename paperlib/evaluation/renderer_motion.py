"""How the shipped renderer bears head motion: error against head speed, yaw and the turn to the reference; flicker; and the failures.

Everything is measured on cross-dubs with truth. One pass makes controls_motion.json (rows), motion_frames.json (a line a frame, for
figures) and the failure gallery of figure 8 (`renderer_failures`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from paperlib import config
from paperlib.artifacts import atomic_write
from paperlib.corpus.banks import to_float
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation import renderer_failures
from paperlib.evaluation.controls import frozen_mouth
from paperlib.evaluation.renderer import Shipped
from paperlib.evaluation.renderer_flicker import clip_flicker, delayed, noisy
from paperlib.evaluation.renderer_run import (
    CrossDub,
    cross_dub,
    fixed_references,
    head_speed,
    one_per_speaker,
    random_references,
    turn_between,
)
from paperlib.face3d.coefficients import ANGLES, EXP, with_exp
from paperlib.metrics.statistics import cluster_bootstrap, correlation, paired_difference
from paperlib.results import Row, interval_fields, provenance, write_results

TABLE = "controls_motion"
FRAMES = "motion_frames.json"
CLIPS = 8
GREY = 255
COVARIATES = {  # name -> what the number is
    "speed": "head speed, mm/s",
    "yaw": "turn of the head from the camera, degrees",
    "turn": "angle between the head and its reference, degrees",
    "lip_speed": "lip speed, mm/s",
    "opening": "lip opening of the truth, mm",
    "opening_gap": "opening told to the renderer less the true one, absolute, mm",
}
YAW_EDGES = (0.0, 5.0, 10.0, 90.0)  # degrees
SPEED_PARTS = 3  # thirds of all frames, slowest first


def frame_errors(pred: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    """(T,) mean absolute error inside mask (T, 1, H, W), grey levels."""
    error = ((pred - truth).abs() * mask).flatten(1).sum(1) / (3 * mask.flatten(1).sum(1))
    return (error * GREY).double().numpy()


def lip_opening_mm(exp: torch.Tensor) -> np.ndarray:
    """(T,) lip opening of expressions (T, 64) on the mean face, mm."""
    from paperlib.evaluation.expression import opening_mm

    return np.asarray(opening_mm(exp), float)


def covariates(dub: CrossDub, refs: Sequence[int], beta: str) -> dict[str, np.ndarray]:
    """(T,) values of every COVARIATE of a cross-dub, with the references `refs` and the expressions of `beta`."""
    told, head = dub.told[beta], dub.told["true"]
    opening = lip_opening_mm(head[:, EXP])
    return {
        "speed": head_speed(head).numpy(),
        "yaw": torch.rad2deg(head[:, ANGLES][:, 1].abs()).numpy(),
        "turn": turn_between(head, torch.from_numpy(dub.source.coeffs)[list(refs)]).numpy(),
        "lip_speed": np.abs(np.gradient(opening)) * config.FPS,
        "opening": opening,
        "opening_gap": np.abs(lip_opening_mm(told[:, EXP]) - opening),
    }


def still_mouth(dub: CrossDub) -> tuple[torch.Tensor, torch.Tensor]:
    """(T, 3, H, W) frozen mouth of the source, and the coefficients (T, 257) that it shows."""
    c = torch.from_numpy(dub.source.coeffs)
    pictures = frozen_mouth(dub.source.frames.astype(np.float32) / GREY, dub.source.coeffs, dub.mask.numpy())
    return torch.from_numpy(pictures).movedim(-1, 1), with_exp(c, c[:1, EXP].expand(len(c), -1))


System = tuple[str, str]  # row id, beta


def pictures_of(dub: CrossDub, net: torch.nn.Module) -> tuple[dict[System, torch.Tensor], dict[System, str], dict[str, torch.Tensor]]:
    """System -> (T, 3, H, W); system -> name of the motion that its pictures show; name -> coefficients (T, 257).

    Full with references drawn anew for each frame, with one that changes once, I_warp, I_3D, and the controls.
    """
    n, own = len(dub.source.frames), torch.from_numpy(dub.target.coeffs)
    still, still_coeffs = still_mouth(dub)
    motions = {"own": own, "still": still_coeffs, "late": delayed(own)} | {f"told_{b}": c for b, c in dub.told.items()}
    out: dict[System, torch.Tensor] = {}
    for beta in dub.items:
        made = dub.paint(net, beta, random_references(n))
        out |= {("full", beta): made["full"], ("warp_only", beta): made["warp_only"]}
        out["fixed_reference", beta] = dub.paint(net, beta, fixed_references(n))["full"]
    truth, hole = dub.truth, dub.mask
    drawn, ground = to_float(dub.items["true"].i3d), to_float(dub.items["true"].frames)
    out["i3d_only", "true"] = torch.where(hole * drawn.amax(1, keepdim=True) > 0, drawn, ground)
    shows = {(row, beta): f"told_{beta}" for row, beta in out}
    controls = {"frozen_mouth": (still, "still"), "truth": (truth, "own"), "truth_noisy": (noisy(truth), "own"),
                "previous_frame": (delayed(truth), "late")}  # fmt: skip
    for row, (pictures, motion) in controls.items():
        out[row, "none"], shows[row, "none"] = pictures, motion
    return out, shows, motions


def one_clip(dub: CrossDub, net: torch.nn.Module) -> tuple[list[dict], dict[tuple[str, str], float], dict]:
    """(a line a frame, flicker by system, pictures) of one cross-dub. Errors are in grey levels inside the painted region."""
    pictures, shows, motions = pictures_of(dub, net)
    truth, mask = dub.truth, dub.mask
    refs = random_references(len(truth))
    beta = "predicted" if "predicted" in dub.items else "true"
    columns = covariates(dub, refs, beta)
    errors = {f"error_{b}": frame_errors(pictures["full", b], truth, mask) for b in dub.items}
    errors["error_frozen"] = frame_errors(pictures["frozen_mouth", "none"], truth, mask)
    names = {"clip": dub.source.id.name, "speaker": dub.source.id.speaker}
    lines = [
        names | {"frame": t, "reference": refs[t]} | {k: round(float(v[t]), 4) for k, v in (columns | errors).items()}
        for t in range(len(truth))
    ]
    return lines, clip_flicker(pictures, shows, motions, ("truth", "none"), mask), pictures


def within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values less their group's mean: what varies inside a clip."""
    _, index = np.unique(groups, return_inverse=True)
    return values - (np.bincount(index, values) / np.bincount(index))[index]


def error_rows(lines: list[dict], common: dict) -> list[Row]:
    """Within-clip rank correlations of error and each covariate, and mean errors in bins of head speed and of yaw."""
    column = {k: np.array([line[k] for line in lines]) for k in lines[0]}
    rows = []
    for row, beta, name in (
        ("full", "true", "error_true"),
        ("full", "predicted", "error_predicted"),
        ("frozen_mouth", "none", "error_frozen"),
    ):
        if name not in column:
            continue
        place = common | {"beta": beta, "region": "crop", "track": "cross-dub"}
        for covariate, words in COVARIATES.items():
            if covariate == "opening_gap" and beta != "predicted":
                continue
            r = correlation(within(column[covariate], column["clip"]), within(column[name], column["clip"]), "spearman", column["clip"])
            value = None if np.isnan(r.value) else r.value
            said = f"error in grey levels with {words}; within clips; n counts frames, block bootstrap" + (f"; {r.note}" if r.note else "")
            rows.append(Row(TABLE, row, f"spearman_{covariate}", value, protocol=said, **(place | interval_fields(r) | {"n": r.n})))
        for covariate, edges in (("speed", np.quantile(column["speed"], np.linspace(0, 1, SPEED_PARTS + 1))), ("yaw", np.array(YAW_EDGES))):
            index = np.clip(np.searchsorted(edges, column[covariate], side="right") - 1, 0, len(edges) - 2)
            for k in range(len(edges) - 1):
                inside = index == k
                if not inside.any():
                    continue
                ci = cluster_bootstrap(column[name][inside], column["speaker"][inside])
                said = f"{COVARIATES[covariate]} {edges[k]:.3g} to {edges[k + 1]:.3g}; {int(inside.sum())} frames"
                rows.append(
                    Row(TABLE, row, f"error_{covariate}_{k}", ci.value, unit="grey levels", protocol=said, **(place | interval_fields(ci)))
                )
    return rows


def flicker_rows(values: list[dict[tuple[str, str], float]], speakers: list[int], common: dict) -> list[Row]:
    """Mean flicker of every system, and the full method minus each, paired."""
    rows = []
    for row, beta in values[0]:
        mine = [v[row, beta] for v in values]
        ci = cluster_bootstrap(mine, speakers)
        place = common | {"beta": beta, "region": "crop", "track": "cross-dub", "unit": "grey levels"}
        rows.append(
            Row(TABLE, row, "flicker", ci.value, protocol="over the truth's own, see renderer_flicker", **(place | interval_fields(ci)))
        )
        if row not in ("full", "truth"):
            ours = beta if beta != "none" else "true"
            ci = paired_difference([v["full", ours] for v in values], mine, speakers)
            rows.append(
                Row(TABLE, f"full_minus_{row}", "flicker", ci.value, protocol="paired", **(place | interval_fields(ci) | {"beta": ours}))
            )
    return rows


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None, checkpoints: Path | None = None) -> list[Path]:
    """Write controls_motion.json, motion_frames.json, figure8.json and figure8_frames.npz from CLIPS test clips, one a speaker."""
    from tqdm import tqdm

    start, corpus = time.perf_counter(), Corpus(config.load_profile("classroom").corpus)
    shipped = Shipped.load("classroom", checkpoints)
    chosen = one_per_speaker(corpus, clips or CLIPS)
    lines, flickers, gallery = [], [], renderer_failures.Gallery()
    for clip in tqdm(chosen, desc="head motion", unit="clip"):
        dub = cross_dub(corpus, shipped, clip)
        found, flicker, pictures = one_clip(dub, shipped.renderer)
        lines += found
        flickers.append(flicker)
        gallery.see(dub, pictures, found)
    common = {"data": f"embedded test speakers, {len(chosen)} clips", "motion": corpus.cfg.motion}
    speakers = [c.speaker for c in chosen]
    header = provenance(
        "paperlib evaluate motion", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=["renderer_classroom", "expression_classroom", "teacher_classroom"], clips=len(chosen),
    )  # fmt: skip
    rows = error_rows(lines, common) + flicker_rows(flickers, speakers, common)
    out = write_results(TABLE, rows, header, folder)
    atomic_write(folder / FRAMES, (json.dumps({"provenance": header, "frames": lines}) + "\n").encode())
    return [out, folder / FRAMES, *gallery.write(lines, header, common, folder)]
