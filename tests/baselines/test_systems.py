"""What holds for all five: nothing hidden is read, speech and references count, and a stored system comes back as it was."""

import dataclasses

import numpy as np
import pytest
import torch

from paperlib import config
from paperlib.baselines import systems
from paperlib.baselines.interface import TRACKS, Baseline, Item, dub, given
from paperlib.config import FPS
from paperlib.errors import InputError
from paperlib.face3d.coefficients import EXP, N_COEFF, TRANS, with_exp
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.landmarks import JAW, MOUTH
from paperlib.face3d.morphable_model import default_model
from paperlib.media.cropping import mouth_mask
from paperlib.training import checkpoints
from paperlib.training.loop import History

SIZE, FRAMES = 32, 60
WHEN = (0, 24, 30, 59)  # frames looked at: the ends, the middle, and where the picture that is used changes


@pytest.fixture(scope="module")
def task():
    """A drifting head over noise that moves its mouth; the sound is another clip's."""
    g = torch.Generator().manual_seed(0)
    coeffs = torch.zeros(FRAMES, N_COEFF)
    coeffs[:, EXP] = 0.5 * torch.randn(FRAMES, 64, generator=g)
    coeffs[:, TRANS.start] = torch.linspace(-0.1, 0.1, FRAMES)
    lmk, neutral = (landmarks2d(default_model(), c, SIZE) for c in (coeffs, with_exp(coeffs, 0)))
    frames = torch.randint(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=torch.uint8, generator=g)
    masks = torch.from_numpy(mouth_mask(neutral.numpy(), SIZE) > 0.5)
    own = Item(frames, masks, lmk, neutral, coeffs, torch.randn(FRAMES, 13, 28, generator=g), torch.randn(FRAMES, 80, 16, generator=g))
    return given(own, own)


def made(name, seed=0):
    """A system away from its quiet start, so that everything it reads shows."""
    torch.manual_seed(seed)
    settings = systems.system(name).CONFIG()
    net = systems.make(name, SIZE, dataclasses.replace(settings, ddim_steps=2) if name == "diff2lip" else settings)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return net.eval()


@torch.no_grad()
def painted(net, task):
    return net.paint(task, torch.Generator().manual_seed(0))


def reads_the_hidden(net, task):
    """The frames of WHEN whose picture depends on the mouth, the expression or the landmarks of frames within a second of them."""
    before, found = painted(net, task), []
    for t in WHEN:
        near = (torch.arange(FRAMES) - t).abs() < FPS
        other = dataclasses.replace(task, frames=task.frames.clone(), coeffs=task.coeffs.clone(), lmk=task.lmk.clone())
        other.frames[near] = torch.where(task.masks[near] > 0, 1 - task.frames[near], task.frames[near])
        other.coeffs[near, EXP] += 1
        other.lmk[near] += 3 * torch.isin(torch.arange(68), torch.tensor([*JAW, *MOUTH]))[:, None]
        inside = task.masks[t].expand(3, -1, -1) > 0
        if not torch.equal(painted(net, other)[t][inside], before[t][inside]):
            found.append(t)
    return found


class Peeking(Baseline):
    """Looks where it must not: what the test below has to find."""

    NAME, TRACK, CONFIG = "peeking", "dubbing", dict

    def __init__(self, way):
        super().__init__()
        self.way = way

    def loss(self, batch, generator, progress):
        raise AssertionError("is not trained")

    def paint(self, given, generator):
        ways = {"frames": given.frames.roll(3, 0), "coeffs": given.coeffs[:, EXP.start], "lmk": given.lmk[:, 62, 1]}
        return ways[self.way].reshape(FRAMES, -1, *given.frames.shape[2:] if self.way == "frames" else (1, 1)).expand_as(given.frames)


@pytest.mark.parametrize("name", systems.NAMES)
def test_nothing_hidden_within_a_second_is_read(name, task):
    assert reads_the_hidden(made(name), task) == []


@pytest.mark.parametrize("way", ["frames", "coeffs", "lmk"])
def test_a_system_that_peeks_is_found(way, task):
    assert set(reads_the_hidden(Peeking(way), task)) >= {24, 30, 59}


@pytest.mark.parametrize("name", systems.NAMES)
def test_speech_surroundings_and_references_count(name, task):
    net = made(name)
    before, inside = painted(net, task), (task.masks > 0).expand_as(task.frames)

    def moved(**other):
        return (painted(net, dataclasses.replace(task, **other)) - before).abs().where(inside, 0).amax((1, 2, 3))

    assert (moved(mel=task.mel + 0.5, mfcc=task.mfcc + 0.5) > 0).all()
    outside = torch.where(inside, task.frames, 1 - task.frames)
    seen = set(task.ref_index.flatten().tolist())
    hidden = torch.tensor([t not in seen for t in range(FRAMES)])
    around = torch.where(hidden.view(-1, 1, 1, 1), outside, task.frames)
    assert hidden.sum() > 5
    if net.TRACK == "dubbing":
        assert (moved(frames=around)[hidden] > 0).all()
    else:
        assert moved(frames=around).max() == 0  # one picture is all it sees
    assert (moved(frames=torch.where(inside, 1 - task.frames, task.frames)) > 0).all()  # of the references, as nothing hidden is read


@pytest.mark.parametrize("name", systems.NAMES)
def test_a_stored_system_comes_back(name, task, tmp_path):
    profile = config.load_profile("smoke", corpus__size=SIZE)
    net = made(name)
    path = checkpoints.save(systems.file_name(name, "smoke"), name, net, profile, History(), tmp_path, command="train it")
    back, card = checkpoints.load(path.stem, tmp_path)
    assert not back.training and isinstance(back, systems.system(name)) and back.cfg == net.cfg and back.size == SIZE
    assert (card["kind"], card["config"]["size"], card["parameters"]) == (name, SIZE, sum(p.numel() for p in net.parameters()))
    for key, value in net.state_dict().items():
        torch.testing.assert_close(back.state_dict()[key], value, atol=2e-3, rtol=2e-3)
    assert (dub(back, task) - dub(net, task)).abs().mean() < 0.02 * dub(net, task).std() + 0.01


def test_settings_that_differ_are_stored():
    kind = systems.system("ip_lap")
    net = kind(SIZE, kind.CONFIG(token=16, layers=1))
    back = systems.from_description("ip_lap", systems.describe(net))
    assert back.cfg == net.cfg and [p.shape for p in back.parameters()] == [p.shape for p in net.parameters()]
    with pytest.raises(InputError, match="colour"):
        systems.from_description("ip_lap", systems.describe(net) | {"colour": 1})


def test_names_tracks_and_all_that_is_shipped_fits():
    from safetensors.torch import save

    total = 0
    for name in systems.NAMES:
        net = checkpoints.build(name, config.load_profile("classroom"))
        assert net.NAME == name and net.TRACK in TRACKS and net.size == 96 and dataclasses.is_dataclass(net.CONFIG)
        total += len(save({k: v.half() for k, v in net.state_dict().items()}))
    assert total <= 1_200_000  # bytes of all five, for a repository that is to stay small
    assert [systems.system(n).EXPERT for n in systems.NAMES] == [False, True, False, False, True]
    with pytest.raises(ValueError, match="choose one of"):
        systems.make("dinet", 96)


def test_equal_seeds_are_equal_systems():
    for name in systems.NAMES:
        one, same, other = made(name), made(name), made(name, 1)
        pairs = list(zip(one.parameters(), same.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b in pairs)
        assert np.mean([torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)]) == 0
