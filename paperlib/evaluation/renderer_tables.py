"""Tables 4, 5 and 6 from the cells of the renderer study: means over seeds with intervals over speakers, the printed rows beside them,
and a verdict on every ordering that the paper prints.

Rules, fixed before the runs. A value is the mean over seeds and clips; its interval resamples speakers with their clips. An ordering
"a better than b" is tested on the paired differences of the clips, averaged over seeds: it "holds" when the interval over speakers says
better, Holm's p over all orderings of the tables in that measure is below 0.05, and every seed agrees in sign; "does not hold" when all
three say worse; otherwise it is a "tie". Fewer than MIN_SPEAKERS give "no verdict": resampling so few says nothing.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from paperlib import config, paths
from paperlib.artifacts import atomic_write
from paperlib.corpus.preparing import How
from paperlib.errors import InputError
from paperlib.evaluation.renderer_bank import BETAS
from paperlib.evaluation.renderer_scores import MEASURES
from paperlib.evaluation.renderer_study import SANITY, SEEDS, STEPS, Study, open_study, shown_frame, shown_items, train_study
from paperlib.evaluation.renderer_variants import STUDY_TABLES, VARIANTS, rows_of
from paperlib.metrics.statistics import Interval, cluster_bootstrap, holm, paired_difference, verdict
from paperlib.paper import METRICS, PAIRED, TABLES, published_rows
from paperlib.results import Row, interval_fields, provenance, write_results

ALPHA = 0.05
MIN_SPEAKERS = 5
HOLDS, TIE, FAILS, NONE = "holds", "tie", "does not hold", "no verdict"
PLAN = "study.json"
CONTROLS = "controls_renderer_study"
CURVES = "study_renderer_curves.json"
FRAMES = "figure6_frames.npz"

Key = tuple[str, str, str, str]  # row, beta, metric, region


class Scores:
    """Per-clip values of all cells: (row, beta, metric, region) -> seeds x clips, clips in one order."""

    def __init__(self, by_seed: dict[int, list[dict]]) -> None:
        self.seeds = sorted(by_seed)
        first = by_seed[self.seeds[0]]
        speaker = {s["clip"]: s["speaker"] for s in first}
        self.clips = sorted(speaker)
        self.speakers = np.array([speaker[c] for c in self.clips])
        found: dict[Key, dict[tuple[int, str], float]] = defaultdict(dict)
        for seed, scores in by_seed.items():
            for s in scores:
                value = np.nan if s["value"] is None else s["value"]
                found[s["row"], s["beta"], s["metric"], s["region"]][seed, s["clip"]] = value
        self.values: dict[Key, np.ndarray] = {}
        for key, cells in found.items():
            seeds = [s for s in self.seeds if any((s, c) in cells for c in self.clips)]
            self.values[key] = np.array([[cells[s, c] for c in self.clips] for s in seeds])

    def clip_means(self, key: Key) -> np.ndarray:
        """(clips,) mean over seeds; nan where a seed has no value."""
        return self.values[key].mean(0)

    def seed_means(self, key: Key) -> np.ndarray:
        """(seeds,) mean over the clips that have a value."""
        return np.nanmean(self.values[key], 1) if np.isfinite(self.values[key]).any(1).all() else np.full(len(self.values[key]), np.nan)

    def interval(self, key: Key) -> Interval:
        """Mean with its interval over speakers."""
        return cluster_bootstrap(self.clip_means(key), self.speakers)

    def difference(self, a: Key, b: Key) -> tuple[Interval, np.ndarray]:
        """a - b over the same clips: interval over speakers, and the difference in each seed (a control without seeds meets every seed)."""
        with np.errstate(invalid="ignore"):
            each = self.values[a] - self.values[b]
        good = np.isfinite(each)
        seeds = np.array([row[ok].mean() if ok.any() else np.nan for row, ok in zip(each, good, strict=True)])
        return paired_difference(self.clip_means(a), self.clip_means(b), self.speakers), seeds


def _said(values: np.ndarray, digits: int = 4) -> str:
    return ", ".join("-" if not np.isfinite(v) else f"{v:.{digits}g}" for v in values)


def value_row(scores: Scores, key: Key, table: str, row: str, common: dict) -> Row | None:
    """The row of one value; None where no clip has one (the truth's PSNR against itself)."""
    ci = scores.interval(key)
    if not np.isfinite(ci.value):
        return None
    _, beta, metric, region = key
    seeds = scores.seed_means(key)
    said = f"by seed {_said(seeds)}" if len(seeds) > 1 else ""
    fields = interval_fields(ci) | {"unit": MEASURES[metric, region][0], "beta": beta, "region": region, "seeds": len(seeds)}
    return Row(table, row, metric, ci.value, protocol=said, **(common | fields))


def paired_row(scores: Scores, a: Key, b: Key, table: str, row: str, common: dict) -> Row | None:
    """The row of a paired difference a - b."""
    ci, seeds = scores.difference(a, b)
    if not np.isfinite(ci.value):
        return None
    said = f"paired; by seed {_said(seeds)}; smallest detectable {ci.detectable:.3g}"
    fields = interval_fields(ci) | {"unit": MEASURES[a[2], a[3]][0], "beta": a[1], "region": a[3], "seeds": len(seeds)}
    return Row(table, row, a[2], ci.value, protocol=said, **(common | fields))


def table_rows(scores: Scores, table: str, common: dict) -> list[Row]:
    """Published rows, then ours for every measure and both betas, then the full method minus each other row, paired."""
    out = [r for r in published_rows() if r.table == table]
    variants = rows_of(table)
    whole = next(row for row, variant in variants.items() if variant == "full")
    for beta in BETAS:
        for metric, region in MEASURES:
            for row, variant in variants.items():
                out.append(value_row(scores, (variant, beta, metric, region), table, row, common))
                if row != whole:
                    keys = ("full", beta, metric, region), (variant, beta, metric, region)
                    out.append(paired_row(scores, *keys, table, PAIRED + row, common))
    return [r for r in out if r is not None]


def control_rows(scores: Scores, common: dict) -> list[Row]:
    """Sanity rows at the study's size, and the full method minus each, paired."""
    known = {k[0] for k in scores.values} - set(VARIANTS)
    out = []
    for metric, region in MEASURES:
        for row in sorted(known):
            for beta in (*BETAS, "none"):
                if (row, beta, metric, region) in scores.values:
                    out.append(value_row(scores, (row, beta, metric, region), CONTROLS, row, common))
            for beta in BETAS:
                other = next((k for b in (beta, "none") if (k := (row, b, metric, region)) in scores.values), None)
                if other and row != "truth":
                    out.append(paired_row(scores, ("full", beta, metric, region), other, CONTROLS, PAIRED + row, common))
        for beta in BETAS:
            out.append(value_row(scores, ("full", beta, metric, region), CONTROLS, "full", common))
    return [r for r in out if r is not None]


def printed_orderings(metric: str) -> list[tuple[str, str, str]]:
    """(table, better row, worse row) of every two rows that the paper prints with different values."""
    out = []
    for table in STUDY_TABLES:
        column, sign = TABLES[table].column(metric), METRICS[metric].better
        out += [(table, a, b) for a, b in permutations(column, 2) if sign * column[a] > sign * column[b]]
    return out


def ordering_verdict(difference: Interval, seeds: np.ndarray, p: float, better: str) -> str:
    """HOLDS, TIE, FAILS or NONE for a paired difference a - b where the paper prints a as the better one; `p` is Holm's."""
    said = verdict(difference, better)
    if said == "no verdict" or not np.isfinite(p) or difference.clusters < MIN_SPEAKERS:
        return NONE
    agreed = bool((np.sign(seeds) == np.sign(difference.value)).all())
    if said == "tie" or p >= ALPHA or not agreed:
        return TIE
    return HOLDS if said == "better" else FAILS


def ordering_rows(scores: Scores, common: dict) -> list[Row]:
    """Every printed ordering of tables 4 to 6 with its verdict, for each region of the measure and both betas."""
    out = []
    for (metric, region), (unit, better) in MEASURES.items():
        printed = printed_orderings(metric) if metric in TABLES["table4"].columns else []
        variants = {t: rows_of(t) for t in STUDY_TABLES}
        for beta in BETAS:
            pairs = {}
            for table, a, b in printed:
                key = variants[table][a], variants[table][b]
                pairs[key] = pairs.get(key) or scores.difference(*((v, beta, metric, region) for v in key))
            adjusted = dict(zip(pairs, holm([d.p for d, _ in pairs.values()]), strict=True))
            for table, a, b in printed:
                key = variants[table][a], variants[table][b]
                (ci, seeds), p, column = pairs[key], adjusted[key], TABLES[table].column(metric)
                if not np.isfinite(ci.value):
                    continue
                words = ordering_verdict(ci, seeds, p, better)
                said = f"{words}; Holm p {p:.3g} of {len(pairs)}; by seed {_said(seeds)}; printed {column[a] - column[b]:+.3g}"
                fields = interval_fields(ci) | {"unit": unit, "beta": beta, "region": region, "seeds": len(seeds)}
                out.append(Row("orderings", f"{table}:{a}>{b}", metric, ci.value, protocol=said, **(common | fields)))
    return out


def gather(study: Study) -> Scores:
    """Scores of all finished cells; InputError unless every cell is finished."""
    done, sanity = study.results()
    missing = [f"{c.name}/{c.seed}" for c in study.nets.missing()] or [f"{c.name}/{c.seed}" for c in study.scores.missing()]
    if missing:
        raise InputError(f"the study lacks {len(missing)} cells ({', '.join(missing[:4])} ...); go on with `paperlib train study-renderer`")
    by_seed: dict[int, list[dict]] = defaultdict(list)
    for trained, scored in done:
        by_seed[trained.cell.seed] += scored.result["scores"]
    by_seed[min(by_seed)] += sanity.result["scores"]
    return Scores(by_seed)


def curves(study: Study) -> dict:
    """variant -> seed -> {"step": [...], "scale_low": [...], ..., "seconds_a_step", "parameters", "best_step"} for figures."""
    out: dict[str, dict] = defaultdict(dict)
    for d in study.nets.done():
        rows = d.result["curve"]
        names = dict.fromkeys(k for r in rows for k in r)
        facts = {k: d.result[k] for k in ("seconds_a_step", "parameters", "best_step")}
        out[d.cell.name][str(d.cell.seed)] = {k: [r.get(k) for r in rows] for k in names} | facts
    return dict(out)


def keep_frames(study: Study, folder: Path) -> Path:
    """figure6_frames.npz: shown frames of target, source, hole, reference, I_3D and every variant's first seed, uint8 (K, H, W, 3)."""
    import io

    from paperlib.evaluation.renderer_bank import DubItem, load

    items = shown_items(load(DubItem, study.dubs))
    at = [shown_frame(i) for i in items]
    picked = {name: np.stack([getattr(i, name)[t].numpy() for i, t in zip(items, at, strict=True)])
              for name in ("target", "source", "ref", "i3d_true", "i3d_predicted", "masks")}  # fmt: skip
    picked["hole"] = picked["source"] * ~picked.pop("masks")[..., None]
    first = min(c.seed for c in study.nets.cells)
    for d in study.scores.done():
        if d.cell.seed == first and d.cell.name != SANITY:
            with np.load(d.folder / "frames.npz") as kept:
                picked |= {f"{d.cell.name}_{b}": kept[b] for b in BETAS}
    names = np.array([f"{i.id.name} frame {int(i.step[t])}" for i, t in zip(items, at, strict=True)])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, names=names, **picked)
    atomic_write(folder / FRAMES, buffer.getvalue())
    return folder / FRAMES


