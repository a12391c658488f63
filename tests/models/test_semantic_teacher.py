"""The teacher paints a face of the right size, from speech and face, at every size in use; Wav2Lip's released weights fit it."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from paperlib.config import PROFILES
from paperlib.errors import InputError
from paperlib.models.semantic_teacher import SemanticTeacher, load_wav2lip, official_name
from paperlib.training.teacher import semantic_images

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


# ---- Wav2Lip's own layers and its released weights. A layer: (in, out, kernel, stride, padding, residual)
def _layer(c_in, c_out, kernel=3, stride=1, padding=1):
    return (c_in, c_out, kernel, stride, padding, False)


def _same(width, count):
    return [(width, width, 3, 1, 1, True)] * count


ENCODER = [
    [_layer(6, 16, 7, 1, 3)], [_layer(16, 32, stride=2), *_same(32, 2)], [_layer(32, 64, stride=2), *_same(64, 3)],
    [_layer(64, 128, stride=2), *_same(128, 2)], [_layer(128, 256, stride=2), *_same(256, 2)], [_layer(256, 512, stride=2), *_same(512, 1)],
    [_layer(512, 512, padding=0), _layer(512, 512, 1, 1, 0)],
]  # fmt: skip
SPEECH = [
    _layer(1, 32), *_same(32, 2), _layer(32, 64, stride=(3, 1)), *_same(64, 2), _layer(64, 128, stride=3), *_same(128, 2),
    _layer(128, 256, stride=(3, 2)), *_same(256, 1), _layer(256, 512, padding=0), _layer(512, 512, 1, 1, 0),
]  # fmt: skip
DECODER = [  # the first of each is transposed, but for the first of all
    [_layer(512, 512, 1, 1, 0)], [_layer(1024, 512, 3, 1, 0), *_same(512, 1)], [_layer(1024, 512, 3, 2), *_same(512, 2)],
    [_layer(768, 384, 3, 2), *_same(384, 2)], [_layer(512, 256, 3, 2), *_same(256, 2)], [_layer(320, 128, 3, 2), *_same(128, 2)],
    [_layer(160, 64, 3, 2), *_same(64, 2)],
]  # fmt: skip


def _named_layers():
    """(name, layer, transposed) of every block with a BatchNorm."""
    for i, block in enumerate(ENCODER):
        yield from ((f"face_encoder_blocks.{i}.{j}", layer, False) for j, layer in enumerate(block))
    yield from ((f"audio_encoder.{j}", layer, False) for j, layer in enumerate(SPEECH))
    for i, block in enumerate(DECODER):
        yield from ((f"face_decoder_blocks.{i}.{j}", layer, i > 0 and j == 0) for j, layer in enumerate(block))
    yield "output_block.0", _layer(80, 32), False


@pytest.fixture(scope="module")
def official():
    """Tensors with the names and shapes of Wav2Lip's released generator."""
    g = torch.Generator().manual_seed(0)
    state = {}
    for name, (c_in, c_out, kernel, _, _, _), transposed in _named_layers():
        shape = (c_in, c_out, kernel, kernel) if transposed else (c_out, c_in, kernel, kernel)
        state[f"{name}.conv_block.0.weight"] = torch.randn(shape, generator=g) * (1 / (c_in * kernel**2)) ** 0.5
        state[f"{name}.conv_block.0.bias"] = torch.randn(c_out, generator=g) * 0.1
        for kind, low in (("weight", 0.5), ("bias", -0.2), ("running_mean", -0.2), ("running_var", 0.5)):
            state[f"{name}.conv_block.1.{kind}"] = torch.rand(c_out, generator=g) + low
        state[f"{name}.conv_block.1.num_batches_tracked"] = torch.tensor(7)
    state["output_block.1.weight"] = torch.randn(3, 32, 1, 1, generator=g) * 0.3
    state["output_block.1.bias"] = torch.randn(3, generator=g) * 0.3
    return state


