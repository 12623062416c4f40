"""Residual generators and critics of WGAN-GP and SNGAN (Gulrajani et al., 2017; Miyato et al., 2018).

Below 64 pixels along the shorter side all stages have one width; above, channels follow the published plans in
multiples of the width. See `sparring.networks.common.sizes` for sizes that are no powers of two.

    WGAN-GP, 32 × 32:   ResNetGenerator(shape, 128, 128, norm=partial(nn.BatchNorm2d, track_running_stats=False)),
                        ResNetCritic(shape, pool=GlobalMean)
    SNGAN, 32 × 32:     ResNetGenerator(shape), spectral(ResNetCritic(shape))
"""

from collections.abc import Callable
from itertools import pairwise
from math import prod

from torch import nn

from sparring.layers.normalization import Norm
from sparring.layers.resampling import GlobalSum
from sparring.layers.residual import DownBlock, FirstBlock, SameBlock, UpBlock, residual_glorot
from sparring.networks.common.base import Critic, Generator, Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings, padding

__all__ = ["ResNetCritic", "ResNetGenerator"]

# Channels in multiples of the width, by side: G from 4 × 4 upwards; D after each halving, then at constant scale.
# 8 to 32: SNGAN's CIFAR-10 network, shortened; 64, 128: SNGAN; 256, 512: BigGAN's plan; 1024: that with one more stage.
_GENERATOR = {
    8: (1, 1),
    16: (1, 1, 1),
    32: (1, 1, 1, 1),
    64: (16, 8, 4, 2, 1),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
    1024: (16, 16, 8, 8, 4, 2, 1, 1, 1),
}
_CRITIC: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    8: ((1, 1), (1, 1)),
    16: ((1, 1), (1, 1)),
    32: ((1, 1), (1, 1)),
    64: ((1, 2, 4, 8, 16), ()),
    128: ((1, 2, 4, 8, 16), (16,)),
    256: ((1, 2, 4, 8, 8, 16), (16,)),
    512: ((1, 1, 2, 4, 8, 8, 16), (16,)),
    1024: ((1, 1, 1, 2, 4, 8, 8, 16), (16,)),
}


def _batch_norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=2e-5)


def _side(shape: Shape) -> int:
    """Return the largest power of two within the shorter side."""
    return 4 * 2 ** num_doublings(shape, "ResNet")


class ResNetGenerator(Generator):
    """Generator: linear, residual up-sampling blocks, batch norm, ReLU, convolution, tanh (Miyato et al., 2018).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        latent: Coordinates of z.
        width: Channels of the largest feature map; as published, 256 up to 32 × 32 and 64 above.
        norm: Builds the normalisation for a number of channels.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> import torch
        >>> ResNetGenerator((3, 32, 32), width=8)(torch.randn(2, 128)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        shape: Shape,
        latent: int = 128,
        width: int | None = None,
        *,
        norm: Norm = _batch_norm,
    ) -> None:
        side = _side(shape)
        width = width or (256 if side <= 32 else 64)
        channels = [width * multiple for multiple in _GENERATOR[side]]
        stages = len(channels) - 1
        grid = grid_for(shape, stages)
        start = [nn.Linear(latent, channels[0] * prod(grid)), nn.Unflatten(1, (channels[0], *grid))]
        blocks = [UpBlock(wide, narrow, norm) for wide, narrow in pairwise(channels)]
        end = [norm(channels[-1]), nn.ReLU(), nn.Conv2d(channels[-1], shape[0], 3, padding=1), nn.Tanh()]
        super().__init__(shape, latent, nn.Sequential(*start, *blocks, *end, *cropping(shape, stages)))
        residual_glorot(self)


class ResNetCritic(Critic):
    """Critic: residual down-sampling blocks, ReLU, global pooling, linear without bias (Miyato et al., 2018).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        width: Channels of the first feature map; as published, 128 up to 32 × 32 and 64 above.
        norm: Builds the normalisation for a number of channels. Default: none, as in the papers.
        pool: Builds the global pooling, `GlobalSum` or `GlobalMean`.
        outcomes: Scores per sample.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(
        self,
        shape: Shape,
        width: int | None = None,
        norm: Norm = nn.Identity,
        *,
        pool: Callable[[], nn.Module] = GlobalSum,
        outcomes: int = 1,
    ) -> None:
        side = _side(shape)
        width = width or (128 if side <= 32 else 64)
        down, same = _CRITIC[side]
        channels = [width * multiple for multiple in down]
        blocks = [*padding(shape, len(channels)), FirstBlock(shape[0], channels[0])]
        blocks += [DownBlock(narrow, wide, norm) for narrow, wide in pairwise(channels)]
        blocks += [SameBlock(width * multiple, norm) for multiple in same]
        trunk = nn.Sequential(*blocks, norm(channels[-1]), nn.ReLU(), pool())
        super().__init__(shape, trunk, nn.Linear(channels[-1], outcomes, bias=False), outcomes)
        residual_glorot(self)
