"""Knowing more never hurts: mean expression, phonemes, phonemes and style."""

import dataclasses

import numpy as np
import pytest

from paperlib.config import load_profile
from paperlib.corpus.banks import speech_item
from paperlib.corpus.dataset import Corpus
from paperlib.evaluation.expression_ceiling import phoneme_oracle
from paperlib.evaluation.expression_measures import measures

CFG = load_profile("smoke", corpus__test_speakers=6).corpus


def test_the_more_is_known_the_smaller_the_error():
    corpus, errors = Corpus(CFG), []
    items = [speech_item(corpus, c) for c in corpus.clips("test")[::2]]
    mean = sum(i.exp.mean(0) for i in items) / len(items)
    for item in items:
        blind, known = (phoneme_oracle(CFG, item.id, len(item.exp), style, 12) for style in (False, True))
        errors.append([measures(p, item)["aed_mouth"] for p in (mean.expand_as(item.exp), blind, known)])
    mean_error, blind_error, known_error = np.mean(errors, 0)
    assert known_error < 0.8 * blind_error and blind_error < 0.75 * mean_error


def test_a_recording_has_no_oracle():
    with pytest.raises(ValueError, match="is no rule"):
        phoneme_oracle(dataclasses.replace(CFG, motion="real"), Corpus(CFG).clips("test")[0], 10, False)
