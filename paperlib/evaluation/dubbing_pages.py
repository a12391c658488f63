"""A page for each run of the tables: every clip, the worst dub of ours first, with frames of all systems and the measures of that clip.

One HTML file that needs nothing beside it: pictures lie in it as JPEG. Nothing is dubbed or measured here.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from paperlib.artifacts import atomic_write
from paperlib.evaluation.dubbing_frames import Kept, read_kept, shown_frames
from paperlib.evaluation.dubbing_systems import MINIS, OURS, Entry
from paperlib.evaluation.dubbing_tasks import CROSS, SENTENCE, Task
from paperlib.evaluation.dubbing_words import PAPER, explained, heading, name, number
from paperlib.evaluation.dubbing_worst import RANKED_BY, worst_first
from paperlib.evaluation.renderer_failures import LIGHTER, error_picture
from paperlib.training.sweep import Done, Sweep

SYSTEMS = (OURS, *MINIS)
LISTED = (*SYSTEMS, "frozen_mouth", "source_unchanged", "truth")  # rows of the table of a clip's measures
SHOWN = (*PAPER, "opening_r", "leak_index", "skill_mouth")  # its columns
ENLARGED = 2
QUALITY = 88  # of the JPEGs: a frame of 96 px takes 4 KB
USE = {
    CROSS: "Generated video of made-up people: nobody here exists. For study, research and teaching.",
    SENTENCE: "Generated video of recorded people, who did not say these words in these pictures. For study, research and teaching, as far "
    "as these people have agreed to it; do not pass a picture on as a recording.",
}
STYLE = """body { font: 15px/1.45 sans-serif; margin: 1.5em; color: #111 }
.note { background: #fff3d6; border-left: 4px solid #E69F00; padding: 6px 12px; max-width: 60em }
section { border-top: 2px solid #888; margin-top: 2em; overflow-x: auto }
table { border-collapse: collapse; margin: 0.6em 0 } th, td { padding: 2px 6px; text-align: left; font-weight: normal }
.frames td, .frames th { text-align: center; vertical-align: top; font-size: 13px }
.frames img { display: block; image-rendering: pixelated }
.measures th { border-bottom: 1px solid #888 } .measures thead th { cursor: help } .measures td { text-align: right }"""


@dataclass(frozen=True)
class Strip:
    """A row of pictures: the number of their frame, why it is shown, and heading -> uint8 (H, W, 3), None where it was not kept."""

    frame: int
    why: str
    pictures: Mapping[str, np.ndarray | None]


@dataclass(frozen=True)
class Case:
    """One clip of the page. value: of ours, by the measure that ranks; scores: row -> its scores of the clip."""

    clip: str
    part: str
    rank: int
    of: int
    value: float | None
    strips: Sequence[Strip]
    scores: Mapping[str, Mapping]


def strips(task: Task, kept: Mapping[str, Kept]) -> list[Strip]:
    """The frames of one clip, row of a system -> what was kept of its dub: those that the clips chose, then the one in which ours is
    worst. `truth` is what was wanted: without a truth, the recording whose speech it is, in its own pose."""
    wanted = "truth B" if task.truth is not None else "recording B"
    at = [(t, "chosen by A and B alone") for t in shown_frames(task)]
    ours = kept.get(OURS)
    if ours is not None and ours.worst is not None:
        at.append((ours.worst, "ours is furthest from the truth"))
    out = []
    for t, why in at:
        pictures = {"source A": task.source.frames[t], wanted: task.speech.frames[t]}
        pictures |= {name(row): kept[row].frame(t) for row in SYSTEMS if row in kept}
        pictures["frozen mouth"] = task.source.frozen[t]
        if task.truth is not None and ours is not None:
            pictures[f"error of ours, x {LIGHTER}"] = error_picture(ours.frame(t), task.truth.frames[t])
        out.append(Strip(t, why, pictures))
    return out


def picture(frame: np.ndarray, alt: str) -> str:
    """An <img> that holds a frame uint8 (H, W, 3) as JPEG and shows it ENLARGED."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    data, (high, wide) = base64.b64encode(buffer.getvalue()).decode(), frame.shape[:2]
    size = f"width:{ENLARGED * wide}px;height:{ENLARGED * high}px"
    return f'<img style="{size}" alt="{escape(alt)}" src="data:image/jpeg;base64,{data}">'


def frames_table(case: Case) -> str:
    """The clip's strips under one row of headings."""
    heads = list(case.strips[0].pictures) if case.strips else []
    lines = ["<tr><th>frame</th>" + "".join(f"<th>{escape(h)}</th>" for h in heads) + "</tr>"]
    for strip in case.strips:
        cells = [
            picture(strip.pictures[h], f"{h}, frame {strip.frame}, {case.clip}") if strip.pictures[h] is not None else "not kept"
            for h in heads
        ]
        lines.append(f"<tr><th>{strip.frame}<br>{escape(strip.why)}</th>" + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    return f'<table class="frames">{"".join(lines)}</table>'


def measures_table(case: Case, absent: Mapping[str, str]) -> str:
    """A line for each row with scores and a column for each of SHOWN that has a value; absent: row -> why it has none."""
    columns = [m for m in SHOWN if any(own.get(m) is not None for own in case.scores.values())]
    heads = "".join(f'<th title="{escape(explained(m))}">{escape(heading(m))}</th>' for m in columns)
    lines = []
    for row in LISTED:
        if row in case.scores:
            own = case.scores[row]
            values = "".join(f'<td title="{escape(explained(m))}">{number(own.get(m), m)}</td>' for m in columns)
            lines.append(f"<tr><th>{escape(name(row))}</th>{values}</tr>")
        elif row in absent:
            lines.append(f'<tr><th>{escape(name(row))}</th><td colspan="{max(1, len(columns))}">{escape(absent[row])}</td></tr>')
    return f'<table class="measures"><thead><tr><th>row</th>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def section(case: Case, measure: str, absent: Mapping[str, str]) -> str:
    """One clip."""
    value = "ours has no value" if case.value is None else f"ours {number(case.value, measure)}"
    words = f'<span title="{escape(explained(measure))}">{escape(heading(measure, arrow=False))}: {value}</span>'
    return (
        f'<section id="clip{case.rank}" data-clip="{escape(case.clip)}"><h2>{case.rank} of {case.of}: {escape(case.clip)}</h2>'
        f"<p>{escape(case.part)}; {words}</p>{frames_table(case)}{measures_table(case, absent)}</section>\n"
    )


def page(cases: Iterable[Case], kind: str, header: Mapping, absent: Mapping[str, str]) -> str:
    """The whole page. header: provenance of the results files of the same run; absent: row -> why it is not there."""
    measure = RANKED_BY[kind]
    ranked = f"clips by {heading(measure, arrow=False)} ({explained(measure)}) of ours, the worst first"
    facts = {
        "Data": header["corpus"],
        "Command": f"{header['command']}, profile {header['profile']}, commit {header['commit']}",
        "Networks": "; ".join(f"{name(row)}: {what}" for row, what in header.get("checkpoints", {}).items()),
        "Instruments": "; ".join(f"{k}: {v}" for k, v in header.get("instruments", {}).items()),
        "Order": f"not by ours, which is not there ({absent[OURS]}): by name" if OURS in absent else ranked,
        "Frames": "the first rows of pictures were chosen by the clips A and B alone, before anything was dubbed"
        + (": where their mouths differ most. The last is the frame in which ours is furthest from the truth; of the others it was kept "
           "only where it is one of theirs." if kind == CROSS else
           ": where B's mouth is open widest, and where it is shut. B is another recording in another pose, and of some clips of another "
           "person: look at its mouth only."),
        "Not there": "; ".join(f"{name(row)} ({why})" for row, why in absent.items()) or "nothing: every system was scored",
        "Measures": "point at a heading or a number to read how it is found"
        + ("" if kind == CROSS else "; those that compare pixels or points with a truth have no value here, where none exists"),
    }  # fmt: skip
    told = "".join(f"<dt><b>{escape(k)}</b></dt><dd>{escape(str(v))}</dd>" for k, v in facts.items() if v)
    title = "Every cross-dub, the worst first" if kind == CROSS else "Every dub of recorded people, the worst first"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head><body>\n'
        f'<h1>{title}</h1><p class="note">{escape(USE[kind])} Do not use it to put words into anyone\'s mouth.</p>'
        f"<dl>{told}</dl>\n{''.join(section(c, measure, absent) for c in cases)}</body></html>\n"
    )


def absent_rows(rows: Sequence[Entry], scored: Iterable[str], kind: str) -> dict[str, str]:
    """Row of LISTED -> why it has no scores of this kind of task: its own reason, or that nobody asked for it."""
    scored = set(scored)
    there = [e for e in rows if e.row in LISTED and kind in e.kinds and e.row not in scored]
    return {e.row: e.missing or f"not scored; `paperlib evaluate --method {e.row}` does it" for e in there}


def write_page(
    made: Sweep, done: Sequence[Done], scores: Sequence[dict], rows: Sequence[Entry], header: Mapping, path: Path, kind: str = CROSS
) -> Path:
    """Write the page of one kind of task from the frames that were kept and the scores of the same run."""
    plans = {f"{p.source} with {p.speech}": p for p in made.work.plans if p.kind == kind}
    kept = {d.cell.name: read_kept(d.folder) for d in done if d.cell.name in SYSTEMS}
    by_clip: dict[str, dict[str, dict]] = {}
    for s in scores:
        if s["kind"] == kind:
            by_clip.setdefault(s["clip"], {})[s["row"]] = s
    order = [s["clip"] for s in worst_first(scores, kind)] or sorted(by_clip)

    def cases() -> Iterable[Case]:
        for rank, clip in enumerate(order, 1):
            task, own = made.work.store.task(plans[clip]), by_clip[clip]
            pictures = strips(task, {row: tasks[clip] for row, tasks in kept.items() if clip in tasks})
            value = own[OURS].get(RANKED_BY[kind]) if OURS in own else None
            yield Case(clip, task.speech.part, rank, len(order), value, pictures, own)

    scored = {s["row"] for s in scores if s["kind"] == kind}
    atomic_write(path, page(cases(), kind, header, absent_rows(rows, scored, kind)).encode())
    return path
