"""Saving a training: what a checkpoint must be before it is written is settled, finite, and the same on every rank.

Scheduled checkpoints, those of multiples of the interval, are the ones to go back to when a training diverges: they are
the same however often it was stopped. The newest of them therefore stays, whatever else is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparring.errors import RunError
from sparring.runs import checkpoint, config
from sparring.runs.state import gathered
from sparring.training import distributed
from sparring.training.finite import require_finite

if TYPE_CHECKING:
    from sparring.runs.checkpoint import State
    from sparring.runs.logs import Log
    from sparring.runs.run import Run


class CheckpointWriter:
    """Saves a run, and knows at which step it did.

    Args:
        run: What to save.
        log: Is settled first, so that no checkpoint is ahead of it, and no diverged step is saved.
        keep: How many checkpoints stay.
        every: Steps between two scheduled ones.
    """

    def __init__(self, run: Run, log: Log, keep: int, every: int) -> None:
        self.run, self.log, self.keep, self.every = run, log, keep, every
        self.step = run.step

    def save(self, *, alone: bool = False) -> None:
        """Saves the run as it is, unless it is saved already.

        Args:
            alone: Neither compare with the other ranks nor wait for them.

        Raises:
            Diverged: If a term, a gradient or a weight is not finite.
            RunError: If the ranks drifted apart, or the folder cannot be written.
        """
        run = self.run
        if run.step == self.step:
            return
        self.log.settle()
        self._require_finite()
        if not alone:
            distributed.require_identical_replicas(run.game)
        if distributed.rank() == 0:
            config.require_own(run.home, run.record)
            path = checkpoint.save(run.home, run.step, gathered(run), keep=self.keep, every=self.every)
            run.known.add(path.name)
        self.step = run.step
        if not alone:
            distributed.barrier()

    def best(self) -> None:
        """Saves the run as its best so far, and removes no earlier one, since this one is not recorded yet.

        Raises:
            Diverged: If a weight is not finite.
            RunError: If the folder cannot be written.
        """
        self._require_finite()
        config.require_own(self.run.home, self.run.record)
        checkpoint.save(self.run.home, self.run.step, gathered(self.run), keep=None, place=checkpoint.BEST)

    def __str__(self) -> str:
        if not self.step:
            return f"Nothing was saved in {self.run.folder} yet."
        return f"The checkpoint of step {self.step} in {self.run.folder} is kept."

    def _require_finite(self) -> None:
        require_finite(self.run.step, {**self.run.inference_game.state_dict(), **self.run.game.state_dict()})


def scheduled(run: Run, every: int) -> State | None:
    """Reads the newest good checkpoint of the schedule, or None where there is none yet.

    Args:
        run: Being trained.
        every: Steps between two scheduled ones.
    """
    for path in reversed(checkpoint.listed(run.home)):
        if int(path.name) % every == 0 and int(path.name) <= run.step:
            try:
                return checkpoint.load(path, run.home)
            except RunError as error:
                run.notes.append(str(error))
    return None
