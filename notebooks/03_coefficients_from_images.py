# %% [markdown]
# # 03 Coefficients from images
# *A picture does not determine its 257 numbers; a prior and many frames narrow them down, and known truth shows how far.*
#
# **You need**: 01, 02. **You learn**: fitting a face to landmarks and to pixels, a network that guesses from the picture, what a detector gets
# wrong and what no picture can tell; and three metrics of the tables: LMD, SSIM and mouth skill.
#
# **Minutes**: read 40 · smoke 0.5 · classroom 0.6

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from paperlib.config import load_profile
from paperlib.corpus import world
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation.controls import frozen_mouth
from paperlib.face3d import camera, face_renderer, fitting, illumination
from paperlib.face3d.coefficients import ANGLES, EXP, ID, SH, TEX, TRANS, with_exp
from paperlib.face3d.morphable_model import default_model
from paperlib.metrics import geometry, image
from paperlib.notebook import PALETTE, check, explore, label, setup, show_source, show_strip

profile = setup(PROFILE, SEED)
model = default_model()

# %% [markdown]
# ## The way back
# Equations (1) and (2) with the camera and the light of 02 make a picture from 257 numbers. Training needs the reverse: for every frame
# of every clip, the numbers. The paper takes them from the network of Deng et al. 2019, whose weights are not free to ship.
# We use the classical answer, which needs no training: find the numbers under which the model's 68 landmarks $l(\alpha, \beta, p)$ fall
# on the detected ones $\hat l$, and which are likely under the model's prior.
#
# $$\min_{\alpha, \beta_t, p_t} \; \sum_t \frac{\lVert l(\alpha, \beta_t, p_t) - \hat l_t \rVert^2}{\sigma^2} + \lVert\alpha\rVert^2 + \sum_t
# \lVert\beta_t\rVert^2$$
#
# | symbol | meaning |
# | --- | --- |
# | $\hat l_t$ | 68 detected landmarks of frame $t$, pixels |
# | $\alpha$ | identity, **one for the clip**: people do not change between frames |
# | $\beta_t, p_t$ | expression and pose of frame $t$ |
# | $\sigma$ | how wrong a detected landmark usually is |
#
# The squares of $\alpha$ and $\beta$ are the prior: coefficients are in standard deviations, so 1 is usual for $\alpha$ and 4 is not. For $\beta$
# even 1 is much: its deviations are assumed (01), and speech uses less, as a table below shows.
#
# The code adds four things. Expression and pose change smoothly. Landmarks have one unknown offset each, as explained below. A residual far
# from the others counts less. And frames are not independent: for $\alpha$ and the offsets, a clip counts as at most 15 of them.

# %% [markdown]
# ## A speaker never seen, with the truth known
# A test clip of the embedded corpus: we know the coefficients it was drawn from. First the landmarks, exact, so that what goes wrong is not the
# detector's fault.

# %%
corpus = Corpus(load_profile("classroom").corpus)
tests = corpus.clips("test")
clip = corpus.load(next(c for c in tests if c.speaker == 10_004 and c.test_set == "strong head motion"))
size, truth = clip.frames.shape[1], torch.from_numpy(clip.coeffs)
print(f"{clip.id.name}: {len(clip)} frames of {size} x {size}, {truth.shape[1]} true coefficients each")
print("the sentence:", clip.sentence)
show_strip(clip.frames[:: len(clip) // 5][:5], suptitle="an unseen speaker", scale=1.0)

# %% [markdown]
# *Picture: five frames of a synthetic speaker whose head turns during the sentence.*
#
# The pose comes first. For points far from the camera, perspective is nearly a scaled shadow, and then pose is a linear problem: no start
# value, no local minimum.

# %%
show_source(fitting.initial_pose)

# %%
rest = model.mean_shape[model.landmark_index].double().numpy()
pose0 = torch.from_numpy(fitting.initial_pose(rest, clip.lmk.astype(np.float64), size)).float()
start = torch.zeros_like(truth)
start[:, ANGLES], start[:, TRANS] = pose0[:, :3], pose0[:, 3:]
fit = fitting.fit_landmarks(model, clip.lmk, size, offset=0)


def landmark_error(coeffs):
    """Mean distance of the model's landmarks from the given ones in pixels, (T,)."""
    return np.linalg.norm(face_renderer.landmarks2d(model, coeffs, size).numpy() - clip.lmk, axis=-1).mean(1)


turn = np.degrees(np.stack([truth[:, 225], start[:, 225], fit[:, 225]]))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6))
for values, style, name in zip(turn, ("-", ":", "--"), ("truth", "mean face, pose only", "fit"), strict=True):
    left.plot(values, style, label=name, linewidth=2)
left.set(xlabel="frame", ylabel="turn of the head (degrees)")
left.legend()
right.semilogy(landmark_error(start), ":", color=PALETTE[1], linewidth=2, label="mean face, pose only")
right.semilogy(landmark_error(fit), "--", color=PALETTE[2], linewidth=2, label="fit")
right.set(xlabel="frame", ylabel="landmark error (px)")
right.legend()
plt.show()
print("the pose alone is within 5 degrees:", bool(np.abs(turn[1] - turn[0]).max() < 5))
print("the fit's landmarks are within 0.2 px:", bool(landmark_error(fit).max() < 0.2))

