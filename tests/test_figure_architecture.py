"""Figures 1 and 3: the shapes in them are those of a pass, and every network's parts are drawn."""

import json

import pytest
import torch
from torch import nn

from paperlib import config, figure_architecture
from paperlib.figure_boxes import trace, words

SMOKE, PAPER = config.load_profile("smoke"), config.load_profile("paper")


@pytest.fixture(scope="module")
def smoke():
    return figure_architecture.traces(SMOKE)


def said(fig):
    return [t.get_text() for t in fig.axes[0].texts]


def test_trace_records_what_each_part_read_and_gave_and_leaves_no_hooks():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, 2, 1), nn.Identity()

        def forward(self, x, more):
            return {"one": self.a(x), "two": self.b(more["y"])}

    net = Net()
    seen = trace(net, torch.zeros(1, 3, 8, 8), {"y": torch.zeros(2, 5)})
    assert seen["a"].inputs == ((1, 3, 8, 8),) and seen["a"].outputs == ((1, 4, 4, 4),)
    assert seen[""].inputs == ((1, 3, 8, 8), (2, 5)) and seen[""].outputs == ((1, 4, 4, 4), (2, 5))
    assert seen["a"].millions == pytest.approx(112e-6)
    assert not any(m._forward_hooks for m in net.modules())
    assert words(seen["b"].outputs[0]) == "2 × 5"


def test_bars_follow_the_networks_of_the_profile(smoke):
    r, cfg = smoke["renderer"], SMOKE.renderer
    sfm = figure_architecture.sfm_bars(r)
    assert [b.side for b in sfm] == [32, 16, 8, 4, 2, 4, 8, 16, 64]  # five halvings of 64, back to a quarter, the flow at full size
    tmn, rbfin = (figure_architecture.unet_bars(r, name) for name in ("tmn", "rbfin"))
    assert [b.side for b in tmn] == [64, 32, 16, 8, 8, 16, 32, 64, 64]
    assert [b.kind for b in tmn] == ["stem", *["down"] * 3, "bottom", "spade", "spade", "plain", "out"]
    assert [b.kind for b in rbfin].count("msaf") == len(cfg.msaf_scales)
    assert [b.side for b in rbfin if b.kind == "msaf"] == [16, 64]
    assert tmn[-1].channels == rbfin[-1].channels == 4  # three of colour, one of attention
    assert f"{cfg.tmn_blocks} of them" in [b.note for b in tmn]


def test_the_twin_is_drawn_from_its_own_blocks():
    bars = figure_architecture.unet_bars(figure_architecture.traces(config.PAPER_TWIN)["renderer"], "rbfin")
    assert min(b.side for b in bars) == 3 and max(b.channels for b in bars) == 320


def test_figures_hold_the_recorded_shapes_and_are_written_with_cards(tmp_path, smoke):
    import matplotlib.pyplot as plt

    one, three = figure_architecture.figure1(SMOKE), figure_architecture.figure3(SMOKE)
    texts = said(one)
    r, e = smoke["renderer"], smoke["expression"]
    for shape in (*r["tmn"].outputs, r[""].outputs[0], e["lstm"].outputs[0], e[""].outputs[0], e[""].inputs[1]):
        assert any(words(shape) in t for t in texts), shape
    for name in ("sfm", "tmn", "rbfin"):
        assert any(f"{r[name].millions:.2f} M" in t for t in texts)
        assert any(t.startswith(name.upper()) and f"{r[name].millions:.2f} M" in t for t in said(three))
    assert {words(r["rbfin.msaf.low.project"].outputs[0]), words(r["rbfin.msaf.low.mask"].outputs[0])} <= set(said(three))
    plt.close("all")
    (path,) = figure_architecture.draw(SMOKE, tmp_path, names=["figure3_renderer"])
    card = json.loads(path.with_suffix(".json").read_text())
    assert path.stat().st_size > 20_000 and card["profile"] == "smoke" and card["command"] == figure_architecture.COMMAND


@pytest.mark.parametrize("make", [figure_architecture.figure1, figure_architecture.figure3])
def test_no_text_leaves_the_slide(make):
    import matplotlib.pyplot as plt

    fig = make(PAPER)
    fig.canvas.draw()
    page = fig.bbox
    for t in fig.axes[0].texts:
        b = t.get_window_extent()
        assert b.x0 >= page.x0 and b.x1 <= page.x1 and b.y0 >= page.y0 and b.y1 <= page.y1, t.get_text()
    plt.close(fig)
