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
    Unstated(
        "d",
        "config:expression.d",
        "at `paper` twice d_a: with it every cell of table 7's row is met; 256 and another speech encoder meet it too",
    ),
    Unstated("d_a", "config:expression.d_a", "a last layer of 256 meets table 7's row (notebook 11 counts it); others meet it too"),
    Unstated("d_v", "config:expression.d_v", "as d_a"),
    Unstated("T, frames of a training sequence", "config:expression.window", "29 frames are an LRW clip; shorter where clips are"),
    Unstated(
        "Bi-LSTM width",
        "config:expression.lstm_hidden",
        "table 7's tool cannot run an LSTM: only the parameters constrain it, and they trade with d",
    ),
    Unstated(
        "frames that table 7's row counts",
        "config:expression.window",
        "29, a clip, fits with 96 x 96 images; so do 9 frames, N(t) of k = 4, at 224",
    ),
    Unstated(
        "CNN_audio widths", "config:expression.audio_channels", "SyncNet's form; widths that meet table 7; narrow where minutes count"
    ),
    Unstated(
        "side of the images that CNN_visual reads", "config:expression.visual_size", "0: as painted; VGG-M's own 224 fits table 7 too"
    ),
    Unstated("VGG-M's padding", "config:expression.visual_padding", "the published network has none; 3 meets table 7 at 96 x 96"),
    Unstated("VGG-M's pooling", "config:expression.visual_ceil", "rounds sizes up, as the library it was published for"),
    Unstated(
        "how semantic images enter CNN_visual",
        "paperlib.models.encoders:VisualCNN.standardise",
        "only a mouth moves in them, by hundredths: as they are, the encoder hardly learns to read it",
        "less their mean picture, as VGG-M's, over the spread about it",
    ),
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
        "voices that training hears",
        "paperlib.media.other_voices:SHARE",
        "the paper's LRW has hundreds of people; our few synthetic voices are changed, or a network trained on them is deaf to recordings",
        "half of the runs in another voice, through another microphone",
    ),
    Unstated("people whom stage 1 hears", "config:expression.speakers", "the more the better; speech needs no pictures"),
    Unstated("length of stage 1's training", "config:expression.steps", "the paper says a day; validation chooses the state kept"),
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
    Unstated(
        "people whom the semantic teacher hears", "config:teacher.speakers", "Wav2Lip had thousands; with 32 it knew their voices alone"
    ),
    Unstated("semantic teacher's width", "config:teacher.width", "Wav2Lip starts at 16 channels"),
    Unstated(
        "semantic teacher's layers", "config:teacher.wav2lip_layers", "Wav2Lip's at `paper`; one residual block a scale where minutes count"
    ),
    Unstated(
        "SyncNet behind Sync",
        "paperlib.models.syncnet:SyncNet",
        "the official weights are not redistributable",
        "a small one, trained on the embedded corpus",
    ),
    Unstated(
        "judge of sync beside it",
        "paperlib.models.judge:Judge",
        "the network that trains must not score, and the official one need not be at hand",
        "grey mouths, 3-D convolutions and MFCC; people, voices and motion source of its own",
    ),
    Unstated(
        "frames by which sync is decided",
        "paperlib.training.sync:TEST_FRAMES",
        "Chung & Zisserman average the distances of successive looks; one second is what a viewer judges by, five frames hold two phones",
        "one second, the mean of its looks; shorter windows beside it",
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
        "clip that I_r comes from",
        "paperlib.corpus.banks:reference_index",
        "a dubber has the clip that is dubbed; a second away, another sound is spoken",
        "the clip that is dubbed, a second away where it is long enough",
    ),
    Unstated(
        "expressions behind I_3D in the tables",
        "paperlib.evaluation.dubbing_systems:our_dub",
        "a fit to the frame that is scored would tell the renderer the answer",
        "predicted from speech in tables 1 and 2; both in tables 4 to 6",
    ),
    Unstated(
        "fine-tuning on the clip that is dubbed",
        "paperlib.dubbing_adapt",
        "the paper's claim is one network for all people",
        "none in any table; `paperlib dub` offers it",
    ),
    Unstated(
        "normalisation layers",
        "paperlib.models.blocks",
        "TMN and RBFIN run at batch 2, where batch statistics are noise",
        "instance normalisation; BatchNorm only in SFM; none in the critic",
    ),
    Unstated(
        "SFM's width",
        "config:renderer.sfm_base",
        "64 is FlowNetS, which meets table 7's row with nothing chosen; five strides of 3x3 meet it too",
    ),
    Unstated("TMN's width", "config:renderer.tmn_base", "of 64, 96 and 128 only 96 meets table 7's row"),
    Unstated("RBFIN's width", "config:renderer.rbfin_base", "48 or 56 meet table 7's row, with other depths"),
    Unstated("RBFIN's widest layer", "config:renderer.max_channels", "320 to 448 meet table 7's row, with other depths"),
    Unstated("TMN's widest layer", "config:renderer.tmn_max_channels", "256 meets table 7's row; 320 with fewer residual blocks too"),
    Unstated("TMN's halvings", "config:renderer.tmn_levels", "3 or 4 meet table 7's row"),
    Unstated("RBFIN's halvings", "config:renderer.rbfin_levels", "4, 5 or 6 meet table 7's row"),
    Unstated("TMN's residual blocks", "config:renderer.tmn_blocks", "they trade with widths and halvings in table 7"),
    Unstated("RBFIN's residual blocks", "config:renderer.rbfin_blocks", "they trade with widths and halvings in table 7"),
    Unstated(
        "layers of RBFIN with SPADE", "config:renderer.rbfin_spade_from", "'some layers': from full, half or quarter size down meet table 7"
    ),
    Unstated("channels inside SPADE", "config:renderer.spade_hidden", "SPADE's own code has 128; 64 or 96 meet table 7"),
    Unstated(
        "channels of F_tex in (19)",
        "config:renderer.ftex_proj",
        "table 7's FLOPs leave room for about 8 to 24",
    ),
    Unstated("scales of MSAF", "config:renderer.msaf_scales", "table 6's 'all scales': quarter and full size"),
    Unstated("start of MSAF's scale in (22)", "config:renderer.msaf_init", "0 would stop the gradient of every branch at the first step"),
    Unstated(
        "what table 4's base is",
        "paperlib.evaluation.renderer_variants:VARIANTS",
        "the text says that it lacks motion awareness and feature enhancement and under-uses the reference",
        "RBFIN alone, the reference as it was filmed; no correspondence loss, no stages",
    ),
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
    Unstated(
        "when a stage is stable",
        "config:renderer.patience",
        "so many validations without a better one; the steps above are then the most a stage takes (0: its steps, so that runs compare)",
    ),
    Unstated("gain that counts as better", "config:renderer.min_gain", "half a percent is beyond the validation's noise from look to look"),
    Unstated("critic steps between penalties of (26)", "config:renderer.penalty_every", "(26) has one a step; fewer are another method"),
    Unstated("precision of stage 2's training", "config:device.precision", "float32 is what 'trained on one RTX 3090' says by default"),
    Unstated(
        "who trained the five others",
        "paperlib.baselines.training:train_baseline",
        "tables 1 and 2 may have scored released networks or trained them again; a comparison needs one corpus and one budget",
        "trained here, on the same clips, reduced in size",
    ),
    Unstated(
        "what the five others see",
        "paperlib.baselines.interface:TRACKS",
        "MakeItTalk and SadTalker animate one picture and move its head by themselves: on pixels that measures the head",
        "the region that is painted, and the true pose for the two that take one picture",
    ),
    Unstated("length of the five others' training", "config:baseline.steps", "as many as the renderer's three stages together"),
    Unstated("batch of the five others", "config:baseline.batch", "runs of five frames, which Wav2Lip's expert needs"),
    Unstated("learning rates of the five others", "config:baseline.trial_rates", "chosen by equal trials; their own belong to days"),
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
