"""Settings that the paper states, and those it does not: what we chose, where it lives, why. Import them from `paperlib.paper`."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from typing import Any

from paperlib.config import load_profile
from paperlib.paper_equations import resolve


@dataclass(frozen=True)
class Given:
    """A setting that the paper states. `where`: our counterpart under the `paper` profile (None: nothing to compare)."""

    name: str
    value: Any
    source: str
    where: str | None = None


GIVEN: tuple[Given, ...] = (
    Given("coefficients of an image", 257, "section 3.1", "paperlib.face3d.coefficients:N_COEFF"),
    Given("renderer's picture size", 192, "section 3.3", "config:renderer.size"),
    Given("lambda_shape of (13)", 0.5, "section 3.2", "config:expression.lambda_shape"),
    Given("stage 1 learning rate", 2e-4, "section 4.1", "config:expression.lr"),
    Given("stage 1 batch", 16, "section 4.1", "config:expression.batch"),
    Given("stage 2 learning rate", 1e-4, "section 4.1", "config:renderer.lr"),
    Given("stage 2 batch", 2, "section 4.1", "config:renderer.batch"),
    Given("optimiser", "Ranger (RAdam + LookAhead)", "section 4.1"),
    Given("eps of (32), then", (0.1, 0.2), "section 3.3"),
    Given("MSAF kernel sizes", (3, 5, 7), "(19)"),
    Given("MSAF picture sizes", (48, 192), "table 6"),
    Given("stage 1 training", "LRW, 1 day, one RTX 3090", "section 4.1"),
    Given("stage 2 training", "VoxCeleb1 3 days, VoxCeleb2 1 week, one RTX 3090", "section 4.1"),
    Given("coefficients come from", "the reconstruction network of Deng et al. 2019", "section 3.1"),
)


@dataclass(frozen=True)
class Unstated:
    """A setting that the paper does not state: what we chose, where it lives in the code, and why.

    where: `config:part.field` of a Profile, or `package.module:name`; `tests/test_paper.py` resolves each.
    chosen: words, for choices that are code; empty for numbers, which `setting(where, profile)` reads.
    """

    name: str
    where: str
    reason: str
    chosen: str = ""


UNSTATED: tuple[Unstated, ...] = (
    Unstated("k, half width of N(t)", "config:expression.k", "two frames each side: 200 ms, the span of one syllable"),
    Unstated("d", "config:expression.d", "at `paper` size equal to d_a, so that (6) needs no bottleneck"),
    Unstated("d_a", "config:expression.d_a", "a last layer of 256 comes near table 7's row (notebook 11 counts it)"),
    Unstated("d_v", "config:expression.d_v", "as d_a"),
    Unstated("T, frames of a training sequence", "config:expression.window", "29 frames are an LRW clip; shorter where clips are"),
    Unstated("Bi-LSTM width", "config:expression.lstm_hidden", "as d: table 7's tool could not count an LSTM, so nothing constrains it"),
    Unstated("CNN_audio widths", "config:expression.audio_channels", "classic VGG-M at `paper`; narrow where minutes count"),
    Unstated("CNN_visual widths", "config:expression.visual_channels", "classic VGG-M at `paper`; narrow where minutes count"),
    Unstated(
        "path of F_a besides the attention",
        "config:expression.residual_audio",
        "literally (7) and (8) give the Bi-LSTM image features alone; a teacher trained for minutes shows too little of the speech",
    ),
    Unstated(
        "MFCC settings",
        "paperlib.media.audio:mfcc",
        "13 coefficients, 25 ms windows every 10 ms: what SyncNet and its followers use",
        "13 coefficients, 25 ms window, 10 ms hop",
    ),
    Unstated(
        "units of l in (12)",
        "paperlib.losses.expression:shape_loss",
        "in pixels the term would be about ten times L_exp at weight 0.5",
        "image widths",
    ),
    Unstated(
        "face that Wav2Lip animates",
        "paperlib.models.semantic_teacher:SemanticTeacher",
        "a target's own face would leak its mouth into V",
        "one fixed neutral face",
    ),
    Unstated("size of a semantic image", "config:teacher.size", "96 is Wav2Lip's; smaller profiles shrink it"),
    Unstated("semantic teacher's width", "config:teacher.width", "Wav2Lip starts at 16 channels"),
    Unstated(
        "SyncNet behind Sync",
        "paperlib.models.syncnet:SyncNet",
        "the official weights are not redistributable",
        "a small one, trained on the embedded corpus",
    ),
    Unstated(
        "face recognition behind CSIM", "paperlib.metrics.identity", "it installs with pip and needs no account", "dlib's 128-d descriptor"
    ),
    Unstated(
        "region of the image metrics",
        "paperlib.metrics.protocol",
        "a frozen mouth scores well on the whole frame",
        "whole frame, crop and mouth, each labelled",
    ),
    Unstated(
        "video that table 3's LMD and Sync score",
        "paperlib.metrics.protocol",
        "AED and LMD need no renderer: landmarks come from coefficients",
        "landmarks of the predicted coefficients",
    ),
    Unstated(
        "table 3's base and what its removals leave",
        "paperlib.evaluation.expression_cells:TABLE3",
        "the paper names them only; without images speech attends to itself, without attention a linear layer joins the two features",
        "base: speech through one linear layer into the Bi-LSTM, (11) alone",
    ),
    Unstated("training length of table 3's rows", "config:study.steps", "equal for all rows; what a sweep of three seeds has an hour for"),
    Unstated(
        "crop polygon",
        "paperlib.media.cropping:mouth_mask",
        "a polygon through the target's own jaw tells how open the mouth is",
        "rigid pose and a neutral mouth only",
    ),
    Unstated(
        "number of references",
        "paperlib.models.renderer:Renderer",
        "table 7's SFM row has six input channels: I_3D and one I_r",
        "one per pass",
    ),
    Unstated(
        "normalisation layers",
        "paperlib.models.blocks",
        "TMN and RBFIN run at batch 2, where batch statistics are noise",
        "instance normalisation; BatchNorm only in SFM; none in the critic",
    ),
    Unstated("SFM's width", "config:renderer.sfm_base", "64 is FlowNetS, which reproduces table 7's row"),
    Unstated("TMN's width", "config:renderer.tmn_base", "64 at `paper`"),
    Unstated("RBFIN's width", "config:renderer.rbfin_base", "64 at `paper`"),
    Unstated("widest layer", "config:renderer.max_channels", "512 at `paper`"),
    Unstated("channels of F_tex in (19)", "config:renderer.ftex_proj", "table 7's FLOPs leave room for about 8 to 24"),
    Unstated("scales of MSAF", "config:renderer.msaf_scales", "table 6's 'all scales': quarter and full size"),
    Unstated("start of MSAF's scale in (22)", "config:renderer.msaf_init", "0 would stop the gradient of every branch at the first step"),
    Unstated("critic's width", "config:renderer.critic_base", "64 at `paper`, as PatchGAN"),
    Unstated("critic steps per generator step", "config:renderer.critic_every", "one: the adversarial term is small"),
    Unstated("lambda_gp of (26)", "config:renderer.lambda_gp", "WGAN-GP's own value"),
    Unstated("lambda_SSIM of (30), (31)", "config:renderer.l_ssim", "the term's gradient is then of the size of L_rec's"),
    Unstated("lambda_p of (30), (31)", "config:renderer.l_p", "the term's gradient is then of the size of L_rec's"),
    Unstated("lambda_style of (30)", "config:renderer.l_style", "the term's gradient is then below L_rec's"),
    Unstated("lambda_wgan of (30), (31)", "config:renderer.l_wgan", "small: a short training must not be led by its critic"),
    Unstated("lambda_corr of (31)", "config:renderer.l_corr", "the flow must move before texture hides its errors"),
    Unstated(
        "form of (27)", "config:renderer.corr_form", "the printed form is not its reference's definition; the reference's is the default"
    ),
    Unstated("layers of (28), (29)", "config:renderer.vgg_layers", "VGG-16 (fetched), not VGG-19; shallow layers where frames are small"),
    Unstated("end of SFM-and-TMN-only training", "config:renderer.steps_warm", "'when stable' is not a number"),
    Unstated("steps at eps 0.1", "config:renderer.steps_joint1", "'later' is not a number"),
    Unstated("steps at eps 0.2", "config:renderer.steps_joint2", "'later' is not a number"),
)


def setting(where: str, profile: str = "paper") -> Any:
    """The value (or code object) at `config:part.field` of a profile, or at `package.module:name`; AttributeError if it is not there."""
    if not where.startswith("config:"):
        return resolve(where)
    found: Any = load_profile(profile)
    for name in where.removeprefix("config:").split("."):
        found = getattr(found, name)
    if is_dataclass(found):
        raise AttributeError(f"{where} names a group of settings, not one")
    return found
