"""The "standard CNN" of SNGAN (Miyato et al., 2018, table 3; Jolicoeur-Martineau, 2019) at any size.

The critic alternates 3×3 convolutions with 4×4 ones that halve the side. `spectral(SNCNNCritic(shape))` normalises all
layers; the code of the relativistic GANs leaves out the last linear one: `spectral(critic.trunk)`.
"""

from itertools import pairwise
from math import prod

from torch import nn

from sparring.layers.init import dcgan
from sparring.layers.normalization import Norm
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings, padding

__all__ = ["SNCNNCritic", "SNCNNGenerator"]

WIDEST = 64  # channels at most, times the width


class SNCNNGenerator(Generator):
    """Linear to 4 × 4, transposed 4×4 convolutions with batch norm and ReLU, 3×3 convolution, tanh.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z.
        width: Channels of the largest feature map.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, latent: int = 128, width: int = 64) -> None:
        stages = num_doublings(shape, "SN-CNN")
        channels = [width * min(2**i, WIDEST) for i in reversed(range(stages + 1))]
        grid = grid_for(shape, stages)
        layers: list[nn.Module] = [nn.Linear(latent, channels[0] * prod(grid)), nn.Unflatten(1, (channels[0], *grid))]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.Conv2d(width, shape[0], 3, padding=1), nn.Tanh(), *cropping(shape, stages)]
        super().__init__(shape, latent, nn.Sequential(*layers))
        self.apply(dcgan)


class SNCNNCritic(Critic):
    """A 3×3 convolution and a halving 4×4 one per scale, a last 3×3 one at 4 × 4, leaky ReLU .1, linear.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: Channels of the largest feature map.
        norm: Builds the normalisation for a number of channels, for comparisons without `spectral`.
        outcomes: Scores per sample.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, width: int = 64, norm: Norm = nn.Identity, *, outcomes: int = 1) -> None:
        stages = num_doublings(shape, "SN-CNN")
        channels = [width * min(2**i, WIDEST) for i in range(stages + 1)]
        layers = [*padding(shape, stages), nn.Conv2d(shape[0], width, 3, 1, 1), nn.LeakyReLU(0.1)]
        for narrow, wide in pairwise(channels):
            layers += [nn.Conv2d(narrow, narrow, 4, 2, 1), norm(narrow), nn.LeakyReLU(0.1)]
            layers += [nn.Conv2d(narrow, wide, 3, 1, 1), norm(wide), nn.LeakyReLU(0.1)]
        head = nn.Linear(channels[-1] * prod(grid_for(shape, stages)), outcomes)
        super().__init__(shape, nn.Sequential(*layers, nn.Flatten()), head, outcomes)
        self.apply(dcgan)
