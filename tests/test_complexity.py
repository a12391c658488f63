"""Every counting rule by hand, and FlowNetS against table 7."""

import pytest
import torch
from torch import nn

from paperlib.complexity import count, measure
from paperlib.config import PROFILES, RendererConfig
from paperlib.models.flow import SFM
from paperlib.models.renderer import Renderer


def columns(module, *shape):
    c = count(module, torch.zeros(*shape))
    return c.params, c.flops, c.madd, c.memory


@pytest.mark.parametrize(
    ("module", "shape", "want"),
    [
        # 16 positions x (27 inputs x 8 outputs + 8 biases); MAdd 2 x 27 an output with bias
        (nn.Conv2d(3, 8, 3, padding=1), (1, 3, 4, 4), (224, 16 * (216 + 8), 16 * 8 * 54, 16 * 8 * 4)),
        # without bias the additions are one fewer
        (nn.Conv2d(3, 8, 3, 2, 1, bias=False), (1, 3, 4, 4), (216, 4 * 216, 4 * 8 * 53, 4 * 8 * 4)),
        (nn.Conv2d(4, 8, 3, padding=1, groups=2, bias=False), (1, 4, 2, 2), (144, 4 * 9 * 4 * 4, 4 * 8 * (2 * 18 - 1), 4 * 8 * 4)),
        # transposed: no FLOPs; MAdd at the input's size
        (nn.ConvTranspose2d(3, 5, 4, 2, 1, bias=False), (1, 3, 4, 4), (240, 0, 16 * 5 * (2 * 48 - 1), 64 * 5 * 4)),
        (nn.BatchNorm2d(6), (1, 6, 3, 3), (12, 2 * 54, 4 * 54, 54 * 4)),
        (nn.ReLU(), (1, 2, 3, 3), (0, 18, 18, 72)),
        (nn.LeakyReLU(0.1), (1, 2, 3, 3), (0, 18, 0, 72)),
        (nn.MaxPool2d(3, 2), (1, 2, 5, 5), (0, 50, 8 * 8, 8 * 4)),
        (nn.AvgPool2d(2), (1, 2, 4, 4), (0, 32, 4 * 8, 8 * 4)),
        # max pooling of 2 x 3 windows: 5 comparisons an output; a volume's windows have 8 elements
        (nn.MaxPool2d((2, 3)), (1, 1, 4, 6), (0, 24, 5 * 4, 4 * 4)),
        (nn.AvgPool3d(2), (1, 1, 2, 4, 4), (0, 32, 8 * 4, 4 * 4)),
        (nn.Conv3d(2, 3, (1, 3, 3)), (1, 2, 4, 3, 3), (3 * 18 + 3, 4 * (54 + 3), 4 * 3 * 36, 4 * 3 * 4)),
        (nn.PReLU(), (1, 2, 3, 3), (1, 18, 0, 72)),
        # enlarging: one FLOP a pixel whatever the channels (the tool forgets them), no MAdd
        (nn.Upsample(scale_factor=2), (1, 5, 2, 3), (0, 4 * 6, 0, 4 * 6 * 5 * 4)),
        # softmax of n values: n exponentials, n - 1 additions, n divisions
        (nn.Softmax(dim=1), (1, 10), (0, 0, 29, 40)),
        (nn.Sigmoid(), (1, 10), (0, 0, 0, 40)),
        (nn.Linear(7, 3), (2, 7), (24, 2 * 21, 2 * 3 * 13, 6 * 4)),
        (nn.Linear(7, 3), (2, 5, 7), (24, 10 * 21, 10 * 3 * 13, 30 * 4)),
        (nn.InstanceNorm2d(4), (1, 4, 3, 3), (0, 0, 0, 144)),
        (nn.LSTM(3, 4, batch_first=True), (1, 5, 3), (4 * 4 * (3 + 4 + 2), 0, 0, 5 * 4 * 4)),
    ],
)
def test_rules_one_by_one(module, shape, want):
    assert columns(module, *shape) == want


