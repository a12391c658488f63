"""Table 3 and the windows k again from shipped networks: the study's first seed, half precision, scored in minutes; training takes an hour.

`python -m paperlib.evaluation.expression_shipped` copies the first seed's networks of a finished study into data/checkpoints;
`paperlib evaluate expression` scores them as the study does. It writes table3_one_seed.json (what three seeds say stands in table3.json)
and expression_window.json, whose networks have one seed in the study too.
"""

from __future__ import annotations

import time
from pathlib import Path

from paperlib import config, paths
from paperlib.errors import InputError
from paperlib.evaluation import expression_cells as cells
from paperlib.evaluation import expression_scores as scoring
from paperlib.evaluation.expression_inputs import Heard
from paperlib.evaluation.expression_rows import Scores, rows_of, table3_rows
from paperlib.evaluation.expression_sync import RenderedJudge
from paperlib.results import provenance, write_results
from paperlib.training import checkpoints
from paperlib.training.expression import predict
from paperlib.training.loop import History

NAME, WINDOW = "table3_one_seed", "expression_window"


def file_name(row: str, profile: str) -> str:
    """Name of a shipped network: of a row of table 3, or of a window k.

    >>> file_name("base", "classroom"), file_name("k0", "classroom")
    ('table3_base_classroom', 'window_k0_classroom')
    """
    return f"{'table3' if row in cells.TABLE3 else 'window'}_{row}_{profile}"


def ship(profile: config.Profile, work: Path | None = None, folder: Path | None = None, sources: cells.Sources | None = None) -> list[Path]:
    """Write the first seed's network of every row of table 3, and of every k where k has one seed, from a finished study, with its card.

    InputError when one is not trained.
    """
    from paperlib.evaluation.expression_study import COMMAND, training_sweep

    sources = sources or cells.Sources.of(profile)
    sweep = training_sweep(profile, sources, work or paths.build_dir(profile.name) / "study_expression")
    windows = {c.name for c in cells.window_cells(profile)} if profile.study.window_seeds == 1 else set()
    out = []
    for cell in (c for c in sweep.cells if c.name in {*cells.TABLE3, *windows} and c.seed == profile.seed):
        if (done := sweep.read(cell)) is None:
            raise InputError(f"{sweep.path(cell)}: not trained yet; run `{COMMAND}` first")
        settings, result = cell.settings(), done.result
        rows = [{"step": s, "val": v} for s, v in zip(*result["curve"]["val"], strict=True)]
        history = History(rows, result["val"], result["best_step"], result["seconds"])
        out.append(
            checkpoints.save(
                file_name(cell.name, profile.name), "expression", cells.load(cell, done.folder), settings, history, folder,
                command=f"{COMMAND} --profile {profile.name}", motion=profile.corpus.motion, switches=dict(cell.options),
                teacher=cells.teacher_of(cells.TEACHER, settings, sources)[1],
                budget={"steps": settings.study.steps, "speakers": settings.study.speakers},
                note=f"{_said(cell.name, profile)}; for rescoring, not for dubbing",
            )
        )  # fmt: skip
    return out


def _said(row: str, profile: config.Profile) -> str:
    if row in cells.TABLE3:
        return f"row {row} of table 3, one of {profile.study.seeds} seeds"
    return f"the full network with k = {row.removeprefix('k')}"


def shipped_rows(profile: str, folder: Path | None = None) -> list[str]:
    """Rows of table 3, and windows k0, k1, ..., whose networks are there."""
    windows = [f"k{k}" for k in config.load_profile(profile).study.windows]
    return [row for row in (*cells.TABLE3, *windows) if ((folder or paths.CHECKPOINTS) / f"{file_name(row, profile)}.json").exists()]


def evaluate(
    profile: config.Profile, folder: Path, clips: int | None = None, shipped: Path | None = None, judge: RenderedJudge | None = None
) -> list[Path]:
    """Write table3_one_seed.json, the shipped rows and the controls on the study's test speakers, and, where networks with other k
    are shipped, expression_window.json. shipped: folder of the networks and their teacher."""
    start, judge = time.perf_counter(), judge or RenderedJudge.of(profile)
    sources = cells.Sources(shipped or paths.CHECKPOINTS)
    store = cells.speech(profile.corpus, profile.study, "test")
    items = store.items[:clips]
    table, window, k_full = Scores(), Scores(), f"k{profile.expression.k}"
    seen = cells.images(store, cells.TEACHER, profile, sources)[: len(items)]
    rows = shipped_rows(profile.name, shipped)
    for row in rows:
        net, _ = checkpoints.load(file_name(row, profile.name), shipped)
        given = [Heard(item.mfcc, v if net.use_semantic else None) for item, v in zip(items, seen, strict=True)]
        in_table = row in cells.TABLE3
        found = scoring.score(items, [{row: predict(net, h.mfcc, h.images)} for h in given], judge if in_table else None)
        if in_table:
            table.add(found, profile.seed)
        if row == "full" or not in_table:
            window.add(found, profile.seed, rename={"full": k_full})
    table.add(scoring.score(items, scoring.controls(profile, "rule", items), judge), profile.seed)
    data = f"{len({i.id.speaker for i in items})} embedded test speakers, {len(items)} clips"

    def header(which: list[str]) -> dict:
        return provenance(
            "paperlib evaluate expression", profile.name, profile.seed, f"embedded {store.key}", time.perf_counter() - start,
            checkpoints=[file_name(row, profile.name) for row in which], judge=judge.key if judge else "",
            budget={"steps": profile.study.steps, "speakers": profile.study.speakers},
        )  # fmt: skip

    own = [row for row in rows if row in cells.TABLE3]
    written = [write_results(NAME, table3_rows(table, data, scoring.CONTROLS), header(own), folder)]
    if others := [row for row in rows if row not in own]:
        compared = rows_of(window, WINDOW, data, "rule", reference=k_full)
        written.append(write_results(WINDOW, compared, header(["full", *others]), folder))
    return written


if __name__ == "__main__":
    for made in ship(config.load_profile("classroom")):
        print(made)
