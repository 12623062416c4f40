"""The networks of FastGAN (Liu et al., 2021).

**Generator.** z → transposed convolution → norm → GLU → blocks that double the side → 3×3 convolution → tanh

    block         nearest ×2 → half,  then a second half at constant scale (the light form has the first alone)
    half          3×3 convolution to twice the channels → noise, of a learned scale that starts at 0 → norm → GLU
    GLU           (a, b) ↦ a · sigmoid(b),  a and b the first and second half of the channels   (Dauphin et al., 2017)
    excitation    pool to 4 × 4 → 4×4 convolution → Swish → 1×1 convolution → sigmoid: one factor for each channel

The maps at 4, 8 and 16 multiply the channels of those at 64, 128 and 256 by their excitation. Channels in multiples of
the width, by side of a square image:

    side       4    8   16   32   64  128  256  512  1024
    multiple  16    8    4    2    2    1   ½    ¼     ⅛

A smaller image ends earlier. In the authors' code blocks with and without a second half alternate; Projected GAN (Sauer
et al., 2021) has the second half in all of them or, in the light form, in none. With classes the norms are conditional:
gains and offsets are linear in one embedding of the class, as in the code of Projected GAN.

**Critic.** 3×3 convolution → residual blocks that halve the side down to 8 → 1×1 convolution → scores by a 4×4 one

    block         (path + shortcut) / 2,  each with norm and leaky ReLU after every convolution
    path          4×4 convolution of stride 2 → 3×3 convolution
    shortcut      2×2 average pooling → 1×1 convolution
    decoder       (nearest ×2 → 3×3 convolution → norm → GLU), up to four times → 3×3 convolution → tanh

A map of 8 × 8 gives 5 × 5 scores. One decoder rebuilds the image from the map at 8, another a quarter of the image from
the same quarter of the map at 16, both at 128 pixels at most. Channels are 8 times the width at 8 and half as many at
each doubling. Above 256 pixels the first convolutions have stride 2. With classes a score also has the inner product of
an embedding of the class with the mean of the features below it (Miyato & Koyama, 2018). The code of the authors has
more: a second critic of images of 128 pixels with a decoder of its own, and excitation; the paper has neither.

All convolutions have a spectral norm, as in the authors' code.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparring.layers.borders import centre_crop
from sparring.layers.normalization import ConditionalBatchNorm, Norm
from sparring.layers.resampling import UpConv
from sparring.layers.spectral import spectral
from sparring.networks.common.base import Shape
from sparring.networks.common.sizes import padding, require_sides, start_grid

__all__ = ["FastGANCritic", "FastGANGenerator"]

_MULTIPLES = (16, 8, 4, 2, 2, 1, 1 / 2, 1 / 4, 1 / 8)  # of the width, from the coarsest map on
EXCITED = {4: 0, 5: 1, 6: 2}  # number of a map, and of the coarser one that gates it
BLOCKS, DECODED = 5, 4  # halvings by residual blocks, and doublings of a decoder, at most

Pair = tuple[Tensor, Tensor]


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
        doublings = _doublings(shape, 4)
        grid = start_grid(shape[1], shape[2], doublings)
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
        self.end = nn.Conv2d(channels[-1], shape[0], 3, padding=1, bias=False)
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
        return centre_crop(self.end(maps[-1]).tanh(), *self.shape[1:])


class GLU(nn.Module):
    """Gated linear unit over channels: (N, 2 C, ...) to (N, C, ...) (Dauphin et al., 2017).

    Example:
        >>> GLU()(torch.tensor([[4.0, 0.0]])).tolist()
        [[2.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the first half of the channels times the sigmoid of the second."""
        # Halves of channels-last maps are strided, on which torch's glu is slow; its gradient also loses the layout,
        # which makes that of the batch norm before it ten times as slow.
        value, gate = (half.clone() for half in x.chunk(2, 1))
        return value * gate.sigmoid()


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


class FastGANCritic(nn.Module):
    """Critic: images, and class weights if conditional, to maps of scores; rebuilds images (Liu et al., 2021).

    Args:
        shape: (C, H, W), sides from 8 to 1024.
        width: Channels at 64 × 64; 64 as published.
        classes: Number of classes, or None.

    Raises:
        DataError: If the network does not support this shape.

    Example:
        >>> FastGANCritic((3, 64, 64), width=4)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 5, 5])
    """

    def __init__(self, shape: Shape, width: int = 64, classes: int | None = None) -> None:
        super().__init__()
        halvings = max(_doublings(shape, 8), 1)
        channels = [max(8 * width >> k, 1) for k in reversed(range(halvings + 1))]
        first = max(halvings - BLOCKS, 0)  # halvings by single convolutions
        self.shape = tuple(shape)
        self.pad = nn.Sequential(*padding(shape, halvings))
        self.start = _strided(shape[0], channels, first) if first else _same(shape[0], channels[0])
        self.blocks = nn.ModuleList(_Halving(narrow, wide) for narrow, wide in pairwise(channels[first:]))
        kernel = 4 if min(start_grid(shape[1], shape[2], halvings)) >= 8 else 2
        hidden, last = 4 * width, nn.Conv2d(4 * width, 1, kernel, bias=False)
        self.hidden = nn.Sequential(nn.Conv2d(channels[-1], hidden, 1, bias=False), *_normalised(hidden))
        self.score, self.pool = last, nn.AvgPool2d(kernel, stride=1)
        self.embed = nn.Linear(classes, hidden, bias=False) if classes else None
        self.whole = _Decoder(channels[-1], shape[0], width, min(halvings, DECODED))
        self.quarter = _Decoder(channels[-2], shape[0], width, min(halvings - 1, DECODED))
        spectral(self)

    def features(self, x: Tensor) -> Tensor:
        """Return the features of x at the coarsest scale, flattened to (N, F)."""
        return self.maps(x)[-1].flatten(1)

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        """Score patches of each image.

        Args:
            x: Images, (N, C, H, W).
            y: Weights of the classes, (N, classes), if the critic has classes.

        Returns:
            Scores, (N, h, w); large = real.

        Raises:
            ValueError: If x is not (N, C, H, W).
        """
        return self._scores(self.maps(x)[-1], *y)

    def reconstruct(self, x: Tensor, *y: Tensor) -> tuple[Tensor, list[Pair]]:
        """Score images and rebuild them, in one pass.

        Args:
            x: Images, (N, C, H, W).
            y: Weights of the classes, (N, classes), if the critic has classes.

        Returns:
            Scores, (N, h, w), and two pairs of images (N, C, ., .), each of what was rebuilt and what it should be: the
            whole image, and a random quarter of it; both pooled to the size of what was rebuilt.

        Raises:
            ValueError: If x is not (N, C, H, W).
        """
        *_, fine, coarse = self.maps(x)
        whole, place = self.pad(x).detach(), torch.randint(2, (len(x), 2, 1, 1, 1), device=x.device).bool()
        pairs = [(self.whole(coarse), whole), (self.quarter(_quarter(fine, place)), _quarter(whole, place))]
        return self._scores(coarse, *y), [(made, F.adaptive_avg_pool2d(seen, made.shape[2:])) for made, seen in pairs]

    def maps(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps of x, from the finest on.

        Args:
            x: Images, (N, C, H, W).

        Raises:
            ValueError: If x is not (N, C, H, W).
        """
        if x.shape[1:] != self.shape:
            raise ValueError(f"this critic takes data (N, {', '.join(map(str, self.shape))}), not {tuple(x.shape)}.")
        maps = [self.start(self.pad(x))]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    def _scores(self, coarse: Tensor, *y: Tensor) -> Tensor:
        h = self.hidden(coarse)
        scores = self.score(h)
        if self.embed is not None:
            scores = scores + (self.embed(*y)[:, :, None, None] * self.pool(h)).sum(1, keepdim=True)
        return scores.squeeze(1)


