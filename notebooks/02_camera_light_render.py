# %% [markdown]
# # 02 Camera, light, picture
# *257 numbers become a picture through four small steps, and each step can be checked by hand.*
#
# **You need**: 01. **You learn**: the perspective camera and the six numbers of pose, nine numbers of light per colour, what a
# rasteriser does, and the exact motion of every pixel between two pictures.
#
# **Minutes**: read 40 · smoke 0.3 · classroom 0.3

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import torch

from paperlib.corpus import world
from paperlib.face3d import camera, face_renderer, illumination, rasterizer
from paperlib.face3d.coefficients import ANGLES, SH, TEX, TRANS, with_exp
from paperlib.face3d.morphable_model import default_model
from paperlib.models.flow import warp
from paperlib.notebook import PALETTE, check, explore, setup, show_figure, show_source, show_strip

profile = setup(PROFILE, SEED)
model = default_model()
faces = model.triangles.numpy()

# %% [markdown]
# ## The pipeline
# Equations (1) and (2) of notebook 01 gave a mesh and its colours. The paper then names 33 more numbers: a pose of 6 and a light of 27.
#
# | step | in | out | numbers used |
# | --- | --- | --- | --- |
# | pose | mesh $S$ | points in the world | 3 angles, 3 translation |
# | light | normals, colours $T$ | a lit colour per vertex | 27: nine for each of R, G, B |
# | camera | points in the world | points on the picture, with depth | none: the camera is fixed |
# | rasteriser | triangles on the picture | pixels | none |
#
# We take one person of the embedded corpus and follow him through the steps.

# %%
person = world.draw_speaker(SEED, 10_006)
lamp = world.draw_light(SEED, person.index, 0)
base = torch.from_numpy(world.assemble(person, np.zeros((1, 64), np.float32), np.zeros((1, 6), np.float32), lamp))


def change(angles=None, trans=None, light=None, exp=None):
    """A copy of the person's coefficients (1, 257) with another pose, light or expression."""
    out = base.clone() if exp is None else with_exp(base, exp)
    for where, value in ((ANGLES, angles), (TRANS, trans), (SH, light)):
        if value is not None:
            out[:, where] = torch.as_tensor(value, dtype=torch.float32).reshape(1, -1)
    return out


def picture(coeffs, size=144, **options):
    """(H, W, 3) picture of a face."""
    return face_renderer.render(model, coeffs, size, background=torch.full((3,), 0.93), supersample=2, **options).image[0].permute(1, 2, 0)


# %% [markdown]
# ## The camera
# Three conventions decide everything, and most bugs of this field are one of them mixed up. Ours are Deng et al.'s, whose network gave the paper
# its coefficients.
#
# - One unit is 10 cm. The face looks along $+z$, towards the camera, which stands at $z = 10$: one metre away.
# - A point turns first, then moves: $p = s\,R + t$ with row vectors and $R = (R_z R_y R_x)^\top$.
# - Its depth is $z' = 10 - z$. It falls on
#   $u = \tfrac{\text{size}}{2} + f\,x / z'$ and $v = \tfrac{\text{size}}{2} - f\,y / z'$, with $f = 1015$ for a picture of 224 pixels.
#   $v$ points down, and pixel centres lie at integers $+\,0.5$.

# %%
show_source(camera.rotation, doc=False)
show_source(camera.project)

# %% [markdown]
# **Check.** The origin falls on the centre. Everything scales with the side of the picture. A point found again from its pixel and depth is the
# same point.

# %%
points = face_renderer.posed_verts(model, base)[0]
print("origin at 224:", camera.project(torch.zeros(1, 3), 224)[0].tolist())
print("scales with the side:", torch.allclose(camera.project(points, 224) * (96 / 224), camera.project(points, 96), atol=1e-3))
back = camera.unproject(camera.project(points, 96), camera.depth(points), 96)
print("and back again:", torch.allclose(back, points, atol=1e-4))
print(f"field of view: {2 * math.degrees(math.atan(camera.CENTER / camera.FOCAL)):.2f} degrees")


