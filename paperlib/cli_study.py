"""`paperlib train study-...`: the options that only a study takes, and the command. Only the standard library is imported at the top."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from paperlib.errors import InputError

OPTIONS = {
    "steps": "steps",
    "seeds": "seeds",
    "only": "only",
    "clips": "clips",
    "jobs": "jobs",
    "backend": "backend",
    "study_folder": "out",
}


def add_study_options(sub: argparse.ArgumentParser) -> None:
    """Declare them on `train`; left out, they are None."""
    group = sub.add_argument_group("studies")
    group.add_argument("--steps", type=int, help="steps of every cell (default: the study's own)")
    group.add_argument("--seeds", type=int, metavar="K", help="seeds 0 ... K-1 of every variant (default: the study's own)")
    group.add_argument("--only", action="append", metavar="VARIANT", help="this variant alone; repeat for more")
    group.add_argument("--clips", type=int, help="at most so many clips of each split (default: all)")
    group.add_argument("--jobs", type=int, metavar="K", help="processes (default: one for each core, at most 8)")
    group.add_argument("--backend", choices=("loky", "dask", "serial"), help="where the cells run (default: processes here)")
    group.add_argument(
        "--out", dest="study_folder", type=Path, metavar="DIR", help="where the study lies (default build/<profile>/<study>)"
    )


def check_study_options(args: argparse.Namespace, studies: Sequence[str]) -> None:
    """InputError for a study's option given to a network, and for a network's given to a study."""
    given = [f"--{option}" for name, option in OPTIONS.items() if getattr(args, name) is not None]
    if args.name not in studies and given:
        raise InputError(f"{', '.join(given)}: only a study takes this ({', '.join(studies)}); leave it out")
    if args.name in studies and args.data:
        raise InputError("--data: the study trains on the embedded corpus; leave it out")
    if args.name in studies and not args.resume:
        raise InputError("--no-resume: a study goes on where it was; delete its folder to start anew, or name another with --out")


def train_study(args: argparse.Namespace, profile) -> int:
    """Cut the bank, train and score every cell that is not done, write the tables."""
    import time

    from paperlib import paths
    from paperlib.corpus.preparing import How
    from paperlib.evaluation import renderer_study, renderer_tables

    start = time.perf_counter()
    folder = args.study_folder or paths.build_dir(profile.name) / args.name
    seeds = list(range(args.seeds)) if args.seeds is not None else list(renderer_study.SEEDS)
    steps = args.steps if args.steps is not None else renderer_study.STEPS
    if not seeds or steps < 1:
        raise InputError("--seeds and --steps: give 1 or more")
    plan = {"steps": steps, "seeds": seeds, "names": args.only or [], "clips": args.clips}
    how = How(workers=args.jobs, backend=args.backend or "loky").check()
    study = renderer_study.open_study(profile, **plan, folder=folder)
    renderer_tables.write_plan(folder, **plan)
    renderer_study.train_study(study, how)
    results = paths.build_dir(profile.name) / "results"
    for path in renderer_tables.write_tables(study, profile, results, start, f"paperlib train {args.name}"):
        print(path)
    return 0
