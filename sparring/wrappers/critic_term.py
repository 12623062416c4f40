"""Techniques that evaluate the critic themselves: the critic, its player, and a term in that player's loss."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, cast

from torch import Tensor, nn

from sparring.errors import GameError
from sparring.game import CriticOutput, Game, LatentGame
from sparring.wrappers.base import ExtraTerms, Wrapper
from sparring.wrappers.requirements import Need, critic_outputs, no_lookahead, one_critic, require, samples_only


class CriticTerm(ExtraTerms):
    """Adds a term to the moves of the player that owns the game's only critic.

    It needs a game of one critic without a condition and with one score a sample.
    Lazily (Karras et al., 2020, appendix B) it is paid every k-th step only, k times as high. It is part of the owner's
    own move, so that the optimiser needs none of the corrections that a step for the term alone would.

    Args:
        game: The game to play.
        weight: What the term is multiplied by, before laziness.
        every: k, in steps.

    Attributes:
        needs: What the game must have.

    Raises:
        GameError: If the game lacks something, or k is not positive.
    """

    needs: ClassVar[tuple[Need, ...]] = (one_critic, samples_only, critic_outputs(CriticOutput.SCORE), no_lookahead)

    def __init__(self, game: Game, weight: float, every: int = 1) -> None:
        super().__init__(game)
        require(type(self).__name__, game, *self.needs)
        if every < 1:
            raise GameError(f"{type(self).__name__} is paid every k-th step: k must be at least 1, not {every}.")
        self.weight, self.every = weight, every
        (self._path,) = self.critic_networks()
        self._owner = owner(self, self.critic)

    @property
    def critic(self) -> nn.Module:
        """The critic at present: other techniques may have put a transform before it."""
        return self.get_submodule(self._path)

    def terms(self, player: str, x: Tensor, step: int) -> dict[str, Tensor]:
        """Return the term in the owner's moves of every k-th step."""
        if player != self._owner or step % self.every:
            return {}
        return {type(self).__name__.lower(): self.weight * self.every * self.term(x)}

    @abstractmethod
    def term(self, x: Tensor) -> Tensor:
        """Return the term without its weight.

        Args:
            x: Real samples (N, *shape).
        """


def latent_game(game: Game) -> LatentGame:
    """Return the unwrapped game, which `sparring.wrappers.requirements.one_pair` has accepted."""
    return cast(LatentGame, game.unwrapped)


def owner(game: Wrapper, network: nn.Module) -> str:
    """Return the player that owns a network.

    Args:
        game: The technique.
        network: One of the game's.

    Raises:
        GameError: If no player does.
    """
    parameters = {id(parameter) for parameter in network.parameters()}
    for name, player in game.players().items():
        if any(id(parameter) in parameters for group in player.param_groups for parameter in group["params"]):
            return name
    raise GameError(f"{type(game).__name__} acts on a network that no player of {type(game.unwrapped).__name__} owns.")
