"""The benchmark of the metrics runs, and stops where values differ."""

import dataclasses

import pytest
import torch

from benchmarks import bench_metrics


def test_the_benchmark_on_a_tiny_clip(monkeypatch):
    monkeypatch.setattr(bench_metrics, "MOST", 1)
    found = bench_metrics.run(frames=2, sizes=(40,), repeats=1)
    lines = {k: v for k, v in found.items() if "," in k}
    assert {k.split(",")[0] for k in lines} == {"psnr", "ssim", "lpips", "sync", "csim"}
    assert found["ratio"] == pytest.approx(found["ours"] / found["reference"]) and all("times as fast" in v for v in lines.values())
    assert found["ratio"] == pytest.approx(min(float(v.split()[0]) for v in lines.values()), abs=0.01)


def test_values_that_differ_stop_the_benchmark(monkeypatch):
    real = next(iter(bench_metrics.matches(2, (40,))))
    assert real.apart() <= real.allowed
    wrong = dataclasses.replace(real, apart=lambda: 2 * real.allowed)
    monkeypatch.setattr(bench_metrics, "matches", lambda frames, sizes: iter([wrong]))
    with pytest.raises(RuntimeError, match="psnr, scikit-image, 40 x 40, single: values are 0.0002 apart"):
        bench_metrics.run(2, (40,), 1)


def test_the_official_arithmetic_is_the_one_in_the_package():
    from paperlib.models.syncnet import sync_scores

    lip, speech = torch.randn(2, 20, 32, generator=torch.Generator().manual_seed(0))
    assert bench_metrics.official_scores(lip, speech) == pytest.approx(sync_scores(lip, speech)[:2], abs=1e-5)
