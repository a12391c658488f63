"""Scoring of shipped checkpoints on unseen speakers; writes the results files that tables, figures and the ledger are drawn from."""

from __future__ import annotations

from pathlib import Path

from paperlib import config, paths
from paperlib.errors import InputError

SUBJECTS = ("fitting", "sync", "expression", "renderer", "motion", "leakage", "factors", "figure7", "ablation", "complexity", "ledger")
STUDIES = ("study-renderer", "validity")  # of networks trained for it by `paperlib train`; "all" leaves them out
CORPUS_SUBJECTS = ("realism",)  # of the corpus and not of a network; needs GRID, so "all" leaves it out


def evaluate(
    what: str, profile: config.Profile, folder: Path | None = None, clips: int | None = None, grid: Path | None = None
) -> list[Path]:
    """Score `what` ("all", one of SUBJECTS with the shipped checkpoints, or one of STUDIES or CORPUS_SUBJECTS); returns the files written.

    folder: where to write (default build/<profile>/results; the shipped ones are in data/results).
    clips: how many test clips (default: all of the classroom corpus). grid: folder of GRID's clips, for `realism` alone.
    """
    from paperlib.evaluation import (
        ablation,
        complexity,
        expression,
        figure7,
        fitting,
        ledger,
        renderer,
        renderer_factors,
        renderer_leakage,
        renderer_motion,
        renderer_tables,
        sync,
    )

    makers = {m.__name__.rsplit(".", 1)[-1].removeprefix("renderer_"): m.evaluate for m in (
        fitting, sync, expression, renderer, renderer_motion, renderer_leakage, renderer_factors, figure7, ablation, complexity, ledger
    )}  # fmt: skip
    if what != "all" and what not in (known := (*makers, *STUDIES, *CORPUS_SUBJECTS)):
        raise InputError(f"unknown subject {what!r}; choose one of: all, {', '.join(known)}")
    if grid is not None and what != "realism":
        raise InputError(f"--grid is for `evaluate realism`, not for {what}; leave it out")
    folder = folder or paths.build_dir(profile.name) / "results"
    if what == "realism":
        from paperlib.corpus import realism_report

        if grid is None:
            raise InputError("evaluate realism compares with recorded people: give a folder of GRID's clips (*.mpg, *.align) with --grid")
        return [realism_report.evaluate(grid, folder, clips)]
    if what == "validity":
        from paperlib.evaluation import baseline_validity

        return [baseline_validity.evaluate(profile, folder, clips=clips)]
    if what == "study-renderer":
        return renderer_tables.evaluate(profile, folder, clips)
    written = [makers[name](profile, folder, clips) for name in (makers if what == "all" else [what])]
    return [path for made in written for path in (made if isinstance(made, list) else [made])]
