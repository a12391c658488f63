"""The command line: `paperlib COMMAND`. Exit codes: 0 done, 2 the user's input is wrong (one line on stderr), 1 our fault.

Every import beyond the standard library happens inside the command that needs it, so that `--help` is immediate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from paperlib.errors import InputError

TRAINABLE = ("sync", "teacher", "expression", "flow", "renderer", "regressor", "judge")
STUDIES = ("baselines", "study-expression", "study-renderer")  # many trainings: tables 1 and 2; table 3; tables 4 to 6
SCORED = (
    "all", "fitting", "sync", "expression", "renderer", "motion", "leakage", "factors", "figure7", "ablation", "complexity", "ledger",
    "study-renderer", "realism", "validity",
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """argparse prints usage and a message in several lines; ours is one line and exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`")


def build_parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser. Options of `dub` come from `paperlib.dubbing`, which is imported only when `dub` is asked for."""
    parser = _Parser(prog="paperlib", description="Companion to a paper on visual dubbing: run the book, dub a video, train, evaluate.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def command(name: str, text: str, run) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    sub = command("reproduce", "execute the notebooks into build/<profile>/", _reproduce)
    _profile(sub)
    _only(sub)
    sub.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a notebook parameter; a name no notebook has is an error",
    )
    sub.add_argument("--seed", type=int, help="the one seed of everything random")

    sub = command("dub", "dub a video with speech", _dub)
    if argv and argv[0] == "dub":
        from paperlib.dubbing import add_dub_arguments

        add_dub_arguments(sub)

    from paperlib.cli_prepare import add_corpora

    add_corpora(command("prepare", "make a corpus ready", None))

    sub = command("train", "train one network and store its checkpoint, or the baselines, or all networks of a study", _train)
    sub.add_argument("name", choices=(*TRAINABLE, *STUDIES), help="which network or study")
    _profile(sub)
    sub.add_argument("--seed", type=int, default=0, help="the one seed of everything random (default 0)")
    sub.add_argument("--data", metavar="DIR", help="a folder made by `prepare grid|voxceleb|lrw` instead of the embedded corpus")
    sub.add_argument(
        "--resume", action=argparse.BooleanOptionalAction, default=True, help="go on from the last state (default), or start anew"
    )
    from paperlib.cli_device import add_device_options
    from paperlib.cli_study import add_study_options

    add_device_options(sub)
    add_study_options(sub)

    sub = command("evaluate", "score the shipped checkpoint and write results", _evaluate)
    sub.add_argument("what", nargs="?", choices=SCORED, help="which results")
    _profile(sub)
    from paperlib.cli_tables import add_table_options

    add_table_options(sub)
    sub.add_argument("--clips", type=int, help="how many test clips (default: all); with --method: of each test set, or of each person")
    sub.add_argument("--out", metavar="FOLDER", help="where to write (default build/<profile>/results)")
    sub.add_argument("--grid", metavar="FOLDER", help="GRID's clips as unpacked, for `realism`, which `all` leaves out")

    command("doctor", "print versions, threads, and which third-party weights are here", _doctor)
    for name, text, run in (
        ("refresh", "execute the notebooks under smoke and rewrite notebooks/*.ipynb", _refresh),
        ("student", "write and check the edition without solutions, build/student/", _student),
        ("nbval", "compare the committed notebooks with a fresh run", _nbval),
    ):
        _only(command(name, text, run))
    return parser


def _profile(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--profile", default="classroom", help="smoke, classroom (default) or paper")


def _only(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--only", action="append", default=[], metavar="NN", help="only notebooks whose name starts with NN; repeat or separate by commas"
    )


def _chosen(args: argparse.Namespace) -> list[str]:
    return [part for text in args.only for part in text.split(",")]


def _load(args: argparse.Namespace):
    """The profile asked for, with the seed asked for; InputError when there is no such profile."""
    import dataclasses

    from paperlib.config import load_profile

    return dataclasses.replace(load_profile(args.profile), seed=getattr(args, "seed", None) or 0)


def _reproduce(args: argparse.Namespace) -> int:
    from paperlib.book import reproduce

    only = _chosen(args)
    return reproduce(args.profile, only, args.parameter, args.seed, before=None if only else lambda: _embedded(args))


def _dub(args: argparse.Namespace) -> int:
    from paperlib.dubbing import run_dub

    return run_dub(args) or 0


def _embedded(args: argparse.Namespace) -> None:
    """The profile's own embedded corpus, made where the notebooks look for it."""
    profile = _load(args)
    from paperlib.corpus.dataset import Corpus

    Corpus(profile.corpus).prepare()


def _train(args: argparse.Namespace) -> int:
    from paperlib.cli_device import with_device
    from paperlib.cli_study import check_study_options, train_study

    profile = with_device(args, _load(args))
    check_study_options(args, STUDIES)
    if args.name in STUDIES:
        return train_study(args, profile)
    from paperlib.training.run import train

    print(train(args.name, profile, resume=args.resume, **({"data": args.data} if args.data else {})))
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from paperlib.cli_tables import check_table_options, evaluate_tables

    profile = _load(args)
    check_table_options(args)
    if args.method:
        return evaluate_tables(args, profile)
    from pathlib import Path

    from paperlib.evaluation import evaluate

    grid = {"grid": Path(args.grid)} if args.grid else {}
    for path in evaluate(args.what, profile, Path(args.out) if args.out else None, args.clips, **grid):
        print(path)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from paperlib.doctor import print_report

    print_report()
    return 0


def _refresh(args: argparse.Namespace) -> int:
    from paperlib.book_editions import refresh

    return refresh(_chosen(args))


def _student(args: argparse.Namespace) -> int:
    from paperlib.book_editions import student

    return student(_chosen(args))


def _nbval(args: argparse.Namespace) -> int:
    from paperlib.book_editions import nbval

    return nbval(_chosen(args))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. InputError becomes one line on stderr and 2; any other exception is printed, 1."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args = build_parser(argv).parse_args(argv)
        return int(args.run(args) or 0)
    except InputError as e:
        print("paperlib: " + " ".join(str(e).split()), file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone, as in `paperlib doctor | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("paperlib: interrupted", file=sys.stderr)
        return 130
    except Exception:
        import traceback

        traceback.print_exc()
        return 1
