"""How much a result moves when a setting that the paper does not state is changed: read from saved results, for notebook 12's table.

Only what was varied with all else equal counts; whatever was not says so. A new study adds a line to EFFECTS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paperlib import paths
from paperlib.baselines.systems import NAMES, file_name
from paperlib.errors import InputError
from paperlib.paper import METRICS, SYSTEM_LABELS
from paperlib.results import Row, read_results, select
from paperlib.training.checkpoints import read_card

NOT_VARIED = "not varied here"


@dataclass(frozen=True)
class Saved:
    """Where results and cards of shipped networks lie."""

    results: Path
    cards: Path

    def rows(self, name: str, **wanted) -> list[Row]:
        """Rows with a value of `<name>.json` with these fields; none where the file is not there or of hardly trained networks."""
        try:
            rows, header = read_results(name, self.results)
        except InputError:
            return []
        return [r for r in select(rows, **wanted) if r.value is not None] if header["profile"] != "smoke" else []

    def trials(self, system: str) -> dict[str, float]:
        """Learning rate -> validation error of the trials of one of the five others; {} where there were none."""
        try:
            card = read_card(file_name(system, "classroom"), self.cards)
        except InputError:
            return {}
        return (card.get("trials") or {}).get("error", {})


def _signed(row: Row, digits: int = 3) -> str:
    interval = "" if row.low is None else f" [{row.low:+.{digits}f}, {row.high:+.{digits}f}]"
    return f"{row.value:+.{digits}f}" + (f" {row.unit}" if row.unit else "") + interval


def _measure(row: Row) -> str:
    label = METRICS[row.metric].label if row.metric in METRICS else row.metric.replace("_", " ").replace("aed", "AED")
    return f"{label} of the {row.region}" if row.region and row.region not in row.metric else label


def window(saved: Saved) -> str:
    """AED of the mouth over all k, and our k against each."""
    rows = saved.rows("expression_window", metric="aed_mouth")
    at = {r.row: r for r in sorted(rows, key=lambda r: r.row) if "_minus_" not in r.row}
    said = Counter(r.protocol.rpartition("; ")[2] for r in rows if "_minus_" in r.row)
    if not at or not said:
        return ""
    low, high = min(r.value for r in at.values()), max(r.value for r in at.values())
    unit = next(iter(at.values())).unit
    counts = ", ".join(f"{word} than {n}" if word != "tie" else f"ties with {n}" for word, n in said.items())
    return f"{', '.join(at)}: AED of the mouth {low:.3f} to {high:.3f}{' ' + unit if unit else ''}; ours {counts} of {sum(said.values())}"


def paired(table: str, others: dict[str, str], **wanted) -> Callable[[Saved], str]:
    """Ours less the same network with another choice; others: row -> words for that choice."""

    def effect(saved: Saved) -> str:
        parts = []
        for row, words in others.items():
            found = saved.rows(table, row=f"full_minus_{row}", **wanted)
            parts += [f"ours less {words}: {_measure(r)} {_signed(r)}" for r in found[:1]]
        return "; ".join(parts)

    return effect


def factor(name: str) -> Callable[[Saved], str]:
    """What one of `evaluation.renderer_factors`' choices adds to PSNR, the other choices averaged over."""

    def effect(saved: Saved) -> str:
        rows = saved.rows("controls_factors", row=f"effect_{name}", metric="psnr", region="crop")
        return "; ".join(f"{r.protocol.removeprefix('paired; ').split(',')[0]}: {_measure(r)} {_signed(r)}" for r in rows[:1])

    return effect


def outline(saved: Saved) -> str:
    """How well the lip opening is read off each polygon, and what the other one adds to PSNR."""
    words = {"posed": "from pose", "own": "through the target's own jaw"}
    rows = [r for r in saved.rows("mask_leak", metric="r") if r.data.startswith("embedded") and r.row in words]
    read = "lip opening read off the outline, r: " + ", ".join(f"{words[r.row]} {r.value:.2f}" for r in rows) if rows else ""
    return "; ".join(part for part in (read, factor("mask")(saved)) if part)


def sync_frames(saved: Saved) -> str:
    """How often the judge is right, by the number of frames it looks at."""
    rows = [r for r in saved.rows("controls_sync", row="judge") if r.metric.startswith("accuracy_") and ", rule," in r.data]
    return "judge right, rule: " + ", ".join(f"{r.value:.0%} of {r.metric.removeprefix('accuracy_')} frames" for r in rows) if rows else ""


def regions(saved: Saved) -> str:
    """PSNR of one and the same dub in each region."""
    found = [r for r in saved.rows("table1", row="ours_mini", metric="psnr", track="cross-dub") if r.region]
    if not found:
        own = saved.rows("controls_renderer", row="full", metric="psnr", beta="predicted")
        found = [r for r in own if r.data.endswith(" all")]
    return "PSNR of the same dubs: " + ", ".join(f"{r.region} {r.value:.1f} dB" for r in found) if found else ""


def judges(saved: Saved) -> str:
    """Agreement of the rankings of judge and expert."""
    found = [r for r in saved.rows("judge_agreement") if r.row in ("tau_judge_expert", "tau_expert_judge")]
    return f"rankings by judge and by expert: Kendall's tau {found[0].value:.2f} over {found[0].n} rows" if found else ""


def rates(saved: Saved) -> str:
    """Validation error of the worst rate over that of the best, of each system."""
    tried = {n: e for n in NAMES if (e := saved.trials(n))}
    said = ", ".join(f"{SYSTEM_LABELS[n]} {max(e.values()) / min(e.values()):.2f}" for n, e in tried.items())
    return f"trials, error at the worst rate over that at the best: {said}" if said else ""


CROP = {"metric": "psnr", "region": "crop", "beta": "predicted"}
EFFECTS: dict[str, Callable[[Saved], str]] = {  # name of an Unstated -> what was varied
    "k, half width of N(t)": window,
    "path of F_a besides the attention": paired("expression_inputs", {"as_printed": "none, (7) and (8) as printed"}, metric="aed_mouth"),
    "people whom the semantic teacher hears": paired("expression_inputs", {"teacher_x4": "four times as many"}, metric="aed_mouth"),
    "crop polygon": outline,
    "frames by which sync is decided": sync_frames,
    "judge of sync beside it": judges,
    "region of the image metrics": regions,
    "scales of MSAF": paired("table6", {"low": "low alone", "high": "high alone"}, **CROP),
    "start of MSAF's scale in (22)": paired("table5", {"sigma_0": "fixed at 0", "sigma_1": "fixed at 1"}, **CROP),
    "lambda_corr of (31)": paired("table4", {"no_corr": "0"}, **CROP),
    "end of SFM-and-TMN-only training": paired("table4", {"no_staging": "no stages"}, **CROP),
    "expressions behind I_3D in the tables": factor("beta"),
    "clip that I_r comes from": factor("references"),
    "fine-tuning on the clip that is dubbed": factor("adapt"),
    "learning rates of the five others": rates,
}


def effect(name: str, results: Path | None = None, cards: Path | None = None) -> str:
    """How much results move with the unstated setting `name`, or NOT_VARIED. Default folders: the shipped ones."""
    find = EFFECTS.get(name)
    return (find(Saved(results or paths.RESULTS, cards or paths.CHECKPOINTS)) if find else "") or NOT_VARIED
