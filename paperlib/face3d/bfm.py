"""The Basel Face Model 2009 with FaceWarehouse expressions, as Deng et al. 2019 combine them, behind `MorphableModel`'s interface.

The paper's face is this one. Its files may not be passed on, so none is here; a user who has them runs

    paperlib prepare bfm --folder DIR

where DIR holds BFM_model_front.mat, or the files it is made from: 01_MorphableModel.mat (Paysan et al. 2009, by registration),
Exp_Pca.bin (Guo et al. 2018) and, from Deng et al.'s repository, std_exp.txt, BFM_front_idx.mat, BFM_exp_idx.mat, facemodel_info.mat.
The result is one safetensors file; `model_choice` makes it the model of the whole package.

Conventions are Deng et al.'s: 35,709 vertices of the face, 1 unit = 10 cm, mean face centred on its vertices' mean, y up, looking to
+z, triangles counter-clockwise from outside, and bases scaled by their standard deviations. They are also ours, so the 257 coefficients
of their network mean the same here, number for number.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from paperlib import paths
from paperlib.errors import InputError, check_shape
from paperlib.face3d._bfm_files import indices, read_deviations, read_expression_basis, read_mat
from paperlib.face3d.landmarks import OUTER
from paperlib.face3d.morphable_model import PARTS, MorphableModel

KIND = "bfm09"  # in the metadata of a converted file
DEFAULT_FILE = paths.DATA / "gated" / "bfm09.safetensors"
FRONT, ORIGINAL = "BFM_model_front.mat", "01_MorphableModel.mat"
PARTNERS = ("Exp_Pca.bin", "std_exp.txt", "BFM_front_idx.mat", "BFM_exp_idx.mat", "facemodel_info.mat")
N_ID, N_EXP, N_TEX = 80, 64, 80
MICROMETRES, LEVELS = 1e5, 255.0  # of one model unit (10 cm), and of a colour of 1
REGIONS = ("all", "front")
_LABELLED = ("skin", "lips")
_HELP = "DIR must hold BFM_model_front.mat, or 01_MorphableModel.mat with Exp_Pca.bin and the index files of Deng et al.'s repository"


class BaselFaceModel(MorphableModel):
    """`MorphableModel` of BFM 2009: one surface of skin with lips, eyes painted on it, without teeth, tongue, hair or facial actions.

    What it lacks raises InputError instead of drawing nothing. `deviations_known`: id_std, exp_std and tex_std are those of the
    original files; otherwise (from BFM_model_front.mat, which does not hold them) the columns' norms over the cropped face.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], deviations_known: bool = True) -> None:
        super().__init__(tensors, [])
        self.deviations_known = deviations_known

    @property
    def action_names(self) -> list[str]:
        """InputError: FaceWarehouse's 64 directions are principal components without names."""
        raise InputError(
            "BFM 2009 has no named facial actions: the embedded corpus and the action sliders need the shipped face model; "
            "unset PAPERLIB_FACE_MODEL, or fit expressions with paperlib.face3d.fitting"
        )

    @action_names.setter
    def action_names(self, names: list[str]) -> None:
        if names:
            raise ValueError("BFM 2009 has no named facial actions")

    def actions_to_exp(self, actions) -> torch.Tensor:
        """InputError, as `action_names`."""
        return self.action_names

    def part_vertices(self, *names: str) -> torch.Tensor:
        """Indices of the vertices of "skin" or "lips"; InputError for the parts that BFM does not have."""
        absent = [n for n in names if n in PARTS and n not in _LABELLED]
        if absent:
            raise InputError(f"BFM 2009 has no {', '.join(absent)}: it is one surface of skin and lips; unset PAPERLIB_FACE_MODEL")
        return super().part_vertices(*names)


def read(source: str | Path, region: str = "all") -> BaselFaceModel:
    """The model from the user's files.

    Args:
        source: a folder (see the module), or the file BFM_model_front.mat itself. The finished file wins where both are there.
        region: what I_3D of eq. (14) shows: "all", every triangle, as Deng et al. draw it; or "front", without ears and neck, the
            27,660 vertices of their photometric loss.

    Returns:
        The model, float32. Raises InputError that names the file and the fault: missing, damaged, cut short, of another model.
    """
    if region not in REGIONS:
        raise InputError(f"region {region!r}: choose {' or '.join(REGIONS)}")
    source = Path(source)
    if source.is_file():
        return _assemble(source, _read_front(source), region)
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; {_HELP}")
    if (source / FRONT).is_file():
        return _assemble(source / FRONT, _read_front(source / FRONT), region)
    if not (source / ORIGINAL).is_file():
        raise InputError(f"{source}: neither {FRONT} nor {ORIGINAL}; {_HELP}")
    missing = [name for name in PARTNERS if not (source / name).is_file()]
    if missing:
        raise InputError(f"{source}: {ORIGINAL} is there, but not {', '.join(missing)}; {_HELP}")
    return _assemble(source / ORIGINAL, _read_original(source), region)


