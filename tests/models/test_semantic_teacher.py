"""The teacher paints a face of the right size, from speech and face, at every size in use."""

import dataclasses

import pytest
import torch

from paperlib.config import PROFILES
from paperlib.models.semantic_teacher import SemanticTeacher

CFG = PROFILES["smoke"].teacher


@pytest.mark.parametrize("size", [32, 48, 96])
def test_shapes_range_and_gradients(size):
    torch.manual_seed(0)
    net = SemanticTeacher(dataclasses.replace(CFG, size=size))
    out = net(torch.randn(3, 1, 80, 16), torch.rand(3, 6, size, size))
    assert out.shape == (3, 3, size, size) and 0 < out.min() and out.max() < 1
    out.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_output_depends_on_speech_and_face():
    torch.manual_seed(0)
    net = SemanticTeacher(CFG).eval()
    mel, face = torch.randn(2, 1, 80, 16), torch.rand(2, 6, 32, 32)
    out = net(mel, face)
    assert not torch.equal(net(mel.flip(0), face), out) and not torch.equal(net(mel, face.flip(0)), out)
    torch.testing.assert_close(net(mel[:1], face[:1]), out[:1], atol=1e-5, rtol=1e-4)  # frames do not mix in eval mode


def test_a_few_steps_learn_a_picture():
    """Painting from nothing, as Wav2Lip does: what it paints need not be like the reference."""
    torch.manual_seed(0)
    net = SemanticTeacher(dataclasses.replace(CFG, from_reference=False))
    face = torch.rand(4, 6, 32, 32) * 0.2
    mel = torch.randn(4, 1, 80, 16)
    target = mel.mean((1, 2, 3)).sigmoid().view(4, 1, 1, 1).expand(4, 3, 32, 32)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = (net(mel, face) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_from_reference_starts_near_the_reference():
    torch.manual_seed(0)
    face = torch.rand(2, 6, 32, 32) * 0.9 + 0.05
    start = SemanticTeacher(dataclasses.replace(CFG, from_reference=True)).eval()(torch.randn(2, 1, 80, 16), face)
    assert (start - face[:, 3:]).abs().max() < 0.1


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="2 or 3 times a power of two"):
        SemanticTeacher(dataclasses.replace(CFG, size=40))
    with pytest.raises(ValueError, match="face: expected shape"):
        SemanticTeacher(CFG)(torch.randn(1, 1, 80, 16), torch.rand(1, 3, 32, 32))
