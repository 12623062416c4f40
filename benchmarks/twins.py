"""Deliberately broken twins: the same networks, data and budget, and a generator that is sent the wrong way.

A benchmark that its broken twin passes measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.optim import Optimizer

from sparring.game import Data, Game, LatentGame, Move
from sparring.networks.roles import Shape
from sparring.recipes import recipe
from sparring.recipes.settings import Adam, Networks


class Flipped(Game):
    """Plays another game with the sign of G's loss reversed."""

    def __init__(self, game: LatentGame) -> None:
        super().__init__()
        self.game = game

    def players(self) -> dict[str, Optimizer]:
        """Those of the game."""
        return self.game.players()

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """The game's moves, G's reversed."""
        for move in self.game.round(data, step):
            yield Move("G", flipped=-move.loss) if move.player == "G" else move

    def sampling(self) -> tuple[str, ...]:
        """That of the game."""
        return ("game.G",)

    def noise(self, n: int) -> Tensor:
        """That of the game."""
        return self.game.noise(n)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Those of the game."""
        return self.game.sample(n, noise=noise)


def dcgan(shape: Shape, *, networks: Networks = Networks()) -> Flipped:
    """DCGAN's broken twin."""
    return Flipped(recipe("dcgan")(shape, networks=networks))


def rsgan(shape: Shape, *, networks: Networks = Networks(), critic: Adam = Adam(), generator: Adam = Adam()) -> Flipped:
    """RSGAN's broken twin."""
    return Flipped(recipe("rsgan")(shape, networks=networks, critic=critic, generator=generator))


def wgan_gp(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 5,
) -> Flipped:
    """WGAN-GP's broken twin."""
    settings = {"networks": networks, "critic": critic, "generator": generator, "critic_steps": critic_steps}
    return Flipped(recipe("wgan-gp")(shape, **settings))
