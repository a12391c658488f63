# %% [markdown]
# # 04 Speech and semantic images
# *One sound becomes two sequences: numbers that describe the speech, and pictures that a teacher network painted after hearing it.*
#
# **You need**: 01 (expression coefficients), 03 (lip opening). **You learn**: what an MFCC window is and which video frame it belongs
# to; what a mouth does that no sound can tell; what semantic images are; how a sync expert sees a delay, and whether it knows one.
#
# **Minutes**: read 45 · smoke 0.7 · classroom 0.7

# %% tags=["parameters"]
PROFILE = "smoke"
SEED = 0

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown, display

from paperlib.config import FPS, load_profile
from paperlib.corpus import articulation, synthetic
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation.expression import opening_mm
from paperlib.media import audio
from paperlib.notebook import PALETTE, check, explore, label, setup, show_audio, show_source, show_strip
from paperlib.seeding import rng
from paperlib.strips import closures, middles, phoneme_bars, speech_strip

profile = setup(PROFILE, SEED)
plt.rcParams["image.interpolation"] = "nearest"  # one cell of a grid is one number
corpus = Corpus(load_profile("classroom").corpus)  # results and pictures come from the classroom's test clips under every profile

# %% [markdown]
# ## One sentence, heard and seen
# The embedded corpus knows everything about its clips: what was said, when each sound began, how far the lips were apart. Listen first,
# then find the sound of each hatched bar in the picture. Hatched are **p, b, m**: they cannot be spoken with open lips.

# %%
name = corpus.clips("test")[2]
clip = corpus.load(name)
T = len(clip)
truth = opening_mm(torch.from_numpy(clip.coeffs[:, 80:144]))  # mm between the inner lips, head pose and identity removed
rest = float(opening_mm(torch.zeros(1, 64))[0])  # not 0: the landmarks sit on the lips' rims, which have a thickness
print(f"{name.name}: {clip.sentence!r}, {T} frames of {1000 // FPS} ms")
show_audio(clip.wave, caption=clip.sentence)

# %% [markdown]
# *Picture: four rows on one time axis. Ten frames of the speaking face; the phonemes as bars, the lip-closing ones hatched; the MFCC as
# a coloured grid of 13 rows; the curve of lip opening in millimetres, which stays within about 1 mm of its resting value at the middle of
# every hatched bar (the points sit on the lips' rims, so shut is not 0).*

# %%
speech_strip(clip.phonemes, T, {"true": truth}, {"frames": clip.frames}, audio.mfcc(clip.wave))
plt.show()

# %% [markdown]
# ## Two sequences, (3)
# Stage 1 of the paper reads, for every video frame $t$ of $T$, a piece of speech $a_t$ and a picture $v_t$:
#
# $$A = \{a_1, \dots, a_T\}, \qquad V = \{v_1, \dots, v_T\} \tag{3}$$
#
# (The paper prints $v_1$ twice; the second must be $v_T$.)
#
# | symbol | here | shape |
# | --- | --- | --- |
# | $a_t$ | MFCC of the speech around frame $t$ | 13 coefficients x 28 columns |
# | $v_t$ | what the teacher paints for frame $t$, on one fixed face | 3 x S x S, in [0, 1] |
# | $T$ | frames of the clip, 25 a second | |
#
# An **MFCC** (mel-frequency cepstral coefficient) describes the spectrum of a few milliseconds: $c_0$ how loud, $c_1$ whether low or high
# tones lead, and so on with finer ripples. The paper does not say which settings it used. Ours stand in the library as named constants.

# %%
rows = [
    ("coefficients", audio.MFCC_COUNT, "c0 is kept: loudness tells about opening"),
    ("window", f"{1000 * audio.MFCC_WINDOW / audio.SAMPLE_RATE:.0f} ms", "two pitch periods of a low voice"),
    ("hop", f"{1000 * audio.MFCC_HOP / audio.SAMPLE_RATE:.0f} ms", f"{audio.SAMPLES_PER_FRAME // audio.MFCC_HOP} columns a video frame"),
    ("mel bands", audio.MFCC_MELS, f"{audio.MFCC_FMIN:.0f} to {audio.MFCC_FMAX:.0f} Hz"),
    ("columns of a_t", audio.MFCC_COLUMNS, f"{10 * audio.MFCC_COLUMNS} ms around the middle of the frame"),
    ("level", f"{audio.LEVEL_DB:.0f} dB", "set first, so that a quiet recording gives the same numbers"),
]
display(Markdown("\n".join(["| setting | value | why |", "| --- | --- | --- |", *(f"| {a} | {b} | {c} |" for a, b, c in rows)])))
show_source(audio.mfcc_windows)

# %%
a = audio.mfcc_windows(clip.wave, T)
quiet = audio.mfcc_windows(0.05 * clip.wave, T)
print("A:", a.shape, "| the same speech 26 dB quieter gives the same A:", bool(np.abs(a - quiet).max() < 1e-3))

# %% [markdown]
# *Picture: that function alone. Left, the whole MFCC with two boxes of 280 ms, one around a closed-lip sound, one around the widest
# opening. Middle and right, the two windows cut out: what the network sees for one frame. Neighbouring frames share 24 of 28 columns.*

