"""SyncNet's arithmetic against a loop in numpy, and what it says about features that carry no information."""

import numpy as np
import pytest
import torch

from paperlib.config import PROFILES
from paperlib.models.syncnet import SyncNet, sync_contrastive_loss, sync_loss, sync_scores


def scores_by_hand(lip, speech, vshift, masked):
    """(LSE-D, LSE-C, offset) with explicit zero padding and loops."""
    n = len(lip)
    mean = []
    for lag in range(-vshift, vshift + 1):
        total, used = 0.0, 0
        for t in range(n):
            inside = 0 <= t + lag < n
            if masked and not inside:
                continue
            other = speech[t + lag] if inside else np.zeros_like(lip[0])
            total += np.sqrt((((lip[t] - other) + 1e-6) ** 2).sum())
            used += 1
        mean.append(total / used)
    best = int(np.argmin(mean))
    return min(mean), float(np.median(mean)) - min(mean), vshift - best


@pytest.mark.parametrize("masked", [False, True])
def test_scores_equal_a_hand_made_loop(masked):
    rng = np.random.default_rng(0)
    speech = rng.normal(size=(20, 6)).astype(np.float32)
    lip = np.roll(speech, 3, axis=0) + 0.1 * rng.normal(size=(20, 6)).astype(np.float32)  # lips three windows late
    got = sync_scores(torch.from_numpy(lip), torch.from_numpy(speech), vshift=7, masked=masked)
    want = scores_by_hand(lip, speech, 7, masked)
    assert got[:2] == pytest.approx(want[:2], abs=1e-5)
    assert got.offset == want[2] == 3
    assert got.windows == 20 and got.mean_distance.shape == (15,)


def random_features(windows, seed, common=0.0, dims=1024, norm=7.0):
    """Lip and speech features that know nothing of each other; `common` is their cosine through one shared direction."""
    g = torch.Generator().manual_seed(seed)
    shared = torch.nn.functional.normalize(torch.randn(1, dims, generator=g), dim=1)
    out = []
    for _ in range(2):
        own = torch.nn.functional.normalize(torch.randn(windows, dims, generator=g), dim=1)
        out.append(norm * (common**0.5 * shared + (1 - common) ** 0.5 * own))
    return out


@pytest.mark.parametrize(("windows", "confidence"), [(24, 0.865), (59, 0.347), (95, 0.225), (245, 0.091)])
def test_no_information_still_scores_on_short_clips(windows, confidence):
    runs = [sync_scores(*random_features(windows, seed)) for seed in range(12)]
    assert np.mean([r.lse_c for r in runs]) == pytest.approx(confidence, abs=0.025)
    assert all(abs(r.offset) >= 13 for r in runs)  # the edge of the 31 lags
    assert runs[0].lip_norm == pytest.approx(7, abs=1e-3) and runs[0].unrelated == pytest.approx(7 * 2**0.5, rel=0.02)
    masked = [sync_scores(*random_features(windows, seed), masked=True) for seed in range(12)]
    assert np.mean([r.lse_c for r in masked]) < 0.35 * confidence + 0.02  # what is left is the minimum of 31 noisy lags


def test_a_shared_direction_fakes_perfect_sync():
    runs = [sync_scores(*random_features(24, seed, common=0.7)) for seed in range(12)]
    assert all(abs(r.offset) <= 1 for r in runs)
    assert np.mean([r.lse_c for r in runs]) == pytest.approx(0.521, abs=0.03)


def test_too_short_is_refused():
    x = torch.randn(10, 4)
    with pytest.raises(ValueError, match="too few"):
        sync_scores(x, x, vshift=15, masked=True)
    with pytest.raises(ValueError, match="audio_emb: expected shape"):
        sync_scores(x, x[:5])


def test_loss_values():
    lip = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    speech = torch.tensor([[3.0, 4.0], [3.0, 4.0]])  # cosine 0.6
    want = -(np.log(0.6) + np.log(0.4)) / 2
    assert sync_loss(lip, speech, torch.tensor([1.0, 0.0])).item() == pytest.approx(want, rel=1e-5)
    assert sync_loss(lip, lip, torch.ones(2)).item() < 1e-4


def test_contrastive_loss_equals_a_loop():
    rng = np.random.default_rng(0)
    lip, speech = rng.normal(size=(2, 3, 4, 5))
    total = 0.0
    for clip in range(3):
        cosine = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in speech[clip]] for a in lip[clip]])
        for table in (7 * cosine, 7 * cosine.T):
            total += sum(np.log(np.exp(row).sum()) - row[m] for m, row in enumerate(table))
    got = sync_contrastive_loss(torch.from_numpy(lip), torch.from_numpy(speech), scale=7.0)
    assert got.item() == pytest.approx(total / (2 * 3 * 4))


@pytest.mark.parametrize("name", ["smoke", "classroom", "paper"])
def test_network_shapes_and_gradients(name):
    torch.manual_seed(0)
    cfg = PROFILES[name].sync
    net = SyncNet(cfg)
    lips, mel = torch.rand(4, 15, cfg.size // 2, cfg.size), torch.randn(4, 1, 80, 16)
    a, b = net(lips, mel)
    assert a.shape == b.shape == (4, cfg.embed)
    assert a.min() >= 0 and b.min() >= 0
    sync_loss(a, b, torch.tensor([1.0, 0.0, 1.0, 0.0])).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_network_refuses_other_sizes():
    net = SyncNet(PROFILES["smoke"].sync)
    with pytest.raises(ValueError, match="lips: expected shape"):
        net(torch.rand(1, 15, 32, 32), torch.randn(1, 1, 80, 16))
