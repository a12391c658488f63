"""Contact sheets, drawn by `python -m paperlib.figure_faces`: ten people and one speaking as the embedded corpus shows them, and the
studio sheets of `figure_sheets`: identities, expressions, light."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from paperlib import figure_sheets, paths
from paperlib.config import FPS, CorpusConfig
from paperlib.corpus import synthetic, world
from paperlib.face3d.face_renderer import render
from paperlib.face3d.model_choice import chosen_file
from paperlib.face3d.morphable_model import default_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMAND = "python -m paperlib.figure_faces"
TILE, STUDIO_TILE = 192, 160  # pixels
COLUMNS = 5
SPEAKING = 10_004  # the test speaker of the second sheet
# One expression per person: facial actions and their weights.
EXPRESSIONS: tuple[dict[str, float], ...] = (
    {"mouthSmileLeft": 0.55, "mouthSmileRight": 0.6, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4},
    {"jawOpen": 0.35, "browInnerUp": 0.3},
    {},
    {"mouthPucker": 0.6, "browDownLeft": 0.2, "browDownRight": 0.2},
    {"jawOpen": 0.25, "mouthSmileLeft": 0.6, "mouthSmileRight": 0.6},
    {"browInnerUp": 0.6, "browOuterUpLeft": 0.5, "browOuterUpRight": 0.5, "jawOpen": 0.12},
    {"mouthFunnel": 0.5, "jawOpen": 0.2},
    {"browDownLeft": 0.5, "browDownRight": 0.5, "mouthFrownLeft": 0.3, "mouthFrownRight": 0.3},
    {"mouthSmileLeft": 0.5, "mouthDimpleLeft": 0.3},
    {"mouthStretchLeft": 0.4, "mouthStretchRight": 0.4, "jawOpen": 0.18},
)


def faces(cfg: CorpusConfig) -> np.ndarray:
    """Ten test speakers (10, S, S, 3) uint8, each with an expression of EXPRESSIONS and the light, pose and background of its scene 1."""
    model = default_model()
    pictures = []
    for i, actions in enumerate(EXPRESSIONS):
        speaker = synthetic.FIRST_SPEAKER[2] + i
        exp = model.actions_to_exp(actions).numpy()
        pose = world.head_pose(cfg.seed, speaker, 1, 1, synthetic.STRONG)
        pictures.append(_draw(cfg, speaker, 1, exp, pose))
    return np.concatenate(pictures)


def speaking(cfg: CorpusConfig, count: int = 10) -> tuple[np.ndarray, list[str], str]:
    """Frames (count, S, S, 3) uint8 at the middles of `count` phonemes of one clip, those phonemes, and the sentence."""
    clip = synthetic.ClipId("test", SPEAKING, 1, 0)
    coeffs, _, phonemes, text, _ = synthetic.clip_coefficients(cfg, clip)
    last = (len(coeffs) - 1) / FPS
    said = [(symbol, (start + end) / 2) for symbol, start, end in phonemes if symbol.strip("_ ") and (start + end) / 2 < last]
    chosen = [said[i] for i in np.linspace(0, len(said) - 1, count).round().astype(int)]
    rows = np.array([int(middle * FPS) for _, middle in chosen])
    spoken = [symbol for symbol, _ in chosen]
    pose = np.concatenate([coeffs[rows, 224:227], coeffs[rows, 254:257]], 1)
    return _draw(cfg, SPEAKING, 1, coeffs[rows, 80:144], pose), spoken, text


def _draw(cfg: CorpusConfig, speaker: int, scene: int, exp: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Frames (T, S, S, 3) uint8 as the corpus makes them, for expressions (T, 64) and poses (T, 6)."""
    model, who = default_model(), world.draw_speaker(cfg.seed, speaker)
    coeffs = torch.from_numpy(world.assemble(who, exp, pose, world.draw_light(cfg.seed, speaker, scene)))
    albedo = model.texture(coeffs[:1, 144:224])[0].clamp(0, 1) * torch.from_numpy(world.skin_detail(who, model.mean_shape.numpy()))
    background = world.draw_background(cfg.seed, speaker, scene, cfg.size)
    out = render(model, coeffs, cfg.size, albedo=albedo.clamp(0, 1), background=background, specular=0.06, supersample=3)
    frames = world.camera_noise(cfg.seed, speaker, scene, out.image.permute(0, 2, 3, 1).numpy())
    return (frames * 255 + 0.5).astype(np.uint8)