# %%
shut, wide = closures(clip.phonemes, T)[4][1], int(truth.argmax())
fig, axes = plt.subplots(1, 3, figsize=(9, 2.4), width_ratios=(3, 1, 1))
axes[0].imshow(audio.mfcc(clip.wave), origin="lower", aspect="auto", extent=(0, T / FPS, -0.5, 12.5), vmin=-2, vmax=2)
for t, style, title, ax in ((shut, "-", "lips shut", axes[1]), (wide, "--", "lips wide", axes[2])):
    axes[0].add_patch(plt.Rectangle(((t + 0.5) / FPS - 0.14, -0.4), 0.28, 12.8, fill=False, ec="white", lw=2, ls=style))
    ax.imshow(a[t], origin="lower", aspect="auto", vmin=-2, vmax=2)
    ax.set(title=f"frame {t}: {title}", xlabel="column (10 ms)", yticks=[0, 12])
axes[0].set(xlabel="time (s)", ylabel="coefficient", title="A, with two windows")
plt.show()

# %% [markdown]
# ## One name, two conventions
# SyncNet and the audio network of Yi et al. read the MFCC of another library, python_speech_features: also 13 numbers, every 10 ms, from
# 25 ms (Yi et al. drop $c_0$ and keep 12). Each line of the table does **one** step of our MFCC the other library's way. Then $r$ is
# the correlation with ours over the clip above: the mean over the 13 coefficients, and the lowest of them.

# %%
from paperlib.media.mfcc_conventions import OURS, PSF, coefficient_agreement, psf_mfcc, step_effects


def settings(c):
    """A convention in words, in the order of `step_effects`."""
    bands = f"{c.bands}, {c.fmin:.0f} to {c.fmax:.0f} Hz, of equal {'area' if c.slaney else 'height'}"
    units = f"{'decibels' if c.decibel else 'natural logarithm'} of a wave in +-{c.full_scale:g}, over {c.scale:g}"
    return [
        "set first" if c.level else "as recorded", f"{c.preemphasis:g}" if c.preemphasis else "none",
        "around their moment" if c.centred else "from their moment on", "Hann" if c.hann else "none", bands, units,
        f"{c.lifter}" if c.lifter else "none", "energy of the frame" if c.energy_first else "mean of the bands",
    ]  # fmt: skip


lines = ["| step | ours (librosa) | python_speech_features | r, mean | r, lowest |", "| --- | --- | --- | --- | --- |"]
for e, own, other in zip(step_effects(clip.wave), settings(OURS), settings(PSF), strict=True):
    lines.append(f"| {e['step']} | {own} | {other} | {e['r']:.2f} | {e['lowest']:.2f} (c{e['coefficient']}) |")
display(Markdown("\n".join(lines)))
agree = coefficient_agreement(clip.wave)
worst = min(agree, key=lambda row: row["explained"])
label("measured", f"This one clip. All steps together: r from {min(row['r'] for row in agree):.2f} to {max(row['r'] for row in agree):.2f}. Even the "
      f"best linear map from all 13 of theirs explains only {worst['explained']:.0%} of our c{worst['coefficient']}. The largest number is "
      f"{np.abs(audio.mfcc(clip.wave)).max():.0f} in ours and {np.abs(psf_mfcc(clip.wave)).max():.0f} in theirs.")  # fmt: skip

# %% [markdown]
# A step with r = 1 only scales or shifts. The others hear the microphone's level, weigh the samples or the tones otherwise, listen to other
# moments or other tones, let quiet bands fall where ours has a floor, or call another number $c_0$. A released network
# that is fed the other kind gets an array of the right shape, so nothing fails aloud: but its weights expect other bands and numbers of
# another size, and what it answers means nothing.
#
# ## Which frame does a window belong to?
# A frame is a moment; a window of speech is 200 or 280 ms long. Somebody must decide which part of the speech belongs to frame $j$, and
# released systems decide differently. They use the same mel spectrogram (80 columns a second, windows of 16 columns) and start the window
# of frame $j$ at column $\lfloor 80\,(j + s)/25 \rfloor$, with
#
# | released code | $s$ |
# | --- | --- |
# | Wav2Lip, training | -1 |
# | Wav2Lip, inference | 0 |
# | SadTalker | -2 |
#
# *Picture: the window that each code gives to frame 25, as a bar on the time axis. The grey band is frame 25 itself, 1.00 to 1.04 s. Only
# bars whose middle (the dot) lies in the band hear as much of the past as of the future.*

# %%
SHIFT = {"Wav2Lip, training": -1, "Wav2Lip, inference": 0, "SadTalker": -2}
COLUMN = audio.MEL_HOP / audio.SAMPLE_RATE  # seconds


def first_column(frame, shift):
    return int(80 * (frame + shift) / 25)


fig, ax = plt.subplots(figsize=(8, 2.2))
ax.axvspan(1.0, 1.04, color="0.85")
starts = {**{k: first_column(25, s) for k, s in SHIFT.items()}, "this project": int(audio.mel_start(25))}
for y, start in enumerate(reversed(starts.values())):
    left, right = (start - 0.5) * COLUMN, (start + 15.5) * COLUMN
    ax.plot([left, right], [y, y], lw=7, color=PALETTE[0], solid_capstyle="butt")
    ax.plot((left + right) / 2, y, "o", color="white", mec="black")
ax.set(yticks=range(4), yticklabels=list(reversed(starts)), ylim=(-0.6, 3.6), xlabel="time (s)")
plt.show()

