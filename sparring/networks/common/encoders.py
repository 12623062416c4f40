"""Encoders from data to codes, joint critics of data and codes, and generators with z in every layer.

The perceptrons are those of BiGAN on MNIST (Donahue et al., 2017, code): two hidden layers of 1024, batch norm after
E's second and in G's every hidden layer; z enters each hidden layer of G and the second one of D. The convolutions are
those of DCGAN. Codes are not bounded as theirs are: their target is z ~ N(0, I). D therefore has no batch norm on
codes: it would hide their scale from D, and E makes them ever larger (on MNIST at 16 pixels, after 2,400 steps: a
variance of 815 with it, 1.2 without).
"""

from math import prod

import torch
from torch import Tensor, nn

from sparring.layers.init import dcgan, he_uniform
from sparring.networks.common.base import Generator, Shape
from sparring.networks.common.heads import head_features
from sparring.networks.dcgan import DCGANCritic

__all__ = [
    "DCGANEncoder",
    "DCGANJointCritic",
    "Encoder",
    "InjectedGenerator",
    "JointCritic",
    "MLPEncoder",
    "MLPJointCritic",
]

SLOPE = 0.2  # of the leaky ReLU below zero


class Encoder(nn.Module):
    """E: data (N, *shape) to rows (N, outputs): codes, or means and log variances of codes.

    Args:
        shape: Shape of one sample.
        outputs: Numbers per row.
        body: Maps (N, *shape) to (N, outputs).
    """

    def __init__(self, shape: Shape, outputs: int, body: nn.Module) -> None:
        super().__init__()
        self.shape, self.outputs, self.body = tuple(shape), outputs, body

    def forward(self, x: Tensor) -> Tensor:
        """Encode each sample.

        Args:
            x: Data, (N, *shape).

        Returns:
            Rows, (N, outputs).

        Raises:
            ValueError: If x is not (N, *shape).
        """
        _require_shape("encoder", self.shape, x)
        return self.body(x)


class MLPEncoder(Encoder):
    """Layers of leaky ReLU, batch-normalised except the first, and a linear layer (Donahue et al., 2017, MNIST).

    Args:
        shape: Shape of one sample.
        outputs: Numbers per row.
        width: Units of a hidden layer.
        depth: Hidden layers.

    Example:
        >>> MLPEncoder((1, 8, 8), 5, width=32)(torch.randn(4, 1, 8, 8)).shape
        torch.Size([4, 5])
    """

    def __init__(self, shape: Shape, outputs: int, width: int = 1024, depth: int = 2) -> None:
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(prod(shape), width), nn.LeakyReLU(SLOPE)]
        for _ in range(depth - 1):
            layers += [nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(SLOPE)]
        super().__init__(shape, outputs, nn.Sequential(*layers, nn.Linear(width, outputs)))
        self.apply(he_uniform)


class DCGANEncoder(Encoder):
    """The strided convolutions of a DCGAN critic down to 4 × 4, and a linear layer.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        outputs: Numbers per row.
        width: Channels of the largest feature map.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, outputs: int, width: int = 64) -> None:
        trunk, features = _convolutions(shape, width)
        super().__init__(shape, outputs, nn.Sequential(trunk, nn.Linear(features, outputs).apply(dcgan)))


class JointCritic(nn.Module):
    """D: pairs of data (N, *shape) and codes (N, latent) to raw scores (N,), large = data with its code.

    Args:
        shape: Shape of one sample.
        latent: Coordinates of a code.
        trunk: Maps (N, *shape) to (N, F).
        reader: Maps (N, latent) to (N, R).
        head: Maps both features, (N, F + R), to (N, 1).
    """

    def __init__(self, shape: Shape, latent: int, trunk: nn.Module, reader: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.shape, self.latent = tuple(shape), latent
        self.trunk, self.reader, self.head = trunk, reader, head

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Score each pair.

        Args:
            x: Data, (N, *shape).
            z: Codes, (N, latent).

        Returns:
            Scores, (N,).

        Raises:
            ValueError: If either has another shape.
        """
        _require_shape("critic", self.shape, x)
        if z.shape != (len(x), self.latent):
            raise ValueError(f"this critic takes codes ({len(x)}, {self.latent}) with its data, not {tuple(z.shape)}.")
        return self.head(torch.cat([self.trunk(x), self.reader(z)], 1)).squeeze(1)


