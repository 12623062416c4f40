"""What an aid asks of a game whose generator it plays itself."""

from __future__ import annotations

from sparring.errors import GameError
from sparring.game import Game, LatentGame


def pair(game: Game, aid: str, *more: str) -> LatentGame:
    """Returns the innermost game if it is one of a generator from noise alone and a critic of samples alone.

    Args:
        game: The game that an aid is put around.
        aid: What the aid is called, for the message.
        more: What else the game must have.

    Raises:
        GameError: If it is another kind of game.
    """
    core = game.core
    plain = isinstance(core, LatentGame) and getattr(core, "classes", None) is None
    if not plain or not all(hasattr(core, name) for name in more):
        needs = "".join(f" and an attribute {name!r}" for name in more)
        raise GameError(
            f"{aid} needs a LatentGame without classes{needs}, which {type(core).__name__} is not: leave it off."
        )
    return core  # type: ignore[return-value]
