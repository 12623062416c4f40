"""Cost estimates of a comparison, from a few training steps of every entry in a temporary folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sparring.evaluation.evaluator import evaluate, get_metrics
from sparring.experiments.experiment import Trial
from sparring.experiments.trial import create_run
from sparring.training.trainer import train

__all__ = ["Cost", "estimate_costs"]

TIMED_STEPS = 5  # after one step that is not timed


@dataclass(frozen=True)
class Cost:
    """Estimated cost of a whole trial on one core.

    Attributes:
        training: Seconds of training.
        evaluation: Seconds of evaluation.
    """

    training: float
    evaluation: float


def estimate_costs(trials: Sequence[Trial]) -> dict[str, Cost]:
    """Run a few steps of every entry and return its estimated cost by label. No files are kept.

    Args:
        trials: All trials of the comparison.

    Raises:
        SparringError: If an entry cannot be trained on these data.
    """
    return {label: _cost(trial) for label, trial in {trial.entry.label: trial for trial in trials}.items()}


def _cost(trial: Trial) -> Cost:
    protocol, marks = trial.protocol, trial.protocol.budget.marks()
    with TemporaryDirectory() as nowhere:
        run = create_run(trial, Path(nowhere) / "run")
    begun, images = 0.0, 0
    for report in train(
        run.game, run.state.stream, 1 + TIMED_STEPS, seed=trial.seed, players=run.optimizers, ema=run.ema
    ):
        begun = begun or time.perf_counter()
        images += report.images
    round_ = (time.perf_counter() - begun) / TIMED_STEPS
    rounds = {"steps": marks[-1], "kimg": marks[-1] * (1 + TIMED_STEPS) / images, "minutes": marks[-1] / round_}
    begun, metrics = time.perf_counter(), get_metrics(protocol.metrics) if protocol.metrics else None
    evaluate(
        run.inference_game,
        run.training,
        held_out=run.held_out,
        metrics=metrics,
        samples=protocol.samples,
        references=False,
        resamples=0,
    )
    return Cost(rounds[protocol.budget.axis] * round_, len(marks) * (time.perf_counter() - begun))
