"""The face model's contact sheets: who a face can be, what it can do, how light falls on it. A studio: plain backdrop, no camera noise.

`python -m paperlib.figure_faces` draws them into figures/.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from paperlib.corpus import articulation, synthetic, visemes, world
from paperlib.face3d import illumination
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.face_renderer import render
from paperlib.face3d.morphable_model import default_model

BACKDROP = 0.90  # grey of the studio's wall
HEAD, FACE = (-0.17, -1.7), (0.08, 2.4)  # framing: shift upwards and towards the camera, 10 cm; the whole head, or the face alone
TURN = 0.16  # rad: people of the first sheet look a little to the side, their eyes at the camera
GAZE = 2.2  # eyes turned fully look 26 degrees, 0.45 rad, aside
ACTRESS, SITTER, DARKER_SITTER = 10_011, 10_015, 10_007  # test speakers who sit for expressions and for light

# class: an example of its sounds, in IPA
VISEMES: dict[str, str] = {
    "rest": "", "PP": "p b m", "FF": "f v", "TH": "θ ð", "LL": "l", "SZ": "s z", "SH": "ʃ ʒ", "RR": "ɹ",
    "AA": "ɑ", "AE": "æ", "EH": "ɛ", "IY": "i", "AH": "ʌ ə", "AO": "ɔ", "OW": "o", "UW": "u",
}  # fmt: skip


def _both(**weights: float) -> dict[str, float]:
    """Actions of both sides of the face."""
    return {f"{name}{side}": weight for name, weight in weights.items() for side in ("Left", "Right")}


def _look(right: float, up: float) -> dict[str, float]:
    """Actions that turn both eyes, the lids with them."""
    return {name: float(weight[0]) for name, weight in world.gaze_actions(np.array([[right, up]])).items()}


MOODS: dict[str, dict[str, float]] = {
    "smile": _both(mouthSmile=0.75, cheekSquint=0.5, eyeSquint=0.25),
    "laugh": {**_both(mouthSmile=0.7, cheekSquint=0.6, eyeSquint=0.35, mouthUpperUp=0.25), "jawOpen": 0.3},
    "frown": {**_both(mouthFrown=0.8, browDown=0.35), "mouthShrugLower": 0.4},
    "anger": _both(browDown=1.0, eyeSquint=0.6, noseSneer=0.6, mouthPress=0.6),
    "surprise": {**_both(browOuterUp=0.8, eyeWide=0.7), "browInnerUp": 0.9, "jawOpen": 0.3},
    "blink": _both(eyeBlink=1.0),
    "gaze aside": _look(1.0, 0.0),
    "gaze up": _look(0.0, 1.0),
}


def lamp(azimuth: float, elevation: float, strength: float, ambient: float = 0.0, warmth: float = 0.0) -> np.ndarray:
    """(3, 9) light numbers of one soft lamp. Degrees: azimuth to the picture's right, elevation upwards; `warmth` > 0 is redder."""
    a, e = math.radians(azimuth), math.radians(elevation)
    light = np.zeros((3, 9), np.float32)
    light[:, 0] = ambient
    light[:, 1:4] = strength * np.array([-math.sin(e), math.cos(a) * math.cos(e), -math.sin(a) * math.cos(e)])
    return light * np.array([[1 + warmth], [1.0], [1 - warmth]], np.float32)


STUDIO = lamp(-35, 35, 0.2, ambient=0.12)
LIGHTS: dict[str, np.ndarray] = {
    "soft white, γ = 0": np.zeros((3, 9), np.float32),
    "from the left": lamp(-70, 20, 0.38, ambient=-0.12),
    "from the right": lamp(70, 20, 0.38, ambient=-0.12),
    "from above": lamp(0, 75, 0.36, ambient=-0.08),
    "from below": lamp(0, -60, 0.36, ambient=-0.12),
    "evening sun": lamp(55, 15, 0.34, ambient=-0.05, warmth=0.35) + np.array([[0.05], [-0.05], [-0.18]]) * np.eye(1, 9),
    "two colours": lamp(-65, 15, 0.3, ambient=-0.15, warmth=0.9) + lamp(65, 15, 0.3, ambient=-0.12, warmth=-0.9),
}


def first_people(seed: int, count: int) -> list[int]:
    """The first test speakers, women and men by turns: nobody is picked for looks."""
    indices = range(synthetic.FIRST_SPEAKER[2], synthetic.FIRST_SPEAKER[2] + 4 * count)
    men = [i for i in indices if world.is_man(world.draw_speaker(seed, i).voice)]
    women = [i for i in indices if i not in men]
    return [pick for pair in zip(women, men, strict=False) for pick in pair][:count]


