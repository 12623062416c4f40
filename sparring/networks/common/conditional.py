"""Class-conditional versions of any generator and critic: concatenation with noise or image, or a projection head.

A class is a row of weights over the classes, (N, classes), as in `sparring.layers.normalization`.
"""

import torch
from torch import Tensor, nn

from sparring.layers.init import normal
from sparring.layers.simple import ProjectionHead
from sparring.networks.common.base import Critic, Generator, Shape

__all__ = ["ConcatCritic", "ConcatGenerator", "TwoHeadCritic", "concat_shape"]


def concat_shape(shape: Shape, classes: int) -> Shape:
    """Return the shape of a sample concatenated with its class: coordinates of a point, constant channels of an image.

    >>> concat_shape((3, 8, 8), 10), concat_shape((2,), 10)
    ((13, 8, 8), (12,))
    """
    return (shape[0] + classes, *shape[1:])


class ConcatGenerator(nn.Module):
    """G(z, y) = body([z, y]) (Mirza & Osindero, 2014).

    Args:
        body: A generator with the latent dimension of z and y together.
        classes: Number of classes.

    Example:
        >>> from sparring.networks.mlp import MLPGenerator
        >>> ConcatGenerator(MLPGenerator((2,), 5, 8), 3)(torch.randn(4, 2), torch.eye(3)[[0, 1, 2, 0]]).shape
        torch.Size([4, 2])
    """

    def __init__(self, body: Generator, classes: int) -> None:
        super().__init__()
        self.body, self.shape, self.latent = body, body.shape, body.latent - classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Return one sample for each row of z (N, latent) of class y (N, classes)."""
        return self.body(torch.cat([z, y], 1))


class ConcatCritic(nn.Module):
    """D(x, y) = body([x, y]): y as further coordinates of a point, as constant channels of an image.

    Args:
        body: A critic of samples concatenated with their class, of shape `concat_shape`.
        classes: Number of classes.
    """

    def __init__(self, body: Critic, classes: int) -> None:
        super().__init__()
        self.body, self.shape = body, (body.shape[0] - classes, *body.shape[1:])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Score each pair of x (N, *shape) and y (N, classes): (N,)."""
        y = y[:, :, None, None].expand(-1, -1, *x.shape[2:]) if x.dim() == 4 else y
        return self.body(torch.cat([x, y], 1))


class TwoHeadCritic(nn.Module):
    """D(x, y) -> (N, 2): "real?", linear in the features h, and "matches y?", ψ(h) + ⟨V y, h⟩.

    A perceptron on [h, y] hardly learns to match, since y has few coordinates compared with h.

    Args:
        critic: A critic whose trunk is used.
        features: Coordinates of h.
        classes: Number of classes.
    """

    def __init__(self, critic: Critic, features: int, classes: int) -> None:
        super().__init__()
        self.shape, self.trunk = critic.shape, nn.Sequential(critic.trunk, nn.Flatten())
        self.real, self.match = nn.Linear(features, 1), ProjectionHead(features, classes)
        for head in (self.real, self.match):
            head.apply(normal(0.02))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return both scores of x (N, *shape) and y (N, classes), (N, 2)."""
        h = self.trunk(x)
        return torch.cat([self.real(h), self.match(h, y)[:, None]], 1)
