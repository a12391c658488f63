"""Tables for notebooks and README, drawn from saved results and from `paperlib.paper`, never from typed numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paperlib.paper import METRICS, TABLES
from paperlib.results import Row

_ARROW = {+1: " ↑", -1: " ↓", 0: ""}


def _heading(metric: str) -> str:
    known = METRICS.get(metric)
    if known is None:
        return metric
    return f"{known.label}{'/' + known.unit if known.unit else ''}{_ARROW[known.better]}"


def cell(row: Row, digits: int = 3) -> str:
    """One value as text: `0.912 [0.880, 0.931]`, or a dash with the reason when it could not be measured."""
    if row.value is None:
        return "– " + (row.protocol or "not measured")
    text = f"{row.value:.{digits}f}"
    if row.low is not None and row.high is not None:
        text += f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    return text


def markdown_table(rows: Sequence[Row], metrics: Sequence[str] | None = None, digits: int = 3) -> str:
    """A Markdown table: a line per row id (with beta, track, contest, region, data when they differ inside `rows`), a column per metric.

    Two values for one place raise ValueError: the caller has mixed protocols that must not share a line.
    """
    if not rows:
        raise ValueError("markdown_table: no rows")
    metrics = list(metrics) if metrics else list(dict.fromkeys(r.metric for r in rows))
    varying = [f for f in ("data", "motion", "beta", "track", "contest", "region") if len({getattr(r, f) for r in rows}) > 1]
    lines: dict[tuple, dict[str, str]] = {}
    for r in rows:
        place = lines.setdefault((r.row, *(getattr(r, f) for f in varying)), {})
        if r.metric in place:
            raise ValueError(f"markdown_table: two values for {r.row} / {r.metric}")
        place[r.metric] = cell(r, digits)
    out = ["| " + " | ".join(["row", *varying, *map(_heading, metrics)]) + " |", "|" + " --- |" * (1 + len(varying) + len(metrics))]
    for key, place in lines.items():
        labels = TABLES[rows[0].table].labels if rows[0].table in TABLES else {}
        name = labels.get(key[0], key[0].replace("_", " "))
        out.append("| " + " | ".join([name, *map(str, key[1:]), *(place.get(m, "") for m in metrics)]) + " |")
    return "\n".join(out)


def published_table(name: str) -> str:
    """One of the paper's tables as Markdown, digits as printed (two or three after the point per column)."""
    t = TABLES[name]
    out = ["| row | " + " | ".join(map(_heading, t.columns)) + " |", "|" + " --- |" * (1 + len(t.columns))]
    places = [max(len(str(values[i]).partition(".")[2]) for values in t.rows.values()) for i in range(len(t.columns))]
    places = [max(p, 2) for p in places]
    for row, values in t.rows.items():
        out.append(f"| {t.labels.get(row, row)} | " + " | ".join(f"{v:.{p}f}" for v, p in zip(values, places, strict=True)) + " |")
    return "\n".join(out)


def settings_table(profile: str, results: Path | None = None) -> str:
    """The settings that the paper does not state, as Markdown: ours under `profile`, where it lives, why, and how much saved results in
    `results` (default: the shipped ones) move when it is changed."""
    from paperlib.paper import UNSTATED, setting
    from paperlib.setting_effects import effect

    out = ["| not stated | here | where | why | what moves when it is changed |", "|" + " --- |" * 5]
    for u in UNSTATED:
        moved = effect(u.name, results)
        out.append(f"| {u.name} | {u.chosen or setting(u.where, profile)} | `{u.where.removeprefix('paperlib.')}` | {u.reason} | {moved} |")
    return "\n".join(out)
