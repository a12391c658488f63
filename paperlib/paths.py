"""Where things live. Every path of the project is computed here, from the package's place and never from the cwd."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(os.environ.get("PAPERLIB_HOME", Path(__file__).resolve().parent.parent))
NOTEBOOKS = ROOT / "notebooks"
DATA = ROOT / "data"  # shipped: face model, AlexNet convolutions, checkpoints, results
CHECKPOINTS = DATA / "checkpoints"
RESULTS = DATA / "results"
FIGURES = ROOT / "figures"
CACHE = DATA / "cache"  # generated and downloaded, git-ignored
WEIGHTS = CACHE / "weights"  # fetched third-party weights
BUILD = ROOT / "build"  # executed notebooks, HTML, results and figures of a run, git-ignored


def build_dir(profile: str) -> Path:
    """Folder of everything a run under `profile` writes: build/<profile>."""
    return BUILD / profile
