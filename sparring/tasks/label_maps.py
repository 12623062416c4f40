"""Label-map synthesis: generate images from label maps."""

from __future__ import annotations

from typing import Unpack

from sparring.abilities import SupportsLabelMaps
from sparring.data import Dataset
from sparring.evaluation.label_maps import evaluate_label_maps
from sparring.evaluation.types import Evaluation, EvaluationSettings
from sparring.game import Game
from sparring.inference.label_maps import comparison_grid
from sparring.tasks.base import Snapshot, Task, evenly_spaced_positions

__all__ = ["LabelMapSynthesis"]

MAPS = 16  # rows of the data in a snapshot


class LabelMapSynthesis(Task):
    """Generate images from label maps, in the style of a photograph or a drawn one."""

    def suits(self, game: Game) -> bool:
        """Return whether a game generates images from label maps."""
        return isinstance(game, SupportsLabelMaps)

    def snapshot(self, game: Game, dataset: Dataset) -> Snapshot | None:
        """Return label maps, their photographs, and images of the maps in two styles."""
        return Snapshot(comparison_grid(game, dataset, evenly_spaced_positions(dataset, MAPS)), columns=8)

    def evaluate(
        self, game: Game, dataset: Dataset, *, held_out: Dataset | None = None, **settings: Unpack[EvaluationSettings]
    ) -> Evaluation:
        """Score images of label maps, see `sparring.evaluation.label_maps`."""
        return evaluate_label_maps(game, dataset, held_out=held_out, **settings)

    def commands(self, game: Game, run: str) -> list[str]:
        """Return commands that save the palette, generate images, film the styles of seeds, and evaluate."""
        return [
            f"paint {run} --palette palette.gpl",
            f"paint {run} --labels map.png --style photo.jpg --out painted.png",
            f"paint {run} --labels map.png --seeds 0,1,2 --frames 60 --out styles.gif",
            f"evaluate {run}",
        ]
