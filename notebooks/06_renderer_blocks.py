# %% [markdown]
# # 06 The blocks of the renderer
# *Every block of the renderer is a function of pictures, so every block can be looked at alone. For one of them, the paper's own tables disagree.*
#
# **You need**: 02 (render), 03 (coefficients, crop). **You learn**: backward flow, SPADE, colour and attention, multi-scale fusion,
# and why the mask must not follow the lips. Equations (14) to (22).
#
# **Minutes**: read 50 · smoke 0.3 · classroom 0.3

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from paperlib.config import load_profile
from paperlib.corpus.banks import collate, render_item
from paperlib.corpus.dataset import Corpus
from paperlib.face3d.coefficients import with_exp
from paperlib.face3d.face_renderer import landmarks2d, render_i3d, true_flow
from paperlib.face3d.landmarks import lip_opening
from paperlib.face3d.morphable_model import default_model
from paperlib.notebook import PALETTE, check, explore, label, setup, show_source, show_strip

profile = setup(PROFILE, SEED)
cfg = load_profile("classroom").renderer  # the blocks are shown at the size of the shipped network, whatever the profile
model, size = default_model(), cfg.size
plt.rcParams["image.interpolation"] = "nearest"  # show pixels as they are

# %% [markdown]
# ## The task: one hole, one reference, one drawing
# Three pictures go in, one comes out. We take a clip of an unseen speaker with a moving head.
#
# - the **target** $I_t$: the frame that should come out. Only training may see its mouth
# - the **crop** $I_{crop}$: the target with the lower face cut out
# - the **reference** $I_r$: another frame of the same person, at least one second away
# - the **drawing** $I_{3D}$: the face model with the target's head and the wanted mouth. It says *where*; it has no teeth, no hair, no pores

# %%
corpus = Corpus(load_profile("classroom").corpus)
clip = corpus.load(next(c for c in corpus.clips("test") if c.test_set == "strong head motion"))
item = render_item(clip)
opening = lip_opening(clip.lmk)
target = int(np.argmax(opening))  # the widest open mouth of the clip
far = [i for i in range(len(clip)) if abs(i - target) >= 25]
reference = min(far, key=lambda i: opening[i])  # a closed mouth, at least one second away
batch = collate([(item, target, reference)])
print("frames", len(clip), "| each picture", tuple(batch.target.shape), "| mask", tuple(batch.mask.shape))

# %% [markdown]
# *Picture: the target, the three inputs and the mask. The reference has its mouth closed and its head turned another way; the drawing shows the open mouth.*

# %%
show_strip(
    [batch.target[0], batch.crop[0], batch.ref[0], batch.i3d[0], batch.mask[0]],
    ["target", "crop", "reference", "drawing I_3D", "mask"], scale=1.7,
)  # fmt: skip

# %% [markdown]
# ## The hole must not know the answer
# Where is the hole? Draw it around the target's own jaw, and it moves when the mouth opens: the outline itself tells the network what to draw.
# Here the outline comes from the **rigid head pose with a neutral mouth**, so the mouth cannot move it. (On real clips the pose itself still tells a little: 08.)
# The paper says only that OpenCV draws the region from landmarks.

# %%
from paperlib.media.cropping import mouth_mask, mouth_polygon

show_source(mouth_polygon)

# %% [markdown]
# *Picture: the two outlines on three frames with different mouths. Solid blue: posed by the head. Dashed orange: from the frame's own landmarks.
# The dashed chin goes down with the jaw, the solid chin stays.*

# %%
shown = [int(np.argmin(np.abs(opening - share * opening.max()))) for share in (0, 0.5, 1)]
posed, own = mouth_polygon(clip.lmk_neutral), mouth_polygon(clip.lmk)
fig, axes = plt.subplots(1, 3, figsize=(7.5, 2.4))
for ax, t in zip(axes, shown, strict=True):
    ax.imshow(clip.frames[t])
    ax.plot(*posed[t][[*range(17), 0]].T, color=PALETTE[5], linewidth=2)
    ax.plot(*own[t][[*range(17), 0]].T, "--", color=PALETTE[1], linewidth=2)
    ax.set(xticks=[], yticks=[], xlim=(12, 84), ylim=(96, 36), title=f"lip opening {opening[t]:.1f} px")
