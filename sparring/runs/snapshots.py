"""The pictures of a run: ``reals.png`` once, and ``samples/NNNNNN.png`` at intervals, drawn by the task of its game.

A picture is a function of the weights at its step, and drawing it does not change the training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from sparring._io.atomic import io_errors
from sparring._io.folder import Folder
from sparring.data import Dataset
from sparring.game import Game
from sparring.inference.translation import evenly_spaced_images, side_by_side
from sparring.runs.config import REALS, SAMPLES
from sparring.tasks import evenly_spaced_rows, generation, task_of
from sparring.visualization.images import save_grid


class Snapshots:
    """Saves the pictures of a run.

    Args:
        folder: The run's folder.
        dataset: The data of the run.
    """

    def __init__(self, folder: Path | Folder, dataset: Dataset) -> None:
        self.folder, self.dataset = Folder.open(folder), dataset

    def reals(self) -> None:
        """Save real rows, evenly spaced over the data, as ``reals.png``."""
        count = generation.IMAGES if len(self.dataset.shape) == 3 else generation.POINTS
        second = self.dataset.paired_domain
        if second and not second.regions:
            halves = [evenly_spaced_images(self.dataset, domain, count // 2) for domain in "AB"]
            self.save(side_by_side(halves).flatten(0, 1), columns=8)
            return
        self.save(evenly_spaced_rows(self.dataset, count))

    def samples(self, game: Game, step: int) -> None:
        """Save the snapshot of a game as ``samples/NNNNNN.png``, if its task has one.

        Args:
            game: The game, or its moving average.
            step: Number of completed steps.
        """
        if snapshot := task_of(game).snapshot(game, self.dataset):
            self.save(snapshot.images, step, columns=snapshot.columns, real=snapshot.real)

    def save(self, images: Tensor, step: int | None = None, **settings: Any) -> None:
        """Save a picture, and create its folder if needed.

        Args:
            images: As for `sparring.visualization.images.save_grid`.
            step: Step of the picture. Default: it is the picture of the data.
            settings: As for `sparring.visualization.images.save_grid`.
        """
        place, name = self.folder, REALS
        if step is not None:
            with io_errors(self.folder.path / SAMPLES):
                place, name = self.folder.subfolder(SAMPLES, make=True), f"{step:06d}.png"
        save_grid(images, place.path / name, folder=place, **settings)