# %% [markdown]
# A click makes the question exact. We put a single sample of sound at 1.000 s and look for it in the mel spectrogram.

# %%
wave = np.zeros(2 * audio.SAMPLE_RATE, np.float32)
wave[audio.SAMPLE_RATE] = 1.0
click = int(audio.mel(wave, level=False).sum(0).argmax())
print("the click is in column", click, "which is centred at", click * COLUMN, "s")

# %% [markdown]
# ## Exercise 1: whose click is it?
# For each of the three codes, in the order of the table: which frame's window holds the click nearest to its middle (column 7.5 of
# 0 to 15)? And how many milliseconds of delay does a network learn in training and not meet at inference? Answer with four numbers.

# %% tags=["exercise"]
answer1 = None  # your turn: [frame, frame, frame, milliseconds]
nearest = [min(range(50), key=lambda j: abs(click - first_column(j, s) - 7.5)) for s in SHIFT.values()]
expected1 = [*nearest, (nearest[0] - nearest[1]) * 1000 // FPS]
check("exercise 1", answer1, expected1, hint="the window of frame j starts at int(80 (j + s) / 25); try j = 22 to 26")

# %% tags=["solution"]
training = next(j for j in range(50) if first_column(j, -1) == first_column(23, 0))  # one frame later than at inference
answer1 = [training, training - 1, training + 1, 40]
check("exercise 1", answer1, expected1)

# %% [markdown]
# One frame is little. Is it visible? Move the slider: the speech stays, the picture is shifted by up to five frames. Viewers are said to
# notice sound that leads by about 45 ms or lags by about 125 ms (ITU-R BT.1359).
#
# *Picture: above, one mouth per p, b or m, taken where the slider puts it; at offset 0 all lips are shut. Below, the shifted curve of lip
# opening over the phoneme bars, with a dotted line 1 mm above rest. The title counts the closures that stay below it.*

# %%
x0, y0, x1, y1 = (int(v) for v in np.r_[clip.lmk_neutral[:, 48:68].min((0, 1)) - 8, clip.lmk_neutral[:, 48:68].max((0, 1)) + 8])
marks = closures(clip.phonemes, T)


def shifted(offset):
    source = np.clip(np.arange(T) - offset, 0, T - 1)  # picture late for offset > 0
    held = sum(truth[source[t]] < rest + 1.0 for _, t in marks)
    fig = plt.figure(figsize=(9, 3.4))
    grid = fig.add_gridspec(3, len(marks), height_ratios=(3, 1, 4))
    for i, (symbol, t) in enumerate(marks):
        ax = fig.add_subplot(grid[0, i])
        ax.imshow(clip.frames[source[t], y0:y1, x0:x1], interpolation="nearest")
        ax.set_title(f"{symbol} {t / FPS:.2f} s", fontsize=8)
        ax.axis("off")
    phoneme_bars(bars := fig.add_subplot(grid[1, :]), clip.phonemes, T / FPS)
    curve = fig.add_subplot(grid[2, :], sharex=bars)
    curve.plot(middles(T), truth[source], color="black")
    curve.axhline(rest + 1.0, color="0.6", ls=":")
    curve.plot([(t + 0.5) / FPS for _, t in marks], [truth[source[t]] for _, t in marks], "o", color=PALETTE[3])
    curve.set(xlim=(0, T / FPS), xlabel="time (s)", ylabel="opening (mm)")
    late = f"{abs(offset) * 1000 // FPS} ms {'late' if offset > 0 else 'early'}" if offset else "on time"
    fig.suptitle(f"picture {late}: {held} of {len(marks)} closures hold (within 1 mm of rest)")
    plt.show()


explore(shifted, offset=(-5, 5, 0))

# %% [markdown]
# ## Where the truth comes from: coarticulation
# The frames above move by a **rule**, not by a person. It is the published one of Cohen and Massaro (1993), and it is no part of the
# paper: we need known truth, and it gives it. Each sound $s$ has a target $T_{sp}$ for each articulator $p$ (jaw, rounding, closing ...)
# and a dominance $D_{sp}$ that fades with time from its centre $t_s$:
#
# $$F_p(t) = \frac{\sum_s D_{sp}(t)\, T_{sp}}{\sum_s D_{sp}(t)}, \qquad D_{sp}(t) = \alpha_{sp}\, e^{-\theta_p |t - t_s|}$$
#
# Two details are left out of this formula: in our code $\theta$ differs before and after the centre, and a plateau of full dominance lies
# around it (`core`).
#
# Because rounding fades slowly, the lips round *before* an "oo" is heard. That is **coarticulation**, and the reason why one frame of
# sound is not enough to know the mouth of that frame.

# %%
show_source(articulation.dominance, doc=False)

# %% [markdown]
# *Picture: the phonemes of "My spoon" and three articulators over time. The lips close for m and p and nowhere else; the rounding for the
# oo already rises during the s; the jaw opens widest for the vowel of "my".*

# %%
from paperlib.corpus.speech import synthesize
from paperlib.corpus.visemes import CHANNELS

said = synthesize("My spoon.", voice="en", rate=140)
times = np.arange(0, said.seconds, 0.005)
channels = articulation.dominance(said.phonemes, times)
fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 3), sharex=True, height_ratios=(1, 5))
phoneme_bars(top, [(p.symbol, p.start, p.end) for p in said.phonemes], said.seconds)
for i, channel in enumerate(("jaw", "round", "close")):
    bottom.plot(times, channels[:, CHANNELS.index(channel)], ("-", "--", ":")[i], lw=2, label=channel)
