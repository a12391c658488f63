"""Figures 6 and 8 and their companions are drawn from results files, and say what is missing."""

import json

import matplotlib as mpl
import numpy as np
import pytest

from paperlib import figure_renderer
from paperlib.errors import InputError
from paperlib.paper import FACTORS
from paperlib.results import Row, provenance, write_results

mpl.use("Agg")
PLACE = {"data": "made for a test", "motion": "rule", "low": 0.1, "high": 0.5}


@pytest.fixture
def results(tmp_path):
    """A results folder whose numbers mean nothing."""
    header = provenance("test", "smoke", 0, "none", 0.0, steps=2, seeds=[0])
    rng = np.random.default_rng(0)
    keys = [k.format(b) for k in figure_renderer.FIGURE6 for b in ("true", "predicted")]
    pictures = {k: rng.integers(0, 255, (2, 64, 64, 3), np.uint8) for k in keys}
    np.savez_compressed(tmp_path / "figure6_frames.npz", names=np.array(["a frame 1", "b frame 2"]), **pictures)
    shown = {k: rng.integers(0, 255, (2, 96, 96, 3), np.uint8) for k in figure_renderer.FIGURE8}
    np.savez_compressed(tmp_path / "figure8_frames.npz", captions=np.array(["c", "d"]), **shown)
    write_results("table4", [Row("table4", "full", "psnr", 1.0, **PLACE)], header, tmp_path)
    write_results("figure8", [Row("figure8", "failure_1", "error", 1.0, protocol="c", **PLACE)], header, tmp_path)
    curves = {
        "full": {"0": {"step": [1, 2], "scale_low": [0.1, 0.2], "scale_high": [0.1, 0.0]}},
        "low": {"0": {"step": [1], "scale_low": [0]}},
    }
    (tmp_path / "study_renderer_curves.json").write_text(json.dumps({"provenance": header, "curves": curves}))
    said = ("holds", "tie", "does not hold")
    rows = [Row("orderings", f"table6:{pair}", "psnr", 0.3, beta="predicted", region="crop", protocol=f"{word}; Holm p 0.1", **PLACE)
            for pair, word in zip(("high>low", "all>high", "all>low"), said, strict=True)]  # fmt: skip
    write_results("orderings_renderer", rows, header, tmp_path)
    rows = [
        Row("controls_motion", row, f"error_{c}_{k}", 3.0 + k, beta=beta, protocol=f"{c}, mm/s {k} to {k + 1}; 9 frames", **PLACE)
        for row, beta in (("full", "predicted"), ("frozen_mouth", "none")) for c in ("speed", "yaw") for k in range(3)
    ]  # fmt: skip
    write_results("controls_motion", rows, header, tmp_path)
    names = [*FACTORS, "all"]
    rows = [Row("controls_factors", f"effect_{f}", "psnr", 0.3, unit="dB", region="crop", **PLACE) for f in names]
    write_results("controls_factors", rows, header, tmp_path)
    return tmp_path


def test_every_figure_is_drawn_with_its_card(results, tmp_path):
    folder = tmp_path / "drawn"
    assert figure_renderer.main(["--results", str(results), "--folder", str(folder)]) == 0
    for name in (*figure_renderer.DRAWN, "figure6_mouths"):
        card = json.loads((folder / f"{name}.json").read_text())
        kind = "jpg" if name.startswith(("figure6", "figure8")) else "png"
        assert (folder / f"{name}.{kind}").stat().st_size > 5000 and card["alt"] and card["inputs"], name


def test_missing_results_are_named_with_the_command(tmp_path, capsys):
    assert figure_renderer.main(["figure6", "figure8", "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "paperlib train study-renderer" in said and "paperlib evaluate motion" in said


def test_figure_6_refuses_an_unfinished_study(results):
    with np.load(results / "figure6_frames.npz") as kept:
        frames = {k: v for k, v in kept.items() if k != "no_msaf_true"}
    with pytest.raises(InputError, match="no_msaf_true"):
        figure_renderer.figure6(frames, "true")


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="expected 2"):
        figure_renderer.picture_grid([np.zeros((1, 8, 8, 3), np.uint8)], ["x"], ["a", "b"])


def test_orderings_are_counted_in_words_of_their_own():
    said = ("holds", "tie", "does not hold", "no verdict", "holds")
    rows = [Row("orderings", "table6:all>high", "psnr", 0.1, protocol=f"{word}; Holm p 0.1", **PLACE) for word in said]
    assert figure_renderer.counted(rows) == "2 as printed, 1 tie, 1 reversed, 1 no verdict"
    assert figure_renderer.counted([]) == "none" and set(figure_renderer.WORDS) == set(figure_renderer.SIGNS)
