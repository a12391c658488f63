# %% [markdown]
# # 00 Start here
# *A dub can look wrong and score well. The first thing to learn about this paper is what its numbers can hide.*
#
# **You need**: nothing; Python helps. **You learn**: what visual dubbing is, what a metric hides, how this book works.
#
# **Minutes**: read 20 · smoke 0.4 · classroom 0.5
#
# The paper: Chen Y.-L., Xiong S.-W., *Speaker-Independent Visual Dubbing Method Based on Semantic Enhancement and Texture-Motion Fusion*,
# Acta Electronica Sinica 53(10), 2025. It released no code, no weights and no figure data. This book rebuilds it from its equations and says at
# every number whether it is the paper's or ours.

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from paperlib import paths
from paperlib.config import load_profile
from paperlib.corpus.banks import collate, reference_index, to_float
from paperlib.corpus.dataset import Corpus
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation.controls import frozen_mouth
from paperlib.evaluation.renderer import Shipped, box_mask, mouth_boxes, run_renderer, with_expressions
from paperlib.face3d.landmarks import lip_opening
from paperlib.media.detection import detect
from paperlib.metrics import image
from paperlib.notebook import check, explore, label, results_table, setup, show_audio, show_strip, show_video
from paperlib.results import read_results, select

profile = setup(PROFILE, SEED)

# %% [markdown]
# ## A finished dub
# Below is a person of our embedded corpus. No such person exists: a face model draws her, and a speech synthesiser speaks. So we can do what nobody can
# with real video. We let her say sentence A. Then we play the same two seconds again, with the same head motion, the same blinks, the same
# light and the same camera noise, and let her say sentence B. The two clips are a **counterfactual pair**: only the speech differs.
#
# The task of dubbing: take **video A** and **speech B**, and make the video in which she says B. Here the right answer exists. It is video B.
#
# The networks that do it are shipped with the book. They were trained on other people and other sentences. This pair was chosen for its
# mouth, which opens wide, and not for its dub.

# %%
corpus = Corpus(load_profile("classroom").corpus)
clip = next(c for c in corpus.clips("test") if c.name == "id10002/scene00/00000")
a, b = corpus.load(clip), corpus.load(pair_of(clip))
print("A says:", a.sentence)
print("B says:", b.sentence)
print(f"{len(a)} frames of {a.frames.shape[1]} x {a.frames.shape[2]} pixels; only the speech differs")

shipped = Shipped.load()
with torch.no_grad():
    beta = shipped.expressions(corpus, b.id)  # from speech B alone
    rendered = run_renderer(shipped.renderer, with_expressions(a, beta))
dub = rendered["full"]  # (T, 3, H, W) in [0, 1]
truth = to_float(torch.from_numpy(b.frames))

# %%
moments = np.linspace(4, len(a) - 5, 7).round().astype(int)
rows = {"source A": a.frames, "dubbed with B's speech": (dub.movedim(1, -1).numpy() * 255 + 0.5).astype(np.uint8), "truth B": b.frames}
fig, axes = plt.subplots(3, len(moments), figsize=(7.4, 3.5))
for line, (name, frames) in zip(axes, rows.items(), strict=True):
    for ax, t in zip(line, moments, strict=True):
        ax.imshow(frames[t])
        ax.set(xticks=[], yticks=[])
        ax.spines[["left", "bottom"]].set_visible(False)
    line[0].set_ylabel(name.replace(" with ", "\nwith "))
for ax, t in zip(axes[0], moments, strict=True):
    ax.set_title(f"{(t + 0.5) / 25:.2f} s")
plt.show()

# %% [markdown]
# *Picture: three rows of seven frames. Top: the source, saying A. Middle: our dub. Bottom: the truth, saying B. Compare the mouths of the middle row
# with both of its neighbours: it should follow the row below, not the row above.*
#
# The player shows the three side by side, with the sound of B. (In the committed copy of this notebook players are replaced by one line of text.)

# %%
from paperlib.media.video import write_video

