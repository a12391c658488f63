# %% [markdown]
# # 07 Training the renderer
# *Ten loss terms and three stages teach the renderer to paint. Whether it has learned to **speak**, only a comparison with a frozen mouth can say.*
#
# **You need**: 06. **You learn**: what each loss looks at, why one equation cannot be trained as printed, staged training, and how to
# read a result without fooling yourself. Equations (23) to (32).
#
# **Minutes**: read 40 · smoke 0.6 · classroom 2

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0

# %%
import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import torch

from paperlib import weights
from paperlib.config import load_profile
from paperlib.corpus.banks import collate, render_bank, render_item, to_float
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation.controls import frozen_mouth
from paperlib.face3d.landmarks import lip_opening
from paperlib.notebook import PALETTE, check, label, results_table, setup, show_source, show_strip
from paperlib.training import checkpoints

profile = setup(PROFILE, SEED)
plt.rcParams["image.interpolation"] = "nearest"  # show pixels as they are

# %% [markdown]
# ## One truth, four ways to be wrong
# A loss is a question put to a picture: *what is wrong with you?* To hear what each one asks, we take one true frame and spoil its lower face in four ways.
#
# - **frozen**: the mouth of another moment. Sharp, plausible, and the wrong sound
# - **blurred**: the right mouth, without detail
# - **moved**: the right mouth, two pixels to the side
# - **darker**: the right mouth, in bad light

# %%
corpus = Corpus(load_profile("classroom").corpus)
clip = corpus.load(next(c for c in corpus.clips("test") if c.test_set == "strong head motion"))
item, opening = render_item(clip), lip_opening(clip.lmk)
target_at = int(np.argmax(opening))
reference_at = min((i for i in range(len(clip)) if abs(i - target_at) >= 25), key=lambda i: opening[i])
batch = collate([(item, target_at, reference_at)])
truth, mask, size = batch.target, batch.mask, batch.target.shape[-1]

from paperlib.models.flow import warp


def inside(picture):
    """`picture` in the mask, the truth elsewhere."""
    return mask * picture + (1 - mask) * truth


def constant_flow(x, y=0.0):
    """The same flow at every pixel, (1, 2, H, W)."""
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, size, size)


still = frozen_mouth(clip.frames.astype(np.float32) / 255, clip.coeffs, clip.masks(), index=reference_at)[target_at]
wrong = {
    "frozen": torch.from_numpy(still).movedim(-1, 0)[None],
    "blurred": inside(torch.nn.functional.avg_pool2d(truth, 5, 1, 2)),
    "moved": inside(warp(truth, constant_flow(2.0))),
    "darker": inside(0.85 * truth),
}

# %% [markdown]
# *Picture: the truth and its four wrong versions. Only the lower face differs.*

# %%
show_strip([truth[0], *(p[0] for p in wrong.values())], ["truth", *wrong], scale=1.6)

# %% [markdown]
# ## Pixels and structure, (23) and (24)
# $$L_{rec}^i = \lVert I_t - I_i \rVert_1, \qquad L_{rec}^e = \operatorname{mean}_{\Omega_c} |I_t - I_e| \tag{23}$$
# $$L_{SSIM}^{i,e} = 1 - \mathrm{SSIM}(I_t, I_{i,e}) \tag{24}$$
#
# $I_i$ is the inpainted result, $I_e$ the repaired warp of 06, $\Omega_c$ the crop region (never defined in the paper; here: the mask). One half of (23) is printed as a sum,
# the other as a mean. At full size that is a large factor, and no weight is given that would undo it. Here both are means.

# %%
from paperlib.losses.reconstruction import rec_loss, rec_loss_printed, rec_loss_region, ssim_loss

show_source(rec_loss_region)
show_source(ssim_loss)
factor = float(rec_loss_printed(wrong["moved"], truth) / rec_loss(wrong["moved"], truth))
print(f"printed sum / mean at {size} x {size}: {factor:.0f} = 3 x {size} x {size}; per colour at 192 x 192: {192 * 192:,}")

# %% [markdown]
# *Picture: what (23) and (24) see. First row: absolute difference, averaged over colours. Second row: 1 - SSIM at each pixel. The pixel loss minds the darkness most,
# everywhere a little. SSIM sees only its edge: structure is what it compares, and a movement of two pixels costs it much more.*

# %%
from paperlib.metrics.image import ssim_map

fig, axes = plt.subplots(2, 4, figsize=(7.2, 3.9))
for column, (name, picture) in enumerate(wrong.items()):
    axes[0, column].imshow((picture - truth).abs().mean(1)[0], vmin=0, vmax=0.25)
    axes[1, column].imshow(1 - ssim_map(picture, truth).mean(1)[0], vmin=0, vmax=1)
    axes[0, column].set_title(f"{name}: |difference|")
    axes[1, column].set_title("1 - SSIM")
for ax in axes.flat:
    ax.axis("off")
plt.show()
print("a picture costs nothing against itself:", float(rec_loss(truth, truth)) == 0 and abs(float(ssim_loss(truth, truth))) < 1e-6)

