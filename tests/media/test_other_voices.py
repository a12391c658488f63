"""Speech features in other voices: what changes, what must not, and that the spectrum behind the cepstra is librosa's."""

import numpy as np
import pytest
import torch

from paperlib.media import other_voices as ov
from paperlib.media.audio import MFCC_SCALE, mel_windows, mfcc, mfcc_windows


@pytest.fixture
def wave():
    t = np.arange(16000) / 16000
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    return (0.1 * tone * (np.sin(2 * np.pi * 2 * t) > 0)).astype(np.float32)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_cosines_are_the_transform_of_the_features():
    from scipy.fft import dct

    x = np.random.default_rng(0).standard_normal(40)
    assert np.allclose(ov._cosines().numpy() @ x, dct(x, norm="ortho")[:13], atol=1e-5)


def test_half_of_the_runs_stay_as_they_are(wave):
    runs = torch.from_numpy(mfcc_windows(wave, 25))[None].repeat(400, 1, 1, 1)
    same = (ov.other_mfcc(runs, seeded()) == runs).flatten(1).all(1).float().mean()
    assert 0.4 < same < 0.6


@pytest.mark.parametrize("kind", ["mfcc", "mel"])
def test_one_seed_one_voice_and_another_seed_another(wave, kind):
    windows, change = (mfcc_windows, ov.other_mfcc) if kind == "mfcc" else (mel_windows, ov.other_mel)
    runs = torch.from_numpy(np.asarray(windows(wave, 25), np.float32))[None].repeat(8, 1, 1, 1)
    first = change(runs, seeded(1))
    assert torch.equal(first, change(runs, seeded(1)))
    assert not torch.equal(first, change(runs, seeded(2)))
    assert first.isfinite().all()
    assert kind == "mfcc" or first.abs().max() <= 4


def test_time_is_not_touched(wave):
    """Loud frames stay loud and quiet ones quiet: the loudness of the changed run follows the own one without lag."""
    own = torch.from_numpy(mfcc(wave).T.copy())[None, :, :, None]  # (1, R, 13, 1)
    level = torch.einsum("kn,btkc->btnc", ov._cosines(), own * MFCC_SCALE)
    for seed in range(10):
        changed = ov.other_voices(level, ov.LOUD_MFCC_DB, seeded(seed))
        a, b = level.mean((0, 2, 3)).numpy(), changed.mean((0, 2, 3)).numpy()
        r = [np.corrcoef(a[5:-5], np.roll(b, k)[5:-5])[0, 1] for k in range(-4, 5)]
        assert np.argmax(r) == 4 and max(r) > 0.9


def test_the_band_axis_is_stretched_by_no_more_than_said(monkeypatch):
    """A single loud band moves, by at most STRETCH; no curve and no noise to hide it."""
    monkeypatch.setattr(ov, "CURVE_DB", 0.0)
    monkeypatch.setattr(ov, "NOISE_DB", (-200.0, -200.0))
    level = torch.full((200, 1, 80, 1), -60.0)
    level[:, :, 30] = 0.0
    peak = ov.other_voices(level, 0.0, seeded(3))[:, 0, :, 0].argmax(1).float() + 0.5
    assert peak.min() >= 30.5 / ov.STRETCH - 1.5 and peak.max() <= 30.5 * ov.STRETCH + 1.5
    assert peak.max() - peak.min() > 4


def test_noise_fills_what_was_silent_but_not_what_is_loud():
    level = torch.full((200, 2, 40, 1), -100.0)
    level[:, 1] = 0.0
    out = ov.other_voices(level, 0.0, seeded(4))
    assert (out[:, 0].mean((1, 2)) > -68).all() and (out[:, 0].mean((1, 2)) < -15).all()
    assert (out[:, 1].mean((1, 2)).abs() < 12).all()


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="mfcc"):
        ov.other_mfcc(torch.zeros(2, 3, 12, 28), seeded())
    with pytest.raises(ValueError, match="mel"):
        ov.other_mel(torch.zeros(3, 80, 16), seeded())