# %% [markdown]
# *Picture: left, the turn of the head over the frames: both estimates follow the truth to about a degree. Right, the
# landmark error on a logarithmic axis: shape and expression bring it down by a factor of ten and more.*
#
# A landmark error of nearly zero. So is the fit nearly the truth?
#
# ### Scrubber: truth and fit
# Orange is the truth, blue the fit; where they agree the colours mix to grey. Below, the error of each of the first 144 coefficients.


# %%
def tinted(coeffs, colour):
    """A grey bust of the coefficients' shape, tinted: (H, W, 3)."""
    rows = coeffs[None].clone()
    rows[:, SH] = 0
    rows[:, SH.start + 2 : SH.stop : 9] = 0.15
    albedo = torch.tensor(colour).expand(len(model.mean_shape), 3)
    return face_renderer.render(model, rows, 3 * size // 2, albedo=albedo, background=torch.ones(3)).image[0].permute(1, 2, 0).numpy()


def scrub(frame):
    """Frame, truth, fit and their mixture with landmarks, and the error of every coefficient."""
    fig = plt.figure(figsize=(6.4, 3.3))
    top, bottom = fig.subfigures(2, 1, height_ratios=(3, 2))
    axes = top.subplots(1, 4)
    true, found = tinted(truth[frame], (0.95, 0.6, 0.2)), tinted(fit[frame], (0.35, 0.6, 0.95))
    for ax, shown, name in zip(axes, (clip.frames[frame], true, found, (true + found) / 2), ("frame", "truth", "fit", "both"), strict=True):
        ax.imshow(shown, extent=(0, size, size, 0))
        ax.set_title(name)
        ax.axis("off")
    axes[3].plot(*clip.lmk[frame].T, "+", color=PALETTE[3], markersize=4)
    axes[3].plot(*face_renderer.landmarks2d(model, fit[frame], size)[0].T, ".", color=PALETTE[7], markersize=2)
    error = (fit[frame] - truth[frame]).numpy()
    ax = bottom.subplots()
    ax.bar(range(80), error[ID], color=PALETTE[0], label="identity")
    ax.bar(range(80, 144), error[EXP], color=PALETTE[3], label="expression")
    ax.set(xlabel="coefficient", ylabel="fit - truth (sd)", xlim=(-1, 144))
    ax.legend(ncols=2, loc="upper right")
    plt.show()


explore(scrub, frame=(0, len(clip) - 1, len(clip) // 2))

# %% [markdown]
# *Picture: the frame, the true shape in orange, the fitted one in blue, both mixed with crosses at the true and dots at the fitted landmarks. They
# coincide. Below, bars of error: many identity coefficients are wrong by half a deviation and more; expression's
# errors are smaller, but so is expression.*
#
# The landmarks agree to a tenth of a pixel and the coefficients do not. Nothing is broken: **different numbers draw the same 68 points.**

# %% [markdown]
# ## A first guess from the picture itself
# The paper's numbers come from a network that looks at the picture. Ours is small (one convolution network, less than a megabyte, trained on
# rendered faces only) and does not have the last word: it can propose where a fit starts.

# %%
from paperlib.models.regressor import FaceRegressor
from paperlib.training import checkpoints

show_source(FaceRegressor.forward)
regressor, card = checkpoints.load("regressor_classroom")
guess = fitting.from_pictures(regressor, clip.frames)

# %%
chosen = len(clip) // 2
named = {"truth": truth, "mean face, pose only": start, "network": guess, "fit": fit}
busts = [tinted(c[chosen], (0.8, 0.8, 0.8)) for c in named.values()]
show_strip([clip.frames[chosen], *busts], ["frame", *named], scale=1.4)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6))
chin_opening = {name: (landmarks := face_renderer.landmarks2d(model, c, size))[:, 66, 1] - landmarks[:, 62, 1] for name, c in named.items()}
tints = dict(zip(named, (PALETTE[0], PALETTE[1], PALETTE[3], PALETTE[2]), strict=True))  # as above: a name keeps its colour
for name, style in zip(named, ("-", ":", "-.", "--"), strict=True):
    left.plot(chin_opening[name], style, color=tints[name], label=name, linewidth=2)
left.set(xlabel="frame", ylabel="inner lips apart (px)")
left.margins(y=0.35)
left.legend(fontsize=8, ncols=2, loc="upper center")
errors = [landmark_error(c).mean() for name, c in named.items() if name != "truth"]
right.barh([n for n in named if n != "truth"], errors, color=[c for n, c in tints.items() if n != "truth"])
right.set(xlabel="landmark error (px)")
right.invert_yaxis()
plt.show()

# %% [markdown]
# *Pictures: the frame and four grey busts: the truth, the mean face in the right pose, the network's proposal and the fit. Below left, how far the
# inner lips are apart over the clip (below zero they overlap in the picture): the fit lies on the truth, the network follows with smaller steps,
# the mean face does not move. Right, mean landmark error of the three.*
#
# The mean face was put in its place by the exact landmarks; the network saw none of them. Where it is unsure it says something near the mean, as a
# squared loss teaches. It was trained on faces of this book's own renderer, so on a photograph its word is worth less, and nobody has measured how
# much less. That is why a dub of a real video fits the landmarks without it.

# %% [markdown]
# ## A detector instead of exact landmarks
# On a real clip nobody hands us the vertices. A detector (dlib's, made for photographs) gives 68 points, and they are not quite our 68: it puts some of
# them elsewhere on everybody, and a little elsewhere on each person. Where truth is known, this can be measured. It was, on training speakers, and
# travels with the network: one mean offset per landmark, its spread over people, and the noise from frame to frame.

# %%
from paperlib.face3d import detector as habits

show_source(habits.calibrate)
measured = regressor.detector()
flat_face = 100 * model.mean_shape[model.landmark_index, :2].numpy()  # mm
fig, ax = plt.subplots(figsize=(4.2, 4.2))
ax.plot(*flat_face.T, "o", color="0.6", markersize=4, label="our vertices")
ax.quiver(*flat_face.T, *(100 * measured.mean[:, :2].T), angles="xy", scale_units="xy", scale=1, color=PALETTE[3], width=0.005)
for place, sd in zip(flat_face + 100 * measured.mean[:, :2], measured.person_sd, strict=True):
    ax.add_patch(plt.Circle(place, 100 * sd, fill=False, color=PALETTE[0], linewidth=0.8))
ax.set(xlabel="mm", ylabel="mm", aspect="equal")
plt.show()
print(
    "one offset per landmark:",
    measured.mean.shape,
    "| spread and noise are positive:",
    bool((measured.person_sd > 0).all() and (measured.noise > 0).all()),
)

# %% [markdown]
# *Picture: our 68 vertices in grey; an arrow to where the detector usually puts each; a circle as wide as people differ (one standard deviation).
# The jaw line has the longest arrows and the widest circles: dlib follows the visible outline.*
#
# The fit now has one unknown offset per landmark, shared by the clip, about the measured mean: this holds on rendered faces, and photographs keep
# round assumed values. On rendered faces the network's error is known too. So its numbers can serve as the prior's mean (*evidence*), and its 68 points
# can be averaged with dlib's (*joined*). On the unseen speakers of the evaluation, in pixels of a 224 picture and degrees; for *expression alone*, the
# fitted and the true expression are both put on the mean face, seen from the front, and the number is the median distance of their 68 points:

# %% tags=["nbval-ignore-output"]
from paperlib.results import read_results, select

scored_fits, _ = read_results("fitting")
order = {
    "detector_alone": "dlib's points themselves",
    "regressor_alone": "network alone, no landmarks",
    "landmarks": "fit to dlib's points",
    "measured_detector": "... offsets measured",
    "regressor_start": "... started by the network",
    "regressor_evidence": "... its numbers count as evidence",
    "regressor_fused": "... and its 68 points are joined with dlib's",
    "true_landmarks": "fit to the true points",
}
lines, people = [], set()
for name, text in order.items():
    cells = []
    for metric in ("lmk_px", "exp_px", "rotation_deg"):
        found_row = select(scored_fits, row=name, metric=metric)
        people |= {r.n for r in found_row}
        cells.append(f"{found_row[0].value:.2f} [{found_row[0].low:.2f}, {found_row[0].high:.2f}]" if found_row else "")
    lines.append(f"| {text} | " + " | ".join(cells) + " |")
label(
    "measured",
    f"Medians over {' or '.join(map(str, sorted(people)))} unseen rendered speakers with 95% intervals over speakers "
    "(data/results/fitting.json; `paperlib evaluate fitting`).\n\n"
    "| row | landmarks (px) | expression alone (px) | head rotation (degrees) |\n| --- | --- | --- | --- |\n" + "\n".join(lines),
)

# %% [markdown]
# The last row is the bound of a fit to landmarks: with exact ones the 68 points fit almost perfectly, but expression and rotation are still not
# exact. Starting from the network changes nothing; counting it as evidence does. On these faces the network alone already gets expression
# as well as any fit to dlib's points.

# %% [markdown]
# ## From pixels: skin and light
# With the geometry in place, skin colour and light come from the pixels of visible skin. `fit_appearance` does not take turns: both sets of
# numbers are unknowns of one Gauss-Newton problem, with a prior on each and a robust loss, so that beard, hair and hands fade out.

# %%
painted = fitting.fit_appearance(model, fit, clip.frames)
frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float() / 255
drawn = face_renderer.render(model, painted[chosen], size, background=frames[chosen], supersample=2).image[0]
i3d = [face_renderer.render_i3d(model, c[chosen : chosen + 1], size, supersample=2)[0] for c in (truth, painted)]
side = 64
grid = (torch.arange(side) + 0.5) / side * 2 - 1
x, y = torch.meshgrid(grid, -grid, indexing="xy")
ball = torch.stack([x, y, (1 - x**2 - y**2).clamp_min(0).sqrt()], -1).reshape(1, -1, 3)


def lit_ball(coeffs, albedo=0.7):
    """A grey matt ball under the light of coefficients (257,)."""
    colours = illumination.shade(torch.full((1, side * side, 3), albedo), ball, coeffs[None, SH]).reshape(side, side, 3)
    return torch.where((x**2 + y**2 <= 1)[..., None], colours.clamp(0, 1), torch.tensor(1.0)).numpy()


panels = [clip.frames[chosen], drawn, i3d[0], i3d[1], lit_ball(truth[chosen]), lit_ball(painted[chosen])]
show_strip(panels, ["frame", "fit drawn over it", "true I_3D", "fitted I_3D", "true light", "fitted light"], scale=1.2)

# %% [markdown]
# *Picture: the frame; the fitted face drawn over it, hard to tell from it; $I_{3D}$, the rendering of the face's skin on black, from true and from
# fitted numbers, alike; a ball in the true light and in the fitted light, which differ in brightness and tint.*
#
# Skin and light multiply, as 02 said. A brighter light with a darker skin is the same picture, and the fit settles between by its priors.
#
# Are the numbers themselves right? On this one clip:

# %% tags=["nbval-ignore-output"]
groups = {"identity": ID, "expression": EXP, "texture": TEX, "light": SH, "angles (rad)": ANGLES}
lines = [
    f"| {name} | {(painted - truth)[:, s].square().mean().sqrt():.3f} | {truth[:, s].square().mean().sqrt():.3f} |"
    for name, s in groups.items()
]
label(
    "measured",
    f"One embedded test clip, {len(clip)} frames, exact landmarks; root mean square over coefficients and frames, no interval from one clip."
    + "\n\n| group | error of the fit | size of the truth |\n| --- | --- | --- |\n"
    + "\n".join(lines),
)

# %% [markdown]
# Angles are recovered. Identity, expression and texture are recovered only in part, and light is worse than the guess 0, though the picture is
# right. That is enough for the renderer, which sees the *picture* $I_{3D}$, not the numbers. It is not enough for the loss of the speech
# network, equation (11), nor for a metric such as the average expression distance (AED): both compare coefficients.

# %% [markdown]
# ## Exercise 1: the null space
# Stack both bases at the 68 landmark vertices, $[B_{id}\; B_{exp}]$, 144 unknowns. Two numbers are seen per landmark. `jacobian` (136, 144)
# holds the derivative of the projected landmarks, in pixels of a 224 picture, by the 144 coefficients of the mean face. What is its rank, and
# how many dimensions of coefficients move no landmark at all?

# %%
pick = model.landmark_index
stacked = torch.cat([model.id_basis, model.exp_basis], -1).double()  # (V, 3, 144)


def project68(numbers):
    """The 68 projected landmarks (136,) of a face with 144 identity and expression numbers, looking straight ahead."""
    return camera.project(model.mean_shape[pick].double() + stacked[pick] @ numbers, 224).reshape(-1)


mean_face = torch.zeros(144, dtype=torch.float64)
jacobian = torch.func.jacrev(project68)(mean_face)
rank = int(torch.linalg.matrix_rank(jacobian))

# %% tags=["exercise"]
answer1_rank = None  # your turn: an integer
answer1_null = None  # an integer
check("exercise 1, rank", answer1_rank, rank, hint="np.linalg.matrix_rank")
check("exercise 1, null space", answer1_null, 144 - rank, hint="unknowns minus rank")

# %% tags=["solution"]
answer1_rank = int(np.linalg.matrix_rank(jacobian.numpy()))
answer1_null = jacobian.shape[1] - answer1_rank
check("exercise 1, rank", answer1_rank, rank)
check("exercise 1, null space", answer1_null, 144 - rank)

# %% [markdown]
# At least eight, whatever the mesh: 136 numbers cannot pin down 144. And that is with the pose known and without noise. The singular values
# say how far all 136 coordinates together (the root of the summed squares, in pixels) move for one standard deviation along each direction.
# If each coordinate has independent noise of one pixel, a direction above one is told more by the landmarks than by the prior.

# %%
_, singular, directions = torch.linalg.svd(jacobian)
fig, ax = plt.subplots(figsize=(6, 2.8))
ax.semilogy(range(1, len(singular) + 1), singular, linewidth=2)
ax.axhline(1, color=PALETTE[3], linestyle="--")
ax.text(136, 1.2, "noise of one pixel per coordinate", ha="right", fontsize=9, color=PALETTE[3])
ax.axvspan(136, 144, color="0.85")
ax.text(143, singular[0], "null space", ha="right", va="top", rotation=90, fontsize=9)
ax.set(xlabel="direction", ylabel="pixels per sd", xlim=(0, 144))
plt.show()
print("directions above one pixel: fewer than half of 144:", int((singular > 1).sum()) < 72)

# %% [markdown]
# *Picture: a curve that falls over five decades. Little more than a quarter of the directions lies above the dashed line at one pixel; below it
# the prior decides more than the picture. The grey strip at the right is the exact null space.*
#
# Two faces with the same 68 points, to the last digit: norm 5 to either side along the null direction that moves the face most. That is
# exaggerated, so that one sees it.

# %%
null = directions[rank:].T  # (144, 8)
skin = model.triangles[model.reconstruction_triangles].unique()
hidden = null @ torch.linalg.svd(stacked[skin].reshape(-1, 144) @ null, full_matrices=False).Vh[0]
print("no landmark moves by more than a millionth of a pixel:", bool((project68(5 * hidden) - project68(mean_face)).abs().max() < 1e-6))
travel = 100 * (stacked @ (5 * hidden)).norm(dim=1)
print("but the skin moves by more than 3 mm somewhere:", bool(travel[skin].max() > 3))
pair = torch.zeros(2, 257)
pair[:, SH.start : SH.stop : 9], pair[:, SH.start + 2 : SH.stop : 9], pair[:, SH.start + 3 : SH.stop : 9] = 0.1, 0.1, -0.1
pair[0, :144], pair[1, :144] = (-5 * hidden).float(), (5 * hidden).float()
sideways = pair.clone()
sideways[:, ANGLES.start + 1] = 0.7
heat = torch.full((len(travel), 3), 0.7)  # grey: not skin of the face
heat[skin] = torch.from_numpy(plt.get_cmap("cividis")((travel[skin] / travel[skin].max()).numpy())[:, :3]).float()
flat = torch.zeros(1, 257)
flat[:, SH.start : SH.stop : 9] = 1 / illumination.BAND0 - illumination.AMBIENT
white = torch.ones(3)
shown = face_renderer.render(model, torch.cat([pair, sideways]), 144, background=white, supersample=2).image
where = face_renderer.render(model, flat, 144, albedo=heat, background=white, supersample=2).image
show_strip([*shown, *where], ["one", "other", "one, turned", "other, turned", "where they differ"], scale=1.35)

# %% [markdown]
# *Picture: two faces with identical landmarks from the front, then turned, where their profiles part; last, where the skin differs, bright for
# most. Depth is what a frontal view hides.*
#
# ## Exercise 2: one frame or thirty
# A long chin or a lowered jaw? One frame cannot say. Thirty frames of the same person can say more: identity stays, the jaw moves.
# We fit thirty frames twice, with landmark noise of a third of a pixel: each alone (with its own identity), and together (with one identity).
# The **jaw error** is how far the fit's expression moves the chin up or down, minus how far it truly did, in mm: a constant part, which
# is identity taken for expression, and a part that changes from frame to frame.

# %%
chin = 100 * model.exp_basis[pick[8], 1]  # mm upwards per standard deviation
speakers = sorted({c.speaker for c in tests})[:4]
clips = [corpus.load(next(c for c in tests if c.speaker == s)) for s in speakers]
alone, together, chin_truth = [], [], []
for one in clips:
    spread = np.linspace(0, len(one) - 1, 30).round().astype(int)
    rows = torch.from_numpy(one.coeffs)[spread]
    noisy = one.lmk[spread] + np.random.default_rng(SEED).normal(0, 1 / 3, one.lmk[spread].shape)
    for errors, shared in ((alone, False), (together, True)):
        got = fitting.fit_landmarks(model, noisy, size, shared_identity=shared, smooth=0.0, offset=0)
        errors.append(((got - rows)[:, EXP] @ chin).double().numpy())
    chin_truth.append((rows[:, EXP] @ chin).numpy())
print(f"{len(clips)} clips of different speakers, {len(alone[0])} frames each")

# %%
some = max(1, profile.clips // 2)  # of the clips are drawn
fig, axes = plt.subplots(1, some, figsize=(4.5 * some + 1.5, 2.8), squeeze=False)
for ax, true, a, b in zip(axes[0], chin_truth, alone, together, strict=False):
    ax.plot(true, color="0.2", label="truth")
    ax.plot(true + a, "o", color=PALETTE[1], markersize=4, label="each frame alone")
    ax.plot(true + b, "--", color=PALETTE[0], label="one identity")
    ax.set(xlabel="frame, 30 of the clip", ylabel="chin, expression only (mm)")
axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %% [markdown]
# *Picture: the chin's height by expression over thirty frames. Single frames scatter widely; the joint fit follows the ups and downs of the truth more
# closely, but lies above it.*
#
# `alone[0]` and `together[0]` are the errors (30,) of the first clip. Split each into its mean (the constant part) and the standard deviation
# around it (the changing part). By which factor does one shared identity shrink the changing part?

# %% tags=["exercise"]
answer2 = None  # your turn: standard deviation alone over standard deviation together
check("exercise 2", answer2, np.std(alone[0]) / np.std(together[0]), tol=1e-3, hint="np.std, population form")

# %% tags=["solution"]
changing = [np.sqrt(((e - e.mean()) ** 2).mean()) for e in (alone[0], together[0])]
answer2 = changing[0] / changing[1]
check("exercise 2", answer2, np.std(alone[0]) / np.std(together[0]), tol=1e-3)

# %%
print("one identity shrinks the changing part in every clip:", all(np.std(b) < np.std(a) for a, b in zip(alone, together, strict=True)))
squares = [(e**2).mean() - e.mean() ** 2 - e.var() for e in (*alone, *together)]
print("mean square = constant part squared + changing part squared:", bool(np.abs(squares).max() < 1e-6))

# %% tags=["nbval-ignore-output"]
for name, errors in {"each frame alone": alone, "one identity": together}.items():
    print(f"constant part for each speaker (mm), {name}:", ", ".join(f"{e.mean():.1f}" for e in errors))

# %% [markdown]
# The changing part is what dubbing needs, and it is the part that more frames improve. The constant part is not reliably reduced, and can even grow:
# a person whose mouth always hangs a little open cannot be told from one with a longer chin by any number of frames from one side. That is why
# identity is fitted once per clip, and why corpora whose truth is a *fit* carry such an offset into training.

# %% [markdown]
# ## Three metrics, before any training
# The tables to come judge by LMD, SSIM and, here, mouth skill. We know the truth, so we can make mistakes of a known size and see what
# each metric notices.
#
# | metric | compares | good is | blind to |
# | --- | --- | --- | --- |
# | **LMD**, landmark distance | 20 mouth points, pixels | 0 | colour, teeth, everything between the points |
# | **SSIM** | local brightness, contrast and structure in 11 x 11 windows | 1 | small changes of brightness; and it dilutes: most windows hold no mouth |
# | **mouth skill** | squared error in the *mask*, against a frozen mouth | 1; 0 is "no better than not moving"; below 0 is worse | whether the picture is pretty |
#
# The *mask* is the region that a dub paints, from the cheeks to the chin. Later tables also give numbers at the *lips*, a box around them.
#
# $$\text{skill} = 1 - \frac{\text{MSE}(\text{prediction})}{\text{MSE}(\text{frozen mouth})}$$

# %%
show_source(geometry.lmd)
show_source(image.mouth_skill)

# %% [markdown]
# ### How far is the mouth open? Far too little, right, far too much
# We redraw the clip with its expression multiplied by $s$. $s = 0$ never moves, 1 is the truth, 2 overdoes it.

# %%
every = slice(0, None, 3)
who = world.draw_speaker(corpus.cfg.seed, clip.id.speaker)
detail = torch.from_numpy(world.skin_detail(who, model.mean_shape.numpy()))
albedo = (model.texture(truth[:1, TEX])[0].clamp(0, 1) * detail).clamp(0, 1)
backdrop = world.draw_background(corpus.cfg.seed, clip.id.speaker, clip.id.scene, size)
masks = torch.from_numpy(clip.masks())[every]


def film(coeffs):
    """The clip drawn from coefficients (T, 257) without camera noise: (T, 3, H, W)."""
    drawn = face_renderer.render(model, coeffs, size, albedo=albedo, background=backdrop, specular=0.06, supersample=2)
    return drawn.image.clamp(0, 1)


true_rows = truth[every]
target, target_lmk = film(true_rows), face_renderer.landmarks2d(model, true_rows, size)
still_rows = with_exp(true_rows, true_rows[:1, EXP])  # everything true, but the mouth of frame 0: the perfect frozen mouth
still = film(still_rows)
pasted = frozen_mouth(target.permute(0, 2, 3, 1).numpy(), clip.coeffs[every], masks.numpy())
pasted = torch.from_numpy(pasted).permute(0, 3, 1, 2).clamp(0, 1)


def score(pred, pred_lmk):
    """LMD (px), SSIM of the whole frame, SSIM of the mask, mouth skill; means over the frames."""
    whole, region = image.ssim(pred, target).mean(), image.ssim(pred, target, masks).mean()
    return [geometry.lmd(pred_lmk, target_lmk).mean(), float(whole), float(region), float(image.mouth_skill(pred, target, still, masks))]


factors = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0]
scored = []
for s in factors:
    rows = with_exp(true_rows, s * true_rows[:, EXP])
    scored.append(score(film(rows), face_renderer.landmarks2d(model, rows, size)))
scored = np.array(scored)
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.7))
axes[0].plot(factors, scored[:, 0], "o-", color=PALETTE[0])
axes[0].set(ylabel="LMD (px)")
axes[1].plot(factors, scored[:, 1], "o-", color=PALETTE[0], label="whole frame")
axes[1].plot(factors, scored[:, 2], "s--", color=PALETTE[3], label="mask")
axes[1].set(ylabel="SSIM")
axes[1].legend(loc="lower center")
axes[2].plot(factors, scored[:, 3], "o-", color=PALETTE[2])
axes[2].axhline(0, color="0.6", linewidth=1)
axes[2].set(ylabel="skill, mask")
for ax in axes:
    ax.set(xlabel="expression multiplied by")
