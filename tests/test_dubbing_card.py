"""The protocol card: every measure has frames and an extractor, and counts and failures are the table's own."""

import pytest

from paperlib import dubbing_card as cards
from paperlib import dubbing_report
from paperlib.evaluation.dubbing_measures import MEASURES
from paperlib.evaluation.dubbing_tasks import CROSS, SELF
from paperlib.evaluation.dubbing_words import EXPLAINED, explained
from paperlib.results import Row

MADE = {
    "every": {"image": 5, "lips": 3, "identity frames": 1, "longest": 60}, "region_shares": {"crop": 0.1234},
    "instruments": {"judge": "judge_x 1", "sync": "sync_x 2", "regressor": "regressor_x 3"},
}  # fmt: skip


def row(key, n, failed=0, track=CROSS):
    m = MEASURES[key]
    return Row("table1", "ours_mini", m.metric, 1.0, region=m.region, data="d", track=track, low=0.5, high=1.5, n=n, failed=failed)


@pytest.mark.parametrize("key", MEASURES)
def test_every_measure_says_which_frames_and_what_stands_behind_it(key):
    assert cards.frames_of(key, MADE["every"]) in ("all", "one, the middle one", "every 3rd", "every 5th")
    extractor = cards.extractor_of(key, MADE["instruments"])
    assert (extractor == "–") == (MEASURES[key].metric in ("psnr", "ssim", "skill", "lse_c"))


def test_words_of_one_column_stand_alone():
    assert set(EXPLAINED) <= set(MEASURES) and not any("the same" in explained(k) for k in ("aed_mouth", "opening_r_source", "late"))
    told = " ".join(explained(k) for k in (*dubbing_report.PAPER, *dubbing_report.LIPS))
    assert not any(word in told for word in ("Omega_c", "that lag", "mouth: box"))


def test_sync_names_its_judge_and_never_the_expert():
    assert cards.extractor_of("sync_mouth", MADE["instruments"]) == "judge_x 1"
    assert cards.extractor_of("aed_mouth", MADE["instruments"]) == "regressor_x 3"


def test_a_card_counts_what_its_table_holds():
    rows = [row("psnr_crop", 20), row("psnr_crop", 18, failed=2), row("psnr_crop", 3, failed=9, track=SELF), row("lmd_mouth", 20)]
    text = cards.card(rows, MADE, CROSS, ("psnr_crop", "lmd_mouth", "csim_frame"))
    psnr, lmd, csim = text.split("\n")[4:7]
    assert "| mask, 12% of the picture | every 5th | 18 to 20 | 2 |" in psnr and "mean over frames of the dB" in psnr
    assert "| dlib's 68 points | mouth | every 3rd | 20 | 0 |" in lmd
    assert csim.endswith("| one, the middle one | – | 0 |") and "first 60 frames" in text and text.startswith("<details>")
