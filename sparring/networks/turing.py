"""The networks of the T-GANs: an encoder E, a critic D of differences of codes, a generator G (Su, 2018, code).

At 32 × 32 these are the code's CIFAR-10 networks. At every other size they follow its CelebA networks for 64, 128 and
256: G starts at 4 × 4 with 8 d channels, which halve whenever the side doubles; E halves the side four times, at 256
five times, and ends with 8 d channels. d is the side of the image, or the largest power of two within its shorter
side, from 32, since the code has no network for 8 and 16 pixels, to 256. Weights are Glorot-uniform. Biases that
cancel in a batch norm or in the difference of two codes are left out.

E and D should be normalised: `stateless(E)` as in the code, or `spectral(E)`.
"""

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from sparring.layers.init import glorot_uniform
from sparring.layers.resampling import GlobalMean
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings

__all__ = ["TuringCritic", "TuringEncoder", "TuringGenerator", "TuringPointEncoder"]

# CIFAR-10: (channels in multiples of d, kernel, stride) of unpadded layers.
_ENCODER_32 = ((1, 5, 1), (2, 4, 2), (4, 4, 1), (8, 4, 2))  # sides 28, 13, 10, 4
_GENERATOR_32 = ((8, 4, 1), (4, 4, 2), (2, 4, 1), (1, 4, 2), (1, 5, 1))  # sides 4, 10, 13, 28, 32


def _plan(shape: Shape, width: int | None) -> tuple[bool, int]:
    """Return whether the networks are those of CIFAR-10, and d."""
    side = 4 * 2 ** num_doublings(shape, "T-GAN")
    return tuple(shape[1:]) == (32, 32), width or min(max(32, side), 256)


def _conv_norm_act(convolution: nn.Conv2d | nn.ConvTranspose2d, bend: nn.Module) -> list[nn.Module]:
    """Return a convolution, the code's batch norm and an activation."""
    return [convolution, nn.BatchNorm2d(convolution.out_channels, eps=1e-3, momentum=0.01), bend]


class TuringGenerator(Generator):
    """Transposed convolutions with batch norm, tanh: unpadded ones at 32 pixels, elsewhere 5 × 5 ones that double.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z; as published, 64 at 32 pixels and 100 elsewhere.
        width: d; as published, 32 at 32 pixels and the side of the image elsewhere.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> TuringGenerator((3, 32, 32)).latent, TuringGenerator((1, 16, 16)).latent
        (64, 100)
    """

    def __init__(self, shape: Shape, latent: int | None = None, width: int | None = None) -> None:
        cifar, width = _plan(shape, width)
        latent = latent or (64 if cifar else 100)
        layers = _generator_layers_32(shape[0], latent, width) if cifar else _generator_layers(shape, latent, 8 * width)
        super().__init__(shape, latent, nn.Sequential(*layers, nn.Tanh()))
        self.apply(glorot_uniform())


