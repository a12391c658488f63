"""The renderer on a whole clip with references of one's own choice, as the studies of stage 2 need it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from paperlib.config import FPS
from paperlib.corpus.banks import RenderItem, reference_index, to_float
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation.renderer import Hearing, with_expressions
from paperlib.face3d.coefficients import EXP, with_exp

BATCH = 32


@torch.no_grad()
def paint(
    net: torch.nn.Module, i3d: torch.Tensor, refs: torch.Tensor, frames: torch.Tensor, masks: torch.Tensor, batch: int = BATCH
) -> dict[str, torch.Tensor]:
    """`full` (I_i in the hole, the frame's own pixels around it) and `warp_only` (I_warp in the hole), (T, 3, H, W) in [0, 1].

    i3d, refs, frames: uint8 (T, H, W, 3); masks (T, H, W) bool. Nothing of a frame inside its mask is read.
    """
    net.eval()
    parts: dict[str, list[torch.Tensor]] = {"full": [], "warp_only": []}
    for start in range(0, len(i3d), batch):
        rows = slice(start, start + batch)
        mask = masks[rows, None].float()
        crop = to_float(frames[rows]) * (1 - mask)
        out = net(to_float(i3d[rows]), to_float(refs[rows]), crop, "joint")
        for name, picture in (("full", out.i_i), ("warp_only", out.warp)):
            parts[name].append(picture.clamp(0, 1) * mask + crop)
    return {k: torch.cat(v) for k, v in parts.items()}


def random_references(n: int, seed: int = 3) -> list[int]:
    """One reference for each of n frames, drawn anew each time, a second away: as `evaluation.renderer.run_renderer` draws them."""
    generator = torch.Generator().manual_seed(seed)
    return [reference_index(t, n, generator) for t in range(n)]


def fixed_references(n: int) -> list[int]:
    """The last frame for the first half of a clip and the first frame for the second: one change, and at least n/2 frames away.

    >>> fixed_references(4)
    [3, 3, 0, 0]
    """
    return [n - 1 if t < n // 2 else 0 for t in range(n)]


@dataclass
class CrossDub:
    """Clip A (`source`) with the speech of its twin B (`target`, the truth). told: beta -> (T, 257), what I_3D is drawn from."""

    source: Clip
    target: Clip
    items: dict[str, RenderItem]
    told: dict[str, torch.Tensor]

    @property
    def mask(self) -> torch.Tensor:
        """(T, 1, H, W) float, 1 where the renderer paints."""
        return self.items["true"].masks[:, None].float()

    @property
    def truth(self) -> torch.Tensor:
        """(T, 3, H, W) frames of B in [0, 1]."""
        return to_float(torch.from_numpy(self.target.frames))

    def paint(self, net: torch.nn.Module, beta: str, refs: list[int], strangers: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """`paint` of this clip under `beta`; refs: rows of the clip's own frames, or of `strangers` (N, H, W, 3) uint8."""
        item = self.items[beta]
        return paint(net, item.i3d, (item.frames if strangers is None else strangers)[refs], item.frames, item.masks)


def cross_dub(corpus: Corpus, hearing: Hearing | None, clip) -> CrossDub:
    """The cross-dub of a test clip with its twin's speech; without `hearing` under the true expressions alone."""
    source, target = corpus.load(clip), corpus.load(pair_of(clip))
    exp = {"true": torch.from_numpy(target.coeffs[:, EXP])}
    if hearing is not None:
        exp["predicted"] = hearing.expressions(corpus, target.id)
    coeffs = torch.from_numpy(source.coeffs)
    return CrossDub(
        source, target, {b: with_expressions(source, e) for b, e in exp.items()}, {b: with_exp(coeffs, e) for b, e in exp.items()}
    )


def one_per_speaker(corpus: Corpus, clips: int | None, moving: bool | None = None) -> list:
    """Test clips, one a speaker (`moving`: of the test set with strong head motion, or without), at most `clips`.

    Without `moving`, speakers alternate between the two test sets.
    """
    chosen, seen = [], set()
    for c in corpus.clips("test"):
        strong = c.test_set == "strong head motion"
        wanted = len(seen) % 2 == 1 if moving is None else moving
        if c.take == 0 and c.speaker not in seen and strong == wanted:
            chosen.append(c)
            seen.add(c.speaker)
    return chosen[:clips]


def head_speed(coeffs: torch.Tensor) -> torch.Tensor:
    """(T,) mm/s: how fast the 68 landmarks of the neutral face move with the head (central differences), from coefficients (T, 257)."""
    from paperlib.face3d import camera
    from paperlib.face3d.coefficients import ANGLES, ID, TRANS
    from paperlib.face3d.morphable_model import default_model
    from paperlib.metrics.geometry import MM_PER_UNIT

    model = default_model()
    points = model.mean_shape[model.landmark_index] + torch.einsum("nck,k->nc", model.id_basis[model.landmark_index], coeffs[0, ID])
    placed = camera.pose(points.expand(len(coeffs), -1, -1), coeffs[:, ANGLES], coeffs[:, TRANS])
    return torch.gradient(placed, dim=0)[0].norm(dim=-1).mean(1) * MM_PER_UNIT * FPS


def turn_between(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(T,) degrees: angle of the rotation from the heads of coefficients a (T, 257) to those of b (T, 257)."""
    from paperlib.face3d import camera
    from paperlib.face3d.coefficients import ANGLES

    relative = camera.rotation(a[:, ANGLES].double()).transpose(1, 2) @ camera.rotation(b[:, ANGLES].double())
    cosine = (relative.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))
