"""InfoGAN's networks on MNIST: two strided convolutions and a dense layer (Chen et al., 2016, C.1).

    D   conv w, leaky ReLU    conv 2w, batch norm, leaky ReLU    dense 16w, batch norm, leaky ReLU    one score
    G   dense 16w, dense 2w maps of H/4 × W/4, transposed conv w, batch norm and ReLU after each; transposed conv, tanh

All convolutions are 4 × 4 with stride 2; w is 64. Codes are predicted from the dense layer, that is, from features of
the whole image; a DCGAN critic has a 4 × 4 map of local features instead.
"""

from math import prod

from torch import nn

from sparring.layers.init import dcgan
from sparring.layers.normalization import Norm
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings, padding

__all__ = ["InfoGANCritic", "InfoGANGenerator"]

SLOPE = 0.1  # of the leaky ReLU below zero


class InfoGANGenerator(Generator):
    """Two dense layers, then two transposed convolutions (Chen et al., 2016, appendix C.1; tanh for data in [−1, 1]).

    Args:
        shape: (C, H, W), sides of 8 to 1024; the dense layers grow with the number of pixels.
        latent: Coordinates of z and the codes.
        width: w, channels of the largest feature map.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> import torch
        >>> InfoGANGenerator((1, 16, 16), latent=74, width=8)(torch.randn(2, 74)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, shape: Shape, latent: int = 74, width: int = 64) -> None:
        num_doublings(shape, "InfoGAN")
        grid, units, maps = grid_for(shape, 2), 16 * width, 2 * width
        layers: list[nn.Module] = []
        for inputs, outputs in ((latent, units), (units, maps * prod(grid))):
            layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        layers += [nn.Unflatten(1, (maps, *grid))]
        layers += [nn.ConvTranspose2d(maps, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, shape[0], 4, 2, 1), nn.Tanh(), *cropping(shape, 2)]
        super().__init__(shape, latent, nn.Sequential(*layers))
        self.apply(dcgan)


class InfoGANCritic(Critic):
    """Two convolutions, then a dense layer: a convolution over the whole map (Chen et al., 2016, appendix C.1).

    Args:
        shape: (C, H, W), sides of 8 to 1024; the dense layer grows with the number of pixels.
        width: w, channels of the largest feature map.
        norm: Builds the normalisation: `nn.BatchNorm2d`; `nn.Identity` for penalties and under `spectral`.
        outcomes: Scores per sample.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, width: int = 64, norm: Norm = nn.BatchNorm2d, *, outcomes: int = 1) -> None:
        num_doublings(shape, "InfoGAN")
        layers = [*padding(shape, 2), nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1), norm(2 * width), nn.LeakyReLU(SLOPE)]
        layers += [nn.Conv2d(2 * width, 16 * width, grid_for(shape, 2)), norm(16 * width), nn.LeakyReLU(SLOPE)]
        head = nn.Sequential(nn.Flatten(), nn.Linear(16 * width, outcomes))
        super().__init__(shape, nn.Sequential(*layers), head, outcomes)
        self.apply(dcgan)