# %%
def posed(nod, turn, tilt, nearer):
    """The head at a pose: angles in degrees, distance in cm, with its axes drawn through the head's origin."""
    coeffs = change(np.radians([nod, turn, tilt]), [0, 0, nearer / 10])
    axes = torch.cat([torch.zeros(1, 3), 1.1 * torch.eye(3)])[None]
    tips = camera.project(camera.pose(axes, coeffs[:, ANGLES], coeffs[:, TRANS]), 192)[0]
    plt.figure(figsize=(2.6, 2.6))
    plt.imshow(picture(coeffs, 192), extent=(0, 192, 192, 0))
    for tip, name, colour in zip(tips[1:], "xyz", (PALETTE[3], PALETTE[2], PALETTE[0]), strict=True):
        plt.annotate(
            name, tips[0], tips[0] + 1.0 * (tip - tips[0]), arrowprops={"arrowstyle": "<-", "color": colour, "lw": 2}, color=colour
        )
    plt.axis("off")
    plt.show()


explore(posed, nod=(-25, 25, 8), turn=(-50, 50, 25), tilt=(-25, 25, 5), nearer=(-20, 30, 0))

# %% [markdown]
# *Picture: the head with arrows for its own axes x, y and z. Sliders nod, turn and tilt it, and bring it nearer.*
#
# **Far or small?** A face that comes nearer grows, and so does a larger head. With a long lens like this one ($f$ is over four times the
# picture's side) the two look nearly the same, so a fit cannot tell them apart. Notebook 03 pays for that.
#
# ## Exercise 1: how far does a centimetre reach?
# A point at the origin moves 1 cm to the right. By how many pixels does it move in a picture of `profile.size` pixels a side?

# %% tags=["exercise"]
answer1 = None  # your turn: in pixels; camera.FOCAL belongs to a side of camera.IMAGE pixels, one unit is 10 cm
step = camera.project(torch.tensor([[0.1, 0, 0]]), profile.size) - camera.project(torch.zeros(1, 3), profile.size)
check("exercise 1", answer1, float(step[0, 0]), tol=1e-3, hint="focal length in pixels of this picture, times 0.1, over the depth 10")

# %% tags=["solution"]
answer1 = camera.FOCAL * profile.size / camera.IMAGE * 0.1 / camera.DISTANCE
step = camera.project(torch.tensor([[0.1, 0, 0]]), profile.size) - camera.project(torch.zeros(1, 3), profile.size)
check("exercise 1", answer1, float(step[0, 0]), tol=1e-3)

# %% [markdown]
# ## Light in nine numbers
# Skin is treated as matt (Lambertian). If lamps and walls are also far, and nothing casts a shadow, all light that arrives only enters as a
# smooth function of the surface's direction $n$, and nine functions $\Phi_b$ are nearly enough for it (about one per cent is missing):
#
# $$C(n_i, t_i, \gamma) = t_i \sum_{b=1}^{9} \gamma_b\,\Phi_b(n_i)$$
#
# (the paper's unnumbered irradiance equation). $t_i$ is the colour of vertex $i$ from (2), $\gamma$ are nine numbers for each of red, green and
# blue: 27. The nine are spherical harmonics of bands 0, 1 and 2: one constant, three tilts, five saddles. The code follows Deng et al. and adds
# 0.8 to the first number of each channel, so that $\gamma = 0$ is not black but a soft white light.

# %%
show_source(illumination.sh_basis)

# %%
side = 128
grid = (torch.arange(side) + 0.5) / side * 2 - 1
x, y = torch.meshgrid(grid, -grid, indexing="xy")
disc = x**2 + y**2 <= 1
ball = torch.stack([x, y, (1 - x**2 - y**2).clamp_min(0).sqrt()], -1)  # normals of the half of a sphere that faces us


def on_sphere(values):
    """Values (side, side) on the sphere's disc, nan beside it."""
    return np.where(disc.numpy(), values.numpy(), np.nan)


names = ["0: constant", "1: -y", "2: z", "3: -x", "4: xy", "5: -yz", "6: 3z² - 1", "7: -xz", "8: x² - y²"]
basis = illumination.sh_basis(ball)
fig, axes = plt.subplots(2, 9, figsize=(9.5, 2.6))
for b in range(9):
    axes[0, b].imshow(on_sphere(basis[..., b]), cmap="PuOr", vmin=-2.5, vmax=2.5)
    axes[0, b].set_title(names[b], fontsize=8)
    light = torch.zeros(3, 9)
    light[:, b] = 0.25
    axes[1, b].imshow(picture(change(light=light), 96))
