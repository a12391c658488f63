"""All measures of tables 1 and 2 for one dubbed clip: pictures, landmarks, identity, expression, sync.

Pixels are held against the truth where there is a picture of it; lips and sound always. Measures of one metric over several regions are
several measures: whole frame, crop (Omega_c), mouth (of Omega_c what lies in the box around the mouth).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from paperlib.config import TablesConfig
from paperlib.corpus.pairs import relative_opening
from paperlib.evaluation.dubbing_instruments import Instruments, every, spaced
from paperlib.evaluation.dubbing_tasks import FACE, LOWER, SELF, Known, Task
from paperlib.evaluation.expression_measures import yardstick
from paperlib.evaluation.renderer import box_mask
from paperlib.evaluation.renderer_scores import MOUTH_SIZE, lpips_net, to_uint8
from paperlib.face3d.coefficients import EXP
from paperlib.face3d.landmarks import MOUTH
from paperlib.losses.perceptual import crop_resize
from paperlib.media.cropping import mouth_box
from paperlib.media.detection import landmarks_at
from paperlib.metrics import geometry, identity, image

MAX_LAG = 10  # frames
UPPER = (*range(0, 4), *range(13, 17), *range(17, 48))  # points that say where a head is and nothing of its mouth
QUIET_DB = -45.0  # below it, the level set to -20 dB, nobody speaks


@dataclass(frozen=True)
class Measure:
    """metric and region of a row of results, its unit, which direction is better ("": neither), and how it is found."""

    metric: str
    region: str
    unit: str
    better: str
    words: str


def _three(metric: str, unit: str, better: str, words: str) -> dict[str, Measure]:
    return {f"{metric}_{region}": Measure(metric, region, unit, better, words) for region in ("frame", "crop", "mouth")}


READ = "read off single frames by the face regressor"
MEASURES: dict[str, Measure] = {
    **_three("psnr", "dB", "higher", "mean over frames of the dB inside the region"),
    **_three("ssim", "", "higher", "Gaussian 11/1.5; mouth: box brought to 64 px"),
    **_three("lpips", "", "lower", "AlexNet, v0.1; mouth: box brought to 64 px"),
    "skill_crop": Measure("skill", "crop", "", "higher", "1 - squared error / that of the frozen mouth, pooled over the clip"),
    "skill_mouth": Measure("skill", "mouth", "", "higher", "1 - squared error / that of the frozen mouth, pooled over the clip"),
    "lmd_mouth": Measure("lmd", "mouth", "px", "lower", "20 mouth points found by dlib in dub and truth alike"),
    "csim_frame": Measure("csim", "frame", "", "higher", "dlib's 128-d network, whole face"),
    "csim_crop": Measure("csim", "crop", "", "higher", "dlib's 128-d network, all but Omega_c greyed out"),
    "aed_frame": Measure("aed", "frame", "sd", "lower", f"mean |difference| of 64 coefficients, of dub and truth alike {READ}"),
    "aed_mouth": Measure("aed", "mouth", "sd", "lower", f"the same in directions that move mostly the mouth; {READ}"),
    "aed_known": Measure("aed_known", "mouth", "sd", "lower", f"against known coefficients, {READ}; the truth's row: the reader's error"),
    "sync_mouth": Measure("sync", "mouth", "", "higher", "judge: cosine at lag 0 less the median over +-10 frames"),
    "sync_lag": Measure("sync_lag", "mouth", "frames", "", "judge: lag of the highest mean cosine; > 0: lips late"),
    "expert_mouth": Measure("sync_expert", "mouth", "", "", "the expert that trained others, as the judge: never a score"),
    "official_mouth": Measure("lse_c", "mouth", "", "higher", "the official SyncNet's LSE-C, masked, where the user has its weights"),
    "opening_r": Measure("opening_r", "lips", "", "higher", "Pearson's r of the lip opening found in the dub with the one wanted"),
    "opening_r_source": Measure("opening_r_source", "lips", "", "", "the same with the opening that was there before: a leak, if high"),
    "leak_index": Measure("leak_index", "lips", "", "higher", "opening_r less opening_r_source: 0 for a mouth that follows both alike"),
    "lag": Measure("lag", "lips", "frames", "", "lag over +-10 frames at which the opening's r is highest; > 0: lips late"),
    "late": Measure("late", "lips", "frames", "lower", "size of that lag"),
    "loudness_r": Measure("loudness_r", "lips", "", "", "Pearson's r of the opening with the speech's loudness while somebody speaks"),
    "shape_mouth": Measure("shape", "mouth", "eyes", "lower", "20 mouth points, pose removed, eye distances from the recording wanted"),
    "shape_source": Measure("shape_source", "mouth", "eyes", "", "20 mouth points, pose removed, eye distances from what was dubbed"),
}  # fmt: skip


def by_pictures(pred: Tensor, task: Task, at: np.ndarray) -> dict[str, float]:
    """PSNR, SSIM, LPIPS of three regions and skill of two; pred (T, 3, H, W), looked at in the frames `at`."""
    truth, source = task.truth, task.source
    a, b, frozen = (x.float() for x in (pred[at], _float(truth.frames[at]), _float(source.frozen[at])))
    mask, boxes = source.masks[at], torch.from_numpy(mouth_box(source.lmk_neutral[at]))
    lips = mask * box_mask(boxes, source.size)
    near_a, near_b = (crop_resize(x, boxes, MOUTH_SIZE).clamp(0, 1) for x in (a, b))
    whole, region = image.lpips_both(a, b, mask, lpips_net(False))
    values = {
        "psnr_frame": image.psnr(a, b), "psnr_crop": image.psnr(a, b, mask), "psnr_mouth": image.psnr(a, b, lips),
        "ssim_frame": image.ssim(a, b), "ssim_crop": image.ssim(a, b, mask), "ssim_mouth": image.ssim(near_a, near_b),
        "lpips_frame": whole, "lpips_crop": region, "lpips_mouth": image.lpips(near_a, near_b, net=lpips_net(False)),
        "skill_crop": image.mouth_skill(a, b, frozen, mask), "skill_mouth": image.mouth_skill(a, b, frozen, lips),
    }  # fmt: skip
    return {k: _mean(v) for k, v in values.items()}


def opening_r(found: np.ndarray, at: np.ndarray, truth: np.ndarray, lag: int = 0) -> float:
    """Pearson's r of found (K,), the openings of frames `at` (K,), with truth (T,) `lag` frames before; nan for a constant, or where
    less than half of the frames have a partner.

    >>> t = np.sin(np.arange(40.0))
    >>> round(opening_r(np.roll(t, 3)[6::4], np.arange(6, 40, 4), t, 3), 3)
    1.0
    """
    partner = at - lag
    good = (partner >= 0) & (partner < len(truth))
    a, b = found[good], truth[partner[good]]
    fine = np.isfinite(a) & np.isfinite(b)
    a, b = a[fine], b[fine]
    if len(a) < max(3, len(found) / 2) or min(a.std(), b.std()) < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def best_lag(found: np.ndarray, at: np.ndarray, truth: np.ndarray, most: int = MAX_LAG) -> float:
    """The lag within +-`most` frames with the highest `opening_r`, the smaller one of equals; > 0: `found` is late; nan: none has an r."""
    rs = {lag: opening_r(found, at, truth, lag) for lag in sorted(range(-most, most + 1), key=abs)}
    rs = {lag: r for lag, r in rs.items() if r == r}
    return float(max(rs, key=rs.__getitem__)) if rs else float("nan")


def by_lips(points: np.ndarray, task: Task, at: np.ndarray) -> dict[str, float]:
    """LMD, openings, lag and mouth shape of landmarks points (K, 68, 2) px found in the frames `at` of a dub."""
    source, speech, found = task.source, task.speech, relative_opening(points)
    wanted, before = relative_opening(speech.lmk), relative_opening(source.lmk)
    lag = best_lag(found, at, wanted)
    out = {"opening_r": opening_r(found, at, wanted), "lag": lag, "late": abs(lag), "loudness_r": loudness_r(found, at, speech)}
    if source is not speech:
        out["opening_r_source"] = opening_r(found, at, before)
        out["leak_index"] = out["opening_r"] - out["opening_r_source"]
    if task.truth is not None:
        return out | {"lmd_mouth": _mean(geometry.lmd(points, task.truth.points))}
    if source.speaker != speech.speaker:
        return out  # two people's mouths have two shapes
    own = unposed(points, source.lmk_neutral[at])
    for key, clip in (("shape_mouth", speech), ("shape_source", source)):
        other = unposed(clip.points, clip.lmk_neutral[at])
        out[key] = _mean(np.linalg.norm(own - other, axis=-1).mean(1))
    return out


def loudness_r(found: np.ndarray, at: np.ndarray, speech: Known) -> float:
    """Pearson's r of openings with the loudness of the speech in the same frames, pauses left out."""
    from paperlib.media.audio import loudness, set_level

    level = loudness(set_level(speech.wave), len(speech))[at]
    spoken = level > QUIET_DB
    return opening_r(found[spoken], np.arange(int(spoken.sum())), level[spoken].astype(float))


