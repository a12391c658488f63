"""The time axis of a clip fit: a Gaussian prior that links neighbouring frames, and the linear solver for such chains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

POSE_SD = np.array([1.0, 1.0, 1.0, 4.0, 4.0])  # wide priors: angles [rad], sideways and upward trans [10 cm]
HEAD_SIZE_SD = 0.1  # a picture cannot tell a small head from a distant one: the mean head's size decides, to about 1 per cent
# (a looser prior lets landmark noise win: near and small, the same expressions move the picture more; seen on known truth)
POSE_WALK_SD = 0.1  # change of each of them from frame to frame when smoothing: up to a fast turn of the head
INDEPENDENT = 15.0  # detector errors are alike in neighbouring frames: a clip teaches what its frames share as much as this many


class Prior(NamedTuple):
    """exp(-(x'Qx - 2 x'b) / 2) over the frames' unknowns x (T, 70): Q's diagonal (T, 70), its links (T - 1, 70), the negated
    off-diagonal, and linear b (T, 70)."""

    diagonal: np.ndarray
    links: np.ndarray
    linear: np.ndarray

    def pull(self, x: np.ndarray) -> np.ndarray:
        """b - Qx, (T, 70): the negated gradient of the cost."""
        return self.linear - self.times(x)

    def times(self, x: np.ndarray) -> np.ndarray:
        """Qx, (T, 70)."""
        out = self.diagonal * x
        out[1:] -= self.links * x[:-1]
        out[:-1] -= self.links * x[1:]
        return out


def solve_chain(blocks: np.ndarray, links: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve the block-tridiagonal system with diagonal blocks (T, n, n) and off-diagonal blocks -diag(links[t]) between t and t + 1.

    links: (T - 1, n). right: (T, n, m). Returns (T, n, m). Block Thomas algorithm: linear in T.
    """
    inverse, carried = np.empty_like(blocks), right.copy()
    block = blocks[0]
    for t in range(len(blocks)):
        inverse[t] = np.linalg.inv(block)
        if t + 1 < len(blocks):
            d = links[t][:, None]
            carried[t + 1] += d * (inverse[t] @ carried[t])
            block = blocks[t + 1] - d * inverse[t] * d.T
    out = np.empty_like(right)
    out[-1] = inverse[-1] @ carried[-1]
    for t in range(len(blocks) - 2, -1, -1):
        out[t] = inverse[t] @ (carried[t] + links[t][:, None] * out[t + 1])
    return out


def chain_prior(
    gaps: np.ndarray, smooth: float, depth: np.ndarray, expression: np.ndarray | None = None, precision: np.ndarray | None = None
) -> Prior:
    """Prior of the frames' unknowns over time.

    Expression is autoregressive: a steady expression is cheap, any single frame keeps the prior N(0, 1), and frames g apart
    correlate by smooth^g. Pose has wide priors and a random walk; the clip as a whole, not each frame, is held near the depths
    (T,) at which the mean head would have the size seen. gaps (T - 1,): frames from each to the next.

    expression (T, 64) and precision (64,): when pictures propose an expression, it is the difference from it that is
    autoregressive, with the variance of the pictures' errors.
    """
    rho = smooth ** gaps[:, None].astype(np.float64)
    slack = 1 / (1 - rho**2)
    tight = np.ones(64) if precision is None else precision
    diagonal, links, linear = np.ones((len(depth), 70)), np.zeros((len(gaps), 70)), np.zeros((len(depth), 70))
    links[:, :64] = rho * slack
    diagonal[1:, :64] += rho**2 * slack
    diagonal[:-1, :64] += rho**2 * slack
    diagonal[:, :64] *= tight
    links[:, :64] *= tight
    diagonal[:, 64:69], diagonal[:, 69] = POSE_SD**-2.0, HEAD_SIZE_SD**-2.0 / min(len(depth), INDEPENDENT)
    linear[:, 69] = diagonal[:, 69] * depth
    if smooth > 0:
        links[:, 64:] = POSE_WALK_SD**-2.0 / gaps[:, None]
        diagonal[1:, 64:] += links[:, 64:]
        diagonal[:-1, 64:] += links[:, 64:]
    if expression is not None:
        proposed = np.concatenate([expression, np.zeros((len(depth), 6))], 1)
        linear[:, :64] = Prior(diagonal, links, linear).times(proposed)[:, :64]
    return Prior(diagonal, links, linear)
