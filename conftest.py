"""Applies to every pytest run from the checkout, also to a plain `pytest --nbval notebooks/NN_name.ipynb`."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("PAPERLIB_HEADLESS", "1")
os.environ.setdefault("PYTHONHASHSEED", "0")
_SANITIZE = Path(__file__).parent / "tests" / "nbval_sanitize.cfg"


def pytest_configure(config):
    """Plain `--nbval` compares as `make test` does: with our sanitiser, in this environment's Python."""
    if getattr(config.option, "nbval", False):
        config.option.nbval_current_env = True
        if not config.option.nbval_sanitize_with:
            config.option.nbval_sanitize_with = str(_SANITIZE)


@pytest.hookimpl(hookwrapper=True)
def pytest_collectstart(collector):
    """Warnings on stderr hold paths and process ids, SVG holds random ids: nbval runs such cells but does not compare these."""
    yield
    if collector.path.suffix == ".ipynb" and hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, "stderr", "image/svg+xml")
