"""Recipes of modern baselines, recommended for new data sets.

A recipe is a function from the data's shape to a game; its signature is its configuration and its flags.
"""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from sparring.games.r3gan import R3GAN
from sparring.games.stylegan2 import StyleGAN2
from sparring.networks.common.base import Shape
from sparring.networks.fourier import FourierCritic, FourierGenerator
from sparring.networks.r3gan import R3GANCritic, R3GANGenerator
from sparring.networks.stylegan2 import StyleGAN2Critic, StyleGAN2Generator
from sparring.recipes.options import Adam, channels_last
from sparring.schedules import cosine


def r3gan(
    shape: Shape,
    *,
    latent: int | None = None,
    width: int | None = None,
    cardinality: int | None = None,
    scale: float = 1.0,
    penalty: tuple[float, float] = (0.05, 0.005),
    cooling: float = 0.25,
    burn_in: int = 39_063,
    critic: Adam = Adam(2e-4, (0.0, 0.99)),
    generator: Adam = Adam(2e-4, (0.0, 0.99)),
) -> R3GAN:
    """R3GAN (Huang et al., 2024) with its authors' settings for CIFAR-10; points by perceptrons on Fourier features.

    The authors' second decay rate rises from .9 to .99 during the burn-in; here it is .99 from the start.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        latent: Coordinates of z. Default: 64 for images and 2 for points.
        width: Channels of the stages up to 32 × 32, 768 as published, or units of a hidden layer, 128.
        cardinality: Groups of the 3×3 convolutions. Default: one for every 8 channels.
        scale: Size of a typical coordinate, for points.
        penalty: γ at the start and after the burn-in; .05 and .005 for CIFAR-10, 2 and .2 for FFHQ at 64 px.
        cooling: The factor that learning rates have fallen to after the burn-in.
        burn_in: Steps of the half cosine along which γ and the rates fall; as published, 20 million images of CIFAR-10
            in batches of 512.
        critic: Optimiser of D.
        generator: Optimiser of G.
    """
    if len(shape) == 3:
        G: nn.Module = R3GANGenerator(shape, latent or 64, width or 768, cardinality)
        D: nn.Module = R3GANCritic(shape, width or 768, cardinality)
    else:
        G = FourierGenerator(shape, latent or 2, width or 128, scale=scale)
        D = FourierCritic(shape, width or 128, scale=scale)
    falling = {"penalty": cosine(*penalty, burn_in), "schedule": cosine(1.0, cooling, burn_in)}
    return R3GAN(channels_last(G), channels_last(D), **falling, critic=critic, generator=generator)


def stylegan2(
    shape: Shape,
    *,
    latent: int = 512,
    width: int | None = None,
    mapping: int = 2,
    group: int = 32,
    residual: bool = False,
    penalty: float = 0.01,
    path: float = 0.0,
    mixing: float = 0.0,
    critic: Adam = Adam(2.5e-3, (0.0, 0.99)),
    generator: Adam = Adam(2.5e-3, (0.0, 0.99)),
) -> StyleGAN2:
    """StyleGAN2 (Karras et al., 2020) with its authors' settings for CIFAR-10 (2020, with adaptive augmentation).

    For large images the authors give the mapping 8 layers, groups of 4, shortcuts, a path weight of 2, a mixing of .9,
    and R1 a weight near .0002 · side² / batch.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z, and of the style w.
        width: Channels at full resolution; they double at each halving, to 512. Default: the authors'.
        mapping: Layers from z to w.
        group: Samples that share the standard deviation that D takes as a feature.
        residual: Whether D has shortcuts.
        penalty: γ, the weight of R1.
        path: The weight of the path lengths, 0 for none.
        mixing: The share of training images of two styles.
        critic: How D learns, before the correction of `lazy`.
        generator: How G learns, before the correction of `lazy`.
    """
    G = StyleGAN2Generator(shape, latent, width, mapping)
    D = StyleGAN2Critic(shape, width, group, residual=residual)
    return StyleGAN2(
        channels_last(G),
        channels_last(D),
        penalty=penalty,
        path=path,
        mixing=mixing,
        critic=lazy(critic, 16 if penalty else None),
        generator=lazy(generator, 4 if path else None),
    )


def lazy(learner: Adam, every: int | None) -> Adam:
    """Slow a learner whose every k-th step is followed by a step on a regulariser, so that k + 1 steps move like k.

    Rates are multiplied by c = k / (k + 1), decay rates raised to it (Karras et al., 2020, appendix B).

    Args:
        learner: How the player learns without the regulariser.
        every: k, or None where there is none.

    >>> lazy(Adam(0.0025, (0.0, 0.99)), 4)
    Adam(lr=0.002, betas=(0.0, 0.9919919678228657))
    """
    if every is None:
        return learner
    c = every / (every + 1)
    return replace(learner, lr=learner.lr * c, betas=(learner.betas[0] ** c, learner.betas[1] ** c))
