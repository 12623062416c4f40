"""Sizes of images: any height and width from 8 to 1024 pixels on networks that double their feature maps.

A network that doubles k times starts at a grid of (⌈H / 2ᵏ⌉, ⌈W / 2ᵏ⌉) positions. Its images of (h₀ 2ᵏ, w₀ 2ᵏ) are
cropped about their centre to (H, W); a critic pads its input by reflection about its centre to that size. k is the
number of times that 4 pixels double within the shorter side, so the grid's shorter side has 4 to 7 positions. Where the
sides are such multiples, as those of a square of a power of two are, nothing is cropped or padded.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sparring.errors import DataError
from sparring.networks.common.base import Shape

__all__ = [
    "LARGEST",
    "SMALLEST",
    "CentreCrop",
    "ReflectTo",
    "centre_crop",
    "cropping",
    "grid_for",
    "num_doublings",
    "on_multiples",
    "padding",
    "reflect_to",
    "require_images",
    "require_sides",
    "start_grid",
]

SMALLEST, LARGEST = 8, 1024  # sides of images, in pixels


def num_doublings(shape: Shape, network: str) -> int:
    """Return how often 4 pixels double within the shorter side of an image.

    Args:
        shape: (C, H, W) of one image.
        network: Name of the network, for the message.

    Raises:
        DataError: If these are points, or a side is below 8 or above 1024 pixels.

    Example:
        >>> num_doublings((3, 64, 64), "DCGAN"), num_doublings((3, 128, 171), "DCGAN")
        (4, 5)
    """
    require_sides(shape, network)
    return min(shape[1:]).bit_length() - 3


def require_sides(shape: Shape, network: str, smallest: int = SMALLEST) -> None:
    """Raise an error for points, and for images that are too small or too large.

    Args:
        shape: (C, H, W) of one image.
        network: Name of the network, for the message.
        smallest: Smallest side in pixels.

    Raises:
        DataError: If these are points, or a side is below `smallest` or above 1024 pixels.
    """
    require_images(shape, network)
    height, width = shape[1:]
    if not smallest <= min(height, width) <= max(height, width) <= LARGEST:
        sides = [min(max(side, smallest), LARGEST) for side in (height, width)]
        size = str(sides[0]) if sides[0] == sides[1] else f"{sides[0]}x{sides[1]}"
        raise DataError(
            f"{network} needs images with sides of {smallest} to {LARGEST} pixels, not {height} × {width}: "
            f"pass --size {size}."
        )


def start_grid(height: int, width: int, doublings: int) -> tuple[int, int]:
    """Return the smallest grid that is at least as large as an image after some doublings.

    Args:
        height: Of the image in pixels.
        width: Of the image in pixels.
        doublings: k.

    Returns:
        (⌈height / 2ᵏ⌉, ⌈width / 2ᵏ⌉).

    Example:
        >>> start_grid(64, 64, 4), start_grid(128, 171, 5)
        ((4, 4), (4, 6))
    """
    return -(-height >> doublings), -(-width >> doublings)


def grid_for(shape: Shape, doublings: int) -> tuple[int, int]:
    """Return the start grid of images.

    Args:
        shape: (C, H, W) of one image.
        doublings: As for `start_grid`.
    """
    return start_grid(shape[1], shape[2], doublings)


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


def cropping(shape: Shape, doublings: int) -> list[nn.Module]:
    """Return the last layers of a generator: a crop to the size of the images, or none where it would change nothing.

    Args:
        shape: (C, H, W) of one image.
        doublings: Of the generator, from `start_grid` on.

    Example:
        >>> cropping((3, 64, 64), 4), len(cropping((3, 128, 171), 5))
        ([], 1)
    """
    _, height, width = shape
    return [] if _on_grid(height, width, doublings) else [CentreCrop(height, width)]


def padding(shape: Shape, doublings: int) -> list[nn.Module]:
    """Return the first layers of a critic: a reflection up to its grid, or none where it would change nothing.

    Args:
        shape: (C, H, W) of one image.
        doublings: Halvings of the critic, down to `start_grid`.

    Example:
        >>> padding((3, 64, 64), 4), len(padding((3, 128, 171), 5))
        ([], 1)
    """
    _, height, width = shape
    if _on_grid(height, width, doublings):
        return []
    rows, columns = start_grid(height, width, doublings)
    return [ReflectTo(rows << doublings, columns << doublings)]


def require_images(shape: Shape, network: str) -> None:
    """Raise an error for points.

    Args:
        shape: Shape of one sample.
        network: Name of the network, for the message.

    Raises:
        DataError: If the shape is not (C, H, W).
    """
    if len(shape) != 3:
        raise DataError(f"{network} needs images (C, H, W), not {shape}: use an MLP for points.")


def _on_grid(height: int, width: int, doublings: int) -> bool:
    return height % (1 << doublings) == 0 and width % (1 << doublings) == 0


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