def unposed(points: np.ndarray, posed: np.ndarray) -> np.ndarray:
    """(K, 20, 2) mouth points of landmarks points (K, 68, 2) px, each frame shifted, turned and scaled as brings the head's points posed
    (K, 68, 2) px, a neutral face in the frame's pose, onto those of the mean face; unit: eye distances. Turns aside remain."""
    from paperlib.face3d.morphable_model import default_model

    model = default_model()
    mean = model.mean_shape[model.landmark_index].numpy().astype(float)[:, :2] * [1, -1]
    mean = mean / np.linalg.norm(mean[36] - mean[45])
    upper, goal = list(UPPER), mean[list(UPPER)]
    out = []
    for own, head in zip(np.asarray(points, float), np.asarray(posed, float)[:, upper], strict=True):
        a, b = head - head.mean(0), goal - goal.mean(0)
        u, s, vt = np.linalg.svd(a.T @ b)
        turn = np.diag([1.0, np.sign(np.linalg.det(u @ vt))])
        scale = (s * np.diag(turn)).sum() / (a**2).sum()
        out.append((own[list(MOUTH)] - head.mean(0)) @ (u @ turn @ vt) * scale + goal.mean(0))
    return np.stack(out)


def by_expression(exp: np.ndarray, task: Task, at: np.ndarray) -> dict[str, float]:
    """AED of coefficients exp (M, 64) read off the frames `at`: all directions, the mouth's, and against what is known."""
    truth, mouth = task.truth, yardstick().mouth
    known = truth.coeffs[at][:, EXP]
    return {
        "aed_frame": _mean(geometry.aed(exp, truth.exp)), "aed_mouth": _mean(geometry.aed(exp, truth.exp, projection=mouth)),
        "aed_known": _mean(geometry.aed(exp, known, projection=mouth)),
    }  # fmt: skip


