"""Borders of images: crops about the centre, and enlargement by reflection with the images in the centre."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["CentreCrop", "ReflectTo", "centre_crop", "on_multiples", "reflect_to"]


def centre_crop(x: Tensor, height: int, width: int) -> Tensor:
    """Return the centre of images; the images themselves where they have this size.

    Args:
        x: Images (..., H, W), at least as large.
        height: In pixels.
        width: In pixels.

    Raises:
        ValueError: If the images are smaller.
    """
    if x.shape[-2:] == (height, width):
        return x
    top, left = _before(height, x.shape[-2]), _before(width, x.shape[-1])
    return x[..., top : top + height, left : left + width]


def reflect_to(x: Tensor, height: int, width: int) -> Tensor:
    """Enlarge images by reflection about their border, with the images in the centre.

    Where the border is wider than the image, the reflection is reflected again; a single row or column is repeated. The
    reflections are copies, whose gradients are summed in the same order on every device.

    Args:
        x: Images (..., H, W), at most as large.
        height: In pixels.
        width: In pixels.

    Raises:
        ValueError: If the images are larger.

    Example:
        >>> reflect_to(torch.tensor([[1.0, 2.0, 3.0]]), 1, 6).tolist()
        [[2.0, 1.0, 2.0, 3.0, 2.0, 1.0]]
    """
    for axis, side in ((-2, height), (-1, width)):
        before = _before(x.shape[axis], side)
        x = _reflected(x, axis, before, side - x.shape[axis] - before)
    return x


def on_multiples(body: Callable[[Tensor], Tensor], x: Tensor, multiple: int) -> Tensor:
    """Apply a translator to images padded by reflection to multiples of a number, and crop about the centre.

    Args:
        body: Images (N, C, H, W), of such sides, to images of the same size.
        x: Images.
        multiple: Divisor of the sides that `body` takes.
    """
    old = x.shape[2:]
    return centre_crop(body(reflect_to(x, *(-(-side // multiple) * multiple for side in old))), *old)


class CentreCrop(nn.Module):
    """The centre of images, see `centre_crop`.

    Args:
        height: In pixels.
        width: In pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H', W') to (N, C, height, width)."""
        return centre_crop(x, self.height, self.width)


class ReflectTo(nn.Module):
    """Images enlarged by reflection, see `reflect_to`.

    Args:
        height: In pixels.
        width: In pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, height, width)."""
        return reflect_to(x, self.height, self.width)


def _before(smaller: int, larger: int) -> int:
    """Return the rows of a larger image before a smaller one in its centre."""
    if smaller > larger:
        raise ValueError(f"a side of {smaller} pixels does not fit into {larger}.")
    return (larger - smaller) // 2


def _reflected(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    while before or after:
        side = x.shape[axis]
        if side == 1:
            return x.expand(*x.shape[:axis], 1 + before + after, *x.shape[x.dim() + axis + 1 :])
        first, last = min(before, side - 1), min(after, side - 1)
        x = torch.cat([x.narrow(axis, 1, first).flip(axis), x, x.narrow(axis, side - 1 - last, last).flip(axis)], axis)
        before, after = before - first, after - last
    return x
