"""The five systems by name: made anew, or as a card describes them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from paperlib import config

if TYPE_CHECKING:
    from paperlib.baselines.interface import Baseline

CLASSES = {"makeittalk": "MakeItTalk", "wav2lip": "Wav2Lip", "sadtalker": "SadTalker", "ip_lap": "IPLAP", "diff2lip": "Diff2Lip"}
NAMES = tuple(CLASSES)  # in the order of the paper's tables
FACE_BOUND = ("makeittalk", "sadtalker")  # are driven by the face model's coefficients


def system(name: str) -> type[Baseline]:
    """The class of system `name`. ValueError for another name."""
    if name not in CLASSES:
        raise ValueError(f"unknown baseline {name!r}; choose one of: {', '.join(NAMES)}")
    return getattr(importlib.import_module(f"paperlib.baselines.{name}"), CLASSES[name])


def file_name(name: str, profile: str) -> str:
    """Name of the checkpoint of system `name` trained under `profile`, without its ending.

    >>> file_name("ip_lap", "classroom")
    'ip_lap_mini_classroom'
    """
    return f"{name}_mini_{profile}"


def make(name: str, size: int, settings: Any = None, expert: Any = None) -> Baseline:
    """System `name` with fresh weights for frames of side `size`. settings: its dataclass (default: as that stands).

    expert: a trained `SyncNet`, used by the systems whose loss asks one and ignored by the others; painting needs none.
    """
    kind = system(name)
    return kind(size, settings, expert) if kind.EXPERT else kind(size, settings)


def describe(net: Baseline) -> dict:
    """What `from_description` makes the same network of: size and settings, plain data."""
    return {"size": net.size, **config.to_dict(net.cfg)}


def from_description(name: str, stored: dict) -> Baseline:
    """System `name` with fresh weights from what `describe` wrote. InputError for settings it does not have."""
    settings = {k: v for k, v in stored.items() if k != "size"}
    return make(name, stored["size"], config.from_dict(system(name).CONFIG, settings))
