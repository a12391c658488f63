# %% [markdown]
# # 01 The morphable model
# *A face is a mean plus a weighted sum of directions: 80 weights say who it is, 64 what it does, 80 what its skin is like.*
#
# **You need**: vectors and matrices; 00 for the big picture. **You learn**: equations (1) and (2), what a basis and a standard deviation
# of it look like, where the 68 landmarks sit, and how to ask the model for an expression.
#
# **Minutes**: read 35 · smoke 0.2 · classroom 0.2

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0

# %%
import matplotlib.pyplot as plt
import torch

from paperlib.face3d.coefficients import join, split
from paperlib.face3d.face_renderer import landmarks2d, render
from paperlib.face3d.illumination import AMBIENT, BAND0
from paperlib.face3d.landmarks import INNER_PAIRS, lip_opening
from paperlib.face3d.morphable_model import PARTS, MorphableModel, default_model
from paperlib.notebook import PALETTE, check, explore, setup, show_figure, show_source, show_strip

profile = setup(PROFILE, SEED)
model = default_model()

# %% [markdown]
# ## Why dubbing starts with a mesh
# The paper never asks a network to paint lips straight from sound. It first describes the face of every frame by 257 numbers. Speech
# changes 64 of them, the expression. Everything else, who it is, how the head is turned, how it is lit, stays as it was filmed.
# That separation is the whole idea of the first half of the paper, and it comes from two sums:
#
# $$S = \bar S + B_{id}\,\alpha + B_{exp}\,\beta \tag{1}$$
# $$T = \bar T + B_{tex}\,\delta \tag{2}$$
#
# | symbol | name here | size | meaning |
# | --- | --- | --- | --- |
# | $S$ | `verts` | $V \times 3$ | where every vertex is, in units of 10 cm |
# | $\bar S, \bar T$ | `mean_shape`, `mean_tex` | $V \times 3$ | the mean face: places, and RGB skin colour |
# | $B_{id}, \alpha$ | `id_basis`, `id_coeff` | $V \times 3 \times 80$, 80 | identity: who it is |
# | $B_{exp}, \beta$ | `exp_basis`, `exp_coeff` | $V \times 3 \times 64$, 64 | expression: what the face does. **Speech predicts only this** |
# | $B_{tex}, \delta$ | `tex_basis`, `tex_coeff` | $V \times 3 \times 80$, 80 | texture: the colour of the skin without light |
#
# The other 33 numbers are six of pose and 27 of light: notebook 02.

# %%
print(f"the mesh: {len(model.mean_shape)} vertices, {len(model.triangles)} triangles, {len(model.landmark_index)} landmarks")
sizes = {name: part.shape[-1] for name, part in split(torch.zeros(1, 257))._asdict().items()}
print("one frame:", " + ".join(f"{n} {name}" for name, n in sizes.items()), "=", sum(sizes.values()))
counts = torch.bincount(model.triangle_part, minlength=len(PARTS)).tolist()
print("triangles by part:", ", ".join(f"{part} {n}" for part, n in zip(PARTS, counts, strict=True)))

# %% [markdown]
# This mesh is ours: MakeHuman's CC0 head, cut, resampled and given the paper's sizes. The paper uses the Basel Face Model 2009, whose licence
# does not allow shipping it. The linear algebra is the same; a coefficient of one model means nothing in the other.
#
# Both equations are one line of code each:

# %%
show_source(MorphableModel.shape)
show_source(MorphableModel.texture)

# %% [markdown]
# **Check.** Multiply out (1) by hand for one vertex, and see that the library agrees. Then see that (1) is linear: the displacement of two
# expressions together is the sum of their displacements.

# %%
g = torch.Generator().manual_seed(SEED)
alpha, beta, other = torch.randn(1, 80, generator=g), torch.randn(1, 64, generator=g), torch.randn(1, 64, generator=g)
i = int(model.landmark_index[8])  # the chin
by_hand = model.mean_shape[i] + sum(model.id_basis[i, :, k] * alpha[0, k] for k in range(80))
by_hand = by_hand + sum(model.exp_basis[i, :, k] * beta[0, k] for k in range(64))
print("equation (1) at the chin, by hand and by the library:", torch.allclose(by_hand, model.shape(alpha, beta)[0, i], atol=1e-5))

still = torch.zeros(1, 80)
moved = [model.shape(still, b) - model.mean_shape for b in (beta, other, beta + other)]
print("two expressions add up:", torch.allclose(moved[0] + moved[1], moved[2], atol=1e-5))

