"""Policies for terms, gradients or weights that are not finite: stop, roll back with a new random stream, or skip.

    stop          the training ends in the same step, and the last good checkpoint stays
    rollback:N    load the last scheduled checkpoint, at most N times in all
    skip          the turn is undone, and counted in the log as skipped

After a rollback everything random is a function of (seed, number of rollbacks, step, rank), the order of the data
included, so the same failure does not simply repeat. A training that is killed meanwhile rolls back at the same step to
the same checkpoint and draws the same numbers: it stays resumable to the bit, as long as it saves equally often.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from sparring._io.folder import Folder
from sparring.errors import Diverged, RunError
from sparring.runs.checkpoint import last_scheduled
from sparring.runs.state import TrainState

NAMES = ("stop", "rollback:3", "skip")


@dataclass(frozen=True)
class NonFinitePolicy:
    """Policy for a term, a gradient or a weight that is not finite. Default: stop.

    Attributes:
        skip: Undo such turns.
        rollbacks: How often to load the last scheduled checkpoint, in all.
    """

    skip: bool = False
    rollbacks: int = 0

    @classmethod
    def parse(cls, name: str) -> NonFinitePolicy:
        """Return the policy of a name.

        Args:
            name: stop, rollback:N or skip.

        Raises:
            RunError: If there is none of that name.

        >>> NonFinitePolicy.parse("rollback:2")
        NonFinitePolicy(skip=False, rollbacks=2)
        """
        what, _, count = name.partition(":")
        if name in ("stop", "skip"):
            return cls(skip=name == "skip")
        if what == "rollback" and count.isascii() and count.isdecimal() and int(count[:9]) > 0:
            return cls(rollbacks=int(count[:9]))
        near = get_close_matches(name, NAMES, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(NAMES)}."
        raise RunError(f"There is no policy {name!r} for values that are not finite: {hint}")


STOP = NonFinitePolicy()


def roll_back(state: TrainState, home: Folder, policy: NonFinitePolicy, every: int, error: Diverged) -> list[str]:
    """Load the last scheduled checkpoint, with a new random stream; return sentences for the user.

    Args:
        state: State of a training that diverged.
        home: The run's folder.
        policy: How often this may be done.
        every: Steps between two scheduled checkpoints.
        error: What happened.

    Raises:
        Diverged: If it was done often enough.
    """
    before = [*state.rollbacks, str(error)]
    if len(before) > policy.rollbacks:
        raise error
    saved, notes = last_scheduled(home, state.step, every)
    if saved is None:
        saved = TrainState.fresh(state.config, state.dataset, state.game.device).state_dict()
    state.load_state_dict(saved, home.path)
    state.rollbacks = before
    state.reseed(state.stream.position)
    back = f"Rolling back to step {state.step} with a new random stream ({len(before)} of {policy.rollbacks})."
    return [*notes, f"{error} {back}"]
