"""The official SyncNet's layers: the released names and shapes load, the layers are the published ones, the inputs are as the authors'."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from paperlib import paths, weights
from paperlib.errors import InputError
from paperlib.media.mfcc_conventions import psf_mfcc
from paperlib.metrics.sync import official_sync
from paperlib.models import syncnet_official as official

# The released file's names and shapes: index in the Sequential, then out, in, kernel.
AUDIO = {0: (64, 1, 3, 3), 4: (192, 64, 3, 3), 8: (384, 192, 3, 3), 11: (256, 384, 3, 3), 14: (256, 256, 3, 3), 18: (512, 256, 5, 4)}
LIPS = {
    0: (96, 3, 5, 7, 7), 4: (256, 96, 1, 5, 5), 8: (256, 256, 1, 3, 3), 11: (256, 256, 1, 3, 3), 14: (256, 256, 1, 3, 3),
    18: (512, 256, 1, 6, 6),
}  # fmt: skip
HEAD = {0: (512, 512), 3: (1024, 512)}


@pytest.fixture(scope="module")
def made():
    """Tensors with the released names and shapes, without BatchNorm's counters, small enough to keep every layer's output of order one."""
    g = torch.Generator().manual_seed(0)
    state = {}

    def norm(name, width):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.rand(width, generator=g) + 0.5, torch.randn(width, generator=g) * 0.1
        state[f"{name}.running_mean"] = torch.randn(width, generator=g) * 0.1
        state[f"{name}.running_var"] = torch.rand(width, generator=g) + 0.5

    for part, table in (("netcnnaud", AUDIO), ("netfcaud", HEAD), ("netcnnlip", LIPS), ("netfclip", HEAD)):
        for index, shape in table.items():
            fan = float(np.prod(shape[1:]))
            state[f"{part}.{index}.weight"] = torch.randn(shape, generator=g) * (2 / fan) ** 0.5
            state[f"{part}.{index}.bias"] = torch.randn(shape[0], generator=g) * 0.1
            if index != 3:  # every layer but a head's last one has BatchNorm behind it
                norm(f"{part}.{index + 1}", shape[0])
    return state


@pytest.fixture(scope="module")
def file(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "syncnet_v2.model"
    torch.save(made, path, _use_new_zipfile_serialization=False)  # the old format, as torch 0.x wrote it
    return path


@pytest.fixture(scope="module")
def net(file):
    return official.load(file)


def test_the_released_names_and_shapes_load(net, made):
    own = net.state_dict()
    assert set(own) - set(made) == {name for name in own if name.endswith("num_batches_tracked")}
    assert all(torch.equal(own[name], tensor) for name, tensor in made.items())
    assert not net.training and not any(p.requires_grad for p in net.parameters())
    assert sum(p.numel() for p in net.parameters()) == 13_631_616


def _bn(x, state, name):
    return F.batch_norm(x, *(state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))


def _head(x, state, part):
    x = F.relu(_bn(F.linear(x, state[f"{part}.0.weight"], state[f"{part}.0.bias"]), state, f"{part}.1"))
    return F.linear(x, state[f"{part}.3.weight"], state[f"{part}.3.bias"])


def test_layers_equal_a_second_implementation(net, made):
    """Each layer written out; the first lip convolution as five plane convolutions, one a frame."""
    g = torch.Generator().manual_seed(1)
    lips, mfcc = torch.rand(1, 3, 5, 224, 224, generator=g) * 4 - 2, torch.randn(1, 1, 13, 20, generator=g)

    def conv(x, part, index, **kw):
        weight = made[f"{part}.{index}.weight"]
        weight = weight if weight.dim() == 4 else weight[:, :, 0]
        return F.relu(_bn(F.conv2d(x, weight, made[f"{part}.{index}.bias"], **kw), made, f"{part}.{index + 1}"))

    x = conv(conv(mfcc, "netcnnaud", 0, padding=1), "netcnnaud", 4, padding=1)
    x = F.max_pool2d(x, 3, (1, 2))
    assert x.shape[2:] == (11, 9)
    for index in (8, 11, 14):
        x = conv(x, "netcnnaud", index, padding=1)
    x = F.max_pool2d(x, 3, 2)
    assert x.shape[2:] == (5, 4)
    speech = _head(conv(x, "netcnnaud", 18).flatten(1), made, "netfcaud")
    torch.testing.assert_close(net.embed_mfcc(mfcc), speech, atol=1e-4, rtol=1e-4)

    first = made["netcnnlip.0.weight"]
    x = sum(F.conv2d(lips[:, :, t], first[:, :, t], stride=2) for t in range(5)) + made["netcnnlip.0.bias"][:, None, None]
    assert x.shape[2:] == (109, 109)
    x = F.max_pool2d(F.relu(_bn(x, made, "netcnnlip.1")), 3, 2)
    x = F.max_pool2d(conv(x, "netcnnlip", 4, stride=2, padding=1), 3, 2, 1)
    assert x.shape[2:] == (13, 13)
    for index in (8, 11, 14):
        x = conv(x, "netcnnlip", index, padding=1)
    lip = _head(conv(F.max_pool2d(x, 3, 2), "netcnnlip", 18).flatten(1), made, "netfclip")
    assert lip.shape == (1, 1024)
    torch.testing.assert_close(net.embed_lips(lips), lip, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["missing", "garbage", "code", "a number", "another network", "one wrong shape", "one name too many"])
def test_other_files_are_refused_in_one_line(tmp_path, made, kind, capsys):
    path = tmp_path / "syncnet_v2.model"
    if kind == "garbage":
        path.write_bytes(b"not weights")
    elif kind == "code":
        torch.save({"netcnnaud.0.weight": Evil()}, path)
    elif kind == "a number":
        torch.save(3.0, path)
    elif kind == "another network":
        torch.save({"conv.weight": torch.zeros(1)}, path)
    elif kind == "one wrong shape":
        shapes = {name: torch.empty(0) for name in made}
        torch.save(shapes | {"netcnnaud.0.weight": torch.zeros(64, 1, 5, 5)}, path)
    elif kind == "one name too many":
        torch.save(made | {"netfclip.6.weight": torch.zeros(2)}, path)
    expected = {
        "missing": "no such file", "garbage": "not a readable state dict", "code": "not a readable state dict",
        "a number": "holds no state dict",
        "another network": "netcnnaud.0.weight is absent",
        "one wrong shape": r"netcnnaud.0.weight is \(64, 1, 5, 5\), expected \(64, 1, 3, 3\)",
        "one name too many": "netfclip.6.weight is .*expected absent",
    }  # fmt: skip
    with pytest.raises(InputError, match=expected[kind]) as caught:
        official.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert "code ran" not in capsys.readouterr().out


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_without_the_users_file_nothing_is_scored(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match="syncnet_v2.*are missing; get it from its authors"):
        official_sync(np.zeros((30, 224, 224, 3), np.uint8), np.zeros(30 * 640))


def test_imported_once_it_is_found_without_a_path(tmp_path, monkeypatch, file, made, capsys):
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    (tmp_path / "wrong.model").write_bytes(b"not weights")
    assert weights.main(["import", "syncnet_v2", str(tmp_path / "wrong.model")]) == 2
    assert "not a readable state dict" in capsys.readouterr().err and not weights.available("syncnet_v2")
    assert weights.main(["import", "syncnet_v2", str(file)]) == 0
    assert torch.equal(official.load().netcnnlip[0].weight, made["netcnnlip.0.weight"])


def test_windows_of_a_clip_are_the_authors(net):
    """9 frames: 4 windows. Window 2 is frames 2-6 in BGR, 0 ... 255, and MFCC rows 8-27 as python_speech_features makes them."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (9, 224, 224, 3), dtype=np.uint8)
    wave = rng.uniform(-0.3, 0.3, 9 * 640 + 100)
    lip, speech = official.features(net, frames, wave, batch=3)
    assert lip.shape == speech.shape == (4, 1024)
    window = torch.zeros(1, 3, 5, 224, 224)
    for channel in range(3):
        for t in range(5):
            window[0, channel, t] = torch.from_numpy(frames[2 + t, :, :, 2 - channel].astype(np.float32))
    torch.testing.assert_close(lip[2], net.embed_lips(window)[0], atol=1e-2, rtol=1e-3)
    rows = torch.from_numpy(psf_mfcc(wave)[8:28].T.astype(np.float32))
    torch.testing.assert_close(speech[2], net.embed_mfcc(rows[None, None])[0], atol=1e-3, rtol=1e-3)
    with pytest.raises(InputError, match="give 7 frames"):
        official.features(net, frames[:6], wave)
    assert official.lip_volume(frames[:2, :90, :80]).shape == (3, 2, 224, 224)


