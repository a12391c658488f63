"""A stretch of a long video at 25 frames a second: pictures and sound, found by seeking, read as a stream.

Annotations of VoxCeleb and LRW count frames at 25 fps from the start of the file, whatever the file's own rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from paperlib.config import FPS
from paperlib.media.video import SAMPLE_RATE, _decode, _display, _open

LEAD = 1.0  # seconds: the seek aims this much earlier, because indices are not exact


def frames_at(path: Path, first: int = 0, last: int | None = None) -> Iterator[np.ndarray]:
    """Frames first..last-1 at 25 fps, (H, W, 3) uint8 RGB as displayed: for time k/25 the nearest of the file's own frames.

    A file of 25 fps gives its own frames. Ends early where the file ends. Raises InputError when it is not a video.
    """
    with _open(path) as (container, stream):
        begin = float((stream.start_time or 0) * stream.time_base)
        if first > LEAD * FPS:
            container.seek(int((first / FPS - LEAD + begin) / stream.time_base), stream=stream)
        step = 1 / float(stream.average_rate or FPS)
        wanted, before, when = first, None, 0.0
        for frame in _decode(container, stream, path):
            now = (frame.time if frame.time is not None else when + step) - begin
            while before is not None and wanted / FPS - when <= now - wanted / FPS:
                if last is not None and wanted >= last:
                    return
                yield _display(before)
                wanted += 1
            before, when = frame, now
        while (last is None or wanted < last) and wanted / FPS < when + step / 2:
            yield _display(before)
            wanted += 1


def sound_at(path: Path, first: int, last: int) -> np.ndarray | None:
    """Sound of frames first..last-1 at 25 fps, ((last - first) * 640,) float32 mono 16 kHz, silence where there is none; None: no track."""
    import av

    start, stop = first / FPS, last / FPS
    with _open(path) as (container, video):
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        begin = float((video.start_time or 0) * video.time_base)
        if start > LEAD:
            container.seek(int((start - LEAD + begin) / stream.time_base), stream=stream)
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=SAMPLE_RATE)
        chunks, heard = [], None
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:  # a damaged packet: what is around it counts
                continue
            for frame in frames:
                heard = (frame.time or 0.0) - begin if heard is None else heard
                chunks += [part.to_ndarray().mean(0) for part in resampler.resample(frame)]
            if frames and (frames[-1].time or 0.0) - begin > stop:
                break
        chunks += [part.to_ndarray().mean(0) for part in resampler.resample(None)]
    out = np.zeros((last - first) * SAMPLE_RATE // FPS, np.float32)
    if chunks:
        wave = np.concatenate(chunks).astype(np.float32)
        shift = round((heard - start) * SAMPLE_RATE)
        part = wave[max(0, -shift) :][: max(0, len(out) - max(0, shift))]
        out[max(0, shift) : max(0, shift) + len(part)] = part
    return out
