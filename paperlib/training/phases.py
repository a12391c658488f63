"""The stages of stage 2's training, by a fixed number of steps or by the validation curve, equation (32)."""

from __future__ import annotations

from dataclasses import dataclass

from paperlib.config import RendererConfig
from paperlib.losses.objective import EPS
from paperlib.training.optim import flat_cosine

FLAT = 0.75  # share of all steps at the full learning rate; Ranger's author lets it fall over the last quarter


@dataclass(frozen=True)
class Phase:
    """One stage of the schedule: its name for `Renderer.forward` and eps of (32); eps 0 is the intermediate loss alone."""

    stage: str
    eps: float


def schedule(cfg: RendererConfig, step: int) -> Phase:
    """Which phase `step` belongs to; the switches are settings, the paper says only "when stable" and "later".

    >>> cfg = RendererConfig(steps_warm=2, steps_joint1=2, steps_joint2=2)
    >>> [schedule(cfg, i).eps for i in range(6)]
    [0.0, 0.0, 0.1, 0.1, 0.2, 0.2]
    """
    if step < cfg.steps_warm:
        return Phase("warm", 0.0)
    return Phase("joint", EPS["joint1"] if step < cfg.steps_warm + cfg.steps_joint1 else EPS["joint2"])


def total_steps(cfg: RendererConfig) -> int:
    """Steps of all three phases; with `cfg.patience` the most there can be."""
    return cfg.steps_warm + cfg.steps_joint1 + cfg.steps_joint2


def stretches(cfg: RendererConfig, staged: bool = True) -> tuple[int, ...]:
    """Ends of the stretches that a plateau may cut short: the stages, and the fall of the learning rate as a stretch of its own.

    >>> stretches(RendererConfig(steps_warm=20, steps_joint1=20, steps_joint2=60))
    (20, 40, 75, 100)
    """
    n = total_steps(cfg)
    ends = {cfg.steps_warm, cfg.steps_warm + cfg.steps_joint1} if staged else set()
    return tuple(sorted(end for end in {*ends, int(FLAT * n), n} if end > 0))


class Clock:
    """Where a run stands in its schedule. `position` counts steps, and jumps to the end of a stretch whose validation is stable.

    Stable: `cfg.patience` validations in a row, none better than the best before by the share `cfg.min_gain`; the steps in the
    settings are then the most a stage may take. With patience 0 every stage has its steps. Under a learning rate that stays, a
    plateau of the first two stages starts the next one; of the last stage, the fall of the rate; of that, the end.
    `staged=False`: (32) with eps 0.2 from the first step (table 4).
    """

    def __init__(self, cfg: RendererConfig, staged: bool = True):
        self.cfg, self.staged = cfg, staged
        self.steps, self.ends = total_steps(cfg), stretches(cfg, staged)
        self.position, self.best, self.stale = 0, float("inf"), 0

    def phase(self) -> Phase:
        """The phase of the next step."""
        return schedule(self.cfg, self.position) if self.staged else Phase("joint", EPS["joint2"])

    def rate(self) -> float:
        """Multiplier of the learning rate."""
        return flat_cosine(self.position, self.steps, FLAT)

    def tick(self) -> None:
        """A step was done."""
        self.position += 1
        if self.position in self.ends:
            self._reset()

    def hear(self, value: float) -> None:
        """A validation: of I_e while SFM and TMN train alone, of I_i afterwards."""
        if not self.cfg.patience or self.finished():
            return
        if value < self.best * (1 - self.cfg.min_gain):
            self.best, self.stale = value, 0
            return
        self.stale += 1
        if self.stale >= self.cfg.patience:
            self.position = next(end for end in self.ends if end > self.position)
            self._reset()

    def finished(self) -> bool:
        """The last stretch has ended."""
        return self.position >= self.steps

    def _reset(self) -> None:
        self.best, self.stale = float("inf"), 0

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs."""
        return {"position": self.position, "best": self.best, "stale": self.stale}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """As it was saved."""
        self.position, self.best, self.stale = state["position"], state["best"], state["stale"]
