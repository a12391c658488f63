"""Where brows, beard and scalp hair grow on the average face, and how that differs between people (coverage in [0, 1] per vertex).

Positions are frontal ones on the average face, model units, origin 0.30 below the eyes' centre, as in `_topology`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paperlib.face3d._topology import smoothstep


@dataclass(frozen=True)
class Brow:
    """One person's brows: inner end, length, half height and arch in model units; taper and density are shares."""

    inner: float = 0.10
    length: float = 0.42
    half: float = 0.034
    arch: float = 0.075
    drop: float = 0.015  # outer end below the inner one
    lift: float = 0.0
    taper: float = 0.55
    density: float = 0.8

    def coverage(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(V,): an arch, thick inside, thin and sparse outside, softer at its upper edge."""
        s = (np.abs(x) - self.inner) / self.length
        centre = 0.445 + self.lift + self.arch * np.sin(np.clip(s, 0, 1.15) * 2.2) - self.drop * s
        half = self.half * (1 - self.taper * np.clip(s, 0, 1))
        off = y - centre
        across = 1 - smoothstep(np.where(off > 0, off, -1.15 * off), 0.45 * half, 1.6 * half)
        return self.density * across * smoothstep(s, -0.10, 0.14) * (1 - smoothstep(s, 0.80, 1.14))


def draw_brow(heavy: float, generator: np.random.Generator) -> Brow:
    """Random brows; `heavy` in [0, 1] leans towards thick, flat, low ones.

    Kept narrow: a linear texture model draws edges that move as sums of lighter and darker bands, and wide draws leave pale halos.
    """
    return Brow(
        inner=float(np.clip(generator.normal(0.105 - 0.012 * heavy, 0.008), 0.07, 0.13)),
        length=float(np.clip(generator.normal(0.415, 0.012), 0.38, 0.45)),
        half=float(np.clip(0.028 * np.exp(generator.normal(0.44 * heavy, 0.13)), 0.020, 0.056)),
        arch=float(np.clip(generator.normal(0.080 - 0.018 * heavy, 0.009), 0.04, 0.11)),
        drop=float(generator.normal(0.012, 0.008)),
        lift=float(generator.normal(0.001 - 0.004 * heavy, 0.004)),
        taper=float(generator.uniform(0.40, 0.65)),
        density=float(np.clip(generator.normal(0.74 + 0.15 * heavy, 0.08), 0.5, 0.97)),
    )


def beard_zones(points: np.ndarray, lips: np.ndarray) -> dict[str, np.ndarray]:
    """Soft maps (V,): moustache, chin (goatee) and jaw (cheek to cheek), without the lips."""
    x, y, z = points.T
    ax = np.abs(x)
    front = smoothstep(z, 0.45, 0.85) * (1 - lips)
    line = -0.46 + 0.52 * np.clip(ax - 0.20, 0, 1)  # the cheek's edge of the beard
    bare = np.exp(-0.5 * (((ax - 0.13) / 0.07) ** 2 + ((y + 0.46) / 0.05) ** 2))  # beside the lower lip little grows
    jaw = (1 - smoothstep(y - line, -0.05, 0.17)) * smoothstep(-y, 0.0, 0.12)
    chin = np.exp(-0.5 * ((ax / 0.17) ** 2 + ((y + 0.60) / 0.13) ** 2))
    chin = np.maximum(chin, 0.7 * np.exp(-0.5 * (((ax - 0.24) / 0.05) ** 2 + ((y + 0.42) / 0.12) ** 2)))
    moustache = np.exp(-0.5 * (np.clip(ax - 0.12, 0, None) / 0.07) ** 2) * smoothstep(-y, 0.135, 0.21) * (1 - smoothstep(-y, 0.33, 0.40))
    neck = smoothstep(-y, 0.70, 0.80)  # thinner below the jaw
    return {
        "moustache": moustache * front,
        "chin": np.clip(chin, 0, 1) * (1 - 0.6 * bare) * front,
        "jaw": np.clip(jaw, 0, 1) * (1 - 0.75 * bare) * (1 - 0.6 * neck) * front * (y > -1.05),
    }


@dataclass(frozen=True)
class Hairline:
    """Changes of `_topology.hairline`: model units by which its edge stands higher at the forehead, the temples, the sideburns."""

    rise: float = 0.0
    recede: float = 0.0
    peak: float = 0.0
    sideburn: float = 0.0
    soft: float = 0.05
    density: float = 0.95

    def coverage(self, points: np.ndarray, height: np.ndarray, scalp: np.ndarray) -> np.ndarray:
        """(V,) from `height` above the average hairline (V,) and the scalp's vertices (V,) bool or share."""
        x, y, z = points.T
        ax = np.abs(x)
        front = smoothstep(z, 0.75, 1.05)
        temple = np.exp(-0.5 * ((ax - 0.42) / 0.14) ** 2) * front
        middle = np.exp(-0.5 * (ax / 0.10) ** 2) * front
        side = (1 - smoothstep(y, 0.35, 0.55)) * smoothstep(z, 0.3, 0.5)
        moved = height - self.rise * front - self.recede * temple + self.peak * middle - self.sideburn * side
        ragged = 0.014 * np.sin(37 * x + 5 * np.sin(11 * z)) + 0.010 * np.sin(71 * x - 23 * z)
        return self.density * smoothstep(moved + ragged, -self.soft, self.soft) * scalp


def draw_hairline(age: float, heavy: float, generator: np.random.Generator) -> Hairline:
    """Random hairline; `age` in [0, 1] recedes that of men (`heavy` 1), women's (0) is low.

    Kept narrow for the reason given at `draw_brow`.
    """
    return Hairline(
        rise=float(np.clip(generator.normal(0.04 * age * heavy - 0.02 * (1 - heavy), 0.025), -0.06, 0.09)),
        recede=float(np.clip(generator.normal(0.01 + (0.02 + 0.10 * age) * heavy, 0.03), -0.04, 0.17)),
        peak=float(np.clip(generator.normal(0.0, 0.018), -0.04, 0.05)),
        sideburn=float(generator.normal(0.0, 0.035)),
        soft=float(generator.uniform(0.05, 0.08)),
        density=float(generator.uniform(0.86, 0.98)),
    )
