"""Recipes of the Wasserstein games."""

from __future__ import annotations

from sparring.games.wgan import WGAN, WGANGP
from sparring.networks.common.base import Shape
from sparring.recipes.options import BATCH_NORM, PENALISED, Adam, MoveCounts, Networks, RMSprop


def wgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: RMSprop = RMSprop(),
    generator: RMSprop = RMSprop(),
    bound: float = 0.01,
    critic_steps: int = 5,
    generator_steps: int = 1,
    burst: int | None = None,
) -> WGAN:
    """Wasserstein GAN with weight clipping and RMSprop (Arjovsky et al., 2017, Algorithm 1).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        bound: D's parameters are clamped to [-bound, bound] after each of its moves.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
        burst: Moves of D in the first 25 rounds and every 500th; 100 in the authors' code. Default: critic_steps.
    """
    G, D = networks.pair(shape, BATCH_NORM, points="mlp")
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return WGAN(G, D, bound=bound, burst=burst, **moves, critic=critic, generator=generator)


def wgan_gp(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(1e-4, (0.5, 0.9)),
    generator: Adam = Adam(1e-4, (0.5, 0.9)),
    penalty: float | None = None,
    critic_steps: int = 5,
    generator_steps: int = 1,
) -> WGANGP:
    """Wasserstein GAN with gradient penalty (Gulrajani et al., 2017, Algorithm 1); D has no batch norm.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        penalty: Weight of the gradient penalty. Default: 0.1 for points and 10 for images.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    G, D = networks.pair(shape, PENALISED, points="mlp", latent=128)
    weight = penalty if penalty is not None else 10.0 if len(shape) == 3 else 0.1
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return WGANGP(G, D, penalty=weight, **moves, critic=critic, generator=generator)