def identities(seed: int, size: int, count: int = 21) -> tuple[np.ndarray, list[int]]:
    """(count, S, S, 3) uint8 portraits of `first_people` with the trace of a smile under one light, and their numbers."""
    people = first_people(seed, count)
    rest = default_model().actions_to_exp(_both(mouthSmile=0.22, cheekSquint=0.1)).numpy()
    pictures = []
    for i, person in enumerate(people):
        turn = TURN if i % 2 else -TURN
        exp = rest + default_model().actions_to_exp(_look(GAZE * turn, 0.0)).numpy()
        pictures.append(portrait(seed, person, exp, size, turn=turn))
    return np.concatenate(pictures), people


def expressions(seed: int, size: int) -> tuple[np.ndarray, list[str]]:
    """(24, S, S, 3) uint8: one person's mouth for 16 classes of sounds held for ever, then 8 moods and looks; and their captions."""
    model = default_model()
    values, _ = visemes.target_matrix(list(VISEMES))
    actions = articulation.channels_to_actions(values, articulation.Style())
    weights = torch.from_numpy(articulation.pack(actions, len(values), model.action_names))
    spoken = model.actions_to_exp(weights).numpy()
    moods = np.concatenate([model.actions_to_exp(mood).numpy() for mood in MOODS.values()])
    captions = [f"{name}  {sounds}".strip() for name, sounds in VISEMES.items()] + list(MOODS)
    return portrait(seed, ACTRESS, np.concatenate([spoken, moods]), size, FACE), captions


def light(seed: int, size: int) -> tuple[np.ndarray, list[str]]:
    """(7, H, S, 3) uint8: under each of LIGHTS a matt ball, one person and, turned, another; and the lights' names."""
    rest, columns = np.zeros((1, 64), np.float32), []
    for shine in LIGHTS.values():
        people = [portrait(seed, person, rest, size, turn=turn, light=shine)[0] for person, turn in ((SITTER, 0.0), (DARKER_SITTER, -0.35))]
        columns.append(np.concatenate([ball(shine, size)[size // 6 : -size // 6], *people]))
    return np.stack(columns), list(LIGHTS)


def portrait(seed: int, person: int, exp: np.ndarray, size: int, frame=HEAD, turn: float = 0.0, light: np.ndarray = STUDIO) -> np.ndarray:
    """(T, S, S, 3) uint8 studio pictures of a speaker of the corpus with expressions (T, 64); `light` is (3, 9)."""
    model, who = default_model(), world.draw_speaker(seed, person)
    pose = np.tile(np.array([0.0, turn, 0.0, 0.6 * math.sin(turn), *frame], np.float32), (len(exp), 1))
    coeffs = torch.from_numpy(world.assemble(who, np.zeros_like(exp), pose, np.asarray(light, np.float32).reshape(27)))
    coeffs = with_exp(coeffs, torch.from_numpy(np.asarray(exp, np.float32)))
    albedo = model.texture(coeffs[:1, 144:224])[0].clamp(0, 1) * torch.from_numpy(world.skin_detail(who, model.mean_shape.numpy()))
    wall = torch.full((3,), BACKDROP)
    out = render(model, coeffs, size, albedo=albedo.clamp(0, 1), background=wall, specular=synthetic.SPECULAR, supersample=3)
    return (out.image.permute(0, 2, 3, 1).numpy() * 255 + 0.5).astype(np.uint8)


def ball(light: np.ndarray, size: int, radius: float = 0.55, samples: int = 3) -> np.ndarray:
    """(S, S, 3) uint8: a matt ball of albedo 0.8 under a light (3, 9), smooth at its rim."""
    n = size * samples
    grid = ((torch.arange(n) + 0.5) / n * 2 - 1) / radius
    x, y = torch.meshgrid(grid, -grid, indexing="xy")
    inside = x**2 + y**2 <= 1
    normals = torch.stack([x, y, (1 - x**2 - y**2).clamp_min(0).sqrt()], -1).reshape(1, -1, 3)
    colours = illumination.shade(torch.full((1, n * n, 3), 0.8), normals, torch.as_tensor(light, dtype=torch.float32).reshape(1, 27))
    picture = torch.where(inside[..., None], colours.reshape(n, n, 3).clamp(0, 1), torch.tensor(BACKDROP))
    return (picture.reshape(size, samples, size, samples, 3).mean((1, 3)).numpy() * 255 + 0.5).astype(np.uint8)