class _Halving(nn.Module):
    """The mean of a path and a shortcut that halve the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
            *_normalised(outputs),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            *_normalised(outputs),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False), *_normalised(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return (self.path(x) + self.shortcut(x)) / 2


class _Decoder(nn.Sequential):
    """Rebuilds images (N, colours, 2ᵏ h, 2ᵏ w) from feature maps (N, inputs, h, w), k the doublings."""

    def __init__(self, inputs: int, colours: int, width: int, doublings: int) -> None:
        channels = [inputs, *(max(part, 1) for part in (2 * width, width, width, width // 2)[:doublings])]
        layers: list[nn.Module] = []
        for wide, narrow in pairwise(channels):
            layers += [UpConv(wide, 2 * narrow, bias=False), nn.BatchNorm2d(2 * narrow), GLU()]
        super().__init__(*layers, nn.Conv2d(channels[-1], colours, 3, padding=1, bias=False), nn.Tanh())


def _same(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.LeakyReLU(0.2))


def _strided(colours: int, channels: list[int], halvings: int) -> nn.Module:
    """Return convolutions of stride 2, the first without a norm."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([colours, *channels[1 : halvings + 1]]):
        after = _normalised(outputs) if layers else [nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False), *after]
    return nn.Sequential(*layers)


def _normalised(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.LeakyReLU(0.2)]


def _quarter(x: Tensor, place: Tensor) -> Tensor:
    """Return a quarter of each of some maps with even sides: the lower one, the right one where `place` says so."""
    (top, bottom), (below, beside) = x.chunk(2, 2), place.unbind(1)
    left, right = torch.where(below, bottom, top).chunk(2, 3)
    return torch.where(beside, right, left)


def _doublings(shape: Shape, side: int) -> int:
    """Return how often a side doubles within the shorter side of images."""
    require_sides(shape, "FastGAN")
    return (min(shape[1:]) // side).bit_length() - 1