for ax in axes.flat:
    ax.axis("off")
plt.show()

# %% [markdown]
# *Picture: above, the nine functions on a sphere, violet positive and orange negative; below, the head with that function added to a soft white
# light. Function 0 brightens everything, 1 lights from below, 2 from the front, 3 from the picture's left. On the half that we see, 5 looks
# much like 1 and 7 much like 3. Function 6 lights the front and darkens the rim; 4 and 8 are saddles.*
#
# **Check.** On the whole sphere the nine functions are at right angles to each other. In the picture we see only the half that faces
# us, and there they are not, as 5 and 7 have shown: the root of exercise 2.

# %%
n_points = 20_000
k = torch.arange(n_points, dtype=torch.float64) + 0.5
height, angle = 1 - 2 * k / n_points, math.pi * (1 + 5**0.5) * k
spread = torch.stack([(1 - height**2).sqrt() * angle.cos(), (1 - height**2).sqrt() * angle.sin(), height], -1)  # evenly over the sphere


def largest_cosine(normals):
    """The largest |cosine| between two different basis functions over these normals."""
    phi = torch.nn.functional.normalize(illumination.sh_basis(normals), dim=0)
    return float((phi.T @ phi - torch.eye(9)).abs().max())


print("whole sphere, largest cosine below 0.01:", largest_cosine(spread) < 0.01)
print("visible half, largest cosine above 0.5:", largest_cosine(spread[spread[:, 2] > 0]) > 0.5)


# %% [markdown]
# ## A sphere beside the head
# A matt white ball shows a light better than a face does. Where does the lamp stand?


# %%
def directional(azimuth, elevation, strength, ambient=0.0, warmth=0.0):
    """27 light numbers of one soft lamp. Angles in degrees: azimuth to the picture's right, elevation upwards."""
    a, e = math.radians(azimuth), math.radians(elevation)
    towards = (math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e))
    light = torch.zeros(3, 9)
    light[:, 0] = ambient
    light[:, 1:4] = strength * torch.tensor([-towards[1], towards[2], -towards[0]])
    return light * torch.tensor([1 + warmth, 1.0, 1 - warmth])[:, None]


def lit_ball(light):
    """The white ball under a light, (side, side, 3), on light grey."""
    colours = illumination.shade(torch.ones(1, side * side, 3) * 0.6, ball.reshape(1, -1, 3), light.reshape(1, 27))
    return torch.where(disc[..., None], colours.reshape(side, side, 3).clamp(0, 1), torch.tensor(0.93)).numpy()


def ball_and_head(azimuth, elevation, strength, warmth):
    """The ball and the head under the same lamp."""
    light = directional(azimuth, elevation, strength, ambient=-0.05, warmth=warmth)
    show_strip([lit_ball(light), picture(change(light=light), 160).numpy()], scale=2.0)


explore(ball_and_head, azimuth=(-90, 90, 50), elevation=(-60, 80, 30), strength=(0.0, 0.5, 0.3), warmth=(-0.3, 0.3, 0.1))

# %% [markdown]
# *Picture: the ball and the head, both lit from the upper right. Put the lamp below the chin for the torch-under-the-chin face.*
#
# Nine numbers a colour go a long way. Lamps add up, since light enters linearly: the last column is one warm lamp and one cold one.

# %%
show_figure("light")

# %% [markdown]
# *Picture: seven columns, each a matt ball, a face, and a turned, darker face under one light: soft white (all 27 numbers zero), from the left, the
# right, above and below, a low evening sun, and orange from one side with blue from the other. The ball tells where the lamp is; turning the
# head does not move it, and skin that reflects less shows the same light more faintly.*
#
# ## Albedo, light, pose: one at a time
# The same face, switch by switch. `albedo` off paints the skin white, `light` off is a flat light, `pose` off looks straight ahead.

