"""The official Wav2Lip's layers: the released names and shapes load, halves are hidden, sound drives, and it takes part in the tables."""

import numpy as np
import pytest
import torch

from paperlib import paths
from paperlib.errors import InputError
from paperlib.evaluation.dubbing_systems import OFFICIAL, entries, open_system
from paperlib.evaluation.shelf import Shelf
from paperlib.models import wav2lip_official as official

# A few of the released file's names and shapes, one of each kind of layer.
RELEASED = {
    "face_encoder_blocks.0.0.conv_block.0.weight": (16, 6, 7, 7),
    "face_encoder_blocks.2.3.conv_block.1.running_var": (64,),
    "face_encoder_blocks.6.1.conv_block.0.weight": (512, 512, 1, 1),
    "audio_encoder.9.conv_block.0.weight": (256, 128, 3, 3),
    "audio_encoder.12.conv_block.0.bias": (512,),
    "face_decoder_blocks.1.0.conv_block.0.weight": (1024, 512, 3, 3),
    "face_decoder_blocks.6.0.conv_block.0.weight": (160, 64, 3, 3),
    "face_decoder_blocks.6.2.conv_block.1.bias": (64,),
    "output_block.0.conv_block.0.weight": (32, 80, 3, 3),
    "output_block.1.weight": (3, 32, 1, 1),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A training checkpoint as the authors store it: under "state_dict", with DataParallel's prefix."""
    torch.manual_seed(0)
    net = official.OfficialWav2Lip()
    for name, p in net.named_parameters():
        if p.dim() == 4:  # keeps the spread of every layer's output near that of its input
            fan = p.shape[0 if "decoder_blocks" in name and "0.conv_block.0" in name else 1] * p.shape[2] * p.shape[3]
            torch.nn.init.normal_(p, std=(2 / fan) ** 0.5)
    path = tmp_path_factory.mktemp("weights") / "wav2lip.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}, "global_step": 1}, path)
    return path


@pytest.fixture(scope="module")
def net(file):
    return official.load(file)


def test_names_shapes_and_size_are_the_released_ones(net):
    state = net.state_dict()
    assert sum(p.numel() for p in net.parameters()) == official.PARAMETERS and len(state) == 352
    assert {k: tuple(state[k].shape) for k in RELEASED} == RELEASED
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_another_file_is_refused(tmp_path, file):
    tensors = torch.load(file, weights_only=True)["state_dict"]
    tensors.pop("module.output_block.1.weight")
    torch.save(tensors, tmp_path / "other.pth")
    with pytest.raises(InputError, match="other.pth"):
        official.load(tmp_path / "other.pth")


def clip(n=12, size=96):
    """A still face's landmarks, noise frames, a hum that grows."""
    from paperlib.face3d.morphable_model import default_model

    model = default_model()
    points = model.mean_shape[model.landmark_index].numpy()[:, :2] * [1, -1]
    near = (points - points.mean(0)) / np.abs(points - points.mean(0)).max() * size * 0.35 + size / 2
    frames = np.random.default_rng(0).integers(0, 256, (n, size, size, 3)).astype(np.uint8)
    t = np.arange(n * 640) / 16000
    return frames, np.repeat(near[None], n, 0).astype(np.float32), (0.3 * t * np.sin(2 * np.pi * 220 * t)).astype(np.float32)


def test_windows_start_where_the_released_inference_starts_them():
    from paperlib.media import audio

    wave = clip(20)[2]
    whole, made = audio.mel(wave, level=False), official.mel_of(wave, 20)
    assert made.shape == (20, 1, 80, 16) and np.array_equal(made[3, 0], whole[:, 9:25]) and np.array_equal(made[19, 0], whole[:, -16:])
    with pytest.raises(InputError, match="0.2 s"):
        official.mel_of(wave[:1000], 2)


def test_the_hidden_half_is_not_read_and_sound_is_heard(net):
    from paperlib.corpus.banks import face_boxes

    frames, near, wave = clip()
    refs = np.full(len(frames), 11)
    made = official.dub(net, frames, near, wave, refs)
    assert made.shape == frames.shape and made.dtype == np.uint8
    x0, y0, x1, y1 = np.round(face_boxes(near)[0]).astype(int)
    other = frames.copy()
    other[3, (y0 + y1) // 2 + 2 : y1 - 2, x0 + 2 : x1 - 2] = 0  # the mouth of a frame that is no reference
    again = official.dub(net, other, near, wave, refs)
    inside = np.s_[3, y0 + 4 : y1 - 4, x0 + 4 : x1 - 4]
    assert np.abs(made[inside].astype(int) - again[inside]).max() <= 1
    assert np.array_equal(made[3, :4], frames[3, :4]), "outside its box the frame stays"
    assert np.abs(made.astype(int) - official.dub(net, frames, near, wave[::-1].copy(), refs)).max() > 0


def test_it_is_a_row_of_the_tables_where_its_weights_are(file, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path)
    shelf = Shelf("smoke", (tmp_path,))
    assert OFFICIAL not in [e.row for e in entries(shelf)]
    (tmp_path / "wav2lip.pth").write_bytes(file.read_bytes())
    entry = next(e for e in entries(shelf) if e.row == OFFICIAL)
    assert entry.key.startswith("wav2lip.pth ") and entry.contest == "dubbing" and not entry.missing
    assert callable(open_system(OFFICIAL, shelf))
