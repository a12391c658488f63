"""The morphable face: shape (1), texture (2) and 68 landmarks from coefficients in standard deviations.

The shipped model is built by `paperlib.face3d.build` from CC0 MakeHuman data; it has the paper's sizes (80 identity, 64
expression, 80 texture) but is not BFM. Its 80 identity directions carry 98.4% of the weighted variance of the 400 adults drawn, its 80
texture directions 99.8% (`explained` in the file's metadata), its 64 expression directions the 52 facial actions exactly. 1 unit = 10 cm,
y up, the face looks to +z, the person's left is at +x.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from paperlib import paths
from paperlib.errors import InputError, check_shape

PARTS = ("skin", "lips", "eye", "iris", "teeth", "tongue", "mouth_interior", "brow", "lash", "hair", "neck")
MODEL_FILE = paths.DATA / "face_model.safetensors"
_HELP = "restore data/face_model.safetensors from the repository, or rebuild it: python -m paperlib.face3d.build"

# name: (rank, is it a count of things rather than a real number)
_BUFFERS = {
    "mean_shape": 2, "id_basis": 3, "exp_basis": 3, "mean_tex": 2, "tex_basis": 3, "triangles": 2, "landmark_index": 1, "part": 1,
    "triangle_part": 1, "reconstruction_triangles": 1, "action_coeff": 2, "id_std": 1, "exp_std": 1, "tex_std": 1,
}  # fmt: skip
_INTEGER = ("triangles", "landmark_index", "part", "triangle_part")


class MorphableModel(nn.Module):
    """Linear shape and texture model; every tensor is a buffer, nothing is trained.

    Buffers: mean_shape (V, 3), id_basis (V, 3, 80), exp_basis (V, 3, 64), mean_tex (V, 3) RGB in [0, 1], tex_basis (V, 3, 80);
    triangles (F, 3) counter-clockwise seen from outside; landmark_index (68,); part (V,) and triangle_part (F,) codes into PARTS;
    reconstruction_triangles (F,) bool, the skin of the face alone, drawn in I_3D; action_coeff (A, 64), the expression that is each
    facial action (`action_names`) at weight 1. Columns of the bases are scaled: a coefficient of 1 is one standard deviation;
    id_std, exp_std, tex_std hold those deviations. sex_axes (2, 80): how identity and texture coefficients change from an average woman to
    an average man; zero in models that do not tell.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], action_names: list[str]) -> None:
        super().__init__()
        missing = sorted(set(_BUFFERS) - set(tensors))
        if missing:
            raise ValueError(f"morphable model lacks: {', '.join(missing)}")
        for name, rank in _BUFFERS.items():
            value = torch.as_tensor(tensors[name])
            if value.ndim != rank:
                raise ValueError(f"{name}: expected {rank} dimensions, got shape {tuple(value.shape)}")
            if name in _INTEGER:
                value = value.to(torch.int64)
            elif name == "reconstruction_triangles":
                value = value.to(torch.bool)
            elif value.dtype != torch.float64:
                value = value.to(torch.float32)
            self.register_buffer(name, value.contiguous())
        v, f = self.mean_shape.shape[0], self.triangles.shape[0]
        n_id, n_exp, n_tex = self.id_basis.shape[-1], self.exp_basis.shape[-1], self.tex_basis.shape[-1]
        expected = {
            "mean_shape": (v, 3), "id_basis": (v, 3, n_id), "exp_basis": (v, 3, n_exp), "mean_tex": (v, 3), "tex_basis": (v, 3, n_tex),
            "triangles": (f, 3), "part": (v,), "triangle_part": (f,), "reconstruction_triangles": (f,),
            "action_coeff": (len(action_names), n_exp), "id_std": (n_id,), "exp_std": (n_exp,), "tex_std": (n_tex,),
        }  # fmt: skip
        for name, shape in expected.items():
            check_shape(name, getattr(self, name), shape)
        axes = torch.as_tensor(tensors.get("sex_axes", torch.zeros(2, max(n_id, n_tex))), dtype=torch.float32)
        self.register_buffer("sex_axes", axes, persistent=False)
        self.action_names = list(action_names)
        if f and not 0 <= int(self.triangles.min()) <= int(self.triangles.max()) < v:
            raise ValueError(f"triangles name vertices outside 0..{v - 1}")

    def shape(self, id_coeff: torch.Tensor, exp_coeff: torch.Tensor) -> torch.Tensor:
        """Equation (1), S = S_mean + B_id alpha + B_exp beta: (B, 80), (B, 64) -> vertices (B, V, 3) in model units."""
        check_shape("id_coeff", id_coeff, (None, self.id_basis.shape[-1]))
        check_shape("exp_coeff", exp_coeff, (None, self.exp_basis.shape[-1]))
        return self.mean_shape + _combine(self.id_basis, id_coeff) + _combine(self.exp_basis, exp_coeff)

    def texture(self, tex_coeff: torch.Tensor) -> torch.Tensor:
        """Equation (2), T = T_mean + B_tex delta: (B, 80) -> albedo (B, V, 3), RGB about [0, 1]; the caller clamps."""
        check_shape("tex_coeff", tex_coeff, (None, self.tex_basis.shape[-1]))
        return self.mean_tex + _combine(self.tex_basis, tex_coeff)

    def landmarks(self, verts: torch.Tensor) -> torch.Tensor:
        """The 68 landmark vertices of (B, V, 3) -> (B, 68, 3)."""
        check_shape("verts", verts, (None, self.mean_shape.shape[0], 3))
        return verts[:, self.landmark_index]

    def actions_to_exp(self, actions: dict[str, float] | torch.Tensor) -> torch.Tensor:
        """Expression coefficients of facial action weights: a dict of names -> (1, 64), or (B, 52) in `action_names` order -> (B, 64).

        KeyError-free: an unknown name is a ValueError that lists the known ones.
        """
        if isinstance(actions, dict):
            unknown = sorted(set(actions) - set(self.action_names))
            if unknown:
                raise ValueError(f"unknown facial actions {', '.join(unknown)}; known: {', '.join(self.action_names)}")
            weights = self.action_coeff.new_zeros(1, len(self.action_names))
            for name, weight in actions.items():
                weights[0, self.action_names.index(name)] = weight
        else:
            weights = torch.as_tensor(actions).to(self.action_coeff)
            check_shape("actions", weights, (None, len(self.action_names)))
        return weights @ self.action_coeff

    def part_vertices(self, *names: str) -> torch.Tensor:
        """Indices of the vertices whose part is one of `names` (of PARTS)."""
        unknown = sorted(set(names) - set(PARTS))
        if unknown:
            raise ValueError(f"unknown parts {', '.join(unknown)}; known: {', '.join(PARTS)}")
        codes = torch.tensor([PARTS.index(n) for n in names], device=self.part.device)
        return torch.isin(self.part, codes).nonzero().squeeze(1)

    @classmethod
    def load(cls, path: str | Path = MODEL_FILE) -> MorphableModel:
        """Read a model file (bases may be half precision; buffers are float32). InputError when missing or damaged."""
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no face model there; {_HELP}")
        try:
            with safe_open(path, framework="pt") as stream:
                names = json.loads((stream.metadata() or {})["action_names"])
                tensors = {k: stream.get_tensor(k) for k in stream.keys()}
            return cls(tensors, names)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise InputError(f"{path}: not a usable face model ({error}); {_HELP}") from error


def _combine(basis: torch.Tensor, coeff: torch.Tensor) -> torch.Tensor:
    v = basis.shape[0]
    return (coeff.to(basis.dtype) @ basis.reshape(v * 3, -1).T).reshape(-1, v, 3)


@lru_cache(maxsize=1)
def default_model() -> MorphableModel:
    """The model in use (`model_choice`: the shipped one, unless the environment names another), loaded once per process.

    Treat it as read-only; `.to()` a deepcopy, not this object.
    """
    from paperlib.face3d.model_choice import load_face_model

    return load_face_model()