# %%
flat_light = torch.zeros(3, 9)
flat_light[:, 0] = 1 / illumination.BAND0 - illumination.AMBIENT  # irradiance exactly 1
key_light = directional(45, 35, 0.3, ambient=-0.1)


def toggled(albedo, light, pose):
    """The person with skin colour, directed light and pose switched on or off."""
    coeffs = change([0.1, 0.45, 0.0] if pose else None, None, key_light if light else flat_light)
    return picture(coeffs, 128, albedo=None if albedo else torch.full_like(model.mean_tex, 0.8)).numpy()


def toggles(albedo, light, pose):
    """One picture per setting."""
    show_strip([toggled(albedo, light, pose)], scale=2.2)


explore(toggles, albedo=True, light=True, pose=False)
cases = [(False, False, False), (True, False, False), (False, True, False), (True, True, False), (True, True, True)]
show_strip([toggled(*c) for c in cases], ["nothing", "albedo", "light", "albedo, light", "albedo, light, pose"], scale=1.7)

# %% [markdown]
# *Picture: five heads. With nothing on, a flat outline without form: all form in a picture is shading. Albedo alone looks like a paper mask.
# Light alone is a plaster bust. Their product is a face.*
#
# The picture is a **product** of albedo and light. A dark skin in a bright light and a bright skin in a dim light can be the same picture:
# the second ambiguity that notebook 03 meets.
#
# ## Exercise 2: recover nine light numbers from one channel
# With mesh and albedo known, every pixel gives one linear equation for the nine light numbers of its channel:
# $\text{red} = \sum_b \gamma_b\, r_b$ with $r_b$ the albedo times $\Phi_b$, carried to the pixel. Below, `rows` (N, 9) and `red` (N,) hold
# the pixels of a rendering that were not clipped. Solve for the nine (the constant one includes the 0.8 that `shade` adds). Then use only
# the pixels with `half`: normals that point to the picture's right.

# %%
shown = faces[model.reconstruction_triangles.numpy()]
out = face_renderer.render(model, base, 160, triangles=model.reconstruction_triangles)
index, bary = out.index[0].numpy(), out.bary[0].numpy()
normals = illumination.vertex_normals(face_renderer.posed_verts(model, base), model.triangles)[0]
red_albedo = model.texture(base[:, TEX])[0, :, :1].clamp(0, 1)
per_vertex = torch.cat([red_albedo * illumination.sh_basis(normals), normals], 1)
per_pixel = rasterizer.interpolate(per_vertex.numpy(), index, bary, shown)
corners = out.verts_screen[0].numpy()[shown[index.clip(0)], :2]
ab, ac = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
facing = ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0] < 0  # the inside of the head is darkened: leave it out
channel = out.image[0, 0].numpy()
use = (index >= 0) & facing & (channel > 0.002) & (channel < 0.998)
rows, red, half = per_pixel[use][:, :9].astype(np.float64), channel[use].astype(np.float64), per_pixel[use][:, 9] > 0
true_light = illumination.light_matrix(base[:, SH])[0, :, 0].numpy()
growth = np.linalg.cond(rows[half]) / np.linalg.cond(rows)
print("equations: more than 10,000:", len(red) > 10_000, "| unknowns:", rows.shape[1])

# %% tags=["exercise"]
answer2 = None  # your turn: nine numbers from rows and red
answer2_half = None  # nine numbers from rows[half] and red[half]
answer2_growth = None  # condition number of rows[half] over that of rows
check("exercise 2, all", answer2, true_light, tol=1e-4, hint="np.linalg.lstsq")
check("exercise 2, half", answer2_half, true_light, tol=1e-4)
check("exercise 2, growth", answer2_growth, growth, tol=1e-2, hint="np.linalg.cond")

# %% tags=["solution"]
answer2 = np.linalg.lstsq(rows, red, rcond=None)[0]
answer2_half = np.linalg.lstsq(rows[half], red[half], rcond=None)[0]
answer2_growth = np.linalg.cond(rows[half]) / np.linalg.cond(rows)
check("exercise 2, all", answer2, true_light, tol=1e-4)
check("exercise 2, half", answer2_half, true_light, tol=1e-4)
check("exercise 2, growth", answer2_growth, growth, tol=1e-2)

