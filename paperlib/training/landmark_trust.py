"""How far a fit may trust landmarks, measured on rendered speakers and kept in the regressor's file.

On training speakers: how the detector's points lie around the mesh's. On one half of the validation speakers, whom the network has not
seen: what share of a landmark should be the detector's and what the network's, and the habits of the result. On the other half: how
much more than its noise a detector must be doubted, because its errors are alike in neighbouring points; the factor that fits best is
kept. Test speakers are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from paperlib.corpus.dataset import Corpus
from paperlib.face3d import fitting, fusing
from paperlib.face3d.detector import Detector, calibrate, expected
from paperlib.face3d.face_renderer import landmarks2d
from paperlib.metrics.coefficients import errors

FACTORS = (1.0, 2.0, 3.0, 4.0, 6.0)
SCORED = {"lmk_px": 1.5, "exp_px": 1.0, "rotation_deg": 2.0}  # medians, and what each is counted in


@dataclass(frozen=True)
class Seen:
    """A rendered clip with its truth and what the detector found: frames (T, S, S, 3), coeffs (T, 257), lmk (T, 68, 2) px or NaN."""

    speaker: int
    frames: np.ndarray
    coeffs: torch.Tensor
    lmk: np.ndarray


def seen(corpus: Corpus, split: str, every: int = 1) -> list[Seen]:
    """Every `every`-th frame of the clips of a split, with dlib's landmarks; clips without any face are left out."""
    from paperlib.media.detection import detect

    out = []
    for name in corpus.clips(split):
        clip = corpus.load(name)
        frames = clip.frames[::every]
        lmk = detect(frames, "dlib").lmk
        if np.isfinite(lmk).any():
            out.append(Seen(name.speaker, frames, torch.from_numpy(clip.coeffs[::every]), lmk))
    return out


def habits(model, clips: Sequence[Seen], lmk: Sequence[np.ndarray] | None = None) -> Detector:
    """The detector of the clips' landmarks, or of other landmarks of the same frames."""
    who = np.concatenate([np.full(len(c.lmk), c.speaker) for c in clips])
    found = np.concatenate([c.lmk for c in clips] if lmk is None else lmk)
    return calibrate(model, torch.cat([c.coeffs for c in clips]), found, who, clips[0].frames.shape[1])


def measure(net, model, train: Sequence[Seen], val: Sequence[Seen]) -> dict:
    """Set the two detectors and the share of `net`, whose `error` was measured before; the facts for its card.

    val: clips of at least eight speakers, all of one size as those of train. ValueError when there are fewer.
    """
    speakers = sorted({c.speaker for c in val})
    if len(speakers) < 8:
        raise ValueError(f"landmark_trust: {len(speakers)} validation speakers with a face; at least 8 are needed")
    measuring, choosing = ([c for c in val if speakers.index(c.speaker) % 2 == k] for k in (0, 1))
    detector = habits(model, train)
    share = measured_share(net, model, measuring, detector)
    joined = [_fused(net, model, c, detector, share) for c in measuring]
    choices = {
        "detected": (np.ones_like(share), habits(model, measuring, [_fused(net, model, c, detector, np.ones(68)) for c in measuring])),
        "fused": (share, habits(model, measuring, joined)),
    }
    tried = {
        name: {factor: score(net, model, choosing, detector, part, kind.louder(factor)) for factor in FACTORS}
        for name, (part, kind) in choices.items()
    }
    best, factor = min(((name, factor) for name in tried for factor in FACTORS), key=lambda key: tried[key[0]][key[1]])
    alone = min(FACTORS, key=tried["detected"].get)
    net.set_detector(detector.louder(alone))
    net.set_detector(choices[best][1].louder(factor), "fused")
    net.share.copy_(torch.from_numpy(choices[best][0]))
    return {
        "chosen": {"landmarks": best, "noise_factor": factor, "noise_factor_detector": alone},
        "score": {name: {f"x{f:g}": round(v, 4) for f, v in of.items()} for name, of in tried.items()},
        "score_is": "mean over clips of " + ", ".join(f"{name} / {unit:g}" for name, unit in SCORED.items()),
        "mean_share": round(float(net.share.mean()), 3), "speakers_measuring": len({c.speaker for c in measuring}),
        "speakers_choosing": len({c.speaker for c in choosing}),
    }  # fmt: skip


def measured_share(net, model, clips: Sequence[Seen], detector: Detector) -> np.ndarray:
    """(68,) share of the detector, from its errors and the network's on `clips`."""
    detected, said = [], []
    for clip in clips:
        size, truth = clip.frames.shape[1], landmarks2d(model, clip.coeffs, clip.frames.shape[1]).double().numpy()
        own = landmarks2d(model, fitting.from_pictures(net, clip.frames), size).double().numpy()
        detected.append(clip.lmk - expected(model, clip.coeffs, detector, size))
        said.append(own - truth)
    return fusing.shares(np.concatenate(detected), np.concatenate(said))


def score(net, model, clips: Sequence[Seen], detector: Detector, share: np.ndarray, joined: Detector) -> float:
    """Mean over clips of the fit's median errors, each in its unit of SCORED, summed. detector, share: of `fuse`; joined: of its result."""
    total = []
    for clip in clips:
        first = fitting.from_pictures(net, clip.frames)
        size = clip.frames.shape[1]
        lmk = fusing.fuse(model, first, clip.lmk, size, detector, share)
        belief = fitting.Belief(first, net.error_sd())
        fitted = fitting.fit_landmarks(model, lmk, size, start=first, belief=belief, detector=joined)
        found = errors(model, fitted, clip.coeffs, size)
        total.append(sum(found[name] / unit for name, unit in SCORED.items()))
    return float(np.mean(total))


def _fused(net, model, clip: Seen, detector: Detector, share: np.ndarray) -> np.ndarray:
    return fusing.fuse(model, fitting.from_pictures(net, clip.frames), clip.lmk, clip.frames.shape[1], detector, share)
