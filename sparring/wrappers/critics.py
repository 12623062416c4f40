"""Aids that ask the critic themselves: which critic, whose it is, and a term more in its owner's loss."""

from __future__ import annotations

from abc import abstractmethod
from inspect import Parameter, signature

from torch import Tensor, nn

from sparring.errors import GameError
from sparring.game import Game
from sparring.wrappers.wrapper import ExtraTerms, Through, Wrapper


class CriticTerm(ExtraTerms):
    """Adds a term to the moves of whoever owns the game's one critic.

    Lazily (Karras et al., 2020, appendix B) it is paid every k-th step only, k times as high. It is part of the owner's
    own move, so that the optimiser needs none of the corrections that a step for the term alone would.

    Args:
        game: The game to play.
        weight: What the term is multiplied by, before laziness.
        every: k, in steps.

    Raises:
        GameError: If the game has not one critic that scores samples, or k is not positive.
    """

    def __init__(self, game: Game, weight: float, every: int = 1) -> None:
        super().__init__(game)
        if every < 1:
            raise GameError(f"{type(self).__name__} is paid every k-th step: k must be at least 1, not {every}.")
        self.weight, self.every = weight, every
        self._path = sole_critic(self)
        judges_alone(self, self.critic)
        self._owner = owner(self, self.critic)

    @property
    def critic(self) -> nn.Module:
        """The critic, as it is seen now: other aids may have let it see through a transform since."""
        return self.get_submodule(self._path)

    def terms(self, player: str, x: Tensor, step: int) -> dict[str, Tensor]:
        """Returns the term in the owner's moves of every k-th step."""
        if player != self._owner or step % self.every:
            return {}
        return {type(self).__name__.lower(): self.weight * self.every * self.term(x)}

    @abstractmethod
    def term(self, x: Tensor) -> Tensor:
        """Returns the term without its weight.

        Args:
            x: Real samples (N, *shape).
        """


def sole_critic(game: Wrapper) -> str:
    """Returns the path of the one critic of an aided game.

    Args:
        game: The aid that asks.

    Raises:
        GameError: If there is none, or several: which samples each sees is then not known.
    """
    paths = game.critics()
    if len(paths) != 1:
        count = len(paths) or "none"
        raise GameError(f"{_aid(game)} acts on one critic, but {_core(game)} names {count} in critics().")
    return paths[0]


def judges_alone(game: Wrapper, critic: nn.Module) -> None:
    """Refuses a critic that is told more than the sample: a class, a coarse image.

    Args:
        game: The aid that asks.
        critic: The critic, seeing through transforms or not.

    Raises:
        GameError: If it is.
    """
    while isinstance(critic, Through):
        critic = critic.critic
    _, *more = signature(critic.forward).parameters.values()
    conditional = getattr(game, "classes", None) is not None
    told = [given for given in more if (given.kind is Parameter.VAR_POSITIONAL and conditional) or _wanted(given)]
    if told:
        raise GameError(
            f"{_aid(game)} shows the critic samples alone, but that of {_core(game)} wants {told[0].name!r}."
        )


def _wanted(given: Parameter) -> bool:
    positional = given.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return positional and given.default is Parameter.empty


def _aid(game: Wrapper) -> str:
    return type(game).__name__


def _core(game: Wrapper) -> str:
    return type(game.core).__name__


def owner(game: Wrapper, network: nn.Module) -> str:
    """Returns the player that owns a network.

    Args:
        game: The aid that asks.
        network: One of the game's.

    Raises:
        GameError: If nobody does.
    """
    parameters = {id(parameter) for parameter in network.parameters()}
    for name, player in game.players().items():
        if any(id(parameter) in parameters for group in player.param_groups for parameter in group["params"]):
            return name
    raise GameError(f"{_aid(game)} acts on a network that no player of {_core(game)} owns.")


def require(game: Wrapper, *abilities: str) -> None:
    """Refuses a game that lacks something.

    Args:
        game: The aid that asks.
        abilities: What the game must have: ``fakes``, ``noise``, ``G``.

    Raises:
        GameError: If it lacks one.
    """
    for ability in abilities:
        if not hasattr(game.game, ability):
            raise GameError(f"{_aid(game)} needs a game that has {ability!r}; {_core(game)} has none.")