# %% [markdown]
# Without noise even half the face suffices. The condition number says what happens with noise: a relative error of the picture becomes a
# relative error of the solution, up to that many times larger. Noise that is independent in every pixel averages out and does less harm.
# Add 1 % of noise and solve again, from equally many pixels that show less and less of the sphere of directions.

# %%
rng = np.random.default_rng(SEED)
noise = rng.normal(0, 0.01, (20, len(red)))
facing_us = per_pixel[use][:, 11]
regions = {"all": facing_us > -1, "right half": half, "n_z > 0.6": facing_us > 0.6, "n_z > 0.8": facing_us > 0.8}
fewest = min(int(r.sum()) for r in regions.values())
regions = {name: rng.choice(np.flatnonzero(r), fewest, replace=False) for name, r in regions.items()}
condition = [np.linalg.cond(rows[r]) for r in regions.values()]
spoilt = [np.abs(np.linalg.pinv(rows[r]) @ (red[r] + noise[:, r]).T - true_light[:, None]).max(0).mean() for r in regions.values()]
fig, ax = plt.subplots(figsize=(5.5, 2.8))
ax.loglog(condition, spoilt, "o-", color=PALETTE[0])
for i, (name, at, error) in enumerate(zip(regions, condition, spoilt, strict=True)):
    place = {"xytext": (8, -10), "ha": "left"} if i == 2 else {"xytext": (-6, 8), "ha": "right"}  # two of them are neighbours
    ax.annotate(name, (at, error), textcoords="offset points", fontsize=9, **place)
ax.set(xlabel="condition number", ylabel="worst of nine errors", xlim=(min(condition) / 3, None), ylim=(None, max(spoilt) * 2))
plt.show()

# %% [markdown]
# *Picture: the error of the recovered light against the condition number, both on a logarithmic scale: from the whole face to its front it grows
# more than tenfold. The less of the sphere of directions a face shows, the less its light is known.*
#
# ## The rasteriser
# Which triangle does a pixel show, and where on it? Every triangle is tried on the pixels of its bounding box. Three **edge functions**
# (signed areas) say inside or outside; divided by the whole area they are the **barycentric** weights of the corners. A **z-buffer** keeps the
# nearest triangle. In twenty lines:


# %%
def tiny_rasterizer(points, triangles, size):
    """Triangle index (size, size), -1 where there is none, and perspective-correct barycentrics (size, size, 3)."""
    index, weights = np.full((size, size), -1), np.zeros((size, size, 3))
    nearest = np.zeros((size, size))
    u, v = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)  # pixel centres
    for f, corner in enumerate(points[triangles].astype(np.float64)):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corner
        edges = [  # each is twice the area of the pixel and one side
            (cx - bx) * (v - by) - (cy - by) * (u - bx),
            (ax - cx) * (v - cy) - (ay - cy) * (u - cx),
            (bx - ax) * (v - ay) - (by - ay) * (u - ax),
        ]
        on_screen = np.stack(edges, -1) / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        over_depth = on_screen / [az, bz, cz]  # 1/z' is linear on the screen, z' is not
        inverse = over_depth.sum(-1)
        wins = (on_screen >= 0).all(-1) & (inverse > nearest)
        nearest[wins], index[wins] = inverse[wins], f
        weights[wins] = (over_depth / inverse[..., None])[wins]
    return index, weights


corners = np.array([[3, 3, 7], [45, 24, 13], [3, 45, 7], [45, 3, 7], [45, 45, 7], [3, 24, 13]], np.float32)  # u, v, depth
two = np.array([[0, 1, 2], [3, 4, 5]])
tiny, library = tiny_rasterizer(corners, two, 48), rasterizer.rasterize(corners, two, 48, 48)
print("same triangles:", bool((tiny[0] == library[0]).all()), "| same weights:", np.allclose(tiny[1], library[1], atol=1e-5))
show_strip([tiny[0].astype(float), tiny[1], tiny[1][..., 0]], ["index", "weights as RGB", "weight of corner 0"], scale=2.0)

