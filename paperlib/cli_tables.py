"""`paperlib evaluate --method ...`: tables 1 and 2, on the embedded corpus or on a prepared folder. Heavy imports happen inside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from paperlib.errors import InputError


def add_table_options(sub: argparse.ArgumentParser) -> None:
    """Declare them on `evaluate`; left out, they are None."""
    group = sub.add_argument_group("tables 1 and 2")
    group.add_argument(
        "--method", metavar="NAME", help="all, ours, one of the baselines (wav2lip, ...), sanity, or a row: score it, write the tables"
    )
    group.add_argument("--data", type=Path, metavar="FOLDER", help="recorded people: made by `prepare ...`, or any folder of videos")
    group.add_argument("--workers", type=int, metavar="K", help="processes (default: one for each core, at most 8; 1: in this one)")


def check_table_options(args: argparse.Namespace) -> None:
    """InputError unless there is a subject or a method, and options of the tables only beside a method."""
    if bool(args.what) == bool(args.method):
        raise InputError("evaluate: give either a subject or --method, not both and not neither; see `paperlib evaluate --help`")
    wrong = [f"--{name}" for name in ("data", "workers") if getattr(args, name) is not None]
    if args.what and wrong:
        raise InputError(f"evaluate {args.what}: does not take {', '.join(wrong)}; they are for --method")
    if args.method and args.grid:
        raise InputError("--grid is for `evaluate realism`; recorded people of tables 1 and 2 are given by --data, prepared first")
    if args.method and args.clips is not None and args.clips < 1:
        raise InputError(f"--clips {args.clips}: give 1 or more")


def prepared(data: Path, how) -> Path:
    """`data` if a corpus was prepared into it; of any other folder the videos, prepared now into data/cache/videos/<name>-<key>.

    key: of the folder's place, so that it is prepared once and goes on where it was stopped.
    """
    from paperlib import paths
    from paperlib.config import config_hash
    from paperlib.corpus import videos

    if not data.is_dir():
        raise InputError(f"--data {data}: no such folder; give a corpus made by `paperlib prepare`, or a folder of videos")
    if (data / "card.json").is_file():
        return data
    out = paths.CACHE / "videos" / f"{data.resolve().name}-{config_hash(str(data.resolve()))[:6]}"
    card = videos.prepare(data, out, workers=how.workers, backend=how.backend)
    left = sum(card["rejected"].values())
    print(f"{out}: {card['clips']} clips of {card['speakers']} people, {left} rejected (rejected.csv says why)", file=sys.stderr)
    return out


def evaluate_tables(args: argparse.Namespace, profile) -> int:
    """Score what is not scored yet and print the files that were written."""
    from paperlib.corpus.preparing import How
    from paperlib.evaluation import dubbing_recorded, dubbing_tables

    how = How(args.workers, "serial" if args.workers == 1 else "loky").check()
    common = (profile, args.method, Path(args.out) if args.out else None, args.clips, how)
    written = dubbing_recorded.evaluate(prepared(args.data, how), *common) if args.data else dubbing_tables.evaluate(*common)
    for path in written:
        print(path)
    return 0