def _generator_layers_32(colours: int, latent: int, width: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
    channels = [latent, *(width * multiple for multiple, _, _ in _GENERATOR_32)]
    for (inputs, outputs), (_, kernel, stride) in zip(pairwise(channels), _GENERATOR_32, strict=True):
        layers += _conv_norm_act(nn.ConvTranspose2d(inputs, outputs, kernel, stride, bias=False), nn.LeakyReLU(0.1))
    layers += _conv_norm_act(nn.Conv2d(width, width, 1, bias=False), nn.LeakyReLU(0.1))
    return [*layers, nn.Conv2d(width, colours, 1)]


def _generator_layers(shape: Shape, latent: int, top: int) -> list[nn.Module]:
    stages = num_doublings(shape, "T-GAN")
    channels, grid = [max(1, top >> i) for i in range(stages)], grid_for(shape, stages)
    units = top * prod(grid)
    layers: list[nn.Module] = [nn.Linear(latent, units, bias=False), nn.BatchNorm1d(units, 1e-3, 0.01), nn.ReLU()]
    layers += [nn.Unflatten(1, (top, *grid))]
    for wide, narrow in pairwise(channels):
        layers += _conv_norm_act(nn.ConvTranspose2d(wide, narrow, 5, 2, 2, 1, bias=False), nn.ReLU())
    return [*layers, nn.ConvTranspose2d(channels[-1], shape[0], 5, 2, 2, 1), *cropping(shape, stages)]


class TuringEncoder(nn.Module):
    """E: convolutions with batch norm and leaky ReLU .3, then the mean over positions.

    At 32 pixels a 1 × 1 convolution to 2 d features comes before the mean. Elsewhere the first layer has no batch norm,
    and there are 8 d features.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: d; as published, 32 at 32 pixels and the side of the image elsewhere.

    Attributes:
        features: Coordinates of a code.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, width: int | None = None) -> None:
        super().__init__()
        cifar, width = _plan(shape, width)
        self.features = 2 * width if cifar else 8 * width
        layers = _encoder_layers_32(shape[0], width) if cifar else _encoder_layers(shape, 8 * width)
        self.body = nn.Sequential(*layers, GlobalMean())
        self.apply(glorot_uniform())

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to codes (N, features)."""
        return self.body(x)


def _encoder_layers_32(colours: int, width: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = [colours, *(width * multiple for multiple, _, _ in _ENCODER_32)]
    for (inputs, outputs), (_, kernel, stride) in zip(pairwise(channels), _ENCODER_32, strict=True):
        layers += _conv_norm_act(nn.Conv2d(inputs, outputs, kernel, stride, bias=False), nn.LeakyReLU(0.3))
    return [*layers, nn.Conv2d(8 * width, 2 * width, 1, bias=False)]


def _encoder_layers(shape: Shape, top: int) -> list[nn.Module]:
    depth = max(4, num_doublings(shape, "T-GAN") - 1)
    channels = [max(1, top >> i) for i in reversed(range(depth))]
    layers: list[nn.Module] = [nn.Conv2d(shape[0], channels[0], 5, 2, 2), nn.LeakyReLU(0.3)]
    for narrow, wide in pairwise(channels):
        layers += _conv_norm_act(nn.Conv2d(narrow, wide, 5, 2, 2, bias=False), nn.LeakyReLU(0.3))
    return layers


class TuringPointEncoder(nn.Module):
    """E for points: two layers of leaky ReLU .3.

    Args:
        shape: Shape of one sample.
        width: Units of a layer.

    Attributes:
        features: Coordinates of a code.
    """

    def __init__(self, shape: Shape = (2,), width: int = 256) -> None:
        super().__init__()
        self.features = width
        layers = [nn.Flatten(), nn.Linear(prod(shape), width), nn.LeakyReLU(0.3), nn.Linear(width, width)]
        self.body = nn.Sequential(*layers, nn.LeakyReLU(0.3))
        self.apply(glorot_uniform())

    def forward(self, x: Tensor) -> Tensor:
        """Map samples (N, *shape) to codes (N, features)."""
        return self.body(x)


class TuringCritic(Critic):
    """D: one hidden layer of leaky ReLU, then a linear one without bias.

    Args:
        features: Coordinates of a code.
        width: Units of the hidden layer; as published, 256 at 32 pixels and 512 elsewhere.
        slope: Of the leaky ReLU; as published, .1 at 32 pixels and .3 elsewhere.

    Example:
        >>> import torch
        >>> TuringCritic(64)(torch.randn(5, 64)).shape
        torch.Size([5])
    """

    def __init__(self, features: int, width: int = 512, slope: float = 0.3) -> None:
        trunk = nn.Sequential(nn.Linear(features, width), nn.LeakyReLU(slope))
        super().__init__((features,), trunk, nn.Linear(width, 1, bias=False))
        self.apply(glorot_uniform())