def write_tables(study: Study, profile: config.Profile, folder: Path, start: float, command: str) -> list[Path]:
    """All results files of a finished study; returns their paths."""
    scores = gather(study)
    cell = study.nets.cells[0]
    cfg, steps = cell.settings().renderer, study.nets.done()[0].result["steps"]
    data = f"embedded test speakers, {len(scores.clips)} clips, {cfg.size} x {cfg.size}, {steps} steps, batch {cfg.batch}"
    common = {"data": data, "motion": profile.corpus.motion, "track": "cross-dub"}
    drawn = curves(study)
    pace = {v: round(float(np.median([c["seconds_a_step"] for c in cells.values()])), 4) for v, cells in drawn.items()}
    header = provenance(
        command, profile.name, profile.seed, f"embedded, bank {study.bank.name}, cross-dubs {study.dubs.name}", time.perf_counter() - start,
        seeds=scores.seeds, steps=steps, seconds_a_step=pace,
        variants={name: VARIANTS[name].words for name in drawn},
    )  # fmt: skip
    out = []
    for table in STUDY_TABLES:
        if set(rows_of(table).values()) <= set(drawn):
            out.append(write_results(table, table_rows(scores, table, common), header, folder))
    out.append(write_results(CONTROLS, control_rows(scores, common), header, folder))
    if set(drawn) == set(VARIANTS):
        out.append(write_results("orderings_renderer", ordering_rows(scores, common), header, folder))
    atomic_write(folder / CURVES, (json.dumps({"provenance": header, "curves": drawn}) + "\n").encode())
    return [*out, folder / CURVES, keep_frames(study, folder)]


