"""Checks of the numbers of moves in a round."""

from __future__ import annotations

from sparring.errors import GameError


def require_positive(**turns: int) -> None:
    """Refuse numbers of moves that leave a player out.

    Args:
        turns: Of each setting, how often its player moves in a round.

    Raises:
        GameError: If one is below 1.
    """
    for name, count in turns.items():
        if count < 1:
            raise GameError(f"{name} cannot be {count}: give 1 or more.")
