"""Profiles: overrides, unknown keys, hashes."""

import pytest

from paperlib import config
from paperlib.errors import InputError


def test_every_profile_loads_and_smoke_is_smallest():
    sizes = [config.load_profile(n).size for n in ("smoke", "classroom", "paper")]
    assert sizes == [64, 96, 192]


@pytest.mark.parametrize("call", [{"name": "nope"}, {"name": "smoke", "corpus__sice": 3}, {"name": "smoke", "seed__x": 1}])
def test_unknown_names_are_errors(call):
    with pytest.raises(InputError):
        config.load_profile(**call)


def test_round_trip_and_unknown_stored_key():
    cfg = config.load_profile("paper").renderer
    data = config.to_dict(cfg)
    assert config.from_dict(config.RendererConfig, data) == cfg
    with pytest.raises(InputError, match="colour"):
        config.from_dict(config.RendererConfig, data | {"colour": 1})


def test_hash_changes_with_any_field():
    a = config.load_profile("smoke")
    assert config.config_hash(a) == config.config_hash(config.load_profile("smoke"))
    assert config.config_hash(a) != config.config_hash(config.load_profile("smoke", renderer__l_p=0.06))


def test_classroom_corpus_is_at_most_fifteen_minutes():
    c = config.load_profile("classroom").corpus
    clips = (c.train_speakers + c.val_speakers) * c.clips_per_speaker + c.test_speakers * c.test_scenes * 2
    assert clips * c.seconds <= 15 * 60
