"""Single-image generation: variations of one photograph."""

from __future__ import annotations

from typing import Unpack

from sparring.abilities import SupportsSingleImage
from sparring.data import Dataset
from sparring.errors import DataError
from sparring.evaluation.single_image import SAMPLES, evaluate_single_image
from sparring.evaluation.types import Evaluation, EvaluationSettings
from sparring.game import Game
from sparring.tasks.generation import Generation

__all__ = ["SingleImage"]


class SingleImage(Generation):
    """Generate variations of one photograph, in any size."""

    def suits(self, game: Game) -> bool:
        """Return whether a game is trained on one photograph."""
        return isinstance(game.unwrapped, SupportsSingleImage)

    def evaluate(
        self, game: Game, dataset: Dataset, *, held_out: Dataset | None = None, **settings: Unpack[EvaluationSettings]
    ) -> Evaluation:
        """Score similarity to the photograph and variety, see `sparring.evaluation.single_image`.

        Of the settings only ``samples`` and ``seed`` apply.

        Raises:
            DataError: If metrics are given.
        """
        if settings.get("metrics"):
            raise DataError("Metrics of many images do not apply to one photograph: leave the metrics out.")
        samples, seed = settings.get("samples") or SAMPLES, settings.get("seed", 0)
        return evaluate_single_image(game, dataset, samples=samples, seed=seed)

    def commands(self, game: Game, run: str) -> list[str]:
        """Return commands that sample in two sizes, enlarge, animate and evaluate."""
        return [
            f"sample {run} --seeds 0-15 --out samples.png",
            f"sample {run} --seeds 0 --size 150x400 --start-scale 1 --out wide.png",
            f"singan super-resolve {run} --factor 2 --out larger.png",
            f"singan animate {run} --out moving.gif",
            f"singan evaluate {run}",
        ]
