"""`make bench`: prints a table and writes build/bench.json, `{name: {ours, reference, ratio, unit, against}}`."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import torch

from paperlib import config, paths
from paperlib.artifacts import atomic_write
from paperlib.corpus import banks
from paperlib.corpus.dataset import Corpus
from paperlib.training import checkpoints

CLASSROOM = config.load_profile("classroom")


def seconds(fn: Callable[[], object], repeats: int = 5) -> float:
    """Median seconds of one call after one warm-up."""
    fn()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        fn()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def entry(ours: float, reference: float, unit: str, against: str, **extra) -> dict:
    """One line of the table; ratio is ours / reference."""
    return {"ours": ours, "reference": reference, "ratio": ours / reference, "unit": unit, "against": against, **extra}


def corpus() -> dict:
    """Seconds of 96 x 96 video made and stored per second, two worker processes that are already running."""
    import dataclasses
    import tempfile
    from pathlib import Path

    from paperlib.corpus import bulk

    few = dataclasses.replace(CLASSROOM.corpus, train_speakers=2, val_speakers=1, test_speakers=1, clips_per_speaker=1, test_scenes=1)
    many = dataclasses.replace(CLASSROOM.corpus, train_speakers=10, val_speakers=0, test_speakers=0)
    bulk.prepare(Corpus(few, Path(tempfile.mkdtemp())), workers=2, progress=False)  # workers start, compile and load the model
    done = bulk.prepare(Corpus(many, Path(tempfile.mkdtemp())), workers=2, progress=False)
    speed = done.frames / config.FPS / done.seconds
    return entry(speed, 1.0, "s of video / s", "real time, two cores", clips=done.made, peak_mib=round(done.peak_mib))


def train_expression() -> dict:
    """Training steps per second of stage 1 at the classroom's widths, against the same step without backward."""
    from paperlib.face3d.morphable_model import default_model
    from paperlib.training.expression import losses

    cfg = CLASSROOM.expression
    net = checkpoints.build("expression", CLASSROOM)
    model = default_model()
    mfcc = torch.randn(cfg.batch, cfg.window, 13, 28)
    semantic = torch.rand(cfg.batch, cfg.window, 3, CLASSROOM.teacher.size, CLASSROOM.teacher.size)
    coeffs = torch.randn(cfg.batch, cfg.window, 257) * 0.1

    def step(backward: bool = True) -> None:
        l_exp, l_shape = losses(model, net(mfcc, semantic).exp, coeffs)
        if backward:
            net.zero_grad()
            (l_exp + 0.5 * l_shape).backward()

    return entry(1 / seconds(step), 1 / seconds(lambda: step(False)), "steps / s", "forward and losses alone")


def train_renderer() -> dict:
    """Training steps per second of stage 2, all losses and the critic, against the generator's forward and backward alone."""
    from paperlib.losses.perceptual import VGGFeatures
    from paperlib.training.stages import Judges, train_renderer

    cfg = config.load_profile("classroom", renderer__steps_warm=0, renderer__steps_joint1=6, renderer__steps_joint2=0).renderer
    corpus_ = Corpus(CLASSROOM.corpus)
    bank = banks.render_bank(corpus_, "val", 2)
    net, critic = checkpoints.build("renderer", CLASSROOM), checkpoints.build("critic", CLASSROOM)
    flow = checkpoints.load("flow_classroom")[0].requires_grad_(False)
    judges = Judges(VGGFeatures(cfg.vgg_layers), flow)
    batch = banks.render_batch(bank, cfg.batch, torch.Generator().manual_seed(0))

    def generator_alone() -> None:
        net.zero_grad()
        net(batch.i3d, batch.ref, batch.crop, "joint").i_i.mean().backward()

    alone = seconds(generator_alone)
    full = seconds(lambda: train_renderer(net, critic, judges, bank, bank[:1], cfg, 0, progress=False), 3) / 6
    return entry(1 / full, 1 / alone, "steps / s", "generator forward and backward alone")


def step() -> dict:
    """One training step of stage 2 against the same step written plainly, in turns; prints where its time goes."""
    from benchmarks.bench_step import run
    from paperlib.losses.perceptual import VGGFeatures
    from paperlib.training.step import Judges

    bank = banks.render_bank(Corpus(CLASSROOM.corpus), "val", 2)
    flow = checkpoints.load("flow_classroom")[0].requires_grad_(False)
    judges = Judges(VGGFeatures(CLASSROOM.renderer.vgg_layers), flow)
    return run(CLASSROOM, judges, lambda generator: banks.render_batch(bank, CLASSROOM.renderer.batch, generator))


def dub() -> dict:
    """Frames per second of the whole dub of an embedded clip (no adaptation), against the clip's own 25."""
    import tempfile
    from pathlib import Path

    from paperlib.dubbing import dub as run_dub
    from paperlib.media.audio import save_wav
    from paperlib.training.checkpoints import load_stages

    made = Corpus(CLASSROOM.corpus)
    clips = made.clips("test")
    folder = Path(tempfile.mkdtemp())
    save_wav(folder / "speech.wav", made.load(clips[1]).wave)
    stages = load_stages("classroom")
    start = time.perf_counter()
    report = run_dub(made.ensure(clips[0]), folder / "speech.wav", folder / "out.mp4", stages, adapt=False)
    return entry(report.frames / (time.perf_counter() - start), 25.0, "frames / s", "the clip's 25 frames / s")


def dubbing() -> dict:
    """Frames per second and peak memory of every system of tables 1 and 2 on the same clips; ours against the fastest other one."""
    from paperlib.evaluation import dubbing_cost
    from paperlib.evaluation.dubbing_systems import OURS
    from paperlib.results import read_results, select

    path = dubbing_cost.evaluate(CLASSROOM)
    rows = [r for r in read_results(path.stem, path.parent)[0] if r.value is not None]
    fps = {r.row: r.value for r in select(rows, metric="fps")}
    facts = {r.row: f"{fps[r.row]:.1f} frames / s, {r.value:.0f} MiB" for r in select(rows, metric="peak_mib")}
    others = [v for row, v in fps.items() if row != OURS]
    return entry(fps[OURS], max(others, default=float("nan")), "frames / s", "the fastest baseline that is trained, one thread", **facts)


def rasterizer() -> dict:
    """One 192 x 192 frame of the face model against PyTorch3D's CPU rasteriser."""
    from benchmarks.bench_rasterizer import run

    return run()


def metrics() -> dict:
    """PSNR, SSIM, LPIPS, Sync and CSIM against the libraries they are tested against; the comparison in which ours is least ahead."""
    from benchmarks.bench_metrics import run

    return run()


def prepare() -> dict:
    """Clips per minute of a VoxCeleb-layout folder, and peak memory with few and many clips."""
    from benchmarks.bench_prepare import run

    return run()


def main() -> None:
    """Run all, or those named on the command line."""
    checkpoints.set_threads()
    names = sys.argv[1:] or ["rasterizer", "metrics", "corpus", "prepare", "train_expression", "train_renderer", "step", "dub", "dubbing"]
    results = {}
    print(f"{'benchmark':<18}{'ours':>12}{'reference':>12}{'ratio':>9}  unit; against")
    for name in names:
        results[name] = r = globals()[name]()
        print(f"{name:<18}{r['ours']:>12.4g}{r['reference']:>12.4g}{r['ratio']:>9.3g}  {r['unit']}; {r['against']}", flush=True)
        for key, value in r.items():
            if key not in ("ours", "reference", "ratio", "unit", "against"):
                print(f"{'':<18}{key}: {value}")
    atomic_write(paths.BUILD / "bench.json", (json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
