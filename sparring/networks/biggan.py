"""BigGAN networks (Brock et al., 2019; the authors' PyTorch code), with or without classes.

The noise is split into one chunk for the first linear layer and one for each block (hierarchical latents):

    h₀ = linear(z₀),   h_i = block_i(h_{i−1}, [e(y), z_i]),   e one embedding shared by all blocks

A block's condition c sets the gains 1 + V c and offsets W c of its batch norms. Every layer of G and D is spectrally
normalised except the shared embedding, where the authors found it to harm G. Without classes c is the chunk alone.

Below 64 pixels along the shorter side the plan is that of the authors' CIFAR script, which has no attention and
initialises from N(0, .02²); above, it is the paper's, with attention at 64 × 64 or at half the side, if less, and
orthogonal initialisation.
"""

from functools import partial
from math import prod

import torch
from torch import Tensor, nn

from sparring.errors import GameError
from sparring.layers.init import Init, normal, orthogonal
from sparring.layers.normalization import ConditionalBatchNorm
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings
from sparring.networks.common.stages import ProjectionCritic, Stages, wide_trunk

__all__ = ["BigGANCritic", "BigGANGenerator"]

EMBEDDED = 128  # coordinates of the shared embedding

# Channels in multiples of the width, by side: G from 4 × 4 upwards; D after each halving, then at constant scale.
_GENERATOR = {
    8: (4, 4),
    16: (4, 4, 4),
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
    512: (16, 16, 8, 8, 4, 2, 1, 1),
    1024: (16, 16, 8, 8, 4, 2, 1, 1, 1),
}
_CRITIC: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    8: ((4, 4), (4, 4)),
    16: ((4, 4), (4, 4)),
    32: ((4, 4), (4, 4)),
    64: ((1, 2, 4, 8), (16,)),
    128: ((1, 2, 4, 8, 16), (16,)),
    256: ((1, 2, 4, 8, 8, 16), (16,)),
    512: ((1, 1, 2, 4, 8, 8, 16), (16,)),
    1024: ((1, 1, 1, 2, 4, 8, 8, 16), (16,)),
}


def _plan(shape: Shape, width: int | None) -> tuple[int, int, int | None, Init]:
    """Return the plan's side, the width, the side with attention, and the initialisation."""
    side = 4 * 2 ** num_doublings(shape, "BigGAN")
    if side <= 32:
        return side, width or 64, None, normal(0.02)
    return side, width or 96, min(64, side // 2), orthogonal()


class BigGANGenerator(nn.Module):
    """Generator: noise, and class weights if there are classes, to images in [−1, 1] (Brock et al., 2019).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        classes: Number of classes, or None.
        latent: Largest number of coordinates of z; rounded down to whole chunks (120 of 128 at 128 × 128).
        width: The unit of the plan of channels; as published, 64 up to 32 × 32 and 96 above.

    Raises:
        DataError: If the network does not support this shape.
        GameError: If there are fewer coordinates than chunks.

    Attributes:
        latent: Coordinates of z.

    Example:
        >>> BigGANGenerator((3, 32, 32), 10, latent=130, width=2).latent
        128
    """

    def __init__(self, shape: Shape, classes: int | None = None, latent: int = 128, width: int | None = None) -> None:
        super().__init__()
        side, unit, attend, init = _plan(shape, width)
        channels = [unit * multiple for multiple in _GENERATOR[side]]
        self.chunk = latent // len(channels)
        if self.chunk == 0:
            raise GameError(
                f"BigGAN cuts its noise into {len(channels)} chunks: pass --latent {len(channels)} or more."
            )
        self.shape, self.latent = tuple(shape), self.chunk * len(channels)
        self.embed = nn.Linear(classes, EMBEDDED, bias=False) if classes else None
        grid = grid_for(shape, len(channels) - 1)
        first = nn.Linear(self.chunk, channels[0] * prod(grid))
        self.start = nn.Sequential(first, nn.Unflatten(1, (channels[0], *grid)))
        norm = partial(ConditionalBatchNorm, width=self.chunk + (EMBEDDED if classes else 0))
        self.stages = Stages(channels, norm, attend)
        last = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        crop = cropping(shape, len(channels) - 1)
        self.end = nn.Sequential(nn.BatchNorm2d(channels[-1]), nn.ReLU(), last, nn.Tanh(), *crop)
        self.apply(init)
        for part in (self.start, self.stages, self.end):
            spectral(part)

    def forward(self, z: Tensor, *y: Tensor) -> Tensor:
        """Return one image for each row of z.

        Args:
            z: Noise, (N, latent).
            y: Weights of the classes, (N, classes), if G has classes.
        """
        first, *chunks = z.split(self.chunk, 1)
        embedded = [] if self.embed is None else [self.embed(*y)]
        return self.end(self.stages(self.start(first), [(torch.cat([*embedded, chunk], 1),) for chunk in chunks]))

    def filters(self) -> list[Tensor]:
        """Return the weights under orthogonal regularisation: all matrices except the shared embedding."""
        spared = {id(weight) for weight in self.embed.parameters()} if self.embed else set()
        return [weight for weight in self.parameters() if weight.dim() > 1 and id(weight) not in spared]


class BigGANCritic(ProjectionCritic):
    """Critic: wide residual blocks, sum over positions, projection head (Brock et al., 2019).

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        classes: Number of classes, or None.
        width: The unit of the plan of channels; as published, 64 up to 32 × 32 and 96 above.

    Raises:
        DataError: If the network does not support this shape.
    """

    def __init__(self, shape: Shape, classes: int | None = None, width: int | None = None) -> None:
        side, unit, attend, init = _plan(shape, width)
        down, same = ([unit * multiple for multiple in part] for part in _CRITIC[side])
        super().__init__(shape, wide_trunk(shape, down, same, attend), same[-1], classes)
        spectral(self.apply(init))
