"""The augmentations of ADA, 'bgc': each is applied with probability p (Karras et al., 2020, appendix B).

    blitting   flip left-right · turn by 0, 90, 180 or 270° · shift by whole pixels, each way up to ⅛ of the side
    geometry   scale by 2ⁿ, n ~ N(0, .2²) · turn by an angle · stretch by 2ⁿ, n ~ N(0, .2²) · turn again
               · shift by t of the side, t ~ N(0, .125²)
    colours    + n, n ~ N(0, .2²) · × 2ⁿ, n ~ N(0, .5²) · mirror the luma · turn the hue · saturate by 2ⁿ, n ~ N(0, 1)

A change that may be the identity (no flip, a turn by 0°) counts as happening. The two turns share p: each happens with
1 − √(1 − p), so that one of them does with p. For p below about .8 the changed real images determine the distribution
of the unchanged ones, and nothing leaks: G need not draw what only the augmentation makes.

With three channels luma is the direction (1, 1, 1)/√3 and hue the angle about it. With any other number the luma is the
mean of the channels just so, and there is no hue; with one, mirroring it is the negative, and saturation does nothing.

One thing is simpler than the original: the image is read bilinearly, where the original works at twice the resolution
with a wavelet's low-pass before and after. So turned and shifted images are a little softer, shrunk ones may alias.
Blitting is exact, and where nothing happens every pixel comes back bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi, sqrt

import torch
from torch import Tensor, nn

from sparring.augment.pixels import rand_per_image, randint_per_image, randn_per_image, require_images, shift, warp

__all__ = ["AdaptiveAugment", "blitting", "colours", "geometry"]


def blitting(x: Tensor, p: Tensor) -> Tensor:
    """Flip, rotate by quarter turns (half turns if not square) and shift by whole pixels.

    Args:
        x: Images (N, C, H, W).
        p: Probability of each change.
    """
    height, width = x.shape[2:]
    x = torch.where(_happens(x, p) & (randint_per_image(x, 0, 1) == 1), x.flip(3), x)
    unit = 1 if height == width else 2
    turns = torch.where(_happens(x, p), unit * randint_per_image(x, 0, 3 // unit), 0)
    turned = x
    for quarters in range(unit, 4, unit):
        turned = torch.where(turns == quarters, x.rot90(quarters, (2, 3)), turned)
    down, right = rand_per_image(x, -height / 8, height / 8), rand_per_image(x, -width / 8, width / 8)
    happens = _happens(x, p)
    return shift(turned, down.round().long() * happens, right.round().long() * happens)


def geometry(x: Tensor, p: Tensor) -> Tensor:
    """Scale, rotate, stretch, rotate and shift, in one resampling.

    Args:
        x: Images (N, C, H, W).
        p: Probability of each change.
    """
    height, width = x.shape[2:]
    down = torch.arange(height, device=x.device).view(1, 1, -1, 1)
    right = torch.arange(width, device=x.device).view(1, 1, 1, -1)
    middle = (height - 1) / 2, (width - 1) / 2
    # From the position of a pixel to its source: the last change is inverted first.
    happens, each_turn = _happens(x, p), 1 - (1 - p).sqrt()
    row = down - middle[0] - height * torch.where(happens, randn_per_image(x, 0.125), 0)
    column = right - middle[1] - width * torch.where(happens, randn_per_image(x, 0.125), 0)
    row, column = _rotate(row, column, _with_probability(x, each_turn, rand_per_image(x, -pi, pi), 0))
    stretch = _with_probability(x, p, randn_per_image(x, 0.2).exp2(), 1)
    row, column = _rotate(
        row * stretch, column / stretch, _with_probability(x, each_turn, rand_per_image(x, -pi, pi), 0)
    )
    scale = _with_probability(x, p, randn_per_image(x, 0.2).exp2(), 1)
    return warp(x, row / scale + middle[0], column / scale + middle[1])


def colours(x: Tensor, p: Tensor) -> Tensor:
    """Change brightness, contrast, luma, hue and saturation, in this order, as far as the channels allow.

    Args:
        x: Images (N, C, H, W).
        p: Probability of each change.
    """
    x = x + _with_probability(x, p, randn_per_image(x, 0.2), 0)
    x = x * _with_probability(x, p, randn_per_image(x, 0.5).exp2(), 1)
    x = x - 2 * _with_probability(x, p, randint_per_image(x, 0, 1), 0) * x.mean(1, keepdim=True)
    if x.shape[1] == 3:
        angle = _with_probability(x, p, rand_per_image(x, -pi, pi), 0)
        beside = (x.roll(1, 1) - x.roll(-1, 1)) / sqrt(3)  # the cross product of (1, 1, 1)/√3 and x
        x = x + (angle.cos() - 1) * (x - x.mean(1, keepdim=True)) + angle.sin() * beside
    return x + (_with_probability(x, p, randn_per_image(x, 1.0).exp2(), 1) - 1) * (x - x.mean(1, keepdim=True))


class AdaptiveAugment(nn.Module):
    """Applies each change with probability p in training mode; the identity in evaluation mode, like dropout.

    Args:
        p: Initial probability.
        parts: The changes, in order.

    Attributes:
        p: The probability, a buffer; `sparring.wrappers.augmentation.AdaptiveAugmentation` moves it.
    """

    p: Tensor

    def __init__(
        self, p: float = 0.0, parts: Sequence[Callable[[Tensor, Tensor], Tensor]] = (blitting, geometry, colours)
    ) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(float(p)))
        self.parts = tuple(parts)

    def forward(self, x: Tensor) -> Tensor:
        """Augment every image.

        Args:
            x: Images (N, C, H, W).

        Raises:
            DataError: If x are not images.
        """
        for change in self.parts if self.training else ():
            x = change(require_images(x, "AdaptiveAugment"), self.p)
        return x


def _happens(x: Tensor, p: Tensor) -> Tensor:
    return rand_per_image(x, 0, 1) < p


def _with_probability(x: Tensor, p: Tensor, value: Tensor, otherwise: float) -> Tensor:
    """Return the value with probability p for each image, and otherwise what changes nothing."""
    return torch.where(_happens(x, p), value, otherwise)


def _rotate(row: Tensor, column: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    return angle.cos() * row + angle.sin() * column, angle.cos() * column - angle.sin() * row
