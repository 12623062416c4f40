"""Instance noise (Sønderby et al., 2017; Arjovsky & Bottou, 2017): noise on all samples of critics, which falls to 0.

    x̃ = x + σ_t ε,   ε ~ N(0, I) new in every pass,   σ_t = σ max(0, 1 − t / steps)

Data and fakes may lie on sets that do not meet: then a perfect critic exists, Jensen–Shannon is stuck at log 2, and G
has no useful gradient. Smoothed by the noise both have densities everywhere. For two points at distance θ the
optimal critic is a line of slope −θ/σ², and as σ grows JSD falls to θ²/8σ², which has a slope in θ.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.game import Data, Game, Turn
from sparring.schedules import linear
from sparring.wrappers.base import Wrapper, transform_critics
from sparring.wrappers.requirements import critics, no_compared_samples, require


class Haze(nn.Module):
    """Adds noise to samples, in training mode only.

    Attributes:
        sigma: Standard deviation of the noise, in the data's units; a function of the step, so no buffer.
    """

    sigma = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Blur (N, *shape); gradients pass."""
        return x + self.sigma * torch.randn_like(x) if self.training and self.sigma else x


class InstanceNoise(Wrapper):
    """Add noise that falls to 0 to all samples of critics: reals and fakes, in all moves, inside penalties.

    It needs a game that compares no two samples after this noise, which is drawn anew in every pass.

    Args:
        game: The game to play.
        sigma: σ, where the noise starts, in the data's units (images have [−1, 1]).
        steps: When it has faded.

    Raises:
        GameError: If a number is out of range, or the game lacks what this needs.
    """

    def __init__(self, game: Game, sigma: float = 0.1, steps: int = 10_000) -> None:
        super().__init__(game)
        if sigma <= 0 or steps < 1:
            raise GameError(f"Instance noise starts at sigma > 0 and fades in steps >= 1, not {sigma} and {steps}.")
        require("Instance noise", game, critics, no_compared_samples)
        self.sigma, self.fading = sigma, linear(steps)
        self.haze = Haze()
        transform_critics(game, lambda: self.haze)

    def round(self, data: Data, step: int) -> Iterator[Turn]:
        """Play the game's round in the haze of this step."""
        self.haze.sigma = self.sigma * self.fading(step)
        yield from self.game.round(data, step)
