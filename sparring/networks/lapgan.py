"""The networks of LAPGAN's levels, at any size (Denton et al., 2015, section 3, and its CIFAR code).

A level's generator takes the coarse image and one plane of noise as channels and returns the residual. A critic scores
the sum of residual and coarse image, so it is a critic like any other.
"""

from math import prod

import torch
from torch import Tensor, nn

from sparring.layers.init import he_uniform
from sparring.networks.common.base import Critic, Generator, Shape

__all__ = ["BaseCritic", "BaseGenerator", "LevelCritic", "LevelGenerator"]


class LevelGenerator(nn.Module):
    """Convolutions 7 × 7, 7 × 7 and 5 × 5 from a noise plane and the coarse image to the residual.

    The last layer is linear and the residual is in the image's units, since it is added to the coarse image both for
    the critic and for the next level.

    Args:
        shape: (C, H, W) of the level's images.
        width: Channels of the hidden layers.

    Example:
        >>> G = LevelGenerator((3, 16, 16), width=8)
        >>> G(torch.randn(5, G.latent), torch.zeros(5, 3, 16, 16)).shape
        torch.Size([5, 3, 16, 16])
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        super().__init__()
        channels, height, length = self.shape = tuple(shape)
        self.latent = height * length
        self.body = nn.Sequential(
            nn.Conv2d(channels + 1, width, 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(width, width, 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(width, channels, 5, padding=2),
        )

    def forward(self, z: Tensor, coarse: Tensor) -> Tensor:
        """Return one residual for each row.

        Args:
            z: Noise, (N, H · W): one plane, row by row.
            coarse: The up-sampled images of the level below, (N, C, H, W).

        Returns:
            Residuals, (N, C, H, W).

        Raises:
            ValueError: If z or the coarse images have another shape.
        """
        if z.shape[1:] != (self.latent,) or coarse.shape[1:] != self.shape:
            wanted = f"noise (N, {self.latent}) and images (N, {', '.join(map(str, self.shape))})"
            raise ValueError(f"this generator takes {wanted}, not {tuple(z.shape)} and {tuple(coarse.shape)}.")
        return self.body(torch.cat([z.unflatten(1, (1, *self.shape[1:])), coarse], 1))


class LevelCritic(Critic):
    """A 5 × 5 and a strided 5 × 5 convolution, neither padded, dropout, and one score.

    Args:
        shape: (C, H, W) of the level's images, sides of at least 9.
        width: Channels of the hidden layers.
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        channels, *size = shape
        rows, columns = ((side - 9) // 2 + 1 for side in size)
        first = [nn.Conv2d(channels, width, 5), nn.ReLU()]
        second = [nn.Conv2d(width, width, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Dropout()]
        super().__init__(shape, nn.Sequential(*first, *second), nn.Linear(width * rows * columns, 1))


class BaseGenerator(Generator):
    """Two layers of ReLU units and a linear one, for the smallest images.

    The last layer is linear, like the paper's: with a tanh a background of exactly −1 cannot be reached, and the critic
    wins within 200 moves. Weights are He's, which keep the scale at any width; the code's N(0, .05²) corresponds to 800
    inputs.

    Args:
        shape: (C, H, W) of one image.
        latent: Coordinates of z.
        width: Units of a hidden layer.
    """

    def __init__(self, shape: Shape, latent: int = 100, width: int = 1200) -> None:
        hidden = [nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
        super().__init__(shape, latent, nn.Sequential(*hidden, nn.Linear(width, prod(shape)), nn.Unflatten(1, shape)))
        self.apply(he_uniform)


class BaseCritic(Critic):
    """Two layers of ReLU units with dropout, for the smallest images.

    Weights are He's: with the code's N(0, .005²), Adam and a few hundred units it stays at chance for 1,500 moves.

    Args:
        shape: (C, H, W) of one image.
        width: Units of a hidden layer.
    """

    def __init__(self, shape: Shape, width: int = 600) -> None:
        first = [nn.Flatten(), nn.Linear(prod(shape), width), nn.ReLU(), nn.Dropout()]
        second = [nn.Linear(width, width), nn.ReLU(), nn.Dropout()]
        super().__init__(shape, nn.Sequential(*first, *second), nn.Linear(width, 1))
        self.apply(he_uniform)
