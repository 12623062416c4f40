"""Recipes of the classic games: one objective each, played by `sparring.games.gan`.

A recipe is a function from the data's shape to a game; its signature is its configuration and its flags.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from sparring.games.gan import GAN, SharedFakesGAN
from sparring.networks.common.base import Shape
from sparring.objectives import Hinge, LeastSquares, Minimax, NonSaturating, f_divergences
from sparring.recipes.options import BATCH_NORM, SPECTRAL, Adam, MoveCounts, Networks
from sparring.schedules import linear

Divergence = Literal[
    "total-variation",
    "kl",
    "reverse-kl",
    "pearson",
    "neyman",
    "squared-hellinger",
    "jeffrey",
    "jensen-shannon",
    "weighted-jensen-shannon",
    "gan",
    "alpha",
]


def mmgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
) -> GAN:
    """The minimax GAN (Goodfellow et al., 2014, equation 1), whose generator saturates where D is sure.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    G, D = networks.pair(shape, BATCH_NORM)
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return GAN(G, D, Minimax(), **moves, critic=critic, generator=generator)


def nsgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
    smoothing: float = 1.0,
    fake_target: float = 0.0,
) -> GAN:
    """The non-saturating GAN (Goodfellow et al., 2014, section 3), with label smoothing on request.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
        smoothing: D's target on real samples; 0.9 smooths it on one side (Salimans et al., 2016).
        fake_target: D's target on fakes; above 0 the smoothing is two-sided, which keeps fakes where they are.
    """
    G, D = networks.pair(shape, BATCH_NORM)
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return GAN(G, D, NonSaturating(smoothing, fake_target), **moves, critic=critic, generator=generator)


def lsgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
    a: float = 0.0,
    b: float = 1.0,
    c: float = 1.0,
) -> GAN:
    """Least squares GAN (Mao et al., 2017, equation 2).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
        a: D's target on fakes.
        b: D's target on real samples.
        c: Target of D's output on fakes in G's loss; (a, b, c) = (-1, 1, 0) minimises the Pearson divergence.
    """
    G, D = networks.pair(shape, BATCH_NORM)
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return GAN(G, D, LeastSquares(a, b, c), **moves, critic=critic, generator=generator)


def hinge(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(betas=(0.0, 0.9)),
    generator: Adam = Adam(betas=(0.0, 0.9)),
    critic_steps: int = 1,
    generator_steps: int = 1,
) -> GAN:
    """The hinge game (Lim & Ye, 2017) with a spectrally normalised critic (Miyato et al., 2018).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    G, D = networks.pair(shape, SPECTRAL, latent=128)
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return GAN(G, D, Hinge(), **moves, critic=critic, generator=generator)


def fgan(
    shape: Shape,
    *,
    divergence: Divergence = "kl",
    alternative: bool = True,
    order: float = 0.5,
    weight: float = 0.3,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    critic_steps: int = 1,
    generator_steps: int = 1,
) -> GAN:
    """f-GAN: minimises any f-divergence through its variational bound (Nowozin et al., 2016, equations 4 and 7).

    Args:
        shape: (2,) for points or (C, H, W) for images.
        divergence: Which one, of the paper's table 6.
        alternative: Let G maximise g(V(G)), as the paper's experiments do; it does not saturate, but follows another
            divergence than the named one.
        order: The order of the alpha divergence, neither 0 nor 1.
        weight: The weight of the data in the weighted Jensen–Shannon divergence.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
    """
    made = {"weighted-jensen-shannon": partial(f_divergences.weighted_jensen_shannon, weight)}
    made["alpha"] = partial(f_divergences.alpha, order)
    chosen = made[divergence]() if divergence in made else f_divergences.DIVERGENCES[divergence]
    objective = f_divergences.FGANAlternative(chosen) if alternative else f_divergences.FGAN(chosen)
    G, D = networks.pair(shape, BATCH_NORM)
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return GAN(G, D, objective, **moves, critic=critic, generator=generator)


def dcgan(
    shape: Shape, *, networks: Networks = Networks(), critic: Adam = Adam(), generator: Adam = Adam()
) -> SharedFakesGAN:
    """Deep convolutional GAN (Radford et al., 2016): strided convolutions, batch norm, Adam with a small momentum.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
    """
    G, D = networks.pair(shape, BATCH_NORM, points="dcgan")
    return SharedFakesGAN(G, D, NonSaturating(), critic=critic, generator=generator)


def sngan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(betas=(0.0, 0.9)),
    generator: Adam = Adam(betas=(0.0, 0.9)),
    critic_steps: int = 5,
    generator_steps: int = 1,
    decay: int = 100_000,
) -> GAN:
    """Spectrally normalised GAN (Miyato et al., 2018): residual networks, hinge, five moves of D, a linear decay.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks.
        critic: Optimiser of D.
        generator: Optimiser of G.
        critic_steps: Moves of D in a round.
        generator_steps: Moves of G in a round.
        decay: The step at which the learning rates, falling linearly, reach zero.
    """
    G, D = networks.pair(shape, SPECTRAL, images="resnet", latent=128)
    moves: MoveCounts = {"critic_steps": critic_steps, "generator_steps": generator_steps}
    return GAN(G, D, Hinge(), **moves, critic=critic, generator=generator, schedule=linear(decay))
