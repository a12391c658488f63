"""A detector and a landmarker made for photographs of people work on pictures of the model."""

import numpy as np
import pytest
import torch

pytest.importorskip("dlib")
from paperlib.config import CorpusConfig
from paperlib.corpus import synthetic, world
from paperlib.face3d import landmarks as lm
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.face3d.morphable_model import default_model
from paperlib.media.detection import detect
from paperlib.seeding import rng

SIZE, FRAMES = 192, 24
TURN = np.deg2rad(30)


def corpus_like(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (count, SIZE, SIZE, 3) of as many test speakers in mid-speech, |yaw| below TURN, and their true landmarks (count, 68, 2)."""
    model, cfg = default_model(), CorpusConfig(size=SIZE)
    frames, truth = [], []
    for speaker in range(synthetic.FIRST_SPEAKER[2], synthetic.FIRST_SPEAKER[2] + 4 * count):
        pose = world.head_pose(cfg.seed, speaker, 1, 60, synthetic.STRONG)[[50]]
        if abs(pose[0, 1]) >= TURN or len(frames) == count:
            continue
        g = rng(0, "seen by dlib", speaker)
        smile = g.uniform(0, 0.5) * (g.random() < 0.5)
        actions = {"jawOpen": g.uniform(0, 0.4), "mouthSmileLeft": smile, "mouthSmileRight": smile, "browInnerUp": g.uniform(0, 0.3)}
        actions["mouthPucker"] = g.uniform(0, 0.5) * (g.random() < 0.3)
        who, light = world.draw_speaker(cfg.seed, speaker), world.draw_light(cfg.seed, speaker, 1)
        coeffs = world.assemble(who, model.actions_to_exp(actions).numpy(), pose, light)
        frames.append(synthetic.draw_frames(cfg, synthetic.ClipId("test", speaker, 1, 0), coeffs)[0])
        truth.append(landmarks2d(model, torch.from_numpy(coeffs), SIZE)[0].numpy())
    return np.stack(frames), np.stack(truth)


def test_dlib_finds_the_faces_and_agrees_on_the_landmarks():
    frames, truth = corpus_like(FRAMES)
    found = np.stack([detect(frame[None], "dlib").lmk[0] for frame in frames])  # each by itself: no tracking helps
    seen = np.isfinite(found[:, 0, 0])
    assert seen.mean() >= 0.97
    error = np.linalg.norm(found - truth, axis=-1)[seen] / lm.interocular(truth)[seen, None]
    assert np.median(error) < 0.05
    for group in (lm.EYES, lm.BROWS, lm.NOSE, lm.MOUTH):
        assert np.median(error[:, list(group)]) < 0.05
