"""Do four judges of sync rank the systems alike, and which conclusions survive all of them (PROTOCOL rule 8)?

The judge and the expert are networks, one that trains nothing and one that trains some of those it ranks; the other two need no network:
how late the lip opening is against the known truth, and how well the two correlate. "a better than b" survives when all four say so, each
by an interval over speakers that leaves out 0. Where two contradict each other there is no verdict; where one is unsure, a tie.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from paperlib.evaluation.dubbing_scores import Group
from paperlib.metrics.statistics import paired_difference, verdict
from paperlib.paper import RANKERS
from paperlib.results import Row

TABLE = "judge_agreement"
MEASURE = {
    "judge": ("sync_mouth", "higher"),
    "expert": ("expert_mouth", "higher"),
    "lag": ("late", "lower"),
    "opening": ("opening_r", "higher"),
}
N_BOOT = 500
SURVIVES, TIE, NONE = "survives", "tie", "no verdict"


def means(group: Group) -> dict[str, np.ndarray]:
    """Ranker -> (rows,) means over the clips, higher better; nan for a row without a value."""
    out = {}
    for name, (measure, better) in MEASURE.items():
        values = [group.values(row, measure) for row in group.rows]
        sign = 1 if better == "higher" else -1
        out[name] = sign * np.array([np.nanmean(v) if np.isfinite(v).any() else np.nan for v in values])
    return out


def kendall(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    """(Kendall's tau-b of two rankings (rows,), number of rows that both rank); nan for fewer than three or a constant.

    >>> kendall(np.array([1.0, 2, 3, np.nan]), np.array([3.0, 4, 9, 1]))
    (1.0, 3)
    """
    from scipy.stats import kendalltau

    good = np.isfinite(a) & np.isfinite(b)
    if good.sum() < 3:
        return float("nan"), int(good.sum())
    return float(kendalltau(a[good], b[good]).statistic), int(good.sum())


def tau_rows(group: Group, about: Mapping) -> list[Row]:
    """tau of every two rankers over all rows, with a 95% interval from resampling speakers."""
    names, index = np.unique(group.speakers, return_inverse=True)
    draws = np.random.default_rng(0).integers(0, len(names), (N_BOOT, len(names)))
    members = [np.flatnonzero(index == k) for k in range(len(names))]
    table = {r: np.array([group.values(row, MEASURE[r][0]) for row in group.rows]) for r in RANKERS}
    signs = {r: 1 if MEASURE[r][1] == "higher" else -1 for r in RANKERS}
    again: dict[str, list[np.ndarray]] = {r: [] for r in RANKERS}
    for draw in draws if len(names) > 1 else []:
        at = np.concatenate([members[k] for k in draw])
        for r in RANKERS:
            good = np.isfinite(table[r][:, at])
            total = np.where(good, table[r][:, at], 0).sum(1)
            again[r].append(signs[r] * np.divide(total, good.sum(1), out=np.full(len(total), np.nan), where=good.any(1)))
    own, out = means(group), []
    for a, b in combinations(RANKERS, 2):
        tau, n = kendall(own[a], own[b])
        if not np.isfinite(tau):
            out.append(Row(TABLE, f"tau_{a}_{b}", "kendall_tau", None, n=n, protocol="fewer than three rows, or all alike", **about))
            continue
        taus = np.array([kendall(x, y)[0] for x, y in zip(again[a], again[b], strict=True)])
        taus = taus[np.isfinite(taus)]
        low, high = np.quantile(taus, [0.025, 0.975]).tolist() if len(taus) > 1 else (None, None)
        said = "n counts systems and sanity rows; interval over speakers"
        out.append(Row(TABLE, f"tau_{a}_{b}", "kendall_tau", tau, low=low, high=high, n=n, protocol=said, **about))
    return out


def conclusion(group: Group, a: str, b: str) -> tuple[str, dict[str, str]]:
    """(SURVIVES, TIE or NONE for "a differs from b", what each ranker says of a: better, worse, tie or no verdict)."""
    said = {}
    for name, (measure, better) in MEASURE.items():
        said[name] = verdict(paired_difference(group.values(a, measure), group.values(b, measure), group.speakers), better)
    words = set(said.values())
    if words in ({"better"}, {"worse"}):
        return SURVIVES, said
    return (NONE if {"better", "worse"} <= words or "no verdict" in words else TIE), said


def rows_of(group: Group, about: Mapping) -> list[Row]:
    """Rankings' agreement, then every two rows: value 1 where the conclusion "first better than second" survives all four."""
    out = tau_rows(group, about)
    for a, b in combinations(group.rows, 2):
        found, said = conclusion(group, a, b)
        if list(said.values()).count("worse") > list(said.values()).count("better"):
            a, b = b, a
            said = {k: {"better": "worse", "worse": "better"}.get(v, v) for k, v in said.items()}
        text = f"{found}; first is by " + ", ".join(f"{k}: {v}" for k, v in said.items())
        out.append(Row(TABLE, f"{a}>{b}", "survives", float(found == SURVIVES), n=len(set(group.speakers)), protocol=text, **about))
    return out
