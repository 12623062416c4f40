"""Ensembles of independent games: K separate trainings, and the uniform mixture of their generators.

    k ~ U{1, …, K},  x = G_k(z):        p_model = (1/K) Σ_k p_k

A generator that drops modes drops others in another training. The mixture has a mode as soon as one member has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring._types import Network
from sparring.abilities import SupportsClassLabels, SupportsConditions, SupportsSampling
from sparring.errors import GameError
from sparring.game import CriticSpec, Data, Game, Move, Stage, Turn
from sparring.games.common.mixture import append_choice, select_members, split_choice
from sparring.wrappers.base import map_moves


class Ensemble(Game):
    """Plays one round of every member, each on its own data; the players are "0/D", "0/G", "1/D" and so on.

    Other techniques go into the members.

    Args:
        make: Builds a member; called K times, so with K different initial weights.
        members: K.

    Raises:
        GameError: If there is no member, or it cannot sample.
    """

    def __init__(self, make: Callable[[], Game], members: int = 3) -> None:
        super().__init__()
        if members < 1:
            raise GameError(f"An ensemble has at least 1 member, not {members}.")
        self.members = nn.ModuleList(make() for _ in range(members))
        if not isinstance(self.members[0], SupportsSampling):
            raise GameError(f"{type(self.members[0]).__name__} cannot sample, so there is no mixture: leave it off.")
        for kind, name in (
            (SupportsConditions, "conditions"),
            (SupportsConditions, "noise_for"),
            (SupportsClassLabels, "class_of"),
        ):
            if isinstance(self.members[0], kind):  # protocols check for existing attributes
                setattr(self, name, getattr(self, f"_{name}"))

    def players(self) -> dict[str, Optimizer]:
        """Return those of all members."""
        return {f"{k}/{name}": player for k, game in self._games() for name, player in game.players().items()}

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play a round of one member after the other."""
        for k, game in self._games():
            for turn in game.round(data, step):
                yield map_moves(turn, lambda move, k=k: Move(f"{k}/{move.player}", **move.terms))  # type: ignore[misc]

    def stages(self) -> tuple[Stage, ...]:
        """Return those of the games, which have equal settings."""
        return self._games()[0][1].stages()

    def over_batch(self, step: int) -> bool:
        """Return whether a member takes means over the batch."""
        return any(game.over_batch(step) for _, game in self._games())

    def readings(self) -> dict[str, Tensor]:
        """Return those of all members."""
        return {f"{k}/{name}": value for k, game in self._games() for name, value in game.readings().items()}

    def undivided(self) -> str:
        """Return why the members cannot be played in parts."""
        return self._games()[0][1].undivided()

    def lr_scale(self, step: int) -> float:
        """Return that of the members, which are alike."""
        return self._games()[0][1].lr_scale(step)

    def sampling_networks(self) -> tuple[str, ...]:
        """Return those of all members."""
        return tuple(f"members.{k}.{name}" for k, game in self._games() for name in game.sampling_networks())

    def critic_networks(self) -> tuple[str, ...]:
        """Return those of all members."""
        return tuple(f"members.{k}.{name}" for k, game in self._games() for name in game.critic_networks())

    def critic_spec(self) -> CriticSpec:
        """Return that of the members, which are alike."""
        return self._games()[0][1].critic_spec()

    def noise(self, n: int) -> Tensor:
        """Draw rows [choice of a member, its noise]."""
        return append_choice(self._games()[0][1].noise(n))

    def _conditions(self) -> str:
        """Return the request for every member."""
        return self._games()[0][1].conditions()

    def _noise_for(self, n: int, given: Tensor) -> Tensor:
        """Draw rows [choice of a member, its noise under the conditions of given data]."""
        return append_choice(self._games()[0][1].noise_for(n, given))

    def _class_of(self, latents: Tensor) -> Tensor | None:
        """Return the classes (N,) of rows of noise, which are the same for every member."""
        return self._games()[0][1].class_of(split_choice(latents, len(self.members))[1])

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples of the mixture, (n, *shape)."""
        members, z = split_choice(self.noise(n) if noise is None else noise, len(self.members))
        # Every member makes every row, so that a sample does not depend on who else is in the batch.
        return select_members(torch.stack([game.sample(n, noise=z) for _, game in self._games()]), members)

    def _games(self) -> list[tuple[int, Network]]:
        return [*enumerate(self.members)]
