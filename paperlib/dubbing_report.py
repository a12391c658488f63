"""Tables 1 and 2 as notebook 09 shows them, from saved rows only: contestants, values, verdicts, and sentences that the numbers write.

Nothing is dubbed, scored or tested here, and no printed row of the paper comes near a measured one: `saved` leaves them out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from paperlib import figure_expression
from paperlib.evaluation.dubbing_agreement import NONE, SURVIVES, TIE
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_run import SETS
from paperlib.evaluation.dubbing_systems import CONTESTS, MINIS, OUR_NETS, OURS
from paperlib.evaluation.dubbing_tables import COMPARED, FLAG, beats
from paperlib.evaluation.dubbing_tasks import CROSS
from paperlib.evaluation.dubbing_verdicts import (
    BETTER,
    JUDGED_BY_SYNC,
    SAID,
    WORSE,
    Duel,
    against_minis,
    duels,
    judges_on,
    measure_of,
    tally,
)
from paperlib.evaluation.dubbing_words import PAPER, heading, name, number
from paperlib.evaluation.dubbing_worst import RANKED_BY, best_mini, read_scores, worst_first
from paperlib.evaluation.shelf import Shelf
from paperlib.paper import PAIRED, RANKERS
from paperlib.results import Row, read_results, select
from paperlib.tables import cell

COMMAND = "paperlib evaluate --method all --profile classroom --out data/results"
LIPS = ("skill_mouth", "opening_r", "leak_index", "late", "csim_crop", "aed_mouth")  # beside the paper's six: what the lips do
PICTURES = ("psnr", "ssim", "lpips")
DEAF = ("source_unchanged", "frozen_mouth", "reference_pasted")  # rows that do not listen
CONTEST = {"dubbing": "video", "animation": "one picture", "": "sanity"}  # what a row may see
IDEAS = {
    OURS: "the paper's two stages: speech to expression, expression to pixels",
    "makeittalk_mini": "speech moves landmarks; a network paints one picture as the moved landmarks draw it",
    "wav2lip_mini": "a painter of the hidden lower face; a sync expert, trained before and frozen, judges its lips",
    "sadtalker_mini": "speech to expression coefficients, which drive a flow that warps one picture",
    "ip_lap_mini": "a transformer predicts lip and jaw landmarks; several reference pictures are aligned to them and merged",
    "diff2lip_mini": "diffusion in the hidden pixels, given the speech, the rest of the frame and a reference",
}


def saved(table: str, folder: Path | None = None) -> tuple[list[Row], str]:
    """(measured rows, a sentence that says how they were made) of table1, table2 or judge_agreement; ([], how to make it) without it."""
    rows, said = figure_expression.saved(table, folder, COMMAND)
    if not rows:
        return [], said
    made = read_results(table, folder)[1]
    networks = [f"{name(row)}: {what}" for row, what in made.get("checkpoints", {}).items()]
    return [r for r in rows if r.kind == "measured"], f"Made by `{made['command']}`. Networks: {'; '.join(networks)}."


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines))


def clips_of(rows: Sequence[Row], track: str = CROSS) -> str:
    """`embedded test speakers, still heads, 20 clips; 20 speakers`."""
    own = [r for r in rows if r.track == track and r.value is not None]
    return f"{own[0].data}; {max(r.n or 0 for r in own if not r.metric.startswith('csim_'))} speakers" if own else "no clips"


def contestants(shelf: Shelf) -> str:
    """Markdown: what each system keeps of its original, what it sees, its size and its training, from the cards of the checkpoints."""
    lines = []
    for row in (OURS, *MINIS):
        kinds, contest = (OUR_NETS, "dubbing") if row == OURS else ((row,), CONTESTS[row.removesuffix("_mini")])
        start = [name(row), CONTEST[contest], IDEAS[row]]
        if shelf.missing(*kinds):
            lines.append([*start, "–", "not trained yet", "–"])
            continue
        cards = [shelf.card(kind) for kind in kinds]
        size = sum(card["parameters"] for card in cards) / 1e6
        lines.append([*start, f"{size:.2f} M", "; ".join(_training(k, c) for k, c in zip(kinds, cards, strict=True)), _rate(row, cards)])
    return markdown(["system", "sees", "what it keeps of its original", "parameters", "training", "learning rate"], lines)


def _training(kind: str, card: Mapping) -> str:
    if kind in MINIS:
        return f"{card['steps']} steps of {card['frames']} frames; best state at step {card['best_step']}"
    own = card["config"]
    steps = sum(own[k] for k in ("steps_warm", "steps_joint1", "steps_joint2")) if "steps_warm" in own else own["steps"]
    frames = own["batch"] * own.get("window", 1)
    return f"{kind}: {steps} steps of {frames} frames, best {card['best_step']}"


def _rate(row: str, cards: Sequence[Mapping]) -> str:
    if row == OURS:
        return ", ".join(f"{card['config']['lr']:g}" for card in cards)
    tried = cards[0].get("trials")
    return f"{cards[0]['lr']:g}" + (f", best of {len(tried['error'])} in trials of {tried['steps']} steps" if tried else ", not tuned")


def values(rows: Sequence[Row], track: str = CROSS, measures: Sequence[str] = PAPER, digits: int = 3) -> str:
    """Markdown: a line per system and sanity row, a column per measure; a value that beats the truth's is marked."""
    own = [r for r in rows if r.track == track and not r.row.startswith(PAIRED) and measure_of(r) in measures]
    lines = []
    for row in dict.fromkeys(r.row for r in own):
        found = {measure_of(r): r for r in own if r.row == row}
        contest = next(r.contest for r in found.values())
        if all(r.value is None for r in found.values()):
            lines.append([name(row), CONTEST[contest], cell(next(iter(found.values()))), *[""] * (len(measures) - 1)])
            continue
        texts = [_value(found[m], digits) if m in found else "–" for m in measures]
        lines.append([name(row), CONTEST[contest], *texts])
    return markdown(["measured", "sees", *map(heading, measures)], lines)


