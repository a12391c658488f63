"""Video files in and out, through PyAV (its wheels carry FFmpeg; no program has to be installed).

Frames are (H, W, 3) uint8 RGB as a player would show them (rotation applied). Time zero is the first video frame; the sound is cut
or padded to start there. `iter_frames` streams, so that long clips need not fit in memory; `read_video` reads all at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from paperlib.errors import InputError

SAMPLE_RATE = 16_000  # of every wave inside the library
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov")
_BT709, _BT601 = 1, 6  # AVColorSpace codes: HD frames are tagged and converted as BT.709, smaller ones as BT.601
_TIME_BASE = Fraction(1, 90_000)  # of files written at uneven times


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about itself: size as displayed (pixels), mean frame rate, display rotation (degrees counter-clockwise)."""

    path: Path
    width: int
    height: int
    fps: Fraction
    rotation: int
    pixel_aspect: Fraction
    has_audio: bool
    metadata: dict[str, str]


@dataclass(frozen=True)
class Video:
    """A clip in memory: frames (T,H,W,3) uint8 RGB, times (T,) float64 seconds, wave (N,) float32 at 16 kHz or None."""

    frames: np.ndarray
    fps: Fraction
    times: np.ndarray
    wave: np.ndarray | None
    notes: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def _open(path: str | Path):
    """The opened container and its first real video stream (not a cover picture, not text). Raises InputError."""
    import av

    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; give the path of a video")
    if not path.is_file():
        raise InputError(f"{path}: is a folder, not a video file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; copy or download it again")
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: not a readable video ({error.strerror}); convert it to MP4 or copy it again") from None
    with container:
        real = [s for s in container.streams.video if s.codec_context is not None and not _is_picture(s)]
        if not real:
            raise InputError(f"{path}: has no video stream; give a video file (sound alone goes to --speech)")
        yield container, real[0]


def _is_picture(stream) -> bool:
    import av

    return bool(stream.disposition & av.stream.Disposition.attached_pic) or stream.codec_context.name in ("ansi", "bintext", "xbin")


def _decode(container, stream, path: Path) -> Iterator:
    """Frames of `stream`; packets that cannot be decoded are skipped. Raises InputError when there is no frame at all."""
    import av

    count, last_error = 0, "no picture in it"
    stream.thread_type = "AUTO"
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = packet.decode()
        except StopIteration:
            break
        except av.error.EOFError:
            break
        except av.error.FFmpegError as error:
            last_error = error.strerror
            continue
        for frame in frames:
            count += 1
            yield frame
    if count == 0:
        raise InputError(f"{path}: no frame can be decoded ({last_error}); the file is damaged or cut short")