folder = paths.build_dir(profile.name) / "videos"
folder.mkdir(parents=True, exist_ok=True)
side_by_side = np.concatenate(list(rows.values()), 2).repeat(2, 1).repeat(2, 2)
_ = write_video(folder / "00_dub.mp4", side_by_side, 25, b.wave, metadata={"comment": "synthetic person; the middle picture is AI-dubbed"})
show_video(folder / "00_dub.mp4", width=576, caption="source A, dub, truth B; the sound is B")
show_audio(a.wave, caption="speech A, for comparison")

# %% [markdown]
# ## How good is it? The frozen-mouth card
# Three videos apply for the job of "she says B":
#
# 1. **nothing done**: video A as it is, with the new sound;
# 2. **frozen mouth**: frame 0's mouth in every frame, carried along by the head as if painted on. It ignores speech completely;
# 3. **our dub**.
#
# The most usual measure of a picture is the peak signal-to-noise ratio, in decibels:
#
# $$\mathrm{PSNR} = -10 \log_{10} \mathrm{MSE}$$
#
# with pixel values from 0 to 1. Four questions get four different answers. What is the PSNR over the **whole frame**? Over the **mask** of the lower face
# alone? What is the **skill**, the share of the frozen mouth's squared error that is removed, taken in a box around the lips,
#
# $$\mathrm{skill} = 1 - \frac{\mathrm{MSE}_\mathrm{lips}}{\mathrm{MSE}_\mathrm{lips}(\mathrm{frozen\ mouth})}\,?$$
#
# And **do the lips move as they should**? A landmark detector measures the lip opening on the pictures, and $r$ is its correlation with the truth over time.
#
# **Write down first**: how many dB will a mouth that ignores the speech get over the whole frame? The paper's best published rival has:

# %%
from paperlib.paper import TABLES

label("published", f"PSNR on VoxCeleb1, table 1: IP_LAP {TABLES['table1'].value('ip_lap', 'psnr')} dB, the paper's method {TABLES['table1'].value('ours', 'psnr')} dB.")

# %%
masks = a.masks()
mask = torch.from_numpy(masks)
source = to_float(torch.from_numpy(a.frames))
frozen = torch.from_numpy(frozen_mouth(a.frames.astype(np.float32) / 255, a.coeffs, masks)).movedim(-1, 1).clamp(0, 1)
videos = {"nothing done": source, "frozen mouth": frozen, "our dub": dub}

whole = {name: image.psnr(v, truth) for name, v in videos.items()}
alike = {name: image.ssim(v, truth) for name, v in videos.items()}
mouth = {name: image.psnr(v, truth, mask=mask) for name, v in videos.items()}
lips = mask * box_mask(torch.from_numpy(mouth_boxes(a)), mask.shape[-1])
skill = {name: float(image.mouth_skill(v, truth, frozen, lips)) for name, v in videos.items()}
worst = int(torch.minimum(image.mse(frozen, truth, mask), image.mse(source, truth, mask)).argmax())  # where both copies fail


def opening(video):
    """Lip opening (px) that a detector sees in every third frame of (T, 3, H, W) pictures."""
    frames = (video[::3].movedim(1, -1).numpy() * 255 + 0.5).astype(np.uint8)
    return lip_opening(detect(frames, backend="dlib").lmk)


wanted = opening(truth)
moves = {name: float(np.corrcoef(opening(v), wanted)[0, 1]) for name, v in videos.items()}