plt.show()
print("all three are best at 1:", scored[:, 0].argmin() == 4 and (scored[:, 1:].argmax(0) == 4).all())
print(
    "a mouth that never moves: SSIM of the whole frame above 0.95:",
    bool(scored[0, 1] > 0.95),
    "| skill below 0.2:",
    bool(scored[0, 3] < 0.2),
)

# %% [markdown]
# *Picture: three curves over the factor. LMD is a V with its tip at 1. SSIM is a flat hill, flatter for the whole frame than for the mask. Skill falls
# from 1 to about 0 on the left and below 0 on the right.* The trap is on the left edge: a face that never opens its mouth has a high SSIM.
# Skill says what it is: nothing.
#
# ### What each metric sees
# Seven mistakes, one clip. The second is how a frozen mouth must be made when there is no model to redraw it: cut out of frame 0 and moved along
# with the head. On a head that turns, the cut-out no longer fits.

# %%
moved = true_rows.clone()
moved[:, TRANS.start] += 0.02  # 2 mm to the right
late = with_exp(true_rows, truth[:, EXP].roll(3, 0)[every])
still_lmk = face_renderer.landmarks2d(model, still_rows, size)
mistakes = {
    "frozen mouth": (still, still_lmk),
    "frozen, pasted": (pasted, still_lmk),
    "3 frames late": (film(late), face_renderer.landmarks2d(model, late, size)),
    "half open": (film(with_exp(true_rows, 0.5 * true_rows[:, EXP])), None),
    "head 2 mm aside": (film(moved), face_renderer.landmarks2d(model, moved, size)),
    "brighter by 5 %": ((target * 1.05).clamp(0, 1), target_lmk),
    "blurred": (torch.nn.functional.avg_pool2d(target, 3, 1, 1, count_include_pad=False), target_lmk),
}
half_lmk = face_renderer.landmarks2d(model, with_exp(true_rows, 0.5 * true_rows[:, EXP]), size)
table = np.array([score(pred, half_lmk if lmk is None else lmk) for pred, lmk in mistakes.values()])
widest = int(target_lmk[:, 66, 1].sub(target_lmk[:, 62, 1]).argmax())
show_strip([target[widest], *(pred[widest] for pred, _ in mistakes.values())], ["truth", *mistakes], columns=8, scale=1.0)
fig, axes = plt.subplots(1, 3, figsize=(9.5, 2.6), sharey=True)
for ax, column, name, colour in zip(axes, (0, 1, 3), ("LMD (px)", "SSIM, whole frame", "skill, mask"), PALETTE, strict=False):
    ax.barh(list(mistakes), table[:, column], color=colour)
    ax.set(xlabel=name)
