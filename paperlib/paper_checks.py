"""What arithmetic on the paper's own printed numbers shows. Each function returns a Check; nothing here is measured by us."""

from __future__ import annotations

from dataclasses import dataclass, field

from paperlib.paper import CLAIMS, METRICS, SYSTEM_LABELS, TABLES


@dataclass(frozen=True)
class Check:
    """One question put to the printed numbers. `consistent`: the printed numbers agree with the printed statement."""

    id: str
    question: str
    consistent: bool
    finding: str
    numbers: dict[str, float] = field(default_factory=dict)


_ABSTRACT_METRICS = ("psnr", "lpips", "ssim", "lmd", "sync")


def differences(table: str) -> dict[str, dict[str, float]]:
    """ours - row, per competing row and metric of the abstract, of table1 or table2."""
    t = TABLES[table]
    others = [row for row in t.rows if row != "ours"]
    return {row: {m: round(t.value("ours", m) - t.value(row, m), 4) for m in _ABSTRACT_METRICS} for row in others}


def abstract_differences(table: str, claim: str) -> Check:
    """Does one row of the table give all five differences of the abstract, within half a printed digit?"""
    wanted = dict(zip(_ABSTRACT_METRICS, CLAIMS[claim].numbers, strict=True))
    matches = {row: sum(abs(diff[m] - wanted[m]) < 0.0051 for m in wanted) for row, diff in differences(table).items()}
    best = max(matches, key=matches.get)
    return Check(
        claim,
        f"Is there one baseline in {table} that gives the abstract's five differences?",
        max(matches.values()) == len(wanted),
        f"at most {matches[best]} of 5 differences match one row ({SYSTEM_LABELS[best]})",
        {row: float(n) for row, n in matches.items()},
    )


def column_sum(metric: str) -> Check:
    """Do the four networks' printed values add up to the printed total of table 7, as far as rounding allows?

    Each number may be off by half its last digit, so the sum of n of them and the total by (n + 1) / 2 digits.
    """
    t = TABLES["table7"]
    column = t.column(metric)
    total = column.pop("total")
    added = round(sum(column.values()), 4)
    digits = max(len(str(v).partition(".")[2]) for v in (*column.values(), total))
    allowed = (len(column) + 1) / 2 * 10.0**-digits
    return Check(
        f"table7_sum_{metric}",
        f"Does the {metric} column of table 7 add up?",
        abs(added - total) <= allowed + 1e-9,
        f"rows add to {added:g}, printed {total:g}; rounding explains {allowed:.3g}",
        {"sum": added, "printed": total},
    )


def duplicate_rows() -> Check:
    """Do rows that mean different systems share every printed digit? (Tables 4 and 5.)"""
    t4, t5 = TABLES["table4"], TABLES["table5"]
    pairs = [(a, b) for a in t5.rows for b in t4.rows if t5.rows[a] == t4.rows[b] and (a, b) != ("sigma_learned", "full")]
    names = "; ".join(f"table 5 {a} = table 4 {b}" for a, b in pairs)
    return Check("duplicate_rows", "Are different systems printed with different numbers?", not pairs, names, {"pairs": float(len(pairs))})


def sigma_zero() -> Check:
    """By (22), scale 0 is `w/o MSAF`. Are the two rows equal?"""
    zero, without = TABLES["table5"].value("sigma_0", "psnr"), TABLES["table4"].value("no_msaf", "psnr")
    return Check(
        "sigma_zero", "Is table 5's scale 0 the same as table 4's w/o MSAF, as (22) says?", zero == without,
        f"PSNR {zero} against {without} dB", {"sigma_0": zero, "no_msaf": without},
    )  # fmt: skip


def madd_ratio() -> Check:
    """MAdd / FLOPs per row of table 7: a tool that counts every layer in both columns gives 2."""
    t = TABLES["table7"]
    ratios = {row: round(t.value(row, "madd") / t.value(row, "flops"), 2) for row in t.rows if row != "total"}
    odd = [row for row, r in ratios.items() if abs(r - 2) > 0.02]
    return Check(
        "madd_ratio", "Is MAdd twice FLOPs in every row of table 7?", not odd,
        "; ".join(f"{row} {r:.2f}" for row, r in ratios.items()) + " (torchstat counts transposed convolutions in MAdd only)", ratios,
    )  # fmt: skip


WHOLE = {"table3": "full", "table4": "full", "table5": "sigma_learned", "table6": "all"}  # the complete method's row


def removal_costs(table: str) -> dict[str, dict[str, float]]:
    """What each row of an ablation table loses against the complete method, per metric; positive: worse without the part.

    >>> removal_costs("table4")["no_msaf"]["psnr"]
    0.1
    """
    t, whole = TABLES[table], WHOLE[table]
    return {
        row: {m: round(METRICS[m].better * (t.value(whole, m) - t.value(row, m)), 4) for m in t.columns} for row in t.rows if row != whole
    }


def base_share() -> Check:
    """Share of the lead over the best published baseline that table 4's base row has before any contribution that table 4 removes."""
    t1, base, full = TABLES["table1"], TABLES["table4"].rows["base"], TABLES["table4"].rows["full"]
    columns = TABLES["table4"].columns
    shares = {}
    for m, pick in (("psnr", max), ("lmd", min)):
        best = pick(v for row, v in t1.column(m).items() if row != "ours")
        i = columns.index(m)
        shares[m] = round((base[i] - best) / (full[i] - best), 4)
    return Check(
        "base_share", "Does the lead come from the contributions that table 4 removes?", all(s < 0.5 for s in shares.values()),
        f"base alone has {shares['psnr']:.0%} of the PSNR lead and {shares['lmd']:.0%} of the LMD lead", shares,
    )  # fmt: skip


def ties(table: str) -> Check:
    """Is the paper's method alone at the top of every column?"""
    t = TABLES[table]
    tied = {m: t.best(m) for m in t.columns if t.best(m) != ["ours"]}
    words = "; ".join(f"{m.upper()}: {', '.join(SYSTEM_LABELS[r] for r in rows)}" for m, rows in tied.items())
    return Check(f"ties_{table}", f"Is the method alone at the top of every column of {table}?", not tied, words or "yes",
                 {m: float(len(rows)) for m, rows in tied.items()})  # fmt: skip


def repeated_value() -> Check:
    """SadTalker's PSNR on two different corpora."""
    a, b = TABLES["table1"].value("sadtalker", "psnr"), TABLES["table2"].value("sadtalker", "psnr")
    return Check(
        "sadtalker_psnr", "Does SadTalker's PSNR differ between VoxCeleb1 and VoxCeleb2?", a != b, f"{a} and {b} dB", {"vox1": a, "vox2": b}
    )


def all_checks() -> list[Check]:
    """Every check, in the order in which notebook 12 prints them."""
    return [
        abstract_differences("table1", "abstract_vox1"),
        abstract_differences("table2", "abstract_vox2"),
        *(column_sum(m) for m in TABLES["table7"].columns),
        duplicate_rows(),
        sigma_zero(),
        madd_ratio(),
        base_share(),
        ties("table1"),
        ties("table2"),
        repeated_value(),
    ]
