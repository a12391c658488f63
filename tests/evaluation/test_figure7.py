"""Landmark distance of figure 7: by hand, and nan where a face is missed."""

import numpy as np

from paperlib.evaluation.figure7 import lmd_per_frame


def test_lmd_is_the_mean_distance_and_keeps_missed_frames():
    truth = np.zeros((3, 20, 2))
    pred = truth + [3.0, 4.0]
    pred[1, :10] = 0.0
    pred[2] = np.nan
    np.testing.assert_allclose(lmd_per_frame(pred, truth), [5.0, 2.5, np.nan])
