"""The networks of one scale of SinGAN, of no fixed size (Shaham, Dekel & Michaeli, 2019, section 3 and its code).

Five 3 × 3 convolutions without padding see 11 × 11 pixels: nothing that is larger can be learned by heart at one scale.
A generator pads what it is given by the 5 pixels that its convolutions take away, and adds what it draws to the image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.layers.init import dcgan

__all__ = ["MARGIN", "PatchCritic", "PatchGenerator"]

MARGIN = 5  # pixels that five 3 × 3 convolutions take away on every side
AT_ONCE = 2**17  # pixels that pass through the layers together, once a generator has learned


class PatchGenerator(nn.Module):
    """Adds detail to an image: y + tanh(convolutions(y + z)).

    Batch normalisation keeps the statistics of the last pass in training mode. In evaluation mode these are used, so
    that a pixel depends on 11 × 11 others and on nothing else; then large images are made in strips, to the same
    values, with memory that does not grow with their height.

    Args:
        channels: Of the images.
        width: Channels of the hidden layers.

    Example:
        >>> G = PatchGenerator(3, width=8)
        >>> G(torch.randn(2, 1, 20, 31), torch.zeros(2, 3, 20, 31)).shape
        torch.Size([2, 3, 20, 31])
    """

    def __init__(self, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(*_features(channels, width), nn.Conv2d(width, channels, 3), nn.Tanh())
        self.apply(dcgan)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Add detail to images.

        Args:
            z: Noise (N, C, H, W), already scaled; or with noise beyond the border as well, (N, C, H + 10, W + 10).
                One channel stands for all of them.
            y: Images (N, C, H, W).

        Returns:
            Images (N, C, H, W).

        Raises:
            ValueError: If noise and images differ in size.
        """
        size = (y.shape[2] + 2 * MARGIN, y.shape[3] + 2 * MARGIN)
        if z.shape[2:] not in (y.shape[2:], size):
            raise ValueError(f"noise {tuple(z.shape)} does not fit images {tuple(y.shape)}: draw it in their size.")
        z = z if z.shape[2:] == size else F.pad(z, [MARGIN] * 4)
        return y + self._drawn(F.pad(y, [MARGIN] * 4) + z)

    def _drawn(self, x: Tensor) -> Tensor:
        """What the convolutions make of padded images: in one piece, or in strips where nothing is learned."""
        rows = max(1, AT_ONCE // (len(x) * x.shape[3]))
        height = x.shape[2] - 2 * MARGIN
        if self.training or torch.is_grad_enabled() or height <= rows:
            return self.body(x)
        tops = range(0, height, rows)
        return torch.cat([self.body(x[:, :, top : min(top + rows, height) + 2 * MARGIN]) for top in tops], 2)


class PatchCritic(nn.Module):
    """Scores every 11 × 11 patch of an image: (N, C, H, W) -> (N, 1, H − 10, W − 10).

    Args:
        channels: Of the images.
        width: Channels of the hidden layers.
    """

    def __init__(self, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(*_features(channels, width), nn.Conv2d(width, 1, 3))
        self.apply(dcgan)

    def forward(self, x: Tensor) -> Tensor:
        """Score images (N, C, H, W), 11 pixels a side or more."""
        return self.body(x)


def _features(channels: int, width: int) -> list[nn.Module]:
    """Four convolutions, each normalised over batch and positions."""
    layers: list[nn.Module] = []
    for inputs in (channels, width, width, width):
        # Momentum 1: the statistics that stay are those of the last pass, in a game's round the reconstruction's.
        layers += [nn.Conv2d(inputs, width, 3), nn.BatchNorm2d(width, momentum=1.0), nn.LeakyReLU(0.2)]
    return layers
