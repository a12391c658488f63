"""`paperlib train study-...|baselines`: what they take besides a network's options, and the commands. Heavy imports happen inside."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from paperlib.cli_prepare import BACKENDS
from paperlib.errors import InputError

ALL = ("workers", "backend", "scheduler", "out")
OWN = {
    "baselines": ("steps", "only", "tune", "validity"),
    "study-expression": (),
    "study-renderer": ("steps", "seeds", "only", "clips"),  # the smaller studies that one may want of tables 4 to 6
}
OPTIONS = (*ALL, "steps", "seeds", "only", "clips", "tune", "validity")


def add_study_options(sub: argparse.ArgumentParser) -> None:
    """Declare them on `train`; left out, they are None."""
    group = sub.add_argument_group("studies")
    group.add_argument("--workers", "--jobs", type=int, metavar="K", help="processes (default: one for each core, at most 8)")
    group.add_argument("--backend", choices=BACKENDS, help="on this machine (loky, the default), on Dask, or in one process")
    group.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler (default: a local cluster)")
    group.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where results go (default build/<profile>/results; baselines: .../checkpoints)"
    )
    group.add_argument("--steps", type=int, help="baselines, study-renderer: steps of every training (default: their own)")
    group.add_argument("--seeds", type=int, metavar="K", help="study-renderer: seeds 0 ... K-1 of every variant (default: the study's own)")
    group.add_argument("--only", action="append", metavar="NAME", help="baselines, study-renderer: this one alone; repeat for more")
    group.add_argument("--clips", type=int, help="study-renderer: at most so many clips of each split (default: all)")
    group.add_argument("--tune", action="store_const", const=True, help="baselines: choose every learning rate by the same few trials")
    group.add_argument(
        "--validity", action="store_const", const=True, help="baselines: each without its idea, and each trained on to its plateau"
    )


def check_study_options(args: argparse.Namespace, studies: Sequence[str]) -> None:
    """InputError for an option that the network or study named does not take."""
    allowed = (*ALL, *OWN[args.name]) if args.name in studies else ()
    wrong = [f"--{name}" for name in OPTIONS if getattr(args, name) is not None and name not in allowed]
    if wrong:
        raise InputError(f"{args.name}: does not take {', '.join(wrong)}; leave it out (studies: {', '.join(studies)})")
    if args.name in studies and (args.data or not args.resume):
        folder = f"build/{args.profile}/{args.name.replace('-', '_')}"
        raise InputError(f"{args.name}: takes neither --data nor --no-resume; delete {folder} to start anew")


def train_study(args: argparse.Namespace, profile) -> int:
    """Do what is left of a study and write its results: nothing finished depends on how it was started."""
    from paperlib.corpus.preparing import How

    how = How(args.workers, args.backend or "loky", args.scheduler).check()
    if args.name == "baselines" and args.validity:
        from paperlib.baselines import validity

        if args.tune or args.steps or args.out:
            raise InputError("--validity: steps and rates are those of the minis' cards; leave out --tune, --steps and --out")
        written = validity.train(profile, how, tuple(args.only or ()))
    elif args.name == "baselines":
        from paperlib.baselines.run import train

        written = train(profile, how, args.out, args.only or (), args.steps, bool(args.tune))
    elif args.name == "study-expression":
        from paperlib.evaluation.expression_study import study
        from paperlib.evaluation.expression_sync import RenderedJudge

        written = study(profile, how, args.out, sync_scores=RenderedJudge.of(profile))
    else:
        from paperlib.evaluation.renderer_tables import study

        written = study(profile, how, args.out, args.steps, args.seeds, args.only or (), args.clips)
    for path in written:
        print(path)
    return 0
