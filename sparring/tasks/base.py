"""The base class of tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Unpack

import numpy as np
import torch
from torch import Tensor

from sparring.data import Dataset
from sparring.data.stream import scale_images
from sparring.evaluation.types import Evaluation, EvaluationSettings
from sparring.game import Game

__all__ = ["Snapshot", "Task", "evenly_spaced_positions", "evenly_spaced_rows"]


class Snapshot(NamedTuple):
    """Samples to save as one picture, see `sparring.visualization.images.save_grid`.

    Attributes:
        images: Images (N, C, H, W) in [−1, 1], or points (N, 2).
        columns: Images in a row. Default: about as many as rows.
        real: Real points to plot behind generated ones.
    """

    images: Tensor
    columns: int | None = None
    real: Tensor | None = None


class Task(ABC):
    """The use of a game."""

    @abstractmethod
    def suits(self, game: Game) -> bool:
        """Return whether a game is for this task.

        Args:
            game: Any game, perhaps in wrappers.
        """

    @abstractmethod
    def snapshot(self, game: Game, dataset: Dataset) -> Snapshot | None:
        """Return samples that show the progress of a training, or None if there is nothing to show.

        They are a function of the weights and the data, so that snapshots of different steps can be compared.

        Args:
            game: The game, or its moving average.
            dataset: The data of the run.
        """

    @abstractmethod
    def evaluate(
        self, game: Game, dataset: Dataset, *, held_out: Dataset | None = None, **settings: Unpack[EvaluationSettings]
    ) -> Evaluation:
        """Score a game.

        Args:
            game: The game, or its moving average.
            dataset: The training data.
            held_out: Data that was not trained on.
            settings: The other arguments of `sparring.evaluation.evaluator.evaluate`.

        Raises:
            DataError: If the data does not suit the task.
            GameError: If the game does not.
        """

    @abstractmethod
    def commands(self, game: Game, run: str) -> list[str]:
        """Return commands of ``sparring`` to run next on a trained run, without the word ``sparring``.

        Args:
            game: The game of the run.
            run: The run's folder and the options that open it, quoted for a shell.
        """


def evenly_spaced_positions(dataset: Dataset, count: int) -> np.ndarray:
    """Return positions of at most `count` rows, evenly spaced over the data, int64 (n,).

    Args:
        dataset: The data.
        count: Number of rows.
    """
    return np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(np.int64)


def evenly_spaced_rows(dataset: Dataset, count: int) -> Tensor:
    """Return at most `count` rows, evenly spaced over the data, as a game receives them.

    Args:
        dataset: The data.
        count: Number of rows.
    """
    rows = dataset.rows(evenly_spaced_positions(dataset, count))[0]
    return scale_images(rows) if rows.dtype == torch.uint8 else rows
