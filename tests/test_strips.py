"""Strips: what falls where on the time axis, and nothing missing from the picture."""

import matplotlib
import numpy as np

from paperlib.strips import closures, middles, speech_strip

matplotlib.use("Agg")
PHONEMES = [("_", 0.0, 0.1), ("b", 0.1, 0.2), ("a", 0.2, 0.34), ("mː", 0.34, 0.5), ("p", 0.9, 1.0)]


def test_closures_are_the_bilabials_inside_the_clip():
    assert closures(PHONEMES, 20) == [("b", 3), ("m", 10)]


def test_strip_has_a_row_for_everything_on_one_axis_of_time():
    import matplotlib.pyplot as plt

    frames = np.zeros((20, 8, 8, 3), np.uint8)
    curves = {"true": np.linspace(0, 1, 20), "other": np.zeros(20)}
    fig = speech_strip(PHONEMES, 20, curves, {"true": frames, "other": frames}, np.zeros((13, 80)), columns=5)
    assert len(fig.axes) == 5 and fig.axes[-1].get_xlim() == (0, 20 / 25)
    assert [len(ax.images) for ax in fig.axes] == [5, 5, 0, 1, 0]
    assert np.allclose(fig.axes[-1].lines[0].get_xdata(), middles(20))
    assert [t.get_text() for t in fig.axes[2].texts] == ["b", "a", "mː"]  # the pause has no bar, the last sound is outside
    plt.close(fig)
