"""Recipes of fast methods for hundreds to thousands of photographs, on one generator: FastGAN."""

from __future__ import annotations

from torch import nn

from sparring import augment
from sparring.errors import DataError
from sparring.game import Game
from sparring.games.fastgan import FastGAN
from sparring.games.projected import ProjectedGAN
from sparring.layers.init import dcgan
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape
from sparring.networks.common.heads import head_features
from sparring.networks.common.stages import ProjectionCritic
from sparring.networks.dcgan import DCGANCritic
from sparring.networks.fastgan import FastGANCritic, FastGANGenerator
from sparring.networks.projected import ProjectedCritic
from sparring.recipes.options import Adam, channels_last
from sparring.recipes.pix2pix_gaugan import seen_by
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
    perception: str | None = None,
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
        reconstruction: Weight of the error of what D rebuilds.
        perception: Features in which that error is measured: classifier, trained on the data; or a file with the
            weights of VGG-19. Default: none, the mean absolute difference of pixels.
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
        perception=None if perception is None else seen_by(shape[0], 1.0, perception),
        classes=known,
        critic=critic,
        generator=generator,
    )
    return Augmentation(game, augment.DiffAugment) if diffaugment else game


def projected(
    shape: Shape,
    classes: int | None = None,
    *,
    conditional: bool = False,
    latent: int = 256,
    width: int = 16,
    light: bool = True,
    features_size: int | None = None,
    head_width: int = 32,
    scales: int = 4,
    pixels: int = 32,
    diffaugment: bool = True,
    critic: Adam = Adam(1e-3, (0.0, 0.99)),
    generator: Adam = Adam(1e-3, (0.0, 0.99)),
) -> Game:
    """Projected GAN (Sauer et al., 2021): heads on fixed features of EfficientNet-Lite0, DiffAugment; photographs.

    Needs the extra sparring[pretrained]. The defaults suit images of about 64 pixels, batches of 16 and hours on a few
    CPU cores. As published: width 128, light or not, features_size 224, head_width 64, pixels 0, rates of 2e-4, batches
    of 64.

    Args:
        shape: (C, H, W) of the images, C = 1 or 3, sides from 8 to 1024.
        classes: Number of classes of the data.
        conditional: Whether the networks take the class of an image; needs labelled data.
        latent: Coordinates of the noise z.
        width: Channels of G at 128 × 128.
        light: Whether the blocks of G have one convolution instead of two.
        features_size: Pixels to which the shorter side is resized for the features, from 64 on. Default: its own, and
            64 where it is smaller.
        head_width: Channels of a head after its first halving of the finest map.
        scales: Number of heads, from the finest features on; 4 as published.
        pixels: Channels of the largest map of a critic of the pixels beside the heads (Kumari et al., 2022); 0 for
            none.
        diffaugment: Whether all images that D receives are augmented by DiffAugment (Zhao et al., 2020).
        critic: Optimiser of D.
        generator: Optimiser of G.

    Raises:
        DataError: If the networks do not support this shape, there are no classes where they are needed, or the weights
            of the features are not installed.
    """
    known = class_count(classes, conditional)
    G = FastGANGenerator(shape, latent, width, light=light, classes=known, normalise=True)
    D = ProjectedCritic(shape, head_width, features_size or max(64, min(shape[1:])), scales, known)
    X = pixel_critic(shape, pixels, known) if pixels else None
    game = ProjectedGAN(channels_last(G), channels_last(D), X=X, classes=known, critic=critic, generator=generator)
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


def pixel_critic(shape: Shape, width: int, classes: int | None) -> nn.Module:
    """Return the strided convolutions of DCGAN's critic with a spectral norm, and a projection of the class.

    Args:
        shape: (C, H, W) of the images.
        width: Channels of the largest map.
        classes: Number of classes, or None.
    """
    D = DCGANCritic(shape, width, nn.Identity, bias=True)
    critic = ProjectionCritic(shape, nn.Sequential(D.trunk, nn.Flatten()), head_features(D), classes)
    critic.head.apply(dcgan)
    return channels_last(spectral(critic))
