"""Translation: map images of one domain to another."""

from __future__ import annotations

from typing import Unpack

from sparring.abilities import SupportsTranslation
from sparring.data import Dataset
from sparring.evaluation.translation import evaluate_translation
from sparring.evaluation.types import Evaluation, EvaluationSettings
from sparring.game import Game
from sparring.inference.translation import cycle_strip
from sparring.tasks.base import Snapshot, Task

__all__ = ["Translation"]


class Translation(Task):
    """Translate images between two domains."""

    def suits(self, game: Game) -> bool:
        """Return whether a game translates."""
        return isinstance(game, SupportsTranslation)

    def snapshot(self, game: Game, dataset: Dataset) -> Snapshot | None:
        """Return images of both domains, their translations, and these translated back."""
        if dataset.paired_domain is None:
            return None
        rows = cycle_strip(game, dataset)
        return Snapshot(rows.flatten(0, 1), columns=rows.shape[1])

    def evaluate(
        self, game: Game, dataset: Dataset, *, held_out: Dataset | None = None, **settings: Unpack[EvaluationSettings]
    ) -> Evaluation:
        """Score translations in every direction, see `sparring.evaluation.translation`."""
        return evaluate_translation(game, dataset, held_out=held_out, **settings)

    def commands(self, game: Game, run: str) -> list[str]:
        """Return a command that translates photographs, and one that evaluates."""
        to = getattr(game, "domain", "B")
        return [f"translate {run} photos/ --to {to} --strips --out translated", f"evaluate {run}"]