def _value(row: Row, digits: int) -> str:
    return cell(row, 2 if row.metric == "psnr" else digits) + (" *beats truth*" if row.protocol.startswith(FLAG) else "")


def verdict_table(found: Sequence[Duel], measures: Sequence[str] = PAPER) -> str:
    """Markdown: ours less each row, a column per measure, and what that says of ours."""
    at = {(d.other, d.measure): d for d in found}
    others = [o for o in COMPARED if any(d.other == o for d in found)]
    lines = [[f"ours less {name(o)}", *(_duel(at[o, m]) if (o, m) in at else "–" for m in measures)] for o in others]
    return markdown(["difference", *map(heading, measures)], lines)


def _duel(d: Duel) -> str:
    digits = 2 if d.paired.metric == "psnr" else 3
    interval = "" if d.paired.low is None else f" [{d.paired.low:+.{digits}f}, {d.paired.high:+.{digits}f}]"
    return f"{d.paired.value:+.{digits}f}{interval} **{d.said}**"


def sentences(found: Sequence[Duel]) -> list[str]:
    """Where ours is better, ties and is worse: of each contest, then of each verdict by measure; then the controls that beat it."""
    minis, out = against_minis(found), []
    for contest in dict.fromkeys(CONTESTS.values()):
        own = [d for d in minis if d.paired.contest == contest]
        if own:
            who = ", ".join(name(o) for o in MINIS if any(d.other == o for d in own))
            out.append(f"Systems that see {_seen(contest)} ({who}): of {len(own)} comparisons ours is {tally(own)}.")
    for said in SAID:
        own = [d for d in minis if d.said == said]
        by = {m: [name(d.other) for d in own if d.measure == m] for m in dict.fromkeys(d.measure for d in own)}
        if by:
            out.append(f"Ours: {said}. " + "; ".join(f"{heading(m, False)} against {', '.join(names)}" for m, names in by.items()) + ".")
    deaf = [d for d in found if d.other in DEAF and d.said == WORSE]
    if deaf:
        listed = "; ".join(f"{heading(d.measure, False)}: {name(d.other)}" for d in deaf)
        out.append(f"A row that does not listen is nearer to the truth than ours in {listed}.")
    return out


def deaf_means(rows: Sequence[Row], measures: Sequence[str], track: str = CROSS) -> str:
    """A sentence: in which measures a row that does not listen has a better mean than ours. Means alone: no interval, no test."""
    at = {(r.row, measure_of(r)): r.value for r in rows if r.track == track and r.value is not None and measure_of(r) in measures}
    ahead = []
    for row in DEAF:
        own = [m for m in measures if (OURS, m) in at and (row, m) in at]
        own = [m for m in own if beats(at[row, m], at[OURS, m], MEASURES[m].better) and number(at[row, m], m) != number(at[OURS, m], m)]
        if own:
            texts = [f"{heading(m, False)} ({number(at[row, m], m)} against {number(at[OURS, m], m)})" for m in own]
            ahead.append(f"{name(row)} in {', '.join(texts)}")
    if not ahead:
        return "No row that does not listen has a better mean than ours in any of these measures."
    return f"Rows that do not listen and have a better mean than ours, by the means alone: {'; '.join(ahead)}."


