"""What a comparison will cost: a few rounds of every entry, played in a folder that is thrown away."""

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

TIMED_STEPS = 5  # timed, after one that is not


@dataclass(frozen=True)
class Cost:
    """What a trial will cost from its beginning, on one core.

    Attributes:
        training: Seconds of training.
        evaluation: Seconds of evaluation.
    """

    training: float
    evaluation: float


def estimate_costs(trials: Sequence[Trial]) -> dict[str, Cost]:
    """Play a few rounds of every entry, and returns its cost by its label; nothing stays.

    Args:
        trials: Of the comparison.

    Raises:
        SparringError: If an entry cannot play on this data.
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
