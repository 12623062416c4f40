"""The recipe of the energy-based GAN."""

from __future__ import annotations

from math import prod, sqrt

from torch import nn

from sparring.games.ebgan import EBGAN
from sparring.networks.autoencoder import Autoencoder, DCGANAutoencoder, MLPAutoencoder
from sparring.networks.common.base import Shape
from sparring.recipes.options import BATCH_NORM, Adam, Networks, channels_last


def ebgan(
    shape: Shape,
    *,
    networks: Networks = Networks(),
    critic: Adam = Adam(),
    generator: Adam = Adam(),
    margin: float | None = None,
    pulling_away: float = 0.1,
) -> EBGAN:
    """Energy-based GAN with the pulling-away term (Zhao et al., 2017): D is an autoencoder.

    The energy is the norm of what the autoencoder misses, √(CHW) times its root mean square a pixel, so each size of
    images has its margin. The default is the paper's 10 for MNIST's 784 pixels, scaled to others by that root: 0.36 a
    pixel. Pixels in [-1, 1] differ from the mean image by about 0.5 (MNIST, Fashion-MNIST, CIFAR-10), so D need not
    reconstruct fakes worse than that image would. At 3 × 64 × 64 the margin is 40.

    Args:
        shape: (2,) for points or (C, H, W) for images.
        networks: Kind and size of the networks; D is convolutional where G is, else a perceptron.
        critic: How D learns; 1e-3 for both players in the paper's perceptrons on MNIST.
        generator: Optimiser of G.
        margin: Energy to which D raises that of fakes. Default: 10 √(CHW / 784).
        pulling_away: Weight of the pulling-away term; 0 leaves it out.
    """
    G, _ = networks.pair(shape, BATCH_NORM)
    D = _autoencoder(G, shape, {} if networks.width is None else {"width": networks.width})
    margin = 10 * sqrt(prod(shape) / 784) if margin is None else margin
    return EBGAN(G, D, margin=margin, pulling_away=pulling_away, critic=critic, generator=generator)


def _autoencoder(G: nn.Module, shape: Shape, width: dict[str, int]) -> Autoencoder:
    if not any(isinstance(layer, nn.ConvTranspose2d | nn.Conv2d) for layer in G.modules()):
        return MLPAutoencoder(shape, depth=1 if len(shape) == 3 else 2, **width)
    return channels_last(DCGANAutoencoder(shape, **width))