plt.show()

# %% [markdown]
# **The leak test.** Give a ridge regression nothing but the outline's corners, and let it guess the lip opening on clips that it has not seen.
# Sixteen training clips, no picture is drawn. A good mask gives a correlation near zero.

# %%
from paperlib.corpus import synthetic
from paperlib.evaluation.controls import outline_leak

show_source(outline_leak)
outlines = {"rigid head, neutral mouth": [], "the frame's own landmarks": []}
openings = []
for clip_id in corpus.clips("train")[::8]:
    coeffs = torch.from_numpy(synthetic.clip_coefficients(corpus.cfg, clip_id)[0])
    lmk = landmarks2d(model, coeffs, size).numpy()
    neutral = landmarks2d(model, with_exp(coeffs, torch.zeros(len(coeffs), 64)), size).numpy()
    outlines["rigid head, neutral mouth"].append(mouth_polygon(neutral))
    outlines["the frame's own landmarks"].append(mouth_polygon(lmk))
    openings.append(lip_opening(lmk))
leak = {name: outline_leak(polygons, openings) for name, polygons in outlines.items()}
print("own landmarks tell the opening (r above 0.5):", leak["the frame's own landmarks"] > 0.5)
print("the posed outline does not (|r| below 0.25): ", abs(leak["rigid head, neutral mouth"]) < 0.25)

# %% tags=["nbval-ignore-output"]
label("measured", f"{len(openings)} training clips of the embedded corpus, ridge on unseen clips, no interval. "
      + "; ".join(f"{name}: r = {r:.2f}" for name, r in leak.items()))  # fmt: skip

# %% [markdown]
# ## Where does each pixel come from? (14)
# $$\omega = \mathrm{SFM}(I_{3D}, I_r) \in \mathbb{R}^{H \times W \times 2}, \qquad I_{warp} = \mathrm{STN}(\omega, I_r) \tag{14}$$
#
# $\omega$ is a **backward** flow: at each pixel of the *result* it says where in the *reference* to look. So every result pixel gets exactly one
# colour, and no holes appear. STN, the spatial transformer, looks there and interpolates between four pixels.

# %%
from paperlib.models.flow import SFM, flow_levels, warp

show_source(warp)

# %% [markdown]
# *Picture: `warp` alone on a chess board. A flow of (+12, 0) looks 12 pixels to the right, so the board moves to the **left**.
# A flow that grows with the distance from the centre looks further out: the board shrinks.*

