"""The networks of StyleGAN2 (Karras et al., 2020), as its successor with adaptive augmentation trains them (ADA, 2020).

    G:  z → mapping → w;   a learned 4 × 4 constant → modulated convolutions styled by w, noise added at each → image
    D:  residual blocks (x + r)/√2 that halve the side → minibatch deviation → linear

G adds up an image over the scales (skips), each scale's colours made without demodulation. Channels: `width` at full
resolution and twice as many at each halving, at most 512. As published, width · side = 32,768, so that networks up to
64 px have 512 channels everywhere. Layers have equalised learning rates and leaky ReLUs of slope .2 and gain √2, which
keep unit variance.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.layers.borders import centre_crop
from sparring.layers.minibatch import MinibatchStdDev
from sparring.layers.resampling import Blur, BlurDown, BlurUp
from sparring.layers.stylegan2 import EqualizedConv, EqualizedLinear, ModulatedConv
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import grid_for, num_doublings, padding
from sparring.objectives.batch_statistics import all_reduce_mean

__all__ = ["Mapping", "StyleGAN2Critic", "StyleGAN2Generator", "Synthesis"]

PLAN, MOST = 32_768, 512


class Mapping(nn.Module):
    """From noise to style: z brought to length √latent, then fully connected layers that learn a hundredfold slowly.

    Args:
        latent: Coordinates of z.
        style: Coordinates of w.
        depth: Layers; 8 in the paper, 2 for CIFAR-10.
        momentum: How fast the average of w follows; the paper's β is one minus this.

    Attributes:
        average: The moving average of w, toward which truncation goes; moves in training mode only.
    """

    average: Tensor

    def __init__(self, latent: int, style: int, depth: int = 8, momentum: float = 0.005) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in [latent] + [style] * (depth - 1):
            layers += [EqualizedLinear(inputs, style, rate=0.01), _Leaky()]
        self.layers = nn.Sequential(*layers)
        self.momentum = momentum
        self.register_buffer("average", torch.zeros(style))

    def forward(self, z: Tensor) -> Tensor:
        """Map (N, latent) to (N, style)."""
        w = self.layers(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())
        if self.training:
            with torch.no_grad():
                self.average.lerp_(all_reduce_mean(w.mean(0).to(self.average.dtype)), self.momentum)
        return w

    def truncated(self, w: Tensor, truncation: float) -> Tensor:
        """Move styles towards their average: w̄ + ψ (w − w̄).

        Args:
            w: Styles (N, style).
            truncation: ψ; 1 changes nothing, 0 leaves the average alone.
        """
        return self.average + truncation * (w - self.average)


class Synthesis(nn.Module):
    """From styles to images, scale by scale.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        style: Coordinates of w.
        width: Channels at full resolution. Default: as published.

    Attributes:
        layers: How many styles an image takes, one a layer; the first is the coarsest.
    """

    def __init__(self, shape: Shape, style: int, width: int | None = None) -> None:
        super().__init__()
        channels, self.size = _channels(shape, width)[::-1], (shape[1], shape[2])
        rows, columns = grid_for(shape, len(channels) - 1)
        grids = [(rows << k, columns << k) for k in range(len(channels))]
        self.constant = nn.Parameter(torch.randn(channels[0], *grids[0]))
        first = [_Layer(channels[0], channels[0], style, grids[0])]
        up = [_Layer(a, b, style, grid, up=True) for (a, b), grid in zip(pairwise(channels), grids[1:], strict=True)]
        same = [_Layer(b, b, style, grid) for b, grid in zip(channels[1:], grids[1:], strict=True)]
        self.convolutions = nn.ModuleList([*first, *(layer for pair in zip(up, same, strict=True) for layer in pair)])
        self.colours = nn.ModuleList([_Colours(c, shape[0], style) for c in channels])
        self.enlarge = BlurUp()
        self.layers = len(self.convolutions) + 1

    def forward(self, w: Tensor) -> Tensor:
        """Map styles (N, style), or (N, layers, style) for one of its own in each layer, to images (N, C, H, W)."""
        styles = (w[:, None].expand(-1, self.layers, -1) if w.dim() == 2 else w).unbind(1)
        x = self.convolutions[0](self.constant.expand(len(w), -1, -1, -1), styles[0])
        image = self.colours[0](x, styles[1])
        for scale, colour in enumerate(list(self.colours)[1:], 1):
            at = 2 * scale - 1
            x = self.convolutions[at + 1](self.convolutions[at](x, styles[at]), styles[at + 1])
            image = self.enlarge(image) + colour(x, styles[at + 2])
        return centre_crop(image, *self.size)


class StyleGAN2Generator(Generator):
    """Mapping and synthesis (Karras et al., 2020).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z, and of w.
        width: Channels at full resolution. Default: as published.
        depth: Layers of the mapping.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> StyleGAN2Generator((3, 32, 32), latent=16, width=4)(torch.randn(2, 16)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, shape: Shape, latent: int = 512, width: int | None = None, depth: int = 8) -> None:
        body = nn.Sequential(Mapping(latent, latent, depth), Synthesis(shape, latent, width))
        super().__init__(shape, latent, body)

    @property
    def mapping(self) -> Mapping:
        """From z to w."""
        return self.body[0]  # type: ignore[index]

    @property
    def synthesis(self) -> Synthesis:
        """From w to images."""
        return self.body[1]  # type: ignore[index]