# %% [markdown]
# *Picture: two triangles that cut through each other. Left, which one is in front: the straight border in the middle is where their depths are
# equal. Middle, the three weights as red, green and blue. Right, one weight alone.*
#
# The library's version does the same, compiled, a few milliseconds a frame. Here is a whole head through it.

# %%
head = change([0.0, 0.35, 0.0], exp=model.actions_to_exp({"jawOpen": 0.4}))
out = face_renderer.render(model, head, 96)
index, bary = out.index[0].numpy(), out.bary[0].numpy()
colours = np.random.default_rng(SEED).uniform(0.15, 1, (len(faces), 3))
shuffled = np.where(index[..., None] >= 0, colours[index], 1.0)
depth_map = rasterizer.interpolate(out.verts_screen[0, :, 2:].numpy(), index, bary, faces)[..., 0]
depth_map = np.where(index >= 0, depth_map, np.nan)
world_normals = illumination.vertex_normals(face_renderer.posed_verts(model, head), model.triangles)[0].numpy()
normal_map = np.where(index[..., None] >= 0, rasterizer.interpolate(world_normals, index, bary, faces) / 2 + 0.5, 1.0)
steps = [shuffled, bary.astype(np.float64), depth_map, normal_map, out.image[0]]
show_strip(steps, ["index", "barycentrics", "depth z'", "normals", "picture"], scale=1.9)

# %% [markdown]
# *Picture: one head five ways. The triangles in random colours; their barycentrics as RGB; depth, dark is near; normals as RGB; and the picture
# that all of them make together.*
#
# ## Exercise 3: half way on the screen
# An edge runs from a corner at depth 9 to a corner at depth 11. At the pixel half way between them *on the screen*, what is the
# weight of the nearer corner? It is not one half.

# %%
edge = np.array([[10.5, 8.5, 9], [30.5, 8.5, 11], [20.5, 300, 10]], np.float32)
_, weights = rasterizer.rasterize(edge, np.array([[0, 1, 2]]), 40, 40)
middle = float(weights[8, 20, 0])

# %% tags=["exercise"]
answer3 = None  # your turn: a number
check("exercise 3", answer3, middle, tol=1e-4, hint="half of 1/9 and half of 1/11, scaled so that both weights sum to 1")

# %% tags=["solution"]
answer3 = (0.5 / 9) / (0.5 / 9 + 0.5 / 11)
check("exercise 3", answer3, middle, tol=1e-4)

# %% [markdown]
# ## Against PyTorch3D
# The paper draws its 3D faces with PyTorch3D. We keep it as the reference: same points, same triangles, two programs.

# %%
points = camera.screen(face_renderer.posed_verts(model, head), 64).numpy()[0]
ours = rasterizer.rasterize(points, faces, 64, 64)
reference = rasterizer.rasterize_pytorch3d(points, faces, 64, 64)
same = ours[0] == reference[0]
print(f"pixels that show another triangle: fewer than 3 of {same.size}:", int((~same).sum()) < 3)
print("weights within 1e-4:", bool(np.abs(ours[1] - reference[1])[same].max() < 1e-4))

wanted = head.clone().requires_grad_()
reference_image, _ = face_renderer.render_pytorch3d(model, wanted, 64)
own_image = face_renderer.render(model, head, 64).image
close = (reference_image.detach() - own_image).abs().amax(1) < 1e-4
print(f"pictures within 1e-4: all but a handful of {close.numel()} pixels:", int((~close).sum()) < 10)
show_strip(
    [own_image[0], reference_image[0], (own_image - reference_image.detach())[0].abs().amax(0)],
    ["ours", "PyTorch3D", "difference"],
    scale=1.7,
)

# %% [markdown]
# *Picture: our rendering, PyTorch3D's, and their difference: dark everywhere, but for a few pixels of the bright teeth. There a colour exceeds 1, and
# our path cuts it off at each pixel, PyTorch3D's at each vertex, before it is carried to the pixels.*
#
# PyTorch3D's path is slower on a CPU and has what ours lacks: gradients. Light enters a picture linearly, so its gradient can be checked against
# a plain difference.