# %% [markdown]
# ## Looking at a face
# To see $S$ and $T$ we need a camera and a light. Notebook 02 builds both. Here a helper hides them.


# %%
def row(id_coeff=None, exp_coeff=None, tex_coeff=None, turn=0.0, flat=False):
    """All 257 numbers (1, 257) of one face: what is not given is zero. `flat`: a light without shading, to show colours as they are."""
    group = {"id_coeff": id_coeff, "exp_coeff": exp_coeff, "tex_coeff": tex_coeff}
    filled = {k: torch.zeros(1, sizes[k]) if v is None else v.reshape(1, -1) for k, v in group.items()}
    light = torch.zeros(1, 3, 9)
    light[..., 0] = 1 / BAND0 - AMBIENT if flat else 0.05
    light[..., 1], light[..., 2] = (0, 0) if flat else (-0.12, 0.16)
    return join(**filled, angles=torch.tensor([[0.0, turn, 0.0]]), sh_coeff=light.reshape(1, 27), trans=torch.zeros(1, 3))


def one(size, index, value):
    """A coefficient vector (1, size) that is zero but for one entry."""
    vector = torch.zeros(1, size)
    vector[0, index] = value
    return vector


def picture(coeffs, size=128, albedo=None):
    """(H, W, 3) picture of a face on light grey."""
    back = torch.tensor([0.93, 0.93, 0.93])
    return render(model, coeffs, size, albedo=albedo, background=back, supersample=2).image[0].permute(1, 2, 0).numpy()


show_figure("identities", width=800, quality=75)

# %% [markdown]
# *Picture: 21 speakers of this book's corpus, women and men by turns, in three rows. They differ in the shape of the head, in skin, eyes, hair
# and brows. Each is a draw of $\alpha$ and $\delta$ from a normal distribution; no such person exists.*
#
# Nobody was picked: they are the first of the test set. One thing is not left to chance. A normal draw seldom looks like a woman or a
# man, it looks like something in between. So the model also keeps, as `sex_axes`, the way from an average woman to an average man, one vector for
# $\alpha$ and one for $\delta$; a speaker is drawn freely across it and placed along it by the sex of the voice.

# %%
shape_axis, skin_axis = model.sex_axes
places = {"average woman": -0.5, "mean": 0.0, "average man": 0.5}
show_strip([picture(row(k * shape_axis, None, k * skin_axis)) for k in places.values()], titles=list(places), scale=1.2)
print(f"the way from her to him: {shape_axis.norm():.1f} standard deviations of shape, {skin_axis.norm():.1f} of skin")

# %% [markdown]
# *Picture: three heads. From left to right neck and jaw widen, the brows grow heavy, and the lips thin out and lose their red.*
#
# ## The bases, direction by direction
# Columns of a basis are ordered by how much of the training heads' variation they carry. They are scaled, so that a coefficient of 1 is
# **one standard deviation**. So $\alpha_1 = 2$ is a head that one in forty heads exceeds, and a face with all coefficients near zero is plain.
# For expression there are no training heads: how far each action varies is assumed, when the model is built.

# %%
GROUPS = {"id_coeff": 80, "exp_coeff": 64, "tex_coeff": 80}


def plus_and_minus(name, amount, first=3, size=96):
    """Columns 0..first-1 of a basis at -amount and +amount standard deviations."""
    rows = [row(**{name: one(GROUPS[name], k, s * amount)}) for k in range(first) for s in (-1, 1)]
    titles = [f"{k}: {s}{amount:g} sd" for k in range(first) for s in "-+"]
    show_strip([picture(c, size) for c in rows], titles, suptitle=name)


plus_and_minus("id_coeff", 3.0)
plus_and_minus("exp_coeff", 2.0)
plus_and_minus("tex_coeff", 2.0)

# %% [markdown]
# *Picture: three rows of six heads. First row, identity at 3 deviations: 0 runs from a broad neck and jaw to a narrow face under full hair, 1
# and 2 make the face long or wide. Second row, expression: 0 opens the jaw, its other sign pushes the lips up against the nose; 1 pulls the
# mouth sideways, 2 purses it. Third row, texture: 0 is the tone of the skin; 1 and 2 change brows, lips and hair.*
#
# Names for directions are easily wrong, so let us ask the numbers. The cosine of two vectors says how much they point the same way.

