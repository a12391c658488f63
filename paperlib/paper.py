"""The paper as typed data: tables, equations, claims, given settings, unstated settings. Nothing here is measured by us.

Chen Y.-L., Xiong S.-W., "Speaker-Independent Visual Dubbing Method Based on Semantic Enhancement and Texture-Motion Fusion",
Acta Electronica Sinica 53(10), 2025, 3608-3621, DOI 10.12263/DZXB.20240685.
The tables live in `paper_tables`, the settings in `paper_settings`, the equation map in `paper_equations`; all are re-exported
here. `paper_checks` does the arithmetic on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import permutations, product

from paperlib.paper_equations import EQUATIONS, Equation, mentions, resolve, unresolved
from paperlib.paper_settings import GIVEN, UNSTATED, Given, Unstated, setting
from paperlib.paper_tables import METRICS, SYSTEM_LABELS, TABLES, Metric, Table

__all__ = [
    "CITATION",
    "CONTROL_ROWS",
    "CLAIMS",
    "EQUATIONS",
    "GIVEN",
    "METRICS",
    "REMOVED_ROWS",
    "ROW_IDS",
    "SYSTEM_LABELS",
    "TABLES",
    "UNSTATED",
    "Claim",
    "Equation",
    "Given",
    "Metric",
    "Table",
    "Unstated",
    "mentions",
    "published_rows",
    "resolve",
    "row_id",
    "setting",
    "unresolved",
]

CITATION = (
    "Chen Y.-L., Xiong S.-W. Speaker-Independent Visual Dubbing Method Based on Semantic Enhancement and Texture-Motion Fusion. "
    "Acta Electronica Sinica 53(10), 2025, 3608-3621. DOI 10.12263/DZXB.20240685"
)

CONTROL_ROWS = (
    # sanity rows of the renderer: what costs nothing and what cannot be beaten
    "truth", "truth_reencoded", "truth_resized", "previous_frame", "source_unchanged", "frozen_mouth", "frozen_mouth_oracle",
    "reference_pasted",
    "warp_only", "i3d_only",
    # sanity rows of the speech
    "silent_speech", "swapped_speech", "shifted_speech", "still_semantic_images", "shuffled_speech",
    *(f"shifted_{side}{n}" for side in "mp" for n in range(1, 6)),  # speech n frames early (m), late (p)
    # predictors that any expression network must beat
    "mean_expression", "ridge_mfcc", "loudness", "frame_index",
    # the same speaker saying the same once more: what no predictor can know
    "other_take",
    # medians over all that the phonemes leave open, with and without the speaker's style: floors of the error on a rule's motion
    "phoneme_oracle", "phoneme_oracle_style",
)  # fmt: skip
REALISM_ROWS = (  # corpus.realism_report: recorded people, each rule on three kinds of speech, rounds and trials of tuning
    "people", "people_all", "people_others", *(f"{r}_{s}" for r in ("rule", "rule2") for s in ("same_sound", "same_words", "corpus")),
    *(f"round{k}_{half}" for k in range(10) for half in ("choose", "report")), *(f"trial{k}" for k in range(20)),
)  # fmt: skip
FITTING_ROWS = (  # evaluation.fitting: dlib's own points, then fits that know more and more, and two bounds
    "detector_alone", "landmarks", "measured_detector", "regressor_start", "regressor_evidence", "regressor_fused", "regressor_alone",
    "true_landmarks",
)  # fmt: skip
REMOVED_ROWS = (
    # parts of a trained network switched off when it is used; nothing is trained again, so none of these is a row of tables 3-6
    "msaf_off", "msaf_scale_1", "msaf_low_only", "msaf_high_only", "flow_off", "uniform_attention",
    "audio_path_off",  # our extension beside (7), not a part of the paper
)  # fmt: skip
SYNC_ROWS = ("expert", "judge")  # evaluation.sync: the networks that say whether lips and speech belong together
MOTION_ROWS = ("fixed_reference", "truth_noisy")  # evaluation.renderer_motion: one reference for long, and noise that must be seen
LEAKAGE_ROWS = ("stranger_reference", "stranger_warp", "stranger_pasted")  # evaluation.renderer_leakage
FACTORS = {  # evaluation.renderer_factors: (the level that makes it easy, the level that PROTOCOL asks for)
    "beta": ("true", "predicted"), "mask": ("outline", "pose"), "references": ("same", "other"), "adapt": ("yes", "no"),
}  # fmt: skip
FACTOR_CELLS = {"_".join(levels): levels for levels in product(*FACTORS.values())}  # true_outline_same_yes ... predicted_pose_other_no
FACTOR_ROWS = (*FACTOR_CELLS, *(f"effect_{name}" for name in (*FACTORS, "all")))
ORDERING_ROWS = tuple(f"{t}:{a}>{b}" for t in ("table3", "table4", "table5", "table6") for a, b in permutations(TABLES[t].rows, 2))
FAILURE_ROWS = tuple(f"failure_{k}" for k in range(1, 13))  # figure 8, worst first
STUDY_ROWS = (  # evaluation.expression_study: table 3's rows, windows, inputs one by one, networks tuned on recorded people
    *TABLES["table3"].rows, *(f"k{k}" for k in range(8)), "audio_only", "as_printed", "random_teacher", "true_frames", "teacher_x4",
    *(f"{net}{part}_{how}" for net in ("", "as_printed_")
      for part, hows in (("audio", ("silent", "shuffled", "swapped")), ("images", ("still", "shuffled", "swapped"))) for how in hows),
    *(f"{how}_{n}" for how in ("tuned", "scratch") for n in (0, 2, 10, 30, 60)),
)  # fmt: skip
RANKERS = ("judge", "expert", "lag", "opening")  # evaluation.dubbing_agreement: who ranks the systems by sync
TAU_ROWS = tuple(f"tau_{a}_{b}" for a, b in permutations(RANKERS, 2))
SYSTEM_ROWS = tuple(TABLES["table1"].rows)
MINI_ROWS = tuple(f"{name}_mini" for name in SYSTEM_ROWS)  # measured with our small reimplementations
OFFICIAL_ROWS = ("wav2lip_official",)  # measured with the authors' own weights, where the user has them
VALIDITY_FORMS = ("without", "longer", "less_without", "longer_less")  # evaluation.baseline_validity
ROW_IDS: dict[str, tuple[str, ...]] = {
    "baseline_validity": tuple(f"{row}_{form}" for row in MINI_ROWS for form in VALIDITY_FORMS),
    "table1": (*SYSTEM_ROWS, *MINI_ROWS, *OFFICIAL_ROWS, *CONTROL_ROWS),
    "table2": (*SYSTEM_ROWS, *MINI_ROWS, *OFFICIAL_ROWS, *CONTROL_ROWS),
    **{name: (*TABLES[name].rows, *CONTROL_ROWS) for name in ("table3", "table4", "table5", "table6")},
    "table7": tuple(TABLES["table7"].rows),
    "figure7": ("ours", "full", *CONTROL_ROWS),
    "figure7_intervention": ("truth_noisy", "small_error", "large_error", "frozen_mouth"),
    "figure8": FAILURE_ROWS,
    "recorded_speech": ("full", "swapped_speech"),  # evaluation.recorded_speech: no truth, so loudness
    "self_real": ("full", "frozen_mouth"),  # evaluation.self_reconstruction
    "image_leak": ("teacher", "true_frames"),  # evaluation.image_leak: what is painted from sound, and from the speaker
    "mask_leak": ("posed", "fitted_pose", "own", "place"),  # evaluation.mask_leak: where an outline comes from
}


PAIRED = "full_minus_"  # prefix of a row that holds the paired difference between our full system and a control


def row_id(table: str, row: str) -> str:
    """`row` if the table may hold it, else ValueError.

    `controls_*` tables hold `full`, controls, removals at test time and their paired differences; `orderings` which of two printed rows
    is better, `judge_agreement` which of two measured ones; `ledger` holds claims.
    """
    name = row.removeprefix(PAIRED)
    if table.startswith("controls_"):
        systems = (*MINI_ROWS, *OFFICIAL_ROWS, *CONTROL_ROWS)
        allowed: tuple[str, ...] = ("full", *systems, *REMOVED_ROWS, *SYNC_ROWS, *MOTION_ROWS, *LEAKAGE_ROWS, *FACTOR_ROWS)
    elif table == "orderings":
        allowed = ORDERING_ROWS
    elif table.startswith("expression_"):
        allowed = (*STUDY_ROWS, *CONTROL_ROWS)
        name = re.sub(r"^(k\d|tuned_\d+|as_printed)_minus_", "", name)  # paired with that row, not with full
    elif table == "realism":
        allowed = REALISM_ROWS
    elif table == "fitting":
        allowed = FITTING_ROWS
    elif table == "judge_agreement":
        systems, pair = (*MINI_ROWS, *OFFICIAL_ROWS, *CONTROL_ROWS), row.split(">")
        known = row in TAU_ROWS or (len(pair) == 2 and set(pair) <= set(systems))
        allowed = (name,) if known else (*TAU_ROWS, f"A>B of {', '.join(systems)}")
    elif table == "ledger":
        allowed = tuple(CLAIMS)
    else:
        allowed = ROW_IDS.get(table, ())
    if name not in allowed:
        raise ValueError(f"{table}: unknown row {row!r}; known: {', '.join(allowed) or 'no such table'}")
    return row


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that a number can support or contradict."""

    id: str
    text: str
    source: str
    numbers: tuple[float, ...] = ()
    needs: str = ""  # what an exact reproduction would need and nobody can download


