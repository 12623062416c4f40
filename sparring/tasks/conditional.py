"""Conditional generation: draw samples of a class or with another code, or samples of a caption."""

from __future__ import annotations

from sparring.abilities import SupportsLatentCodes, SupportsText
from sparring.game import Game
from sparring.tasks.generation import Generation

__all__ = ["ClassConditionalGeneration", "TextConditionalGeneration"]


class ClassConditionalGeneration(Generation):
    """Draw samples of a class, or with a latent code at a value."""

    def suits(self, game: Game) -> bool:
        """Return whether a game has classes or other codes to set."""
        return isinstance(game, SupportsLatentCodes) and bool(game.latent_codes())

    def commands(self, game: Game, run: str) -> list[str]:
        """Return the commands of generation, and one that shows all classes or codes."""
        assert isinstance(game, SupportsLatentCodes)
        classes = f"sample {run} --seeds 0-7 --grid classes --out classes.png"
        codes = f"traverse {run} --seeds 0-7 --out traversal"
        return [*super().commands(game, run), classes if "class" in game.latent_codes() else codes]


class TextConditionalGeneration(Generation):
    """Draw samples of a caption."""

    def suits(self, game: Game) -> bool:
        """Return whether a game has captions to set."""
        return isinstance(game, SupportsText)

    def commands(self, game: Game, run: str) -> list[str]:
        """Return the commands of generation, and one that draws samples of a caption."""
        return [*super().commands(game, run), f"sample {run} --seeds 0-15 --text 'a red heart' --out text.png"]