# %%
cosine = torch.nn.functional.normalize(model.action_coeff, dim=1)  # (actions, 64): direction k is unit vector k
for k in range(3):
    best = cosine[:, k].abs().topk(3).indices.tolist()
    print(f"expression {k} is most like", ", ".join(f"{model.action_names[b]} ({cosine[b, k]:+.2f})" for b in best))
along = (shape_axis[:3] / shape_axis.norm()).square()
print("share of the squared length from woman to man:", ", ".join(f"identity {k} {share:.0%}" for k, share in enumerate(along)))

# %% [markdown]
# Columns have no natural sign: a jaw that opens towards minus opens towards plus in another build of the same model.
#
# One column is never one muscle and never one feature. Principal components are directions of common change, mixed together.
#
# ### How many directions are enough?
# The deviations $\sigma_k$ are kept in the model. The first $n$ columns explain $\sum_{k \le n} \sigma_k^2 / \sum_k \sigma_k^2$ of the kept
# variance.

# %%
deviations = {"identity": model.id_std, "expression": model.exp_std, "texture": model.tex_std}
explained = {name: (std.double() ** 2).cumsum(0) / (std.double() ** 2).sum() for name, std in deviations.items()}
fig, ax = plt.subplots(figsize=(6, 2.8))
for (name, share), style in zip(explained.items(), ("-", "--", ":"), strict=True):
    ax.plot(range(1, len(share) + 1), share, style, label=name, linewidth=2)
ax.axhline(0.9, color="0.6", linewidth=1)
ax.set(xlabel="directions used", ylabel="share of variance", ylim=(0, 1.02))
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# *Picture: three rising curves. Texture saturates first, expression next, identity is the slowest: heads differ in many small ways.
# Expression's curve rests on the assumed spread of the actions.*
#
# ## Exercise 1: how many for 90 per cent?
# How many identity directions are needed for at least 90 % of the kept identity variance?

# %% tags=["exercise"]
answer1 = None  # your turn: an integer, from explained["identity"]
check("exercise 1", answer1, int((explained["identity"] < 0.9).sum()) + 1, hint="count the ones below 0.9, then one more")

# %% tags=["solution"]
answer1 = next(n for n, share in enumerate(explained["identity"], start=1) if share >= 0.9)
check("exercise 1", answer1, int((explained["identity"] < 0.9).sum()) + 1)

# %% [markdown]
# ## Turn the knobs
# Move one identity and one expression coefficient at a time. With 0 everywhere you see the mean face. Beyond 3 the face stops being likely:
# nothing in (1) forbids it.


# %%
def face(identity, id_value, expression, exp_value, turn):
    """Two pictures: the face with one identity and one expression coefficient set, from the front and turned."""
    both = {"id_coeff": one(80, identity, id_value), "exp_coeff": one(64, expression, exp_value)}
    show_strip([picture(row(**both)), picture(row(**both, turn=turn))], titles=["front", "turned"], scale=1.35)


explore(face, identity=(0, 79, 0), id_value=(-4.0, 4.0, 2.0), expression=(0, 63, 0), exp_value=(-4.0, 4.0, -1.5), turn=(-0.8, 0.8, 0.5))

# %% [markdown]
# *Picture: one head from the front and turned. Sliders choose the direction and its amount.*
#
# Directions make poor handles. The next sliders are better ones: places along `sex_axes` and along the darkest direction of skin for who it is, and
# for what it does named actions, which the next section explains.


# %%
def person(man, skin, jaw, smile, brows, gaze, turn):
    """One head. man: from woman to man. skin: pale to dark. brows: down to up. gaze: to the picture's left or right."""
    eyes = ("eyeLookInRight", "eyeLookOutLeft") if gaze > 0 else ("eyeLookInLeft", "eyeLookOutRight")
    lifted = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight") if brows > 0 else ("browDownLeft", "browDownRight")
    weights = dict.fromkeys(eyes, abs(gaze)) | dict.fromkeys(lifted, abs(brows))
    weights |= {"jawOpen": jaw, "mouthSmileLeft": smile, "mouthSmileRight": smile}
    tone = -skin * model.tex_basis[..., 0].mean().sign()  # the sign of a direction is an accident
    coeffs = row(man * shape_axis, model.actions_to_exp(weights), man * skin_axis + one(80, 0, tone), turn)
    show_strip([picture(coeffs, 160)], scale=1.7)


explore(
    person, man=(-1.5, 1.5, -0.6), skin=(-2.0, 2.0, 0.5), jaw=(0.0, 1.0, 0.15), smile=(0.0, 1.0, 0.6), brows=(-1.0, 1.0, 0.6),
    gaze=(-1.0, 1.0, 0.8), turn=(-0.8, 0.8, -0.25),
)  # fmt: skip

