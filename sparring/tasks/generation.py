"""Generation: draw samples from noise."""

from __future__ import annotations

from typing import Unpack

from sparring.abilities import SupportsSampling
from sparring.data import Dataset
from sparring.evaluation.evaluator import evaluate
from sparring.evaluation.types import Evaluation, EvaluationSettings
from sparring.game import Game
from sparring.inference.sampling import sample_seeds
from sparring.tasks.base import Snapshot, Task, evenly_spaced_rows

__all__ = ["Generation"]

POINTS, IMAGES = 1000, 64  # samples in a snapshot


class Generation(Task):
    """Draw samples from noise."""

    def suits(self, game: Game) -> bool:
        """Return True: this is the task of every game that has no other."""
        return True

    def snapshot(self, game: Game, dataset: Dataset) -> Snapshot | None:
        """Return the samples of seeds 0, 1, 2, ..., with real points behind generated ones.

        The latents of a seed are drawn anew for every snapshot, because they may depend on the weights, for example on
        those of a text encoder.
        """
        if not isinstance(game, SupportsSampling):
            return None
        points = len(dataset.shape) == 1
        count = POINTS if points else IMAGES
        real = evenly_spaced_rows(dataset, 4 * POINTS) if points else None
        return Snapshot(sample_seeds(game, range(count)).cpu(), real=real)

    def evaluate(
        self, game: Game, dataset: Dataset, *, held_out: Dataset | None = None, **settings: Unpack[EvaluationSettings]
    ) -> Evaluation:
        """Score samples, see `sparring.evaluation.evaluator`."""
        return evaluate(game, dataset, held_out=held_out, **settings)

    def commands(self, game: Game, run: str) -> list[str]:
        """Return commands that sample, interpolate and evaluate."""
        return [
            f"sample {run} --seeds 0-63 --out samples.png",
            f"interpolate {run} --seeds 0,1,2 --frames 60 --out walk.gif",
            f"evaluate {run}",
        ]
