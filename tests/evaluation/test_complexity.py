"""Table 7: every cell within 2%, twice; the arithmetic of designs against networks that are run; the results file."""

import dataclasses

import pytest
import torch

from paperlib import config
from paperlib.complexity import Columns, count
from paperlib.evaluation import complexity
from paperlib.evaluation.complexity_designs import NEAR, ROWS, Design, closed_form, designs, distance, left_open, trades
from paperlib.paper import TABLES
from paperlib.results import Row, read_results, select

TABLE = TABLES["table7"]
PAPER, TWIN = config.load_profile("paper"), config.PAPER_TWIN
CELLS = [(row, metric) for row in ROWS for metric in TABLE.columns]


@pytest.fixture(scope="module")
def counted():
    return {name: complexity.counts(p) for name, p in (("paper", PAPER), ("twin", TWIN))}


@pytest.mark.parametrize("name", ["paper", "twin"])
def test_all_sixteen_cells_and_the_totals_are_within_two_percent(counted, name):
    found = counted[name]
    off = {(r, m): getattr(found[r].columns, m) / TABLE.value(r, m) - 1 for r, m in CELLS}
    assert len(off) == 16
    assert {cell: f"{v:+.2%}" for cell, v in off.items() if abs(v) > NEAR} == {}
    for metric in TABLE.columns:
        total = sum(getattr(c.columns, metric) for c in found.values())
        assert total == pytest.approx(TABLE.value("total", metric), rel=NEAR)


def test_the_two_designs_differ_in_every_row(counted):
    shapes = {name: {r: sorted((m.kind, m.params, m.memory) for m in c.rows) for r, c in found.items()} for name, found in counted.items()}
    assert all(shapes["paper"][r] != shapes["twin"][r] for r in ROWS)
    a, b = PAPER.renderer, TWIN.renderer
    for choice in ("tmn_levels", "rbfin_levels", "tmn_encoder_convs", "narrow_first", "tmn_spade_full", "rbfin_spade_from", "spade_hidden"):
        assert getattr(a, choice) != getattr(b, choice), choice
    assert len(counted["paper"]["sfm"].rows) != len(counted["twin"]["sfm"].rows)
    assert (PAPER.expression.window, TWIN.expression.window) == (29, 2 * TWIN.expression.k + 1)
    assert "paper_twin" not in config.PROFILES  # counted, not trained


def test_only_the_flow_network_shows_transposed_convolutions(counted):
    for found in counted.values():
        ratios = {r: c.madd / c.flops for r, c in found.items()}
        assert ratios["sfm"] == pytest.approx(TABLE.value("sfm", "madd") / TABLE.value("sfm", "flops"), abs=0.05)
        assert all(v == pytest.approx(2, abs=0.01) for r, v in ratios.items() if r != "sfm")


def test_a_folded_clip_is_not_what_torchstat_prints():
    with torch.device("meta"):
        net, (mfcc, semantic) = complexity.built(PAPER)["expression"]
        images, printed = semantic.flatten(0, 1), TABLE.rows["expression"]
        with pytest.raises(TypeError, match="LSTM|linear"):
            count(net, mfcc, semantic, literal=True)
        literal = count(net.cnn_visual, images, literal=True)
    assert literal.madd / literal.flops == pytest.approx(2 / 29, rel=0.02)  # the table prints 2
    assert printed[2] / printed[1] == 2


def test_vgg_m_alone_on_nine_frames_at_its_own_size_is_three_of_the_four_cells():
    found = {r.metric: r.value for r in complexity.vgg_m_rows()}
    assert all(found[m] == pytest.approx(TABLE.value("expression", m), rel=0.003) for m in ("flops", "madd", "memory"))
    assert found["params"] < TABLE.value("expression", "params")  # the rest is speech, attention and LSTM
    other = {r.metric: r.value for r in complexity.vgg_m_rows(frames=7)}
    assert abs(other["flops"] / TABLE.value("expression", "flops") - 1) > 0.2


SMALL = config.load_profile("smoke").renderer
VARIED = [
    dataclasses.replace(SMALL, tmn_levels=4, tmn_encoder_convs=2, tmn_blocks=1, tmn_convs=3, tmn_spade_full=True, tmn_max_channels=20),
    dataclasses.replace(SMALL, rbfin_levels=5, rbfin_encoder_convs=0, rbfin_spade_from=2, narrow_first=False, stem_kernel=5, rbfin_convs=2),
    dataclasses.replace(SMALL, msaf_scales=("low",), sfm_channels=(6, 8, 10), sfm_kernels=(3, 5, 3), sfm_extra=(1, 0, 2), sfm_up=(7,)),
    SMALL,
]