# %% [markdown]
# *Picture: a woman with lifted brows who smiles and looks out of the corners of her eyes. Sliders change who she is and what she does.*
#
# ## Actions: directions with names
# Animators think in actions: open the jaw, pucker the lips. The model stores, for each of its named actions, the $\beta$ that performs it.
# Every mix of actions is therefore a $\beta$. The reverse is not true: some of the 64 directions are no mix of actions. The cell counts them.

# %%
NAMED = ["jawOpen", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft"]
rank, directions = int(torch.linalg.matrix_rank(model.action_coeff)), model.action_coeff.shape[1]
print(f"{len(model.action_names)} actions, {directions} directions, rank {rank}: {directions - rank} directions are no mix of actions")
show_strip([picture(row(exp_coeff=model.actions_to_exp({name: 1.0}))) for name in NAMED], titles=NAMED)

# %% [markdown]
# *Picture: six heads, each doing one action in full. Actions named "Left" move the person's own left side, the picture's right.*
#
# Speech asks for several actions at once. Sounds that look alike share a **viseme**; notebook 04 turns a sentence into a row of them. Here is
# one face that holds sixteen of them still, and eight things that faces do besides:

# %%
show_figure("expressions", width=780, quality=72)

# %% [markdown]
# *Picture: one face 24 times, each with a name. First row: rest and consonants. PP shuts the lips, FF tucks the lower one under the teeth, SH and
# RR push the lips forward. Second row: vowels, AA, AE and AO with a lowered jaw, IY with wide lips, OW and UW with a small round opening.
# Third row: smile, laugh, frown, anger, surprise, blink, gaze aside and up.*
#
# ## Where does a coefficient act?
# A displacement map paints every vertex with the distance it travels. It answers what a number cannot: *which part of the face does
# this direction move?*


# %%
def travel(before, after):
    """Distance (V,) in mm that each vertex moves between two rows of coefficients."""
    a, b = (model.shape(c.id_coeff, c.exp_coeff)[0] for c in (split(before), split(after)))
    return (a - b).norm(dim=1) * 100  # one unit is 10 cm


def displacement_maps(cases, size=144):
    """One head per case, coloured by the travel of its vertices, on one scale."""
    maps = {name: travel(row(), after) for name, after in cases.items()}
    top = max(float(m.max()) for m in maps.values())
    fig, axes = plt.subplots(1, len(cases), figsize=(1.6 * len(cases) + 0.8, 1.9))
    for ax, (name, after) in zip(axes, cases.items(), strict=True):
        colours = torch.from_numpy(plt.get_cmap("cividis")(maps[name].numpy() / top)[:, :3]).float()
        groups = split(after)
        ax.imshow(picture(row(groups.id_coeff, groups.exp_coeff, flat=True), size, colours))
        ax.set_title(name)
        ax.axis("off")
    scale = plt.cm.ScalarMappable(plt.Normalize(0, top), "cividis")
    fig.colorbar(scale, ax=axes, label="travel (mm)")
    plt.show()


displacement_maps({
    "jawOpen 0.5": row(exp_coeff=model.actions_to_exp({"jawOpen": 0.5})),
    "mouthPucker 1": row(exp_coeff=model.actions_to_exp({"mouthPucker": 1.0})),
    "identity 0: +2 sd": row(id_coeff=one(80, 0, 2.0)),
})  # fmt: skip

# %% [markdown]
# *Picture: three heads, dark where nothing moves and bright where vertices travel far. The jaw action lights up the chin and fades towards the
# ears; the pucker stays around the lips; the identity direction moves neck, shoulders and the outline of the head.*
#
# **Check.** An action of the mouth must leave the forehead alone: the brows travel less than a hundredth of the chin's way.

# %%
way = travel(row(), row(exp_coeff=model.actions_to_exp({"jawOpen": 1.0})))[model.landmark_index]
print("brows over chin below 1 %:", bool(way[17:27].max() < 0.01 * way[8]))

# %% [markdown]
# ## The 68 points
# Detectors do not see thousands of vertices. They see 68 landmarks: the jaw line, brows, nose, eyes and lips, in the order of the iBUG 300-W data
# set. The model marks 68 of its vertices as these points. They tie pictures to the mesh: for the loss on projected landmarks
# in notebook 05, for the fit of notebook 03, for the landmark distance of every table.

# %%
PARTS_68 = {"jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "lips": (48, 68)}
smile = model.actions_to_exp({"jawOpen": 0.5, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5})
fig, axes = plt.subplots(1, 2, figsize=(4.8, 2.3))
for ax, (name, coeffs) in zip(axes, {"smile, jaw open": row(exp_coeff=smile), "turned": row(turn=0.6)}.items(), strict=True):
    points = landmarks2d(model, coeffs, 192)[0]
    ax.imshow(picture(coeffs, 192), extent=(0, 192, 192, 0))
    for (part, (a, b)), colour, marker in zip(PARTS_68.items(), PALETTE, "osD^v", strict=False):
        ax.plot(*points[a:b].T, marker, color=colour, markersize=3, label=part, markeredgecolor="white", markeredgewidth=0.3)
    ax.set_title(name)
    ax.axis("off")
axes[0].legend(loc="upper left", bbox_to_anchor=(-0.52, 1.0), markerscale=2)
plt.show()

# %% [markdown]
# *Picture: two heads with 68 markers, a different shape for each group: circles on the jaw, squares on the brows, diamonds on the nose,
# triangles on eyes and lips. On the turned head the far jaw points lie on skin that the camera barely sees: the outline that a detector
# follows is somewhere else.*
#
# One length matters more than all others in this book: how far the lips are open.

# %%
show_source(lip_opening)


# %%
def opening(action, weights):
    """Lip opening in mm along an action."""
    exp = torch.stack([model.actions_to_exp({action: float(w)})[0] for w in weights])
    return lip_opening(model.landmarks(model.shape(torch.zeros(len(exp), 80), exp))) * 100


weights = torch.linspace(0, 1, 21)
fig, ax = plt.subplots(figsize=(6, 2.8))
for name, style in zip(("jawOpen", "mouthFunnel", "mouthPucker", "mouthSmileLeft"), ("-", "--", ":", "-."), strict=True):
    ax.plot(weights, opening(name, weights), style, label=name, linewidth=2)
ax.set(xlabel="weight of the action", ylabel="lip opening (mm)")
ax.legend()
plt.show()

# %% [markdown]
# *Picture: four lines of lip opening against the weight of an action. The jaw's line is by far the steepest. Lines bend near zero, because a
# distance has no sign: the inner lips of the closed mouth lie one behind the other, two or three millimetres apart.*
#
# ## Exercise 2: the smallest expression that opens the lips 8 mm
# Take the *vertical* gap instead of the distance: the mean over the three facing pairs of inner lip points of the upper point's height
# minus the lower one's, in mm. It is a linear function of the expression, $g(\beta) = g_0 + w^\top \beta$. Many $\beta$ open the mouth by
# 8 mm. Under the model's Gaussian prior the most likely one is the one with the smallest norm. Find it.

# %%
pick = model.landmark_index
height = 100 * model.exp_basis[pick, 1].double()  # (68, 64): mm upwards per standard deviation
rest = 100 * model.mean_shape[pick, 1].double()  # (68,)
w = torch.stack([height[a] - height[b] for a, b in INNER_PAIRS]).mean(0)
g0 = torch.stack([rest[a] - rest[b] for a, b in INNER_PAIRS]).mean()


def gap(beta):
    """The vertical gap in mm for an answer (64,), or None while there is none."""
    return None if beta is None else g0 + w @ torch.as_tensor(beta).double()


# %% tags=["exercise"]
answer2 = None  # your turn: a vector of 64 numbers with g0 + w @ answer2 = 8 and the smallest norm
check("exercise 2, gap in mm", gap(answer2), 8.0, tol=1e-3)
check(
    "exercise 2, norm",
    None if answer2 is None else torch.as_tensor(answer2).double().norm(),
    torch.linalg.lstsq(w[None], (8 - g0).reshape(1, 1), driver="gelsd").solution.norm(),
    tol=1e-6,
    hint="a part of beta at right angles to w opens nothing but costs norm",
)

# %% tags=["solution"]
answer2 = w * (8 - g0) / (w @ w)
check("exercise 2, gap in mm", gap(answer2), 8.0, tol=1e-3)
smallest = torch.linalg.lstsq(w[None], (8 - g0).reshape(1, 1), driver="gelsd").solution.norm()
check("exercise 2, norm", answer2.norm(), smallest, tol=1e-6)

# %% [markdown]
# Compare it with the jaw alone, opened until the same gap. The picture states both norms.

# %%
jaw = model.actions_to_exp({"jawOpen": 1.0})[0].double()
jaw = jaw * (8 - g0) / (w @ jaw)
least = torch.linalg.pinv(w[None])[:, 0] * (8 - g0)
cases = {f"smallest, norm {least.norm():.2f}": least, f"jawOpen, norm {jaw.norm():.2f}": jaw}
show_strip([picture(row(exp_coeff=b.float()), 144) for b in cases.values()], titles=list(cases), scale=1.5)
print("both open 8 mm:", all(abs(float(gap(b)) - 8) < 1e-6 for b in (least, jaw)))
print("the smallest has the smaller norm:", bool(least.norm() < jaw.norm()))

# %% [markdown]
# *Picture: two mouths opened by the same 8 mm. The smallest expression shares the work between jaw and lips; the jaw alone needs
# a larger norm.* A network trained with a *squared* penalty on $\beta$ leans the same way: it prefers the cheap expression to the anatomical one.
#
# ## Exercise 3: can an identity pretend to speak?
# The two bases in (1) are added. If their columns were at right angles on the mesh, no identity could imitate an expression, not even in part.
# They are not. Which share of the squared travel of `jawOpen` can identity directions imitate, if all vertices count alike?
# (Project the displacement onto the span of $B_{id}$; answer with a number between 0 and 1, to three digits.)

# %%
displacement = (model.exp_basis @ model.actions_to_exp({"jawOpen": 1.0})[0]).reshape(-1).double()
identities = model.id_basis.reshape(-1, 80).double()
q, _ = torch.linalg.qr(identities)
imitated = float((q.T @ displacement).square().sum() / displacement.square().sum())

# %% tags=["exercise"]
answer3 = None  # your turn: use identities (3V, 80) and displacement (3V,)
check("exercise 3", answer3, imitated, tol=1e-3, hint="least squares first; then the fitted part's squared norm over the whole's")

# %% tags=["solution"]
fitted = identities @ torch.linalg.lstsq(identities, displacement[:, None]).solution[:, 0]
answer3 = float(fitted.square().sum() / displacement.square().sum())
check("exercise 3", answer3, imitated, tol=1e-3)

# %% [markdown]
# Least squares takes any weights it likes, and what comes out is no person. A fit with the prior keeps the weights near a few deviations.
# The ridge below is the mildest of eleven that holds every weight within 2.5.

# %%
gram, moment = identities.T @ identities, identities.T @ displacement
ridges = torch.logspace(-6, 4, 11, dtype=torch.float64)
fits = [torch.linalg.solve(gram + ridge * torch.eye(80), moment) for ridge in ridges]
kept = next(a for a in fits if a.abs().max() <= 2.5)
share = 1 - (identities @ kept - displacement).square().sum() / displacement.square().sum()
cases = {
    "jaw open": row(exp_coeff=model.actions_to_exp({"jawOpen": 1.0})),
    f"any identity: {imitated:.0%}": row(id_coeff=fits[0].float()),
    f"ridge, within 2.5 sd: {share:.0%}": row(id_coeff=kept.float()),
}
show_strip([picture(c, 128) for c in cases.values()], titles=list(cases), scale=1.4)
print("this ridge costs more than a fifth of the imitation:", bool(share < 0.8 * imitated))

# %% [markdown]
# *Picture: the open jaw, the identity that imitates it best (monstrous lips, no person), and a likely one: the ridge's, with weights within 2.5
# deviations (a longer chin and full lips).* The prior is what tells a long chin from a lowered jaw, and it only tells what is *likely*. Notebook 03 meets this again,
# with 68 points in a picture instead of thousands of vertices in space, and there the ambiguity is far larger.
#
# ## What can go wrong
# - **Coefficients travel badly.** $\beta$ of one model, one scaling or one paper is a different thing in another. An "average
#   expression distance" is meaningful only together with its basis; notebook 09 gives it in millimetres.
# - **The prior is not a fence.** Equation (1) happily returns a face with a coefficient of 20. Whoever predicts $\beta$ must keep it sane.
# - **Straight lines.** A real jaw turns around a hinge. A linear model moves the chin on a straight line, so wide openings come out slightly wrong.
# - **No wrinkles, no wet lips, a tongue that only goes out and in.** What is not in the basis cannot be in $S$. The renderer of notebooks 06 and
#   07 exists to add it.
#
# **What is written**: nothing; this notebook only reads the shipped model. **Next**: 02, the camera, the light and the picture.
