"""Stage 1's studies in one command, `paperlib train study-expression`: table 3, the window k, the inputs, the transfer, GRID.

Three sweeps, each resumable: networks trained on `rule`, their scores, networks tuned on GRID where it is prepared. Then the results
files: table3, expression_measures (every measure of table 3's rows beside every control, on test speakers), expression_window (k),
expression_inputs (does V help; one input muted, shuffled, swapped), expression_transfer (rule2, real), expression_grid (recorded people).
Everything trained on gets the same steps, batch and speakers; the validation speakers choose each network's best state.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paperlib import paths
from paperlib.artifacts import code_hash
from paperlib.config import Profile, config_hash
from paperlib.corpus.preparing import How, one_thread, spread
from paperlib.errors import InputError
from paperlib.evaluation import expression_cells as cells
from paperlib.evaluation import expression_grid as recorded
from paperlib.evaluation import expression_scores as scoring
from paperlib.evaluation.expression_inputs import INPUT_ROWS, WRONG_ROWS
from paperlib.evaluation.expression_rows import Scores, explained_rows, rows_of, table3_rows
from paperlib.results import Row, provenance, write_results
from paperlib.training.sweep import Done, Sweep

COMMAND = "paperlib train study-expression"
TABLES = ("table3", "expression_measures", "expression_window", "expression_inputs", "expression_transfer", "expression_grid")


def study(
    profile: Profile,
    how: How | None = None,
    folder: Path | None = None,
    work: Path | None = None,
    sources: cells.Sources | None = None,
    sync_scores: scoring.SyncScores | None = None,
) -> list[Path]:
    """Train what is not trained, score what is not scored, write the results files into `folder` (default build/<profile>/results).

    work: where networks and scores are kept (default build/<profile>/study_expression). sync_scores: see `expression_scores.Score`; its
    attribute `key`, a string, says which judge it is. Interrupt or kill it at any moment and call it again.
    """
    start, sources = time.perf_counter(), sources or cells.Sources.of(profile)
    work = work or paths.build_dir(profile.name) / "study_expression"
    folder = folder or paths.build_dir(profile.name) / "results"
    how = (how or How(backend="serial")).check()
    sets = prepare(profile, sources, how)
    trained = training_sweep(profile, sources, work).run(how)
    scored = scoring_sweep(profile, sources, work, trained, sets, sync_scores).run(how)
    tuned = grid_sweep(profile, sources, work, trained, sync_scores)
    grid_done = tuned.run(how) if tuned else []
    found = results(profile, scored, grid_done, sets)
    header = provenance(
        f"{COMMAND} --profile {profile.name}", profile.name, profile.seed, f"embedded {corpus_key(profile)}", time.perf_counter() - start,
        budget={"steps": profile.study.steps, "speakers": profile.study.speakers, "batch": profile.expression.batch},
        teacher=cells.teacher_of(cells.TEACHER, profile, sources)[1], judge=_judge(sync_scores),
        training_seconds=round(sum(d.result["seconds"] for d in trained)),
        validation={f"{d.cell.name} {d.cell.seed}": d.result["curve"]["val"] for d in trained},
    )  # fmt: skip
    return [write_results(name, rows, header, folder) for name, rows in found.items() if rows]


def corpus_key(profile: Profile) -> str:
    """Key of the study's speech."""
    return cells.speech(profile.corpus, profile.study, "train").key


@dataclass(frozen=True)
class _Draw:
    """Makes the images of (split, motion, kind) in whatever process it is called."""

    profile: Profile
    sources: cells.Sources

    def __call__(self, what: tuple[str, str, str]) -> str:
        split, motion, kind = what
        with one_thread():
            store = cells.speech(self.profile.corpus, self.profile.study, split, motion)
            cells.images(store, kind, self.profile, self.sources, split == "train")
        return f"{split}, {motion}: images of {kind} for {len(store.items)} clips"


def prepare(profile: Profile, sources: cells.Sources, how: How) -> list[str]:
    """Make speech and images before processes ask for them at the same time; returns the test sets there are, of scoring.SETS."""
    say: Callable = (lambda text: print(text, file=sys.stderr)) if how.progress else (lambda text: None)
    cells.teacher_of(cells.TEACHER, profile, sources)
    kinds = [cells.TEACHER, cells.RANDOM, cells.TRUE] + ([cells.X4] if sources.has_x4(profile) else [])
    for split in ("train", "val", "test"):
        cells.speech(profile.corpus, profile.study, split)
    todo, sets = [(split, "rule", kind) for split in ("train", "val", "test") for kind in kinds], ["rule"]
    for motion in scoring.SETS[1:]:
        try:
            cells.speech(profile.corpus, profile.study, "test", motion)
        except InputError as error:
            if motion != "real":
                raise
            say(f"test set {motion} is left out: {error}")
            continue
        sets.append(motion)
        todo.append(("test", motion, cells.TEACHER))
    for said in spread(_Draw(profile, sources), todo, replace(how, progress=False), len(todo), "images"):
        say(said)
    return sets