axes[0].invert_yaxis()
axes[1].set(xlim=(table[:, 1].min() - 0.02, 1))
axes[2].axvline(0, color="0.3", linewidth=1)
axes[2].set(xlim=(-2.2, 1))
for line, skill in enumerate(table[:, 3]):
    if skill < -2:
        axes[2].text(-1.1, line, f"{skill:.0f}", color="white", ha="center", va="center", fontsize=9)
plt.show()

# %% [markdown]
# *Pictures: above, the widest open frame under the truth and seven mistakes; the pasted mouth has a torn cheek. Below, bars of the three metrics for
# each. LMD here uses the model's own points: the brighter and the blurred clip have the true ones, and the pasted mouth those of the redrawn one. A
# detector, as in the tables, errs on all three. SSIM punishes the shifted head and the blur more than the frozen mouth. Skill is zero for the
# frozen mouth by definition, about one half for the half-open one, negative for a shift of 2 mm, and off the scale for the pasted mouth.*
#
# Mind the second row. Outside this notebook nobody can redraw a clip, so the frozen mouth of the tables is the pasted one. Where heads move much, it is a far
# weaker opponent than the perfect one here, and a skill against it looks better than it is. Tables therefore keep clips with still heads apart from clips with
# strong motion.
#
# No metric is right alone. Tables 1 and 2 print several, by region, beside a frozen mouth.
#
# ## Exercise 3: a shift of (3, 4) pixels
# A prediction whose landmarks are all moved by 3 pixels right and 4 down. What do three definitions of "LMD" say: `mouth_px`, ours, and
# two published ones, `atvgnet_sum` and `vico_abs`?

