"""What the renderer study trains and scores on, cut once and shared by all of its cells: the corpus's clips at the study's size.

Pictures are shrunk from the corpus (area average); I_3D, masks and mouth boxes are made at the small size. Arrays lie on disk as .npy and
are mapped, not read, so that cells in several processes share one copy.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from paperlib.corpus.banks import RenderItem, reference_index
from paperlib.corpus.dataset import Clip, Corpus
from paperlib.corpus.synthetic import ClipId, pair_of
from paperlib.errors import InputError
from paperlib.face3d.coefficients import EXP, with_exp

TEST_STRIDE = 4  # every fourth frame of a test clip is scored: neighbours say the same, and intervals come from speakers
BETAS = ("true", "predicted")


@dataclass
class DubItem:
    """A cross-dub to be made: clip A with the speech of its twin B. Tensors have T rows, pictures are uint8 (T, H, W, 3).

    source, target: frames of A and of B (the truth); late: B's frame before each; i3d_true, i3d_predicted: A's head with B's true and with
    B's predicted expressions; ref: one reference frame of A for each frame, a second away; frozen: A's mouth never moves; masks (T, H, W)
    bool; mouth (T, 4); near (T, 68, 2) px landmarks of pose and a neutral mouth; step (T,) index of each frame in its clip.
    """

    id: ClipId
    source: torch.Tensor
    target: torch.Tensor
    late: torch.Tensor
    i3d_true: torch.Tensor
    i3d_predicted: torch.Tensor
    ref: torch.Tensor
    frozen: torch.Tensor
    masks: torch.Tensor
    mouth: torch.Tensor
    near: torch.Tensor
    step: torch.Tensor


def shrink(frames: np.ndarray, size: int) -> np.ndarray:
    """uint8 (T, S, S, 3) -> (T, size, size, 3), each pixel the mean over the area that it covers."""
    import cv2

    if frames.shape[1] < size:
        raise InputError(f"the study's size is {size} px and the corpus's is {frames.shape[1]}; choose a size that is not larger")
    return np.stack([cv2.resize(f, (size, size), interpolation=cv2.INTER_AREA) for f in frames])


def draw_i3d(coeffs: torch.Tensor, size: int) -> torch.Tensor:
    """I_3D of coefficients (T, 257) as uint8 (T, size, size, 3)."""
    from paperlib.face3d.face_renderer import render_i3d
    from paperlib.face3d.morphable_model import default_model

    with torch.no_grad():
        drawn = render_i3d(default_model(), coeffs, size)
    return (drawn.movedim(1, -1).clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _placed(clip: Clip, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(near (T, 68, 2), masks (T, H, W) bool, mouth boxes (T, 4)) of a clip at `size`."""
    from paperlib.media.cropping import mouth_box, mouth_mask

    near = (clip.lmk_neutral * (size / clip.frames.shape[1])).astype(np.float32)
    return near, mouth_mask(near, size)[:, 0] > 0.5, mouth_box(near)


def train_item(clip: Clip, size: int) -> RenderItem:
    """A clip as the training loop takes it, at `size`."""
    _, masks, boxes = _placed(clip, size)
    coeffs = torch.from_numpy(clip.coeffs)
    frames = torch.from_numpy(shrink(clip.frames, size))
    return RenderItem(clip.id, frames, draw_i3d(coeffs, size), torch.from_numpy(masks), coeffs, torch.from_numpy(boxes))


def dub_item(source: Clip, target: Clip, predicted: torch.Tensor, size: int, stride: int = TEST_STRIDE) -> DubItem:
    """The cross-dub of `source` with the speech of its twin `target`; predicted: (T, 64) expressions heard in that speech."""
    from paperlib.evaluation.controls import frozen_mouth

    near, masks, boxes = _placed(source, size)
    frames, coeffs = shrink(source.frames, size), torch.from_numpy(source.coeffs)
    still = frozen_mouth(frames.astype(np.float32) / 255, source.coeffs, masks[:, None].astype(np.float32))
    generator, n = torch.Generator().manual_seed(3), len(frames)
    refs = [reference_index(t, n, generator) for t in range(n)]
    told = torch.from_numpy(target.coeffs[:, EXP])
    every = slice(None, None, stride)
    wanted = torch.from_numpy(shrink(target.frames, size))
    parts = {
        "source": torch.from_numpy(frames), "target": wanted, "late": torch.cat([wanted[:1], wanted[:-1]]),
        "i3d_true": draw_i3d(with_exp(coeffs, told), size), "i3d_predicted": draw_i3d(with_exp(coeffs, predicted), size),
        "ref": torch.from_numpy(frames[refs]), "frozen": torch.from_numpy((still * 255 + 0.5).astype(np.uint8)),
        "masks": torch.from_numpy(masks), "mouth": torch.from_numpy(boxes), "near": torch.from_numpy(near), "step": torch.arange(n),
    }  # fmt: skip
    return DubItem(source.id, **{k: v[every].contiguous() for k, v in parts.items()})