@pytest.mark.parametrize("renderer", VARIED)
def test_arithmetic_of_the_renderer_is_what_its_networks_cost(renderer):
    profile = dataclasses.replace(config.load_profile("smoke"), renderer=renderer)
    found = complexity.counts(dataclasses.replace(profile, expression=PAPER.expression, teacher=PAPER.teacher))
    for row in ("sfm", "tmn", "rbfin"):
        assert closed_form(row, profile) == pytest.approx(found[row].columns, rel=1e-12), row


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"visual_size": 112, "visual_padding": 1, "visual_ceil": False, "early_pool": True, "d": 32, "lstm_hidden": 16, "window": 3},
        {"visual_size": 100, "visual_padding": 2, "visual_ceil": True, "d_a": 7, "d_v": 9, "audio_channels": (2, 3, 4, 5, 6)},
    ],
)
def test_arithmetic_of_the_expression_network_is_what_it_costs(settings):
    profile = dataclasses.replace(PAPER, expression=dataclasses.replace(PAPER.expression, **settings))
    assert closed_form("expression", profile) == pytest.approx(complexity.counts(profile)["expression"].columns, rel=1e-12)


def test_grids_hold_both_designs_and_search_keeps_only_what_is_near():
    assert set(complexity.GRIDS) == set(ROWS)
    grid = {"rbfin_blocks": (7, 8, 9), "ftex_proj": (8, 16)}
    found, total = designs("rbfin", PAPER, grid)
    assert total == 6 and 0 < len(found) < 6
    assert [d.distance for d in found] == sorted(d.distance for d in found) and found[-1].distance < NEAR
    best = {"rbfin_blocks": PAPER.renderer.rbfin_blocks, "ftex_proj": PAPER.renderer.ftex_proj}
    assert any(d.settings == best and d.distance == distance(closed_form("rbfin", PAPER), "rbfin") for d in found)
    for row, grids in complexity.GRIDS.items():
        part = "expression" if row == "expression" else "renderer"
        for profile in (PAPER, TWIN):
            have = getattr(profile, part)
            plan = (
                {"sfm_base": 64, "sfm_extra": (0, 0, 1, 1, 1, 1), "sfm_kernels": (7, 5, 5, 3, 3, 3)}
                if row == "sfm" and profile is PAPER
                else {}
            )
            assert any(all(plan.get(name, getattr(have, name)) in values for name, values in grid.items()) for grid in grids), (
                row,
                profile.name,
            )


def test_what_is_left_open_and_what_trades():
    found = [Design({"a": a, "b": b, "c": c}, Columns(1, 1, 1, 1), 0.0) for a, b, c in ((1, 1, 1), (2, 0, 1), (3, 0, 1), (9, 9, 9))]
    assert left_open(found) == {"a": [1, 2, 3, 9], "b": [0, 1, 9], "c": [1, 9]}
    assert trades(found) == {("a", "b"): 2, ("a",): 1}


def test_results_file_and_its_table(tmp_path, monkeypatch):
    monkeypatch.setattr(complexity, "measured_rows", lambda p, label: [Row("table7", "sfm", "seconds", 1.0, data=f"{label}, measured")])
    monkeypatch.setattr(complexity, "GRIDS", {"sfm": ({"sfm_base": (60, 64)},)})
    rows, header = read_results("table7", complexity.evaluate(config.load_profile("smoke"), tmp_path).parent)
    assert header["command"] == "paperlib evaluate complexity"
    for label in ("paper profile", "paper twin"):
        ours = select(rows, data=label)
        assert {(r.row, r.metric) for r in ours} == set(CELLS)
        shares = select(rows, data=f"{label} / printed")
        assert len(shares) == 20 and all(abs(r.value - 1) < NEAR for r in shares)
    (pinned,) = select(rows, metric="designs")
    assert (pinned.value, pinned.n) == (1.0, 2)
    lines = complexity.side_by_side(rows).splitlines()
    assert len(lines) == 2 + 20
    assert lines[6].startswith("| SFM | Params/M | 38.68 | 38.68 | 1.000 |")


def test_measured_rows_run_the_real_networks():
    profile = dataclasses.replace(config.load_profile("smoke"), renderer=dataclasses.replace(SMALL, sfm_base=4, tmn_base=4, rbfin_base=4))
    rows = complexity.measured_rows(profile, "smoke", repeats=1)
    assert {(r.row, r.metric) for r in rows} == {(r, m) for r in ROWS for m in ("seconds", "peak")}
    assert all(r.value > 0 for r in rows)