# %%
shifted = target_lmk[:1] + torch.tensor([3.0, 4.0])
definitions = ("mouth_px", "atvgnet_sum", "vico_abs")
values = [float(geometry.lmd(shifted, target_lmk[:1], name)[0]) for name in definitions]

# %% tags=["exercise"]
answer3 = None  # your turn: three numbers, [mouth_px, atvgnet_sum, vico_abs]
check("exercise 3", answer3, values, tol=1e-3, hint="a distance; a sum after both mouths are centred; the mean of two absolute differences")

# %% tags=["solution"]
answer3 = [(3**2 + 4**2) ** 0.5, 0.0, (3 + 4) / 2]
check("exercise 3", answer3, values, tol=1e-3)

# %% [markdown]
# Three numbers for one mistake, each called "LMD" by somebody. `geometry.LMD_VARIANTS` lists more; ours is `mouth_px` and says so.
#
# ## Exercise 4: skill from decibels
# On one frame, a prediction has a PSNR of 31 dB inside the mask, and the frozen mouth 28 dB. What is the skill?

# %% tags=["exercise"]
answer4 = None  # your turn: PSNR = -10 log10(MSE)
check("exercise 4", answer4, 1 - 10 ** ((28 - 31) / 10), tol=1e-3, hint="3 dB are a factor of two in the squared error")

