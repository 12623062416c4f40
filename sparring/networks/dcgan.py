"""Strided convolutions without pooling: the DCGAN networks (Radford et al., 2016) at any size.

Size rule: feature maps start at 4 × 4 in G and end there in D, see `sparring.networks.common.sizes` for other sizes;
whenever the side doubles the channels halve, from at most 32 times the `width`, which counts those of the largest map.
At 64 × 64 with width 64 these are the networks of the Torch code.
"""

from itertools import pairwise

from torch import nn

from sparring.layers.init import dcgan
from sparring.layers.normalization import Norm
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings, padding

__all__ = ["DCGANCritic", "DCGANGenerator"]

WIDEST = 32  # channels at most, times the width


class DCGANGenerator(Generator):
    """Transposed 4 × 4 convolutions, batch norm, ReLU, tanh; no biases (Radford et al., 2016; Torch code).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z.
        width: Channels of the largest feature map.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> sum(weight.numel() for weight in DCGANGenerator((3, 64, 64)).parameters())
        3576704
    """

    def __init__(self, shape: Shape, latent: int = 100, width: int = 64) -> None:
        stages = num_doublings(shape, "DCGAN")
        channels = [width * min(2**i, WIDEST) for i in reversed(range(stages))]
        first = nn.ConvTranspose2d(latent, channels[0], grid_for(shape, stages), 1, 0, bias=False)
        layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1)), first, nn.BatchNorm2d(channels[0]), nn.ReLU()]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, shape[0], 4, 2, 1, bias=False), nn.Tanh(), *cropping(shape, stages)]
        super().__init__(shape, latent, nn.Sequential(*layers))
        self.apply(dcgan)


class DCGANCritic(Critic):
    """Strided 4 × 4 convolutions, leaky ReLU .2, normalised but for the first (Radford et al., 2016; Torch code).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: Channels of the largest feature map.
        norm: Builds the normalisation: `nn.BatchNorm2d`; `nn.Identity` for WGAN-GP and under `spectral`.
        bias: Whether convolutions have biases; the paper's need none, a critic without normalisation does.
        outcomes: Scores per sample.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(
        self, shape: Shape, width: int = 64, norm: Norm = nn.BatchNorm2d, *, bias: bool = False, outcomes: int = 1
    ) -> None:
        stages = num_doublings(shape, "DCGAN")
        channels = [width * min(2**i, WIDEST) for i in range(stages)]
        layers = [*padding(shape, stages), nn.Conv2d(shape[0], width, 4, 2, 1, bias=bias), nn.LeakyReLU(0.2)]
        for narrow, wide in pairwise(channels):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=bias), norm(wide), nn.LeakyReLU(0.2)]
        whole = grid_for(shape, stages)
        head = nn.Sequential(nn.Conv2d(channels[-1], outcomes, whole, 1, 0, bias=bias), nn.Flatten())
        super().__init__(shape, nn.Sequential(*layers), head, outcomes)
        self.apply(dcgan)
