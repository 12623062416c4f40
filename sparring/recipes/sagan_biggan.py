"""Recipes of the large class-conditional systems, SAGAN and BigGAN; without classes they play unconditionally."""

from __future__ import annotations

from sparring.games.biggan import BigGAN
from sparring.games.conditional import ConditionalGAN
from sparring.networks.biggan import BigGANCritic, BigGANGenerator
from sparring.networks.common.base import Shape
from sparring.networks.sagan import SAGANCritic, SAGANGenerator
from sparring.objectives import Hinge
from sparring.recipes.options import Adam, AdamOverrides, channels_last

LARGE = 64  # pixels of the shorter side, below which BigGAN is that of the authors' CIFAR script


def sagan(
    shape: Shape,
    classes: int | None = None,
    *,
    latent: int = 128,
    width: int = 64,
    critic: Adam = Adam(4e-4, betas=(0.0, 0.9)),
    generator: Adam = Adam(1e-4, betas=(0.0, 0.9)),
    critic_steps: int = 1,
) -> ConditionalGAN:
    """Self-attention GAN (Zhang et al., 2019): hinge, spectral norm in both players, a faster critic, labels if any.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        classes: Number of classes; none plays without labels.
        latent: Coordinates of the noise z.
        width: Channels of the largest feature map.
        critic: How D learns; the paper's second decay is .9, its code's .999.
        generator: Optimiser of G.
        critic_steps: Moves of D for each move of G.
    """
    classes = classes or None  # data without labels have 0 classes
    G, D = SAGANGenerator(shape, classes, latent, width), SAGANCritic(shape, classes, width)
    return ConditionalGAN(
        channels_last(G),
        channels_last(D),
        Hinge(),
        classes=classes,
        critic_steps=critic_steps,
        critic=critic,
        generator=generator,
    )


def biggan(
    shape: Shape,
    classes: int | None = None,
    *,
    latent: int = 128,
    width: int | None = None,
    critic: AdamOverrides = AdamOverrides(),
    generator: AdamOverrides = AdamOverrides(),
    critic_steps: int | None = None,
    orthogonal: float = 1e-4,
) -> BigGAN:
    """BigGAN (Brock et al., 2019): shared embedding, hierarchical noise, orthogonal regularisation, labels if any.

    Rates and moves of D are those of the authors' CIFAR script up to 32 × 32 and those of the paper above.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        classes: Number of classes; none plays without labels.
        latent: Coordinates of the noise z at most: a multiple of its chunks is used.
        width: The unit of the plan of channels. Default: 64 up to 32 × 32 and 96 above.
        critic: Optimiser of D. Default: Adam at 2e-4.
        generator: Optimiser of G. Default: Adam at 2e-4 up to 32 × 32 and 5e-5 above.
        critic_steps: Moves of D for each move of G. Default: 4 up to 32 × 32 and 2 above.
        orthogonal: Weight of the orthogonal regularisation of G.
    """
    classes = classes or None  # data without labels have 0 classes
    G, D = BigGANGenerator(shape, classes, latent, width), BigGANCritic(shape, classes, width)
    rate, steps = (2e-4, 4) if min(shape[1:]) < LARGE else (5e-5, 2)
    betas = (0.0, 0.999)
    return BigGAN(
        channels_last(G),
        channels_last(D),
        Hinge(),
        orthogonal=orthogonal,
        classes=classes,
        critic_steps=steps if critic_steps is None else critic_steps,
        critic=critic.resolve(Adam(2e-4, betas)),
        generator=generator.resolve(Adam(rate, betas)),
    )