def save(items: list, folder: Path) -> None:
    """Write items of one class into `folder`: an .npy for each of their arrays, all clips one after the other, and index.json."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f.name for f in fields(items[0]) if f.name != "id"]
    for name in names:
        np.save(folder / f"{name}.npy", torch.cat([getattr(item, name) for item in items]).numpy())
    index = [{"clip": asdict(item.id), "frames": len(getattr(item, names[0]))} for item in items]
    (folder / "index.json").write_text(json.dumps(index))


def load(cls: type, folder: Path) -> list:
    """Items of class `cls` as `save` wrote them; the arrays are mapped, and a change stays in this process."""
    index = json.loads((folder / "index.json").read_text())
    arrays = {f.name: np.load(folder / f"{f.name}.npy", mmap_mode="c") for f in fields(cls) if f.name != "id"}
    items, start = [], 0
    for entry in index:
        rows = slice(start, start + entry["frames"])
        items.append(cls(ClipId(**entry["clip"]), **{k: torch.from_numpy(v[rows]) for k, v in arrays.items()}))
        start = rows.stop
    return items


def dub_clips(corpus: Corpus, limit: int | None = None) -> list[ClipId]:
    """One take of each test scene; with `limit`, that many, spread over the speakers first."""
    first = [c for c in corpus.clips("test") if c.take == 0]
    by_scene = sorted(first, key=lambda c: (c.scene, c.speaker))
    return by_scene[:limit]


def cut(corpus: Corpus, size: int, clips: int | None = None, progress: bool = True) -> Path:
    """Folder of what the cells train on, made once: in train/ and val/ every clip of the split (`clips`: at most so many)."""
    import paperlib.media.cropping as cropping
    from paperlib import artifacts
    from paperlib.evaluation import renderer_bank

    def build(folder: Path) -> None:
        from tqdm import tqdm

        for split in ("train", "val"):
            chosen = tqdm(corpus.clips(split)[:clips], desc=f"bank, {split}", unit="clip", disable=not progress)
            save([train_item(corpus.load(c), size) for c in chosen], folder / split)

    key = (corpus.key, asdict(corpus.cfg), size, clips)
    return artifacts.stage("renderer_bank", key, build, modules=(renderer_bank, cropping))


def cut_dubs(corpus: Corpus, hearing, size: int, clips: int | None = None, progress: bool = True) -> Path:
    """Folder of the test cross-dubs, made once: one take of each test scene (`clips`: at most so many).

    hearing: `evaluation.renderer.Hearing`, which predicts their expressions; another stage 1 makes them anew, and trains no renderer.
    """
    import paperlib.evaluation.controls as controls
    import paperlib.media.cropping as cropping
    from paperlib import artifacts
    from paperlib.evaluation import renderer_bank

    def build(folder: Path) -> None:
        from tqdm import tqdm

        chosen = tqdm(dub_clips(corpus, clips), desc="bank, test", unit="clip", disable=not progress)
        items = [dub_item(corpus.load(c), corpus.load(pair_of(c)), hearing.expressions(corpus, pair_of(c)), size) for c in chosen]
        save(items, folder)

    heard = artifacts.config_hash(
        *(float(p.detach().double().sum()) for net in (hearing.expression, hearing.teacher) for p in net.parameters())
    )
    key = (corpus.key, asdict(corpus.cfg), size, clips, heard)
    return artifacts.stage("renderer_dubs", key, build, modules=(renderer_bank, controls, cropping))
