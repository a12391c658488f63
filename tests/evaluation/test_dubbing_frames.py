"""Frames that are kept of a dub: two by the clips, one by its own error, and both come back from disk as they were."""

import numpy as np
import pytest

from paperlib.evaluation import dubbing_frames as frames


def inside(task, t):
    """(y, x) of some pixel of Omega_c in frame t."""
    return tuple(np.argwhere(task.source.masks[t, 0].numpy() > 0.5)[0])


def spoilt(task, where):
    """The truth with single pixels changed; where: (t, y, x) -> levels."""
    out = task.truth.frames.copy()
    for place, levels in where.items():
        out[place] = np.where(out[place] < 128, out[place] + levels, out[place] - levels)
    return out


def test_shown_frames_are_where_the_mouths_differ(cross):
    first, second = frames.shown_frames(cross)
    by_frame = (cross.source.frames.astype(float) - cross.speech.frames) ** 2
    worth = (by_frame.mean(-1) * cross.source.masks[:, 0].numpy()).sum((1, 2))
    assert int(worth.argmax()) in (first, second) and second - first >= frames.APART and worth[second] > np.median(worth) / 2
    assert frames.errors(cross.source.frames, cross.speech.frames, cross) == pytest.approx(worth)


def test_the_worst_frame_is_the_furthest_from_the_truth_inside_the_mask(cross):
    dub = spoilt(cross, {(4, *inside(cross, 4)): 30, (17, *inside(cross, 17)): 40, (9, 0, 0): 120})  # (0, 0) is outside the mask
    assert frames.errors(dub, cross.truth.frames, cross)[[4, 9, 17]].tolist() == [900, 0, 1600]
    kept = frames.keep(dub, cross)
    assert kept.worst == 17 and list(kept.at) == sorted({*frames.shown_frames(cross), 17})
    assert np.array_equal(kept.frame(17), dub[17]) and kept.frame(9) is None and 9 not in kept.at


def test_without_a_truth_nothing_is_worst(sentence):
    kept = frames.keep(sentence.source.frames, sentence)
    assert kept.worst is None and list(kept.at) == frames.shown_frames(sentence)


def test_what_is_kept_comes_back(cross, sentence, tmp_path):
    dub = cross.source.frozen
    kept = {"a/b with c/d": frames.keep(dub, cross), "x": frames.keep(dub, sentence)}
    assert frames.read_kept(tmp_path) == {}
    frames.write_kept(tmp_path, kept)
    back = frames.read_kept(tmp_path)
    assert list(back) == list(kept) and back["x"].worst is None and back["a/b with c/d"].worst == kept["a/b with c/d"].worst
    for name, own in kept.items():
        assert back[name].at == own.at and np.array_equal(back[name].frames, own.frames)
