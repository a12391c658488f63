"""The best that speech allows on a rule's motion: predictors that know every phoneme and its time, which no network is told.

A rule is speech plus what speech does not say: the speaker's style (amplitude, timing, rest), articulatory noise, expression. The L1 error
of a coefficient is smallest for the median of what it may be given what is known, so the median over many draws of the unknown is the
floor for any predictor that knows as much: `phoneme_oracle` over speakers' styles and noise, `phoneme_oracle_style` over noise alone, as
if it had listened to and looked at this speaker before. A finite number of draws leaves the floor about 2% too high.
"""

from __future__ import annotations

import numpy as np
import torch

from paperlib.config import CorpusConfig
from paperlib.corpus import articulation, rule2, synthetic
from paperlib.corpus.synthetic import ClipId
from paperlib.face3d.morphable_model import default_model
from paperlib.seeding import rng

DRAWS = 24


def phoneme_oracle(cfg: CorpusConfig, clip: ClipId, n_frames: int, knows_style: bool, draws: int = DRAWS) -> torch.Tensor:
    """(T, 64) median expression of `draws` performances of the clip's phonemes, by random speakers or (knows_style) by its own.

    cfg.motion must be a rule; ValueError otherwise: a recording's noise cannot be drawn again.
    """
    if cfg.motion not in ("rule", "rule2"):
        raise ValueError(f"phoneme_oracle: motion {cfg.motion!r} is no rule")
    model, source = default_model(), articulation if cfg.motion == "rule" else rule2
    said = synthetic.clip_speech(cfg, clip).said
    wave = synthetic.fit_length(said.wave, n_frames)
    own = articulation.draw_style(rng(cfg.seed, "style", clip.speaker))
    shown = []
    for i in range(draws):
        style = own if knows_style else articulation.draw_style(rng("oracle's speaker", i, clip.name))
        take = rng("oracle's take", i, clip.name)  # not a take of the corpus
        shown.append(source.articulate(said.phonemes, n_frames, wave, style, take, model.action_names))
    return torch.from_numpy((np.median(np.stack(shown) @ model.action_coeff.numpy(), axis=0)).astype(np.float32))
