"""Sizes of images: any height and width from 8 to 1024 pixels on networks that double their feature maps.

A network that doubles k times starts at a grid of (⌈H / 2ᵏ⌉, ⌈W / 2ᵏ⌉) positions. Its images of (h₀ 2ᵏ, w₀ 2ᵏ) are
cropped about their centre to (H, W); a critic pads its input by reflection about its centre to that size. k is the
number of times that 4 pixels double within the shorter side, so the grid's shorter side has 4 to 7 positions. Where the
sides are such multiples, as those of a square of a power of two are, nothing is cropped or padded.
"""

from math import ceil, log2

import torch
from torch import Tensor, nn

from sparring.errors import DataError
from sparring.networks.common.base import Shape

__all__ = [
    "CentreCrop",
    "ReflectTo",
    "centre_crop",
    "cropping",
    "num_doublings",
    "padding",
    "reflect_to",
    "require_images",
    "start_grid",
]


def num_doublings(shape: Shape, network: str, largest: int = 256) -> int:
    """Return the number of doublings from 4 × 4 to the image's side.

    Args:
        shape: (C, H, W) of one image.
        network: Name of the network, for the message.
        largest: Largest supported side in pixels.

    Raises:
        DataError: If the images are not square, or their side is no power of two from 8 to `largest`.

    Example:
        >>> num_doublings((3, 64, 64), "DCGAN")
        4
    """
    require_images(shape, network)
    _, height, width = shape
    sides = [2**k for k in range(3, largest.bit_length())]
    if height != width or height not in sides:
        nearest = min(max(2 ** ceil(log2(max(height, width))), sides[0]), largest)
        raise DataError(
            f"{network} needs square images whose side is a power of two from 8 to {largest}, not {shape}: "
            f"pass --size {nearest}."
        )
    return height.bit_length() - 3


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
