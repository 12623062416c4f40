"""Recipes of fast methods for hundreds to thousands of photographs, on one generator: FastGAN."""

from __future__ import annotations

from sparring import augment
from sparring.errors import DataError
from sparring.game import Game
from sparring.games.fastgan import FastGAN
from sparring.networks.common.base import Shape
from sparring.networks.fastgan import FastGANCritic, FastGANGenerator
from sparring.recipes.options import Adam, channels_last
from sparring.wrappers.augmentation import Augmentation


def fastgan(
    shape: Shape,
    classes: int | None = None,
    *,
    conditional: bool = False,
    latent: int = 256,
    width: int = 64,
    light: bool = False,
    reconstruction: float = 1.0,
    diffaugment: bool = True,
    critic: Adam = Adam(),
    generator: Adam = Adam(),
) -> Game:
    """FastGAN (Liu et al., 2021): few images and little time; a critic that rebuilds images, DiffAugment.

    As published, batches hold 8 images.

    Args:
        shape: (C, H, W) of the images, sides from 8 to 1024.
        classes: Number of classes of the data.
        conditional: Whether the networks take the class of an image; needs labelled data.
        latent: Coordinates of the noise z.
        width: Channels of G at 128 × 128 and of D at 64 × 64.
        light: Whether the blocks of G have one convolution instead of two.
        reconstruction: Weight of the mean absolute error of what D rebuilds.
        diffaugment: Whether all images that D receives are augmented by DiffAugment (Zhao et al., 2020).
        critic: Optimiser of D.
        generator: Optimiser of G.

    Raises:
        DataError: If the networks do not support this shape, or there are no classes where they are needed.
    """
    known = class_count(classes, conditional)
    G = FastGANGenerator(shape, latent, width, light=light, classes=known)
    D = FastGANCritic(shape, width, known)
    game = FastGAN(
        channels_last(G),
        channels_last(D),
        reconstruction=reconstruction,
        classes=known,
        critic=critic,
        generator=generator,
    )
    return Augmentation(game, augment.DiffAugment) if diffaugment else game


def class_count(classes: int | None, conditional: bool) -> int | None:
    """Return the classes that a game takes: those of the data, or None where it is not conditional.

    Args:
        classes: Number of classes of the data; 0 or None without labels.
        conditional: Whether the game takes classes.

    Raises:
        DataError: If it does, and the data has no labels.
    """
    if conditional and not classes:
        raise DataError("Conditional training needs labels: put each class into a folder of its own.")
    return classes if conditional else None