class StyleGAN2Critic(Critic):
    """Residual blocks, minibatch deviation, a convolution and two linear layers (Karras et al., 2020).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: Channels at full resolution. Default: as published.
        group: Samples per group of the minibatch standard deviation; 4 in the papers, 32 for CIFAR-10.
        residual: Whether blocks have shortcuts; the authors leave them out for CIFAR-10.
        outcomes: Scores per sample.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(
        self, shape: Shape, width: int | None = None, group: int = 4, *, residual: bool = True, outcomes: int = 1
    ) -> None:
        channels = _channels(shape, width)
        layers = [*padding(shape, len(channels) - 1), EqualizedConv(shape[0], channels[0], 1), _Leaky()]
        for narrow, wide in pairwise(channels):
            layers += [_Halving(narrow, wide)] if residual else [_path(narrow, wide)]
        last = channels[-1]
        layers += [MinibatchStdDev(group), EqualizedConv(last + 1, last, 3), _Leaky(), nn.Flatten()]
        layers += [EqualizedLinear(last * prod(grid_for(shape, len(channels) - 1)), last), _Leaky()]
        super().__init__(shape, nn.Sequential(*layers), EqualizedLinear(last, outcomes), outcomes)


class _Layer(nn.Module):
    """A modulated convolution, noise, bias, leaky ReLU.

    In training the noise of a layer is drawn for each image; in evaluation it is a fixed buffer, so that an image is a
    function of its seed.
    """

    fixed: Tensor

    def __init__(self, inputs: int, outputs: int, style: int, grid: tuple[int, int], up: bool = False) -> None:
        super().__init__()
        self.convolve = ModulatedConv(inputs, outputs, style, up=up)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("fixed", torch.randn(1, 1, *grid))
        self.bend = _Leaky()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = self.convolve(x, w)
        noise = torch.randn_like(y[:, :1]) if self.training else self.fixed
        return self.bend(y + (self.strength * noise).to(y.dtype) + self.bias[:, None, None].to(y.dtype))


class _Colours(nn.Module):
    """The RGB output of one scale: a modulated 1×1 convolution without demodulation, and a bias."""

    def __init__(self, inputs: int, colours: int, style: int) -> None:
        super().__init__()
        self.convolve = ModulatedConv(inputs, colours, style, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(colours))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.convolve(x, w) + self.bias[:, None, None]


class _Halving(nn.Module):
    """A path and a 1×1 shortcut that halve the side, at √½ each to keep the variance."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.path = _path(inputs, outputs)
        self.shortcut = nn.Sequential(BlurDown(), EqualizedConv(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return sqrt(0.5) * (self.path(x) + self.shortcut(x))


def _path(inputs: int, outputs: int) -> nn.Module:
    """Return two convolutions, the second after the low-pass filter and of stride 2."""
    first = [EqualizedConv(inputs, inputs, 3), _Leaky()]
    return nn.Sequential(*first, Blur(padding=2), EqualizedConv(inputs, outputs, 3, stride=2), _Leaky())


class _Leaky(nn.Module):
    """Leaky ReLU of slope .2 with gain √2."""

    def forward(self, x: Tensor) -> Tensor:
        return sqrt(2) * F.leaky_relu(x, 0.2)


def _channels(shape: Shape, width: int | None) -> list[int]:
    """Return the channels from full resolution down to 4 × 4."""
    halvings = num_doublings(shape, "StyleGAN2")
    finest = PLAN >> (halvings + 2) if width is None else width
    return [min(finest << k, MOST) for k in range(halvings + 1)]
