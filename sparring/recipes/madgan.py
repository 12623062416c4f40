"""The recipe of MAD-GAN: several generators against one critic that classifies them."""

from __future__ import annotations

from typing import cast

from sparring.errors import GameError
from sparring.games.madgan import MADGAN
from sparring.networks.common.base import Generator, Shape
from sparring.networks.common.branching import BranchingGenerator
from sparring.networks.common.heads import widen_outputs
from sparring.recipes.options import BATCH_NORM, Adam, Networks


def madgan(
    shape: Shape,
    *,
    generators: int = 4,
    shared: int | None = None,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
) -> MADGAN:
    """MAD-GAN (Ghosh et al., 2018): generators that share layers, against a critic that classifies them.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        generators: K, how many there are.
        shared: Number of first layers that they share. Default: half of them.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: How the generators learn.

    Raises:
        GameError: If there is no generator, or no layer would be left to each.
    """
    if generators < 1:
        raise GameError(f"MAD-GAN needs at least 1 generator, not {generators}.")
    pairs = [networks.pair(shape, BATCH_NORM) for _ in range(generators)]
    G = BranchingGenerator([cast(Generator, G) for G, _ in pairs], shared)
    return MADGAN(G, widen_outputs(pairs[0][1], generators + 1), critic=critic, generator=generator)