# %% [markdown]
# ## The critic, (25) and (26)
# A second network $D$ learns to tell true pictures from made ones; the renderer learns to please it (Wasserstein GAN with gradient penalty):
#
# $$L_{wgan}^{i,e} = -\mathbb{E}[D(I_{i,e})] \tag{25}$$
# $$\max_D \; \mathbb{E}[D(I_t)] - \mathbb{E}[D(I_i)] - \mathbb{E}[D(I_e)] - \lambda_{gp} \mathbb{E}_{\hat x}\big(\lVert \nabla D(\hat x) \rVert_2 - 1\big)^2, \quad \hat x = \epsilon I_t + (1 - \epsilon) I_g \tag{26}$$
#
# That is (26) **as printed**, and it has no maximum. There are two made pictures and one true one. Subtract a constant from every score: the first term loses it once, the other two win it
# twice, and the gradient does not change. So $D$ can always do better by sinking. The cure is to count the true picture once for each made one: $2\,\mathbb{E}[D(I_t)]$.

# %%
from paperlib.losses.adversarial import critic_loss, critic_objective, critic_objective_printed, generator_loss, gradient_penalty

show_source(critic_objective_printed)
show_source(critic_objective)
show_source(generator_loss)

# %% [markdown]
# **Before you run**: a small critic, mouths of one clip as true pictures, frozen and blurred mouths as made ones. Write down what the score of the *true* pictures will do under each form.

# %% tags=["nbval-ignore-output"]
from paperlib.losses.perceptual import crop_resize
from paperlib.models.critic import Critic

picks = list(range(0, len(clip), 12))
true_mouths = crop_resize(to_float(item.frames[picks]), item.mouth[picks], 24)
frozen_mouths = true_mouths[:1].expand_as(true_mouths).contiguous()
blurred_mouths = torch.nn.functional.avg_pool2d(true_mouths, 5, 1, 2)


def train_critic(printed, steps=110):
    """Mean score of the true mouths after each step, under the printed objective or the bounded one."""
    torch.manual_seed(SEED)
    critic, generator, scores = Critic(base=8, layers=3), torch.Generator().manual_seed(SEED), []
    optimiser = torch.optim.Adam(critic.parameters(), 1e-3, betas=(0.5, 0.9))
    for _ in range(steps):
        if printed:
            penalty = (gradient_penalty(critic, true_mouths, frozen_mouths, generator) + gradient_penalty(critic, true_mouths, blurred_mouths, generator)) / 2
            loss = 10 * penalty - critic_objective_printed(critic(true_mouths), critic(frozen_mouths), critic(blurred_mouths))
        else:
            loss = critic_loss(critic, true_mouths, [frozen_mouths, blurred_mouths], 10.0, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            scores.append(float(critic(true_mouths).mean()))
    return scores


as_printed, bounded = train_critic(printed=True), train_critic(printed=False)

# %% [markdown]
# *Picture: the score of the true mouths. Dashed orange, as printed: it sinks, faster and faster, although the critic should call them good. Solid blue, with $2\,\mathbb{E}[D(I_t)]$: it stays near zero.*

# %%
fig, ax = plt.subplots(figsize=(6, 2.6))
ax.plot(bounded, color=PALETTE[0], label="2 E[D(I_t)] (here)")
ax.plot(as_printed, "--", color=PALETTE[1], label="as printed")
ax.set(xlabel="critic step", ylabel="mean D(true)")
ax.legend()
plt.show()
print("as printed, the score has run away: ", as_printed[-1] < -20)
print("the bounded form stays within 10:   ", max(map(abs, bounded)) < 10)

# %% [markdown]
# ## Exercise 1: the penalty of a straight line
# Let $D(x) = w \cdot x$, a critic whose gradient is $w$ everywhere. What is its gradient penalty, the expectation in (26), for the $w$ below? Then give one $w$ (48 numbers) whose penalty is 0.

# %%
show_source(gradient_penalty)

# %% tags=["exercise"]
w = torch.linspace(-1, 1, 48)
answer1a = None  # your turn: a formula of w
answer1b = None  # your turn: a tensor of 48 numbers
small = torch.rand(2, 4, 3, 4, 4, generator=torch.Generator().manual_seed(SEED))


def penalty_of(vector):
    """(26)'s penalty of D(x) = vector . x, by the library."""
    vector = torch.as_tensor(vector, dtype=torch.float32)
    return float(gradient_penalty(lambda x: x.flatten(1) @ vector, small[0], small[1]))


check("exercise 1a", answer1a, penalty_of(w), tol=1e-4, hint="the gradient of w . x is w; compare its length with 1")
check("exercise 1b", None if answer1b is None else penalty_of(answer1b), 0.0, tol=1e-6, hint="which lengths have penalty 0?")

# %% tags=["solution"]
answer1a = (w.norm() - 1) ** 2
answer1b = w / w.norm()
check("exercise 1a", answer1a, penalty_of(w), tol=1e-4)
check("exercise 1b", penalty_of(answer1b), 0.0, tol=1e-6)

# %% [markdown]
# ## Exercise 2: sink by seven
# Subtract 7 from every score $D$ gives. By how much does the printed objective change, and by how much the bounded one?

# %% tags=["exercise"]
answer2 = None  # your turn: [change of the printed objective, change of the bounded one]
scores = torch.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]])  # true, inpainted, intermediate
expected2 = [
    float(critic_objective_printed(*(scores - 7)) - critic_objective_printed(*scores)),
    float(critic_objective((scores - 7)[0], list((scores - 7)[1:])) - critic_objective(scores[0], list(scores[1:]))),
]
check("exercise 2", answer2, expected2, tol=1e-4, hint="count how often each objective contains a score, with its sign")

