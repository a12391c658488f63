"""Scoring of shipped checkpoints on unseen speakers; writes the results files that tables, figures and the ledger are drawn from."""

from __future__ import annotations

from pathlib import Path

from paperlib import config, paths
from paperlib.errors import InputError

SUBJECTS = ("fitting", "sync", "expression", "renderer", "figure7", "ablation", "complexity", "ledger")
CORPUS_SUBJECTS = ("realism",)  # of the corpus and not of a network; needs GRID, so "all" leaves it out


def evaluate(
    what: str, profile: config.Profile, folder: Path | None = None, clips: int | None = None, grid: Path | None = None
) -> list[Path]:
    """Score `what` ("all", one of SUBJECTS with the shipped checkpoints, or one of CORPUS_SUBJECTS); returns the results files written.

    folder: where to write (default build/<profile>/results; the shipped ones are in data/results).
    clips: how many test clips (default: all of the classroom corpus). grid: folder of GRID's clips, for `realism` alone.
    """
    from paperlib.evaluation import ablation, complexity, expression, figure7, fitting, ledger, renderer, sync

    modules = (fitting, sync, expression, renderer, figure7, ablation, complexity, ledger)
    makers = {m.__name__.rsplit(".", 1)[-1]: m.evaluate for m in modules}
    if what != "all" and what not in (*makers, *CORPUS_SUBJECTS):
        raise InputError(f"unknown subject {what!r}; choose one of: all, {', '.join((*makers, *CORPUS_SUBJECTS))}")
    if grid is not None and what != "realism":
        raise InputError(f"--grid is for `evaluate realism`, not for {what}; leave it out")
    folder = folder or paths.build_dir(profile.name) / "results"
    if what == "realism":
        from paperlib.corpus import realism_report

        if grid is None:
            raise InputError("evaluate realism compares with recorded people: give a folder of GRID's clips (*.mpg, *.align) with --grid")
        return [realism_report.evaluate(grid, folder, clips)]
    return [makers[name](profile, folder, clips) for name in (makers if what == "all" else [what])]
