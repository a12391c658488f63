"""What systems are given, and what `dub` does with what they return; clips are made of noise, nothing is loaded."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from paperlib.baselines import interface
from paperlib.baselines.interface import REFERENCES, SPAN, Baseline, Given, Item, draw, dub, far_from_run, given, item
from paperlib.config import FPS
from paperlib.corpus.dataset import Clip

SIZE = 16


def made(frames=60, seed=0, size=SIZE):
    """A clip of noise whose every frame is known by its coefficients' first number."""
    g = torch.Generator().manual_seed(seed)
    masks = torch.zeros(frames, 1, size, size)
    masks[:, :, size // 2 :, size // 4 : -size // 4] = 1
    coeffs = torch.randn(frames, 257, generator=g)
    coeffs[:, 0] = torch.arange(frames)
    return Item(
        torch.randint(0, 256, (frames, size, size, 3), dtype=torch.uint8, generator=g), masks,
        torch.rand(frames, 68, 2, generator=g) * size, torch.rand(frames, 68, 2, generator=g) * size, coeffs,
        torch.randn(frames, 13, 28, generator=g), torch.randn(frames, 80, 16, generator=g),
    )  # fmt: skip


class Constant(Baseline):
    """Paints one grey; remembers whether it was in eval mode."""

    NAME, TRACK = "constant", "dubbing"

    def __init__(self, value=0.25, shape=None):
        super().__init__()
        self.grey = torch.nn.Parameter(torch.tensor(value))
        self.shape, self.was_training = shape, None

    def loss(self, batch, generator, progress):
        return (batch.frames - self.grey).abs().mean(), {}

    def paint(self, given, generator):
        self.was_training = self.training
        noise = torch.rand(given.frames.shape, generator=generator) * 0.01
        return (self.grey + noise) if self.shape is None else torch.zeros(self.shape)


def test_item_holds_the_clip_and_its_own_sound(monkeypatch):
    def windows(shape):  # the real ones are tested with the audio module; here: whose sound, and for how many frames
        return lambda wave, n: np.broadcast_to(wave[: n * 640 : 640].reshape(n, 1, 1), (n, *shape)).copy()

    monkeypatch.setattr(interface.audio, "mfcc_windows", windows((13, 28)))
    monkeypatch.setattr(interface.audio, "mel_windows", windows((80, 16)))
    n, rng = 30, torch.Generator().manual_seed(1)
    clip = Clip(
        None, torch.zeros(n, 96, 96, 3, dtype=torch.uint8).numpy(), torch.randn(n * 640, generator=rng).numpy() * 0.1,
        torch.randn(n, 257, generator=rng).numpy(), *(torch.rand(2, n, 68, 2, generator=rng) * 96).numpy(), [], "", "", "",
    )  # fmt: skip
    own = item(clip)
    shapes = {f.name: tuple(getattr(own, f.name).shape) for f in fields(own)}
    assert shapes == {
        "frames": (n, 96, 96, 3), "masks": (n, 1, 96, 96), "lmk": (n, 68, 2), "lmk_neutral": (n, 68, 2), "coeffs": (n, 257),
        "mfcc": (n, 13, 28), "mel": (n, 80, 16),
    }  # fmt: skip
    assert own.frames.dtype == torch.uint8 and all(
        getattr(own, f.name).dtype == torch.float32 for f in fields(own) if f.name not in ("frames", "masks")
    )
    assert own.masks.dtype == torch.bool and own.masks.any() and not own.masks.all()
    heard = torch.from_numpy(clip.wave[::640])
    assert torch.equal(own.mel[:, 0, 0], heard) and torch.equal(own.mfcc[:, 0, 0], heard)
    assert torch.equal(own.lmk_neutral, torch.from_numpy(clip.lmk_neutral)) and torch.equal(own.lmk, torch.from_numpy(clip.lmk))


def test_draw_shapes_and_rows_that_belong_together():
    bank = [made(60, 0), made(70, 1)]
    batch = draw(bank, 3, torch.Generator().manual_seed(0))
    lead = {f.name: tuple(getattr(batch, f.name).shape[:2]) for f in fields(batch)}
    assert all(v == (3, REFERENCES if k.startswith("ref") else SPAN) for k, v in lead.items())
    assert batch.frames.shape[2:] == (3, SIZE, SIZE) and batch.masks.shape[2:] == (1, SIZE, SIZE) and batch.ref.shape[2:] == (3, SIZE, SIZE)
    assert batch.ref_lmk.shape[2:] == (68, 2) and batch.ref_coeffs.shape[2:] == (257,) and batch.mel.shape[2:] == (80, 16)
    assert 0 <= batch.frames.min() and batch.frames.max() <= 1 and batch.frames.max() > 0.9
    for row in range(3):
        when, ref = batch.coeffs[row, :, 0].long(), batch.ref_coeffs[row, :, 0].long()
        assert when.tolist() == list(range(int(when[0]), int(when[0]) + SPAN))
        own = next(i for i in bank if torch.equal(i.coeffs[when], batch.coeffs[row]))
        assert torch.equal(batch.frames[row], own.frames[when].movedim(-1, -3) / 255)
        assert torch.equal(batch.ref[row], own.frames[ref].movedim(-1, -3) / 255)
        assert torch.equal(batch.ref_lmk[row], own.lmk[ref]) and torch.equal(batch.mel[row], own.mel[when])


def test_draw_repeats_with_its_generator():
    bank = [made(60, 0), made(70, 1)]
    one, same, other = (draw(bank, 4, torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert torch.equal(one.frames, same.frames) and torch.equal(one.ref, same.ref)
    assert not torch.equal(one.frames, other.frames)


def test_references_of_a_run_are_a_second_from_all_its_frames():
    n, g = 60, torch.Generator().manual_seed(0)
    for t in range(n - SPAN + 1):
        found = {far_from_run(t, n, g) for _ in range(60)}
        wanted = {i for i in range(n) if min(abs(i - k) for k in range(t, t + SPAN)) >= FPS}
        assert found <= wanted if wanted else found <= {0, n - 1}
        assert len(found) >= min(3, len(wanted))
    batch = draw([made(60)], 64, g)
    gap = (batch.ref_coeffs[:, :, None, 0] - batch.coeffs[:, None, :, 0]).abs().amin(2)
    assert gap.min() >= FPS


@pytest.mark.parametrize(("n", "t", "end"), [(20, 0, 19), (20, 15, 0), (20, 3, 19), (SPAN, 0, SPAN - 1)])
def test_the_farther_end_of_a_short_clip(n, t, end):
    assert far_from_run(t, n, torch.Generator()) == end


def test_a_clip_without_a_run():
    with pytest.raises(ValueError, match="4 frames holds no run of 5"):
        draw([made(4)], 1, torch.Generator())
    assert draw([made(5)], 1, torch.Generator().manual_seed(0)).coeffs[0, :, 0].tolist() == [0, 1, 2, 3, 4]


def test_flat_puts_runs_side_by_side_with_their_references():
    batch = draw([made(60, 0), made(70, 1)], 3, torch.Generator().manual_seed(2))
    flat = batch.flat()
    for f in fields(batch):
        whole, side = getattr(batch, f.name), getattr(flat, f.name)
        for row in range(3):
            for k in range(SPAN):
                own = side[row * SPAN + k]
                assert torch.equal(own, whole[row] if f.name.startswith("ref") else whole[row, k : k + 1])


def test_given_takes_the_picture_from_one_and_the_sound_from_the_other():
    source, speech = made(60, 0), made(60, 1)
    task = given(source, speech)
    assert torch.equal(task.frames, source.frames.movedim(-1, -3) / 255)
    assert torch.equal(task.lmk_neutral, source.lmk_neutral) and torch.equal(task.coeffs, source.coeffs)
    assert torch.equal(task.mel, speech.mel) and torch.equal(task.mfcc, speech.mfcc)
    visible = task.visible()
    assert visible[task.masks.expand_as(visible) > 0].abs().max() == 0
    outside = task.masks.expand_as(visible) == 0
    assert torch.equal(visible[outside], task.frames[outside])


def test_given_references():
    task, again = (given(made(60), made(60, 1)) for _ in range(2))
    assert task.ref_index.shape == (60, REFERENCES) and torch.equal(task.ref_index, again.ref_index)
    assert (task.ref_index - torch.arange(60)[:, None]).abs().min() >= FPS
    assert not torch.equal(task.ref_index, given(made(60), made(60, 1), seed=4).ref_index)
    short = given(made(20), made(20)).ref_index  # nothing is a second away: the farther end
    assert short[4].tolist() == [19] * REFERENCES and short[15].tolist() == [0] * REFERENCES
    middle = given(made(40), made(40)).ref_index
    assert middle[20].tolist() == [0] * REFERENCES and set(middle[10].tolist()) <= set(range(35, 40))


def test_given_needs_as_much_speech_as_picture():
    with pytest.raises(ValueError, match=r"speech\.mfcc"):
        given(made(60), made(59))
    speech = made(60)
    speech.mel = speech.mel[:50]
    with pytest.raises(ValueError, match=r"speech\.mel"):
        given(made(60), speech)


def test_dub_changes_nothing_outside_the_mask():
    task = given(made(30, 0), made(30, 1))
    net = Constant().train()
    out = dub(net, task)
    inside = (task.masks > 0).expand_as(out)
    assert torch.equal(out[~inside], task.frames[~inside])
    assert ((out[inside] >= 0.25) & (out[inside] <= 0.26)).all()
    assert net.was_training is False and not out.requires_grad
    assert torch.equal(out, dub(net, task)) and not torch.equal(out, dub(net, task, seed=1))


@pytest.mark.parametrize(("value", "seen"), [(7.0, 1.0), (-7.0, 0.0)])
def test_dub_clamps(value, seen):
    task = given(made(10), made(10))
    assert (dub(Constant(value), task)[(task.masks > 0).expand_as(task.frames)] == seen).all()


@pytest.mark.parametrize("shape", [(10, 1, SIZE, SIZE), (9, 3, SIZE, SIZE), (10, 3, SIZE, SIZE // 2), (1, 3, SIZE, SIZE), (3, SIZE, SIZE)])
def test_a_system_that_returns_other_shapes(shape):
    """Also shapes that would broadcast."""
    with pytest.raises(ValueError, match="painted"):
        dub(Constant(shape=shape), given(made(10), made(10)))


def test_a_system_needs_both_methods():
    class Half(Baseline):
        def paint(self, given: Given, generator):
            return given.frames

    with pytest.raises(TypeError, match="loss"):
        Half()