# %% tags=["solution"]
mse = {"prediction": 10 ** (-31 / 10), "frozen": 10 ** (-28 / 10)}
answer4 = 1 - mse["prediction"] / mse["frozen"]
check("exercise 4", answer4, 1 - 10 ** ((28 - 31) / 10), tol=1e-3)

# %% [markdown]
# ## A photograph
# No truth here, and a detector instead of exact landmarks: dlib's 68 points on a public-domain portrait by NASA (astronaut Eileen Collins), which
# scikit-image ships. The steps are those of a dub: detect, cut the crop that the model's camera expects, fit landmarks, fit pixels.

# %%
import skimage.data

from paperlib.media import cropping, detection

photo = skimage.data.astronaut()
found = detection.detect([photo], backend="dlib")
boxes = cropping.aligned_boxes(found.lmk, model.mean_shape[pick].numpy())
crop = cropping.crop_frame(photo, boxes[0], 192)
points = cropping.to_crop(found.lmk, boxes, 192)
astronaut = fitting.fit_appearance(model, fitting.fit_landmarks(model, points, 192), crop[None])
overlay = face_renderer.render(
    model, astronaut, 192, triangles=model.reconstruction_triangles, background=crop / np.float32(255), supersample=2
).image[0]
fig, axes = plt.subplots(1, 4, figsize=(7.0, 2.0))
axes[0].imshow(crop, extent=(0, 192, 192, 0))
axes[0].plot(*points[0].T, "+", color=PALETTE[6], markersize=4)
axes[0].plot(*face_renderer.landmarks2d(model, astronaut, 192)[0].T, ".", color=PALETTE[5], markersize=3)
axes[1].imshow(face_renderer.render_i3d(model, astronaut, 192, supersample=2)[0].permute(1, 2, 0))
axes[2].imshow(overlay.permute(1, 2, 0))
axes[3].imshow(lit_ball(astronaut[0], 0.3))
for ax, name in zip(axes, ("landmarks: dlib +, fit dots", "I_3D of the fit", "drawn over the photograph", "fitted light"), strict=True):
    ax.set_title(name)
    ax.axis("off")
