"""Encoding: map data to latents and back."""

from __future__ import annotations

from sparring.abilities import SupportsEncoding, SupportsSampling
from sparring.game import Game
from sparring.tasks.generation import Generation

__all__ = ["Encoding"]


class Encoding(Generation):
    """Draw samples, and map data to the latents from which they are drawn."""

    def suits(self, game: Game) -> bool:
        """Return whether a game encodes and samples."""
        return isinstance(game, SupportsEncoding) and isinstance(game, SupportsSampling)

    def commands(self, game: Game, run: str) -> list[str]:
        """Return the commands of generation, and one that reconstructs images."""
        return [*super().commands(game, run), f"reconstruct {run} photos/ --out reconstructed.png"]