def study_folder(profile: config.Profile) -> Path:
    """Where the profile's study lies."""
    return paths.build_dir(profile.name) / "study_renderer"


def study(
    profile: config.Profile,
    how: How,
    out: Path | None = None,
    steps: int | None = None,
    seeds: int | None = None,
    names: Sequence[str] = (),
    clips: int | None = None,
) -> list[Path]:
    """`paperlib train study-renderer`: train and score every cell that is not done, then write the results files.

    steps, seeds (how many), names (of variants), clips (of each split): None or () for the study's own. out: default
    build/<profile>/results.
    """
    start, work = time.perf_counter(), study_folder(profile)
    plan = {"steps": STEPS if steps is None else steps, "seeds": list(SEEDS if seeds is None else range(seeds)), "names": list(names)}
    if plan["steps"] < 1 or not plan["seeds"]:
        raise InputError("--steps and --seeds: give 1 or more")
    made = open_study(profile, **plan, clips=clips, folder=work)
    atomic_write(work / PLAN, (json.dumps(plan | {"clips": clips}) + "\n").encode())  # so that `evaluate` finds the same cells
    train_study(made, how)
    return write_tables(made, profile, out or paths.build_dir(profile.name) / "results", start, "paperlib train study-renderer")


def evaluate(profile: config.Profile, folder: Path, clips: int | None = None) -> list[Path]:
    """Results files of the study that `paperlib train study-renderer` made under this profile; scores again only what a change requires."""
    if clips is not None:
        raise InputError("evaluate study-renderer scores the clips that the study holds; leave --clips out")
    start, work = time.perf_counter(), study_folder(profile)
    if not (work / PLAN).exists():
        raise InputError(f"{work / PLAN}: no study there; make it with `paperlib train study-renderer --profile {profile.name}`")
    made = open_study(profile, **json.loads((work / PLAN).read_text()), folder=work)
    if not made.nets.missing():
        made.scores.run()
    return write_tables(made, profile, folder, start, "paperlib evaluate study-renderer")
