"""One sitting of a training: play a step, note it, draw, judge, save, hand it out, see whether to stop; again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sparring.errors import Diverged, RunError
from sparring.runs import config, early_stopping, events
from sparring.runs.early_stopping import BestCheckpoint, EarlyStopping
from sparring.runs.logs import Log
from sparring.runs.recovery import STOP, NonFinitePolicy, roll_back
from sparring.runs.saving import CheckpointWriter
from sparring.runs.signals import Stopped, StopSignal
from sparring.runs.state import seed
from sparring.training import distributed
from sparring.training.finite import TurnSnapshot
from sparring.training.trainer import StepReport, train

if TYPE_CHECKING:
    from sparring.runs.run import Run

PRECISIONS = dict(zip(config.PRECISIONS, (None, torch.bfloat16), strict=True))


@dataclass(frozen=True)
class FitOptions:
    """How a training is conducted.

    Attributes:
        steps: The step to end at.
        saving: Steps between two checkpoints.
        drawing: Steps between two pictures.
        keep: How many checkpoints stay.
        tensorboard: Write TensorBoard's events, too.
        judging: When and how to judge on the way.
        remedy: What to do when it stops being finite.
    """

    steps: int
    saving: int
    drawing: int
    keep: int = 2
    tensorboard: bool = False
    judging: EarlyStopping | None = None
    remedy: NonFinitePolicy = STOP

    def require(self, run: Run) -> None:
        """Refuses what cannot be done, before anything is written.

        Args:
            run: What is to be trained.

        Raises:
            SparringError: With the setting and the remedy.
        """
        config.require_counts(save_every=self.saving, sample_every=self.drawing, keep_checkpoints=self.keep)
        if self.tensorboard:
            events.require()
        if self.judging:
            early_stopping.require(run, self.judging)


def played(run: Run, conduct: FitOptions, wish: StopSignal) -> Iterator[StepReport]:
    """Trains a run, and yields the report of each step; goes back and on where its conduct's remedy says so.

    Args:
        run: Opened, and nobody else's.
        conduct: How.
        wish: Whether to stop.

    Raises:
        Diverged: As `sparring.runs.run.Run.fit`.
        RunError: As `sparring.runs.run.Run.fit`.
        Stopped: As `sparring.runs.run.Run.fit`.
    """
    while True:
        with ExitStack() as stack:
            session = TrainingLoop(run, conduct, wish, stack)
            try:
                yield from session.play()
                return
            except GeneratorExit:  # the caller left its loop
                session.saved.save(alone=True)
                raise
            except Diverged as error:
                found = error
            except RuntimeError as error:
                if not distributed.is_peer_failure(error):
                    raise
                raise RunError(
                    f"Another process of the training is gone; start the same command again. {session.saved}"
                ) from error
        try:
            roll_back(run, conduct.remedy, conduct.saving, found)
        except Diverged as error:
            raise Diverged(f"{error} {session.saved}") from None


class TrainingLoop:
    """A run with its files open.

    Args:
        run: Opened.
        conduct: How it is trained.
        wish: Whether to stop.
        stack: Closes the files.
    """

    def __init__(self, run: Run, conduct: FitOptions, wish: StopSignal, stack: ExitStack) -> None:
        self.run, self.conduct, self.wish = run, conduct, wish
        log = Log(
            *(run.home if distributed.rank() == 0 else run.folder, run.step, run.images, run.updates),
            skipped=run.skipped,
            rollbacks=len(run.rollbacks),
            tensorboard=conduct.tensorboard,
        )
        self.log = stack.enter_context(closing(log))
        run.notes += log.notes
        self.saved = CheckpointWriter(run, self.log, conduct.keep, conduct.saving)
        self.judge = None
        if conduct.judging:
            self.judge = stack.enter_context(closing(BestCheckpoint(run, conduct.judging, self.saved.best)))
            run.notes += self.judge.notes
        run.judged = self.judge.rows if self.judge else []

    def play(self) -> Iterator[StepReport]:
        """Plays up to the end of the conduct."""
        run, conduct = self.run, self.conduct
        if run.step == 0:
            run.picture()
        if self.over:
            return
        for report in self._reports():
            images = run.images
            self._count(report)
            self.log.add(report)
            if run.step % conduct.drawing == 0 or run.step == conduct.steps:
                run.picture()
            if self.judge:
                self.judge.after(images)
            if run.step % conduct.saving == 0 or run.step == conduct.steps or self.over:
                self.saved.save()
                if self.judge:
                    self.judge.retire()
            yield report
            if self.over:
                return
            if number := distributed.all_reduce_max(self.wish.signal):
                self.saved.save()
                raise Stopped(number)

    @property
    def over(self) -> bool:
        """Whether patience is at its end."""
        return self.judge is not None and self.judge.over

    def _reports(self) -> Iterator[StepReport]:
        run = self.run
        return train(
            run.game,
            run.stream,
            self.conduct.steps,
            start=run.step,
            seed=seed(run),
            players=run.players,
            ema=run.average,
            grad_accum=run.record["grad_accum"],
            precision=PRECISIONS[run.record["precision"]],
            snapshot=TurnSnapshot(run.game) if self.conduct.remedy.skip else None,
        )

    def _count(self, report: StepReport) -> None:
        self.run.step = report.step
        self.run.images += report.images
        for player, moves in report.updates.items():
            self.run.updates[player] += moves