def _published(state, mel, bgr):
    """Wav2Lip's forward pass from its tensors: speech (B, 1, 80, 16), faces (B, 6, 96, 96) BGR -> (B, 3, 96, 96) BGR."""
    layers = {name: (layer, transposed) for name, layer, transposed in _named_layers()}

    def block(x, name):
        (_, _, _, stride, padding, residual), transposed = layers[name]
        weight, bias = (state[f"{name}.conv_block.0.{kind}"] for kind in ("weight", "bias"))
        if transposed:
            out = F.conv_transpose2d(x, weight, bias, stride, padding, output_padding=stride - 1)
        else:
            out = F.conv2d(x, weight, bias, stride, padding)
        out = F.batch_norm(out, *(state[f"{name}.conv_block.1.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))
        return F.relu(out + x if residual else out)

    seen, x = [], bgr
    for i, blocks in enumerate(ENCODER):
        for j in range(len(blocks)):
            x = block(x, f"face_encoder_blocks.{i}.{j}")
        seen.append(x)
    x = mel
    for j in range(len(SPEECH)):
        x = block(x, f"audio_encoder.{j}")
    for i, blocks in enumerate(DECODER):
        for j in range(len(blocks)):
            x = block(x, f"face_decoder_blocks.{i}.{j}")
        x = torch.cat([x, seen.pop()], 1)
    return torch.sigmoid(F.conv2d(block(x, "output_block.0"), state["output_block.1.weight"], state["output_block.1.bias"]))


@pytest.fixture(scope="module")
def checkpoint(official, tmp_path_factory):
    """A training checkpoint as the authors store it: DataParallel's prefix, an optimiser, counters."""
    path = tmp_path_factory.mktemp("weights") / "wav2lip.pth"
    state = {f"module.{name}": tensor for name, tensor in official.items()}
    torch.save({"state_dict": state, "optimizer": None, "global_step": 5, "global_epoch": 1}, path)
    return path


def test_released_wav2lip_weights_load_and_paint_what_wav2lip_paints(official, checkpoint):
    net = load_wav2lip(checkpoint)
    assert not net.training and not any(p.requires_grad for p in net.parameters())
    assert sum(p.numel() for p in net.parameters()) == 36_298_035  # what Wav2Lip's training prints (its issues 219, 381)
    assert {official_name(name) for name in net.state_dict()} == set(official)
    g = torch.Generator().manual_seed(1)
    mel, face = torch.rand(2, 1, 80, 16, generator=g) * 8 - 4, torch.rand(2, 6, 96, 96, generator=g)
    want = _published(official, mel, face[:, [2, 1, 0, 5, 4, 3]])[:, [2, 1, 0]]
    assert want.std() > 0.02
    with torch.no_grad():
        torch.testing.assert_close(net(mel, face), want, atol=1e-4, rtol=1e-3)


def test_the_paper_profile_has_those_layers():
    with torch.device("meta"):
        net = SemanticTeacher(PROFILES["paper"].teacher)
    assert sum(p.numel() for p in net.parameters()) == 36_298_035
    with pytest.raises(ValueError, match="96 pixels"), torch.device("meta"):
        SemanticTeacher(dataclasses.replace(PROFILES["paper"].teacher, size=48))


def test_wav2lip_layers_at_small_width_train():
    torch.manual_seed(0)
    net = SemanticTeacher(dataclasses.replace(PROFILES["paper"].teacher, width=2))
    out = net(torch.randn(2, 1, 80, 16), torch.rand(2, 6, 96, 96))
    assert out.shape == (2, 3, 96, 96)
    out.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize(
    ("change", "message"), [("discriminator", "is absent"), ("192 pixels", r"\(32, 6, 3, 3\)"), ("text", "not a readable")]
)
def test_other_checkpoints_are_refused(official, tmp_path, change, message):
    path = tmp_path / "wav2lip.pth"
    small = {name: torch.empty(0) for name in official}
    if change == "discriminator":
        torch.save({"state_dict": {"binary_pred.0.weight": torch.zeros(1)}}, path)
    elif change == "192 pixels":
        torch.save({"state_dict": small | {"face_encoder_blocks.0.0.conv_block.0.weight": torch.zeros(32, 6, 3, 3)}}, path)
    else:
        path.write_text("a page that asks to log in")
    with pytest.raises(InputError, match=message) as caught:
        load_wav2lip(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_shipped_tensors_still_fit_their_networks():
    """Names and shapes of the shipped teacher, sync expert and expression network, whatever face they were trained on."""
    from safetensors.torch import load_file

    from paperlib import config, paths
    from paperlib.training import checkpoints

    for kind in ("teacher", "sync", "expression"):
        card = checkpoints.read_card(f"{kind}_classroom")
        profile = config.load_profile("classroom")
        stored = config.from_dict(type(getattr(profile, kind)), card["config"])
        net = checkpoints.build(kind, dataclasses.replace(profile, **{kind: stored}))
        net.load_state_dict(load_file(paths.CHECKPOINTS / f"{kind}_classroom.safetensors"))


def test_semantic_images_are_the_teachers_own_frame_by_frame():
    """V of (3): one fixed face, each frame from its own speech window, whatever the batch."""
    torch.manual_seed(0)
    net = SemanticTeacher(CFG).eval()
    face, mel = torch.rand(3, 32, 32), torch.randn(5, 80, 16)
    images = semantic_images(net, face, mel, batch=2)
    masked = face.clone()
    masked[:, 16:] = 0
    for t in range(5):
        torch.testing.assert_close(images[t], net(mel[t][None, None], torch.cat([masked, face])[None])[0], atol=1e-5, rtol=1e-4)