# %% tags=["solution"]
answer2 = [7.0, 0.0]
check("exercise 2", answer2, expected2, tol=1e-4)

# %% [markdown]
# ## The correspondence loss, (27)
# $$L_{corr} = \lVert C(I_t) - C(I_{warp}) \rVert_2 \tag{27}$$
#
# $C$ is a pre-trained optical-flow network. But a flow needs *two* pictures, and (27) gives it one. The paper cites Geng et al. 2022 for the loss, and there it is another thing:
# first re-align one picture to the other by the flow, then compare pixels, so that a feature slightly out of place is **forgiven**. The text around (27) wants the
# opposite: to **measure** how far features are out of place. Three readings, one setting:

# %%
from paperlib.losses.correspondence import FORMS, correspondence_loss, correspondence_wise, flow_difference, flow_magnitude

print("forms:", FORMS)
for form in (correspondence_wise, flow_difference, flow_magnitude):
    show_source(form)

# %% [markdown]
# *Check, with a flow that we know exactly.* The estimate is the truth moved by $d$ pixels; instead of a network, the flow function answers with the true movement.

# %%
def forms_when_moved(d, colour=1.0, flow_fn=None):
    """The three forms, and the plain pixel difference, for an estimate moved by d pixels and multiplied by `colour`."""
    pred = warp(truth, constant_flow(float(d))) * colour
    place = {id(pred): float(d)}  # where each picture looks in the truth; the others look straight ahead

    def known_flow(a, b):
        return constant_flow(place.get(id(a), 0.0) - place.get(id(b), 0.0))

    values = {form: float(correspondence_loss(pred, truth, flow_fn or known_flow, form, anchor=batch.ref)) for form in FORMS}
    return values | {"pixels": 2 * float((pred - truth).abs().mean())}


moved, dark = forms_when_moved(4), forms_when_moved(0, colour=0.8)
print("moved by 4: printed and flow_magnitude say 4 px:", abs(moved["printed"] - 4) < 1e-3 and abs(moved["flow_magnitude"] - 4) < 1e-3)
print("moved by 4: cwl forgives more than half:        ", moved["cwl"] < 0.5 * moved["pixels"])
print("wrong colour: only cwl sees it:                 ", dark["cwl"] > 0.05 and dark["printed"] < 1e-3 and dark["flow_magnitude"] < 1e-3)

# %% [markdown]
# *Picture: the same with the shipped flow network in the place of the truth (dashed; solid: the known flow). Left: `cwl` against the plain pixel difference (dotted). Right: the other
# two forms, in pixels. A network of this size follows small movements and loses large ones.*

# %%
flow_net, flow_card = checkpoints.load("flow_classroom")
_ = flow_net.requires_grad_(False)
shifts = np.arange(0, 9)
known = [forms_when_moved(d) for d in shifts]
guessed = [forms_when_moved(d, flow_fn=flow_net) for d in shifts]
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
left.plot(shifts, [v["pixels"] for v in known], ":", color=PALETTE[7], label="pixels, both ways")
for ax, forms in ((left, ("cwl",)), (right, ("printed", "flow_magnitude"))):
    for colour, form in zip((PALETTE[0], PALETTE[3]), forms, strict=False):
        ax.plot(shifts, [v[form] for v in known], color=colour, linewidth=3 if form == "printed" else 1.5, label=f"{form}, known flow")
        ax.plot(shifts, [v[form] for v in guessed], "--", color=colour, label=f"{form}, network")
    ax.set(xlabel="moved by (pixels)", ylabel="loss")
    ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# The default here is `cwl`, because that is the reference the paper gives. It is one of the places where the paper's text, its equation and its citation say three different things.
#
# ## Features, (28) and (29)
# $$L_p^{i,e} = \sum_l \frac{1}{C_l H_l W_l} \lVert \phi_l(I_{i,e}) - \phi_l(I_t) \rVert_1 \tag{28}$$
# $$L_{style}^i = \sum_l \frac{1}{(C_l H_l W_l)^2} \lVert G(\phi_l(I_i)) - G(\phi_l(I_t)) \rVert_1, \qquad G(F) = F F^\top \tag{29}$$
#
# $\phi_l$ are the activations of layer $l$ of a network trained to name objects. (28) compares them place by place. (29) compares only *which features occur together*: the sum over all
# places is inside $G$, so the place is forgotten. The paper uses VGG-19; here it is VGG-16, and called so.

# %%
from paperlib.losses.perceptual import VGGFeatures, gram, perceptual_loss, style_loss

show_source(perceptual_loss)
show_source(gram)
generator = torch.Generator().manual_seed(SEED)
feature = torch.rand(1, 5, 6, 6, generator=generator)
shuffled = feature.flatten(2)[:, :, torch.randperm(36, generator=generator)].view_as(feature)
print("shuffle all places: (28) sees it:", float(perceptual_loss({"l": feature}, {"l": shuffled})) > 0.1, end="; ")
print("(29) does not:", float(style_loss({"l": feature}, {"l": shuffled})) < 1e-6)

