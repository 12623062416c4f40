"""The networks of FastGAN (Liu et al., 2021).

    G:  z → transposed convolution → norm → GLU → blocks that double the side → 3×3 convolution → tanh

    block         nearest ×2 → half,  then a second half at constant scale (the light form has the first alone)
    half          3×3 convolution to twice the channels → noise, of a learned scale that starts at 0 → norm → GLU
    GLU           (a, b) ↦ a · sigmoid(b),  a and b the first and second half of the channels   (Dauphin et al., 2017)
    excitation    pool to 4 × 4 → 4×4 convolution → Swish → 1×1 convolution → sigmoid: one factor for each channel

The maps at 4, 8 and 16 multiply the channels of those at 64, 128 and 256 by their excitation. Channels in multiples of
the width, by side of a square image:

    side       4    8   16   32   64  128  256  512  1024
    multiple  16    8    4    2    2    1   ½    ¼     ⅛

A smaller image ends earlier. All convolutions have a spectral norm, as in the authors' code, where blocks with and
without a second half alternate; Projected GAN (Sauer et al., 2021) has the second half in all of them or, in the light
form, in none. With classes the norms are conditional: gains and offsets are linear in one embedding of the class, as in
the code of Projected GAN.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.layers.normalization import ConditionalBatchNorm, Norm
from sparring.layers.resampling import UpConv
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import require_images

__all__ = ["FastGANGenerator"]

_MULTIPLES = (16, 8, 4, 2, 2, 1, 1 / 2, 1 / 4, 1 / 8)  # of the width, from the coarsest map on
EXCITED = {4: 0, 5: 1, 6: 2}  # number of a map, and of the coarser one that gates it

Module = TypeVar("Module", bound=nn.Module)


class FastGANGenerator(nn.Module):
    """Generator: noise, and class weights if there are classes, to images in [−1, 1] (Liu et al., 2021).

    Args:
        shape: (C, H, W), sides from 8 to 1024.
        latent: Coordinates of z.
        width: Channels at 128 × 128; 64 in FastGAN, 128 in Projected GAN.
        light: Whether blocks end after their first half.
        classes: Number of classes, or None.
        normalise: Whether z is scaled to a mean square of 1, as in Projected GAN.

    Raises:
        DataError: If the network does not support this shape.

    Attributes:
        latent: Coordinates of z.

    Example:
        >>> FastGANGenerator((3, 64, 64), latent=16, width=4)(torch.randn(2, 16)).shape
        torch.Size([2, 3, 64, 64])
    """

    def __init__(
        self,
        shape: Shape,
        latent: int = 256,
        width: int = 64,
        *,
        light: bool = False,
        classes: int | None = None,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        require_images(shape, "FastGAN")
        doublings = min(shape[1:]).bit_length() - 3
        grid = (-(-shape[1] >> doublings), -(-shape[2] >> doublings))
        channels = [max(int(width * multiple), 1) for multiple in _MULTIPLES[: doublings + 1]]
        self.shape, self.latent, self.normalise = tuple(shape), latent, normalise
        self.embed = nn.Linear(classes, latent, bias=False) if classes else None
        norm: Norm = partial(ConditionalBatchNorm, width=latent) if classes else nn.BatchNorm2d
        first = nn.ConvTranspose2d(latent, 2 * channels[0], grid, bias=False)
        self.start = nn.Sequential(first, nn.BatchNorm2d(2 * channels[0]), GLU())
        sides = [(grid[0] << k, grid[1] << k) for k in range(1, doublings + 1)]
        self.blocks = nn.ModuleList(
            _Block(wide, narrow, side, norm, light)
            for (wide, narrow), side in zip(pairwise(channels), sides, strict=True)
        )
        gates = {str(at): _Excitation(channels[of], channels[at]) for at, of in EXCITED.items() if at <= doublings}
        self.gates = nn.ModuleDict(gates)
        self.end = nn.Conv2d(channels[-1], shape[0], 3, padding=1)
        spectral(self, (nn.Conv2d, nn.ConvTranspose2d))

    def forward(self, z: Tensor, *y: Tensor) -> Tensor:
        """Return one image for each row of z.

        Args:
            z: Noise, (N, latent).
            y: Weights of the classes, (N, classes), if G has classes.

        Raises:
            ValueError: If z is not (N, latent).
        """
        if z.shape[1:] != (self.latent,):
            raise ValueError(f"this generator takes noise (N, {self.latent}), not {tuple(z.shape)}.")
        if self.normalise:
            z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        condition = () if self.embed is None else (self.embed(*y),)
        maps = [self.start(z[:, :, None, None])]
        for at, block in enumerate(self.blocks, 1):
            x = block(maps[-1], *condition)
            maps.append(x * self.gates[str(at)](maps[EXCITED[at]]) if str(at) in self.gates else x)
        return _centre(self.end(maps[-1]).tanh(), self.shape)


class GLU(nn.Module):
    """Gated linear unit over channels: (N, 2 C, ...) to (N, C, ...) (Dauphin et al., 2017).

    Example:
        >>> GLU()(torch.tensor([[4.0, 0.0]])).tolist()
        [[2.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the first half of the channels times the sigmoid of the second."""
        return F.glu(x, 1)


class Noise(nn.Module):
    """Adds noise that all channels of a map share, times a learned scale.

    In training it is drawn for each image; in evaluation it is a fixed buffer, so that an image is a function of its
    seed.

    Args:
        side: Height and width of the map.

    Attributes:
        scale: The scale, which starts at 0.
    """

    fixed: Tensor

    def __init__(self, side: tuple[int, int]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed", torch.randn(1, 1, *side))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W) with noise."""
        noise = torch.randn_like(x[:, :1]) if self.training else self.fixed
        return x + (self.scale * noise).to(x.dtype)


class _Half(nn.Module):
    """Convolution, noise, norm, GLU; the first half of a block doubles the side."""

    def __init__(self, inputs: int, outputs: int, side: tuple[int, int], norm: Norm, up: bool) -> None:
        super().__init__()
        self.convolve = (
            UpConv(inputs, 2 * outputs, bias=False) if up else nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False)
        )
        self.noise, self.norm, self.gate = Noise(side), norm(2 * outputs), GLU()

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        return self.gate(self.norm(self.noise(self.convolve(x)), *y))


class _Block(nn.Module):
    """One half that doubles the side and, unless light, another at constant scale."""

    def __init__(self, inputs: int, outputs: int, side: tuple[int, int], norm: Norm, light: bool) -> None:
        super().__init__()
        self.up = _Half(inputs, outputs, side, norm, up=True)
        self.same = None if light else _Half(outputs, outputs, side, norm, up=False)

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        x = self.up(x, *y)
        return x if self.same is None else self.same(x, *y)


class _Excitation(nn.Sequential):
    """Factors (N, outputs, 1, 1) between 0 and 1 from a coarse map (N, inputs, H, W)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        pool, last = nn.AdaptiveAvgPool2d(4), nn.Conv2d(outputs, outputs, 1, bias=False)
        super().__init__(pool, nn.Conv2d(inputs, outputs, 4, bias=False), nn.SiLU(), last, nn.Sigmoid())


def _centre(x: Tensor, shape: Shape) -> Tensor:
    """Crop images about their centre."""
    top, left = (x.shape[2] - shape[1]) // 2, (x.shape[3] - shape[2]) // 2
    return x[:, :, top : top + shape[1], left : left + shape[2]]