bottom.set(xlabel="time (s)", ylabel="articulator (0 to 1)", xlim=(0, said.seconds))
bottom.legend(ncols=3)
plt.show()
print("a weighted mean of targets stays between 0 and 1:", bool(channels.min() >= 0 and channels.max() <= 1))

# %% [markdown]
# ## What no sound can tell
# People are not a function of their sound. The corpus adds what speech does not decide: each speaker's **style** (how wide, how early, the
# mouth at rest), slow expression, and **noise** that differs from take to take. Here the sentence from above is spoken three times.
#
# *Picture: three curves of lip opening for exactly the same sound. Two takes of one speaker run together but not on top of each other;
# another speaker's style has other heights at the wide openings. A perfect network that hears the sound could not tell which curve is wanted.*

# %%
speech = synthetic.clip_speech(corpus.cfg, name)[0]
take2 = opening_mm(torch.from_numpy(synthetic.expressions(corpus.cfg, name, T, speech, variant=1)))


def spoken_by(speaker):
    """Lip opening of the same speech in another speaker's style, with that speaker's own noise."""
    from paperlib.face3d.morphable_model import default_model

    model, style = default_model(), articulation.draw_style(rng(corpus.cfg.seed, "style", speaker))
    take = rng(corpus.cfg.seed, "face", speaker, 0)
    actions = articulation.articulate(speech.phonemes, T, clip.wave, style, take, model.action_names)
    return opening_mm(torch.from_numpy(actions) @ model.action_coeff)


other = spoken_by(corpus.clips("test")[-1].speaker)
r_takes = float(np.corrcoef(truth, take2)[0, 1])
speech_strip(clip.phonemes, T, {"take 1": truth, "take 2": take2, "another speaker": other})
plt.suptitle(f"same sound: r(take 1, take 2) = {r_takes:.2f}, r(take 1, other speaker) = {np.corrcoef(truth, other)[0, 1]:.2f}")
plt.show()

# %% [markdown]
# ## Exercise 2: the noise ceiling
# Write a take as $s + n$: the part $s$ that speech and style decide, plus noise $n$ of its own. Two takes share $s$, and their noises
# are independent and equally strong, so they correlate at `r_takes` $= \sigma_s^2 / (\sigma_s^2 + \sigma_n^2)$. What is the highest
# correlation with one take that a network can reach, if it predicts $s$ exactly? (Use the variable `r_takes`.)

# %% tags=["exercise"]
answer2 = None  # your turn
check("exercise 2", answer2, float(np.sqrt(r_takes)), hint="r(s, s + n) = var(s) / sqrt(var(s) var(s + n))")

# %% tags=["solution"]
answer2 = r_takes**0.5
check("exercise 2", answer2, float(np.sqrt(r_takes)))

# %% [markdown]
# So no score of notebook 05 can be read without its ceiling, and results there are set against a second take.
#
# ## What lips do not care about: the voice
# The opposite happens too: the sound differs, and the lips do the same. The corpus has few voices, all synthetic. A network that hears
# nothing else learns their formants (the resonances of mouth and throat) by heart, and then hears almost nothing in a recording. So in
# training half of the sequences are heard in **other voices**: the bands are stretched, as by a longer or shorter throat (Jaitly and Hinton,
# 2013), the spectrum is smoothed, its contrast scaled, a microphone's curve added, and steady noise put under it. Each such sequence gets one
# random voice; the other half stays as it is.
#
# *Picture: the mel spectrogram (one row a band, low tones below) of the clip as it is, and in three other voices. What stays is when things
# are said: pauses, onsets and the dotted middles of p, b and m stand at the same times in all panels. What changes is where the bright
# bands lie, how sharp they are, and how much noise fills the dark.*

# %%
from paperlib.corpus.speech import VARIANTS
from paperlib.media.other_voices import SHARE, other_mel

own = torch.from_numpy(audio.mel(clip.wave))[None, None]  # (1, 1, 80, columns)
runs = own.repeat(12, 1, 1, 1)
heard = other_mel(runs, torch.Generator().manual_seed(6))
changed = [i for i in range(len(runs)) if not torch.equal(heard[i], own[0])]
backwards = other_mel(runs.flip(-1), torch.Generator().manual_seed(6)).flip(-1)
same = heard.shape == runs.shape and torch.allclose(heard, backwards, atol=1e-4)
print(f"voices of the corpus: {len(VARIANTS)}; training sequences that are changed: {SHARE:.0%}, of these {len(runs)}: {len(changed)}")
print("time is not touched: reversed, changed and reversed back, it is the same:", same)
fig, axes = plt.subplots(2, 2, figsize=(9, 3.2), sharex=True, sharey=True)
for ax, i in zip(axes.flat, (None, *changed[:3]), strict=True):
    picture = own[0, 0] if i is None else heard[i, 0]
    end = picture.shape[1] / 80  # 80 columns a second
    ax.imshow(picture, origin="lower", aspect="auto", cmap=plt.get_cmap("cividis", 12), extent=(0, end, 0, 80), vmin=-4, vmax=2.5)
    for _, t in closures(clip.phonemes, T):
        ax.axvline((t + 0.5) / FPS, color="white", ls=":", lw=1)
    ax.set(title="as it is" if i is None else "in another voice", xlim=(0, T / FPS))
