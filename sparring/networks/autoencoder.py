"""Autoencoders as critics, scored by their reconstruction error (Zhao et al., 2017).

    D(x) = -‖Dec(Enc(x)) - x‖

The sign makes D large on real data, as for every critic. The decoder has no tanh at its end, which would bound the
reconstruction error of fakes.
"""

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from sparring.layers.init import dcgan, he_uniform
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import cropping
from sparring.networks.dcgan import DCGANCritic
from sparring.objectives.energy import reconstruction_error

__all__ = ["Autoencoder", "DCGANAutoencoder", "MLPAutoencoder"]


class Autoencoder(nn.Module):
    """D: data (N, *shape) to scores (N,), minus the Euclidean norm of the reconstruction error.

    Args:
        shape: Shape of one sample.
        encoder: Maps (N, *shape) to codes (N, ...).
        decoder: Maps codes back to (N, *shape).
    """

    def __init__(self, shape: Shape, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.shape, self.encoder, self.decoder = tuple(shape), encoder, decoder

    def features(self, x: Tensor) -> Tensor:
        """Return the codes of x, flattened to (N, F)."""
        return self.encoder(x).flatten(1)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction of x, (N, *shape)."""
        return self.decoder(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        """Score each sample.

        Args:
            x: Data, (N, *shape).

        Returns:
            Scores, (N,), at most 0; 0 where the reconstruction is perfect.

        Raises:
            ValueError: If x is not (N, *shape).
        """
        if x.shape[1:] != self.shape:
            raise ValueError(f"this critic takes data (N, {', '.join(map(str, self.shape))}), not {tuple(x.shape)}.")
        return -reconstruction_error(self.reconstruct(x), x)


class MLPAutoencoder(Autoencoder):
    """Autoencoder of linear layers: ReLU layers as encoder, one linear layer as decoder (Zhao et al., 2017, for MNIST).

    Args:
        shape: Shape of one sample.
        width: Units of a layer and of the code.
        depth: Layers of the encoder.

    Example:
        >>> import torch
        >>> MLPAutoencoder((1, 8, 8), width=32)(torch.randn(5, 1, 8, 8)).shape
        torch.Size([5])
    """

    def __init__(self, shape: Shape, width: int = 1024, depth: int = 1) -> None:
        inputs = [prod(shape), *[width] * depth]
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(inputs)]
        decoder = nn.Sequential(nn.Linear(inputs[-1], prod(shape)), nn.Unflatten(1, shape))
        super().__init__(shape, nn.Sequential(nn.Flatten(), *layers), decoder)
        self.apply(he_uniform)


class DCGANAutoencoder(Autoencoder):
    """Convolutional autoencoder: a DCGAN critic's layers down to 4 × 4, transposed ones back up (Zhao et al., 2017).

    The first and the last layer have no batch norm.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: Channels of the largest feature map.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, width: int = 64) -> None:
        encoder = DCGANCritic(shape, width).trunk
        channels = [layer.out_channels for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(reversed(channels)):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, shape[0], 4, 2, 1), *cropping(shape, len(channels))]
        decoder = nn.Sequential(*layers)
        super().__init__(shape, encoder, decoder.apply(dcgan))