def impostors(rows: Sequence[Row]) -> str:
    """A sentence: the CSIM of different people's true faces, and which rows have no more than the highest of them; "" where not saved."""
    out = []
    for r in select(list(rows), metric="csim_impostor"):
        highest = re.search(r"highest ([\d.]+)", r.protocol)
        if r.value is None or not highest:
            continue
        key = f"csim_{r.region}"
        below = [name(v.row) for v in rows if v.track == CROSS and measure_of(v) == key and not v.row.startswith(PAIRED)
                 and v.value is not None and v.value <= float(highest[1])]  # fmt: skip
        said = f"; means no higher than that: {', '.join(below)}" if below else ""
        out.append(f"{heading(key, False)}: mean {r.value:.3f}, highest {float(highest[1]):.3f} of {r.n} pairs{said}")
    return f"**Impostor value**, true faces of two different people: {'. '.join(out)}." if out else ""


def head_start(shelf: Shelf) -> str:
    """A sentence from the cards: how much larger ours is than the largest mini, and how many more clips its stage 1 heard."""
    minis = [row for row in MINIS if not shelf.missing(row)]
    if shelf.missing(*OUR_NETS) or not minis:
        return "Not all cards are there, so nothing can be said of sizes."
    cards, own = {row: shelf.card(row) for row in minis}, {kind: shelf.card(kind) for kind in OUR_NETS}
    largest = max(minis, key=lambda row: cards[row]["parameters"])
    times = sum(card["parameters"] for card in own.values()) / cards[largest]["parameters"]
    said = f"Ours has {times:.0f} times the parameters of the largest mini, {name(largest)}"
    heard = [s.get("train", s)["clips"] for card in own.values() if (s := card.get("speech"))]
    seen = [card["corpus"]["clips"]["train"] for card in cards.values() if "clips" in card.get("corpus", {})]
    return said + (f", and its stage 1 heard up to {max(heard)} clips, where the minis had {max(seen)}." if heard and seen else ".")


def sync_verdicts(found: Sequence[Duel]) -> str:
    """How many comparisons by Sync with the five have a verdict at all."""
    own = [d for d in against_minis(found) if d.measure == JUDGED_BY_SYNC]
    return f"Sync has a verdict in {sum(d.said != NONE for d in own)} of {len(own)} comparisons with the five."


def _seen(contest: str) -> str:
    return {"dubbing": "the video around the mouth", "animation": "one picture and the true pose"}[contest]


def losses(rows: Sequence[Row], track: str = CROSS, agreement: Sequence[Row] = ()) -> str:
    """Markdown: every comparison of the paper's six in which ours is worse than a mini, with what other measures say of the same pair;
    a sentence where there is none."""
    every = {(d.other, d.measure): d for d in duels(rows, track, tuple(MEASURES), agreement)}
    lost = [d for (other, m), d in every.items() if other in MINIS and m in PAPER and d.said == WORSE]
    if not lost:
        return "Ours is worse than none of them in any of the six measures."
    lines = []
    for d in lost:
        near, lips = every.get((d.other, f"{d.paired.metric}_mouth")), every.get((d.other, "opening_r"))
        seen = [near.said if near and d.paired.metric in PICTURES else "–", lips.said if lips else "–"]
        lines.append([heading(d.measure, False), name(d.other), _duel(d), *seen, why_lost(d, near, lips)])
    head = ["lost", "against", "ours less it", "the same, lips alone", "opening follows speech", "so the loss lies"]
    return markdown(head, lines)


def why_lost(lost: Duel, near: Duel | None, lips: Duel | None) -> str:
    """Where a loss lies, by a fixed rule: a picture's measure that is won at the lips is lost around them, and a tie there shows no loss;
    one that is lost there though the opening follows the speech no worse is a matter of painting; otherwise the lips move worse."""
    hears = lips is not None and lips.said in (BETTER, "tie")
    if lost.paired.metric in PICTURES and near is not None and near.said == BETTER:
        return "around the lips: cheeks and chin"
    if lost.paired.metric in PICTURES and near is not None and near.said == "tie":
        return "no loss shown at the lips, so perhaps around them"
    if lost.paired.metric in PICTURES and hears:
        return "in how the lips are painted, not in when they open"
    if lost.paired.metric == "csim":
        return "in whose face it is"
    if lips is None or lips.said == "no verdict":
        return "nobody can say: no verdict on the lips"
    return "in the lips' shape or the picture of them, not in when they open" if hears else "in how the lips move"


