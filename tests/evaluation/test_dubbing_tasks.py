"""Clips that are known, tasks made of them, the store on disk."""

import made_dubs
import numpy as np
import pytest
import torch
from made_dubs import CFG, FRAMES

from paperlib.baselines.interface import REFERENCES
from paperlib.corpus.preparing import How
from paperlib.corpus.synthetic import ClipId
from paperlib.errors import InputError
from paperlib.evaluation import dubbing_tasks as tasks
from paperlib.evaluation.dubbing_instruments import every, instruments, labels, spaced
from paperlib.evaluation.shelf import Shelf

SERIAL = How(backend="serial", progress=False)


def test_frames_that_are_looked_at():
    assert every(60, 5).tolist() == list(range(2, 60, 5)) and every(1, 5).tolist() == [0] and every(4, 1).tolist() == [0, 1, 2, 3]
    assert spaced(61, 1).tolist() == [30] and spaced(9, 3).tolist() == [2, 4, 6]


def test_a_cut_clip_keeps_picture_and_sound_together():
    clip = made_dubs.clip(ClipId("test", 0, 0, 0))
    short = tasks.cut(clip, 12)
    assert len(short) == 12 and len(short.wave) == 12 * 640 and [p[0] for p in short.phonemes] == ["a"]
    assert np.array_equal(short.lmk, clip.lmk[:12]) and np.array_equal(short.wave, clip.wave[: 12 * 640])
    assert len(tasks.cut(clip, 1000)) == FRAMES


def test_what_is_known_has_the_shapes_it_says(store):
    known = store.read("id00000/scene00/00001")
    assert (known.name, known.speaker, known.part) == ("id00000/scene00/00001", "0", "still heads")
    assert known.frames.shape == known.frozen.shape == (FRAMES, 64, 64, 3) and known.frames.dtype == np.uint8
    assert known.mfcc.shape == (FRAMES, 13, 28) and known.mel.shape == (FRAMES, 80, 16)
    assert known.points.shape == (FRAMES // 2, 68, 2) and known.exp.shape == (3, 64) and known.faces.shape == (2, 1, 128)
    assert np.array_equal(known.frozen[0], known.frames[0])  # frame 0 has its own mouth
    outside = (known.masks[:, 0] < 0.5).numpy()
    assert np.abs(known.frozen.astype(int) - known.frames)[outside].max() <= 1
    assert np.linalg.norm(known.points - known.lmk[1::2], axis=-1).mean() < 3  # px of 64: the detector finds the drawn face


def test_a_full_store_loads_nothing_again(shelf, tmp_path):
    corpus = made_dubs.Made()
    first = corpus.clips("test")[:1]
    store = tasks.fill(corpus, first, CFG, shelf, SERIAL, tmp_path)
    again = tasks.fill(corpus, first, CFG, shelf, SERIAL, tmp_path)
    assert corpus.loaded == 1 and again == store
    more = tasks.fill(corpus, corpus.clips("test")[:2], CFG, shelf, SERIAL, tmp_path)
    assert corpus.loaded == 2 and more.folder == store.folder  # the same folder whatever clips are asked for


def test_the_given_of_a_task(cross):
    given, truth = cross.given, cross.truth
    assert given.frames.shape == (FRAMES, 3, 64, 64) and given.ref_index.shape == (FRAMES, REFERENCES)
    assert torch.equal(given.mfcc, torch.from_numpy(cross.speech.mfcc)) and truth is cross.speech
    assert torch.equal((given.frames[3] * 255).round().byte(), torch.from_numpy(cross.source.frames[3]).movedim(-1, 0))
    far = (given.ref_index - torch.arange(FRAMES)[:, None]).abs()
    assert (far >= 15).all()  # a second where there is one, else the farther end


def test_a_sentence_has_no_truth_and_self_is_read_once(store, sentence):
    assert sentence.truth is None and sentence.name == "id00000/scene00/00000 with id00000/scene00/00001"
    name = "id00001/scene00/00000"
    task = store.task(tasks.Plan(tasks.SELF, name, name, name))
    assert task.source is task.speech is task.third


def test_networks_are_found_in_order_and_named(shelf, tmp_path):
    assert labels(shelf)["judge"].startswith("judge_classroom ")  # smoke has none
    assert shelf.missing("expression", "teacher") == ""
    assert shelf.missing("teacher", "diff2lip_mini") == "no checkpoint diff2lip_mini_smoke: not trained"
    assert instruments(shelf) is instruments(shelf)
    with pytest.raises(InputError, match="renderer_smoke.json: no such checkpoint"):
        Shelf("smoke", (tmp_path,)).load("renderer")