axes[1, 0].set(xlabel="time (s)", ylabel="mel band")
plt.show()

# %% [markdown]
# No voice of a person is made this way; only what a network must not rely on is taken from it. Whether that is enough for recordings
# is measured at the end of this notebook and in 05.
#
# ## The semantic teacher: where V comes from
# The paper lets **Wav2Lip** speak the sentence and hands its pictures $v_t$ of (3) to the expression network as *semantic images*. Wav2Lip
# is a generator: it takes the mel window of a frame and a face whose lower half is blanked, beside a whole reference face, and paints the
# missing half. Which face it animates is not stated. Here it is one neutral face, the same for all speakers and all clips, because the
# target's own frames would show the very mouth that is to be predicted.

# %%
from paperlib.training import checkpoints
from paperlib.training.teacher import MOUTH_BOX, MOUTH_WEIGHT, mask_lower_half, neutral_face, semantic_images

show_source(semantic_images)

# %% [markdown]
# Wav2Lip learned from 29 hours of video; we have minutes. So four things of our teacher are ours: half of its training sequences are heard
# in other voices; half of them show one neutral actor; errors in the mouth count more than elsewhere; and it paints a *change* of the
# reference face, where Wav2Lip paints every pixel anew. The test speakers were never shown to it.

# %%
print(f"errors in the mouth's box count {MOUTH_WEIGHT:.0f} times")
teacher, card = checkpoints.load("teacher_classroom")
face = neutral_face(teacher.size)
mel = torch.from_numpy(audio.mel_windows(clip.wave, T))
v = semantic_images(teacher, face, mel)
print("mel windows", tuple(mel.shape), "-> V", tuple(v.shape), "in [0, 1]:", bool(v.min() >= 0 and v.max() <= 1))
print("the same sound gives the same pictures:", torch.equal(v, semantic_images(teacher, face, mel)))

# %% [markdown]
# *Picture: what goes in. The neutral reference face, and the same face with its lower half black.*

# %%
show_strip(torch.stack([face, mask_lower_half(face)]), titles=["reference", "lower half masked"], scale=1.8)

# %% [markdown]
# *Picture: first row, another speaker's true frames; second row, V: the fixed face speaking the same sentence; third row, its mouth enlarged.
# The curves: that speaker's true lip opening, and how dark the mouth of V is, both scaled to their own range. In the small pictures little
# can be seen; the curves say more. V follows the widest opening, the second widest less, and hardly shows the third. So the r of this clip
# hangs on one vowel (the cell prints it without); over more clips the leak test below finds less. V has never seen this speaker.*

# %%
top, bottom, left, right = (round(teacher.size * share) for share in MOUTH_BOX)
box = v[:, :, top:bottom, left:right]
change = (box - box.median(0).values).mean((1, 2, 3)).neg().numpy()  # darker than usual: teeth and the hollow of an open mouth


def scaled(x):
    return (x - x.min()) / (x.max() - x.min())


curves = {"true opening": scaled(truth), "darkness of V's mouth": scaled(change)}
pictures = {"speaker": clip.frames, "V": v.movedim(1, -1).numpy(), "V, mouth": box.movedim(1, -1).numpy()}
speech_strip(clip.phonemes, T, curves, pictures, ylabel="scaled to 0..1")
plt.suptitle(f"teacher on a test clip: r(true opening, darkness of V's mouth) = {np.corrcoef(truth, change)[0, 1]:.2f}")
plt.show()
apart = np.abs(np.arange(T) - wide) > 3  # all frames but those around the widest opening
label("measured", f"One clip of one unseen embedded speaker, shipped network `{card['name']}`. Without the {np.sum(~apart)} frames around the "
      f"widest opening r is {np.corrcoef(truth[apart], change[apart])[0, 1]:.2f}. It shows what V is; it proves nothing.")  # fmt: skip

# %% [markdown]
# **V adds no information.** It is computed from the same sound as A and from a constant face, so whatever can be read from V could have
# been read from the sound. What V can add is a *prior*: the teacher was trained on faces and has already learned which sounds look alike.
# Whether that helps is an empirical question; notebook 05 compares a network with and without moving semantic images.
#
# ## The leak test: does V know this mouth?
# That V comes from the sound alone can be tested. A second take of a clip has the same speaker and the same sound, and everything that sound
# does not decide drawn anew. Read the lip opening off the mouth's pixels in V (ridge regression, on clips that it has not seen). If V knows
# only the sound, the reading fits the first take, whose clip it is, no better than the second. The true expression, rendered on the neutral
# actor, must fail this test; otherwise it could find nothing.

# %%
from paperlib.metrics.statistics import verdict
from paperlib.results import read_results, select

leak, leak_made = read_results("image_leak")
lines = ["| pictures | r with this take | r with the second take | difference [95%] | a leak? |", "| --- | --- | --- | --- | --- |"]
for kind, shown in (("teacher", "V, from the teacher"), ("true_frames", "the true expression, rendered")):
    this, second, gap = (select(leak, row=kind, metric=metric)[0] for metric in ("r", "r_other_take", "own_minus_other"))
    answer = "yes" if verdict(gap, "higher") == "better" else "none found"
    lines.append(f"| {shown} | {this.value:.2f} | {second.value:.2f} | {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] | {answer} |")
