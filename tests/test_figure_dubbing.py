"""Figures 4 and 5 and the worst dubs are drawn from saved frames, leave out systems that are not there, and say what is missing."""

import json

import matplotlib as mpl
import numpy as np
import pytest

from paperlib import figure_dubbing
from paperlib.errors import InputError
from paperlib.figure_renderer import mouths
from paperlib.results import Row, provenance, write_results

mpl.use("Agg")


def frames(*keys):
    rng = np.random.default_rng(0)
    names = np.array(["id1 frame 3", "id1 frame 20"])
    return {"names": names} | {k: rng.integers(0, 255, (2, 64, 64, 3), np.uint8) for k in keys}


def test_a_column_for_each_system_that_is_there_and_a_row_for_each_frame():
    saved = frames("frozen_mouth", "source", "truth", "ours_mini", "diff2lip_mini", "silent_speech")
    fig = figure_dubbing.systems_grid(saved)
    titles = [ax.get_title() for ax in fig.axes if ax.get_title()]
    assert titles == ["source A", "speech B", "ours", "Diff2Lip\n-mini", "frozen\nmouth"] and len(fig.axes) == 2 * 5
    assert np.array_equal(fig.axes[2].images[0].get_array(), saved["ours_mini"][0])
    with pytest.raises(InputError, match="lack ours_mini"):
        figure_dubbing.systems_grid(frames("source", "truth"))


def test_figures_are_saved_with_their_card(tmp_path, capsys):
    header = provenance("test", "smoke", 0, "toy", 0.0)
    for name, table in (("figure4", "table1"), ("dub_grid", "controls_dub_grid")):
        np.savez_compressed(tmp_path / f"{name}_frames.npz", **frames("source", "truth", "ours_mini", "wav2lip_mini"))
        write_results(table, [Row(table, "ours_mini", "psnr", 1.0, data="made for a test", track="cross-dub")], header, tmp_path)
    folder = tmp_path / "drawn"
    assert figure_dubbing.main(["--results", str(tmp_path), "--folder", str(folder)]) == 2  # figure 5 is not there
    assert "figure5_frames.npz: no such file; make it with `paperlib evaluate --method all`" in capsys.readouterr().err
    for name in ("figure4", "dub_grid"):
        card = json.loads((folder / f"{name}.json").read_text())
        assert 5000 < (folder / f"{name}.jpg").stat().st_size < 400_000
        assert "Wav2Lip" in card["alt"] and f"{name}_frames.npz" in card["inputs"]


def worst(*keys):
    found = frames("source", "truth", "ours_mini", "frozen_mouth", *keys)
    del found["names"]
    return found | {
        "captions": np.array(["still heads, id1, frame 3: skill 0.1", "strong, id2, frame 4: skill 0.2"]),
        "said": np.array("of 2"),
    }


def test_the_worst_dubs_end_with_the_error_of_ours():
    saved = worst("best_mini")
    fig = figure_dubbing.worst_grid(saved)
    titles = [ax.get_title() for ax in fig.axes if ax.get_title()]
    assert titles == ["source A", "truth B", "ours", "best mini", "frozen\nmouth", "error of\nours x 4"]
    wrong = mouths(np.abs(saved["ours_mini"].astype(int) - saved["truth"]).mean(-1, keepdims=True))[1, ..., 0]
    assert np.array_equal(fig.axes[11].images[0].get_array()[..., 0], np.minimum(4 * wrong, 255).astype(np.uint8))
    assert [t.get_text() for ax in fig.axes for t in ax.texts] == [str(c) for c in saved["captions"]]
    assert len(figure_dubbing.worst_grid(worst()).axes) == 2 * 5  # no mini was there


def test_the_worst_dubs_are_saved_with_their_card(tmp_path):
    np.savez_compressed(tmp_path / "worst_frames.npz", **worst("best_mini"))
    rows = [Row("table1", "ours_mini", "psnr", 1.0, data="made for a test", track="cross-dub")]
    write_results("table1", rows, provenance("test", "smoke", 0, "toy", 0.0), tmp_path)
    assert figure_dubbing.main(["worst_dubs", "--results", str(tmp_path), "--folder", str(tmp_path / "drawn")]) == 0
    card = json.loads((tmp_path / "drawn" / "worst_dubs.json").read_text())
    assert "best mini" in card["alt"] and "id2, frame 4: skill 0.2" in card["alt"] and card["corpus"] == "toy"
    assert set(card["inputs"]) == {"worst_frames.npz", "table1.json"} and (tmp_path / "drawn" / "worst_dubs.jpg").stat().st_size > 5000
