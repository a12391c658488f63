"""The two MFCC conventions: ours by hand equals librosa's, theirs equals numbers that python_speech_features 0.6 printed."""

import dataclasses

import numpy as np
import pytest

from paperlib.media import audio
from paperlib.media import mfcc_conventions as conventions
from paperlib.media.mfcc_conventions import OURS, PSF, STEPS, cepstra, coefficient_agreement, psf_mfcc, step_effects


def chirp():
    """Half a second of 16-bit samples, as floats: a rising tone, with a second one switched on and off."""
    n = np.arange(8000)
    tone = 3000 * np.sin(2 * np.pi * (200 + 0.02 * n) * n / 16000) + 900 * np.sin(2 * np.pi * 1730 * n / 16000) * (n % 3200 > 1600)
    return tone.astype(np.int16) / 32768


def speechlike(seconds=1.5, seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 16000)) / 16000
    voice = sum(np.sin(2 * np.pi * 120 * k * t + k) / k for k in range(1, 30)) * (1 + np.sin(2 * np.pi * 3 * t))
    return (0.05 * voice + 0.01 * rng.standard_normal(len(t)) * (np.sin(2 * np.pi * 2 * t) > 0)).astype(np.float32)


def test_ours_by_hand_equals_librosas():
    for wave in (speechlike(), chirp(), np.zeros(3000, np.float32), speechlike()[:333]):
        np.testing.assert_allclose(cepstra(wave, OURS), audio.mfcc(wave).T, atol=2e-5)


PRINTED = {  # rows 0, 20 and 48 of python_speech_features.mfcc(chirp as int16, 16000), version 0.6
    0: [15.7318, 23.4479, 15.3039, 10.3258, 5.3321, -0.804, -6.1158, -11.6645, -16.01, -19.1887, -20.446, -20.1289, -18.6018],
    20: [16.607, 15.575, 22.9099, 6.628, -8.4599, -22.64, -28.0292, -28.1887, -21.7609, -13.038, -2.4869, 5.0567, 9.4548],
    48: [17.1695, 21.7441, 2.3134, -15.7036, -27.0795, -27.336, -15.4794, 0.7779, 14.6803, 19.2152, 14.5624, 3.1421, -7.6985],
}


def test_theirs_by_hand_equals_what_python_speech_features_prints():
    found = psf_mfcc(chirp())
    assert found.shape == (49, 13)  # 1 + ceil((8000 - 400) / 160): the last row is half empty
    for row, values in PRINTED.items():
        np.testing.assert_allclose(found[row], values, atol=6e-5)
    assert psf_mfcc(chirp()[:400]).shape == (1, 13) and psf_mfcc(chirp()[:401]).shape == (2, 13)
    assert np.isfinite(psf_mfcc(np.zeros(1000))).all()  # exact zeros are replaced before the logarithm


def test_theirs_by_loops():
    """One row of a short wave, every sum written out."""
    rng = np.random.default_rng(1)
    wave = rng.uniform(-0.2, 0.2, 400)
    whole = np.round(wave * 32768)
    x = [whole[0]] + [whole[n] - 0.97 * whole[n - 1] for n in range(1, 400)]
    turn = np.exp(-2j * np.pi * np.arange(512) / 512)
    power = [abs(sum(x[n] * turn[n * k % 512] for n in range(400))) ** 2 / 512 for k in range(257)]
    top = 2595 * np.log10(1 + 8000 / 700)
    corner = [int(np.floor(513 * 700 * (10 ** (top * i / 27 / 2595) - 1) / 16000)) for i in range(28)]
    bands = []
    for a, b, c in zip(corner, corner[1:], corner[2:], strict=False):
        bands.append(sum(power[k] * (k - a) / (b - a) for k in range(a, b)) + sum(power[k] * (c - k) / (c - b) for k in range(b, c)))
    want = []
    for i in range(13):
        value = sum(np.log(e) * np.cos(np.pi * i * (j + 0.5) / 26) for j, e in enumerate(bands)) * np.sqrt((2 if i else 1) / 26)
        want.append(value * (1 + 11 * np.sin(np.pi * i / 22)))
    want[0] = np.log(sum(power))
    np.testing.assert_allclose(psf_mfcc(wave)[0], want, rtol=1e-9)


def test_a_gain_is_undone_by_ours_and_moves_only_the_energy_of_theirs():
    wave = speechlike()
    np.testing.assert_allclose(cepstra(wave, OURS), cepstra(4 * wave, OURS), atol=1e-5)
    moved = cepstra(4 * wave, PSF) - cepstra(wave, PSF)
    np.testing.assert_allclose(moved[:, 0], 2 * np.log(4), atol=1e-6)  # log of the energy
    assert np.abs(moved[:, 1:]).max() < 1e-6


def test_every_setting_is_one_of_the_exchanged_steps():
    differ = {f.name for f in dataclasses.fields(OURS) if getattr(OURS, f.name) != getattr(PSF, f.name)}
    named = [name for names in STEPS.values() for name in names]
    assert differ == set(named) and len(named) == len(set(named))
    exchanged = dataclasses.replace(OURS, **{name: getattr(PSF, name) for name in named})
    assert exchanged == PSF


def test_step_effects_single_out_what_only_scales():
    rows = {row["step"]: row for row in step_effects(speechlike())}
    assert list(rows) == list(STEPS)
    assert rows["lifter"]["lowest"] == pytest.approx(1.0)  # it multiplies each coefficient by a constant
    assert rows["c0 is the energy"]["coefficient"] == 0
    assert rows["mel bands"]["r"] < 0.95 and rows["window"]["r"] < 0.99


def test_agreement_is_high_for_the_first_coefficients_and_never_beats_one():
    rows = coefficient_agreement(speechlike())
    assert [row["coefficient"] for row in rows] == list(range(13))
    assert rows[0]["r"] > 0.8
    assert all(row["r"] ** 2 <= row["explained"] + 1e-9 <= 1 + 1e-9 for row in rows)  # 13 regressors explain no less than one of them
    with pytest.raises(ValueError, match="too few"):
        coefficient_agreement(speechlike()[:4000])
    with pytest.raises(ValueError, match="wave: expected shape"):
        psf_mfcc(np.zeros((2, 800)))


def test_filterbanks():
    bins = conventions.bin_bands(26, 0.0, 8000.0)
    assert bins.shape == (26, 257) and bins.min() == 0 and (bins.max(1) == 1).all()
    import librosa

    slaney = conventions.slaney_bands(40, 20.0, 7600.0)
    np.testing.assert_allclose(slaney, librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, fmin=20.0, fmax=7600.0), atol=1e-8)
