"""A clip cut out of a video by one still box, fitted and stored: what corpora of people who stay in their place have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from paperlib.corpus.preparing import Outcome, Unit, rejection

MIN_FOUND = 0.5  # share of frames with a face below which a clip is left out
MAX_REPROJECTION = 6.0  # percent of the eyes' outer distance; a clip fitted worse is left out (a good fit has 2 to 3)


def prepare_clip(out: Path, size: int, unit: Unit, source: str, meta: Mapping, longest: int | None = None) -> Outcome:
    """Detect, place the model's camera, crop, fit and store the clip `unit.source` as <out>/<unit.name>.mp4, size x size pixels.

    The box is the clip's median one: the camera stands still as in the embedded corpus, and head motion stays in the coefficients.
    source: what the lists call the file; longest: frames at most; meta: what the .npz says besides, at least `corpus`, `split`,
    `speaker`, `sentence`, `words`.
    """
    from paperlib.corpus.fitted import store_clip
    from paperlib.face3d.morphable_model import default_model
    from paperlib.media import cropping, detection, segments, video

    path, name = unit.source, unit.name
    seen = detection.detect(segments.frames_at(path, 0, longest))
    n = len(seen.lmk)
    if seen.found.mean() < MIN_FOUND:
        return Outcome([], [rejection(name, source, "no_face", f"a face in {int(seen.found.sum())} of {n} frames")])
    wave = video.read_sound(path)
    if wave is None:
        return Outcome([], [rejection(name, source, "no_sound")])
    model = default_model()
    placed = cropping.aligned_boxes(seen.lmk, model.mean_shape[model.landmark_index].numpy(), sigma=0)
    box = np.median(placed[seen.found], 0)
    told = {**meta, "hash": unit.sha256, "source": source, "box": [round(float(v), 2) for v in box], "landmarks": seen.backend}
    info = video.probe(path)
    crops = (cropping.crop_frame(frame, box, size) for frame in segments.frames_at(path, 0, n))
    target = out / f"{name}.mp4"
    stats = store_clip(target, crops, cropping.to_crop(seen.lmk, box, size), wave, size, told, seen.covered)
    if float(stats["reprojection_percent"]) > MAX_REPROJECTION:
        for made in (target, target.with_suffix(".npz")):
            made.unlink()
        return Outcome([], [rejection(name, source, "bad_fit", f"median landmark error {stats['reprojection_percent']}%")])
    row = {
        "clip": name, "split": meta["split"], "speaker": meta["speaker"], "source": source, "sha256": unit.sha256, "start": 0, "end": n,
        "fps": 25, "box": "-".join(str(round(float(v))) for v in box), "width": info.width, "height": info.height,
        "landmarks": seen.backend, **stats,
    }  # fmt: skip
    return Outcome([row], [])
