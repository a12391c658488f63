"""Dub a video: a face in a clip, speech from elsewhere, out comes the clip with its mouth moved to the speech.

Detect and track -> crops aligned to the model's camera -> fit coefficients -> stage 1 predicts expression from the speech -> I_3D
-> stage 2 inpaints the masked lower face -> paste back -> encode with the new sound. The video is streamed three times and never held
in memory; only crops at the networks' size are.

Decisions: the predicted expression replaces the whole fitted one in I_3D, eyes and brows too: outside the mask the clip's own
pixels stay, so its blinks stay as they are. The mask is posed by the rigid head and a neutral mouth (PROTOCOL rule 3). Frames in
which no face is found, or a hand hides the mouth, pass through; the paint fades over FADE frames beside them. When the speech is
longer than the video and `length="speech"`, the video plays forwards and backwards in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from paperlib.config import FPS
from paperlib.dubbing_frames import MARK, add_mark, match_lengths, output_times, source_frames
from paperlib.errors import InputError

LENGTHS = ("video", "speech")
KEYFRAMES = 160  # crops kept for references, colours and adaptation, evenly spread over the frames with a face
REFERENCE_GAP = 1.0  # seconds between a frame and its reference, where the clip is long enough (PROTOCOL rule 3)
BATCH = 8
FADE = 4  # frames over which the paint fades beside frames that pass through
ADAPT_STEPS = 120

Progress = Callable[[str, int, int], None]


@dataclass
class DubStages:
    """The trained networks and the face model. `neutral_face` (3,S,S) in [0,1]: the picture that the teacher animates."""

    model: torch.nn.Module
    expression_net: torch.nn.Module
    teacher: torch.nn.Module
    renderer: torch.nn.Module
    neutral_face: torch.Tensor
    device: str = "cpu"
    labels: dict[str, str] = field(default_factory=dict)  # which checkpoints these are; goes into the file's metadata

    @property
    def size(self) -> int:
        """Side of the renderer's pictures, pixels."""
        return self.renderer.cfg.size


@dataclass
class DubReport:
    """What was done. `seconds` per step; `metadata` is what was written into the file."""

    frames: int
    faces_found: int
    frames_passed_through: int
    seconds: dict[str, float]
    notes: list[str]
    metadata: dict
    adapt_loss: tuple[float, float] | None = None  # mask error before and after, when adapted


@dataclass
class Track:
    """The clip as the networks see it: boxes (T,4), coeffs (T,257), masks (T,1,S,S), times (T,) s, crops of the key frames.

    found (T,): a face is there; usable (T,): and its mouth can be seen.
    """

    boxes: np.ndarray
    coeffs: torch.Tensor
    masks: np.ndarray
    found: np.ndarray
    usable: np.ndarray
    times: np.ndarray
    key_index: np.ndarray
    key_crops: np.ndarray
    backend: str
    notes: list[str]


