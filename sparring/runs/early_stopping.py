"""Evaluation during training: keeps the best checkpoint by a score on held-out data, and may stop the training early.

    RUN/evaluations.jsonl {"step": 500, "images": 32000, "score": "Fréchet distance", "value": 41.2, "best": true}
    RUN/best/000500/      the checkpoint with the best score so far, which the last row with "best": true names

A new best checkpoint is written first, then its row, and only then are superseded ones removed. For each checkpoint
that a rollback may return to, the best one up to it is kept.

An evaluation does not change the training and is a function of the step, so an interrupted run has the same rows as one
that was not. Points of a known mixture can be evaluated without held-out data, since their distribution is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sparring._io.folder import Folder
from sparring._types import JsonObject, Settings
from sparring.abilities import require_sampling
from sparring.data import Dataset
from sparring.errors import RunError
from sparring.evaluation.evaluator import evaluate, require_metrics
from sparring.evaluation.extractors import get_extractor
from sparring.evaluation.independence import require_independent
from sparring.evaluation.registry import get_metrics
from sparring.evaluation.sample_sets import sample_count, shortfall_notes
from sparring.evaluation.types import Metric
from sparring.metrics import Direction
from sparring.runs import checkpoint
from sparring.runs.config import LIMIT
from sparring.runs.logs import JsonLinesWriter, read
from sparring.runs.state import TrainState
from sparring.training import distributed
from sparring.training.trainer import StepReport

__all__ = ["FILE", "BestCheckpoint", "EarlyStopping", "best", "patience_ended"]

FILE = "evaluations.jsonl"
Row = JsonObject


@dataclass(frozen=True)
class EarlyStopping:
    """Settings of evaluation during training, and of early stopping.

    Attributes:
        every: Thousands of images between two evaluations.
        metric: Name of the metric, whose first score decides. Default: frechet for images, sliced for points.
        patience: Number of evaluations without improvement after which training stops. Default: never.
        samples: Number of samples, as for `sparring.evaluation.evaluator.evaluate`.
        extractor: Feature extractor of images, as for `sparring.evaluation.extractors.get_extractor`.
    """

    every: float
    metric: str = ""
    patience: int | None = None
    samples: int | None = None
    extractor: str = "classifier"

    def __post_init__(self) -> None:
        if not self.every > 0:
            raise RunError(f"--eval-every is {self.every:g}: give thousands of images, above 0.")
        if self.patience is not None and self.patience < 1:
            raise RunError(f"--patience is {self.patience}: give 1 evaluation or more.")
        if self.patience is not None and self.patience > LIMIT:
            raise RunError(
                "--patience is out of range: give fewer evaluations, or leave it out to train without early stopping."
            )

    def require(self, state: TrainState, held_out: Dataset | None) -> None:
        """Refuse to evaluate during training where that is impossible or unfair.

        Args:
            state: State of the training.
            held_out: Rows that are not trained on, if any.

        Raises:
            RunError: If no rows are held out and the distribution is not known.
            GameError: If the game cannot sample, or trains on the features of the classifier.
            DataError: If there is no such metric, the data or the game does not suit it, or too few rows are held out.
        """
        if held_out is None and state.dataset.mixture is None:
            raise RunError("An evaluation needs data that is not trained on: hold some out, with --hold-out 0.1.")
        require_sampling(state.game)
        sample_count(state.dataset, held_out, self.samples)
        metrics = self.metrics(state.dataset)
        require_metrics(metrics, state.game, state.dataset, held_out)
        if len(state.dataset.shape) == 3:
            require_independent(state.game, self.extractor, metrics)

    def metrics(self, dataset: Dataset) -> dict[str, Metric]:
        """Return the metric whose first score decides, by its name.

        Args:
            dataset: The rows that are trained on.
        """
        return get_metrics([self.metric or ("frechet" if len(dataset.shape) == 3 else "sliced")])


class BestCheckpoint:
    """Evaluates a training at regular intervals and keeps the best checkpoint.

    Args:
        options: When and how.
        state: State of the training.
        held_out: Rows that are not trained on, if any.
        folder: The run's folder.
        home: The same, open; None on every rank but the first, which do not write.
        save: Saves the state as the best.

    Attributes:
        rows: The evaluations so far.
        notes: Sentences for the user.

    Raises:
        RunError: If no rows are held out and the distribution is not known.
        GameError: If the game cannot sample, or trains on the features of the classifier.
        DataError: If there is no such metric.
    """

    def __init__(
        self,
        options: EarlyStopping,
        state: TrainState,
        held_out: Dataset | None,
        folder: Path,
        home: Folder | None,
        save: Callable[[], None],
    ) -> None:
        options.require(state, held_out)
        self.options, self.held_out, self.home, self.save = options, held_out, home, save
        self.metrics = options.metrics(state.dataset)
        self.rows = [row for row in read(folder / FILE, folder=home) if row["step"] <= state.step]
        self._file = None if home is None else JsonLinesWriter(folder / FILE, state.step, home)
        self.notes = shortfall_notes(state.dataset, held_out, options.samples)
        self.notes += self._file.notes if self._file else []
        self.remove_superseded()

    @property
    def should_stop(self) -> bool:
        """Whether there were as many evaluations without improvement as the patience allows."""
        return self.options.patience is not None and patience_ended(self.rows, self.options.patience)

    def evaluate(self, state: TrainState, report: StepReport) -> None:
        """Evaluate, if this step passed a multiple of the interval.

        Args:
            state: State of the training.
            report: Report of its last step.
        """
        interval = self.options.every * 1000
        if state.images // interval != (state.images - report.images) // interval:
            self.record(state)

    def record(self, state: TrainState) -> None:
        """Evaluate now, add the row, and keep the state if it is the best so far.

        Args:
            state: State of the training.
        """
        row = self._evaluated(state)
        self.rows.append(row)
        if self._file:
            if row["best"]:
                self.save()
            self._file.write([row])
            self._file.sync()
            self.remove_superseded()
        distributed.barrier()

    def remove_superseded(self) -> None:
        """Remove evaluated checkpoints that are no longer the best and that no rollback could return to.

        Such a checkpoint can be later than the best: training went back and is not the best there any more.
        """
        found, home = best(self.rows), self.home
        if home is None or found is None:
            return
        there = {int(path.name) for path in checkpoint.list_checkpoints(home, checkpoint.BEST)}
        goals = [best(self.rows, int(path.name)) for path in checkpoint.list_checkpoints(home)]
        needed = {row["step"] for row in goals if row}
        evaluated = {row["step"] for row in self.rows}
        if found["step"] in there:
            old = {step for step in there & evaluated - needed if step != found["step"]}
            checkpoint.prune(home, checkpoint.BEST, there - old)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _evaluated(self, state: TrainState) -> Row:
        how: Settings = {"metrics": self.metrics, "samples": self.options.samples, "references": False, "resamples": 0}
        if self.options.extractor != "classifier" and len(state.dataset.shape) == 3:
            how |= {"extractor": get_extractor(self.options.extractor, state.dataset, str(state.game.device))}
        score, *others = evaluate(state.inference_game, state.dataset, held_out=self.held_out, **how).scores
        before, sign = best(self.rows), 1 if score.better is Direction.HIGHER else -1
        better = score.value == score.value and (before is None or sign * score.value > sign * before["value"])
        row = {"step": state.step, "images": state.images, "score": score.name, "value": score.value}
        beside = {other.name: other.value for other in others if math.isfinite(other.value)}
        row |= {"beside": beside} if beside else {}
        return {**row, "better": score.better.value, "best": better}


def patience_ended(rows: list[Row], patience: int) -> bool:
    """Return whether there were as many evaluations without improvement as the patience allows.

    Args:
        rows: Lines of ``evaluations.jsonl``.
        patience: Number of evaluations.
    """
    last = max((index for index, row in enumerate(rows) if row.get("best")), default=0)
    return len(rows) - 1 - last >= patience


def best(rows: list[Row], step: int | None = None) -> Row | None:
    """Return the best of some evaluations, or None if there is none.

    Args:
        rows: Lines of ``evaluations.jsonl``.
        step: Leave out evaluations after this step. Default: none is left out.
    """
    known = (row for row in reversed(rows) if row.get("best") and "value" in row)
    return next((row for row in known if step is None or row["step"] <= step), None)