# %% tags=["nbval-ignore-output"]
features = VGGFeatures(profile.renderer.vgg_layers) if weights.available("vgg16") else None
if features is None:
    label("not_reproducible", "the VGG-16 weights are not on this machine, so (28) and (29) are left out below. Get them with `python -m paperlib.weights fetch vgg16`.")
else:
    label("measured", f"{features.label}, layers {', '.join(features.layers)}, on the frame above.")

# %% [markdown]
# *Picture: what (28) sees (first row): the mean difference of the first layer's features at each place. What (29) sees (second row): how much each pair of features changed, brighter is more;
# there is no place in it. All colours of a row share one scale.*

# %%
if features is not None:
    layer = features.layers[0]
    with torch.no_grad():
        seen = {name: features(p)[layer] for name, p in {"truth": truth, **wrong}.items()}
    maps = [(seen[name] - seen["truth"]).abs().mean(1)[0] for name in wrong]
    pairs = [(gram(seen[name]) - gram(seen["truth"])).abs()[0].sqrt() for name in wrong]  # the root shows small entries too
    fig, axes = plt.subplots(2, 4, figsize=(7.2, 3.9))
    for row, pictures, what in zip(axes, (maps, pairs), ("features", "Gram matrix"), strict=True):
        for ax, picture, name in zip(row, pictures, wrong, strict=True):
            ax.imshow(picture, vmin=0, vmax=max(float(p.max()) for p in pictures))
            ax.axis("off")
            ax.set_title(f"{name}: {what}")
    plt.show()

# %% [markdown]
# ## All losses, all mistakes
# *Picture: one column per loss, each divided by its largest entry, so 1.00 (bright) is what this loss complains about most. No row is bright everywhere, and no two columns agree. Look at
# the row **frozen**, a sharp mouth that says the wrong thing: how many losses call it the worst picture? A small loss is no proof of speech. (*rec* in the mask
# alone gives the column *rec* again, for the pictures differ nowhere else. *p* and *style* look at the mouth crop, the others at the whole frame.)*

# %%
table = {name: {"rec": rec_loss(p, truth), "SSIM": ssim_loss(p, truth)} for name, p in wrong.items()}
for name, picture in wrong.items():
    if features is not None:
        with torch.no_grad():
            a, b = (features(crop_resize(x, batch.mouth, 48)) for x in (picture, truth))
        table[name] |= {"p": perceptual_loss(a, b), "style": style_loss(a, b)}
    table[name] |= {f"corr\n{form}": correspondence_loss(picture, truth, flow_net, form, anchor=batch.ref) for form in FORMS}
values = np.array([[float(v) for v in row.values()] for row in table.values()])
values /= values.max(0)
fig, ax = plt.subplots(figsize=(7.5, 2.6))
ax.imshow(values, vmin=0, vmax=1, aspect="auto")
for (y, x), v in np.ndenumerate(values):
    ax.text(x, y, f"{v:.2f}", ha="center", va="center", fontsize=8, color="black" if v > 0.55 else "white")
ax.set_xticks(range(values.shape[1]), list(table["frozen"]), fontsize=8)
ax.set_yticks(range(len(table)), list(table))
plt.show()

# %% tags=["nbval-ignore-output"]
print("losses that call the frozen mouth the worst picture:", int((values[0] == 1).sum()), "of", values.shape[1])

# %% [markdown]
# ## The sum, (30) to (32)
# $$L_{total}^i = L_{rec}^i + \lambda_{SSIM} L_{SSIM}^i + \lambda_p L_p^i + \lambda_{style} L_{style}^i + \lambda_{wgan} L_{wgan}^i \tag{30}$$
# $$L_{total}^e = L_{rec}^e + \lambda_{SSIM} L_{SSIM}^e + \lambda_p L_p^e + \lambda_{wgan} L_{wgan}^e + \lambda_{corr} L_{corr} \tag{31}$$
# $$L_{total} = \epsilon L_{total}^i + (1 - \epsilon) L_{total}^e \tag{32}$$
#
# (30) judges the result $I_i$, (31) the repaired warp $I_e$ and, through $L_{corr}$, the warp itself. None of the $\lambda$ is in the paper; ours are in the profile. ($\epsilon$ in (32) is a share. It has nothing to do with
# the $\epsilon$ of (26), a random number.)

# %%
from paperlib.losses.objective import LossWeights, intermediate_objective, total_objective, weighted_sum
from paperlib.training.stages import Judges, schedule, total_steps, train_renderer

show_source(weighted_sum)
show_source(total_objective)
print("weights of this profile:", dataclasses.asdict(LossWeights.of(profile.renderer)))

# %% [markdown]
# *Picture: the terms of (31) for each wrong picture after weighting, taken as $I_e$ and as $I_{warp}$, without a critic. The bar's length is the loss the network would feel.*