label("measured", f"{leak[0].data}, {leak[0].n} speakers, made by `{leak_made['command']}`.\n\n" + "\n".join(lines))

# %% [markdown]
# The interval of V's difference is the size of a leak that this test could still have missed.
#
# ## The sync expert
# Wav2Lip is trained against a frozen network, a small **SyncNet**: two encoders that map five frames of lips and 0.2 s of speech to vectors,
# near each other when they belong together. Sliding the speech past the lips gives a curve of distances; its lowest point says how far apart
# the two are in time, its depth is the "Sync" of the paper's tables.

# %%
from paperlib.models.syncnet import sync_scores

show_source(sync_scores, doc=False)

# %% [markdown]
# *Picture: mean distance over the lag of the speech, in frames: in sync, with the sound five frames late, with another sentence. Above each
# panel, in this order: where the three curves are lowest, and how deep they are there. Left, all vectors scaled to length 1, which is what
# the expert learned from (cosines): look for a valley that moves with the sound, and a shallower one for the other sentence (some is left,
# for both sentences begin after the same pause). Middle, the vectors as they are: some frames have longer ones and each lag leaves out other
# frames at the ends, so the curve tilts, and a tilted curve can be lowest where nothing fits. Right, the released arithmetic: what was left
# out counts again, as distances to zeros that nobody said.*

# %%
from torch.nn.functional import normalize

from paperlib.corpus.banks import face_item
from paperlib.corpus.synthetic import pair_of
from paperlib.training.sync import MOMENTS, SPAN, lips

sync_net, sync_card = checkpoints.load("sync_classroom")
centres = torch.arange(SPAN // 2, T - SPAN // 2)
faces = face_item(clip, sync_net.size).faces
late = np.pad(clip.wave, (5 * audio.SAMPLES_PER_FRAME, 0))[: len(clip.wave)]
sounds = {"in sync": clip.wave, "sound 5 frames late": late, "another sentence": corpus.load(pair_of(name)).wave}
panels = {  # title -> (vectors scaled to length 1, padding left out)
    "length 1, only real speech": (True, True), "as they are, only real speech": (False, True), "as they are, zero padding counts": (False, False),
}  # fmt: skip
fig, axes = plt.subplots(1, 3, figsize=(9, 3))
with torch.no_grad():
    lip_emb = sync_net.embed_lips(lips(faces, centres))
    mel_emb = [sync_net.embed_mel(torch.from_numpy(audio.mel_windows(sound, T))[centres][:, None]) for sound in sounds.values()]
for ax, (title, (unit, masked)) in zip(axes, panels.items(), strict=True):
    pairs = [(normalize(lip_emb, dim=1), normalize(e, dim=1)) if unit else (lip_emb, e) for e in mel_emb]
    scores = [sync_scores(*pair, vshift=15, masked=masked) for pair in pairs]
    for what, score, style in zip(sounds, scores, ("-", "--", ":"), strict=True):
        ax.plot(range(-15, 16), score.mean_distance, style, label=what if ax is axes[0] else None)
    lowest, depth = ", ".join(str(-score.offset) for score in scores), ", ".join(f"{score.lse_c:.2f}" for score in scores)
    ax.set(xlabel="lag of the speech (frames)")
    ax.set_title(f"{title}\nlowest at {lowest}\nconfidence {depth}", fontsize=9)
axes[0].set_ylabel("mean distance")
fig.legend(loc="outside lower center", ncols=3)
plt.show()
label("measured", f"One test clip, shipped network `{sync_card['name']}`, trained on the embedded corpus. It is the teacher's expert and is "
      "therefore never used as a judge in this book.")  # fmt: skip

# %% [markdown]
# ## Exercise 3: confidence without information
# Suppose that lips and speech know nothing of each other: any two vectors are at distance $d$, and a zero vector is at distance $r < d$
# from any lip vector. At lag $l$ a share $|l|/T$ of the $T$ windows meets zeros, so the mean distance is
# $d\,(1 - |l|/T) + r\,|l|/T$. The confidence is the median over the lags $-15 \dots 15$ minus the minimum. An LRW clip has
# $T = 24$ windows. With $r = 7$ and $d = 7\sqrt 2$, what confidence does pure chance get?

# %% tags=["exercise"]
from paperlib.metrics.sync import no_information_confidence

answer3 = None  # your turn
check("exercise 3", answer3, no_information_confidence(24, 7.0, 7 * 2**0.5), tol=5e-3, hint="the median of |l| is 8, the largest is 15")

# %% tags=["solution"]
answer3 = (15 - 8) / 24 * (7 * 2**0.5 - 7)
check("exercise 3", answer3, no_information_confidence(24, 7.0, 7 * 2**0.5), tol=5e-3)

# %% [markdown]
# *Picture: the exercise's point (star) and its neighbours: confidence over the clip's length, for random vectors that know nothing of each
# other. Dots: classic arithmetic, mean and spread of random draws; line: the closed form; dashed: masked. Left, any two vectors are farther
# apart than the zeros of the padding; right, nearer. The titles say where the classic offset lands: at an end of the lags, or at 0, which
# would be called perfect sync.*

# %%
from paperlib.metrics.sync import padding_artefact

lengths = np.arange(16, 260)
fig, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)
for ax, common, where, said in ((axes[0], 0.0, "edge", "an end"), (axes[1], 0.7, "in_sync", "0")):
    draws = padding_artefact((17, 24, 35, 59, 95, 145, 245), common=common, repeats=6)
    seconds = [d["seconds"] for d in draws]
    exact = np.array([no_information_confidence(n, 7.0, 7 * (2 - 2 * common) ** 0.5) for n in lengths])
    ax.plot((lengths + 5) / 25, exact, color=PALETTE[7], lw=1, label="closed form")
    ax.errorbar(seconds, [d["measured"] for d in draws], [d["sd"] for d in draws], fmt="o", ms=4, label="classic")
    ax.plot(seconds, [d["masked"] for d in draws], "s--", color=PALETTE[3], ms=4, label="masked")
    ax.set(xlabel="length of the clip (s)", ylim=(0, None), title=f"offset at {said}: {np.mean([d[where] for d in draws]):.0%} of draws")
