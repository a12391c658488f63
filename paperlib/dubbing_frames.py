"""Which frames a dubbed video shows, in which order and when, and the mark in their corner."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

MARK = "AI-dubbed"
BACKWARD_CHUNK = 64  # frames held at once while the video plays backwards


def match_lengths(n_frames: int, fps: Fraction, wave: np.ndarray, length: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which source frame each output frame shows, (N,) int, the sound (M,) that goes with them, and notes.

    "video": all frames once; the wave is cut, or padded with silence, to their length. "speech": the wave as it is; frames are trimmed,
    or go forwards and backwards in turn (0 1 2 1 0 1 ...) until it ends.
    """
    from paperlib.media.audio import SAMPLE_RATE

    spoken, shown = len(wave) / SAMPLE_RATE, n_frames / float(fps)
    if length == "video":
        samples = round(shown * SAMPLE_RATE)
        notes = []
        if spoken > shown + 0.05:
            notes.append(f"speech of {spoken:.2f} s is cut to the video's {shown:.2f} s (--length speech keeps all of it)")
        elif spoken < shown - 0.05:
            notes.append(f"speech of {spoken:.2f} s is followed by silence up to the video's {shown:.2f} s")
        return np.arange(n_frames), np.pad(wave[:samples], (0, max(0, samples - len(wave)))), notes
    wanted = max(1, round(spoken * float(fps)))
    period = max(1, 2 * n_frames - 2)
    phase = np.arange(wanted) % period
    order = np.where(phase < n_frames, phase, period - phase)
    if wanted > n_frames:
        return order, wave, [f"the video of {shown:.2f} s plays forwards and backwards to fill {spoken:.2f} s of speech"]
    return order, wave, [f"the video of {shown:.2f} s is trimmed to {spoken:.2f} s of speech"] if wanted < n_frames else []


def output_times(times: np.ndarray, order: np.ndarray, fps: Fraction) -> np.ndarray:
    """Display times (N,) s of the output frames: the clip's own while it plays straight on, else even ones at its mean rate."""
    if len(order) <= len(times) and np.array_equal(order, np.arange(len(order))):
        return times[order]
    return np.arange(len(order)) / float(fps)


def source_frames(path: Path, order: np.ndarray) -> Iterator[np.ndarray]:
    """Source frames in the given order of straight runs forwards or backwards; at most BACKWARD_CHUNK frames are held."""
    from paperlib.media import video

    steps = np.diff(order)
    cuts = np.union1d(np.flatnonzero(np.diff(steps)) + 2, np.flatnonzero(steps == 0) + 1)
    for run in np.split(order, cuts):
        if len(run) == 1 or run[1] > run[0]:
            yield from video.iter_frames(path, int(run[0]), int(run[-1]) + 1)
            continue
        for start in range(0, len(run), BACKWARD_CHUNK):
            part = run[start : start + BACKWARD_CHUNK]
            yield from list(video.iter_frames(path, int(part[-1]), int(part[0]) + 1))[::-1]


def mark_box(shape: tuple) -> tuple[int, int, int, int]:
    """Corner (x0, y0, x1, y1) that `add_mark` may change, at the lower right."""
    height, width = shape[:2]
    tall = max(12, round(0.045 * min(height, width)))
    return max(0, width - round(5.6 * tall)), max(0, height - round(1.5 * tall)), width, height


def add_mark(frame: np.ndarray) -> np.ndarray:
    """A copy of the frame with "AI-dubbed" in white on a dark patch in the lower right corner."""
    import cv2

    x0, y0, x1, y1 = mark_box(frame.shape)
    out = frame.copy()
    patch = np.ascontiguousarray((out[y0:y1, x0:x1] * 0.45).astype(np.uint8))
    (wide, tall), _ = cv2.getTextSize(MARK, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    scale = min(0.9 * patch.shape[1] / wide, 0.6 * patch.shape[0] / tall)
    at = (round((patch.shape[1] - wide * scale) / 2), round((patch.shape[0] + tall * scale) / 2))
    cv2.putText(patch, MARK, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), max(1, round(1.6 * scale)), cv2.LINE_AA)
    out[y0:y1, x0:x1] = patch
    return out