# %%
lambdas = LossWeights.of(profile.renderer)
names = {"rec": "rec", "ssim": "SSIM", "p": "p", "corr": "corr"}
fig, ax = plt.subplots(figsize=(7, 2.4))
left_edge = np.zeros(len(wrong))
terms = []
for picture in wrong.values():
    a, b = (None, None) if features is None else (features(crop_resize(x, batch.mouth, 48)) for x in (picture, truth))
    terms.append(intermediate_objective(picture, truth, mask, lambdas, picture, flow_net, "cwl", batch.ref, None, a, b)[1])
for k, (key, hatch) in enumerate(zip(names, ("", "//", "..", "xx"), strict=True)):
    if key in terms[0]:
        width = np.array([float(t[key]) * (1 if key == "rec" else getattr(lambdas, f"l_{key}")) for t in terms])
        ax.barh(list(wrong), width, left=left_edge, color=PALETTE[k], hatch=hatch, edgecolor="white", label=names[key])
        left_edge += width
ax.invert_yaxis()
ax.set_xlabel("weighted loss (31)")
ax.legend(ncols=4, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0))
plt.show()

# %% tags=["nbval-ignore-output"]
print("from the smallest loss to the largest:", ", ".join(f"{list(wrong)[i]} {left_edge[i]:.3f}" for i in np.argsort(left_edge)))

# %% [markdown]
# ## Three stages
# First SFM and TMN alone, by (31). "When stable", everything jointly with $\epsilon = 0.1$; "later" with $\epsilon = 0.2$. The idea: an inpainter that learns
# beside a bad warp would learn to live with it. In our own short runs the stages did not help (notebook 10). The paper gives no step at which they change, so the
# profile does.

# %%
show_source(schedule)
for name in ("smoke", "classroom", "paper"):
    c = load_profile(name).renderer
    print(f"{name:10} steps warm {c.steps_warm}, joint with 0.1: {c.steps_joint1}, joint with 0.2: {c.steps_joint2}")

# %% [markdown]
# Now train, in front of you: the profile's network on the profile's corpus, for `FEWEST` to `MOST` steps that the three stages share as in the profile. (A whole
# training is `paperlib train renderer`. The schedule of *smoke* is even shorter than this demonstration.) **Before you run**: will the loss (32) jump when the
# stage changes? Up or down?

