"""Historical averaging (Salimans et al., 2016, section 3.3): weights stay near the mean of their past.

    L_p  ←  L_p + weight ‖θ_p − θ̄_p‖²,        θ̄_p = (1/t) Σ_{i ≤ t} θ_p,i

The two players of min-max xy circle each other outwards for ever; held by their past they meet in the middle. Too large
a weight freezes them: from (1, 1), 6000 simultaneous steps of .05 end at a distance from the optimum of 2533 without,
.0015 with a weight of .1, .091 with .5 and .47 with 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from sparring.errors import GameError
from sparring.game import CriticSpec, Data, Game, Move, Turn
from sparring.training.trainer import trainable_parameters
from sparring.wrappers.base import Wrapper, is_adversarial, map_moves
from sparring.wrappers.requirements import no_lookahead, require, trained_from_start


class HistoricalAveraging(Wrapper):
    """Adds the distance from the running mean of the weights to every move; one θ a round is counted.

    It fits any game whose networks are all trained from the first step on. Moves of regularisers alone
    (`sparring.game.CriticSpec.regulariser_terms`) are not changed. Techniques that add weights to a network go inside.

    Args:
        game: The game to play.
        weight: Weight of the squared distance; the paper names none.

    Raises:
        GameError: If the weight is not positive, or G unrolls steps of D that would leave this term out.
    """

    def __init__(self, game: Game, weight: float = 0.01) -> None:
        super().__init__(game)
        if weight <= 0:
            raise GameError(f"Historical averaging needs a weight above 0, not {weight}.")
        require("Historical averaging", game, trained_from_start, no_lookahead)
        self.weight = weight
        position = {id(parameter): i for i, parameter in enumerate(game.parameters())}
        # Positions, for another technique may yet rename the networks inside.
        self._owned = {
            name: [position[id(p)] for p in trainable_parameters(player)] for name, player in game.players().items()
        }
        for i, parameter in enumerate(game.parameters()):
            self.register_buffer(f"mean{i}", parameter.detach().clone())
        self.register_buffer("rounds", torch.zeros((), dtype=torch.long))
        self.register_buffer("latest", torch.tensor(-1))

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round, every move held back."""
        self.remember(step)
        spec = self.game.critic_spec()
        for turn in self.game.round(data, step):
            yield map_moves(turn, lambda move: self._held_back(move) if is_adversarial(move, spec) else move)

    def critic_spec(self) -> CriticSpec:
        """Return that of the game, marked for a D with further terms."""
        return replace(self.game.critic_spec(), custom_critic_step="historical averaging adds a term")

    def _held_back(self, move: Move) -> Move:
        return Move(move.player, **move.terms, history=self.held(move.player))

    @torch.no_grad()
    def remember(self, step: int) -> None:
        """Add the weights of a step to their running means, once also in gradient accumulation.

        Args:
            step: The step.
        """
        new = self.latest != step
        self.rounds += new
        for mean, parameter in zip(self._means(), self.game.parameters(), strict=True):
            mean.lerp_(parameter, new.to(mean.dtype) / self.rounds)
        self.latest.fill_(step)

    def held(self, player: str) -> Tensor:
        """Return weight · ‖θ − θ̄‖² of one player.

        Args:
            player: Its name.
        """
        parameters, means = list(self.game.parameters()), self._means()
        gaps = [(parameters[i] - means[i]).square().sum() for i in self._owned[player]]
        return self.weight * torch.stack(gaps).sum()

    def _means(self) -> list[Tensor]:
        return [buffer for name, buffer in self.named_buffers(recurse=False) if name.startswith("mean")]
