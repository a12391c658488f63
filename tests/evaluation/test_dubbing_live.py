"""Two clips again: the first pair of each test set, by the systems that are there, with the scoring of the whole run."""

import dataclasses

from made_dubs import CFG, Made

from paperlib.config import load_profile
from paperlib.corpus.synthetic import ClipId
from paperlib.evaluation import dubbing_live
from paperlib.evaluation.dubbing_run import SETS
from paperlib.evaluation.dubbing_tasks import CROSS
from paperlib.evaluation.shelf import Shelf

PROFILE = dataclasses.replace(load_profile("smoke"), tables=CFG)


class Both(Made):
    """Two people in both scenes."""

    def clips(self, split):
        """Every clip."""
        return [ClipId("test", s, scene, take) for s in (0, 1) for scene in (0, 1) for take in (0, 1)]


def test_the_first_clip_of_each_set_is_scored_by_those_that_are_there(shelf, minis, monkeypatch, tmp_path):
    corpus = Both()
    monkeypatch.setattr(dubbing_live, "table_corpus", lambda profile: corpus)
    scores, missing = dubbing_live.rescore(PROFILE, ("wav2lip_mini", "diff2lip_mini"), shelf, tmp_path)
    assert [(s["row"], s["set"]) for s in scores] == [("wav2lip_mini", part) for part in SETS]
    assert {s["kind"] for s in scores} == {CROSS} and corpus.loaded == 4  # two pairs of the four that there are
    assert all(s["psnr_crop"] > 0 for s in scores) and missing == "diff2lip_mini: no checkpoint diff2lip_mini_smoke: not trained"


def test_without_checkpoints_nothing_is_rendered(tmp_path, monkeypatch):
    monkeypatch.setattr(dubbing_live, "fill", None)
    scores, missing = dubbing_live.rescore(PROFILE, shelf=Shelf("smoke", (tmp_path,)))
    assert scores == [] and "ours_mini: no checkpoint expression_smoke" in missing and "wav2lip_mini: no checkpoint" in missing
