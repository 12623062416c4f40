"""The networks of SAGAN (Zhang et al., 2019, code) at any size, with classes or without.

Size rule: G starts at 4 × 4 and D ends there; whenever the side doubles the channels halve, from at most 16 times the
`width`, which counts those of the largest map. At 128 × 128 these are the networks of the code, and a smaller image
leaves out the widest stages. Attention is at 32 × 32, the code's place; in images up to 32 × 32 at half their side.
Every layer of both networks is spectrally normalised but the tables of the class-conditional batch norm.

Its batch norm keeps torch's decay of .9; the code's .999 needs some thousand steps before its averages can be used.
"""

from functools import partial
from math import prod

from torch import Tensor, nn

from sparring.layers.init import glorot_uniform
from sparring.layers.normalization import ClassConditionalBatchNorm, Norm
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings
from sparring.networks.common.stages import ProjectionCritic, Stages, wide_trunk

__all__ = ["SAGANCritic", "SAGANGenerator"]


def _attended(doublings: int) -> int:
    """Return the side with attention, of a square that begins at 4 × 4."""
    return min(32, 2 << doublings)


class SAGANGenerator(nn.Module):
    """G: noise, and the weights of the classes where there are any, to images in [−1, 1] (Zhang et al., 2019, code).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        classes: Number of classes, or None.
        latent: Coordinates of z.
        width: Channels of the largest feature map.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> import torch
        >>> SAGANGenerator((3, 32, 32), 10, width=4)(torch.randn(2, 128), torch.eye(10)[[3, 7]]).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, shape: Shape, classes: int | None = None, latent: int = 128, width: int = 64) -> None:
        super().__init__()
        stages = num_doublings(shape, "SAGAN")
        channels, grid = [width * min(16, 2**i) for i in reversed(range(stages + 1))], grid_for(shape, stages)
        norm: Norm = partial(ClassConditionalBatchNorm, classes=classes) if classes else nn.BatchNorm2d
        self.shape, self.latent = tuple(shape), latent
        self.start = nn.Sequential(nn.Linear(latent, channels[0] * prod(grid)), nn.Unflatten(1, (channels[0], *grid)))
        self.stages = Stages(channels, norm, _attended(stages))
        last = nn.Conv2d(width, shape[0], 3, padding=1)
        self.end = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), last, nn.Tanh(), *cropping(shape, stages))
        spectral(self.apply(glorot_uniform()))

    def forward(self, z: Tensor, *y: Tensor) -> Tensor:
        """Return one image for each row of z.

        Args:
            z: Noise, (N, latent).
            y: Weights of the classes, (N, classes), if G has classes.
        """
        return self.end(self.stages(self.start(z), [y] * len(self.stages.grow)))


class SAGANCritic(ProjectionCritic):
    """D: the generator's mirror, wide blocks, a last block at 4 × 4, projection head (Zhang et al., 2019, code).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        classes: Number of classes, or None.
        width: Channels of the first feature map.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, classes: int | None = None, width: int = 64) -> None:
        stages = num_doublings(shape, "SAGAN")
        down = [width * min(16, 2**i) for i in range(stages)]
        super().__init__(shape, wide_trunk(shape, down, down[-1:], _attended(stages)), down[-1], classes)
        spectral(self.apply(glorot_uniform()))