def _topology(path: Path, found: dict[str, np.ndarray], vertices: int) -> dict[str, np.ndarray]:
    """Triangles, landmarks and, where given, the front's vertices, from zero."""
    lists = {name: indices(path, name, found[name], vertices) for name in ("tri", "keypoints", "frontmask2_idx") if name in found}
    if lists["keypoints"].shape != (68,):
        raise InputError(f"{path}: keypoints has {lists['keypoints'].size} landmarks, expected 68")
    return lists


def _read_front(path: Path) -> dict[str, np.ndarray]:
    """BFM_model_front.mat: bases scaled, units of 10 cm, colours 0 to 255."""
    wanted = {"meanshape": None, "meantex": None, "idBase": (None, N_ID), "exBase": (None, N_EXP), "texBase": (None, N_TEX)}
    topology = {"tri": (None, 3), "keypoints": None, "frontmask2_idx": None}
    found = read_mat(path, wanted | topology, optional=("frontmask2_idx",))
    rows = found["meanshape"].size
    for name in wanted:
        if len(found[name]) != rows or rows % 3:
            raise InputError(f"{path}: {name} has {len(found[name])} rows and meanshape {rows}: the file mixes two models")
    v = rows // 3
    shaped = {name: found[name].reshape(v, 3, *found[name].shape[1:]) for name in wanted}
    return shaped | _topology(path, found, v)