# %%
board = torch.from_numpy((np.indices((size, size)) // 12).sum(0) % 2).float().expand(1, 3, -1, -1).clone()
board[:, 1:, :48, :48] *= 0.4  # one red corner, to see which way it goes
right = torch.zeros(1, 2, size, size)
right[:, 0] = 12
outward = torch.stack(torch.meshgrid(torch.arange(size) - size / 2, torch.arange(size) - size / 2, indexing="xy"))[None] * 0.4
show_strip([board[0], warp(board, right)[0], warp(board, outward)[0]], ["board", "flow (+12, 0)", "flow 0.4 (p - centre)"], scale=1.7)
print("a whole-pixel flow copies pixels exactly:", torch.allclose(warp(board, right)[..., :-12], board[..., 12:], atol=1e-5))

# %% [markdown]
# **The true flow.** On the embedded corpus we know the answer: every surface point of the target has a place in the reference, and geometry gives it.
# `valid` is false where the reference does not show the point.

# %%
show_source(true_flow)
flow, valid = true_flow(model, item.coeffs[target], item.coeffs[reference], size)
warped = warp(batch.ref, flow[None])


def error(picture):
    """Mean absolute error against the target where the true flow is valid."""
    return float(((picture - batch.target).abs() * valid).sum() / (3 * valid.sum()))


print("true flow beats no flow by more than half:", error(warped) < 0.5 * error(batch.ref))
print("the wrong sign is worse than no flow:     ", error(warp(batch.ref, -flow[None])) > error(batch.ref))

# %% [markdown]
# *Picture: the true flow as arrows on the target, and the reference warped by it. Brows and cheeks land where they should; the error
# is small there. The mouth is a smear of lip: the reference's lips were closed, so no pixel of it holds the inside of the mouth. A warp is not enough.*

# %%
def draw_flow(flow, valid, ax, background):
    """Arrows every sixth pixel, in pixels of the picture."""
    ax.imshow(background.permute(1, 2, 0))
    y, x = np.mgrid[3:size:6, 3:size:6]
    keep = np.asarray(valid)[y, x]
    u, v = np.asarray(flow)[:, y, x]
    ax.quiver(x[keep] + 0.5, y[keep] + 0.5, u[keep], v[keep], color="white", angles="xy", scale_units="xy", scale=1, width=0.007)
    ax.set(xticks=[], yticks=[])


def show_true_flow(share):
    """The reference warped by a share of the true flow."""
    moved = warp(batch.ref, share * flow[None])
    fig, axes = plt.subplots(1, 4, figsize=(8, 2.4))
    axes[0].imshow(batch.ref[0].permute(1, 2, 0))
    draw_flow(flow * share, valid, axes[1], batch.target[0])
    axes[2].imshow(moved[0].permute(1, 2, 0).clamp(0, 1))
    axes[3].imshow(((moved - batch.target).abs().mean(1)[0] * valid), vmin=0, vmax=0.3)
    for ax, title in zip(axes, ("reference", "flow on the target", f"warp, {share:.2f} of the flow", "error where valid"), strict=True):
        ax.set_title(title)
        ax.axis("off")
    plt.show()


explore(show_true_flow, share=(0.0, 1.5, 1.0))

# %% [markdown]
# **SFM** has to guess this flow from $I_{3D}$ and $I_r$ alone. The paper does not name its network, but the row of table 7 fits FlowNetS: halve the size up to
# six times, then come back to a quarter. Each halving must give whole pixels and leave at least 2 of them, so the depth follows the size.

# %%
show_source(SFM.forward)
torch.manual_seed(SEED)
untrained = SFM(cfg).eval()
with torch.no_grad():
    first_flow = untrained(batch.i3d, batch.ref)
print("halvings at", {s: flow_levels(s) for s in (64, 96, 192, 224)})
print("flow", tuple(first_flow.shape), "| the first guess is the identity, within half a pixel:", bool(first_flow.abs().mean() < 0.5))

# %% [markdown]
# ## Exercise 1: which way?
# You want the picture's content to move 3 pixels to the **right** and 2 pixels **up**. Which constant flow $(x, y)$ does that? (y points down.)

# %% tags=["exercise"]
answer1 = None  # your turn: [x, y]
moved_board = torch.roll(board, shifts=(-2, 3), dims=(2, 3))[..., 10:-10, 10:-10]  # content moved as asked; the border does not count
candidates = [[x, y] for x in range(-3, 4) for y in range(-3, 4)]
constant = [torch.tensor(c).float().view(1, 2, 1, 1).expand(1, 2, size, size) for c in candidates]
expected1 = candidates[int(np.argmin([(warp(board, c)[..., 10:-10, 10:-10] - moved_board).abs().sum() for c in constant]))]
check("exercise 1", answer1, expected1, hint="the flow says where to look, not where to go")

# %% tags=["solution"]
answer1 = [-3, 2]
check("exercise 1", answer1, expected1)

# %% [markdown]
# ## SPADE: the drawing as a condition
# Both networks that follow must obey $I_{3D}$. An ordinary normalisation would wash it out. SPADE (Park et al. 2019) puts it back at
# every level of the decoder; here, at every level but the finest:
#
# $$\mathrm{SPADE}(x, c) = \mathrm{norm}(x)\,(1 + \gamma(c)) + \beta(c), \qquad c = I_{3D}$$
#
# $\gamma$ and $\beta$ are pictures: two small convolutions of the drawing. (Not the light $\gamma$ of 02, not the expression $\beta$ of 05: letters are scarce.)

# %%
from paperlib.models.blocks import MSAF, SPADE, image_pyramid

show_source(SPADE)

# %% [markdown]
# *Picture: the same features under two drawings of one head with two expressions. First row: drawing A (neutral), drawing B (open mouth), the normalised features.
# Second row: the outputs under A and B and their difference. It is zero where the drawings agree: SPADE acts locally.*

# %%
both = item.coeffs[[target, target]].clone()
both[0] = with_exp(both[:1], torch.zeros(1, 64))[0]
conditions = image_pyramid(render_i3d(model, both, size), 1)[1]  # a decoder level at half the size reads the halved drawing
torch.manual_seed(SEED)
spade = SPADE(channels=4, hidden=16).eval()
features = 9 * torch.nn.functional.avg_pool2d(torch.randn(1, 4, *conditions.shape[2:]), 9, 1, 4)
with torch.no_grad():
    spade.modulate.weight.mul_(5)  # random weights, enlarged so that the eye sees the effect
    out_a, out_b = (spade(features, c[None]) for c in conditions)
    normal = spade.norm(features)
change = (out_a - out_b).abs().amax(1)[0]
show_strip(
    [*conditions, normal[0, 0], out_a[0, 0], out_b[0, 0], change],
    ["drawing A", "drawing B", "norm(x), channel 0", "output under A", "output under B", "largest difference"], columns=3, scale=1.7,
)  # fmt: skip

# %%
differ = (conditions[0] - conditions[1]).abs().amax(0) > 0
near = torch.nn.functional.max_pool2d(differ[None, None].float(), 5, 1, 2)[0, 0] > 0
with torch.no_grad():
    rescaled = spade(3 * features + 5, conditions[:1])
print("unchanged further than 2 pixels from where the drawings differ:", bool(change[~near].max() < 1e-5))
print("brighter, stronger features give the same output:              ", torch.allclose(rescaled, out_a, atol=5e-3))

# %% [markdown]
# The second line is the price: instance normalisation forgets how strong a feature was. What survives is its pattern, and the drawing.
#
# ## Exercise 2: how far does one pixel of the drawing reach?
# Change one pixel of $I_{3D}$. In how many pixels can the output of one SPADE layer change? (Both convolutions are 3 x 3.)

# %% tags=["exercise"]
answer2 = None  # your turn: a number of pixels
with torch.no_grad():
    touched = torch.zeros_like(conditions[:1])
    touched[..., 24, 24] = 1.0
    far_reach = (spade(features, touched) - spade(features, torch.zeros_like(touched))).abs().amax(1)[0] > 1e-5
expected2 = int(far_reach.sum())
check("exercise 2", answer2, expected2, hint="two 3 x 3 convolutions in a row see a square; how wide?")

# %% tags=["solution"]
answer2 = 5 * 5
check("exercise 2", answer2, expected2)

# %% [markdown]
# ## Colour and attention, (15) to (18)
# Two networks paint over a base picture. Each gives a **colour** $C$ and an **attention** $A$ between 0 and 1:
#
# $$(C_e, A_e, F_{tex}) = \mathrm{TMN}(I_{warp}, I_{3D}) \tag{15}$$
# $$I_e = A_e \odot C_e + (1 - A_e) \odot I_{warp} \tag{16}$$
# $$(C_i, A_i) = \mathrm{RBFIN}(I_{warp}, I_{3D}, I_{crop}, F_{tex}) \tag{17}$$
# $$I_i = A_i \odot C_i + (1 - A_i) \odot I_{crop} \tag{18}$$
#
# **TMN** repairs the warp: where $A_e$ is 0 the warped skin stays, where it is 1 new colour is painted. **RBFIN** fills the hole of the crop. Both compose in
# the same way, so one function serves (16) and (18).

# %%
from paperlib.models.texture import TMN, compose

show_source(compose)

# %% [markdown]
# *Picture: `compose` alone, with an attention made by hand. Base: the warped reference. Colour: the drawing. Attention: the mask times the slider, from 0 (black)
# to 1 (white); it starts at 0.6. At 0 the base comes back untouched; at 1 the drawing replaces the lower face. The dark wedges beside the jaw are the drawing's
# black: there the mask is wider than the drawn face.*

# %%
def show_compose(strength):
    """(16) with attention = strength x mask."""
    attention = strength * batch.mask
    grey = attention[0].expand(3, -1, -1)  # as a colour picture it is shown from 0 to 1, and not stretched
    show_strip([warped[0], batch.i3d[0], grey, compose(attention, batch.i3d, warped)[0]], ["base", "colour C", f"A = {strength:.2f} x mask", "A C + (1 - A) base"], scale=1.7)


explore(show_compose, strength=(0.0, 1.0, 0.6))
print("A = 0 gives the base exactly:", torch.equal(compose(torch.zeros_like(batch.mask), batch.i3d, warped), warped))

# %%
show_source(TMN.forward)

# %% [markdown]
# TMN is a U-net: three halvings, residual blocks at the bottom, and a decoder with SPADE in it. Its decoder's features at two sizes are $F_{tex}$, which RBFIN reads.

# %%
from paperlib.models.inpainting import RBFIN

show_source(RBFIN.forward)
torch.manual_seed(SEED)
tmn, rbfin = TMN(cfg).eval(), RBFIN(cfg).eval()
with torch.no_grad():
    c_e, a_e, f_tex = tmn(warped, batch.i3d)
    c_i, a_i = rbfin(warped, batch.i3d, batch.crop, f_tex)
for name, tensor in (("C_e", c_e), ("A_e", a_e), ("F_tex low", f_tex["low"]), ("F_tex high", f_tex["high"]), ("C_i", c_i), ("A_i", a_i)):
    print(f"{name:10} {tuple(tensor.shape)}")

# %% [markdown]
# *Picture: the two networks **before any training**. The start is our choice (the paper gives none): TMN begins by trusting the warp, RBFIN begins by painting
# the hole with the warp's colours. So the very first result is already a face, and training has to improve it. $A_i$ starts high wherever the crop is dark:
# in the hole, but also in hair and dark books.*

# %%
show_strip(
    [compose(a_e, c_e, warped)[0], a_i[0], compose(a_i, c_i, batch.crop)[0]], ["I_e (16)", "A_i (17)", "I_i (18)"], scale=1.5,
)  # fmt: skip
hole = batch.mask > 0.5
print("A_i starts above 0.9 in the hole:", bool(a_i[hole].mean() > 0.9), "| and below 0.5 outside, on average:", bool(a_i[~hole].mean() < 0.5))

# %% [markdown]
# ## Fusing texture at several scales, (19) to (22)
# How should RBFIN use $F_{tex}$? At level $k$ of its decoder, **MSAF** (multi-scale adaptive fusion) does four things:
#
# $$T_{k,s} = \mathrm{Conv}_{s \times s}(F_{tex}^{(k)}), \quad s \in \{3, 5, 7\} \tag{19}$$
# $$W_{k,s} = \mathrm{softmax}_s(g_{k,s}) \tag{20}$$
# $$M_k = \mathrm{sigmoid}(\mathrm{Conv}_{1 \times 1}([F_k, T_{k,3}, T_{k,5}, T_{k,7}])) \tag{21}$$
# $$F_k^{fusion} = F_k + s \cdot \Big(M_k \odot \sum_s W_{k,s} T_{k,s}\Big) \tag{22}$$
#
# (19) looks at the texture through three windows. (20) shares the weight between them. (21) is a mask: where does this pixel need texture? (22) adds the result, scaled
# by one learned number $s$. The paper prints $\gamma$ for the logits $g$ and $\sigma$ for the scale $s$; both letters are taken elsewhere.

# %%
show_source(MSAF.forward)

# %% [markdown]
# *Picture: MSAF alone, with weights set by hand so that one can see what it does. $F_k$ is the grey crop with its hole, the texture is the grey warp. Each branch is a
# plain average, so $T_3$, $T_5$, $T_7$ are more and more blurred. With these weights the mask opens where $T_7$ is more than twice as bright as the feature: in
# the hole, and in a few dark spots such as the eyes. Scale 0: the hole stays. Scale 1: the hole is filled. Scale 2: too much of it.*

# %%
grey_crop, grey_warp = batch.crop.mean(1, keepdim=True), warped.mean(1, keepdim=True)


def msaf_by_hand(scale, logits):
    """An MSAF of one channel whose branches average 3 x 3, 5 x 5 and 7 x 7 pixels."""
    block = MSAF(channels=1, tex_channels=1, proj=1, scale=scale).eval()
    with torch.no_grad():
        block.project.weight.fill_(1), block.project.bias.zero_()
        for conv in block.convs:
            conv.weight.fill_(1 / conv.weight.numel()), conv.bias.zero_()
        block.logits.copy_(torch.tensor(logits))
        block.mask.weight.copy_(torch.tensor([-40.0, 0.0, 0.0, 20.0]).view(1, 4, 1, 1))
        block.mask.bias.fill_(-2.0)
    return block


def show_msaf(scale, g3, g5, g7):
    """(19)-(22) step by step."""
    block = msaf_by_hand(scale, [g3, g5, g7])
    with torch.no_grad():
        branches = [conv(block.project(grey_warp)) for conv in block.convs]
        mask = torch.sigmoid(block.mask(torch.cat([grey_crop, *branches], 1)))
        fused = block(grey_crop, grey_warp)
    share = torch.softmax(block.logits, 0).tolist()
    fig, axes = plt.subplots(1, 7, figsize=(11, 2.0))
    pictures = [grey_crop, *branches, mask, fused]
    titles = ["F_k", "T_3", "T_5", "T_7", "mask (21)", f"fused, s = {scale:.2f}"]
    for ax, picture, title in zip([*axes[:4], *axes[5:]], pictures, titles, strict=True):
        ax.imshow(picture[0, 0].detach(), cmap="gray", vmin=0, vmax=1)
        ax.set_title(title)
        ax.axis("off")
    axes[4].bar(["3", "5", "7"], share, color=PALETTE[0])
    axes[4].set(ylim=(0, 1), title="W (20)")
    plt.show()


explore(show_msaf, scale=(0.0, 2.0, 1.0), g3=(-3.0, 3.0, 0.0), g5=(-3.0, 3.0, 0.0), g7=(-3.0, 3.0, 0.0))

# %% [markdown]
# *Check: the branches see windows of 3, 5 and 7 pixels, and scale 0 returns the feature itself, whatever the weights. In a new network (the `rbfin` above) each
# branch has a third.*

# %%
impulse = torch.zeros(1, 1, 15, 15)
impulse[..., 7, 7] = 1
by_hand = msaf_by_hand(0.0, [0.0, 0.0, 0.0])
with torch.no_grad():
    print("width of an impulse's trace:", [int((conv(impulse)[0, 0, 7].abs() > 0).sum()) for conv in by_hand.convs])
    print("shares at the start equal:  ", all(torch.allclose(torch.softmax(m.logits, 0), torch.full((3,), 1 / 3)) for m in rbfin.msaf.values()))
    print("scale 0 returns F_k:        ", torch.equal(by_hand(grey_crop, grey_warp), grey_crop))

# %% [markdown]
# The paper says that $s$ lies in $[0, 1]$ and adapts, but prints nothing that keeps it there, and no start value. Here it starts at the profile's `msaf_init` and is free.
# Table 6 uses MSAF at two levels, a quarter of the size ("low") and the full size ("high"); table 5 fixes the scale.
#
# ## Exercise 3: scale 0 and "w/o MSAF"
# Build RBFIN twice with the same weights: once with the scale fixed at 0, once without MSAF. What is the largest difference between their $C_i$?
# Then look for both set-ups in the paper: table 5 has a row for scale 0, table 4 has a row "w/o MSAF". Which two PSNR values does the paper give them?

# %%
from paperlib.paper import TABLES
from paperlib.tables import published_table

label("published", "tables 4 and 5, on VoxCeleb1; not checked by us.")
from IPython.display import Markdown, display

display(Markdown(published_table("table4") + "\n\n" + published_table("table5")))

# %% tags=["exercise"]
answer3a = None  # your turn: the largest difference
answer3b = None  # your turn: [PSNR of scale 0 in table 5, PSNR of "w/o MSAF" in table 4]
torch.manual_seed(SEED)
zero_scale, without = RBFIN(cfg, msaf_scale=0.0).eval(), RBFIN(cfg, use_msaf=False).eval()
_ = without.load_state_dict(zero_scale.state_dict(), strict=False)  # the same weights; MSAF's own are left over
with torch.no_grad():
    c_zero, c_without = zero_scale(warped, batch.i3d, batch.crop, f_tex)[0], without(warped, batch.i3d, batch.crop, None)[0]
expected3a = float((c_zero - c_without).abs().max())
expected3b = [TABLES["table5"].value("sigma_0", "psnr"), TABLES["table4"].value("no_msaf", "psnr")]
check("exercise 3a", answer3a, expected3a, tol=0, hint="what does (22) return for s = 0?")
check("exercise 3b", answer3b, expected3b, tol=0.001, hint="table 5, first row; table 4, row w/o MSAF")

# %% tags=["solution"]
answer3a = 0.0
answer3b = [37.33, 38.21]
check("exercise 3a", answer3a, expected3a, tol=0)
check("exercise 3b", answer3b, expected3b, tol=0.001)

# %% [markdown]
# One network, two published numbers. *Check: the row of scale 0 is not a new measurement. It repeats another row of table 4, digit for digit.*

# %%
scale_0, no_msaf = (TABLES[t].value(r, "psnr") for t, r in (("table5", "sigma_0"), ("table4", "no_msaf")))
print(f"scale 0: {scale_0} dB, w/o MSAF: {no_msaf} dB, gap {no_msaf - scale_0:.2f} dB")
for row in ("sigma_0", "sigma_1", "sigma_learned"):
    twins = [TABLES["table4"].labels[r] for r, values in TABLES["table4"].rows.items() if values == TABLES["table5"].rows[row]]
    print(f"table 5, scale {TABLES['table5'].labels[row]:9} is, in all five columns, table 4's: {', '.join(twins) or 'none'}")

# %% [markdown]
# If the rows of table 5 were copied from table 4, then table 5 does not show what the scale does. Our own runs of both tables are in 10.
#
# ## Anatomy of the trained renderer
# Now the whole chain with the shipped network: (14), (15), (16), (17), (18) in one pass.

# %%
from paperlib.models.renderer import Renderer
from paperlib.training import checkpoints

show_source(Renderer.forward)
renderer, card = checkpoints.load("renderer_classroom")
label("measured", f"checkpoint {card['name']}, trained on the embedded corpus at {card['config']['size']} x {card['config']['size']}; "
      "the speaker below was not in it. The drawing has the true expression. Pictures only; the numbers are in 07.")  # fmt: skip

# %% [markdown]
# *Picture: first row: reference, flow, $I_{warp}$, $C_e$, $A_e$, $I_e$. Second row: drawing, crop, $C_i$, $A_i$, result $I_i$, truth. In JupyterLab, choose
# another reference or another frame: which reference gives the best teeth? $A_e$ is brightest on the rim of the lips and around the eyes, and dark in a part of
# the open mouth, where the warp errs most: it is no map of the warp's error. And look at $A_i$ in the open mouth: in one patch it is small, and lets the black of
# the hole show through.*

# %%
def anatomy(frame, reference_frame):
    """All pictures inside one pass of the trained renderer."""
    b = collate([(item, frame, reference_frame)])
    with torch.no_grad():
        out = renderer(b.i3d, b.ref, b.crop, "joint")
    fig, axes = plt.subplots(2, 6, figsize=(10.5, 4.0))
    rows = {
        "reference": b.ref, "flow": None, "I_warp (14)": out.warp, "C_e (15)": out.c_e, "A_e (15)": out.a_e, "I_e (16)": out.i_e,
        "drawing I_3D": b.i3d, "crop": b.crop, "C_i (17)": out.c_i, "A_i (17)": out.a_i, "result I_i (18)": out.i_i, "truth": b.target,
    }  # fmt: skip
    for ax, (title, picture) in zip(axes.flat, rows.items(), strict=True):
        if picture is None:
            draw_flow(out.flow[0], np.ones((size, size), bool), ax, b.ref[0])
        elif picture.shape[1] == 1:
            ax.imshow(picture[0, 0], vmin=0, vmax=1)
        else:
            ax.imshow(picture[0].permute(1, 2, 0).clamp(0, 1))
        ax.set_title(title)
        ax.axis("off")
    plt.show()


explore(anatomy, frame=(0, len(clip) - 1, target), reference_frame=(0, len(clip) - 1, reference))

# %% [markdown]
# *Picture: turn the scale $s$ of (22) in the trained network, at both levels at once. Left to right: with the scale of the slider, with the learned scale,
# and what changed between the two (brighter is more). At 0 the texture path is cut, and the open mouth goes with it: this network relies on the texture path,
# from TMN through MSAF, for the open mouth. This is not table 5: a network **trained** at scale 0 would have found another way.*

# %%
learned = renderer.rbfin.scales()


def turn_scale(s):
    """The result with both scales of the trained network set to s."""
    b = collate([(item, target, reference)])
    with torch.no_grad():
        own = renderer(b.i3d, b.ref, b.crop, "joint").i_i
        for block in renderer.rbfin.msaf.values():
            block.scale.fill_(s)
        turned = renderer(b.i3d, b.ref, b.crop, "joint").i_i
        for name, block in renderer.rbfin.msaf.items():
            block.scale.fill_(learned[name])
    fig, axes = plt.subplots(1, 3, figsize=(6, 2.3))
    for ax, picture, title in zip(axes, (turned, own), (f"s = {s:.2f}", "learned s"), strict=False):
        ax.imshow(picture[0].permute(1, 2, 0).clamp(0, 1))
        ax.set_title(title)
    axes[2].imshow((turned - own).abs().mean(1)[0], vmin=0, vmax=0.1)
    axes[2].set_title("change")
    for ax in axes:
        ax.axis("off")
    plt.show()


explore(turn_scale, s=(0.0, 2.0, 0.0))

# %% tags=["nbval-ignore-output"]
print("scales learned by the shipped network:", {k: round(v, 3) for k, v in learned.items()}, "| they started at", card["config"]["msaf_init"])

# %% [markdown]
# ## Exercise 4: how much does the mask move?
# Take the frame with the widest mouth. Close its mouth (expression 0) and draw both masks again, posed by the head alone. How many pixels of the mask change?

# %% tags=["exercise"]
answer4 = None  # your turn: a number of pixels
pair = torch.stack([item.coeffs[target], with_exp(item.coeffs[target][None], torch.zeros(1, 64))[0]])
masks = mouth_mask(landmarks2d(model, with_exp(pair, torch.zeros(2, 64)), size).numpy(), size)
expected4 = int((masks[0] != masks[1]).sum())
check("exercise 4", answer4, expected4, hint="the expression is set to 0 before the outline is drawn")

# %% tags=["solution"]
answer4 = 0
check("exercise 4", answer4, expected4)
own_masks = mouth_mask(landmarks2d(model, pair, size).numpy(), size)
print("drawn from the frame's own landmarks, more than 50 pixels change:", int((own_masks[0] != own_masks[1]).sum()) > 50)

# %% [markdown]
# ## What could go wrong
# - **The sign of the flow.** A forward flow warps the wrong way and still looks like a face. The check with the true flow catches it.
# - **Pixel centres.** `align_corners=True` on a grid made for `False` zooms about the centre: nothing in the middle, up to half a pixel at the border.
# - **A mask that knows.** A crop drawn around the target's own jaw tells the answer, and every image metric rewards it.
# - **A reference that knows.** If reference and target may be the same frame, the network learns to copy.
# - **BatchNorm in SFM.** It remembers the training pictures' statistics: call `eval()` before you judge.

# %% [markdown]
# **What is written**: nothing; this notebook only looks. The renderer's numbers are in `data/results/controls_renderer.json` and in 07.
#
# **Next**: 07, how these blocks are trained, and whether the result beats a mouth that never moves.