plt.show()
residual = np.linalg.norm(face_renderer.landmarks2d(model, astronaut, 192)[0].numpy() - points[0], axis=1)
print("one face found:", bool(found.found.all()), "| mean landmark residual below 3 px of 192:", bool(residual.mean() < 3))
shade, plain = (model.texture(c)[0, skin].mean(0) for c in (astronaut[:, TEX], torch.zeros(1, 80)))
brightness = illumination.light_matrix(astronaut[:, SH])[0, 0] / illumination.AMBIENT
print(
    "the fitted skin is darker than the mean face's in every colour:", bool((shade < plain).all()),
    f"| its light is about {float(brightness.mean()):.0f} times as bright as the soft white one",
)  # fmt: skip

# %% [markdown]
# *Picture: the smiling portrait with detected and fitted landmarks; the 3D rendering of its fit, smiling, with black holes for eyes and mouth; the
# rendering laid over the photograph; the fitted light on a ball, drawn darker than the balls above (albedo 0.3, there 0.7). The light is not the
# studio's. The fit chose a much darker skin under a much brighter and slightly blue light: the product fits, the parts are wrong, as 02 warned.*
#
# And now she can say something. This is all that the first half of the paper does to a face: it replaces 64 numbers. What it looks like is
# the second half's business.


# %%
def speak(jawOpen, mouthPucker, smile):
    """The astronaut's expression replaced: actions instead of the fitted smile."""
    exp = model.actions_to_exp({"jawOpen": jawOpen, "mouthPucker": mouthPucker, "mouthSmileLeft": smile, "mouthSmileRight": smile})
    rows = torch.cat([with_exp(astronaut, exp), with_exp(astronaut, exp)])
    part = face_renderer.render(model, rows[:1], 192, triangles=model.reconstruction_triangles)
    whole = face_renderer.render(model, rows[1:], 192, background=crop / np.float32(255))
    show_strip([crop, part.image[0], whole.image[0]], ["photograph", "I_3D", "drawn over it"], scale=1.4)


explore(speak, jawOpen=(0.0, 1.0, 0.3), mouthPucker=(0.0, 1.0, 0.0), smile=(0.0, 1.0, 0.2))

# %% [markdown]
# *Picture: the photograph, the 3D rendering with another expression, and the model's whole head drawn over the photograph: the mouth is now open. Hair, skin
# texture and teeth are the model's own plain ones: a 3D face alone is no dub.*
#
# ## What can go wrong
# - **Fitted is not true.** A small landmark error proves a small landmark error. With known truth we saw coefficients off by a deviation under
#   landmarks exact to a tenth of a pixel.
# - **Fits to the target leak.** If the test clip's own $\beta$ is fitted and then rendered, the answer is in the input. Every table here says where
#   $\beta$ came from.
# - **Turned heads.** Detectors put jaw points on the outline, which slides over the skin. They count little in the fit, and less the more the head turns.
# - **Whole-frame scores.** They are mostly about hair and background, which nobody changed.
#
# **What is written**: nothing. **Next**: 04, speech and semantic images.
