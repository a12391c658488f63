"""Scoring of shipped checkpoints on unseen speakers; writes the results files that tables, figures and the ledger are drawn from."""

from __future__ import annotations

from pathlib import Path

from paperlib import config, paths
from paperlib.errors import InputError

SUBJECTS = ("fitting", "expression", "renderer", "figure7", "ablation", "complexity", "ledger")


def evaluate(what: str, profile: config.Profile, folder: Path | None = None, clips: int | None = None) -> list[Path]:
    """Score `what` ("all" or one of SUBJECTS) with the shipped checkpoints; returns the results files written.

    folder: where to write (default build/<profile>/results; the shipped ones are in data/results).
    clips: how many test clips (default: all of the classroom corpus).
    """
    from paperlib.evaluation import ablation, complexity, expression, figure7, fitting, ledger, renderer

    makers = {m.__name__.rsplit(".", 1)[-1]: m.evaluate for m in (fitting, expression, renderer, figure7, ablation, complexity, ledger)}
    if what != "all" and what not in makers:
        raise InputError(f"unknown subject {what!r}; choose one of: all, {', '.join(makers)}")
    folder = folder or paths.build_dir(profile.name) / "results"
    return [makers[name](profile, folder, clips) for name in (makers if what == "all" else [what])]
