"""Base classes of training techniques: a game around a game.

    wrapped = InstanceNoise(R1(game, ...), ...)         a technique wraps any game, and an wrapped game again

A wrapper changes what goes into a round (the data), what comes out of it (the moves), or the samples that critics
receive. It never repeats a round. All that it does not change is the inner game's: players,
learning rates, abilities, networks.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.abilities import ABILITIES, methods
from sparring.errors import GameError
from sparring.game import CriticSpec, Data, Game, Move, Stage, Turn


class Wrapper(Game):
    """A game around another game.

    Args:
        game: The game to play.

    Attributes:
        game: That game, possibly a wrapper again.
    """

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.game = game
        # Protocols check for existing attributes, not for those that __getattr__ would find.
        named = (name for ability in ABILITIES for name in methods(ability))
        able = (name for name in named if hasattr(game, name) and not hasattr(type(self), name))
        self.__dict__.update({name: getattr(game, name) for name in able})

    def __getattr__(self, name: str) -> Any:
        """Return the attribute of the inner game that the wrapper lacks: networks, objective, abilities."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "game":
                raise
            return getattr(self.game, name)

    @property
    def unwrapped(self) -> Game:
        """The innermost game, whose networks a technique may replace before the first step."""
        return self.game.unwrapped

    def players(self) -> dict[str, Optimizer]:
        """Return those of the game."""
        return self.game.players()

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round."""
        yield from self.game.round(data, step)

    def lr_scale(self, step: int) -> float:
        """Return that of the game."""
        return self.game.lr_scale(step)

    def stages(self) -> tuple[Stage, ...]:
        """Return those of the game."""
        return self.game.stages()

    def over_batch(self, step: int) -> bool:
        """Return whether the game takes means over the batch."""
        return self.game.over_batch(step)

    def readings(self) -> dict[str, Tensor]:
        """Return those of the game."""
        return self.game.readings()

    def undivided(self) -> str:
        """Return why the game cannot be played in parts."""
        return self.game.undivided()

    def sampling_networks(self) -> tuple[str, ...]:
        """Return those of the game, by their paths from here."""
        return tuple(f"game.{name}" for name in self.game.sampling_networks())

    def critic_networks(self) -> tuple[str, ...]:
        """Return those of the game, by their paths from here."""
        return tuple(f"game.{name}" for name in self.game.critic_networks())

    def critic_spec(self) -> CriticSpec:
        """Return that of the game."""
        return self.game.critic_spec()


class ExtraTerms(Wrapper):
    """A wrapper that adds terms to moves: penalties, regularisers.

    Moves of regularisers alone (`sparring.game.CriticSpec.regulariser_terms`) are not changed.
    """

    @abstractmethod
    def terms(self, player: str, x: Tensor, step: int) -> dict[str, Tensor]:
        """Return further terms that a player minimises; empty for other players.

        Args:
            player: Who is about to move.
            x: The last real samples that the round has drawn, (N, *shape).
            step: The step.
        """

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round, with more terms in its moves."""
        drawn, spec = LastBatch(data), self.game.critic_spec()
        for turn in self.game.round(drawn, step):
            yield map_moves(
                turn, lambda move: self._extended(move, drawn, step) if is_adversarial(move, spec) else move
            )

    def critic_spec(self) -> CriticSpec:
        """Return that of the game, marked for a D with further terms."""
        return replace(self.game.critic_spec(), custom_critic_step=f"{type(self).__name__} adds a term")

    def _extended(self, move: Move, drawn: LastBatch, step: int) -> Move:
        return _extended(move, self.terms(move.player, drawn.x, step))


def is_adversarial(move: Move, spec: CriticSpec) -> bool:
    """Return whether the players meet in a move, or it only pays for the game's upkeep."""
    return not set(move.terms) <= set(spec.regulariser_terms)


def remaining_terms(move: Move, spec: CriticSpec) -> dict[str, Tensor] | None:
    """Return the terms of a move of G that stay where a technique gives it another goal.

    Args:
        move: G's.
        spec: The game's.

    Returns:
        All terms but the adversarial ones; None where the move has no adversarial term, and is left alone.

    Raises:
        GameError: If the game does not declare its adversarial terms, and the move has several terms.
    """
    fooling = spec.adversarial_terms or tuple(move.terms)
    if not spec.adversarial_terms and len(move.terms) > 1:
        raise GameError(f"G minimises {', '.join(move.terms)}: declare the adversarial ones in critic_spec().")
    rest = {name: value for name, value in move.terms.items() if name not in fooling}
    return rest if len(rest) < len(move.terms) else None


def _extended(move: Move, more: dict[str, Tensor]) -> Move:
    for name in more:
        if name in move.terms:
            raise GameError(
                f"The player {move.player!r} minimises a term {name!r} already: apply the technique at most once."
            )
    return Move(move.player, **move.terms, **more)


class LastBatch:
    """Passes on the batches of another stream and keeps the last one.

    Args:
        data: The stream.

    Attributes:
        batch: The last batch.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        self.batch: tuple[Tensor, ...] = ()

    def __iter__(self) -> LastBatch:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        self.batch = next(self.data)
        return self.batch

    @property
    def x(self) -> Tensor:
        """The images or points of the last batch."""
        if not self.batch:
            raise GameError(
                "The technique needs real samples, but the game drew none before its move: call next(data) first."
            )
        return self.batch[0]


class TransformedCritic(nn.Module):
    """A critic whose samples pass through a transform first.

    Args:
        transform: Maps samples (N, *shape) to samples of the same shape.
        critic: The critic; its further arguments (labels, coarse images) are passed on.
    """

    def __init__(self, transform: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.transform, self.critic = transform, critic

    def __getattr__(self, name: str) -> Any:
        """Find the critic's own attributes, such as its shape."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "critic":
                raise
            return getattr(self.critic, name)

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        """Score the transformed x."""
        return self.critic(self.transform(x), *given)

    def features(self, x: Tensor) -> Tensor:
        """Return the critic's features of the transformed x."""
        return self.critic.features(self.transform(x))  # type: ignore[operator]

    def reconstruct(self, x: Tensor, *given: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Score and rebuild the transformed x, see `sparring.networks.fastgan.FastGANCritic`."""
        return self.critic.reconstruct(self.transform(x), *given)  # type: ignore[operator]


def transform_critics(game: Game, transform: Callable[[], nn.Module]) -> None:
    """Put a transform of its own before every critic of a game.

    Args:
        game: The game, wrapped or not; its critics are replaced.
        transform: Makes the transform of one critic.

    Raises:
        GameError: If the game names no critic.
    """
    if not game.critic_networks():
        raise GameError(
            f"{type(game).__name__} names no network in critic_networks(): this technique has nothing to act on."
        )
    for path in game.critic_networks():
        owner, _, name = path.rpartition(".")
        critic = game.get_submodule(path)
        setattr(game.get_submodule(owner), name, TransformedCritic(transform(), critic))


def map_moves(turn: Turn, change: Callable[[Move], Move]) -> Turn:
    """Return a turn with every move changed.

    Args:
        turn: One move, or simultaneous ones.
        change: Maps a move to another.
    """
    return change(turn) if isinstance(turn, Move) else tuple(change(move) for move in turn)
