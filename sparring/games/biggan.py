"""BigGAN's game (Brock et al., 2019): a conditional game with orthogonal regularisation of the generator.

    G minimises  L_G(D(G(z, y), y)) + β Σ_W ‖WᵀW ⊙ (1 − I)‖²_F                                  (equation 3)

summed over the matrices W of G, the shared embedding left out: filters may have any length, but no two of them a common
direction. That makes G smooth enough to be truncated. D moves several times in a round.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from torch import nn

from sparring.game import Data, Move
from sparring.games.conditional import ConditionalGAN, ConditionalSettings
from sparring.objectives import Objective
from sparring.objectives.penalties import orthogonal_penalty


class BigGAN(ConditionalGAN):
    """The conditional game with orthogonal regularisation in G's move.

    Args:
        G: Generator (N, latent), (N, classes) -> (N, *shape), with an attribute ``latent`` and a method ``filters()``
            that returns the weights to regularise.
        D: Critic (N, *shape), (N, classes) -> (N,).
        objective: The two losses.
        orthogonal: β; 0 for none.
        settings: The classes, the moves of D, the optimisers and the schedule, see `ConditionalGAN`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        objective: Objective,
        *,
        orthogonal: float = 1e-4,
        **settings: Unpack[ConditionalSettings],
    ):
        super().__init__(G, D, objective, **settings)
        self.orthogonal = orthogonal

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D k times, then G with its regularisation."""
        for move in super().round(data, step):
            if move.player == "G" and self.orthogonal:
                penalty = self.orthogonal * orthogonal_penalty(self.G.filters())  # type: ignore[operator]
                move = Move("G", **move.terms, orthogonal=penalty)
            yield move
