"""The game of one G and one D inside a technique that plays G itself."""

from __future__ import annotations

from typing import cast

from sparring.game import Game, LatentGame


def pair(game: Game) -> LatentGame:
    """Returns the innermost game, which `sparring.wrappers.requirements` has found to be one of one G and one D."""
    return cast(LatentGame, game.unwrapped)