# %%
reference_image.mean().backward()
k = SH.start + 2  # the red channel's frontal light
with torch.no_grad():
    brighter = head.clone()
    brighter[0, k] += 0.05
    slope = (face_renderer.render(model, brighter, 64).image.mean() - own_image.mean()) / 0.05
print("gradient of the mean brightness agrees with a difference:", bool(abs(slope - wanted.grad[0, k]) < 0.02 * abs(slope)))

# %% [markdown]
# ## True flow
# Later, a network must move the pixels of a reference picture to where a new picture needs them: equation (14). With the mesh known, we
# know the answer exactly. A pixel of the **target** shows a point of a triangle. The same point of the same triangle lies somewhere in the
# **reference**. The difference is the flow: backward, in pixels.

# %%
show_source(face_renderer.true_flow)

# %%
target = change([0.02, 0.22, 0.03], exp=model.actions_to_exp({"jawOpen": 0.35, "mouthSmileLeft": 0.3, "mouthSmileRight": 0.3}))
reference = change([0.0, -0.12, 0.0])
flow, valid = face_renderer.true_flow(model, target[0], reference[0], 128)
both = face_renderer.render(model, torch.cat([target, reference]), 128, background=torch.full((3,), 0.93)).image
warped = warp(both[1:], flow[None])[0]


def flow_colours(flow, largest):
    """Direction as hue, length as saturation: (2, H, W) pixels -> (H, W, 3)."""
    from matplotlib.colors import hsv_to_rgb

    length = flow.norm(dim=0) / largest
    hue = torch.atan2(flow[1], flow[0]) / (2 * math.pi) % 1
    return hsv_to_rgb(torch.stack([hue, length.clamp(0, 1), torch.ones_like(hue)], -1).numpy())


seen = torch.where(valid, warped, torch.tensor(0.5))
panels = [both[1], both[0], flow_colours(flow * valid, float(flow[:, valid].norm(dim=0).max())), seen]
show_strip(panels, ["reference", "target", "flow (hue: direction)", "reference warped"], scale=2.1)

# %% [markdown]
# *Picture: the reference looks to one side with lips closed; the target looks to the other side, smiling, mouth open. The flow
# shows a turning head: what lies in front of the axis, nose and lips, comes from one side (blue), ears and neck behind it from the other (red), and
# between them little moves (white). The lower lip has a shade of its own. The warped reference has the target's pose and its outline of the mouth.*
#
# Grey on the head in the last picture are points that the reference does not show; the background is grey because no mesh is there.
# Inside the mouth no flow can help: teeth and tongue were hidden. This is the reason for inpainting, equations of notebook 06. And shading
# stays behind: the warp carries the old light along.
#
# **Check.** A landmark is a vertex, so its flow is known from projection alone. Compare at every landmark that is visible in both.

# %%
spots = face_renderer.landmarks2d(model, target, 128)[0]
arrive = face_renderer.landmarks2d(model, reference, 128)[0]
column, line = spots.long().clamp(0, 127).unbind(-1)
good = valid[line, column]
miss = (flow[:, line, column].T - (arrive - spots))[good].norm(dim=1)
print("median error at the landmarks below 0.5 px:", bool(miss.median() < 0.5))
better = (warped - both[0]).abs()[:, valid].mean() < 0.5 * (both[1] - both[0]).abs()[:, valid].mean()
print("warping at least halves the difference where it is valid:", bool(better))

# %% [markdown]
# ## What can go wrong
# - **Half a pixel.** dlib, FAN and OpenCV put pixel centres at integers, we at integers + 0.5. Forget it once and every landmark is off by
#   more than the improvement some papers claim.
# - **Left and right.** The person's left is at $+x$, the picture's right. PyTorch3D's $x$ points to the left. One file,
#   `camera.py`, knows this; no other does.
# - **Matt skin only.** Nine numbers know no shadow of the nose, no highlight, no skin that glows. The corpus adds a little gloss of the main lamp
#   (`specular` of `render`), which the 257 numbers do not hold. The renderer must learn such things from pictures.
# - **Aliasing.** One sample per pixel makes jagged lips at 96 pixels. The corpus is drawn with four samples per pixel.
#
# **What is written**: nothing. **Next**: 03, the way back: from a picture to the 257 numbers.
