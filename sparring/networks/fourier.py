"""Perceptrons on Fourier features, for points with many narrow modes (Tancik et al., 2020).

Critic inputs are divided by `scale`, the size of a typical coordinate; generator outputs are multiplied by it.
"""

from itertools import pairwise

from torch import nn

from sparring.layers.fourier import FourierFeatures
from sparring.layers.simple import Affine
from sparring.networks.common.base import Critic, Generator, Shape

__all__ = ["FourierCritic", "FourierGenerator"]

SLOPE = 0.2


class FourierGenerator(Generator):
    """Fourier features of the noise, hidden layers of leaky ReLU, a linear layer.

    Args:
        shape: (D,), the coordinates of one point.
        latent: Coordinates of z.
        width: Units of a hidden layer.
        depth: Hidden layers.
        waves: Frequencies of the features.
        scale: Size of a typical coordinate.

    Example:
        >>> import torch
        >>> FourierGenerator((2,), width=8)(torch.randn(5, 2)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, shape: Shape, latent: int = 2, width: int = 128, depth: int = 2, waves: int = 256, scale: float = 1.0
    ) -> None:
        features = FourierFeatures(latent, waves, lowest=0.5, highest=30.0)
        layers = [features, *_hidden(features.outputs, width, depth), nn.Linear(width, shape[0]), Affine(scale)]
        super().__init__(shape, latent, nn.Sequential(*layers))


class FourierCritic(Critic):
    """Fourier features of the point, hidden layers of leaky ReLU, a linear layer.

    Args:
        shape: (D,), the coordinates of one point.
        width: Units of a hidden layer.
        depth: Hidden layers.
        waves: Frequencies of the features.
        scale: Size of a typical coordinate.
        outcomes: Scores per sample.

    Example:
        >>> import torch
        >>> FourierCritic((2,), width=8)(torch.randn(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        shape: Shape,
        width: int = 128,
        depth: int = 2,
        waves: int = 256,
        scale: float = 1.0,
        *,
        outcomes: int = 1,
    ) -> None:
        features = FourierFeatures(shape[0], waves, lowest=2.0, highest=40.0)
        trunk = nn.Sequential(Affine(1 / scale), features, *_hidden(features.outputs, width, depth))
        super().__init__(shape, trunk, nn.Linear(width, outcomes), outcomes)


def _hidden(inputs: int, width: int, depth: int) -> list[nn.Module]:
    """Return Return `depth` hidden layers of one width."""
    sizes = [inputs] + [width] * depth
    return [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.LeakyReLU(SLOPE))]
