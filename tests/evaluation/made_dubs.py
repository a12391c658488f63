"""Dubbing tasks made on the spot for tests: twins of made_clips with a sound that follows the mouth, known by the real instruments."""

from dataclasses import dataclass, replace

import made_clips
import numpy as np
import torch
from torch import nn

from paperlib.baselines.interface import Baseline
from paperlib.config import TablesConfig
from paperlib.corpus.synthetic import ClipId

FRAMES = 30
CFG = TablesConfig(speakers=2, frames=FRAMES, image_every=10, lips_every=2, identity_frames=1, shown=1)


def clip(clip_id):
    """A clip of FRAMES frames whose noise is loud where its mouth opens."""
    made = made_clips.clip(clip_id.speaker, clip_id.take, frames=FRAMES, scene=clip_id.scene)
    beat = np.abs(np.sin(np.arange(FRAMES) * (1.0 + clip_id.take))).repeat(640)
    noise = np.random.default_rng(clip_id.speaker).normal(size=len(beat)) * (0.02 + 0.2 * beat)
    return replace(made, wave=noise.astype(np.float32), phonemes=[("a", 0.0, 0.5), ("b", 1.1, 1.2)])


@dataclass
class Made:
    """Two test people, one scene, two takes; counts what is loaded."""

    key: str = "made for a test"
    loaded: int = 0

    def clips(self, split):
        """Every clip."""
        return [ClipId("test", s, 0, take) for s in (0, 1) for take in (0, 1)]

    def load(self, clip_id):
        """One of them."""
        self.loaded += 1
        return clip(clip_id)


class Paster(Baseline):
    """Paints its first reference, a little darker: a tiny system with one weight."""

    NAME, TRACK = "wav2lip", "dubbing"

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.9))

    def loss(self, batch, generator, progress):
        return self.gain.square(), {}

    def paint(self, given, generator):
        return given.frames[given.ref_index[:, 0]] * self.gain
