"""Dubs of recorded people as notebook 09 shows them, from saved rows only: one person with intervals, everybody else clip by clip.

Nothing here has a picture to be compared with, so a dub is asked whether its lips follow the new sentence (and not the old one).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paperlib import figure_expression
from paperlib.dubbing_report import heading, markdown, name
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_systems import MINIS, OURS
from paperlib.evaluation.dubbing_tasks import SELF, SENTENCE
from paperlib.evaluation.dubbing_verdicts import BETTER, judges_on, measure_of
from paperlib.paper import PAIRED
from paperlib.results import Row, read_results, select
from paperlib.tables import cell

COMMAND = "paperlib evaluate --method all --profile classroom --data data/cache/grid --out data/results"
TABLE = "controls_dub_grid"
LIPS = ("opening_r", "opening_r_source", "leak_index", "loudness_r", "shape_mouth", "sync_mouth")
BESIDE = (*MINIS, "frozen_mouth", "source_unchanged")  # what ours is held against
UNHEARD = ("swapped_speech", "shifted_m5", "shifted_p5", "silent_speech", "source_unchanged")  # heard something else, or nothing
LISTED = (OURS, *MINIS, "source_unchanged")


def saved(folder: Path | None = None) -> tuple[list[Row], str, list[list[str]]]:
    """(rows, how they were made, [source, speech] of every dub); ([], how to make them, []) without the file."""
    rows, said = figure_expression.saved(TABLE, folder, COMMAND)
    if not rows:
        return [], said, []
    made = read_results(TABLE, folder)[1]
    return rows, f"Made by `{COMMAND}`; clips cut to {made['frames']} frames, {made['size']} x {made['size']} px.", made["clips"]


def people(rows: Sequence[Row]) -> list[str]:
    """`data` of those who have intervals, most clips first as saved."""
    return list(dict.fromkeys(r.data for r in rows if r.low is not None and r.table == TABLE))


def values(rows: Sequence[Row], data: str, track: str, measures: Sequence[str]) -> str:
    """Markdown: a line per system and sanity row, a column per measure, of one person."""
    own = [r for r in select(list(rows), data=data, track=track, table=TABLE) if not r.row.startswith(PAIRED)]
    at = {(r.row, measure_of(r)): r for r in own}
    order = [row for row in dict.fromkeys(r.row for r in own) if any((row, m) in at for m in measures)]
    lines = [[name(row), *(cell(at[row, m], _digits(m)) if (row, m) in at else "–" for m in measures)] for row in order]
    return markdown(["measured", *map(heading, measures)], lines)


def _digits(measure: str) -> int:
    return 1 if MEASURES[measure].metric == "psnr" else 2


def duels(rows: Sequence[Row], data: str, track: str, measures: Sequence[str]) -> str:
    """Markdown: ours less each of BESIDE, and what that says of ours on this person alone. A measure in which ours beats the recordings
    themselves has no verdict: it is at fault there."""
    faulty = {"sync_mouth"} if beyond(rows, data) else set()
    own = {(r.row.removeprefix(PAIRED), measure_of(r)): r for r in select(list(rows), data=data, track=track) if r.row.startswith(PAIRED)}
    lines = []
    for other in BESIDE:
        found = [own.get((other, m)) for m in measures]
        if any(found):
            lines.append([f"ours less {name(other)}", *(_duel(r, m in faulty) if r else "–" for r, m in zip(found, measures, strict=True))])
    return markdown(["difference", *map(heading, measures)], lines)


def beyond(rows: Sequence[Row], data: str) -> str:
    """A sentence if ours has more Sync with a new sentence than the recordings have with their own, by the same judge; "" if not."""
    ours = select(list(rows), data=data, track=SENTENCE, metric="sync", row=OURS)
    truth = select(list(rows), data=data, track=SELF, metric="sync", row="truth")
    if not ours or not truth or ours[0].value <= truth[0].value:
        return ""
    return (
        f"Sync of ours is {ours[0].value:.2f}, that of the recordings with their own sound {truth[0].value:.2f}: nothing is more in sync "
        "than the truth, so the judge is at fault here, and Sync has no verdict."
    )


def _duel(row: Row, faulty: bool = False) -> str:
    said = "no verdict" if faulty else row.protocol.split("ours is: ")[1].split(";")[0]
    interval = "" if row.low is None else f" [{row.low:+.2f}, {row.high:+.2f}]"
    return f"{row.value:+.2f}{interval}" + ("" if said == "no verdict" else f" **{said}**")


def listed(rows: Sequence[Row], measure: str = "opening_r", track: str = SENTENCE) -> str:
    """Markdown: every dub of people with few clips, a column per system; n = 1 each, so no interval and no verdict."""
    own = [r for r in rows if r.n == 1 and r.track == track and measure_of(r) == measure]
    at = {(r.data, r.row): r.value for r in own}
    lines = []
    for data in dict.fromkeys(r.data for r in own):
        clip = data.split(", ", 1)[1]
        source, speech = (part.split("/")[1] for part in clip.split(" with "))
        lines.append([source, speech, *(f"{at[data, row]:+.2f}" if (data, row) in at else "–" for row in LISTED)])
    return markdown(["video", "speech", *map(name, LISTED)], lines)


def clip_list(clips: Sequence[Sequence[str]], person: str) -> str:
    """`A with B` of one person's dubs, by the names of the sentences.

    >>> clip_list([["s1/bbaf2n/00000", "s1/sbig5s/00000"], ["x/y/0", "x/z/0"]], "s1")
    'bbaf2n with sbig5s'
    """
    pairs = [(a.split("/")[1], b.split("/")[1]) for a, b in clips if a.startswith(f"{person}/")]
    return ", ".join(f"{a} with {b}" for a, b in pairs)


def margin(rows: Sequence[Row], data: str) -> str:
    """Ours less the untouched video, and less the best of the five, in how the lips follow the new sentence."""
    own = select(list(rows), data=data, track=SENTENCE, metric="opening_r")
    paired = {r.row.removeprefix(PAIRED): r for r in own if r.row.startswith(PAIRED)}
    minis = [r for r in own if r.row in MINIS and r.value is not None]
    if "source_unchanged" not in paired or not minis:
        return "Too few rows to say anything."
    best = max(minis, key=lambda r: r.value).row
    beside = (("a video in which nothing was done", "source_unchanged"), (f"{name(best)}, the best of the five in it", best))
    said = "; ".join(f"ours less {words}: {_duel(paired[row])}" for words, row in beside)
    return f"Opening r with the new sentence, {data}: {said}."


def follows(rows: Sequence[Row], data: str) -> str:
    """Sentences: whether the lips of ours follow the new sentence more than those of rows that heard something else or nothing. Verdicts
    are those of the judge `opening`, read back; "" where none is saved."""
    judged = select(list(rows), table="judge_agreement", data=data)
    own = [r for r in select(list(rows), table=TABLE, data=data, track=SENTENCE, metric="opening_r") if not r.row.startswith(PAIRED)]
    mean = {r.row: r.value for r in own}
    said = {row: judges_on(judged, OURS, row)[1].get("opening") for row in UNHEARD if row in mean}
    if OURS not in mean or not any(said.values()):
        return ""
    texts = {row: f"{name(row)} ({mean[row]:.2f}, {found})" for row, found in said.items() if found}
    ahead, rest = ([texts[row] for row in texts if (said[row] == BETTER) == won] for won in (True, False))
    out = [f"Opening r of ours with the new sentence is {mean[OURS]:.2f}."]
    out += [f"**It is not shown to be above** {', '.join(rest)}."] if rest else []
    out += [f"It is above {', '.join(ahead)}."] if ahead else []
    return " ".join(out)


def worse_in(rows: Sequence[Row], data: str, track: str, measures: Sequence[str]) -> str:
    """A sentence: in which measures ours is worse than which rows, by their intervals alone."""
    own = [r for r in select(list(rows), data=data, track=track) if r.row.startswith(PAIRED) and "ours is: worse" in r.protocol]
    at = {m: [name(r.row.removeprefix(PAIRED)) for r in own if measure_of(r) == m] for m in measures}
    lost = "; ".join(f"{heading(m, False)}: {', '.join(others)}" for m, others in at.items() if others)
    return f"Ours is worse than these. {lost}." if lost else "Ours is worse than none of the rows that it is paired with."


def self_measures(rows: Sequence[Row]) -> tuple[str, ...]:
    """The paper's measures that the saved rows of clips with their own words have, in the order of MEASURES."""
    there = {measure_of(r) for r in rows if r.track == SELF}
    return tuple(m for m in ("psnr_crop", "ssim_crop", "lpips_crop", "lmd_mouth", "csim_frame", "sync_mouth") if m in there)