def card(frame):
    """Target, candidate and error of one frame, with what each measure says about it."""
    fig, axes = plt.subplots(3, 4, figsize=(7.8, 6.0), width_ratios=(1, 1, 1, 1.2))
    for line, (name, video) in zip(axes, videos.items(), strict=True):
        error = (video[frame] - truth[frame]).abs().mean(0)
        line[0].imshow(truth[frame].movedim(0, -1))
        line[1].imshow(video[frame].movedim(0, -1))
        shown = line[2].imshow(error, cmap="gray", vmin=0, vmax=0.4)
        line[2].contour(mask[frame, 0], [0.5], colors="white", linewidths=0.8)
        line[1].set_title(name)
        text = (
            f"this frame\n  whole {whole[name][frame]:6.1f} dB\n  mask  {mouth[name][frame]:6.1f} dB\n\nthe clip\n  whole {whole[name].mean():6.1f} dB\n"
            f"  SSIM  {alike[name].mean():7.3f}\n  mask  {mouth[name].mean():6.1f} dB\n  skill {skill[name]:7.2f}\n  lips r{moves[name]:7.2f}"
        )
        line[3].text(0.0, 0.5, text, family="monospace", fontsize=9, va="center")
        for ax in line:
            ax.axis("off")
    axes[0, 0].set_title("target")
    axes[0, 2].set_title("error")
    fig.colorbar(shown, ax=axes[:, 2], location="bottom", shrink=0.9, aspect=14, label="mean |difference|")
    plt.show()


explore(card, frame=(0, len(a) - 1, worst))

# %% [markdown]
# *Picture: three lines, one for each video: target, candidate, error map, numbers. In the first two lines the whole face is black, which means no error, but for a
# bright patch at the mouth. In the whole-frame numbers that patch drowns. The white line is the mask, the only place where a dub may change anything.*
#
# Move the slider. The mouth that ignores the speech keeps a whole-frame PSNR of the size of published tables. So does *nothing done*, the wrong sentence. **A
# whole-frame number says mostly how much of the frame was copied.** The mask helps less than one hopes: most of it is cheek and chin, and a copy has those almost
# exactly, while a painter must paint them. The last number asks for the only thing that a dub is for. Copies get it wrong.
#
# One clip is an anecdote. Here are the saved results over all test speakers. The intervals come from drawing the speakers anew. Compare our dub (`full`) with the rows that
# ignore the speech. Two intervals that overlap decide nothing yet: all rows are scored on the same clips, and notebook 09 tests the differences clip by clip. `oracle`
# is a frozen mouth that was allowed to peek at the hidden pixels beside the face.

# %%
results, source_of_results = read_results("controls_renderer")
heard, _ = read_results("controls_expression")
ORDER = ("full", "frozen_mouth", "frozen_mouth_oracle", "source_unchanged")
data = "embedded test speakers, all"
chosen = [r for name in ORDER for r in select(results, data=data, row=name, region="frame") if r.beta != "true"]
lip_rows = [r for name in ORDER for r in select(results, data=data, row=name, region="lips") if r.beta != "true"]
n = max(r.n for r in chosen)
label("measured", f"cross-dubs of {source_of_results['clips']} embedded test clips, {n} speakers; 95 % intervals over speakers. `full` is our dub.")
results_table(chosen, metrics=["psnr", "ssim"], digits=2, title="whole frame: what tables show")
results_table(lip_rows, metrics=["skill"], digits=2, title="skill in the box around the lips")

# %% [markdown]
# On pixels, whoever copies most is near the top. Now the other question, asked of the expression that our network predicts from speech: does the mouth open when it should?

# %%
moved = [r for name in ("full", "loudness", "swapped_speech") for r in select(heard, row=name, metric="opening_r")]
label("measured", f"lip opening predicted from speech against the true one, {moved[0].data}, {moved[0].n} speakers: our network, loudness alone, and our network fed the other sentence.")
results_table(moved, digits=2, title="correlation of the lip opening with the truth")

# %% [markdown]
# Three habits of this book follow from this one card.
#
# - Every number names its **region**: whole frame, mask, or lips.
# - Every table carries rows that **ignore the speech**: a frozen mouth, an unchanged video, a pasted reference. A number on which they beat a dub says nothing
#   about dubbing.
# - Every number says **which expression** drew the face: predicted from speech, or known. The paper does not say.
#
# ## Exercise 1: from mouth to whole frame
# Outside the mask the error is exactly 0. The mask covers the share $p$ of the frame, and the PSNR inside it is $P$ dB. What is the PSNR of the whole
# frame? Write it as a function of $P$ and $p$.

