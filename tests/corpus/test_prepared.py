"""A prepared folder is read as the embedded corpus is, and the training banks take it."""

import numpy as np
import pytest
import torch

from paperlib import config
from paperlib.corpus import banks
from paperlib.corpus.prepared import PreparedCorpus
from paperlib.errors import InputError


def test_clips_load_at_their_size_and_at_another(vox_prepared):
    out, _ = vox_prepared
    full, half = PreparedCorpus(out), PreparedCorpus(out, 48)
    clip = full.clips("test")[0]
    a, b = full.load(clip), half.load(clip)
    assert clip.name == "id10270/video_test/00001_000" and full.path(clip).exists()
    assert a.frames.shape[1:] == (96, 96, 3) and b.frames.shape[1:] == (48, 48, 3) and a.frames.dtype == np.uint8
    np.testing.assert_allclose(b.lmk * 2, a.lmk, rtol=1e-5)
    np.testing.assert_array_equal(a.coeffs, b.coeffs)
    assert a.voice == "id10270" and a.phonemes == [] and a.language == "" and a.found.all() and np.isfinite(a.lmk).all()
    assert 0.05 < a.masks().mean() < 0.5 and full.key == half.key


def test_training_banks_take_it(vox_prepared):
    corpus = PreparedCorpus(vox_prepared[0], 48)
    split = corpus.clips("train")[0].split
    speech, render = banks.speech_bank(corpus, split) + banks.speech_bank(corpus, "test"), banks.render_bank(corpus, "test")
    assert len(speech) == 2 and all(s.mfcc.shape == (len(s.coeffs), 13, 28) for s in speech)
    assert speech[1].exp.abs().mean() > 0.01
    batch = banks.render_batch(render, 2, torch.Generator().manual_seed(0))
    assert batch.target.shape == (2, 3, 48, 48) and 0 < batch.mask.mean() < 0.5
    drawn = batch.i3d.mean(1, keepdim=True) > 0.02  # I_3D covers the face, where the picture is not the flat surround
    error = (batch.i3d - batch.target).abs().mean(1, keepdim=True)
    assert error[drawn].mean() < 0.15


def test_training_accepts_the_folder(vox_prepared, monkeypatch, tmp_path):
    from paperlib import paths
    from paperlib.training import run

    monkeypatch.setattr(paths, "BUILD", tmp_path)
    profile = config.load_profile("smoke", expression__steps=2)
    with pytest.raises(InputError, match="has no val clips"):
        run.train("expression", profile, data=vox_prepared[0])


def test_unfinished_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no clips\.csv; finish `paperlib prepare"):
        PreparedCorpus(tmp_path)
