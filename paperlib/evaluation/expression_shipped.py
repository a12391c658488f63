"""Table 3 again from shipped networks: the first seed of the study's five rows, half precision, scored in minutes; training takes an hour.

`python -m paperlib.evaluation.expression_shipped` copies the first seed's networks of a finished study into data/checkpoints;
`paperlib evaluate expression` scores them as the study does and writes table3_one_seed.json. What three seeds say stands in table3.json.
"""

from __future__ import annotations

import time
from pathlib import Path

from paperlib import config, paths
from paperlib.errors import InputError
from paperlib.evaluation import expression_cells as cells
from paperlib.evaluation import expression_scores as scoring
from paperlib.evaluation.expression_inputs import Heard
from paperlib.evaluation.expression_rows import Scores, table3_rows
from paperlib.evaluation.expression_sync import RenderedJudge
from paperlib.results import provenance, write_results
from paperlib.training import checkpoints
from paperlib.training.expression import predict
from paperlib.training.loop import History

NAME = "table3_one_seed"


def file_name(row: str, profile: str) -> str:
    """Name of a shipped network of table 3."""
    return f"table3_{row}_{profile}"


def ship(profile: config.Profile, work: Path | None = None, folder: Path | None = None, sources: cells.Sources | None = None) -> list[Path]:
    """Write the first seed's network of every row of table 3 from a finished study with its card. InputError when one is not trained."""
    from paperlib.evaluation.expression_study import COMMAND, training_sweep

    sources = sources or cells.Sources.of(profile)
    sweep = training_sweep(profile, sources, work or paths.build_dir(profile.name) / "study_expression")
    out = []
    for cell in (c for c in sweep.cells if c.name in cells.TABLE3 and c.seed == profile.seed):
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
                note=f"row {cell.name} of table 3, one of {profile.study.seeds} seeds; for rescoring, not for dubbing",
            )
        )  # fmt: skip
    return out


def shipped_rows(profile: str, folder: Path | None = None) -> list[str]:
    """Rows of table 3 whose networks are there."""
    return [row for row in cells.TABLE3 if ((folder or paths.CHECKPOINTS) / f"{file_name(row, profile)}.json").exists()]


def evaluate(
    profile: config.Profile, folder: Path, clips: int | None = None, shipped: Path | None = None, judge: RenderedJudge | None = None
) -> Path:
    """Write table3_one_seed.json: the shipped rows and the controls on the study's test speakers. shipped: folder of the
    networks and their teacher."""
    start, judge = time.perf_counter(), judge or RenderedJudge.of(profile)
    sources = cells.Sources(shipped or paths.CHECKPOINTS)
    store = cells.speech(profile.corpus, profile.study, "test")
    items = store.items[:clips]
    table = Scores()
    seen = cells.images(store, cells.TEACHER, profile, sources)[: len(items)]
    for row in shipped_rows(profile.name, shipped):
        net, _ = checkpoints.load(file_name(row, profile.name), shipped)
        given = [Heard(item.mfcc, v if net.use_semantic else None) for item, v in zip(items, seen, strict=True)]
        table.add(scoring.score(items, [{row: predict(net, h.mfcc, h.images)} for h in given], judge), profile.seed)
    table.add(scoring.score(items, scoring.controls(profile, "rule", items), judge), profile.seed)
    data = f"{len({i.id.speaker for i in items})} embedded test speakers, {len(items)} clips"
    header = provenance(
        "paperlib evaluate expression", profile.name, profile.seed, f"embedded {store.key}", time.perf_counter() - start,
        checkpoints=[file_name(row, profile.name) for row in shipped_rows(profile.name, shipped)], judge=judge.key if judge else "",
    )  # fmt: skip
    return write_results(NAME, table3_rows(table, data, scoring.CONTROLS), header, folder)


if __name__ == "__main__":
    for made in ship(config.load_profile("classroom")):
        print(made)
