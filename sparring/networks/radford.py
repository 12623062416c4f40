"""DCGAN with 5×5 kernels: the original code (Radford et al., 2016), and the CIFAR-10 network of WGAN-GP.

Radford et al., 64 × 64:     RadfordGenerator(shape), RadfordCritic(shape)
Gulrajani et al., 32 × 32:   RadfordGenerator(shape, latent=128, init=wgan_gp),
RadfordCritic(shape, norm=nn.Identity, bias=True, init=wgan_gp)
"""

from itertools import pairwise
from math import prod

from torch import nn

from sparring.layers.init import Init, dcgan
from sparring.layers.normalization import Norm
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings, padding

__all__ = ["RadfordCritic", "RadfordGenerator"]

WIDEST = 32  # channels at most, times the width


class RadfordGenerator(Generator):
    """Generator: linear, batch norm over all features, transposed 5×5 convolutions with batch norm and ReLU, tanh.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z.
        width: Channels of the largest feature map.
        init: Initialisation of each module.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, latent: int = 100, width: int = 128, *, init: Init = dcgan) -> None:
        stages = num_doublings(shape, "DCGAN")
        channels = [width * min(2**i, WIDEST) for i in reversed(range(stages))]
        grid = grid_for(shape, stages)
        top = channels[0] * prod(grid)
        layers = [
            nn.Linear(latent, top, bias=False),
            nn.BatchNorm1d(top),
            nn.ReLU(),
            nn.Unflatten(1, (channels[0], *grid)),
        ]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, shape[0], 5, 2, 2, 1, bias=False), nn.Tanh(), *cropping(shape, stages)]
        super().__init__(shape, latent, nn.Sequential(*layers))
        self.apply(init)


class RadfordCritic(Critic):
    """Critic: strided 5×5 convolutions with leaky ReLU .2, all but the first normalised, linear head.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: Channels of the largest feature map.
        norm: Builds the normalisation for a number of channels; `nn.Identity` for WGAN-GP.
        bias: Whether convolutions have biases.
        outcomes: Scores per sample.
        init: Initialisation of each module.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 128,
        norm: Norm = nn.BatchNorm2d,
        *,
        bias: bool = False,
        outcomes: int = 1,
        init: Init = dcgan,
    ) -> None:
        stages = num_doublings(shape, "DCGAN")
        channels = [width * min(2**i, WIDEST) for i in range(stages)]
        layers = [*padding(shape, stages), nn.Conv2d(shape[0], width, 5, 2, 2, bias=bias), nn.LeakyReLU(0.2)]
        for narrow, wide in pairwise(channels):
            layers += [nn.Conv2d(narrow, wide, 5, 2, 2, bias=bias), norm(wide), nn.LeakyReLU(0.2)]
        head = nn.Linear(channels[-1] * prod(grid_for(shape, stages)), outcomes)
        super().__init__(shape, nn.Sequential(*layers, nn.Flatten()), head, outcomes)
        self.apply(init)
