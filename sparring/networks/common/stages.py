"""Parts of SAGAN and BigGAN: residual stages with attention at one scale, for generators and critics."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from sparring.layers.attention import SelfAttention
from sparring.layers.normalization import Norm
from sparring.layers.resampling import GlobalSum
from sparring.layers.residual import ConditionalUpBlock, DownBlock, FirstBlock, Residual, SameBlock
from sparring.layers.simple import ProjectionHead
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import padding

__all__ = ["ProjectionCritic", "Stages", "wide_trunk"]


class Stages(nn.Module):
    """Conditional residual blocks, each of which doubles the sides, from the start grid on.

    Args:
        channels: Of every feature map from the start grid to the last.
        norm: Builds the normalisation for a number of channels, which also takes the condition.
        attend: Side of the feature map with attention, below the last one's, on a start grid of 4 × 4; None for no
            attention.
    """

    def __init__(self, channels: Sequence[int], norm: Norm, attend: int | None) -> None:
        super().__init__()
        self.look = nn.ModuleList([_attention(wide, 4 * 2**i, attend) for i, wide in enumerate(channels[:-1])])
        self.grow = nn.ModuleList([ConditionalUpBlock(wide, narrow, norm) for wide, narrow in pairwise(channels)])

    def forward(self, x: Tensor, conditions: Sequence[tuple[Tensor, ...]]) -> Tensor:
        """Map (N, first, h, w) to the last feature map.

        Args:
            x: The smallest feature map.
            conditions: The condition of each block: one tensor, or an empty tuple.
        """
        for look, grow, condition in zip(self.look, self.grow, conditions, strict=True):
            x = grow(look(x), *condition)
        return x


class ProjectionCritic(nn.Module):
    """D: data (N, *shape), and weights of the classes if conditional, to raw scores (N,), large = real.

    Args:
        shape: Shape of one sample.
        trunk: Maps (N, *shape) to features (N, F).
        features: F.
        classes: Number of classes, or None.
    """

    def __init__(self, shape: Shape, trunk: nn.Module, features: int, classes: int | None) -> None:
        super().__init__()
        self.shape, self.trunk, self.head = tuple(shape), trunk, ProjectionHead(features, classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the features of x, (N, F), independent of the class."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"this critic takes data (N, {', '.join(map(str, self.shape))}), not {tuple(x.shape)}.")
        return self.trunk(x)

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        """Score each sample.

        Args:
            x: Data, (N, *shape).
            y: Weights of the classes, (N, classes), if the critic has classes.

        Raises:
            ValueError: If x is not (N, *shape).
        """
        return self.head(self.features(x), *y)


def wide_trunk(shape: Shape, down: Sequence[int], same: Sequence[int], attend: int | None) -> nn.Module:
    """Return residual blocks with the wide bottleneck of Brock et al. (2019), ReLU and a sum over positions.

    Args:
        shape: (C, H, W) of one image.
        down: Channels after each block that halves the side.
        same: Channels after each following block at constant scale.
        attend: Side of the feature map with attention, where the last block that halves ends at 4 × 4; None for no
            attention.
    """
    side = 2 << len(down)
    blocks = [*padding(shape, len(down)), FirstBlock(shape[0], down[0]), _attention(down[0], side, attend)]
    for narrow, wide in pairwise(down):
        side //= 2
        blocks += [DownBlock(narrow, wide, hidden=wide), _attention(wide, side, attend)]
    blocks += [_same(inputs, outputs) for inputs, outputs in pairwise([down[-1], *same])]
    return nn.Sequential(*blocks, nn.ReLU(), GlobalSum())


def _attention(channels: int, side: int, attend: int | None) -> nn.Module:
    return SelfAttention(channels) if side == attend else nn.Identity()


def _same(inputs: int, outputs: int) -> nn.Module:
    if inputs == outputs:
        return SameBlock(inputs)
    first = [nn.ReLU(), nn.Conv2d(inputs, outputs, 3, padding=1)]
    second = [nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1)]
    return Residual(nn.Sequential(*first, *second), nn.Conv2d(inputs, outputs, 1))
