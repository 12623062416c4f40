"""Learning-rate schedules for any game, multiplied with the schedule that the game has."""

from __future__ import annotations

from collections.abc import Callable

from sparring.game import Game
from sparring.wrappers.base import Wrapper


class LRSchedule(Wrapper):
    """Multiplies every learning rate by a function of the step.

    Args:
        game: The game to play.
        schedule: The factor, as a function of the step; see `sparring.schedules`.
    """

    def __init__(self, game: Game, schedule: Callable[[int], float]) -> None:
        super().__init__(game)
        self._schedule = schedule

    def lr_scale(self, step: int) -> float:
        """Return the game's factor times the schedule's."""
        return self.game.lr_scale(step) * self._schedule(step)
