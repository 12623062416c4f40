"""R3GAN networks (Huang et al., 2024): ResNeXt blocks without normalisation, the same in G and D.

    block(x) = x + c₃(φ(c₂(φ(c₁(x)))))      c₁ 1×1 to twice the width, c₂ grouped 3×3, c₃ 1×1, starts at zero

With the residuals starting at zero and c₁, c₂ at N(0, g² / fan-in), g² = 2 / (1.04 √L) for L blocks (Zhang et al.,
2019), each network is a linear map at first, and activations keep their scale without normalisation. Stages from
4 × 4 to 32 × 32 have the full width; above, it halves with every doubling, and the cardinality (groups of c₂) with it.
At width 768 these are the networks of the authors' code for CIFAR-10, ImageNet-32 (32 px) and FFHQ-64.
"""

from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.layers.resampling import BlurDown, BlurUp
from sparring.layers.residual import Residual
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings, padding

__all__ = ["R3GANCritic", "R3GANGenerator", "residual_block"]

SLOPE = 0.2


class R3GANGenerator(Generator):
    """Generator: a learned 4 × 4 basis weighted by z, stages of blocks with bilinear up-sampling, 1×1 convolution.

    The output is not bounded.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z.
        width: Channels of the stages up to 32 × 32.
        cardinality: Groups of their 3×3 convolutions; as published, one for every 8 channels, that is 16 in a group.
        blocks: Residual blocks in a stage.

    Raises:
        DataError: If the network does not support this shape.
        GameError: If the width cannot be divided into the groups.

    Example:
        >>> R3GANGenerator((3, 32, 32), width=32)(torch.randn(2, 64)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self, shape: Shape, latent: int = 64, width: int = 768, cardinality: int | None = None, blocks: int = 2
    ) -> None:
        stages = _stages(shape, width, cardinality)
        grid = grid_for(shape, len(stages) - 1)
        layers: list[nn.Module] = [_Basis(latent, width, grid)]
        for (before, _), (channels, groups) in pairwise([(width, 0), *stages]):
            if len(layers) > 1:
                layers += [*_change(before, channels), BlurUp()]
            layers += [residual_block(channels, groups, blocks * len(stages)) for _ in range(blocks)]
        last = _conv(stages[-1][0], shape[0])
        super().__init__(shape, latent, nn.Sequential(*layers, last, *cropping(shape, len(stages) - 1)))


class R3GANCritic(Critic):
    """Critic: 1×1 convolution, stages of blocks with bilinear down-sampling, depthwise 4×4 convolution, linear head.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: Channels of the stages up to 32 × 32.
        cardinality: Groups of their 3×3 convolutions; as published, one for every 8 channels, that is 16 in a group.
        blocks: Residual blocks in a stage.
        outcomes: Scores per sample.

    Raises:
        DataError: If the network does not support this shape.
        GameError: If the width cannot be divided into the groups.
    """

    def __init__(
        self, shape: Shape, width: int = 768, cardinality: int | None = None, blocks: int = 2, *, outcomes: int = 1
    ) -> None:
        stages = _stages(shape, width, cardinality)[::-1]
        layers = [*padding(shape, len(stages) - 1), _conv(shape[0], stages[0][0])]
        for (channels, groups), (after, _) in pairwise([*stages, (width, 0)]):
            layers += [residual_block(channels, groups, blocks * len(stages)) for _ in range(blocks)]
            layers += [BlurDown(), *_change(channels, after)]
        whole = grid_for(shape, len(stages) - 1)  # is not halved
        layers[-1] = _scaled(nn.Conv2d(width, width, whole, groups=width, bias=False))
        head = _scaled(nn.Linear(width, outcomes, bias=False))
        super().__init__(shape, nn.Sequential(*layers, nn.Flatten()), head, outcomes)


def residual_block(channels: int, groups: int, total: int) -> Residual:
    """Return the block of the module's docstring, initialised as the identity.

    Args:
        channels: Input and output channels.
        groups: Groups of the 3×3 convolution.
        total: L, the number of blocks of the whole network.
    """
    gain = sqrt(2 / (1 + SLOPE**2)) * total**-0.25
    wide = 2 * channels
    first = [_scaled(nn.Conv2d(channels, wide, 1), gain), nn.LeakyReLU(SLOPE)]
    second = [_scaled(nn.Conv2d(wide, wide, 3, padding=1, groups=groups), gain), nn.LeakyReLU(SLOPE)]
    return Residual(nn.Sequential(*first, *second, _conv(wide, channels, 0.0)), nn.Identity())


class _Basis(nn.Module):
    """Input layer of G: a pattern per channel on the start grid, each weighted by a linear function of z."""

    def __init__(self, latent: int, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.patterns = nn.Parameter(torch.randn(channels, *grid))
        self.linear = _scaled(nn.Linear(latent, channels, bias=False))

    def forward(self, z: Tensor) -> Tensor:
        """Map (N, latent) to (N, channels, *grid)."""
        return self.patterns * self.linear(z)[:, :, None, None]


def _stages(shape: Shape, width: int, cardinality: int | None) -> list[tuple[int, int]]:
    """Return channels and groups of each stage, from 4 × 4 upwards."""
    finest = num_doublings(shape, "R3GAN")
    groups = max(1, width // 8) if cardinality is None else cardinality
    stages = [(width >> max(0, k - 3), max(1, groups >> max(0, k - 3))) for k in range(finest + 1)]
    if not all(channels and 2 * channels % parts == 0 for channels, parts in stages):
        raise GameError(
            f"A width of {width} cannot be divided into {groups} groups at every scale: "
            "pass a --width that is a power of two, or a smaller --cardinality."
        )
    return stages


def _change(inputs: int, outputs: int) -> list[nn.Module]:
    """Return the 1×1 convolution between two stages, if their widths differ."""
    return [] if inputs == outputs else [_conv(inputs, outputs)]


def _conv(inputs: int, outputs: int, gain: float = 1.0) -> nn.Module:
    return _scaled(nn.Conv2d(inputs, outputs, 1, bias=False), gain)


def _scaled(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Module:
    """Initialise weights from N(0, gain² / fan-in) and biases to zero."""
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
