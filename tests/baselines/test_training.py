"""The training that all baselines share, on clips of noise and systems of a few weights."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from paperlib.baselines.interface import REFERENCES, Baseline, Item, given
from paperlib.baselines.training import LOOK_FRAMES, look, train_baseline, validation_error
from paperlib.config import FPS

SIZE = 8
QUIET = {"progress": False, "validate_every": 4, "log_every": 2}


def made(frames=60, seed=0, grey=0.5):
    """A clip whose pixels lie around `grey`; its coefficients' first number is the frame."""
    g = torch.Generator().manual_seed(seed)
    pixels = ((grey + 0.02 * torch.randn(frames, SIZE, SIZE, 3, generator=g)).clamp(0, 1) * 255).to(torch.uint8)
    masks = torch.zeros(frames, 1, SIZE, SIZE)
    masks[:, :, SIZE // 2 :] = 1
    coeffs = torch.arange(frames).float()[:, None].expand(-1, 257).clone()
    lmk = torch.rand(2, frames, 68, 2, generator=g) * SIZE
    return Item(pixels, masks, *lmk, coeffs, torch.randn(frames, 13, 28, generator=g), torch.randn(frames, 80, 16, generator=g))


class Grey(Baseline):
    """Paints a learned grey and a learned share of the speech; draws from the generator in its loss, normalises by the batch."""

    NAME, TRACK = "grey", "dubbing"

    def __init__(self, start=0.1):
        super().__init__()
        self.grey, self.speech, self.norm = nn.Parameter(torch.tensor(start)), nn.Linear(80, 1), nn.BatchNorm1d(80)
        self.frozen = nn.Parameter(torch.tensor(3.0), requires_grad=False)
        self.progress: list[float] = []
        nn.init.zeros_(self.speech.weight)
        nn.init.zeros_(self.speech.bias)

    def tell(self, mel):
        return self.grey + 0.1 * self.speech(self.norm(mel.mean(-1)))[..., None, None]

    def loss(self, batch, generator, progress):
        self.progress.append(progress)
        assert self.training
        flat = batch.flat()
        noise = 0.01 * torch.randn(len(flat.frames), 1, 1, 1, generator=generator)
        error = (self.tell(flat.mel[:, 0]) + noise - flat.frames[:, 0]).square().mean()
        return error, {"square": error.item()}

    def paint(self, given, generator):
        assert not self.training
        return self.tell(given.mel).expand_as(given.frames)


class Script(Baseline):
    """Paints what its counter of steps says: a training whose validation curve is known beforehand."""

    NAME, TRACK = "script", "dubbing"

    def __init__(self, greys):
        super().__init__()
        self.greys, self.weight = greys, nn.Parameter(torch.zeros(()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def loss(self, batch, generator, progress):
        self.steps += 1
        return self.weight.square(), {}

    def paint(self, given, generator):
        return torch.full_like(given.frames, self.greys[int(self.steps)])


def trained(steps=12, seed=0, net=None, **loop):
    torch.manual_seed(0)
    net = net or Grey()
    history = train_baseline(net, [made(60, 0), made(64, 1)], [made(60, 2)], steps, 2, 1e-2, seed, **(QUIET | loop))
    return net, history


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_validation_error_is_the_mean_error_inside_the_mask():
    net, tasks = Script([0.25]), [given(made(30, 0), made(30, 0)), given(made(40, 1, 0.8), made(40, 1))]
    wrong = torch.cat([(t.frames - 0.25).abs()[(t.masks > 0).expand_as(t.frames)] for t in tasks])
    assert validation_error(net, tasks) == pytest.approx(float(wrong.mean()), rel=1e-5)


def test_a_look_has_references_a_second_away():
    own = made(60)
    task = look(own)
    assert all(len(v) == LOOK_FRAMES for v in vars(task).values())
    when = task.coeffs[:, 0]
    assert when.tolist() == [*range(LOOK_FRAMES - REFERENCES), *range(60 - REFERENCES, 60)]
    assert (when[task.ref_index] - when[:, None]).abs().min() >= FPS
    assert torch.equal(task.mel, own.mel[when.long()]) and torch.equal(task.frames, own.frames[when.long()].movedim(-1, -3) / 255)


@pytest.mark.parametrize("frames", [10, 25, 40, 49, 50, 51])
def test_a_look_at_any_length(frames):
    task = look(made(frames))
    assert len(task.frames) == min(frames, LOOK_FRAMES) and task.ref_index.max() < len(task.frames)
    when = task.coeffs[:, 0]
    gap = (when[task.ref_index] - when[:, None]).abs()
    assert gap.min() >= (FPS if frames >= 50 else min(frames, LOOK_FRAMES) // 2)


def test_training_learns_and_logs():
    net, history = trained(60, validate_every=10)
    steps, curve = history.curve("val")
    assert steps == [10, 20, 30, 40, 50, 60]
    assert curve[0] > 0.12 and curve[-1] < 0.1  # it starts at a grey of 0.1; the clips lie around 0.5
    assert history.curve("loss")[1] == pytest.approx(history.curve("square")[1])
    assert net.progress == [i / 60 for i in range(60)]
    assert net.frozen.item() == 3.0


def test_training_repeats_with_its_seed():
    one, same_seed, other = trained(seed=0), trained(seed=0), trained(seed=1)
    assert same(one[0], same_seed[0]) and one[1].rows == same_seed[1].rows
    assert not same(one[0], other[0]) and one[1].rows != other[1].rows


def test_training_does_not_hang_on_the_global_generator():
    torch.manual_seed(123)
    net = Grey()
    history = train_baseline(net, [made(60, 0), made(64, 1)], [made(60, 2)], 12, 2, 1e-2, 0, **QUIET)
    assert history.rows == trained()[1].rows


@pytest.mark.parametrize("at", [4, 8])
def test_a_stopped_training_goes_on_as_if_nothing_had_been(tmp_path, at):
    whole, history = trained()
    looks = iter([False] * (at // 4) + [True])
    _, cut = trained(folder=tmp_path, stop=lambda: next(looks))
    assert cut.rows[-1]["step"] == at
    rest, resumed = trained(folder=tmp_path, net=Grey(start=0.9))  # what it starts from is replaced by what was saved
    assert resumed.rows == history.rows and same(whole, rest)
    assert rest.progress == [i / 12 for i in range(at, 12)]


def test_a_finished_training_is_not_repeated(tmp_path):
    whole, history = trained(folder=tmp_path)
    again, second = trained(folder=tmp_path, net=Grey(start=0.9))
    assert again.progress == [] and same(whole, again) and second.rows == history.rows


def test_validation_chooses_the_state(tmp_path):
    """The clip is about 0.5: after 8 steps the script paints that, and worse before and after."""
    greys = [0.0] * 5 + [0.2] * 3 + [0.5] + [0.9] * 4
    net, history = trained(net=Script(greys), folder=tmp_path)
    assert history.best_step == 8 and int(net.steps) == 8
    values = dict(zip(*history.curve("val"), strict=True))
    assert history.best_value == values[8] < min(values[4], values[12])
    assert validation_error(net, [look(made(60, 2))]) == history.best_value


def test_no_state_is_kept_from_before_a_late_loss():
    """The script paints best after 4 steps; its idea enters after three quarters of the training."""
    net = Script([0.5] * 5 + [0.2] * 8)
    net.settled = 0.75
    net, history = trained(net=net)
    steps, vals = history.curve("val")
    assert steps == [4, 8, 12] and vals[0] < vals[1]
    assert history.best_step == 12 and int(net.steps) == 12 and history.best_value == vals[2]


def test_validation_hears_the_clips_own_speech():
    """A task with other sound has another error: the look's mel reaches the system."""
    net, _ = trained(4)
    nn.init.ones_(net.speech.weight)
    task = look(made(60, 2))
    assert validation_error(net, [task]) != validation_error(net, [replace(task, mel=task.mel.flip(0) + 1)])


def test_the_learning_rate_is_flat_and_then_falls(monkeypatch):
    rates = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self, *a: (rates.append(self.param_groups[0]["lr"]), step(self, *a))[1])
    trained(20, validate_every=20)
    assert rates[:11] == [1e-2] * 11 and all(a > b for a, b in zip(rates[10:], rates[11:]))
    assert rates[-1] < 0.1 * 1e-2
