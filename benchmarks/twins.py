"""Deliberately broken twins: the same networks, data and budget, and a generator that is sent the wrong way.

A benchmark that its broken twin passes measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

from sparring.arguments import declared, settings
from sparring.game import Data, Move, Turn
from sparring.networks.roles import Shape
from sparring.recipes.settings import Adam, Networks
from sparring.wrappers.wrapper import Wrapper, each


class Flipped(Wrapper):
    """Plays another game with the sign of every generator's loss reversed."""

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """The game's moves; those of players called G reversed."""
        for turn in self.game.round(data, step):
            yield each(turn, lambda move: Move(move.player, flipped=-move.loss) if "G" in move.player else move)


def flipped(
    shape: Shape, classes: int | None = None, *, recipe: str, arguments: dict[str, Any] | None = None
) -> Flipped:
    """The broken twin of any recipe.

    Args:
        shape: Shape of one sample.
        classes: Number of classes, if the data has any.
        recipe: Its name.
        arguments: Its arguments.
    """
    function = declared(recipe)
    facts = {"classes": classes} if "classes" in signature(function).parameters else {}
    return Flipped(function(shape, **facts, **settings(function, arguments or {})))


def dcgan(shape: Shape, *, networks: Networks = Networks()) -> Flipped:
    """DCGAN's broken twin."""
    return flipped(shape, recipe="dcgan", arguments={"networks": networks})


def rsgan(shape: Shape, *, networks: Networks = Networks(), critic: Adam = Adam(), generator: Adam = Adam()) -> Flipped:
    """RSGAN's broken twin."""
    return flipped(shape, recipe="rsgan", arguments={"networks": networks, "critic": critic, "generator": generator})


def wgan_gp(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 5,
) -> Flipped:
    """WGAN-GP's broken twin."""
    chosen = {"networks": networks, "critic": critic, "generator": generator, "critic_steps": critic_steps}
    return flipped(shape, recipe="wgan-gp", arguments=chosen)
