"""Tables and figures are functions of saved rows."""

import json

import numpy as np
import pytest

from paperlib import figures, tables
from paperlib.errors import InputError
from paperlib.results import Row


def test_markdown_table_places_rows_metrics_and_reasons():
    rows = [
        Row("table3", "full", "aed", 0.0811, data="embedded", low=0.07, high=0.09),
        Row("table3", "no_shape", "aed", 0.0895, data="embedded"),
        Row("table3", "full", "sync", None, data="embedded", protocol="needs the official SyncNet"),
    ]
    text = tables.markdown_table(rows)
    assert text.splitlines()[0] == "| row | AED ↓ | Sync ↑ |"
    assert "| full | 0.081 [0.070, 0.090] | – needs the official SyncNet |" in text
    assert "| w/o shape loss | 0.089 |" in text or "| w/o shape loss | 0.090 |" in text


def test_markdown_table_separates_what_differs_and_refuses_a_mixture():
    a = Row("controls_renderer", "full", "psnr", 30.0, data="x", region="frame")
    b = Row("controls_renderer", "full", "psnr", 25.0, data="x", region="mouth")
    assert "| full | frame | 30.000 |" in tables.markdown_table([a, b])
    with pytest.raises(ValueError, match="two values"):
        tables.markdown_table([a, a])
    with pytest.raises(ValueError, match="no rows"):
        tables.markdown_table([])


def test_published_table_keeps_printed_digits():
    text = tables.published_table("table4")
    assert "| base | 37.33 | 0.054 | 0.939 | 1.91 | 0.99 |" in text
    assert "| full | 38.31 | 0.040 | 0.954 | 1.62 | 0.99 |" in text


def test_settings_table_reads_the_profile():
    text = tables.settings_table("paper")
    assert "| LSTM" not in text and "| k, half width of N(t) | 2 |" in text
    assert "| Bi-LSTM width | 256 |" in text


def test_figures_from_saved_rows(tmp_path):
    rng = np.random.default_rng(0)
    lmd = rng.random(20)
    curves = {"clip1": {"full": {"lmd": [None, *lmd.tolist()], "ssim": [0.9, *(1 - 0.1 * lmd).tolist()]}}}
    rows = [Row("figure7", "full", m, -0.9, low=-0.95, high=-0.8, n=20, data="embedded cross-dub clip1") for m in ("pearson", "spearman")]
    source = tmp_path / "figure7_curves.json"
    source.write_text(json.dumps({"curves": curves}))
    fig = figures.lmd_ssim(figures.read_curves(source), rows, "clip1")
    path = figures.save_figure(fig, "figure7", tmp_path, command="test", inputs=[source], alt="two panels")
    card = json.loads(path.with_suffix(".json").read_text())
    assert path.stat().st_size > 5000 and set(card["inputs"]) == {"figure7_curves.json"} and card["alt"] == "two panels"
    assert "Pearson -0.90 [-0.95, -0.80]" in figures.correlation_text(rows, "clip1", "full")
    with pytest.raises(InputError, match="no pearson row"):
        figures.correlation_text(rows, "clip2", "full")
    with pytest.raises(InputError, match="paperlib evaluate figure7"):
        figures.read_curves(tmp_path / "none.json")


def test_figure_7_sets_our_dub_above_the_frozen_mouth_on_equal_axes(tmp_path):
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(0)
    curves = {"c": {s: {"lmd": rng.random(20).tolist(), "ssim": rng.random(20).tolist()} for s in ("full", "frozen_mouth")}}
    rows = [
        Row("figure7", s, m, -0.5, low=-0.6, high=-0.4, n=20, data=f"embedded cross-dub {scope}")
        for s in ("full", "frozen_mouth") for m in ("pearson", "spearman") for scope in ("c", "all")
    ]  # fmt: skip
    fig = figures.figure7(curves, rows, "c")
    scatter = [ax for ax in fig.axes if "Pearson" in ax.get_title()]
    assert len(scatter) == 2 and scatter[0].get_xlim() == scatter[1].get_xlim() and scatter[0].get_ylim() == scatter[1].get_ylim()
    assert "-0.796" in fig.get_supxlabel()
    fig = figures.correlations(rows)
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["c", "all"]
    plt.close("all")


def test_costs_of_removal_and_complexity():
    import matplotlib.pyplot as plt

    from paperlib.paper import TABLES

    fig = figures.removal_costs("table5")
    assert [ax.get_xlabel() for ax in fig.axes] == ["lost PSNR (dB)", "lost LPIPS", "lost SSIM", "lost LMD (px)"]
    assert [p.get_width() for p in fig.axes[0].patches] == [pytest.approx(38.31 - 37.33), pytest.approx(38.31 - 37.94)]
    t = TABLES["table7"]
    rows = [Row("table7", r, m, t.value(r, m), data="paper profile") for r in t.rows if r != "total" for m in t.columns]
    fig = figures.complexity(rows)
    widths = [p.get_width() for p in fig.axes[0].patches]
    assert widths[:5] == [12.5, 38.68, 12.53, 37.68, 101.17] and widths[9] == pytest.approx(101.39)
    plt.close("all")


def test_command_draws_what_it_can_and_names_what_is_missing(tmp_path, capsys):
    from paperlib.paper import TABLES
    from paperlib.results import provenance, write_results

    t = TABLES["table7"]
    rows = [Row("table7", r, m, t.value(r, m), data="paper profile") for r in t.rows if r != "total" for m in t.columns]
    write_results("table7", rows, provenance("test", "smoke", 0, "none", 0.0), tmp_path)
    assert figures.main(["--results", str(tmp_path), "--folder", str(tmp_path / "out")]) == 2
    assert "figure7" in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "complexity.json").read_text())["inputs"].keys() == {"table7.json"}


def test_interval_and_training_figures():
    import matplotlib.pyplot as plt

    rows = [Row("controls_expression", r, "aed", v, low=v - 1, high=v + 1, data="x") for r, v in (("full", 1.0), ("ridge_mfcc", 2.0))]
    fig = figures.intervals(rows, "AED")
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["ridge mfcc", "full"]
    with pytest.raises(ValueError, match="one metric"):
        figures.intervals([*rows, Row("controls_expression", "full", "lmd", 1.0, data="x")], "AED")
    fig = figures.training_curves({"train": ([1, 2], [1.0, 0.5]), "val": ([1, 2], [1.1, 0.7])}, "loss")
    assert len(fig.axes[0].lines) == 2
    plt.close("all")
