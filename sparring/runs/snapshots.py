"""The pictures of a run: ``reals.png`` once, and ``samples/NNNNNN.png`` again and again from the same seeds.

The noise of a seed is drawn anew for every picture, because it can depend on what a game has learned: a reader of
sentences, for example, is part of it. Hence a picture is a function of the weights at its step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparring._io.atomic import io_errors
from sparring._io.folder import Folder
from sparring.abilities import SupportsLabelMaps, SupportsSampling, SupportsTranslation
from sparring.data import Dataset
from sparring.data.stream import scaled
from sparring.game import Game
from sparring.inference.label_maps import comparison_grid
from sparring.inference.sampling import sample_seeds
from sparring.inference.translation import cycle_strip, evenly_spaced_images, side_by_side
from sparring.runs.config import REALS, SAMPLES
from sparring.visualization.images import save_grid

POINTS, IMAGES, MAPS = 1000, 64, 16  # samples in a picture


class Snapshots:
    """Draws the pictures of a run; the training does not notice.

    Args:
        folder: The run's.
        dataset: What it learns from.
    """

    def __init__(self, folder: Path | Folder, dataset: Dataset) -> None:
        self.folder, self.dataset = Folder.open(folder), dataset
        self.points = len(dataset.shape) == 1
        self.count = POINTS if self.points else IMAGES

    def reals(self) -> None:
        """Draws real rows, evenly spaced over the data."""
        second = self.dataset.second
        if second and not second.regions:
            halves = [evenly_spaced_images(self.dataset, domain, self.count // 2) for domain in "AB"]
            self.save(side_by_side(halves).flatten(0, 1), columns=8)
            return
        self.save(self.rows(self.count))

    def samples(self, game: Game, step: int) -> None:
        """Draws samples of seeds 0, 1, 2, ..., points before real ones; label maps painted; images there and back.

        Args:
            game: To sample.
            step: Steps completed.
        """
        if isinstance(game, SupportsLabelMaps):
            self.save(comparison_grid(game, self.dataset, self.places(MAPS)), step, columns=8)
        if isinstance(game, SupportsTranslation) and self.dataset.second:
            rows = cycle_strip(game, self.dataset)
            self.save(rows.flatten(0, 1), step, columns=rows.shape[1])
        if not isinstance(game, SupportsSampling):
            return
        real = self.rows(4 * POINTS) if self.points else None
        self.save(sample_seeds(game, range(self.count)).cpu(), step, real=real)

    def save(self, drawn: Tensor, step: int | None = None, **how: Any) -> None:
        """Saves a picture, in a folder that is made if it is missing.

        Args:
            drawn: As for `sparring.visualization.images.save_grid`.
            step: Which step's picture it is; None for the picture of the data.
            how: As for `sparring.visualization.images.save_grid`.
        """
        place, name = self.folder, REALS
        if step is not None:
            with io_errors(self.folder.path / SAMPLES):
                place, name = self.folder.subfolder(SAMPLES, make=True), f"{step:06d}.png"
        save_grid(drawn, place.path / name, folder=place, **how)

    def rows(self, count: int) -> Tensor:
        """Returns at most `count` rows of the data as the game sees them.

        Args:
            count: How many.
        """
        rows = self.dataset.rows(self.places(count))[0]
        return scaled(rows) if rows.dtype == torch.uint8 else rows

    def places(self, count: int) -> np.ndarray:
        """Returns at most `count` positions, evenly spaced over the data.

        Args:
            count: How many.
        """
        return np.linspace(0, len(self.dataset) - 1, min(count, len(self.dataset))).astype(np.int64)
