"""One schema for every number: `<name>.json` with a provenance and rows, checked on writing and on reading."""

from __future__ import annotations

import json
import math
import platform
import subprocess
from collections import Counter
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from paperlib import paths
from paperlib.artifacts import atomic_write
from paperlib.errors import InputError

KINDS = ("published", "measured", "not_reproducible")
OWN = ("row", "metric", "value", "low", "high")  # fields that every row of a file says for itself
LOOSE = ("n", "failed", "protocol")  # fields in which rows of one group may differ
DIGITS = 7  # significant ones that are written


@dataclass(frozen=True)
class Row:
    """One number and everything needed to know what it means (DESIGN, "Results")."""

    table: str  # table1 ... table7, figure7, controls_*, ledger, bench
    row: str  # a row id of paperlib.paper
    metric: str
    value: float | None  # None: not measurable, `protocol` says why
    unit: str = ""
    kind: str = "measured"
    data: str = ""  # which clips
    motion: str = ""  # rule | rule2 | real
    beta: str = ""  # fitted | predicted | true
    track: str = ""  # dub | self
    contest: str = ""  # dubbing | animation: what a system of tables 1 and 2 may see, `baselines.interface`
    region: str = ""  # frame | crop | mouth
    low: float | None = None  # 95% interval
    high: float | None = None
    n: int | None = None  # independent units: speakers unless `protocol` says otherwise
    seeds: int = 1
    failed: int = 0
    protocol: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"row {self.row}/{self.metric}: kind {self.kind!r} is not one of {KINDS}")
        if self.kind == "measured" and self.value is not None and not self.data:
            raise ValueError(f"row {self.row}/{self.metric}: a measured value must name its data")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"row {self.row}/{self.metric}: value {self.value} is not finite; use None and say why in protocol")


def interval_fields(interval: Any) -> dict:
    """Fields low, high, n (independent units) and failed of a Row, from a `metrics.statistics.Interval`; no interval: None."""
    low, high = (v if math.isfinite(v) else None for v in (interval.low, interval.high))
    return {"low": low, "high": high, "n": interval.clusters, "failed": interval.failed}


def git_commit() -> str:
    """Short commit of the working tree, with `+` when files differ from it; "unknown" outside a checkout."""
    try:
        run = {"cwd": paths.ROOT, "capture_output": True, "text": True, "check": True}
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], **run).stdout.strip()
        dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], **run).stdout.strip()
        return commit + ("+" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def provenance(command: str, profile: str, seed: int, corpus: str, seconds: float, device: str = "cpu", **extra: Any) -> dict:
    """The header of a results file; `corpus` names the data set and its key."""
    return {
        "command": command, "commit": git_commit(), "profile": profile, "seed": seed, "corpus": corpus, "device": device,
        "machine": f"{platform.system()} {platform.machine()}", "seconds": round(seconds, 1), **extra,
    }  # fmt: skip


def write_results(name: str, rows: list[Row], header: dict, folder: Path) -> Path:
    """Write `folder/<name>.json` atomically and return its path. Values keep DIGITS significant digits, far more than any interval needs.

    The file is small and reads line by line: what many rows have in common stands once, in `groups`; a row names its group by `as` and
    says what is its own.
    """
    missing = {"command", "commit", "profile", "seed", "corpus", "device", "seconds"} - set(header)
    if missing:
        raise ValueError(f"results {name}: provenance lacks {sorted(missing)}")
    path, told = folder / f"{name}.json", [asdict(row) for row in rows]
    groups, lines = _grouped(told)
    atomic_write(path, _text(header, groups, lines).encode())
    return path


def _grouped(told: list[dict]) -> tuple[list[dict], list[dict]]:
    """Groups of rows that agree in all but OWN and LOOSE, each with its usual LOOSE; and the rows less what their group says."""
    default = {f.name: f.default for f in fields(Row)}
    strict = [k for k in default if k not in OWN + LOOSE]
    members: dict[tuple, list[dict]] = {}
    for r in told:
        members.setdefault(tuple(r[k] for k in strict), []).append(r)
    full = [dict(zip(strict, key, strict=True)) | {k: _most([r[k] for r in own]) for k in LOOSE} for key, own in members.items()]
    place = {key: i for i, key in enumerate(members)}
    lines = []
    for r in told:
        at = place[tuple(r[k] for k in strict)]
        kept = {k: _short(r[k]) for k in OWN if k in ("row", "metric", "value") or r[k] != default[k]}
        lines.append({"as": at, **kept, **{k: r[k] for k in LOOSE if r[k] != full[at][k]}})
    return [{k: v for k, v in g.items() if v != default[k]} for g in full], lines


def _most(values: list) -> Any:
    """The most frequent value, of equals the first."""
    return Counter(values).most_common(1)[0][0]


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _text(header: dict, groups: list[dict], rows: list[dict]) -> str:
    """JSON with one group and one row a line: a change of one number is a change of one line."""
    lines, shared = (",\n".join(json.dumps(r, separators=(",", ":"), allow_nan=False) for r in part) for part in (rows, groups))
    head = json.dumps(header, indent=1, allow_nan=False)
    return f'{{"provenance": {head},\n"groups": [\n{shared}\n],\n"rows": [\n{lines}\n]}}\n'


def read_results(name: str, folder: Path | None = None) -> tuple[list[Row], dict]:
    """Rows and provenance of `<folder>/<name>.json` (default: the shipped data/results)."""
    path = (folder or paths.RESULTS) / f"{name}.json"
    if not path.exists():
        raise InputError(f"{path}: no such results file; make it with `paperlib evaluate`")
    try:
        data = json.loads(path.read_text())
        names = {f.name for f in fields(Row)}
        groups = data.get("groups", [data.get("most_rows", {})])  # older files have one group, or none
        rows = [groups[r.pop("as", 0)] | r for r in data["rows"]]
        if unknown := {k for r in rows for k in r} - names:
            raise ValueError(f"unknown row fields {sorted(unknown)}")
        return [Row(**r) for r in rows], data["provenance"]
    except (ValueError, KeyError, TypeError, IndexError) as e:
        raise InputError(f"{path}: not a results file: {e}") from e


def select(rows: list[Row], **wanted: Any) -> list[Row]:
    """Rows whose fields equal `wanted`."""
    return [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]