def _inputs(profile: Profile, sources: cells.Sources) -> tuple:
    """What a training depends on besides the sections `corpus` and `expression`."""
    from paperlib.losses import expression as losses
    from paperlib.media import other_voices
    from paperlib.models import encoders
    from paperlib.models import expression as model
    from paperlib.training import expression as training
    from paperlib.training import optim

    study, teachers = profile.study, [cells.teacher_of(cells.TEACHER, profile, sources)[1]]
    code = code_hash([losses, encoders, model, other_voices, training, optim])
    return (
        code,
        corpus_key(profile),
        profile.teacher.size,
        study.speakers,
        study.val_speakers,
        study.steps,
        study.validate_every,
        *teachers,
    )


def training_sweep(profile: Profile, sources: cells.Sources, work: Path) -> Sweep:
    """Every network that is trained on `rule`."""
    todo = [
        *cells.table3_cells(profile), *cells.window_cells(profile), *cells.input_cells(profile, sources.has_x4(profile)),
    ]  # fmt: skip
    todo.sort(key=lambda c: c.seed)  # whole tables of one seed first
    return Sweep(work / "train", cells.Train(sources), todo, ("corpus", "expression"), _inputs(profile, sources))


def scoring_sweep(
    profile: Profile,
    sources: cells.Sources,
    work: Path,
    trained: list[Done],
    sets: list[str],
    sync_scores: scoring.SyncScores | None = None,
) -> Sweep:
    """Scores of every network on `rule`, of full on every set and with wrong inputs, and of the controls on every set."""
    from paperlib.evaluation import controls, expression_ceiling, expression_inputs, expression_measures

    todo = []
    for done in trained:
        net, full = done.folder.relative_to(work / "train"), done.cell.name == "full"
        misfed = done.cell.name in ("full", cells.PRINTED)
        todo += [scoring.scoring_cell(done.cell, net, on, misfed and on == "rule") for on in (sets if full else ["rule"])]
    todo += [scoring.control_cell(profile, on) for on in sets]
    keys = [cells.speech(profile.corpus, profile.study, "test", on).key for on in sets]
    inputs = (
        code_hash([controls, expression_ceiling, expression_inputs, expression_measures, scoring]),
        corpus_key(profile),
        *keys,
        _judge(sync_scores),
    )
    return Sweep(work / "scores", scoring.Score(sources, work / "train", sync_scores), todo, ("corpus", "expression"), inputs)


def grid_sweep(
    profile: Profile, sources: cells.Sources, work: Path, trained: list[Done], sync_scores: scoring.SyncScores | None = None
) -> Sweep | None:
    """Networks tuned on GRID and trained on it from scratch; None where it is not prepared."""
    if sources.recorded is None:
        return None
    from paperlib.evaluation import expression_measures

    stores = recorded.recorded(sources.recorded, max(profile.study.grid_clips))
    nets = {d.cell.seed: str(d.folder.relative_to(work / "train")) for d in trained if d.cell.name == "full"}
    study, key = profile.study, config_hash(*(s.key for s in stores.values()))
    inputs = (*_inputs(profile, sources), study.grid_steps, _judge(sync_scores))
    inputs = (*inputs, code_hash([recorded, expression_measures]))
    todo = recorded.grid_cells(profile, nets, key)
    return Sweep(work / "grid", recorded.TrainGrid(sources, work / "train", sync_scores), todo, ("expression",), inputs)


def _judge(sync_scores: scoring.SyncScores | None) -> str:
    return "" if sync_scores is None else sync_scores.key


