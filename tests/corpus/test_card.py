"""The data card counts what the plan holds."""

import dataclasses

import numpy as np

from paperlib.config import load_profile
from paperlib.corpus import card, synthetic

CFG = dataclasses.replace(load_profile("smoke").corpus, seconds=1.0)


def test_the_card_counts_the_plan():
    found = card.survey(CFG)
    clips = synthetic.plan(CFG)
    assert sum(s["clips"] for s in found["splits"].values()) == len(clips)
    frames = sum(synthetic.clip_length(CFG, c) for c in clips)
    assert sum(found["languages"].values()) == frames == len(found["openings"])
    assert sum(len(v) for v in found["poses"].values()) == frames
    assert not found["splits"]["train"]["sentences"] & found["splits"]["test"]["sentences"]
    text = card.markdown(CFG, "smoke", found)
    assert f"| all | 6 | {len(clips)} | {frames / 25 / 60:.1f} |" in text
    assert len(card.figure(found).axes) == 4


def test_the_classroom_corpus_is_at_most_fifteen_minutes():
    cfg = load_profile("classroom").corpus
    assert len(synthetic.plan(cfg)) * cfg.seconds / 60 <= 15


def test_a_repeatable_clip_is_written_alike_twice(tmp_path):
    """x264 is repeatable only with one thread and without its macroblock tree: moving content shows it, noise does not."""
    from paperlib.media.video import write_video

    raw = synthetic.make_clip(CFG, synthetic.plan(CFG)[0])
    written = set()
    for k in range(4):
        junk = [np.random.default_rng(k).random(50_000 * (k + 1)) for _ in range(5)]  # other memory is free each time
        path = tmp_path / f"{k}.mp4"
        write_video(path, raw.frames, 25, raw.wave, crf=10, pixel_format="yuv444p", preset="veryfast", repeatable=True)
        written.add(path.read_bytes())
        del junk
    assert len(written) == 1
