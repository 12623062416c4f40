"""What to do when a training stops being finite: stop, go back with other luck, or not make the move.

    stop          the training ends in the same step, and the last good checkpoint stays
    rollback:N    back to the last scheduled checkpoint, at most N times in all
    skip          the turn is taken back, and counted in the log as skipped

After a rollback everything random is a function of (seed, number of rollbacks, step, rank), the order of the data too;
so the same trouble does not simply come again, and a training that was killed on the way goes back at the same step to
the same checkpoint and draws the same: it is as resumable as any other, to the bit, as long as it saves as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sparring.errors import Diverged, RunError
from sparring.runs.saving import scheduled
from sparring.runs.state import beginning, reseed, restore

if TYPE_CHECKING:
    from sparring.runs.run import Run

NAMES = ("stop", "rollback:3", "skip")


@dataclass(frozen=True)
class NonFinitePolicy:
    """What to do when a term, a gradient or a weight is not finite; nothing but to stop, unless told.

    Attributes:
        skip: Take such turns back.
        rollbacks: How often to go back to the last scheduled checkpoint, in all.
    """

    skip: bool = False
    rollbacks: int = 0


STOP = NonFinitePolicy()


def named(name: str) -> NonFinitePolicy:
    """Returns the remedy of a name.

    Args:
        name: stop, rollback:N or skip.

    Raises:
        RunError: If there is none of that name.

    >>> named("rollback:2")
    NonFinitePolicy(skip=False, rollbacks=2)
    """
    what, _, count = name.partition(":")
    if name in ("stop", "skip"):
        return NonFinitePolicy(skip=name == "skip")
    if what == "rollback" and count.isascii() and count.isdecimal() and int(count[:9]) > 0:
        return NonFinitePolicy(rollbacks=int(count[:9]))
    near = get_close_matches(name, NAMES, n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(NAMES)}."
    raise RunError(f"There is no remedy {name!r} for what is not finite: {hint}")


def roll_back(run: Run, remedy: NonFinitePolicy, every: int, error: Diverged) -> None:
    """Puts a run back to its last scheduled checkpoint, with other luck.

    Args:
        run: Has diverged.
        remedy: How often this may be done.
        every: Steps between two scheduled checkpoints.
        error: What happened.

    Raises:
        Diverged: If it was done often enough.
    """
    before = [*run.rollbacks, str(error)]
    if len(before) > remedy.rollbacks:
        raise error
    state = scheduled(run, every)
    restore(run, beginning(run) if state is None else state)
    run.rollbacks = before
    reseed(run, run.stream.position)
    run.notes.append(f"{error} Going back to step {run.step}, with other draws ({len(before)} of {remedy.rollbacks}).")