# %% tags=["exercise"]
answer1 = None  # your turn: lambda P, p: ...
t = worst
share = float(image.mask_share(mask[t : t + 1]))
mouth_db = float(image.psnr(frozen[t : t + 1] * mask[t : t + 1], truth[t : t + 1] * mask[t : t + 1], mask=mask[t : t + 1]))
whole_db = float(image.psnr(frozen[t : t + 1] * mask[t : t + 1], truth[t : t + 1] * mask[t : t + 1]))
check("exercise 1", answer1 and answer1(mouth_db, share), whole_db, tol=0.01, hint="the squared error is spread over 1/p times as many pixels")

# %% tags=["solution"]
answer1 = lambda P, p: P - 10 * np.log10(p)  # noqa: E731
check("exercise 1", answer1(mouth_db, share), whole_db, tol=0.01)

# %% [markdown]
# ## Exercise 2: decibels for free
# Keep the same dub, but save the video with twice the width and height of scenery around it, so that the face fills a quarter of the picture.
# The scenery is copied and has no error. How many dB does the whole-frame PSNR gain?

# %% tags=["exercise"]
answer2 = None  # your turn: a number, dB
wide = [torch.nn.functional.pad(x[worst : worst + 1], (48, 48, 48, 48), value=0.5) for x in (dub, truth)]
gained = float(image.psnr(*wide)) - float(image.psnr(dub[worst : worst + 1], truth[worst : worst + 1]))
check("exercise 2", answer2, gained, tol=0.01, hint="exercise 1 with p = 1/4")

# %% tags=["solution"]
answer2 = 10 * np.log10(4)
check("exercise 2", answer2, gained, tol=0.01)

# %% [markdown]
# ## The method in one row
# Everything between the two videos, and the notebook that opens each box:

# %%
t = worst
generator = torch.Generator().manual_seed(SEED)
before = collate([(with_expressions(a, torch.from_numpy(a.coeffs[:, 80:144])), t, reference_index(t, len(a), generator))])
after = collate([(with_expressions(a, beta), t, reference_index(t, len(a), generator))])
steps = {
    "1 frame": before.target, "2 model": before.i3d, "3 new expression": after.i3d,
    "4 hole": after.crop, "5 reference": after.ref, "6 painted": dub[t : t + 1],
}  # fmt: skip
show_strip([x[0] for x in steps.values()], titles=list(steps), scale=1.3)

