"""Which checkpoint is best: by a score of the averaged generator against data that it never saw, never by the loss.

    RUN/evaluations.jsonl      {"step": 500, "images": 32000, "score": "Fréchet distance", "value": 41.2, "best": true}
    RUN/best/000500/      the checkpoint with the best score so far, which the last row with "best": true names

A new best checkpoint is written first, then its row, and only then those that it supersedes are removed. For each
checkpoint that the training may go back to, the best one up to it stays.

A judgement leaves no trace in the training and is a function of the step, so that a run that was stopped judges as one
that was not. Points of a known mixture can be judged without held-out data: their truth is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparring.abilities import require_sampling
from sparring.data import Dataset
from sparring.errors import RunError
from sparring.evaluation.evaluator import evaluate, require_metrics
from sparring.evaluation.registry import get_metrics
from sparring.evaluation.sample_sets import sample_count, shortfall_notes
from sparring.evaluation.types import Metric
from sparring.metrics import Direction
from sparring.runs import checkpoint
from sparring.runs.logs import JsonLinesWriter, read
from sparring.training import distributed

if TYPE_CHECKING:
    from sparring.runs.run import Run

__all__ = ["FILE", "BestCheckpoint", "EarlyStopping", "best"]

FILE = "evaluations.jsonl"
Row = dict[str, Any]


@dataclass(frozen=True)
class EarlyStopping:
    """When a training is judged on its way, by what, and when it has gone on in vain for long enough.

    Attributes:
        every: Thousands of images between two judgements.
        metric: Of `sparring.evaluation.evaluator.METRICS`, whose first score decides: frechet for images and sliced
        for points,
            unless told.
        patience: So many judgements without a better score end the training; none unless told.
        samples: How many are judged, as for `sparring.evaluation.evaluator.evaluate`.
    """

    every: float
    metric: str = ""
    patience: int | None = None
    samples: int | None = None

    def __post_init__(self) -> None:
        if not self.every > 0:
            raise RunError(f"--eval-every is {self.every:g}: give thousands of images, above 0.")
        if self.patience is not None and self.patience < 1:
            raise RunError(f"--patience is {self.patience}: give 1 judgement or more.")


class BestCheckpoint:
    """Judges a run at its marks, and keeps the best checkpoint.

    Args:
        run: What is trained.
        judging: When and how.
        keep: Saves the run's state as the best.

    Attributes:
        rows: The judgements so far.
        notes: A sentence about judgements that could not be read, if there were any.

    Raises:
        RunError: If there is nothing fair to judge by.
        GameError: If the game draws no samples.
        DataError: If there is no such metric.
    """

    def __init__(self, run: Run, judging: EarlyStopping, keep: Callable[[], None]) -> None:
        require(run, judging)
        self.run, self.judging, self.keep = run, judging, keep
        self.metric = _metric(run.dataset, judging)
        path, home = run.folder / FILE, run.home if distributed.rank() == 0 else None
        self.rows = [row for row in read(path, folder=home) if row["step"] <= run.step]
        self._journal = JsonLinesWriter(path, run.step, home) if distributed.rank() == 0 else None
        self.notes = shortfall_notes(run.training, run.held_out, judging.samples)
        self.notes += self._journal.notes if self._journal else []
        self.retire()

    @property
    def over(self) -> bool:
        """Whether patience is at its end."""
        last = max((index for index, row in enumerate(self.rows) if row.get("best")), default=0)
        return self.judging.patience is not None and len(self.rows) - 1 - last >= self.judging.patience

    def after(self, images: int) -> None:
        """Judges, if a mark lies between `images` and those that the run has seen now.

        Args:
            images: Those it had seen before its last step.
        """
        each = self.judging.every * 1000
        if self.run.images // each == images // each:
            return
        row = self._judged()
        self.rows.append(row)
        if self._journal:
            if row["best"]:
                self.keep()
            self._journal.write([row])
            self._journal.settle()
            self.retire()
        distributed.barrier()

    def retire(self) -> None:
        """Removes the best checkpoints that the recorded best one supersedes, and no checkpoint could go back to."""
        found, run = best(self.rows), self.run
        if not (self._journal and found):
            return
        there = {int(path.name) for path in checkpoint.listed(run.home, checkpoint.BEST)}
        goals = [best(self.rows, int(path.name)) for path in checkpoint.listed(run.home)]
        needed = {row["step"] for row in goals if row}
        judged = {row["step"] for row in self.rows}
        if found["step"] in there:
            old = {step for step in there & judged - needed if step < found["step"]}
            checkpoint.prune(run.home, checkpoint.BEST, there - old)

    def close(self) -> None:
        """Closes the journal."""
        if self._journal:
            self._journal.close()

    def _judged(self) -> Row:
        run = self.run
        how: Any = {"metrics": self.metric, "samples": self.judging.samples, "references": False, "resamples": 0}
        score, *others = evaluate(run.inference_game, run.training, held_out=run.held_out, **how).scores
        before, sign = best(self.rows), 1 if score.better is Direction.HIGHER else -1
        better = score.value == score.value and (before is None or sign * score.value > sign * before["value"])
        facts = {"step": run.step, "images": run.images, "score": score.name, "value": score.value}
        beside = {other.name: other.value for other in others if math.isfinite(other.value)}
        facts |= {"beside": beside} if beside else {}
        return {**facts, "better": score.better.value, "best": better}


def require(run: Run, judging: EarlyStopping) -> None:
    """Refuses to judge a run on its way if there is nothing fair to judge by.

    Args:
        run: What is trained.
        judging: When and how.

    Raises:
        RunError: If no rows are held out and the truth is not known.
        GameError: If the game draws no samples.
        DataError: If there is no such metric, the data or the game does not suit it, or too few rows are held out.
    """
    if run.held_out is None and run.dataset.mixture is None:
        raise RunError("A training is judged by data that it never sees: hold some out, with --hold-out 0.1.")
    require_sampling(run.game)
    sample_count(run.training, run.held_out, judging.samples)
    require_metrics(_metric(run.dataset, judging), run.game, run.training, run.held_out)


def _metric(dataset: Dataset, judging: EarlyStopping) -> dict[str, Metric]:
    """Returns the metric whose first score decides, by its name."""
    return get_metrics([judging.metric or ("frechet" if len(dataset.shape) == 3 else "sliced")])


def best(rows: list[Row], step: int | None = None) -> Row | None:
    """Returns the best of some judgements, or None if there is none.

    Args:
        rows: Lines of ``evaluations.jsonl``.
        step: Leave out judgements after this step. Default: none is left out.
    """
    known = (row for row in reversed(rows) if row.get("best") and "value" in row)
    return next((row for row in known if step is None or row["step"] <= step), None)
