"""Turing GANs: D takes a real and a fake image, in either order, and classifies which order it is (Su, 2018).

    T(a, b) = D(E(a) - E(b))            P = p ⊗ q: the real one first            Q = q ⊗ p: the fake one first

    D and E minimise  L(T(x, G), T(G, x))            G minimises  L(T(G, x), T(x, G)), the roles exchanged

L is the critic's loss of any objective. With the cross-entropy this is T-SGAN, in which no player's loss saturates,

    L_D = E sp(-T(x, G)) + E sp(T(G, x))             L_G = E sp(T(x, G)) + E sp(-T(G, x))

whose best T(a, b) is log p(a) q(b) / (p(b) q(a)), where L_D = 2 log 2 - 2 JSD(P, Q). With Wasserstein's loss it is
T-WGAN, with squares T-LSGAN. T is not constrained to be antisymmetric; the best T is. Where D is linear without
bias, T(a, b) = C(a) - C(b), and T-SGAN is the relativistic game twice over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.game import CriticOutput, CriticSpec, Data, LatentGame, Move, PlayerSettings
from sparring.games.common.turns import require_positive
from sparring.objectives import Objective


class TuringGAN(LatentGame):
    """One move of the critic, then several of G, each against new real images (Su, 2018, code).

    E encodes real and fake images in separate passes, so that batch norm does not mix their statistics.

    Args:
        G: Generator (N, latent) -> (N, *shape).
        D: Critic of a difference of codes, (N, F) -> (N,), large = the first was real.
        E: Encoder (N, *shape) -> (N, F); the player "D" owns both.
        objective: L is its critic's loss.
        generator_steps: Moves of G in a round.
        settings: The optimisers and the schedule, see `LatentGame`.
    """

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        E: nn.Module,
        objective: Objective,
        *,
        generator_steps: int = 2,
        **settings: Unpack[PlayerSettings],
    ):
        super().__init__(G, D, **settings)
        require_positive(generator_steps=generator_steps)
        self.E, self.objective, self.generator_steps = E, objective, generator_steps

    def players(self) -> dict[str, Optimizer]:
        """Return the optimiser of D and E, and that of G."""
        return {"D": self._optimisers["D"](nn.ModuleList([self.D, self.E])), "G": self._optimisers["G"](self.G)}

    def critic_networks(self) -> tuple[str, ...]:
        """E encodes the samples, and D scores their codes."""
        return ("E",)

    def critic_spec(self) -> CriticSpec:
        """Return that D scores pairs of E's codes."""
        return replace(super().critic_spec(), output=CriticOutput.CODES)

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G a few times."""
        x, *_ = next(data)
        yield Move("D", turing=self.test(self.E(x), self.E(self.fakes(len(x)))))
        for _ in range(self.generator_steps):
            x, *_ = next(data)
            with torch.no_grad():  # no path from the real codes to G
                real = self.E(x)
            yield Move("G", turing=self.test(self.E(self.G(self.noise(len(x)))), real))

    def test(self, a: Tensor, b: Tensor) -> Tensor:
        """Return L(T(a, b), T(b, a)), the loss of taking the codes `a` as real and their partners `b` as fake."""
        return self.objective.critic(self.D(a - b), self.D(b - a))
