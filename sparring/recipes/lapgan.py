"""Recipes that generate images from coarse to fine, by `sparring.games.lapgan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sparring.games.lapgan import LAPGAN
from sparring.layers.pyramid import laplacian_pyramid, upsample
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import grid_for, num_doublings
from sparring.networks.lapgan import BaseCritic, BaseGenerator, LevelCritic, LevelGenerator
from sparring.objectives import NonSaturating
from sparring.recipes.options import Adam, channels_last


class RisingSGD(torch.optim.SGD):
    """Gradient descent whose momentum rises by a constant with every step, up to a limit.

    Args:
        parameters: What to move.
        rise: Added to the momentum after each step.
        limit: Where it stops.
        settings: Those of `torch.optim.SGD`.
    """

    def __init__(self, parameters: Any, *, rise: float, limit: float, **settings: Any) -> None:
        super().__init__(parameters, **settings)
        self.rise, self.limit = rise, limit

    def step(self, closure: Any = None) -> Any:
        """Move the parameters; the momentum reached is part of the optimiser's state, so that a resume is exact."""
        loss = super().step(closure)
        for group in self.param_groups:
            group["momentum"] = min(group["momentum"] + self.rise, self.limit)
        return loss


@dataclass(frozen=True)
class SGD:
    """Optimiser of a player: gradient descent with a rising momentum (Denton et al., 2015, section 3).

    Attributes:
        lr: Learning rate.
        momentum: At the first move.
        rise: Added with each move; the paper's .0008 an epoch, of 703 moves on CIFAR-10.
        limit: The largest momentum.
    """

    lr: float = 0.02
    momentum: float = 0.5
    rise: float = 0.0008 / 703
    limit: float = 0.7

    def __call__(self, network: nn.Module) -> RisingSGD:
        """Build the optimiser of a network."""
        return RisingSGD(network.parameters(), rise=self.rise, limit=self.limit, lr=self.lr, momentum=self.momentum)


def lapgan(
    shape: Shape,
    *,
    latent: int = 100,
    units: int = 1200,
    width: int = 64,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    descent: SGD | None = None,
    repeats: int = 1,
    penalty: float = 0.0,
) -> LAPGAN:
    """LAPGAN: generates 8 × 8 pixels, then doubles the sides, adding detail each time (Denton et al., 2015).

    Args:
        shape: (C, H, W), sides of 8 to 1024; those of a level are half of the next one's, rounded up, and the
            smallest level has 8 to 16 pixels along the shorter side.
        latent: Coordinates of the noise of the smallest level; each other has one a pixel.
        units: Units of a hidden layer of the smallest level's generator; its critic has half of them.
        width: Channels of the other levels' networks.
        critic: How every level's critic learns.
        generator: How every level's generator learns.
        descent: How both learn instead: ``SGD()`` is the paper's way.
        repeats: Ratio of the moves of a level in a round to those of the one above it, whose images have twice the
            sides. Levels are trained independently, and all samples depend on the smallest: with 4 all cost as much.
        penalty: γ, the weight of R1, without which the smallest level does not come to rest; the paper has none.

    Raises:
        GameError: If `repeats` is below 1.
        DataError: If there is no pyramid of this shape.
    """
    levels = num_doublings(shape, "LAPGAN")
    smallest, *larger = [(shape[0], *grid_for(shape, k)) for k in reversed(range(levels))]
    G = [BaseGenerator(smallest, latent, units), *(LevelGenerator(one, width) for one in larger)]
    D = [BaseCritic(smallest, units // 2), *(LevelCritic(one, width) for one in larger)]
    for network in (*G, *D):
        channels_last(network)
    learn = {"critic": descent or critic, "generator": descent or generator}
    turns = [repeats**k for k in reversed(range(len(G)))]
    return LAPGAN(G, D, NonSaturating(), bands=laplacian_pyramid, up=upsample, turns=turns, penalty=penalty, **learn)