def results(profile: Profile, scored: list[Done], grid_done: list[Done], sets: list[str]) -> dict[str, list[Row]]:
    """Rows of every results file."""
    by_set = {on: [d for d in scored if d.cell.options["on"] == on] for on in sets}
    people = f"{profile.study.test_speakers} embedded test speakers"
    table, window, inputs, printed = (Scores() for _ in range(4))
    own, k_full = (*cells.TABLE3, *scoring.CONTROLS), f"k{profile.expression.k}"
    asked = ("full", "no_semantic", "audio_only", cells.PRINTED, cells.RANDOM, cells.TRUE, cells.X4, *INPUT_ROWS)
    misfed = (cells.PRINTED, *(scoring.misfed_prefix(cells.PRINTED) + row for row in INPUT_ROWS))
    for done in by_set["rule"]:
        rows, seed = done.result["scores"], done.cell.seed
        table.add(rows, seed, (*own, *WRONG_ROWS))
        if seed < profile.seed + profile.study.window_seeds:
            window.add(rows, seed, ("full", *(f"k{k}" for k in profile.study.windows)), {"full": k_full})
        if seed < profile.seed + profile.study.input_seeds:
            inputs.add(rows, seed, asked)
            printed.add(rows, seed, misfed)
    data = f"{people}, {len(table.clips)} clips"
    measured = rows_of(table, "expression_measures", data, "rule") + explained_rows(table, "expression_measures", data, "rule")
    found = {
        "table3": table3_rows(table, data, scoring.CONTROLS),
        "expression_measures": measured,
        "expression_window": rows_of(window, "expression_window", data, "rule", reference=k_full),
        "expression_inputs": rows_of(inputs, "expression_inputs", data, "rule"),
        "expression_transfer": [],
        "expression_grid": grid_rows(profile, grid_done),
    }
    wrong = rows_of(printed, "expression_inputs", data, "rule", reference=cells.PRINTED) if printed.rows else []
    found["expression_inputs"] += [r for r in wrong if r.row != cells.PRINTED]  # its own row is among the inputs
    if cells.X4 not in inputs.rows:
        said = f"no checkpoint {cells.X4}_{profile.name} among the teachers"
        found["expression_inputs"].append(
            Row("expression_inputs", cells.X4, "aed_mouth", None, "sd", data=data, motion="rule", protocol=said)
        )
    for on in sets:
        here = Scores()
        for done in by_set[on]:
            here.add(done.result["scores"], done.cell.seed, ("full", *scoring.CONTROLS))
        said = f"{people}, {len(here.clips)} clips"
        found["expression_transfer"] += rows_of(here, "expression_transfer", said, on, protocol="trained on rule")
        found["expression_transfer"] += explained_rows(here, "expression_transfer", said, on)
    return found


def grid_rows(profile: Profile, grid_done: list[Done]) -> list[Row]:
    """GRID: the same speaker's other sentences with intervals over clips, other people clip by clip and with an interval over people."""
    out: list[Row] = []
    most = f"tuned_{max(profile.study.grid_clips)}"
    for name in recorded.SETS:
        scores = Scores()
        for done in grid_done:
            if name in done.result["scores"]:
                scores.add(done.result["scores"][name], done.cell.seed)
        if not scores.rows:
            continue
        clips = np.array(scores.clips)
        same = name == "same_speaker"
        said = f"GRID, the speaker tuned on, {len(clips)} other sentences" if same else f"GRID, {len(clips)} clips of other people"
        how = "clips resampled: one speaker" if same else "speakers resampled; few"
        out += rows_of(scores, "expression_grid", said, "grid", reference=most, clusters=clips if same else None, protocol=how)
        if not same:
            for row in scores.rows:
                for metric in ("aed_mouth", "aed_centred", "opening_r", "lag"):
                    for clip, value in zip(clips, scores.values(row, metric), strict=True):
                        kept = float(value) if np.isfinite(value) else None
                        one = f"GRID {clip}"
                        out.append(
                            Row(
                                "expression_grid",
                                row,
                                metric,
                                kept,
                                data=one,
                                motion="grid",
                                n=1,
                                seeds=len(scores.seeds(row)),
                                protocol="one clip",
                            )
                        )
    return out


def attention_examples(
    profile: Profile, work: Path | None = None, sources: cells.Sources | None = None, most: int = 40
) -> dict[str, np.ndarray]:
    """Attention of the first seed's full network around plosives and vowels of test clips: class -> (N, 2k+1), for a notebook."""
    from paperlib.corpus import synthetic
    from paperlib.evaluation.expression_inputs import PLOSIVES, VOWELS, attention_by_sound

    sources, work = sources or cells.Sources.of(profile), work or paths.build_dir(profile.name) / "study_expression"
    sweep = training_sweep(profile, sources, work)
    cell = next(c for c in sweep.cells if c.name == "full")
    if (done := sweep.read(cell)) is None:
        raise InputError(f"{sweep.path(cell)}: not trained yet; run `{COMMAND}` first")
    store = cells.speech(profile.corpus, profile.study, "test")
    shown = [h.images for h in cells.heard(cell, store, sources)][:most]

    def phonemes(item) -> list:
        return [(p.symbol, p.start, p.end) for p in synthetic.clip_speech(profile.corpus, item.id).said.phonemes]

    return attention_by_sound(cells.load(cell, done.folder), store.items[:most], shown, phonemes, {"plosive": PLOSIVES, "vowel": VOWELS})