_GATED = "the authors' weights and code; VoxCeleb1, VoxCeleb2 and LRW are gated"
CLAIMS: dict[str, Claim] = {
    c.id: c
    for c in (
        Claim("abstract_vox1", "VoxCeleb1, over the baseline: PSNR +7.76, LPIPS -0.08, SSIM +0.11, LMD -1.10, Sync +0.20", "abstract",
              (7.76, -0.08, 0.11, -1.10, 0.20), _GATED),
        Claim("abstract_vox2", "VoxCeleb2, over the baseline: PSNR +7.12, LPIPS -0.10, SSIM +0.11, LMD -1.10, Sync +0.15", "abstract",
              (7.12, -0.10, 0.11, -1.10, 0.15), _GATED),
        Claim("best_vox1", "best of six methods in every column on VoxCeleb1", "table 1", (), _GATED),
        Claim("best_vox2", "best of six methods in every column on VoxCeleb2", "table 2", (), _GATED),
        Claim("semantic_helps", "semantic images lower AED and LMD and raise Sync", "table 3", (0.094, 0.081), _GATED),
        Claim("attention_helps", "cross-modal attention lowers AED and LMD and raises Sync", "table 3", (0.082, 0.081), _GATED),
        Claim("shape_loss_helps", "the shape loss lowers AED and LMD and raises Sync", "table 3", (0.089, 0.081), _GATED),
        Claim("tmn_helps", "texture modulation raises PSNR and lowers LMD", "table 4", (37.85, 38.31), _GATED),
        Claim("corr_helps", "the correspondence loss raises PSNR and lowers LMD", "table 4", (38.11, 38.31), _GATED),
        Claim("msaf_helps", "multi-scale adaptive fusion raises PSNR and lowers LMD", "table 4", (38.21, 38.31), _GATED),
        Claim("staging_helps", "staged training raises PSNR and lowers LMD", "table 4", (37.94, 38.31), _GATED),
        Claim("scale_learned", "a learnable MSAF scale beats 0 and 1", "table 5", (37.33, 37.94, 38.31), _GATED),
        Claim("scales_all", "MSAF at both scales beats either alone", "table 6", (38.20, 38.17, 38.31), _GATED),
        Claim("lmd_ssim", "Pearson correlation of per-frame LMD and SSIM about -0.796", "figure 7", (-0.796,), _GATED),
        Claim("ssim_floor", "SSIM stays above 0.96 in every frame of the sequence", "figure 7", (0.96,), _GATED),
        Claim("complexity", "101.17 M parameters and 86.88 GFLOPs in all", "table 7", (101.17, 86.88)),
    )
}  # fmt: skip


def published_rows() -> list:
    """Every number of tables 1-7 as `results.Row` objects of kind "published"."""
    from paperlib.results import Row

    return [
        Row(table=t.name, row=row, metric=m, value=v, unit=METRICS[m].unit, kind="published", data=t.data, seeds=0, protocol=CITATION)
        for t in TABLES.values()
        for row, values in t.rows.items()
        for m, v in zip(t.columns, values, strict=True)
    ]
