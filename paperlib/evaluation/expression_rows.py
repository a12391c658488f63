"""From clip scores of several seeds to rows of results: intervals over speakers, paired differences, verdicts, seeds apart.

A clip's score is its mean over the seeds; the interval resamples speakers. What the seeds differ by is reported apart, as
`<metric>_seed_sd`. Rules of the verdicts are those of `metrics.statistics`: an interval that holds 0 is a tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from paperlib.evaluation.expression_measures import UNITS
from paperlib.metrics.statistics import N_BOOT, Interval, cluster_bootstrap, holm, paired_difference, verdict
from paperlib.paper_tables import METRICS, TABLE3
from paperlib.results import Row, interval_fields

BETTER = {"opening_r": "higher", "on_time": "higher", "sync": "higher"}  # every other measure is an error
PAPER_MEASURES = (  # metric of table 3, our measure, its region and unit; the first of a metric is the one compared with the paper
    ("aed", "aed_mouth", "mouth", "sd"),
    ("aed", "aed", "frame", "sd"),
    ("aed", "lip_mm", "lips", "mm"),
    ("lmd", "lmd", "mouth", "px"),
    ("sync", "sync", "mouth", ""),
)
NO_SYNC = "no judge of rendered mouth crops was given"


class Scores:
    """Clip scores of rows x seeds: `add` the list a scoring cell returned, then ask for arrays over the clips in a fixed order."""

    def __init__(self) -> None:
        self.found: dict[str, dict[int, dict[str, dict]]] = {}  # row -> seed -> clip -> measures
        self.speakers: dict[str, str] = {}

    def add(self, scores: Iterable[dict], seed: int, only: Sequence[str] | None = None, rename: dict[str, str] | None = None) -> None:
        """only: rows to take (default all); rename: row id -> another."""
        for s in scores:
            if only is None or s["row"] in only:
                row = (rename or {}).get(s["row"], s["row"])
                self.found.setdefault(row, {}).setdefault(seed, {})[s["clip"]] = s
                self.speakers[s["clip"]] = s["speaker"]

    @property
    def rows(self) -> list[str]:
        """Row ids in the order they were added."""
        return list(self.found)

    @property
    def clips(self) -> list[str]:
        """Clips that every row has, sorted."""
        sets = [set(clips) for seeds in self.found.values() for clips in seeds.values()]
        return sorted(set.intersection(*sets)) if sets else []

    def who(self) -> np.ndarray:
        """Speaker of each clip."""
        return np.array([self.speakers[c] for c in self.clips])

    def seeds(self, row: str) -> list[int]:
        """Seeds of a row."""
        return sorted(self.found[row])

    def values(self, row: str, metric: str, seed: int | None = None) -> np.ndarray:
        """(clips,) of one seed, or the mean over the seeds; nan where a clip has no value."""
        seeds = self.seeds(row) if seed is None else [seed]
        table = [[self.found[row][s][c].get(metric) for c in self.clips] for s in seeds]
        with np.errstate(invalid="ignore"):
            return np.array(table, float).mean(0)


def rows_of(
    scores: Scores,
    table: str,
    data: str,
    motion: str,
    metrics: Sequence[str] = tuple(UNITS),
    reference: str | None = "full",
    clusters: np.ndarray | None = None,
    protocol: str = "",
) -> list[Row]:
    """Mean with interval of every row and metric, spread of the seeds, and `reference` minus each of the others, paired by clip.

    clusters: what is resampled, one name per clip (default: the speakers).
    """
    who, out = scores.who() if clusters is None else clusters, []
    common = {"data": data, "motion": motion, "beta": "predicted", "region": "mouth"}
    for metric in metrics:
        unit = UNITS.get(metric, "")
        for name in scores.rows:
            values, n_seeds = scores.values(name, metric), len(scores.seeds(name))
            if not np.isfinite(values).any():
                said = "; ".join(filter(None, [protocol, "undefined: the prediction or the truth is constant"]))
                out.append(Row(table, name, metric, None, unit, seeds=n_seeds, protocol=said, **common))
                continue
            ci = cluster_bootstrap(values, who)
            out.append(Row(table, name, metric, ci.value, unit, seeds=n_seeds, protocol=protocol, **common, **interval_fields(ci)))
            if n_seeds > 1:
                each = [float(np.nanmean(scores.values(name, metric, s))) for s in scores.seeds(name)]
                text = "standard deviation over seeds of the mean; the seeds: " + ", ".join(f"{v:.4g}" for v in each)
                out.append(Row(table, name, f"{metric}_seed_sd", float(np.std(each, ddof=1)), unit, seeds=n_seeds, protocol=text, **common))
            if reference in scores.rows and name != reference:
                difference = paired_difference(scores.values(reference, metric), values, who)
                if np.isfinite(difference.value):
                    said = verdict(difference, BETTER.get(metric, "lower"))
                    out.append(_difference(table, reference, name, metric, unit, difference, f"paired; {said}", n_seeds, common))
    return out


def _difference(table, reference, name, metric, unit, difference: Interval, said: str, seeds: int, common: dict) -> Row:
    row = f"{reference}_minus_{name}"
    return Row(table, row, metric, difference.value, unit, seeds=seeds, protocol=said, **common, **interval_fields(difference))


def explained_rows(
    scores: Scores, table: str, data: str, motion: str, mean: str = "mean_expression", take: str = "other_take"
) -> list[Row]:
    """`explained` of every row, `explainable`, and their quotient, of the mouth landmarks' variance about the mean expression.

    explained = 1 - mse / mse of the mean expression; explainable = 1 - half the mse of a second take / mse of the mean expression.
    Means over the clips before the quotient; speakers resampled.
    """
    if mean not in scores.rows or take not in scores.rows:
        return []
    who, out = scores.who(), []
    names, index = np.unique(who, return_inverse=True)
    draws = np.random.default_rng(0).integers(0, len(names), (N_BOOT, len(names)))

    def share(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        a, b = (np.bincount(index, v, len(names)) for v in (top, bottom))
        return np.array([1 - a.sum() / b.sum(), *(1 - a[draws].sum(1) / b[draws].sum(1))])

    base, limit = scores.values(mean, "mouth_mse"), scores.values(take, "mouth_mse") / 2
    ceiling = share(limit, base)
    common = {"data": data, "motion": motion, "beta": "predicted", "region": "mouth", "n": len(names)}

    def row(name: str, metric: str, v: np.ndarray, seeds: int) -> Row:
        low, high = np.quantile(v[1:], [0.025, 0.975]) if len(names) > 1 else (None, None)
        return Row(table, name, metric, float(v[0]), low=low and float(low), high=high and float(high), seeds=seeds, **common)

    out.append(row(take, "explainable", ceiling, 1))
    for name in scores.rows:
        if name not in (mean, take):
            own = share(scores.values(name, "mouth_mse"), base)
            out += [row(name, m, v, len(scores.seeds(name))) for m, v in (("explained", own), ("explained_share", own / ceiling))]
    return out


def table3_rows(scores: Scores, data: str, controls: Sequence[str]) -> list[Row]:
    """Table 3: the paper's row, ours, and full minus each with a verdict after Holm over the paper's comparisons."""
    out = [
        Row("table3", name, metric, TABLE3.value(name, metric), METRICS[metric].unit, kind="published", data="LRW test")
        for name in TABLE3.rows
        for metric in TABLE3.columns
    ]
    without = [r for r in TABLE3.rows if r != "full"]
    who, tests = scores.who(), []
    for metric, measure, region, unit in PAPER_MEASURES:
        common = {"data": data, "motion": "rule", "beta": "predicted", "region": region}
        for name in (*TABLE3.rows, *controls):
            if name not in scores.rows:
                continue
            values, seeds = scores.values(name, measure), len(scores.seeds(name))
            if not np.isfinite(values).any():
                out.append(Row("table3", name, metric, None, unit, seeds=seeds, protocol=NO_SYNC if metric == "sync" else "", **common))
                continue
            ci = cluster_bootstrap(values, who)
            out.append(Row("table3", name, metric, ci.value, unit, seeds=seeds, protocol=_how(measure), **common, **interval_fields(ci)))
            if name in without:
                difference = paired_difference(scores.values("full", measure), values, who)
                better = BETTER.get(measure, "lower")
                row = _difference("table3", "full", name, metric, unit, difference, verdict(difference, better), seeds, common)
                tests.append((len(out), difference.p, row, metric))
                out.append(row)
    adjusted = holm([p for _, p, _, _ in tests])
    for (at, _, row, metric), p in zip(tests, adjusted, strict=True):
        ours = row.protocol if np.isfinite(p) and p < 0.05 else "tie" if np.isfinite(p) else row.protocol
        change = TABLE3.value("full", metric) - TABLE3.value(row.row.removeprefix("full_minus_"), metric)
        printed = "better" if change * METRICS[metric].better > 0 else "worse" if change else "tie"
        p_text = f"Holm p {p:.3g} over {len(tests)} comparisons" if np.isfinite(p) else "no p-value"
        out[at] = replace(row, protocol=f"paired; full is: {ours} ({p_text}); in the paper: {printed} by {abs(change):.3g}")
    return out


def _how(measure: str) -> str:
    return {
        "aed_mouth": "mean |difference| of 64 coefficients after projection onto the mouth's directions",
        "aed": "mean |difference| of 64 coefficients",
        "lip_mm": "mean distance of the lip vertices",
        "lmd": "20 mouth landmarks projected with true identity and pose, picture side 224",
        "sync": "judge on mouth crops rendered by face3d",
    }[measure]