# %% tags=["nbval-ignore-output"]
FEWEST, MOST = 48, 120  # steps of this demonstration
share = min(max(total_steps(profile.renderer), FEWEST), MOST) / total_steps(profile.renderer)
steps = {k: max(1, round(share * getattr(profile.renderer, k))) for k in ("steps_warm", "steps_joint1", "steps_joint2")}
train_cfg = dataclasses.replace(profile.renderer, lr=5 * profile.renderer.lr, **steps)  # a short run may take larger steps
own_corpus = Corpus(profile.corpus)
train_bank, val_bank = render_bank(own_corpus, "train", 8), render_bank(own_corpus, "val", 2)
torch.manual_seed(SEED)
small_net, small_critic = checkpoints.build("renderer", profile), checkpoints.build("critic", profile)
every = max(1, total_steps(train_cfg) // 24)
history = train_renderer(
    small_net, small_critic, Judges(features, flow_net), train_bank, val_bank, train_cfg, SEED,
    progress=False, log_every=every, validate_every=2 * every,
)  # fmt: skip
print(f"{total_steps(train_cfg)} steps on {len(train_bank)} clips at {profile.size} x {profile.size}, {history.seconds:.0f} s; not a result")

# %% [markdown]
# *Picture: the training you just ran. First: the loss (32), which jumps with each small batch, so that a change of stage hardly shows. Second: the validation
# error of $I_i$, always on the same pictures of an unseen speaker, which falls, even while RBFIN is not trained: it begins by painting with the warp's colours,
# and the warp gets better. Third: $\epsilon$ of (32), the three stages as stairs. Fourth: MSAF's learned scales, which stand still until RBFIN joins.*

# %%
def draw_training(rows, title):
    """Curves of one run of `train_renderer` from its log rows."""
    fig, axes = plt.subplots(1, 4, figsize=(10, 2.5))
    plots = {"loss (32)": ("loss",), "validation, I_i": ("val",), "eps of (32)": ("eps",), "scale - start (22)": ("scale_low", "scale_high")}
    for ax, (title_of, keys) in zip(axes, plots.items(), strict=True):
        for key, style in zip(keys, ("-", "--"), strict=False):
            x, y = (np.array(v) for v in zip(*((r["step"], r[key]) for r in rows if key in r), strict=True))
            y = y - y[0] if key.startswith("scale") else y
            ax.plot(x, y, style, drawstyle="steps-mid" if key == "eps" else None, marker="o" if key == "val" else "", markersize=4, label=key)
        ax.set(xlabel="step", title=title_of)
    axes[3].legend(fontsize=8)
    fig.suptitle(title, fontsize=10)
    plt.show()


draw_training(history.rows, f"{profile.name}: this run")
print("stages seen:", sorted({round(r["eps"], 3) for r in history.rows} & {0.0, 0.1, 0.2}))

# %% [markdown]
# ## The shipped network
# The same, over the whole schedule: the curve that the checkpoint's card keeps.
#
# *Picture: as above, for the network that made the numbers below, but for those of table 4's study. Here the loss is seen to step **down** where $\epsilon$ steps
# up: a share of it passes from $L_{total}^e$ to $L_{total}^i$, which is smaller, for $I_i$ is true outside the mask.*

# %%
card = checkpoints.read_card("renderer_classroom")
draw_training(card["curve"], f"{card['name']}: its whole training")
label("measured", f"made by `{card['command']}`; best validation at step {card['best_step']}; the checkpoint of that step is shipped.")

# %% [markdown]
# ## Does it speak? Unseen speakers, known truth
# The test clips come in pairs A and B: same person, head, light, blinks, noise; only the speech differs. **Dub A with the speech of B, and B is the truth, pixel by pixel.** No real corpus offers that.
#
# The yardstick is **mouth skill**, 1 - MSE / MSE(frozen mouth) over the *mask*, or over the part of it in a box around the mouth (*lips*). 1 is perfect. 0 is no
# better than the mouth of A's first frame, carried along by the head. Below 0: it would have been better to say nothing. The controls:
#
# - *frozen mouth*: skill 0 by definition. Its *oracle* also sees the true pixels beside the face inside the mask: the limit of a mouth that does not move
# - *source unchanged*: A's own mouth, which speaks the wrong sentence
# - *reference pasted*: the reference's pixels in the hole, without any network. *warp only*: SFM alone. *I_3D only*: the drawing alone
# - *full*: the whole renderer. `beta` says where the drawing's mouth came from: **true** (B's own coefficients) or **predicted** from B's speech by stage 1

# %%
from paperlib.evaluation.dubbing_words import control_place, place
from paperlib.figures import intervals
from paperlib.metrics.image import mouth_skill
from paperlib.results import read_results, select

show_source(mouth_skill)
rows, provenance = read_results("controls_renderer")
SETS = ("still heads", "strong head motion")
HEADS = {"skill": "skill", "opening_r": "r of lip opening", "psnr": "PSNR/dB ↑", "ssim": "SSIM ↑", "lpips": "LPIPS ↓"}
controls = [r for r in rows if not r.row.startswith("full_minus_")]
speakers = {r.n for r in controls if r.metric == "skill"}
label("measured", f"{provenance['clips']} cross-dubs, {max(speakers)} unseen speakers of the embedded corpus, motion source `{controls[0].motion}`; brackets: 95% "
      f"bootstrap over speakers. Made by `{provenance['command']}`. On a rule's motion this shows that the code learns, not that it learned people.")  # fmt: skip


def headed(row):
    """The row with the place where it was taken in its metric's name."""
    where = "" if row.metric == "opening_r" else f", {control_place(row.metric, row.region)}"
    return dataclasses.replace(row, metric=HEADS[row.metric] + where, region="mouth")


for name in SETS:
    some = [headed(r) for r in controls if r.data.endswith(name) and r.region in ("mouth", "lips") and r.metric in HEADS]
    columns = ["skill, mask", "skill, lips", "r of lip opening", "PSNR/dB ↑, mask", "SSIM ↑, lips", "LPIPS ↓, lips"]
    results_table(some, metrics=columns, title=f"{name}, {sum(c.test_set == name for c in corpus.clips('test'))} cross-dubs")

# %% [markdown]
# *Picture: mouth skill with its interval, one picture per test set. The vertical line at 0 is the frozen mouth. Look for the distance between `full (true)` and `full (predicted)`: that is what stage 1 still
# costs. Do not be surprised how well *source unchanged* does with strong head motion: most of the hole is skin and background, and but for the jaw they are the
# truth's own, camera noise and all. The oracle has only the pixels beside the face from the truth; its skin is A's first frame, moved. Their lips are wrong, as
# *r of lip opening* says: read off the finished frames by a landmark finder, it is the row `truth` at best and small for every mouth that ignores the speech. A
# renderer paints the whole hole, and pays for every pixel of chin and neck.*

# %%
for name in SETS:
    fig = intervals([r for r in select(controls, metric="skill", region="mouth") if r.data.endswith(name)], "skill, mask")
    fig.axes[0].set_title(name)
    plt.show()

# %% [markdown]
# **Paired differences.** Two intervals that overlap may still hide a clear difference, because both systems fail on the same hard clips. So subtract clip by clip first: *full minus control*.
#
# *Picture: full minus each control, both test sets together, at the lips. Right of the line: the renderer is better than this control.*

# %%
paired = [r for r in rows if r.row.startswith("full_minus_") and r.metric == "skill" and r.region == "lips" and r.data.endswith("all")]
fig = intervals(paired, "difference in skill, lips", names={r.row: "full - " + r.row.removeprefix("full_minus_").replace("_", " ") for r in paired})
plt.show()


def word(row):
    """Whether the interval of a paired difference leaves 0, and on which side."""
    return "better" if row.low > 0 else "worse" if row.high < 0 else "tie"


def verdict(row):
    """A paired difference in words: its value, its interval, and `word`."""
    return f"{row.value:+.2f} [{row.low:+.2f}, {row.high:+.2f}] {word(row):6}"


for name in SETS:
    print(f"{name:44} mask                         lips")
    for r in select(rows, metric="skill", region="mouth"):
        if r.row.startswith("full_minus_") and r.data.endswith(name) and r.low is not None:
            (near,) = select(rows, row=r.row, data=r.data, beta=r.beta, metric="skill", region="lips")
            print(f"  full ({r.beta}) - {r.row.removeprefix('full_minus_').replace('_', ' '):20}".ljust(44), verdict(r), " ", verdict(near))

# %% [markdown]
# **And without the paper's parts?** Table 4's *base* was trained for this comparison, beside a *full* of the same small budget, on 64-pixel clips and with
# several seeds (notebook 10). Its cross-dubs have the same truth, so the same question can be asked of it: is *full* nearer to B than base, than $I_{warp}$, than
# a pasted mouth, than a mouth that never moves, than A's own mouth? The last lines answer.

# %%
from paperlib.figure_expression import saved

study, said = saved("table4", command="paperlib train study-renderer --out data/results")
others, _ = saved("controls_renderer_study", command="paperlib train study-renderer --out data/results")
if study:
    label("measured", said)
    asked, found = ("base", "warp_only", "reference_pasted", "frozen_mouth", "source_unchanged"), {}
    for beta in ("true", "predicted"):
        for r in (*select(study, row="full_minus_base", metric="skill", beta=beta), *select(others, metric="skill", beta=beta)):
            control, where = r.row.removeprefix("full_minus_"), place(r.metric, r.region)
            if r.row.startswith("full_minus_") and r.low is not None and control in asked:
                print(f"full ({beta}) - {control.replace('_', ' '):20}".ljust(38), f"{where}  {verdict(r)}")
                found.setdefault((where, beta, word(r)), []).append(control.replace("_", " "))
    for (where, beta, how), rivals in sorted(found.items()):
        print(f"{where}, full ({beta}): {({'tie': 'tie with'}).get(how, how + ' than')} {', '.join(rivals)}")
else:
    print(said)

# %% [markdown]
# **Several metrics, several answers?** Skill and PSNR compare pixels over the whole mask; SSIM and LPIPS ask for structure, on a square around the mouth (*lips*
# above). Do they agree on ours against the frozen mouth?

# %%
better = {"skill": 1, "psnr": 1, "ssim": 1, "lpips": -1}
for name in SETS:
    for beta in ("true", "predicted"):
        paired_rows = select(rows, row="full_minus_frozen_mouth", beta=beta, region="mouth")
        found = {r.metric: better[r.metric] * np.sign([r.low, r.high]).sum() / 2 for r in paired_rows if r.data.endswith(name) and r.low is not None}
        print(f"{name}, beta {beta:9}: " + ", ".join(f"{m} {({1: 'better', -1: 'worse'}).get(v, 'tie')}" for m, v in found.items()))

# %% [markdown]
# If a line above holds different words, do not pick the one you like: ask **where** the error is. The picture at the end of this notebook does.
#
# **The same clips, the usual way.** Whole-frame PSNR counts the pixels that nobody touched. *Look*: how many dB separate the full renderer from a mouth that never moves, on the whole frame? Compare with the gaps in the paper's tables.

# %%
for name in SETS:
    some = [r for r in controls if r.data.endswith(name) and r.region == "frame" and r.row in ("full", "frozen_mouth", "reference_pasted")]
    results_table(some, metrics=["psnr", "ssim"], title=f"{name}, whole frame")

# %% [markdown]
# ## See it
# *Picture: five moments of one cross-dub, mouths enlarged. Rows: the source A; the truth B; ours, with the mouth predicted from B's speech; the frozen mouth. Above: B's speech, with the five moments marked. The moments
# are those where the true lips of B are most open, most closed, and between.*

# %%
from paperlib.corpus.synthetic import pair_of
from paperlib.evaluation.renderer import Shipped, mouth_boxes, systems

shipped = Shipped.load()
twin = corpus.load(pair_of(clip.id))
dubbed = systems(shipped, corpus, clip, twin)

# %%
true_opening = lip_opening(twin.lmk)
moments = sorted({int(np.argmin(np.abs(true_opening - s * true_opening.max()))) for s in (0.0, 0.25, 0.5, 0.75, 1.0)})
lines = {
    "source A": dubbed["source_unchanged", "none"], "truth B": to_float(torch.from_numpy(twin.frames)),
    "ours": dubbed["full", "predicted"], "frozen": dubbed["frozen_mouth", "none"],
}  # fmt: skip
boxes = torch.from_numpy(mouth_boxes(clip))[moments]
fig = plt.figure(figsize=(7.5, 7.2))
grid = fig.add_gridspec(5, len(moments), height_ratios=(0.6, 1, 1, 1, 1))
speech = fig.add_subplot(grid[0, :])
speech.plot(np.arange(len(twin.wave)) / 16000, twin.wave, color=PALETTE[7], linewidth=0.4)
for t in moments:
    speech.axvline((t + 0.5) / 25, color=PALETTE[3])
speech.set(yticks=[], xlim=(0, len(twin) / 25), xlabel="seconds of B's speech")
for y, (name, frames) in enumerate(lines.items(), 1):
    mouths = crop_resize(frames[moments], boxes, 48).clamp(0, 1)
    for x, mouth in enumerate(mouths):
        ax = fig.add_subplot(grid[y, x])
        ax.imshow(mouth.permute(1, 2, 0))
        ax.set(xticks=[], yticks=[])
        if x == 0:
            ax.set_ylabel(name)
plt.show()

# %% [markdown]
# ## Where is the error?
# Cut the mask in two: a box around the true lips of B, tighter than *lips* above, and the rest. The unchanged source is wrong in the first and nearly perfect in
# the second, for there it *is* the truth but for the jaw; the frozen mouth borrows its skin from one frame. The renderer is judged in both.
#
# *Picture: root mean squared error at each pixel over this clip, ours and the frozen mouth, with the mean lip box; and the mean squared error in both parts of the mask. Light part of a bar: lips; dark part: the rest of the mask.*

# %%
low_corner, high_corner = twin.lmk[:, 48:68].min(1) - 2, twin.lmk[:, 48:68].max(1) + 2
ys, xs = np.mgrid[:size, :size] + 0.5
in_box = (xs >= low_corner[:, 0, None, None]) & (xs <= high_corner[:, 0, None, None]) & (ys >= low_corner[:, 1, None, None]) & (ys <= high_corner[:, 1, None, None])
hole = clip.masks()[:, 0] > 0.5
parts = {"lips": hole & in_box, "rest": hole & ~in_box}
squared = {name: (frames - lines["truth B"]).square().mean(1).numpy() for name, frames in lines.items() if name != "truth B"}
squared["ours, true beta"] = (dubbed["full", "true"] - lines["truth B"]).square().mean(1).numpy()
fig, axes = plt.subplots(1, 3, figsize=(9, 2.6), width_ratios=(1, 1, 1.7))
for ax, name in zip(axes, ("ours", "frozen"), strict=False):
    ax.imshow(np.sqrt(squared[name].mean(0)), vmin=0, vmax=0.12)
    corners = np.concatenate([low_corner.mean(0), high_corner.mean(0)])
    ax.plot(corners[[0, 2, 2, 0, 0]], corners[[1, 1, 3, 3, 1]], "--", color="white", linewidth=1)
    ax.set(xticks=[], yticks=[], title=name)
order = ("ours, true beta", "ours", "frozen", "source A")
total = [(squared[name] * hole).sum() / hole.sum() for name in order]
lips = [(squared[name] * parts["lips"]).sum() / hole.sum() for name in order]
axes[2].barh(order, lips, color=PALETTE[5], label="lips")
axes[2].barh(order, np.array(total) - lips, left=lips, color=PALETTE[0], label="rest of the mask")
axes[2].invert_yaxis()
axes[2].set_xlabel("mean squared error in the mask")
axes[2].legend(fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
plt.show()

# %% tags=["nbval-ignore-output"]
label("measured", f"one clip pair, {len(clip)} frames, no interval; lips are {parts['lips'].sum() / hole.sum():.0%} of the mask. Skill against the frozen mouth: " + "; ".join(
    f"{name}: lips {1 - squared[name][parts['lips']].sum() / squared['frozen'][parts['lips']].sum():+.2f}, "
    f"rest {1 - squared[name][parts['rest']].sum() / squared['frozen'][parts['rest']].sum():+.2f}" for name in ("ours, true beta", "ours", "source A")))  # fmt: skip

# %% [markdown]
# This is what a whole-mask number hides: a system can move the lips rightly and still lose to the unchanged source, whose skin is the truth's own but for the
# jaw. On a real dub nobody has B's true frame, and the chin must move with the jaw. So report lips and skin apart, and keep the frozen mouth in every table.
#
# ## Exercise 3: decibels and skill
# A system has an error 3 dB smaller than the frozen mouth in every frame. What is its mouth skill?

# %% tags=["exercise"]
answer3 = None  # your turn
grey = torch.full((4, 3, 16, 16), 0.5)
expected3 = float(mouth_skill(grey + 0.1 * 10 ** (-3 / 20), grey, grey + 0.1, torch.ones(4, 1, 16, 16)))
check("exercise 3", answer3, expected3, tol=1e-4, hint="PSNR = -10 log10 MSE, so 3 dB is a ratio of two MSE")

# %% tags=["solution"]
answer3 = 1 - 10 ** (-3 / 10)
check("exercise 3", answer3, expected3, tol=1e-4)

# %% [markdown]
# ## What could go wrong
# - **Judging by the loss.** The weighted loss above likes a blurred mouth best of the four, and finds a right mouth two pixels aside almost as bad as a frozen
#   one. Look at skill.
# - **A critic that runs away.** Watch the score of the *true* pictures; it must not drift.
# - **True coefficients at test time.** `beta: true` is an upper bound. A table that does not say which $\beta$ it used cannot be compared.
# - **Choosing the step on test speakers.** The checkpoint above was chosen by validation speakers, once.
# - **A flow network that learns along.** $C$ of (27) must be frozen, or the loss can be lowered by making $C$ blind.

# %% [markdown]
# **What is written**: nothing; the training above is a demonstration. The numbers are in `data/results/controls_renderer.json`, made by `paperlib evaluate renderer`; the network is
# `data/checkpoints/renderer_classroom.safetensors` with its card.
#
# **Next**: 08, a whole video through both stages.
