"""What a comparison will cost: a few rounds of every contestant, played in a folder that is thrown away."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sparring.evaluation.evaluator import evaluate, get_metrics
from sparring.experiments.experiment import Cell
from sparring.experiments.trial import created
from sparring.training.trainer import train

__all__ = ["Cost", "pilot"]

ROUNDS = 5  # timed, after one that is not


@dataclass(frozen=True)
class Cost:
    """What a cell will cost from its beginning, on one core.

    Attributes:
        training: Seconds of training.
        judging: Seconds of judging.
    """

    training: float
    judging: float


def pilot(cells: Sequence[Cell]) -> dict[str, Cost]:
    """Plays a few rounds of every contestant, and returns its cost by its label; nothing stays.

    Args:
        cells: Of the comparison.

    Raises:
        SparringError: If a contestant cannot play on this data.
    """
    return {label: _cost(cell) for label, cell in {cell.contestant.label: cell for cell in cells}.items()}


def _cost(cell: Cell) -> Cost:
    rules, marks = cell.rules, cell.rules.budget.marks()
    with TemporaryDirectory() as nowhere:
        run = created(cell, Path(nowhere) / "run")
    begun, images = 0.0, 0
    for report in train(run.game, run.stream, 1 + ROUNDS, seed=cell.seed, players=run.players, ema=run.average):
        begun = begun or time.perf_counter()
        images += report.images
    round_ = (time.perf_counter() - begun) / ROUNDS
    rounds = {"steps": marks[-1], "kimg": marks[-1] * (1 + ROUNDS) / images, "minutes": marks[-1] / round_}
    begun, metrics = time.perf_counter(), get_metrics(rules.metrics) if rules.metrics else None
    evaluate(
        run.inference_game,
        run.training,
        held_out=run.held_out,
        metrics=metrics,
        samples=rules.samples,
        references=False,
        resamples=0,
    )
    return Cost(rounds[rules.budget.axis] * round_, len(marks) * (time.perf_counter() - begun))
