"""The networks of StackGAN's two stages, at any size (Zhang et al., 2017, section 3, and the authors' code).

A caption's vector φ parametrises a normal distribution of conditions, from which c is drawn. Stage I maps z and c to an
image; stage II takes a stage-I image of half the side, and c again, and adds detail. A critic takes φ itself through a
layer of its own, broadcast over its last feature map.

The critics have no batch norm, which would reveal a batch of wrong pairs; their weights are He's.
"""

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from sparring.errors import DataError
from sparring.layers.borders import reflect_to
from sparring.layers.init import dcgan, he_uniform
from sparring.layers.pyramid import upsample
from sparring.layers.resampling import UpConv
from sparring.layers.residual import Residual
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import cropping, grid_for, num_doublings, padding, start_grid

__all__ = ["StackGANCritic", "StageIGenerator", "StageIIGenerator"]

WIDEST = 64  # channels at most, times the width
KEPT = 0.9  # factor of the coarse image, so that black and white have a gradient


class _Augmenting(nn.Module):
    """A generator with a conditioning layer for captions; no activation, since σ must fall below 1."""

    def __init__(self, shape: Shape, features: int, condition: int) -> None:
        super().__init__()
        self.shape, self.condition = tuple(shape), condition
        self.conditions = nn.Linear(features, 2 * condition)

    def augment(self, phi: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the conditions of captions (N, features), (N, condition) each."""
        mean, log_variance = self.conditions(phi).chunk(2, 1)
        return mean, log_variance


class StageIGenerator(_Augmenting):
    """Stage I: from z and c to the start grid, up-sampling, convolution, batch norm, ReLU for every doubling, tanh.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        features: Dimension of a caption's vector.
        latent: Coordinates of z.
        condition: Coordinates of c.
        width: Channels of the largest feature map; the smallest has as many for each halving of the side.

    Example:
        >>> G = StageIGenerator((3, 16, 16), 64, latent=8, condition=4, width=8)
        >>> G(torch.randn(5, 8), torch.randn(5, 4)).shape, G.augment(torch.randn(5, 64))[0].shape
        (torch.Size([5, 3, 16, 16]), torch.Size([5, 4]))
    """

    def __init__(self, shape: Shape, features: int, latent: int = 100, condition: int = 128, width: int = 96) -> None:
        super().__init__(shape, features, condition)
        self.latent, stages = latent, num_doublings(shape, "StackGAN")
        channels = [width * min(2**i, WIDEST) for i in reversed(range(stages + 1))]
        wide, grid = channels[0], grid_for(shape, stages)
        first = [nn.Linear(latent + condition, wide * prod(grid), bias=False), nn.Unflatten(1, (wide, *grid))]
        grow = _growing(channels, shape[0])
        end = [nn.Tanh(), *cropping(shape, stages)]
        self.body = nn.Sequential(*first, nn.BatchNorm2d(wide), nn.ReLU(), *grow, *end)
        self.body.apply(dcgan)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """Draw one image for each row of z (N, latent) and c (N, condition)."""
        return self.body(torch.cat([z, c], 1))


class StageIIGenerator(_Augmenting):
    """Stage II: encodes a coarse image to a quarter of its side, concatenates c, and adds detail by residual blocks.

        x = tanh(missing + artanh(.9 · coarse, doubled))

    The paper's networks generate the whole image and must learn to copy first; here the coarse image is added.

    Args:
        shape: (C, H, W) of the fine image, sides of 16 to 1024.
        features: Dimension of a caption's vector.
        condition: Coordinates of c.
        width: Channels of the largest feature map.
        blocks: Residual blocks; the paper has 4 at 256 × 256.

    Attributes:
        begun: Whether its training has begun; until then its output is untrained.

    Example:
        >>> G = StageIIGenerator((3, 32, 32), 64, condition=4, width=8)
        >>> G(torch.randn(5, 3, 16, 16), torch.randn(5, 4)).shape
        torch.Size([5, 3, 32, 32])
    """

    begun: Tensor

    def __init__(self, shape: Shape, features: int, condition: int = 128, width: int = 96, blocks: int = 2) -> None:
        super().__init__(shape, features, condition)
        self.register_buffer("begun", torch.tensor(False))
        wide = 4 * width
        down = [nn.Conv2d(shape[0], width, 3, padding=1), nn.ReLU()]
        for narrow in (width, 2 * width):
            down += [nn.Conv2d(narrow, 2 * narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * narrow), nn.ReLU()]
        self.down = nn.Sequential(*down)
        meet = [nn.Conv2d(wide + condition, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        alike = [_alike(wide) for _ in range(blocks)]
        self.body = nn.Sequential(*meet, *alike, *_growing([wide, wide // 2, wide // 4, wide // 8], shape[0]))
        self.down.apply(dcgan)
        self.body.apply(dcgan)

    def forward(self, coarse: Tensor, c: Tensor) -> Tensor:
        """Refine images (N, C, ⌈H / 2⌉, ⌈W / 2⌉), given c (N, condition), to (N, C, H, W)."""
        size, old = self.shape[1:], coarse.shape[2:]
        rows, columns = start_grid(old[0], old[1], 2)
        seen = self.down(reflect_to(coarse, 4 * rows, 4 * columns))
        missing = self.body(torch.cat([seen, c[:, :, None, None].expand(-1, -1, *seen.shape[2:])], 1))
        top, left = (2 * ((4 * grid - side) // 2) for grid, side in zip((rows, columns), old, strict=True))
        missing = missing[..., top : top + size[0], left : left + size[1]]
        return torch.tanh(missing + torch.atanh(KEPT * upsample(coarse, size)))


class StackGANCritic(nn.Module):
    """D(x, φ): the logit of a matching real pair; with two heads also the unconditional logit of a real image.

    Args:
        shape: (C, H, W), sides of 8 to 1024.
        features: Dimension of a caption's vector.
        condition: Coordinates of what its own layer makes of the caption.
        width: Channels of the largest feature map.
        heads: 1, or 2 for both questions.

    Example:
        >>> StackGANCritic((3, 16, 16), 64, 4, 8, heads=2)(torch.randn(5, 3, 16, 16), torch.randn(5, 64)).shape
        torch.Size([5, 2])
    """

    def __init__(self, shape: Shape, features: int, condition: int = 128, width: int = 96, heads: int = 1) -> None:
        super().__init__()
        stages = num_doublings(shape, "StackGAN")
        channels, grid = [width * min(2**i, WIDEST) for i in range(stages)], grid_for(shape, stages)
        self.shape, wide = tuple(shape), channels[-1]
        layers = [layer for ends in pairwise([shape[0], *channels]) for layer in _halving(*ends)]
        self.trunk = nn.Sequential(*padding(shape, stages), *layers)
        self.read = nn.Sequential(nn.Linear(features, condition), nn.LeakyReLU(0.2))
        meet = [nn.Conv2d(wide + condition, wide, 3, padding=1), nn.LeakyReLU(0.2)]
        self.match = nn.Sequential(*meet, nn.Conv2d(wide, 1, grid), nn.Flatten())
        self.real = nn.Sequential(nn.Conv2d(wide, 1, grid), nn.Flatten()) if heads == 2 else None
        self.apply(he_uniform)

    def features(self, x: Tensor) -> Tensor:
        """Return the trunk's features of x, flattened; they do not depend on the caption."""
        return self.trunk(x).flatten(1)

    def forward(self, x: Tensor, phi: Tensor) -> Tensor:
        """Score pairs of x (N, *shape) and captions (N, features): (N, heads), matching first.

        Raises:
            ValueError: If x is not (N, *shape).
        """
        if x.shape[1:] != self.shape:
            raise ValueError(f"this critic takes data (N, {', '.join(map(str, self.shape))}), not {tuple(x.shape)}.")
        seen, said = self.trunk(x), self.read(phi)[:, :, None, None]
        match = self.match(torch.cat([seen, said.expand(-1, -1, *seen.shape[2:])], 1))
        return match if self.real is None else torch.cat([match, self.real(seen)], 1)


def half(shape: Shape) -> Shape:
    """Return the shape of stage I's images where stage II doubles their sides, rounded up.

    Args:
        shape: (C, H, W) of stage II's.

    Raises:
        DataError: If half of it is too small.
    """
    num_doublings(shape, "StackGAN")
    if min(shape[1:]) < 16:
        raise DataError(f"StackGAN's second stage needs images of 16 × 16 at least, not {shape}: pass --size 32.")
    return (shape[0], *grid_for(shape, 1))


def _growing(channels: list[int], colours: int) -> list[nn.Module]:
    """Return doublings of the side with ever fewer channels, and the image."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(channels):
        layers += [UpConv(wide, narrow, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
    return [*layers, nn.Conv2d(channels[-1], colours, 3, padding=1)]


def _halving(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2)]


def _alike(channels: int) -> nn.Module:
    first = [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    second = [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
    return nn.Sequential(Residual(nn.Sequential(*first, *second), nn.Identity()), nn.ReLU())
