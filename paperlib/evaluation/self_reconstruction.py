"""Recorded people told to say what they do say: the one case in which a real clip is its own truth (PROTOCOL: self-reconstruction).

    python -m paperlib.evaluation.self_reconstruction SPEAKER=CLIP [SPEAKER=CLIP ...] [--adapt-steps N] [--out FOLDER]

References, and the frames that the renderer is adapted to, come from the first half of a clip; only its second half is scored, so that
nothing scored was seen. Everything is scored in the crop that the renderer paints, side 96: a face from a camera that is nearer than that
is made smaller first. Self-reconstruction flatters: a frozen mouth of the same clip stands beside it, and cross-dubs (`dubbed`) are
what a user does. Writes self_real.json and one sheet per clip (true, ours, frozen) into FOLDER, default build/self_real.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from paperlib import paths
from paperlib.dubbing import ADAPT_STEPS, DubStages, Track, follow_face, predict_expression, reference_rows, to_float
from paperlib.errors import InputError
from paperlib.evaluation.controls import frozen_mouth
from paperlib.losses.perceptual import crop_resize
from paperlib.media.cropping import crop_frame, mouth_box
from paperlib.media.detection import landmarks_at
from paperlib.metrics import identity, image
from paperlib.metrics.geometry import lmd
from paperlib.metrics.statistics import cluster_bootstrap, paired_difference
from paperlib.results import Row, interval_fields, provenance, write_results

TABLE = "self_real"
LEAST = 8  # frames with a visible mouth that either half needs
CSIM_EVERY = 5  # identity is read off every fifth frame: it does not change faster
UNITS = {"psnr": "dB", "skill": "", "lpips": "", "lmd": "px", "csim": ""}
HOW = {
    "psnr": "inside the mask", "skill": "1 - squared error inside the mask / that of the frozen mouth", "lpips": "mouth box at 64 px",
    "lmd": "20 mouth landmarks found in the picture, px of a 96 px face crop", "csim": "dlib128, every fifth frame",
}  # fmt: skip


def halves(track: Track) -> tuple[Track, np.ndarray]:
    """(the track with key frames of the first half alone, usable frames of the second half). InputError when either has too few."""
    middle = len(track.times) // 2
    first = track.key_index < middle
    scored = np.flatnonzero(track.usable & (np.arange(len(track.times)) >= middle))
    if first.sum() < LEAST or len(scored) < LEAST:
        raise InputError(f"a clip of {len(track.times)} frames with {track.usable.sum()} visible mouths is too short to be split in halves")
    return replace(track, key_index=track.key_index[first], key_crops=track.key_crops[first]), scored


@torch.no_grad()
def painted(renderer, stages: DubStages, track: Track, at: np.ndarray, crops: torch.Tensor, exp: torch.Tensor) -> torch.Tensor:
    """(N, 3, S, S): crops (N, 3, S, S) of the frames `at`, the mouth told to do exp (N, 64), composed as in a dub but with a hard mask."""
    from paperlib.face3d.coefficients import with_exp
    from paperlib.face3d.face_renderer import render_i3d

    references = to_float(track.key_crops[reference_rows(track, stages.model, at)])
    i3d = render_i3d(stages.model, with_exp(track.coeffs[at], exp), stages.size)
    mask = torch.from_numpy(track.masks[at])
    parts = zip(*(x.split(16) for x in (i3d, references, crops * (1 - mask))), strict=True)
    out = torch.cat([renderer.eval()(*part).i_i for part in parts]).clamp(0, 1)
    return out * mask + crops * (1 - mask)


def reconstruct(path: Path, stages: DubStages, adapt_steps: int = ADAPT_STEPS, seed: int = 0) -> dict[tuple[str, str, str], torch.Tensor]:
    """(row, beta, track) -> (N, 3, S, S) pictures of the second half of a clip with sound, and under ("mask", "", "") their masks,
    ("near", "", "") the pose-only landmarks (N, 68, 2)."""
    from paperlib.dubbing_adapt import adapt_renderer
    from paperlib.face3d.face_renderer import landmarks2d
    from paperlib.face3d.head_pose import neutral_head
    from paperlib.media import audio, detection, video

    wave, info = audio.load_audio(path).wave, video.probe(path)
    track, at = halves(whole := follow_face(Path(path), stages, lambda *_: None))
    frames = list(video.iter_frames(path))
    crops = np.stack([crop_frame(frames[i], whole.boxes[i], stages.size) for i in range(len(whole.times))])
    said = predict_expression(wave, whole.times + 0.5 / float(info.fps), stages)[at]
    target = to_float(crops[at])
    out: dict[tuple[str, str, str], torch.Tensor] = {("truth", "none", ""): target}
    adapted = adapt_renderer(stages, track, adapt_steps, seed, lambda *_: None)[0]
    for name, net in (("plain", stages.renderer), ("adapt", adapted)):
        out["full", "predicted", name] = painted(net, stages, track, at, target, said)
        out["full", "fitted", name] = painted(net, stages, track, at, target, whole.coeffs[at, 80:144])
    still = int(track.key_index[-1])  # the last frame that a system may have seen
    rows = np.concatenate([[still], at])
    frozen = frozen_mouth(crops[rows].astype(np.float32) / 255, whole.coeffs[rows], whole.masks[rows])[1:]
    out["frozen_mouth", "none", ""] = torch.from_numpy(frozen).movedim(-1, 1)
    found = detection.detect(frames[i] for i in at)
    from paperlib.media.cropping import to_crop

    with torch.no_grad():
        head = neutral_head(stages.model, whole.coeffs[at], to_crop(found.lmk, whole.boxes[at], stages.size), stages.size)
        near = landmarks2d(stages.model, head, stages.size)
    return out | {("mask", "", ""): torch.from_numpy(whole.masks[at]), ("near", "", ""): near}


def to_uint8(pictures: torch.Tensor) -> np.ndarray:
    """(N, 3, S, S) in [0, 1] to (N, S, S, 3) uint8."""
    return np.ascontiguousarray((pictures.movedim(1, -1).numpy() * 255 + 0.5).astype(np.uint8))


def scores(out: dict[tuple[str, str, str], torch.Tensor], lpips_net) -> list[dict]:
    """Means over the frames of every system of `reconstruct`: row, beta, track and the metrics of UNITS."""
    mask, near = out["mask", "", ""], out["near", "", ""].numpy()
    target, frozen = out["truth", "none", ""], out["frozen_mouth", "none", ""]
    boxes = torch.from_numpy(mouth_box(near))
    lmk = landmarks_at(to_uint8(target), near)
    some = slice(None, None, CSIM_EVERY)
    who = identity.descriptors(to_uint8(target)[some], lmk[some])
    rows = []
    for (row, beta, track), pictures in out.items():
        if not beta or row == "truth":
            continue
        a, b = (crop_resize(x, boxes, 64).clamp(0, 1) for x in (pictures, target))
        here = landmarks_at(to_uint8(pictures), near)
        values = {
            "psnr": image.psnr(pictures, target, mask=mask), "skill": image.mouth_skill(pictures, target, frozen, mask),
            "lpips": image.lpips(a, b, net=lpips_net), "lmd": lmd(here, lmk),
            "csim": identity.csim(identity.descriptors(to_uint8(pictures)[some], here[some]), who),
        }  # fmt: skip
        means = {k: float(np.nanmean(np.asarray(v, np.float64))) for k, v in values.items()}
        rows.append({"row": row, "beta": beta, "track": track, **means})
    return rows


def summarise(scored: list[dict], data: str) -> list[Row]:
    """Every clip by itself, the means over clips with intervals over speakers, and each system less the frozen mouth, paired.

    scored: `scores` of all clips, each with `speaker` and `clip` beside.
    """
    out: list[Row] = []
    systems = list(dict.fromkeys((s["row"], s["beta"], s["track"]) for s in scored))
    of = {k: [s for s in scored if (s["row"], s["beta"], s["track"]) == k] for k in systems}
    still = of["frozen_mouth", "none", ""]
    for (row, beta, track), group in of.items():
        who = [s["speaker"] for s in group]
        common = {"beta": beta, "track": f"self {track}".strip(), "motion": "real", "region": "mouth"}
        for metric, unit in UNITS.items():
            values = np.array([s[metric] for s in group])
            for s in group:
                out.append(Row(TABLE, row, metric, s[metric], unit, data=s["clip"], n=1, protocol=f"one clip; {HOW[metric]}", **common))
            ci = cluster_bootstrap(values, who)
            out.append(Row(TABLE, row, metric, ci.value, unit, data=data, protocol=HOW[metric], **common, **interval_fields(ci)))
            if row != "frozen_mouth" and metric != "skill":
                ci = paired_difference(values, np.array([s[metric] for s in still]), who)
                out.append(
                    Row(TABLE, f"{row}_minus_frozen_mouth", metric, ci.value, unit, data=data, protocol=f"paired; {HOW[metric]}", **common,
                        **interval_fields(ci))
                )  # fmt: skip
    return out


def sheet(out: dict[tuple[str, str, str], torch.Tensor], path: Path, columns: int = 8, scale: int = 2) -> None:
    """Write a PNG: columns evenly spaced frames, rows true, ours (predicted, adapted), ours (fitted, adapted), frozen; `scale` enlarges."""
    from PIL import Image

    rows = [("truth", "none", ""), ("full", "predicted", "adapt"), ("full", "fitted", "adapt"), ("frozen_mouth", "none", "")]
    picked = np.linspace(0, len(out[rows[0]]) - 1, columns).round().astype(int)
    grid = np.concatenate([np.concatenate(list(to_uint8(out[key][picked])), 1) for key in rows], 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid).resize((grid.shape[1] * scale, grid.shape[0] * scale), Image.Resampling.LANCZOS).save(path)


def run(clips: Sequence[tuple[str, Path]], stages: DubStages, folder: Path, adapt_steps: int = ADAPT_STEPS) -> Path:
    """Score (speaker, clip) pairs, write self_real.json and the sheets; a clip that cannot be scored is named in the header."""
    from paperlib.weights import load_lpips

    start, net, scored, refused = time.perf_counter(), load_lpips(), [], {}
    for speaker, path in clips:
        try:
            out = reconstruct(path, stages, adapt_steps)
        except InputError as error:
            refused[path.name] = str(error)
            continue
        scored += [s | {"speaker": speaker, "clip": path.stem} for s in scores(out, net)]
        sheet(out, folder / f"{path.stem}.png")
        print(f"{path.name}: done, {time.perf_counter() - start:.0f} s", flush=True)
    if not scored:
        raise InputError("self_reconstruction: no clip could be scored: " + "; ".join(refused.values()))
    people = {s["speaker"] for s in scored}
    data = f"{len({s['clip'] for s in scored})} real clips of {len(people)} people, second halves"
    header = provenance(
        "python -m paperlib.evaluation.self_reconstruction", "classroom", 0, data, time.perf_counter() - start,
        adapt_steps=adapt_steps, checkpoints=dict(stages.labels), refused=refused,
    )  # fmt: skip
    return write_results(TABLE, summarise(scored, data), header, folder)


def main(argv: Sequence[str] | None = None) -> None:
    """See the module's text."""
    from paperlib.training import checkpoints

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", metavar="SPEAKER=CLIP", help="a video with sound, and who speaks in it")
    parser.add_argument("--adapt-steps", type=int, default=ADAPT_STEPS)
    parser.add_argument("--out", type=Path, default=paths.BUILD / TABLE)
    args = parser.parse_args(argv)
    pairs = [(who, Path(path)) for who, _, path in (c.partition("=") for c in args.clips)]
    for (who, path), given in zip(pairs, args.clips, strict=True):
        if not who or not path.is_file():
            raise SystemExit(f"{given}: give SPEAKER=CLIP with the path of a video")
    checkpoints.set_threads()
    print(run(pairs, checkpoints.load_stages(), args.out, args.adapt_steps))


if __name__ == "__main__":
    main()