def _read_original(folder: Path) -> dict[str, np.ndarray]:
    """The same arrays from the original files: scaling, choice of vertices and units as in Deng et al.'s conversion."""
    path = folder / ORIGINAL
    vectors = {name: None for name in ("shapeMU", "shapeEV", "texMU", "texEV")}
    full = read_mat(path, vectors | {"shapePC": (None, None), "texPC": (None, None)})
    rows = full["shapeMU"].size
    for name in ("shapePC", "texPC", "texMU"):
        if len(full[name]) != rows or rows % 3:
            raise InputError(f"{path}: {name} has {len(full[name])} rows and shapeMU {rows}; get the file again")
    for basis, values, keep in (("shapePC", "shapeEV", N_ID), ("texPC", "texEV", N_TEX)):
        if full[basis].shape[1] < keep or full[values].size < keep:
            raise InputError(f"{path}: {basis} has {full[basis].shape[1]} directions and {values} {full[values].size}; {keep} are needed")
    trim = read_mat(folder / "BFM_exp_idx.mat", {"trimIndex": None})["trimIndex"]
    trim = indices(folder / "BFM_exp_idx.mat", "trimIndex", trim, rows // 3)
    crop = read_mat(folder / "BFM_front_idx.mat", {"idx": None})["idx"]
    crop = indices(folder / "BFM_front_idx.mat", "idx", crop, len(trim))
    info = folder / "facemodel_info.mat"
    topology = _topology(info, read_mat(info, {"tri": (None, 3), "keypoints": None, "frontmask2_idx": None}), len(crop))
    exp_std = read_deviations(folder / "std_exp.txt", N_EXP)
    expressions = read_expression_basis(folder / "Exp_Pca.bin", len(trim), N_EXP)[crop]
    chosen = trim[crop]

    def pick(name: str, keep: int = 1) -> np.ndarray:
        return full[name].reshape(rows // 3, 3, -1)[chosen][..., :keep].astype(np.float64)

    return {
        "meanshape": pick("shapeMU")[..., 0] / MICROMETRES,
        "meantex": pick("texMU")[..., 0],
        "idBase": pick("shapePC", N_ID) * full["shapeEV"][:N_ID] / MICROMETRES,
        "exBase": expressions * exp_std / MICROMETRES,
        "texBase": pick("texPC", N_TEX) * full["texEV"][:N_TEX],
        "id_std": full["shapeEV"][:N_ID] / MICROMETRES,
        "exp_std": exp_std / MICROMETRES,
        "tex_std": full["texEV"][:N_TEX] / LEVELS,
        **topology,
    }  # fmt: skip


def _assemble(path: Path, found: dict[str, np.ndarray], region: str) -> BaselFaceModel:
    mean = found["meanshape"] - found["meanshape"].astype(np.float64).mean(0)
    points, triangles = mean[found["keypoints"]], found["tri"]
    _check_is_face(path, points, found["meantex"])
    if region == "front":
        if "frontmask2_idx" not in found:
            raise InputError(f"{path}: lacks frontmask2_idx, which region 'front' needs; choose region 'all'")
        drawn = np.isin(triangles, found["frontmask2_idx"]).all(1)
    else:
        drawn = np.ones(len(triangles), bool)
    part = np.where(_lips(mean, points), PARTS.index("lips"), PARTS.index("skin"))
    on_lips = (part == PARTS.index("lips"))[triangles].all(1)
    known = "id_std" in found
    bases = {"id": found["idBase"], "exp": found["exBase"], "tex": found["texBase"] / LEVELS}
    tensors = {
        "mean_shape": mean, "mean_tex": found["meantex"] / LEVELS, "triangles": triangles, "landmark_index": found["keypoints"],
        "part": part, "triangle_part": np.where(on_lips, PARTS.index("lips"), PARTS.index("skin")), "reconstruction_triangles": drawn,
        "action_coeff": np.zeros((0, N_EXP)),
    }  # fmt: skip
    for name, basis in bases.items():
        tensors[f"{name}_basis"] = basis
        tensors[f"{name}_std"] = found[f"{name}_std"] if known else np.sqrt((basis.astype(np.float64) ** 2).sum((0, 1)))
    return BaselFaceModel({k: torch.from_numpy(_plain(v)) for k, v in tensors.items()}, known)


def _plain(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value.astype(np.float32) if value.dtype.kind == "f" else value)


def _check_is_face(path: Path, points: np.ndarray, colors: np.ndarray) -> None:
    """The mean's landmarks must be a face of a person's size that looks to +z, its colours 0 to 255."""
    across = points[45, 0] - points[36, 0]
    upright = points[17:27, 1].min() > points[8, 1] and points[30, 2] > points[[0, 16], 2].max()
    if not (0.5 < across < 1.5 and upright):
        raise InputError(
            f"{path}: the 68 landmarks of its mean are no face in units of 10 cm that looks to +z (outer eye corners {across:.3g} apart, "
            "expected about 0.9); the vertices or the index files belong to another model"
        )
    if not 2 < colors.max() < 300:
        raise InputError(f"{path}: mean colours reach {colors.max():.3g}, expected the range 0 to 255")


def _lips(mean: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(V,) bool: seen from the front, inside the outer lip contour (what lies behind it in the mouth counts). BFM names no parts."""
    from skimage.measure import points_in_poly

    outline = points[list(OUTER)]
    near = mean[:, 2] > outline[:, 2].min() - 0.3
    return near & np.asarray(points_in_poly(mean[:, :2], outline[:, :2]))


def save(model: BaselFaceModel, path: str | Path) -> Path:
    """Write a converted model, whole or not at all. Its licence forbids passing it on, as that of its source."""
    from safetensors.torch import save_file

    path = Path(path)
    metadata = {
        "action_names": json.dumps([]),
        "kind": KIND,
        "deviations_known": json.dumps(model.deviations_known),
        "source": "Basel Face Model 2009 (Paysan et al.), expressions of FaceWarehouse (Cao et al.; Guo et al.), crop of Deng et al. 2019",
        "licence": "BFM licence: research only, not to be passed on",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    save_file({name: tensor.contiguous() for name, tensor in model.named_buffers()}, part, metadata)
    part.replace(path)
    return path


def coefficients_to_weights(model: BaselFaceModel, group: str, coeffs: torch.Tensor) -> torch.Tensor:
    """Standard deviations (..., n) -> weights of the files' unit-length directions (um; levels of 255), as other tools store them.

    group: "id", "exp" or "tex". InputError where the model was read from BFM_model_front.mat: the deviations are not in it.
    """
    return coeffs * _scale(model, group, coeffs)


def weights_to_coefficients(model: BaselFaceModel, group: str, weights: torch.Tensor) -> torch.Tensor:
    """Inverse of `coefficients_to_weights`."""
    return weights / _scale(model, group, weights)


def _scale(model: BaselFaceModel, group: str, values: torch.Tensor) -> torch.Tensor:
    units = {"id": MICROMETRES, "exp": MICROMETRES, "tex": LEVELS}
    if group not in units:
        raise ValueError(f"group {group!r}: choose {', '.join(units)}")
    if not model.deviations_known:
        raise InputError(f"the standard deviations are not in {FRONT}: convert {ORIGINAL} instead to translate unscaled weights")
    std = getattr(model, f"{group}_std").to(values)
    check_shape(group, values[..., :].reshape(-1, values.shape[-1]), (None, len(std)))
    return std * units[group]


def prepare(folder: str | Path, out: str | Path | None = None, region: str = "all") -> str:
    """Convert the user's files into `out` (default: data/gated/, which git ignores); returns what to tell the user."""
    model = read(folder, region)
    out = save(model, out or DEFAULT_FILE)
    size = f"{len(model.mean_shape)} vertices, {len(model.triangles)} triangles"
    return f"{out}: {size}; to use it everywhere: export PAPERLIB_FACE_MODEL={out}"