def _display(frame) -> np.ndarray:
    """The decoded frame as (H,W,3) uint8 RGB, turned the way a player shows it."""
    image = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _fps(stream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return Fraction(rate) if rate else Fraction(25)


def probe(path: str | Path) -> VideoInfo:
    """Size, rate, rotation and tags of a video, from its header and first frame. Raises InputError when it is not a video."""
    with _open(path) as (container, stream):
        frame = next(_decode(container, stream, Path(path)))
        rotation = int(frame.rotation) % 360
        height, width = (frame.width, frame.height) if round(rotation / 90) % 2 else (frame.height, frame.width)
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        if round(rotation / 90) % 2:
            aspect = 1 / aspect
        return VideoInfo(
            Path(path), width, height, _fps(stream), rotation, aspect, len(container.streams.audio) > 0, dict(container.metadata)
        )


def frame_times(path: str | Path, max_frames: int | None = None) -> tuple[np.ndarray, list[str]]:
    """Display times (T,) float64 seconds of the frames, from the first frame, and notes; decodes but does not convert the pictures."""
    with _open(path) as (container, stream):
        fps, times = _fps(stream), []
        for frame in _decode(container, stream, Path(path)):
            times.append(frame.time)
            if max_frames is not None and len(times) >= max_frames:
                break
    return _regular_times(times, fps)


def _regular_times(times: list[float | None], fps: Fraction) -> tuple[np.ndarray, list[str]]:
    """Times from 0; exactly i/fps where the file is at a constant rate; uneven but growing times are kept and noted."""
    even = np.arange(len(times)) / float(fps)
    if any(t is None for t in times):
        return even, ["frames carry no time stamps; a constant rate is assumed"]
    seen = np.asarray(times, dtype=np.float64) - times[0]
    if np.all(np.abs(seen - even) < 0.5 / float(fps)):
        return even, []
    if np.any(np.diff(seen) <= 0):
        return even, ["time stamps run backwards; a constant rate is assumed"]
    return seen, [f"uneven frame times (mean {float(fps):.3f} fps) are kept as they are"]


def iter_frames(path: str | Path, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
    """Frames start..stop-1 one by one, each (H,W,3) uint8 RGB as displayed. Memory: a few frames. Raises InputError."""
    with _open(path) as (container, stream):
        shape = None
        for index, frame in enumerate(_decode(container, stream, Path(path))):
            if stop is not None and index >= stop:
                return
            if index < start:
                continue
            image = _display(frame)
            shape = shape or image.shape
            if image.shape != shape:
                raise InputError(f"{path}: the picture size changes from {shape[1]}x{shape[0]} inside the file; re-encode it at one size")
            yield image


def read_sound(path: str | Path) -> np.ndarray | None:
    """The file's sound as (N,) float32 mono at 16 kHz, sample 0 at the first video frame; None when it has none."""
    import av

    with _open(path) as (container, stream):
        if not container.streams.audio:
            return None
        first = next(_decode(container, stream, Path(path))).time or 0.0
    chunks, begin = [], None
    with av.open(str(path), metadata_errors="ignore") as container:
        # mono is the mean of the channels: the resampler's own mix makes stereo 3 dB louder and exceeds 1
        resampler = av.AudioResampler(format="fltp", layout=container.streams.audio[0].layout, rate=SAMPLE_RATE)
        try:
            for frame in container.decode(container.streams.audio[0]):
                begin = (frame.time or 0.0) if begin is None else begin
                chunks += [part.to_ndarray().mean(0) for part in resampler.resample(frame)]
            chunks += [part.to_ndarray().mean(0) for part in resampler.resample(None)]
        except av.error.FFmpegError:  # a damaged tail: what came before it counts
            pass
    if not chunks:
        return None
    wave = np.concatenate(chunks).astype(np.float32)
    lead = round((begin - first) * SAMPLE_RATE)
    return np.concatenate([np.zeros(lead, np.float32), wave]) if lead > 0 else wave[-lead:]


def read_video(path: str | Path, max_frames: int | None = None) -> Video:
    """Read a whole clip (all of it in memory: T*H*W*3 bytes).

    Handled with a note: rotation metadata, odd sizes, uneven frame times, non-square pixels. Raises InputError for a missing, empty,
    damaged or pictureless file.
    """
    info = probe(path)
    notes = describe(info)
    times, time_notes = frame_times(path, max_frames)
    frames = np.empty((len(times), info.height, info.width, 3), np.uint8)
    for i, image in enumerate(iter_frames(path, stop=len(times))):
        frames[i] = image
    wave = read_sound(path) if info.has_audio else None
    return Video(frames, info.fps, times, wave, notes + time_notes, info.metadata)


def describe(info: VideoInfo) -> list[str]:
    """One note for each thing about the file that a user should know."""
    notes = []
    if info.rotation:
        notes.append(f"rotation metadata ({info.rotation} degrees) applied: frames are {info.width}x{info.height}")
    if info.width % 2 or info.height % 2:
        notes.append(f"odd size {info.width}x{info.height}: H.264 output is padded to even by repeating the last row or column")
    if info.pixel_aspect != 1:
        notes.append(f"pixels are not square ({info.pixel_aspect.numerator}:{info.pixel_aspect.denominator})")
    if info.fps != 25:
        notes.append(f"{float(info.fps):.3f} fps is kept; networks run at 25 fps")
    return notes


def write_video(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: Fraction | float,
    wave: np.ndarray | None = None,
    sample_rate: int = SAMPLE_RATE,
    metadata: dict[str, str] | None = None,
    crf: int = 18,
    pixel_format: str = "yuv420p",
    times: np.ndarray | None = None,
    pixel_aspect: Fraction = Fraction(1),
    preset: str = "medium",
    repeatable: bool = False,
) -> list[str]:
    """Write H.264 (+ AAC) MP4 that browsers play (4:2:0, index first). Returns notes.

    `frames`: iterable of (H,W,3) uint8 RGB, consumed one by one. `times` (T,) seconds: display times when they are not i/fps. `wave` (N,)
    float32 in [-1,1]. `metadata`: MP4 tags such as title, comment. `preset`: x264's; faster ones make larger files. `repeatable`: the same
    frames give the same bytes, at about a third more of them: one thread, and none of x264's macroblock tree, whose assembly reads memory
    that nobody wrote. The file appears under its name only when it is whole: on any error
    nothing is left. Odd sizes are padded to even (4:2:0 needs it). Raises InputError for a bad suffix or folder, or no frames.
    """
    path = check_output(path)
    part, rate = path.with_name(path.name + ".part"), Fraction(fps).limit_denominator(100_000)
    try:
        # Lookahead threads hold many frames each; two are enough and keep memory flat.
        exact = {"threads": "1", "x264-params": "mbtree=0"} if repeatable else {"threads": "2"}
        options = {"crf": str(crf), "preset": preset, **exact}
        notes = _encode(part, frames, rate, wave, sample_rate, metadata or {}, options, pixel_format, times, pixel_aspect)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return notes


def check_output(path: str | Path) -> Path:
    """`path` as a Path if a video can be written there. Raises InputError for another suffix or a missing folder."""
    path = Path(path)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise InputError(f"{path}: output must end in one of {', '.join(VIDEO_SUFFIXES)}")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; create it first")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file name")
    return path


def _encode(part: Path, frames, fps: Fraction, wave, sample_rate, metadata, options, pixel_format, times, pixel_aspect) -> list[str]:
    import av
    from av.video.reformatter import VideoReformatter

    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{part.stem}: no frames to write")
    _check_frame(first, first.shape)
    height, width = first.shape[:2]
    pad = ((0, height % 2), (0, width % 2), (0, 0)) if pixel_format == "yuv420p" else ((0, 0),) * 3
    height, width = height + pad[0][1], width + pad[1][1]
    space = _BT709 if height >= 720 else _BT601
    time_base = 1 / fps if times is None else _TIME_BASE
    with av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as out:
        out.metadata.update({key: str(value) for key, value in metadata.items()})
        video = out.add_stream("libx264", rate=fps, options=options)
        video.width, video.height, video.pix_fmt = width, height, pixel_format
        video.codec_context.time_base, video.codec_context.sample_aspect_ratio = time_base, pixel_aspect
        video.codec_context.colorspace, video.codec_context.color_range = space, 1
        audio = None if wave is None or len(wave) == 0 else out.add_stream("aac", rate=sample_rate, layout="mono", bit_rate=96_000)
        sound = iter(()) if audio is None else _sound_frames(wave, sample_rate)
        heard, converter = 0.0, VideoReformatter()  # one converter: a fresh one per frame costs twenty times the conversion
        for index, image in enumerate(_chain(first, frames)):
            _check_frame(image, first.shape)
            image = np.pad(image, pad, mode="edge") if pad[0][1] or pad[1][1] else np.ascontiguousarray(image)
            frame = converter.reformat(
                av.VideoFrame.from_ndarray(image, format="rgb24"),
                format=pixel_format,
                dst_colorspace=_sws(space),
                dst_color_range=1,
                threads=1,
            )
            seconds = index / fps if times is None else Fraction(float(times[index]))
            frame.pts, frame.time_base = round(seconds / time_base), time_base
            out.mux(video.encode(frame))
            while heard <= seconds + 0.5 and (chunk := next(sound, None)) is not None:  # interleave, half a second ahead
                heard = (chunk.pts + chunk.samples) / sample_rate
                out.mux(audio.encode(chunk))
        out.mux(video.encode(None))
        for chunk in sound:
            out.mux(audio.encode(chunk))
        if audio is not None:
            out.mux(audio.encode(None))
    return [f"odd size padded to {width}x{height}"] if pad[0][1] or pad[1][1] else []


def _sws(space: int) -> int:
    return 1 if space == _BT709 else 5  # swscale's own numbers of the two colour matrices


def _check_frame(image: np.ndarray, shape: tuple) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.shape != shape:
        raise ValueError(f"frames must all be (H,W,3) uint8 of one size; got {image.shape} {image.dtype} after {shape}")


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from rest


def _sound_frames(wave: np.ndarray, sample_rate: int) -> Iterator:
    """AAC-sized (1024 samples) frames of a mono wave, clipped to [-1, 1]."""
    import av

    wave = np.clip(np.asarray(wave, np.float32), -1, 1)
    for begin in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave[None, begin : begin + 1024]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, begin, Fraction(1, sample_rate)
        yield frame
