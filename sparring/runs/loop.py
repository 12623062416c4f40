"""The training loop: run a step, log it, write samples, evaluate, save a checkpoint, yield the report, stop if asked.

A rollback closes the files of the run, loads the last scheduled checkpoint, and opens them again at its step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TypedDict

from sparring._io.folder import Folder
from sparring.errors import Diverged, RunError
from sparring.runs import checkpoint, logs
from sparring.runs.config import require_counts, require_same_run
from sparring.runs.early_stopping import BestCheckpoint, EarlyStopping
from sparring.runs.logs import RunLog
from sparring.runs.recovery import STOP, NonFinitePolicy, roll_back
from sparring.runs.signals import Stopped, StopSignal
from sparring.runs.state import TrainState
from sparring.runs.time_budget import Plan, TimeBudget
from sparring.schedules import linear_to_end
from sparring.training import distributed
from sparring.training.finite import TurnSnapshot, require_finite
from sparring.training.trainer import StepReport, train

__all__ = ["Callback", "CheckpointWriter", "FitOptions", "RunFiles", "TrainingLoop", "default_interval", "fit_loop"]

FOREVER = 10**12  # steps, where something else ends a training
Callback = Callable[[TrainState, StepReport], None]
"""Called after a step, before its checkpoint."""
OpenEvaluation = Callable[[Callable[[], None]], BestCheckpoint]
"""Opens the evaluations of a run, given the function that saves the best checkpoint."""


class FitSettings(TypedDict, total=False):
    """Keyword arguments of `sparring.Run.fit`, see `FitOptions`."""

    save_every: int | None
    sample_every: int | None
    keep_checkpoints: int
    tensorboard: bool
    early_stopping: EarlyStopping | None
    on_nonfinite: NonFinitePolicy
    anneal: float
    images: int | None
    seconds: float | None


@dataclass(frozen=True)
class FitOptions:
    """Options of `sparring.Run.fit`.

    Attributes:
        steps: The step to end at, counted from the start of the run. Default: `images` or `seconds` end the training.
        save_every: Steps between two checkpoints. Default: see `default_interval`, and with `seconds` when a plan is
            made (`sparring.runs.time_budget`).
        sample_every: Steps between two grids of samples. Default: as for `save_every`.
        keep_checkpoints: Number of checkpoints to keep.
        tensorboard: Also write TensorBoard events.
        early_stopping: When and how to evaluate during training, which keeps the best checkpoint and may end the
            training before `steps`. Default: no evaluation.
        on_nonfinite: Policy for terms, gradients or weights that are not finite. Default: stop.
        anneal: Share of the training, counted from its end, over which all learning rates fall linearly to zero, from
            0 to 1. In step s of n, counted from 0, the factor min(1, (n - s) / (anneal n)) multiplies the schedule of
            the game. It is a function of these numbers only; ``log.jsonl`` holds it as "anneal". A run that was
            annealed can be continued to more steps: its rates rise to what the new end gives. Default: 0, never.
        images: Number of images to end at, counted from the start of the run; `anneal` counts images as well.
            Default: steps are counted.
        seconds: Time of training to end at, counted from the start of the run without the time between a stop and the
            next start (`sparring.runs.time_budget`); `anneal` is a share of this time. Default: steps are counted.

    Raises:
        RunError: If a number is out of range, there is not exactly one end, or TensorBoard is not installed.
    """

    steps: int | None = None
    save_every: int | None = None
    sample_every: int | None = None
    keep_checkpoints: int = 2
    tensorboard: bool = False
    early_stopping: EarlyStopping | None = None
    on_nonfinite: NonFinitePolicy = STOP
    anneal: float = 0.0
    images: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        ends = [name for name in ("steps", "images", "seconds") if getattr(self, name) is not None]
        if len(ends) != 1:
            given = f"{' and '.join(ends)} both set" if ends else "Nothing sets"
            raise RunError(f"{given} the length of the training: give one of steps, images and seconds.")
        if self.seconds is not None and not 0 < self.seconds < inf:
            raise RunError(f"seconds cannot be {self.seconds}: give a time above 0.")
        counts = {"save_every": self.save_interval, "sample_every": self.sample_interval}
        require_counts(**counts, keep_checkpoints=self.keep_checkpoints)
        require_counts(**({} if self.images is None else {"images": self.images}))
        if not 0 <= self.anneal <= 1:
            raise RunError(f"anneal cannot be {self.anneal}: give a share of the training, from 0 to 1.")
        if self.tensorboard:
            logs.require_tensorboard()

    @property
    def save_interval(self) -> int:
        """Steps between two checkpoints; with `seconds` 1, since a checkpoint may be due at any step."""
        return self._usual_interval if self.save_every is None else self.save_every

    @property
    def sample_interval(self) -> int:
        """Steps between two grids of samples; with `seconds` as `save_interval`."""
        return self._usual_interval if self.sample_every is None else self.sample_every

    @property
    def _usual_interval(self) -> int:
        if self.seconds is not None:
            return 1
        return default_interval(FOREVER if self.steps is None else self.steps)

    def is_due(self, step: int, every: int | None, *, planned: bool) -> bool:
        """Return whether checkpoints or samples are due after a step.

        Args:
            step: Number of completed steps.
            every: Steps between two of them. Default: the usual interval.
            planned: Whether a plan is due, where the training has a time.
        """
        if every is None and self.seconds is not None:
            return planned
        return step % (self._usual_interval if every is None else every) == 0

    def is_over(self, state: TrainState) -> bool:
        """Return whether a training has reached its last step or image; of a time the clock decides.

        Args:
            state: Between two steps.
        """
        if self.images is not None:
            return state.images >= self.images
        return self.steps is not None and state.step >= self.steps

    def lr_scale(self, state: TrainState) -> float:
        """Return the factor by which annealing multiplies the learning rates of the next step.

        Args:
            state: Between two steps.
        """
        end, at = (self.steps, state.step) if self.images is None else (self.images, state.images)
        if self.seconds is not None:
            return linear_to_end(1, self.anneal)(state.plan.progress(state.step))
        assert end is not None
        return linear_to_end(end, self.anneal)(at)


def default_interval(steps: int) -> int:
    """Return a tenth of the number of steps, rounded up to 1, 2 or 5 times a power of ten, at most 1000.

    Args:
        steps: Number of steps of the training.

    >>> [default_interval(steps) for steps in (3, 25, 600, 4000, 10**6)]
    [1, 5, 100, 500, 1000]
    """
    intervals = (1, 2, 5, 10, 20, 50, 100, 200, 500)
    return next((each for each in intervals if each * 10 >= steps), 1000)


@dataclass
class RunFiles:
    """The folder of a run during training.

    Attributes:
        path: The folder.
        home: The same, open; None on every rank but the first, which do not write.
        saved: Names of the checkpoints that were found or saved.
        notes: Sentences for the user.
    """

    path: Path
    home: Folder | None
    saved: set[str]
    notes: list[str]


class CheckpointWriter:
    """Writes checkpoints that are finite, logged, and the same on every rank.

    Scheduled checkpoints, those at multiples of the interval, are the ones that a rollback returns to: they are the
    same however often the training was interrupted. The newest of them is always kept.

    Args:
        state: State of the training.
        files: The folder of the run.
        log: Log of the run; it is written to the disk first, so that no checkpoint is ahead of it.
        options: Options of the training.
        clock: Clock of a training with a given time.
    """

    def __init__(
        self, state: TrainState, files: RunFiles, log: RunLog, options: FitOptions, clock: TimeBudget | None
    ) -> None:
        self.state, self.files, self.log, self.options, self.clock = state, files, log, options, clock
        self.step = state.step

    def save(self, *, alone: bool = False) -> None:
        """Save the state, unless it is saved already.

        Args:
            alone: Neither compare with other ranks nor wait for them.

        Raises:
            Diverged: If a term, a gradient or a weight is not finite.
            RunError: If the ranks differ, or the folder cannot be written.
        """
        state = self.state
        if state.step == self.step:
            return
        self.log.sync()
        self._require_finite()
        if self.clock:
            state.plan = self.clock.plan(state.plan, state.step)
        if not alone:
            distributed.require_identical_replicas(state.game)
        if self.files.home is not None:
            require_same_run(self.files.home, state.config)
            keep, every = self.options.keep_checkpoints, self.options.save_interval
            path = checkpoint.save(self.files.home, state.step, state.state_dict(), keep=keep, every=every)
            self.files.saved.add(path.name)
        self.step = state.step
        if not alone:
            distributed.barrier()

    def save_best(self) -> None:
        """Save the state as the best so far; no earlier one is removed, since this one is not recorded yet.

        Raises:
            Diverged: If a weight is not finite.
            RunError: If the folder cannot be written.
        """
        self._require_finite()
        assert self.files.home is not None
        require_same_run(self.files.home, self.state.config)
        checkpoint.save(self.files.home, self.state.step, self.state.state_dict(), keep=None, kind=checkpoint.BEST)

    def __str__(self) -> str:
        if not self.step:
            return f"Nothing was saved in {self.files.path} yet."
        return f"The checkpoint of step {self.step} in {self.files.path} is kept."

    def _require_finite(self) -> None:
        weights = {**self.state.inference_game.state_dict(), **self.state.game.state_dict()}
        require_finite(self.state.step, weights)


def fit_loop(
    state: TrainState,
    files: RunFiles,
    options: FitOptions,
    stop_signal: StopSignal,
    *,
    write_samples: Callback,
    open_evaluation: OpenEvaluation | None = None,
) -> Iterator[StepReport]:
    """Train a run and yield the report of each step; roll back if the policy of the options is to.

    Args:
        state: State of the training.
        files: The folder of the run, locked by this process.
        options: Options of the training.
        stop_signal: Whether to stop.
        write_samples: Writes the grid of samples of a step.
        open_evaluation: Opens the evaluations during training. Default: none.

    Raises:
        Diverged: If the training is not finite and the policy allows no further rollback.
        RunError: If the folder cannot be written, or another process is gone.
        Stopped: After a signal.
    """
    clock = open_clock(state, files, options)
    while True:
        with ExitStack() as stack:
            loop = TrainingLoop(state, files, options, stop_signal, write_samples, open_evaluation, clock, stack)
            try:
                yield from loop.run()
                return
            except GeneratorExit:  # the caller left its loop
                loop.writer.save(alone=True)
                raise
            except Diverged as error:
                found = error
            except RuntimeError as error:
                if not distributed.is_peer_failure(error):
                    raise
                raise RunError(
                    f"Another process of the training is gone; start the same command again. {loop.writer}"
                ) from error
        try:
            home = Folder.open(files.path) if files.home is None else files.home
            files.notes += roll_back(state, home, options.on_nonfinite, options.save_interval, found)
        except Diverged as error:
            raise Diverged(f"{error} {loop.writer}") from None


class TrainingLoop:
    """A training with its files open.

    Args:
        state: As for `fit_loop`, like the next five.
        files: The folder of the run.
        options: Options of the training.
        stop_signal: Whether to stop.
        write_samples: Writes the grid of samples of a step.
        open_evaluation: Opens the evaluations during training.
        clock: Clock of a training with a given time.
        stack: Closes the files.
    """

    def __init__(
        self,
        state: TrainState,
        files: RunFiles,
        options: FitOptions,
        stop_signal: StopSignal,
        write_samples: Callback,
        open_evaluation: OpenEvaluation | None,
        clock: TimeBudget | None,
        stack: ExitStack,
    ) -> None:
        self.state, self.options, self.stop_signal, self.write_samples = state, options, stop_signal, write_samples
        self.clock = clock
        log = RunLog(
            *(files.path if files.home is None else files.home, state.step, state.images, state.updates),
            skipped=state.skipped,
            rollbacks=len(state.rollbacks),
            tensorboard=options.tensorboard,
        )
        self.log = stack.enter_context(closing(log))
        self.notes = files.notes
        self.notes += log.notes
        self.writer = CheckpointWriter(state, files, self.log, options, clock)
        self.best = None
        if open_evaluation:
            self.best = stack.enter_context(closing(open_evaluation(self.writer.save_best)))

    def run(self) -> Iterator[StepReport]:
        """Run the steps up to the last one."""
        state = self.state
        if state.step == 0:
            self.write_samples(state, StepReport(0, 0, {}, {}))
        if self.should_stop or self.is_over:
            return
        self.notes += annealed_before(self.log.last, self.options.lr_scale(state))
        for report in self._reports():
            state.count(report)
            self.log.add(report)
            planned = self._tick()
            last = self.is_over
            if self.options.is_due(state.step, self.options.sample_every, planned=planned) or last:
                self.write_samples(state, report)
            if self.best:
                self.best.evaluate(state, report)
            due = planned or self.options.is_due(state.step, self.options.save_every, planned=planned)
            if due or last or self.should_stop:
                self.writer.save()
                if self.best:
                    self.best.remove_superseded()
            yield report
            if last or self.should_stop:
                return
            if number := distributed.all_reduce_max(self.stop_signal.signal):
                self.writer.save()
                raise Stopped(number)

    @property
    def should_stop(self) -> bool:
        """Whether early stopping ends the training."""
        return self.best is not None and self.best.should_stop

    @property
    def is_over(self) -> bool:
        """Whether the training has reached its end."""
        if self.clock:
            return self.clock.is_over(self.state.plan, self.state.step)
        return self.options.is_over(self.state)

    def _tick(self) -> bool:
        """Read the clock, if there is one; return whether a plan is due."""
        if self.clock is None:
            return False
        self.clock.tick(self.state.step)
        self.state.seconds = self.clock.seconds
        return self.clock.is_due(self.state.plan, self.state.step)

    def _reports(self) -> Iterator[StepReport]:
        state = self.state
        return train(
            state.game,
            state.stream,
            FOREVER if self.options.steps is None else self.options.steps,
            start=state.step,
            seed=state.seed,
            players=state.optimizers,
            ema=state.ema,
            grad_accum=state.config.grad_accum,
            precision=state.config.autocast,
            snapshot=TurnSnapshot(state.game) if self.options.on_nonfinite.skip else None,
            anneal=(lambda step: self.options.lr_scale(state)) if self.options.anneal else None,
        )


def open_clock(state: TrainState, files: RunFiles, options: FitOptions) -> TimeBudget | None:
    """Return the clock of a training with a given time, None for others.

    Args:
        state: State of the training.
        files: The folder of the run.
        options: Options of the training.
    """
    if options.seconds is None:
        return None
    plan, spent = state.plan, state.plan.seconds
    if plan.step != state.step:  # trained without a time since
        lines = logs.read(files.path / logs.TIMING, folder=files.home) if files.home is not None else []
        spent = max([spent, *(line["seconds"] for line in lines if line["step"] <= state.step)])
        spent = distributed.all_reduce_max(round(1000 * spent)) / 1000
    if plan.step != state.step or plan.total != options.seconds:
        state.plan = Plan(spent, state.step, 0, float(options.seconds))
    state.seconds = spent
    return TimeBudget(options.seconds, state.seconds, annealed=options.anneal > 0)


def annealed_before(line: Mapping[str, object], factor: float) -> list[str]:
    """Return a sentence if learning rates that had fallen towards the end of a training rise again.

    Args:
        line: The last line of ``log.jsonl``; empty if there is none.
        factor: By which annealing multiplies them in the next step.
    """
    before = line.get("anneal")
    if not isinstance(before, float) or factor <= before:
        return []
    return [
        f"Up to step {line['step']} the learning rates had fallen to {before:.3g} of their values; "
        f"with the new end they continue at {factor:.3g}."
    ]
