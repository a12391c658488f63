"""Speech and semantic images are made once and are what the plain functions make."""

import numpy as np
import pytest
import torch

from paperlib.config import load_profile
from paperlib.corpus.banks import speech_item
from paperlib.corpus.dataset import Corpus
from paperlib.training import checkpoints, speech_store
from paperlib.training.teacher import neutral_face, semantic_images

SMOKE = load_profile("smoke", corpus__train_speakers=2, corpus__seconds=1.2)


@pytest.fixture(scope="module")
def corpus():
    return Corpus(SMOKE.corpus)


def test_features_are_those_of_each_clip_and_come_from_the_store_the_second_time(corpus, tmp_path, monkeypatch):
    clips = corpus.clips("train")
    store = speech_store.features(corpus, clips, tmp_path)
    for clip, item in zip(clips, store.items, strict=True):
        plain = speech_item(corpus, clip)
        assert item.id == clip and np.array_equal(item.wave, plain.wave)
        assert all(torch.equal(getattr(item, k), getattr(plain, k)) for k in ("mfcc", "mel", "coeffs"))
    monkeypatch.setattr(speech_store, "speech_item", None)
    again = speech_store.features(corpus, clips, tmp_path)
    assert again.key == store.key and torch.equal(again.items[1].mfcc, store.items[1].mfcc)
    with pytest.raises(TypeError):
        speech_store.features(corpus, clips[:1], tmp_path)  # other clips are another store


def test_writing_to_an_item_does_not_change_the_store(corpus, tmp_path):
    clips = corpus.clips("train")
    speech_store.features(corpus, clips, tmp_path).items[0].mfcc.zero_()
    assert speech_store.features(corpus, clips, tmp_path).items[0].mfcc.abs().sum() > 0


def test_images_are_the_teachers_in_eight_bits_and_the_oracle_follows_the_truth(corpus, tmp_path):
    store = speech_store.features(corpus, corpus.clips("train"), tmp_path)
    torch.manual_seed(0)
    teacher, face = checkpoints.build("teacher", SMOKE), neutral_face(SMOKE.teacher.size)
    shown = speech_store.pictures(store, "untrained", speech_store.drawn_by(teacher, face), tmp_path)
    plain = semantic_images(teacher, face, store.items[1].mel)
    assert shown[1].dtype == torch.uint8 and (shown[1].float() / 255 - plain).abs().max() <= 0.5 / 255 + 1e-6
    true = speech_store.pictures(store, "true", speech_store.true_frames(SMOKE.teacher.size), tmp_path)
    assert [len(v) for v in true] == [len(i.coeffs) for i in store.items] and true[0].shape[1:] == (
        3,
        SMOKE.teacher.size,
        SMOKE.teacher.size,
    )
    assert true[0].float().std(0).max() > 10  # its mouth moves