def test_totals_are_sums_and_batches_count():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    one, three = count(net, torch.zeros(1, 3, 8, 8)), count(net, torch.zeros(3, 3, 8, 8))
    assert [r.name for r in one.rows] == ["0", "1", "2"]
    assert one.flops == sum(r.flops for r in one.rows) and one.params == sum(p.numel() for p in net.parameters())
    assert (three.flops, three.madd, three.memory, three.params) == (3 * one.flops, 3 * one.madd, 3 * one.memory, one.params)
    assert one.memory_mb == pytest.approx(3 * 4 * 64 * 4 / 2**20)
    assert one.macs == 27 * 4 * 64  # FlopCounterMode sees the convolution alone, without its bias


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.gain = nn.Conv2d(2, 2, 1), nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.conv(self.conv(x))


def test_a_module_called_twice_counts_twice_and_the_mode_is_restored():
    net = Twice().train()
    net.conv.eval()
    c = count(net, torch.zeros(1, 2, 2, 2))
    assert c.flops == 2 * 4 * 6 and c.params == 6 + 3
    assert net.training and not net.conv.training
    assert not net.conv._forward_hooks


def test_literally_as_torchstat_the_batch_is_lost_and_reuse_and_tuples_too():
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), torch.zeros(5, 3, 8, 8)
    ours, printed = count(net, x), count(net, x, literal=True)
    assert printed.flops == ours.flops and (printed.madd, printed.memory) == (ours.madd // 5, ours.memory // 5)

    printed = count(Twice(), torch.zeros(1, 2, 2, 2), literal=True)
    assert (printed.flops, printed.params) == (4 * 6, 6)  # one call of two; `gain` is not a leaf's
    with pytest.raises(TypeError, match="LSTM"):
        count(nn.LSTM(3, 4), torch.zeros(1, 5, 3), literal=True)
    with pytest.raises(TypeError, match="3 axes"):
        count(nn.Linear(3, 4), torch.zeros(1, 5, 3), literal=True)


def test_shapes_alone_give_the_same_counts():
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)), torch.zeros(2, 3, 10, 10)
    with torch.device("meta"):
        empty = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        assert count(empty, torch.zeros(2, 3, 10, 10)) == count(net, x)


def test_live_memory_by_hand():
    x = torch.zeros(1, 4, 256, 256)  # one MiB

    def chain(inplace):
        return nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.ReLU(inplace), nn.Conv2d(8, 4, 1, bias=False)).train()

    net = chain(False)
    found = measure(net, x, repeats=1)
    assert found.peak_mb == 4.0  # two MiB of the first convolution and two of the ReLU; then two and one
    assert found.seconds > 0 and net.training
    assert measure(chain(True), x, repeats=1).peak_mb == 3.0

    class Reads(nn.Module):
        def forward(self, pair, more):
            return pair[0] + more["x"]

    assert measure(Reads(), (x, x), {"x": x}, repeats=1).peak_mb == 1.0  # inputs do not count


def test_flownets_at_192_gives_table_7s_sfm_row():
    image = torch.zeros(1, 3, 192, 192)
    c = count(SFM(RendererConfig(size=192, sfm_base=64)), image, image)
    assert c.params / 1e6 == pytest.approx(38.68, abs=0.005)
    assert c.flops / 1e9 == pytest.approx(2.27, rel=0.01)
    assert c.madd / 1e9 == pytest.approx(5.91, rel=0.01)
    assert c.memory_mb == pytest.approx(17.9, rel=0.01)
    assert c.madd / c.flops == pytest.approx(2.60, abs=0.02)  # transposed convolutions: MAdd only
    assert c.macs > 1.25 * c.flops  # the flop counter does see them


def test_both_counters_agree_where_nothing_is_transposed_or_functional():
    net = Renderer(PROFILES["smoke"].renderer).tmn
    image = torch.zeros(1, 3, 64, 64)
    c = count(net, image, image)
    convs = sum(r.flops for r in c.rows if r.kind == "Conv2d")
    assert convs == pytest.approx(c.macs, rel=0.02)  # biases
