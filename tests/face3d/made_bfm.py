"""Files in the layout of BFM 2009 and its partners, made from a smooth head: random numbers where BFM has scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat
from toy import toy_model

EXTRA_EXP, EXTRA_FULL = 40, 30  # vertices that only the expression basis, only the full head has
COUNTS = {"shape": (80, 90), "exp": (64, 79), "tex": (80, 90)}  # directions used, directions in the files


@dataclass
class MadeHead:
    """What the files hold, in the crop's order: mean (V, 3), bases (V, 3, n) of one standard deviation, units of 10 cm; colours of 1."""

    mean: np.ndarray
    shape: np.ndarray
    exp: np.ndarray
    mean_tex: np.ndarray
    tex: np.ndarray
    triangles: np.ndarray
    landmarks: np.ndarray
    front: np.ndarray


def toy_head() -> MadeHead:
    """The toy model of the other tests, 2,400 vertices."""
    toy = toy_model()
    mean = toy.mean_shape.numpy()
    front = np.flatnonzero(mean[:, 2] > 0)
    bases = (b.numpy() for b in (toy.id_basis, toy.exp_basis, toy.tex_basis))
    shape, exp, tex = bases
    return MadeHead(mean, shape, exp, toy.mean_tex.numpy(), tex, toy.triangles.numpy(), toy.landmark_index.numpy(), front)


def write_front(head: MadeHead, path: Path, **replace) -> None:
    """BFM_model_front.mat: interleaved xyz rows, scaled bases, one-based indices, colours to 255. replace: other values by key."""
    flat = lambda a: a.reshape(-1, *a.shape[2:]).astype(np.float32)  # noqa: E731
    content = {
        "meanshape": flat(head.mean)[None], "meantex": flat(head.mean_tex)[None] * np.float32(255),
        "idBase": flat(head.shape), "exBase": flat(head.exp), "texBase": flat(head.tex) * np.float32(255),
        "tri": head.triangles + 1.0, "keypoints": head.landmarks[None] + 1.0, "frontmask2_idx": head.front[:, None] + 1.0,
    }  # fmt: skip
    content.update(replace)
    savemat(path, {k: v for k, v in content.items() if v is not None})


def write_index_files(head: MadeHead, folder: Path, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Small index files in the real ones' layout; returns crop (V,) into the expression mesh and trim into the full head, from zero."""
    rng = np.random.default_rng(seed)
    v = len(head.mean)
    trim = rng.permutation(v + EXTRA_EXP + EXTRA_FULL)[: v + EXTRA_EXP]
    crop = rng.permutation(v + EXTRA_EXP)[:v]
    savemat(folder / "BFM_exp_idx.mat", {"trimIndex": (trim[:, None] + 1).astype(np.uint16)})
    savemat(folder / "BFM_front_idx.mat", {"idx": (crop[:, None] + 1).astype(np.float32)})
    info = {"tri": head.triangles + 1, "keypoints": head.landmarks[None] + 1, "frontmask2_idx": head.front[:, None] + 1}
    savemat(folder / "facemodel_info.mat", {k: a.astype(np.float32) for k, a in info.items()})
    return crop, trim


def write_original(
    head: MadeHead, folder: Path, crop: np.ndarray, trim: np.ndarray, full: int, std_exp: np.ndarray | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """01_MorphableModel.mat, Exp_Pca.bin and (unless given) std_exp.txt; returns the standard deviations used, in the files' units.

    Directions have length 1 over the mesh of their file, as eigenvectors have. The full head's and the expression mesh's other
    vertices are noise, and so is the expression mean, which must not be used.
    """
    rng, chosen = np.random.default_rng(seed), trim[crop]

    def spread(values: np.ndarray, where: np.ndarray, count: int, columns: int) -> np.ndarray:
        out = rng.standard_normal((count, 3, columns)).astype(np.float32) * np.float32(1e-3)
        out[where, :, : values.shape[2]] = values
        return out.reshape(3 * count, columns)

    content, used = {}, {}
    for name, mean, unit in (("shape", head.mean, 1e5), ("tex", head.mean_tex, 255.0)):
        rows = spread(getattr(head, name), chosen, full, COUNTS[name][1])
        length = np.linalg.norm(rows, axis=0)
        used[name] = length * unit
        offset = np.array([0.3, -0.2, 0.1]) if name == "shape" else 0.0  # the files' mean is not centred
        content[f"{name}MU"] = (spread((mean + offset)[..., None], chosen, full, 1) * unit).astype(np.float32)
        content[f"{name}PC"] = rows / length
        content[f"{name}EV"] = used[name][:, None]
    savemat(folder / "01_MorphableModel.mat", content | {"tl": np.ones((4, 3)), "segMB": np.ones((full, 1))})
    rows = spread(head.exp, crop, len(trim), COUNTS["exp"][1])
    used["exp"] = np.linalg.norm(rows, axis=0) * 1e5 if std_exp is None else std_exp
    rows = rows * (1e5 / used["exp"])
    with open(folder / "Exp_Pca.bin", "wb") as stream:
        stream.write(np.int32(rows.shape[1]).tobytes() + rng.standard_normal(len(rows)).astype("<f4").tobytes())
        stream.write(np.ascontiguousarray(rows.T, "<f4").tobytes())
    if std_exp is None:
        (folder / "std_exp.txt").write_text(" ".join(f"{x:.9g}" for x in used["exp"]))
    return used


def write_folder(head: MadeHead, folder: Path) -> dict[str, np.ndarray]:
    """Everything `01_MorphableModel.mat`'s users hold, small; returns the standard deviations in the files' units."""
    crop, trim = write_index_files(head, folder)
    return write_original(head, folder, crop, trim, len(trim) + EXTRA_FULL)
