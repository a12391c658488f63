"""The nine renderers of tables 4 to 6: what each row removes, in words, as settings of the profile, and which rows one net serves.

Tables 4, 5 and 6 print twelve rows, but by (22) they are nine networks: "learnable" and "all scales" are the full method, and scale 0 is
"w/o MSAF" (the paper prints other numbers for the two, and table 5's other rows are copies of table 4's "base" and "w/o staged training").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from paperlib.config import Profile
from paperlib.paper import TABLES


@dataclass(frozen=True)
class Variant:
    """One network. overrides: settings by dotted name, as for `load_profile`. staged: SFM and TMN first, eps 0.1, then 0.2.

    rows: the printed rows (table, row id) that it stands for. words: what is removed, and what is left.
    """

    words: str
    rows: tuple[tuple[str, str], ...]
    overrides: dict[str, Any] = field(default_factory=dict)
    staged: bool = True


VARIANTS: dict[str, Variant] = {
    "full": Variant("the method as described", (("table4", "full"), ("table5", "sigma_learned"), ("table6", "all"))),
    "base": Variant(
        "RBFIN alone: no flow and no TMN, so the reference enters as it was filmed; no fusion, no correspondence loss, no stages. "
        "The paper says of its base only that it lacks motion awareness and feature enhancement and under-uses the reference",
        (("table4", "base"),),
        {"renderer__use_sfm": False, "renderer__use_tmn": False, "renderer__l_corr": 0.0},
        staged=False,
    ),
    "no_tmn": Variant(
        "no TMN: I_e of (16) is I_warp, and MSAF has nothing to fuse; flow alone carries the reference",
        (("table4", "no_tmn"),),
        {"renderer__use_tmn": False},
    ),
    "no_corr": Variant("(31) without L_corr of (27)", (("table4", "no_corr"),), {"renderer__l_corr": 0.0}),
    "no_msaf": Variant(
        "no MSAF: TMN paints I_e, but nothing of it reaches RBFIN; by (22) the same network as scale 0",
        (("table4", "no_msaf"), ("table5", "sigma_0")),
        {"renderer__use_msaf": False},
    ),
    "no_staging": Variant("all three networks jointly with eps 0.2 from the first step", (("table4", "no_staging"),), staged=False),
    "sigma_1": Variant("the scale s of (22) fixed at 1", (("table5", "sigma_1"),), {"renderer__msaf_scale": 1.0}),
    "high": Variant("MSAF at full size only", (("table6", "high"),), {"renderer__msaf_scales": ("high",)}),
    "low": Variant("MSAF at a quarter of the size only", (("table6", "low"),), {"renderer__msaf_scales": ("low",)}),
}

STUDY_TABLES = ("table4", "table5", "table6")


def variant_of(table: str, row: str) -> str:
    """The variant that stands for a printed row.

    >>> variant_of("table5", "sigma_0"), variant_of("table6", "all")
    ('no_msaf', 'full')
    """
    return next(name for name, v in VARIANTS.items() if (table, row) in v.rows)


def rows_of(table: str) -> dict[str, str]:
    """Printed row id -> variant, in the table's order."""
    return {row: variant_of(table, row) for row in TABLES[table].rows}


def budget(profile: Profile, steps: int) -> dict[str, Any]:
    """Overrides that cut the profile's schedule to `steps` in all, its stages in the same proportion.

    >>> from paperlib.config import load_profile
    >>> shares = budget(load_profile("classroom"), 1000)
    >>> sorted(shares), sum(shares.values())
    (['renderer__steps_joint1', 'renderer__steps_joint2', 'renderer__steps_warm'], 1000)
    """
    cfg = profile.renderer
    whole = cfg.steps_warm + cfg.steps_joint1 + cfg.steps_joint2
    warm, joint = (round(steps * part / whole) for part in (cfg.steps_warm, cfg.steps_joint1))
    return {"renderer__steps_warm": warm, "renderer__steps_joint1": joint, "renderer__steps_joint2": steps - warm - joint}