# %% [markdown]
# *Picture: six squares. The frame; the same face redrawn from 257 numbers on black; the same with the expression that speech B asks for; the frame with a
# black hole instead of the lower face; another frame of the same clip, from which the painter may copy skin and teeth; the result.*
#
# 1. **Fit** (01, 02, 03). A morphable model describes the face by 257 numbers: who, what it does, skin, light, pose.
# 2. **Stage 1** (04, 05). From the sound, and from pictures that a smaller network makes of the same sound, predict the 64 numbers of expression.
# 3. **Draw** (02). Put the new expression into the old 257 numbers and draw the model: a guide picture.
# 4. **Stage 2** (06, 07). Bend a reference frame into place, repair it, and paint the hole.
#
# ## Map of the book
# | notebook | asks | read |
# | --- | --- | --- |
# | [01 The morphable model](01_morphable_model.ipynb) | how do 257 numbers make a face? | 35 min |
# | [02 Camera, light, render](02_camera_light_render.ipynb) | how does the face become a picture? | 40 min |
# | [03 Coefficients from images](03_coefficients_from_images.ipynb) | and how does one get back? | 40 min |
# | [04 Speech and semantic images](04_speech_and_semantic_images.ipynb) | what does the network hear, and when? | 45 min |
# | [05 Expression training](05_expression_training.ipynb) | how much beyond loudness does it learn? | 45 min |
# | [06 Renderer blocks](06_renderer_blocks.ipynb) | flow, texture, inpainting, fusion: what does each do? | 50 min |
# | [07 Renderer training](07_renderer_training.ipynb) | eleven losses and a schedule | 40 min |
# | [08 Dub a video](08_dub_a_video.ipynb) | your own clip; who speaks, the source or the speech? | 30 min |
# | [09 Evaluation](09_evaluation.ipynb) | tables 1 and 2, and how a metric goes wrong | 50 min |
# | [10 Ablations](10_ablations.ipynb) | tables 3 to 6: which part earns its place? | 35 min |
# | [11 Correlation, complexity, failures](11_correlation_complexity_failures.ipynb) | figures 7 and 8, table 7 | 40 min |
# | [12 Claims audit](12_claims_audit.ipynb) | which claims agree with each other? | 20 min |
#
# **One lesson of 90 minutes**: 00, 08, 11. **Half a day**: 00, 08, 04, 05, 11. **Six lessons of 90 minutes**: 00 and 01 · 02 and 03 · 04 and 05 · 06 and 07 · 08 and 09 · 10 to 12.
# For a class, `make` can write an edition without solutions: `python -m paperlib student`.
#
# English and Chinese words of the field, with the paper's own: [glossary](../data/GLOSSARY.md).
#
# ## Profiles
# The first cell of every notebook has `PROFILE` and `SEED`. Change them and run again, or run the whole book with `make reproduce`.
#
# | profile | for | pictures | the whole book |
# | --- | --- | --- | --- |
# | `smoke` | a quick look; what the tests run | 64 px, tiny networks | minutes |
# | `classroom` | a lesson on a laptop; what `make reproduce` runs | 96 px, narrow networks | about ten minutes on two cores |
# | `paper` | the sizes of the paper | 192 px, table 7's widths | needs a GPU |
#
# Training cells really train, in every profile, so that you see a curve fall. But a network trained for seconds is no result. So **every
# result comes from the shipped classroom networks**, whose cards in `data/checkpoints` say how they were made.
#
# ## Three kinds of numbers

# %%
label("published", "printed in the paper. We copied it and cannot check it.")
label("measured", "computed by this book: on which clips, how many speakers, which interval. Always on our synthetic people unless a cell says otherwise.")
label("not_reproducible", "cannot be had without something that nobody can download: the authors' weights, or data behind a form.")

# %% [markdown]
# Published and measured numbers never stand in one column. Their data differ, their networks differ, and a difference between them would mean nothing.
#
# ## Conventions
# - **Pictures**: RGB between 0 and 1. $y$ points down, pixel centres lie at integers plus one half.
# - **Time**: 25 frames a second. Frame $t$ lasts from $t/25$ to $(t+1)/25$ seconds. Sound: 16 kHz, mono.
# - **Faces**: 257 numbers, `id 80 | exp 64 | tex 80 | angles 3 | light 27 | trans 3`. Expression and identity are in standard deviations of their basis.
# - **Lengths**: one unit of the model is 10 cm. We speak in millimetres.
# - **Flow**: from the target picture back to the reference, in pixels.
# - **Exercises** end in `check(...)`. It says "not answered yet", "too small", "the sign is not", or "correct". Solutions are folded below.
# - **Sliders** work in JupyterLab. In the committed copy you see their first position.
#
# ## Your machine

# %% tags=["nbval-ignore-output"]
import os
import platform

from paperlib import doctor, weights

print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads for torch")
print("GPU:", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none (none is needed)")
print(", ".join(f"{name} {version}" for name, version in doctor.versions().items()))
missing = [row.name for row in weights.status() if not row.present]
print("third-party weights not here (optional; `paperlib doctor` says how to get each):", ", ".join(missing) or "none")

# %% [markdown]
# ## What can go wrong
# - **Reading our numbers as the paper's.** Our people are drawn, our networks are a fiftieth of the size. A verdict here holds on the embedded corpus.
# - **Reading the paper's numbers as a promise.** Region, expression source and mask are not stated. Notebook 12 collects what follows from that.
# - **Using it on people.** Notebook 08 dubs your own clip. Ask the person first; read its first section.
#
# **What is written**: one video in `build/<profile>/videos`. **Next**: [01](01_morphable_model.ipynb), or [08](08_dub_a_video.ipynb) if you have 90 minutes.
