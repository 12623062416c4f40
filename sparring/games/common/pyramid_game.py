"""Sampling of single-image games, from coarse to fine.

    x̃_n = G_n(a_n z_n, ↑x̃_{n−1})        a_n the strength of the noise, ↑ to the size of scale n, nothing below scale 0
    x̃_n = G_n(a_n z_n, Q(↑x̃_{n−1}))     at the scale, if any, that learns to take drawings: Q to a few colours

z* is fixed noise: drawn once at scale 0, zero above. Its sample is the reconstruction of the
photograph, r_n. Buffers hold all values for sampling: z*, the strengths, the photograph, the number of begun scales.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import NotRequired, TypedDict

import torch
from torch import Tensor, nn

from sparring._types import Network
from sparring.abilities import Size
from sparring.game import Game
from sparring.rng import randn


class PyramidSettings(TypedDict):
    """Keyword arguments of `SingleImageGame`."""

    resize: Callable[[Tensor, Size], Tensor]
    border: NotRequired[int]
    palette: NotRequired[nn.Module | None]
    entrance: NotRequired[int]


class SingleImageGame(Game):
    """Generators of growing sizes.

    Args:
        G: The generators, the coarsest first: noise and images (N, C, H, W) of any size -> images.
        shape: (C, H, W) of the photograph.
        sizes: Height and width at each scale; the last are the photograph's.
        resize: Brings images to a size.
        border: Pixels by which noise reaches beyond the image on every side.
        palette: Q: ``learn`` of an image its colours, give images in them; None for no such scale.
        entrance: The scale that is given images in these colours.
    """

    sequential_micro_batches = True  # the first part of a batch begins a scale, and the others find it begun

    def __init__(
        self,
        G: Sequence[nn.Module],
        shape: Sequence[int],
        sizes: Sequence[Size],
        *,
        resize: Callable[[Tensor, Size], Tensor],
        border: int = 0,
        palette: nn.Module | None = None,
        entrance: int = 1,
    ) -> None:
        super().__init__()
        self.G, self.sizes, self.resize, self.border = nn.ModuleList(G), tuple(sizes), resize, border
        self.palette: Network = palette
        self.entrance = entrance
        self.image: Tensor
        self.register_buffer("image", torch.zeros(1, *shape))
        self.amplitudes: Tensor
        self.register_buffer("amplitudes", torch.ones(len(sizes)))
        self.anchor: Tensor
        self.register_buffer("anchor", torch.randn(1, *self.noise_shape(0)))  # z*
        self.begun: Tensor
        self.register_buffer("begun", torch.zeros((), dtype=torch.int64))  # scales

    @property
    def photograph(self) -> Tensor:
        """The training image, (1, C, H, W)."""
        return self.image

    @property
    def scales_begun(self) -> int:
        """Number of scales whose training has begun."""
        return int(self.begun)

    def scaled(self, image: Tensor, size: Size) -> Tensor:
        """Return an image in another size."""
        return self.resize(image, size)

    def noise_shape(self, k: int, size: Size | None = None) -> tuple[int, int, int]:
        """Return the shape of scale k's noise: one channel, shared by all, at scale 0, else the image's."""
        height, width = (side + 2 * self.border for side in size or self.sizes[k])
        return self.image.shape[1] if k else 1, height, width

    def z(self, k: int, n: int, size: Size | None = None) -> Tensor:
        """Draw noise for n images at scale k. Default size: the scale's."""
        return randn(n, *self.noise_shape(k, size), device=self.device)

    def fixed_noise(self, k: int) -> Tensor:
        """Return z* of scale k."""
        return self.anchor.new_zeros(1, *self.noise_shape(k)) if k else self.anchor

    def run_scale(self, k: int, z: Tensor, image: Tensor | None, size: Size | None = None) -> Tensor:
        """Return the output of scale k for the image below it, if any. Default: in the scale's size."""
        size = size or self.sizes[k]
        y = z.new_zeros(len(z), self.image.shape[1], *size) if image is None else self.scale_input(k, image, size)
        samples: Tensor = self.G[k](self.amplitudes[k] * z, y)
        return samples

    def scale_input(self, k: int, image: Tensor, size: Size | None = None) -> Tensor:
        """Return an image as scale k is given it: in its size, and at the entrance of drawings in few colours."""
        y = self.resize(image, size or self.sizes[k])
        return self.palette(y) if self.palette is not None and k == self.entrance else y

    def run_scales(
        self, noise: Iterable[Tensor], image: Tensor | None = None, start: int = 0, sizes: Sequence[Size] | None = None
    ) -> Tensor | None:
        """Return the output of the scales from `start` on for an image, as many scales as there is noise for.

        Args:
            noise: One tensor a scale.
            image: What the scale below `start` made; None where there is none.
            start: The first scale.
            sizes: Of all scales. Default: their own.
        """
        for k, z in enumerate(noise, start):
            image = self.run_scale(k, z, image, (sizes or self.sizes)[k])
        return image

    def sample_scale(self, n: int, count: int) -> Tensor:
        """Draw samples of scale n, (count, C, H, W), with a graph of that scale alone."""
        with torch.no_grad():
            image = self.run_scales(self.z(k, count) for k in range(n))
        return self.run_scale(n, self.z(n, count), image)

    def reconstruct(self, n: int) -> Tensor | None:
        """Return r_n, the output of the scales up to n for z*, (1, C, H, W); None below scale 0."""
        with torch.no_grad():
            return self.run_scales(self.fixed_noise(k) for k in range(n + 1))

    def noise(self, n: int) -> Tensor:
        """Draw the noise of all scales, one row a sample."""
        return torch.cat([self.z(k, n).flatten(1) for k in range(len(self.sizes))], 1)

    def sample(self, n: int, *, noise: Tensor | None = None) -> Tensor:
        """Draw n samples (n, C, H, W), by the scales that have begun, from rows of noise or from fresh noise."""
        rows, shapes = self.noise(n) if noise is None else noise, [self.noise_shape(k) for k in range(len(self.sizes))]
        parts = zip(rows.split([prod(shape) for shape in shapes], 1), shapes, strict=True)
        known = [part.unflatten(1, shape) for part, shape in parts][: max(1, int(self.begun))]
        with torch.no_grad():
            image = self.run_scales(known)
            assert image is not None
            return self.resize(image, self.sizes[-1])
