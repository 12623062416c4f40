"""Learning-rate schedules for any game: the recipe's rate, times the game's own pace, times a function of the step."""

from __future__ import annotations

from collections.abc import Callable

from sparring.game import Game
from sparring.wrappers.base import Wrapper


class Paced(Wrapper):
    """Multiplies every learning rate by a function of the step.

    Args:
        game: The game to play.
        schedule: The factor, as a function of the step; see `sparring.schedules`.
    """

    def __init__(self, game: Game, schedule: Callable[[int], float]) -> None:
        super().__init__(game)
        self._schedule = schedule

    def pace(self, step: int) -> float:
        """Returns the game's pace times the schedule's factor."""
        return self.game.pace(step) * self._schedule(step)
