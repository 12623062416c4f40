"""Helpers of augmentations: one random number per image, and resampling of pixels.

Resampling is linear in the image. It uses `gather`, which torch differentiates any number of times; `grid_sample` only
once, and a gradient penalty needs two.

Beyond its border an image is reflected at the outermost pixels:  … 2 1 | 0 1 2 3 | 2 1 0 …
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparring.errors import DataError

__all__ = [
    "flip_and_shift",
    "gather_pixels",
    "rand_per_image",
    "randint_per_image",
    "randn_per_image",
    "reflect_index",
    "require_images",
    "shift",
    "warp",
]


def require_images(x: Tensor, name: str) -> Tensor:
    """Return x if it has the shape of images.

    Args:
        x: A tensor.
        name: Name of the caller, for the message.

    Raises:
        DataError: If x is not (N, C, H, W).
    """
    if x.dim() != 4:
        raise DataError(
            f"{name} changes images (N, C, H, W), not {tuple(x.shape)}: leave this technique out for points."
        )
    return x


def rand_per_image(x: Tensor, low: float, high: float) -> Tensor:
    """Draw a number for each image, uniform on [low, high), shape (N, 1, 1, 1), at least in single precision."""
    return low + (high - low) * torch.rand(len(x), 1, 1, 1, device=x.device, dtype=_precision(x))


def randint_per_image(x: Tensor, low: int, high: int) -> Tensor:
    """Draw an integer for each image, uniform from low to high, both included, shape (N, 1, 1, 1)."""
    return torch.randint(low, high + 1, (len(x), 1, 1, 1), device=x.device)


def randn_per_image(x: Tensor, spread: float) -> Tensor:
    """Draw a number for each image, from N(0, spread²), shape (N, 1, 1, 1), at least in single precision."""
    return spread * torch.randn(len(x), 1, 1, 1, device=x.device, dtype=_precision(x))


def reflect_index(at: Tensor, size: int) -> Tensor:
    """Reflect coordinates beyond 0 … size − 1 at the outermost pixels.

    >>> reflect_index(torch.tensor([-2, -1, 0, 3, 4, 5]), 4)
    tensor([2, 1, 0, 3, 2, 1])
    """
    last = size - 1
    return last - (last - at.abs() % max(2 * last, 1)).abs()


def gather_pixels(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Read every image at the given rows and columns.

    Args:
        x: Images (N, C, H, W).
        rows: Integers (N, H) from 0 to H − 1.
        columns: Integers (N, W) from 0 to W − 1.
    """
    return x.gather(2, rows[:, None, :, None].expand(x.shape)).gather(3, columns[:, None, None, :].expand(x.shape))


def shift(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Translate every image by whole pixels with reflection padding.

    Args:
        x: Images (N, C, H, W).
        down: Pixels (N, 1, 1, 1), integers.
        right: Pixels (N, 1, 1, 1), integers.
    """
    height, width = x.shape[2:]
    rows = torch.arange(height, device=x.device) - down.flatten(1)
    columns = torch.arange(width, device=x.device) - right.flatten(1)
    return gather_pixels(x, reflect_index(rows, height), reflect_index(columns, width))


def warp(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Sample every image at real coordinates, bilinearly; exact at integers.

    Args:
        x: Images (N, C, H, W).
        rows: Coordinates (N, 1, H, W) in pixels, 0 at the centre of the first row; reflected beyond the border.
        columns: Coordinates (N, 1, H, W) in pixels.
    """
    height, width = x.shape[2:]
    (top, bottom, below), (left, right, beside) = _between(rows, height), _between(columns, width)
    flat = x.flatten(2)

    def read(row: Tensor, column: Tensor) -> Tensor:
        return flat.gather(2, (row * width + column).flatten(2).expand(flat.shape)).view(x.shape)

    upper = _mixed(read(top, left), read(top, right), beside)
    lower = _mixed(read(bottom, left), read(bottom, right), beside)
    return _mixed(upper, lower, below)


def flip_and_shift(x: Tensor) -> Tensor:
    """Flip every second image and shift it by up to an eighth of its side (Zhang et al., 2020, section 2).

    Args:
        x: Images (N, C, H, W).

    Raises:
        DataError: If x are not images.
    """
    height, width = require_images(x, "flip_and_shift").shape[2:]
    x = torch.where(randint_per_image(x, 0, 1) == 1, x.flip(3), x)
    return shift(x, randint_per_image(x, -(height // 8), height // 8), randint_per_image(x, -(width // 8), width // 8))


def _between(at: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pixels before and after a coordinate, and the share of the latter."""
    at = reflect_index(at, size)
    before = at.floor().clamp(max=size - 1)
    return before.long(), (before.long() + 1).clamp(max=size - 1), at - before


def _mixed(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    return first + share * (second - first)  # torch.lerp requires equal precisions


def _precision(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)
