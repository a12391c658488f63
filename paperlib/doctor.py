"""What this installation has: versions, threads, devices, third-party weights."""

from __future__ import annotations

import importlib.metadata
import os
import platform

PACKAGES = (
    "torch", "torchvision", "numpy", "jupyterlab", "papermill", "jupytext", "nbval", "ipywidgets", "easypytorch3d", "face-alignment",
    "librosa", "opencv-python", "lpips", "seaborn", "anny", "av", "dlib-bin", "espeakng-loader", "numba", "scikit-image",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Installed version per package, or "missing"."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def print_report() -> None:
    """Print the report; nothing is downloaded."""
    import torch

    from paperlib import paths, weights

    system = f"{platform.system()} {platform.machine()}"
    print(f"Python {platform.python_version()} on {system}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads")
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    print(f"GPU: {device}")
    print("\nPackages")
    for name, version in versions().items():
        print(f"  {name:20} {version}")
    print("\nThird-party weights")
    for row in weights.status():
        print(f"  {'yes' if row.present else 'no':4}{row.name:11} {row.what}{'' if row.present else ': ' + row.how_to_get}")
    checkpoints = sorted(p.name for p in paths.CHECKPOINTS.glob("*.safetensors"))
    print(f"\nCheckpoints: {', '.join(checkpoints) or 'none'}")
