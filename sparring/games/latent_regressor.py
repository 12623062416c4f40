"""Encoders that learn from a generator's own samples, whose codes are known: the latent regressor.

    E minimises  E (E(G(z)) − z)²,     a mean over coordinates, G held fixed

`LatentRegressor` trains E beside any adversarial pair (Donahue et al., 2017, section 4, the baseline LR); jointly, G
also minimises κ times the same, so that no two codes give one sample (JLR; κ = 1/4 in the authors' code: with 1 the
samples degenerate). `FittedEncoder` trains E for the trained generator of any game.

E is not trained on data. Where G generates nothing similar to x, the reconstruction G(E(x)) is not similar either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self, Unpack

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sparring.abilities import SupportsSampling
from sparring.game import Data, Game, Move, Optimiser, PlayerSettings
from sparring.games.common.adversarial import AdversarialGame
from sparring.objectives import Objective


def code_error(code: Tensor, z: Tensor) -> Tensor:
    """Return the mean squared error of codes."""
    return (code - z).square().mean()


class LatentRegressor(AdversarialGame):
    """D, then G, then E on new samples.

    Args:
        E: Encoder (N, *shape) -> (N, latent).
        G: Generator (N, latent) -> (N, *shape), with an attribute ``latent``.
        D: Critic (N, *shape) -> (N,).
        objective: The two losses of D and G.
        encoder: Builds E's optimiser.
        joint: κ, the weight of what E misses in G's loss.
        settings: The optimisers of D and G and the schedule, see `LatentGame`.
    """

    def __init__(
        self,
        E: nn.Module,
        G: nn.Module,
        D: nn.Module,
        objective: Objective,
        *,
        encoder: Optimiser,
        joint: float = 0.0,
        **settings: Unpack[PlayerSettings],
    ) -> None:
        super().__init__(G, D, **settings)
        self.E, self.objective, self.joint = E, objective, joint
        self._optimisers["E"] = encoder

    def players(self) -> dict[str, Optimizer]:
        """Return the optimisers of D, G and E."""
        return {**super().players(), "E": self._optimisers["E"](self.E)}

    def sampling_networks(self) -> tuple[str, ...]:
        """Sampling uses G; its codes come from E, which is averaged as well."""
        return ("E", "G")

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play D, then G, then E."""
        x, *_ = next(data)
        yield Move("D", adversarial=self.objective.critic(self.D(x), self.D(self.fakes(len(x)))))
        z = self.noise(len(x))
        fake = self.G(z)
        terms = {"code": self.joint * code_error(self.E(fake), z)} if self.joint else {}
        yield Move("G", adversarial=self.objective.generator(self.D(fake)), **terms)
        z = self.noise(len(x))
        yield Move("E", code=code_error(self.E(self.sample(len(x), noise=z)), z))

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each row of x, (N, latent)."""
        with torch.no_grad():
            encoded: Tensor = self.E(x)
            return encoded


class FittedEncoder(Game):
    """An encoder for a finished game, which stays as it is, in evaluation mode, and gives its samples.

    Codes are rows of the game's noise; where these contain classes, E learns the classes as well.

    Args:
        game: Any game that can sample; frozen here.
        E: Encoder (N, *shape) -> (N, width of a row of noise).
        encoder: Builds E's optimiser.

    Raises:
        TypeError: If the game cannot sample.
    """

    def __init__(self, game: Game, E: nn.Module, *, encoder: Optimiser) -> None:
        super().__init__()
        if not isinstance(game, SupportsSampling):
            raise TypeError(f"{type(game).__name__} cannot sample, so there is nothing to encode.")
        self.game, self.E, self._encoder = game.requires_grad_(False), E, encoder
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set E's mode; the game stays in evaluation mode."""
        super().train(mode)
        self.game.eval()
        return self

    def players(self) -> dict[str, Optimizer]:
        """Return the optimiser of E."""
        return {"E": self._encoder(self.E)}

    def sampling_networks(self) -> tuple[str, ...]:
        """E is averaged; the game has finished training."""
        return ("E",)

    def round(self, data: Data, step: int) -> Iterator[Move]:
        """Play E, on as many samples as the batch has rows."""
        x, *_ = next(data)
        z = self.noise(len(x))
        yield Move("E", code=code_error(self.E(self.sample(len(x), noise=z)), z))

    def noise(self, n: int) -> Tensor:
        """Draw noise of the game, one row a sample."""
        return self.game.noise(n)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples of the game."""
        return self.game.sample(n, noise=noise)

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each row of x, one row of noise."""
        with torch.no_grad():
            encoded: Tensor = self.E(x)
            return encoded
