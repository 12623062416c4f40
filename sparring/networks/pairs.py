"""A generator and the critic it is meant to play against, in one call, so that recipes stay short."""

from collections.abc import Callable

from torch import nn

from sparring.layers.norm import Norm
from sparring.layers.pool import GlobalSum
from sparring.networks.dcgan import DCGANCritic, DCGANGenerator
from sparring.networks.mlp import MLPCritic, MLPGenerator
from sparring.networks.resnet import ResNetCritic, ResNetGenerator
from sparring.networks.roles import Critic, Generator, Shape

__all__ = ["dcgan_pair", "mlp_pair", "resnet_pair", "suited_pair"]

Pair = tuple[Generator, Critic]


def mlp_pair(shape: Shape, latent: int = 2, width: int = 512) -> Pair:
    """Perceptrons of three hidden layers, without normalisation: for points, or images of any size.

    Args:
        shape: Shape of one sample.
        latent: Coordinates of z.
        width: Units of a hidden layer.
    """
    return MLPGenerator(shape, latent, width), MLPCritic(shape, width)


def dcgan_pair(shape: Shape, latent: int = 100, width: int = 64, *, norm: Norm = nn.BatchNorm2d) -> Pair:
    """DCGAN networks.

    Args:
        shape: (C, H, W), H = W a power of two from 8 to 256.
        latent: Coordinates of z.
        width: Channels of the largest feature map.
        norm: Makes the critic's normalisation; with `nn.Identity` (WGAN-GP, `spectral`) its convolutions have biases,
            for without either it would be a homogeneous function of the pixels.

    Raises:
        DataError: If the networks are not made for this shape.
    """
    return DCGANGenerator(shape, latent, width), DCGANCritic(shape, width, norm, bias=norm is nn.Identity)


def resnet_pair(
    shape: Shape, latent: int = 128, width: int | None = None, *, pool: Callable[[], nn.Module] = GlobalSum
) -> Pair:
    """Residual networks.

    Args:
        shape: (C, H, W), H = W a power of two from 8 to 256.
        latent: Coordinates of z.
        width: Channels of the largest feature map in both; as published when absent.
        pool: Makes the critic's global pooling, `GlobalSum` (SNGAN) or `GlobalMean` (WGAN-GP).

    Raises:
        DataError: If the networks are not made for this shape.
    """
    return ResNetGenerator(shape, latent, width), ResNetCritic(shape, width, pool=pool)


def suited_pair(shape: Shape, latent: int, width: int | None = None, *, norm: Norm = nn.BatchNorm2d) -> Pair:
    """Perceptrons for points, DCGAN networks for images.

    Args:
        shape: (D,) for points, (C, H, W) for images.
        latent: Coordinates of z.
        width: Units of a hidden layer, or channels of the largest feature map; 512 or 64 when absent.
        norm: Makes the normalisation of a convolutional critic; a perceptron has none.

    Raises:
        DataError: If the networks are not made for this shape.

    Example:
        >>> [type(network).__name__ for network in suited_pair((1, 32, 32), latent=16, width=8)]
        ['DCGANGenerator', 'DCGANCritic']
    """
    if len(shape) == 3:
        return dcgan_pair(shape, latent, width or 64, norm=norm)
    return mlp_pair(shape, latent, width or 512)