axes[0].plot(29 / 25, no_information_confidence(24, 7.0, 7 * 2**0.5), "*", ms=13, color=PALETTE[1], label="exercise 3")
axes[0].set_ylabel("confidence")
axes[0].legend()
plt.show()
print("closed form x T is the same for every T here:", bool(np.ptp(exact * lengths) < 1e-9))

# %% [markdown]
# Every Sync computed with this padding is shifted by it, up or down, and in short clips more: the shift falls as 1/T. What the masked
# number keeps here is chance, the minimum of 31 noisy means; but these vectors have one length, and the tilt of the picture above is
# another matter. So our own judge compares cosines, without padding, and `metrics.sync.sync` gives every Sync with its floor.
#
# ## How the two shipped networks were trained
# *Picture: curves from the networks' cards. Left, the expert's cross-entropy: which of several moments of a clip was heard? In training it
# is told the true movement of the lips; for unseen speakers it must look at pictures, so the gap is not only what it knows by heart.
# Dotted: guessing. Middle, accuracy over one-second windows of unseen speakers, by the threshold that suits these very windows best; so
# guessing would come out a little above the dotted 0.5. Right, the teacher: mean absolute error of
# its pictures, the mouth weighted. Its unseen clips show the neutral actor only, which is easier than people; the step up is where the
# sync loss sets in.*

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 2.4))
for ax, c, train_key, val_key, ylabel in (
    (axes[0], sync_card, "loss", "val", "cross-entropy"),
    (axes[1], sync_card, None, "val_accuracy", "accuracy, 1 s"),
    (axes[2], card, "l1", "val", "weighted L1"),
):
    for key, style, text in ((train_key, "-", "training"), (val_key, "o--", "unseen speakers")):
        points = [(r["step"], r[key]) for r in c["curve"] if key in r]
        if points:
            ax.plot(*zip(*points, strict=True), style, label=text, ms=4)
    ax.set(xlabel="step", ylabel=ylabel, title=f"{c['name']}, {c['parameters'] / 1e6:.2f} M", ylim=(0, None))
    ax.legend(fontsize=8)
axes[0].axhline(np.log(MOMENTS), color="0.5", ls=":")
axes[1].axhline(0.5, color="0.5", ls=":")
axes[1].set_ylim(0, 1.03)
plt.show()

# %% [markdown]
# ## Do expert and judge know sync?
# A generator learns what its expert likes, so the expert's praise proves nothing. A rule of this book: what scores is a **judge**
# that trains nothing and shares no layers, seed, people, voices or motion rule with the expert. (The face model, the speech synthesiser and
# the way of training are the same, so an error of these would be shared.) Both are asked here
# about lips and sound of one moment, and about the same lips with the clip's own sound from at least 120 ms away.

# %%
from dataclasses import replace
from statistics import NormalDist

from paperlib.evaluation.sync import MAX_LAG, NEAR
from paperlib.metrics.statistics import Interval
from paperlib.tables import cell

rows, made = read_results("controls_sync")
NAMES = {"accuracy_25": "accuracy", "choice_25": "choice", "lag_within_1": "lag within 1"}
found = {}  # (data set, network) -> metric -> row
for r in rows:
    if r.row in ("expert", "judge") and r.metric in NAMES:
        found.setdefault((r.data.rpartition(", ")[0], r.row), {})[r.metric] = r
meaning = {r.metric: r.protocol for own in found.values() for r in own.values()}
lines = [f"- **{name}**: {meaning[m]}" for m, name in NAMES.items()]
lines += ["", "| clips | speakers | network | " + " | ".join(NAMES.values()) + " |", "|" + " --- |" * (3 + len(NAMES))]
for (_, network), own in found.items():
    any_row = next(iter(own.values()))
    values = [cell(own[m]) if m in own else "" for m in NAMES]
    lines.append(f"| {any_row.data} | {any_row.n} | {network} | " + " | ".join(values) + " |")
networks, missing = ", ".join(made["checkpoints"][:2]), "".join(f" Absent: {k}." for k in made.get("absent", {}))
label("measured", f"Networks {networks}, one seed; means over the clips of each data set, 95% intervals over its speakers. Guessing gives 0.5, "
      f"0.5 and {(2 * NEAR + 1) / (2 * MAX_LAG + 1):.2f}. Made by `{made['command']}`.{missing}")  # fmt: skip
display(Markdown("\n".join(lines)))

# %% [markdown]
# *Picture: accuracy (round) and choice (square) from the table, with their intervals; dotted: chance. Compare the two marks of one line. Accuracy
# needs a threshold, and that was fixed on synthetic validation clips; choice only asks which of two sounds suits the same lips better.*