def contact_sheet(pictures: np.ndarray, captions: list[str] | None = None, columns: int = COLUMNS, foot: str = ""):
    """Figure of (N, H, W, 3) pictures, `columns` a row, one picture pixel to one figure pixel at 120 dpi; `foot` is a line below all."""
    import matplotlib.pyplot as plt

    high, wide = (side / 120 for side in pictures.shape[1:3])
    text, below = 0.22 if captions else 0.0, 0.28 if foot else 0.0
    rows = -(-len(pictures) // columns)
    width, height = columns * wide, rows * (high + text) + below
    fig = plt.figure(figsize=(width, height), dpi=120, layout="none")
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        ax = fig.add_axes([column * wide / width, 1 - (row + 1) * (high + text) / height, wide / width, high / height])
        ax.imshow(picture, interpolation="nearest")
        ax.axis("off")
        if captions:
            ax.set_title(captions[i], fontsize=9, pad=3)
    if foot:
        fig.text(0.5, 0.4 * below / height, foot, ha="center", va="center", fontsize=10)
    return fig


def sheets(seed: int) -> Iterator[tuple[str, Figure, dict]]:
    """(name, figure, what its card says) of every sheet."""
    cfg, first = CorpusConfig(size=TILE, seed=seed), synthetic.FIRST_SPEAKER[2]
    alt = "Ten synthetic people of the embedded corpus in two rows: different heads, skins, lights, poses and expressions."
    yield "faces", contact_sheet(faces(cfg)), {"alt": alt, "speakers": f"test, {first} to {first + 9}"}

    frames, spoken, text = speaking(cfg)
    alt = f"One synthetic speaker in ten moments of the sentence: {text} Above each picture the phoneme spoken in it."
    sheet = contact_sheet(frames, [f"/{s}/" for s in spoken], foot=f"“{text}”")
    yield "speaking", sheet, {"alt": alt, "speakers": f"test, {SPEAKING}", "sentence": text}

    pictures, people = figure_sheets.identities(seed, STUDIO_TILE)
    alt = f"{len(people)} synthetic people, women and men by turns, in three rows under one light: heads, skins, eyes and hair differ."
    yield "identities", contact_sheet(pictures, columns=7), {"alt": alt, "speakers": "test, " + ", ".join(map(str, people))}

    pictures, captions = figure_sheets.expressions(seed, STUDIO_TILE)
    alt = f"One synthetic face {len(captions)} times, two rows of speech sounds and one of moods and looks: {', '.join(captions)}."
    yield "expressions", contact_sheet(pictures, captions, columns=8), {"alt": alt, "speakers": f"test, {figure_sheets.ACTRESS}"}

    pictures, captions = figure_sheets.light(seed, STUDIO_TILE)
    alt = f"Columns of a matt ball, a face and a darker, turned face under the same light: {', '.join(captions)}."
    sitters = f"test, {figure_sheets.SITTER} and {figure_sheets.DARKER_SITTER}"
    yield "light", contact_sheet(pictures, captions, columns=len(captions)), {"alt": alt, "speakers": sitters}


def main(argv: list[str] | None = None) -> int:
    """Command line entry: write the sheets, each with its card."""
    import matplotlib.pyplot as plt

    from paperlib.figures import save_figure

    parser = argparse.ArgumentParser(prog=COMMAND, description=" ".join(__doc__.split()))
    parser.add_argument("--folder", type=Path, default=paths.FIGURES)
    folder, seed = parser.parse_args(argv).folder, CorpusConfig().seed
    for name, figure, facts in sheets(seed):
        path = save_figure(figure, name, folder, command=COMMAND, inputs=[chosen_file()], colours=0, seed=seed, synthetic=True, **facts)
        print(path)
        plt.close(figure)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
