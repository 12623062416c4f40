"""Sabotaged twins: the same networks, data and budget, with one gradient reversed or one input withheld.

A benchmark that a sabotaged twin passes measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from sparring.game import Data, Move, Turn
from sparring.games.bigan import BiGAN
from sparring.networks.common.base import Shape
from sparring.recipes.autoencoders import bigan
from sparring.recipes.options import Adam, Networks
from sparring.runs.recipe_args import fill_arguments, find_recipe
from sparring.wrappers.base import Wrapper, map_moves


class Flipped(Wrapper):
    """Plays another game with the sign of every generator's loss reversed."""

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """The game's moves; those of players called G reversed."""
        for turn in self.game.round(data, step):
            yield map_moves(turn, lambda move: Move(move.player, flipped=-move.loss) if "G" in move.player else move)


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
    function = find_recipe(recipe)
    facts = {"classes": classes} if "classes" in signature(function).parameters else {}
    return Flipped(function(shape, **facts, **fill_arguments(function, arguments or {})))


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


class Shuffled(Wrapper):
    """Another game on labels independent of the images."""

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """The game's moves, on batches whose labels were dealt out anew."""
        yield from self.game.round(((x, y[torch.randperm(len(y))]) for x, y in data), step)


def shuffled(shape: Shape, classes: int, *, recipe: str, arguments: dict[str, Any] | None = None) -> Shuffled:
    """A recipe for labelled data that learns nothing of labels.

    Args:
        shape: Shape of one sample.
        classes: Number of classes.
        recipe: Its name.
        arguments: Its arguments.
    """
    function = find_recipe(recipe)
    return Shuffled(function(shape, classes, **fill_arguments(function, arguments or {})))


class Detached(BiGAN):
    """A BiGAN whose encoder receives no gradient."""

    def code(self, x: Tensor) -> Tensor:
        """Codes as D is shown them, without a way back."""
        return self.E(x).detach()


def detached(
    shape: Shape, *, networks: Networks = Networks(), critic: Adam = Adam(), generator: Adam = Adam()
) -> Detached:
    """BiGAN's twin whose encoder stays as it began."""
    game = bigan(shape, networks=networks, critic=critic, generator=generator)
    return Detached(game.E, game.G, game.D, critic=critic, generator=generator)


class Deaf(Wrapper):
    """Another game whose encoder is trained on the prior term only."""

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """The game's moves; that of E without likeness."""
        for turn in self.game.round(data, step):
            yield map_moves(turn, lambda move: Move("E", prior=move.terms["prior"]) if move.player == "E" else move)


def deaf(shape: Shape, *, recipe: str, arguments: dict[str, Any] | None = None) -> Deaf:
    """A recipe of autoencoders in a game, whose encoder has no reconstruction term.

    Args:
        shape: Shape of one sample.
        recipe: Its name.
        arguments: Its arguments.
    """
    function = find_recipe(recipe)
    return Deaf(function(shape, **fill_arguments(function, arguments or {})))


class Unmatched(Wrapper):
    """Plays StackGAN without wrong pairs: its critic is never shown a real image with another's caption."""

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """The game's moves, without the term of wrong pairs."""
        for turn in self.game.round(data, step):
            yield map_moves(
                turn, lambda move: Move(move.player, **{k: v for k, v in move.terms.items() if k != "matching"})
            )


def unmatched(shape: Shape, captions: Sequence[str] | None = None, *, arguments: dict[str, Any]) -> Unmatched:
    """StackGAN's twin without wrong pairs.

    Args:
        shape: Shape of one sample.
        captions: Some captions of the data.
        arguments: Those of the recipe.
    """
    function = find_recipe("stackgan")
    return Unmatched(function(shape, captions=captions, **fill_arguments(function, arguments)))
