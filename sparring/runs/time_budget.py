"""A training that ends after a given time, and whose learning rates know how much of it is left.

    progress(s)  =  u + (1 - u) (s - step) / (end - step),       u = seconds / total        for steps s from `step` on

The triple (seconds, step, end) is a `Plan`: the time spent up to a step, and the step at which all of it will be spent
at the speed measured so far. A plan is made when a checkpoint is saved, and only then, and is stored in it. So the
steps after a checkpoint are a function of the checkpoint, however often the training is killed and goes on from there.
The time is that of the training: its steps, samples, evaluations and checkpoints, without the time between a stop and
the start after it. Steps that were lost with a killed process are made again, and their first time does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import floor, isfinite

from sparring.training import distributed

__all__ = ["Plan", "TimeBudget"]

FIRST, PARTS = 64, 16  # shares of the whole time: until the first plan of a process, and between two plans
LONGEST = 300.0  # seconds between two plans
STEPS = 2  # at least, before a first plan; the first step is not measured, since it also allocates
LIMIT = 2**63 - 1


@dataclass(frozen=True)
class Plan:
    """How far a training is, and where it will end.

    Attributes:
        seconds: Time spent up to `step`.
        step: Number of completed steps.
        end: The step at which all of the time will be spent; 0 if that is not known yet.
        total: The whole time in seconds; 0 without one.
    """

    seconds: float = 0.0
    step: int = 0
    end: int = 0
    total: float = 0.0

    @classmethod
    def read(cls, values: Mapping[str, object] | None) -> Plan:
        """Return the plan that a checkpoint holds, an empty one if it holds none.

        Args:
            values: As returned by `to_plain`.

        Raises:
            ValueError: If it is no plan.
        """
        if values is None:
            return cls()
        seconds, step, end, total = (values[name] for name in ("seconds", "step", "end", "total"))
        for each in (seconds, total):
            if not isinstance(each, float) or not isfinite(each) or each < 0:
                raise ValueError(f"it counts {str(each)[:40]!r} seconds")
        if type(step) is not int or type(end) is not int or not (0 <= step <= LIMIT and 0 <= end <= LIMIT):
            raise ValueError(f"it plans from step {str(step)[:40]!r} to {str(end)[:40]!r}")
        return cls(seconds, step, end, total)  # type: ignore[arg-type]  # tested above

    def to_plain(self) -> dict[str, float | int] | None:
        """Return the plan as plain values; None for an empty one."""
        return None if self == Plan() else asdict(self)

    def progress(self, step: int) -> float:
        """Return the share of the time that is over after a step, from 0 to 1.

        Args:
            step: Number of completed steps.
        """
        spent = self.seconds / self.total if self.total else 0.0
        if self.end > self.step:
            spent += (1 - spent) * (step - self.step) / (self.end - self.step)
        return min(1.0, spent)


class TimeBudget:
    """The clock of a training with a given time.

    Args:
        total: The whole time in seconds.
        spent: Seconds that were spent before.
        annealed: Whether the training also ends where its plan ends, because its learning rates are zero there.
        clock: Returns the time in seconds.

    Attributes:
        seconds: Seconds that were spent up to the last `tick`.
    """

    def __init__(
        self, total: float, spent: float, *, annealed: bool, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.total, self.annealed, self._clock = total, annealed, clock
        self._base = spent - clock()
        self._marks: list[tuple[float, int]] = []  # seconds and steps from which the speed is measured, at most two
        self._speed: float | None = None  # steps a second
        self._step = self._steps = 0
        self._plan_at = spent + min(total / FIRST, LONGEST)
        self.seconds = spent

    def tick(self, step: int) -> None:
        """Read the clock after a step; all processes agree on the time.

        Args:
            step: Number of completed steps.
        """
        self.seconds = distributed.all_reduce_max(floor(1000 * (self._base + self._clock()))) / 1000
        self._steps, before = self._steps + 1, self._step
        self._step = step
        if not self._marks or step <= before:  # the first step, or a rollback
            self._marks = [(self.seconds, step)]
        seconds, first = self._marks[0]
        if self.seconds > seconds:
            self._speed = (step - first) / (self.seconds - seconds)

    def is_over(self, plan: Plan, step: int) -> bool:
        """Return whether the training ends after a step: no further one fits, or the learning rates are zero.

        Args:
            plan: The plan of the training.
            step: Number of completed steps.
        """
        left = self.total - self.seconds
        if 0 < plan.end <= plan.step == step:  # planned here that nothing follows
            return True
        return left <= 0 or (self._speed is not None and left * self._speed < 1) or self._ends(plan, step, late=True)

    def is_due(self, plan: Plan, step: int) -> bool:
        """Return whether it is time for a checkpoint with a new plan.

        Args:
            plan: The plan of the training.
            step: Number of completed steps.
        """
        return self._steps > STEPS and (self.seconds >= self._plan_at or self._ends(plan, step, late=False))

    def _ends(self, plan: Plan, step: int, *, late: bool) -> bool:
        """Return whether the plan ends here, with little time left (late), or with time for another plan."""
        return self.annealed and 0 < plan.end <= step and (self.total - self.seconds < self.total / PARTS / 2) == late

    def plan(self, before: Plan, step: int) -> Plan:
        """Return a new plan, from the speed since the last two that were due.

        Args:
            before: The plan so far, whose end is kept where no speed is known.
            step: Number of completed steps.
        """
        end = before.end
        if self._speed is not None:
            end = step + floor(max(0.0, self.total - self.seconds) * self._speed)
        if self.seconds >= self._plan_at:
            self._plan_at = self.seconds + min(self.total / PARTS, LONGEST)
            self._marks = [*self._marks[-1:], (self.seconds, step)]
        return Plan(self.seconds, step, end, self.total)