# %%
sets = list(dict.fromkeys(data for data, _ in found))
fig, axes = plt.subplots(1, 2, figsize=(9, 0.8 + 0.4 * len(sets)), sharex=True, sharey=True)
for ax, network in zip(axes, ("expert", "judge"), strict=True):
    for y, data in enumerate(reversed(sets)):
        for shift, metric, mark, colour in ((0.12, "accuracy_25", "o", PALETTE[0]), (-0.12, "choice_25", "s", PALETTE[3])):
            r = found.get((data, network), {}).get(metric)
            if r and r.value is not None:
                ax.plot(r.value, y + shift, mark, color=colour, ms=5)
                ax.plot([r.low, r.high] if r.low is not None else [], [y + shift] * 2 if r.low is not None else [], color=colour)
    ax.axvline(0.5, color="0.5", ls=":")
    ax.set(title=network, xlabel="share right", yticks=range(len(sets)), yticklabels=[s.removeprefix("embedded ") for s in reversed(sets)])
plt.show()

# %% [markdown]
# In words. Against chance, an interval that holds 0.5 is a *tie*; so are two intervals that overlap (the intervals are not paired, so a
# small difference is missed). "Home" are unseen embedded people moved by the rule that the network was trained on.
#
# A fixed threshold can fail for two reasons. The clips may be harder: then ranking falls too. Or the threshold lies in the wrong place. To
# rank two sounds is easier than to say yes or no to one, even with the best threshold: if the scores in sync and off sync are normal,
# equally wide and $d'$ widths apart, ranking is right with $\Phi(d'/\sqrt 2)$ and the best threshold with $\Phi(d'/2)$. So from the share of
# *choice* follows what the best threshold could reach. The threshold *does not carry over* where accuracy is lower than at home **and**
# lower than that. (This last condition is younger than the measurements; it can only
# take a "no" away.) *Not shown* means lower than at home, but no worse than harder clips would explain.


# %%
def chance(r):
    """A share against 0.5: better, worse, tie or no verdict."""
    known = r.value is not None and r.low is not None
    return verdict(Interval(r.value - 0.5, r.low - 0.5, r.high - 0.5, r.n, r.n)) if known else "no verdict"


def beside(a, b):
    """One interval against another."""
    if a is None or b is None or None in (a.low, a.high, b.low, b.high):
        return "no verdict"
    return "better" if a.low > b.high else "worse" if a.high < b.low else "tie"


def best_threshold(r):
    """The row of choice turned into the accuracy of the best threshold, for normal scores of equal width."""
    share = [v if v is None else NORMAL.cdf(NORMAL.inv_cdf(min(v, 0.9999)) / 2**0.5) for v in (r.value, r.low, r.high)]
    return replace(r, value=share[0], low=share[1], high=share[2])


NORMAL = NormalDist()
CHANCE = {"better": "above chance", "worse": "below chance", "tie": "tie with chance", "no verdict": "no verdict"}
home = {"expert": sync_card["motion"], "judge": checkpoints.load("judge_classroom")[1]["motion"]}
lines = ["| clips | network | by threshold | by ranking | accuracy; the best threshold, from ranking | does the threshold carry over? |"]
lines.append("|" + " --- |" * 6)
for (data, network), own in found.items():
    where, (accuracy, choice) = f"embedded test speakers, {home[network]}", (own.get(m) for m in ("accuracy_25", "choice_25"))
    if accuracy is None or choice is None:
        continue
    best, fallen = best_threshold(choice), beside(accuracy, found.get((where, network), {}).get("accuracy_25"))
    carried = {"worse": "not shown", "no verdict": "no verdict"}.get(fallen, "yes")
    if fallen == "worse" and chance(choice) == "better" and beside(accuracy, best) == "worse":
        carried = "**no**"
    both = f"{cell(accuracy, 2)}; {cell(best, 2)}"
    cells = [data, network, CHANCE[chance(accuracy)], CHANCE[chance(choice)], both, "home" if data == where else carried]
    lines.append("| " + " | ".join(cells) + " |")
display(Markdown("\n".join(lines)))

# %% [markdown]
# Why the two can part: another face, microphone or detector moves *all* similarities of a clip up or down. A fixed threshold then says yes,
# or no, to nearly everything; between two sounds under the same lips the shift cancels. (If the shift differs from clip to clip, no single
# threshold would serve; the saved rows do not tell these two apart.) Where the last column says *no* or *not shown*, neither network may
# call a single recording "in sync"; ask it for differences on the same clip.

# %% [markdown]
# ## What could go wrong
# - **Another fps.** At 30 fps a frame is 33 ms; a network trained at 25 fps then drifts by a frame every 0.2 s. Resample first.
# - **Another MFCC.** The same name is not the same numbers. State the library and its settings.
# - **A leaking teacher.** If V is painted on the target's own frames, the network can read the target's mouth from it.
# - **An expert that judges.** A generator trained against a SyncNet can score better on it than real video does.
# - **A threshold from elsewhere.** What separates clips of one corpus need not separate those of another.
# - **A rule is not a person.** What is learned from this corpus shows that the code learns; claims about people need recordings of people.

# %% [markdown]
# **What is written**: nothing; clips are kept in the cache.
#
# **Next**: 05, from A and V to expression coefficients.