class Counting(torch.nn.Module):
    """Reads the frame's number from its brightness and from the speech's energy: what a perfect network would agree on."""

    def __init__(self, energy_of_frame_0):
        super().__init__()
        self.energy = torch.nn.Parameter(torch.tensor(energy_of_frame_0), requires_grad=False)

    def embed_lips(self, lips):
        return 7 * F.one_hot((lips[:, 0, 0, 100, 100] / 4).round().long(), 64).float()

    def embed_mfcc(self, mfcc):
        number = (mfcc[:, 0, 0, 0] - self.energy) / (2 * np.log(1.2))
        return 7 * F.one_hot(number.round().long().clamp(0, 63), 64).float()


def test_a_clip_is_scored_through_the_sync_metric_and_lips_and_speech_meet():
    frames = np.repeat(np.arange(30, dtype=np.uint8) * 4, 224 * 224 * 3).reshape(30, 224, 224, 3)
    noise = np.random.default_rng(3).uniform(-1, 1, 640)
    wave = np.concatenate([0.004 * 1.2**t * noise for t in range(30)])
    counting = Counting(float(psf_mfcc(wave)[0, 0]))
    report = official_sync(frames, wave, counting)
    assert report.windows == 25 and report.offset == 0 and report.lse_d == pytest.approx(0, abs=1e-3)
    late = official_sync(np.concatenate([frames[:1].repeat(3, 0), frames[:-3]]), wave, counting)
    assert late.offset == 3
