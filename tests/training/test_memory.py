"""Bytes of a training step against counts by hand, against real tensors, and the paper's card."""

import pytest
import torch
from torch import nn

from paperlib import config
from paperlib.corpus.banks import render_batch
from paperlib.training.memory import GIB, Kept, StepMemory, fits, optimiser_bytes, renderer_memory, stored_bytes
from paperlib.training.optim import Ranger
from paperlib.training.step import paint


def test_a_view_is_not_counted_twice():
    x = torch.zeros(10, 4)
    assert stored_bytes([x, x[2:], x.T]) == 160
    assert stored_bytes([x, torch.zeros(3, dtype=torch.float64)]) == 160 + 24


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_activations_of_a_small_network_by_hand(device):
    net = nn.Sequential(nn.Linear(8, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)).to(device)
    x = torch.zeros(3, 8, device=device)
    with Kept(net.parameters()) as kept:
        y = net(x)
    assert kept.bytes == 4 * (3 * 8 + 3 * 4)  # the input; relu's output, which the second layer shares; the product needs no output
    with Kept([*net.parameters(), x]) as kept:
        y = net(x).square().sum()
    assert kept.bytes == 4 * (3 * 4 + 3 * 2) and y.device.type == device
    with Kept(net.parameters()) as kept, torch.no_grad():
        net(x)
    assert kept.bytes == 0


def test_optimiser_states_are_those_that_the_optimisers_make():
    a, b = nn.Linear(30, 20), nn.Linear(7, 5)
    ranger, adam = Ranger(a.parameters(), 0.1), torch.optim.Adam(b.parameters())
    for net, optimiser in ((a, ranger), (b, adam)):
        for p in net.parameters():
            p.grad = torch.ones_like(p)
        optimiser.step()
    states = [t for o in (ranger, adam) for s in o.state.values() for t in s.values() if isinstance(t, torch.Tensor) and t.dim()]
    assert optimiser_bytes([(a, 3), (b, 2)]) == stored_bytes(states) == 4 * (3 * 620 + 2 * 40)


def test_the_count_without_data_is_the_count_with_data(small_renderer):
    found = renderer_memory(small_renderer.profile)
    net, critic = small_renderer.net().train(), small_renderer.critic()
    batch = render_batch(small_renderer.train, small_renderer.cfg.batch, torch.Generator().manual_seed(0))
    batch = type(batch)(**{k: v.contiguous() for k, v in vars(batch).items()})
    with Kept([*net.parameters(), *net.buffers(), *vars(batch).values()]) as kept:
        out = paint(net, batch, "joint")
    assert out.i_i.shape[0] == 2 and found.generator == kept.bytes
    assert found.gradients == stored_bytes([*net.parameters(), *critic.parameters()])
    assert found.batch == 4 * 2 * 32 * 32 * 13 + 4 * 2 * 4  # four pictures and a mask, and the mouth's box
    twice = renderer_memory(small_renderer.profile, batch=4)
    assert twice.generator == pytest.approx(2 * found.generator, rel=0.02) and twice.parameters == found.parameters


def test_the_peak_takes_the_larger_of_critic_and_losses():
    memory = StepMemory(1 * GIB, 1 * GIB, 2 * GIB, 0, 8 * GIB, 3 * GIB, 6 * GIB)
    assert memory.peak == 18 * GIB and memory.rows()[-1] == ("peak", 18.0)
    assert fits(memory) and not fits(memory, reserve=0.3) and not fits(memory, gib=20)


def test_the_papers_batch_fits_the_papers_card_and_a_hundred_pictures_do_not():
    paper = config.load_profile("paper")
    memory = renderer_memory(paper)
    assert paper.renderer.batch == 2 and paper.size == 192
    assert fits(memory) and not fits(renderer_memory(paper, batch=100))