def by_identity(seen: np.ndarray, task: Task, at: np.ndarray) -> dict[str, float]:
    """Cosines with the truth's descriptors, or with the source's where there is no truth; seen: uint8 frames `at` (I, H, W, 3).

    The lower face alone is asked about in dubs of other words only: with a clip's own words it is the same face all along.
    """
    near, wanted = task.source.lmk_neutral[at], (task.truth or task.source).faces
    out = {"csim_frame": _mean(identity.csim(identity.descriptors(seen, near), wanted[FACE]))}
    if task.kind != SELF:
        keep = (task.source.masks[at, 0] > 0.5).numpy()
        out["csim_crop"] = _mean(identity.csim(identity.descriptors(seen, near, keep), wanted[LOWER]))
    return out


@torch.no_grad()
def measure(pred: Tensor, task: Task, tools: Instruments, cfg: TablesConfig) -> dict[str, float]:
    """Every measure of a dub pred (T, 3, H, W) in [0, 1] that the task allows; nan where it has no value. The expert, no score, is asked
    about dubs of other words only."""
    n, near = len(task.source), task.source.lmk_neutral
    pictures, lips, faces = every(n, cfg.image_every), every(n, cfg.lips_every), spaced(n, cfg.identity_frames)
    pred = pred.clamp(0, 1)
    shown = to_uint8(pred)
    out = by_lips(landmarks_at(shown[lips], near[lips]), task, lips) | by_identity(shown[faces], task, faces)
    if task.truth is not None:
        out |= by_pictures(pred, task, pictures) | by_expression(tools.expressions(shown[pictures]), task, pictures)
    judged = tools.judged(shown, near, task.speech.mfcc)
    out |= {"sync_mouth": judged.confidence, "sync_lag": judged.lag}
    if tools.official is not None:
        out["official_mouth"] = tools.official_says(shown, near, task.speech.wave)
    if task.kind != SELF:
        out["expert_mouth"] = tools.expert_says(shown, near, task.speech.mel).confidence
    return out


def _float(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).movedim(-1, 1).float() / 255


def _mean(values) -> float:
    return geometry.summary(np.atleast_1d(torch.as_tensor(values).double().numpy())).mean