def dub(
    video_path: str | Path,
    speech_path: str | Path,
    out_path: str | Path,
    stages: DubStages,
    length: str = "video",
    adapt: bool = True,
    adapt_steps: int = ADAPT_STEPS,
    mark: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> DubReport:
    """Dub `video_path` with `speech_path` (any sound file, or a video with sound) into `out_path` (.mp4).

    length: "video" keeps the video's frames and cuts or pads the speech with silence; "speech" trims the video, or plays it back and
    forth when it is the shorter one. adapt: fine-tune a copy of the renderer on the clip's own frames first (PROTOCOL rule 5).
    mark: a visible "AI-dubbed" in the corner; the metadata always says so. progress(step, done, total) is called as work goes on.
    Raises InputError for bad input (missing, empty, damaged, no picture, no sound, no face anywhere); then nothing is written.
    """
    from paperlib.media import audio, video

    if length not in LENGTHS:
        raise InputError(f"unknown length {length!r}; choose video or speech")
    out_path = video.check_output(out_path)
    if out_path.exists() and any(Path(p).exists() and out_path.samefile(p) for p in (video_path, speech_path)):
        raise InputError(f"{out_path}: would overwrite its own input; choose another name")
    clock, seconds = _Clock(), {}
    tell = progress or (lambda step, done, total: None)
    info = video.probe(video_path)
    sound = audio.load_audio(speech_path)
    track = follow_face(info.path, stages, tell)
    seconds["track and fit"] = clock.lap()
    order, wave, length_notes = match_lengths(len(track.times), info.fps, sound.wave, length)
    clip_times = output_times(track.times, order, info.fps)
    expression = predict_expression(sound.wave[: len(wave)], clip_times + 0.5 / float(info.fps), stages)
    seconds["speech to expression"] = clock.lap()
    renderer, losses = stages.renderer, None
    if adapt:
        from paperlib.dubbing_adapt import adapt_renderer

        renderer, losses = adapt_renderer(stages, track, adapt_steps, seed, tell)
        seconds["adapt"] = clock.lap()
    notes = [*video.describe(info), *track.notes, *sound.notes, *length_notes]
    metadata = describe_output(stages, adapt and adapt_steps, track.backend)
    frames = compose(info.path, track, order, expression, renderer, stages, mark)
    tags = {"comment": json.dumps(metadata, ensure_ascii=False), "title": f"{info.path.stem} ({MARK})"}
    shown = None if np.allclose(clip_times, np.arange(len(order)) / float(info.fps), atol=1e-6) else clip_times
    counted = _counted(frames, "render and write", len(order), tell)
    notes += video.write_video(out_path, counted, info.fps, wave, metadata=tags, times=shown, pixel_aspect=info.pixel_aspect)
    seconds["render and write"] = clock.lap()
    found, used = int(track.found[order].sum()), int(track.usable[order].sum())
    if found < len(order):
        notes.append(f"{len(order) - found} of {len(order)} frames have no face and are unchanged")
    if used < found:
        notes.append(f"in {found - used} of {len(order)} frames something hides the mouth; they are unchanged")
    return DubReport(len(order), found, len(order) - used, seconds, notes, metadata, losses)


class _Clock:
    def __init__(self) -> None:
        self.last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        passed, self.last = now - self.last, now
        return round(passed, 3)


def _counted(frames, step: str, total: int, tell: Progress) -> Iterator:
    for done, frame in enumerate(frames):
        tell(step, done, total)
        yield frame
    tell(step, total, total)


def follow_face(path: Path, stages: DubStages, tell: Progress) -> Track:
    """Landmarks, aligned boxes, coefficients with skin and light, masks and key crops of the clip's main face.

    The plain landmark fit, not `fitting.fit_clip`: with a network's start it ends in the same place (on real clips from starts up to 0.7
    standard deviations away the landmarks differ by less than 0.01 px), its evidence holds on rendered faces alone, and it would want
    every crop in memory.
    """
    from paperlib.face3d import face_renderer, fitting
    from paperlib.face3d.coefficients import SH, TEX
    from paperlib.face3d.head_pose import neutral_head
    from paperlib.media import cropping, detection, video

    times, notes = video.frame_times(path)
    found = detection.detect(_counted(video.iter_frames(path), "find the face", len(times), tell))
    if not found.found.any():
        raise InputError(f"{path}: no face found in any of its {len(times)} frames; use a clip with one clearly visible face")
    usable = found.found & ~found.covered
    if not usable.any():  # nothing to compare with: trust what there is
        usable = found.found
    model, size = stages.model, stages.size
    boxes = cropping.aligned_boxes(found.lmk, model.mean_shape[model.landmark_index].numpy())
    lmk = cropping.to_crop(found.lmk, boxes, size)
    hidden = np.flatnonzero(~usable)
    lmk[hidden[:, None], [*range(3, 14), *range(48, 68)]] = np.nan  # guesses: the head's pose comes from the upper face alone
    coeffs = fitting.fit_landmarks(model, lmk, size)
    index = np.flatnonzero(usable)
    index = index[np.unique(np.linspace(0, len(index) - 1, min(KEYFRAMES, len(index))).round().astype(int))]
    wanted = set(index.tolist())
    stream = enumerate(video.iter_frames(path, stop=int(index[-1]) + 1))
    crops = np.stack([cropping.crop_frame(frame, boxes[i], size) for i, frame in stream if i in wanted])
    painted = fitting.fit_appearance(model, coeffs[index], crops)
    coeffs = coeffs.clone()
    coeffs[:, TEX], coeffs[:, SH] = painted[0, TEX], painted[0, SH]
    with torch.no_grad():
        neutral = face_renderer.landmarks2d(model, neutral_head(model, coeffs, lmk, size), size).numpy()
    masks = cropping.mouth_mask(neutral, size)
    return Track(boxes, coeffs, masks, found.found, usable, times, index, crops, found.backend, notes + found.notes)


@torch.no_grad()
def predict_expression(wave: np.ndarray, middles: np.ndarray, stages: DubStages) -> torch.Tensor:
    """Stage 1, eq. (10): expression (N,64) at the frame middles (N,) s.

    The network runs at 25 fps, its frame t standing for (t + 0.5)/25 s; between its frames the coefficients are interpolated linearly.
    A clip at 25 fps gets exactly the network's frames.
    """
    from paperlib.media import audio
    from paperlib.training.expression import predict
    from paperlib.training.teacher import semantic_images

    n = max(1, int(np.ceil(middles[-1] * FPS + 0.5)))
    mel = torch.from_numpy(audio.mel_windows(wave, n)).to(stages.device)
    mfcc = torch.from_numpy(audio.mfcc_windows(wave, n)).to(stages.device)
    semantic = semantic_images(stages.teacher, stages.neutral_face.to(stages.device), mel)
    exp = predict(stages.expression_net, mfcc, semantic).cpu().numpy()
    place = np.clip(middles * FPS - 0.5, 0, n - 1)
    low = np.minimum(np.floor(place + 1e-6).astype(int), n - 1)
    high, part = np.minimum(low + 1, n - 1), np.clip(place - low, 0, 1)[:, None]
    return torch.from_numpy((exp[low] * (1 - part) + exp[high] * part).astype(np.float32))


def choose_references(track: Track, model) -> tuple[int, int]:
    """Two rows of the key crops: a good reference for most frames, and one at least REFERENCE_GAP away for the frames near the first.

    Good: the head near its median pose, the lips as open as at the clip's upper quartile (teeth to copy from).
    """
    from paperlib.face3d.coefficients import ANGLES
    from paperlib.face3d.face_renderer import landmarks2d
    from paperlib.face3d.landmarks import lip_opening

    rows = track.coeffs[track.key_index]
    turn = (rows[:, ANGLES] - rows[:, ANGLES].median(0).values).norm(dim=1)
    opening = lip_opening(landmarks2d(model, rows, 1))
    cost = turn / 0.1 + (opening - opening.quantile(0.75)).abs() / (opening.std(unbiased=False) + 1e-6)
    first = int(cost.argmin())
    when = torch.from_numpy(track.times[track.key_index])
    far = (when - when[first]).abs()
    enough = far >= min(2 * REFERENCE_GAP, float(far.max()))
    return first, int(torch.where(enough, cost, torch.inf).argmin())


def reference_rows(track: Track, model, frames: np.ndarray) -> np.ndarray:
    """For each source frame, the row of `track.key_crops` that is its reference: the first choice unless that is too near in time."""
    first, second = choose_references(track, model)
    when = track.times[track.key_index]
    near_first = np.abs(track.times[frames] - when[first])
    near_second = np.abs(track.times[frames] - when[second])
    return np.where((near_first >= REFERENCE_GAP) | (near_first >= near_second), first, second)


def fade(usable: np.ndarray) -> np.ndarray:
    """Weight (T,) of the paint: 0 on frames that pass through, rising to 1 over FADE frames beside them; 1 at the clip's ends.

    >>> fade(np.array([True, True, True, False, True, True, True, True, True])).tolist()
    [0.75, 0.5, 0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    hidden = np.flatnonzero(~usable)
    if not len(hidden):
        return np.ones(len(usable), np.float32)
    away = np.abs(np.arange(len(usable))[:, None] - hidden).min(1)
    return np.minimum(1, away / FADE).astype(np.float32)


@torch.no_grad()
def compose(
    path: Path, track: Track, order: np.ndarray, expression: torch.Tensor, renderer: torch.nn.Module, stages: DubStages, mark: bool
) -> Iterator[np.ndarray]:
    """Finished frames (H,W,3) uint8 one by one: I_3D from the predicted expression, inpainting, paste, mark."""
    from paperlib.face3d.coefficients import with_exp
    from paperlib.face3d.face_renderer import render_i3d
    from paperlib.media import cropping

    renderer.eval()
    soft = cropping.soft_mask(track.masks, stages.size / 48) * fade(track.usable)[:, None, None, None]
    references = reference_rows(track, stages.model, order)
    stream = source_frames(path, order)
    for start in range(0, len(order), BATCH):
        rows = np.arange(start, min(start + BATCH, len(order)))
        source = order[rows]
        frames = [next(stream) for _ in rows]
        use = np.flatnonzero(track.usable[source])
        if len(use):
            picked = source[use]
            crops = np.stack([cropping.crop_frame(frames[i], track.boxes[source[i]], stages.size) for i in use])
            i3d = render_i3d(stages.model, with_exp(track.coeffs[picked], expression[rows[use]]), stages.size)
            mask = torch.from_numpy(track.masks[picked])
            inputs = (i3d, to_float(track.key_crops[references[rows[use]]]), to_float(crops) * (1 - mask))
            painted = renderer(*(x.to(stages.device) for x in inputs)).i_i.clamp(0, 1).cpu().movedim(1, -1).numpy()
            for i, crop in zip(use, painted, strict=True):
                frames[i] = cropping.paste_frame(frames[i], crop, track.boxes[source[i]], soft[source[i], 0])
        yield from (add_mark(frame) if mark else frame for frame in frames)


def to_float(crops: np.ndarray) -> torch.Tensor:
    """(N,S,S,3) uint8 to (N,3,S,S) float32 in [0,1]."""
    return torch.from_numpy(np.ascontiguousarray(crops)).movedim(-1, 1).float() / 255


def describe_output(stages: DubStages, adapt_steps: int, backend: str) -> dict:
    """What the file's `comment` tag says, as JSON-ready data."""
    import paperlib

    return {
        "ai_generated": True,
        "notice": "The mouth region of this video was synthesised by a neural network to match other speech.",
        "tool": f"paperlib {getattr(paperlib, '__version__', '')}".strip() + " dub",
        "networks": dict(stages.labels),
        "adapt_steps": int(adapt_steps),
        "landmarks": backend,
    }


def add_dub_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `paperlib dub`."""
    flag = argparse.BooleanOptionalAction
    parser.add_argument("--video", required=True, help="clip with one clearly visible face")
    parser.add_argument("--speech", required=True, help="what shall be said: any sound file")
    parser.add_argument("--out", required=True, help="dubbed video to write (.mp4)")
    parser.add_argument("--length", choices=LENGTHS, default="video", help="who wins when lengths differ (default: %(default)s)")
    parser.add_argument("--adapt", action=flag, default=True, help="fine-tune a copy of the renderer on the clip first (default: on)")
    parser.add_argument("--adapt-steps", type=int, default=ADAPT_STEPS, help="steps of that fine-tuning (default: %(default)s)")
    parser.add_argument("--mark", action=flag, default=True, help=f'"{MARK}" in the corner (default: on); the metadata always says so')
    parser.add_argument("--profile", default="classroom", help="whose checkpoints to use (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the fine-tuning (default: %(default)s)")


def run_dub(args: argparse.Namespace) -> int:
    """`paperlib dub`: dub, show progress on stderr, print what was done. InputError is left to the caller."""
    from paperlib.media.video import check_output, probe
    from paperlib.training import checkpoints

    if args.adapt_steps < 0:
        raise InputError(f"--adapt-steps {args.adapt_steps}: must be 0 or more")
    check_output(args.out)
    probe(args.video)  # the user's mistakes first, before anything is loaded
    checkpoints.set_threads()
    with _bars() as progress:
        report = dub(
            args.video, args.speech, args.out, checkpoints.load_stages(args.profile), length=args.length,
            adapt=args.adapt, adapt_steps=args.adapt_steps, mark=args.mark, seed=args.seed, progress=progress,
        )  # fmt: skip
    print(f"{args.out}: {report.frames} frames, face in {report.faces_found}, {report.frames_passed_through} passed through unchanged")
    for step, seconds in report.seconds.items():
        print(f"  {step}: {seconds:.1f} s")
    if report.adapt_loss:
        print("  adapt: mean error inside the mask {:.4f} -> {:.4f}, on this clip's own frames".format(*report.adapt_loss))
    for note in report.notes:
        print(f"  note: {note}")
    return 0


@contextlib.contextmanager
def _bars() -> Iterator[Progress]:
    """A progress callback that draws one tqdm bar a step on stderr."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def progress(step: str, done: int, total: int) -> None:
        if step not in bars:
            bars[step] = tqdm(total=total, desc=step, leave=False)
        bars[step].update(done - bars[step].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()