def flags(rows: Sequence[Row], track: str = CROSS) -> list[str]:
    """A sentence for every measure in which rows are better than the truth itself: there the measure is at fault."""
    own = [r for r in rows if r.track == track and r.protocol.startswith(FLAG) and measure_of(r)]
    out = []
    for measure in dict.fromkeys(measure_of(r) for r in own):
        there = [r for r in rows if r.row == "truth" and measure_of(r) == measure and r.value is not None]
        mine = [f"{name(r.row)} {r.value:.3f}" for r in own if measure_of(r) == measure and _beaten(r, there)]
        if mine:
            out.append(f"{heading(measure)}: the truth has {there[0].value:.3f}; better than it: {', '.join(mine)}.")
    return out


def _beaten(row: Row, truth: Sequence[Row]) -> bool:
    return bool(truth) and beats(row.value, truth[0].value, MEASURES[measure_of(row)].better)


def agreement_table(rows: Sequence[Row]) -> str:
    """Markdown: Kendall's tau of every two rankers."""
    at = {r.row: r for r in rows if r.metric == "kendall_tau"}
    lines = [[a, *("" if a == b else cell(at.get(f"tau_{a}_{b}") or at[f"tau_{b}_{a}"], 2) for b in RANKERS)] for a in RANKERS]
    return markdown(["tau", *RANKERS], lines)


def conclusions(rows: Sequence[Row]) -> str:
    """Markdown: ours against each other system and the controls, as each ranker sees it, and what survives."""
    lines = []
    for other in COMPARED:
        found, said = judges_on(rows, OURS, other)
        if found:
            lines.append([f"ours against {name(other)}", *(said.get(r, "–") for r in RANKERS), f"**{found}**"])
    return markdown(["pair", *RANKERS, "conclusion"], lines)


def survivors(rows: Sequence[Row]) -> str:
    """How many conclusions "a better than b" all rankers support."""
    pairs = [r for r in rows if r.metric == "survives"]
    counts = {words: sum(r.protocol.startswith(f"{words};") for r in pairs) for words in (SURVIVES, TIE, NONE)}
    return (
        f"Of {len(pairs)} pairs of rows, {counts[SURVIVES]} are ordered alike by all four; in {counts[TIE]} one of them is unsure (a tie); "
        f"in {counts[NONE]} two contradict each other (no verdict)."
    )


def read_clips(path: Path) -> dict[tuple[str, str, str], dict[str, float]]:
    """(row, kind, clip) -> measure -> value of a clips.csv of `paperlib evaluate`; {} where there is none."""
    scores = read_scores(path)
    return {(s["row"], s["kind"], s["clip"]): {m: s[m] for m in MEASURES if s.get(m) is not None} for s in scores}


def worst_clips(scores: Sequence[dict], count: int = 3) -> str:
    """Markdown: the `count` worst cross-dubs of ours in each test set, with the best mini of the same clip; a sentence without scores.

    scores: of `dubbing_worst.read_scores`.
    """
    measure, lines = RANKED_BY[CROSS], []
    shown = (measure, "opening_r", "psnr_crop")
    for part in SETS:
        for s in worst_first(scores, part=part)[:count]:
            mini = best_mini(scores, s["clip"])
            best = f"{name(mini['row'])} {number(mini[measure], measure)}" if mini else "–"
            lines.append([part, f"`{s['clip']}`", *(number(s.get(m), m) for m in shown), best])
    if not lines:
        return f"No clip of ours has been scored here yet; `{COMMAND}` does it."
    return markdown(["test set", "A with the speech of B", *map(heading, shown), f"best mini, {heading(measure)}"], lines)


def live_table(
    scores: Sequence[Mapping], before: Mapping, tables: Mapping[str, Sequence[Row]], measures: Sequence[str] = ("psnr_crop", "opening_r")
) -> str:
    """Markdown: scores made now beside the saved ones of the same clip (`before`, of `read_clips`) and the saved mean of its test set.

    tables: test set -> rows.
    """
    lines = []
    for s in scores:
        kept = before.get((s["row"], s["kind"], s["clip"]), {})
        for m in measures:
            where = {"metric": MEASURES[m].metric, "region": MEASURES[m].region}
            mean = select(list(tables.get(s["set"], ())), row=s["row"], track=s["kind"], **where)
            texts = ["–" if v is None else f"{v:.3f}" for v in (s.get(m), kept.get(m))]
            lines.append([s["set"], name(s["row"]), heading(m), *texts, cell(mean[0]) if mean else "–"])
    return markdown(["test set", "system", "measure", "now", "saved, this clip", "saved, mean of the set"], lines)
