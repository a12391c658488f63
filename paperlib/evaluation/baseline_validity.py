"""Validity of the minis on the test people of tables 1 and 2: each beside itself without its idea, and beside itself trained longer.

`baselines.validity` says what is taken away and trains; here the same cross-dubs are scored by the same measures. A mini kept its idea if
it is better with it in at least one of the measures fixed for it, by the paired difference's interval after Holm over the five systems'
measures. No form is tuned: each has the learning rate that was chosen for the mini, an advantage to the mini that is said. Ours is then
paired with the longer minis by the rules of tables 1 and 2: the second track, in which ours keeps its budget and they have more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paperlib import config, paths
from paperlib.artifacts import code_hash
from paperlib.baselines import validity
from paperlib.baselines.interface import Baseline, dub
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation import dubbing_run
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_run import SETS
from paperlib.evaluation.dubbing_scores import Group, group_of
from paperlib.evaluation.dubbing_systems import CONTESTS, OURS, Entry, Paint, entries, open_system
from paperlib.evaluation.dubbing_tables import PAPER, judged, paired_rows
from paperlib.evaluation.dubbing_tasks import CROSS
from paperlib.evaluation.shelf import Shelf
from paperlib.metrics.statistics import Interval, holm, paired_difference
from paperlib.results import Row, interval_fields, provenance, write_results
from paperlib.training import checkpoints
from paperlib.training.sweep import Cell, Done, Sweep

TABLE = "baseline_validity"
MEASURED = (*PAPER, "skill_mouth", "opening_r", "leak_index", "aed_mouth")
LESS = {"without": "{0}_less_without", "longer": "{0}_longer_less"}  # row of the paired difference: what should be the better one first


def trained_form(profile: config.Profile, done: Done) -> Baseline:
    """The network of a finished training of `validity.sweep`, in eval mode."""
    net = validity.begun(done.cell.options, profile, None)
    kept, _ = checkpoints.load(done.result["file"], done.folder)
    net.load_state_dict(kept.state_dict())
    return net.eval()


@dataclass(frozen=True)
class Open:
    """(row, shelf) -> the system: a form `<mini>_<form>` of `forms`, else a row of the tables."""

    profile: config.Profile
    forms: Mapping[str, Done]

    def __call__(self, row: str, shelf: Shelf) -> Paint:
        """Load it."""
        if row not in self.forms:
            return open_system(row, shelf)
        net = trained_form(self.profile, self.forms[row])
        return lambda task: dub(net, task.given)


def form_row(done: Done) -> str:
    """Row id of a finished training."""
    return f"{done.cell.options['system']}_mini_{done.cell.options['form']}"


def judge_form(mini: str, form: str, group: Group) -> dict[str, Interval]:
    """Paired differences by measure: the mini less itself without, or the longer one less the mini."""
    first, second = (mini, f"{mini}_without") if form == "without" else (f"{mini}_longer", mini)
    return {m: paired_difference(group.values(first, m), group.values(second, m), group.speakers) for m in MEASURED}


def rows_of(group: Group, trained: Sequence[Done], cards: Mapping[str, Mapping], data: str, motion: str) -> list[Row]:
    """Values of every form, paired differences with verdicts, and validation errors before and after training longer.

    trained: all rounds; group holds the chosen ones.
    """
    found, out, done = {}, [], validity.chosen(list(trained))
    for d in done:
        name, form = d.cell.options["system"], d.cell.options["form"]
        found[name, form] = judge_form(f"{name}_mini", form, group)
    asked = [(n, f, m) for (n, f) in found if f == "without" for m in validity.ABLATIONS[n].measures]
    adjusted = dict(zip(asked, holm([found[n, f][m].p for n, f, m in asked]), strict=True)) if asked else {}
    for d in done:
        name, form = d.cell.options["system"], d.cell.options["form"]
        common = {"data": data, "motion": motion, "beta": "predicted", "track": CROSS, "contest": CONTESTS[name]}
        for key in MEASURED:
            m, ci = MEASURES[key], group.interval(form_row(d), key)
            if np.isfinite(ci.value):
                where = common | {"unit": m.unit, "region": m.region}
                out.append(Row(TABLE, form_row(d), m.metric, ci.value, **where, **interval_fields(ci)))
        for key, ci in found[name, form].items():
            if not np.isfinite(ci.value):
                continue
            m, p = MEASURES[key], adjusted.get((name, form, key), ci.p)
            asked_for = f"Holm p {p:.3g} of {len(asked)}, its own measure" if (name, form, key) in adjusted else f"p {p:.3g}"
            said = f"paired; the first is: {judged(ci, m.better, p)} ({asked_for})"
            where = common | {"unit": m.unit, "region": m.region}
            out.append(Row(TABLE, LESS[form].format(f"{name}_mini"), m.metric, ci.value, protocol=said, **where, **interval_fields(ci)))
        steps, said = d.cell.options["steps"], "validation, chosen state"
        if form == "longer":
            said = curve(validity.errors(list(trained), name, cards[name]["best_value"]), steps)
        where = common | {"data": "validation speakers, their own words"}
        out.append(Row(TABLE, form_row(d), "val", d.result["val"], protocol=said, **where))
    return out


def curve(errors: Sequence[float], steps: int) -> str:
    """Validation errors budget by budget, and whether the last one was at a plateau; `validity_report` reads it back.

    >>> curve([0.05, 0.045, 0.0449], 3600)
    'validation after 3600, 7200, 10800 steps: 0.05000, 0.04500, 0.04490; at its plateau'
    """
    after = ", ".join(str(steps * k) for k in range(1, len(errors) + 1))
    there = validity.at_plateau(min(errors[:-1]), errors[-1])
    return f"validation after {after} steps: {', '.join(f'{e:.5f}' for e in errors)}; {'' if there else 'not yet '}at its plateau"


def second_track(scores: Sequence[dict], rows: Sequence[Entry], motion: str) -> list[Row]:
    """Ours less each longer mini, in each test set and the paper's columns, by the rules of tables 1 and 2.

    scores: of ours and of the longer minis, clip by clip.
    """
    out, keys = [], {(m.metric, m.region) for m in map(MEASURES.__getitem__, PAPER)}
    as_minis = [s | {"row": s["row"].removesuffix("_longer")} for s in scores if s["row"] == OURS or s["row"].endswith("_longer")]
    for part in SETS:
        group = group_of(as_minis, CROSS, part)
        about = {"data": f"embedded test speakers, {part}, {len(group.clips)} clips", "motion": motion, "track": CROSS}
        pairs = paired_rows(TABLE, group, {e.row: e for e in rows}, about) if group.clips else []
        out += [replace(r, row=f"{r.row}_longer") for r in pairs if (r.metric, r.region) in keys]
    return out


def evaluate(profile: config.Profile, folder: Path | None = None, how: How | None = None, clips: int | None = None) -> Path:
    """Score every form that is trained, and the minis where they are not scored yet; write baseline_validity.json.

    clips: at most so many people (default: the tables'). InputError where no form is trained.
    """
    start, shelf, how = time.perf_counter(), Shelf(profile.name), (how or How()).check()
    trained = validity.sweep(profile, progress=False)
    if not trained.done():
        raise InputError(f"no form of a mini is trained; run `paperlib train baselines --validity --profile {profile.name}` first")
    done = validity.chosen(trained.done())
    work = paths.build_dir(profile.name) / "tables"
    tables = dubbing_run.open_run(profile, shelf, work / "systems", how, clips)
    rows = entries(shelf)
    beside = {OURS, *(f"{d.cell.options['system']}_mini" for d in done)}
    there = [e for e in rows if e.row in beside and not e.missing]
    scored = dubbing_run.run(replace(tables, cells=[c for c in tables.cells if c.name in beside]), there, how)
    plans = tuple(p for p in tables.work.plans if p.kind == CROSS)
    score = replace(tables.work, plans=plans, shown=(), open=Open(profile, {form_row(d): d for d in done}))
    cells = [Cell(form_row(d), options={"key": checkpoints.read_card(d.result["file"], d.folder)["sha256"], "kinds": [CROSS]},
                  profile=profile.name) for d in done]  # fmt: skip
    forms = Sweep(work / "validity", score, cells, tables.parts, (*tables.inputs, code_hash([validity]))).run(how)
    scores = [*dubbing_run.all_scores(scored), *dubbing_run.all_scores(forms)]
    group, motion = group_of(scores, CROSS), dubbing_run.table_corpus(profile).cfg.motion
    found = rows_of(group, trained.done(), {n: shelf.card(f"{n}_mini") for n in validity.ABLATIONS},
                    f"embedded test speakers, both sets, {len(group.clips)} cross-dubs", motion)  # fmt: skip
    header = provenance(
        "paperlib train baselines --validity; paperlib evaluate validity", profile.name, profile.seed, score.store.folder.name,
        time.perf_counter() - start, taken_away={n: a.words for n, a in validity.ABLATIONS.items()},
        must_suffer={n: list(a.measures) for n, a in validity.ABLATIONS.items()}, gain=validity.GAIN, rounds=validity.ROUNDS,
        missing=[c.name for c in trained.missing()],
    )  # fmt: skip
    return write_results(TABLE, [*found, *second_track(scores, rows, motion)], header, folder or paths.build_dir(profile.name) / "results")