class MLPJointCritic(JointCritic):
    """Two hidden layers of leaky ReLU; the second also takes the code (Donahue et al., 2017, MNIST).

    Args:
        shape: Shape of one sample.
        latent: Coordinates of a code.
        width: Units of a hidden layer.
    """

    def __init__(self, shape: Shape, latent: int, width: int = 1024) -> None:
        trunk = nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), width), nn.LeakyReLU(SLOPE))
        both = [nn.Linear(width + latent, width), nn.LeakyReLU(SLOPE)]
        super().__init__(shape, latent, trunk, nn.Identity(), nn.Sequential(*both, nn.Linear(width, 1)))
        self.apply(he_uniform)


class DCGANJointCritic(JointCritic):
    """DCGAN's convolutions of the image, a layer of the code, and a layer of both (Dumoulin et al., 2017).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of a code.
        width: Channels of the largest feature map; the layers of the code and of both have 8 times as many units.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, latent: int, width: int = 64) -> None:
        trunk, features = _convolutions(shape, width)
        units = 8 * width
        reader = nn.Sequential(nn.Linear(latent, units), nn.LeakyReLU(SLOPE))
        head = nn.Sequential(nn.Linear(features + units, units), nn.LeakyReLU(SLOPE), nn.Linear(units, 1))
        super().__init__(shape, latent, trunk, reader.apply(he_uniform), head.apply(he_uniform))


class InjectedGenerator(Generator):
    """A perceptron of batch-normalised ReLU with z as an input of each hidden layer (Donahue et al., 2017, MNIST).

    Args:
        shape: Shape of one sample; images (C, H, W) end in a tanh, points (D,) are not bounded.
        latent: Coordinates of z.
        width: Units of a hidden layer.
        depth: Hidden layers.
    """

    def __init__(self, shape: Shape, latent: int = 50, width: int = 1024, depth: int = 2) -> None:
        super().__init__(shape, latent, _Injected(prod(shape), latent, width, depth))
        self.end = nn.Sequential(nn.Tanh() if len(shape) == 3 else nn.Identity(), nn.Unflatten(1, shape))
        self.apply(he_uniform)

    def forward(self, z: Tensor) -> Tensor:
        """Return one sample for each row of z (N, latent)."""
        return self.end(super().forward(z))


class _Injected(nn.Module):
    """Hidden layers h ← relu(norm(W [h, z])), and a linear layer."""

    def __init__(self, outputs: int, latent: int, width: int, depth: int) -> None:
        super().__init__()
        inputs = [latent, *[width + latent] * (depth - 1)]
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(fed, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()) for fed in inputs
        )
        self.output = nn.Linear(width, outputs)

    def forward(self, z: Tensor) -> Tensor:
        first, *rest = self.hidden
        h = first(z)
        for layer in rest:
            h = layer(torch.cat([h, z], 1))
        return self.output(h)


def _convolutions(shape: Shape, width: int) -> tuple[nn.Module, int]:
    """Return a DCGAN critic's trunk, flattened, and its number of features."""
    critic = DCGANCritic(shape, width)
    return nn.Sequential(critic.trunk, nn.Flatten()), head_features(critic)


def _require_shape(what: str, shape: Shape, x: Tensor) -> None:
    if x.shape[1:] != shape:
        raise ValueError(f"this {what} takes data (N, {', '.join(map(str, shape))}), not {tuple(x.shape)}.")
