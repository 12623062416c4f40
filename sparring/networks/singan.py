"""The networks of one scale of SinGAN, for images of any size (Shaham, Dekel & Michaeli, 2019, section 3 and code).

Five 3 × 3 convolutions without padding have a receptive field of 11 × 11 pixels: no larger structure can be memorised
at one scale. A generator pads its input by the 5 pixels that its convolutions remove, and adds its output to the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.layers.init import normal

__all__ = ["MARGIN", "SinGANCritic", "SinGANGenerator"]

MARGIN = 5  # pixels that five 3 × 3 convolutions remove on every side
AT_ONCE = 2**18  # pixels per pass without gradients

Moments = tuple[Tensor, Tensor]


class SinGANGenerator(nn.Module):
    """Adds detail to an image: y + tanh(convolutions(y + z)).

    Features are normalised over the positions of each image, also in evaluation mode: batch norm does the same in
    training on one image, but its running means differ from the statistics of both reconstruction and samples
    (docs/notebook.md). A large image is computed in strips, to the same values, in memory that does not grow with its
    height: its statistics are collected first, layer after layer, at three times the work.

    Args:
        channels: Channels of the images.
        width: Channels of the hidden layers.

    Example:
        >>> G = SinGANGenerator(3, width=8)
        >>> G(torch.randn(2, 1, 20, 31), torch.zeros(2, 3, 20, 31)).shape
        torch.Size([2, 3, 20, 31])
    """

    def __init__(self, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(*_features(channels, width), nn.Conv2d(width, channels, 3), nn.Tanh())
        self.apply(_initial)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Add detail to images.

        Args:
            z: Noise (N, C, H, W), already scaled; or with noise beyond the border as well, (N, C, H + 10, W + 10).
                One channel is broadcast to all.
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
        """Apply the convolutions to padded images; large ones are processed in pieces if no gradient is needed."""
        positions = x.shape[2] * x.shape[3]
        if torch.is_grad_enabled() or len(x) * positions <= AT_ONCE:
            return self.body(x)
        if len(x) > 1:
            return torch.cat([self._drawn(some) for some in x.split(max(1, AT_ONCE // positions))])
        moments: list[Moments] = []
        for end, layer in enumerate(self.body):
            if isinstance(layer, nn.InstanceNorm2d):
                moments.append(_moments(self._strips(x, end, moments)))
        return torch.cat([*self._strips(x, len(self.body), moments)], 2)

    def _strips(self, x: Tensor, end: int, moments: Sequence[Moments]) -> Iterator[Tensor]:
        """Yield the outputs of the first `end` layers in strips from top to bottom, given the moments of the norms."""
        layers = list(self.body)[:end]
        lost = 2 * sum(isinstance(layer, nn.Conv2d) for layer in layers)  # rows, 1 at either side a layer
        rows = max(1, AT_ONCE // x.shape[3])
        for top in range(0, x.shape[2] - lost, rows):
            h, known = x[:, :, top : top + rows + lost], iter(moments)
            for layer in layers:
                h = _normalised(h, *next(known), layer) if isinstance(layer, nn.InstanceNorm2d) else layer(h)
            yield h


class SinGANCritic(nn.Module):
    """Scores every 11 × 11 patch of an image: (N, C, H, W) -> (N, 1, H − 10, W − 10).

    Args:
        channels: Channels of the images.
        width: Channels of the hidden layers.
    """

    def __init__(self, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(*_features(channels, width), nn.Conv2d(width, 1, 3))
        self.apply(_initial)

    def forward(self, x: Tensor) -> Tensor:
        """Score images (N, C, H, W), 11 pixels a side or more."""
        return self.body(x)


def _features(channels: int, width: int) -> list[nn.Module]:
    """Return four convolutions, each normalised over the positions of an image."""
    layers: list[nn.Module] = []
    for inputs in (channels, width, width, width):
        layers += [nn.Conv2d(inputs, width, 3), nn.InstanceNorm2d(width, affine=True), nn.LeakyReLU(0.2)]
    return layers


def _initial(module: nn.Module) -> None:
    """Initialise weights from N(0, .02²), gains from N(1, .02²), all else 0."""
    normal(0.02)(module)
    if isinstance(module, nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def _moments(strips: Iterable[Tensor]) -> Moments:
    """Return mean and variance of every channel over the positions of all strips, (1, C, 1, 1) each."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for strip in strips:
        h = strip.double()
        count += h.shape[2] * h.shape[3]
        total, squares = (a.to(h) + b.sum((2, 3), keepdim=True) for a, b in ((total, h), (squares, h.square())))
    mean = total / count
    return mean, squares / count - mean.square()


def _normalised(h: Tensor, mean: Tensor, variance: Tensor, norm: nn.InstanceNorm2d) -> Tensor:
    """Normalise features by given moments."""
    gain = norm.weight[:, None, None] * (variance + norm.eps).rsqrt()
    shift = norm.bias[:, None, None] - mean * gain
    return h * gain.to(h.dtype) + shift.to(h.dtype)
