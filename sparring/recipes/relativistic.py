"""Recipes of the relativistic games."""

from __future__ import annotations

from sparring.games.relativistic import RelativisticGAN
from sparring.networks.common.base import Shape
from sparring.objectives import Objective, Relativistic, RelativisticAverage, hinged, logistic, squared
from sparring.recipes.options import SPECTRAL, Adam, MoveCounts, Networks


def rsgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
) -> RelativisticGAN:
    """Relativistic standard GAN (Jolicoeur-Martineau, 2019): D compares each real image with one fake.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    return _relativistic(Relativistic(logistic), shape, networks, critic, generator, critic_steps, generator_steps)


def rasgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
) -> RelativisticGAN:
    """Relativistic average GAN (Jolicoeur-Martineau, 2019): D compares each image with the mean of the other kind.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    return _relativistic(
        RelativisticAverage(logistic), shape, networks, critic, generator, critic_steps, generator_steps
    )


def ralsgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
) -> RelativisticGAN:
    """Relativistic average least squares GAN (Jolicoeur-Martineau, 2019).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    return _relativistic(
        RelativisticAverage(squared), shape, networks, critic, generator, critic_steps, generator_steps
    )


def rahinge(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
) -> RelativisticGAN:
    """Relativistic average hinge GAN (Jolicoeur-Martineau, 2019).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    return _relativistic(RelativisticAverage(hinged), shape, networks, critic, generator, critic_steps, generator_steps)


def _relativistic(
    objective: Objective,
    shape: Shape,
    networks: Networks,
    critic: Adam,
    generator: Adam,
    critic_steps: int,
    generator_steps: int,
) -> RelativisticGAN:
    G, D = networks.pair(shape, SPECTRAL, images="cnn", latent=128)
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return RelativisticGAN(G, D, objective, **moves, critic=critic, generator=generator)
